"""Holds a tensor of one implementation against that of another."""

import numpy
from elements import widen
from rules import BITS, FLOATS

# Their arithmetic is the same step by step (8.21).
EXACT = {"multiply", "multiply_bias", "add", "replace", "replace_rows", "restore"}
# The distance between neighbours, relative to a number, and the least there is.
UNITS = {"F16": (2**-10, 2**-24), "BF16": (2**-7, 2**-133), "F32": (2**-23, 2**-149), "F64": (2**-52, 0)}


def difference(mine, theirs, steps, before, widened):
    """What is wrong with their tensor, or None.

    steps    what is done to it; none where nothing is
    before   the tensor of the base, or None
    widened  a function of F32 or F64: my tensor where the base has it in this type
    """
    if theirs is None:
        return "is missing"
    if [*mine[:2]] != [*theirs[:2]]:
        return f"is {theirs[0]} {theirs[1]}, not {mine[0]} {mine[1]}"
    if mine[2] == theirs[2]:
        return None
    if mine[0] not in FLOATS or not steps:
        return "has other bytes"
    one, two = [widen(tensor[2], tensor[0], "<f8") for tensor in (mine, theirs)]
    if all(step.o.op in EXACT for step in steps):
        units = [numpy.frombuffer(tensor[2], f"<u{BITS[mine[0]] // 8}") for tensor in (mine, theirs)]
        are_same = (units[0] == units[1]) | numpy.isnan(one) & numpy.isnan(two)
        return None if are_same.all() else f"has other bytes, by {distances_of(one, two).max():g}"
    if (distances_of(one, two) <= tolerance(one, steps, before, mine[0])).all():
        return None
    single, exact = [widen(widened(dtype)[2], dtype, "<f8") for dtype in ("F32", "F64")]
    slack = 16 * distances_of(single, exact).max() + tolerance(exact, steps, before, mine[0])
    return f"differs by {distances_of(one, two).max():g}" if (distances_of(two, exact) > slack).any() else None


def is_near_the_limit(tensors):
    """Do some hold numbers of which a sum in another order may overflow?"""
    for dtype, _, data in tensors:
        if dtype in FLOATS and dtype != "F64":
            limit = 65504 if dtype == "F16" else 2.0**127
            numbers = abs(widen(data, dtype, "<f8"))
            if (numbers[numpy.isfinite(numbers)] > limit / 2**24).any():
                return True
    return False


def distances_of(one, two):
    with numpy.errstate(all="ignore"):
        are_same = (one == two) | numpy.isnan(one) & numpy.isnan(two)
        return numpy.where(are_same, 0, numpy.nan_to_num(abs(one - two), nan=numpy.inf))


def tolerance(numbers, steps, before, dtype):
    """Of each element: the last bits of sums of numbers of a tensor's size, and one rounding to the stored type."""
    types = {part.dtype for step in steps for part in step.p.values()} | {dtype}
    sizes = [abs(numbers[numpy.isfinite(numbers)]).max(initial=0)]
    if before and before[0] in FLOATS:
        sizes.append(abs(numpy.nan_to_num(widen(before[2], before[0], "<f8"), posinf=0, neginf=0)).max(initial=0))
    relative, least = UNITS[dtype]
    return max(sizes) * (2**-45 if "F64" in types else 2**-19) + abs(numpy.nan_to_num(numbers)) * relative + least
