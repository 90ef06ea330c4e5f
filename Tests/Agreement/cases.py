"""A random case: a base, adapters for it, and stacks of them."""

from collections import namedtuple

from adapters import draw_adapter, set_results
from bases import draw_base, fingerprint_of
from draw import Draw

Case = namedtuple("Case", "base adapters stacks fingerprint")
WHOLE = ("replace", "rotate", "reflect", "restore")
STACKS = 3  # of each case


def draw_case(seed, index):
    draw = Draw(f"{seed}/{index}")
    base, parameters = draw_base(draw)
    adapters = []
    for place in range(draw.weighed({1: 3, 2: 4, 3: 3})):
        adapters.append(draw_adapter(draw, f"n{place}", base, parameters, adapters))
    fingerprint = None
    if draw.chance(0.1):
        fingerprint = fingerprint_of(base)
        set_results(draw, adapters, base)
    return Case(base, adapters, [draw_stack(draw, adapters) for _ in range(STACKS)], fingerprint)


def draw_stack(draw, adapters):
    """Places of adapters, with weights; some have to be whole."""
    places = draw.sample(range(len(adapters)), draw.randint(1, len(adapters)))
    if draw.chance(0.08):
        places.append(draw.choice(places))
    stack = []
    for place in places:
        is_whole = any(str(each["op"]).startswith(WHOLE) for each in adapters[place]["operations"])
        weights = {1: 60 if is_whole else 6, 0: 2, 0.5: 4, -2: 2, 0.3: 2, -1e-3: 1}
        stack.append((place, draw.weighed(weights)))
    return stack
