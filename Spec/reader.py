"""Reads and checks `.adp` files as a reader of level 1 does (adp-v1.md, section 10); an error names kind and rule.

Usage: reader.py check FILE...
       reader.py list FILE
       reader.py extract FILE FOLDER
"""

import io
import json
import pathlib
import struct
import sys
import zlib

import numpy
import zstandard

import operations  # the sections of the core operations: every other one is opaque
from rules import UNIT_BYTES, AdpError, longest, manifest_rules, need, parse, sha256, table_digest
from sections import section_rules

HEADER = b"\x89ADP\r\n\x1a\n\1\1\0\0\0\0\0\0"
# The bits of the exponent in a unit, of the types that are rotated (section 6.1).
EXPONENT = {"F16": 31 << 10, "BF16": 255 << 7, "F32": 255 << 23, "C64": 255 << 23, "F64": 2047 << 52}


def envelope(data):
    """Section 2: the manifest's text, and the place where its frame begins."""
    end = len(data) - 64
    need(HEADER[:8].startswith(data[:8]), "ENV-1", "not-adp")
    need(HEADER.startswith(data[:16]), "ENV-2", "version")
    need(end >= 16 and data[-8:] == HEADER[7::-1], "ENV-3 or ENV-4", "truncated")
    offset, stored, decoded, digest = struct.unpack("<QQQ32s", data[end:-8])
    need(offset >= 16 and offset + stored == end and decoded >= 2, "ENV-5 or ENV-6", "footer")
    need(decoded <= min(2**27, 2**20 + 8 * len(data)), "LIM-1", "limit")
    need(stored <= longest(decoded), "FRM-4", "frame")
    text = frame(data[offset:end], decoded)
    need(sha256(HEADER + data[offset : end + 24] + text) == digest.hex(), "ENV-7", "digest")
    return text, offset


def frame(data, n):
    """Section 3: the n bytes of a frame."""
    need(data.startswith(b"\x28\xB5\x2F\xFD\xA0" + struct.pack("<I", n)), "FRM-1", "frame")
    at, is_last = 9, False
    while not is_last:
        block = int.from_bytes(data[at : at + 3], "little")
        is_last, kind, size = block & 1, block >> 1 & 3, block >> 3
        at += 3 + (1 if kind == 1 else size)
        need(at <= len(data) and kind != 3 and size <= min(n, 2**17), "FRM-2", "frame")
    need(at == len(data), "FRM-2", "frame")
    try:
        return zstandard.ZstdDecompressor().decompress(data)  # fails unless these are n bytes
    except zstandard.ZstdError:
        raise AdpError("frame", "FRM-3")


def restore_chunk(stream, row, n, payload):
    """Section 6: the bytes of a chunk of n units; none of an opaque stream, whose checksum is checked all the same."""
    *sizes, crc = row
    frames = [payload.read(size) for size in sizes]
    need(zlib.crc32(b"".join(frames)) == crc, "STR-5", "checksum")
    if stream.opaque:
        return b""
    planes = [numpy.frombuffer(frame(part, n), "u1") for part in frames]
    units = numpy.stack(planes, axis=1).view(f"<u{len(sizes)}")
    if stream.dtype in EXPONENT:
        units = units >> 1 | units << 8 * len(sizes) - 1
    return units.tobytes()


def restore(stream, payload):
    """Section 6: gives the tensors of a stream their `data`, and `nonfinite` where they hold a NaN or an infinity."""
    chunks = [restore_chunk(stream, row, n, payload) for row, n in zip(stream.chunks, stream.counts)]
    data = io.BytesIO(b"".join(chunks))
    exponent = EXPONENT.get(stream.dtype)
    for tensor in stream.tensors:
        tensor.data = data.read(tensor.size)
        need(tensor.opaque or sha256(tensor.data) == tensor.sha256, "STR-7", "tensor")
        units = numpy.frombuffer(tensor.data, f"<u{UNIT_BYTES.get(tensor.dtype, 1)}")
        tensor.nonfinite = exponent is not None and bool((units & exponent == exponent).any())


def read(data):
    """The adapters of a file. Their tensors have got `dtype`, `opaque`, `size`, `data` and `nonfinite`, they themselves
    `parts`, the operands of each operation, and `known`, False for an operation that is opaque."""
    text, offset = envelope(data)
    manifest = parse(text)
    manifest_rules(manifest, offset, len(data))
    for adapter in manifest.adapters:
        adapter.known = [section_rules(*pair) for pair in zip(adapter.operations, adapter.parts)]
    payload = io.BytesIO(data[16:offset])
    for stream in (stream for adapter in manifest.adapters for stream in adapter.streams):
        restore(stream, payload)
    for adapter in (adapter for adapter in manifest.adapters if adapter.nonfinite is not None):
        for tensor in adapter.tensors:
            need(tensor.opaque or tensor.nonfinite == (tensor.name in adapter.nonfinite), "MAN-8")
    return manifest.adapters


def list_tensors(adapters):
    """Prints the weights digest of each adapter (section 5.2), and its tensors."""
    for adapter in adapters:
        rows = [[t.name, t.dtype, t.shape, t.sha256] for t in adapter.tensors]
        digest = table_digest("adp-weights-1", [row for row in rows if row[0] not in adapter.carried])
        print(adapter.name, adapter.method, len(adapter.operations), digest, sep="\t")
        for name, dtype, shape, digest in rows:
            print(json.dumps(name), dtype, str(shape).replace(" ", ""), digest, sep="\t")


def extract(adapters, folder):
    """Writes every tensor that is not opaque into a file of its own, and lists them."""
    for index, adapter in enumerate(adapters):
        place = pathlib.Path(folder, str(index))
        place.mkdir(parents=True, exist_ok=True)
        for number, tensor in enumerate(adapter.tensors):
            if not tensor.opaque:
                path = place / f"{number}.bin"
                path.write_bytes(tensor.data)
                print(path, tensor.name, tensor.dtype, str(tensor.shape).replace(" ", ""), sep="\t")


# Command → a function of the adapters and of what follows the file, and the fewest and the most arguments.
COMMANDS = {"list": (list_tensors, 1, 1), "extract": (extract, 2, 2)}


def run(work, file, *others):
    """Returns whether a command failed."""
    try:
        work(read(pathlib.Path(file).read_bytes()), *others)
        return False
    except AdpError as error:
        print(file, *error.args, sep=": ")
    except OSError as error:
        print(file, "io", error, sep=": ")
    return True


def main(arguments, commands=COMMANDS, usage=__doc__):
    """Returns the exit status, or the usage."""
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    command, *files = arguments or [""]
    if command == "check" and files:
        return any([run(lambda _: print(f"{file}: ok"), file) for file in files])
    work, fewest, most = commands.get(command, (None, 1, 0))
    return run(work, *files) if fewest <= len(files) <= most else usage


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
