"""What operations make of a parameter: the core, 8.1 to 8.5, and 8.22. Others are in additions.py and rotations.py.

A formula is a function of an operation `o`, its parts `p`, the parameter as it is `now`, in the type of computation, as
it was `first` (W°), and the adapter's weight. It returns the parameter afterwards, as 8.21 says.
"""

from collections import namedtuple

import numpy

from elements import NUMPY, flat, logical, narrow, stored, values, widen

Formula = namedtuple("Formula", "how function")
FORMULAS = {}


def formula(how):
    """Makes a function the formula of the operation of its name; `how` is the word of the table in 8.0."""

    def add(function):
        FORMULAS[function.__name__] = Formula(how, function)
        return function

    return add


def scaled(o, now, weight):
    """The coefficient w · scale, rounded once to the type of computation."""
    return now.dtype.type(weight * o.scale)


def towards(now, after, weight):
    """W + w · (f(W) − W), STK-1."""
    return after if weight == 1 else now + now.dtype.type(weight) * (after - now)


@formula("adds")
def add_low_rank(o, p, now, first, weight):
    """Section 8.1, W + w · Δ; with a magnitude see below."""
    if p.magnitude:
        return with_magnitude(o, p, now, first, weight)
    if o.experts:
        return now + scaled(o, now, weight) * expert_products(o, p, now.dtype)
    product = low_rank_product(o, p, now.dtype)[:, : logical(o, now).shape[1]]
    return now + stored(o, scaled(o, now, weight) * product, now)


def with_magnitude(o, p, now, first, weight):
    """Section 8.1: W + w · (diag(m / n) · (W + Δ) − W), the norms n those of W° + Δ."""
    matrix, origin = logical(o, now), logical(o, first)
    delta = scaled(o, now, 1) * low_rank_product(o, p, now.dtype)[:, : matrix.shape[1]]
    norms = ((origin + delta).astype("<f8") ** 2).sum(1) ** 0.5
    ratios = values(p.magnitude, "<f8").ravel() / norms
    after = ratios.astype(now.dtype)[:, None] * (matrix + delta)
    return stored(o, towards(matrix, after, weight), now)


def low_rank_product(o, p, kind):
    """diag(row_scale) · B · diag(diagonal) · A, of 8.1 and 8.15."""
    a = block_diagonal(flat(values(p.a, kind)), o.a_blocks or 1)
    b = block_diagonal(flat(values(p.b, kind)), o.b_blocks or 1)
    if p.diagonal:
        a = values(p.diagonal, kind).reshape(-1, 1) * a
    if p.row_scale:
        b = values(p.row_scale, kind).reshape(-1, 1) * b
    return b @ a


def block_diagonal(matrix, count):
    """The blocks of a matrix, which lie below each other, on the diagonal of a wider one."""
    rows, columns = len(matrix) // count, matrix.shape[1]
    wide = numpy.zeros((len(matrix), columns * count), matrix.dtype)
    for j in range(count):
        own = slice(j * rows, (j + 1) * rows)
        wide[own, j * columns : (j + 1) * columns] = matrix[own]
    return wide


def expert_products(o, p, kind):
    """B · A of each expert, as the stack stores them."""
    a, b = values(p.a, kind), values(p.b, kind)
    r = len(a) // o.experts
    products = [b[:, e :: o.experts] @ a[e * r : (e + 1) * r] for e in range(o.experts)]
    return numpy.array([x.T if o.layout == "in_out" else x for x in products])


@formula("transforms")
def multiply(o, p, now, first, weight):
    """Section 8.2: W ⊙ ((1 − w) + w · v)."""
    factors = factors_of(p, now, weight)
    if (o.side == "output") == (o.layout == "out_in"):
        return now * factors.reshape(-1, *[1] * (now.ndim - 1))
    rows, columns = now.shape[:2]
    groups = max(len(factors) // max(columns, 1), 1)
    group = numpy.arange(rows)[:, None] // max(rows // groups, 1)
    places = group * columns + numpy.arange(columns)
    return now * factors[places].reshape(rows, columns, *[1] * (now.ndim - 2))


@formula("transforms")
def multiply_bias(o, p, now, first, weight):
    """Section 8.2, of the bias beside the target."""
    return now * factors_of(p, now, weight)


def factors_of(p, now, weight):
    return ((1 - weight) + weight * values(p.v, "<f8").ravel()).astype(now.dtype)


@formula("adds")
def add(o, p, now, first, weight):
    """Section 8.3."""
    return now + scaled(o, now, weight) * values(p.delta, now.dtype).reshape(now.shape)


@formula("replaces")
def replace(o, p, now, first, weight):
    """Section 8.4, of another type or before other changes."""
    return values(p.value, now.dtype)


@formula("replaces")
def replace_rows(o, p, now, first, weight):
    """Section 8.5."""
    after = now.copy()
    after[numpy.array(o.rows, int)] = values(p["values"], now.dtype)
    return after


@formula("restores")
@numpy.errstate(all="ignore")
def restore(o, p, dtype, data):
    """Section 8.22, of stored bytes to stored bytes."""
    unit = NUMPY[p.difference.dtype]
    kind = "<f4" if unit == "<u2" else "<f8"
    if p.left:
        left, right = values(p.left, kind), values(p.right, kind)
        s = numpy.zeros((len(left), right.shape[1]), kind)
        for k in range(len(right)):
            s = s + left[:, k : k + 1] * right[k]
        rest = widen(data, dtype, kind) - s.ravel()
        taken = numpy.frombuffer(narrow(rest, dtype), unit)
        data = numpy.where(numpy.isnan(rest), numpy.frombuffer(data, unit), taken).tobytes()
    z = values(p.difference, unit).ravel()
    d = numpy.where(z & 1, ~(z >> 1), z >> 1)  # −(z + 1) / 2 is −1 − (z − 1) / 2
    return (numpy.frombuffer(data, unit) + d).astype(unit).tobytes()
