"""Elements of stored tensors: from bytes to numbers, and back with one rounding."""

from math import prod

import numpy

from rules import BITS, FLOATS

NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U16": "<u2", "U32": "<u4", "U64": "<u8"}


@numpy.errstate(all="ignore")
def widen(data, dtype, kind):
    """Numbers of a type in one that is at least as wide."""
    if dtype == "BF16":
        return (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(kind)
    return numpy.frombuffer(data, NUMPY[dtype]).astype(kind)


@numpy.errstate(all="ignore")
def narrow(values, dtype):
    """The bytes of values, rounded once to nearest even."""
    if dtype != "BF16":
        return values.astype(NUMPY[dtype]).tobytes()
    single = values.astype("<f4")  # rounded to odd, so that rounding again is right
    bits = single.view("<u4") - (abs(single) > abs(values)) | (single != values)
    bits = numpy.where(numpy.isnan(values), 0x7FC00000, bits)
    return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype("<u2").tobytes()


def cut(part):
    """The bytes of a part, out of those of its whole tensor; windows of narrow types fill whole bytes (OPS-1)."""
    tensor = part.whole
    if not part.is_cut or not tensor.shape:
        return tensor.data
    bits = BITS[part.dtype]
    *outer, last = [slice(start, start + count) for start, count in part.window]
    last = slice(last.start * bits // 8, last.stop * bits // 8)
    rows = numpy.frombuffer(tensor.data, "u1").reshape(*tensor.shape[:-1], tensor.shape[-1] * bits // 8)
    return rows[(*outer, last)].tobytes()


def values(part, kind):
    """The numbers of a part, in its shape."""
    return widen(cut(part), part.dtype, kind).reshape(part.shape)


def finite(dtype, data):
    """Which elements are finite numbers; of a type that MAN-8 does not name, all."""
    if dtype == "C64":
        return numpy.isfinite(numpy.frombuffer(data, "<c8"))
    return numpy.isfinite(widen(data, dtype, "<f8")) if dtype in FLOATS else numpy.array([True])


def is_same(part, other):
    """Two parts of one type, shape and bytes."""
    return (part.dtype, part.shape) == (other.dtype, other.shape) and cut(part) == cut(other)


def flat(array):
    """As a matrix: all dimensions but the first are columns."""
    return array.reshape(len(array), prod(array.shape[1:]))


def logical(o, array):
    """Section 8: W, a matrix, of a parameter in the storage order that the operation says."""
    return array.T if o.layout == "in_out" else flat(array)


def stored(o, matrix, like):
    """A logical weight in the storage order and the shape of a parameter."""
    return (matrix.T if o.layout == "in_out" else matrix).reshape(like.shape)
