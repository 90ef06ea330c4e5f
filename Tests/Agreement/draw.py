"""Random numbers, words and tensors, the same for one seed on every machine."""

import random
from math import prod

import numpy
from elements import NUMPY, narrow
from rules import BITS, DTYPES, FLOATS

FLOAT_TYPES = {"F32": 10, "BF16": 5, "F16": 4, "F64": 3}
OTHER_TYPES = [dtype for dtype in DTYPES if dtype not in FLOATS]


class Draw(random.Random):
    """What is drawn of one seed, a text."""

    def chance(self, probability):
        return self.random() < probability

    def weighed(self, weights):
        """A key of a dict whose values say how likely it is."""
        return self.choices([*weights], [*weights.values()])[0]

    def float_type(self):
        return self.weighed(FLOAT_TYPES)

    def divisor(self, *numbers, least=1):
        """A common divisor that is at least so large, or None."""
        divisors = [d for d in range(least, min(numbers) + 1) if all(n % d == 0 for n in numbers)]
        return self.choice(divisors) if divisors else None

    def numbers(self, count, has_digits=False):
        """Eighths, whose sums are exact in any order, or numbers with all digits."""
        if not has_digits and self.chance(0.4):
            return [self.randint(-16, 16) / 8 for _ in range(count)]
        return [self.gauss(0, 0.7) for _ in range(count)]

    def tensor(self, dtype, shape, has_digits=False):
        count = prod(shape)
        if dtype in FLOATS:
            return dtype, [*shape], narrow(numpy.array(self.numbers(count, has_digits), "<f8"), dtype)
        if dtype == "BOOL":
            return dtype, [*shape], bytes(self.choices([0, 1], k=count))
        return dtype, [*shape], self.randbytes(count * BITS[dtype] // 8)

    def integers(self, dtype, shape, numbers):
        return dtype, [*shape], numpy.array(numbers, NUMPY[dtype]).tobytes()

    # Set for each operation.
    operand_type = "F32"

    def operand(self, shape, has_digits=False):
        return self.tensor(self.operand_type, shape, has_digits)

    def zeros(self, shape):
        return self.operand_type, [*shape], bytes(prod(shape) * BITS[self.operand_type] // 8)


def not_finite(draw, tensor, high=0x7F):
    """The tensor with a NaN, or with an infinity or a very large number as its bytes have it, in one place."""
    dtype, shape, data = tensor
    size = BITS[dtype] // 8
    if dtype not in FLOATS or not data:
        return tensor
    end = size * draw.randint(1, len(data) // size)
    top = bytes([draw.choice([0xC0, 0xF0, 0xFF, 0x80]), high])
    return dtype, shape, data[: end - 2] + top + data[end:]
