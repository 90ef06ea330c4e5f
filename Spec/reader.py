"""Reads and checks `.adp` files as adp-v1.md says; an error names the kind and the rule.

Usage: reader.py check FILE...
       reader.py list FILE
       reader.py extract FILE FOLDER
       reader.py apply FILE BASE.safetensors OUT.safetensors [WEIGHT_OF_EACH_ADAPTER...]
"""

import io
import json
import math
import pathlib
import re
import struct
import sys
import zlib

import numpy
import zstandard

import pages  # the sections of all operations
from apply import apply
from rules import UNIT_BYTES, AdpError, Object, manifest_rules, need, sha256, table_digest
from sections import section_rules

HEADER = b"\x89ADP\r\n\x1a\n\1\0\0\0\0\0\0\0"
FOOTER_SIZE = 64
# The bits of the exponent in a unit, of the types that are rotated (section 6.1).
EXPONENT = {"F16": 31 << 10, "BF16": 255 << 7, "F32": 255 << 23, "C64": 255 << 23, "F64": 2047 << 52}


def envelope(data):
    """Section 2: the stored manifest, its decoded length and the place where it begins."""
    end = len(data) - FOOTER_SIZE
    need(HEADER[:8].startswith(data[:8]), "ENV-1", "not-adp")
    need(HEADER.startswith(data[:16]), "ENV-2", "version")
    need(end >= 16 and data[-8:] == HEADER[7::-1], "ENV-3 or ENV-4", "truncated")
    offset, stored, decoded, digest = struct.unpack("<QQQ32s", data[end:-8])
    need(offset >= 16 and offset + stored == end and decoded >= 2, "ENV-5 or ENV-6", "footer")
    need(decoded <= min(2**27, 2**20 + 8 * len(data)), "LIM-1", "limit")
    need(stored <= decoded + decoded // 1024 + 64, "ENV-9", "limit")
    need(sha256(HEADER + data[offset : end + 24]) == digest.hex(), "ENV-7", "digest")
    return data[offset:end], decoded, offset


def frame_header(n):
    """Section 3: how a frame of n bytes begins."""
    if n < 256:
        size = struct.pack("<BB", 0x20, n)
    elif n < 65792:
        size = struct.pack("<BH", 0x60, n - 256)
    else:
        size = struct.pack("<BI", 0xA0, n)
    return b"\x28\xB5\x2F\xFD" + size


def frame(data, n):
    """Section 3: the n bytes of a frame."""
    header = frame_header(n)
    need(data.startswith(header), "FRM-1", "frame")
    at, is_last = len(header), False
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


def number_from(text):
    """An int where JSN-4 calls the number an integer; every other number is a float."""
    value = float(text)
    became_zero = value == 0 and re.match("[-0.]*[1-9]", text)
    need(math.isfinite(value) and not became_zero, "JSN-5", "json")
    is_integer = re.fullmatch("0|[1-9][0-9]{0,15}", text) and value < 2**53
    return int(text) if is_integer else value


def object_from(pairs):
    need(len(dict(pairs)) == len(pairs), "JSN-2", "json")
    return Object(pairs)


def depth(value):
    members = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(members, list):
        return 0
    return 1 + max(map(depth, members), default=0)


def parse(text):
    """Section 4: the value of a JSON text."""
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=object_from,
            parse_int=number_from,
            parse_float=number_from,
            parse_constant=number_from,
        )
        json.dumps(value, ensure_ascii=False).encode()  # fails for JSN-3
        need(depth(value) <= 16, "JSN-6", "json")
        return value
    except (ValueError, RecursionError):
        raise AdpError("json", "JSN-1, JSN-3 or JSN-6")


def restore_chunk(stream, row, n, payload):
    """Section 6: the bytes of a chunk of n units; none of an opaque stream, whose checksum is checked all the same."""
    *sizes, crc = row
    need(stream.opaque or max(sizes) <= n + 64, "FRM-4", "frame")
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
    left, chunks = stream.units, []
    for row in stream.chunks:
        chunks.append(restore_chunk(stream, row, min(left, stream.chunk), payload))
        left -= stream.chunk
    data = io.BytesIO(b"".join(chunks))
    exponent = EXPONENT.get(stream.dtype)
    for tensor in stream.tensors:
        tensor.data = data.read(tensor.size)
        need(tensor.opaque or sha256(tensor.data) == tensor.sha256, "STR-7", "tensor")
        units = numpy.frombuffer(tensor.data, f"<u{UNIT_BYTES.get(tensor.dtype, 1)}")
        tensor.nonfinite = exponent is not None and bool((units & exponent == exponent).any())


def read(data):
    """The manifest of a file. Its tensors have got `dtype`, `opaque`, `size`, `data` and `nonfinite`, its adapters
    `parts`, the operands of each operation, and `known`, False for an operation that is opaque."""
    stored, decoded, offset = envelope(data)
    manifest = parse(frame(stored, decoded))
    manifest_rules(manifest, offset, len(data))
    for adapter in manifest.adapters:
        adapter.known = [section_rules(*pair) for pair in zip(adapter.operations, adapter.parts)]
    payload = io.BytesIO(data[16:offset])
    for adapter in manifest.adapters:
        for stream in adapter.streams:
            restore(stream, payload)
    for adapter in manifest.adapters:
        if adapter.nonfinite is not None:
            for tensor in adapter.tensors:
                need(tensor.opaque or tensor.nonfinite == (tensor.name in adapter.nonfinite), "MAN-8")
    return manifest


def list_tensors(adapters):
    for adapter in adapters:
        rows = [[t.name, t.dtype, t.shape, t.sha256] for t in adapter.tensors]
        digest = table_digest("adp-weights-1", rows)
        print(adapter.name, adapter.method, len(adapter.operations), digest, sep="\t")
        for name, dtype, shape, digest in rows:
            print(json.dumps(name), dtype, shape_text(shape), digest, sep="\t")


def extract(adapters, folder):
    """Writes every tensor that is not opaque into a file of its own, and lists them."""
    for index, adapter in enumerate(adapters):
        place = pathlib.Path(folder, str(index))
        place.mkdir(parents=True, exist_ok=True)
        for number, tensor in enumerate(adapter.tensors):
            if not tensor.opaque:
                path = place / f"{number}.bin"
                path.write_bytes(tensor.data)
                print(path, tensor.name, tensor.dtype, shape_text(tensor.shape), sep="\t")


def shape_text(shape):
    return str(shape).replace(" ", "")


def merge(adapters, base, out, *weights):
    """Writes a checkpoint with the changes of the only adapter, or of several with weights."""
    stack = list(zip(adapters, [float(weight) for weight in weights or [1]]))
    need(len(stack) == len(adapters), f"{len(adapters)} adapters", "unsupported")
    header, tensors = read_safetensors(pathlib.Path(base).read_bytes())
    body = b""
    for name, (dtype, shape, data) in (tensors | apply(stack, tensors)).items():
        places = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": places}
        body += data
    text = json.dumps(header).encode()
    pathlib.Path(out).write_bytes(struct.pack("<Q", len(text)) + text + body)


def read_safetensors(data):
    """The header of a safetensors file, and a dtype, a shape and bytes for each tensor."""
    start = 8 + int.from_bytes(data[:8], "little")
    header, tensors = json.loads(data[8:start]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            low, high = entry["data_offsets"]
            tensors[name] = entry["dtype"], entry["shape"], data[start + low : start + high]
    return header, tensors


def run(command, file, *places):
    """Returns whether the command failed."""
    try:
        adapters = read(pathlib.Path(file).read_bytes()).adapters
        if command == "check":
            print(f"{file}: ok")
        elif command == "list":
            list_tensors(adapters)
        elif command == "extract":
            extract(adapters, *places)
        elif command == "apply":
            merge(adapters, *places)
        return False
    except AdpError as error:
        print(file, *error.args, sep=": ")
    except OSError as error:
        print(file, "io", error, sep=": ")
    return True


def main(arguments):
    """Returns the exit status, or the usage."""
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    command, *files = arguments or [""]
    if command == "check" and files:
        return any([run("check", file) for file in files])
    if (command, len(files)) in [("list", 1), ("extract", 2)] or command == "apply" and len(files) > 2:
        return run(command, *files)
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
