"""The rules of section 8: each says of an operation o, its parts p, their sizes s: sound, fits."""
from math import isqrt, prod
from rules import FLOATS, NAME, OPERAND, Object, check_type, need

def fits(o, out=None, into=None, kernel=(), flat=False):
    """OPS-5 of a weight of so many rows and columns, None for any, of this or of no kernel."""
    if o.shape is None or o.layout == "unresolved":
        return True
    if len(o.shape) < 2 or (flat or o.layout == "in_out") and (kernel or len(o.shape) > 2):
        return False
    sizes = [o.shape[0], prod(o.shape[1:])]
    rows, columns = sizes[::-1] if o.layout == "in_out" else sizes
    known = into(columns) if callable(into) else into in (None, columns)
    return known and out in (None, rows) and kernel in ((), o.shape[1:])

def low_rank(o, p, s):
    a, b, left, right = p.a.shape, p.b.shape, o.a_blocks or 1, o.b_blocks or 1
    rank, into, flat = a[0] // (o.experts or 1), prod(a[1:]) * left, len(a) == 2
    own = a[0] == b[1] * right and a[0] % ((o.experts or 1) * left) == 0
    own &= {*b[2:]} <= {1} and b[0] % right == 0 and s.q in (None, rank)
    own &= (flat or left == 1) and (not o.wide or flat and left == 1)
    if o.experts:
        order = [into, b[0]] if o.layout == "in_out" else [b[0], into]
        alone = len(p) == 2 and flat and left == right == 1 and not o.wide
        return own and alone and rank > 0, o.layout == "unresolved" or o.shape in (None, [o.experts, *order])
    width = (lambda columns: columns <= into) if o.wide else into
    return own, fits(o, b[0], width, () if flat else a[1:])

def multiply(o, p, s):
    own = not (o.bias and o.side == "input")
    if o.side == "output" or o.layout != "out_in" or len(o.shape or ()) < 3:
        return own, fits(o, *([s.n] if o.side == "output" else [None, s.n]))
    out, into = o.shape[:2]
    return own, s.n == into or s.n > into > 0 == s.n % into and out % (s.n // into) == 0

def product(a, b, core):
    """The shape of a product, around a core or not; None where there is none."""
    if not (a and b and len(a.shape) == len(b.shape) == 2):
        return None
    if core is None:
        return [a.shape[0], b.shape[1]] if a.shape[1] == b.shape[0] else None
    agree = len(core.shape) > 2 and core.shape[:2] == [a.shape[0], b.shape[0]]
    return [a.shape[1], b.shape[1], *core.shape[2:]] if agree else None

def hadamard(o, p, s):
    one, two = product(p.w1_a, p.w1_b, p.t1), product(p.w2_a, p.w2_b, p.t2)
    own = one is not None and one == two
    flat = p.t1 is None or own and len(one) == 4 and one[3] == 1
    return own, own and fits(o, one[0], prod(one[1:]), () if flat else one[1:])

def kronecker(o, p, s):
    parts = [(p.w1, p.w1_a, p.w1_b, None), (p.w2, p.w2_a, p.w2_b, p.t2)]
    one, two = [product(*rest) if whole is None else not any(rest) and whole.shape
                for whole, *rest in parts]
    own = one and two and len(one) == 2 <= len(two) != 3
    kernel = [one[1] * two[1], *two[2:]] if own and len(two) > 2 else ()
    return own, own and fits(o, one[0] * two[0], one[1] * prod(two[1:]), kernel)

def blocks(o, p, s):
    if len(p.m.shape) != 3:
        return 0 not in p.m.shape and len(p.m.shape) == 2, fits(o, None if o.tiled else s.q, flat=True)
    own = 0 not in p.m.shape and p.m.shape[1] == p.m.shape[2] and not o.tiled
    return own, own and fits(o, s.r * s.q, lambda into: into % s.q == 0, flat=True)

def rotate(o, p, s):
    b = (1 + isqrt(1 + 8 * s.m)) // 2
    own = b * (b - 1) == 2 * s.m > 0 <= (o.radius or 0) and (o.terms or 0) <= 64 and s.n in (1, o.shared or s.n)
    into = (lambda into: into % b == 0) if o.shared else s.n * b
    return own, own and fits(o, None, into, flat=True)

SCALE, DIGEST, STREAM = {"scale*": float}, "[0-9a-f]{64}", {"stream*": "decoder|encoder"}
LAYOUT = {"layout*": "out_in|in_out|unresolved",
          "layout_from": "base|kind|name|flag|siblings|model_type|user"}
COUNTS = "experts a_blocks b_blocks heads head_dim terms group".split()  # integers from 1 on
# op: its rules' prefix; its roles, * where required, with dimensions; its keys and their types; its rules.
# A letter is one size throughout, ~ makes a vector, + is for more dimensions.
SECTIONS = {
    "add_low_rank": ("LOW", "a*: x y +, b*: o z +, diagonal: ~q, row_scale: ~o, magnitude: ~o", {
        **SCALE, **LAYOUT, "experts": int, "wide": bool, "a_blocks": int, "b_blocks": int},
        low_rank),
    "multiply": ("MUL", "v*: ~n", {**LAYOUT, "side*": "output|input", "bias": bool}, multiply),
    "add": ("ADD", "delta*", {**SCALE, "result": DIGEST}, lambda o, p, s: (
        True, o.shape is None or prod(o.shape) == prod(p.delta.shape))),
    "replace": ("REP", "value*", {
        "absent": "refuse|create|skip", "resize": bool, "result": DIGEST}, lambda o, p, s: (
        not o.resize or p.value.shape, o.shape in (None, p.value.shape) or
        o.resize and o.shape != [] and o.shape[1:] == p.value.shape[1:])),
    "replace_rows": ("ROW", "values*: n +", {"rows*": [int]}, lambda o, p, s: (
        len(o.rows) == len({*o.rows}) == s.n, o.shape is None or o.shape != [] and
        o.shape[1:] == p["values"].shape[1:] and o.shape[0] > max(o.rows, default=-1))),
    "prepend_embeddings": ("PRE", "values*: n d", STREAM, lambda *_: (True, True)),
    "prepend_kv": ("PKV", "values*: n w", {
        **STREAM, "heads*": int, "head_dim*": int, "slots*": [[int, int]]}, lambda o, p, s: (
        s.w % (o.heads * o.head_dim) == 0 and
        all(slot < s.w // (o.heads * o.head_dim) for row in o.slots for slot in row), True)),
    "add_hadamard": ("HAD", "w1_a*, w1_b*, t1, w2_a*, w2_b*, t2", SCALE, hadamard),
    "add_kronecker": ("KRO", "w1, w1_a, w1_b, w2, w2_a, w2_b, t2", SCALE, kronecker),
    "add_sparse": ("SPA", "values*: n, indices*", SCALE, lambda o, p, s: (
        p.indices.shape in ([s.n], [2, s.n]), fits(o, flat=len(p.indices.shape) == 2))),
    "add_blocks": ("BLO", "m*: r q +", {"tiled": bool}, blocks),
    "add_circulant": ("CIR", "kernel*: o i b", {}, lambda o, p, s: (
        s.o * s.i * s.b, fits(o, s.o * s.b, s.i * s.b))),
    "add_grouped_low_rank": ("GRO", "a*: k i r, b*: k r o", {**SCALE, **LAYOUT}, lambda o, p, s: (
        s.k and s.r % s.k == 0, fits(o, s.k * s.o, s.k * s.i))),
    "add_normalised_low_rank": ("NOR", "a*: r i, b*: o r, lambda*, w_norm*: ~i", {},
        lambda o, p, s: (s.r and prod(p["lambda"].shape) == 1, fits(o, s.o, s.i))),
    "scale_low_rank": ("SCA", "a*: r y +, b*: o r +", LAYOUT, low_rank),
    "rotate_input": ("ROT", "u*: n m", {"terms": int, "shared": bool, "radius": float}, rotate),
    "rotate_butterfly": ("BUT", "r*: f n b b, s*: ~o", {}, lambda o, p, s: (
        s.f * s.n * s.b and (s.f == 1 or s.b % 2 == 0 == s.n % 2**min(s.f - 1, 64)),
        fits(o, s.o, s.n * s.b))),
    "reflect_input": ("REF", "u*: i r", {"orthogonal": bool}, lambda o, p, s: (True, fits(o, None, s.i))),
    "rotate_output": ("TUR", "theta*: n, alpha*: n", {"variant*": "road_[124]", "group*": int}, lambda o, p, s: (
        o.group % 2 == 0 == s.n % (o.group * int(o.variant[-1]) // 2),
        fits(o, s.n // int(o.variant[-1]) * 2))),
    "add_spectral": ("SPE", "spectrum*: n", {**SCALE, **LAYOUT, "seed*": int},
                     lambda o, p, s: (True, fits(o, flat=True))),
    "restore": ("RES", "difference*, left: i r, right: r j", {"result*": DIGEST}, lambda o, p, s: (
        len(p) != 2 and (len(p) < 2 or s.i * s.j == prod(p.difference.shape)),
        fits(o, s.i, s.j) if len(p) > 2 else o.shape is None or prod(o.shape) == prod(p.difference.shape)))}
TYPES = {"indices*": "I32 I64", "difference*": "U8 U16 U32 U64", "left": "F32", "right": "F32"}  # no floats, or one

def fit(shape, pattern, sizes):
    """Whether a shape has the form of a pattern, whose letters get their sizes."""
    if pattern[0] == "~":
        shape = [prod(shape)] if sum(size != 1 for size in shape) < 2 else []
    letters = pattern.strip("~+").split()
    long = len(shape) == len(letters) or pattern[-1] == "+" and len(shape) > len(letters)
    return long and all([sizes.setdefault(*pair) == pair[1] for pair in zip(letters, shape)])

def section_rules(o, p):
    """Holds an operation against its section; returns whether it is known, and not opaque."""
    if o.op not in SECTIONS:
        return False
    prefix, text, keys, rule, sizes = *SECTIONS[o.op], Object()
    roles = dict(role.partition(": ")[::2] for role in text.split(", "))
    target = {"target" if keys.items() >= STREAM.items() else "target*": NAME}
    types = {**keys, **target, "tensors*": dict.fromkeys(roles, object)}
    strange = check_type(o.tensors, {"*": OPERAND}) or any(part.opaque for part in p.values())
    strange = strange or p.keys() - {role.rstrip("*") for role in roles}
    if strange or o.keys() - {key.rstrip("*") for key in [*types, "op", "shape", "bound"]}:
        return False
    check_type(o, types)
    need(all(o[key] > 0 for key in COUNTS if key in o), "MAN-1")
    for role, pattern in roles.items():
        part, types = p.get(role.rstrip("*")), TYPES.get(role, " ".join(FLOATS)).split()
        need(part is None or o.op == "replace" or part.dtype in types, prefix)
        need(part is None or not pattern or fit(part.shape, pattern, sizes), prefix)
    any(need(*pair) for pair in zip(rule(o, p, sizes), [prefix, "OPS-5"]))
    return True
