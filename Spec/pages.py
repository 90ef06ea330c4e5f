"""Sections 8.8 to 8.20 and 8.22: the operations that have a page in operations/. See sections.py."""

from math import isqrt, prod

from operations import add_low_rank
from sections import LAYOUT, RESULT, SCALE, fits, section


def product(a, b, core):
    """The shape of a product of two factors, around a core or not; None where it does not exist."""
    if not (a and b and len(a.shape) == len(b.shape) == 2):
        return None
    if core is None:
        return [a.shape[0], b.shape[1]] if a.shape[1] == b.shape[0] else None
    if len(core.shape) < 3 or core.shape[:2] != [a.shape[0], b.shape[0]]:
        return None
    return [a.shape[1], b.shape[1], *core.shape[2:]]


@section("HAD", {"w1_a*": "", "w1_b*": "", "t1": "", "w2_a*": "", "w2_b*": "", "t2": ""}, SCALE)
def add_hadamard(o, p, s):
    """Section 8.8."""
    shape = product(p.w1_a, p.w1_b, p.t1)
    if shape is None or shape != product(p.w2_a, p.w2_b, p.t2):
        return False, False
    is_flat = p.t1 is None or len(shape) == 4 and shape[3] == 1
    return True, fits(o, shape[0], prod(shape[1:]), () if is_flat else shape[1:])


@section("KRO", {"w1": "", "w1_a": "", "w1_b": "", "w2": "", "w2_a": "", "w2_b": "", "t2": ""}, SCALE)
def add_kronecker(o, p, s):
    """Section 8.9."""

    def factor(whole, a, b, core):
        if whole is None:
            return product(a, b, core)
        return None if a or b or core else whole.shape

    w1 = factor(p.w1, p.w1_a, p.w1_b, None)
    w2 = factor(p.w2, p.w2_a, p.w2_b, p.t2)
    if not w1 or not w2 or len(w1) != 2 or len(w2) < 2 or len(w2) == 3:
        return False, False
    kernel = [w1[1] * w2[1], *w2[2:]] if len(w2) > 2 else ()
    return True, fits(o, w1[0] * w2[0], w1[1] * prod(w2[1:]), kernel)


@section("SPA", {"values*": "n", "indices*": ""}, SCALE, types={"indices": ["I32", "I64"]})
def add_sparse(o, p, s):
    """Section 8.10."""
    shape = p.indices.shape
    return shape in ([s.n], [2, s.n]), fits(o, flat=len(shape) == 2)


@section("BLO", {"m*": "r q +"}, {"tiled": bool})
def add_blocks(o, p, s):
    """Section 8.11."""
    shape = p.m.shape
    if 0 in shape or len(shape) > 3:
        return False, False
    if len(shape) == 2:
        return True, fits(o, out=None if o.tiled else s.q, flat=True)
    is_sound = shape[1] == shape[2] and not o.tiled
    return is_sound, fits(o, s.r * s.q, lambda columns: columns % s.q == 0, flat=True)


@section("CIR", {"kernel*": "o i b"})
def add_circulant(o, p, s):
    """Section 8.12."""
    return 0 not in p.kernel.shape, fits(o, s.o * s.b, s.i * s.b)


@section("GRO", {"a*": "k i r", "b*": "k r o"}, {**SCALE, **LAYOUT})
def add_grouped_low_rank(o, p, s):
    """Section 8.13."""
    return s.k > 0 and s.r % s.k == 0, fits(o, s.k * s.o, s.k * s.i)


@section("NOR", {"a*": "r i", "b*": "o r", "lambda*": "", "w_norm*": "~i"})
def add_normalised_low_rank(o, p, s):
    """Section 8.14."""
    return s.r > 0 and prod(p["lambda"].shape) == 1, fits(o, s.o, s.i)


@section("SCA", {"a*": "r y +", "b*": "o r +"}, LAYOUT)
def scale_low_rank(o, p, s):
    """Section 8.15."""
    return add_low_rank(o, p, s)


@section("ROT", {"u*": "n m"}, {"terms": int, "shared": bool, "radius": float})
def rotate_input(o, p, s):
    """Section 8.16."""
    b = (1 + isqrt(1 + 8 * s.m)) // 2
    is_sound = s.m > 0 and b * (b - 1) == 2 * s.m
    is_sound &= (o.radius or 0) >= 0 and (o.terms or 0) <= 64
    is_sound &= not o.shared or s.n == 1
    if not is_sound:
        return False, False
    return True, fits(o, None, (lambda columns: columns % b == 0) if o.shared else s.n * b, flat=True)


@section("BUT", {"r*": "f n b b", "s*": "~o"})
def rotate_butterfly(o, p, s):
    """Section 8.17."""
    is_sound = 0 not in p.r.shape
    if s.f > 1:
        is_sound &= s.b % 2 == 0 and s.n % 2 ** min(s.f - 1, 64) == 0
    return is_sound, fits(o, s.o, s.n * s.b)


@section("REF", {"u*": "i r"}, {"orthogonal": bool})
def reflect_input(o, p, s):
    """Section 8.18."""
    return not o.orthogonal or s.r <= s.i, fits(o, into=s.i)


@section("TUR", {"theta*": "n", "alpha*": "n"}, {"variant*": "road_[124]", "group*": int})
def rotate_output(o, p, s):
    """Section 8.19; a pair of rows has 1, 2 or 4 angles, as the variant says."""
    angles = int(o.variant[-1])
    is_sound = o.group % 2 == 0 and s.n % (o.group * angles // 2) == 0
    return is_sound, fits(o, out=s.n // angles * 2)


@section("SPE", {"spectrum*": "n", "places*": "two n"}, {**SCALE, **LAYOUT}, types={"places": ["I32"]})
def add_spectral(o, p, s):
    """Section 8.20."""
    return s.two == 2, fits(o, flat=True)


@section(
    "RES",
    {"difference*": "x y +", "left": "i r", "right": "r j"},
    {"result*": RESULT},
    types={"difference": ["U16", "U32", "U64"], "left": ["F32"], "right": ["F32"]},
)
def restore(o, p, s):
    """Section 8.22."""
    shape = p.difference.shape
    has_factors = p.left and p.right
    is_sound = [s.i, s.j] == [shape[0], prod(shape[1:])] if has_factors else not (p.left or p.right)
    return is_sound, o.shape in (None, shape)
