"""Files of the future: opaque streams (section 6.2) and operations (section 8), STR-8, STR-9, OPS-2 and OPS-3."""

import json

from makers.adp.changes import append, both, drop, enlarge, inert_of, put, row_of, tensor_of
from makers.adp.manifests import SAFE, adapter, fingerprint, first, low_rank, manifest_of, operation_of, stream_of
from makers.adp.registry import case, valid
from makers.adp.streams import Stream, f32, sha256, u8


@valid
def opaque_dtype(m):
    """an opaque stream, of an unknown element type, between two that are not"""
    future = Stream("F32", [("future", [5, 7], b"?")], 3, [[b"not a frame", b"x"], [b"one size only"]])
    return manifest_of(u8(1), future.opaque(dtype="Q4_0"), u8(2, name="u"))


@valid
def opaque_code(m):
    """an opaque stream with an unknown code, and rows that no other rule than STR-4 fits"""
    future = Stream("F32", [("future", [1], b"?")], 0, [[b"a", b"b", b"c", b"d", b"e"]])
    return manifest_of(future.opaque(code="planes2"), u8(2, name="u"))


@valid
def opaque_stream_key(m):
    """an opaque stream with an unknown key in the stream; no rows, though there are units"""
    future = Stream("F32", [("future", [1], b"?")], 1024, [])
    return manifest_of(future.opaque(delta="base"), u8(2, name="u"))


@valid
def opaque_tensor_key(m):
    """an opaque stream with an unknown key in one of its tensors; all of its tensors are opaque"""
    future = Stream("F32", [("future", [1], b"?"), ("plain", [1], f32(1))], 1024, [[b"12345"]])
    future["tensors"][0]["alias"] = "x"
    return manifest_of(future.opaque(), u8(2, name="u"))


@valid
def opaque_op(m):
    """an operation of the future, with unknown roles and keys; its operand counts for MAN-4"""
    operation = {"op": "later", "tensors": {"factor": "t"}, "target": "layer.weight", "axis": 1, "shape": [2]}
    return manifest_of(u8(1, 2), operations=[operation])


@valid
def opaque_op_key(m):
    """add_low_rank with an unknown key"""
    operation_of(m)["dropout"] = 0.1


@valid
def opaque_op_role(m):
    """add_low_rank with an unknown role"""
    first(m)["streams"].append(u8(1, name="m"))
    operation_of(m)["tensors"]["mask"] = "m"


@valid
def opaque_operand(m):
    """add_low_rank with an operand in an opaque stream (OPS-3)"""
    stream_of(m).opaque(code="later")


@valid
def opaque_operand_key(m):
    """add_low_rank with an unknown key in an operand (OPS-2)"""
    operation_of(m)["tensors"]["a"] = {"tensor": "a", "window": [[0, 1], [0, 2]], "transposed": True}


@valid
def opaque_op_rules(m):
    """opaque operations that break every rule of 8.1, which does not apply to them (OPS-2)"""
    operands = {"a": "t", "b": "t"}
    broken = {"op": "add_low_rank", "scale": "1", "layout": True, "layout_from": "guess", "shape": [9], "x": 1}
    role_alone = {"op": "add_low_rank", "tensors": {"c": "t"}}
    return manifest_of(u8(1, 2), operations=[{**broken, "tensors": operands}, role_alone])


@valid
def opaque_operand_shape(m):
    """add_low_rank with an operand in an opaque stream, of which type and shape do not fit (OPS-3)"""
    opaque = Stream("I8", [("a", [2, 2, 2], b"?")], 1024, []).opaque(code="later")
    return manifest_of(opaque, Stream("F32", [("b", [1], f32(1))]), operations=[low_rank(shape=[1])])


@valid
def adapters_unlike(m):
    """an adapter whose parts are opaque beside one that is not, with a method of 64 bytes"""
    future = Stream("F32", [("a", [5], b"?")], 1024, [[b"?"]]).opaque(code="later")
    beside = adapter(future, name="later", method="m" * 64, operations=[{"op": "later", "tensors": {"x": "a"}}])
    return {"adapters": [beside, first(m)]}


@valid
def requires_elsewhere(m):
    """`requires` where it is an unknown key like others (MAN-7), or makes a part opaque (STR-8, OPS-2); in capitals"""
    needs = {"requires": ["later"]}
    files = [{"path": "p", "size": 1, "sha256": sha256(b"\2"), "tensor": "u", **needs}]
    opaque = Stream("F32", [("t", [1], b"?")], 1024, []).opaque(**needs)
    m = manifest_of(opaque, u8(2, name="u"), files=files, operations=[{"op": "add", "tensors": {"delta": "t"}, **needs}])
    inert = [{"tensor": "t", "window": [[0, 1]], "reason": "", **needs}]
    first(m).update(source={"format": "peft", **needs}, inert=inert, **needs)
    return {"Requires": ["later"], "base": {"fingerprint": fingerprint({}, **needs), **needs}, **m}


@valid
def opaque_words(m):
    """words that are no element type or code of this version, though nearly: each makes its stream opaque (STR-8)"""
    words = [{"dtype": dtype} for dtype in ("f32", "F8_E4M3FN", "_", "0", "x" * 64)]
    words += [{"code": code} for code in ("Planes", "planes_", "p" * 64)]
    streams = [Stream("F32", [(f"t{i}", [1], b"?")], 1024, [[b"?"]]) for i in range(len(words))]
    return manifest_of(*[stream.opaque(**keys) for stream, keys in zip(streams, words)])


@valid
def opaque_sizes(m):
    """opaque tensors whose sizes sum up to over 2^64 bits, bytes and elements: LIM-2 is not for them (STR-8)"""
    tensors = [(f"t{index}", [SAFE], b"?") for index in range(2100)]
    return manifest_of(Stream("F64", tensors, SAFE, [[b"?"] * 300, [b"12345"]]).opaque(code="later"))


@valid
def opaque_op_words(m):
    """names that are no operation, though nearly; values of every kind under unknown keys, to depth 16 (OPS-2)"""
    strange = {"x": [None, True, -0.5, 1e300, "\0", {"": []}], "y": json.loads("[" * 11 + "]" * 11)}
    operations = [{"op": op, "tensors": {"a": "t"}, **strange} for op in ("", "Add_low_rank", "add_low_rank ", "lora")]
    return manifest_of(u8(1, 2), operations=[*operations, {"op": "later", "tensors": {}}])


@valid
def opaque_op_target(m):
    """opaque operations without a target, which they need not have (OPS-2, OPS-3): by a key, a role, an operand"""
    later = Stream("F32", [("later", [2, 2], b"?")], 1024, []).opaque(code="later")
    operations = [{"op": "add", "tensors": {"delta": "t"}, "scale": 1, "later": 0}]
    operations.append({"op": "replace", "tensors": {"value": "t", "mask": "t"}})
    operations.append({"op": "add_low_rank", "tensors": {"a": "later", "b": "t"}, "scale": 1, "layout": "out_in"})
    window = {"tensor": "t", "window": [[0, 1]], "later": 0}
    operations.append({"op": "multiply", "tensors": {"v": window}, "side": "output", "layout": "out_in"})
    operations.append({"op": "later", "tensors": {}, "shape": [2, 0], "bound": ["x"]})
    return manifest_of(Stream("F32", [("t", [2], f32(1, 2))]), later, operations=operations)


@valid
def opaque_operand_words(m):
    """an operation with an operand in an opaque stream: its words and the types of its keys mean nothing (OPS-3)"""
    stream_of(m).opaque(code="later")
    operation_of(m).update(layout="in_in", layout_from=0, scale="x", wide=2)


@valid
def opaque_op_beside(m):
    """an opaque operation between others, which are judged as always (OPS-2)"""
    first(m)["operations"] = [low_rank(), {"op": "later", "tensors": {}, "target": "layer.weight"}, low_rank(scale=2)]


def opaque_case(path, rules, description, change):
    """A file with an opaque stream of one tensor, changed."""

    def made(m):
        m = manifest_of(Stream("F32", [("future", [5], b"?")], 1024, [[b"12345"]]).opaque(code="later"))
        change(m)
        return m

    kind, name = path.split("/")
    case(f"{kind}/opaque_{name}", "STR-8 " + rules, description, made)


of_opaque = "a tensor of an opaque stream"
opaque_case("manifest/missing_sha256", "MAN-1", f"{of_opaque} has no digest", drop(tensor_of, "sha256"))
opaque_case("manifest/missing_chunk", "MAN-1", "an opaque stream without chunk", drop(stream_of, "chunk"))
opaque_case("manifest/shape_string", "MAN-1", f"{of_opaque} whose shape is a string", put(tensor_of, "shape", "5"))
opaque_case("manifest/digest", "DIG-1", f"{of_opaque} with a short digest", put(tensor_of, "sha256", "0"))
tabbed = both(put(tensor_of, "name", "a\t"), put(first, "inert", inert_of("a\t")))
opaque_case("manifest/name_tab", "NAM-1", f"{of_opaque} with a tab in its name", tabbed)
same_name = append(first, "streams", u8(1, name="future"))
opaque_case("manifest/twice", "MAN-2", f"{of_opaque} has the name of another", same_name)
crc_alone = both(put(stream_of, "chunks", [[5]]), lambda m: stream_of(m).frames.clear())
opaque_case("manifest/row_one", "STR-4", "a row of an opaque stream holds a number alone", crc_alone)
opaque_case("manifest/row_size_0", "STR-4", "a size of 0 in an opaque stream", lambda m: row_of(m).insert(0, 0))
crc_large = enlarge(row_of, -1, by=2**32)
opaque_case("manifest/row_crc_2_32", "STR-4", "a CRC-32 of an opaque stream that is too large by 2^32", crc_large)
size_large = enlarge(row_of, 0, by=2**32)
opaque_case("manifest/row_size_2_32", "STR-4", "a size in an opaque stream that is too large by 2^32", size_large)
opaque_case("manifest/row_empty", "STR-4", "an empty row of an opaque stream", append(stream_of, "chunks", []))
no_tensors = append(first, "streams", Stream("U8", []).opaque(code="later"))
opaque_case("manifest/tensors_empty", "MAN-1", "an opaque stream of no tensors", no_tensors)
opaque_case("manifest/chunk_string", "MAN-1", "an opaque stream whose chunk is a string", put(stream_of, "chunk", "1"))
opaque_case("manifest/missing_shape", "MAN-1", f"{of_opaque} has no shape", drop(tensor_of, "shape"))
no_rows = both(lambda m: stream_of(m).frames.clear(), drop(stream_of, "chunks"))
opaque_case("manifest/missing_chunks", "MAN-1", "an opaque stream without chunks", no_rows)
opaque_case("manifest/dimensions_9", "LIM-3", f"{of_opaque} has nine dimensions", put(tensor_of, "shape", [1] * 9))
opaque_case("manifest/product", "LIM-4", f"{of_opaque} has 2^64 elements", put(tensor_of, "shape", [2**32, 2**32]))
for name, words, value in [
    ("empty", "is empty", ""),
    ("space", "ends with a space", "later "),
    ("newline", "ends with a line feed", "later\n"),
    ("tab", "has a tab", "later\t5"),
    ("nul", "ends with U+0000", "later\0"),
    ("hyphen", "has a hyphen", "later-1"),
    ("accent", "has an \u00e9", "lat\u00e9r"),
    ("long", "has 65 letters", "l" * 65),
]:
    for key in ("dtype", "code"):
        of_key = f"an opaque stream whose {key} {words}"
        opaque_case(f"manifest/{key}_{name}", "STR-9", of_key, put(stream_of, key, value))
