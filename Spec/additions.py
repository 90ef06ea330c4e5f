"""What the other operations that add make of a parameter: sections 8.8 to 8.15 and 8.20. See formulas.py."""

import numpy

from elements import flat, logical, stored, values
from formulas import formula, low_rank_product, scaled
from rules import need


def check_places(places, size):
    """What a page says of places: one outside of W cannot be applied."""
    need((places >= 0).all() and (places < size).all(), "8.10 or 8.20: a place outside of the weight", "unsupported")


def factor_product(a, b, core):
    """F of 8.8: a · b, or around a core [p, q, k, …] with the kernel's positions in the columns."""
    if core is None:
        return a @ b
    return flat(numpy.einsum("pqk,po,qi->oik", core.reshape(*core.shape[:2], -1), a, b))


def named_product(p, name, core, kind):
    """The product of the factors NAME_a and NAME_b, around the core where there is one."""
    a, b = values(p[name + "_a"], kind), values(p[name + "_b"], kind)
    return factor_product(a, b, values(p[core], kind) if p.get(core) else None)


@formula("adds")
def add_hadamard(o, p, now, first, weight):
    """Section 8.8."""
    product = named_product(p, "w1", "t1", now.dtype) * named_product(p, "w2", "t2", now.dtype)
    return now + (scaled(o, now, weight) * product).reshape(now.shape)


@formula("adds")
def add_kronecker(o, p, now, first, weight):
    """Section 8.9."""
    w1 = values(p.w1, now.dtype) if p.w1 else named_product(p, "w1", None, now.dtype)
    w2 = flat(values(p.w2, now.dtype)) if p.w2 else named_product(p, "w2", "t2", now.dtype)
    return now + (scaled(o, now, weight) * numpy.kron(w1, w2)).reshape(now.shape)


@formula("adds")
def add_sparse(o, p, now, first, weight):
    """Section 8.10."""
    places = values(p.indices, "<i8")
    if places.ndim == 2:
        check_places(places[0], now.shape[0])
        check_places(places[1], now.shape[1])
        places = places[0] * now.shape[1] + places[1]
    check_places(places, now.size)
    after = now.flatten()
    numpy.add.at(after, places, scaled(o, now, weight) * values(p["values"], now.dtype))
    return after.reshape(now.shape)


@formula("adds")
def add_blocks(o, p, now, first, weight):
    """Section 8.11."""
    m, coefficient = values(p.m, now.dtype), now.dtype.type(weight)
    rows, columns = now.shape
    if m.ndim == 2:
        r, q = m.shape
        return now + coefficient * m[numpy.arange(columns) % r][:, numpy.arange(rows) % q].T
    count, r, _ = m.shape
    blocks = now.reshape(count, r, columns // r, r).swapaxes(1, 2)
    changes = blocks @ m[:, None] + m[:, None]
    return now + (coefficient * changes).swapaxes(1, 2).reshape(now.shape)


@formula("adds")
def add_circulant(o, p, now, first, weight):
    """Section 8.12."""
    rows, columns = flat(now).shape
    kernel = values(p.kernel, now.dtype)
    b = kernel.shape[2]
    row, column = numpy.ogrid[:rows, :columns]
    change = now.dtype.type(weight / columns) * kernel[row // b, column // b, (column - row) % b]
    return now + change.reshape(now.shape)


@formula("adds")
def add_grouped_low_rank(o, p, now, first, weight):
    """Section 8.13: a row of blocks after the other, and a block after the other in each."""
    a, b = values(p.a, now.dtype), values(p.b, now.dtype)
    k, q = len(a), a.shape[2] // len(a)

    def block(j, n):
        return (a[n][:, j * q : (j + 1) * q] @ b[j][n * q : (n + 1) * q]).T

    delta = numpy.block([[block(j, n) for n in range(k)] for j in range(k)])
    return now + stored(o, scaled(o, now, weight) * delta, now)


@formula("adds")
def add_normalised_low_rank(o, p, now, first, weight):
    """Section 8.14."""
    a, b = values(p.a, "<f8"), values(p.b, "<f8")
    norms = [numpy.maximum((x**2).sum(axis) ** 0.5, 1e-4) for x, axis in ((a, 1), (b, 0))]
    c = weight * values(p["lambda"], "<f8").ravel() / (len(a) * norms[0] * norms[1])
    factors = [x.astype(now.dtype) for x in (b, c, a)]
    delta = (factors[0] * factors[1]) @ (factors[2] * values(p.w_norm, now.dtype).ravel())
    return now + delta.reshape(now.shape)


@formula("adds")
def scale_low_rank(o, p, now, first, weight):
    """Section 8.15."""
    change = logical(o, first) * low_rank_product(o, p, now.dtype)
    return now + stored(o, now.dtype.type(weight) * change, now)


@formula("adds")
def add_spectral(o, p, now, first, weight):
    """Section 8.20."""
    rows, columns = logical(o, now).shape
    u, v = values(p.places, "<i8")
    check_places(u, rows)
    check_places(v, columns)
    row, column = numpy.arange(rows)[:, None, None], numpy.arange(columns)[:, None]
    turns = (row * u % rows) / rows + (column * v % columns) / columns
    cosines = numpy.cos(2 * numpy.pi * turns).astype(now.dtype)
    sums = cosines @ values(p.spectrum, now.dtype)
    return now + stored(o, now.dtype.type(weight * o.scale / max(rows * columns, 1)) * sums, now)
