"""Zstandard frames put together by hand, so that no byte depends on a compressor (section 3 of the specification)."""

import struct

ZSTD = bytes.fromhex("28 B5 2F FD")
BLOCK = 128 * 1024


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
    return ZSTD + struct.pack("<BI", 0xA0, n)


def frame(data):
    return head(len(data)) + blocks(data)


def longest(n):
    """The largest length of a frame of n bytes (FRM-4)."""
    return n + n // 1024 + 64


def padded(data, length):
    """A frame of so many bytes, by means of empty blocks before the data."""
    last = block(0, len(data), data, True)
    left = length - len(head(len(data))) - len(last)
    empty = block(1, 0, b"z") * (left % 3) + block(0, 0, b"") * ((left - 4 * (left % 3)) // 3)
    assert len(empty) == left
    return head(len(data)) + empty + last


# The modes of a block's tables: each of a single symbol, given here; those of the block before.
TABLES, AGAIN = b"\x54\x0c\x03\x00", b"\xfc"


def matched(count, byte, tables, bits):
    """A compressed block: the byte `count` times, as literals, and a match of 3 from behind; its offset is in `bits`."""
    return bytes([count << 3 | 1]) + byte + b"\1" + tables + bytes([bits])
