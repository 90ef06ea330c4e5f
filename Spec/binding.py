"""Section 8.23: which tensor of a base an operation changes, and in which storage order.

A base is a dict: name → element type, shape, bytes.
"""

from collections import namedtuple

from formulas import FORMULAS
from rules import AdpError, Object, need
from sections import section_rules

LAYOUTS = ["out_in", "in_out"]
# An operation with its parts, on the parameter of a stored name; its `shape` is the one that it was found to be for.
Bound = namedtuple("Bound", "name o p")


def refuse_unless(condition, rule):
    need(condition, rule, "unsupported")


def bind(adapter, base, resized=()):
    """Step 2 of section 8: the operations of an adapter; what they do to biases beside targets stands among them.

    resized  name → shape of what adapters before it have resized
    """
    shapes = {name: shape for name, (_, shape, _) in base.items()}
    names, targets, bound = {}, {}, []
    for o, p, known in zip(adapter.operations, adapter.parts, adapter.known):
        refuse_unless(known, f"OPS-2 or OPS-3: {o.op}")
        refuse_unless(o.op in FORMULAS, f"STK-6: {o.op}")
        name = names.setdefault(o.target, stored_name(o, base))
        if name not in targets and name in resized and is_for(o, p, resized[name]):
            shapes[name] = resized[name]
        refuse_unless(targets.setdefault(name, o.target) == o.target, f"BND-1: two targets are {name}")
        if name in shapes:
            o = fitted(o, p, shapes[name], name, base)
        else:
            refuse_unless(o.op == "replace" and o.absent in ("create", "skip"), f"BND-1: {name}")
            if o.absent == "skip":
                continue
        if o.op == "replace":
            shapes[name] = p.value.shape
        bound.append(Bound(name, o, p))
        bias = bias_name(name)
        if bias in resized and bias not in targets:
            shapes[bias] = resized[bias]
        if {name, bias} <= base.keys() and (o.op == "rotate_output" or o.op == "multiply" and o.bias):
            refuse_unless(shapes[bias] == [outputs(o, shapes[name])], f"8.23: the shape of {bias}")
            bound.append(Bound(bias, Object(o, op=o.op + "_bias", shape=shapes[bias]), p))
    return bound


def stored_name(o, base):
    """BND-1; the target where nothing is found."""
    if o.target not in base and len(o.bound or []) == 1 and o.bound[0] in base:
        return o.bound[0]
    return o.target


def bias_name(name):
    """Of the bias that stands beside `X.weight`."""
    return name.removesuffix("weight") + "bias" if f".{name}".endswith(".weight") else None


def outputs(o, shape):
    return shape[1] if o.layout == "in_out" else shape[0]


def fitted(o, p, shape, name, base):
    """BND-2 and BND-3: the operation for a parameter of this shape, with the layout that is decided."""
    refuse_unless(is_for(o, p, shape), f"BND-2: {name}")
    every = [each for each in (allowed(o, p, shape, layout) for layout in LAYOUTS) if each]
    if o.layout is None:
        return every[0]
    recorded = o.layout if o.layout in LAYOUTS else None
    sure = recorded if o.layout_from == "sure" else None
    if len(every) == 1:
        refuse_unless(sure in (None, every[0].layout), f"BND-3: the layout of {name}")
        return every[0]
    is_matrix = len(shape) == 2  # what a stack of experts has beside it shows nothing
    near = shown_layout(base, parent_module(name)) if is_matrix else None
    refuse_unless(None in (sure, near) or sure == near, f"BND-3: {name} and its siblings")
    layout = sure or near or is_matrix and shown_layout(base) or recorded
    refuse_unless(layout, f"BND-3: {name} has an undecided layout")
    return Object(o, shape=shape, layout=layout)


def is_for(o, p, shape):
    """BND-2: of a parameter of this shape."""
    is_free = o.op == "replace" and o.resize
    is_recorded = o.shape is None or o.shape[is_free:] == shape[is_free:] and len(o.shape) == len(shape)
    return is_recorded and any(allowed(o, p, shape, layout) for layout in LAYOUTS)


def allowed(o, p, shape, layout):
    """The operation with a base's shape and, where it has a layout, this one; None where it is not for them (OPS-5)."""
    o = Object(o, shape=shape)
    if o.layout is not None:
        o.layout = layout
    try:
        return o if section_rules(o, p) else None
    except AdpError:
        return None


def parent_module(name):
    """Of the module that a parameter is in, which its name's last component is left out of."""
    return name.rpartition(".")[0].rpartition(".")[0]


def shown_layout(base, parent=None):
    """BND-3: the layout that all matrices beside a bias show, of the modules in `parent` or in the whole base."""
    layouts = set()
    for name, (_, shape, _) in base.items():
        _, bias, _ = base.get(bias_name(name), (None, [], None))
        is_near = parent is None or parent_module(name) == parent
        if is_near and len(shape) == 2 and shape[0] != shape[1] and len(bias) == 1 and bias[0] in shape:
            layouts.add(LAYOUTS[shape.index(bias[0])])
    return layouts.pop() if len(layouts) == 1 else None
