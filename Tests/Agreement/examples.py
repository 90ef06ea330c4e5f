#!/usr/bin/env python3
"""The examples of section 8 and its pages, applied: examples.py [--adapter COMMAND]

By Spec/apply.py, and with --adapter by the command as well. Exit status 1 where one has another result than the text.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

from folders import file_of, safetensors, tensors_of, write_folder
from apply import apply
from elements import NUMPY, narrow, widen
import full_reader  # all sections
from reader import read
from rules import FLOATS, sha256

SQUARE = [[1, 2], [3, 4]]
OUT, IN = {"layout": "out_in"}, {"layout": "in_out"}
LOW = {"scale": 0.5, **OUT}
ZEROS = {n: [[0] * n] * n for n in (2, 3)}
HADAMARD = {"w1_a": [[1], [2]], "w1_b": [[1, 1]], "w2_a": [[1], [1]], "w2_b": [[3, 4]]}
GROUPS = {"a": [[[1, 2]], [[3, 4]]], "b": [[[1], [2]], [[5], [4]]]}
NORMALISED = {"a": [[3, 4]], "b": [[0], [2]], "lambda": [10], "w_norm": [1, 2]}
BUTTERFLY = {"r": [[[[0, 2], [0, 0]]]], "s": [1, 10]}
RESTORE = {"difference": ("U16", [[3]]), "left": [[0.0078125]], "right": [[1]]}
RESTORED = sha256(bytes.fromhex("7E 3F"))
MULTIPLY = ("multiply", {"v": [2, 3]}, {"side": "output", **OUT})
ADD_LOW_RANK = ("add_low_rank", {"a": [[1, 2]], "b": [[3], [4]]}, LOW)


def single(op, before, operands, after, **keys):
    """An example of one operation."""
    return f"{op} {operands}", before, [(op, operands, keys, 1)], after


# What it is, the parameter before, operations with operands, keys and a weight, the parameter afterwards.
EXAMPLES = [
    single("add_low_rank", SQUARE, ADD_LOW_RANK[1], [[2.5, 5], [5, 8]], **LOW),
    single("add_low_rank", [[3, 4]], {"a": [[0, 0]], "b": [[0]], "magnitude": [10]}, [[6, 8]], scale=1, **OUT),
    single("add_low_rank", [[2, 2]], {"a": [[1, 2]], "b": [[1]], "magnitude": [10]}, [[6, 8]], scale=1, **OUT),
    single("multiply", SQUARE, {"v": [2, 3]}, [[2, 4], [9, 12]], side="output", **OUT),
    single("multiply", SQUARE, {"v": [2, 3]}, [[2, 6], [6, 12]], side="input", **OUT),
    single("multiply", SQUARE, {"v": [2, 3]}, [[2, 6], [6, 12]], side="output", **IN),
    single("add", [1, 2], {"delta": [10, 20]}, [6, 12], scale=0.5),
    single("replace", SQUARE, {"value": [[5, 6], [7, 8], [9, 0]]}, [[5, 6], [7, 8], [9, 0]], resize=True),
    single(
        "replace_rows", [[1, 2], [3, 4], [5, 6]], {"values": [[7, 8], [9, 0]]}, [[9, 0], [3, 4], [7, 8]], rows=[2, 0]
    ),
    single("add_hadamard", ZEROS[2], HADAMARD, [[3, 4], [6, 8]], scale=1),
    single("add_kronecker", ZEROS[2], {"w1": [[1, 2]], "w2": [[3], [4]]}, [[3, 6], [4, 8]], scale=1),
    single(
        "add_sparse", ZEROS[2], {"indices": ("I32", [[0, 1], [1, 0]]), "values": [5, 6]}, [[0, 10], [12, 0]], scale=2
    ),
    single("add_blocks", ZEROS[2], {"m": [[1, 2]]}, [[1, 1], [2, 2]]),
    single("add_blocks", SQUARE, {"m": [[[0, 1], [0, 0]]]}, [[1, 4], [3, 7]]),
    single("add_circulant", ZEROS[3], {"kernel": [[[3, 6, 9]]]}, [[1, 2, 3], [3, 1, 2], [2, 3, 1]]),
    single("add_grouped_low_rank", ZEROS[2], GROUPS, [[1, 6], [10, 16]], scale=1, **OUT),
    single("add_normalised_low_rank", ZEROS[2], NORMALISED, [[0, 0], [6, 16]]),
    single("scale_low_rank", SQUARE, {"a": [[1, 0]], "b": [[2], [3]]}, [[3, 2], [12, 4]], **OUT),
    single("rotate_input", SQUARE, {"u": [[1]]}, [[-2, 1], [-4, 3]]),
    single("rotate_input", SQUARE, {"u": [[1]]}, [[5, 0], [11, -2]], terms=2),
    single("rotate_butterfly", SQUARE, BUTTERFLY, [[-2, 1], [-40, 30]]),
    single("reflect_input", SQUARE, {"u": [[1], [1]]}, [[-2, -1], [-4, -3]]),
    single(
        "rotate_output", SQUARE, {"theta": [math.pi / 2], "alpha": [2]}, [[-6, -8], [2, 4]], variant="road_1", group=2
    ),
    single(
        "add_spectral", ZEROS[2], {"places": ("I32", [[1], [1]]), "spectrum": [4]}, [[1, -1], [-1, 1]], scale=1, **OUT
    ),
    single("restore", ("BF16", [[1.0078125]]), RESTORE, ("BF16", [[0.9921875]]), result=RESTORED),
    ("8.21, the first", SQUARE, [(*MULTIPLY, 0.5)], [[1.5, 3], [6, 8]]),
    ("8.21, both", SQUARE, [(*MULTIPLY, 0.5), (*ADD_LOW_RANK, -2)], [[-1.5, -3], [2, 0]]),
]


def tensor(numbers):
    """A tensor of F32, or of the type that stands before the numbers."""
    dtype, numbers = numbers if isinstance(numbers, tuple) else ("F32", numbers)
    array = numpy.array(numbers, "<f8")
    return dtype, [*array.shape], narrow(array, dtype) if dtype in FLOATS else array.astype(NUMPY[dtype]).tobytes()


def adapters_of(operations):
    """An adapter of each operation, and its weight."""
    for place, (op, operands, keys, weight) in enumerate(operations):
        operation = {"op": op, "target": "layer.weight", "tensors": {role: role for role in operands}, **keys}
        tensors = {role: tensor(numbers) for role, numbers in operands.items()}
        yield {
            "name": f"n{place}",
            "method": "other",
            "keys": {},
            "operations": [operation],
            "tensors": tensors,
        }, weight


def by_reader(stack, base):
    """What the second reader makes of a base."""
    return apply([(read(file_of([adapter]))[0], weight) for adapter, weight in stack], base)


def by_command(command, stack, base):
    with tempfile.TemporaryDirectory() as name:
        folder, words = Path(name), []
        (folder / "base.safetensors").write_bytes(safetensors(base))
        for adapter, weight in stack:
            write_folder(folder / adapter["name"], [adapter])
            file = folder / f"{adapter['name']}.adp"
            subprocess.run([command, "pack", folder / adapter["name"], "-o", file], check=True, capture_output=True)
            words.append(f"{file}:{weight}")
        out = folder / "out.safetensors"
        subprocess.run(
            [command, "merge", folder / "base.safetensors", *words, "-o", out], check=True, capture_output=True
        )
        return tensors_of(out.read_bytes())


def is_right(made, after):
    """Is a tensor that was made the one expected, up to the last bits of sums?"""
    dtype, shape, data = made
    wanted = tensor(after)
    numbers = [widen(each, dtype, "<f8") for each in (data, wanted[2])] if shape == wanted[1] else [0, 1]
    return (dtype, shape) == wanted[:2] and numpy.allclose(*numbers, rtol=1e-6, atol=1e-6)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter")
    command = parser.parse_args().adapter
    wrong = 0
    for title, before, operations, after in EXAMPLES:
        stack, base = [*adapters_of(operations)], {"layer.weight": tensor(before)}
        results = [by_reader(stack, base)] + ([by_command(command, stack, base)] if command else [])
        for result in results:
            if not is_right(result["layer.weight"], after):
                wrong += 1
                print(f"{title}: {widen(result['layer.weight'][2], result['layer.weight'][0], '<f8')}")
    print(f"{len(EXAMPLES)} examples, {wrong} with another result")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
