"""Streams and their tensors (section 6): STR-1 to STR-4 and LIM-2."""

import hashlib
import struct

from makers.adp.changes import PLANE, drop, enlarge, frames_of, put, row_of, sealed_after, with_frame
from makers.adp.files import pack
from makers.adp.frames import frame
from makers.adp.manifests import SAFE, manifest_of, stream_of
from makers.adp.registry import case, manifest_case, valid
from makers.adp.streams import DTYPES, Stream, f32, sha256, u8


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
def values(m):
    """bit patterns to be kept: NaN payloads, signalling NaNs, negative zeros, subnormals; booleans other than 0 and 1"""
    f16 = bytes.fromhex("0080 017C 00FE 00FC 0100 FFFF")
    single = bytes.fromhex("00000080 0100807F 000000FF 010000FF FFFFFFFF 01000000")
    double = bytes.fromhex("0000000000000080 010000000000F07F 010000000000F8FF FFFFFFFFFFFFFFFF")
    streams = [Stream("F16", [("f16", [6], f16)]), Stream("F32", [("f32", [6], single)])]
    streams += [Stream("F64", [("f64", [4], double)]), Stream("C64", [("c64", [3], single)])]
    return manifest_of(*streams, Stream("BOOL", [("bool", [4], b"\x00\x01\x02\xff")]))


@valid
def chunks_wide(m):
    """streams of 8 planes, of 4 whose elements are two units, and of 2, each cut within a tensor"""
    bits = hashlib.shake_128(b"wide").digest(3 * 1025 * 8)
    f64 = [("f64.a", [1000], bits[:8000]), ("f64.b", [25], bits[8000:8200])]
    c64 = [("c64.a", [513], bits[8200:12304]), ("c64.b", [511, 2], bits[12304:20480])]
    return manifest_of(Stream("F64", f64), Stream("C64", c64), Stream("BF16", [("bf16", [1025], bits[:2050])]))


def shape_case(path, rules, description, shape, dtype="U8", data=b""):
    case(path, rules, description, lambda m: manifest_of(Stream(dtype, [("t", shape, data)])))


def row_case(name, rule, description, tensor, frames, dtype="U8"):
    case(f"manifest/{name}", rule, description, lambda m: manifest_of(Stream(dtype, [tensor], 1024, frames)))


for value in (512, 0, 1, 1536, 2**21, 2**20 + 1, 2**32):
    manifest_case(f"chunk_{value}", "STR-1", f"chunk is {value}", put(stream_of, "chunk", value))

wrapped = "dimensions whose product wraps at 2^64, and a zero"
after_zero = "a zero before dimensions whose product is too large"
zero_2_53 = "non-zero dimensions whose product is 2^53, and a zero"
shape_case("manifest/shape_dimensions_9", "STR-2 LIM-3", "a shape of nine dimensions", [1] * 9, data=b"\1")
shape_case("manifest/shape_product", "STR-2 LIM-4", zero_2_53, [2**52, 2, 0])
shape_case("manifest/shape_product_wraps", "STR-2 LIM-4", wrapped, [2**32, 2**32, 0])
shape_case("manifest/shape_product_wraps_after_zero", "STR-2 LIM-4", after_zero, [0, 2**40, 2**40], "F64")
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


def restored_after(m):
    m = restored_too_much(m)
    row_of(m)[-1] ^= 1
    return m


before = "the same, and a wrong CRC-32 of the first chunk: LIM-2 comes before the payload"
case("limit/restored_before_checksum", "LIM-2", before, restored_after)

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

no_last = "a row without the last plane's size, whose frame is gone"
manifest_case("row_short", "STR-4", no_last, sealed_after(drop(frames_of, -1)))
fifth = sealed_after(lambda m: frames_of(m).append(frame(PLANE)))
manifest_case("row_long", "STR-4", "a row with a fifth plane", fifth)
manifest_case("row_no_crc", "STR-4", "a row without a CRC-32", drop(row_of, -1))
manifest_case("row_empty", "STR-4", "an empty row", put(stream_of, "chunks", [[]]))
manifest_case("row_size_0", "STR-4", "a frame's size is 0", with_frame(b""))
manifest_case("row_crc_2_32", "STR-4", "a CRC-32 that is too large by 2^32", enlarge(row_of, -1, by=2**32))
