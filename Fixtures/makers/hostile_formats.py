"""GGUF files, FlatBuffers and quantised weights with one lie each, in Fixtures/crashes: what has brought down other readers.

    pip install torch safetensors
    python -P makers/hostile_formats.py      # in Fixtures, after quantised.py

GGUF: sizes that wrap (CVE-2025-53630, CVE-2026-27940), a tensor that is only said to be huge (CVE-2026-33298), data
beyond the file (CVE-2026-7482), dimensions of 0, counts and lengths up to 2^64 - 1 (CVE-2024-21802 and its kin).
"""
import os, struct

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "crashes")
TOP = 2**64 - 1


def text(value, length=None):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


USUAL = [entry("general.type", 8, text("adapter")), entry("general.architecture", 8, text("llama")),
         entry("adapter.type", 8, text("lora")), entry("adapter.lora.alpha", 6, struct.pack("<f", 2.0))]
Q = "blk.0.attn_q.weight."


def tensor(name, dims, kind=0, offset=0, count=None):
    return text(name) + struct.pack("<I", len(dims) if count is None else count) + b"".join(struct.pack("<Q", d) for d in dims) \
        + struct.pack("<IQ", kind, offset)


PAIR = [tensor(Q + "lora_a", [16, 2], offset=0), tensor(Q + "lora_b", [2, 16], offset=128)]


def gguf(entries=USUAL, tensors=PAIR, data=256, version=3, counts=(None, None), magic=b"GGUF"):
    head = magic + struct.pack("<I", version) + struct.pack(
        "<QQ", len(tensors) if counts[0] is None else counts[0], len(entries) if counts[1] is None else counts[1])
    body = head + b"".join(entries) + b"".join(tensors)
    return body + b"\0" * (-len(body) % 32 + data)


def with_entry(*more):
    return gguf(USUAL + list(more))


def with_a(dims, **more):
    return gguf(tensors=[tensor(Q + "lora_a", dims, **more), PAIR[1]])


GGUF = {
    "tensor-count-of-ones": gguf(counts=(TOP, None)),
    "metadata-count-of-ones": gguf(counts=(None, TOP)),
    "many-tensors-in-few-bytes": gguf(counts=(2**40, None)),
    "key-length-of-ones": gguf([text("general.type", TOP) + b"\0" * 12]),
    "text-length-past-the-end": with_entry(entry("x", 8, text("abc", 2**32))),
    "array-of-ones": with_entry(entry("x", 9, struct.pack("<IQ", 4, TOP))),
    "array-whose-bytes-wrap": with_entry(entry("x", 9, struct.pack("<IQ", 10, 2**61))),
    "array-of-arrays": with_entry(entry("x", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 9, 1))),
    "array-of-texts-past-the-end": with_entry(entry("x", 9, struct.pack("<IQ", 8, 3) + text("a") + text("b", 2**63))),
    "key-twice": with_entry(USUAL[0]),
    "unknown-value": with_entry(entry("x", 13, b"\0" * 8)),
    "five-dimensions": with_a([1, 1, 1, 16, 2]),
    "four-thousand-dimensions": with_a([16, 2], count=4096),
    "dimensions-that-wrap": with_a([2**62, 4]),
    "dimensions-that-wrap-to-the-right-size": with_a([2**63, 2, 32]),
    "a-tensor-of-an-exabyte": with_a([2**58]),
    "a-dimension-of-zero": with_a([0, 2]),
    "a-dimension-of-zero-hides-another": with_a([0, TOP]),
    "offset-past-the-end": with_a([16, 2], offset=2**20),
    "offset-that-wraps": with_a([16, 2], offset=2**64 - 32),
    "offset-not-aligned": with_a([16, 2], offset=1),
    "two-tensors-on-one-place": gguf(tensors=[PAIR[0], tensor(Q + "lora_b", [2, 16], offset=0)], data=128),
    "name-twice": gguf(tensors=[PAIR[0], PAIR[0]]),
    "rows-that-are-no-blocks": with_a([17, 2], kind=8),
    "unknown-type": with_a([16, 2], kind=99),
    "alignment-of-zero": with_entry(entry("general.alignment", 4, struct.pack("<I", 0))),
    "alignment-of-three": with_entry(entry("general.alignment", 4, struct.pack("<I", 3))),
    "alignment-of-2-63": with_entry(entry("general.alignment", 10, struct.pack("<Q", 2**63))),
    "alpha-is-a-text": gguf(USUAL[:3] + [entry("adapter.lora.alpha", 8, text("2"))]),
    "alpha-is-not-a-number": gguf(USUAL[:3] + [entry("adapter.lora.alpha", 6, struct.pack("<f", float("nan")))]),
    "big-endian": gguf(version=3 << 24),
    "version-1": gguf(version=1),
    "name-that-is-not-utf8": gguf(tensors=[tensor(b"\xff\xfe.lora_a", [16, 2]), PAIR[1]]),
    "name-with-a-zero": gguf(tensors=[tensor("blk.0.attn_q\0.weight.lora_a", [16, 2]), PAIR[1]]),
    "cut-in-the-list": gguf()[:150],
    "ranks-that-differ": with_a([16, 3]),
}


def flat(**change):
    """A file of one parameter, its numbers by name."""
    f = dict(root=20, vtable=12, params=16, count=1, param=4, pvtable=None, name=None, dims=None, data=None, type=1, fields=12,
             name_length=5, dims_count=2, rows=2, columns=2, data_length=16, version=1)
    f.update(change)
    # root at 20, its fields at 8; a parameter's fields at 40, the vector at 52, the parameter at 60, texts at 80.
    out = struct.pack("<I", f["root"]) + b"TORT" + struct.pack("<6H", f["fields"], 20, 4, 8, 12, 16)
    out += struct.pack("<iiiiI", f["vtable"], f["version"], 0, 0, f["params"])
    out += struct.pack("<6H", 12, 20, 4, 8, 12, 16)
    out += struct.pack("<II", f["count"], f["param"])
    out += struct.pack("<i", 20 if f["pvtable"] is None else f["pvtable"])
    out += struct.pack("<I", 80 - 64 if f["name"] is None else f["name"])
    out += struct.pack("<I", 92 - 68 if f["dims"] is None else f["dims"])
    out += struct.pack("<i", f["type"])
    out += struct.pack("<I", 116 - 76 if f["data"] is None else f["data"])
    out += struct.pack("<I", f["name_length"]) + b"M.x_A\0\0\0"
    out += struct.pack("<Iqq", f["dims_count"], f["rows"], f["columns"]) + b"\0" * 4
    return out + struct.pack("<I", f["data_length"]) + b"\0" * 16


ONNX = {
    "root-past-the-end": flat(root=2**31),
    "root-on-itself": flat(root=0),
    "fields-before-the-start": flat(vtable=2**30),
    "fields-past-the-end": flat(vtable=-(2**30)),
    "fields-of-one-byte": flat(fields=1),
    "more-fields-than-bytes": flat(fields=65534),
    "parameters-past-the-end": flat(params=2**32 - 1),
    "parameters-of-ones": flat(count=2**32 - 1),
    "parameter-on-itself": flat(param=0),
    "parameter-past-the-end": flat(param=2**31),
    "fields-of-a-parameter-before-the-start": flat(pvtable=2**31 - 1),
    "name-past-the-end": flat(name=2**20),
    "name-of-ones": flat(name_length=2**32 - 1),
    "shape-of-ones": flat(dims_count=2**32 - 1),
    "nine-dimensions": flat(dims_count=9),
    "a-negative-dimension": flat(rows=-2),
    "dimensions-that-wrap": flat(rows=2**62, columns=4),
    "a-dimension-of-zero-hides-another": flat(rows=0, columns=2**62, data_length=0),
    "data-of-ones": flat(data_length=2**32 - 1),
    "data-that-is-too-short": flat(data_length=12),
    "unknown-type": flat(type=7),
    "version-2": flat(version=2),
    "a-meaning-that-only-the-graph-knows": flat(),
}


def quantised(base, change, config=None):
    """A base of Fixtures/quantised with some tensors changed, after its configuration."""
    import json
    from safetensors.torch import load_file, save
    folder = os.path.join(os.path.dirname(FOLDER), "quantised", base)
    tensors = {key: value for key, value in load_file(folder + "/model.safetensors").items() if ".mlp." not in key}
    change(tensors)
    text = json.loads(open(folder + "/config.json").read())
    text["quantization_config"] |= config or {}
    return json.dumps(text).encode() + b"\0" + save(tensors)


def lies():
    import json
    import torch
    X = "model.layers.0.self_attn.q_proj."
    def state(**fields):
        def change(tensors):
            key = next(k for k in tensors if "quant_state" in k)
            value = json.loads(bytes(tensors[key].tolist())) | fields
            tensors[key] = torch.tensor(list(json.dumps({k: v for k, v in value.items() if v is not None}).encode()), dtype=torch.uint8)
        return change
    def drop(name):
        return lambda tensors: tensors.pop(X + name)
    def put(name, make):
        return lambda tensors: tensors.__setitem__(X + name, make(tensors[X + name]))
    yield "shape-that-wraps", quantised("nf4", state(shape=[2**53, 2**53]))
    yield "shape-of-zero", quantised("nf4", state(shape=[0, 128]))
    yield "shape-below-zero", quantised("nf4", state(shape=[-96, -128]))
    yield "no-shape", quantised("nf4", state(shape=None))
    yield "blocksize-of-zero", quantised("nf4", state(blocksize=0))
    yield "blocksize-of-three", quantised("nf4", state(blocksize=3))
    yield "nested-blocksize-of-zero", quantised("nf4_double", state(nested_blocksize=0))
    yield "nested-offset-that-is-none", quantised("nf4_double", state(nested_offset="x"))
    yield "unknown-key", quantised("nf4", state(more=1))
    yield "unknown-dtype", quantised("nf4", state(dtype="int32"))
    yield "no-absmax", quantised("nf4", drop("weight.absmax"))
    yield "few-absmax", quantised("nf4", put("weight.absmax", lambda v: v[:3]))
    yield "another-table", quantised("nf4", put("weight.quant_map", lambda v: v.flip(0)))
    yield "few-scales", quantised("int8", put("SCB", lambda v: v[:3]))
    yield "another-layout", quantised("int8", put("weight_format", lambda v: torch.tensor(1, dtype=torch.uint8)))
    yield "group-that-is-not-there", quantised("gptq", put("g_idx", lambda v: v + 1000))
    yield "group-below-zero", quantised("gptq", put("g_idx", lambda v: v - 1))
    yield "bits-of-zero", quantised("gptq", lambda t: None, {"bits": 0})
    yield "bits-of-a-million", quantised("gptq", lambda t: None, {"bits": 10**6})
    yield "few-zeros", quantised("gptq", put("qzeros", lambda v: v[:1]))
    yield "group-size-of-zero", quantised("awq", lambda t: None, {"group_size": 0})
    yield "shape-of-ones", quantised("packed_int4", put("weight_shape", lambda v: torch.tensor([2**63 - 1, 2**63 - 1])))
    yield "shape-below-zero-of-words", quantised("packed_int4", put("weight_shape", lambda v: torch.tensor([-1, -1])))
    yield "scales-of-zero-columns", quantised("packed_int4", put("weight_scale", lambda v: v[:, :0].contiguous()))
    yield "many-scales", quantised("packed_int4", put("weight_scale", lambda v: torch.cat([v] * 64, 1)))
    yield "mlx-bits-of-zero", quantised("mlx_4", lambda t: None, {"bits": 0})
    yield "mlx-group-size-of-zero", quantised("mlx_4", lambda t: None, {"group_size": 0})


def main():
    for name, cases in (("gguf", GGUF), ("onnx", ONNX), ("quantised", dict(lies()))):
        os.makedirs(f"{FOLDER}/{name}", exist_ok=True)
        for case, content in cases.items():
            with open(f"{FOLDER}/{name}/{case}", "wb") as file:
                file.write(content)
        print(name, len(cases))


if __name__ == "__main__":
    main()
