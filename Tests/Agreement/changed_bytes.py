"""Changes of the manifest's text, of frames, payload and envelope. See mutations.py."""

import zlib

import zstandard
from makers.adp.frames import block, blocks, frame, head
from mutations import change
from tree import Raw, member

# The manifest's text


@change("text", 3)
def other_characters(draw, opened):
    text = opened.text
    at = draw.randrange(len(text) + 1)
    pieces = [
        b" ",
        b"\n\t\r ",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\xff",
        b"\\u0041",
        b"\\ud800",
        b"\\ud83d\\ude00",
        b",",
        b"}",
        b"0",
        b'"',
        b"\xc0\x80",
    ]
    how = draw.choice(["inserted", "cut", "changed", "appended", "before"])
    if how == "cut":
        opened.text = text[:at] + text[at + 1 :]
    elif how == "changed":
        opened.text = text[:at] + bytes([draw.randrange(32, 127)]) + text[at + 1 :]
    else:
        at = {"appended": len(text), "before": 0}.get(how, at)
        opened.text = text[:at] + draw.choice(pieces) + text[at:]


@change("text", 1)
def other_depth(draw, opened):
    depth = draw.choice([14, 15, 16, 17, 200, 100_000])
    opened.text = opened.text.rstrip()[:-1] + b',"later":' + b"[" * depth + b"]" * depth + b"}"


# Frames


@change("frames", 3)
def other_manifest_frame(draw, opened):
    opened.stored = lambda text: other_frame(draw, text, frame(text))


def other_frame(draw, content, stored):
    """The frame of a content in another way, a sound one or not."""
    n, room = len(content), len(content) // 1024 + 64 + len(content)
    cut = draw.randint(0, n)
    raw = [block(0, cut, content[:cut]), block(0, n - cut, content[cut:], True)]
    padding = (room - 9 - 3 - n) // 3
    ways = {
        "two blocks": head(n) + raw[0] + raw[1],
        "an empty block at the end": head(n) + block(0, n, content) + block(0, 0, b"", True),
        "as long as it may be": head(n) + block(0, 0, b"") * padding + block(0, n, content, True),
        "too long": head(n) + block(0, 0, b"") * (padding + 1) + block(0, n, content, True),
        "another size": head(max(n + draw.choice([-1, 1]), 0)) + blocks(content),
        "no last block": head(n) + block(0, n, content),
        "a byte more": stored + b"\0",
        "a byte less": stored[:-1],
        "a frame more": stored + stored,
        "a reserved block": head(n) + block(3, n, content, True),
        "a short header": b"\x28\xb5\x2f\xfd\x20" + bytes([n % 256]) + stored[9:],
        "compressed": compressed(content),
        "a checksum": stored[:4] + b"\xa4" + stored[5:] + b"\0\0\0\0",
        "a bit": flipped(draw, stored),
    }
    return ways[draw.choice([*ways])]


def compressed(content):
    """By libzstd, with the header of FRM-1."""
    stored = zstandard.ZstdCompressor(level=19, write_content_size=True).compress(content)
    parameters = zstandard.frame_header_size(stored)
    return head(len(content)) + stored[parameters:]


def flipped(draw, data):
    if not data:
        return data
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


@change("frames", 4)
def other_payload_frame(draw, opened):
    """A plane's frame in another way, or with other content; its size and the checksum are mended, mostly."""
    opened.text = None
    rows = [each for each in opened.rows() if member(each[2], "code") == "planes"]
    if not rows:
        return
    row, at, _ = draw.choice(rows)
    sizes = [int(size) for size in row[:-1]]
    plane = draw.randrange(len(sizes))
    start = at + sum(sizes[:plane])
    stored = opened.payload[start : start + sizes[plane]]
    try:
        content = zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError:
        return
    stored = frame(flipped(draw, content)) if draw.chance(0.3) else other_frame(draw, content, stored)
    opened.payload = opened.payload[:start] + stored + opened.payload[start + sizes[plane] :]
    row[plane] = Raw(len(stored))
    if draw.chance(0.9):
        sizes[plane] = len(stored)
        row[-1] = Raw(zlib.crc32(opened.payload[at : at + sum(sizes)]))


@change("payload", 2)
def other_payload(draw, opened):
    """A bit, or bytes at an end, of the payload."""
    how = draw.choice(["bit", "more", "less", "first"])
    if how == "bit":
        opened.payload = flipped(draw, opened.payload)
    elif how == "more":
        opened.payload += b"\0"
    else:
        opened.payload = opened.payload[:-1] if how == "less" else opened.payload[1:]


# The envelope


@change("envelope", 2)
def other_footer(draw, opened):
    size = len(opened.text)
    lies = [
        {"decoded": size + 1},
        {"decoded": size - 1},
        {"decoded": 1},
        {"decoded": 0},
        {"decoded": 2**63},
        {"offset": 15},
    ]
    lies += [{"offset": 2**64 - 1}, {"size": 0}, {"size": 2**64 - 8}, {"signed": b""}, {"tail": b"\x89ADP\r\n\x1a\n"}]
    opened.lies = draw.choice(lies)


@change("envelope", 2)
def other_bytes(draw, opened):
    """A bit anywhere, or another length."""
    data = opened.sealed()
    how = draw.choice(["bit", "bit", "header", "footer", "cut", "appended"])
    if how in ("bit", "header", "footer"):
        at = {
            "bit": draw.randrange(len(data)),
            "header": draw.randrange(16),
            "footer": len(data) - draw.randint(1, 64),
        }[how]
        opened.whole = data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    else:
        opened.whole = (
            data[: draw.choice([0, 1, 8, 15, 16, 79, 80, len(data) - 1, draw.randrange(len(data))])]
            if how == "cut"
            else data + b"\0"
        )
