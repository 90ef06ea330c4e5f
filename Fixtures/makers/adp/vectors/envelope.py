"""Header and footer (section 2): ENV."""

import hashlib
import struct

from makers.adp.changes import flipped
from makers.adp.files import HEADER, TAIL, pack, payload_of, seal, sealed, text_of
from makers.adp.frames import BLOCK, ZSTD, block, blocks, frame, head, longest, padded
from makers.adp.manifests import stream_of
from makers.adp.registry import case, manifest_frame, valid


def spaced(manifest, decoded):
    """The file whose manifest is made `decoded` bytes long by spaces at its end."""
    text = text_of(manifest)
    stored = head(decoded) + block(0, len(text), text)
    text, left = text.ljust(decoded), decoded - len(text)
    while left:
        size = min(left, BLOCK)
        left -= size
        stored += block(1, size, b" ", left == 0)
    return sealed(manifest, stored, text)


def longest_text(manifest):
    """The largest length of a manifest's text that LIM-1 allows for the file that it makes."""
    decoded = 2**20
    while decoded != 2**20 + 8 * len(spaced(manifest, decoded)):
        decoded = 2**20 + 8 * len(spaced(manifest, decoded))
    return decoded


def roundabout(manifest, decoded, more=0):
    """The file whose manifest, of so many bytes, is stored in as many as FRM-4 allows, or more."""
    text = text_of(manifest).ljust(decoded)
    return sealed(manifest, padded(text, longest(decoded) + more), text)


@valid
def manifest_longest(m):
    """a manifest of exactly 1 MiB + 8 times the file's length, by means of spaces (LIM-1)"""
    return spaced(m, longest_text(m))


@valid
def manifest_frame_longest(m):
    """a manifest frame exactly as long as FRM-4 allows, by means of empty blocks, of a text of 2,047 bytes"""
    return roundabout(m, 2047)


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
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 653\n"
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
reserved = HEADER[:10] + b"\x01" + HEADER[11:]
header_case("version/header_reserved_first", "ENV-2", "the first reserved byte is 1", reserved)
for revision in (0, 2, 255):
    header = HEADER[:9] + bytes([revision]) + HEADER[10:]
    header_case(f"version/header_revision_{revision}", "ENV-2", f"revision {revision}, and otherwise whole", header)
backwards = "the bytes of the file in reverse, which begin with the magic"
case("version/header_reversed", "ENV-2", backwards, lambda m: pack(m)[::-1])
swapped = "the major version as a big-endian number of eight bytes"
header_case("version/header_big_endian", "ENV-2", swapped, HEADER[:8] + bytes(7) + b"\x01")
short_2 = "nine bytes: the magic and major version 2 (the header is judged before the length)"
bytes_case("version/header_major_2_short", "ENV-2", short_2, HEADER[:8] + b"\x02")
short_0 = "ten bytes: the magic, major version 1 and revision 0"
bytes_case("version/header_revision_0_short", "ENV-2", short_0, HEADER[:9] + b"\0")


def of_a_draft(m):
    """The example as the drafts of revision 0 had it: short content sizes, and a digest that leaves the text out."""
    row = [ZSTD + bytes([0x20, 4]) + part[len(head(4)) :] for part in stream_of(m).frames[0]]
    stream_of(m).frames = [row]
    stream_of(m).seal()
    m["adapters"][0]["operations"][0]["layout_from"] = "name"
    text = text_of(m)
    stored = ZSTD + struct.pack("<BH", 0x60, len(text) - 256) + blocks(text)
    return seal(b"".join(row), stored, text, header=HEADER[:9] + bytes(7), signed=b"")


case("version/draft", "ENV-2", "a whole file of a draft, of revision 0", of_a_draft)
bytes_case("truncated/length_0", "ENV-3", "an empty file", b"")
bytes_case("truncated/length_5", "ENV-3", "five bytes of the magic", HEADER[:5])
bytes_case("truncated/length_9", "ENV-3", "the magic and the major version", HEADER[:9])
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
case("footer/decoded_0", "ENV-6", "a manifest of no bytes", lambda m: seal(payload_of(m), frame(b""), b""))
case("footer/decoded_1", "ENV-6", "a manifest of one byte", lambda m: seal(payload_of(m), frame(b"1"), b"1"))
one_longer = "a manifest one byte longer than 1 MiB + 8 times the file's length, which would decode"
case("limit/manifest_too_long", "ENV-6 LIM-1", one_longer, lambda m: spaced(m, longest_text(m) + 1))
manifest_frame("limit/manifest_huge", "ENV-6 LIM-1", "decoded 2^64 - 1", frame, lambda t: 2**64 - 1)
manifest_frame("limit/manifest_times_eight_wraps", "ENV-6 LIM-1", "decoded 2^63 + 2", frame, lambda t: 2**63 + 2)

manifest_frame(
    "frame/manifest_long",
    "ENV-8 FRM-4",
    "a manifest frame of 2,000 empty blocks more than its text needs",
    lambda t: head(len(t)) + block(0, 0, b"") * 2000 + block(0, len(t), t, True),
)
for decoded in (1023, 2047):
    one_more = f"a manifest frame one byte longer than FRM-4 allows, of a text of {decoded:,} bytes"
    one_more_stored = lambda m, decoded=decoded: roundabout(m, decoded, 1)
    case(f"frame/manifest_longer_{decoded}", "ENV-8 FRM-4", one_more, one_more_stored)

scale_bit = "one bit of the manifest's text differs: a scale of 4.5 for 0.5"
case("digest/manifest_bit", "ENV-7", scale_bit, lambda m: pack(m).replace(b'"scale":0.5', b'"scale":4.5'))
case("digest/digest_bit", "ENV-7", "the last bit of the digest differs", lambda m: flipped(pack(m), -9))
case("digest/digest_zeros", "ENV-7", "the digest is all zeros", lambda m: pack(m)[:-40] + bytes(32) + TAIL)


def digest_case(name, description, part):
    """The digest is that of a function of the parts that it covers: header, frame, footer, text and the payload."""

    def change(m):
        data, text, payload = pack(m), text_of(m), payload_of(m)
        digest = hashlib.sha256(part(HEADER, frame(text), data[-64:-40], text, payload)).digest()
        return data[:-40] + digest + TAIL

    case(f"digest/{name}", "ENV-7", description, change)


digest_case("without_text", "the digest leaves the text out", lambda h, f, e, t, p: h + f + e)
digest_case("without_frame", "the digest leaves the frame out", lambda h, f, e, t, p: h + e + t)
digest_case("without_header", "the digest leaves the header out", lambda h, f, e, t, p: f + e + t)
digest_case("without_footer", "the digest leaves the footer out", lambda h, f, e, t, p: h + f + t)
digest_case("of_text", "the digest is that of the text alone", lambda h, f, e, t, p: t)
digest_case("of_everything", "the digest covers the payload, too", lambda h, f, e, t, p: h + p + f + e + t)
digest_case("text_first", "the digest has the text before the frame", lambda h, f, e, t, p: h + t + f + e)
digest_case("text_twice", "the digest has the text in place of the frame, too", lambda h, f, e, t, p: h + t + e + t)
digest_case("whole_footer", "the digest covers the footer's end, too", lambda h, f, e, t, p: h + f + e + t + TAIL)


def stored_otherwise(m):
    """The text in two blocks, under the digest of a frame of as many bytes."""
    text = text_of(m)
    signed = padded(text, longest(len(text)))
    first, rest = block(0, 9, text[:9]), padded(text[9:], len(signed) - 12)
    other = head(len(text)) + first + rest[len(head(0)) :]
    return seal(payload_of(m), signed, text).replace(signed, other)


stored_alike = "the same text, of the right digest, in another frame of the same length"
case("digest/frame_other", "ENV-7", stored_alike, stored_otherwise)
before_text = "a text that is no JSON, under the digest of another: nothing of the text is used before"
case("digest/before_text", "ENV-7", before_text, lambda m: seal(payload_of(m), frame(b"{" * 99), b"[" * 99))
