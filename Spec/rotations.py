"""What rotations make of a parameter: sections 8.16 to 8.19. See formulas.py.

They are applied with weight 1 only (STK-3). Rotations themselves are worked out in F64.
"""

from math import isqrt

import numpy

from elements import flat, values
from formulas import formula
from rules import need


def cayley(skew):
    """(I − Q) · (I + Q)⁻¹ of each matrix Q."""
    identity = numpy.eye(skew.shape[-1])
    return (identity - skew) @ numpy.linalg.inv(identity + skew)


@formula("rotates")
def rotate_input(o, p, now, first, weight):
    """Section 8.16."""
    u = values(p.u, "<f8")
    if now.size == 0:
        return now
    b = (1 + isqrt(1 + 8 * u.shape[1])) // 2
    skew = numpy.zeros((len(u), b, b))
    skew[:, *numpy.triu_indices(b, 1)] = u
    skew -= skew.swapaxes(1, 2)
    if o.radius is not None:
        norms = (skew**2).sum((1, 2), keepdims=True) ** 0.5
        skew = numpy.where(norms > o.radius, o.radius / norms * skew, skew)
    rotations = series(skew, o.terms) if o.terms else cayley(skew)
    return turned(now, numpy.broadcast_to(rotations, (now.shape[1] // b, b, b)))


def turned(matrix, blocks):
    """W · Dᵀ, D the diagonal of the blocks."""
    count, b, _ = blocks.shape
    parts = matrix.reshape(len(matrix), count, b).swapaxes(0, 1)
    return (parts @ blocks.astype(matrix.dtype).swapaxes(1, 2)).swapaxes(0, 1).reshape(matrix.shape)


def series(skew, terms):
    """Section 8.16: I; I + 2 Q; or I + 2 Q + 2 Q² + ⋯ + Q^(s − 1), s = max(terms, 4)."""
    identity = numpy.broadcast_to(numpy.eye(skew.shape[-1]), skew.shape)
    if terms < 3:
        return identity + 2 * (terms - 1) * skew
    total, power = identity, identity
    for _ in range(max(terms, 4) - 2):
        power = power @ skew
        total = total + 2 * power
    return total + power @ skew


@formula("rotates")
def rotate_butterfly(o, p, now, first, weight):
    """Section 8.17."""
    r, matrix = values(p.r, "<f8"), flat(now)
    for i, factor in enumerate(r):
        order = butterfly_order(matrix.shape[1], factor.shape[1], i)
        placed = numpy.empty_like(matrix)
        placed[:, order] = matrix
        matrix = turned(placed, cayley((factor - factor.swapaxes(1, 2)) / 2))[:, order]
    return (values(p.s, now.dtype).reshape(-1, 1) * matrix).reshape(now.shape)


def butterfly_order(size, b, i):
    """Section 8.17: π of factor i, the inputs of even parts before those of odd parts in every run."""
    if i == 0:
        return numpy.arange(size)
    return numpy.arange(size).reshape(-1, 2**i, 2, b // 2).swapaxes(1, 2).ravel()


@formula("rotates")
def reflect_input(o, p, now, first, weight):
    """Section 8.18."""
    matrix, units = flat(now), []
    for column in values(p.u, "<f8").T:
        if o.orthogonal:
            for unit in units:
                column = column - (unit @ column) * unit
        norm = (column**2).sum() ** 0.5
        need(norm > 0, "8.18: a column of norm 0", "unsupported")
        units.append(column / norm)
    for unit in units:
        unit = unit.astype(now.dtype)
        matrix = matrix - 2 * numpy.outer(matrix @ unit, unit)
    return matrix.reshape(now.shape)


@formula("rotates")
def rotate_output(o, p, now, first, weight):
    """Section 8.19."""
    matrix, half = flat(now), o.group // 2
    first_rows = numpy.arange(len(matrix)).reshape(-1, 2, half)[:, 0].ravel()
    x, y = matrix[first_rows], matrix[first_rows + half]
    cosines, sines = [table.astype(now.dtype)[:, None] for table in turns(p)]
    c_x, c_y, s_x, s_y = angle_places(o, first_rows)
    after = matrix.copy()
    after[first_rows] = cosines[c_x] * x - sines[s_x] * y
    after[first_rows + half] = cosines[c_y] * y + sines[s_y] * x
    return after.reshape(now.shape)


@formula("rotates")
def rotate_output_bias(o, p, now, first, weight):
    """Section 8.19, of the bias beside the target: like a column of W."""
    return rotate_output(o, p, now, first, weight)


def turns(p):
    """Section 8.19: α · cos θ and α · sin θ at every place."""
    theta, alpha = values(p.theta, "<f8"), values(p.alpha, "<f8")
    return alpha * numpy.cos(theta), alpha * numpy.sin(theta)


def angle_places(o, rows):
    """The table of 8.19: the places of c_x, c_y, s_x and s_y of the pairs whose first rows these are."""
    g = o.group
    group, p = rows // g, rows % g
    if o.variant == "road_1":
        return [group * g // 2 + p] * 4
    if o.variant == "road_2":
        return [group * g + p, group * g + g // 2 + p] * 2
    return [(2 * group + k) * g + half + p for k in (0, 1) for half in (0, g // 2)]
