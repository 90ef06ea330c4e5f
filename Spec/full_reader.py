"""Reads, checks and applies `.adp` files as a reader of level 2 does; of a base's ties it knows nothing.

Usage: full_reader.py check FILE...
       full_reader.py list FILE
       full_reader.py extract FILE FOLDER
       full_reader.py apply FILE BASE.safetensors OUT.safetensors [WEIGHT_OF_EACH_ADAPTER...]
"""

import json
import math
import pathlib
import struct
import sys

import pages  # the sections of the other operations
from apply import apply
from reader import COMMANDS, main
from rules import need


def merge(adapters, base, out, *weights):
    """Writes a checkpoint with the changes of the only adapter, or of several with weights (sections 8 and 8.21)."""
    stack = list(zip(adapters, [float(weight) for weight in weights or [1]]))
    need(len(stack) == len(adapters), f"{len(adapters)} adapters", "unsupported")
    header, tensors = read_safetensors(pathlib.Path(base).read_bytes())
    fingerprints = {place: adapter.base.fingerprint for place, adapter in enumerate(adapters)}
    body = b""
    for name, (dtype, shape, data) in (tensors | apply(stack, tensors, fingerprints)).items():
        places = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": places}
        body += data
    text = json.dumps(header).encode()
    pathlib.Path(out).write_bytes(struct.pack("<Q", len(text)) + text + body)


def read_safetensors(data):
    """The header of a safetensors file, and a dtype, a shape and bytes for each tensor."""
    start = 8 + int.from_bytes(data[:8], "little")
    header, tensors = json.loads(data[8:start]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            low, high = entry["data_offsets"]
            tensors[name] = entry["dtype"], entry["shape"], data[start + low : start + high]
    return header, tensors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], COMMANDS | {"apply": (merge, 3, math.inf)}, __doc__))
