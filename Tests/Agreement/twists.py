"""What makes a sound adapter unsound, or nearly: one change of an operation, a key or a tensor."""

from draw import not_finite

TWISTS = []
WORDS = "out_in in_out unresolved sure guessed base name input output create refuse road_3".split()
KEYS = """
    layout layout_from experts wide a_blocks b_blocks bias tiled shared terms radius absent resize result orthogonal
    group variant scale rows
""".split()
ODD = [0, 1, 2, 3, -1, 65, 1.5, 2**53 - 1, 2**53, True, False, "1", [], {}, [0], [1, 1], [2**27, 2**27]]


def twist(draw, adapter):
    """Changes an adapter."""
    draw.choice(TWISTS)(draw, adapter, draw.choice(adapter["operations"]))


def each_twist(function):
    TWISTS.append(function)
    return function


def drawn_tensor(draw, adapter, operation):
    """The name of the tensor of one of an operation's operands."""
    operand = draw.choice([*operation["tensors"].values()])
    return operand["tensor"] if isinstance(operand, dict) else operand


@each_twist
def other_shape(draw, adapter, operation):
    name = drawn_tensor(draw, adapter, operation)
    dtype, shape, _ = adapter["tensors"][name]
    shape = [*shape]
    how = draw.weighed({"larger": 4, "longer": 1, "shorter": 1, "turned": 1})
    if how == "larger" and shape:
        place = draw.randrange(len(shape))
        shape[place] = max(shape[place] + draw.choice([-1, 1]), 0)
    elif how == "longer" or not shape:
        shape.insert(draw.randint(0, len(shape)), draw.choice([1, 2]))
    elif how == "shorter":
        shape.pop()
    else:
        shape.reverse()
    adapter["tensors"][name] = draw.tensor(dtype, shape)


@each_twist
def other_type(draw, adapter, operation):
    name = drawn_tensor(draw, adapter, operation)
    dtype = draw.choice(["U8", "I32", "I64", "U16", "U32", "F8_E4M3", "C64", "F64", "F16", "BOOL"])
    adapter["tensors"][name] = draw.tensor(dtype, adapter["tensors"][name][1])


@each_twist
def other_operands(draw, adapter, operation):
    """A role taken away, renamed, given another's tensor, or one that is not there."""
    roles = operation["tensors"]
    role = draw.choice([*roles])
    how = draw.choice(["away", "renamed", "another", "nothing"])
    if how == "another":
        roles[role] = draw.choice([*adapter["tensors"]])
    elif how == "nothing":
        roles[role] = "nothing"
    else:
        operand = roles.pop(role)
        if how == "renamed":
            roles[draw.choice(["a", "b", "value", "delta", "diagonal", "w1", "later"])] = operand
    keep_tensors_named(draw, adapter)


def keep_tensors_named(draw, adapter):
    """Mostly takes the tensors out that no operation names any more."""
    used = [operand for operation in adapter["operations"] for operand in operation["tensors"].values()]
    used = {operand["tensor"] if isinstance(operand, dict) else operand for operand in used}
    if draw.chance(0.8):
        adapter["tensors"] = {name: tensor for name, tensor in adapter["tensors"].items() if name in used}


@each_twist
def other_shape_recorded(draw, adapter, operation):
    shape = [*operation.get("shape", [4, 4])]
    if shape and draw.chance(0.6):
        shape[draw.randrange(len(shape))] += draw.choice([-1, 1, 2])
        shape = [max(size, 0) for size in shape]
    elif draw.chance(0.5):
        shape.reverse()
    else:
        shape = draw.choice([[], [0], [1] * 9, [2**27, 2**27], [*shape, 1]])
    operation["shape"] = shape


@each_twist
def other_key(draw, adapter, operation):
    """The value of a key, a key taken away, one that the operation need not know."""
    keys = [key for key in operation if key not in ("op", "tensors")]
    how = draw.weighed({"value": 4, "away": 1, "known": 2, "unknown": 1})
    if how == "value":
        operation[draw.choice(keys)] = draw.choice([*WORDS, *ODD, None])
    elif how == "away":
        operation.pop(draw.choice(keys))
    elif how == "unknown":
        operation["later"] = 1
    else:
        operation[draw.choice(KEYS)] = draw.choice([*WORDS, *ODD])


@each_twist
def other_window(draw, adapter, operation):
    role = draw.choice([*operation["tensors"]])
    name = drawn_tensor(draw, adapter, {"tensors": {role: operation["tensors"][role]}})
    window = [[0, size] for size in adapter["tensors"][name][1]]
    how = draw.choice(["whole", "beyond", "cut", "short", "long"])
    if how == "short":
        window = window[1:]
    elif how == "long":
        window.append([0, 1])
    elif window and how != "whole":
        place = draw.randrange(len(window))
        window[place] = [1, window[place][1]] if how == "beyond" else [0, max(window[place][1] - 1, 0)]
    operation["tensors"][role] = {"tensor": name, "window": window}


@each_twist
def other_rows(draw, adapter, operation):
    if "rows" in operation:
        rows = operation["rows"]
        others = [
            rows + rows[:1],
            rows[:-1],
            rows[:-1] + rows[:1],
            [row + 1 for row in rows],
            [row + 100 for row in rows],
        ]
        operation["rows"] = draw.choice(others)


@each_twist
def other_op(draw, adapter, operation):
    operation["op"] = draw.choice("add replace multiply add_low_rank scale_low_rank rotate_input later".split())


@each_twist
def more_tensors(draw, adapter, operation):
    """A tensor that nothing names, or that is inert."""
    adapter["tensors"]["spare"] = draw.tensor("F32", [2])
    if draw.chance(0.5):
        adapter["keys"]["inert"] = [{"tensor": "spare", "reason": "none"}]


@each_twist
def other_numbers(draw, adapter, operation):
    """A tensor that holds a NaN or an infinity, or a large number."""
    name = drawn_tensor(draw, adapter, operation)
    adapter["tensors"][name] = not_finite(draw, adapter["tensors"][name], draw.choice([0x7F, 0x7F, 0x7E, 0xFF]))
