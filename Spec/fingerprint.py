"""Section 7: samples of a base's tensors."""

import hashlib
import struct
from math import prod

import numpy

from binding import stored_name
from elements import narrow, widen
from rules import BITS

UNSAMPLED = {"BOOL", "I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64"}


def sampled(data, dtype, count):
    """The bytes of the sampled elements, of `count` in all."""
    if count <= 4096:
        return data
    size = 32 * BITS[dtype] // 8
    blocks = [(j * 0x9E3779B97F4A7C15 % 2**64) * (count // 32) >> 64 for j in range(128)]
    return b"".join(data[block * size : (block + 1) * size] for block in blocks) + data[-size:]


def digest(title, shape, data):
    sizes = struct.pack(f"<B{len(shape)}Q", len(shape), *shape)
    return hashlib.sha256(title + b"\0" + sizes + data).hexdigest()[:32]


def exact_sample(dtype, shape, data):
    return digest(b"adp-base-1\0" + dtype.encode(), shape, sampled(data, dtype, prod(shape)))


def value_sample(dtype, shape, data):
    """Of a float type."""
    values = widen(sampled(data, dtype, prod(shape)), dtype, "<f8")
    with numpy.errstate(all="ignore"):
        units = numpy.frombuffer(narrow(values, "BF16"), "<u2")
    units = numpy.where(abs(values) < 2**-14, 0, numpy.where(numpy.isnan(values), 0x7FC0, units))
    return digest(b"adp-value-1", shape, units.astype("<u2").tobytes())


def agrees(adapter, base, fingerprint):
    """BND-6: has a base every sample that a fingerprint records, bit by bit, which has one of each target?"""
    if not fingerprint:
        return False
    targets = {stored_name(o, base) for o in adapter.operations} & base.keys()
    if not {name for name in targets if base[name][0] not in UNSAMPLED} <= fingerprint.tensors.keys():
        return False
    rows = fingerprint.tensors.items()
    return all(name in base and [*base[name][:2], exact_sample(*base[name])] == row[:3] for name, row in rows)
