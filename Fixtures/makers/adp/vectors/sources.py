"""Sources, and the files that lay beside them (section 5): MAN-9."""

import json
import struct

from makers.adp.manifests import SAFE, adapter, first, manifest_of
from makers.adp.registry import manifest_case, valid
from makers.adp.streams import Stream, f32, sha256, u8


@valid
def source(m):
    """a source whose digest is right, with verbatim config and header"""
    spec = {"a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}
    spec["b"] = {"dtype": "F32", "shape": [2, 1], "data_offsets": [8, 16]}
    header = '{ "__metadata__":{"format":"pt"},' + json.dumps(spec)[1:] + "   "
    model = struct.pack("<Q", len(header)) + header.encode() + f32(1, 2, 3, 4)
    config = '{\n  "peft_type": "LORA",\r\n\t"r": 1e0, "name": "\u00e9"\n}\n'
    first(m)["source"] = {"format": "peft", "config": config, "sha256": sha256(model), "header": header}


@valid
def files(m):
    """files beside the source: two carried as tensors of bytes, one not carried; paths at the limits"""
    texts = {"README.md": b"# read me\n", "é" * 127 + "x": b""}
    streams = [u8(*data, name=f"file:{path}") for path, data in texts.items()]
    listed = [
        {"path": path, "size": len(data), "sha256": sha256(data), "tensor": f"file:{path}"}
        for path, data in texts.items()
    ]
    listed.append({"path": "...", "size": SAFE, "sha256": sha256(b"elsewhere")})
    return manifest_of(*streams, files=listed)


@valid
def files_same_tensor(m):
    """two files of equal bytes, both carried by one tensor; an empty file"""
    entry = {"size": 2, "sha256": sha256(b"ab"), "tensor": "t"}
    nothing = {"path": "none", "size": 0, "sha256": sha256(b""), "tensor": "u"}
    return manifest_of(u8(97, 98), u8(name="u"), files=[{"path": "p", **entry}, {"path": "P", **entry}, nothing])


@valid
def files_opaque_tensor(m):
    """a file whose tensor is in an opaque stream, of another type, shape and digest (MAN-9)"""
    entry = {"path": "p", "size": 1, "sha256": sha256(b"\1"), "tensor": "t"}
    return manifest_of(Stream("F32", [("t", [7], b"?")], 1024, []).opaque(code="later"), files=[entry])


@valid
def source_later(m):
    """a source of a format that nobody knows, with nothing else; one of none"""
    first(m)["source"] = {"format": "gguf"}
    return {"adapters": [first(m), adapter(name="other", source={"format": ""})]}


def file_case(name, description, stream=None, paths=("p",), **keys):
    """One or more files that the tensor `t` carries, in which something is wrong."""
    made = manifest_of(stream or u8(1, 2), files=[{**carried_file, "path": path, **keys} for path in paths])
    manifest_case(f"file_{name}", "MAN-9", description, lambda m: made)


carried_file = {"path": "p", "size": 2, "sha256": sha256(b"\1\2"), "tensor": "t"}
file_case("path_twice", "two files of one path, which carry the same tensor", paths=["p", "p"])
file_case("path_twice_apart", "two files of one path among others", paths=["p", "q", "p"])
signed, square = Stream("I8", [("t", [2], b"\1\2")]), u8(1, 2, shape=[2, 1])
file_case("tensor_i8", "a file's tensor is of type I8", stream=signed)
file_case("tensor_matrix", "a file's tensor has two dimensions", stream=square)
file_case("tensor_scalar", "a file of one byte and a scalar", u8(1, shape=[]), size=1, sha256=sha256(b"\1"))
file_case("size_less", "a file's size is one less than its tensor", size=1)
file_case("size_more", "a file's size is one more than its tensor", size=3)
file_case("digest", "a file's digest is another than its tensor's", sha256=sha256(b"\1\3"))
