"""Streams of tensors, cut into chunks and planes (section 6)."""

import hashlib
import struct
import zlib

from makers.adp.frames import frame

# Element type: bits, bytes of a unit, rotated; in the order of the table in 6.1.
DTYPES = {"BOOL": (8, 1, False), "F4": (4, 1, False), "F6_E2M3": (6, 1, False), "F6_E3M2": (6, 1, False)}
DTYPES |= dict.fromkeys(["U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"], (8, 1, False))
DTYPES |= dict.fromkeys(["I16", "U16"], (16, 2, False)) | dict.fromkeys(["F16", "BF16"], (16, 2, True))
DTYPES |= dict.fromkeys(["I32", "U32"], (32, 4, False)) | {"F32": (32, 4, True), "C64": (64, 4, True)}
DTYPES |= {"F64": (64, 8, True), "I64": (64, 8, False), "U64": (64, 8, False)}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


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
        # What conformance.json says of the tensors; nothing where the stream is opaque.
        self.expected = [{"name": t["name"], "dtype": dtype, **t} for t in self["tensors"]]
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


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


FORMATS = {"F32": "f", "F64": "d", "I8": "b", "I32": "i", "I64": "q", "U8": "B", "U16": "H", "U32": "I", "U64": "Q"}


def numbers(dtype, count):
    """The bytes of 1, 2, 3, …; of 0, 1, 2, … where they are integers."""
    if dtype == "BF16":
        return b"".join(f32(value + 1)[2:] for value in range(count))
    return struct.pack(f"<{count}{FORMATS[dtype]}", *range(*(0, count) if dtype[0] in "IU" else (1, count + 1)))


def u8(*data, name="t", shape=None, chunk=1024):
    """A stream of one tensor of bytes."""
    data = bytes(data)
    return Stream("U8", [(name, [len(data)] if shape is None else shape, data)], chunk)
