"""Reads and checks `.adp` files as adp-v1.md says, and names the kind and the rule of a breach.

Usage: reader.py check FILE... | reader.py list FILE | reader.py extract FILE FOLDER
"""
import hashlib, io, json, math, pathlib, re, struct, sys, zlib
import numpy, zstandard

HEADER = b"\x89ADP\r\n\x1a\n\1\0\0\0\0\0\0\0"
DTYPES = """BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ
            I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64""".split()
BITS = {dtype: int(re.search("[0-9]+", dtype + "8")[0]) for dtype in DTYPES}  # as the names say
WIDTH = {dtype: max(BITS[dtype] // 8, 1) for dtype in DTYPES} | {"C64": 4}  # bytes of a unit
EXPONENT = {"F16": 31 << 10, "BF16": 255 << 7, "F32": 255 << 23, "C64": 255 << 23, "F64": 2047 << 52}

# Types: a pattern of strings; int; float, any number; None; object, anything; [T], an array; [T, U],
# of just these; {key: T}, an object: key* is required, * alone is every key; (T, U), U for objects.
TEXT, HEX32, SHA256, SHAPE = "(?s:.*)", "[0-9a-f]{32}", "[0-9a-f]{64}", [int]
NAME, WORD = r"(?!__metadata__\Z)[^\0-\x1f\x7f]{1,1024}", "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
OPERAND = NAME, {"tensor*": NAME, "window*": [[int, int]]}
OPERATION = {"op*": TEXT, "target": NAME, "tensors*": {"*": OPERAND}, "shape": SHAPE, "bound": [NAME],
             "scale": object, "layout": object, "layout_from": object}
LOW_RANK = {"target*": NAME, "tensors*": {"a*": OPERAND, "b*": OPERAND}, "scale*": float, "layout*":
            "out_in|in_out|unresolved", "layout_from": "base|name|flag|siblings|model_type|user"}
STREAM = {"dtype*": TEXT, "code*": TEXT, "chunk*": int, "chunks*": [[int]],
          "tensors*": [{"name*": NAME, "shape*": SHAPE, "sha256*": SHA256}]}
FILE = {"path*": r"(?!\.\.?\Z)[^\0-\x1f\x7f/\\]{1,255}", "size*": int, "sha256*": SHA256, "tensor": NAME}
ADAPTER = {"name*": WORD, "method*": "[a-z0-9_]{1,64}", "operations*": [{}], "streams*": [{}],
           "inert": [{"tensor*": NAME, "reason*": TEXT}], "nonfinite": [NAME], "files": [FILE],
           "source": {"format*": TEXT, "config": TEXT, "sha256": SHA256, "header": TEXT}}
PRINT = {"tensors*": {"*": ["|".join(DTYPES), SHAPE, HEX32, object]}, "digest*": SHA256,
         "sketch": {"*": "[0-9a-f]{256}"}}
MANIFEST = {"generator": TEXT, "requires": [TEXT], "metadata": {"*": TEXT}, "adapters*": [ADAPTER],
            "base": {"name": TEXT, "revision": TEXT, "architecture": TEXT, "fingerprint": PRINT}}

class AdpError(Exception):
    """A breach; its arguments are the kind, of section 11, and the rule."""

def need(condition, rule, kind="manifest"):
    if not condition:
        raise AdpError(kind, rule)

def check_type(value, schema):
    """Returns whether there is an object with keys that its type does not give."""
    schema = schema[type(value) is dict] if type(schema) is tuple else schema
    kind = schema if type(schema) is type else type(schema)
    need(kind is not int or type(value) is not float, "JSN-4", "json")
    need(kind in (type(value), object) or kind is float and type(value) is int, "MAN-1")
    if kind is str:
        need(re.fullmatch(schema.encode(), value.encode()), "MAN-1, NAM, DIG or LOW-3")
    elif kind is list:
        parts = schema * len(value) if len(schema) == 1 else schema
        need(len(value) == len(parts), "MAN-1")
        unknown = [check_type(member, part) for member, part in zip(value, parts)]
        small = schema is not SHAPE or len(value) <= 8 and math.prod(filter(None, value)) < 2**53
        need(small, "LIM-3 or LIM-4", "limit")
        return any(unknown)
    elif kind is dict and "*" in schema:
        return check_type([*value.values()], [schema["*"]])
    elif kind is dict:
        need(all(key[:-1] in value for key in schema if key[-1] == "*"), "MAN-1")
        known = {key.rstrip("*"): part for key, part in schema.items()}
        return any([key not in known or check_type(value[key], known[key]) for key in value])

def frame(data, n):
    """The n bytes of a frame."""
    tag, width, size = (32, 1, n) if n < 256 else (96, 2, n - 256) if n < 65792 else (160, 4, n)
    start = b"\x28\xB5\x2F\xFD" + bytes([tag]) + size.to_bytes(width, "little")
    need(data.startswith(start), "FRM-1", "frame")
    at, last = len(start), 0
    while not last:
        header = int.from_bytes(data[at:at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        need(kind != 3 and size <= min(n, 2**17) and at + 3 <= len(data), "FRM-2", "frame")
        at += 3 + (1 if kind == 1 else size)
    need(at == len(data), "FRM-2", "frame")
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError:
        raise AdpError("frame", "FRM-3")

def number_from(text):
    if re.fullmatch("0|[1-9][0-9]{0,15}", text) and int(text) < 2**53:
        return int(text)
    zero = not re.match("[-0.]*[1-9]", text)  # a float is what JSN-4 refuses
    need(math.isfinite(float(text)) and (zero or float(text)), "JSN-5", "json")
    return float(text)

def object_from(pairs):
    need(len(dict(pairs)) == len(pairs), "JSN-2", "json")
    return dict(pairs)

def depth(value):
    value = [*value.values()] if type(value) is dict else value
    return 1 + max(map(depth, value), default=0) if type(value) is list else 0

def parse(text):
    try:
        value = json.loads(text.decode(), object_pairs_hook=object_from, parse_int=number_from,
                           parse_float=number_from, parse_constant=number_from)
        json.dumps(value, ensure_ascii=False).encode()  # fails for JSN-3
        need(depth(value) <= 16, "JSN-6", "json")
        return value
    except (ValueError, RecursionError):
        raise AdpError("json", "JSN-1, JSN-3 or JSN-6")

def sha256(data):
    return hashlib.sha256(data).hexdigest()

def dims(shape):
    return ",".join(map(str, shape))

def table_digest(title, rows):
    return sha256((title + "\n" + "".join("\t".join(row) + "\n" for row in sorted(rows))).encode())

def tensors_of(adapter):
    return [tensor for stream in adapter["streams"] for tensor in stream["tensors"]]

def stream_rules(stream):
    """Gives the tensors a dtype, whether they are opaque, and, if not, a size in bytes."""
    opaque = check_type(stream, STREAM) or stream["dtype"] not in BITS or stream["code"] != "planes"
    dtype, rows, tensors = stream["dtype"], stream["chunks"], stream["tensors"]
    need(tensors, "MAN-1")
    need(all(len(row) > 1 and min(row[:-1]) > 0 and max(row) < 2**32 for row in rows), "STR-4")
    for tensor in tensors:
        bits = 0 if opaque else math.prod(tensor["shape"]) * BITS[dtype]
        need(bits % 8 == 0, "STR-2")
        tensor.update(dtype=dtype, opaque=opaque, size=bits // 8, data=b"")
    if not opaque:
        units = sum(tensor["size"] for tensor in tensors) // WIDTH[dtype]
        need(stream["chunk"] in [2**k for k in range(10, 21)], "STR-1")
        need(len(rows) == -(-units // stream["chunk"]), "STR-3")
        need(all(len(row) == WIDTH[dtype] + 1 for row in rows), "STR-4")

def operation_rules(operation, tensors):
    """Returns the names of the operands."""
    opaque = check_type(operation, OPERATION) or operation["op"] != "add_low_rank"
    parts = {}
    for role, operand in operation["tensors"].items():
        name = operand["tensor"] if type(operand) is dict else operand
        need(name in tensors, "MAN-4")
        whole = [[0, size] for size in tensors[name]["shape"]]
        window = operand["window"] if type(operand) is dict else whole
        inside = [start + count <= size for (start, count), (_, size) in zip(window, whole)]
        need(len(window) == len(whole) and all(inside), "OPS-1")
        parts[role] = tensors[name] | {"shape": [count for _, count in window]}
    if not opaque and parts.keys() <= {"a", "b"}:
        check_type(operation, LOW_RANK)
        low_rank_rules(operation, parts["a"], parts["b"])
    return {part["name"] for part in parts.values()}

def low_rank_rules(operation, a, b):
    if not (a["opaque"] or b["opaque"]):
        need({a["dtype"], b["dtype"]} <= EXPONENT.keys() - {"C64"}, "LOW-1")
        need(len(a["shape"]) == len(b["shape"]) == 2 and a["shape"][0] == b["shape"][1], "LOW-1")
        shape = [b["shape"][0], a["shape"][1]][::-1 if operation["layout"] == "in_out" else 1]
        need(operation["layout"] == "unresolved" or operation.get("shape", shape) == shape, "LOW-2")

def adapter_rules(adapter):
    for stream in adapter["streams"]:
        stream_rules(stream)
    tensors, files = {t["name"]: t for t in tensors_of(adapter)}, adapter.get("files", [])
    need(len(tensors) == len(tensors_of(adapter)), "MAN-2")
    need(len({file["path"] for file in files}) == len(files), "MAN-9")
    inert = {entry["tensor"] for entry in adapter.get("inert", [])}
    used = {file["tensor"] for file in files if "tensor" in file}
    used = used.union(*(operation_rules(entry, tensors) for entry in adapter["operations"]))
    need(used | inert == set(tensors) >= set(adapter.get("nonfinite", [])), "MAN-4")
    need(not used & inert, "MAN-5")
    for file in files:
        t = tensors[file["tensor"]] if "tensor" in file else {"opaque": True}
        same = t["opaque"] or (t["dtype"], t["shape"], t["sha256"]) == ("U8", [file["size"]], file["sha256"])
        need(same, "MAN-9")

def fingerprint_rules(tensors, digest, sketch={}):
    for name, (dtype, _, _, value) in tensors.items():
        check_type([name, value], [NAME, HEX32 if dtype in EXPONENT.keys() - {"C64"} else None])
    rows = [[name, dtype, dims(shape), exact, value or ""] for name, (dtype, shape, exact, value) in tensors.items()]
    need(digest == table_digest("adp-fingerprint-1", rows) and sketch.keys() <= tensors.keys(), "FPR-1")

def manifest_rules(manifest, offset, length):
    check_type(manifest, {"requires": [TEXT]})
    need(not manifest.get("requires"), f"MAN-3: {manifest.get('requires')}", "requires")
    check_type(manifest, MANIFEST)
    adapters = manifest["adapters"]
    need(0 < len(adapters) == len({adapter["name"] for adapter in adapters}), "MAN-1 or MAN-2")
    for adapter in adapters:
        adapter_rules(adapter)
    restored = sum(tensor["size"] for adapter in adapters for tensor in tensors_of(adapter))
    need(restored <= 2**30 + 1024 * length, "LIM-2", "limit")
    rows = [row for adapter in adapters for stream in adapter["streams"] for row in stream["chunks"]]
    need(16 + sum(sum(row[:-1]) for row in rows) == offset, "MAN-6")
    for fingerprint in filter(None, [manifest.get("base", {}).get("fingerprint")]):
        fingerprint_rules(fingerprint["tensors"], fingerprint["digest"], fingerprint.get("sketch", {}))

def restore(stream, payload):
    """Gives the tensors of a stream their data."""
    dtype, tensors, chunks = stream["dtype"], stream["tensors"], []
    left = sum(tensor["size"] for tensor in tensors) // WIDTH.get(dtype, 1)
    for *sizes, crc in stream["chunks"]:
        frames = [payload.read(size) for size in sizes]
        need(zlib.crc32(b"".join(frames)) == crc, "STR-5", "checksum")
        if not tensors[0]["opaque"]:
            n, left = min(left, stream["chunk"]), left - stream["chunk"]
            need(max(sizes) <= n + 64, "FRM-4", "frame")
            planes = b"".join(frame(part, n) for part in frames)
            units = numpy.frombuffer(planes, "u1").reshape(-1, n).T.copy().view(f"<u{WIDTH[dtype]}")
            rotated = units >> 1 | units << 8 * WIDTH[dtype] - 1
            chunks.append((rotated if dtype in EXPONENT else units).tobytes())
    data = io.BytesIO(b"".join(chunks))
    for tensor in tensors:
        tensor["data"] = data.read(tensor["size"])
        need(tensor["opaque"] or sha256(tensor["data"]) == tensor["sha256"], "STR-7", "tensor")

def is_nonfinite(tensor):
    units = numpy.frombuffer(tensor["data"], f"<u{WIDTH.get(tensor['dtype'], 1)}")
    mask = EXPONENT.get(tensor["dtype"], -1)
    return (units & mask == mask).any()

def read(data):
    """The manifest; its tensors have got `dtype`, `opaque`, `size` and `data`."""
    need(HEADER[:8].startswith(data[:8]), "ENV-1", "not-adp")
    need(HEADER.startswith(data[:16]), "ENV-2", "version")
    need(len(data) >= 80, "ENV-3", "truncated")
    need(data[-8:] == HEADER[7::-1], "ENV-4", "truncated")
    end = len(data) - 64
    offset, stored, decoded, digest = struct.unpack("<QQQ32s", data[end:-8])
    need(offset >= 16 and offset + stored == end, "ENV-5", "footer")
    need(decoded >= 2, "ENV-6", "footer")
    need(decoded <= min(2**27, 2**20 + 8 * len(data)), "LIM-1", "limit")
    need(sha256(HEADER + data[offset:end + 24]) == digest.hex(), "ENV-7", "digest")
    manifest = parse(frame(data[offset:end], decoded))
    manifest_rules(manifest, offset, len(data))
    payload = io.BytesIO(data[16:offset])
    for stream in [stream for adapter in manifest["adapters"] for stream in adapter["streams"]]:
        restore(stream, payload)
    for adapter in manifest["adapters"]:
        tensors = {tensor["name"]: tensor for tensor in tensors_of(adapter) if not tensor["opaque"]}
        found = {name for name in tensors if tensors[name]["dtype"] in EXPONENT and is_nonfinite(tensors[name])}
        need(tensors.keys() & adapter.get("nonfinite", found) == found, "MAN-8")
    return manifest

def list_file(file):
    for adapter in read(pathlib.Path(file).read_bytes())["adapters"]:
        rows = [[t["name"], t["dtype"], dims(t["shape"]), t["sha256"]] for t in tensors_of(adapter)]
        digest = table_digest("adp-weights-1", rows)
        print(adapter["name"], adapter["method"], len(adapter["operations"]), digest, sep="\t")
        for name, dtype, shape, digest in rows:
            print(json.dumps(name), dtype, f"[{shape}]", digest, sep="\t")

def extract(file, folder):
    for index, adapter in enumerate(read(pathlib.Path(file).read_bytes())["adapters"]):
        for number, tensor in enumerate(tensors_of(adapter)):
            if not tensor["opaque"]:
                path = pathlib.Path(folder, str(index), f"{number}.bin")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tensor["data"])
                print(path, tensor["name"], tensor["dtype"], f"[{dims(tensor['shape'])}]", sep="\t")

def check(file):
    read(pathlib.Path(file).read_bytes())
    print(f"{file}: ok")

def main(command="", *paths):
    failed = False
    for job in [[file] for file in paths] if command == "check" else [paths]:
        try:
            {"check": check, "list": list_file, "extract": extract}[command](*job)
        except AdpError as error:
            print(job[0], *error.args, sep=": ")
            failed = True
    return failed

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
