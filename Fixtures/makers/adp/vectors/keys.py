"""Required keys and types of values (section 5): MAN-1 and OPS-4."""

from makers.adp.changes import (
    append, both, drop, put, roles_of, row_of, tensor_of, whole, with_file, with_inert, with_source,
)
from makers.adp.manifests import adapter, fingerprint, first, operation_of, prints, stream_of
from makers.adp.registry import manifest_case
from makers.adp.streams import Stream

for place, where, keys in [
    ("manifest", whole, "adapters"),
    ("adapter", first, "name method operations streams"),
    ("stream", stream_of, "dtype code chunk tensors chunks"),
    ("tensor", tensor_of, "name shape sha256"),
    ("operation", operation_of, "op tensors target scale layout"),
    ("source", with_source, "format"),
    ("file", with_file, "path size sha256"),
    ("inert", with_inert, "tensor"),
]:
    for key in keys.split():
        missing = f"the required key {key} of {place} is missing"
        manifest_case(f"missing_{place}_{key}", "MAN-1", missing, drop(where, key))


def with_base(m):
    """A base, which has everything."""
    keys = {"name": "n", "revision": "r", "architecture": "a", "fingerprint": fingerprint(prints(), sketch={})}
    return m.setdefault("base", keys)


# No value is null, of whatever key.
for place, where, keys in [
    ("manifest", whole, "requires metadata base adapters"),
    ("base", with_base, "name revision architecture fingerprint"),
    ("fingerprint", lambda m: with_base(m)["fingerprint"], "tensors digest sketch"),
    ("adapter", first, "name method inert nonfinite operations source files streams"),
    ("inert", with_inert, "tensor window reason"),
    ("source", with_source, "format config sha256 header"),
    ("file", with_file, "path size sha256 tensor"),
    ("operation", operation_of, "op target tensors shape bound scale layout layout_from"),
    ("role", roles_of, "a"),
    ("stream", stream_of, "dtype chunk tensors chunks"),
    ("tensor", tensor_of, "name shape sha256"),
]:
    for key in keys.split():
        manifest_case(f"null_{place}_{key}", "MAN-1", f"{key} of {place} is null", put(where, key, None))
manifest_case("missing_inert_reason", "MAN-1", "the required key reason of inert is missing", drop(with_inert, "reason"))
for name, description, change in [
    ("generator_null", "generator is null", put(whole, "generator", None)),
    ("metadata_number", "a value of metadata is a number", put(whole, "metadata", {"k": 1})),
    ("requires_string", "requires is a string", put(whole, "requires", "x")),
    ("requires_number", "requires holds a number", put(whole, "requires", [1])),
    ("base_string", "base is a string", put(whole, "base", "tiny")),
    ("base_name", "base's name is an array", put(whole, "base", {"name": []})),
    ("adapters_object", "adapters is an object", put(whole, "adapters", {})),
    ("adapter_string", "an adapter is a string", append(whole, "adapters", "x")),
    ("method_upper", "a method in capitals", put(first, "method", "LoRA")),
    ("method_long", "a method of 65 bytes", put(first, "method", "m" * 65)),
    ("method_empty", "an empty method", put(first, "method", "")),
    ("streams_object", "streams is an object", lambda m: {"adapters": [{**adapter(), "streams": {}}]}),
    ("nonfinite_true", "nonfinite is true", put(first, "nonfinite", True)),
    ("inert_name", "an entry of inert is a name", both(with_inert, put(first, "inert", ["t"]))),
    ("source_config", "source's config is an object", put(with_source, "config", {})),
    ("file_size_string", "a file's size is a string", put(with_file, "size", "0")),
    ("chunk_string", "chunk is a string", put(stream_of, "chunk", "1024")),
    ("chunk_true", "chunk is true", put(stream_of, "chunk", True)),
    ("shape_string", "a dimension is a string", put(tensor_of, "shape", ["1", 2])),
    ("code_null", "code is null", put(stream_of, "code", None)),
    ("row_number", "a row is a number", put(stream_of, "chunks", [52])),
    ("tensors_empty", "a stream of no tensors", append(first, "streams", Stream("U8", []))),
    ("scale_string", "scale is a string", put(operation_of, "scale", "0.5")),
    ("scale_true", "scale is true", put(operation_of, "scale", True)),
    ("metadata_array", "metadata is an array", put(whole, "metadata", [])),
    ("metadata_list", "a value of metadata is an array of strings", put(whole, "metadata", {"tags": ["a", "b"]})),
    ("metadata_object", "a value of metadata is an object", put(whole, "metadata", {"k": {"v": "w"}})),
    ("base_array", "base is an array", put(whole, "base", [])),
    ("base_revision", "base's revision is a number", put(whole, "base", {"revision": 1})),
    ("fingerprint_string", "a fingerprint is a string", put(whole, "base", {"fingerprint": "0" * 64})),
    ("adapter_name", "an adapter's name is a number", put(first, "name", 1)),
    ("method_hyphen", "a method with a hyphen", put(first, "method", "prefix-tuning")),
    ("operations_object", "operations is an object", put(first, "operations", {})),
    ("operation_string", "an operation is a string", append(first, "operations", "add")),
    ("stream_string", "a stream is a string", append(first, "streams", "x")),
    ("inert_object", "inert is an object", put(first, "inert", {})),
    ("inert_reason", "an entry's reason is a number", put(with_inert, "reason", 1)),
    ("nonfinite_object", "nonfinite is an object", put(first, "nonfinite", {})),
    ("nonfinite_number", "nonfinite holds a number", put(first, "nonfinite", [1])),
    ("source_string", "source is a string", put(first, "source", "peft")),
    ("source_sha256", "source's digest is a number", put(with_source, "sha256", 0)),
    ("source_header", "source's header is an object", put(with_source, "header", {})),
    ("files_object", "files is an object", put(first, "files", {})),
    ("file_string", "a file is a string", put(first, "files", ["p"])),
    ("file_path_number", "a file's path is a number", put(with_file, "path", 1)),
    ("dtype_number", "dtype is a number", put(stream_of, "dtype", 32)),
    ("dtype_array", "dtype is an array", put(stream_of, "dtype", ["F32"])),
    ("tensors_object", "a stream's tensors are an object", put(stream_of, "tensors", {})),
    ("tensor_string", "a tensor is a string", put(stream_of, "tensors", ["a", "b"])),
    ("tensor_name_number", "a tensor's name is a number", put(tensor_of, "name", 1)),
    ("shape_number", "a shape is a number", put(tensor_of, "shape", 2)),
    ("shape_nested", "a dimension is an array", put(tensor_of, "shape", [[1, 2]])),
    ("shape_true", "a dimension is true", put(tensor_of, "shape", [True, 2])),
    ("sha256_number", "a digest is a number", put(tensor_of, "sha256", 0)),
    ("chunks_object", "chunks is an object", put(stream_of, "chunks", {})),
    ("row_object", "a row is an object", put(stream_of, "chunks", [{}])),
    ("row_string", "a CRC-32 is a string", lambda m: row_of(m).__setitem__(4, str(row_of(m)[4]))),
    ("op_array", "op is an array", put(operation_of, "op", ["add_low_rank"])),
    ("roles_string", "an operation's tensors are a string", put(operation_of, "tensors", "a")),
    ("bound_number", "bound holds a number", put(operation_of, "bound", [1])),
]:
    manifest_case(f"type_{name}", "MAN-1", description, change)

# The words of layout_from that drafts of the text had.
DRAFTS = ["base", "kind", "name", "flag", "siblings", "model_type", "user"]
unknown_layout = put(operation_of, "layout", "oi")
manifest_case("type_layout_unknown", "OPS-4", "layout is none of the three", unknown_layout)
for word in ["guess", "", "Sure", *DRAFTS]:
    unknown = f"layout_from is {word or 'empty'}" + (", a word of the drafts" if word in DRAFTS else "")
    label = f"type_layout_from_{word.lower() or 'empty'}"
    manifest_case(label, "OPS-4", unknown, put(operation_of, "layout_from", word))
manifest_case("adapters_none", "MAN-1", "an empty array of adapters", lambda m: {"adapters": []})
