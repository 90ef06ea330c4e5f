"""Random operations, sound ones, for a parameter of a base: the core, 8.1 to 8.5, and 8.22. See adding_kinds.py and
rotating_kinds.py for the others.

A kind is a function of what draws and of a parameter. It returns operands, role → tensor, and keys; or None where there
is none for such a parameter.
"""

from math import prod

from bases import logical_sizes

KINDS = {}


def kind(weight):
    """Makes a function a kind, which is drawn so often."""

    def add(function):
        KINDS[function.__name__] = (function, weight)
        return function

    return add


def vector(draw, n):
    """An operand of n elements, with at most one dimension that is not 1."""
    return draw.operand(draw.choice([[n], [n], [n], [n, 1], [1, n], [1, n, 1, 1]]))


def scale(draw):
    return draw.choice([0.5, 2, 1, -0.25, 0.1, 3, 1e-3, draw.gauss(0, 1)])


def layout_keys(draw, t):
    """The layout, as a writer may have known it."""
    other = "in_out" if t.layout == "out_in" else "out_in"
    word, origin = draw.weighed(
        {
            (t.layout, "sure"): 8,
            (t.layout, "guessed"): 8,
            (t.layout, None): 3,
            ("unresolved", None): 3,
            ("unresolved", "sure"): 0.3,
            (other, "guessed"): 1.5,
            (other, None): 0.5,
            (other, "sure"): 0.7,
        }
    )
    return {"layout": word} if origin is None else {"layout": word, "layout_from": origin}


def factors(draw, t, r):
    """`a` and `b` of a low-rank product; kernels have theirs in `a`, or lie flat."""
    out, into = logical_sizes(t)
    if t.kind == "kernel" and draw.chance(0.6):
        ones = [1] * (len(t.shape) - 2) if draw.chance(0.7) else []
        return {"a": draw.operand([r, *t.shape[1:]]), "b": draw.operand([out, r, *ones])}
    return {"a": draw.operand([r, into]), "b": draw.operand([out, r])}


@kind(16)
def add_low_rank(draw, t):
    keys = {"scale": scale(draw), **layout_keys(draw, t)}
    if t.kind == "experts":
        return expert_factors(draw, t, draw.randint(1, 3)), {**keys, "experts": t.shape[0]}
    if t.kind not in ("matrix", "kernel"):
        return None
    operands = factors(draw, t, 0 if draw.chance(0.06) else draw.randint(1, 4))
    (out, into), r = logical_sizes(t), operands["a"][1][0]
    if draw.chance(0.2):
        operands["diagonal"] = vector(draw, r)
    if draw.chance(0.2):
        operands["row_scale"] = vector(draw, out)
    if draw.chance(0.2):
        operands["magnitude"] = vector(draw, out)
    if t.kind == "matrix" and r:
        how = draw.weighed({"plain": 6, "wide": 1, "a_blocks": 1, "b_blocks": 1})
        if how == "wide":
            operands["a"] = draw.operand([r, into + draw.randint(0, 2)])
            keys["wide"] = True
        elif how == "a_blocks":
            keys[how] = draw.divisor(r, into)
            operands["a"] = draw.operand([r, into // keys[how]])
        elif how == "b_blocks":
            keys[how] = draw.divisor(r, out)
            operands["b"] = draw.operand([out, r // keys[how]])
    return operands, keys


def expert_factors(draw, t, r):
    count, (out, into) = t.shape[0], logical_sizes(t)
    return {"a": draw.operand([count * r, into]), "b": draw.operand([out, r * count])}


@kind(8)
def multiply(draw, t):
    if t.kind not in ("matrix", "kernel"):
        return None
    out, into = logical_sizes(t)
    keys = {"side": draw.choice(["output", "input"]), **layout_keys(draw, t)}
    if keys["side"] == "output":
        if draw.chance(0.5):
            keys["bias"] = draw.chance(0.8)
        return {"v": vector(draw, out)}, keys
    if t.kind == "kernel":
        into = t.shape[1] * draw.divisor(out)
    return {"v": vector(draw, into)}, keys


@kind(6)
def add(draw, t):
    if t.kind == "other":
        return None
    shape = t.shape if draw.chance(0.7) else [prod(t.shape)]
    return {"delta": draw.operand(shape)}, {"scale": scale(draw)}


@kind(6)
def replace(draw, t):
    dtype = t.dtype if t.kind == "other" or draw.chance(0.4) else draw.operand_type
    keys = {"absent": draw.choice(["refuse", "create", "skip"])} if draw.chance(0.3) else {}
    shape = [*t.shape]
    if shape and draw.chance(0.3):
        keys["resize"] = draw.chance(0.9)
        shape[0] += draw.choice([0, 1, 2]) if keys["resize"] else 0
    return {"value": draw.tensor(dtype, shape)}, keys


@kind(5)
def replace_rows(draw, t):
    if t.kind == "other" or not t.shape:
        return None
    rows = draw.sample(range(t.shape[0]), draw.randint(0 if draw.chance(0.1) else 1, min(3, t.shape[0])))
    return {"values": draw.operand([len(rows), *t.shape[1:]])}, {"rows": rows}


@kind(7)
def restore(draw, t):
    """Its digest is set when the adapter is whole."""
    if t.kind == "other" or len(t.shape) < 2:
        return None
    dtype = {"F32": "U32", "F64": "U64"}.get(t.dtype, "U16")
    if draw.chance(0.05):
        dtype = draw.choice(["U16", "U32", "U64"])
    count = prod(t.shape)
    z = [draw.choice([0, 0, 0, 1, 2, 3, 4]) if draw.chance(0.9) else draw.randint(0, 2000) for _ in range(count)]
    operands = {"difference": draw.integers(dtype, t.shape, z)}
    if draw.chance(0.6):
        r = draw.randint(0 if draw.chance(0.1) else 1, 3)
        operands["left"] = draw.tensor("F32", [t.shape[0], r])
        operands["right"] = draw.tensor("F32", [r, count // t.shape[0]])
    return operands, {"result": None}
