"""Applies adapters to a base in numpy, in the six steps of section 8 and with the weights of 8.21."""

from collections import namedtuple

import numpy

import additions  # the formulas of all operations
import rotations
from binding import bind, refuse_unless
from elements import cut, finite, is_same, narrow, widen
from fingerprint import agrees
from formulas import FORMULAS, restore
from rules import BITS, FLOATS, sha256

# What is left of an operation: its parameter's name, itself, its parts, its adapter's weight and place in the stack.
Step = namedtuple("Step", "name o p weight place")


def apply(stack, base, fingerprints=None):
    """The tensors, each a dtype, a shape and bytes, that adapters with weights change or make.

    fingerprints  place in the stack → what its adapter records of its base; without one BND-6 is for `restore` alone
    """
    changed = {}
    for name, steps in steps_of(stack, base).items():
        changed[name] = changed_tensor(steps, base.get(name))
        place = steps[0].place
        is_own = agrees(stack[place][0], base, (fingerprints or {}).get(place))
        check_result(steps, changed[name], is_own)
    return changed


def steps_of(stack, base):
    """Steps 1 to 4: the operations that are left on each parameter, of which none is refused."""
    steps, resized = {}, {}
    for place, (adapter, weight) in enumerate(stack):
        if weight != 0:
            left = [each for each in bind(adapter, base, resized) if changes(each, base)]
            for name, o, p in left:
                steps.setdefault(name, []).append(Step(name, o, p, weight, place))
                if o.op == "replace" and name in base:
                    resized[name] = p.value.shape
    for own in steps.values():
        refuse_conflicts(own)
        refuse_types(own, base)
    return steps


# What is dropped and refused


def how(step):
    return FORMULAS[step.o.op].how


def changes(bound, base):
    """Step 3: False of an operation that changes nothing."""
    name, o, p = bound
    if o.op == "replace" and name in base:
        dtype, shape, data = base[name]
        return (p.value.dtype, p.value.shape) != (dtype, shape) or cut(p.value) != data
    return not (o.op == "add_low_rank" and p.a.shape[0] == 0 and not p.magnitude)


def refuse_conflicts(steps):
    """STK-3 to STK-5 and RES-2, of the steps on one parameter."""
    name = steps[0].name
    for step in steps:
        is_whole = how(step) in ("rotates", "replaces", "restores")
        refuse_unless(step.weight == 1 or not is_whole, f"STK-3: {name} with a part of {step.o.op}")
    refuse_unless(len({step.place for step in steps if how(step) == "rotates"}) < 2, f"STK-4: {name}")
    refuse_unless(len(steps) == 1 or all(how(step) != "restores" for step in steps), f"RES-2: {name}")
    for index, later in enumerate(steps):
        for place, step in enumerate(steps[:index]):
            refuse_unless(is_kept(step, later, steps[:place]), f"STK-5: {name}, {step.o.op} before {later.o.op}")


def is_kept(step, later, earlier):
    """STK-5: does a later operation leave what a step does, after those earlier?"""
    before, after = step.o.op, later.o.op
    if after == "replace_rows":
        return before == "replace" or before == "replace_rows" and rows_agree(step, later)
    if after != "replace":
        return True
    if before == "replace":
        return is_same(step.p.value, later.p.value)
    return before != "replace_rows" and any(
        each.o.op == "replace" and is_same(each.p.value, later.p.value) for each in earlier
    )


def rows_agree(step, later):
    """Rows that both replace have the same bytes."""

    def rows(each):
        part = each.p["values"]
        data = cut(part)
        size = len(data) // max(len(each.o.rows), 1)
        return {row: (part.dtype, data[j * size : (j + 1) * size]) for j, row in enumerate(each.o.rows)}

    one, two = rows(step), rows(later)
    return all(one[row] == two[row] for row in one.keys() & two.keys())


def refuse_types(steps, base):
    """STK-5 of new shapes, and BND-4 and RES-2, of the steps on one parameter that are not in conflict."""
    name, stored = steps[0].name, base.get(steps[0].name)
    replacements = [step for step in steps if step.o.op == "replace"]
    for step in steps if replacements and stored else []:
        is_for_it = step.o.op == "replace" or step.o.shape == replacements[0].p.value.shape
        refuse_unless(is_for_it, f"STK-5: {name} gets another shape")
    if any(step.o.experts for step in steps):
        are_for_it = all(step.o.experts or step.o.op in ("add", "replace") for step in steps)
        refuse_unless(are_for_it, f"BND-4: {name} is a stack of experts")
    dtype = stored[0] if stored else replacements[0].p.value.dtype
    types = {step.p.value.dtype for step in replacements}
    if dtype in FLOATS:
        refuse_unless(types <= FLOATS, f"BND-4: {name} is replaced by another kind of type")
    else:
        refuse_unless(replacements == steps and types == {dtype}, f"BND-4: {name} is of {dtype}")
    if steps[0].o.op == "restore":
        refuse_unless(BITS[dtype] == BITS[steps[0].p.difference.dtype], f"RES-2: {name} is of {dtype}")


def check_result(steps, tensor, is_own):
    """BND-6; is the base the adapter's own?"""
    replacements = [step for step in steps if step.o.op == "replace"]
    own = [step for step in steps if step not in replacements[1:]]
    name, last = steps[0].name, own[-1]
    is_alone = all(step.place == last.place and step.weight == 1 for step in own)
    if last.o.result and is_alone and (is_own or last.o.op == "restore"):
        refuse_unless(sha256(tensor[2]) == last.o.result, f"BND-6: {name}")


# What is made


@numpy.errstate(all="ignore")
def changed_tensor(steps, tensor):
    """A stored tensor after its steps; one that is made where there is none."""
    name, value = steps[0].name, steps[0].p.value
    dtype, shape, data = tensor or (value.dtype, value.shape, None)
    for step in steps:
        for part in step.p.values():
            refuse_unless(finite(part.dtype, cut(part)).all(), f"8.21: operands for {name} are not finite")
    now_shape, now = changed_bytes(steps, dtype, shape, data)
    had_others = ~finite(dtype, data) if now_shape == shape and data is not None else False
    refuse_unless((finite(dtype, now) | had_others).all(), f"8.21: {name} is not finite where the base is")
    return dtype, now_shape, now


def changed_bytes(steps, dtype, shape, data):
    """Steps 5 and 6, and what is exact to the bit: the new shape and bytes."""
    value = steps[-1].p.value
    if value and all(step.o.op == "replace" for step in steps) and value.dtype == dtype:
        return value.shape, cut(value)
    if steps[0].o.op == "restore":
        return shape, restore(steps[0].o, steps[0].p, dtype, data)
    operands = {part.dtype for step in steps for part in step.p.values()}
    kind = "<f8" if "F64" in operands | {dtype} else "<f4"
    now = numpy.zeros(shape, kind) if data is None else widen(data, dtype, kind).reshape(shape)
    first = None
    for step in sorted(steps, key=lambda step: how(step) != "replaces"):
        if first is None and how(step) != "replaces":
            first = now
        now = FORMULAS[step.o.op].function(step.o, step.p, now, first, step.weight)
    return [*now.shape], narrow(now, dtype)
