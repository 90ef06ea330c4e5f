"""How operations are applied: to `now`; `first` is what there was before all but replacements."""
from math import prod
import numpy
from operations import section_rules
from rules import BITS, FLOATS, AdpError, Object, need

NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}

def widen(data, dtype, kind):
    if dtype == "BF16":
        return (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(kind)
    return numpy.frombuffer(data, NUMPY[dtype]).astype(kind)

def narrow(values, dtype):
    if dtype != "BF16":
        return values.astype(NUMPY[dtype]).tobytes()
    single = values.astype("<f4")  # rounded to odd, so that rounding again is right
    bits = single.view("<u4") - (abs(single) > abs(values)) | (single != values)
    return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype("<u2").tobytes()

def cut(part, units):
    return units.reshape(part.whole.shape)[tuple(slice(at, at + n) for at, n in part.window)]

def values(part, like):
    return cut(part, widen(part.whole.data, part.dtype, like.dtype))

def flat(array):
    return array.reshape(len(array), prod(array.shape[1:]))

def diagonal(matrix, count):
    """The blocks of a matrix, which lie below each other, on the diagonal of a wider one."""
    rows, columns = len(matrix) // count, matrix.shape[1]
    wide = numpy.zeros((len(matrix), columns * count), matrix.dtype)
    for j in range(count):
        part = slice(j * rows, (j + 1) * rows)
        wide[part, j * columns:(j + 1) * columns] = matrix[part]
    return wide

def add_low_rank(o, p, now, first):
    a = diagonal(flat(values(p.a, now)), o.a_blocks or 1)
    b = diagonal(flat(values(p.b, now)), o.b_blocks or 1)
    scale, turned = now.dtype.type(o.scale), o.layout == "in_out"
    if o.experts:
        r = len(a) // o.experts
        delta = [b[:, e::o.experts] @ a[e * r:(e + 1) * r] for e in range(o.experts)]
        return now + scale * numpy.array([part.T if turned else part for part in delta])
    a = a * values(p.diagonal, now).reshape(-1, 1) if p.diagonal else a
    b = b * values(p.row_scale, now).reshape(-1, 1) if p.row_scale else b
    matrix, first = [x.T if turned else flat(x) for x in (now, first)]
    delta = scale * (b @ a[:, :matrix.shape[1]])
    matrix = matrix + delta
    if p.magnitude:
        norms = ((first + delta).astype("<f8")**2).sum(1, keepdims=True)**0.5
        wanted = values(p.magnitude, now).reshape(-1, 1)
        matrix = matrix * (wanted / norms).astype(now.dtype)
    return matrix.T if turned else matrix.reshape(now.shape)

def multiply(o, p, now, first):
    v = values(p.v, now).ravel()
    if (o.side == "output") == (o.layout == "out_in"):
        return now * v.reshape(-1, *[1] * (now.ndim - 1))
    rows, columns = now.shape[:2]
    group = numpy.arange(rows)[:, None] // (rows // (len(v) // columns))
    factors = v[group * columns + numpy.arange(columns)]
    return now * factors.reshape(rows, columns, *[1] * (now.ndim - 2))

def add(o, p, now, first):
    return now + now.dtype.type(o.scale) * values(p.delta, now).reshape(now.shape)

def replace(o, p, now, first):
    return values(p.value, now)

def replace_rows(o, p, now, first):
    now[o.rows] = values(p["values"], now)
    return now

def scale_bias(o, p, now, first):
    return now * values(p.v, now).reshape(now.shape)

def allowed(o, p, shape, layout):
    """The operation with what a base shows, if that is one that it is for."""
    o = Object(o, shape=shape, **({"layout": layout} if layout else {}))
    try:
        return o if o.op == "scale_bias" or section_rules(o, p) else None
    except AdpError:
        return None

def decided(o, p, shape):
    """The operation with the only layout that the shape allows, or else its own."""
    layouts = ["out_in", "in_out"] if "layout" in o else [None]
    every = [each for each in (allowed(o, p, shape, layout) for layout in layouts) if each]
    need(every, f"{o.target} has another shape", "unsupported")
    strict = o.layout_from in ("base", "kind") and o.layout != "unresolved"
    same = len(every) > 1 or every[0].layout == o.layout
    need(same or not strict, f"{o.target} has another layout", "unsupported")
    sure = len(every) == 1 or o.layout != "unresolved"
    need(sure, f"{o.target} has an undecided layout", "unsupported")
    return every[0] if len(every) == 1 else o

def weighted(weight, o, now, after):
    """W + w · (f(W) − W), for what has parts."""
    whole = o.op in ("replace", "replace_rows")
    need(weight == 1 or not whole, f"{o.target} is replaced, with weight {weight}", "unsupported")
    return after if weight == 1 else now + now.dtype.type(weight) * (after - now)

def change(steps, stored):
    """What steps, operations with parts and weight, make of a stored tensor; None for none."""
    o, p, _ = steps[0]
    if stored is None:
        need(o.op == "replace" and o.absent in ("create", "skip"), f"no {o.target}", "unsupported")
        if o.absent == "skip":
            return None
    dtype, shape, data = stored or (p.value.dtype, p.value.shape, None)
    if o.op == "replace" and p.value.dtype == dtype and len(steps) == 1:
        units = numpy.frombuffer(p.value.whole.data, f"V{BITS[dtype] // 8}")
        need(allowed(o, p, shape, None), f"{o.target} has another shape", "unsupported")
        return dtype, p.value.shape, cut(p.value, units).tobytes()
    types = {dtype}.union(part.dtype for _, p, _ in steps for part in p.values())
    need(types <= FLOATS, f"{o.target} is no float", "unsupported")
    kind = "<f8" if "F64" in types else "<f4"
    now = numpy.zeros(shape, kind) if data is None else widen(data, dtype, kind).reshape(shape)
    first = None
    for o, p, weight in steps:
        o = decided(o, p, [*now.shape])
        replaces = o.op in ("replace", "replace_rows")
        need(first is None or not replaces, f"{o.target} is replaced too late", "unsupported")
        first = now.copy() if first is None and not replaces else first
        now = weighted(weight, o, now, globals()[o.op](o, p, now, first))
    need(numpy.isfinite(now).all(), f"{o.target} is not finite", "unsupported")
    return dtype, [*now.shape], narrow(now, dtype)

def apply(stack, base):
    """The tensors, each a dtype, a shape and bytes, that adapters with weights change or make."""
    every = [(*step, weight) for adapter, weight in stack if weight
             for step in zip(adapter.operations, adapter.parts, adapter.known)]
    steps = {}
    for o, p, known, weight in every:
        named = "add_low_rank multiply add replace replace_rows".split()
        need(known and o.op in named, f"the operation {o.op}", "unsupported")
        steps.setdefault(o.target, []).append((o, p, weight))
        bias = o.target[:-6] + "bias"
        if o.bias and o.target.endswith("weight") and bias in base:
            steps.setdefault(bias, []).append((Object(op="scale_bias", target=bias), p, weight))
    changed = {name: change(own, base.get(name)) for name, own in steps.items()}
    return {name: tensor for name, tensor in changed.items() if tensor}
