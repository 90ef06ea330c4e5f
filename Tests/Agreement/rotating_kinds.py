"""Random operations of 8.16 to 8.19. See kinds.py."""

from math import prod

from bases import logical_sizes
from kinds import kind, vector


@kind(5)
def rotate_input(draw, t):
    if t.kind != "matrix" or t.layout != "out_in":
        return None
    b = draw.divisor(t.shape[1], least=2)
    if b is None:
        return None
    keys = {"shared": True} if draw.chance(0.3) else {}
    if draw.chance(0.4):
        keys["terms"] = draw.randint(1, 7)
    if draw.chance(0.4):
        keys["radius"] = draw.choice([0, 0.1, 0.5, 1, 10])
    return {"u": draw.operand([1 if keys.get("shared") else t.shape[1] // b, b * (b - 1) // 2])}, keys


@kind(5)
def rotate_butterfly(draw, t):
    if t.kind not in ("matrix", "kernel") or t.layout != "out_in":
        return None
    out, into = logical_sizes(t)
    b = draw.divisor(into)
    n, most = into // b, 1
    while b % 2 == 0 and n % 2**most == 0:
        most += 1
    return {"r": draw.operand([draw.randint(1, most), n, b, b]), "s": vector(draw, out)}, {}


@kind(5)
def reflect_input(draw, t):
    if t.kind not in ("matrix", "kernel") or t.layout != "out_in":
        return None
    into, keys = prod(t.shape[1:]), {"orthogonal": True} if draw.chance(0.4) else {}
    r = draw.randint(0 if draw.chance(0.1) else 1, 3)
    if draw.chance(0.05):
        return {"u": draw.zeros([into, 1])}, keys
    return {"u": draw.operand([into, min(r, into) if keys else r], has_digits=True)}, keys


@kind(6)
def rotate_output(draw, t):
    if t.kind not in ("matrix", "kernel") or t.layout != "out_in" or t.shape[0] % 2:
        return None
    out = t.shape[0]
    g = draw.choice([g for g in range(2, out + 1, 2) if out % g == 0])
    variant = draw.choice("124")
    n = out // 2 * int(variant)
    return {"theta": draw.operand([n]), "alpha": draw.operand([n])}, {"variant": f"road_{variant}", "group": g}
