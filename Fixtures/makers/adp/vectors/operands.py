"""Operands and their windows (section 8): OPS-1, and LOW-1 and OPS-5 of the example."""

import json
import math
import re

from makers.adp.changes import append, both, drop, inert_of, later, put, roles_of
from makers.adp.files import pack, text_of
from makers.adp.manifests import SAFE, first, low_rank, manifest_of, operation_of
from makers.adp.registry import manifest_case, valid
from makers.adp.streams import DTYPES, Stream, f32


@valid
def windows(m):
    """operands that are parts of tensors: one row of three, and two operations that share a tensor"""
    a = Stream("F32", [("a", [3, 2], f32(1, 2, 3, 4, 5, 6)), ("b", [2, 3], f32(1, 2, 3, 4, 5, 6))])
    part_a = [{"tensor": "a", "window": [[start, count], [0, 2]]} for start, count in ((0, 1), (1, 2))]
    part_b = [{"tensor": "b", "window": [[0, 2], [start, count]]} for start, count in ((0, 1), (1, 2))]
    operations = [low_rank(*parts, shape=[2, 2]) for parts in zip(part_a, part_b)]
    operations.append(
        low_rank({"tensor": "a", "window": [[3, 0], [0, 2]]}, {"tensor": "b", "window": [[0, 2], [3, 0]]})
    )
    return manifest_of(a, method="lora", operations=operations)


def packed(dtype, shape):
    """A stream of one tensor of a type of 4 or 6 bits."""
    return Stream(dtype, [(dtype, shape, bytes(range(math.prod(shape) * DTYPES[dtype][0] // 8)))])


@valid
def windows_packed(m):
    """windows of types of 4 and 6 bits that begin and end between bytes, some of them empty"""
    streams = [packed("F4", [3, 4]), packed("F6_E2M3", [2, 8]), packed("F6_E3M2", [8])]
    parts = [("F4", [[1, 2], [2, 2]]), ("F4", [[0, 3], [4, 0]]), ("F6_E2M3", [[1, 1], [4, 4]]), ("F6_E3M2", [[0, 4]])]
    windows = [{"tensor": name, "window": window} for name, window in parts]
    operations = [{"op": "replace", "target": "x", "tensors": {"value": window}} for window in windows]
    m = manifest_of(*streams, operations=[*operations, {"op": "later", "tensors": {"x": windows[0]}}])
    first(m)["inert"] = [{**windows[1], "reason": "x"}]
    return m


@valid
def layouts(m):
    """the three layouts with and without a shape, and the two words of layout_from"""
    weights = Stream("BF16", [("a", [1, 3], bytes(6)), ("b", [2, 1], bytes(4))])
    operations = [low_rank(layout_from=word, bound=["x", "y"]) for word in ("sure", "guessed")]
    operations += [low_rank(layout="in_out", shape=[3, 2]), low_rank(layout="out_in", shape=[2, 3])]
    operations += [low_rank(layout="unresolved"), low_rank(layout="unresolved", shape=[3, 2])]
    return manifest_of(weights, method="lora", operations=operations)


@valid
def rank_zero(m):
    """add_low_rank with r = 0, between operands of different element types"""
    a, b = Stream("F16", [("a", [0, 2], b"")]), Stream("F64", [("b", [2, 0], b"")])
    return manifest_of(a, b, method="lora", operations=[low_rank()])


@valid
def scales(m):
    """numbers as scale: integers, negative, exponents, the smallest subnormal, the largest double, zero in three ways"""
    scales = ["2", "-1", "-0", "0.0", "0e-999", "1E+2", "1.5e-3", "5e-324", "1.7976931348623157e308"]
    scales += ["9007199254740993", "0.1000000000000000055511151231257827021181583404541015625"]
    operation = operation_of(m)
    first(m)["operations"] = [{**operation, "scale": f"<{scale}>"} for scale in scales]
    return pack(m, re.sub(rb'"<(.*?)>"', rb"\1", text_of(m)))


def window_case(name, description, *window):
    operand = put(roles_of, "a", {"tensor": "a", "window": list(window)})
    manifest_case(f"window_{name}", "OPS-1", description, operand)


def operands(dtype_a, shape_a, dtype_b, shape_b, **keys):
    """A change: add_low_rank of two operands of these types and shapes, all zeros."""

    def stream(name, dtype, shape):
        return Stream(dtype, [(name, shape, bytes(math.prod(shape) * DTYPES[dtype][0] // 8))])

    streams = [stream("a", dtype_a, shape_a), stream("b", dtype_b, shape_b)]
    return lambda m: manifest_of(*streams, method="lora", operations=[low_rank(**keys)])


window_case("outside", "a window one past the end of its tensor", [0, 1], [1, 2])
window_case("outside_start", "an empty window that starts after the end", [0, 1], [3, 0])
window_case("rank_less", "a window of one pair in a tensor of two dimensions", [0, 1])
window_case("rank_more", "a window of three pairs in a tensor of two dimensions", [0, 1], [0, 2], [0, 1])
window_case("single", "a window with a start alone", [0, 1], [0])
window_case("triple", "a window with a step", [0, 1], [0, 2, 1])
window_case("flat", "a window that is one pair", 0, 1)
window_case("large", "a window whose start and count are 2^53 - 1", [0, 1], [SAFE, SAFE])
for name, words, dtype, shape, window in [
    ("f4_start", "starts within a byte of F4", "F4", [2, 4], [[0, 2], [1, 2]]),
    ("f4_count", "ends within a byte of F4", "F4", [2, 4], [[0, 2], [2, 1]]),
    ("f4_row", "is of rows of three elements of F4", "F4", [2, 3], [[0, 2], [0, 2]]),
    ("f4_whole", "is all of two rows of three elements of F4", "F4", [2, 3], [[0, 2], [0, 3]]),
    ("f4_vector", "is the first element of F4 of two", "F4", [2], [[0, 1]]),
    ("f6_start", "starts within the bytes of four elements of F6_E2M3", "F6_E2M3", [2, 8], [[0, 1], [2, 4]]),
    ("f6_count", "ends within the bytes of four elements of F6_E3M2", "F6_E3M2", [2, 8], [[0, 1], [4, 2]]),
    ("f6_row", "is of rows of six elements of F6_E2M3", "F6_E2M3", [2, 6], [[0, 1], [0, 4]]),
]:
    part = {"tensor": dtype, "window": window}
    replaced = {"op": "replace", "target": "x", "tensors": {"value": part}}
    made = manifest_of(packed(dtype, shape), operations=[replaced])
    manifest_case(f"window_{name}", "OPS-1", f"a window that {words}", lambda m, made=made: made)
half = {"tensor": "F4", "window": [[0, 1]]}
half_later = manifest_of(packed("F4", [2]), operations=[{"op": "later", "tensors": {"x": half}}])
of_later = "an opaque operation's window that ends within a byte of F4"
manifest_case("window_f4_opaque", "OPS-1", of_later, lambda m: half_later)
half_inert = manifest_of(packed("F4", [2]))
first(half_inert)["inert"].append({**half, "reason": "x"})
manifest_case("inert_window_f4", "OPS-1", "an inert window that ends within a byte of F4", lambda m: half_inert)
past_opaque = "an opaque operation's window one past the end of its tensor"
manifest_case("window_outside_opaque", "OPS-1", past_opaque, later({"tensor": "b", "window": [[1, 2], [0, 1]]}))
manifest_case("operand_number", "OPS-1", "an operand is a number", later(1))
manifest_case("operand_without_tensor", "OPS-1", "an operand is a window alone", later({"window": []}))
manifest_case("operand_without_window", "OPS-1", "an operand is an object without a window", later({"tensor": "b"}))
strange_role = {"tensor": "b", "window": [[1, 2], [0, 1]], "x": 1}
past_strange = "an operand with an unknown key and a window one past the end of its tensor"
manifest_case("window_outside_key", "OPS-1", past_strange, put(roles_of, "b", strange_role))
manifest_case("op_number", "OPS-1", "op is a number", append(first, "operations", {"op": 1, "tensors": {}}))
manifest_case("op_shape_string", "OPS-1", "shape is a string", put(operation_of, "shape", "2,2"))
manifest_case("op_bound_string", "OPS-1", "bound is a string", put(operation_of, "bound", "layer.weight"))
manifest_case("op_target_number", "OPS-1", "target is a number", put(operation_of, "target", 1))
for key, label, value in [
    ("target", "number", 1),
    ("target", "null", None),
    ("shape", "string", "2,2"),
    ("bound", "string", "x"),
    ("bound", "number", [1]),
]:
    wrong = f"{key} of an opaque operation is {json.dumps(value)}"
    later_wrong = append(first, "operations", {"op": "later", "tensors": {}, key: value})
    manifest_case(f"opaque_op_{key}_{label}", "OPS-1", wrong, later_wrong)
array_of_roles = append(first, "operations", {"op": "later", "tensors": ["a"]})
manifest_case("op_tensors_array", "OPS-1", "tensors is an array", array_of_roles)
nine, large = put(operation_of, "shape", [1] * 9), put(operation_of, "shape", [2**32, 2**32])
manifest_case("op_dimensions_9", "LIM-3", "an operation's shape has nine dimensions", nine)
manifest_case("op_product", "LIM-4", "an operation's shape has 2^64 elements", large)
opaque_nine = append(first, "operations", {"op": "later", "tensors": {}, "shape": [0] * 9})
manifest_case("opaque_op_dimensions_9", "LIM-3", "an opaque operation's shape has nine dimensions", opaque_nine)

for name, description, change in [
    ("rank", "a and b do not agree in r", operands("F32", [1, 2], "F32", [2, 2])),
    ("a_vector", "a is a vector", operands("F32", [2], "F32", [2, 1])),
    ("b_cube", "b has a third dimension that is not 1", operands("F32", [1, 2], "F32", [2, 1, 2])),
    ("integer", "a is of type I32", operands("I32", [1, 2], "F32", [2, 1])),
    ("f8", "b is of type F8_E4M3", operands("F32", [1, 2], "F8_E4M3", [2, 1])),
    ("complex", "a and b are of type C64", operands("C64", [1, 2], "C64", [2, 1])),
    ("exchanged", "a and b are exchanged, so that r is 2 and 3", operands("F32", [2, 1], "F32", [1, 3])),
]:
    manifest_case(f"low_rank_{name}", "LOW-1", description, change)
narrow = put(roles_of, "b", {"tensor": "b", "window": [[0, 2], [0, 0]]})
manifest_case("low_rank_window", "LOW-1", "the window of a does not agree with b in r", narrow)
for role in "ab":
    absent = both(drop(roles_of, role), put(first, "inert", inert_of(role)))
    manifest_case(f"missing_role_{role}", "LOW-1", f"a low-rank operation without {role}", absent)
as_stored = operands("F32", [1, 2], "F32", [3, 1], layout="in_out", shape=[3, 2])
as_matrix = operands("F32", [1, 2], "F32", [3, 1], layout="out_in", shape=[2, 3])
none_given, vector = put(operation_of, "shape", [2, 3]), put(operation_of, "shape", [4])
third = both(put(operation_of, "shape", [2, 2, 1]), put(operation_of, "layout", "in_out"))
manifest_case("low_rank_shape", "OPS-5", "shape is none that the operands give", none_given)
manifest_case("low_rank_shape_in_out", "OPS-5", "shape is [out, in] where layout is in_out", as_stored)
manifest_case("low_rank_shape_out_in", "OPS-5", "shape is [in, out] where layout is out_in", as_matrix)
manifest_case("low_rank_shape_rank", "OPS-5", "shape has a third dimension, where layout is in_out", third)
manifest_case("low_rank_shape_vector", "OPS-5", "shape has one dimension", vector)
