"""The rules of adp-v1.md that the manifest alone decides, but for those of single operations.

What a rule refuses is an `AdpError` with the kind of section 11 and the rule's name.
"""

import hashlib
import json
import math
import re

# Section 6.1: element types in the order of the table.
DTYPES = """
    BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ
    I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64
""".split()
BITS = {dtype: int(re.search("[0-9]+|$", dtype)[0] or 8) for dtype in DTYPES}  # as the name says
UNIT_BYTES = {dtype: max(bits // 8, 1) for dtype, bits in BITS.items()} | {"C64": 4}
FLOATS = {"F16", "BF16", "F32", "F64"}

# Types of JSON values (section 5). A schema is
#   a pattern         a string that it matches as a whole
#   int, float, bool  an integer, any number, a flag
#   None              null
#   object            anything
#   [T]               an array of T
#   [T, U]            an array of just these two
#   {key: T}          an object; `key*` is required; `*` alone stands for every key
#   (T, U)            U where the value is an object, else T
TEXT = "(?s:.*)"
HEX32 = "[0-9a-f]{32}"
SHA256 = "[0-9a-f]{64}"
SHAPE = [int]
WINDOW = [[int, int]]
NAME = r"(?!__metadata__\Z)[^\0-\x1f\x7f]{1,1024}"
LABEL = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
WORD = "[A-Za-z0-9_]{1,64}"

OPERAND = (NAME, {"tensor*": NAME, "window*": WINDOW})
OPERATION = {
    "op*": TEXT,
    "target": NAME,
    "tensors*": {"*": OPERAND},
    "shape": SHAPE,
    "bound": [NAME],
}
STREAM = {
    "dtype*": WORD,
    "code*": WORD,
    "chunk*": int,
    "chunks*": [[int]],
    "tensors*": [{"name*": NAME, "shape*": SHAPE, "sha256*": SHA256}],
}
FILE = {
    "path*": r"(?!\.\.?\Z)[^\0-\x1f\x7f/\\]{1,255}",
    "size*": int,
    "sha256*": SHA256,
    "tensor": NAME,
}
ADAPTER = {
    "name*": LABEL,
    "method*": "[a-z0-9_]{1,64}",
    "operations*": [{}],
    "streams*": [{}],
    "inert": [{"tensor*": NAME, "window": WINDOW, "reason*": TEXT}],
    "nonfinite": [NAME],
    "source": {"format*": TEXT, "config": TEXT, "sha256": SHA256, "header": TEXT},
    "files": [FILE],
}
FINGERPRINT = {
    "tensors*": {"*": ["|".join(DTYPES), SHAPE, HEX32, object]},
    "digest*": SHA256,
    "sketch": {"*": "[0-9a-f]{256}"},
}
BASE = {"name": TEXT, "revision": TEXT, "architecture": TEXT, "fingerprint": FINGERPRINT}
MANIFEST = {
    "generator": TEXT,
    "requires": [TEXT],
    "metadata": {"*": TEXT},
    "adapters*": [ADAPTER],
    "base": BASE,
}


class AdpError(Exception):
    """A breach; its arguments are the kind, of section 11, and the rule."""


class Object(dict):
    """An object of JSON with its members as attributes, None for one that is not there."""

    __getattr__ = dict.get
    __setattr__ = dict.__setitem__


def need(condition, rule, kind="manifest"):
    if not condition:
        raise AdpError(kind, rule)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def table_digest(title, rows):
    """Sections 5.2 and 7: the digest of rows of a name, a dtype, a shape and strings."""
    texts = [[name, dtype, ",".join(map(str, shape)), *rest] for name, dtype, shape, *rest in rows]
    lines = ["\t".join(texts) for texts in sorted(texts)]
    return sha256("\n".join([title, *lines, ""]).encode())


def is_countable(*sizes):
    """LIM-4 and OPS-5: whether the product of the sizes that are not zero is at most 2^53 - 1."""
    return math.prod(filter(None, sizes)) < 2**53


def longest(n):
    """FRM-4: the largest length of a frame of n bytes."""
    return n + n // 1024 + 64


# Section 4: the JSON profile


def number_from(text):
    """An int where JSN-4 calls the number an integer; every other number is a float."""
    value = float(text)
    became_zero = value == 0 and re.match("[-0.]*[1-9]", text)
    need(math.isfinite(value) and not became_zero, "JSN-5")
    is_integer = re.fullmatch("0|[1-9][0-9]{0,15}", text) and value < 2**53
    return int(text) if is_integer else value


def object_from(pairs):
    need(len(dict(pairs)) == len(pairs), "JSN-2")
    return Object(pairs)


def depth(value):
    members = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(members, list):
        return 0
    return 1 + max(map(depth, members), default=0)


def parse(text):
    """Section 4: the value of a JSON text."""
    hooks = dict.fromkeys(["parse_int", "parse_float", "parse_constant"], number_from)
    try:
        value = json.loads(text.decode(), object_pairs_hook=object_from, **hooks)
        json.dumps(value, ensure_ascii=False).encode()  # fails for JSN-3
        need(depth(value) <= 16, "JSN-6")
        return value
    except (ValueError, RecursionError):
        raise AdpError("manifest", "JSN-1, JSN-3 or JSN-6")


# Sections 5 to 8


def check_type(value, schema):
    """Refuses a wrong type; returns True where an object in the value has a key unknown to the schema."""
    if isinstance(schema, tuple):
        schema = schema[isinstance(value, dict)]
    kind = schema if isinstance(schema, type) else type(schema)
    need(kind is not int or type(value) is not float, "JSN-4")
    need(kind in (object, bool) or type(value) is not bool, "MAN-1")
    need(isinstance(value, (int, float) if kind is float else kind), "MAN-1")
    if kind is str:
        need(re.fullmatch(schema.encode(), value.encode()), "MAN-1, NAM, DIG, STR-9, FPR-1 or OPS-4")
    elif kind is list:
        return check_array(value, schema)
    elif kind is dict and "*" in schema:
        return check_array([*value.values()], [schema["*"]])
    elif kind is dict:
        return check_object(value, schema)
    return False


def check_array(value, schema):
    parts = schema * len(value) if len(schema) == 1 else schema
    need(len(value) == len(parts), "MAN-1")
    unknown = [check_type(*pair) for pair in zip(value, parts)]
    if schema is SHAPE:
        need(len(value) <= 8, "LIM-3")
        need(is_countable(*value), "LIM-4")
    return any(unknown)


def check_object(value, schema):
    known = {key.rstrip("*"): part for key, part in schema.items()}
    need(all(key[:-1] in value for key in schema if key[-1] == "*"), "MAN-1")
    return any([key not in known or check_type(value[key], known[key]) for key in value])


def stream_rules(stream):
    """Section 6; section 6.2 for an opaque one."""
    unknown_key = check_type(stream, STREAM)
    stream.opaque = unknown_key or stream.dtype not in BITS or stream.code != "planes"
    need(stream.tensors, "MAN-1")
    for row in stream.chunks:
        need(len(row) > 1 and min(row[:-1]) > 0 and max(row) < 2**32, "STR-4")
    for tensor in stream.tensors:
        bits = 0 if stream.opaque else math.prod(tensor.shape) * BITS[stream.dtype]
        need(bits % 8 == 0, "STR-2")
        tensor |= {"dtype": stream.dtype, "opaque": stream.opaque, "size": bits // 8}
    width = UNIT_BYTES.get(stream.dtype, 1)
    units = sum(tensor.size for tensor in stream.tensors) // width
    stream.counts = [min(stream.chunk, units - i * stream.chunk) for i in range(len(stream.chunks))]  # of each chunk
    if not stream.opaque:
        need(stream.chunk in [2**k for k in range(10, 21)], "STR-1")
        need(len(stream.chunks) == -(-units // stream.chunk), "STR-3")
        for row, n in zip(stream.chunks, stream.counts):
            need(len(row) == width + 1, "STR-4")
            need(max(row[:-1]) <= longest(n), "FRM-4", "frame")


def part(operand, tensors):
    """The tensor that an operand, or an entry of `inert`, names, with the shape of the window."""
    need(operand.tensor in tensors, "MAN-4")
    tensor = tensors[operand.tensor]
    whole = [[0, size] for size in tensor.shape]
    window = whole if operand.window is None else operand.window
    inside = [start + count <= size for (start, count), (_, size) in zip(window, whole)]
    need(len(window) == len(whole) and all(inside), "OPS-1")
    step = 8 // math.gcd(8, BITS.get(tensor.dtype, 8))  # as many elements fill whole bytes
    ends = [*window[-1], tensor.shape[-1]] if operand.window else []
    need(all(size % step == 0 for size in ends), "OPS-1")
    shape = [count for _, count in window]
    is_cut = operand.window is not None
    return Object(tensor, whole=tensor, window=window, is_cut=is_cut, shape=shape)


def operation_rules(operation, tensors):
    """Section 8, for any operation: role → the part that plays it."""
    check_type(operation, OPERATION)
    parts = Object()
    for role, operand in operation.tensors.items():
        if not isinstance(operand, dict):
            operand = Object(tensor=operand)
        parts[role] = part(operand, tensors)
    return parts


def adapter_rules(adapter):
    """Section 5, of one adapter."""
    for stream in adapter.streams:
        stream_rules(stream)
    adapter.tensors = [tensor for stream in adapter.streams for tensor in stream.tensors]
    tensors = {tensor.name: tensor for tensor in adapter.tensors}
    files = adapter.files or []
    need(len(tensors) == len(adapter.tensors), "MAN-2")
    need(len({file.path for file in files}) == len(files), "MAN-9")
    adapter.parts = [operation_rules(operation, tensors) for operation in adapter.operations]

    used = {operand.name for parts in adapter.parts for operand in parts.values()}
    carried = adapter.carried = {file.tensor for file in files if file.tensor}
    entries = [part(entry, tensors) for entry in adapter.inert or []]
    inert = {entry.name for entry in entries if not entry.is_cut}
    need(used | carried | inert == set(tensors) >= set(adapter.nonfinite or []), "MAN-4")
    need(not used & inert and not carried & used.union(entry.name for entry in entries), "MAN-5")
    for file in files:
        tensor = tensors.get(file.tensor, Object(opaque=True))
        same = [tensor.dtype, tensor.shape, tensor.sha256] == ["U8", [file.size], file.sha256]
        need(tensor.opaque or same, "MAN-9")


def fingerprint_rules(fingerprint):
    """Section 7."""
    rows = []
    for name, (dtype, shape, exact, value) in fingerprint.tensors.items():
        check_type(name, NAME)
        check_type(value, HEX32 if dtype in FLOATS else None)
        rows.append([name, dtype, shape, exact, value or ""])
    need(fingerprint.digest == table_digest("adp-fingerprint-1", rows), "FPR-1")
    valued = {name for name, entry in fingerprint.tensors.items() if entry[3] is not None}
    sketched = fingerprint.sketch or {}
    need(sketched.keys() <= valued and len(sketched) <= 256, "FPR-1")


def manifest_rules(manifest, offset, length):
    """Section 5: the manifest of a file of this length, which begins at this offset."""
    check_type(manifest, {"requires": [TEXT]})
    need(not manifest.requires, f"MAN-3: {manifest.requires}", "requires")
    check_type(manifest, MANIFEST)
    names = {adapter.name for adapter in manifest.adapters}
    need(0 < len(names) == len(manifest.adapters), "MAN-1 or MAN-2")
    for adapter in manifest.adapters:
        adapter.base = manifest.base or Object()
        adapter_rules(adapter)
    streams = [stream for adapter in manifest.adapters for stream in adapter.streams]
    restored = sum(tensor.size for stream in streams for tensor in stream.tensors)
    need(restored <= 2**30 + 1024 * length, "LIM-2", "limit")
    stored = sum(sum(row[:-1]) for stream in streams for row in stream.chunks)
    need(16 + stored == offset, "MAN-6")
    if manifest.base and manifest.base.fingerprint:
        fingerprint_rules(manifest.base.fingerprint)
