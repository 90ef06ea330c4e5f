"""Sections 8.1 to 8.7: the core operations. See sections.py."""

from math import prod

from rules import is_countable
from sections import LAYOUT, RESULT, SCALE, STREAM, fits, section


@section(
    "LOW",
    {"a*": "x y +", "b*": "o z +", "diagonal": "~q", "row_scale": "~o", "magnitude": "~o"},
    {**SCALE, **LAYOUT, "experts": int, "wide": bool, "a_blocks": int, "b_blocks": int},
)
def add_low_rank(o, p, s):
    """Section 8.1; the rules of `a` and `b` are those of 8.15, too."""
    a, b = p.a.shape, p.b.shape
    experts, a_blocks, b_blocks = o.experts or 1, o.a_blocks or 1, o.b_blocks or 1
    rank, out, into = a[0] // experts, b[0], prod(a[1:]) * a_blocks
    kernel = a[2:]

    is_sound = a[0] == b[1] * b_blocks and b[2:] in ([], [1] * len(kernel))
    is_sound &= a[0] % (experts * a_blocks) == 0 and out % b_blocks == 0
    is_sound &= s.q in (None, rank)  # the diagonal's
    is_sound &= not kernel or not (o.experts or o.wide or a_blocks > 1 or o.layout == "in_out")
    is_sound &= not (o.wide and a_blocks > 1)
    if o.experts:
        is_alone = len(p) == 2 and a_blocks == b_blocks == 1 and not o.wide
        matrix = [into, out] if o.layout == "in_out" else [out, into]
        has_shape = o.layout == "unresolved" or o.shape in (None, [experts, *matrix])
        return is_sound and is_alone and rank > 0, has_shape and is_countable(experts, out, into)
    width = (lambda columns: columns <= into) if o.wide else into
    return is_sound, fits(o, out, width, a[1:] if kernel else ())


@section("MUL", {"v*": "~n"}, {**LAYOUT, "side*": "output|input", "bias": bool})
def multiply(o, p, s):
    """Section 8.2."""
    if o.side == "output":
        return True, fits(o, out=s.n)
    if o.layout == "out_in" and len(o.shape or ()) > 2:
        out, channels = o.shape[:2]
        is_grouped = s.n > channels > 0 == s.n % channels and out % (s.n // channels) == 0
        return not o.bias, s.n == channels or is_grouped
    return not o.bias, fits(o, into=s.n)


@section("ADD", {"delta*": ""}, {**SCALE, "result": RESULT})
def add(o, p, s):
    """Section 8.3."""
    return True, o.shape is None or prod(o.shape) == prod(p.delta.shape)


@section(
    "REP",
    {"value*": ""},
    {"absent": "refuse|create|skip", "resize": bool, "result": RESULT},
    types={"value": None},
)
def replace(o, p, s):
    """Section 8.4."""
    shape = p.value.shape
    is_resized = o.resize and o.shape and o.shape[1:] == shape[1:]
    return not o.resize or shape, o.shape in (None, shape) or is_resized


@section("ROW", {"values*": "n +"}, {"rows*": [int]})
def replace_rows(o, p, s):
    """Section 8.5."""
    is_sound = len(o.rows) == len(set(o.rows)) == s.n
    if o.shape is None:
        return is_sound, True
    has_row = o.shape and o.shape[1:] == p["values"].shape[1:]
    return is_sound, has_row and o.shape[0] > max(o.rows, default=-1)


@section("PRE", {"values*": "n d"}, STREAM)
def prepend_embeddings(o, p, s):
    """Section 8.6."""
    return True, True


@section("PKV", {"values*": "n w"}, {**STREAM, "heads*": int, "head_dim*": int, "slots*": [[int, int]]})
def prepend_kv(o, p, s):
    """Section 8.7."""
    slots, rest = divmod(s.w, o.heads * o.head_dim)
    is_sound = rest == 0 and is_countable(o.heads, o.head_dim)
    return is_sound and all(slot < slots for row in o.slots for slot in row), True
