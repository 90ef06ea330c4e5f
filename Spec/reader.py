#!/usr/bin/env python3
"""A reader of `.adp` files, version 1.0, written from adp-v1.md alone, as a check of that text.

Usage: reader.py list FILE | reader.py check FILE... | reader.py extract FILE OUTDIR
"""
import hashlib
import io
import json
import math
import re
import struct
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import zstandard

HEADER = b"\x89ADP\r\n\x1a\n" + bytes([1, 0, 0, 0, 0, 0, 0, 0])
BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
        "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
        "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64}
WIDTH = {dtype: max(bits // 8, 1) for dtype, bits in BITS.items()} | {"C64": 4}  # bytes in a unit
FLOATS = {"F16", "BF16", "F32", "F64"}  # these, and C64, are rotated

# Types. A pattern: a string whose UTF-8 it matches. int: an integer. float: any number. [type]: an array.
# {key: type}: an object; keys with * are required, and "" stands for every key.
STR, HEX32, SHA256 = rb"(?s:.*)", rb"[0-9a-f]{32}", rb"[0-9a-f]{64}"
NAME, SHAPE, OPERAND = rb"(?!__metadata__\Z)[^\0-\x1f\x7f]{1,1024}", "shape", "operand"
TENSOR = {"name*": NAME, "shape*": SHAPE, "sha256*": SHA256}
STREAM = {"dtype*": STR, "code*": STR, "chunk*": int, "tensors*": [TENSOR], "chunks*": [[int]]}
OPERATION = {"op*": STR, "target": NAME, "tensors*": {"": OPERAND}, "shape": SHAPE, "bound": [NAME]}
LAYOUT, LAYOUT_FROM = b"out_in|in_out|unresolved", b"base|name|flag|siblings|model_type|user"
LOW_RANK = OPERATION | {"target*": NAME, "tensors*": {"a*": OPERAND, "b*": OPERAND}, "scale*": float,
                        "layout*": LAYOUT, "layout_from": LAYOUT_FROM}
WINDOWED = {"tensor*": NAME, "window*": [[int]]}
FILE = {"path*": rb"(?!\.\.?\Z)[^\0-\x1f\x7f/\\]{1,255}", "size*": int, "sha256*": SHA256, "tensor": NAME}
SOURCE = {"format*": STR, "config": STR, "sha256": SHA256, "header": STR}
ADAPTER = {"name*": rb"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", "method*": rb"[a-z0-9_]{1,64}",
           "inert": [{"tensor*": NAME, "reason*": STR}], "nonfinite": [NAME], "operations*": [OPERATION],
           "source": SOURCE, "files": [FILE], "streams*": [STREAM]}
PRINT = {"tensors*": {}, "digest*": SHA256, "sketch": {"": rb"[0-9a-f]{256}"}}
MANIFEST = {"generator": STR, "requires": [STR], "metadata": {"": STR}, "adapters*": [ADAPTER],
            "base": {"name": STR, "revision": STR, "architecture": STR, "fingerprint": PRINT}}


class AdpError(Exception):
    """A breach of the rules; `kind` is one of section 11."""

    def __init__(self, kind: str, message: str):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


@dataclass
class Tensor:
    name: str
    dtype: str
    shape: list
    sha256: str
    opaque: bool  # then `data` stays empty
    data: bytes = b""

    def size(self) -> int:
        return math.prod(self.shape) * BITS[self.dtype] // 8

    def array(self) -> np.ndarray:
        numpy_has_it = re.fullmatch("BOOL|[UI](8|16|32|64)|F(16|32|64)|C64", self.dtype)
        need(numpy_has_it and not self.opaque, f"{self.dtype} as an array", "unsupported")
        numpy_type = "?" if self.dtype == "BOOL" else f"<{self.dtype[0].lower()}{BITS[self.dtype] // 8}"
        return np.frombuffer(self.data, numpy_type).reshape(self.shape)


@dataclass
class Adp:
    manifest: dict
    digest: str
    tensors: list  # for each adapter: name → Tensor, in the order of the file

    def weights_digest(self, adapter: int) -> str:
        text = "adp-weights-1\n"
        for name, tensor in sorted(self.tensors[adapter].items()):
            text += f"{name}\t{tensor.dtype}\t{joined(tensor.shape)}\t{tensor.sha256}\n"
        return sha256(text.encode())


def need(condition, message: str, kind: str = "manifest"):
    if not condition:
        raise AdpError(kind, message)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def joined(shape: list) -> str:
    return ",".join(map(str, shape))


def unknown(value: dict, of: dict) -> set:
    return set(value) - {key.rstrip("*") for key in of}


def check(value, of):
    """Refuses a value that is not of a type."""
    if of is int:
        need(type(value) is not float, f"JSN-4: {value!r} is no integer", "json")
        need(type(value) is int, "MAN-1: integer expected")
    elif of is float:
        need(type(value) in (int, float), "MAN-1: number expected")
    elif of is SHAPE:
        check(value, [int])
        need(len(value) <= 8 and math.prod(filter(None, value)) < 2**53, "LIM-3, LIM-4: shape", "limit")
    elif of is OPERAND:
        check(value, WINDOWED if isinstance(value, dict) else NAME)
    elif isinstance(of, bytes):
        need(isinstance(value, str), "MAN-1: string expected")
        need(re.fullmatch(of, value.encode()), f"MAN-1, NAM, DIG-1: {value[:80]!r} is no {of.decode()}")
    elif isinstance(of, list):
        need(isinstance(value, list), "MAN-1: array expected")
        for member in value:
            check(member, of[0])
    else:
        need(isinstance(value, dict), "MAN-1: object expected")
        for key, of_member in of.items():
            known = key.rstrip("*")
            need(known == key or known in value, f"MAN-1: {known} is missing")
            for member in value.values() if key == "" else [value[known]] if known in value else []:
                check(member, of_member)


def frame(data: bytes, n: int) -> bytes:
    """The n bytes of a frame."""
    if n < 256:
        start = b"\x28\xb5\x2f\xfd" + struct.pack("<BB", 0x20, n)
    elif n < 65792:
        start = b"\x28\xb5\x2f\xfd" + struct.pack("<BH", 0x60, n - 256)
    else:
        start = b"\x28\xb5\x2f\xfd" + struct.pack("<BI", 0xA0, n)
    need(data.startswith(start), f"FRM-1: no frame of {n} bytes", "frame")
    at, last = len(start), False
    while not last:
        need(at + 3 <= len(data), "FRM-2: a block is cut short", "frame")
        block = int.from_bytes(data[at:at + 3], "little")
        last, is_rle, size = block & 1, (block >> 1 & 3) == 1, block >> 3
        need(size <= min(n, 2**17), "FRM-1: a block is larger than RFC 8878 allows", "frame")
        at += 3 + (1 if is_rle else size)
    need(at == len(data), "FRM-2: the last block does not end the frame", "frame")
    try:
        decoded = zstandard.ZstdDecompressor().decompress(data, max_output_size=n)
    except zstandard.ZstdError as error:
        raise AdpError("frame", f"FRM-3: {error}")
    need(len(decoded) == n, "FRM-3: length", "frame")
    return decoded


def number_from(text: str):
    """Only what JSN-4 calls an integer becomes an int, any other number a float."""
    if re.fullmatch("0|[1-9][0-9]{0,15}", text) and int(text) < 2**53:
        return int(text)
    zero = not re.search("[1-9]", re.split("[eE]", text)[0])
    need(math.isfinite(float(text)) and (zero or float(text) != 0), f"JSN-5: {text[:40]}", "json")
    return float(text)


def constant_from(text: str):
    raise AdpError("json", f"JSN-1: {text}")


def object_from(pairs: list) -> dict:
    need(len(dict(pairs)) == len(pairs), "JSN-2: the same key twice", "json")
    return dict(pairs)


def profile(value, depth: int):
    if isinstance(value, str):
        value.encode()  # raises for a surrogate
    elif isinstance(value, (dict, list)):
        need(depth <= 16, "JSN-6: nested deeper than 16", "json")
        for member in [*value, *value.values()] if isinstance(value, dict) else value:
            profile(member, depth + 1)


def parse(text: bytes):
    try:
        value = json.loads(text.decode(), object_pairs_hook=object_from, parse_int=number_from,
                           parse_float=number_from, parse_constant=constant_from)
        profile(value, 1)
        return value
    except (ValueError, RecursionError) as error:
        raise AdpError("json", f"JSN-1, JSN-3 or JSN-6: {error}")


def fingerprint_rules(tensors: dict, digest: str, sketch: dict):
    text = "adp-fingerprint-1\n"
    for name, entry in sorted(tensors.items()):
        check(name, NAME)
        need(isinstance(entry, list) and len(entry) == 4, "FPR-1: an entry has four members")
        check(entry[0], STR)
        need(entry[0] in BITS, "FPR-1: element type")
        dtype, shape, exact, value = entry
        check(shape, SHAPE)
        check([exact, value] if dtype in FLOATS else [exact], [HEX32])
        need(dtype in FLOATS or value is None, "FPR-1: value")
        text += f"{name}\t{dtype}\t{joined(shape)}\t{exact}\t{value or ''}\n"
    need(sha256(text.encode()) == digest and set(sketch) <= set(tensors), "FPR-1: digest or sketch")


def operation_rules(op: dict, tensors: dict) -> set:
    """Returns the names of the operands."""
    parts = {}
    for role, operand in op["tensors"].items():
        name = operand["tensor"] if isinstance(operand, dict) else operand
        need(name in tensors, f"MAN-4: no tensor {name!r}")
        whole = [[0, size] for size in tensors[name].shape]
        window = operand["window"] if isinstance(operand, dict) else whole
        inside = [len(w) == 2 and sum(w) <= size for w, (_, size) in zip(window, whole)]
        need(len(window) == len(whole) and all(inside), "OPS-1: window")
        parts[role] = replace(tensors[name], shape=[count for _, count in window])
    names = {part.name for part in parts.values()}
    strange = [unknown(operand, WINDOWED) for operand in op["tensors"].values() if isinstance(operand, dict)]
    if op["op"] != "add_low_rank" or unknown(op, LOW_RANK) or unknown(parts, {"a": 0, "b": 0}) or any(strange):
        return names  # OPS-2
    check(op, LOW_RANK)
    a, b = parts["a"], parts["b"]
    if not (a.opaque or b.opaque):  # OPS-3
        need({a.dtype, b.dtype} <= FLOATS, "LOW-1: element type")
        need(len(a.shape) == len(b.shape) == 2 and a.shape[0] == b.shape[1], "LOW-1: shapes")
        shape = [a.shape[1], b.shape[0]] if op["layout"] == "in_out" else [b.shape[0], a.shape[1]]
        need(op["layout"] == "unresolved" or op.get("shape", shape) == shape, "LOW-2: shape")
    return names


def stream_rules(stream: dict) -> list:
    """Returns the tensors."""
    dtype, width = stream["dtype"], WIDTH.get(stream["dtype"])
    keys = unknown(stream, STREAM).union(*(unknown(tensor, TENSOR) for tensor in stream["tensors"]))
    opaque = width is None or stream["code"] != "planes" or bool(keys)
    tensors = [Tensor(t["name"], dtype, t["shape"], t["sha256"], opaque) for t in stream["tensors"]]
    need(tensors, "MAN-1: a stream without tensors")
    for row in stream["chunks"]:
        need(len(row) >= 2 and min(row[:-1]) > 0 and max(row) < 2**32, "STR-4: row")
        need(opaque or len(row) == width + 1, "STR-4: planes")
    if not opaque:
        need(stream["chunk"] in [2**k for k in range(10, 21)], "STR-1: chunk")
        need(all(math.prod(t.shape) * BITS[dtype] % 8 == 0 for t in tensors), "STR-2: bits left over")
        units = sum(t.size() for t in tensors) // width
        need(len(stream["chunks"]) == -(-units // stream["chunk"]), "STR-3: number of chunks")
    return tensors


def adapter_rules(adapter: dict) -> dict:
    """Returns name → tensor."""
    tensors = [tensor for stream in adapter["streams"] for tensor in stream_rules(stream)]
    named = {tensor.name: tensor for tensor in tensors}
    need(len(named) == len(tensors), "MAN-2: two tensors of one name")
    used = {file["tensor"] for file in adapter.get("files", []) if "tensor" in file}
    used = used.union(*(operation_rules(operation, named) for operation in adapter["operations"]))
    inert = {entry["tensor"] for entry in adapter.get("inert", [])}
    need(used | inert == set(named), f"MAN-4: {list(used ^ inert ^ set(named))[:1]}")
    need(set(adapter.get("nonfinite", [])) <= set(named), "MAN-4: nonfinite")
    need(not used & inert, "MAN-5: used and inert")
    return named


def manifest_rules(manifest, offset: int, length: int) -> list:
    """Returns the tensors of each adapter."""
    check(manifest, {"requires": MANIFEST["requires"]})
    need(not manifest.get("requires"), f"MAN-3: {manifest.get('requires')}", "requires")
    check(manifest, MANIFEST)
    names = {adapter["name"] for adapter in manifest["adapters"]}
    need(len(names) == len(manifest["adapters"]) > 0, "MAN-1, MAN-2: adapters")
    tensors = [adapter_rules(adapter) for adapter in manifest["adapters"]]
    restored = sum(t.size() for named in tensors for t in named.values() if not t.opaque)
    need(restored <= 2**30 + 1024 * length, "LIM-2: restored bytes", "limit")
    streams = [stream for adapter in manifest["adapters"] for stream in adapter["streams"]]
    stored = sum(sum(row[:-1]) for stream in streams for row in stream["chunks"])
    need(16 + stored == offset, "MAN-6: sum of the frames")
    fingerprint = manifest.get("base", {}).get("fingerprint")
    if fingerprint is not None:
        fingerprint_rules(fingerprint["tensors"], fingerprint["digest"], fingerprint.get("sketch", {}))
    return tensors


def restore(payload: io.BytesIO, stream: dict, tensors: list) -> None:
    """Checks a stream and gives its tensors their bytes."""
    left = 0 if tensors[0].opaque else sum(t.size() for t in tensors) // WIDTH[stream["dtype"]]
    restored = io.BytesIO()
    for *sizes, crc in stream["chunks"]:
        stored = [payload.read(size) for size in sizes]
        need(zlib.crc32(b"".join(stored)) == crc, "STR-5: CRC-32", "checksum")
        if not tensors[0].opaque:
            n = min(left, stream["chunk"])
            left -= n
            need(max(sizes) <= n + 64, "FRM-4: frame of the payload too long", "frame")
            planes = [np.frombuffer(frame(part, n), np.uint8) for part in stored]
            units = np.stack(planes, axis=1).view(f"<u{len(planes)}")
            if stream["dtype"] in FLOATS or stream["dtype"] == "C64":
                units = units >> 1 | units << (8 * len(planes) - 1)
            restored.write(units.tobytes())
    restored.seek(0)
    for tensor in tensors:
        if not tensor.opaque:
            tensor.data = restored.read(tensor.size())
            need(sha256(tensor.data) == tensor.sha256, f"STR-7: {tensor.name!r}", "tensor")


def read(data: bytes, payload: bool = True) -> Adp:
    """Checks everything, the payload too unless told otherwise. Raises AdpError, and nothing else."""
    short = len(data) < 16 and HEADER.startswith(data)
    need(data[:8] == HEADER[:8] or short, "ENV-1: no .adp file", "not-adp")
    need(data[:16] == HEADER or short, "ENV-2: another version", "version")
    need(len(data) >= 80, "ENV-3: fewer than 80 bytes", "truncated")
    need(data[-8:] == HEADER[7::-1], "ENV-4: no footer at the end", "truncated")
    end = len(data) - 64
    offset, stored, decoded, digest = struct.unpack("<QQQ32s", data[end:-8])
    need(offset >= 16 and offset + stored == end, "ENV-5: the manifest's place", "footer")
    need(decoded >= 2, "ENV-6: the manifest's length", "footer")
    need(decoded <= min(2**27, 2**20 + 8 * len(data)), "LIM-1: the manifest's length", "limit")
    need(sha256(HEADER + data[offset:end + 24]) == digest.hex(), "ENV-7: manifest digest", "digest")
    manifest = parse(frame(data[offset:end], decoded))
    adp = Adp(manifest, digest.hex(), manifest_rules(manifest, offset, len(data)))
    frames = io.BytesIO(data[16:offset] if payload else b"")
    for adapter, tensors in zip(manifest["adapters"], adp.tensors):
        for stream in adapter["streams"] if payload else []:
            restore(frames, stream, [tensors[tensor["name"]] for tensor in stream["tensors"]])
    return adp


def check_files(files: list) -> int:
    failed = 0
    for file in files:
        try:
            read(Path(file).read_bytes())
            print(f"{file}: ok")
        except AdpError as error:
            print(f"{file}: {error.kind}: {error.message}")
            failed = 1
        except (OSError, MemoryError) as error:
            print(f"{file}: io: {error}")
            failed = 1
    return failed


def list_file(file: str) -> int:
    adp = read(Path(file).read_bytes(), payload=False)
    for index, adapter in enumerate(adp.manifest["adapters"]):
        operations = len(adapter["operations"])
        print(adapter["name"], adapter["method"], operations, adp.weights_digest(index), sep="\t")
        for tensor in adp.tensors[index].values():
            name = json.dumps(tensor.name)
            print(name, tensor.dtype, f"[{joined(tensor.shape)}]", tensor.sha256, sep="\t")
    return 0


def extract(file: str, folder: str) -> int:
    adp = read(Path(file).read_bytes())
    for index, tensors in enumerate(adp.tensors):
        for number, tensor in enumerate(tensors.values()):
            if not tensor.opaque:
                path = Path(folder, str(index), f"{number}.bin")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tensor.data)
                print(path, tensor.name, tensor.dtype, f"[{joined(tensor.shape)}]", sep="\t")
    return 0


def main(arguments: list) -> int:
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    if len(arguments) >= 2 and arguments[0] == "check":
        return check_files(arguments[1:])
    try:
        if len(arguments) == 2 and arguments[0] == "list":
            return list_file(arguments[1])
        if len(arguments) == 3 and arguments[0] == "extract":
            return extract(arguments[1], arguments[2])
    except AdpError as error:
        print(f"{arguments[1]}: {error.kind}: {error.message}")
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
