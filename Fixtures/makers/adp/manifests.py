"""Manifests of the usual parts (sections 5, 7 and 8), and the parts of a manifest."""

import math

from makers.adp.streams import Stream, f32, numbers, sha256

SAFE = 2**53 - 1


def adapter(*streams, name="default", method="other", operations=(), **keys):
    """An adapter whose tensors are inert but for those that an operation or a file names."""
    operations = list(operations)
    used = [part for operation in operations for part in operation["tensors"].values()]
    used = [part["tensor"] if isinstance(part, dict) else part for part in used]
    used += [file["tensor"] for file in keys.get("files", []) if "tensor" in file]
    names = [tensor["name"] for stream in streams for tensor in stream["tensors"]]
    inert = [{"tensor": name, "reason": "test"} for name in names if name not in used]
    if inert:
        keys = {"inert": inert, **keys}
    return {"name": name, "method": method, **keys, "operations": operations, "streams": list(streams)}


def manifest_of(*streams, **keys):
    return {"adapters": [adapter(*streams, **keys)]}


def low_rank(a="a", b="b", scale=0.5, layout="out_in", target="layer.weight", **keys):
    operands = {"a": a, "b": b}
    return {"op": "add_low_rank", "target": target, "tensors": operands, "scale": scale, "layout": layout, **keys}


def example_manifest():
    stream = Stream("F32", [("a", [1, 2], f32(1, 2)), ("b", [2, 1], f32(3, 4))])
    return manifest_of(stream, method="lora", operations=[low_rank(layout_from="guessed")])


def operations_manifest(*operations):
    """A manifest of operations as operation_samples.py has them: every role gets a tensor of its own."""
    streams, listed = {}, []
    for index, operation in enumerate(operations):
        for role, shape in operation["tensors"].items():
            dtype, shape = shape if isinstance(shape, tuple) else ("F32", shape)
            data = numbers(dtype, math.prod(shape))
            streams.setdefault(dtype, []).append((f"{role}.{index}", shape, data))
        listed.append({**operation, "tensors": {role: f"{role}.{index}" for role in operation["tensors"]}})
    return manifest_of(*[Stream(*stream) for stream in streams.items()], operations=listed)


def first(manifest):
    return manifest["adapters"][0]


def stream_of(manifest):
    return first(manifest)["streams"][0]


def operation_of(manifest):
    return first(manifest)["operations"][0]


def fingerprint(tensors, **keys):
    text = "adp-fingerprint-1\n"
    for name, (dtype, shape, exact, value) in sorted(tensors.items(), key=lambda item: item[0].encode()):
        text += f"{name}\t{dtype}\t{','.join(map(str, shape))}\t{exact}\t{value or ''}\n"
    return {"tensors": tensors, "digest": sha256(text.encode()), **keys}


def print_of(name, dtype, shape):
    """An entry of a fingerprint, of no real tensor."""
    exact, value = sha256(name.encode())[:32], sha256(name.encode())[32:]
    return [dtype, shape, exact, value if dtype in ("F16", "BF16", "F32", "F64") else None]


def prints():
    names = {"layer.weight": ("F32", [2, 2]), "layer.bias": ("BF16", [2]), "step": ("I64", []), "é": ("U8", [0, 3])}
    return {name: print_of(name, *rest) for name, rest in names.items()}
