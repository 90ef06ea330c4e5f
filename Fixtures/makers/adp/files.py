"""The envelope: a file of a payload and a manifest (section 2)."""

import hashlib
import json
import struct

from makers.adp.frames import frame
from makers.adp.streams import Stream

HEADER = bytes.fromhex("89 41 44 50 0D 0A 1A 0A 01 01 00 00 00 00 00 00")
TAIL = HEADER[7::-1]


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


def seal(payload, stored, text, header=HEADER, offset=None, size=None, decoded=None, signed=None, tail=TAIL):
    """A file of a payload and a stored manifest with its text; `offset`, `size` and `decoded` are lies of the footer,
    `signed` is what the digest covers in place of the text."""
    at = 16 + len(payload)
    truth = zip((offset, size, decoded), (at, len(stored), len(text)))
    place = struct.pack("<QQQ", *[right if lie is None else lie for lie, right in truth])
    at = at if offset is None else min(at, offset)
    body = header + payload + stored
    digest = hashlib.sha256(header + body[at:] + place + (text if signed is None else signed)).digest()
    return body + place + digest + tail


def pack(manifest, text=None, **lies):
    text = text_of(manifest) if text is None else text
    return sealed(manifest, frame(text), text, **lies)


def sealed(manifest, stored, text, **lies):
    file = File(seal(payload_of(manifest), stored, text, **lies))
    file.manifest = manifest
    return file


def edited(manifest, old, new):
    """The file with `new` in place of `old` in the manifest's text."""
    text = text_of(manifest)
    old, new = [part if isinstance(part, bytes) else part.encode() for part in (old, new)]
    assert text.count(old) == 1, (text.count(old), old)
    return pack(manifest, text.replace(old, new))
