"""Names and digests (sections 5.1 and 5.2): NAM and DIG."""

from makers.adp.changes import append, both, put, roles_of, tensor_of, whole, with_file, with_source
from makers.adp.manifests import adapter, fingerprint, first, low_rank, manifest_of, operation_of, print_of
from makers.adp.registry import manifest_case, valid
from makers.adp.streams import Stream, f32, sha256, u8


@valid
def names_free(m):
    """strings that are no names of NAM-1: a role with a tab, an empty one, keys and values of metadata"""
    m = manifest_of(u8(1), operations=[{"op": "", "tensors": {"": "t", "a\tb": "t", "__metadata__": "t"}}])
    return {"metadata": {"": "", "a\n": "\0", "__metadata__": "\x7f"}, "generator": "", **m}


@valid
def names(m):
    """tensor names: é composed and decomposed as two tensors, an emoji, spaces, quotes, 1,024 bytes, U+0080"""
    every = ["\u00e9", "e\u0301", "\U0001f600", " ", 'quo"te\\', "__metadata__.x", "a/../b", "\u0080", "\uffff"]
    every += ["x" * 1024, "\u4e2d" * 341 + "x", "\ufeffbom", "__METADATA__"]
    return manifest_of(Stream("U8", [(name, [], bytes([i])) for i, name in enumerate(every)]))


@valid
def names_twice(m):
    """what may be named twice (NAM-3): a tensor in nonfinite and in inert, a stored tensor in bound"""
    m = manifest_of(Stream("F32", [("a", [1], f32(float("inf"))), ("b", [], f32(1))]), nonfinite=["a", "a"])
    first(m)["inert"] += first(m)["inert"]
    operation = low_rank(target="x", bound=["x", "y", "x"])
    weights = Stream("F32", [("a", [1, 2], f32(1, 2)), ("b", [2, 1], f32(3, 4))])
    m["adapters"].append(adapter(weights, name="other", operations=[operation]))
    return m


@valid
def names_normalised(m):
    """what Unicode takes for the same is not (NAM-3): keys of metadata, roles, unknown keys, paths; in UTF-8's order"""
    pair = ["\u00e9", "e\u0301"]
    listed = [{"path": name, "size": 0, "sha256": sha256(b"")} for name in pair]
    operation = {"op": "later", "tensors": dict.fromkeys(pair, "t"), **dict.fromkeys(pair, 1)}
    m = manifest_of(u8(1), files=listed, operations=[operation])
    order = ["\U0001f600", "\uffff", "\uff5e", *pair, "z", "Z", "\u212b", "\u00c5"]
    print_ = fingerprint({name: print_of(name, "F16", [1]) for name in order}, sketch={order[0]: f32(*range(32)).hex()})
    return {"metadata": dict.fromkeys(pair, ""), **dict.fromkeys(pair, 1), "base": {"fingerprint": print_}, **m}


@valid
def names_hostile(m):
    """names and texts that a terminal, a page or a shell must not be shown as they are: none breaks NAM-1 or NAM-4"""
    texts = ["\u202egnp.exe", "\u2066\u200b\u2028\u2029", "\u009b31m\u0085", "<script>alert(1)</script>", "$(id)`id`;'"]
    texts += ["{{ self.__class__ }}", "%s%n", "file:///etc/passwd", "=1+1", "\ufdd0\ufffe\U0010ffff"]
    m = manifest_of(Stream("U8", [(text, [], bytes([i])) for i, text in enumerate(texts)]))
    paths = [text.replace("/", "") for text in texts] + ["NUL", "C:", "~", "-rf", " ", "a.", ".bashrc"]
    first(m)["files"] = [{"path": path, "size": 0, "sha256": sha256(b"")} for path in paths]
    texts.append("\x1b[2J\x1b]0;x\x07\r\n\0")
    return {"generator": texts[-1], "metadata": {text: text for text in texts}, "base": {"name": texts[-1]}, **m}


def tensor_name(name):
    """A change that gives the tensor `a` another name, everywhere."""
    return both(put(tensor_of, "name", name), put(roles_of, "a", name))


def print_name(name):
    """A change that adds a fingerprint of one tensor."""
    return put(whole, "base", {"fingerprint": fingerprint({name: print_of("x", "F32", [1])})})


def later_with(**keys):
    """A change: an opaque operation more, with these keys."""
    return append(first, "operations", {"op": "later", "tensors": {}, **keys})


NAMES = [
    ("empty", "empty", ""),
    ("long", "of 1,025 bytes", "n" * 1025),
    ("long_utf8", "of 342 characters and 1,026 bytes", "\u4e2d" * 342),
    ("nul", "with U+0000", "a\0"),
    ("tab", "with a tab", "a\tb"),
    ("newline", "that ends with a line feed", "a\n"),
    ("unit_separator", "with U+001F", "\x1f"),
    ("del", "with U+007F", "a\x7f"),
    ("metadata", "__metadata__", "__metadata__"),
]
for label, words, name in NAMES:
    manifest_case(f"tensor_name_{label}", "NAM-1", f"a tensor's name {words}", tensor_name(name))
for label, words, name in NAMES:
    if label in ("empty", "tab", "metadata"):
        target = later_with(target=name)
        manifest_case(f"opaque_target_{label}", "NAM-1", f"an opaque operation's target {words}", target)
        manifest_case(f"target_name_{label}", "NAM-1", f"a target's name {words}", put(operation_of, "target", name))
        manifest_case(f"bound_name_{label}", "NAM-1", f"a name in bound {words}", put(operation_of, "bound", [name]))
        manifest_case(f"fingerprint_name_{label}", "NAM-1", f"a name in a fingerprint {words}", print_name(name))

empty_bound = "an empty name in an opaque operation's bound"
manifest_case("opaque_bound_empty", "NAM-1", empty_bound, later_with(bound=["a", ""]))

for label, words, name in [
    ("empty", "empty", ""),
    ("long", "of 65 bytes", "n" * 65),
    ("dot", "that begins with a point", ".a"),
    ("slash", "with a slash", "a/b"),
    ("space", "with a space", "a b"),
    ("accent", "with é", "\u00e9"),
    ("newline", "that ends with a line feed", "a\n"),
    ("digit", "with an Arabic-Indic digit", "a\u0661"),
]:
    manifest_case(f"adapter_name_{label}", "NAM-2", f"an adapter's name {words}", put(first, "name", name))

for label, words, name in [
    ("empty", "empty", ""),
    ("dot", "of one point", "."),
    ("dots", "of two points", ".."),
    ("slash", "with a slash", "a/b"),
    ("backslash", "with a backslash", "a\\b"),
    ("nul", "with U+0000", "a\0"),
    ("newline", "that ends with a line feed", "a\n"),
    ("del", "with U+007F", "a\x7f"),
    ("long", "of 128 characters and 256 bytes", "\u00e9" * 128),
]:
    manifest_case(f"path_{label}", "NAM-4", f"a file's path {words}", put(with_file, "path", name))

for label, words, digest in [
    ("short", "of 63 digits", "0" * 63),
    ("long", "of 65 digits", "0" * 65),
    ("letter", "with a g", "g" + "0" * 63),
    ("newline", "with a line feed", "0" * 64 + "\n"),
    ("digit", "with a full-width digit", "\uff10" + "0" * 63),
]:
    manifest_case(f"digest_{label}", "DIG-1", f"a digest {words}", put(with_file, "sha256", digest))
in_capitals = put(tensor_of, "sha256", sha256(f32(1, 2)).upper())
manifest_case("digest_upper", "DIG-1", "a tensor's digest in capitals", in_capitals)
manifest_case("digest_source", "DIG-1", "source's digest is short", put(with_source, "sha256", "00"))
manifest_case("digest_source_empty", "DIG-1", "source's digest is empty", put(with_source, "sha256", ""))
source_upper = put(with_source, "sha256", sha256(b"").upper())
manifest_case("digest_source_upper", "DIG-1", "source's digest in capitals", source_upper)
