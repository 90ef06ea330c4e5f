"""JSON as a tree whose every spelling can be changed: objects are lists of pairs, numbers are texts."""

import json


class Pairs(list):
    """An object: `[key, value]` of each member, which may stand there twice."""


class Raw(str):
    """A text that is written as it is: a number, a word of JSON, or what is none."""


def tree_of(text):
    numbers = dict.fromkeys(["parse_int", "parse_float", "parse_constant"], Raw)
    return json.loads(text, object_pairs_hook=lambda pairs: Pairs(map(list, pairs)), **numbers)


def text_of(tree):
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, Pairs):
        return "{" + ",".join(f"{text_of(key)}:{text_of(value)}" for key, value in tree) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(text_of, tree)) + "]"
    return json.dumps(tree, ensure_ascii=False)


def slots_of(tree):
    """Every place of a value: what holds it, and its index there."""
    found, left = [], [tree]
    while left:
        holder = left.pop()
        for place, member in enumerate(holder):
            value = member[1] if isinstance(holder, Pairs) else member
            found.append((member, 1) if isinstance(holder, Pairs) else (holder, place))
            if isinstance(value, list):
                left.append(value)
    return found


def parts_of(tree, kind):
    """Every object (`Pairs`) or array (`list`) of a tree that is not empty."""
    values = [tree] + [holder[place] for holder, place in slots_of(tree)]
    return [value for value in values if type(value) is kind and value]


def member(pairs, key):
    """The value of a key, or None."""
    return next((value for name, value in pairs if name == key), None)
