#!/usr/bin/env python3
"""Makes inputs below 1 MB that ask for far more than they hold: make_hostile.py FOLDER

In FOLDER/adp are `.adp` files, in FOLDER/peft folders of PEFT, in FOLDER/bases checkpoints, in FOLDER/folders
unpacked adapters, in FOLDER/models bases for `run`, and in FOLDER/pairs adapters with a base that they fit. Needs
zstandard, for manifests that must compress well.
"""

import hashlib
import json
import math
import struct
import sys
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import zstandard

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Fixtures"))
from makers.adp.files import seal  # noqa: E402
from makers.adp.frames import BLOCK, block, head  # noqa: E402
from makers.adp.streams import DTYPES  # noqa: E402

ROOT = Path(sys.argv[1])
LIMIT = 1_000_000
ONE = {"F16": b"\x00\x3c", "BF16": b"\x80\x3f", "F32": struct.pack("<f", 1), "F64": struct.pack("<d", 1)}
ONE |= {"I32": struct.pack("<i", 1), "I64": struct.pack("<q", 1), "U8": b"\1", "F8_E4M3": b"\1"}


# Streams of one value


def rle(byte, n):
    cuts = [min(BLOCK, n - at) for at in range(0, n, BLOCK)]
    return head(n) + b"".join(block(1, cut, bytes([byte]), at == len(cuts) - 1) for at, cut in enumerate(cuts))


@cache
def digest(value, count):
    whole, hasher = value * min(count, 1 << 20), hashlib.sha256()
    for at in range(0, count, 1 << 20):
        hasher.update(whole[: min(count - at, 1 << 20) * len(value)])
    return hasher.hexdigest()


def row(value, dtype, units):
    _, width, rotated = DTYPES[dtype]
    unit = int.from_bytes(value, "little")
    if rotated:
        unit = (unit << 1 | unit >> (8 * width - 1)) % 2 ** (8 * width)
    frames = [rle(byte, units) for byte in unit.to_bytes(width, "little")]
    return b"".join(frames), [*map(len, frames), zlib.crc32(b"".join(frames))]


def stream(dtype, tensors, value=None, chunk=1 << 20):
    """A stream whose elements are all alike, and its payload."""
    value = ONE[dtype] if value is None else value
    units = sum(math.prod(shape) for _, shape in tensors)
    full, rest = divmod(units, chunk)
    payload, rows = b"", []
    if full:
        bytes_, numbers = row(value, dtype, chunk)
        payload, rows = bytes_ * full, [numbers] * full
    if rest:
        bytes_, numbers = row(value, dtype, rest)
        payload, rows = payload + bytes_, rows + [numbers]
    listed = [{"name": n, "shape": list(s), "sha256": digest(value, math.prod(s))} for n, s in tensors]
    return {"dtype": dtype, "code": "planes", "chunk": chunk, "tensors": listed, "chunks": rows}, payload


def frame(text):
    parameters = zstandard.ZstdCompressionParameters.from_level(
        9, window_log=27, write_content_size=True, write_checksum=False, write_dict_id=False)
    stored = zstandard.ZstdCompressor(compression_params=parameters).compress(text)
    # The compressor gives a small content size fewer bytes than FRM-1 has.
    return head(len(text)) + stored[6 if len(text) < 256 else 7 if len(text) < 65792 else 9 :]


def write(path, data):
    path = ROOT / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if len(data) >= LIMIT:
        print(f"{path}: {len(data)} bytes", file=sys.stderr)


def adp(name, operations=(), streams=(), text=None, adapters=None, path="adp/{}.adp", **keys):
    """A file; the tensors that no operation names are inert."""
    operations = list(operations)
    payload = b"".join(part for _, part in streams)
    if text is None:
        used = {p["tensor"] if isinstance(p, dict) else p for o in operations for p in o["tensors"].values()}
        names = [tensor["name"] for s, _ in streams for tensor in s["tensors"]]
        inert = [{"tensor": n, "reason": ""} for n in names if n not in used]
        adapter = {"name": "a", "method": "m", "inert": inert, "operations": operations, "streams": [s for s, _ in streams]}
        manifest = {"adapters": [{**adapter, **(adapters or {})}], **keys}
        text = json.dumps(manifest, separators=(",", ":")).encode()
    stored = frame(text)
    data = seal(payload, stored, text)
    allowed = min(128 << 20, (1 << 20) + 8 * len(data))
    if len(text) > allowed:
        print(f"{name}: a manifest of {len(text)} bytes where {allowed} may be", file=sys.stderr)
    write(path.format(name), data)


def low(a="a", b="b", target="layer.weight", scale=1, layout="out_in", **keys):
    return {"op": "add_low_rank", "target": target, "tensors": {"a": a, "b": b}, "scale": scale, "layout": layout, **keys}


def op(kind, target="layer.weight", tensors=None, **keys):
    return {"op": kind, "target": target, "tensors": tensors or {}, **keys}


def one(name, operation, shapes, dtype="F16", **types):
    """A file of one operation, with a tensor of ones for each role."""
    groups = {}
    for role, shape in shapes.items():
        groups.setdefault(types.get(role, dtype), []).append((role, shape))
    operation["tensors"] = {role: role for role in shapes}
    adp(name, [operation], [stream(kind, tensors) for kind, tensors in groups.items()])


# Large tensors

GIB = 1 << 30


def tensors():
    adp("inert_f32", streams=[stream("F32", [("t", [1 << 28])])])
    adp("inert_u8", streams=[stream("U8", [("t", [1 << 30])])])
    adp("inert_small_chunks", streams=[stream("U8", [("t", [20_000 << 10])], chunk=1 << 10)])
    adp("inert_many", streams=[stream("F32", [(f"t{i}", [1 << 14]) for i in range(8_000)])])
    adp("nan", streams=[stream("F32", [("t", [1 << 28])], value=b"\xff\xff\xff\xff")], adapters={"nonfinite": ["t"]})
    one("low_rank_tall", low(), {"a": [1, 1 << 28], "b": [1 << 28, 1]})
    one("low_rank_square", low(), {"a": [16384, 16384], "b": [16384, 16384]})
    one("low_rank_2048", low(), {"a": [2048, 1 << 17], "b": [1 << 17, 2048]})
    one("low_rank_wide_rank", low(), {"a": [1 << 25, 8], "b": [8, 1 << 25]})
    one("low_rank_zero_b", low(), {"a": [1, 1 << 28], "b": [1 << 28, 1]}, )
    one("low_rank_magnitude", low(), {"a": [1, 1 << 27], "b": [1 << 27, 1], "magnitude": [1 << 27]})
    one("low_rank_experts", low(experts=1 << 25), {"a": [1 << 25, 8], "b": [8, 1 << 25]})
    one("low_rank_experts_small", low(experts=1 << 16), {"a": [1 << 16, 8], "b": [8, 1 << 16]})
    one("low_rank_blocks", low(a_blocks=1 << 10, b_blocks=1 << 10), {"a": [1 << 13, 8], "b": [1 << 13, 8]})
    one("low_rank_blocks_dense", low(a_blocks=1 << 13), {"a": [1 << 13, 8], "b": [8, 1 << 13]})
    one("low_rank_kernel", low(), {"a": [16, 1 << 10, 1 << 7, 1 << 7], "b": [16, 16, 1, 1]})
    one("multiply", op("multiply", side="input", layout="out_in"), {"v": [1 << 29]})
    one("add", op("add", scale=1), {"delta": [1 << 29]})
    one("replace", op("replace"), {"value": [1 << 15, 1 << 14]})
    one("replace_rows", op("replace_rows", rows=list(range(1000))), {"values": [1000, 1 << 19]})
    one("prompt_tall", op("prepend_embeddings", stream="decoder"), {"values": [1 << 29, 1]})
    one("prompt_wide", op("prepend_embeddings", stream="decoder"), {"values": [1, 1 << 29]})
    one("prefix", op("prepend_kv", heads=1, head_dim=1, slots=[[i, i] for i in range(64)], stream="decoder"),
        {"values": [1 << 23, 64]})
    one("prefix_slots", op("prepend_kv", heads=1, head_dim=1, slots=[[0, 1]] * 100_000, stream="decoder"),
        {"values": [1 << 10, 2]})
    one("prefix_slots_wide", op("prepend_kv", heads=1 << 20, head_dim=16, slots=[[0, 0]] * 10_000, stream="decoder"),
        {"values": [1, 1 << 24]})
    one("hadamard", op("add_hadamard", scale=1),
        {"w1_a": [1 << 15, 256], "w1_b": [256, 1 << 15], "w2_a": [1 << 15, 256], "w2_b": [256, 1 << 15]})
    one("hadamard_product", op("add_hadamard", scale=1),
        {"w1_a": [1 << 17, 8], "w1_b": [8, 1 << 17], "w2_a": [1 << 17, 8], "w2_b": [8, 1 << 17]})
    one("kronecker", op("add_kronecker", scale=1), {"w1": [1 << 8, 1 << 8], "w2": [1 << 7, 1 << 7]})
    one("kronecker_huge", op("add_kronecker", scale=1), {"w1": [1 << 14, 1 << 14], "w2": [1 << 13, 1 << 13]})
    one("kronecker_factors", op("add_kronecker", scale=1),
        {"w1_a": [1 << 20, 8], "w1_b": [8, 1 << 20], "w2_a": [1 << 20, 8], "w2_b": [8, 1 << 20]})
    one("sparse", op("add_sparse", shape=[1 << 14, 1 << 14], scale=1), {"indices": [1 << 26], "values": [1 << 26]}, indices="I32")
    one("sparse_huge", op("add_sparse", shape=[1 << 25, 1 << 25], scale=1), {"indices": [1], "values": [1]}, indices="I32")
    one("sparse_dense", op("add_sparse", shape=[1 << 15, 1 << 15], scale=1), {"indices": [1], "values": [1]}, indices="I32")
    one("blocks", op("add_blocks", shape=[1 << 15, 1 << 15], layout="out_in"), {"m": [1 << 14, 1 << 15]})
    one("blocks_three", op("add_blocks"), {"m": [1 << 9, 1 << 10, 1 << 10]})
    one("circulant", op("add_circulant"), {"kernel": [1 << 7, 1 << 7, 1 << 8]})
    one("circulant_huge", op("add_circulant"), {"kernel": [1, 1, 1 << 29]})
    one("circulant_wide", op("add_circulant"), {"kernel": [1 << 14, 1 << 14, 1]})
    one("grouped", op("add_grouped_low_rank", scale=1, layout="out_in"), {"a": [64, 1 << 10, 4096], "b": [64, 4096, 1 << 10]})
    one("grouped_many", op("add_grouped_low_rank", scale=1, layout="out_in"), {"a": [1 << 12, 8, 1 << 12], "b": [1 << 12, 1 << 12, 8]})
    one("normalised", op("add_normalised_low_rank"),
        {"a": [4096, 1 << 15], "b": [1 << 15, 4096], "lambda": [1], "w_norm": [1 << 15]})
    one("scale_low_rank", op("scale_low_rank", layout="out_in"), {"a": [8192, 1 << 14], "b": [1 << 14, 8192]})
    one("rotate", op("rotate_input"), {"u": [1, (1 << 14) * ((1 << 14) - 1) // 2]})
    one("rotate_many", op("rotate_input"), {"u": [1 << 27, 1]})
    one("rotate_shared", op("rotate_input", shared=True, terms=64), {"u": [1, 4096 * 4095 // 2]})
    one("butterfly", op("rotate_butterfly"), {"r": [1, 1, 1 << 14, 1 << 14], "s": [16]})
    one("butterfly_factors", op("rotate_butterfly"), {"r": [20, 1 << 19, 2, 2], "s": [16]})
    one("reflect", op("reflect_input", orthogonal=True), {"u": [1 << 14, 1 << 14]})
    one("reflect_rank", op("reflect_input", orthogonal=True), {"u": [8, 1 << 22]})
    one("road", op("rotate_output", variant="road_1", group=2), {"theta": [1 << 28], "alpha": [1 << 28]})
    one("spectral", op("add_spectral", scale=1, layout="out_in", shape=[1 << 13, 1 << 13]),
        {"spectrum": [1000], "places": [2, 1000]}, places="I32")
    one("spectral_many", op("add_spectral", scale=1, layout="out_in", shape=[1 << 10, 1 << 10]),
        {"spectrum": [1 << 20], "places": [2, 1 << 20]}, places="I32")
    one("spectral_huge", op("add_spectral", scale=1, layout="out_in", shape=[1 << 26, 1 << 26]),
        {"spectrum": [1 << 24], "places": [2, 1 << 24]}, places="I32")


def back():
    """A file that says it was PEFT's, of zeros."""
    config = json.dumps({**COMMON, **LORA, "r": 64})
    names = [f"{MODEL}layers.{i}.q.lora_{side}.weight" for i in range(8) for side in "AB"]
    shapes = [(n, [64, 1 << 18] if ".lora_A." in n else [1 << 18, 64]) for n in names]
    operations = [low(names[2 * i], names[2 * i + 1], f"model.layers.{i}.q.weight", 1 / 64) for i in range(8)]
    for operation in operations:
        operation |= {"layout": "unresolved"}
    source = {"format": "peft", "config": config}
    adp("back", operations, [stream("F32", shapes, value=bytes(4))], adapters={"source": source})


# Many operations on few tensors


def operations():
    share = [stream("F16", [("a", [16, 1 << 14]), ("b", [1 << 14, 16])])]
    adp("shared_targets", [low(target=f"layers.{i}.q.weight") for i in range(10_000)], share)
    adp("shared_target", [low() for _ in range(10_000)], share)
    small = [stream("F16", [("a", [2, 8]), ("b", [8, 2])])]
    adp("small_targets", [low(target=f"layers.{i}.q.weight") for i in range(9_000)], small)
    adp("small_target", [low() for _ in range(9_000)], small)
    adp("pairs", [low(target=f"layers.{i}.q.weight") for i in range(2_000)],
        [stream("F16", [("a", [512, 1 << 12]), ("b", [1 << 12, 512])])])
    window = {"tensor": "t", "window": [[0, 1], [0, 1]]}
    adp("windows", [low(window, window, target=f"l.{i}.q.weight") for i in range(5_000)],
        [stream("F16", [("t", [1 << 15, 1 << 14])])])
    wide = {"tensor": "t", "window": [[0, 1 << 14], [0, 1 << 14]]}
    adp("window_wide", [low(wide, wide)], [stream("F16", [("t", [1 << 15, 1 << 14])])])
    adp("rank_zero", [low(target=f"l.{i}.q.weight") for i in range(100)],
        [({**stream("F16", [("a", [0, 1 << 52]), ("b", [1 << 52, 0])])[0]}, b"")])
    adp("multiply_many", [op("multiply", f"l.{i}.weight", {"v": "v"}, side="output", layout="out_in") for i in range(10_000)],
        [stream("F16", [("v", [1 << 20])])])
    adp("add_many", [op("add", f"l.{i}.bias", {"delta": "v"}, scale=1) for i in range(10_000)],
        [stream("F16", [("v", [1 << 20])])])
    adp("add_layers", [op("add", f"l.{i}.bias", {"delta": "v"}, scale=1) for i in range(10_000)],
        [stream("F16", [("v", [16])])])
    adp("prompts", [{"op": "prepend_embeddings", "tensors": {"values": "v"}, "stream": "decoder"} for i in range(10_000)],
        [stream("F16", [("v", [1 << 12, 16])])])
    adp("diagonal", [op("add", f"layers.{i}.m{i}.weight", {"delta": "v"}, scale=1) for i in range(8_000)],
        [stream("F16", [("v", [16])])])
    adp("layer_numbers", [op("add", f"layers.{i * 10 ** 14}.bias", {"delta": "v"}, scale=1) for i in range(2_000)],
        [stream("F16", [("v", [16])])])
    adp("modules", [op("add", f"layers.{i % 120}.m{i}.weight", {"delta": "v"}, scale=1) for i in range(8_000)],
        [stream("F16", [("v", [16])])])
    adp("opaque_operations", [op(f"op{i}", f"l.{i}.weight", {"r": "v"}) for i in range(10_000)],
        [stream("F16", [("v", [16])])])


# Manifests


def manifests():
    noise = hashlib.shake_128(b"noise").digest(LIMIT)

    def manifest(name, adapters=None, **keys):
        """A manifest of up to 8 times the file, which bytes that do not compress make room for."""
        adapters = adapters or {}
        named = any("noise" in o["tensors"].values() for o in adapters.get("operations", []))
        inert = ([] if named else [{"tensor": "noise", "reason": ""}]) + adapters.pop("inert", [])
        more = adapters.pop("more", [])
        # What takes long is made once: only the record of the noise depends on how much of it there is.
        rest = json.dumps({"adapters": [{"name": "a", "method": "m", "operations": [], **adapters, "inert": inert,
                                         "streams": [None] + [s for s, _ in more]}], **keys}, separators=(",", ":"))
        before, after = rest.split('"streams":[null', 1)
        room = 0
        for _ in range(2):
            raw = noise[:room]
            whole = head(len(raw)) + b"".join(block(0, len(cut), cut, last) for cut, last in cuts(raw))
            listed = [{"name": "noise", "shape": [len(raw)], "sha256": hashlib.sha256(raw).hexdigest()}]
            rows = [[len(whole), zlib.crc32(whole)]] if raw else []
            record = {"dtype": "U8", "code": "planes", "chunk": 1 << 20, "tensors": listed, "chunks": rows}
            text = f'{before}"streams":[{json.dumps(record, separators=(",", ":"))}{after}'.encode()
            stored = frame(text)
            payload = (whole if raw else b"") + b"".join(p for _, p in more)
            data = seal(payload, stored, text)
            room = max(0, LIMIT - 1000 - len(data))
        if len(text) > (1 << 20) + 8 * len(data):
            print(f"{name}: a manifest of {len(text)} bytes in {len(data)}", file=sys.stderr)
        write(f"adp/{name}.adp", data)

    def cuts(raw):
        pieces = [raw[at : at + BLOCK] for at in range(0, len(raw), BLOCK)]
        return [(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces)]

    manifest("m_metadata", metadata={f"k{i}": "" for i in range(330_000)})
    manifest("m_metadata_text", metadata={"k": "x" * 8_000_000})
    manifest("m_metadata_controls", metadata={"k": "\u202e" * 1_200_000, "license": "\u0001" * 100_000})
    manifest("m_generator", generator="\\u0000" * 500_000)
    manifest("m_unknown_deep", more=[[[[[[[[[[[[[[]] for _ in range(200_000)]]]]]]]]]]]])
    manifest("m_unknown_numbers", more=[1e300] * 1_000_000)
    manifest("m_unknown_keys", **{f"k{i}": 0 for i in range(400_000)})
    manifest("m_inert", {"inert": [{"tensor": "noise", "reason": "r"} for _ in range(180_000)]})
    manifest("m_nonfinite", {"nonfinite": ["noise"] * 700_000})
    sha = hashlib.sha256().hexdigest()
    names = [f"t{i}" for i in range(40_000)]
    empty = {"dtype": "F16", "code": "planes", "chunk": 1024,
             "tensors": [{"name": n, "shape": [0], "sha256": hashlib.sha256().hexdigest()} for n in names], "chunks": []}
    manifest("m_tensors", {"inert": [{"tensor": n, "reason": ""} for n in names], "more": [(empty, b"")]})
    eight = {**empty, "tensors": [{"name": n, "shape": [0] * 8, "sha256": hashlib.sha256().hexdigest()} for n in names]}
    manifest("m_dimensions", {"inert": [{"tensor": n, "reason": ""} for n in names], "more": [(eight, b"")]})
    long = [f"{i:06}" + "x" * 1018 for i in range(3_000)]
    tensors = {**empty, "tensors": [{"name": n, "shape": [0], "sha256": hashlib.sha256().hexdigest()} for n in long]}
    manifest("m_names", {"inert": [{"tensor": n, "reason": ""} for n in long], "more": [(tensors, b"")]})
    manifest("m_streams", {"inert": [{"tensor": n, "reason": ""} for n in names[:20_000]], "more": [
        ({**empty, "tensors": [{"name": n, "shape": [0], "sha256": hashlib.sha256().hexdigest()}]}, b"") for n in names[:20_000]]})
    manifest("m_files", {"files": [{"path": f"f{i}", "size": 0, "sha256": hashlib.sha256().hexdigest()} for i in range(70_000)]})
    manifest("m_bound", {"operations": [op("add", tensors={"delta": "d"}, scale=1, bound=["x"] * 1_000_000)],
                         "more": [stream("F16", [("d", [4])])]})
    manifest("m_operations", {"operations": [op("x", tensors={"r": "noise"}) for i in range(100_000)]})
    manifest("m_roles", {"operations": [op("x", tensors={f"r{i}": "noise" for i in range(200_000)})]})
    manifest("m_attributes", {"operations": [op("x", tensors={"r": "noise"}, **{f"k{i}": [0, 0] for i in range(200_000)})]})
    manifest("m_targets", {"operations": [op("add", f"l.{i}.b", {"delta": "d"}, scale=1) for i in range(90_000)],
                           "more": [stream("F16", [("d", [4])])]})
    manifest("m_arrays", {"operations": [op("x", tensors={"r": "noise"}, k=[[0]] * 1_500_000)]})
    manifest("m_rows", {"operations": [op("replace_rows", tensors={"values": "v"}, rows=list(range(900_000)))],
                        "more": [stream("F16", [("v", [900_000])])]})
    manifest("m_slots", {"operations": [{"op": "prepend_kv", "tensors": {"values": "v"}, "heads": 1, "head_dim": 1,
                                         "stream": "decoder", "slots": [[0, 1]] * 1_000_000}],
                         "more": [stream("F16", [("v", [1, 2])])]})
    exact = "0" * 32
    sampled = {f"t{i}": ["F16", [0], exact, exact] for i in range(80_000)}
    hashed = "".join(f"{n}\tF16\t0\t{exact}\t{exact}\n" for n in sorted(sampled))
    fingerprint = {"tensors": sampled, "digest": hashlib.sha256(b"adp-fingerprint-1\n" + hashed.encode()).hexdigest()}
    manifest("m_fingerprint", base={"name": "b", "fingerprint": fingerprint})
    sketch = {**fingerprint, "sketch": {f"t{i}": "0" * 256 for i in range(256)}, "tensors": {}}
    sketched = {n: sampled[n] for n in list(sampled)[:15_000]}
    hashed = "".join(f"{n}\tF16\t0\t{exact}\t{exact}\n" for n in sorted(sketched))
    sketch |= {"tensors": sketched, "digest": hashlib.sha256(b"adp-fingerprint-1\n" + hashed.encode()).hexdigest()}
    manifest("m_sketch", base={"name": "b", "fingerprint": sketch})
    config = json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q"], "x": [0] * 3_000_000})
    manifest("m_source", {"source": {"format": "peft", "config": config, "sha256": sha}})
    header = json.dumps({f"t{i}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for i in range(90_000)})
    manifest("m_header", {"source": {"format": "peft", "config": "{}", "sha256": sha, "header": header}})
    # Many adapters.
    many = [{"name": f"a{i}", "method": "m", "operations": [], "streams": []} for i in range(16_000)]
    text = json.dumps({"adapters": many}, separators=(",", ":")).encode()
    data = seal(b"", frame(text), text)
    write("adp/m_adapters.adp", data)
    text = b'{"adapters":' + b"[" * 1_000_000
    write("adp/m_brackets.adp", seal(b"", frame(text), text))


# safetensors


def safetensors(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    write(path, struct.pack("<Q", len(text)) + text + data)


def entry(shape, dtype="F32", at=0, size=0):
    return {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}


def laid_out(shapes, dtype="F32", width=4):
    header, at = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * width
        header[name] = entry(shape, dtype, at, size)
        at += size
    return header, bytes(at)


def checkpoints():
    def base(name, header, data=b"", config=None):
        safetensors(f"bases/{name}/model.safetensors", header, data)
        if config is not None:
            write(f"bases/{name}/config.json", config)

    base("tensors", {f"layers.{i}.q.weight": entry([0]) for i in range(12_000)})
    base("dimensions", {f"t{i}": entry([1 << 52, 0] + [1] * 62) for i in range(3_000)})
    base("names", {("x." * 500) + f"{i}.weight": entry([0]) for i in range(800)})
    base("name", {"x" * 900_000: entry([0])})
    base("metadata", {"__metadata__": {f"k{i}": "" for i in range(80_000)}})
    base("metadata_text", {"__metadata__": {"k": "\x01" * 150_000}})
    base("deep", b'{"a":' + b"[" * 900_000)
    base("keys", b"{" + b",".join(b'"%d":{}' % i for i in range(80_000)) + b"}")
    base("same_key", b"{" + b",".join(b'"a":{}' for i in range(80_000)) + b"}")
    base("values", *laid_out({f"l.{i}.weight": [4, 4] for i in range(5_000)}))
    base("one", *laid_out({"layer.weight": [16, 8], "l.bias": [16]}))
    base("square", *laid_out({"layer.weight": [490, 490]}))
    base("config", {"t": entry([0])}, config=b'{"model_type":' + b"[" * 900_000)
    base("config_keys", {"t": entry([0])}, config=json.dumps({f"k{i}": i for i in range(60_000)}).encode())
    index = {"metadata": {}, "weight_map": {f"t{i}": "a.safetensors" for i in range(35_000)}}
    safetensors("bases/index/a.safetensors", {f"t{i}": entry([0]) for i in range(14_000)})
    write("bases/index/model.safetensors.index.json", json.dumps(index, separators=(",", ":")).encode())
    index = {"weight_map": {f"t{i}": f"{i}.safetensors" for i in range(30_000)}}
    write("bases/index_shards/model.safetensors.index.json", json.dumps(index, separators=(",", ":")).encode())
    index = {"weight_map": {f"layers.{i}.q.weight": f"{i}.safetensors" for i in range(2_000)}}
    for i in range(2_000):
        safetensors(f"bases/index_files/{i}.safetensors", {f"layers.{i}.q.weight": entry([0])})
    write("bases/index_files/model.safetensors.index.json", json.dumps(index, separators=(",", ":")).encode())


# Adapters with a base that they fit: many targets, each of which has to be found


def fitting():
    # As many as the limit of 1 MB allows where names are looked for, and fewer where only the arithmetic is another.
    targets = [f"l.{i}.weight" for i in range(6_000)]
    some = targets[:2_000]

    def pair(name, operations, tensors, names=targets, shape=(2, 2), config=None):
        adp(name, operations, [stream("F32", tensors)], path="pairs/{}/adapter.adp")
        safetensors(f"pairs/{name}/base/model.safetensors", *laid_out({name: list(shape) for name in names}))
        if config is not None:
            write(f"pairs/{name}/base/config.json", json.dumps(config).encode())

    factors = [("a", [1, 2]), ("b", [2, 1])]
    pair("low_rank", [low(target=name) for name in targets], factors)
    pair("others", [low(target=name) for name in some], factors)
    pair("magnitudes", [op("add_low_rank", name, {"a": "a", "b": "b", "magnitude": "m"}, scale=1, layout="out_in")
                        for name in some], [*factors, ("m", [2])])
    pair("scaled", [op("multiply", name, {"v": "v"}, side="output", layout="out_in") for name in some], [("v", [2])])
    pair("added", [op("add", name, {"delta": "d"}, scale=1) for name in some], [("d", [2, 2])])
    pair("replaced", [op("replace", name, {"value": "d"}, absent="refuse") for name in some], [("d", [2, 2])])
    # The bases' names have a prefix, or the adapter's; a family decides; targets end alike.
    pair("prefix_of_the_base", [low(target=name) for name in targets], factors, [f"model.{name}" for name in targets])
    pair("prefix_of_the_adapter", [low(target=f"model.{name}") for name in targets], factors)
    pair("prefix_unknown", [low(target=f"x.{name}") for name in targets], factors, [f"y.z.{name}" for name in targets])
    endings = [f"{'a.' * (i % 40)}{name}" for i, name in enumerate(targets[:4_000])]
    pair("endings", [low(target=name) for name in endings], factors, [f"x.{name}" for name in endings])
    layers = [f"model.layers.{i}.self_attn.q_proj.weight" for i in range(4_000)]
    llama = {"model_type": "llama", "tie_word_embeddings": True}
    pair("family", [low(target=name) for name in layers], factors, layers, config=llama)
    experts = [f"model.layers.0.block_sparse_moe.experts.{i}.w1.weight" for i in range(4_000)]
    pair("experts", [low(target=name) for name in experts], factors, experts, config={"model_type": "mixtral"})
    # Square weights, each of which asks its siblings how it lies.
    pair("layouts", [low(target=name, layout="unresolved") for name in targets], factors)
    # Several operations on one tensor.
    pair("one_tensor", [low(target="w") for _ in range(3_000)], [("a", [1, 64]), ("b", [64, 1])], ["w"], (64, 64))
    pair("chained", [op("multiply", "w", {"v": "v"}, side="output", layout="out_in") for _ in range(3_000)],
         [("v", [64])], ["w"], (64, 64))


# Folders of PEFT


def peft(name, config, header, data=b""):
    text = config if isinstance(config, bytes) else json.dumps({**COMMON, **({} if "peft_type" in config else LORA), **config}, separators=(",", ":")).encode()
    write(f"peft/{name}/adapter_config.json", text)
    safetensors(f"peft/{name}/adapter_model.safetensors", header, data)


COMMON = {"base_model_name_or_path": "b", "task_type": "CAUSAL_LM"}
LORA = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q"]}
MODEL = "base_model.model.model."


def pairs(count, a=(1, 4), b=(4, 1), module=lambda i: f"layers.{i}.q"):
    shapes = {}
    for i in range(count):
        shapes[f"{MODEL}{module(i)}.lora_A.weight"] = list(a)
        shapes[f"{MODEL}{module(i)}.lora_B.weight"] = list(b)
    return laid_out(shapes)


def folders():
    few, many = pairs(100), pairs(3_000)
    peft("many", {}, *many)
    peft("zero_wide", {}, *pairs(2_000, (0, 1 << 52), (1 << 52, 0)))
    peft("zero_rank", {"r": 1}, *pairs(2_000, (1, 0), (0, 1)))
    peft("zero_out", {"r": 1}, *pairs(2, (1, 4), (1 << 40, 0)))
    peft("patterns", {"rank_pattern": {f"layers.{i}.x": 1 for i in range(20_000)}}, *many)
    peft("alpha_patterns", {"alpha_pattern": {f".*layers.*{i}.*x": 1 for i in range(20_000)}}, *many)
    peft("pattern_nested", {"rank_pattern": {"(((((((((.*)*)*)*)*)*)*)*)*)*x": 1}}, *many)
    peft("pattern_counts", {"rank_pattern": {"((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}x": 1}}, *few)
    peft("pattern_counts_flat", {"rank_pattern": {"(.?){1000}" * 20 + "x": 1}}, *few)
    peft("pattern_many", {"rank_pattern": {f"(.?){{900}}{i}": 1 for i in range(8_000)}}, *many)
    peft("pattern_alive", {"rank_pattern": {f"(.?){{60}}{i}": 1 for i in range(1_500)}}, *many)
    peft("pattern_long", {"rank_pattern": {"(a|b|c|.)*" * 30_000 + "x": 1}}, *few)
    peft("pattern_parentheses", {"rank_pattern": {"(" * 300_000 + ")" * 300_000: 1}}, *few)
    peft("pattern_alternatives", {"rank_pattern": {"|".join(f"layers.{i}.k" for i in range(40_000)): 1}}, *few)
    peft("target_regex", {"target_modules": "(.*.*.*.*.*.*.*.*)*" * 1_000}, *many)
    peft("targets", {"target_modules": [f"q{i}" for i in range(80_000)]}, *many)
    peft("excluded", {"exclude_modules": [f"q{i}" for i in range(80_000)]}, *few)
    peft("layers", {"layers_to_transform": list(range(100_000)), "layers_pattern": [f"p{i}" for i in range(30_000)]}, *few)
    peft("saved", {"modules_to_save": [f"q{i}" for i in range(80_000)]}, *many)
    peft("unknown", {f"k{i}": 0 for i in range(60_000)}, *few)
    peft("rows", {"trainable_token_indices": list(range(120_000))}, *few)
    peft("row_modules", {"trainable_token_indices": {f"e{i}": [1] for i in range(50_000)}}, *many)
    peft("deep", b'{"peft_type":"LORA","x":' + b"[" * 900_000, *few)
    peft("replication", {"layer_replication": [[0, 1 << 40]] * 1_000}, *few)
    peft("vera", {"peft_type": "VERA", "r": 64, "d_initial": 0.1}, *laid_out(
        {"base_model.vera_A": [64, 1 << 10], "base_model.vera_B": [1 << 10, 64]}
        | {f"{MODEL}layers.{i}.q.vera_lambda_{k}": [n] for i in range(80) for k, n in (("d", 64), ("b", 1 << 10))}))
    peft("prompt", {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 1 << 50, "token_dim": 1 << 50,
                    "num_layers": 1 << 50, "num_attention_heads": 1 << 50}, *laid_out({"prompt_embeddings": [1 << 50, 0]}))
    peft("prefix", {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 1, "token_dim": 1, "num_layers": 1 << 50,
                    "num_attention_heads": 1}, *laid_out({"prompt_embeddings": [1, 2]}))
    peft("fourier", {"peft_type": "FOURIERFT", "n_frequency": 100_000, "scaling": 1, "random_loc_seed": 1}, *laid_out(
        {f"{MODEL}layers.{i}.q.fourierft_spectrum": [100_000] for i in range(2)}))
    peft("ia3", {"peft_type": "IA3", "feedforward_modules": [f"q{i}" for i in range(40_000)]}, *laid_out(
        {f"{MODEL}layers.{i}.q.ia3_l": [1, 4] for i in range(3_000)}))
    peft("oft", {"peft_type": "OFT", "oft_block_size": 512, "r": 0, "use_cayley_neumann": False}, *laid_out(
        {f"{MODEL}layers.{i}.q.oft_R.weight": [1, 512 * 511 // 2] for i in range(1)}))
    peft("boft", {"peft_type": "BOFT", "boft_block_size": 256, "boft_n_butterfly_factor": 1}, *laid_out(
        {f"{MODEL}layers.0.q.boft_R": [1, 2, 256, 256], f"{MODEL}layers.0.q.boft_s": [512, 1]}))
    peft("names", {}, *pairs(700, module=lambda i: "x." * 200 + f"layers.{i}.q"))
    peft("rank", {"r": 110_000}, *pairs(1, (110_000, 1), (1, 110_000)))


def unpacked():
    def folder(name, manifest, header, data=b""):
        text = manifest if isinstance(manifest, bytes) else json.dumps(manifest, separators=(",", ":")).encode()
        write(f"folders/{name}/manifest.json", text)
        safetensors(f"folders/{name}/tensors.safetensors", header, data)

    def adapter(**keys):
        return {"adapters": [{"name": "a", "method": "m", "operations": [], **keys}]}

    names = [f"t{i}" for i in range(14_000)]
    folder("tensors", adapter(inert=[{"tensor": n, "reason": ""} for n in names]), {n: entry([0]) for n in names})
    folder("deep", b'{"adapters":' + b"[" * 900_000, {})
    folder("metadata", {"metadata": {f"k{i}": "" for i in range(70_000)}, **adapter()}, {})
    folder("windows", adapter(operations=[low({"tensor": "t", "window": [[0, 1], [0, 1]]}, {"tensor": "t", "window": [[0, 1], [0, 1]]},
                                              target=f"l.{i}.weight") for i in range(5_000)]), *laid_out({"t": [450, 450]}))
    folder("wide", adapter(operations=[low()]), *laid_out({"a": [0, 1 << 52], "b": [1 << 52, 0]}))


# Models to run


def models():
    def model(name, shapes, config, tokenizer=None):
        header, data = laid_out(shapes)
        safetensors(f"models/{name}/model.safetensors", header, data)
        write(f"models/{name}/config.json", json.dumps(config).encode())
        if tokenizer is not None:
            write(f"models/{name}/tokenizer.json", tokenizer if isinstance(tokenizer, bytes) else json.dumps(tokenizer).encode())

    config = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
              "num_key_value_heads": 2, "vocab_size": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
              "tie_word_embeddings": True, "architectures": ["LlamaForCausalLM"]}
    layer = {"self_attn.q_proj": [8, 8], "self_attn.k_proj": [8, 8], "self_attn.v_proj": [8, 8], "self_attn.o_proj": [8, 8],
             "mlp.gate_proj": [8, 8], "mlp.up_proj": [8, 8], "mlp.down_proj": [8, 8], "input_layernorm": [8],
             "post_attention_layernorm": [8]}
    shapes = {"model.embed_tokens.weight": [16, 8], "model.norm.weight": [8]}
    shapes |= {f"model.layers.0.{k}.weight": v for k, v in layer.items()}
    model("plain", shapes, config)
    for key in ("num_hidden_layers", "vocab_size", "max_position_embeddings", "hidden_size", "num_attention_heads", "intermediate_size"):
        model(key, shapes, {**config, key: 1 << 40})
        model(f"{key}_small", shapes, {**config, key: 1 << 28})
    many = {"model.embed_tokens.weight": [16, 2], "model.norm.weight": [2]}
    two = {k: [min(n, 2) for n in v] for k, v in layer.items()}
    for i in range(700):
        many |= {f"model.layers.{i}.{k}.weight": v for k, v in two.items()}
    model("layers", many, {**config, "num_hidden_layers": 700, "hidden_size": 2, "intermediate_size": 2, "num_attention_heads": 1,
                           "num_key_value_heads": 1, "max_position_embeddings": 1 << 20})
    vocabulary = {chr(0x100 + i): i for i in range(16)}
    bpe = {"model": {"type": "BPE", "vocab": vocabulary, "merges": []}, "added_tokens": [], "normalizer": None,
           "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
           "decoder": {"type": "ByteLevel"}, "post_processor": None, "version": "1.0", "truncation": None, "padding": None}
    model("merges", shapes, config, {**bpe, "model": {**bpe["model"], "merges": ["a b"] * 100_000}})
    model("vocabulary", shapes, config, {**bpe, "model": {**bpe["model"], "vocab": {f"t{i}": i << 32 for i in range(35_000)}}})
    model("split", shapes, config, {**bpe, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a|b)*" * 100_000}, "behavior": "Isolated", "invert": False}})
    model("sequence", shapes, config, {**bpe, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [bpe["pre_tokenizer"]] * 8_000}})
    model("added", shapes, config, {**bpe, "added_tokens": [{"id": i, "content": f"<{i}>", "single_word": False, "lstrip": False,
          "rstrip": False, "normalized": False, "special": True} for i in range(7_000)]})
    model("deep", shapes, config, b'{"model":' + b"[" * 900_000)


def make(step):
    step()


if __name__ == "__main__":
    with ProcessPoolExecutor() as pool:
        list(pool.map(make, [manifests, tensors, back, operations, checkpoints, fitting, folders, unpacked, models]))
