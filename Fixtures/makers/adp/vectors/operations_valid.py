"""Valid files of each operation (section 8): a description, and the operations."""

from makers.adp.manifests import operations_manifest
from makers.adp.registry import VALID
from makers.adp.vectors.operation_samples import (
    ADD, BLOCKS, BUTTERFLY, CIRCULANT, CP, CUBE, GROUPED, GROUPS, HADA, KERNEL, KRON, KV, LOW_RANK, MULTIPLY,
    NORMED, PROMPT, REFLECT, REPLACE, RESTORE, ROTATE, ROWS, SCALED, SPARSE, SPECTRAL, STACK, TURN, other,
)


def operations_maker(description, operations):
    def maker(m):
        return operations_manifest(*operations)

    maker.__doc__ = description
    return maker


SOUND = {
    "add_low_rank_kernel": (
        "kernels, one with a magnitude, one whose B is a matrix, one whose A is flat",
        [
            other(KERNEL, shape=[2, 2, 3]),
            other(KERNEL, {"magnitude": [2, 1, 1]}),
            other(KERNEL, {"b": [2, 1]}, shape=[2, 2, 3]),
            other(KERNEL, {"a": [1, 2, 3, 3], "b": [2, 1, 1, 1]}, layout="unresolved", shape=[5]),
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
            other(STACK, layout="in_out", layout_from="sure", shape=[2, 2, 3]),
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
    "add_low_rank_as_absent": (
        "blocks of 1 and flags that are false, beside what blocks and flags must not stand with (LOW-2)",
        [
            other(STACK, a_blocks=1, b_blocks=1, wide=False, shape=[2, 3, 2]),
            other(KERNEL, a_blocks=1, b_blocks=1, wide=False, shape=[2, 2, 3]),
            other(LOW_RANK, {"a": [1, 3]}, wide=True, a_blocks=1, shape=[2, 2]),
            other(LOW_RANK, {"a": [2, 1], "b": [2, 2]}, wide=False, a_blocks=2),
        ],
    ),
    "add_low_rank_largest": (
        "weights of 2^53 - 1 elements, the most there may be, with r = 0 (OPS-5)",
        [
            other(LOW_RANK, {"a": [0, 20394401], "b": [6361 * 69431, 0]}, shape=[6361 * 69431, 20394401]),
            other(LOW_RANK, {"a": [0, 1], "b": [2**53 - 1, 0]}, layout="in_out"),
        ],
    ),
    "multiply": (
        "both sides, stored both ways, a bias, a grouped convolution, of another element type",
        [
            other(MULTIPLY, bias=True, shape=[2, 3]),
            other(MULTIPLY, bias=False, layout="in_out", layout_from="guessed", shape=[3, 2]),
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
    "prepend_kv": (
        "slots in any order, some of them unused; no slots of 2^53 - 1 numbers, the most there may be (PKV-1)",
        [
            other(KV, {"values": [1, 8]}, slots=[[3, 0], [0, 3]]),
            other(KV, {"values": [1, 0]}, heads=6361 * 69431, head_dim=20394401, slots=[]),
        ],
    ),
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
        "two reflections, made orthogonal, on a kernel; none; as many orthogonal ones as inputs; more, not orthogonal",
        [
            other(REFLECT, {"u": [6, 2]}, orthogonal=True, shape=[1, 2, 3]),
            other(REFLECT, {"u": [2, 0]}),
            other(REFLECT, {"u": [2, 2]}, orthogonal=True),
            other(REFLECT, {"u": [2, 3]}, orthogonal=False),
        ],
    ),
    "rotate_output": (
        "the three variants; angles and factors of two types",
        [
            other(TURN, {"alpha": ("F64", [2])}),
            other(TURN, shape=[4, 1]),
            other(TURN, variant="road_2", shape=[2, 3]),
            other(TURN, {"theta": [8], "alpha": [8]}, variant="road_4", group=4, shape=[4, 3]),
        ],
    ),
    "add_spectral": (
        "a place; one twice, and none, both of unresolved layouts",
        [
            other(SPECTRAL, shape=[2, 2]),
            other(SPECTRAL, {"spectrum": [2], "places": ("I32", [2, 2])}, layout="unresolved", shape=[7]),
            other(SPECTRAL, {"spectrum": [0], "places": ("I32", [2, 0])}, layout="unresolved"),
        ],
    ),
    "restore": (
        "factors; none, of every width; a kernel; factors of nothing",
        [
            other(RESTORE, shape=[2, 2]),
            *[other(RESTORE, {"difference": (f"U{w}", [3, 1]), "left": None, "right": None}) for w in (16, 32, 64)],
            other(RESTORE, {"difference": ("U32", [2, 1, 3]), "right": [1, 3]}, shape=[2, 1, 3]),
            other(RESTORE, {"left": [2, 0], "right": [0, 2]}, shape=[2, 2]),
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
    "levels": (
        "operations of the core beside others, which are opaque to a reader of level 1 (OPS-2)",
        [LOW_RANK, other(ROTATE, shape=[3, 4]), ADD, SPARSE, other(PROMPT, target="x"), KRON],
    ),
    "opaque_multiply": ("multiply with an unknown key: what else is wrong does not matter", [other(MULTIPLY, side="both", x=1)]),
    "opaque_replace": ("replace with an unknown role, without its own", [other(REPLACE, {"value": None, "mask": [2]})]),
    "opaque_spectral": (
        "add_spectral of the drafts, with a seed and without places: a key that its section does not give (OPS-2)",
        [other(SPECTRAL, {"places": None}, seed=5, layout_from="kind")],
    ),
    "opaque_layout": ("add with a layout, which is no key of its section", [other(ADD, layout="out_in")]),
}

for name, entry in SOUND.items():
    VALID[f"ops_{name}"] = operations_maker(*entry)
