"""Adapters and bases as values, and what they are written as: safetensors, folders (Spec/folder.md), and files of the
corpus maker, which the second reader reads.

A tensor is an element type, a shape and bytes. An adapter is a dict: `name`, `method`, `operations` as the manifest has
them, `tensors` by name, and `keys`, further ones of the manifest.
"""

import json
import os
import sys
from pathlib import Path

# Threads of a library do not survive the fork of a process that has them.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Spec"), str(ROOT / "Fixtures")]

from makers.adp.files import pack  # noqa: E402
from makers.adp.streams import Stream  # noqa: E402


def safetensors(tensors):
    """The bytes of a file of tensors."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in tensors.values())


def tensors_of(data):
    """The tensors of such a file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    places = {name: [start + offset for offset in entry["data_offsets"]] for name, entry in header.items()}
    return {name: (entry["dtype"], entry["shape"], data[slice(*places[name])]) for name, entry in header.items()}


def manifest_of(adapters, base=None):
    """The manifest of a folder."""
    listed = [
        {"name": each["name"], "method": each["method"], **each["keys"], "operations": each["operations"]}
        for each in adapters
    ]
    return {"adapters": listed} if base is None else {"base": base, "adapters": listed}


def write_folder(folder, adapters, base=None):
    """The folder form of adapters."""
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest_of(adapters, base)))
    for each in adapters:
        own = folder if len(adapters) == 1 else folder / each["name"]
        own.mkdir(exist_ok=True)
        (own / "tensors.safetensors").write_bytes(safetensors(each["tensors"]))


def file_of(adapters, base=None):
    """The same as a file, which keeps every rule that the operations and tensors keep."""
    manifest = manifest_of(adapters, base)
    for entry, each in zip(manifest["adapters"], adapters):
        streams = {}
        for name, (dtype, shape, data) in each["tensors"].items():
            streams.setdefault(dtype, []).append((name, shape, data))
        entry["streams"] = [Stream(dtype, tensors) for dtype, tensors in streams.items()]
    return pack(manifest)
