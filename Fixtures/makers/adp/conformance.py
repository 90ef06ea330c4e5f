"""What a reader must say of each file of the corpus: the list of conformance.json (Spec/conformance.md)."""

import json
import re

from makers.adp.files import TAIL
from makers.adp.streams import sha256


def weights_digest(adapter):
    """Section 5.2."""
    carried = {file.get("tensor") for file in adapter.get("files", [])}
    rows = {}
    for stream in adapter["streams"]:
        for tensor in stream["tensors"]:
            cells = [tensor["name"], stream["dtype"], ",".join(map(str, tensor["shape"])), tensor["sha256"]]
            rows[tensor["name"].encode()] = "\t".join(cells) + "\n"
    text = "".join(rows[name] for name in sorted(rows) if name.decode() not in carried)
    return sha256(f"adp-weights-1\n{text}".encode())


def contents(file):
    """What a reader finds in a file that it accepts."""
    adapters = []
    for entry in file.manifest["adapters"]:
        tensors = [tensor for stream in entry["streams"] for tensor in stream.expected]
        adapters.append({"name": entry["name"], "weights": weights_digest(entry), "tensors": tensors})
    return {"manifest": file[-len(TAIL) - 32 : -len(TAIL)].hex(), "adapters": adapters}


def rules_in(description):
    return sorted(set(re.findall("(?!UTF)[A-Z]{3}-[0-9]+", description)))


def accepted(path, description, file):
    entry = {"file": path, "expect": "accept", "rules": rules_in(description), "description": description}
    return entry | contents(file)


def refused(path, rules, description, level):
    entry = {"file": path, "expect": "refuse", "kind": path.split("/")[1], "rules": rules}
    if level > 1:
        entry["level1"] = "accept"
    return entry | {"description": description}


def in_group(path, description, file, keys):
    entry = {"file": path, "expect": "one of a group", **keys}
    return entry | {"rules": rules_in(description), "description": description} | contents(file)


def text_of_list(entries):
    """One entry a line, in ASCII."""
    lines = [json.dumps(entry, separators=(",", ":")) for entry in entries]
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()
