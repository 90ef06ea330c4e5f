"""Frames (section 3): FRM, STR-6 and, of the manifest, ENV-8."""

import hashlib
import struct

from makers.adp.changes import PLANE, row_of, with_frame
from makers.adp.files import payload_of, seal, text_of
from makers.adp.frames import AGAIN, BLOCK, TABLES, ZSTD, block, blocks, frame, head, longest, matched, padded
from makers.adp.manifests import manifest_of, stream_of
from makers.adp.registry import case, manifest_frame, valid
from makers.adp.streams import Stream, u8


@valid
def frame_sizes(m):
    """frames of 1 to 65,793 bytes, about the sizes where compressors choose another header than that of FRM-1"""
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
    """frames exactly as long as FRM-4 allows, by means of empty blocks: of 1 byte, 1,023, 1,024 and 4,095"""
    return manifest_of(*[one_frame(n, longest(n)) for n in (1, 1023, 1024, 4095)])


def one_frame(n, length, chunk=4096):
    """A stream of one tensor of n bytes, whose frame has a length."""
    data = hashlib.shake_128(b"longest").digest(n)
    return Stream("U8", [(f"t{n}", [n], data)], chunk, [[padded(data, length)]])


@valid
def frame_million(m):
    """a chunk of 2^20 units in one frame of eight blocks, and one of the rest"""
    return manifest_of(u8(*bytes(2**20 + 5), chunk=2**20))


@valid
def frame_matches(m):
    """compressed blocks with a match: one to the first byte of the frame, one with the tables of the block before"""
    whole = block(2, 8, matched(12, b"e", TABLES, 9), True)
    twice = block(2, 8, matched(12, b"e", TABLES, 9)) + block(2, 5, matched(12, b"f", AGAIN, 9), True)
    streams = [Stream("U8", [("one", [15], b"e" * 15)], 1024, [[head(15) + whole]])]
    return manifest_of(*streams, Stream("U8", [("two", [30], b"e" * 15 + b"f" * 15)], 1024, [[head(30) + twice]]))


# The low four bytes of XXH64 of what the two frames with checksums hold.
XXH64 = {"manifest": bytes.fromhex("45231259"), "plane": bytes.fromhex("9d464314")}

SKIPPABLE = bytes.fromhex("50 2A 4D 18")


def manifest_frame_case(name, rules, description, stored, decoded=len):
    manifest_frame(f"frame/manifest_{name}", rules, description, stored, decoded)


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
    return seal(b"", ZSTD + struct.pack("<BI", 0xA4, len(text)) + blocks(text) + XXH64["manifest"], text)


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
    ("windowed", "FRM-1", "the manifest frame has a window descriptor", lambda t: ZSTD + b"\x80\0" + frame(t)[5:]),
    ("dictionary_id", "FRM-1", "the manifest frame names a dictionary", lambda t: ZSTD + b"\xa1\0" + frame(t)[5:]),
    ("size_absent", "FRM-1", "the manifest frame has no content size", lambda t: ZSTD + b"\0\0" + blocks(t)),
    (
        "size_two",
        "FRM-1",
        "the manifest frame's content size has two bytes, as compressors choose it",
        lambda t: ZSTD + struct.pack("<BH", 0x60, len(t) - 256) + blocks(t),
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
    return seal(payload, frame(text), text, offset=16 + len(payload) - by, size=by + len(frame(text)))


frame_case("magic_wrong", "FRM-1", "a frame's magic is wrong", b"\x29" + frame(PLANE)[1:])
frame_case("magic_legacy", "FRM-1", "a frame's magic is that of Zstandard 0.7", b"\x27" + frame(PLANE)[1:])
frame_case("magicless", "FRM-1", "a frame without magic", frame(PLANE)[4:])
frame_case("skippable", "FRM-1", "a skippable frame before the frame", SKIPPABLE + bytes(4) + frame(PLANE))
plane_skipped = "a skippable frame with the plane's bytes in place of the frame"
frame_case("skippable_only", "FRM-1", plane_skipped, SKIPPABLE + b"\4\0\0\0" + PLANE)
right_checksum = "a frame with the content checksum flag and the right checksum"
frame_case("checksum_flag", "FRM-1", right_checksum, ZSTD + b"\xa4\4\0\0\0" + blocks(PLANE) + XXH64["plane"])
no_dictionary = "a frame with a dictionary identifier of one byte, 0: no dictionary"
frame_case("dictionary_id", "FRM-1", no_dictionary, ZSTD + b"\xa1\0\4\0\0\0" + blocks(PLANE))
four_dictionary = "a frame with a dictionary identifier of four bytes"
frame_case("dictionary_id_four", "FRM-1", four_dictionary, ZSTD + b"\xa3\1\0\0\0\4\0\0\0" + blocks(PLANE))
window_and_size = "a frame with a window descriptor and a content size, not of a single segment"
octets = bytes(range(256))
frame_case("windowed", "FRM-1", window_and_size, ZSTD + b"\x80\0\4\0\0\0" + blocks(PLANE))
window_alone = "a frame with a window descriptor and no content size"
frame_case("size_absent", "FRM-1", window_alone, ZSTD + b"\x00\x00" + blocks(PLANE))
as_chosen = "as compressors choose it"
frame_case("size_one", "FRM-1", f"a content size of one byte, {as_chosen}", ZSTD + b"\x20\4" + blocks(PLANE))
for n in (256, 65791):
    data = bytes(n)
    two = ZSTD + struct.pack("<BH", 0x60, n - 256) + blocks(data)
    long_frame_case(f"size_two_{n}", "FRM-1", f"a content size of two bytes for {n:,}, {as_chosen}", data, 2**17, two)
frame_case("size_eight", "FRM-1", "a content size of eight bytes", ZSTD + b"\xe0\4" + bytes(7) + blocks(PLANE))
frame_case("size_big_endian", "FRM-1", "the content size is big-endian", ZSTD + b"\xa0\0\0\0\4" + blocks(PLANE))
reserved_bit = "the reserved bit of the frame header descriptor is set"
frame_case("descriptor_reserved", "FRM-1", reserved_bit, ZSTD + b"\xa8\4\0\0\0" + blocks(PLANE))
unused_bit = "the unused bit of the frame header descriptor is set"
frame_case("descriptor_unused", "FRM-1", unused_bit, ZSTD + b"\xb0\4\0\0\0" + blocks(PLANE))
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
for n in (1, 1023, 1024, 4095):
    longer = f"empty blocks make a frame of {n:,} bytes one byte longer than FRM-4 allows"
    case(f"frame/longer_{n}", "FRM-4", longer, lambda m, n=n: manifest_of(one_frame(n, longest(n) + 1)))


def longer_after_checksum(m):
    m = manifest_of(u8(1, 2, 3), one_frame(1, longest(1) + 1))
    row_of(m)[-1] = 0
    return m


before = "a wrong CRC-32, and in the next stream a frame that is too long, which is met before any frame is read"
case("frame/longer_before_checksum", "FRM-4", before, longer_after_checksum)
frame_case("plane_empty", "STR-6", "a frame of no bytes for a plane of four", frame(b""))
frame_case("plane_short", "STR-6", "a frame of three bytes for a plane of four", frame(PLANE[:3]))
frame_case("plane_long", "STR-6", "a frame of five bytes for a plane of four", frame(PLANE + b"\0"))
uneven = hashlib.shake_128(b"uneven").digest(1100)
cuts = [[frame(uneven[:1000])], [frame(uneven[1000:])]]
in_1000 = manifest_of(Stream("U8", [("t", [1100], uneven)], 1024, cuts))
case("frame/chunks_uneven", "STR-6", "two chunks of 1,024 and 76 units are cut as 1,000 and 100", lambda m: in_1000)
