"""Random adapters for a base: operations on its parameters, with what a writer may have recorded of them."""

from math import gcd

import adding_kinds  # those of all operations
import numpy
import rotating_kinds
from apply import apply
from bases import Parameter
from binding import bind
from compare import EXACT
from folders import file_of
from formulas import restore
from kinds import KINDS
from reader import read
from rules import BITS, AdpError, sha256
from twists import twist

OTHER = Parameter("x", "other", "F32", [], None)
WEIGHTS = {kind: weight for kind, (_, weight) in KINDS.items()}
ADDS = [kind for kind in KINDS if kind.startswith("add") or kind in ("multiply", "scale_low_rank")]


def draw_adapter(draw, name, base, parameters, earlier=()):
    adapter = {"name": name, "method": "other", "keys": {}, "operations": [], "tensors": {}}
    used, draw.names = [], {}
    for _ in range(draw.weighed({1: 4, 2: 4, 3: 2, 4: 1})):
        is_again = used and draw.chance(0.3)
        targets = [draw.choice(used)] if is_again else draw.sample(parameters, len(parameters))
        kinds = ADDS if is_again and draw.chance(0.8) else KINDS
        used.append(add_operation(draw, adapter, targets, base, kinds))
    if draw.chance(0.1):
        add_again(draw, adapter, draw.choice([adapter, *earlier]))
    if draw.chance(0.05):
        add_special(draw, adapter)
    if draw.chance(0.03):
        add_tie(draw, adapter, base)
    set_restored_digests(draw, adapter, base)
    if draw.chance(0.12):
        twist(draw, adapter)
    return adapter


def add_operation(draw, adapter, targets, base, kinds):
    """Appends an operation of a kind on the first target that it is for; returns the target, as it is afterwards."""
    draw.operand_type = draw.weighed({"F32": 12, "F16": 2, "BF16": 3, "F64": 2})
    kinds = {kind: WEIGHTS[kind] for kind in kinds}
    while kinds and not draw.chance(0.04):
        op = draw.weighed(kinds)
        for target in targets:
            if op == "restore" and is_target(target, adapter) and draw.chance(0.9):
                continue  # it stands alone
            drawn = KINDS[op][0](draw, target)
            if drawn:
                append(draw, adapter, target, op, *drawn)
                return target._replace(shape=drawn[0]["value"][1]) if op == "replace" else target
        del kinds[op]
    append(draw, adapter, targets[0], "replace", {"value": base[targets[0].name]}, {})
    return targets[0]


def is_target(parameter, adapter):
    return any(each["target"] == parameter.name for each in adapter["operations"])


def append(draw, adapter, target, op, operands, keys):
    number = len(adapter["operations"])
    operation = {"op": op, "target": target.name, "tensors": {}, **keys}
    for role, tensor in operands.items():
        operation["tensors"][role] = operand_of(draw, adapter, f"{number}.{role}", tensor)
    if op in ("add", "replace") and draw.chance(0.06):
        operation["result"] = sha256(draw.randbytes(4))
    if draw.chance(0.5):
        operation["shape"] = [*target.shape]
    bind_elsewhere(draw, operation)
    adapter["operations"].append(operation)


def operand_of(draw, adapter, name, tensor):
    """Keeps the tensor, whole or as a window of a larger one; returns what names it."""
    dtype, shape, data = tensor
    step = 8 // gcd(8, BITS[dtype])  # so many elements fill whole bytes
    if not shape or shape[-1] % step or not draw.chance(0.12):
        adapter["tensors"][name] = tensor
        return name
    steps = [*[1] * (len(shape) - 1), step]
    window = [[draw.randint(0, 2) * step, size] for size, step in zip(shape, steps)]
    whole = [start + count + draw.randint(0, 2) * step for (start, count), step in zip(window, steps)]
    around = draw.tensor(dtype, whole)[2]
    adapter["tensors"][name] = dtype, whole, pasted(around, whole, window, data, BITS[dtype])
    return {"tensor": name, "window": window}


def pasted(around, whole, window, data, bits):
    """The bytes of a tensor with those of a window in their place."""
    rows = numpy.frombuffer(around, "u1").reshape(*whole[:-1], whole[-1] * bits // 8).copy()
    *outer, (start, count) = window
    last = slice(start * bits // 8, (start + count) * bits // 8)
    place = rows[(*[slice(start, start + count) for start, count in outer], last)]
    place[...] = numpy.frombuffer(data, "u1").reshape(place.shape)
    return rows.tobytes()


def bind_elsewhere(draw, operation):
    """Another name for the target, mostly one for all operations on it; bound to the stored one, or to nothing."""
    stored = operation["target"]
    if stored not in draw.names or draw.chance(0.03):
        draw.names[stored] = draw.weighed({"own": 91, "bound": 6, "idle": 2, "two": 0.3, "absent": 0.7})
    how = draw.names[stored]
    if how == "idle":
        operation["bound"] = draw.choice([[], ["elsewhere"], ["elsewhere", stored]])
    elif how != "own":
        operation["target"] = f"as.trained.{stored}!"
        operation["bound"] = {"bound": [stored], "two": [stored, "elsewhere"], "absent": ["elsewhere"]}[how]
    if how == "absent" and operation["op"] == "replace" and draw.chance(0.8):
        operation["absent"] = draw.choice(["create", "skip"])


def add_special(draw, adapter):
    """Something that no merge can do, or that makes a parameter."""
    how = draw.weighed({"prepend": 1, "later": 1, "made": 4})
    draw.operand_type = "F32"
    if how == "prepend":
        append(draw, adapter, OTHER, "prepend_embeddings", {"values": draw.operand([2, 3])}, {"stream": "decoder"})
    elif how == "later":
        append(draw, adapter, OTHER, draw.choice(["later", "add"]), {"delta": draw.operand([2])}, {"later": 1})
    else:
        made = Parameter("made!", "vector", draw.choice(["F32", "BF16", "I32"]), [draw.randint(1, 3)], None)
        keys = {"absent": draw.choice(["create", "create", "skip", "refuse"])}
        append(draw, adapter, made, "replace", {"value": draw.tensor(made.dtype, made.shape)}, keys)
        if draw.chance(0.5):
            append(draw, adapter, made, "add", {"delta": draw.operand(made.shape)}, {"scale": 0.5})


def add_again(draw, adapter, other):
    """An operation of this adapter or another once more, if there is one that replaces."""
    replacing = [each for each in other["operations"] if str(each["op"]).startswith("replace")]
    operation = draw.choice(replacing or other["operations"])
    again = {**operation, "tensors": {}}
    for role, operand in operation["tensors"].items():
        is_cut = isinstance(operand, dict)
        name = operand["tensor"] if is_cut else operand
        if name in other["tensors"]:
            adapter["tensors"][f"{name}.again"] = other["tensors"][name]
            again["tensors"][role] = {**operand, "tensor": f"{name}.again"} if is_cut else f"{name}.again"
    adapter["operations"].insert(draw.randint(0, len(adapter["operations"])), again)


def add_tie(draw, adapter, base):
    """A second target that is bound to a stored tensor, with the operations of the first, or nearly."""
    target = draw.choice(adapter["operations"])["target"]
    if target in base:
        for operation in [each for each in adapter["operations"] if each["target"] == target]:
            twin = {**operation, "target": f"tied.to.{target}!", "bound": [target]}
            if "scale" in twin and draw.chance(0.2):
                twin["scale"] += 1
            adapter["operations"].append(twin)


def set_restored_digests(draw, adapter, base):
    """The results of `restore`, mostly right."""
    restores = [each for each in adapter["operations"] if each["op"] == "restore"]
    for operation in restores:
        operation["result"] = "0" * 64
    if not restores or draw.chance(0.1):
        return
    try:
        bound = bind(read(file_of([adapter]))[0], base)
    except AdpError:
        return
    for name, o, p in bound:
        dtype, _, data = base[name] if name in base else (None, None, None)
        if o.op == "restore" and dtype and BITS[dtype] == BITS[p.difference.dtype]:
            digest = sha256(restore(o, p, dtype, data))
            for operation in restores:
                if operation["tensors"]["difference"] == o.tensors["difference"]:
                    operation["result"] = digest


def set_results(draw, adapters, base):
    """With a fingerprint: the results of what is done last to a parameter, mostly right ones."""
    for adapter in adapters:
        try:
            made = apply([(read(file_of([adapter]))[0], 1)], base)
        except AdpError:
            continue
        lasts = {operation["target"]: operation for operation in adapter["operations"]}
        # The last bits of other sums are free.
        inexact = {each["target"] for each in adapter["operations"] if each["op"] not in EXACT}
        for name, operation in lasts.items():
            is_exact = name not in inexact and not inexact.intersection({name.replace(".bias", ".weight")})
            if name in made and is_exact and operation["op"] in ("add", "replace"):
                operation["result"] = sha256(made[name][2] if draw.chance(0.8) else b"another")
