"""Random operations of 8.8 to 8.15 and 8.20. See kinds.py."""

from math import prod

from bases import logical_sizes
from kinds import factors, kind, layout_keys, scale, vector


def product(draw, name, out, into, core=None, kernel=()):
    """The operands of F in 8.8; `core` is the role of a core, or None."""
    r = draw.randint(1, 3)
    if core is None:
        return {name + "_a": draw.operand([out, r]), name + "_b": draw.operand([r, into])}
    q = draw.randint(1, 3)
    shapes = {name + "_a": [r, out], name + "_b": [q, into // prod(kernel)], core: [r, q, *kernel]}
    return {role: draw.operand(shape) for role, shape in shapes.items()}


@kind(4)
def add_hadamard(draw, t):
    if t.kind not in ("matrix", "kernel", "experts") or t.layout != "out_in":
        return None
    (out, into), cores, kernel = (t.shape[0], prod(t.shape[1:])), [None, None], ()
    if t.kind == "kernel" and draw.chance(0.6):
        cores, kernel = ["t1", "t2"], t.shape[2:]
    elif draw.chance(0.2):
        cores, kernel = ["t1", "t2"], [draw.divisor(into), 1]
    operands = product(draw, "w1", out, into, cores[0], kernel) | product(draw, "w2", out, into, cores[1], kernel)
    return operands, {"scale": scale(draw)}


@kind(4)
def add_kronecker(draw, t):
    if t.kind not in ("matrix", "kernel") or t.layout != "out_in":
        return None
    out, into = logical_sizes(t)
    kernel = t.shape[2:] if len(t.shape) > 3 and draw.chance(0.7) else []
    channels = into // prod(kernel)
    rows, columns = draw.divisor(out), draw.divisor(channels)
    b, d = out // rows, channels // columns
    first = {"w1": draw.operand([rows, columns])} if draw.chance(0.5) else product(draw, "w1", rows, columns)
    if draw.chance(0.5):
        second = {"w2": draw.operand([b, d, *kernel])}
    elif kernel:
        second = product(draw, "w2", b, d * prod(kernel), "t2", kernel)
    else:
        second = product(draw, "w2", b, d)
    return first | second, {"scale": scale(draw)}


@kind(4)
def add_sparse(draw, t):
    if len(t.shape) < 2 or t.kind == "other":
        return None
    n, size = draw.randint(0 if draw.chance(0.1) else 1, 5), prod(t.shape)
    beyond = 1 if draw.chance(0.04) else 0
    dtype = draw.choice(["I32", "I64"])
    if t.kind == "matrix" and draw.chance(0.5):
        places = [draw.choices(range(-beyond, length + beyond), k=n) for length in t.shape]
        indices = draw.integers(dtype, [2, n], places)
    else:
        indices = draw.integers(dtype, [n], draw.choices(range(-beyond, size + beyond), k=n))
    return {"indices": indices, "values": draw.operand([n])}, {"scale": scale(draw)}


@kind(4)
def add_blocks(draw, t):
    if t.kind != "matrix" or t.layout != "out_in":
        return None
    out, into = t.shape
    r = draw.divisor(out, into)
    if draw.chance(0.4):
        return {"m": draw.operand([out // r, r, r])}, {}
    if draw.chance(0.4):
        return {"m": draw.operand([draw.randint(1, 5), draw.randint(1, 5)])}, {"tiled": True}
    return {"m": draw.operand([draw.randint(1, 5), out])}, {}


@kind(4)
def add_circulant(draw, t):
    if t.kind not in ("matrix", "kernel") or t.layout != "out_in":
        return None
    out, into = logical_sizes(t)
    b = draw.divisor(out, into)
    return {"kernel": draw.operand([out // b, into // b, b])}, {}


@kind(4)
def add_grouped_low_rank(draw, t):
    if t.kind not in ("matrix", "kernel"):
        return None
    out, into = logical_sizes(t)
    k = draw.divisor(out, into)
    r = k * draw.randint(0 if draw.chance(0.1) else 1, 2)
    operands = {"a": draw.operand([k, into // k, r]), "b": draw.operand([k, r, out // k])}
    return operands, {"scale": scale(draw), **layout_keys(draw, t)}


@kind(4)
def add_normalised_low_rank(draw, t):
    if t.kind not in ("matrix", "kernel") or t.layout != "out_in":
        return None
    (out, into), r = logical_sizes(t), draw.randint(1, 3)
    operands = {"a": draw.operand([r, into]), "b": draw.operand([out, r])}
    return operands | {"lambda": draw.operand(draw.choice([[], [1], [1, 1]])), "w_norm": vector(draw, into)}, {}


@kind(4)
def scale_low_rank(draw, t):
    if t.kind not in ("matrix", "kernel"):
        return None
    return factors(draw, t, draw.randint(0 if draw.chance(0.05) else 1, 3)), layout_keys(draw, t)


@kind(4)
def add_spectral(draw, t):
    if t.kind != "matrix":
        return None
    n, beyond = draw.randint(0 if draw.chance(0.1) else 1, 4), 1 if draw.chance(0.03) else 0
    places = [draw.choices(range(-beyond, size + beyond), k=n) for size in logical_sizes(t)]
    operands = {"spectrum": draw.operand([n]), "places": draw.integers("I32", [2, n], places)}
    return operands, {"scale": scale(draw) * prod(t.shape), **layout_keys(draw, t)}
