"""Changes of which the invalid files are made: functions of the example's manifest."""

import copy

from makers.adp.manifests import first, operation_of, stream_of
from makers.adp.streams import u8


def put(where, key, value):
    """Sets a key (or, in an array, an index) of the part of the manifest that `where` finds."""
    return lambda m: where(m).__setitem__(key, copy.deepcopy(value))


def drop(where, key):
    return lambda m: where(m).__delitem__(key)


def append(where, key, value):
    return lambda m: where(m)[key].append(copy.deepcopy(value))


def both(*changes):
    def change(m):
        for part in changes:
            part(m)

    return change


def whole(m):
    return m


def tensor_of(m):
    return stream_of(m)["tensors"][0]


def row_of(m):
    return stream_of(m)["chunks"][0]


def roles_of(m):
    return operation_of(m)["tensors"]


def with_source(m):
    return first(m).setdefault("source", {"format": "peft", "sha256": "0" * 64})


def with_file(m):
    return first(m).setdefault("files", [{"path": "p", "size": 0, "sha256": "0" * 64}])[0]


def with_inert(m):
    """The entry of `inert` of a third tensor."""
    if "inert" not in first(m):
        first(m)["streams"].append(u8(1))
        first(m)["inert"] = inert_of("t")
    return first(m)["inert"][0]


def inert_of(*names):
    return [{"tensor": name, "reason": "test"} for name in names]


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


PLANE = bytes.fromhex("7F 80 80 81")  # plane 3 of the example


def with_frame(stored):
    """A change: another frame for plane 3 of the example."""

    def change(m):
        stream_of(m).frames[0][3] = stored
        stream_of(m).seal()

    return change


def later(operand):
    """A change: an opaque operation with one operand."""
    return lambda m: first(m)["operations"].append({"op": "later", "tensors": {"x": operand}})


def enlarge(row, *indices, by):
    def change(m):
        for index in indices:
            row(m)[index] += by

    return change


def frames_of(m):
    return stream_of(m).frames[0]


def sealed_after(change):
    """A change to the frames, and the rows made once more."""

    def made(m):
        change(m)
        stream_of(m).seal()

    return made
