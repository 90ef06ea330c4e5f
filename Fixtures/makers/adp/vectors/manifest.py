"""The rules of the manifest (section 5): MAN-2 to MAN-8."""

from makers.adp.changes import (
    PLANE, append, both, enlarge, inert_of, later, put, roles_of, row_of, tensor_of, whole, with_file, with_frame,
    with_inert,
)
from makers.adp.files import pack, payload_of, seal, text_of
from makers.adp.frames import frame, longest, padded
from makers.adp.manifests import adapter, fingerprint, first, low_rank, manifest_of, operation_of
from makers.adp.registry import case, manifest_case, valid
from makers.adp.streams import Stream, f32, sha256, u8


@valid
def example(m):
    """the worked example of section 12"""


@valid
def empty_adapter(m):
    """an adapter without operations and streams"""
    return pack(manifest_of())


@valid
def adapters(m):
    """several adapters, with tensors of the same names; adapter names at the limits of NAM-2"""
    names = ["default", "_", "a.b-c", "-", "0" * 64]
    return {"adapters": [adapter(u8(i, i + 1), name=name) for i, name in enumerate(names)]}


@valid
def empty_parts(m):
    """empty metadata, empty requires, a base with the fingerprint of nothing"""
    return {"base": {"fingerprint": fingerprint({})}, "metadata": {}, "requires": [], **m}


@valid
def inert_nonfinite(m):
    """inert tensors, and a list of the tensors that hold a NaN or an infinity"""
    tensors = [("nan", [2], f32(float("nan"), 1)), ("fine", [1], f32(1)), ("inf", [], f32(float("-inf")))]
    return manifest_of(Stream("F32", tensors), nonfinite=["inf", "nan"])


@valid
def nonfinite_types(m):
    """nonfinite with each type that counts, with an F8 and an F32-like integer left out, and an opaque tensor listed"""
    bits = {"F16": "00FC", "BF16": "817F", "F32": "0000807F", "C64": "00000000 0000C0FF", "F64": "010000000000F07F"}
    streams = [Stream(dtype, [(dtype, [1], bytes.fromhex(data))]) for dtype, data in bits.items()]
    streams += [Stream("F8_E5M2", [("F8", [1], b"\x7c")]), Stream("I32", [("I32", [1], b"\xff" * 4)])]
    streams.append(Stream("F32", [("later", [1], b"?")], 1024, [[b"?"]]).opaque(code="later"))
    return manifest_of(*streams, nonfinite=[*bits, "later"])


@valid
def nonfinite_none(m):
    """an empty list in `nonfinite`: the writer looked and found none"""
    first(m)["nonfinite"] = []


@valid
def unknown_keys(m):
    """unknown keys wherever they are ignored: manifest, adapter, base, source, entries of inert and files"""
    strange = {"x-number": -1.5e10, "x-null": None, "x-deep": [{"a": [True, False]}], "": "empty"}
    m = manifest_of(
        u8(1), u8(2, name="u"), files=[{"path": "p", "size": 1, "sha256": sha256(b"\2"), "tensor": "u", **strange}]
    )
    m = {"x-first": 0, "base": {"name": "n", **strange}, **m, **strange}
    first(m).update(source={"format": "peft", **strange}, **strange)
    first(m)["inert"][0].update(strange)
    return m


@valid
def inert_windows(m):
    """windows in inert: of used tensors, of one that is inert itself, of an opaque one; empty"""
    a = {"tensor": "a", "window": [[0, 1], [0, 2]]}
    streams = [Stream("F32", [("a", [3, 2], f32(*range(6))), ("b", [2, 1], f32(3, 4)), ("c", [], f32(5))])]
    streams.append(Stream("F32", [("later", [5], b"?")], 1024, [[b"?"]]).opaque(code="later"))
    m = manifest_of(*streams, method="lora", operations=[low_rank(a)])
    parts = {"a": [[1, 2], [0, 2]], "b": [[2, 0], [0, 0]], "c": [], "later": [[4, 1]]}
    first(m)["inert"] += [{"tensor": name, "window": window, "reason": "x"} for name, window in parts.items()]
    first(m)["inert"].append({**first(m)["inert"][-1], "window": [[0, 5]]})
    return m


manifest_case("text_array", "MAN-1", "the text is an array", lambda m: seal(b"", frame(b"[]"), b"[]"))
manifest_case("text_object", "MAN-1", "the text is an object without keys", lambda m: seal(b"", frame(b"{}"), b"{}"))
for name, text in [("null", b"null"), ("string", b'"adp"'), ("number", b"1234"), ("true", b"true")]:
    manifest_case(f"text_{name}", "MAN-1", f"the text is {text.decode()}", lambda m, t=text: seal(b"", frame(t), t))

adapter_twice = {"adapters": [adapter(u8(1)), adapter(u8(2))]}
manifest_case("adapter_twice", "MAN-2", "two adapters of one name", lambda m: adapter_twice)
twice = manifest_of(Stream("U8", [("t", [], b"1"), ("t", [], b"2")]))
manifest_case("tensor_twice", "MAN-2", "two tensors of one name in a stream", lambda m: twice)
twice_apart = manifest_of(u8(1), Stream("I8", [("t", [1], b"1")]))
manifest_case("tensor_twice_streams", "MAN-2", "two tensors of one name in two streams", lambda m: twice_apart)
case("requires/requires_one", "MAN-3", "requires names something", put(whole, "requires", ["sparse"]))
case("requires/requires_empty_name", "MAN-3", "requires names the empty string", put(whole, "requires", [""]))
for name, description, change in [
    ("adapters", "adapters are of another type", put(whole, "adapters", {})),
    ("base", "base is of another type", put(whole, "base", 2)),
    ("nothing", "there are no adapters", lambda m: m.pop("adapters")),
    ("dimensions", "a shape has nine dimensions", put(tensor_of, "shape", [1] * 9)),
    ("row", "a row has a frame too many", lambda m: row_of(m).insert(0, 1)),
    ("frame", "a frame is one byte too long", with_frame(padded(PLANE, longest(len(PLANE)) + 1))),
    ("sum", "a size is too large by 1", lambda m: row_of(m).__setitem__(0, 14)),
]:
    needed = f"requires names something, and {description}: MAN-3 comes before the other rules"
    last = both(change, put(whole, "requires", ["later"]))
    case(f"requires/requires_and_{name}", "MAN-3", needed, lambda m, last=last: last(m))
in_front = "requires names two things, in front of adapters of another type"
case("requires/requires_in_front", "MAN-3", in_front, lambda m: {"requires": ["one", "two"], "adapters": {}})
no_strings = "requires names something and holds a number: MAN-3 is for an array of strings"
manifest_case("requires_not_strings", "MAN-1", no_strings, put(whole, "requires", ["x", 1]))

another = append(first, "streams", u8(1))
other = {**adapter(name="other", operations=[]), "operations": [low_rank()]}
manifest_case("tensor_unnamed", "MAN-4", "a tensor that nothing names", another)
manifest_case(
    "tensor_only_nonfinite",
    "MAN-4",
    "a tensor that nothing but nonfinite and bound name",
    both(another, put(first, "nonfinite", ["t"]), put(operation_of, "bound", ["t"])),
)
opaque_another = append(first, "streams", u8(1).opaque(code="later"))
manifest_case("tensor_of_opaque_unnamed", "MAN-4", "a tensor of an opaque stream that nothing names", opaque_another)
manifest_case(
    "operand_unknown",
    "MAN-4",
    "an operand that is no tensor; b is inert",
    both(put(roles_of, "b", "c"), put(first, "inert", inert_of("b"))),
)
manifest_case(
    "operand_normalised",
    "NAM-3 MAN-4",
    "an operand's name is composed, the tensor's decomposed",
    both(put(tensor_of, "name", "e\u0301"), put(roles_of, "a", "\u00e9")),
)
of_other = "an operand that is a tensor of another adapter only"
manifest_case("operand_of_other_adapter", "MAN-4", of_other, append(whole, "adapters", other))
no_operand = "an operand of an opaque operation that is no tensor"
manifest_case("operand_unknown_opaque", "MAN-4", no_operand, later("nothing"))
manifest_case("inert_unknown", "MAN-4", "inert names no tensor", put(first, "inert", inert_of("c")))
manifest_case("nonfinite_unknown", "MAN-4", "nonfinite names no tensor", put(first, "nonfinite", ["c"]))
manifest_case("file_tensor_unknown", "MAN-4", "a file names no tensor", put(with_file, "tensor", "c"))

infinite = [("nan", [2], f32(float("nan"), 1)), ("inf", [2], f32(1, float("-inf")))]
for name, description, dtype, tensors, listed in [
    ("less", "nonfinite lacks a tensor whose last value is an infinity", "F32", infinite, ["nan"]),
    ("less_payload", "an empty nonfinite, and a signalling NaN of BF16", "BF16", [("t", [1], b"\x81\xff")], []),
    (
        "less_imaginary",
        "an empty nonfinite, and a complex number whose imaginary part is a NaN",
        "C64",
        [("t", [1], f32(1, float("nan")))],
        [],
    ),
    ("more", "nonfinite lists a tensor of finite numbers, the largest of F16", "F16", [("t", [1], b"\xff\x7b")], ["t"]),
    (
        "integer",
        "nonfinite lists a tensor of I32 whose bits are those of a NaN of F32",
        "I32",
        [("t", [1], b"\xff\xff\xff\xff")],
        ["t"],
    ),
    (
        "f8",
        "nonfinite lists a tensor of F8_E5M2 that holds an infinity: only five types count",
        "F8_E5M2",
        [("t", [1], b"\x7c")],
        ["t"],
    ),
]:
    made = manifest_of(Stream(dtype, tensors), nonfinite=listed)
    manifest_case(f"nonfinite_{name}", "MAN-8", description, lambda m, made=made: made)


def inert_window_case(name, rule, description, window, tensor="a"):
    entry = {"tensor": tensor, "window": window, "reason": "test"}
    manifest_case(f"inert_window_{name}", rule, description, put(first, "inert", [entry]))


inert_window_case("outside", "OPS-1", "an inert window one past the end of its tensor", [[0, 1], [1, 2]])
inert_window_case("rank", "OPS-1", "an inert window of one pair in a tensor of two dimensions", [[0, 1]])
inert_window_case("flat", "OPS-1", "an inert window that is one pair", [0, 1])
part_alone = append(first, "inert", {"tensor": "t", "window": [[0, 1]], "reason": "test"})
part_alone = both(with_inert, put(first, "inert", []), part_alone)
manifest_case("inert_window_alone", "MAN-4", "a tensor that nothing but an inert window names", part_alone)
manifest_case("inert_and_operand", "MAN-5", "an operand is inert as well", put(first, "inert", inert_of("a")))
carried = {"path": "p", "size": 1, "sha256": sha256(b"\1"), "tensor": "t"}
carried_inert = both(another, put(first, "files", [carried]), put(first, "inert", inert_of("t")))
manifest_case("inert_and_file", "MAN-5", "a file's tensor is inert as well", carried_inert)
in_window = [{"tensor": "t", "window": [[0, 1]], "reason": "test"}]
carried_window = both(another, put(first, "files", [carried]), put(first, "inert", in_window))
manifest_case("inert_window_of_file", "MAN-5", "a window of a file's tensor is inert", carried_window)
carried_operand = both(another, put(first, "files", [carried]), later("t"))
manifest_case("operand_and_file", "MAN-5", "a file's tensor is an operand, of an opaque operation", carried_operand)
inert_later = "an operand of an opaque operation is inert as well"
manifest_case("inert_and_opaque_operand", "MAN-5", inert_later, both(with_inert, later("t")))


def payload_case(name, description, change):
    """The payload is another, and the manifest the same."""

    def made(m):
        return seal(change(payload_of(m)), frame(text_of(m)), text_of(m))

    manifest_case(f"sum_{name}", "MAN-6", description, made)


payload_case("hole", "a byte between the last frame and the manifest", lambda payload: payload + b"\0")
hidden = "a frame between the header and the first frame that no row counts"
payload_case("hole_first", hidden, lambda payload: frame(b"hidden") + payload)
payload_case("less", "the payload lacks its last byte", lambda payload: payload[:-1])


def sum_wraps(m):
    m = manifest_of(Stream("F32", [("t", [5], b"?")], 1024, [[b"12345", b"6"]]).opaque(code="later"))
    enlarge(row_of, 0, 1, by=2**31)(m)
    return m


sum_2_32 = "two sizes of an opaque stream are too large by 2^31: their sum is right only where it wraps at 2^32"
manifest_case("sum_wraps", "MAN-6 STR-8", sum_2_32, sum_wraps)
into_manifest = "the last frame's size is one more: it would reach into the manifest"
manifest_case("sum_into_manifest", "MAN-6", into_manifest, enlarge(row_of, 3, by=1))
manifest_case(
    "sum_opaque",
    "MAN-6 STR-8",
    "the sizes of an opaque stream are larger than its bytes",
    both(
        opaque_another,
        put(first, "inert", inert_of("t")),
        enlarge(lambda m: first(m)["streams"][1]["chunks"][0], 0, by=1),
    ),
)
