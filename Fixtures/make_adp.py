#!/usr/bin/env python3
"""Makes the conformance corpus of `.adp` files: Fixtures/valid and Fixtures/invalid.

Usage: make_adp.py            writes every file
       make_adp.py --check    names the files that differ from what would be written; exit 1 if any does
       make_adp.py --example  prints the block of section 12 of Spec/adp-v1.md

Only Python's standard library is needed, and no compressor: the frames are put together by hand, so that
no byte depends on a version of Zstandard. A function makes one file out of its argument, a fresh manifest
of valid/example.adp. It returns the file, or a manifest to be packed, or nothing where it changed the one
given. A valid file has the name of its function, whose docstring is the description in RULES.tsv; the
invalid ones stand in tables, and so do the operations of section 8, in adp_operations.py.
"""

import copy
import hashlib
import json
import math
import re
import struct
import sys
import zlib
from pathlib import Path

import adp_operations

HERE = Path(__file__).resolve().parent
HEADER = bytes.fromhex("89 41 44 50 0D 0A 1A 0A 01 00 00 00 00 00 00 00")
TAIL = HEADER[7::-1]
ZSTD = bytes.fromhex("28 B5 2F FD")
BLOCK = 128 * 1024
SAFE = 2**53 - 1

# Element type: bits, bytes of a unit, rotated; in the order of the table in 6.1.
DTYPES = {"BOOL": (8, 1, False), "F4": (4, 1, False), "F6_E2M3": (6, 1, False), "F6_E3M2": (6, 1, False)}
DTYPES |= dict.fromkeys(["U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"], (8, 1, False))
DTYPES |= dict.fromkeys(["I16", "U16"], (16, 2, False)) | dict.fromkeys(["F16", "BF16"], (16, 2, True))
DTYPES |= dict.fromkeys(["I32", "U32"], (32, 4, False)) | {"F32": (32, 4, True), "C64": (64, 4, True)}
DTYPES |= {"F64": (64, 8, True), "I64": (64, 8, False), "U64": (64, 8, False)}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


# Frames


def block(kind, size, content, last=False):
    """A block of type 0 (raw), 1 (RLE), 2 (compressed) or 3 (reserved)."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content


def blocks(data):
    """The blocks of `data`: RLE where all bytes are alike, else raw."""
    cuts = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)] or [b""]
    out = b""
    for index, cut in enumerate(cuts):
        alike = len(cut) > 1 and cut == cut[:1] * len(cut)
        out += block(int(alike), len(cut), cut[:1] if alike else cut, index == len(cuts) - 1)
    return out


def head(n):
    """The fixed beginning of a frame of n bytes."""
    if n < 256:
        return ZSTD + struct.pack("<BB", 0x20, n)
    if n < 65792:
        return ZSTD + struct.pack("<BH", 0x60, n - 256)
    return ZSTD + struct.pack("<BI", 0xA0, n)


def frame(data):
    return head(len(data)) + blocks(data)


# Streams


def split(data, dtype):
    """The planes of a stretch of a stream."""
    _, width, rotated = DTYPES[dtype]
    planes = [bytearray() for _ in range(width)]
    for at in range(0, len(data), width):
        unit = int.from_bytes(data[at : at + width], "little")
        if rotated:
            unit = (unit << 1 | unit >> (8 * width - 1)) % 2 ** (8 * width)
        for plane, byte in zip(planes, unit.to_bytes(width, "little")):
            plane.append(byte)
    return [bytes(plane) for plane in planes]


class Stream(dict):
    """A stream of the manifest, with the frames that belong to it: one list of planes for each chunk."""

    def __init__(self, dtype, tensors, chunk=1024, frames=None):
        super().__init__(dtype=dtype, code="planes", chunk=chunk, tensors=[], chunks=[])
        for name, shape, data in tensors:
            self["tensors"].append({"name": name, "shape": shape, "sha256": sha256(data)})
        # What EXPECT.tsv says; empty where the stream is opaque.
        self.expected = [(t["name"], dtype, t["shape"], t["sha256"]) for t in self["tensors"]]
        if frames is None:
            whole = b"".join(data for _, _, data in tensors)
            step = chunk * DTYPES[dtype][1]
            cuts = [whole[at : at + step] for at in range(0, len(whole), step)]
            frames = [[frame(plane) for plane in split(cut, dtype)] for cut in cuts]
        self.frames = frames
        self.seal()

    def seal(self):
        """Makes the rows once more, after a change to the frames."""
        self["chunks"] = [[*map(len, row), zlib.crc32(b"".join(row))] for row in self.frames]
        return self

    def opaque(self, **keys):
        """Marks the stream as one that a reader of this version cannot decode."""
        self.expected = []
        self.update(keys)
        return self


# Files


def text_of(manifest):
    return json.dumps(manifest, ensure_ascii=False, separators=(",", ":")).encode()


def payload_of(manifest):
    return b"".join(part for stream in streams_of(manifest) for row in stream.frames for part in row)


def streams_of(manifest):
    """All streams, also of a manifest that is not as it should be."""
    adapters = [adapter for adapter in manifest.get("adapters") or [] if isinstance(adapter, dict)]
    streams = [stream for adapter in adapters for stream in adapter.get("streams") or []]
    return [stream for stream in streams if isinstance(stream, Stream)]


class File(bytes):
    """A file that still knows what its maker put in."""

    manifest = {}


def seal(payload, stored, decoded, header=HEADER, offset=None, size=None, tail=TAIL):
    """A file of a payload and a stored manifest; `offset` and `size` are lies about the latter's place."""
    at = 16 + len(payload)
    place = struct.pack("<QQQ", at if offset is None else offset, len(stored) if size is None else size, decoded)
    at = at if offset is None else min(at, offset)
    body = header + payload + stored
    digest = hashlib.sha256(header + body[at:] + place).digest()
    return body + place + digest + tail


def pack(manifest, text=None, **lies):
    text = text_of(manifest) if text is None else text
    return sealed(manifest, frame(text), len(text), **lies)


def sealed(manifest, stored, decoded, **lies):
    file = File(seal(payload_of(manifest), stored, decoded, **lies))
    file.manifest = manifest
    return file


def edited(manifest, old, new):
    """The file with `new` in place of `old` in the manifest's text."""
    text = text_of(manifest)
    old, new = [part if isinstance(part, bytes) else part.encode() for part in (old, new)]
    assert text.count(old) == 1, (text.count(old), old)
    return pack(manifest, text.replace(old, new))


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


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
    return manifest_of(stream, method="lora", operations=[low_rank(layout_from="name")])


FORMATS = {"F32": "f", "F64": "d", "I8": "b", "I32": "i", "I64": "q", "U8": "B", "U16": "H", "U32": "I", "U64": "Q"}


def numbers(dtype, count):
    """The bytes of 1, 2, 3, …; of 0, 1, 2, … where they are integers."""
    if dtype == "BF16":
        return b"".join(f32(value + 1)[2:] for value in range(count))
    return struct.pack(f"<{count}{FORMATS[dtype]}", *range(*(0, count) if dtype[0] in "IU" else (1, count + 1)))


def operations_manifest(*operations):
    """A manifest of operations as adp_operations.py has them: every role gets a tensor of its own."""
    streams, listed = {}, []
    for index, operation in enumerate(operations):
        for role, shape in operation["tensors"].items():
            dtype, shape = shape if isinstance(shape, tuple) else ("F32", shape)
            data = numbers(dtype, math.prod(shape))
            streams.setdefault(dtype, []).append((f"{role}.{index}", shape, data))
        listed.append({**operation, "tensors": {role: f"{role}.{index}" for role in operation["tensors"]}})
    return manifest_of(*[Stream(*stream) for stream in streams.items()], operations=listed)


def u8(*data, name="t", shape=None, chunk=1024):
    """A stream of one tensor of bytes."""
    data = bytes(data)
    return Stream("U8", [(name, [len(data)] if shape is None else shape, data)], chunk)


def first(manifest):
    return manifest["adapters"][0]


def stream_of(manifest):
    return first(manifest)["streams"][0]


def operation_of(manifest):
    return first(manifest)["operations"][0]


# Registration

VALID = {}
INVALID = {}


def valid(maker):
    assert maker.__name__ not in VALID
    VALID[maker.__name__] = maker
    return maker


# Valid files


@valid
def example(m):
    """the worked example of section 12"""


@valid
def empty_adapter(m):
    """an adapter without operations and streams"""
    return pack(manifest_of())


def dtype_stream(dtype, count=8):
    bits = DTYPES[dtype][0]
    data = hashlib.shake_128(dtype.encode()).digest(count * bits // 8)
    return Stream(dtype, [(f"tensor.{dtype}", [2, count // 2], data)])


@valid
def dtypes(m):
    """one stream of each of the 22 element types, with arbitrary bits"""
    return manifest_of(*[dtype_stream(dtype) for dtype in DTYPES])


@valid
def shapes(m):
    """a scalar, eight dimensions, a tensor of no elements between others, a vector"""
    tensors = [("scalar", [], f32(1)), ("eight", [1, 2, 1, 1, 1, 1, 1, 1], f32(2, 3))]
    tensors += [("none", [3, 0, 2], b""), ("vector", [3], f32(4, 5, 6))]
    return manifest_of(Stream("F32", tensors))


@valid
def no_units(m):
    """a stream of no units, which has no chunks; its sizes reach the limits of shapes"""
    tensors = [("a", [0], b""), ("b", [SAFE, 0], b""), ("c", [0, 2**26, 2**26, 0], b"")]
    return manifest_of(Stream("F64", tensors))


@valid
def sub_byte(m):
    """types of 4 and 6 bits in several tensors that each fill whole bytes"""
    four = [("four.a", [2], b"\x12"), ("four.b", [3, 2], b"\x34\x56\x78"), ("four.none", [0, 3], b"")]
    six = [("six.a", [4], b"\x01\x02\x03"), ("six.b", [2, 2, 2], b"\x04\x05\x06\x07\x08\x09")]
    return manifest_of(Stream("F4", four), Stream("F6_E3M2", six))


@valid
def chunks(m):
    """streams of several chunks: a tensor across a boundary, a last chunk of one unit, one exactly full"""
    numbers = struct.pack("<1500H", *range(1500))
    tensors = [("x", [1500], numbers), ("y", [549], numbers[:1098])]
    return manifest_of(Stream("U16", tensors), u8(*bytes(range(256)) * 4, name="full"))


@valid
def chunk_sizes(m):
    """the smallest and the largest chunk, and one between"""
    return manifest_of(*[u8(1, 2, 3, name=f"c{chunk}", chunk=chunk) for chunk in (2**10, 2**15, 2**20)])


@valid
def same_dtype_twice(m):
    """two streams of one element type with another between them"""
    one, two = [Stream("F16", [(name, [2], data)]) for name, data in (("z", b"\1\2\3\4"), ("a", b"\5\6\7\x88"))]
    return manifest_of(one, u8(9, name="m"), two)


@valid
def adapters(m):
    """several adapters, with tensors of the same names; adapter names at the limits of NAM-2"""
    names = ["default", "_", "a.b-c", "-", "0" * 64]
    return {"adapters": [adapter(u8(i, i + 1), name=name) for i, name in enumerate(names)]}


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


@valid
def base(m):
    """a base with everything, a fingerprint with a sketch too, and the generator"""
    sketch = {"layer.weight": f32(*range(32)).hex()}
    texts = {"name": "tiny", "revision": "main", "architecture": "TinyForCausalLM"}
    return {"generator": "make_adp 1", "base": {**texts, "fingerprint": fingerprint(prints(), sketch=sketch)}, **m}


@valid
def empty_parts(m):
    """empty metadata, empty requires, a base with the fingerprint of nothing"""
    return {"base": {"fingerprint": fingerprint({})}, "metadata": {}, "requires": [], **m}


@valid
def inert_nonfinite(m):
    """inert tensors, and a list of the tensors that hold a NaN or an infinity"""
    tensors = [("nan", [2], f32(float("nan"), 1)), ("fine", [1], f32(1)), ("inf", [], f32(float("-inf")))]
    return manifest_of(Stream("F32", tensors), nonfinite=["inf", "nan"])


@valid
def nonfinite_types(m):
    """nonfinite with each type that counts, with an F8 and an F32-like integer left out, and an opaque tensor listed"""
    bits = {"F16": "00FC", "BF16": "817F", "F32": "0000807F", "C64": "00000000 0000C0FF", "F64": "010000000000F07F"}
    streams = [Stream(dtype, [(dtype, [1], bytes.fromhex(data))]) for dtype, data in bits.items()]
    streams += [Stream("F8_E5M2", [("F8", [1], b"\x7c")]), Stream("I32", [("I32", [1], b"\xff" * 4)])]
    streams.append(Stream("F32", [("later", [1], b"?")], 1024, [[b"?"]]).opaque(code="later"))
    return manifest_of(*streams, nonfinite=[*bits, "later"])


@valid
def nonfinite_none(m):
    """an empty list in `nonfinite`: the writer looked and found none"""
    first(m)["nonfinite"] = []


@valid
def source(m):
    """a source whose digest is right, with verbatim config and header"""
    spec = {"a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}
    spec["b"] = {"dtype": "F32", "shape": [2, 1], "data_offsets": [8, 16]}
    header = '{ "__metadata__":{"format":"pt"},' + json.dumps(spec)[1:] + "   "
    model = struct.pack("<Q", len(header)) + header.encode() + f32(1, 2, 3, 4)
    config = '{\n  "peft_type": "LORA",\r\n\t"r": 1e0, "name": "\u00e9"\n}\n'
    first(m)["source"] = {"format": "peft", "config": config, "sha256": sha256(model), "header": header}


@valid
def files(m):
    """files beside the source: two carried as tensors of bytes, one not carried; paths at the limits"""
    texts = {"README.md": b"# read me\n", "é" * 127 + "x": b""}
    streams = [u8(*data, name=f"file:{path}") for path, data in texts.items()]
    listed = [
        {"path": path, "size": len(data), "sha256": sha256(data), "tensor": f"file:{path}"}
        for path, data in texts.items()
    ]
    listed.append({"path": "...", "size": SAFE, "sha256": sha256(b"elsewhere")})
    return manifest_of(*streams, files=listed)


@valid
def windows(m):
    """operands that are parts of tensors: one row of three, and two operations that share a tensor"""
    a = Stream("F32", [("a", [3, 2], f32(1, 2, 3, 4, 5, 6)), ("b", [2, 3], f32(1, 2, 3, 4, 5, 6))])
    part_a = [{"tensor": "a", "window": [[start, count], [0, 2]]} for start, count in ((0, 1), (1, 2))]
    part_b = [{"tensor": "b", "window": [[0, 2], [start, count]]} for start, count in ((0, 1), (1, 2))]
    operations = [low_rank(*parts, shape=[2, 2]) for parts in zip(part_a, part_b)]
    operations.append(
        low_rank({"tensor": "a", "window": [[3, 0], [0, 2]]}, {"tensor": "b", "window": [[0, 2], [3, 0]]})
    )
    return manifest_of(a, method="lora", operations=operations)


@valid
def layouts(m):
    """the three layouts with and without a shape, and the seven words of layout_from"""
    weights = Stream("BF16", [("a", [1, 3], bytes(6)), ("b", [2, 1], bytes(4))])
    words = ["base", "kind", "name", "flag", "siblings", "model_type", "user"]
    operations = [low_rank(layout_from=word, bound=["x", "y"]) for word in words]
    operations += [low_rank(layout="in_out", shape=[3, 2]), low_rank(layout="out_in", shape=[2, 3])]
    operations += [low_rank(layout="unresolved"), low_rank(layout="unresolved", shape=[3, 2])]
    return manifest_of(weights, method="lora", operations=operations)


@valid
def rank_zero(m):
    """add_low_rank with r = 0, between operands of different element types"""
    a, b = Stream("F16", [("a", [0, 2], b"")]), Stream("F64", [("b", [2, 0], b"")])
    return manifest_of(a, b, method="lora", operations=[low_rank()])


@valid
def scales(m):
    """numbers as scale: integers, negative, exponents, the smallest subnormal, the largest double, zero in three ways"""
    scales = ["2", "-1", "-0", "0.0", "0e-999", "1E+2", "1.5e-3", "5e-324", "1.7976931348623157e308"]
    scales += ["9007199254740993", "0.1000000000000000055511151231257827021181583404541015625"]
    operation = operation_of(m)
    first(m)["operations"] = [{**operation, "scale": f"<{scale}>"} for scale in scales]
    return pack(m, re.sub(rb'"<(.*?)>"', rb"\1", text_of(m)))


@valid
def unknown_keys(m):
    """unknown keys wherever they are ignored: manifest, adapter, base, source, entries of inert and files"""
    strange = {"x-number": -1.5e10, "x-null": None, "x-deep": [{"a": [True, False]}], "": "empty"}
    m = manifest_of(
        u8(1), u8(2, name="u"), files=[{"path": "p", "size": 1, "sha256": sha256(b"\2"), "tensor": "u", **strange}]
    )
    m = {"x-first": 0, "base": {"name": "n", **strange}, **m, **strange}
    first(m).update(source={"format": "peft", **strange}, **strange)
    first(m)["inert"][0].update(strange)
    return m


@valid
def opaque_dtype(m):
    """an opaque stream, of an unknown element type, between two that are not"""
    future = Stream("F32", [("future", [5, 7], b"?")], 3, [[b"not a frame", b"x"], [b"one size only"]])
    return manifest_of(u8(1), future.opaque(dtype="Q4_0"), u8(2, name="u"))


@valid
def opaque_code(m):
    """an opaque stream with an unknown code, and rows that no other rule than STR-4 fits"""
    future = Stream("F32", [("future", [1], b"?")], 0, [[b"a", b"b", b"c", b"d", b"e"]])
    return manifest_of(future.opaque(code="planes2"), u8(2, name="u"))


@valid
def opaque_stream_key(m):
    """an opaque stream with an unknown key in the stream; no rows, though there are units"""
    future = Stream("F32", [("future", [1], b"?")], 1024, [])
    return manifest_of(future.opaque(delta="base"), u8(2, name="u"))


@valid
def opaque_tensor_key(m):
    """an opaque stream with an unknown key in one of its tensors; all of its tensors are opaque"""
    future = Stream("F32", [("future", [1], b"?"), ("plain", [1], f32(1))], 1024, [[b"12345"]])
    future["tensors"][0]["alias"] = "x"
    return manifest_of(future.opaque(), u8(2, name="u"))


@valid
def opaque_op(m):
    """an operation of the future, with unknown roles and keys; its operand counts for MAN-4"""
    operation = {"op": "later", "tensors": {"factor": "t"}, "target": "layer.weight", "axis": 1, "shape": [2]}
    return manifest_of(u8(1, 2), operations=[operation])


@valid
def opaque_op_key(m):
    """add_low_rank with an unknown key"""
    operation_of(m)["dropout"] = 0.1


@valid
def opaque_op_role(m):
    """add_low_rank with an unknown role"""
    first(m)["streams"].append(u8(1, name="m"))
    operation_of(m)["tensors"]["mask"] = "m"


@valid
def opaque_operand(m):
    """add_low_rank with an operand in an opaque stream (OPS-3)"""
    stream_of(m).opaque(code="later")


@valid
def files_same_tensor(m):
    """two files of equal bytes, both carried by one tensor; an empty file"""
    entry = {"size": 2, "sha256": sha256(b"ab"), "tensor": "t"}
    nothing = {"path": "none", "size": 0, "sha256": sha256(b""), "tensor": "u"}
    return manifest_of(u8(97, 98), u8(name="u"), files=[{"path": "p", **entry}, {"path": "P", **entry}, nothing])


@valid
def files_opaque_tensor(m):
    """a file whose tensor is in an opaque stream, of another type, shape and digest (MAN-9)"""
    entry = {"path": "p", "size": 1, "sha256": sha256(b"\1"), "tensor": "t"}
    return manifest_of(Stream("F32", [("t", [7], b"?")], 1024, []).opaque(code="later"), files=[entry])


@valid
def fingerprint_unknown_key(m):
    """an unknown key in the fingerprint (MAN-7)"""
    return {"base": {"fingerprint": fingerprint(prints(), **{"x-sampler": [1, None]})}, **m}


@valid
def opaque_operand_key(m):
    """add_low_rank with an unknown key in an operand (OPS-2)"""
    operation_of(m)["tensors"]["a"] = {"tensor": "a", "window": [[0, 1], [0, 2]], "transposed": True}


@valid
def opaque_op_rules(m):
    """opaque operations that break every rule of 8.1, which does not apply to them (OPS-2)"""
    operands = {"a": "t", "b": "t"}
    broken = {"op": "add_low_rank", "scale": "1", "layout": True, "layout_from": "guess", "shape": [9], "x": 1}
    role_alone = {"op": "add_low_rank", "tensors": {"c": "t"}}
    return manifest_of(u8(1, 2), operations=[{**broken, "tensors": operands}, role_alone])


@valid
def opaque_operand_shape(m):
    """add_low_rank with an operand in an opaque stream, of which type and shape do not fit (OPS-3)"""
    opaque = Stream("I8", [("a", [2, 2, 2], b"?")], 1024, []).opaque(code="later")
    return manifest_of(opaque, Stream("F32", [("b", [1], f32(1))]), operations=[low_rank(shape=[1])])


@valid
def names_free(m):
    """strings that are no names of NAM-1: a role with a tab, an empty one, keys and values of metadata"""
    m = manifest_of(u8(1), operations=[{"op": "", "tensors": {"": "t", "a\tb": "t", "__metadata__": "t"}}])
    return {"metadata": {"": "", "a\n": "\0", "__metadata__": "\x7f"}, "generator": "", **m}


@valid
def names(m):
    """tensor names: é composed and decomposed as two tensors, an emoji, spaces, quotes, 1,024 bytes, U+0080"""
    every = ["\u00e9", "e\u0301", "\U0001f600", " ", 'quo"te\\', "__metadata__.x", "a/../b", "\u0080", "\uffff"]
    every += ["x" * 1024, "\u4e2d" * 341 + "x", "\ufeffbom", "__METADATA__"]
    return manifest_of(Stream("U8", [(name, [], bytes([i])) for i, name in enumerate(every)]))


@valid
def json_escapes(m):
    """every escape of JSON, in names, keys and metadata; a slash escaped; a pair of surrogates; U+0000"""
    m = manifest_of(u8(1, name="t/\U0001f600\u00e9"))
    text = text_of(m).decode().replace("t/\U0001f600\u00e9", r"\u0074\/\uD83D\ude00\u00E9", 1)
    return pack(m, text.replace("{", r'{"metadata":{"\u006b\"":"\\\/\b\f\n\r\t\u0000\u001f\uFFFF\u007F"},', 1).encode())


@valid
def json_space(m):
    """white space of all four kinds wherever JSON allows it, before and after the text too"""
    text = json.dumps(m, indent=1).replace("\n", "\r\n\t").encode()
    return pack(m, b" \t\r\n" + text + b"\r\n \t")


@valid
def json_depth_16(m):
    """an ignored key whose arrays reach depth 16"""
    return {**m, "x": json.loads("[" * 15 + "]" * 15)}


@valid
def json_ignored_numbers(m):
    """numbers under ignored keys that no integer could be: large, negative, fractions, zeros with exponents"""
    return edited(
        m, '{"adapters"', '{"x":[123456789012345678901234567890,-1,1.0,-0.0e+999,0E-9999,2.5e-324],"adapters"'
    )


@valid
def values(m):
    """bit patterns to be kept: NaN payloads, signalling NaNs, negative zeros, subnormals; booleans other than 0 and 1"""
    f16 = bytes.fromhex("0080 017C 00FE 00FC 0100 FFFF")
    single = bytes.fromhex("00000080 0100807F 000000FF 010000FF FFFFFFFF 01000000")
    double = bytes.fromhex("0000000000000080 010000000000F07F 010000000000F8FF FFFFFFFFFFFFFFFF")
    streams = [Stream("F16", [("f16", [6], f16)]), Stream("F32", [("f32", [6], single)])]
    streams += [Stream("F64", [("f64", [4], double)]), Stream("C64", [("c64", [3], single)])]
    return manifest_of(*streams, Stream("BOOL", [("bool", [4], b"\x00\x01\x02\xff")]))


@valid
def frame_sizes(m):
    """frames of 255, 256, 257, 65,791, 65,792 and 65,793 bytes: the boundaries of FRM-1"""
    sizes = [1, 255, 256, 257, 65791, 65792, 65793]
    return manifest_of(*[u8(*bytes([7]) * n, name=f"n{n}", chunk=2**17) for n in sizes])


# The modes of a block's tables: each of a single symbol, given here; those of the block before.
TABLES, AGAIN = b"\x54\x0c\x03\x00", b"\xfc"


def matched(count, byte, tables, bits):
    """A compressed block: the byte `count` times, as literals, and a match of 3 from behind; its offset is in `bits`."""
    return bytes([count << 3 | 1]) + byte + b"\1" + tables + bytes([bits])


@valid
def frame_blocks(m):
    """a frame of several blocks, raw and RLE mixed, some of them empty, the last one too"""
    data = b"abc" + b"d" * 300 + b"e"
    mixed = block(0, 0, b"") + block(0, 3, b"abc") + block(1, 0, b"z") + block(1, 300, b"d")
    mixed += block(0, 1, b"e") + block(0, 0, b"", True)
    return manifest_of(Stream("U8", [("t", [304], data)], 1024, [[head(304) + mixed]]))


@valid
def frame_compressed(m):
    """compressed blocks without sequences, made by hand: raw literals, and RLE literals of 128 KiB"""
    short = block(0, 4, b"1234") + block(2, 6, b"\x20abcd\x00", True)
    size = BLOCK << 4 | 3 << 2 | 1
    long = [block(2, 5, size.to_bytes(3, "little") + b"e" + b"\x00", last) for last in (False, True)]
    tensors = [Stream("U8", [("short", [8], b"1234abcd")], 1024, [[head(8) + short]])]
    tensors += [Stream("U8", [("long", [2 * BLOCK], b"e" * 2 * BLOCK)], 2**18, [[head(2 * BLOCK) + b"".join(long)]])]
    return manifest_of(*tensors)


@valid
def frame_longest(m):
    """a frame of 256 bytes that is exactly 64 bytes longer, by means of empty blocks"""
    data = bytes(range(256))
    padded = head(256) + block(0, 0, b"") * 18 + block(0, 256, data, True)
    assert len(padded) == 256 + 64
    return manifest_of(Stream("U8", [("t", [256], data)], 1024, [[padded]]))


@valid
def frame_million(m):
    """a chunk of 2^20 units in one frame of eight blocks, and one of the rest"""
    return manifest_of(u8(*bytes(2**20 + 5), chunk=2**20))


def spaced(manifest, decoded):
    """The file whose manifest is made `decoded` bytes long by spaces at its end."""
    text = text_of(manifest)
    stored = head(decoded) + block(0, len(text), text)
    left = decoded - len(text)
    while left:
        size = min(left, BLOCK)
        left -= size
        stored += block(1, size, b" ", left == 0)
    return sealed(manifest, stored, decoded)


def longest(manifest):
    """The largest length of a manifest's text that LIM-1 allows for the file that it makes."""
    decoded = 2**20
    while decoded != 2**20 + 8 * len(spaced(manifest, decoded)):
        decoded = 2**20 + 8 * len(spaced(manifest, decoded))
    return decoded


def roundabout(manifest, stored):
    """The file whose manifest, of 2,047 bytes, is stored in so many, by means of empty blocks before it."""
    text = text_of(manifest).ljust(2047)
    last = block(0, len(text), text, True)
    left = stored - len(head(2047)) - len(last)
    empty = block(1, 0, b"z") * (left % 3) + block(0, 0, b"") * ((left - 4 * (left % 3)) // 3)
    assert len(head(2047) + empty + last) == stored
    return sealed(manifest, head(2047) + empty + last, 2047)


@valid
def manifest_longest(m):
    """a manifest of exactly 1 MiB + 8 times the file's length, by means of spaces (LIM-1)"""
    return spaced(m, longest(m))


@valid
def inert_windows(m):
    """windows in inert: of used tensors, of a file's, of one that is inert itself, of an opaque one; empty"""
    a = {"tensor": "a", "window": [[0, 1], [0, 2]]}
    streams = [Stream("F32", [("a", [3, 2], f32(*range(6))), ("b", [2, 1], f32(3, 4)), ("c", [], f32(5))]), u8(1)]
    streams.append(Stream("F32", [("later", [5], b"?")], 1024, [[b"?"]]).opaque(code="later"))
    listed = {"files": [{"path": "p", "size": 1, "sha256": sha256(b"\1"), "tensor": "t"}]}
    m = manifest_of(*streams, method="lora", operations=[low_rank(a)], **listed)
    parts = {"a": [[1, 2], [0, 2]], "b": [[2, 0], [0, 0]], "c": [], "t": [[0, 1]], "later": [[4, 1]]}
    first(m)["inert"] += [{"tensor": name, "window": window, "reason": "x"} for name, window in parts.items()]
    first(m)["inert"].append({**first(m)["inert"][-1], "window": [[0, 5]]})
    return m


@valid
def chunks_wide(m):
    """streams of 8 planes, of 4 whose elements are two units, and of 2, each cut within a tensor"""
    bits = hashlib.shake_128(b"wide").digest(3 * 1025 * 8)
    f64 = [("f64.a", [1000], bits[:8000]), ("f64.b", [25], bits[8000:8200])]
    c64 = [("c64.a", [513], bits[8200:12304]), ("c64.b", [511, 2], bits[12304:20480])]
    return manifest_of(Stream("F64", f64), Stream("C64", c64), Stream("BF16", [("bf16", [1025], bits[:2050])]))


@valid
def adapters_unlike(m):
    """an adapter whose parts are opaque beside one that is not, with a method of 64 bytes"""
    future = Stream("F32", [("a", [5], b"?")], 1024, [[b"?"]]).opaque(code="later")
    beside = adapter(future, name="later", method="m" * 64, operations=[{"op": "later", "tensors": {"x": "a"}}])
    return {"adapters": [beside, first(m)]}


@valid
def requires_elsewhere(m):
    """`requires` where it is an unknown key like others (MAN-7), or makes a part opaque (STR-8, OPS-2); in capitals"""
    needs = {"requires": ["later"]}
    files = [{"path": "p", "size": 1, "sha256": sha256(b"\2"), "tensor": "u", **needs}]
    opaque = Stream("F32", [("t", [1], b"?")], 1024, []).opaque(**needs)
    m = manifest_of(opaque, u8(2, name="u"), files=files, operations=[{"op": "add", "tensors": {"delta": "t"}, **needs}])
    inert = [{"tensor": "u", "window": [[0, 1]], "reason": "", **needs}]
    first(m).update(source={"format": "peft", **needs}, inert=inert, **needs)
    return {"Requires": ["later"], "base": {"fingerprint": fingerprint({}, **needs), **needs}, **m}


@valid
def source_later(m):
    """a source of a format that nobody knows, with nothing else; one of none"""
    first(m)["source"] = {"format": "gguf"}
    return {"adapters": [first(m), adapter(name="other", source={"format": ""})]}


@valid
def opaque_words(m):
    """words that are no element type or code of this version, though nearly: each makes its stream opaque (STR-8)"""
    words = [{"dtype": dtype} for dtype in ("", "f32", "F32 ", "F32\n", "F8_E4M3FN")]
    words += [{"code": code} for code in ("", "Planes", "planes\0")]
    streams = [Stream("F32", [(f"t{i}", [1], b"?")], 1024, [[b"?"]]) for i in range(len(words))]
    return manifest_of(*[stream.opaque(**keys) for stream, keys in zip(streams, words)])


@valid
def opaque_sizes(m):
    """opaque tensors whose sizes sum up to over 2^64 bits, bytes and elements: LIM-2 is not for them (STR-8)"""
    tensors = [(f"t{index}", [SAFE], b"?") for index in range(2100)]
    return manifest_of(Stream("F64", tensors, SAFE, [[b"?"] * 300, [b"12345"]]).opaque(code="later"))


@valid
def opaque_op_words(m):
    """names that are no operation, though nearly; values of every kind under unknown keys, to depth 16 (OPS-2)"""
    strange = {"x": [None, True, -0.5, 1e300, "\0", {"": []}], "y": json.loads("[" * 11 + "]" * 11)}
    operations = [{"op": op, "tensors": {"a": "t"}, **strange} for op in ("", "Add_low_rank", "add_low_rank ", "lora")]
    return manifest_of(u8(1, 2), operations=[*operations, {"op": "later", "tensors": {}}])


@valid
def opaque_op_beside(m):
    """an opaque operation between others, which are judged as always (OPS-2)"""
    first(m)["operations"] = [low_rank(), {"op": "later", "tensors": {}, "target": "layer.weight"}, low_rank(scale=2)]


@valid
def names_twice(m):
    """what may be named twice (NAM-3): a tensor in nonfinite and in inert, a stored tensor in bound"""
    m = manifest_of(Stream("F32", [("a", [1], f32(float("inf"))), ("b", [], f32(1))]), nonfinite=["a", "a"])
    first(m)["inert"] += first(m)["inert"]
    operation = low_rank(target="x", bound=["x", "y", "x"])
    weights = Stream("F32", [("a", [1, 2], f32(1, 2)), ("b", [2, 1], f32(3, 4))])
    m["adapters"].append(adapter(weights, name="other", operations=[operation]))
    return m


@valid
def names_normalised(m):
    """what Unicode takes for the same is not (NAM-3): keys of metadata, roles, unknown keys, paths; in UTF-8's order"""
    pair = ["\u00e9", "e\u0301"]
    listed = [{"path": name, "size": 0, "sha256": sha256(b"")} for name in pair]
    operation = {"op": "later", "tensors": dict.fromkeys(pair, "t"), **dict.fromkeys(pair, 1)}
    m = manifest_of(u8(1), files=listed, operations=[operation])
    order = ["\U0001f600", "\uffff", "\uff5e", *pair, "z", "Z", "\u212b", "\u00c5"]
    print_ = fingerprint({name: print_of(name, "F16", [1]) for name in order}, sketch={order[0]: f32(*range(32)).hex()})
    return {"metadata": dict.fromkeys(pair, ""), **dict.fromkeys(pair, 1), "base": {"fingerprint": print_}, **m}


@valid
def names_hostile(m):
    """names and texts that a terminal, a page or a shell must not be shown as they are: none breaks NAM-1 or NAM-4"""
    texts = ["\u202egnp.exe", "\u2066\u200b\u2028\u2029", "\u009b31m\u0085", "<script>alert(1)</script>", "$(id)`id`;'"]
    texts += ["{{ self.__class__ }}", "%s%n", "file:///etc/passwd", "=1+1", "\ufdd0\ufffe\U0010ffff"]
    m = manifest_of(Stream("U8", [(text, [], bytes([i])) for i, text in enumerate(texts)]))
    paths = [text.replace("/", "") for text in texts] + ["NUL", "C:", "~", "-rf", " ", "a.", ".bashrc"]
    first(m)["files"] = [{"path": path, "size": 0, "sha256": sha256(b"")} for path in paths]
    texts.append("\x1b[2J\x1b]0;x\x07\r\n\0")
    return {"generator": texts[-1], "metadata": {text: text for text in texts}, "base": {"name": texts[-1]}, **m}


@valid
def json_key_order(m):
    """keys in another order everywhere: what a key means does not depend on those before it"""

    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(member) for member in value] if isinstance(value, list) else value

    m = {"requires": [], "metadata": {"k": "v"}, "base": {"name": "n", "fingerprint": fingerprint(prints())}, **m}
    roles = {"a": {"tensor": "a", "window": [[0, 1], [0, 2]]}, "b": "b"}
    first(m).update(operations=[{**operation_of(m), "tensors": roles}], source={"format": "peft", "config": "{}"})
    return pack(m, text_of(turned(m)))


@valid
def frame_matches(m):
    """compressed blocks with a match: one to the first byte of the frame, one with the tables of the block before"""
    whole = block(2, 8, matched(12, b"e", TABLES, 9), True)
    twice = block(2, 8, matched(12, b"e", TABLES, 9)) + block(2, 5, matched(12, b"f", AGAIN, 9), True)
    streams = [Stream("U8", [("one", [15], b"e" * 15)], 1024, [[head(15) + whole]])]
    return manifest_of(*streams, Stream("U8", [("two", [30], b"e" * 15 + b"f" * 15)], 1024, [[head(30) + twice]]))


@valid
def manifest_frame_longest(m):
    """a manifest frame exactly as long as ENV-9 allows, by means of empty blocks, of a text of 2,047 bytes"""
    return roundabout(m, 2047 + 1 + 64)


def operations_maker(description, operations):
    def maker(m):
        return operations_manifest(*operations)

    maker.__doc__ = description
    return maker


for name, entry in adp_operations.VALID.items():
    VALID[f"ops_{name}"] = operations_maker(*entry)


# Changes, of which the invalid files are made: functions of the example's manifest


def put(where, key, value):
    """Sets a key (or, in an array, an index) of the part of the manifest that `where` finds."""
    return lambda m: where(m).__setitem__(key, copy.deepcopy(value))


def drop(where, key):
    return lambda m: where(m).__delitem__(key)


def append(where, key, value):
    return lambda m: where(m)[key].append(copy.deepcopy(value))


def both(*changes):
    def change(m):
        for part in changes:
            part(m)

    return change


def whole(m):
    return m


def tensor_of(m):
    return stream_of(m)["tensors"][0]


def row_of(m):
    return stream_of(m)["chunks"][0]


def roles_of(m):
    return operation_of(m)["tensors"]


def with_source(m):
    return first(m).setdefault("source", {"format": "peft", "sha256": "0" * 64})


def with_file(m):
    return first(m).setdefault("files", [{"path": "p", "size": 0, "sha256": "0" * 64}])[0]


def with_inert(m):
    """The entry of `inert` of a third tensor."""
    if "inert" not in first(m):
        first(m)["streams"].append(u8(1))
        first(m)["inert"] = inert_of("t")
    return first(m)["inert"][0]


def inert_of(*names):
    return [{"tensor": name, "reason": "test"} for name in names]


def case(path, rules, description, change):
    """Registers a file. A change returns the file, or another manifest, or nothing where it changed the one given."""
    assert path not in INVALID, path
    INVALID[path] = (rules.split(), description, change)


def manifest_case(name, rules, description, change):
    case(f"manifest/{name}", rules, description, change)


# Invalid files: the envelope


def header_case(path, rule, description, header):
    case(path, rule, description, lambda m: pack(m, header=header))


def bytes_case(path, rule, description, data):
    case(path, rule, description, lambda m: data)


def footer_case(name, rule, description, offset, size):
    """The footer has `offset` and `size`, which are functions of the truth."""

    def change(m):
        true_offset, true_size = 16 + len(payload_of(m)), len(frame(text_of(m)))
        return pack(m, offset=offset(true_offset, true_size), size=size(true_offset, true_size) % 2**64)

    case(f"footer/{name}", rule, description, change)


def manifest_frame(path, rules, description, stored, decoded=len):
    """The stored manifest and its decoded length are functions of its text."""
    case(path, rules, description, lambda m: seal(payload_of(m), stored(text_of(m)), decoded(text_of(m))))


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


magic = "not-adp/magic_"
header_case(magic + "first_byte", "ENV-1", "the magic begins with 09: its first byte lost bit 7", b"\x09" + HEADER[1:])
header_case(magic + "line_ends", "ENV-1", "CR LF of the magic turned into LF", HEADER.replace(b"\r\n", b"\n"))
bytes_case(magic + "short_text", "ENV-1", "a text of five bytes", b"hello")
bytes_case(magic + "zip", "ENV-1", "the beginning of a ZIP file, and zeros", b"PK\x03\x04" + bytes(200))
for name, description, change in [
    ("utf8", "the file taken for Latin-1 and written as UTF-8", lambda data: data.decode("latin-1").encode()),
    (
        "utf16",
        "the file taken for Latin-1 and written as UTF-16",
        lambda data: data.decode("latin-1").encode("utf-16-le"),
    ),
    ("line_feeds", "every LF of the file turned into CR LF", lambda data: data.replace(b"\n", b"\r\n")),
    ("seven_bits", "bit 7 of every byte is lost", lambda data: bytes(byte & 127 for byte in data)),
    ("bom", "a byte order mark before the file", lambda data: b"\xef\xbb\xbf" + data),
    ("script", "a line of a shell's before the file", lambda data: b"#!/bin/sh\n" + data),
    ("framed", "the whole file in a frame", frame),
]:
    case(magic + name, "ENV-1", description, lambda m, change=change: change(pack(m)))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 636\n"
SAFETENSORS = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(72)
for name, description, data in [
    ("html", "a page of HTML", b"<!DOCTYPE html>\n<html><title>404</title></html>\n".ljust(200)),
    ("pointer", "a pointer of git-lfs", LFS),
    ("safetensors", "a safetensors file", struct.pack("<Q", 72) + SAFETENSORS + bytes(4)),
    ("gguf", "the beginning of a GGUF file, and zeros", b"GGUF\3" + bytes(200)),
    ("zeros", "200 zeros", bytes(200)),
]:
    bytes_case(magic + name, "ENV-1", description, data)
header_case("version/header_major_2", "ENV-2", "major version 2", HEADER[:8] + b"\x02" + HEADER[9:])
header_case("version/header_major_0", "ENV-2", "major version 0", HEADER[:8] + b"\x00" + HEADER[9:])
header_case("version/header_reserved", "ENV-2", "the last reserved byte is 1", HEADER[:15] + b"\x01")
reserved = HEADER[:9] + b"\x01" + HEADER[10:]
header_case("version/header_reserved_first", "ENV-2", "the first reserved byte is 1", reserved)
backwards = "the bytes of the file in reverse, which begin with the magic"
case("version/header_reversed", "ENV-2", backwards, lambda m: pack(m)[::-1])
swapped = "the major version as a big-endian number of eight bytes"
header_case("version/header_big_endian", "ENV-2", swapped, HEADER[:8] + bytes(7) + b"\x01")
short_2 = "nine bytes: the magic and major version 2 (the header is judged before the length)"
bytes_case("version/header_major_2_short", "ENV-2", short_2, HEADER[:8] + b"\x02")
bytes_case("truncated/length_0", "ENV-3", "an empty file", b"")
bytes_case("truncated/length_5", "ENV-3", "five bytes of the magic", HEADER[:5])
bytes_case("truncated/length_12", "ENV-3", "twelve bytes of the header", HEADER[:12])
bytes_case("truncated/length_16", "ENV-3", "the header alone", HEADER)
cut_footer = "header and a footer without its first byte"
case("truncated/length_79", "ENV-3", cut_footer, lambda m: HEADER + pack(m)[-63:])
case("truncated/tail_cut", "ENV-4", "the last byte is missing", lambda m: pack(m)[:-1])
case("truncated/tail_appended", "ENV-4", "a line feed follows the footer", lambda m: pack(m) + b"\n")
case("truncated/tail_wrong", "ENV-4", "the footer's magic is not backwards", lambda m: pack(m, tail=HEADER[:8]))
end_of_zip = b"PK\x05\x06" + bytes(18)
case("truncated/tail_zip", "ENV-4", "the end of a ZIP archive follows the footer", lambda m: pack(m) + end_of_zip)
case("truncated/tail_padded", "ENV-4", "zeros follow, to a multiple of 512", lambda m: pack(m).ljust(1024, b"\0"))
bytes_case("truncated/length_80", "ENV-4", "80 bytes: the header and zeros in place of the footer", HEADER + bytes(64))

within = "offset 15, one byte into the header; the sum is right"
too_long = "offset + stored is one more than it must be: the frame would reach into the footer"
footer_case("offset_15", "ENV-5", within, lambda o, s: 15, lambda o, s: o + s - 15)
footer_case(
    "sum_short", "ENV-5", "offset + stored is one less than it must be", lambda o, s: o, lambda o, s: s - 1
)
footer_case("sum_long", "ENV-5", too_long, lambda o, s: o, lambda o, s: s + 1)
wraps = "right only where the sum wraps"
footer_case("sum_wraps_offset", "ENV-5", f"offset 2^64 - 16: {wraps}", lambda o, s: 2**64 - 16, lambda o, s: o + s + 16)
footer_case("sum_wraps_stored", "ENV-5", f"stored 2^64 - 1: {wraps}", lambda o, s: o + s + 1, lambda o, s: -1)
past_end = "offset after the file's end, with stored 0"
footer_case("offset_past_end", "ENV-5", past_end, lambda o, s: o + s + 1000, lambda o, s: 0)
footer_case("offset_0", "ENV-5", "offset 0: the frame would begin with the header", lambda o, s: 0, lambda o, s: o + s)
footer_case("offset_2_63", "ENV-5", "offset 2^63, with stored 2^63", lambda o, s: 2**63, lambda o, s: 2**63)
twice_over = "a file behind the same file: the footer counts from the start of the second"
case("footer/two_files", "ENV-5", twice_over, lambda m: pack(m) * 2)
big_endian = "offset and stored are big-endian"
footer_case(
    "big_endian",
    "ENV-5",
    big_endian,
    lambda o, s: int.from_bytes(o.to_bytes(8, "little")),
    lambda o, s: int.from_bytes(s.to_bytes(8, "little")),
)
manifest_frame("footer/decoded_0", "ENV-6", "a manifest of no bytes", lambda t: frame(b""), lambda t: 0)
manifest_frame("footer/decoded_1", "ENV-6", "a manifest of one byte", lambda t: frame(b"1"), lambda t: 1)
one_longer = "a manifest one byte longer than 1 MiB + 8 times the file's length, which would decode"
case("limit/manifest_too_long", "ENV-6 LIM-1", one_longer, lambda m: spaced(m, longest(m) + 1))
manifest_frame("limit/manifest_huge", "ENV-6 LIM-1", "decoded 2^64 - 1", frame, lambda t: 2**64 - 1)
manifest_frame("limit/manifest_times_eight_wraps", "ENV-6 LIM-1", "decoded 2^63 + 2", frame, lambda t: 2**63 + 2)

manifest_frame(
    "limit/manifest_frame_long",
    "ENV-9",
    "a manifest frame of 2,000 empty blocks more than its text needs",
    lambda t: head(len(t)) + block(0, len(t), t) + block(0, 0, b"") * 2000 + block(0, 0, b"", True),
)
one_more_stored = "a manifest frame one byte longer than ENV-9 allows, of a text of 2,047 bytes"
case("limit/manifest_frame_one", "ENV-9", one_more_stored, lambda m: roundabout(m, 2047 + 1 + 64 + 1))

scale_bit = "one bit of the manifest's text differs: a scale of 4.5 for 0.5"
case("digest/manifest_bit", "ENV-7", scale_bit, lambda m: pack(m).replace(b'"scale":0.5', b'"scale":4.5'))
case("digest/digest_bit", "ENV-7", "the last bit of the digest differs", lambda m: flipped(pack(m), -9))
case("digest/footer_decoded", "ENV-7", "decoded differs from what was digested", lambda m: flipped(pack(m), -48))
case("digest/digest_zeros", "ENV-7", "the digest is all zeros", lambda m: pack(m)[:-40] + bytes(32) + TAIL)


def digest_of(part):
    """A change: the digest is that of a part of the file."""

    def change(m):
        data = pack(m)
        return data[:-40] + hashlib.sha256(part(data, 16 + len(payload_of(m)))).digest() + TAIL

    return change


case("digest/without_header", "ENV-7", "the digest leaves the header out", digest_of(lambda d, at: d[at:-40]))
case("digest/without_footer", "ENV-7", "the digest leaves the footer out", digest_of(lambda d, at: HEADER + d[at:-64]))
case("digest/of_everything", "ENV-7", "the digest covers the payload, too", digest_of(lambda d, at: d[:-40]))


# Invalid files: frames

# The low four bytes of XXH64 of what the two frames with checksums hold.
XXH64 = {"manifest": bytes.fromhex("45231259"), "plane": bytes.fromhex("9d464314")}
PLANE = bytes.fromhex("7F 80 80 81")  # plane 3 of the example
SKIPPABLE = bytes.fromhex("50 2A 4D 18")


def manifest_frame_case(name, rules, description, stored, decoded=len):
    manifest_frame(f"frame/manifest_{name}", rules, description, stored, decoded)


def with_frame(stored):
    """A change: another frame for plane 3 of the example."""

    def change(m):
        stream_of(m).frames[0][3] = stored
        stream_of(m).seal()

    return change


def frame_case(name, rules, description, stored):
    case(f"frame/{name}", rules, description, with_frame(stored))


def long_frame_case(name, rules, description, data, chunk, stored):
    """A tensor of bytes in one chunk, whose frame is another."""

    def change(m):
        m = manifest_of(u8(*data, chunk=chunk))
        stream_of(m).frames[0][0] = stored
        stream_of(m).seal()
        return m

    case(f"frame/{name}", rules, description, change)


def checked_manifest(m):
    text = b'{"adapters":[{"name":"default","method":"lora","operations":[],"streams":[]}]}'
    return seal(b"", ZSTD + bytes([0x24, len(text)]) + blocks(text) + XXH64["manifest"], len(text))


differs = "the footer's decoded is one more than the manifest frame says"
manifest_frame_case("decoded_differs", "ENV-8", differs, frame, lambda t: len(t) + 1)
manifest_frame_case("stored_0", "ENV-8", "a manifest frame of no bytes", lambda t: b"")
manifest_frame_case("plain", "ENV-8", "the manifest's text in place of its frame", lambda t: t)
manifest_frame_case(
    "garbage", "ENV-8 FRM-2", "a zero byte after the manifest's last block", lambda t: frame(t) + b"\0"
)
manifest_frame_case(
    "two_frames", "ENV-8 FRM-2", "the manifest in two frames", lambda t: frame(t[:99]) + frame(t[99:])
)
checksummed = "the manifest frame with the content checksum flag and the checksum"
case("frame/manifest_checksum_flag", "ENV-8 FRM-1", checksummed, checked_manifest)
manifest_frame_case(
    "bomb",
    "FRM-3 ENV-8",
    "a manifest frame whose blocks hold eleven times what its content size says",
    lambda t: head(len(t)) + block(0, len(t), t) + block(1, len(t), b" ") * 10 + block(0, 0, b"", True),
)

for name, rule, description, stored in [
    ("skippable", "FRM-1", "a skippable frame before the manifest's", lambda t: SKIPPABLE + bytes(4) + frame(t)),
    ("skippable_after", "FRM-2", "a skippable frame after the manifest's", lambda t: frame(t) + SKIPPABLE + bytes(4)),
    ("second_empty", "FRM-2", "a second frame, of no bytes, after the manifest's", lambda t: frame(t) + frame(b"")),
    ("legacy", "FRM-1", "the manifest frame's magic is that of Zstandard 0.7", lambda t: b"\x27" + frame(t)[1:]),
    ("windowed", "FRM-1", "the manifest frame has a window descriptor", lambda t: ZSTD + b"\x40\0" + frame(t)[5:]),
    ("dictionary_id", "FRM-1", "the manifest frame names a dictionary", lambda t: ZSTD + b"\x61\0" + frame(t)[5:]),
    ("size_absent", "FRM-1", "the manifest frame has no content size", lambda t: ZSTD + b"\0\0" + blocks(t)),
    (
        "size_wide",
        "FRM-1",
        "the manifest frame's content size has four bytes",
        lambda t: ZSTD + struct.pack("<BI", 0xA0, len(t)) + blocks(t),
    ),
    ("not_last", "FRM-2", "no block of the manifest frame is the last", lambda t: head(len(t)) + block(0, len(t), t)),
    ("cut", "FRM-2", "the last byte of the manifest frame is missing", lambda t: frame(t)[:-1]),
    (
        "content_short",
        "FRM-3",
        "the manifest frame's blocks hold a byte too few",
        lambda t: head(len(t)) + blocks(t[:-1]),
    ),
]:
    manifest_frame_case(name, f"ENV-8 {rule}", description, stored)
early = "offset at the last plane's frame, and the sum right: the manifest would begin in the payload"
case("frame/manifest_early", "ENV-8 FRM-1", early, lambda m: seal_early(m, row_of(m)[3]))


def seal_early(m, by):
    payload, text = payload_of(m), text_of(m)
    return seal(payload, frame(text), len(text), offset=16 + len(payload) - by, size=by + len(frame(text)))


frame_case("magic_wrong", "FRM-1", "a frame's magic is wrong", b"\x29" + frame(PLANE)[1:])
frame_case("magic_legacy", "FRM-1", "a frame's magic is that of Zstandard 0.7", b"\x27" + frame(PLANE)[1:])
frame_case("magicless", "FRM-1", "a frame without magic", frame(PLANE)[4:])
frame_case("skippable", "FRM-1", "a skippable frame before the frame", SKIPPABLE + bytes(4) + frame(PLANE))
plane_skipped = "a skippable frame with the plane's bytes in place of the frame"
frame_case("skippable_only", "FRM-1", plane_skipped, SKIPPABLE + b"\4\0\0\0" + PLANE)
right_checksum = "a frame with the content checksum flag and the right checksum"
frame_case("checksum_flag", "FRM-1", right_checksum, ZSTD + b"\x24\x04" + blocks(PLANE) + XXH64["plane"])
no_dictionary = "a frame with a dictionary identifier of one byte, 0: no dictionary"
frame_case("dictionary_id", "FRM-1", no_dictionary, ZSTD + b"\x21\x00\x04" + blocks(PLANE))
four_dictionary = "a frame with a dictionary identifier of four bytes"
frame_case("dictionary_id_four", "FRM-1", four_dictionary, ZSTD + b"\x23\1\0\0\0\x04" + blocks(PLANE))
window_and_size = "a frame with a window descriptor and a content size, not of a single segment"
octets = bytes(range(256))
long_frame_case("windowed", "FRM-1", window_and_size, octets, 1024, ZSTD + b"\x40\0\0\0" + blocks(octets))
window_alone = "a frame with a window descriptor and no content size"
frame_case("size_absent", "FRM-1", window_alone, ZSTD + b"\x00\x00" + blocks(PLANE))
size_of_four = "a content size of four bytes where one is enough"
frame_case("size_wide", "FRM-1", size_of_four, ZSTD + b"\xa0\x04\0\0\0" + blocks(PLANE))
frame_case("size_eight", "FRM-1", "a content size of eight bytes", ZSTD + b"\xe0\x04" + bytes(7) + blocks(PLANE))
long_frame_case(
    "size_four_for_65791",
    "FRM-1",
    "a content size of four bytes for 65,791 bytes, which has one of two",
    bytes(65791),
    2**17,
    ZSTD + b"\xa0" + struct.pack("<I", 65791) + blocks(bytes(65791)),
)
reserved_bit = "the reserved bit of the frame header descriptor is set"
frame_case("descriptor_reserved", "FRM-1", reserved_bit, ZSTD + b"\x28\x04" + blocks(PLANE))
unused_bit = "the unused bit of the frame header descriptor is set"
frame_case("descriptor_unused", "FRM-1", unused_bit, ZSTD + b"\x30\x04" + blocks(PLANE))
long_frame_case(
    "block_large_rle",
    "FRM-2",
    "an RLE block of 128 KiB and one byte: RFC 8878 allows 128 KiB",
    bytes(BLOCK + 1),
    2**18,
    head(BLOCK + 1) + block(1, BLOCK + 1, b"\0", True),
)
wide_block = "a compressed block of six bytes in a frame of four, to which it decodes"
frame_case("block_larger_than_n", "FRM-2", wide_block, head(4) + block(2, 6, b"\x20" + PLANE + b"\0", True))
rle_wide = "an RLE block of five bytes in a frame of four"
frame_case("block_larger_rle", "FRM-2", rle_wide, head(4) + block(1, 5, b"\0", True))
raw_wide = "a raw block whose size is 2^21 - 1, the largest there is"
frame_case("block_size_largest", "FRM-2", raw_wide, head(4) + block(0, 2**21 - 1, PLANE, True))
frame_case("block_reserved", "FRM-2", "a block of the reserved type", head(4) + block(3, 4, PLANE, True))
empty_reserved = "an empty block of the reserved type before the plane's"
frame_case("block_reserved_empty", "FRM-2", empty_reserved, head(4) + block(3, 0, b"") + blocks(PLANE))
frame_case("block_not_last", "FRM-2", "no block is marked as the last", head(4) + block(0, 4, PLANE))
frame_case("block_cut", "FRM-2", "the last block is one byte short", frame(PLANE)[:-1])
frame_case("block_none", "FRM-2", "a frame header without a block", head(4))
frame_case("header_cut", "FRM-2", "three bytes of the magic in place of the frame", ZSTD[:3])
frame_case("garbage_after", "FRM-2", "a zero byte after the last block", frame(PLANE) + b"\0")
frame_case("second_frame", "FRM-2", "a second frame, of no bytes, after the frame", frame(PLANE) + frame(b""))
frame_case("skippable_after", "FRM-2", "a skippable frame after the frame", frame(PLANE) + SKIPPABLE + bytes(4))
one_fewer = "the blocks hold one byte fewer than the content size"
frame_case("content_short", "FRM-3", one_fewer, head(4) + blocks(PLANE[:3]))
one_more = "the blocks hold one byte more than the content size, in two blocks"
frame_case("content_long", "FRM-3", one_more, head(4) + block(0, 4, PLANE) + block(0, 1, b"\0", True))
long_frame_case(
    "content_bomb",
    "FRM-3",
    "a frame of 1,024 bytes, shorter than that, whose 251 RLE blocks hold 257,024",
    bytes(1024),
    1024,
    head(1024) + block(1, 1024, b"\0") * 250 + block(1, 1024, b"\0", True),
)
garbage = "a compressed block that no decoder understands"
frame_case("compressed_garbage", "FRM-3", garbage, head(4) + block(2, 4, b"\xff\xff\xff\xff", True))
nothing_in_it = "a compressed block of no bytes after the plane's"
frame_case("compressed_empty", "FRM-3", nothing_in_it, head(4) + block(0, 4, PLANE) + block(2, 0, b"", True))
long_frame_case(
    "compressed_large",
    "FRM-3",
    "a compressed block that decodes to 128 KiB and one byte: RFC 8878 allows 128 KiB",
    b"e" * (BLOCK + 1),
    2**18,
    head(BLOCK + 1) + block(2, 5, (BLOCK + 1 << 4 | 3 << 2 | 1).to_bytes(3, "little") + b"e\0", True),
)
es = b"e" * 15
from_before = "a match that begins one byte before the frame"
far = matched(12, b"e", TABLES[:2] + b"\4\0", 16)
long_frame_case("match_before_start", "FRM-3", from_before, es, 1024, head(15) + block(2, 8, far, True))
no_tables = "a first block that wants the tables of the block before"
long_frame_case("tables_absent", "FRM-3", no_tables, es, 1024, head(15) + block(2, 5, matched(12, b"e", AGAIN, 9), True))
no_tree = "a first block whose literals want the tree of the block before"
long_frame_case("tree_absent", "FRM-3", no_tree, octets[:8], 1024, head(8) + block(2, 6, b"\x83\1\1\1\1\0", True))


def tables_of_frame_before(m):
    """The frame of the second plane wants the tables of the first's."""
    frames = [head(15) + block(2, 8, matched(12, b"e", TABLES, 9), True)]
    frames.append(head(15) + block(2, 5, matched(12, b"f", AGAIN, 9), True))
    return manifest_of(Stream("U16", [("t", [15], b"ef" * 15)], 1024, [frames]))


of_before = "a frame that wants the tables of the frame before"
case("frame/tables_of_frame_before", "FRM-3", of_before, tables_of_frame_before)
padding = head(4) + block(0, 0, b"") * 19 + block(0, 4, PLANE, True)
frame_case("padded", "FRM-4", "empty blocks make a frame longer than n + 64", padding)
one_padded = head(256) + block(0, 0, b"") * 17 + block(1, 0, b"z") + block(0, 256, octets, True)
long_frame_case("padded_one", "FRM-4", "empty blocks make a frame n + 65 bytes long", octets, 1024, one_padded)
frame_case("plane_empty", "STR-6", "a frame of no bytes for a plane of four", frame(b""))
frame_case("plane_short", "STR-6", "a frame of three bytes for a plane of four", frame(PLANE[:3]))
frame_case("plane_long", "STR-6", "a frame of five bytes for a plane of four", frame(PLANE + b"\0"))
uneven = hashlib.shake_128(b"uneven").digest(1100)
cuts = [[frame(uneven[:1000])], [frame(uneven[1000:])]]
in_1000 = manifest_of(Stream("U8", [("t", [1100], uneven)], 1024, cuts))
case("frame/chunks_uneven", "STR-6", "two chunks of 1,024 and 76 units are cut as 1,000 and 100", lambda m: in_1000)


# Invalid files: JSON


def json_case(name, rule, description, change):
    """The change is one of the manifest's text."""
    case(f"json/{name}", rule, description, lambda m: pack(m, change(text_of(m))))


def edit(old, new):
    def change(text):
        assert text.count(old) == 1, (old, text)
        return text.replace(old, new)

    return change


def extra(value):
    """An ignored key in front of the manifest's others."""
    return edit(b'{"adapters"', b'{"x":' + value + b',"adapters"')


def scale_as(value):
    return edit(b'"scale":0.5', b'"scale":' + value)


def chunk_as(value):
    return edit(b'"chunk":1024', b'"chunk":' + value)


json_case("bom", "JSN-1", "a byte order mark before the text", lambda text: b"\xef\xbb\xbf" + text)
json_case("utf8_key", "JSN-1", "a cut UTF-8 sequence in an ignored key", edit(b'{"ad', b'{"\xe4\xb8":1,"ad'))
json_case("utf16", "JSN-1", "the text in UTF-16", lambda text: text.decode().encode("utf-16-le"))
json_case("two_values", "JSN-1", "a second value after the text", lambda text: text + b"{}")
json_case("nul_after", "JSN-1", "a zero byte after the text", lambda text: text + b"\0")
json_case("space_other", "JSN-1", "a no-break space after the text", lambda text: text + "\u00a0".encode())
json_case("form_feed", "JSN-1", "a form feed after the text", lambda text: text + b"\f")
json_case("only_space", "JSN-1", "white space and no value", lambda text: b"  \n")
json_case("cut", "JSN-1", "the last brace is missing", lambda text: text[:-1])
json_case("tab_in_key", "JSN-1", "a raw tab in an ignored key", edit(b'{"adapters"', b'{"a\tb":1,"adapters"'))
json_case("string_open", "JSN-1", "the text ends within a string", lambda text: text[: text.index(b"default")])
json_case("bracket_more", "JSN-1", "a bracket more at the end", lambda text: text + b"]")
json_case("record_separator", "JSN-1", "a record separator before the text", lambda text: b"\x1e" + text)
for name, description, value in [
    ("utf8", "a byte of Latin-1", b"layer.w\xe9"),
    ("utf8_end", "a UTF-8 sequence that the end of the string cuts", b"layer.w\xc3"),
    ("control", "a raw line feed", b"layer\nw"),
    ("quote", "a quotation mark that is not escaped", b'layer"w'),
    ("surrogate", "a high surrogate alone", b"layer.\\ud83d"),
]:
    rule = "JSN-3" if name == "surrogate" else "JSN-1"
    json_case(f"target_{name}", rule, f"{description} in a target's name", edit(b"layer.weight", value))
json_case("infinity", "JSN-1", "-Infinity as a number", scale_as(b"-Infinity"))
for name, description, value in [
    ("utf8_overlong", "an overlong encoding of a slash", b'"\xc0\xaf"'),
    ("utf8_surrogate", "a surrogate in UTF-8", b'"\xed\xa0\x80"'),
    ("utf8_beyond", "a code point beyond U+10FFFF", b'"\xf4\x90\x80\x80"'),
    ("utf8_latin1", "a byte of Latin-1", b'"\xe9"'),
    ("trailing_comma", "a comma after the last member of an array", b"[1,]"),
    ("trailing_comma_object", "a comma after the last member of an object", b'{"a":1,}'),
    ("comment", "a comment", b"/* */1"),
    ("single_quotes", "single quotes", b"'a'"),
    ("key_bare", "a key without quotes", b"{a:1}"),
    ("control_in_string", "a raw line feed in a string", b'"a\nb"'),
    ("escape_unknown", "an escape that JSON does not have", b'"\\x41"'),
    ("escape_short", "an escape with three digits", b'"\\u00e"'),
    ("escape_signed", "an escape with a sign among its digits", b'"\\u+0e9"'),
    ("nan", "NaN as a number", b"NaN"),
    ("leading_zero", "a number with a leading zero", b"01"),
    ("leading_plus", "a number with a plus sign", b"+1"),
    ("leading_dot", "a number that begins with its point", b".5"),
    ("trailing_dot", "a number that ends with its point", b"1."),
    ("exponent_empty", "a number with an empty exponent", b"1e"),
    ("hexadecimal", "a hexadecimal number", b"0x10"),
    ("digits_arabic", "a number in Arabic-Indic digits", "\u0661".encode()),
    ("true_capital", "True for true", b"True"),
    ("utf8_continuation", "a continuation byte alone", b'"\x80"'),
    ("utf8_overlong_nul", "an overlong encoding of U+0000", b'"\xc0\x80"'),
    ("utf8_overlong_three", "an overlong encoding of three bytes", b'"\xe0\x9f\xbf"'),
    ("utf8_overlong_four", "an overlong encoding of four bytes", b'"\xf0\x8f\xbf\xbf"'),
    ("utf8_pair", "a pair of surrogates in UTF-8", b'"\xed\xa0\xbd\xed\xb8\x80"'),
    ("utf8_five", "a sequence of five bytes", b'"\xf8\x88\x80\x80\x80"'),
    ("escape_letter", "an escape with a letter that is no digit", b'"\\u00g0"'),
    ("escape_capital", "an escape with a capital U", b'"\\U00e9"'),
    ("escape_braces", "an escape with braces", b'"\\u{e9}"'),
    ("leading_zero_negative", "a negative number with a leading zero", b"-01"),
    ("minus_alone", "a minus sign alone", b"-"),
    ("exponent_sign_alone", "an exponent of a sign alone", b"1e+"),
    ("exponent_fraction", "an exponent with a point", b"1e1.5"),
    ("separators", "a number with an underscore", b"1_0"),
    ("suffix", "a number with a letter after it", b"1f"),
    ("literal_cut", "a literal without its last letter", b"nul"),
    ("literal_long", "a literal with a letter more", b"nulll"),
    ("comma_absent", "two elements without a comma", b"[1 2]"),
    ("comma_alone", "an array of a comma", b"[,]"),
    ("comma_twice", "two commas in an array", b"[1,,2]"),
    ("colon_absent", "a key without a colon", b'{"a" 1}'),
    ("value_absent", "a key without a value", b'{"a":}'),
    ("key_number", "a number as a key", b"{1:1}"),
    ("brackets_crossed", "an array that a brace closes", b"[1}"),
]:
    json_case(name, "JSN-1", description, extra(value))

emoji_twice = '{"\U0001f600":1,"\\ud83d\\ude00":1}'.encode()
json_case("key_twice", "JSN-2", "the key chunk twice, with the same value", chunk_as(b'1024,"chunk":1024'))
json_case("key_twice_escaped", "JSN-2", "a key twice, once with an escape", extra(b'{"a":1,"\\u0061":2}'))
json_case("key_twice_surrogates", "JSN-2", "an emoji twice as a key, raw and as surrogates", extra(emoji_twice))
json_case("key_twice_empty", "JSN-2", "the empty key twice", extra(b'{"":1,"":1}'))
forty = b",".join(b'"%d":0' % (index % 39) for index in range(40))
json_case("key_twice_far", "JSN-2", "a key twice, with 38 others between", extra(b"{" + forty + b"}"))
empty_adapters = edit(b'{"adapters"', b'{"adapters":[],"adapters"')
json_case("key_twice_adapters", "JSN-2", "the key adapters twice, the first time without adapters", empty_adapters)
in_metadata = edit(b'{"adapters"', b'{"metadata":{"license":"a","license":"b"},"adapters"')
json_case("key_twice_metadata", "JSN-2", "a key of metadata twice", in_metadata)
json_case("key_twice_role", "JSN-2", "a role twice", edit(b'"b":"b"', b'"b":"b","b":"b"'))
json_case("key_twice_scale", "JSN-2", "scale twice, with other values", scale_as(b'1,"scale":2'))
in_tensor = edit(b'"name":"b"', b'"name":"b","name":"b"')
json_case("key_twice_name", "JSN-2", "a tensor's name twice", in_tensor)
print_twice = b'"e":["U8",[],"' + b"0" * 32 + b'",null]'
print_twice = b'{"base":{"fingerprint":{"tensors":{' + print_twice + b"," + print_twice + b'},"digest":""}},"adapters"'
json_case("key_twice_fingerprint", "JSN-2", "a stored tensor twice in a fingerprint", edit(b'{"adapters"', print_twice))
in_later = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"x":[{"y":1,"y":1}]},')
json_case("key_twice_opaque", "JSN-2", "a key twice, deep in an opaque operation", in_later)
in_stream = edit(b'"code":', b'"x":{"y":1,"y":1},"code":')
json_case("key_twice_opaque_stream", "JSN-2", "a key twice below an unknown key of a stream", in_stream)
json_case("surrogate_high", "JSN-3", "a high surrogate alone", extra(b'"\\ud800"'))
json_case("surrogate_low", "JSN-3", "a low surrogate alone", extra(b'"\\udc00"'))
json_case("surrogate_reversed", "JSN-3", "a low surrogate before a high one", extra(b'"\\ude00\\ud83d"'))
json_case("surrogate_high_high", "JSN-3", "two high surrogates and a low one", extra(b'"\\ud83d\\ud83d\\ude00"'))
json_case("surrogate_then_escape", "JSN-3", "a high surrogate before another escape", extra(b'"\\ud83d\\u0041"'))
json_case("surrogate_key", "JSN-3", "a surrogate in an ignored key", extra(b'{"\\udfff":1}'))
json_case("integer_point", "JSN-4", "an integer written 1024.0", chunk_as(b"1024.0"))
json_case("integer_exponent", "JSN-4", "an integer written 1.024e3", chunk_as(b"1.024e3"))
json_case("integer_negative", "JSN-4", "a dimension of -1", edit(b'"shape":[1,2]', b'"shape":[-1,2]'))
minus_zero = edit(b'"a":"a"', b'"a":{"tensor":"a","window":[[-0,1],[0,2]]}')
json_case("integer_minus_zero", "JSN-4", "a start of -0 in a window", minus_zero)
file_2_53 = b'"files":[{"path":"x","size":9007199254740992,"sha256":"' + b"0" * 64 + b'"}],"operations"'
json_case("integer_2_53", "JSN-4", "a file's size of 2^53", edit(b'"operations"', file_2_53))
only_wrapped = "a chunk of 2^64 + 1024: right only where it wraps"
json_case("integer_2_64", "JSN-4", only_wrapped, chunk_as(b"18446744073709552640"))
json_case("integer_crc_point", "JSN-4", "a CRC written with a point", edit(b"5120]]", b"5120.0]]"))
json_case("overflow", "JSN-5", "a scale of 1e309", scale_as(b"1e309"))
json_case("overflow_rounding", "JSN-5", "a scale that rounds up to infinity", scale_as(b"1.7976931348623159e308"))
json_case("overflow_digits", "JSN-5", "400 digits under an ignored key", extra(b"1" * 400))
json_case("overflow_exponent", "JSN-5", "an exponent of 24 digits", scale_as(b"-1e" + b"9" * 24))
json_case("underflow", "JSN-5", "a scale of 1e-400", scale_as(b"1e-400"))
to_zero = "2.4e-324 under an ignored key, which rounds to zero"
json_case("underflow_rounding", "JSN-5", to_zero, extra(b"-2.4e-324"))
json_case("underflow_digits", "JSN-5", "400 zeros after the point, then a 1", extra(b"0." + b"0" * 400 + b"1"))
in_later = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"x":-1e999},')
json_case("overflow_opaque", "JSN-5", "-1e999 under an unknown key of an opaque operation", in_later)
in_stream = edit(b'"code":', b'"x":1e-999,"code":')
json_case("underflow_opaque", "JSN-5", "1e-999 under an unknown key of a stream", in_stream)
json_case("depth_17", "JSN-6", "arrays that reach depth 17", extra(b"[" * 16 + b"]" * 16))
json_case("depth_17_objects", "JSN-6", "objects that reach depth 17", extra(b'{"a":' * 16 + b"0" + b"}" * 16))
in_later = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"x":' + b"[" * 12 + b"]" * 12 + b"},")
json_case("depth_17_opaque", "JSN-6", "arrays in an opaque operation that reach depth 17", in_later)
json_case("depth_17_value", "JSN-6", "arrays that reach depth 17 as a scale", scale_as(b"[" * 12 + b"]" * 12))
twenty = edit(b'"shape":[1,2]', b'"shape":[1,' + b"9" * 20 + b"]")
json_case("integer_20_digits", "JSN-4", "a dimension of 20 digits", twenty)
opaque_point = edit(b'"chunk":1024', b'"later":0,"chunk":0.5')
json_case("integer_opaque_chunk", "JSN-4", "a chunk of 0.5 in an opaque stream", opaque_point)
opaque_row = edit(b'"chunk":1024', b'"later":0,"chunk":1024')
row_point = edit(b"[[10,10,13,13,", b"[[10,10,13,13.0,")
json_case("integer_opaque_row", "JSN-4", "a size written 13.0 in an opaque stream", lambda t: row_point(opaque_row(t)))
opaque_shape = edit(b'"operations":[', b'"operations":[{"op":"later","tensors":{},"shape":[-1]},')
json_case("integer_opaque_shape", "JSN-4", "a dimension of -1 in an opaque operation's shape", opaque_shape)

# A breach of the manifest's rules stands before one of JSON, which is met first (section 11).
for name, rule, description, change in [
    ("cut", "JSN-1", "the last brace is missing", lambda text: text[:-1]),
    ("two_values", "JSN-1", "a second value follows", lambda text: text + b"{}"),
    ("key_twice", "JSN-2", "a key stands twice", edit(b'"code":', b'"code":0,"code":')),
    ("depth_17", "JSN-6", "arrays reach depth 17", edit(b'"code":', b'"x":' + b"[" * 17 + b"]" * 17 + b',"code":')),
]:
    for label, words, key in [
        ("rule", "generator is null", b'{"generator":null,"adapters"'),
        ("requires", "requires names something", b'{"requires":["x"],"adapters"'),
    ]:
        both_broken = f"{words}, and {description}: JSON comes before the rules"
        ahead = edit(b'{"adapters"', key)
        json_case(f"{name}_after_{label}", rule, both_broken, lambda t, ahead=ahead, change=change: change(ahead(t)))



def depth_million(m):
    left, right = text_of(m).split(b'"adapters"')
    left += b'"x":'
    right = b',"adapters"' + right
    deep = [block(1, 2**17, byte) for byte in (b"[", b"]") for _ in range(4)]
    decoded = len(left) + 2**20 + len(right)
    stored = head(decoded) + block(0, len(left), left) + b"".join(deep) + block(0, len(right), right, True)
    return seal(payload_of(m), stored, decoded)


case("json/depth_million", "JSN-6", "half a million arrays in each other, in a small file", depth_million)


# Invalid files: the manifest

for place, where, keys in [
    ("manifest", whole, "adapters"),
    ("adapter", first, "name method operations streams"),
    ("stream", stream_of, "dtype code chunk tensors chunks"),
    ("tensor", tensor_of, "name shape sha256"),
    ("operation", operation_of, "op tensors target scale layout"),
    ("source", with_source, "format"),
    ("file", with_file, "path size sha256"),
    ("inert", with_inert, "tensor"),
]:
    for key in keys.split():
        missing = f"the required key {key} of {place} is missing"
        manifest_case(f"missing_{place}_{key}", "MAN-1", missing, drop(where, key))



def with_base(m):
    """A base, which has everything."""
    keys = {"name": "n", "revision": "r", "architecture": "a", "fingerprint": fingerprint(prints(), sketch={})}
    return m.setdefault("base", keys)


# No value is null, of whatever key.
for place, where, keys in [
    ("manifest", whole, "requires metadata base adapters"),
    ("base", with_base, "name revision architecture fingerprint"),
    ("fingerprint", lambda m: with_base(m)["fingerprint"], "tensors digest sketch"),
    ("adapter", first, "name method inert nonfinite operations source files streams"),
    ("inert", with_inert, "tensor window reason"),
    ("source", with_source, "format config sha256 header"),
    ("file", with_file, "path size sha256 tensor"),
    ("operation", operation_of, "op target tensors shape bound scale layout layout_from"),
    ("role", roles_of, "a"),
    ("stream", stream_of, "dtype chunk tensors chunks"),
    ("tensor", tensor_of, "name shape sha256"),
]:
    for key in keys.split():
        manifest_case(f"null_{place}_{key}", "MAN-1", f"{key} of {place} is null", put(where, key, None))
manifest_case("missing_inert_reason", "MAN-1", "the required key reason of inert is missing", drop(with_inert, "reason"))
for name, description, change in [
    ("generator_null", "generator is null", put(whole, "generator", None)),
    ("metadata_number", "a value of metadata is a number", put(whole, "metadata", {"k": 1})),
    ("requires_string", "requires is a string", put(whole, "requires", "x")),
    ("requires_number", "requires holds a number", put(whole, "requires", [1])),
    ("base_string", "base is a string", put(whole, "base", "tiny")),
    ("base_name", "base's name is an array", put(whole, "base", {"name": []})),
    ("adapters_object", "adapters is an object", put(whole, "adapters", {})),
    ("adapter_string", "an adapter is a string", append(whole, "adapters", "x")),
    ("method_upper", "a method in capitals", put(first, "method", "LoRA")),
    ("method_long", "a method of 65 bytes", put(first, "method", "m" * 65)),
    ("method_empty", "an empty method", put(first, "method", "")),
    ("streams_object", "streams is an object", lambda m: {"adapters": [{**adapter(), "streams": {}}]}),
    ("nonfinite_true", "nonfinite is true", put(first, "nonfinite", True)),
    ("inert_name", "an entry of inert is a name", both(with_inert, put(first, "inert", ["t"]))),
    ("source_config", "source's config is an object", put(with_source, "config", {})),
    ("file_size_string", "a file's size is a string", put(with_file, "size", "0")),
    ("chunk_string", "chunk is a string", put(stream_of, "chunk", "1024")),
    ("chunk_true", "chunk is true", put(stream_of, "chunk", True)),
    ("shape_string", "a dimension is a string", put(tensor_of, "shape", ["1", 2])),
    ("code_null", "code is null", put(stream_of, "code", None)),
    ("row_number", "a row is a number", put(stream_of, "chunks", [52])),
    ("tensors_empty", "a stream of no tensors", append(first, "streams", Stream("U8", []))),
    ("scale_string", "scale is a string", put(operation_of, "scale", "0.5")),
    ("scale_true", "scale is true", put(operation_of, "scale", True)),
    ("metadata_array", "metadata is an array", put(whole, "metadata", [])),
    ("metadata_list", "a value of metadata is an array of strings", put(whole, "metadata", {"tags": ["a", "b"]})),
    ("metadata_object", "a value of metadata is an object", put(whole, "metadata", {"k": {"v": "w"}})),
    ("base_array", "base is an array", put(whole, "base", [])),
    ("base_revision", "base's revision is a number", put(whole, "base", {"revision": 1})),
    ("fingerprint_string", "a fingerprint is a string", put(whole, "base", {"fingerprint": "0" * 64})),
    ("adapter_name", "an adapter's name is a number", put(first, "name", 1)),
    ("method_hyphen", "a method with a hyphen", put(first, "method", "prefix-tuning")),
    ("operations_object", "operations is an object", put(first, "operations", {})),
    ("operation_string", "an operation is a string", append(first, "operations", "add")),
    ("stream_string", "a stream is a string", append(first, "streams", "x")),
    ("inert_object", "inert is an object", put(first, "inert", {})),
    ("inert_reason", "an entry's reason is a number", put(with_inert, "reason", 1)),
    ("nonfinite_object", "nonfinite is an object", put(first, "nonfinite", {})),
    ("nonfinite_number", "nonfinite holds a number", put(first, "nonfinite", [1])),
    ("source_string", "source is a string", put(first, "source", "peft")),
    ("source_header", "source's header is an object", put(with_source, "header", {})),
    ("files_object", "files is an object", put(first, "files", {})),
    ("file_string", "a file is a string", put(first, "files", ["p"])),
    ("file_path_number", "a file's path is a number", put(with_file, "path", 1)),
    ("dtype_number", "dtype is a number", put(stream_of, "dtype", 32)),
    ("dtype_array", "dtype is an array", put(stream_of, "dtype", ["F32"])),
    ("tensors_object", "a stream's tensors are an object", put(stream_of, "tensors", {})),
    ("tensor_string", "a tensor is a string", put(stream_of, "tensors", ["a", "b"])),
    ("tensor_name_number", "a tensor's name is a number", put(tensor_of, "name", 1)),
    ("shape_number", "a shape is a number", put(tensor_of, "shape", 2)),
    ("shape_nested", "a dimension is an array", put(tensor_of, "shape", [[1, 2]])),
    ("shape_true", "a dimension is true", put(tensor_of, "shape", [True, 2])),
    ("sha256_number", "a digest is a number", put(tensor_of, "sha256", 0)),
    ("chunks_object", "chunks is an object", put(stream_of, "chunks", {})),
    ("row_object", "a row is an object", put(stream_of, "chunks", [{}])),
    ("row_string", "a CRC-32 is a string", put(row_of, 4, "1805555120")),
    ("op_array", "op is an array", put(operation_of, "op", ["add_low_rank"])),
    ("roles_string", "an operation's tensors are a string", put(operation_of, "tensors", "a")),
    ("bound_number", "bound holds a number", put(operation_of, "bound", [1])),
]:
    manifest_case(f"type_{name}", "MAN-1", description, change)
unknown_layout = put(operation_of, "layout", "oi")
unknown_layout_from = put(operation_of, "layout_from", "guess")
manifest_case("type_layout_unknown", "OPS-4", "layout is none of the three", unknown_layout)
manifest_case("type_layout_from_unknown", "OPS-4", "layout_from is none of the seven", unknown_layout_from)
manifest_case("adapters_none", "MAN-1", "an empty array of adapters", lambda m: {"adapters": []})
manifest_case("text_array", "MAN-1", "the text is an array", lambda m: seal(b"", frame(b"[]"), 2))
manifest_case("text_object", "MAN-1", "the text is an object without keys", lambda m: seal(b"", frame(b"{}"), 2))
for name, text in [("null", b"null"), ("string", b'"adp"'), ("number", b"1234"), ("true", b"true")]:
    manifest_case(f"text_{name}", "MAN-1", f"the text is {text.decode()}", lambda m, t=text: seal(b"", frame(t), len(t)))

adapter_twice = {"adapters": [adapter(u8(1)), adapter(u8(2))]}
manifest_case("adapter_twice", "MAN-2", "two adapters of one name", lambda m: adapter_twice)
twice = manifest_of(Stream("U8", [("t", [], b"1"), ("t", [], b"2")]))
manifest_case("tensor_twice", "MAN-2", "two tensors of one name in a stream", lambda m: twice)
twice_apart = manifest_of(u8(1), Stream("I8", [("t", [1], b"1")]))
manifest_case("tensor_twice_streams", "MAN-2", "two tensors of one name in two streams", lambda m: twice_apart)
case("requires/requires_one", "MAN-3", "requires names something", put(whole, "requires", ["sparse"]))
case("requires/requires_empty_name", "MAN-3", "requires names the empty string", put(whole, "requires", [""]))
for name, description, change in [
    ("adapters", "adapters are of another type", put(whole, "adapters", {})),
    ("base", "base is of another type", put(whole, "base", 2)),
    ("nothing", "there are no adapters", lambda m: m.pop("adapters")),
    ("point", "an integer has a point", put(stream_of, "chunk", 1024.0)),
    ("dimensions", "a shape has nine dimensions", put(tensor_of, "shape", [1] * 9)),
    ("row", "a row has a frame too many", lambda m: row_of(m).insert(0, 1)),
    ("sum", "a size is too large by 1", lambda m: row_of(m).__setitem__(0, 11)),
]:
    needed = f"requires names something, and {description}: MAN-3 comes before the other rules"
    last = both(change, put(whole, "requires", ["later"]))
    case(f"requires/requires_and_{name}", "MAN-3", needed, lambda m, last=last: last(m))
in_front = "requires names two things, in front of adapters of another type"
case("requires/requires_in_front", "MAN-3", in_front, lambda m: {"requires": ["one", "two"], "adapters": {}})


def later(operand):
    """A change: an opaque operation with one operand."""
    return lambda m: first(m)["operations"].append({"op": "later", "tensors": {"x": operand}})


another = append(first, "streams", u8(1))
other = {**adapter(name="other", operations=[]), "operations": [low_rank()]}
manifest_case("tensor_unnamed", "MAN-4", "a tensor that nothing names", another)
manifest_case(
    "tensor_only_nonfinite",
    "MAN-4",
    "a tensor that nothing but nonfinite and bound name",
    both(another, put(first, "nonfinite", ["t"]), put(operation_of, "bound", ["t"])),
)
opaque_another = append(first, "streams", u8(1).opaque(code="later"))
manifest_case("tensor_of_opaque_unnamed", "MAN-4", "a tensor of an opaque stream that nothing names", opaque_another)
manifest_case(
    "operand_unknown",
    "MAN-4",
    "an operand that is no tensor; b is inert",
    both(put(roles_of, "b", "c"), put(first, "inert", inert_of("b"))),
)
manifest_case(
    "operand_normalised",
    "NAM-3 MAN-4",
    "an operand's name is composed, the tensor's decomposed",
    both(put(tensor_of, "name", "e\u0301"), put(roles_of, "a", "\u00e9")),
)
of_other = "an operand that is a tensor of another adapter only"
manifest_case("operand_of_other_adapter", "MAN-4", of_other, append(whole, "adapters", other))
no_operand = "an operand of an opaque operation that is no tensor"
manifest_case("operand_unknown_opaque", "MAN-4", no_operand, later("nothing"))
manifest_case("inert_unknown", "MAN-4", "inert names no tensor", put(first, "inert", inert_of("c")))
manifest_case("nonfinite_unknown", "MAN-4", "nonfinite names no tensor", put(first, "nonfinite", ["c"]))
manifest_case("file_tensor_unknown", "MAN-4", "a file names no tensor", put(with_file, "tensor", "c"))

infinite = [("nan", [2], f32(float("nan"), 1)), ("inf", [2], f32(1, float("-inf")))]
for name, description, dtype, tensors, listed in [
    ("less", "nonfinite lacks a tensor whose last value is an infinity", "F32", infinite, ["nan"]),
    ("less_payload", "an empty nonfinite, and a signalling NaN of BF16", "BF16", [("t", [1], b"\x81\xff")], []),
    (
        "less_imaginary",
        "an empty nonfinite, and a complex number whose imaginary part is a NaN",
        "C64",
        [("t", [1], f32(1, float("nan")))],
        [],
    ),
    ("more", "nonfinite lists a tensor of finite numbers, the largest of F16", "F16", [("t", [1], b"\xff\x7b")], ["t"]),
    (
        "integer",
        "nonfinite lists a tensor of I32 whose bits are those of a NaN of F32",
        "I32",
        [("t", [1], b"\xff\xff\xff\xff")],
        ["t"],
    ),
    (
        "f8",
        "nonfinite lists a tensor of F8_E5M2 that holds an infinity: only five types count",
        "F8_E5M2",
        [("t", [1], b"\x7c")],
        ["t"],
    ),
]:
    made = manifest_of(Stream(dtype, tensors), nonfinite=listed)
    manifest_case(f"nonfinite_{name}", "MAN-8", description, lambda m, made=made: made)

def inert_window_case(name, rule, description, window, tensor="a"):
    entry = {"tensor": tensor, "window": window, "reason": "test"}
    manifest_case(f"inert_window_{name}", rule, description, put(first, "inert", [entry]))


inert_window_case("outside", "OPS-1", "an inert window one past the end of its tensor", [[0, 1], [1, 2]])
inert_window_case("rank", "OPS-1", "an inert window of one pair in a tensor of two dimensions", [[0, 1]])
inert_window_case("flat", "OPS-1", "an inert window that is one pair", [0, 1])
part_alone = append(first, "inert", {"tensor": "t", "window": [[0, 1]], "reason": "test"})
part_alone = both(with_inert, put(first, "inert", []), part_alone)
manifest_case("inert_window_alone", "MAN-4", "a tensor that nothing but an inert window names", part_alone)
manifest_case("inert_and_operand", "MAN-5", "an operand is inert as well", put(first, "inert", inert_of("a")))
carried = {"path": "p", "size": 1, "sha256": sha256(b"\1"), "tensor": "t"}
carried_inert = both(another, put(first, "files", [carried]), put(first, "inert", inert_of("t")))
manifest_case("inert_and_file", "MAN-5", "a file's tensor is inert as well", carried_inert)
inert_later = "an operand of an opaque operation is inert as well"
manifest_case("inert_and_opaque_operand", "MAN-5", inert_later, both(with_inert, later("t")))


def payload_case(name, description, change):
    """The payload is another, and the manifest the same."""

    def made(m):
        return seal(change(payload_of(m)), frame(text_of(m)), len(text_of(m)))

    manifest_case(f"sum_{name}", "MAN-6", description, made)


def enlarge(row, *indices, by):
    def change(m):
        for index in indices:
            row(m)[index] += by

    return change


payload_case("hole", "a byte between the last frame and the manifest", lambda payload: payload + b"\0")
hidden = "a frame between the header and the first frame that no row counts"
payload_case("hole_first", hidden, lambda payload: frame(b"hidden") + payload)
payload_case("less", "the payload lacks its last byte", lambda payload: payload[:-1])
sum_2_32 = "two sizes are too large by 2^31: their sum is right only where it wraps at 2^32"
manifest_case("sum_wraps", "MAN-6", sum_2_32, enlarge(row_of, 0, 1, by=2**31))
into_manifest = "the last frame's size is one more: it would reach into the manifest"
manifest_case("sum_into_manifest", "MAN-6", into_manifest, enlarge(row_of, 3, by=1))
manifest_case(
    "sum_opaque",
    "MAN-6 STR-8",
    "the sizes of an opaque stream are larger than its bytes",
    both(
        opaque_another,
        put(first, "inert", inert_of("t")),
        enlarge(lambda m: first(m)["streams"][1]["chunks"][0], 0, by=1),
    ),
)


def file_case(name, description, stream=None, paths=("p",), **keys):
    """One or more files that the tensor `t` carries, in which something is wrong."""
    made = manifest_of(stream or u8(1, 2), files=[{**carried_file, "path": path, **keys} for path in paths])
    manifest_case(f"file_{name}", "MAN-9", description, lambda m: made)


carried_file = {"path": "p", "size": 2, "sha256": sha256(b"\1\2"), "tensor": "t"}
file_case("path_twice", "two files of one path, which carry the same tensor", paths=["p", "p"])
file_case("path_twice_apart", "two files of one path among others", paths=["p", "q", "p"])
signed, square = Stream("I8", [("t", [2], b"\1\2")]), u8(1, 2, shape=[2, 1])
file_case("tensor_i8", "a file's tensor is of type I8", stream=signed)
file_case("tensor_matrix", "a file's tensor has two dimensions", stream=square)
file_case("tensor_scalar", "a file of one byte and a scalar", u8(1, shape=[]), size=1, sha256=sha256(b"\1"))
file_case("size_less", "a file's size is one less than its tensor", size=1)
file_case("size_more", "a file's size is one more than its tensor", size=3)
file_case("digest", "a file's digest is another than its tensor's", sha256=sha256(b"\1\3"))


# Invalid files: names and digests


def tensor_name(name):
    """A change that gives the tensor `a` another name, everywhere."""
    return both(put(tensor_of, "name", name), put(roles_of, "a", name))


def print_name(name):
    """A change that adds a fingerprint of one tensor."""
    return put(whole, "base", {"fingerprint": fingerprint({name: print_of("x", "F32", [1])})})


def later_with(**keys):
    """A change: an opaque operation more, with these keys."""
    return append(first, "operations", {"op": "later", "tensors": {}, **keys})


NAMES = [
    ("empty", "empty", ""),
    ("long", "of 1,025 bytes", "n" * 1025),
    ("long_utf8", "of 342 characters and 1,026 bytes", "\u4e2d" * 342),
    ("nul", "with U+0000", "a\0"),
    ("tab", "with a tab", "a\tb"),
    ("newline", "that ends with a line feed", "a\n"),
    ("unit_separator", "with U+001F", "\x1f"),
    ("del", "with U+007F", "a\x7f"),
    ("metadata", "__metadata__", "__metadata__"),
]
for label, words, name in NAMES:
    manifest_case(f"tensor_name_{label}", "NAM-1", f"a tensor's name {words}", tensor_name(name))
for label, words, name in NAMES:
    if label in ("empty", "tab", "metadata"):
        target = later_with(target=name)
        manifest_case(f"opaque_target_{label}", "NAM-1", f"an opaque operation's target {words}", target)
        manifest_case(f"target_name_{label}", "NAM-1", f"a target's name {words}", put(operation_of, "target", name))
        manifest_case(f"bound_name_{label}", "NAM-1", f"a name in bound {words}", put(operation_of, "bound", [name]))
        manifest_case(f"fingerprint_name_{label}", "NAM-1", f"a name in a fingerprint {words}", print_name(name))

empty_bound = "an empty name in an opaque operation's bound"
manifest_case("opaque_bound_empty", "NAM-1", empty_bound, later_with(bound=["a", ""]))

for label, words, name in [
    ("empty", "empty", ""),
    ("long", "of 65 bytes", "n" * 65),
    ("dot", "that begins with a point", ".a"),
    ("slash", "with a slash", "a/b"),
    ("space", "with a space", "a b"),
    ("accent", "with é", "\u00e9"),
    ("newline", "that ends with a line feed", "a\n"),
    ("digit", "with an Arabic-Indic digit", "a\u0661"),
]:
    manifest_case(f"adapter_name_{label}", "NAM-2", f"an adapter's name {words}", put(first, "name", name))

for label, words, name in [
    ("empty", "empty", ""),
    ("dot", "of one point", "."),
    ("dots", "of two points", ".."),
    ("slash", "with a slash", "a/b"),
    ("backslash", "with a backslash", "a\\b"),
    ("nul", "with U+0000", "a\0"),
    ("newline", "that ends with a line feed", "a\n"),
    ("del", "with U+007F", "a\x7f"),
    ("long", "of 128 characters and 256 bytes", "\u00e9" * 128),
]:
    manifest_case(f"path_{label}", "NAM-4", f"a file's path {words}", put(with_file, "path", name))

for label, words, digest in [
    ("short", "of 63 digits", "0" * 63),
    ("long", "of 65 digits", "0" * 65),
    ("letter", "with a g", "g" + "0" * 63),
    ("newline", "with a line feed", "0" * 64 + "\n"),
    ("digit", "with a full-width digit", "\uff10" + "0" * 63),
]:
    manifest_case(f"digest_{label}", "DIG-1", f"a digest {words}", put(with_file, "sha256", digest))
in_capitals = put(tensor_of, "sha256", sha256(f32(1, 2)).upper())
manifest_case("digest_upper", "DIG-1", "a tensor's digest in capitals", in_capitals)
manifest_case("digest_source", "DIG-1", "source's digest is short", put(with_source, "sha256", "00"))


# Invalid files: streams


def shape_case(path, rules, description, shape, dtype="U8", data=b""):
    case(path, rules, description, lambda m: manifest_of(Stream(dtype, [("t", shape, data)])))


def row_case(name, rule, description, tensor, frames, dtype="U8"):
    case(f"manifest/{name}", rule, description, lambda m: manifest_of(Stream(dtype, [tensor], 1024, frames)))


for value in (512, 0, 1, 1536, 2**21, 2**20 + 1, 2**32):
    manifest_case(f"chunk_{value}", "STR-1", f"chunk is {value}", put(stream_of, "chunk", value))

wrapped = "dimensions whose product wraps at 2^64, and a zero"
after_zero = "a zero before dimensions whose product is too large"
zero_2_53 = "non-zero dimensions whose product is 2^53, and a zero"
shape_case("limit/dimensions_9", "STR-2 LIM-3", "a shape of nine dimensions", [1] * 9, data=b"\1")
shape_case("limit/product_2_53", "STR-2 LIM-4", zero_2_53, [2**52, 2, 0])
shape_case("limit/product_wraps", "STR-2 LIM-4", wrapped, [2**32, 2**32, 0])
shape_case("limit/product_wraps_after_zero", "STR-2 LIM-4", after_zero, [0, 2**40, 2**40], "F64")
shape_case("manifest/bits_f4", "STR-2", "three elements of F4 do not fill whole bytes", [3], "F4", b"\1")
shape_case("manifest/bits_f6", "STR-2", "two elements of F6_E2M3 do not fill whole bytes", [2], "F6_E2M3", b"\1")
pair_f4 = manifest_of(Stream("F4", [("t", [1], b"\1"), ("u", [1], b"")]))
manifest_case("bits_f4_pair", "STR-2", "two tensors of one element of F4 each", lambda m: pair_f4)


def restored_too_much(m):
    data = bytes(2**23)
    plane, empty = frame(data[: 2**20]), sha256(data)
    stream = Stream("F64", [], 2**20, [[plane] * 8] * 138)
    stream["tensors"] = [{"name": f"{index}", "shape": [2**20], "sha256": empty} for index in range(138)]
    m = manifest_of(stream)
    assert len(pack(m)) * 1024 + 2**30 < 138 * 2**23
    return m


over = "streams that restore 1 GiB and more from some 50 KiB, with sound frames and digests"
case("limit/restored_too_much", "LIM-2", over, restored_too_much)

rows_data = hashlib.shake_128(b"rows").digest(1025)
rows_frames = [[frame(rows_data[:1024])], [frame(rows_data[1024:])], [frame(b"?")]]
for name, words, count in [("few", "one row", 1), ("many", "three rows", 3), ("none", "no row", 0)]:
    row_case(f"rows_{name}", "STR-3", f"{words} for two chunks", ("t", [1025], rows_data), rows_frames[:count])
row_case("rows_of_nothing", "STR-3", "a row for a stream of no units", ("t", [0], b""), [[frame(b"")]])
not_bytes = "rows for 2,048 units of one byte where there are 1,024 of two"
of_1024 = [[frame(bytes(1024))] * 2] * 2
row_case("rows_bytes_for_units", "STR-3", not_bytes, ("t", [1024], bytes(2048)), of_1024, "U16")
not_elements = "one row for 600 elements of C64, which are 1,200 units"
of_1200 = [[frame(bytes(1200))] * 4]
row_case("rows_complex_elements", "STR-3", not_elements, ("t", [600], bytes(4800)), of_1200, "C64")
row_case(
    "row_complex_eight",
    "STR-4",
    "a row of eight planes for C64",
    ("t", [2], bytes(16)),
    [[frame(bytes(2))] * 8],
    "C64",
)
row_case("row_f64_four", "STR-4", "a row of four planes for F64", ("t", [2], bytes(16)), [[frame(bytes(4))] * 4], "F64")


def frames_of(m):
    return stream_of(m).frames[0]


def sealed_after(change):
    """A change to the frames, and the rows made once more."""

    def made(m):
        change(m)
        stream_of(m).seal()

    return made


no_last = "a row without the last plane's size, whose frame is gone"
manifest_case("row_short", "STR-4", no_last, sealed_after(drop(frames_of, -1)))
fifth = sealed_after(lambda m: frames_of(m).append(frame(PLANE)))
manifest_case("row_long", "STR-4", "a row with a fifth plane", fifth)
manifest_case("row_no_crc", "STR-4", "a row without a CRC-32", drop(row_of, -1))
manifest_case("row_empty", "STR-4", "an empty row", put(stream_of, "chunks", [[]]))
manifest_case("row_size_0", "STR-4", "a frame's size is 0", with_frame(b""))
manifest_case("row_crc_2_32", "STR-4", "a CRC-32 that is too large by 2^32", enlarge(row_of, -1, by=2**32))
manifest_case("row_size_2_32", "STR-4", "a size of 2^32 and more: too large by 2^32", enlarge(row_of, 0, by=2**32))


# Invalid files: the payload


def castagnoli(m):
    crc = 0xFFFFFFFF
    for byte in payload_of(m):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    row_of(m)[-1] = crc ^ 0xFFFFFFFF


def crc_inverted(m):
    row_of(m)[-1] ^= 0xFFFFFFFF


def chunks_exchanged(m, sealed=False):
    m = manifest_of(Stream("U8", [("t", [2048], hashlib.shake_128(b"exchange").digest(2048))]))
    stream_of(m).frames.reverse()
    if sealed:
        stream_of(m).seal()
    return m


def adapters_exchanged(m):
    m = {"adapters": [adapter(u8(i, 2), name=f"n{i}") for i in range(2)]}
    one, two = [entry["streams"][0] for entry in m["adapters"]]
    one.frames, two.frames = two.frames, one.frames
    return m


def streams_exchanged(m):
    m = manifest_of(u8(1, 2), Stream("I8", [("u", [2], b"\3\4")]))
    one, two = first(m)["streams"]
    one.frames, two.frames = two.frames, one.frames
    return m


def crc_reversed(m):
    row_of(m)[-1] = int.from_bytes(row_of(m)[-1].to_bytes(4, "little"))


def planes_reversed(m):
    frames_of(m).reverse()
    stream_of(m).seal()


def integers_rotated(m):
    data = struct.pack("<4i", 1, -2, 3, 2**30)
    return manifest_of(Stream("I32", [("t", [4], data)], 1024, [[frame(plane) for plane in split(data, "F32")]]))


def planes_exchanged(m):
    frames_of(m)[2:] = frames_of(m)[:1:-1]


def tensors_exchanged(m):
    m = manifest_of(Stream("U8", [("t", [2], b"12"), ("u", [2], b"34")]))
    stream_of(m)["tensors"].reverse()
    return m


def digest_of_empty(m):
    m = manifest_of(Stream("U8", [("t", [0], b"")]))
    tensor_of(m)["sha256"] = sha256(b"\0")
    return m


bit_flip = put(frames_of, 3, frame(flipped(PLANE, 0)))
case("checksum/payload_bit", "STR-5", "one bit of a raw block differs", bit_flip)
broken = "a frame's magic is broken: the CRC is checked before the chunk is decoded"
case("checksum/payload_frame_broken", "STR-5", broken, put(frames_of, 3, bytes(13)))
case("checksum/crc_inverted", "STR-5", "the CRC without its final XOR", crc_inverted)
case("checksum/crc_castagnoli", "STR-5", "the CRC-32C of the chunk in place of its CRC-32", castagnoli)
in_payload = "the frames of two chunks, equally long, are exchanged in the payload"
case("checksum/chunks_exchanged", "STR-5", in_payload, chunks_exchanged)
of_adapters = "the payloads of two adapters, equally long, are exchanged"
case("checksum/adapters_exchanged", "STR-5", of_adapters, adapters_exchanged)
of_planes = "two planes of one chunk, equally long, are exchanged; the CRC is right"
case("tensor/planes_exchanged", "STR-7", of_planes, sealed_after(planes_exchanged))
unrotated = [frame(plane) for plane in split(f32(1, 2, 3, 4), "U32")]
same_crc = "two planes of one chunk, equally long, are exchanged in the payload"
case("checksum/planes_exchanged", "STR-5", same_crc, planes_exchanged)
case(
    "checksum/streams_exchanged",
    "STR-5",
    "the payloads of two streams, equally long, are exchanged",
    streams_exchanged,
)
case("checksum/crc_0", "STR-5", "a CRC of 0", put(row_of, -1, 0))
case("checksum/crc_big_endian", "STR-5", "the bytes of the CRC in reverse", crc_reversed)
crc_of_contents = zlib.crc32(b"".join(split(f32(1, 2, 3, 4), "F32")))
case("checksum/crc_of_contents", "STR-5", "the CRC of what the frames hold", put(row_of, -1, crc_of_contents))
both_exchanged = "the frames of two chunks and their rows are exchanged"
case("tensor/chunks_exchanged", "STR-7", both_exchanged, lambda m: chunks_exchanged(m, True))
case("tensor/planes_reversed", "STR-7", "the planes from the most significant to the least", planes_reversed)
case("tensor/integers_rotated", "STR-7", "the units of I32 are rotated", integers_rotated)
not_rotated = sealed_after(lambda m: stream_of(m).frames.__setitem__(0, unrotated))
case("tensor/rotation_missing", "STR-7", "the units are not rotated", not_rotated)
wrong_digit = put(tensor_of, "sha256", sha256(f32(1, 2))[:-1] + "0")
case("tensor/digest_wrong", "STR-7", "one digit of a tensor's digest differs", wrong_digit)
of_tensors = "two tensors of equal size are exchanged in the manifest, with their digests"
case("tensor/tensors_exchanged", "STR-7", of_tensors, tensors_exchanged)
case("tensor/digest_of_empty", "STR-7", "the digest of a tensor of no bytes is wrong", digest_of_empty)


# Invalid files: opaque streams


def opaque_case(path, rules, description, change):
    """A file with an opaque stream of one tensor, changed."""

    def made(m):
        m = manifest_of(Stream("F32", [("future", [5], b"?")], 1024, [[b"12345"]]).opaque(code="later"))
        change(m)
        return m

    kind, name = path.split("/")
    case(f"{kind}/opaque_{name}", "STR-8 " + rules, description, made)


of_opaque = "a tensor of an opaque stream"
opaque_case("manifest/missing_sha256", "MAN-1", f"{of_opaque} has no digest", drop(tensor_of, "sha256"))
opaque_case("manifest/missing_chunk", "MAN-1", "an opaque stream without chunk", drop(stream_of, "chunk"))
opaque_case("manifest/shape_string", "MAN-1", f"{of_opaque} whose shape is a string", put(tensor_of, "shape", "5"))
opaque_case("manifest/digest", "DIG-1", f"{of_opaque} with a short digest", put(tensor_of, "sha256", "0"))
tabbed = both(put(tensor_of, "name", "a\t"), put(first, "inert", inert_of("a\t")))
opaque_case("manifest/name_tab", "NAM-1", f"{of_opaque} with a tab in its name", tabbed)
same_name = append(first, "streams", u8(1, name="future"))
opaque_case("manifest/twice", "MAN-2", f"{of_opaque} has the name of another", same_name)
crc_alone = both(put(stream_of, "chunks", [[5]]), lambda m: stream_of(m).frames.clear())
opaque_case("manifest/row_one", "STR-4", "a row of an opaque stream holds a number alone", crc_alone)
opaque_case("manifest/row_size_0", "STR-4", "a size of 0 in an opaque stream", lambda m: row_of(m).insert(0, 0))
crc_large = enlarge(row_of, -1, by=2**32)
opaque_case("manifest/row_crc_2_32", "STR-4", "a CRC-32 of an opaque stream that is too large by 2^32", crc_large)
opaque_case("manifest/row_empty", "STR-4", "an empty row of an opaque stream", append(stream_of, "chunks", []))
no_tensors = append(first, "streams", Stream("U8", []).opaque(code="later"))
opaque_case("manifest/tensors_empty", "MAN-1", "an opaque stream of no tensors", no_tensors)
opaque_case("manifest/chunk_string", "MAN-1", "an opaque stream whose chunk is a string", put(stream_of, "chunk", "1"))
opaque_case("manifest/missing_shape", "MAN-1", f"{of_opaque} has no shape", drop(tensor_of, "shape"))
no_rows = both(lambda m: stream_of(m).frames.clear(), drop(stream_of, "chunks"))
opaque_case("manifest/missing_chunks", "MAN-1", "an opaque stream without chunks", no_rows)
opaque_case("limit/dimensions_9", "LIM-3", f"{of_opaque} has nine dimensions", put(tensor_of, "shape", [1] * 9))
opaque_case("limit/product", "LIM-4", f"{of_opaque} has 2^64 elements", put(tensor_of, "shape", [2**32, 2**32]))


# Invalid files: fingerprints


def fingerprint_case(name, description, change, seal_after=True, rule="FPR-1", kind="manifest"):
    """A changed fingerprint, whose digest is right unless told otherwise."""

    def made(m):
        print_ = fingerprint(prints(), sketch={"layer.weight": f32(*range(32)).hex()})
        change(print_)
        if seal_after:
            print_["digest"] = fingerprint(print_["tensors"])["digest"]
        return {"base": {"fingerprint": print_}, **m}

    case(f"{kind}/fingerprint_{name}", rule, description, made)


def weight(print_):
    return print_["tensors"]["layer.weight"]


def tensors_in(print_):
    return print_["tensors"]


def sketch_in(print_):
    return print_["sketch"]


valued = put(tensors_in, "step", ["I64", [], "0" * 32, "0" * 32])
of_others = "the fingerprint's digest is that of other entries"
fingerprint_case("digest", of_others, put(whole, "digest", "0" * 64), False)
fingerprint_case("dtype", "an unknown element type in an entry", put(weight, 0, "F128"))
fingerprint_case("shape", "an entry's shape is a number", put(weight, 1, 4), False)
fingerprint_case("exact_short", "an entry's exact has 31 digits", put(weight, 2, "0" * 31))
fingerprint_case("exact_letter", "an entry's exact has a g", put(weight, 2, "g" * 32))
fingerprint_case("exact_upper", "an entry's exact in capitals", put(weight, 2, "A" * 32))
fingerprint_case("exact_null", "an entry's exact is null", put(weight, 2, None))
fingerprint_case("value_null", "an entry of F32 whose value is null", put(weight, 3, None))
fingerprint_case("value_upper", "an entry's value in capitals", put(weight, 3, "A" * 32))
fingerprint_case("value_of_integer", "an entry of I64 with a value", valued)
fingerprint_case("entry_short", "an entry of three members", drop(weight, 3), False)
fingerprint_case("entry_long", "an entry of five members", lambda print_: weight(print_).append(0), False)
fingerprint_case("entry_object", "an entry is an object", put(tensors_in, "step", {}), False)
fingerprint_case("sketch_unknown", "a sketch of a tensor without an entry", put(sketch_in, "x", "0" * 256))
fingerprint_case("sketch_short", "a sketch of 254 digits", put(sketch_in, "step", "0" * 254))
fingerprint_case("sketch_upper", "a sketch in capitals", put(sketch_in, "layer.weight", "A" * 256))
fingerprint_case("missing_tensors", "a fingerprint without tensors", drop(whole, "tensors"), False)
fingerprint_case("missing_digest", "a fingerprint without a digest", drop(whole, "digest"), False)
nine_print, large_print = put(weight, 1, [1] * 9), put(weight, 1, [0, 2**32, 2**21])
fingerprint_case("dimensions_9", "an entry's shape has nine dimensions", nine_print, rule="LIM-3", kind="limit")
fingerprint_case("product", "an entry's non-zero dimensions reach 2^53", large_print, rule="LIM-4", kind="limit")


# Invalid files: operations


def window_case(name, description, *window):
    operand = put(roles_of, "a", {"tensor": "a", "window": list(window)})
    manifest_case(f"window_{name}", "OPS-1", description, operand)


def operands(dtype_a, shape_a, dtype_b, shape_b, **keys):
    """A change: add_low_rank of two operands of these types and shapes, all zeros."""

    def stream(name, dtype, shape):
        return Stream(dtype, [(name, shape, bytes(math.prod(shape) * DTYPES[dtype][0] // 8))])

    streams = [stream("a", dtype_a, shape_a), stream("b", dtype_b, shape_b)]
    return lambda m: manifest_of(*streams, method="lora", operations=[low_rank(**keys)])


window_case("outside", "a window one past the end of its tensor", [0, 1], [1, 2])
window_case("outside_start", "an empty window that starts after the end", [0, 1], [3, 0])
window_case("rank_less", "a window of one pair in a tensor of two dimensions", [0, 1])
window_case("rank_more", "a window of three pairs in a tensor of two dimensions", [0, 1], [0, 2], [0, 1])
window_case("single", "a window with a start alone", [0, 1], [0])
window_case("triple", "a window with a step", [0, 1], [0, 2, 1])
window_case("flat", "a window that is one pair", 0, 1)
window_case("large", "a window whose start and count are 2^53 - 1", [0, 1], [SAFE, SAFE])
past_opaque = "an opaque operation's window one past the end of its tensor"
manifest_case("window_outside_opaque", "OPS-1", past_opaque, later({"tensor": "b", "window": [[1, 2], [0, 1]]}))
manifest_case("operand_number", "OPS-1", "an operand is a number", later(1))
manifest_case("operand_without_tensor", "OPS-1", "an operand is a window alone", later({"window": []}))
manifest_case("operand_without_window", "OPS-1", "an operand is an object without a window", later({"tensor": "b"}))
strange_role = {"tensor": "b", "window": [[1, 2], [0, 1]], "x": 1}
past_strange = "an operand with an unknown key and a window one past the end of its tensor"
manifest_case("window_outside_key", "OPS-1", past_strange, put(roles_of, "b", strange_role))
manifest_case("op_number", "OPS-1", "op is a number", append(first, "operations", {"op": 1, "tensors": {}}))
manifest_case("op_shape_string", "OPS-1", "shape is a string", put(operation_of, "shape", "2,2"))
manifest_case("op_bound_string", "OPS-1", "bound is a string", put(operation_of, "bound", "layer.weight"))
manifest_case("op_target_number", "OPS-1", "target is a number", put(operation_of, "target", 1))
array_of_roles = append(first, "operations", {"op": "later", "tensors": ["a"]})
manifest_case("op_tensors_array", "OPS-1", "tensors is an array", array_of_roles)
nine, large = put(operation_of, "shape", [1] * 9), put(operation_of, "shape", [2**32, 2**32])
case("limit/operation_dimensions_9", "LIM-3", "an operation's shape has nine dimensions", nine)
case("limit/operation_product", "LIM-4", "an operation's shape has 2^64 elements", large)
opaque_nine = append(first, "operations", {"op": "later", "tensors": {}, "shape": [0] * 9})
case("limit/opaque_operation_dimensions_9", "LIM-3", "an opaque operation's shape has nine dimensions", opaque_nine)

for name, description, change in [
    ("rank", "a and b do not agree in r", operands("F32", [1, 2], "F32", [2, 2])),
    ("a_vector", "a is a vector", operands("F32", [2], "F32", [2, 1])),
    ("b_cube", "b has a third dimension that is not 1", operands("F32", [1, 2], "F32", [2, 1, 2])),
    ("integer", "a is of type I32", operands("I32", [1, 2], "F32", [2, 1])),
    ("f8", "b is of type F8_E4M3", operands("F32", [1, 2], "F8_E4M3", [2, 1])),
    ("complex", "a and b are of type C64", operands("C64", [1, 2], "C64", [2, 1])),
    ("exchanged", "a and b are exchanged, so that r is 2 and 3", operands("F32", [2, 1], "F32", [1, 3])),
]:
    manifest_case(f"low_rank_{name}", "LOW-1", description, change)
narrow = put(roles_of, "b", {"tensor": "b", "window": [[0, 2], [0, 0]]})
manifest_case("low_rank_window", "LOW-1", "the window of a does not agree with b in r", narrow)
for role in "ab":
    absent = both(drop(roles_of, role), put(first, "inert", inert_of(role)))
    manifest_case(f"missing_role_{role}", "LOW-1", f"a low-rank operation without {role}", absent)
as_stored = operands("F32", [1, 2], "F32", [3, 1], layout="in_out", shape=[3, 2])
as_matrix = operands("F32", [1, 2], "F32", [3, 1], layout="out_in", shape=[2, 3])
none_given, vector = put(operation_of, "shape", [2, 3]), put(operation_of, "shape", [4])
third = both(put(operation_of, "shape", [2, 2, 1]), put(operation_of, "layout", "in_out"))
manifest_case("low_rank_shape", "OPS-5", "shape is none that the operands give", none_given)
manifest_case("low_rank_shape_in_out", "OPS-5", "shape is [out, in] where layout is in_out", as_stored)
manifest_case("low_rank_shape_out_in", "OPS-5", "shape is [in, out] where layout is out_in", as_matrix)
manifest_case("low_rank_shape_rank", "OPS-5", "shape has a third dimension, where layout is in_out", third)
manifest_case("low_rank_shape_vector", "OPS-5", "shape has one dimension", vector)
for path, broken, description, operation in adp_operations.INVALID:
    case(path, broken, description, lambda m, operation=operation: operations_manifest(operation))


# Output


def rows_of_hex(data, start, end, comment):
    for at in range(start, end, 16):
        cells = data[at : min(at + 16, end)].hex(" ").upper()
        yield f"{at:04X}  {cells:<47}  ; {comment}".rstrip(" ;")
        comment = ""


def example_text(m):
    """The block of section 12."""
    data, text, row, out = pack(m), text_of(m), stream_of(m).frames[0], []
    out += rows_of_hex(data, 0, 16, "header: magic, major version 1, reserved")
    at = 16
    for index, part in enumerate(row):
        how = "RLE block" if part[6] & 2 else "raw block"
        out += rows_of_hex(data, at, at + len(part), f"plane {index}: frame of 4 bytes, {how}")
        at += len(part)
    begin = len(head(len(text)))
    out += rows_of_hex(data, at, at + begin, f"manifest: frame of {len(text)} bytes")
    out += rows_of_hex(data, at + begin, at + begin + 3, "raw block, the last")
    out += rows_of_hex(data, at + begin + 3, len(data) - 64, "the manifest's text")
    at = len(data) - 64
    for size, comment in (
        (8, "footer: offset"),
        (8, "stored"),
        (8, "decoded"),
        (32, "manifest digest"),
        (8, "magic backwards"),
    ):
        out += rows_of_hex(data, at, at + size, comment)
        at += size
    return "\n".join(["```", *out, "```"])


def build_valid():
    """path → bytes of the valid files and of the two tables beside them."""
    made, rules, expect = {}, ["path\tdescription"], ["file\tadapter\ttensor\tdtype\tshape\tsha256"]
    for name, maker in sorted(VALID.items()):
        m = example_manifest()
        file = maker(m) or m
        file = file if isinstance(file, File) else pack(file)
        made[f"valid/{name}.adp"] = bytes(file)
        rules.append(f"{name}.adp\t{maker.__doc__}")
        for entry in file.manifest["adapters"]:
            for tensor, dtype, shape, digest in [line for stream in entry["streams"] for line in stream.expected]:
                sizes = json.dumps(shape, separators=(",", ":"))
                expect.append(f"{name}.adp\t{entry['name']}\t{json.dumps(tensor)}\t{dtype}\t{sizes}\t{digest}")
    made["valid/RULES.tsv"] = "\n".join([*rules, ""]).encode()
    made["valid/EXPECT.tsv"] = "\n".join([*expect, ""]).encode()
    return made


def build_invalid():
    """path → bytes of the invalid files and of the table beside them."""
    made, rules = {}, ["path\trules\tdescription"]
    for path, (broken, description, change) in sorted(INVALID.items()):
        m = example_manifest()
        result = change(m)
        result = m if result is None else result
        made[f"invalid/{path}.adp"] = bytes(result) if isinstance(result, bytes) else pack(result)
        rules.append(f"{path}.adp\t{','.join(broken)}\t{description}")
    made["invalid/RULES.tsv"] = "\n".join([*rules, ""]).encode()
    return made


def main(arguments):
    if arguments == ["--example"]:
        print(example_text(example_manifest()))
        return 0
    made = build_valid() | build_invalid()
    there = {path.relative_to(HERE).as_posix() for part in ("valid", "invalid") for path in (HERE / part).rglob("*.*")}
    if arguments == ["--check"]:
        wrong = [path for path in made if path not in there or (HERE / path).read_bytes() != made[path]]
        wrong += sorted(there - set(made))
        print("\n".join(wrong) or "nothing differs")
        return int(bool(wrong))
    for path in sorted(there - set(made)):
        (HERE / path).unlink()
    for path, data in made.items():
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        (HERE / path).write_bytes(data)
    print(f"{len(VALID)} valid files, {len(INVALID)} invalid ones, {sum(map(len, made.values()))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
