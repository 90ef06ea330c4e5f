#!/usr/bin/env python3
"""Makes the conformance corpus of `.adp` files: Fixtures/valid and Fixtures/invalid.

Usage: make_adp.py            writes every file
       make_adp.py --check    names the files that differ from what would be written; exit 1 if any does
       make_adp.py --example  prints the block of section 12 of Spec/adp-v1.md

Only Python's standard library is needed, and no compressor: the frames are put together by hand, so that
no byte depends on a version of Zstandard. One function makes one file. Its name is the file's, its
docstring the description in RULES.tsv, and its argument a fresh manifest of valid/example.adp to change.
It returns the file, or nothing where the changed manifest is to be packed.
"""

import hashlib
import json
import re
import struct
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = bytes.fromhex("89 41 44 50 0D 0A 1A 0A 01 00 00 00 00 00 00 00")
TAIL = HEADER[7::-1]
ZSTD = bytes.fromhex("28 B5 2F FD")
BLOCK = 128 * 1024
SAFE = 2**53 - 1

# Element type: bits, bytes of a unit, rotated; in the order of the table in 6.1.
DTYPES = {
    "BOOL": (8, 1, False),
    "F4": (4, 1, False),
    "F6_E2M3": (6, 1, False),
    "F6_E3M2": (6, 1, False),
    "U8": (8, 1, False),
    "I8": (8, 1, False),
    "F8_E5M2": (8, 1, False),
    "F8_E4M3": (8, 1, False),
    "F8_E8M0": (8, 1, False),
    "F8_E4M3FNUZ": (8, 1, False),
    "F8_E5M2FNUZ": (8, 1, False),
    "I16": (16, 2, False),
    "U16": (16, 2, False),
    "F16": (16, 2, True),
    "BF16": (16, 2, True),
    "I32": (32, 4, False),
    "U32": (32, 4, False),
    "F32": (32, 4, True),
    "C64": (64, 4, True),
    "F64": (64, 8, True),
    "I64": (64, 8, False),
    "U64": (64, 8, False),
}


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
    adapters = [adapter for adapter in manifest.get("adapters", []) if isinstance(adapter, dict)]
    return [stream for adapter in adapters for stream in adapter.get("streams", [])]


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


def invalid(kind, *rules):
    def register(maker):
        path = f"{kind}/{maker.__name__}"
        assert path not in INVALID, path
        INVALID[path] = (rules, maker)
        return maker

    return register


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
    """the three layouts with and without a shape, and the six words of layout_from"""
    weights = Stream("BF16", [("a", [1, 3], bytes(6)), ("b", [2, 1], bytes(4))])
    words = ["base", "name", "flag", "siblings", "model_type", "user"]
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
    operation = {"op": "multiply", "tensors": {"factor": "t"}, "target": "layer.weight", "axis": 1, "shape": [2]}
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


@valid
def manifest_longest(m):
    """a manifest of exactly 1 MiB + 8 times the file's length, by means of spaces (LIM-1)"""
    return spaced(m, longest(m))


# Invalid files: the envelope


@invalid("not-adp", "ENV-1")
def magic_first_byte(m):
    """the magic begins with 09: its first byte lost bit 7"""
    return pack(m, header=b"\x09" + HEADER[1:])


@invalid("not-adp", "ENV-1")
def magic_line_ends(m):
    """CR LF of the magic turned into LF"""
    return pack(m, header=HEADER.replace(b"\r\n", b"\n"))


@invalid("not-adp", "ENV-1")
def magic_short_text(m):
    """a text of five bytes"""
    return b"hello"


@invalid("not-adp", "ENV-1")
def magic_zip(m):
    """the beginning of a ZIP file, and zeros"""
    return b"PK\x03\x04" + bytes(200)


@invalid("version", "ENV-2")
def header_major_2(m):
    """major version 2"""
    return pack(m, header=HEADER[:8] + b"\x02" + HEADER[9:])


@invalid("version", "ENV-2")
def header_major_0(m):
    """major version 0"""
    return pack(m, header=HEADER[:8] + b"\x00" + HEADER[9:])


@invalid("version", "ENV-2")
def header_reserved(m):
    """the last reserved byte is 1"""
    return pack(m, header=HEADER[:15] + b"\x01")


@invalid("version", "ENV-2")
def header_major_2_short(m):
    """nine bytes: the magic and major version 2 (the header is judged before the length)"""
    return HEADER[:8] + b"\x02"


@invalid("truncated", "ENV-3")
def length_0(m):
    """an empty file"""
    return b""


@invalid("truncated", "ENV-3")
def length_5(m):
    """five bytes of the magic"""
    return HEADER[:5]


@invalid("truncated", "ENV-3")
def length_12(m):
    """twelve bytes of the header"""
    return HEADER[:12]


@invalid("truncated", "ENV-3")
def length_16(m):
    """the header alone"""
    return HEADER


@invalid("truncated", "ENV-3")
def length_79(m):
    """header and a footer without its first byte"""
    return HEADER + pack(m)[-63:]


@invalid("truncated", "ENV-4")
def tail_cut(m):
    """the last byte is missing"""
    return pack(m)[:-1]


@invalid("truncated", "ENV-4")
def tail_appended(m):
    """a line feed follows the footer"""
    return pack(m) + b"\n"


@invalid("truncated", "ENV-4")
def tail_wrong(m):
    """the footer's magic is not backwards"""
    return pack(m, tail=HEADER[:8])


def lied(m, offset, size):
    """The file whose footer has `offset` and `size`, where these are functions of the truth."""
    true_offset, true_size = 16 + len(payload_of(m)), len(frame(text_of(m)))
    return pack(m, offset=offset(true_offset, true_size), size=size(true_offset, true_size) % 2**64)


@invalid("footer", "ENV-5")
def offset_15(m):
    """offset 15, one byte into the header; the sum is right"""
    return lied(m, lambda o, s: 15, lambda o, s: o + s - 15)


@invalid("footer", "ENV-5")
def sum_short(m):
    """offset + stored is one less than it must be"""
    return lied(m, lambda o, s: o, lambda o, s: s - 1)


@invalid("footer", "ENV-5")
def sum_long(m):
    """offset + stored is one more than it must be: the frame would reach into the footer"""
    return lied(m, lambda o, s: o, lambda o, s: s + 1)


@invalid("footer", "ENV-5")
def sum_wraps_offset(m):
    """offset 2^64 - 16: right only where the sum wraps"""
    return lied(m, lambda o, s: 2**64 - 16, lambda o, s: o + s + 16)


@invalid("footer", "ENV-5")
def sum_wraps_stored(m):
    """stored 2^64 - 1: right only where the sum wraps"""
    return lied(m, lambda o, s: o + s + 1, lambda o, s: -1)


@invalid("footer", "ENV-5")
def offset_past_end(m):
    """offset after the file's end, with stored 0"""
    return lied(m, lambda o, s: o + s + 1000, lambda o, s: 0)


@invalid("footer", "ENV-6")
def decoded_0(m):
    """a manifest of no bytes"""
    return seal(payload_of(m), frame(b""), 0)


@invalid("footer", "ENV-6")
def decoded_1(m):
    """a manifest of one byte"""
    return seal(payload_of(m), frame(b"1"), 1)


@invalid("limit", "ENV-6", "LIM-1")
def manifest_too_long(m):
    """a manifest one byte longer than 1 MiB + 8 times the file's length, which would decode"""
    return spaced(m, longest(m) + 1)


@invalid("limit", "ENV-6", "LIM-1")
def manifest_huge(m):
    """decoded 2^64 - 1"""
    return seal(payload_of(m), frame(text_of(m)), 2**64 - 1)


@invalid("limit", "ENV-6", "LIM-1")
def manifest_times_eight_wraps(m):
    """decoded 2^63 + 2"""
    return seal(payload_of(m), frame(text_of(m)), 2**63 + 2)


@invalid("digest", "ENV-7")
def manifest_bit(m):
    """one bit of the manifest's text differs: a scale of 4.5 for 0.5"""
    return pack(m).replace(b'"scale":0.5', b'"scale":4.5')


@invalid("digest", "ENV-7")
def digest_bit(m):
    """the last bit of the digest differs"""
    data = bytearray(pack(m))
    data[-9] ^= 1
    return bytes(data)


@invalid("digest", "ENV-7")
def footer_decoded(m):
    """decoded differs from what was digested"""
    data = bytearray(pack(m))
    data[-48] ^= 1
    return bytes(data)


# Invalid files: frames


@invalid("frame", "ENV-8")
def manifest_decoded_differs(m):
    """the footer's decoded is one more than the manifest frame says"""
    text = text_of(m)
    return seal(payload_of(m), frame(text), len(text) + 1)


@invalid("frame", "ENV-8")
def manifest_stored_0(m):
    """a manifest frame of no bytes"""
    return seal(payload_of(m), b"", len(text_of(m)))


@invalid("frame", "ENV-8")
def manifest_plain(m):
    """the manifest's text in place of its frame"""
    return seal(payload_of(m), text_of(m), len(text_of(m)))


@invalid("frame", "ENV-8", "FRM-2")
def manifest_garbage(m):
    """a zero byte after the manifest's last block"""
    return seal(payload_of(m), frame(text_of(m)) + b"\0", len(text_of(m)))


@invalid("frame", "ENV-8", "FRM-2")
def manifest_two_frames(m):
    """the manifest in two frames"""
    text = text_of(m)
    return seal(payload_of(m), frame(text[:99]) + frame(text[99:]), len(text))


@invalid("frame", "ENV-8", "FRM-1")
def manifest_checksum_flag(m):
    """the manifest frame with the content checksum flag and the checksum"""
    text = b'{"adapters":[{"name":"default","method":"lora","operations":[],"streams":[]}]}'
    stored = ZSTD + bytes([0x24, len(text)]) + blocks(text) + XXH64["manifest"]
    return seal(b"", stored, len(text))


# The low four bytes of XXH64 of what the two frames with checksums hold.
XXH64 = {"manifest": bytes.fromhex("45231259"), "plane": bytes.fromhex("9d464314")}


def with_frame(m, stored, plane=3):
    """The example with another frame for one of its four planes, each of four bytes."""
    stream = stream_of(m)
    stream.frames[0][plane] = stored
    stream.seal()


PLANE = bytes.fromhex("7F 80 80 81")  # plane 3 of the example


@invalid("frame", "FRM-1")
def magic_wrong(m):
    """a frame's magic is wrong"""
    with_frame(m, b"\x29" + frame(PLANE)[1:])


@invalid("frame", "FRM-1")
def magic_legacy(m):
    """a frame's magic is that of Zstandard 0.7"""
    with_frame(m, b"\x27" + frame(PLANE)[1:])


@invalid("frame", "FRM-1")
def magicless(m):
    """a frame without magic"""
    with_frame(m, frame(PLANE)[4:])


@invalid("frame", "FRM-1")
def skippable(m):
    """a skippable frame before the frame"""
    with_frame(m, bytes.fromhex("50 2A 4D 18 00 00 00 00") + frame(PLANE))


@invalid("frame", "FRM-1")
def skippable_only(m):
    """a skippable frame with the plane's bytes in place of the frame"""
    with_frame(m, bytes.fromhex("50 2A 4D 18 04 00 00 00") + PLANE)


@invalid("frame", "FRM-1")
def checksum_flag(m):
    """a frame with the content checksum flag and the right checksum"""
    with_frame(m, ZSTD + b"\x24\x04" + blocks(PLANE) + XXH64["plane"])


@invalid("frame", "FRM-1")
def dictionary_id(m):
    """a frame with a dictionary identifier of one byte, 0: no dictionary"""
    with_frame(m, ZSTD + b"\x21\x00\x04" + blocks(PLANE))


@invalid("frame", "FRM-1")
def windowed(m):
    """a frame with a window descriptor and a content size, not of a single segment"""
    m = manifest_of(u8(*range(256)))
    stream = stream_of(m)
    stream.frames[0][0] = ZSTD + b"\x40\x00\x00\x00" + blocks(bytes(range(256)))
    stream.seal()
    return m


@invalid("frame", "FRM-1")
def size_absent(m):
    """a frame with a window descriptor and no content size"""
    with_frame(m, ZSTD + b"\x00\x00" + blocks(PLANE))


@invalid("frame", "FRM-1")
def size_wide(m):
    """a content size of four bytes where one is enough"""
    with_frame(m, ZSTD + b"\xa0\x04\x00\x00\x00" + blocks(PLANE))


@invalid("frame", "FRM-1")
def size_eight(m):
    """a content size of eight bytes"""
    with_frame(m, ZSTD + b"\xe0\x04\x00\x00\x00\x00\x00\x00\x00" + blocks(PLANE))


@invalid("frame", "FRM-1")
def size_four_for_65791(m):
    """a content size of four bytes for 65,791 bytes, which has one of two"""
    m = manifest_of(u8(*bytes(65791), chunk=2**17))
    stream = stream_of(m)
    stream.frames[0][0] = ZSTD + b"\xa0" + struct.pack("<I", 65791) + blocks(bytes(65791))
    stream.seal()
    return m


@invalid("frame", "FRM-1")
def descriptor_reserved(m):
    """the reserved bit of the frame header descriptor is set"""
    with_frame(m, ZSTD + b"\x28\x04" + blocks(PLANE))


@invalid("frame", "FRM-1")
def descriptor_unused(m):
    """the unused bit of the frame header descriptor is set"""
    with_frame(m, ZSTD + b"\x30\x04" + blocks(PLANE))


@invalid("frame", "FRM-1")
def block_large_rle(m):
    """an RLE block of 128 KiB and one byte: RFC 8878 allows 128 KiB"""
    m = manifest_of(u8(*bytes(BLOCK + 1), chunk=2**18))
    stream = stream_of(m)
    stream.frames[0][0] = head(BLOCK + 1) + block(1, BLOCK + 1, b"\0", True)
    stream.seal()
    return m


@invalid("frame", "FRM-1", "FRM-2")
def block_reserved(m):
    """a block of the reserved type"""
    with_frame(m, head(4) + block(3, 4, PLANE, True))


@invalid("frame", "FRM-2")
def block_not_last(m):
    """no block is marked as the last"""
    with_frame(m, head(4) + block(0, 4, PLANE))


@invalid("frame", "FRM-2")
def block_cut(m):
    """the last block is one byte short"""
    with_frame(m, frame(PLANE)[:-1])


@invalid("frame", "FRM-2")
def block_none(m):
    """a frame header without a block"""
    with_frame(m, head(4))


@invalid("frame", "FRM-2")
def header_cut(m):
    """three bytes of the magic in place of the frame"""
    with_frame(m, ZSTD[:3])


@invalid("frame", "FRM-2")
def garbage_after(m):
    """a zero byte after the last block"""
    with_frame(m, frame(PLANE) + b"\0")


@invalid("frame", "FRM-2")
def second_frame(m):
    """a second frame, of no bytes, after the frame"""
    with_frame(m, frame(PLANE) + frame(b""))


@invalid("frame", "FRM-2")
def skippable_after(m):
    """a skippable frame after the frame"""
    with_frame(m, frame(PLANE) + bytes.fromhex("50 2A 4D 18 00 00 00 00"))


@invalid("frame", "FRM-3")
def content_short(m):
    """the blocks hold one byte fewer than the content size"""
    with_frame(m, head(4) + blocks(PLANE[:3]))


@invalid("frame", "FRM-3")
def content_long(m):
    """the blocks hold one byte more than the content size, in two blocks"""
    with_frame(m, head(4) + block(0, 4, PLANE) + block(0, 1, b"\0", True))


@invalid("frame", "FRM-3")
def content_bomb(m):
    """a frame of 1,024 bytes, shorter than that, whose 251 RLE blocks hold 257,024"""
    m = manifest_of(u8(*bytes(1024)))
    stream = stream_of(m)
    stream.frames[0][0] = head(1024) + block(1, 1024, b"\0") * 250 + block(1, 1024, b"\0", True)
    stream.seal()
    return m


@invalid("frame", "FRM-3", "ENV-8")
def manifest_bomb(m):
    """a manifest frame whose blocks hold 2,001 times what its content size says"""
    text = text_of(m)
    stored = head(len(text)) + block(0, len(text), text) + block(1, len(text), b" ") * 2000 + block(0, 0, b"", True)
    return seal(payload_of(m), stored, len(text))


@invalid("frame", "FRM-3")
def compressed_garbage(m):
    """a compressed block that no decoder understands"""
    with_frame(m, head(4) + block(2, 4, b"\xff\xff\xff\xff", True))


@invalid("frame", "FRM-4")
def padded(m):
    """empty blocks make a frame longer than n + 64"""
    with_frame(m, head(4) + block(0, 0, b"") * 19 + block(0, 4, PLANE, True))


@invalid("frame", "STR-6")
def plane_empty(m):
    """a frame of no bytes for a plane of four"""
    with_frame(m, frame(b""))


@invalid("frame", "STR-6")
def plane_short(m):
    """a frame of three bytes for a plane of four"""
    with_frame(m, frame(PLANE[:3]))


@invalid("frame", "STR-6")
def plane_long(m):
    """a frame of five bytes for a plane of four"""
    with_frame(m, frame(PLANE + b"\0"))


@invalid("frame", "STR-6")
def chunks_uneven(m):
    """two chunks of 1,024 and 76 units are cut as 1,000 and 100"""
    data = hashlib.shake_128(b"uneven").digest(1100)
    return manifest_of(Stream("U8", [("t", [1100], data)], 1024, [[frame(data[:1000])], [frame(data[1000:])]]))


# Invalid files: JSON


def json_case(name, rule, description, text=None, at_end=b"", **change):
    """Registers a file whose manifest's text is changed: `change` maps an old string to a new one."""

    def maker(m):
        whole = text_of(m) if text is None else text
        for old, new in change.get("edits", []):
            assert whole.count(old) == 1, (old, whole)
            whole = whole.replace(old, new)
        return pack(m, whole + at_end)

    maker.__name__ = name
    maker.__doc__ = description
    invalid("json", rule)(maker)


def extra(value):
    """An ignored key in front of the manifest's others."""
    return [(b'{"adapters"', b'{"x":' + value + b',"adapters"')]


def chunk_as(value):
    return [(b'"chunk":1024', b'"chunk":' + value)]


def scale_as(value):
    return [(b'"scale":0.5', b'"scale":' + value)]


json_case("bom", "JSN-1", "a byte order mark before the text", edits=[(b'{"adapters"', b'\xef\xbb\xbf{"adapters"')])
json_case("utf8_overlong", "JSN-1", "an overlong encoding of a slash", edits=extra(b'"\xc0\xaf"'))
json_case("utf8_surrogate", "JSN-1", "a surrogate in UTF-8", edits=extra(b'"\xed\xa0\x80"'))
json_case("utf8_beyond", "JSN-1", "a code point beyond U+10FFFF", edits=extra(b'"\xf4\x90\x80\x80"'))
json_case("utf8_latin1", "JSN-1", "a byte of Latin-1", edits=extra(b'"\xe9"'))
json_case("utf8_key", "JSN-1", "a cut UTF-8 sequence in an ignored key", edits=[(b'{"ad', b'{"\xe4\xb8":1,"ad')])
json_case("utf16", "JSN-1", "the text in UTF-16", text=text_of(example_manifest()).decode().encode("utf-16-le"))
json_case("two_values", "JSN-1", "a second value after the text", at_end=b"{}")
json_case("nul_after", "JSN-1", "a zero byte after the text", at_end=b"\0")
json_case("space_other", "JSN-1", "a no-break space after the text", at_end="\u00a0".encode())
json_case("form_feed", "JSN-1", "a form feed after the text", at_end=b"\f")
json_case("only_space", "JSN-1", "white space and no value", text=b"  \n")
json_case("cut", "JSN-1", "the last brace is missing", text=text_of(example_manifest())[:-1])
json_case("trailing_comma", "JSN-1", "a comma after the last member of an array", edits=extra(b"[1,]"))
json_case("trailing_comma_object", "JSN-1", "a comma after the last member of an object", edits=extra(b'{"a":1,}'))
json_case("comment", "JSN-1", "a comment", edits=extra(b"/* */1"))
json_case("single_quotes", "JSN-1", "single quotes", edits=extra(b"'a'"))
json_case("key_bare", "JSN-1", "a key without quotes", edits=extra(b"{a:1}"))
json_case("control_in_string", "JSN-1", "a raw line feed in a string", edits=extra(b'"a\nb"'))
json_case("tab_in_key", "JSN-1", "a raw tab in an ignored key", edits=[(b'{"adapters"', b'{"a\tb":1,"adapters"')])
json_case("escape_unknown", "JSN-1", "an escape that JSON does not have", edits=extra(b'"\\x41"'))
json_case("escape_short", "JSN-1", "an escape with three digits", edits=extra(b'"\\u00e"'))
json_case("escape_signed", "JSN-1", "an escape with a sign among its digits", edits=extra(b'"\\u+0e9"'))
json_case("nan", "JSN-1", "NaN as a number", edits=extra(b"NaN"))
json_case("infinity", "JSN-1", "-Infinity as a number", edits=scale_as(b"-Infinity"))
json_case("leading_zero", "JSN-1", "a number with a leading zero", edits=extra(b"01"))
json_case("leading_plus", "JSN-1", "a number with a plus sign", edits=extra(b"+1"))
json_case("leading_dot", "JSN-1", "a number that begins with its point", edits=extra(b".5"))
json_case("trailing_dot", "JSN-1", "a number that ends with its point", edits=extra(b"1."))
json_case("exponent_empty", "JSN-1", "a number with an empty exponent", edits=extra(b"1e"))
json_case("hexadecimal", "JSN-1", "a hexadecimal number", edits=extra(b"0x10"))
json_case("digits_arabic", "JSN-1", "a number in Arabic-Indic digits", edits=extra("\u0661".encode()))
json_case("true_capital", "JSN-1", "True for true", edits=extra(b"True"))
json_case("key_twice", "JSN-2", "the key chunk twice, with the same value", edits=chunk_as(b'1024,"chunk":1024'))
json_case("key_twice_escaped", "JSN-2", "a key twice, once with an escape", edits=extra(b'{"a":1,"\\u0061":2}'))
json_case(
    "key_twice_surrogates",
    "JSN-2",
    "an emoji twice as a key, raw and as surrogates",
    edits=extra('{"\U0001f600":1,"\\ud83d\\ude00":1}'.encode()),
)
json_case("key_twice_empty", "JSN-2", "the empty key twice", edits=extra(b'{"":1,"":1}'))
json_case("surrogate_high", "JSN-3", "a high surrogate alone", edits=extra(b'"\\ud800"'))
json_case("surrogate_low", "JSN-3", "a low surrogate alone", edits=extra(b'"\\udc00"'))
json_case("surrogate_reversed", "JSN-3", "a low surrogate before a high one", edits=extra(b'"\\ude00\\ud83d"'))
json_case("surrogate_high_high", "JSN-3", "two high surrogates and a low one", edits=extra(b'"\\ud83d\\ud83d\\ude00"'))
json_case("surrogate_then_escape", "JSN-3", "a high surrogate before another escape", edits=extra(b'"\\ud83d\\u0041"'))
json_case("surrogate_key", "JSN-3", "a surrogate in an ignored key", edits=extra(b'{"\\udfff":1}'))
json_case("integer_point", "JSN-4", "an integer written 1024.0", edits=chunk_as(b"1024.0"))
json_case("integer_exponent", "JSN-4", "an integer written 1.024e3", edits=chunk_as(b"1.024e3"))
json_case("integer_negative", "JSN-4", "a dimension of -1", edits=[(b'"shape":[1,2]', b'"shape":[-1,2]')])
json_case(
    "integer_minus_zero",
    "JSN-4",
    "a start of -0 in a window",
    edits=[(b'"a":"a"', b'"a":{"tensor":"a","window":[[-0,1],[0,2]]}')],
)
json_case(
    "integer_2_53",
    "JSN-4",
    "a file's size of 2^53",
    edits=[
        (b'"operations"', b'"files":[{"path":"x","size":9007199254740992,"sha256":"' + b"0" * 64 + b'"}],"operations"')
    ],
)
json_case(
    "integer_2_64",
    "JSN-4",
    "a chunk of 2^64 + 1024: right only where it wraps",
    edits=chunk_as(b"18446744073709552640"),
)
json_case(
    "integer_crc_point",
    "JSN-4",
    "a CRC written with a point",
    text=re.sub(rb"(\d+)\]\]", rb"\1.0]]", text_of(example_manifest())),
)
json_case("overflow", "JSN-5", "a scale of 1e309", edits=scale_as(b"1e309"))
json_case("overflow_rounding", "JSN-5", "a scale that rounds up to infinity", edits=scale_as(b"1.7976931348623159e308"))
json_case("overflow_digits", "JSN-5", "400 digits under an ignored key", edits=extra(b"1" * 400))
json_case("overflow_exponent", "JSN-5", "an exponent of 24 digits", edits=scale_as(b"-1e" + b"9" * 24))
json_case("underflow", "JSN-5", "a scale of 1e-400", edits=scale_as(b"1e-400"))
json_case(
    "underflow_rounding", "JSN-5", "2.4e-324 under an ignored key, which rounds to zero", edits=extra(b"-2.4e-324")
)
json_case("underflow_digits", "JSN-5", "400 zeros after the point, then a 1", edits=extra(b"0." + b"0" * 400 + b"1"))
json_case("depth_17", "JSN-6", "arrays that reach depth 17", edits=extra(b"[" * 16 + b"]" * 16))
json_case("depth_17_objects", "JSN-6", "objects that reach depth 17", edits=extra(b'{"a":' * 16 + b"0" + b"}" * 16))


@invalid("json", "JSN-6")
def depth_million(m):
    """half a million arrays in each other, in a small file"""
    left, right = text_of(m).split(b'"adapters"')
    left += b'"x":'
    right = b',"adapters"' + right
    deep = [block(1, 2**17, byte) for byte in (b"[", b"]") for _ in range(4)]
    decoded = len(left) + 2**20 + len(right)
    stored = head(decoded) + block(0, len(left), left) + b"".join(deep) + block(0, len(right), right, True)
    return seal(payload_of(m), stored, decoded)


# Invalid files: the manifest


def drop(where, key):
    """A change that removes a key from the part of the manifest that `where` finds."""

    def change(m):
        del where(m)[key]

    return change


def put(where, key, value):
    """A change that sets a key (or, in an array, an index)."""

    def change(m):
        where(m)[key] = value

    return change


def manifest_case(name, rule, description, change, kind="manifest"):
    """Registers a file whose manifest is that of the example but for one change."""

    def maker(m):
        changed = change(m)
        return changed if isinstance(changed, (bytes, dict)) else None

    maker.__name__ = name
    maker.__doc__ = description
    invalid(kind, *rule.split())(maker)


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
        first(m)["inert"] = [{"tensor": "t", "reason": "test"}]
    return first(m)["inert"][0]


for where, key in [
    (whole, "adapters"),
    (first, "name"),
    (first, "method"),
    (first, "operations"),
    (first, "streams"),
    (stream_of, "dtype"),
    (stream_of, "code"),
    (stream_of, "chunk"),
    (stream_of, "tensors"),
    (stream_of, "chunks"),
    (tensor_of, "name"),
    (tensor_of, "shape"),
    (tensor_of, "sha256"),
    (operation_of, "op"),
    (operation_of, "tensors"),
    (operation_of, "target"),
    (operation_of, "scale"),
    (operation_of, "layout"),
    (with_source, "format"),
    (with_file, "path"),
    (with_file, "size"),
    (with_file, "sha256"),
    (with_inert, "tensor"),
]:
    place = (
        where.__name__.removesuffix("_of")
        .removeprefix("with_")
        .replace("first", "adapter")
        .replace("whole", "manifest")
    )
    manifest_case(f"missing_{place}_{key}", "MAN-1", f"the required key {key} of {place} is missing", drop(where, key))

manifest_case("type_generator_null", "MAN-1", "generator is null", put(whole, "generator", None))
manifest_case("type_metadata_number", "MAN-1", "a value of metadata is a number", put(whole, "metadata", {"k": 1}))
manifest_case("type_requires_string", "MAN-1", "requires is a string", put(whole, "requires", "x"))
manifest_case("type_requires_number", "MAN-1", "requires holds a number", put(whole, "requires", [1]))
manifest_case("type_base_string", "MAN-1", "base is a string", put(whole, "base", "tiny"))
manifest_case("type_base_name", "MAN-1", "base's name is an array", put(whole, "base", {"name": []}))
manifest_case("type_adapters_object", "MAN-1", "adapters is an object", put(whole, "adapters", {}))
manifest_case("type_adapter_string", "MAN-1", "an adapter is a string", lambda m: m["adapters"].append("x"))
manifest_case("type_method_upper", "MAN-1", "a method in capitals", put(first, "method", "LoRA"))
manifest_case("type_method_long", "MAN-1", "a method of 65 bytes", put(first, "method", "m" * 65))
manifest_case("type_method_empty", "MAN-1", "an empty method", put(first, "method", ""))
manifest_case(
    "type_streams_object", "MAN-1", "streams is an object", lambda m: {"adapters": [{**adapter(), "streams": {}}]}
)
manifest_case("type_nonfinite_true", "MAN-1", "nonfinite is true", put(first, "nonfinite", True))
manifest_case(
    "type_inert_name", "MAN-1", "an entry of inert is a name", lambda m: with_inert(m) and put(first, "inert", ["t"])(m)
)
manifest_case(
    "type_source_config", "MAN-1", "source's config is an object", lambda m: put(with_source, "config", {})(m)
)
manifest_case("type_file_size_string", "MAN-1", "a file's size is a string", put(with_file, "size", "0"))
manifest_case("type_chunk_string", "MAN-1", "chunk is a string", put(stream_of, "chunk", "1024"))
manifest_case("type_chunk_true", "MAN-1", "chunk is true", put(stream_of, "chunk", True))
manifest_case("type_shape_string", "MAN-1", "a dimension is a string", put(tensor_of, "shape", ["1", 2]))
manifest_case("type_code_null", "MAN-1", "code is null", put(stream_of, "code", None))
manifest_case("type_row_number", "MAN-1", "a row is a number", put(stream_of, "chunks", [52]))
manifest_case(
    "type_tensors_empty", "MAN-1", "a stream of no tensors", lambda m: first(m)["streams"].append(Stream("U8", []))
)
manifest_case("type_scale_string", "MAN-1", "scale is a string", put(operation_of, "scale", "0.5"))
manifest_case("type_scale_true", "MAN-1", "scale is true", put(operation_of, "scale", True))
manifest_case("type_layout_unknown", "MAN-1", "layout is none of the three", put(operation_of, "layout", "oi"))
manifest_case(
    "type_layout_from_unknown", "MAN-1", "layout_from is none of the six", put(operation_of, "layout_from", "guess")
)
manifest_case("adapters_none", "MAN-1", "an empty array of adapters", lambda m: {"adapters": []})
manifest_case("text_array", "MAN-1", "the text is an array", lambda m: seal(b"", frame(b"[]"), 2))

manifest_case(
    "adapter_twice", "MAN-2", "two adapters of one name", lambda m: {"adapters": [adapter(u8(1)), adapter(u8(2))]}
)
manifest_case(
    "tensor_twice",
    "MAN-2",
    "two tensors of one name in a stream",
    lambda m: manifest_of(Stream("U8", [("t", [], b"1"), ("t", [], b"2")])),
)
manifest_case(
    "tensor_twice_streams",
    "MAN-2",
    "two tensors of one name in two streams",
    lambda m: manifest_of(u8(1), Stream("I8", [("t", [1], b"1")])),
)
manifest_case("requires_one", "MAN-3", "requires names something", put(whole, "requires", ["sparse"]), "requires")
manifest_case(
    "requires_empty_name", "MAN-3", "requires names the empty string", put(whole, "requires", [""]), "requires"
)


@invalid("manifest", "MAN-4")
def tensor_unnamed(m):
    """a tensor that nothing names"""
    first(m)["streams"].append(u8(1))


@invalid("manifest", "MAN-4")
def tensor_only_nonfinite(m):
    """a tensor that nothing but nonfinite and bound name"""
    first(m)["streams"].append(u8(1))
    first(m)["nonfinite"] = ["t"]
    operation_of(m)["bound"] = ["t"]


@invalid("manifest", "MAN-4")
def tensor_of_opaque_unnamed(m):
    """a tensor of an opaque stream that nothing names"""
    first(m)["streams"].append(u8(1).opaque(code="later"))


@invalid("manifest", "MAN-4")
def operand_unknown(m):
    """an operand that is no tensor; b is inert"""
    roles_of(m)["b"] = "c"
    first(m)["inert"] = [{"tensor": "b", "reason": "test"}]


@invalid("manifest", "NAM-3", "MAN-4")
def operand_normalised(m):
    """an operand's name is composed, the tensor's decomposed"""
    tensor_of(m)["name"] = "e\u0301"
    roles_of(m)["a"] = "\u00e9"


@invalid("manifest", "MAN-4")
def operand_of_other_adapter(m):
    """an operand that is a tensor of another adapter only"""
    other = adapter(name="other", operations=[])
    other["operations"] = [low_rank()]
    m["adapters"].append(other)


@invalid("manifest", "MAN-4")
def operand_unknown_opaque(m):
    """an operand of an opaque operation that is no tensor"""
    first(m)["operations"].append({"op": "later", "tensors": {"x": "nothing"}})


def inert_of(*names):
    return [{"tensor": name, "reason": "test"} for name in names]


manifest_case("inert_unknown", "MAN-4", "inert names no tensor", put(first, "inert", inert_of("c")))
manifest_case("nonfinite_unknown", "MAN-4", "nonfinite names no tensor", put(first, "nonfinite", ["c"]))


@invalid("manifest", "MAN-8")
def nonfinite_less(m):
    """nonfinite lacks a tensor whose last value is an infinity"""
    tensors = [("nan", [2], f32(float("nan"), 1)), ("inf", [2], f32(1, float("-inf")))]
    return manifest_of(Stream("F32", tensors), nonfinite=["nan"])


@invalid("manifest", "MAN-8")
def nonfinite_less_payload(m):
    """an empty nonfinite, and a signalling NaN of BF16"""
    return manifest_of(Stream("BF16", [("t", [1], b"\x81\xff")]), nonfinite=[])


@invalid("manifest", "MAN-8")
def nonfinite_less_imaginary(m):
    """an empty nonfinite, and a complex number whose imaginary part is a NaN"""
    return manifest_of(Stream("C64", [("t", [1], f32(1, float("nan")))]), nonfinite=[])


@invalid("manifest", "MAN-8")
def nonfinite_more(m):
    """nonfinite lists a tensor of finite numbers, the largest of F16"""
    return manifest_of(Stream("F16", [("t", [1], b"\xff\x7b")]), nonfinite=["t"])


@invalid("manifest", "MAN-8")
def nonfinite_integer(m):
    """nonfinite lists a tensor of I32 whose bits are those of a NaN of F32"""
    return manifest_of(Stream("I32", [("t", [1], b"\xff\xff\xff\xff")]), nonfinite=["t"])


@invalid("manifest", "MAN-8")
def nonfinite_f8(m):
    """nonfinite lists a tensor of F8_E5M2 that holds an infinity: only five types count"""
    return manifest_of(Stream("F8_E5M2", [("t", [1], b"\x7c")]), nonfinite=["t"])


manifest_case("file_tensor_unknown", "MAN-4", "a file names no tensor", put(with_file, "tensor", "c"))
manifest_case("inert_and_operand", "MAN-5", "an operand is inert as well", put(first, "inert", inert_of("a")))


@invalid("manifest", "MAN-5")
def inert_and_file(m):
    """a file's tensor is inert as well"""
    first(m)["streams"].append(u8(1))
    first(m)["files"] = [{"path": "p", "size": 1, "sha256": sha256(b"\1"), "tensor": "t"}]
    first(m)["inert"] = inert_of("t")


@invalid("manifest", "MAN-5")
def inert_and_opaque_operand(m):
    """an operand of an opaque operation is inert as well"""
    with_inert(m)
    first(m)["operations"].append({"op": "later", "tensors": {"x": "t"}})


@invalid("manifest", "MAN-6")
def sum_hole(m):
    """a byte between the last frame and the manifest"""
    return seal(payload_of(m) + b"\0", frame(text_of(m)), len(text_of(m)))


@invalid("manifest", "MAN-6")
def sum_hole_first(m):
    """a frame between the header and the first frame that no row counts"""
    return seal(frame(b"hidden") + payload_of(m), frame(text_of(m)), len(text_of(m)))


@invalid("manifest", "MAN-6")
def sum_less(m):
    """the payload lacks its last byte"""
    return seal(payload_of(m)[:-1], frame(text_of(m)), len(text_of(m)))


@invalid("manifest", "MAN-6")
def sum_wraps(m):
    """two sizes are too large by 2^31: their sum is right only where it wraps at 2^32"""
    row_of(m)[0] += 2**31
    row_of(m)[1] += 2**31


@invalid("manifest", "MAN-6", "STR-8")
def sum_opaque(m):
    """the sizes of an opaque stream are larger than its bytes"""
    first(m)["streams"].append(u8(1).opaque(code="later"))
    first(m)["inert"] = inert_of("t")
    first(m)["streams"][1]["chunks"][0][0] += 1


# Invalid files: names and digests


def tensor_name(name):
    """A change that gives the tensor `a` another name, everywhere."""

    def change(m):
        tensor_of(m)["name"] = name
        roles_of(m)["a"] = name

    return change


for label, words, name in [
    ("empty", "empty", ""),
    ("long", "of 1,025 bytes", "n" * 1025),
    ("long_utf8", "of 342 characters and 1,026 bytes", "\u4e2d" * 342),
    ("nul", "with U+0000", "a\0"),
    ("tab", "with a tab", "a\tb"),
    ("newline", "that ends with a line feed", "a\n"),
    ("unit_separator", "with U+001F", "\x1f"),
    ("del", "with U+007F", "a\x7f"),
    ("metadata", "__metadata__", "__metadata__"),
]:
    manifest_case(f"tensor_name_{label}", "NAM-1", f"a tensor's name {words}", tensor_name(name))

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

manifest_case(
    "digest_upper",
    "DIG-1",
    "a tensor's digest in capitals",
    lambda m: tensor_of(m).update(sha256=tensor_of(m)["sha256"].upper()),
)
manifest_case("digest_source", "DIG-1", "source's digest is short", put(with_source, "sha256", "00"))


# Invalid files: streams

for value in (512, 0, 1, 1536, 2**21, 2**20 + 1, 2**32):
    manifest_case(f"chunk_{value}", "STR-1", f"chunk is {value}", put(stream_of, "chunk", value))


def shaped(shape, dtype="U8", data=b""):
    return lambda m: manifest_of(Stream(dtype, [("t", shape, data)]))


manifest_case("dimensions_9", "STR-2 LIM-3", "a shape of nine dimensions", shaped([1] * 9, data=b"\1"), "limit")
manifest_case(
    "product_2_53",
    "STR-2 LIM-4",
    "non-zero dimensions whose product is 2^53, and a zero",
    shaped([2**52, 2, 0]),
    "limit",
)
manifest_case(
    "product_wraps",
    "STR-2 LIM-4",
    "dimensions whose product wraps at 2^64, and a zero",
    shaped([2**32, 2**32, 0]),
    "limit",
)
manifest_case(
    "product_wraps_after_zero",
    "STR-2 LIM-4",
    "a zero before dimensions whose product is too large",
    shaped([0, 2**40, 2**40], "F64"),
    "limit",
)
manifest_case("bits_f4", "STR-2", "three elements of F4 do not fill whole bytes", shaped([3], "F4", b"\1"))
manifest_case(
    "bits_f4_pair",
    "STR-2",
    "two tensors of one element of F4 each",
    lambda m: manifest_of(Stream("F4", [("t", [1], b"\1"), ("u", [1], b"")])),
)
manifest_case("bits_f6", "STR-2", "two elements of F6_E2M3 do not fill whole bytes", shaped([2], "F6_E2M3", b"\1"))


@invalid("limit", "LIM-2")
def restored_too_much(m):
    """streams that restore 1 GiB and more from some 50 KiB, with sound frames and digests"""
    data = bytes(2**23)
    plane, empty = frame(data[: 2**20]), sha256(data)
    stream = Stream("F64", [], 2**20, [[plane] * 8] * 138)
    stream["tensors"] = [{"name": f"{index}", "shape": [2**20], "sha256": empty} for index in range(138)]
    m = manifest_of(stream)
    assert len(pack(m)) * 1024 + 2**30 < 138 * 2**23
    return m


def more_rows(count):
    """A stream of 1,025 bytes, with other than its two rows."""

    def change(m):
        data = hashlib.shake_128(b"rows").digest(1025)
        frames = [[frame(data[:1024])], [frame(data[1024:])], [frame(b"?")]]
        return manifest_of(Stream("U8", [("t", [1025], data)], 1024, frames[:count]))

    return change


manifest_case("rows_few", "STR-3", "one row for two chunks", more_rows(1))
manifest_case("rows_many", "STR-3", "three rows for two chunks", more_rows(3))
manifest_case("rows_none", "STR-3", "no row for two chunks", more_rows(0))
manifest_case(
    "rows_of_nothing",
    "STR-3",
    "a row for a stream of no units",
    lambda m: manifest_of(Stream("U8", [("t", [0], b"")], 1024, [[frame(b"")]])),
)
manifest_case(
    "rows_bytes_for_units",
    "STR-3",
    "rows for 2,048 units of one byte where there are 1,024 of two",
    lambda m: manifest_of(Stream("U16", [("t", [1024], bytes(2048))], 1024, [[frame(bytes(1024))] * 2] * 2)),
)


@invalid("manifest", "STR-4")
def row_short(m):
    """a row without the last plane's size, whose frame is gone"""
    stream_of(m).frames[0].pop()
    stream_of(m).seal()


@invalid("manifest", "STR-4")
def row_long(m):
    """a row with a fifth plane"""
    stream_of(m).frames[0].append(frame(PLANE))
    stream_of(m).seal()


manifest_case("row_no_crc", "STR-4", "a row without a CRC-32", lambda m: row_of(m).pop())
manifest_case("row_empty", "STR-4", "an empty row", put(stream_of, "chunks", [[]]))
manifest_case("row_size_0", "STR-4", "a frame's size is 0", lambda m: with_frame(m, b""))
manifest_case(
    "row_crc_2_32", "STR-4", "a CRC-32 that is too large by 2^32", lambda m: put(row_of, -1, row_of(m)[-1] + 2**32)(m)
)
manifest_case(
    "row_size_2_32",
    "STR-4",
    "a size of 2^32 and more: too large by 2^32",
    lambda m: put(row_of, 0, row_of(m)[0] + 2**32)(m),
)


@invalid("checksum", "STR-5")
def payload_bit(m):
    """one bit of a raw block differs"""
    stream_of(m).frames[0][3] = frame(bytes([PLANE[0] ^ 1]) + PLANE[1:])


@invalid("checksum", "STR-5")
def payload_frame_broken(m):
    """a frame's magic is broken: the CRC is checked before the chunk is decoded"""
    stream_of(m).frames[0][3] = bytes(13)


@invalid("checksum", "STR-5")
def crc_inverted(m):
    """the CRC without its final XOR"""
    row_of(m)[-1] ^= 0xFFFFFFFF


@invalid("checksum", "STR-5")
def crc_castagnoli(m):
    """the CRC-32C of the chunk in place of its CRC-32"""
    crc = 0xFFFFFFFF
    for byte in payload_of(m):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    row_of(m)[-1] = crc ^ 0xFFFFFFFF


@invalid("checksum", "STR-5")
def chunks_exchanged(m):
    """the frames of two chunks, equally long, are exchanged in the payload"""
    data = hashlib.shake_128(b"exchange").digest(2048)
    m = manifest_of(Stream("U8", [("t", [2048], data)]))
    stream_of(m).frames.reverse()
    return m


@invalid("checksum", "STR-5")
def adapters_exchanged(m):
    """the payloads of two adapters, equally long, are exchanged"""
    m = {"adapters": [adapter(u8(i, 2), name=f"n{i}") for i in range(2)]}
    one, two = [entry["streams"][0] for entry in m["adapters"]]
    one.frames, two.frames = two.frames, one.frames
    return m


@invalid("tensor", "STR-7")
def planes_exchanged(m):
    """two planes of one chunk, equally long, are exchanged; the CRC is right"""
    frames = stream_of(m).frames[0]
    frames[2], frames[3] = frames[3], frames[2]
    stream_of(m).seal()


@invalid("tensor", "STR-7")
def rotation_missing(m):
    """the units are not rotated"""
    stream_of(m).frames = [[frame(plane) for plane in split(f32(1, 2, 3, 4), "U32")]]
    stream_of(m).seal()


@invalid("tensor", "STR-7")
def digest_wrong(m):
    """one digit of a tensor's digest differs"""
    tensor_of(m)["sha256"] = tensor_of(m)["sha256"][:-1] + "0"
    assert tensor_of(m)["sha256"] != sha256(f32(1, 2))


@invalid("tensor", "STR-7")
def tensors_exchanged(m):
    """two tensors of equal size are exchanged in the manifest, with their digests"""
    m = manifest_of(Stream("U8", [("t", [2], b"12"), ("u", [2], b"34")]))
    stream_of(m)["tensors"].reverse()
    return m


@invalid("tensor", "STR-7")
def digest_of_empty(m):
    """the digest of a tensor of no bytes is wrong"""
    m = manifest_of(Stream("U8", [("t", [0], b"")]))
    tensor_of(m)["sha256"] = sha256(b"\0")
    return m


# Invalid files: opaque streams


def opaque_case(name, rules, description, change, kind="manifest"):
    """Registers a file with an opaque stream of one tensor, changed."""

    def maker(m):
        stream = Stream("F32", [("future", [5], b"?")], 1024, [[b"12345"]]).opaque(code="later")
        m = manifest_of(stream)
        change(m)
        return m

    manifest_case(f"opaque_{name}", "STR-8 " + rules, description, maker, kind)


opaque_case("missing_sha256", "MAN-1", "a tensor of an opaque stream has no digest", drop(tensor_of, "sha256"))
opaque_case("missing_chunk", "MAN-1", "an opaque stream without chunk", drop(stream_of, "chunk"))
opaque_case(
    "shape_string", "MAN-1", "a tensor of an opaque stream whose shape is a string", put(tensor_of, "shape", "5")
)
opaque_case("digest", "DIG-1", "a tensor of an opaque stream with a short digest", put(tensor_of, "sha256", "0"))
opaque_case(
    "name_tab",
    "NAM-1",
    "a tensor of an opaque stream with a tab in its name",
    lambda m: (put(tensor_of, "name", "a\t")(m), put(first, "inert", inert_of("a\t"))(m)),
)
opaque_case(
    "twice",
    "MAN-2",
    "a tensor of an opaque stream has the name of another",
    lambda m: first(m)["streams"].append(u8(1, name="future")),
)
opaque_case(
    "row_one",
    "STR-4",
    "a row of an opaque stream holds a number alone",
    lambda m: (put(stream_of, "chunks", [[5]])(m), setattr(stream_of(m), "frames", [])),
)
opaque_case("row_size_0", "STR-4", "a size of 0 in an opaque stream", lambda m: row_of(m).insert(0, 0))
opaque_case(
    "dimensions_9",
    "LIM-3",
    "a tensor of an opaque stream has nine dimensions",
    put(tensor_of, "shape", [1] * 9),
    "limit",
)
opaque_case(
    "product",
    "LIM-4",
    "a tensor of an opaque stream has 2^64 elements",
    put(tensor_of, "shape", [2**32, 2**32]),
    "limit",
)


# Invalid files: fingerprints


def fingerprint_case(name, description, change, seal_after=True):
    """Registers a file with a changed fingerprint, whose digest is right unless told otherwise."""

    def maker(m):
        sketch = {"layer.weight": f32(*range(32)).hex()}
        made = fingerprint(prints(), sketch=sketch)
        change(made)
        if seal_after:
            made["digest"] = fingerprint(made["tensors"])["digest"]
        return {"base": {"fingerprint": made}, **m}

    manifest_case(f"fingerprint_{name}", "FPR-1", description, maker)


def weight(made):
    return made["tensors"]["layer.weight"]


fingerprint_case(
    "digest", "the fingerprint's digest is that of other entries", lambda made: made.update(digest="0" * 64), False
)
fingerprint_case("dtype", "an unknown element type in an entry", lambda made: put(weight, 0, "F128")(made))
fingerprint_case("shape", "an entry's shape is a number", lambda made: put(weight, 1, 4)(made), False)
fingerprint_case("exact_short", "an entry's exact has 31 digits", lambda made: put(weight, 2, "0" * 31)(made))
fingerprint_case("exact_letter", "an entry's exact has a g", lambda made: put(weight, 2, "g" * 32)(made))
fingerprint_case("exact_null", "an entry's exact is null", lambda made: put(weight, 2, None)(made))
fingerprint_case("value_null", "an entry of F32 whose value is null", lambda made: put(weight, 3, None)(made))
fingerprint_case(
    "value_of_integer",
    "an entry of I64 with a value",
    lambda made: made["tensors"].update(step=["I64", [], "0" * 32, "0" * 32]),
)
fingerprint_case("entry_short", "an entry of three members", lambda made: weight(made).pop(), False)
fingerprint_case("entry_long", "an entry of five members", lambda made: weight(made).append(0), False)
fingerprint_case("entry_object", "an entry is an object", lambda made: made["tensors"].update(step={}), False)
fingerprint_case(
    "sketch_unknown", "a sketch of a tensor without an entry", lambda made: made["sketch"].update(x="0" * 256)
)
fingerprint_case("sketch_short", "a sketch of 254 digits", lambda made: made["sketch"].update(step="0" * 254))
fingerprint_case("missing_tensors", "a fingerprint without tensors", lambda made: made.pop("tensors"), False)
fingerprint_case("missing_digest", "a fingerprint without a digest", lambda made: made.pop("digest"), False)


# Invalid files: operations


def operand_a(value):
    return put(roles_of, "a", value)


def window_case(name, description, window):
    manifest_case(f"window_{name}", "OPS-1", description, operand_a({"tensor": "a", "window": window}))


window_case("outside", "a window one past the end of its tensor", [[0, 1], [1, 2]])
window_case("outside_start", "an empty window that starts after the end", [[0, 1], [3, 0]])
window_case("rank_less", "a window of one pair in a tensor of two dimensions", [[0, 1]])
window_case("rank_more", "a window of three pairs in a tensor of two dimensions", [[0, 1], [0, 2], [0, 1]])
window_case("single", "a window with a start alone", [[0, 1], [0]])
window_case("triple", "a window with a step", [[0, 1], [0, 2, 1]])
window_case("flat", "a window that is one pair", [0, 1])
window_case("large", "a window whose start and count are 2^53 - 1", [[0, 1], [SAFE, SAFE]])
manifest_case(
    "window_outside_opaque",
    "OPS-1",
    "an opaque operation's window one past the end of its tensor",
    lambda m: first(m)["operations"].append(
        {"op": "later", "tensors": {"x": {"tensor": "b", "window": [[1, 2], [0, 1]]}}}
    ),
)
manifest_case(
    "operand_number",
    "OPS-1",
    "an operand is a number",
    lambda m: first(m)["operations"].append({"op": "later", "tensors": {"x": 1}}),
)
manifest_case(
    "operand_without_tensor",
    "OPS-1",
    "an operand is a window alone",
    lambda m: first(m)["operations"].append({"op": "later", "tensors": {"x": {"window": []}}}),
)
manifest_case("op_number", "OPS-1", "op is a number", lambda m: first(m)["operations"].append({"op": 1, "tensors": {}}))
manifest_case("op_shape_string", "OPS-1", "shape is a string", put(operation_of, "shape", "2,2"))
manifest_case("op_bound_string", "OPS-1", "bound is a string", put(operation_of, "bound", "layer.weight"))
manifest_case("op_target_number", "OPS-1", "target is a number", put(operation_of, "target", 1))
manifest_case(
    "op_tensors_array",
    "OPS-1",
    "tensors is an array",
    lambda m: first(m)["operations"].append({"op": "later", "tensors": ["a"]}),
)


def operands(dtype_a, shape_a, dtype_b, shape_b, **keys):
    """A change: add_low_rank of two operands of these types and shapes, all zeros."""

    def data(dtype, shape):
        count = 1
        for size in shape:
            count *= size
        return bytes(count * DTYPES[dtype][0] // 8)

    def change(m):
        streams = [Stream(dtype_a, [("a", shape_a, data(dtype_a, shape_a))])]
        streams.append(Stream(dtype_b, [("b", shape_b, data(dtype_b, shape_b))]))
        return manifest_of(*streams, method="lora", operations=[low_rank(**keys)])

    return change


manifest_case("low_rank_rank", "LOW-1", "a and b do not agree in r", operands("F32", [1, 2], "F32", [2, 2]))
manifest_case("low_rank_a_vector", "LOW-1", "a is a vector", operands("F32", [2], "F32", [2, 1]))
manifest_case("low_rank_b_cube", "LOW-1", "b has three dimensions", operands("F32", [1, 2], "F32", [2, 1, 1]))
manifest_case("low_rank_integer", "LOW-1", "a is of type I32", operands("I32", [1, 2], "F32", [2, 1]))
manifest_case("low_rank_f8", "LOW-1", "b is of type F8_E4M3", operands("F32", [1, 2], "F8_E4M3", [2, 1]))
manifest_case("low_rank_complex", "LOW-1", "a and b are of type C64", operands("C64", [1, 2], "C64", [2, 1]))
manifest_case(
    "low_rank_exchanged", "LOW-1", "a and b are exchanged, so that r is 2 and 3", operands("F32", [2, 1], "F32", [1, 3])
)
manifest_case(
    "low_rank_window",
    "LOW-1",
    "the window of a does not agree with b in r",
    lambda m: roles_of(m).update(b={"tensor": "b", "window": [[0, 2], [0, 0]]}),
)
manifest_case("low_rank_shape", "LOW-2", "shape is none that the operands give", put(operation_of, "shape", [2, 3]))
manifest_case(
    "low_rank_shape_in_out",
    "LOW-2",
    "shape is [out, in] where layout is in_out",
    operands("F32", [1, 2], "F32", [3, 1], layout="in_out", shape=[3, 2]),
)
manifest_case(
    "low_rank_shape_out_in",
    "LOW-2",
    "shape is [in, out] where layout is out_in",
    operands("F32", [1, 2], "F32", [3, 1], layout="out_in", shape=[2, 3]),
)
manifest_case("low_rank_shape_rank", "LOW-2", "shape has a third dimension", put(operation_of, "shape", [2, 2, 1]))
manifest_case(
    "missing_role_a",
    "LOW-1",
    "a low-rank operation without a",
    lambda m: (roles_of(m).pop("a"), put(first, "inert", inert_of("a"))(m)),
)
manifest_case(
    "missing_role_b",
    "LOW-1",
    "a low-rank operation without b",
    lambda m: (roles_of(m).pop("b"), put(first, "inert", inert_of("b"))(m)),
)


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
    for path, (broken, maker) in sorted(INVALID.items()):
        m = example_manifest()
        result = maker(m)
        result = m if result is None else result
        made[f"invalid/{path}.adp"] = bytes(result) if isinstance(result, bytes) else pack(result)
        rules.append(f"{path}.adp\t{','.join(broken)}\t{maker.__doc__}")
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
