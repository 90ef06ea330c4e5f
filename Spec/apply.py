"""Applies operations in numpy: those of sections 8.1 to 8.5, and stacks of them (8.21).

A function of an operation `o` with its parts `p` returns what it makes of `now`, the parameter in the type of
computation; `first` is what there was before everything but replacements.
"""

from math import prod

import numpy

from rules import BITS, FLOATS, AdpError, Object, need
from sections import section_rules

NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
REPLACING = ["replace", "replace_rows"]


def refuse_unless(condition, reason):
    need(condition, reason, "unsupported")


# Numbers


def widen(data, dtype, kind):
    if dtype == "BF16":
        return (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(kind)
    return numpy.frombuffer(data, NUMPY[dtype]).astype(kind)


def narrow(values, dtype):
    """The bytes of values, rounded once to nearest even."""
    if dtype != "BF16":
        return values.astype(NUMPY[dtype]).tobytes()
    single = values.astype("<f4")  # rounded to odd, so that rounding again is right
    bits = single.view("<u4") - (abs(single) > abs(values)) | (single != values)
    return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype("<u2").tobytes()


def cut(part, units):
    """The units of a part, out of those of its whole tensor."""
    window = tuple(slice(start, start + count) for start, count in part.window)
    return units.reshape(part.whole.shape)[window]


def values(part, like):
    return cut(part, widen(part.whole.data, part.dtype, like.dtype))


def flat(array):
    return array.reshape(len(array), prod(array.shape[1:]))


# Operations


def add_low_rank(o, p, now, first):
    """Section 8.1."""
    a = block_diagonal(flat(values(p.a, now)), o.a_blocks or 1)
    b = block_diagonal(flat(values(p.b, now)), o.b_blocks or 1)
    scale = now.dtype.type(o.scale)
    if o.experts:
        return now + scale * expert_products(o, a, b)
    if p.diagonal:
        a = a * values(p.diagonal, now).reshape(-1, 1)
    if p.row_scale:
        b = b * values(p.row_scale, now).reshape(-1, 1)
    is_turned = o.layout == "in_out"
    matrix, origin = [x.T if is_turned else flat(x) for x in (now, first)]
    delta = scale * (b @ a[:, : matrix.shape[1]])
    matrix = matrix + delta
    if p.magnitude:
        norms = ((origin + delta).astype("<f8") ** 2).sum(1, keepdims=True) ** 0.5
        wanted = values(p.magnitude, now).reshape(-1, 1)
        matrix = matrix * (wanted / norms).astype(now.dtype)
    return matrix.T if is_turned else matrix.reshape(now.shape)


def block_diagonal(matrix, count):
    """The blocks of a matrix, which lie below each other, on the diagonal of a wider one."""
    rows, columns = len(matrix) // count, matrix.shape[1]
    wide = numpy.zeros((len(matrix), columns * count), matrix.dtype)
    for j in range(count):
        own = slice(j * rows, (j + 1) * rows)
        wide[own, j * columns : (j + 1) * columns] = matrix[own]
    return wide


def expert_products(o, a, b):
    """B · A of each expert, as the stack stores them."""
    r = len(a) // o.experts
    products = [b[:, e :: o.experts] @ a[e * r : (e + 1) * r] for e in range(o.experts)]
    return numpy.array([x.T if o.layout == "in_out" else x for x in products])


def multiply(o, p, now, first):
    """Section 8.2."""
    v = values(p.v, now).ravel()
    if (o.side == "output") == (o.layout == "out_in"):
        return now * v.reshape(-1, *[1] * (now.ndim - 1))
    rows, columns = now.shape[:2]
    groups = len(v) // columns
    group = numpy.arange(rows)[:, None] // (rows // groups)
    factors = v[group * columns + numpy.arange(columns)]
    return now * factors.reshape(rows, columns, *[1] * (now.ndim - 2))


def multiply_bias(o, p, now, first):
    """Section 8.2, of the bias beside the target."""
    return now * values(p.v, now).reshape(now.shape)


def add(o, p, now, first):
    """Section 8.3."""
    return now + now.dtype.type(o.scale) * values(p.delta, now).reshape(now.shape)


def replace(o, p, now, first):
    """Section 8.4."""
    return values(p.value, now)


def replace_rows(o, p, now, first):
    """Section 8.5."""
    now[o.rows] = values(p["values"], now)
    return now


FUNCTIONS = {
    "add_low_rank": add_low_rank,
    "multiply": multiply,
    "multiply_bias": multiply_bias,
    "add": add,
    "replace": replace,
    "replace_rows": replace_rows,
}


# Parameters of a base


def allowed(o, p, shape, layout):
    """The operation with the shape of a base and a layout, if it is for them; else None."""
    o = Object(o, shape=shape)
    if layout:
        o.layout = layout
    try:
        return o if o.op == "multiply_bias" or section_rules(o, p) else None
    except AdpError:
        return None


def decided(o, p, shape):
    """The operation with the only layout that the shape allows, or else its own."""
    layouts = ["out_in", "in_out"] if "layout" in o else [None]
    every = [each for each in (allowed(o, p, shape, layout) for layout in layouts) if each]
    refuse_unless(every, f"{o.target} has another shape")
    if len(every) > 1:
        refuse_unless(o.layout != "unresolved", f"{o.target} has an undecided layout")
        return o
    is_certain = o.layout_from in ("base", "kind") and o.layout != "unresolved"
    refuse_unless(every[0].layout == o.layout or not is_certain, f"{o.target} has another layout")
    return every[0]


def weighted(weight, o, now, after):
    """W + w · (f(W) − W), STK-1, for what has parts (STK-3)."""
    refuse_unless(weight == 1 or o.op not in REPLACING, f"{o.target} is replaced, with weight {weight}")
    return after if weight == 1 else now + now.dtype.type(weight) * (after - now)


def change(steps, stored):
    """A stored tensor after steps, which are operations with parts and a weight; None where there is none."""
    o, p, _ = steps[0]
    if stored is None:
        refuse_unless(o.op == "replace" and o.absent in ("create", "skip"), f"no {o.target}")
        if o.absent == "skip":
            return None
    dtype, shape, data = stored or (p.value.dtype, p.value.shape, None)
    if o.op == "replace" and p.value.dtype == dtype and len(steps) == 1:
        return copied(o, p, shape)
    types = {dtype}.union(part.dtype for _, p, _ in steps for part in p.values())
    refuse_unless(types <= FLOATS, f"{o.target} is not of a float type")
    kind = "<f8" if "F64" in types else "<f4"
    now = numpy.zeros(shape, kind) if data is None else widen(data, dtype, kind).reshape(shape)
    now = computed(steps, now)
    refuse_unless(numpy.isfinite(now).all(), f"{o.target} is not finite")
    return dtype, [*now.shape], narrow(now, dtype)


def copied(o, p, shape):
    """What a `replace` puts in the place of a tensor of its own type: the bytes."""
    value = p.value
    units = numpy.frombuffer(value.whole.data, f"V{BITS[value.dtype] // 8}")
    refuse_unless(allowed(o, p, shape, None), f"{o.target} has another shape")
    return value.dtype, value.shape, cut(value, units).tobytes()


def computed(steps, now):
    """A parameter after steps, in the type of computation."""
    first = None
    for o, p, weight in steps:
        o = decided(o, p, [*now.shape])
        replaces = o.op in REPLACING
        refuse_unless(first is None or not replaces, f"{o.target} is replaced too late")
        if first is None and not replaces:
            first = now.copy()
        now = weighted(weight, o, now, FUNCTIONS[o.op](o, p, now, first))
    return now


def apply(stack, base):
    """The tensors, each a dtype, a shape and bytes, that adapters with weights change or make."""
    steps = {}
    for adapter, weight in stack:
        if weight == 0:
            continue
        for o, p, known in zip(adapter.operations, adapter.parts, adapter.known):
            refuse_unless(known and o.op in FUNCTIONS, f"the operation {o.op}")
            steps.setdefault(o.target, []).append((o, p, weight))
            bias = o.target.removesuffix("weight") + "bias"
            if o.bias and o.target.endswith("weight") and bias in base:
                steps.setdefault(bias, []).append((Object(op="multiply_bias", target=bias), p, weight))
    changed = {name: change(own, base.get(name)) for name, own in steps.items()}
    return {name: tensor for name, tensor in changed.items() if tensor}
