"""Makes Fixtures/fingerprints.json: fingerprints, as section 7 of Spec/adp-v1.md has them, of
tensors that a formula gives, so that any language can check its own without a file of weights.

In Fixtures,

    python3 -m makers.fingerprints            writes the file
    python3 -m makers.fingerprints --check    says if the file is what would be written; exit 1 if not

Only Python's standard library is needed. The formula, all arithmetic modulo 2^64: element i
(i = 0 ... N-1, in row-major order) of a tensor whose elements have w bytes is stored as the low
8 w bits of z, little-endian, where

    z = seed + i + 0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    z = z ^ (z >> 31)

which is the first output of a splitmix64 whose state is seed + i. It can be undone, so a seed can
be found for an element that is wanted: that is how the scalars below come about, and element 17, an
infinity, of the tensors of shape [4096]. Every seed is below 2^53, so that any reader of JSON takes
it; no such seed gives an infinity of F64.
"""

import hashlib
import itertools
import json
import math
import struct
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "fingerprints.json"
FORMULA = (
    "element i (from 0, row-major) of a tensor of w bytes an element is the low 8*w bits of z,"
    " little-endian, with all arithmetic modulo 2^64: z = seed + i + 0x9E3779B97F4A7C15;"
    " z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9; z = (z ^ (z >> 27)) * 0x94D049BB133111EB;"
    " z = z ^ (z >> 31)"
)
NOTE = (
    "u64 and u16 are little-endian; the magnitude that is compared with 2^-14 is the element's own,"
    " before it is rounded; in sketch, NaN is 7FC00000 and F64 is rounded to nearest even"
)
GAMMA, FIRST, SECOND, WRAP = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 2**64
BYTES = {"F8_E4M3": 1, "F16": 2, "BF16": 2, "F32": 4, "F64": 8}
INFINITY = {"F16": 0x7C00, "BF16": 0x7F80, "F32": 0x7F800000, "F64": 0x7FF0000000000000}
SHAPES = [[4096], [4097], [127, 63], [], [31], [32], [33], [300, 1000]]

# Scalars of a kind that chance gives too rarely: bit patterns, any one of a row will do.
EDGES = {
    "F16": [
        [0x3C04],  # 1 + 2^-8: between two values of BF16, down to the even one
        [0x3C0C],  # 1 + 3 * 2^-8: up to the even one
        [0x7BFF],  # the greatest
        [0x0400],  # 2^-14
        [0x03FF],  # below it, though it would be rounded to it
        [0x8001],
        [0x8000],  # -0
        [0x7C00],
        [0xFC00],
        [0xFC01],  # a signalling NaN
    ],
    "BF16": [[0x7F7F], [0x3880], [0x387F], [0x8001], [0x8000], [0x7F80], [0xFF80], [0xFF81]],
    "F32": [
        [0x3F808000],
        [0x3F808001],
        [0x3F817FFF],
        [0xBF818000],
        [0x7F7F7FFF],  # the greatest that does not become an infinity of BF16
        [0x7F7F8000],
        [0x38800000],
        [0x387FFFFF],
        [0x80000001],
        [0x80000000],
        [0x7F800000],
        [0xFF800000],
        [0xFF800001],
    ],
    "F64": [
        # 1 + 2^-8 and a little more, 1 + 3 * 2^-8 and a little less: F32 would lose the little
        range(0x3FF0100000000001, 0x3FF0100000FFFFFF),
        range(0x3FF02FFFFF000000, 0x3FF0300000000000),
        # ties of BF16 itself, down and up, with any exponent
        [exponent << 52 | m << 46 | 1 << 44 for exponent in range(1009, 1150) for m in range(64)],
        [exponent << 52 | m << 46 | 3 << 44 for exponent in range(1009, 1150) for m in range(64)],
        range(0x3F0FFFFFFF000000, 0x3F10000000000000),  # below 2^-14
        range(0x47EFEFFFFF000000, 0x47EFF00000000000),  # just finite in BF16
        range(0x47EFF00000000000, 0x47EFF00000FFFFFF),  # infinite in BF16, not in F32
        range(0x47EFFFFFEF000000, 0x47EFFFFFF0000000),  # just finite in F32
        range(0x47EFFFFFF0000000, 0x47EFFFFFF0FFFFFF),  # infinite in F32
        range(0x36A7FFFFFF000000, 0x36A8000000000000),  # below 1.5 * 2^-149: 2^-149 in F32
        range(0x36A8000000000001, 0x36A8000000FFFFFF),  # above it: 2^-148
        range(0x368FFFFFFF000000, 0x3690000000000000),  # below 2^-150: 0
        range(0x8000000000000001, 0x8000000000FFFFFF),  # a subnormal of F64
        range(0xFFF0000000000001, 0xFFF0000000FFFFFF),  # signalling NaNs that F32 has no room for
    ],
}


# The elements


def element(seed, i, width):
    z = (seed + i + GAMMA) % WRAP
    z = (z ^ z >> 30) * FIRST % WRAP
    z = (z ^ z >> 27) * SECOND % WRAP
    return (z ^ z >> 31) % 2 ** (8 * width)


def unshift(z, count):
    """The x of which z is x ^ x >> count."""
    x = z
    for _ in range(64 // count):
        x = z ^ x >> count
    return x


def state(z):
    """The seed + i that gives z."""
    z = unshift(z, 31) * pow(SECOND, -1, WRAP) % WRAP
    z = unshift(z, 27) * pow(FIRST, -1, WRAP) % WRAP
    return (unshift(z, 30) - GAMMA) % WRAP


def seed_of(dtype, patterns, i=0):
    """A seed below 2^53 that makes element i one of the patterns."""
    step = 2 ** (8 * BYTES[dtype])
    for z in (upper + pattern for upper in range(0, WRAP, step) for pattern in patterns):
        seed = state(z) - i
        if 0 <= seed < 2**53:
            return seed
    raise ValueError(f"no seed for {dtype}")


# Section 7


def blocks(count):
    """The first elements of the 128 blocks."""
    m = count // 32
    return [(j * GAMMA % WRAP * m >> 64) * 32 for j in range(128)]


def samples(count):
    if count <= 4096:
        return range(count)
    return [at + k for at in [*blocks(count), count - 32] for k in range(32)]


def number(dtype, bits):
    """The value, which a double holds exactly."""
    if dtype == "BF16":
        dtype, bits = "F32", bits << 16
    code = {"F16": "e", "F32": "f", "F64": "d"}[dtype]
    return struct.unpack("<" + code, bits.to_bytes(BYTES[dtype], "little"))[0]


def bf16(x):
    """The bits of BF16 for `value`. The double is rounded once, as an integer, from 52 bits of
    fraction to 7; neither can be subnormal from 2^-14 on."""
    if math.isnan(x):
        return 0x7FC0
    if abs(x) < 2.0**-14:
        return 0
    bits = struct.unpack("<Q", struct.pack("<d", abs(x)))[0]
    odd = bits >> 45 & 1
    rounded = (bits + (1 << 44) - 1 + odd >> 45) - (1023 - 127 << 7)
    return min(rounded, 0x7F80) | (0x8000 if x < 0 else 0)


def f32(x):
    """The bytes of F32 for `sketch`."""
    if math.isnan(x):
        return bytes.fromhex("0000C07F")
    try:
        return struct.pack("<f", x)  # to nearest even
    except OverflowError:
        return struct.pack("<f", math.copysign(math.inf, x))


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def fingerprint(dtype, shape, seed):
    count, width = math.prod(shape), BYTES[dtype]
    stored = [element(seed, i, width) for i in samples(count)]
    size = struct.pack(f"<B{len(shape)}Q", len(shape), *shape)
    data = b"".join(bits.to_bytes(width, "little") for bits in stored)
    entry = {"dtype": dtype, "shape": shape, "seed": seed}
    entry["exact"] = digest(b"adp-base-1\0", dtype.encode(), b"\0", size, data)
    entry |= {"value": None, "sketch": None}
    if dtype in INFINITY:
        values = b"".join(struct.pack("<H", bf16(number(dtype, bits))) for bits in stored)
        entry["value"] = digest(b"adp-value-1\0", size, values)
        drawn = range(min(count, 32)) if count <= 4096 else blocks(count)[::4]
        numbers = [number(dtype, element(seed, i, width)) for i in drawn]
        entry["sketch"] = b"".join(map(f32, numbers)).ljust(128, b"\0").hex()
    return entry


# The file


def tensors():
    """Element type, shape and seed of every tensor."""
    seeds = itertools.count(1)
    for dtype, infinity in INFINITY.items():
        for shape in SHAPES:
            if shape == [4096] and dtype != "F64":
                yield dtype, shape, seed_of(dtype, [infinity], 17)
            else:
                yield dtype, shape, next(seeds) * 1_000_003
        for patterns in EDGES[dtype]:
            yield dtype, [], seed_of(dtype, patterns)
    yield "F8_E4M3", [5000], next(seeds) * 1_000_003


def text():
    lines = [json.dumps(fingerprint(*tensor), separators=(",", ":")) for tensor in tensors()]
    head = f'{{"formula": {json.dumps(FORMULA)},\n"note": {json.dumps(NOTE)},\n"tensors": [\n'
    return head + ",\n".join(lines) + "\n]}\n"


def main(arguments):
    made = text().encode()
    if arguments == ["--check"]:
        same = FILE.exists() and FILE.read_bytes() == made
        print("nothing differs" if same else FILE.name)
        return int(not same)
    FILE.write_bytes(made)
    print(f"{made.count(b'seed') - 1} tensors, {len(made)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
