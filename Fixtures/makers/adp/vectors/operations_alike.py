"""Invalid files of all operations alike (section 8): roles and keys that are missing, and those of a wrong type."""

import json

from makers.adp.vectors.operation_samples import (
    ADD, ALL, BLOCKS, GROUPS, KV, LOW_RANK, MULTIPLY, PROMPT, REFLECT, REPLACE, ROTATE, ROWS, SPECTRAL, STACK, TURN,
    WITHOUT, operation_case, other,
)

# Keys with a value of another type, with none of their words, or with a count of nothing.
TYPES = [
    ("scale", "array", "MAN-1", ADD, [1]),
    ("bias", "number", "MAN-1", MULTIPLY, 1),
    ("bias", "string", "MAN-1", MULTIPLY, "true"),
    ("side", "number", "MAN-1", MULTIPLY, 0),
    ("result", "number", "MAN-1", ADD, 0),
    ("result", "long", "DIG-1", REPLACE, "0" * 65),
    ("absent", "unknown", "OPS-4", REPLACE, "ignore"),
    ("absent", "false", "MAN-1", REPLACE, False),
    ("resize", "number", "MAN-1", REPLACE, 0),
    ("rows", "number", "MAN-1", ROWS, 2),
    ("rows", "strings", "MAN-1", ROWS, ["2", "0"]),
    ("stream", "prompt", "OPS-4", PROMPT, "both"),
    ("stream", "prefix", "OPS-4", KV, ""),
    ("heads", "0", "MAN-1", KV, 0),
    ("heads", "string", "MAN-1", KV, "1"),
    ("head_dim", "0", "MAN-1", KV, 0),
    ("slots", "flat", "MAN-1", KV, [0, 1]),
    ("slots", "single", "MAN-1", KV, [[0]]),
    ("slots", "triple", "MAN-1", KV, [[0, 1, 0]]),
    ("slots", "object", "MAN-1", KV, {}),
    ("tiled", "string", "MAN-1", BLOCKS, "no"),
    ("wide", "number", "MAN-1", LOW_RANK, 1),
    ("experts", "string", "MAN-1", STACK, "2"),
    ("a_blocks", "0", "MAN-1", LOW_RANK, 0),
    ("b_blocks", "0", "MAN-1", LOW_RANK, 0),
    ("b_blocks", "true", "MAN-1", LOW_RANK, True),
    ("terms", "0", "MAN-1", ROTATE, 0),
    ("terms", "string", "MAN-1", ROTATE, "1"),
    ("shared", "string", "MAN-1", ROTATE, "false"),
    ("radius", "string", "MAN-1", ROTATE, "1"),
    ("orthogonal", "number", "MAN-1", REFLECT, 1),
    ("variant", "number", "MAN-1", TURN, 1),
    ("group", "0", "MAN-1", TURN, 0),
    ("group", "string", "MAN-1", TURN, "2"),
    ("layout", "grouped", "OPS-4", GROUPS, "in_in"),
    ("layout_from", "multiply", "OPS-4", MULTIPLY, ""),
    ("layout_from", "spectral", "OPS-4", SPECTRAL, "kind"),
]
# Keys with a number that is no integer of JSN-4.
FRACTIONS = [
    ("rows", "point", ROWS, [2.0, 0]),
    ("rows", "negative", ROWS, [-1, 0]),
    ("rows", "2_53", ROWS, [2**53, 0]),
    ("heads", "point", KV, 1.0),
    ("head_dim", "negative", KV, -2),
    ("slots", "half", KV, [[0, 0.5]]),
    ("experts", "point", STACK, 2.0),
    ("a_blocks", "negative", LOW_RANK, -1),
    ("b_blocks", "2_64", LOW_RANK, 2**64 + 1),
    ("terms", "half", ROTATE, 1.5),
    ("group", "point", TURN, 2.0),
]


def systematic():
    """Invalid files of all operations alike."""
    for name, rule, operation in ALL:
        for role, shape in operation["tensors"].items():
            if name != "low_rank":
                without = other(operation, {role: None})
                broken = WITHOUT.get(name, {}).get(role, "MAN-1")
                yield f"missing_{name}_{role}", broken, f"{operation['op']} without {role}", without
            if rule and role not in ("indices", "places") and (name, role) != ("add", "delta"):
                narrow = other(operation, {role: ("I8", shape[1] if isinstance(shape, tuple) else shape)})
                yield f"integer_{name}_{role}", rule, f"{role} of {operation['op']} is of type I8", narrow
        for key in operation:
            if name != "low_rank" and key not in ("op", "tensors"):
                without = other(operation, **{key: None})
                yield f"missing_{name}_{key}", "MAN-1", f"{operation['op']} without {key}", without
    for key, label, rule, operation, value in TYPES:
        wrong = other(operation, **{key: value})
        yield f"key_{key}_{label}", rule, f"{operation['op']} whose {key} is {json.dumps(value)}", wrong
    for key, label, operation, value in FRACTIONS:
        wrong = other(operation, **{key: value})
        yield f"json_integer_{key}_{label}", "JSN-4", f"{operation['op']} whose {key} is {json.dumps(value)}", wrong


for each in systematic():
    operation_case(*each)
