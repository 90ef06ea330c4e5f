"""Random bases: matrices stored both ways with biases or without, kernels, stacks of experts, vectors, other types."""

from collections import namedtuple

from draw import OTHER_TYPES, not_finite
from fingerprint import exact_sample, value_sample
from rules import FLOATS, table_digest

SIZES = [1, 2, 3, 4, 4, 6, 6, 8, 8, 12]

# A parameter with the storage order that it is meant to have; `kind` is matrix, kernel, experts, vector or other.
Parameter = namedtuple("Parameter", "name kind dtype shape layout")


def logical_sizes(parameter):
    """The outputs and inputs of a parameter."""
    shape = parameter.shape[1:] if parameter.kind == "experts" else parameter.shape
    if parameter.layout == "in_out":
        return shape[1], shape[0]
    columns = 1
    for size in shape[1:]:
        columns *= size
    return shape[0], columns


def draw_base(draw):
    """A base, and its parameters."""
    main, order = draw.float_type(), draw.weighed({"out_in": 6, "in_out": 2, "mixed": 1})
    base, parameters = {}, []

    def add(name, kind, shape, layout="out_in", dtype=None):
        dtype = dtype or (main if draw.chance(0.85) else draw.float_type())
        tensor = draw.tensor(dtype, shape)
        base[name] = not_finite(draw, tensor) if draw.chance(0.01) else tensor
        parameters.append(Parameter(name, kind, dtype, shape, layout))

    def add_bias(module, length):
        if draw.chance(0.5):
            add(f"{module}.bias", "vector", [length])

    for name in draw.sample(["m.0.q", "m.0.k", "m.0.v", "m.1.q", "m.1.k", "top", "m.1.deep.fc"], draw.randint(2, 5)):
        layout = draw.choice(["out_in", "in_out"]) if order == "mixed" else order
        out, into = draw.choice(SIZES), draw.choice(SIZES)
        into = out if draw.chance(0.4) else into
        add(f"{name}.weight", "matrix", [into, out] if layout == "in_out" else [out, into], layout)
        add_bias(name, out if draw.chance(0.97) else out + 1)
    if draw.chance(0.6):
        kernel = [draw.randint(1, 3) for _ in range(draw.randint(1, 3))]
        out, channels = draw.choice(SIZES), draw.randint(1, 4)
        add("conv.weight", "kernel", [out, channels, *kernel])
        add_bias("conv", out)
    if draw.chance(0.4):
        layout = draw.choice(["out_in", "in_out"])
        out = draw.choice(SIZES[1:7])
        add(
            "x.stack",
            "experts",
            [draw.randint(1, 3), out, out if draw.chance(0.3) else draw.choice(SIZES[1:7])],
            layout,
        )
    if draw.chance(0.6):
        add("norm.scale", "vector", [draw.choice(SIZES)])
    if draw.chance(0.3):
        add("scalar", "vector", [])
    if draw.chance(0.4):
        add("table.rows", "matrix", [draw.randint(3, 8), draw.choice(SIZES)])
    for number in range(draw.randint(0, 2)):
        add(f"other.{number}", "other", draw.choice([[2, 4], [8], [2, 2, 2]]), dtype=draw.choice(OTHER_TYPES))
    return base, parameters


def fingerprint_of(base):
    """What a writer records of a base: every sample of every tensor."""
    tensors = {}
    for name, (dtype, shape, data) in base.items():
        value = value_sample(dtype, shape, data) if dtype in FLOATS else None
        tensors[name] = [dtype, shape, exact_sample(dtype, shape, data), value]
    rows = [[name, dtype, shape, exact, value or ""] for name, (dtype, shape, exact, value) in tensors.items()]
    return {"tensors": tensors, "digest": table_digest("adp-fingerprint-1", rows)}
