"""Operands and their windows (section 8): OPS-1, and LOW-1 and OPS-5 of the example."""

import math
import re

from makers.adp.changes import append, both, drop, inert_of, later, put, roles_of
from makers.adp.files import pack, text_of
from makers.adp.manifests import SAFE, first, low_rank, manifest_of, operation_of
from makers.adp.registry import case, manifest_case, valid
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


@valid
def layouts(m):
    """the three layouts with and without a shape, and the seven words of layout_from"""
    weights = Stream("BF16", [("a", [1, 3], bytes(6)), ("b", [2, 1], bytes(4))])
    words = ["base", "kind", "name", "flag", "siblings", "model_type", "user"]
    operations = [low_rank(layout_from=word, bound=["x", "y"]) for word in words]
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
array_of_roles = append(first, "operations", {"op": "later", "tensors": ["a"]})
manifest_case("op_tensors_array", "OPS-1", "tensors is an array", array_of_roles)
nine, large = put(operation_of, "shape", [1] * 9), put(operation_of, "shape", [2**32, 2**32])
case("limit/operation_dimensions_9", "LIM-3", "an operation's shape has nine dimensions", nine)
case("limit/operation_product", "LIM-4", "an operation's shape has 2^64 elements", large)
opaque_nine = append(first, "operations", {"op": "later", "tensors": {}, "shape": [0] * 9})
case("limit/opaque_operation_dimensions_9", "LIM-3", "an opaque operation's shape has nine dimensions", opaque_nine)

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
