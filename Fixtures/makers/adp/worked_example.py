"""The block of section 12 of Spec/adp-v1.md: valid/example.adp, byte by byte."""

from makers.adp.files import pack, text_of
from makers.adp.frames import head
from makers.adp.manifests import stream_of


def rows_of_hex(data, start, end, comment):
    for at in range(start, end, 16):
        cells = data[at : min(at + 16, end)].hex(" ").upper()
        yield f"{at:04X}  {cells:<47}  ; {comment}".rstrip(" ;")
        comment = ""


def example_text(m):
    """The block of section 12."""
    data, text, row, out = pack(m), text_of(m), stream_of(m).frames[0], []
    out += rows_of_hex(data, 0, 16, "header: magic, major version 1, revision 1, reserved")
    at = 16
    for index, part in enumerate(row):
        how = "RLE block" if part[len(head(4))] & 2 else "raw block"
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
