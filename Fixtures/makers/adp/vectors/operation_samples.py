"""A sound operation of each kind (section 8), of which the files of operations are made.

An operation is `op(name, roles, **keys)`; its roles are shapes of tensors of F32, or pairs of an element type and a
shape.
"""

from makers.adp.manifests import operations_manifest
from makers.adp.registry import case

FACTORS = {"a": [1, 2], "b": [2, 1]}
LOW = {"scale": 0.5, "layout": "out_in"}
EXPERTS = {"a": [2, 2], "b": [3, 2]}
HADAMARD = {"w1_a": [2, 1], "w1_b": [1, 2], "w2_a": [2, 1], "w2_b": [1, 2]}
CORES = {"w1_a": [1, 2], "w1_b": [2, 3], "t1": [1, 2, 2, 1], "w2_a": [1, 2], "w2_b": [1, 3], "t2": [1, 1, 2, 1]}
PREFIX = {"heads": 1, "head_dim": 2, "slots": [[0, 1]], "stream": "decoder"}
TARGETLESS = ("prepend_embeddings", "prepend_kv")
CORE = ("add_low_rank", "multiply", "add", "replace", "replace_rows", *TARGETLESS)


def op(name, roles, **keys):
    target = {} if name in TARGETLESS else {"target": "layer.weight"}
    return {"op": name, **target, "tensors": roles, **keys}


def other(operation, roles=(), **keys):
    """The operation with other roles and keys; None takes one away."""
    roles = {**operation["tensors"], **dict(roles)}
    changed = {**operation, "tensors": {role: shape for role, shape in roles.items() if shape is not None}, **keys}
    return {key: value for key, value in changed.items() if value is not None}


def operation_case(name, broken, description, operation):
    """Registers a file of one operation: beyond the core, a reader of level 1 knows only the rules of all of them."""
    level = 1 if operation["op"] in CORE or broken in ("OPS-1", "NAM-1", "LIM-3") else 2
    case(f"manifest/{name}", broken, description, lambda m: operations_manifest(operation), level)


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
SPECTRAL = op("add_spectral", {"spectrum": [1], "places": ("I32", [2, 1])}, scale=1, layout="out_in")
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
