"""What the sections of operations have in common: how their tables are stated, shapes, and how an operation is held
against its section.

A section is a function of an operation `o`, its parts `p` by role, and their sizes `s` by letter. It returns two
answers: are the operands sound, and do they allow the operation's `shape` (OPS-5)?
"""

from collections import namedtuple
from math import prod

from rules import FLOATS, NAME, OPERAND, Object, check_type, is_countable, need

Section = namedtuple("Section", "prefix roles keys types rules")
SECTIONS = {}

# Keys of several sections, and those that are counts: integers of at least 1.
SCALE = {"scale*": float}
RESULT = "[0-9a-f]{64}"
STREAM = {"stream*": "decoder|encoder"}
LAYOUT = {"layout*": "out_in|in_out|unresolved", "layout_from": "sure|guessed"}
COUNTS = ["experts", "a_blocks", "b_blocks", "heads", "head_dim", "terms", "group"]


def section(prefix, roles, keys={}, types={}):
    """Makes a function the section of the operation that has its name.

    prefix  of the names of its rules
    roles   role → the form of its operand, as `has_form` takes it; `role*` is required
    keys    key → its type, as `check_type` takes it; `key*` is required
    types   role → the element types of its operand, where they are not the float ones
    """

    def add(rules):
        SECTIONS[rules.__name__] = Section(prefix, roles, keys, types, rules)
        return rules

    return add


def has_form(shape, form, sizes):
    """Holds a shape against a form, whose letters get their sizes: a letter is one size throughout.

    `~n` is a vector of n, `a b` has two dimensions, `a b +` these and perhaps more; an empty form is any.
    """
    if not form:
        return True
    if form[0] == "~":
        is_vector = sum(size != 1 for size in shape) < 2
        shape = [prod(shape)] if is_vector else []
    letters = form.strip("~+").split()
    if len(shape) < len(letters) or len(shape) > len(letters) and form[-1] != "+":
        return False
    return all([sizes.setdefault(letter, size) == size for letter, size in zip(letters, shape)])


def fits(o, out=None, into=None, kernel=(), flat=False):
    """OPS-5 of a weight of `out` rows and `into` columns, None for any; `into` may be a test of the columns.

    kernel  all dimensions but the first, where the operands show a kernel's; else (), and they count as columns
    flat    the weight is a matrix only
    """
    is_shown = out is not None and isinstance(into, int)
    if is_shown and not is_countable(out, into):
        return False
    if o.shape is None or o.layout == "unresolved":
        return True
    if len(o.shape) < 2:
        return False
    if (flat or o.layout == "in_out") and (kernel or len(o.shape) > 2):
        return False
    rows, columns = o.shape[0], prod(o.shape[1:])
    if o.layout == "in_out":
        rows, columns = columns, rows
    has_columns = into(columns) if callable(into) else into in (None, columns)
    return has_columns and out in (None, rows) and kernel in ((), o.shape[1:])


def section_rules(o, p):
    """Holds an operation against its section; returns False where it is opaque (OPS-2, OPS-3)."""
    if o.op not in SECTIONS:
        return False
    own = SECTIONS[o.op]
    roles = {role.rstrip("*"): form for role, form in own.roles.items()}
    is_targetless = own.keys.items() >= STREAM.items()
    keys = {**own.keys, "target" if is_targetless else "target*": NAME}
    keys["tensors*"] = dict.fromkeys(own.roles, object)
    names = {key.rstrip("*") for key in keys} | {"op", "shape", "bound"}

    unknown_key = check_type(o.tensors, {"*": OPERAND}) or o.keys() - names
    if unknown_key or p.keys() - roles.keys() or any(part.opaque for part in p.values()):
        return False
    check_type(o, keys)
    need(all(o[key] > 0 for key in COUNTS if key in o), "MAN-1")
    sizes = Object()
    for role, form in roles.items():
        if role in p:
            types = own.types.get(role, FLOATS)
            need(types is None or p[role].dtype in types, own.prefix)
            need(has_form(p[role].shape, form, sizes), own.prefix)
    is_sound, is_fitting = own.rules(o, p, sizes)
    need(is_sound, own.prefix)
    need(is_fitting, "OPS-5")
    return True
