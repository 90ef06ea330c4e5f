"""Makes the conformance corpus of `.adp` files: Fixtures/valid and Fixtures/invalid. In Fixtures,

    python3 -m makers.adp              writes every file
    python3 -m makers.adp --check      names the files that differ from what would be written; exit 1 if any does
    python3 -m makers.adp --example    prints the block of section 12 of Spec/adp-v1.md

Only Python's standard library is needed, and no compressor. What the files are made with stands beside this module,
the files themselves in `vectors`, a module for each subject.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

from makers.adp.files import File, pack
from makers.adp.manifests import example_manifest
from makers.adp.registry import INVALID, VALID
from makers.adp.worked_example import example_text

FIXTURES = Path(__file__).resolve().parents[2]
for module in sorted(Path(__file__).with_name("vectors").glob("*.py")):
    import_module(f"makers.adp.vectors.{module.stem}")  # registers its files


def build_valid():
    """path → bytes of the valid files and of the two tables beside them."""
    made, rules, expect = {}, ["path\tdescription"], ["file\tadapter\ttensor\tdtype\tshape\tsha256"]
    for name, maker in sorted(VALID.items()):
        m = example_manifest()
        file = maker(m) or m
        file = file if isinstance(file, File) else pack(file)
        made[f"valid/{name}.adp"] = bytes(file)
        rules.append(f"{name}.adp\t{maker.__doc__}")
        for entry in file.manifest["adapters"]:
            for tensor, dtype, shape, digest in [line for stream in entry["streams"] for line in stream.expected]:
                sizes = json.dumps(shape, separators=(",", ":"))
                expect.append(f"{name}.adp\t{entry['name']}\t{json.dumps(tensor)}\t{dtype}\t{sizes}\t{digest}")
    made["valid/RULES.tsv"] = "\n".join([*rules, ""]).encode()
    made["valid/EXPECT.tsv"] = "\n".join([*expect, ""]).encode()
    return made


def build_invalid():
    """path → bytes of the invalid files and of the table beside them."""
    made, rules = {}, ["path\trules\tdescription"]
    for path, (broken, description, change) in sorted(INVALID.items()):
        m = example_manifest()
        result = change(m)
        result = m if result is None else result
        made[f"invalid/{path}.adp"] = bytes(result) if isinstance(result, bytes) else pack(result)
        rules.append(f"{path}.adp\t{','.join(broken)}\t{description}")
    made["invalid/RULES.tsv"] = "\n".join([*rules, ""]).encode()
    return made


def main(arguments):
    if arguments == ["--example"]:
        print(example_text(example_manifest()))
        return 0
    made = build_valid() | build_invalid()
    there = {path.relative_to(FIXTURES).as_posix() for part in ("valid", "invalid") for path in (FIXTURES / part).rglob("*.*")}
    if arguments == ["--check"]:
        wrong = [path for path in made if path not in there or (FIXTURES / path).read_bytes() != made[path]]
        wrong += sorted(there - set(made))
        print("\n".join(wrong) or "nothing differs")
        return int(bool(wrong))
    for path in sorted(there - set(made)):
        (FIXTURES / path).unlink()
    for path, data in made.items():
        (FIXTURES / path).parent.mkdir(parents=True, exist_ok=True)
        (FIXTURES / path).write_bytes(data)
    print(f"{len(VALID)} valid files, {len(INVALID)} invalid ones, {sum(map(len, made.values()))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
