"""The payload against its checksums and digests (section 6): STR-5 and STR-7."""

import hashlib
import struct
import zlib

from makers.adp.changes import PLANE, append, both, flipped, frames_of, put, row_of, sealed_after, tensor_of
from makers.adp.files import payload_of
from makers.adp.frames import frame
from makers.adp.manifests import adapter, first, manifest_of, stream_of
from makers.adp.registry import case, manifest_case
from makers.adp.streams import Stream, f32, sha256, split, u8


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
case("checksum/payload_frame_broken", "STR-5", broken, put(frames_of, 3, bytes(16)))
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


def opaque_bit(m):
    m = manifest_of(Stream("F32", [("t", [1], b"?")], 1024, [[b"12345"]]).opaque(code="later"))
    frames_of(m)[0] = b"12344"
    return m


of_opaque = "one bit of an opaque stream differs: who checks the whole file checks its CRCs"
case("checksum/opaque_bit", "STR-5 STR-8", of_opaque, opaque_bit)


def two_streams(m):
    """The digest of the first stream's tensor is wrong, and the CRC of the second's only chunk."""
    m = manifest_of(u8(1), u8(2, name="u"))
    put(tensor_of, "sha256", "0" * 64)(m)
    first(m)["streams"][1]["chunks"][0][-1] ^= 1
    return m


# Two breaches each, of which one is met before the other (section 11).
by_streams = "a wrong digest of a tensor, and a wrong CRC in the next stream: the payload is read stream by stream"
case("tensor/before_checksum", "STR-7", by_streams, two_streams)
then_nonfinite = "a wrong digest of a tensor, and a nonfinite that lists too much, which is met after the payload"
case("tensor/before_nonfinite", "STR-7", then_nonfinite, both(wrong_digit, put(first, "nonfinite", ["b"])))
manifest_first = "a tensor that nothing names, and a wrong CRC: the manifest comes before the payload"
unnamed = both(append(first, "streams", u8(1)), put(row_of, -1, 0))
manifest_case("before_checksum", "MAN-4", manifest_first, unnamed)
