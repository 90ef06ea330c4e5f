"""The conformance vectors of section 8 of Spec/adp-v1.md, as data: make_adp.py makes files of them.

An operation is `op(name, roles, **keys)`; its roles are shapes of tensors of F32, or pairs of an element
type and a shape. A valid file has a description and operations; an invalid one the name of its folder, the
rules that it breaks, a description, and one operation that differs from a sound one in one thing.
"""

import json

FACTORS = {"a": [1, 2], "b": [2, 1]}
LOW = {"scale": 0.5, "layout": "out_in"}
EXPERTS = {"a": [2, 2], "b": [3, 2]}
HADAMARD = {"w1_a": [2, 1], "w1_b": [1, 2], "w2_a": [2, 1], "w2_b": [1, 2]}
CORES = {"w1_a": [1, 2], "w1_b": [2, 3], "t1": [1, 2, 2, 1], "w2_a": [1, 2], "w2_b": [1, 3], "t2": [1, 1, 2, 1]}
PREFIX = {"heads": 1, "head_dim": 2, "slots": [[0, 1]], "stream": "decoder"}
TARGETLESS = ("prepend_embeddings", "prepend_kv")


def op(name, roles, **keys):
    target = {} if name in TARGETLESS else {"target": "layer.weight"}
    return {"op": name, **target, "tensors": roles, **keys}


def other(operation, roles=(), **keys):
    """The operation with other roles and keys; None takes one away."""
    roles = {**operation["tensors"], **dict(roles)}
    changed = {**operation, "tensors": {role: shape for role, shape in roles.items() if shape is not None}, **keys}
    return {key: value for key, value in changed.items() if value is not None}


LOW_RANK = op("add_low_rank", FACTORS, **LOW)
STACK = op("add_low_rank", EXPERTS, **LOW, experts=2)
KERNEL = op("add_low_rank", {"a": [1, 2, 3], "b": [2, 1, 1]}, **LOW)
MULTIPLY = op("multiply", {"v": [2, 1]}, side="output", layout="out_in")
GROUPED = other(MULTIPLY, {"v": [1, 4, 1]}, side="input", shape=[4, 2, 3])
ADD = op("add", {"delta": [1, 2]}, scale=0.5)
REPLACE = op("replace", {"value": [3, 2]})
ROWS = op("replace_rows", {"values": [2, 2]}, rows=[2, 0])
PROMPT = op("prepend_embeddings", {"values": [2, 3]}, stream="decoder")
KV = op("prepend_kv", {"values": [1, 4]}, **PREFIX)
HADA = op("add_hadamard", HADAMARD, scale=2)
CP = op("add_hadamard", CORES, scale=2)
KRON = op("add_kronecker", {"w1": [1, 2], "w2": [2, 1]}, scale=2)
SPARSE = op("add_sparse", {"indices": ("I64", [2]), "values": [2]}, scale=1)
BLOCKS = op("add_blocks", {"m": [1, 2]})
CUBE = op("add_blocks", {"m": [1, 2, 2]})
CIRCULANT = op("add_circulant", {"kernel": [1, 2, 2]})
GROUPS = op("add_grouped_low_rank", {"a": [2, 1, 2], "b": [2, 2, 1]}, scale=1, layout="out_in")
NORMED = op("add_normalised_low_rank", {"a": [1, 2], "b": [2, 1], "lambda": [1], "w_norm": [2]})
SCALED = op("scale_low_rank", FACTORS, layout="out_in")
ROTATE = op("rotate_input", {"u": [2, 1]})
BUTTERFLY = op("rotate_butterfly", {"r": [2, 2, 2, 2], "s": [2, 1]})
REFLECT = op("reflect_input", {"u": [2, 1]})
TURN = op("rotate_output", {"theta": [2], "alpha": [2]}, variant="road_1", group=2)
SPECTRAL = op("add_spectral", {"spectrum": [1]}, seed=5, scale=1, layout="out_in")
RESTORE = op("restore", {"difference": ("U16", [2, 2]), "left": [2, 1], "right": [1, 2]}, result="5" * 64)

# One of each: the name that its vectors have, the rule of its operands, itself.
ALL = [
    ("low_rank", "LOW-1", LOW_RANK),
    ("multiply", "MUL-1", MULTIPLY),
    ("add", "ADD-1", ADD),
    ("replace", None, REPLACE),
    ("replace_rows", "ROW-1", ROWS),
    ("prompt", "PRE-1", PROMPT),
    ("prefix", "PKV-1", KV),
    ("hadamard", "HAD-1", HADA),
    ("kronecker", "KRO-1", KRON),
    ("sparse", "SPA-1", SPARSE),
    ("blocks", "BLO-1", BLOCKS),
    ("circulant", "CIR-1", CIRCULANT),
    ("grouped", "GRO-1", GROUPS),
    ("normalised", "NOR-1", NORMED),
    ("scale_low_rank", "SCA-1", SCALED),
    ("rotate", "ROT-1", ROTATE),
    ("butterfly", "BUT-1", BUTTERFLY),
    ("reflect", "REF-1", REFLECT),
    ("rotate_output", "TUR-1", TURN),
    ("spectral", "SPE-1", SPECTRAL),
    ("restore", "RES-1", RESTORE),
]
# What is wrong without a role, where it is not that a required one is missing.
WITHOUT = {"kronecker": {"w1": "KRO-1", "w2": "KRO-1"}, "restore": {"left": "RES-1", "right": "RES-1"}}

VALID = {
    "add_low_rank_kernel": (
        "kernels, one with a magnitude, one whose A is flat",
        [
            other(KERNEL, shape=[2, 2, 3]),
            other(KERNEL, {"magnitude": [2, 1, 1]}),
            other(LOW_RANK, {"a": [1, 6]}, shape=[2, 2, 3]),
        ],
    ),
    "add_low_rank_diagonal": ("a diagonal of r", [other(LOW_RANK, {"diagonal": [1, 1]}, shape=[2, 2])]),
    "add_low_rank_row_scale": (
        "a diagonal and a factor for each output",
        [other(LOW_RANK, {"diagonal": [], "row_scale": [2]})],
    ),
    "add_low_rank_magnitude": (
        "a magnitude, stored both ways, and with r = 0",
        [
            other(LOW_RANK, {"magnitude": [2]}, shape=[2, 2]),
            other(LOW_RANK, {"b": [3, 1], "magnitude": [1, 3]}, layout="in_out", shape=[2, 3]),
            other(LOW_RANK, {"a": [0, 2], "b": [2, 0], "magnitude": [2]}),
        ],
    ),
    "add_low_rank_experts": (
        "stacks of two weights, stored both ways, and of one",
        [
            other(STACK, shape=[2, 3, 2]),
            other(STACK, layout="in_out", layout_from="user", shape=[2, 2, 3]),
            other(STACK, layout="unresolved", shape=[7]),
            other(LOW_RANK, experts=1, shape=[1, 2, 2]),
        ],
    ),
    "add_low_rank_wide": (
        "an A with more columns than the weight, and one with as many",
        [
            other(LOW_RANK, {"a": [1, 3], "diagonal": [1], "row_scale": [2]}, wide=True, shape=[2, 2]),
            other(LOW_RANK, wide=True, layout="in_out", shape=[2, 2]),
            other(LOW_RANK, wide=False),
        ],
    ),
    "add_low_rank_a_blocks": ("A in two blocks", [other(LOW_RANK, {"a": [2, 1], "b": [2, 2]}, a_blocks=2, shape=[2, 2])]),
    "add_low_rank_b_blocks": ("B in two blocks", [other(LOW_RANK, {"a": [2, 2]}, b_blocks=2, shape=[2, 2])]),
    "multiply": (
        "both sides, stored both ways, a bias, a grouped convolution, of another element type",
        [
            other(MULTIPLY, bias=True, shape=[2, 3]),
            other(MULTIPLY, bias=False, layout="in_out", layout_from="kind", shape=[3, 2]),
            other(MULTIPLY, side="input", layout="in_out", shape=[2, 3]),
            other(MULTIPLY, {"v": ("BF16", [1, 2, 1, 1])}, side="input", shape=[3, 2, 5, 5]),
            GROUPED,
            other(MULTIPLY, layout="unresolved", shape=[9]),
        ],
    ),
    "add": (
        "a vector added to one of another form; with the digest of the result, in F64",
        [other(ADD, shape=[2]), other(ADD, {"delta": ("F64", [])}, scale=-1, result="0" * 64, shape=[1, 1])],
    ),
    "replace": (
        "every key; a value of I64 without dimensions, one of I8",
        [
            other(REPLACE, shape=[3, 2]),
            other(REPLACE, absent="create", resize=True, result="a" * 64, shape=[5, 2]),
            other(REPLACE, {"value": ("I64", [])}, absent="skip", resize=False, shape=[]),
            other(REPLACE, {"value": ("I8", [0])}, absent="refuse"),
        ],
    ),
    "replace_rows": (
        "rows in another order; none; rows of no dimensions and of two",
        [
            other(ROWS, shape=[3, 2]),
            other(ROWS, {"values": [0, 2]}, rows=[], shape=[0, 2]),
            other(ROWS, {"values": [1]}, rows=[2**53 - 1]),
            other(ROWS, {"values": [2, 1, 2]}, shape=[3, 1, 2]),
        ],
    ),
    "prepend_embeddings": ("both streams", [PROMPT, other(PROMPT, {"values": [0, 3]}, stream="encoder")]),
    "prepend_kv": ("slots in any order, some of them unused", [other(KV, {"values": [1, 8]}, slots=[[3, 0], [0, 3]])]),
    "add_hadamard": (
        "without cores, on a kernel too; with cores of different ranks, one of them for one dimension",
        [
            other(HADA, shape=[2, 2]),
            other(HADA, {"w1_b": [1, 6], "w2_b": [1, 6]}, shape=[2, 2, 3]),
            other(CP, shape=[2, 3, 2]),
            other(CP, {"t1": [1, 2, 2, 2], "t2": [1, 1, 2, 2]}, shape=[2, 3, 2, 2]),
            other(CP, {"t1": [1, 2, 2], "t2": [1, 1, 2]}, shape=[2, 3, 2]),
        ],
    ),
    "add_kronecker": (
        "wholes, factors of each, a kernel, a core",
        [
            other(KRON, shape=[2, 2]),
            other(KRON, {"w1": None, "w1_a": [1, 1], "w1_b": [1, 2]}, shape=[2, 2]),
            other(KRON, {"w2": None, "w2_a": [2, 1], "w2_b": [1, 1]}),
            other(KRON, {"w2": [2, 1, 3, 3]}, shape=[2, 2, 3, 3]),
            other(KRON, {"w2": None, "w2_a": [1, 2], "w2_b": [1, 1], "t2": [1, 1, 3, 3]}, shape=[2, 2, 3, 3]),
        ],
    ),
    "add_sparse": (
        "places in one row and in two, of both types",
        [other(SPARSE, shape=[2, 1, 3]), other(SPARSE, {"indices": ("I32", [2, 2])}, shape=[2, 4])],
    ),
    "add_blocks": (
        "one of two dimensions, tiled or not, and one of three",
        [other(BLOCKS, shape=[2, 3]), other(BLOCKS, tiled=True, shape=[4, 1]), other(CUBE, shape=[2, 4])],
    ),
    "add_circulant": ("blocks of two", [other(CIRCULANT, shape=[2, 4])]),
    "add_grouped_low_rank": ("two by two blocks", [other(GROUPS, shape=[2, 2])]),
    "add_normalised_low_rank": ("lambda without dimensions", [other(NORMED, {"lambda": []}, shape=[2, 2])]),
    "scale_low_rank": (
        "a matrix stored both ways, and a kernel",
        [
            other(SCALED, shape=[2, 2]),
            other(SCALED, {"b": [3, 1]}, layout="in_out", shape=[2, 3]),
            other(SCALED, KERNEL["tensors"], shape=[2, 2, 3]),
        ],
    ),
    "rotate_input": (
        "exact, a series, a bound, and a block for all",
        [
            other(ROTATE, shape=[3, 4]),
            other(ROTATE, terms=1, radius=0),
            other(ROTATE, {"u": [1, 3]}, terms=5, radius=0.5, shared=True, shape=[3, 6]),
        ],
    ),
    "rotate_butterfly": (
        "two factors; one, of an odd block",
        [other(BUTTERFLY, shape=[2, 4]), other(BUTTERFLY, {"r": [1, 2, 3, 3], "s": [1, 2]}, shape=[2, 2, 3])],
    ),
    "reflect_input": (
        "two reflections, made orthogonal, on a kernel; none",
        [other(REFLECT, {"u": [6, 2]}, orthogonal=True, shape=[1, 2, 3]), other(REFLECT, {"u": [2, 0]})],
    ),
    "rotate_output": (
        "the three variants",
        [
            other(TURN, shape=[4, 1]),
            other(TURN, variant="road_2", shape=[2, 3]),
            other(TURN, {"theta": [8], "alpha": [8]}, variant="road_4", group=4, shape=[4, 3]),
        ],
    ),
    "add_spectral": (
        "a seed over 32 bits; an unresolved layout",
        [other(SPECTRAL, seed=2**32 + 5, shape=[2, 2]), other(SPECTRAL, layout="unresolved")],
    ),
    "restore": (
        "factors; none, of every width; a kernel; a vector",
        [
            other(RESTORE, shape=[2, 2]),
            *[other(RESTORE, {"difference": (f"U{w}", [3]), "left": None, "right": None}, shape=[3, 1]) for w in (8, 16, 32, 64)],
            other(RESTORE, {"difference": ("U32", [2, 1, 3]), "right": [1, 3]}, shape=[2, 1, 3]),
        ],
    ),
    "prepend_target": (
        "a target, a shape and names bound to, which mean nothing there",
        [other(PROMPT, target="x", shape=[9], bound=["x"]), other(KV, target="x", shape=[0], bound=[])],
    ),
    "multiply_nothing": ("a kernel without channels", [other(GROUPED, {"v": [0]}, shape=[4, 0, 3])]),
    "rotate_input_nothing": (
        "no blocks, of 2^26 + 1",
        [other(ROTATE, {"u": [0, (2**26 + 1) * 2**25]}, shape=[3, 0])],
    ),
    "opaque_multiply": ("multiply with an unknown key: what else is wrong does not matter", [other(MULTIPLY, side="both", x=1)]),
    "opaque_replace": ("replace with an unknown role, without its own", [other(REPLACE, {"value": None, "mask": [2]})]),
    "opaque_layout": ("add with a layout, which is no key of its section", [other(ADD, layout="out_in")]),
}

# Keys with a value of another type, with none of their words, or with a count of nothing.
TYPES = [
    ("scale", "array", "MAN-1", ADD, [1]),
    ("bias", "number", "MAN-1", MULTIPLY, 1),
    ("bias", "string", "MAN-1", MULTIPLY, "true"),
    ("side", "number", "MAN-1", MULTIPLY, 0),
    ("result", "number", "MAN-1", ADD, 0),
    ("result", "long", "DIG-1", REPLACE, "0" * 65),
    ("absent", "unknown", "OPS-4", REPLACE, "ignore"),
    ("absent", "false", "MAN-1", REPLACE, False),
    ("resize", "number", "MAN-1", REPLACE, 0),
    ("rows", "number", "MAN-1", ROWS, 2),
    ("rows", "strings", "MAN-1", ROWS, ["2", "0"]),
    ("stream", "prompt", "OPS-4", PROMPT, "both"),
    ("stream", "prefix", "OPS-4", KV, ""),
    ("heads", "0", "MAN-1", KV, 0),
    ("heads", "string", "MAN-1", KV, "1"),
    ("head_dim", "0", "MAN-1", KV, 0),
    ("slots", "flat", "MAN-1", KV, [0, 1]),
    ("slots", "single", "MAN-1", KV, [[0]]),
    ("slots", "triple", "MAN-1", KV, [[0, 1, 0]]),
    ("slots", "object", "MAN-1", KV, {}),
    ("tiled", "string", "MAN-1", BLOCKS, "no"),
    ("wide", "number", "MAN-1", LOW_RANK, 1),
    ("experts", "string", "MAN-1", STACK, "2"),
    ("a_blocks", "0", "MAN-1", LOW_RANK, 0),
    ("b_blocks", "0", "MAN-1", LOW_RANK, 0),
    ("b_blocks", "true", "MAN-1", LOW_RANK, True),
    ("terms", "0", "MAN-1", ROTATE, 0),
    ("terms", "string", "MAN-1", ROTATE, "1"),
    ("shared", "string", "MAN-1", ROTATE, "false"),
    ("radius", "string", "MAN-1", ROTATE, "1"),
    ("orthogonal", "number", "MAN-1", REFLECT, 1),
    ("variant", "number", "MAN-1", TURN, 1),
    ("group", "0", "MAN-1", TURN, 0),
    ("group", "string", "MAN-1", TURN, "2"),
    ("seed", "string", "MAN-1", SPECTRAL, "5"),
    ("layout", "grouped", "OPS-4", GROUPS, "in_in"),
    ("layout_from", "multiply", "OPS-4", MULTIPLY, ""),
]
# Keys with a number that is no integer of JSN-4.
FRACTIONS = [
    ("rows", "point", ROWS, [2.0, 0]),
    ("rows", "negative", ROWS, [-1, 0]),
    ("rows", "2_53", ROWS, [2**53, 0]),
    ("heads", "point", KV, 1.0),
    ("head_dim", "negative", KV, -2),
    ("slots", "half", KV, [[0, 0.5]]),
    ("experts", "point", STACK, 2.0),
    ("a_blocks", "negative", LOW_RANK, -1),
    ("b_blocks", "2_64", LOW_RANK, 2**64 + 1),
    ("terms", "half", ROTATE, 1.5),
    ("group", "point", TURN, 2.0),
    ("seed", "negative", SPECTRAL, -1),
    ("seed", "2_53", SPECTRAL, 2**53),
]


def systematic():
    """Invalid files of all operations alike."""
    for name, rule, operation in ALL:
        for role, shape in operation["tensors"].items():
            if name != "low_rank":
                without = other(operation, {role: None})
                broken = WITHOUT.get(name, {}).get(role, "MAN-1")
                yield f"manifest/missing_{name}_{role}", broken, f"{operation['op']} without {role}", without
            if rule and role != "indices" and (name, role) != ("add", "delta"):
                narrow = other(operation, {role: ("I8", shape[1] if isinstance(shape, tuple) else shape)})
                yield f"manifest/integer_{name}_{role}", rule, f"{role} of {operation['op']} is of type I8", narrow
        for key in operation:
            if name != "low_rank" and key not in ("op", "tensors"):
                without = other(operation, **{key: None})
                yield f"manifest/missing_{name}_{key}", "MAN-1", f"{operation['op']} without {key}", without
    for key, label, rule, operation, value in TYPES:
        wrong = other(operation, **{key: value})
        yield f"manifest/key_{key}_{label}", rule, f"{operation['op']} whose {key} is {json.dumps(value)}", wrong
    for key, label, operation, value in FRACTIONS:
        wrong = other(operation, **{key: value})
        yield f"json/integer_{key}_{label}", "JSN-4", f"{operation['op']} whose {key} is {json.dumps(value)}", wrong



INVALID = [
    *systematic(),
    ("manifest/experts_0", "MAN-1", "experts is 0", other(STACK, experts=0)),
    ("json/seed_point", "JSN-4", "a seed written 5.0", other(SPECTRAL, seed=5.0)),
    ("manifest/result_short", "DIG-1", "result has 63 digits", other(ADD, result="0" * 63)),
    ("manifest/side_unknown", "OPS-4", "side is neither of its words", other(MULTIPLY, side="both")),
    ("manifest/variant_unknown", "OPS-4", "variant is none of its words", other(TURN, variant="road_3")),
    ("manifest/experts_shape", "OPS-5", "a stack of shape [E, in, out]", other(STACK, shape=[2, 2, 3])),
    ("manifest/wide_shape", "OPS-5", "more columns than a wide A", other(LOW_RANK, wide=True, shape=[2, 3])),
    ("manifest/kernel_shape", "OPS-5", "the kernel's last two are exchanged", other(KERNEL, shape=[2, 3, 2])),
    ("manifest/multiply_shape", "OPS-5", "three groups for four outputs", other(GROUPED, {"v": [6]})),
    ("manifest/add_shape", "OPS-5", "shape has three elements, delta two", other(ADD, shape=[3])),
    ("manifest/replace_shape", "OPS-5", "another shape, without resize", other(REPLACE, shape=[4, 2])),
    ("manifest/replace_rows_shape", "OPS-5", "row 2 of a parameter of two", other(ROWS, shape=[2, 2])),
    ("manifest/hadamard_shape", "OPS-5", "the shape of a vector", other(HADA, shape=[4])),
    ("manifest/spectral_shape", "OPS-5", "shape has three dimensions", other(SPECTRAL, shape=[2, 2, 1])),
    ("manifest/rotate_shape", "OPS-5", "a kernel of as many inputs", other(ROTATE, shape=[2, 2, 2])),
    ("manifest/scale_low_rank_shape", "OPS-5", "shape has a column fewer than a", other(SCALED, shape=[2, 1])),
    ("manifest/resize_shape", "OPS-5", "resize, and another second dimension", other(REPLACE, resize=True, shape=[3, 3])),
    ("manifest/replace_rows_shape_rest", "OPS-5", "rows of another length", other(ROWS, shape=[3, 3])),
    ("manifest/kronecker_shape", "OPS-5", "the shape of w2 ⊗ w1, transposed", other(KRON, shape=[1, 4])),
    ("manifest/kronecker_shape_kernel", "OPS-5", "a kernel's shape, flat", other(KRON, {"w2": [2, 1, 3, 3]}, shape=[2, 18])),
    (
        "manifest/hadamard_shape_kernel",
        "OPS-5",
        "a kernel's shape, flat",
        other(CP, {"t1": [1, 2, 2, 2], "t2": [1, 1, 2, 2]}, shape=[2, 12]),
    ),
    (
        "manifest/sparse_shape",
        "OPS-5",
        "rows and columns in a kernel",
        other(SPARSE, {"indices": ("I32", [2, 2])}, shape=[2, 4, 1]),
    ),
    ("manifest/blocks_shape", "OPS-5", "q is the weight's columns", other(BLOCKS, shape=[1, 2])),
    ("manifest/blocks_shape_cube", "OPS-5", "columns that r does not divide", other(CUBE, shape=[2, 3])),
    ("manifest/circulant_shape", "OPS-5", "shape is [in, out]", other(CIRCULANT, shape=[4, 2])),
    ("manifest/grouped_shape", "OPS-5", "shape has a row for each group", other(GROUPS, {"b": [2, 2, 2]}, shape=[2, 2])),
    ("manifest/normalised_shape", "OPS-5", "shape has three columns, a two", other(NORMED, shape=[2, 3])),
    ("manifest/butterfly_shape", "OPS-5", "shape has half as many columns", other(BUTTERFLY, shape=[2, 2])),
    ("manifest/butterfly_shape_rows", "OPS-5", "shape has three rows, s two", other(BUTTERFLY, shape=[3, 4])),
    ("manifest/reflect_shape", "OPS-5", "shape is [in, out]", other(REFLECT, shape=[2, 3])),
    ("manifest/rotate_output_shape", "OPS-5", "shape has as many rows as there are angles", other(TURN, shape=[2, 3])),
    (
        "manifest/rotate_shape_shared",
        "OPS-5",
        "columns that b does not divide",
        other(ROTATE, {"u": [1, 1]}, shared=True, shape=[2, 3]),
    ),
    ("manifest/low_rank_blocks", "LOW-1", "r is no multiple of a_blocks", other(LOW_RANK, a_blocks=2)),
    (
        "manifest/low_rank_blocks_large",
        "LOW-1 LOW-2",
        "experts and a_blocks are 2^53 - 1: their product does not fit 64 bits",
        other(STACK, experts=2**53 - 1, a_blocks=2**53 - 1),
    ),
    (
        "manifest/low_rank_blocks_rows",
        "LOW-1",
        "out is no multiple of b_blocks",
        other(LOW_RANK, {"a": [2, 2], "b": [3, 1]}, b_blocks=2),
    ),
    ("manifest/low_rank_a_scalar", "LOW-1", "a has no dimensions", other(LOW_RANK, {"a": []})),
    ("manifest/experts_rank", "LOW-1", "r is no multiple of the experts", other(STACK, {"a": [3, 2], "b": [3, 3]})),
    ("manifest/low_rank_row_scale", "LOW-2", "a row_scale of in", other(LOW_RANK, {"b": [3, 1], "row_scale": [2]})),
    (
        "manifest/low_rank_magnitude_matrix",
        "LOW-2",
        "a magnitude of [2, 2] for four rows",
        other(LOW_RANK, {"b": [4, 1], "magnitude": [2, 2]}),
    ),
    ("manifest/experts_blocks", "LOW-2", "experts with blocks", other(STACK, {"b": [4, 1]}, b_blocks=2)),
    ("manifest/experts_wide", "LOW-2", "experts with wide", other(STACK, wide=True)),
    ("manifest/experts_kernel", "LOW-2", "experts with a kernel", other(STACK, {"a": [2, 2, 3]})),
    (
        "manifest/low_rank_blocks_wide",
        "LOW-2",
        "a wide A in blocks",
        other(LOW_RANK, {"a": [2, 2], "b": [2, 2]}, wide=True, a_blocks=2),
    ),
    (
        "manifest/low_rank_blocks_kernel",
        "LOW-2",
        "an A in blocks that is a kernel",
        other(LOW_RANK, {"a": [2, 2, 3], "b": [2, 2]}, a_blocks=2),
    ),
    ("manifest/low_rank_diagonal", "LOW-2", "a diagonal of two, where r is 1", other(LOW_RANK, {"diagonal": [2]})),
    ("manifest/low_rank_magnitude", "LOW-2", "a magnitude of in", other(LOW_RANK, {"b": [3, 1], "magnitude": [2]})),
    ("manifest/experts_magnitude", "LOW-2", "experts with a magnitude", other(STACK, {"magnitude": [3]})),
    ("manifest/experts_empty", "LOW-2", "experts of rank 0", other(STACK, {"a": [0, 2], "b": [3, 0]})),
    ("manifest/wide_kernel", "LOW-2", "a wide A that is a kernel", other(KERNEL, wide=True)),
    ("manifest/multiply_matrix", "MUL-1", "v is a matrix", other(MULTIPLY, {"v": [2, 2]})),
    ("manifest/multiply_bias", "MUL-2", "the input side with bias", other(MULTIPLY, side="input", bias=True)),
    ("manifest/add_integer", "ADD-1", "delta is of type I32", other(ADD, {"delta": ("I32", [2])})),
    ("manifest/replace_scalar", "REP-1", "resize, with a value without dimensions", other(REPLACE, {"value": []}, resize=True)),
    ("manifest/replace_rows_twice", "ROW-1", "a row is named twice", other(ROWS, rows=[2, 2])),
    ("manifest/prompt_vector", "PRE-1", "values are a vector", other(PROMPT, {"values": [3]})),
    ("manifest/replace_rows_count", "ROW-1", "three rows for two values", other(ROWS, rows=[2, 0, 1])),
    ("manifest/replace_rows_scalar", "ROW-1", "no rows, and values without dimensions", other(ROWS, {"values": []}, rows=[])),
    ("manifest/prefix_slot", "PKV-1", "slot 2 of two", other(KV, slots=[[0, 2]])),
    ("manifest/prefix_slot_key", "PKV-1", "slot 2^53 - 1 of two, in a later layer", other(KV, slots=[[0, 1], [2**53 - 1, 0]])),
    ("manifest/prefix_width", "PKV-1", "values are no whole number of slots wide", other(KV, {"values": [1, 5]})),
    ("manifest/prefix_vector", "PKV-1", "values are a vector", other(KV, {"values": [4]})),
    (
        "manifest/prefix_wraps",
        "PKV-1",
        "heads and head_dim are 2^52 and 2^12: their product wraps",
        other(KV, heads=2**52, head_dim=2**12),
    ),
    ("manifest/prefix_large", "PKV-1", "heads and head_dim are 2^53 - 1", other(KV, heads=2**53 - 1, head_dim=2**53 - 1)),
    ("manifest/hadamard_products", "HAD-1", "products of different shapes", other(HADA, {"w2_a": [3, 1]})),
    ("manifest/hadamard_core", "HAD-1", "one core without the other", other(CP, {"t2": None, "w2_a": [2, 1]})),
    ("manifest/hadamard_rank", "HAD-1", "w1_a and w1_b do not agree in r", other(HADA, {"w1_a": [2, 2]})),
    ("manifest/hadamard_vector", "HAD-1", "w1_a is a vector", other(HADA, {"w1_a": [2]})),
    ("manifest/hadamard_core_flat", "HAD-1", "cores of two dimensions", other(CP, {"t1": [1, 2], "t2": [1, 1]})),
    ("manifest/hadamard_core_other", "HAD-1", "cores of different kernels", other(CP, {"t2": [1, 1, 1, 1]})),
    ("manifest/kronecker_one", "KRO-1", "one factor of w1", other(KRON, {"w1": None, "w1_a": [1, 1]})),
    (
        "manifest/kronecker_ranks",
        "KRO-1",
        "the factors of w2 do not agree",
        other(KRON, {"w2": None, "w2_a": [2, 1], "w2_b": [2, 1]}),
    ),
    ("manifest/kronecker_left_kernel", "KRO-1", "w1 is a kernel", other(KRON, {"w1": [1, 2, 3, 3]})),
    ("manifest/kronecker_vector", "KRO-1", "w2 is a vector", other(KRON, {"w2": [2]})),
    ("manifest/kronecker_both", "KRO-1", "w1 and one of its factors", other(KRON, {"w1_b": [1, 2]})),
    ("manifest/kronecker_core", "KRO-1", "a core beside w2", other(KRON, {"t2": [1, 1, 3, 3]})),
    ("manifest/kronecker_cube", "KRO-1", "w2 has three dimensions", other(KRON, {"w2": [2, 1, 3]})),
    ("manifest/sparse_float", "SPA-1", "indices are of type F32", other(SPARSE, {"indices": [2]})),
    ("manifest/sparse_count", "SPA-1", "three indices for two values", other(SPARSE, {"indices": ("I64", [3])})),
    ("manifest/sparse_rows", "SPA-1", "indices are of shape [3, n]", other(SPARSE, {"indices": ("I64", [3, 2])})),
    ("manifest/sparse_i8", "SPA-1", "indices are of type I8", other(SPARSE, {"indices": ("I8", [2])})),
    ("manifest/sparse_values", "SPA-1", "values are a column", other(SPARSE, {"values": [2, 1]})),
    ("manifest/blocks_empty", "BLO-1", "m has a dimension 0", other(BLOCKS, {"m": [0, 2]})),
    ("manifest/blocks_empty_cube", "BLO-1", "m is [2, 0, 0]", other(CUBE, {"m": [2, 0, 0]})),
    ("manifest/blocks_vector", "BLO-1", "m is a vector", other(BLOCKS, {"m": [2]})),
    ("manifest/blocks_oblong", "BLO-1", "m is [1, 2, 3]: its blocks are not square", other(CUBE, {"m": [1, 2, 3]})),
    ("manifest/blocks_four", "BLO-1", "m has four dimensions", other(CUBE, {"m": [1, 1, 2, 2]})),
    ("manifest/blocks_tiled", "BLO-1", "three dimensions, tiled", other(CUBE, tiled=True)),
    ("manifest/circulant_matrix", "CIR-1", "kernel has two dimensions", other(CIRCULANT, {"kernel": [2, 2]})),
    ("manifest/circulant_empty", "CIR-1", "kernel has a dimension 0", other(CIRCULANT, {"kernel": [1, 2, 0]})),
    ("manifest/grouped_none", "GRO-1", "k is 0", other(GROUPS, {"a": [0, 1, 2], "b": [0, 2, 1]})),
    ("manifest/grouped_unlike", "GRO-1", "a and b do not agree in k", other(GROUPS, {"b": [1, 2, 1]})),
    ("manifest/grouped_ranks", "GRO-1", "a and b do not agree in r", other(GROUPS, {"b": [2, 4, 1]})),
    ("manifest/grouped_matrix", "GRO-1", "a is a matrix", other(GROUPS, {"a": [2, 2]})),
    ("manifest/grouped_rank", "GRO-1", "r is no multiple of k", other(GROUPS, {"a": [2, 1, 1], "b": [2, 1, 1]})),
    ("manifest/normalised_lambda", "NOR-1", "lambda has two elements", other(NORMED, {"lambda": [2]})),
    ("manifest/normalised_none", "NOR-1", "r is 0", other(NORMED, {"a": [0, 2], "b": [2, 0]})),
    ("manifest/normalised_rank", "NOR-1", "a and b do not agree in r", other(NORMED, {"b": [2, 2]})),
    ("manifest/normalised_norm", "NOR-1", "w_norm has out elements", other(NORMED, {"b": [3, 1], "w_norm": [3]})),
    ("manifest/scale_low_rank_cube", "SCA-1", "b has a third dimension that is not 1", other(SCALED, {"b": [2, 1, 2]})),
    ("manifest/scale_low_rank_rank", "SCA-1", "a and b do not agree in r", other(SCALED, {"b": [2, 2]})),
    ("manifest/rotate_size", "ROT-1", "no block has two elements above its diagonal", other(ROTATE, {"u": [2, 2]})),
    ("manifest/rotate_nothing", "ROT-1", "blocks of 1, which have nothing above their diagonals", other(ROTATE, {"u": [2, 0]})),
    ("manifest/rotate_vector", "ROT-1", "u is a vector", other(ROTATE, {"u": [1]})),
    ("manifest/rotate_radius", "ROT-1", "a negative radius", other(ROTATE, radius=-0.5)),
    ("manifest/rotate_terms_large", "ROT-1", "2^53 - 1 terms", other(ROTATE, terms=2**53 - 1)),
    ("manifest/rotate_terms", "ROT-1", "65 terms", other(ROTATE, terms=65)),
    ("manifest/rotate_shared", "ROT-1", "two shared blocks", other(ROTATE, shared=True)),
    ("manifest/butterfly_odd", "BUT-1", "two factors of odd blocks", other(BUTTERFLY, {"r": [2, 2, 3, 3]})),
    ("manifest/butterfly_empty", "BUT-1", "r has no factors", other(BUTTERFLY, {"r": [0, 2, 2, 2]})),
    ("manifest/butterfly_oblong", "BUT-1", "blocks that are not square", other(BUTTERFLY, {"r": [1, 2, 2, 3]})),
    ("manifest/butterfly_cube", "BUT-1", "r has three dimensions", other(BUTTERFLY, {"r": [2, 2, 2]})),
    ("manifest/butterfly_scale", "BUT-1", "s is a matrix", other(BUTTERFLY, {"s": [2, 2]})),
    (
        "manifest/butterfly_66",
        "BUT-1",
        "66 factors on two blocks: 2^65 does not fit 64 bits",
        other(BUTTERFLY, {"r": [66, 2, 2, 2]}),
    ),
    ("manifest/butterfly_three", "BUT-1", "three factors on two blocks", other(BUTTERFLY, {"r": [3, 2, 2, 2]})),
    ("manifest/reflect_vector", "REF-1", "u is a vector", other(REFLECT, {"u": [2]})),
    ("manifest/rotate_output_odd", "TUR-1", "groups of three", other(TURN, {"theta": [3], "alpha": [3]}, group=3)),
    ("manifest/rotate_output_unlike", "TUR-1", "alpha has an element more", other(TURN, {"alpha": [3]})),
    ("manifest/rotate_output_matrix", "TUR-1", "theta and alpha are columns", other(TURN, {"theta": [2, 1], "alpha": [2, 1]})),
    (
        "manifest/rotate_output_groups",
        "TUR-1",
        "three pairs in groups of two",
        other(TURN, {"theta": [3], "alpha": [3]}, group=4),
    ),
    ("manifest/rotate_output_large", "TUR-1", "groups of 2^53 - 2", other(TURN, variant="road_4", group=2**53 - 2)),
    ("manifest/restore_inner", "RES-1", "left has r = 2, right r = 1", other(RESTORE, {"left": [2, 2]})),
    ("manifest/restore_kernel", "RES-1", "left has three dimensions", other(RESTORE, {"left": [2, 1, 1]})),
    ("manifest/restore_count", "RES-1", "left and right are of 2 x 3 elements, difference of 2 x 2", other(RESTORE, {"right": [1, 3]})),
    ("manifest/restore_shape", "OPS-5", "shape has as many elements, in other rows", other(RESTORE, shape=[4, 1])),
    ("manifest/restore_vector", "OPS-5", "a vector of other elements", other(RESTORE, {"left": None, "right": None}, shape=[5])),
    ("manifest/spectral_scalar", "SPE-1", "spectrum has no dimensions", other(SPECTRAL, {"spectrum": []})),
    ("manifest/spectral_matrix", "SPE-1", "spectrum is a matrix", other(SPECTRAL, {"spectrum": [1, 1]})),
]
