"""Reads and checks `.adp` files as adp-v1.md says; an error names the kind and the rule.
Usage: reader.py check FILE... | reader.py list FILE | reader.py extract FILE FOLDER"""
import hashlib, io, json, math, pathlib, re, struct, sys, zlib
import numpy, zstandard

HEADER = b"\x89ADP\r\n\x1a\n\1\0\0\0\0\0\0\0"
DTYPES = """BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ
            I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64""".split()
BITS = {dtype: int(re.search("[0-9]+|$", dtype)[0] or 8) for dtype in DTYPES}  # as the name says
WIDTH = {dtype: max(BITS[dtype] // 8, 1) for dtype in DTYPES} | {"C64": 4}  # bytes of a unit
EXPONENT = {"F16": 31 << 10, "BF16": 255 << 7, "F32": 255 << 23, "C64": 255 << 23,
            "F64": 2047 << 52}  # its bits in a unit, for the types that are rotated
FLOATS = EXPONENT.keys() - {"C64"}

# Types: a pattern of strings; int; float, any number; None; object, anything; [T], an array;
# [T, U], of just these; {key: T}, an object: key* is required, * alone is every key; (T, U), U for
# an object and else T.
TEXT, HEX32, SHA256, SHAPE = "(?s:.*)", "[0-9a-f]{32}", "[0-9a-f]{64}", [int]
NAME, LABEL = r"(?!__metadata__\Z)[^\0-\x1f\x7f]{1,1024}", "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
OPERAND = (NAME, {"tensor*": NAME, "window*": [[int, int]]})
OPERATION = {"op*": TEXT, "target": NAME, "tensors*": {"*": OPERAND}, "shape": SHAPE,
             "bound": [NAME], "scale": object, "layout": object, "layout_from": object}
LOW_RANK = {"target*": NAME, "tensors*": {"a*": OPERAND, "b*": OPERAND}, "scale*": float, "layout*":
            "out_in|in_out|unresolved", "layout_from": "base|name|flag|siblings|model_type|user"}
STREAM = {"dtype*": TEXT, "code*": TEXT, "chunk*": int, "chunks*": [[int]],
          "tensors*": [{"name*": NAME, "shape*": SHAPE, "sha256*": SHA256}]}
ADAPTER = {"name*": LABEL, "method*": "[a-z0-9_]{1,64}", "operations*": [{}], "streams*": [{}],
           "inert": [{"tensor*": NAME, "reason*": TEXT}], "nonfinite": [NAME],
           "source": {"format*": TEXT, "config": TEXT, "sha256": SHA256, "header": TEXT},
           "files": [{"path*": r"(?!\.\.?\Z)[^\0-\x1f\x7f/\\]{1,255}", "size*": int,
                      "sha256*": SHA256, "tensor": NAME}]}
PRINT = {"tensors*": {"*": ["|".join(DTYPES), SHAPE, HEX32, object]}, "digest*": SHA256,
         "sketch": {"*": "[0-9a-f]{256}"}}
MANIFEST = {"generator": TEXT, "requires": [TEXT], "metadata": {"*": TEXT}, "adapters*": [ADAPTER],
            "base": {"name": TEXT, "revision": TEXT, "architecture": TEXT, "fingerprint": PRINT}}

class AdpError(Exception):
    """A breach; its arguments are the kind, of section 11, and the rule."""

class Object(dict):
    """An object of JSON with its members as attributes, None where there is no such member."""
    __getattr__, __setattr__ = dict.get, dict.__setitem__

def need(condition, rule, kind="manifest"):
    if not condition:
        raise AdpError(kind, rule)

def sha256(data):
    return hashlib.sha256(data).hexdigest()

def table_digest(title, rows):
    """The digest of rows of a name, a dtype, a shape and strings."""
    rows = [[name, dtype, ",".join(map(str, shape)), *rest] for name, dtype, shape, *rest in rows]
    return sha256("\n".join([title, *map("\t".join, sorted(rows)), ""]).encode())

def check_type(value, schema):
    """Refuses a wrong type; returns whether an object in the value has a key unknown to it."""
    schema = schema[isinstance(value, dict)] if isinstance(schema, tuple) else schema
    kind = schema if isinstance(schema, type) else type(schema)
    need(kind is not int or type(value) is not float, "JSN-4", "json")
    need(kind is object or type(value) is not bool, "MAN-1")
    need(isinstance(value, (int, float) if kind is float else kind), "MAN-1")
    if kind is str:
        need(re.fullmatch(schema.encode(), value.encode()), "MAN-1, NAM, DIG, FPR-1 or LOW-3")
    elif kind is list:
        parts = schema * len(value) if len(schema) == 1 else schema
        need(len(value) == len(parts), "MAN-1")
        unknown = [check_type(*pair) for pair in zip(value, parts)]
        small = schema is not SHAPE or len(value) <= 8 and math.prod(filter(None, value)) < 2**53
        need(small, "LIM-3 or LIM-4", "limit")
        return any(unknown)
    elif kind is dict and "*" in schema:
        return check_type([*value.values()], [schema["*"]])
    elif kind is dict:
        need(all(key[:-1] in value for key in schema if key[-1] == "*"), "MAN-1")
        known = {key.rstrip("*"): part for key, part in schema.items()}
        return any([key not in known or check_type(value[key], known[key]) for key in value])

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

def stream_rules(stream):
    opaque = check_type(stream, STREAM) or stream.dtype not in BITS or stream.code != "planes"
    rows, width = stream.chunks, WIDTH.get(stream.dtype, 1)
    need(stream.tensors, "MAN-1")
    need(all(len(row) > 1 and min(row[:-1]) > 0 and max(row) < 2**32 for row in rows), "STR-4")
    for tensor in stream.tensors:
        bits = 0 if opaque else math.prod(tensor.shape) * BITS[stream.dtype]
        need(bits % 8 == 0, "STR-2")
        tensor |= {"dtype": stream.dtype, "opaque": opaque, "size": bits // 8}
    stream.opaque, stream.units = opaque, sum(tensor.size for tensor in stream.tensors) // width
    if not opaque:
        need(stream.chunk in [2**k for k in range(10, 21)], "STR-1")
        need(len(rows) == -(-stream.units // stream.chunk), "STR-3")
        need(all(len(row) == width + 1 for row in rows), "STR-4")

def operation_rules(operation, tensors):
    """Returns the names of the operands."""
    known = not check_type(operation, OPERATION) and operation.op == "add_low_rank"
    parts = Object()
    for role, operand in operation.tensors.items():
        operand = operand if isinstance(operand, dict) else Object(tensor=operand)
        need(operand.tensor in tensors, "MAN-4")
        whole = [[0, size] for size in tensors[operand.tensor].shape]
        window = whole if operand.window is None else operand.window
        inside = [start + count <= size for (start, count), (_, size) in zip(window, whole)]
        need(len(window) == len(whole) and all(inside), "OPS-1")
        parts[role] = Object(tensors[operand.tensor], shape=[count for _, count in window])
    if known and parts.keys() <= {"a", "b"}:
        check_type(operation, LOW_RANK)
        low_rank_rules(parts.a, parts.b, operation.layout, operation.shape)
    return {part.name for part in parts.values()}

def low_rank_rules(a, b, layout, shape):
    if not (a.opaque or b.opaque):
        need({a.dtype, b.dtype} <= FLOATS and len(a.shape) == len(b.shape) == 2, "LOW-1")
        need(a.shape[0] == b.shape[1], "LOW-1")
        target = [a.shape[1], b.shape[0]] if layout == "in_out" else [b.shape[0], a.shape[1]]
        need(layout == "unresolved" or shape in (None, target), "LOW-2")

def adapter_rules(adapter):
    for stream in adapter.streams:
        stream_rules(stream)
    adapter.tensors = [tensor for stream in adapter.streams for tensor in stream.tensors]
    tensors, files = {tensor.name: tensor for tensor in adapter.tensors}, adapter.files or []
    need(len(tensors) == len(adapter.tensors), "MAN-2")
    need(len({file.path for file in files}) == len(files), "MAN-9")
    used = set().union(*(operation_rules(operation, tensors) for operation in adapter.operations))
    used |= {file.tensor for file in files if file.tensor}
    inert = {entry.tensor for entry in adapter.inert or []}
    need(used | inert == set(tensors) >= set(adapter.nonfinite or []), "MAN-4")
    need(not used & inert, "MAN-5")
    for file in files:
        tensor = tensors.get(file.tensor, Object(opaque=True))
        same = [tensor.dtype, tensor.shape, tensor.sha256] == ["U8", [file.size], file.sha256]
        need(tensor.opaque or same, "MAN-9")

def fingerprint_rules(tensors, digest, sketch):
    for name, (dtype, _, _, value) in tensors.items():
        check_type([name, value], [NAME, HEX32 if dtype in FLOATS else None])
    rows = [[name, *rest, value or ""] for name, (*rest, value) in tensors.items()]
    sound = digest == table_digest("adp-fingerprint-1", rows) and sketch.keys() <= tensors.keys()
    need(sound, "FPR-1")

def manifest_rules(manifest, offset, length):
    check_type(manifest, {"requires": [TEXT]})
    need(not manifest.requires, f"MAN-3: {manifest.requires}", "requires")
    check_type(manifest, MANIFEST)
    names = {adapter.name for adapter in manifest.adapters}
    need(0 < len(names) == len(manifest.adapters), "MAN-1 or MAN-2")
    for adapter in manifest.adapters:
        adapter_rules(adapter)
    sizes = [tensor.size for adapter in manifest.adapters for tensor in adapter.tensors]
    need(sum(sizes) <= 2**30 + 1024 * length, "LIM-2", "limit")
    streams = [stream for adapter in manifest.adapters for stream in adapter.streams]
    need(16 + sum(sum(row[:-1]) for stream in streams for row in stream.chunks) == offset, "MAN-6")
    if manifest.base and manifest.base.fingerprint:
        entry = manifest.base.fingerprint
        fingerprint_rules(entry.tensors, entry.digest, entry.sketch or {})

def restore(stream, payload):
    """Gives the tensors of a stream their data."""
    chunks, left, mask = [], stream.units, EXPONENT.get(stream.dtype)
    for *sizes, crc in stream.chunks:
        frames = [payload.read(size) for size in sizes]
        need(zlib.crc32(b"".join(frames)) == crc, "STR-5", "checksum")
        if not stream.opaque:
            n, left = min(left, stream.chunk), left - stream.chunk
            need(max(sizes) <= n + 64, "FRM-4", "frame")
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
    need(sha256(HEADER + data[offset:end + 24]) == digest.hex(), "ENV-7", "digest")
    manifest, payload = parse(frame(data[offset:end], decoded)), io.BytesIO(data[16:offset])
    manifest_rules(manifest, offset, len(data))
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

def run(command, file, *folder):
    """Returns whether the command failed."""
    try:
        adapters = read(pathlib.Path(file).read_bytes()).adapters
        if command == "check":
            print(f"{file}: ok")
        elif command == "list":
            list_tensors(adapters)
        else:
            extract(adapters, *folder)
        return False
    except (AdpError, OSError) as error:
        print(file, *(error.args if isinstance(error, AdpError) else ("io", error)), sep=": ")
        return True

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    arguments = sys.argv[1:]
    if arguments[:1] == ["check"] and arguments[1:]:
        sys.exit(any([run("check", file) for file in arguments[1:]]))
    if (arguments[:1], len(arguments)) in [(["list"], 2), (["extract"], 3)]:
        sys.exit(run(*arguments))
    sys.exit(__doc__)
