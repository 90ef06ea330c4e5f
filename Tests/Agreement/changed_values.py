"""Changes of values, keys and arrays of the manifest. See mutations.py."""

from mutations import change
from tree import Pairs, Raw, member, parts_of, slots_of, text_of, tree_of

NUMBERS = """
    0 1 2 3 4 7 8 65 255 256 -1 -0 1.0 1e0 0.5 1.5e3 01 1024 1048576 2097152 134217728 9007199254740991 9007199254740992
    18446744073709551615 1e400 1e-400 0e-999
""".split()
OPS = """
    add_low_rank multiply add replace replace_rows prepend_embeddings prepend_kv add_hadamard add_kronecker add_sparse
    add_blocks add_circulant add_grouped_low_rank add_normalised_low_rank scale_low_rank rotate_input rotate_butterfly
    reflect_input rotate_output add_spectral restore later
""".split()
WORDS = """
    out_in in_out unresolved sure guessed base kind name input output encoder decoder create skip refuse road_1 road_2
    road_3 road_4 planes plane F32 F16 BF16 I32 I64 U8 U16 F4 C64 F6_E2M3 F9 __metadata__ .. a/b é e\u0301 peft
""".split()
WORDS += ["", "\u007f", "\u0001", "x" * 64, "x" * 65, "n" * 1024, "n" * 1025, "é" * 512, "A" * 64, "0" * 64, "0" * 63]
KEYS = """
    op target tensors shape bound scale layout layout_from experts wide a_blocks b_blocks side bias result absent resize
    rows stream heads head_dim slots tiled terms shared radius orthogonal variant group a b v value values delta window
    tensor dtype code chunk chunks sha256 name reason inert nonfinite files path size requires later seed places
""".split()
VALUES = ["null", "true", "false", "[]", "{}", "[0]", "[1,1]", "[[0,1]]", '["a"]', '"0"', "1"]


def slot(draw, opened, accept):
    """A place whose value is accepted, or None."""
    places = [each for each in slots_of(opened.tree) if accept(each[0][each[1]])]
    return draw.choice(places) if places else None


@change("values", 10)
def other_number(draw, opened):
    found = slot(draw, opened, lambda value: isinstance(value, Raw))
    if found:
        holder, place = found
        is_small = holder[place].isdigit() and draw.chance(0.6)
        holder[place] = Raw(max(int(holder[place]) + draw.choice([-1, 1, 2]), 0) if is_small else draw.choice(NUMBERS))


@change("values", 8)
def other_text(draw, opened):
    found = slot(draw, opened, lambda value: type(value) is str)
    if found:
        holder, place = found
        text = holder[place]
        others = [each[0][each[1]] for each in slots_of(opened.tree) if type(each[0][each[1]]) is str]
        edited = [text[:-1], text + "0", text.upper(), text[::-1], text + "\u0000", "\ufeff" + text]
        holder[place] = draw.choice(draw.choice([WORDS, others, edited, OPS]))


@change("values", 6)
def other_operation(draw, opened):
    """The word of an operation."""
    operations = [each for each in parts_of(opened.tree, Pairs) if member(each, "op") is not None]
    if operations:
        set_member(draw.choice(operations), "op", draw.choice(OPS))


def set_member(pairs, key, value):
    for pair in pairs:
        if pair[0] == key:
            pair[1] = value
            return
    pairs.append([key, value])


@change("values", 4)
def other_kind_of_value(draw, opened):
    found = slot(draw, opened, lambda value: True)
    if found:
        holder, place = found
        holder[place] = tree_of(draw.choice(VALUES))


@change("values", 4)
def exchanged_values(draw, opened):
    found = [slot(draw, opened, lambda value: type(value) is not Pairs) for _ in range(2)]
    if all(found):
        (one, first), (two, second) = found
        one[first], two[second] = two[second], one[first]


@change("values", 6)
def other_members(draw, opened):
    """A key taken away, doubled, renamed or added."""
    pairs = draw.choice(parts_of(opened.tree, Pairs))
    place = draw.randrange(len(pairs))
    how = draw.choice(["away", "doubled", "renamed", "added", "moved"])
    if how == "away":
        del pairs[place]
    elif how == "doubled":
        pairs.append([*pairs[place]])
    elif how == "renamed":
        pairs[place][0] = draw.choice(KEYS)
    elif how == "added":
        key = draw.choice(KEYS)
        if member(pairs, key) is None:
            value = draw.choice([tree_of(draw.choice(VALUES)), Raw(draw.choice(NUMBERS)), draw.choice(WORDS)])
            pairs.append([key, value])
    else:
        pairs.append(pairs.pop(place))


@change("values", 6)
def other_elements(draw, opened):
    """An element of an array taken away, doubled, moved or added."""
    arrays = parts_of(opened.tree, list)
    if arrays:
        array = draw.choice(arrays)
        place = draw.randrange(len(array))
        how = draw.choice(["away", "doubled", "moved", "added"])
        if how == "away":
            del array[place]
        elif how == "doubled":
            array.insert(place, tree_of(text_of(array[place])))
        elif how == "moved":
            array.append(array.pop(place))
        else:
            array.append(draw.choice([tree_of(draw.choice(VALUES)), Raw(draw.choice(NUMBERS)), "a"]))


@change("values", 4)
def another_window(draw, opened):
    """An operand that is a part of its tensor, or all of it."""
    operations = [each for each in parts_of(opened.tree, Pairs) if member(each, "op") and member(each, "tensors")]
    tensors = {
        member(each, "name"): member(each, "shape")
        for each in parts_of(opened.tree, Pairs)
        if member(each, "sha256") and isinstance(member(each, "name"), str)
    }
    operations = [each for each in operations if isinstance(member(each, "tensors"), Pairs)]
    if operations:
        pair = draw.choice(member(draw.choice(operations), "tensors"))
        name = pair[1] if type(pair[1]) is str else member(pair[1], "tensor")
        shape = isinstance(name, str) and tensors.get(name) or []
        window = [[Raw(0), size] for size in shape]
        if window and draw.chance(0.6):
            draw.choice(window)[draw.randint(0, 1)] = Raw(draw.choice(["0", "1", "2"]))
        pair[1] = Pairs([["tensor", name], ["window", window]])


@change("values", 2)
def other_nonfinite(draw, opened):
    adapter = draw.choice(member(opened.tree, "adapters") or [Pairs()])
    names = [member(each, "name") for each in parts_of(adapter, Pairs) if member(each, "sha256") is not None]
    set_member(adapter, "nonfinite", draw.sample(names, draw.randint(0, min(len(names), 2))))


@change("values", 1)
def other_requires(draw, opened):
    set_member(opened.tree, "requires", tree_of(draw.choice(["[]", '["later"]', '["",""]', "[1]", '"later"', "{}"])))
