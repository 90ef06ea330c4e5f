"""Reads and checks `.adp` files as adp-v1.md says; an error names the kind and the rule.
Usage: reader.py check FILE... | reader.py list FILE | reader.py extract FILE FOLDER |
       reader.py apply FILE BASE.safetensors OUT.safetensors [WEIGHT_OF_EACH_ADAPTER...]"""
import io, json, math, pathlib, re, struct, sys, zlib
import numpy, zstandard
from apply import apply
from operations import section_rules
from rules import AdpError, Object, WIDTH, manifest_rules, need, sha256, table_digest

HEADER = b"\x89ADP\r\n\x1a\n\1\0\0\0\0\0\0\0"
EXPONENT = {"F16": 31 << 10, "BF16": 255 << 7, "F32": 255 << 23, "C64": 255 << 23,
            "F64": 2047 << 52}  # its bits in a unit, for the types that are rotated

def number_from(text):
    """An int as JSN-4 has it; every other number is a float."""
    value = float(text)
    need(math.isfinite(value) and (value or not re.match("[-0.]*[1-9]", text)), "JSN-5", "json")
    return int(text) if re.fullmatch("0|[1-9][0-9]{0,15}", text) and value < 2**53 else value

def object_from(pairs):
    need(len(dict(pairs)) == len(pairs), "JSN-2", "json")
    return Object(pairs)

def depth(value):
    members = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(depth, members), default=0) if isinstance(members, list) else 0

def parse(text):
    try:
        value = json.loads(text.decode(), object_pairs_hook=object_from, parse_int=number_from,
                           parse_float=number_from, parse_constant=number_from)
        json.dumps(value, ensure_ascii=False).encode()  # fails for JSN-3
        need(depth(value) <= 16, "JSN-6", "json")
        return value
    except (ValueError, RecursionError):
        raise AdpError("json", "JSN-1, JSN-3 or JSN-6")

def frame(data, n):
    """The n bytes of a frame."""
    tag, width, size = (32, 1, n) if n < 256 else (96, 2, n - 256) if n < 65792 else (160, 4, n)
    start = b"\x28\xB5\x2F\xFD" + bytes([tag]) + size.to_bytes(width, "little")
    need(data.startswith(start), "FRM-1", "frame")
    at, last = len(start), False
    while not last:
        block = int.from_bytes(data[at:at + 3], "little")
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        at += 3 + (1 if kind == 1 else size)
        need(at <= len(data) and kind != 3 and size <= min(n, 2**17), "FRM-2", "frame")
    need(at == len(data), "FRM-2", "frame")
    try:
        return zstandard.ZstdDecompressor().decompress(data)  # fails unless these are n bytes
    except zstandard.ZstdError:
        raise AdpError("frame", "FRM-3")

def restore(stream, payload):
    """Gives the tensors of a stream their data."""
    chunks, left, mask = [], stream.units, EXPONENT.get(stream.dtype)
    for *sizes, crc in stream.chunks:
        n, left = min(left, stream.chunk), left - stream.chunk
        need(stream.opaque or max(sizes) <= n + 64, "FRM-4", "frame")
        frames = [payload.read(size) for size in sizes]
        need(zlib.crc32(b"".join(frames)) == crc, "STR-5", "checksum")
        if not stream.opaque:
            planes = b"".join(frame(part, n) for part in frames)
            units = numpy.frombuffer(planes, "u1").reshape(-1, n).T.copy().view(f"<u{len(sizes)}")
            chunks.append(units >> 1 | units << 8 * len(sizes) - 1 if mask else units)
    data = io.BytesIO(b"".join(chunks))
    for tensor in stream.tensors:
        tensor.data = data.read(tensor.size)
        need(tensor.opaque or sha256(tensor.data) == tensor.sha256, "STR-7", "tensor")
        units = numpy.frombuffer(tensor.data, f"<u{WIDTH.get(tensor.dtype, 1)}")
        tensor.nonfinite = mask is not None and bool((units & mask == mask).any())

def read(data):
    """The manifest. Its tensors have got `dtype`, `opaque`, `size`, `data` and `nonfinite`."""
    end = len(data) - 64
    need(HEADER[:8].startswith(data[:8]), "ENV-1", "not-adp")
    need(HEADER.startswith(data[:16]), "ENV-2", "version")
    need(end >= 16 and data[-8:] == HEADER[7::-1], "ENV-3 or ENV-4", "truncated")
    offset, stored, decoded, digest = struct.unpack("<QQQ32s", data[end:-8])
    need(offset >= 16 and offset + stored == end and decoded >= 2, "ENV-5 or ENV-6", "footer")
    need(decoded <= min(2**27, 2**20 + 8 * len(data)), "LIM-1", "limit")
    need(stored <= decoded + decoded // 1024 + 64, "ENV-9", "limit")
    need(sha256(HEADER + data[offset:end + 24]) == digest.hex(), "ENV-7", "digest")
    manifest, payload = parse(frame(data[offset:end], decoded)), io.BytesIO(data[16:offset])
    manifest_rules(manifest, offset, len(data))
    for adapter in manifest.adapters:
        adapter.known = [section_rules(*pair) for pair in zip(adapter.operations, adapter.parts)]
    for stream in [stream for adapter in manifest.adapters for stream in adapter.streams]:
        restore(stream, payload)
    for adapter in [adapter for adapter in manifest.adapters if adapter.nonfinite is not None]:
        tensors = [tensor for tensor in adapter.tensors if not tensor.opaque]
        need(all(t.nonfinite == (t.name in adapter.nonfinite) for t in tensors), "MAN-8")
    return manifest

def list_tensors(adapters):
    for adapter in adapters:
        rows = [[t.name, t.dtype, t.shape, t.sha256] for t in adapter.tensors]
        digest = table_digest("adp-weights-1", rows)
        print(adapter.name, adapter.method, len(adapter.operations), digest, sep="\t")
        for name, dtype, shape, digest in rows:
            print(json.dumps(name), dtype, str(shape).replace(" ", ""), digest, sep="\t")

def extract(adapters, folder):
    for index, adapter in enumerate(adapters):
        pathlib.Path(folder, str(index)).mkdir(parents=True, exist_ok=True)
        for number, tensor in enumerate(adapter.tensors):
            if not tensor.opaque:
                path, shape = pathlib.Path(folder, str(index), f"{number}.bin"), str(tensor.shape)
                path.write_bytes(tensor.data)
                print(path, tensor.name, tensor.dtype, shape.replace(" ", ""), sep="\t")

def merge(adapters, base, out, *weights):
    """Writes a checkpoint with the changes of the only adapter, or of several with weights."""
    stack = list(zip(adapters, [float(weight) for weight in weights or [1]]))
    need(len(stack) == len(adapters), f"{len(adapters)} adapters", "unsupported")
    data = pathlib.Path(base).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header, tensors, body = json.loads(data[8:start]), {}, b""
    for name, entry in header.items():
        if name != "__metadata__":
            low, high = entry["data_offsets"]
            tensors[name] = entry["dtype"], entry["shape"], data[start + low:start + high]
    for name, (dtype, shape, part) in (tensors | apply(stack, tensors)).items():
        places = [len(body), len(body) + len(part)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": places}
        body += part
    text = json.dumps(header).encode()
    pathlib.Path(out).write_bytes(struct.pack("<Q", len(text)) + text + body)

def run(command, file, *places):
    """Returns whether the command failed."""
    try:
        adapters = read(pathlib.Path(file).read_bytes()).adapters
        if command == "check":
            print(f"{file}: ok")
        else:
            {"list": list_tensors, "extract": extract, "apply": merge}[command](adapters, *places)
        return False
    except (AdpError, OSError) as error:
        print(file, *(error.args if isinstance(error, AdpError) else ("io", error)), sep=": ")
        return True

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    arguments = sys.argv[1:]
    if arguments[:1] == ["check"] and arguments[1:]:
        sys.exit(any([run("check", file) for file in arguments[1:]]))
    if arguments and len(arguments[:4]) == {"list": 2, "extract": 3, "apply": 4}.get(arguments[0]):
        sys.exit(run(*arguments))
    sys.exit(__doc__)