"""Makes the conformance corpus of `.adp` files: Fixtures/valid, invalid and either, and conformance.json, which says
what a reader must make of each. In Fixtures,

    python3 -m makers.adp              writes every file
    python3 -m makers.adp --check      names the files that differ from what would be written; exit 1 if any does
    python3 -m makers.adp --example    prints the block of section 12 of Spec/adp-v1.md

Only Python's standard library is needed, and no compressor. What the files are made with stands beside this module,
the files themselves in `vectors`, a module for each subject.
"""

import sys
from importlib import import_module
from pathlib import Path

from makers.adp.conformance import accepted, in_group, refused, text_of_list
from makers.adp.files import pack
from makers.adp.manifests import example_manifest
from makers.adp.registry import EITHER, INVALID, VALID
from makers.adp.worked_example import example_text

FIXTURES = Path(__file__).resolve().parents[2]
FOLDERS = ("valid", "invalid", "either")
for module in sorted(Path(__file__).with_name("vectors").glob("*.py")):
    import_module(f"makers.adp.vectors.{module.stem}")  # registers its files


def made_by(maker):
    """The file that a maker makes of the example's manifest; one that is not of a manifest is bytes."""
    m = example_manifest()
    made = maker(m)
    made = m if made is None else made
    return made if isinstance(made, bytes) else pack(made)


def build():
    """path → bytes of all files, and of the list of them."""
    made, entries = {}, []
    for name, maker in sorted(VALID.items()):
        path = f"valid/{name}.adp"
        made[path] = made_by(maker)
        entries.append(accepted(path, maker.__doc__, made[path]))
    for name, (rules, description, level, maker) in sorted(INVALID.items()):
        path = f"invalid/{name}.adp"
        made[path] = made_by(maker)
        entries.append(refused(path, rules, description, level))
    for name, (description, maker, keys) in sorted(EITHER.items()):
        path = f"either/{name}.adp"
        made[path] = made_by(maker)
        entries.append(in_group(path, description, made[path], keys))
    return made | {"conformance.json": text_of_list(entries)}


def main(arguments):
    if arguments == ["--example"]:
        print(example_text(example_manifest()))
        return 0
    made = build()
    files = [path for folder in FOLDERS for path in (FIXTURES / folder).rglob("*") if path.is_file()]
    there = {path.relative_to(FIXTURES).as_posix() for path in [*files, *FIXTURES.glob("conformance.json")]}
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
    counts = f"{len(VALID)} valid files, {len(INVALID)} invalid ones, {len(EITHER)} of groups"
    print(f"{counts}, {sum(map(len, made.values()))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
