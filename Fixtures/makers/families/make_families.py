#!/usr/bin/env python3
"""Makes Fixtures/makers/families/families.json and names.json, and Sources/Checkpoints/Families/FamilyTable.swift:
what transformers calls the parameters of its models.

Usage: make_families.py            writes the files, about ten minutes on two cores
       make_families.py --check    says whether they are what would be written; exit 1 if not

It needs torch, transformers 5.23.0, timm, pillow and scipy; no network, no GPU, little memory: models are built
without their weights.
"""

import json
import sys
from multiprocessing import Pool
from pathlib import Path

import transformers
from scanning import classes, record
from transformers.models.auto import configuration_auto

from deriving import Family, general, rule_labels
from settings import LEGACY_RULES, RECORDED

HERE = Path(__file__).resolve().parent
TABLE = HERE.parents[2] / "Sources" / "Checkpoints" / "Families" / "FamilyTable.swift"


def scan(model_type):
    """The family of a model type, or nothing; and which of its classes could not be built, and why."""
    records, skipped = {}, {}
    try:
        for cls in classes(model_type):
            try:
                records[cls.__name__] = record(cls, model_type)
            except Exception as error:
                skipped[f"{model_type}/{cls.__name__}"] = reason(error)
    except (ImportError, AttributeError) as error:
        skipped[model_type] = reason(error)
    if not records and not skipped:
        skipped[model_type] = "it has no model of its own"
    return Family(model_type, records) if records else None, skipped


def reason(error):
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 80 else text[:79] + "…"


def line(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def block(lines):
    return "[\n" + ",\n".join(lines) + "\n]"


def families_text(rows, sets, together, skipped):
    return (
        f'{{"transformers":"{transformers.__version__}",\n"families":{block(map(line, rows))},\n'
        f'"names":{block(map(line, sets))},\n"general":{block(map(line, together))},\n'
        f'"skipped":{json.dumps(skipped, ensure_ascii=False, indent=0)}}}\n'
    )


def names_text(families):
    """All parameters of some classes, the first of each list of modules: in memory -> in files, 1 for the same name."""
    made = {}
    for family in families:
        if family.type not in RECORDED:
            continue
        found = family.records[RECORDED[family.type]]
        names = {
            memory: 1 if memory == files else files
            for memory, files in found.names.items()
            if all(part == "0" for part in numbers(memory))
        }
        stacks = {
            group["memory"][0]: [name for name in group["files"] if all(int(part) < 2 for part in numbers(name))]
            for group in found.converted
            if len(group["memory"]) == 1 and all(part == "0" for part in numbers(group["memory"][0]))
        }
        made[family.type] = {"class": RECORDED[family.type], "names": names, **({"stacks": stacks} if stacks else {})}
    return "{\n" + ",\n".join(f"{line(key)}:{line(value)}" for key, value in made.items()) + "\n}\n"


def numbers(name):
    return [part for part in name.split(".") if part.isdigit()]


def table_text(rows, sets, together):
    parts = [
        "// swift-format-ignore-file",
        "",
        f"/// The names that transformers {transformers.__version__} gives the parameters of its models: lines of JSON, each found",
        "/// by the text that it begins with. Made by Fixtures/makers/families/make_families.py; not to be edited.",
        "package enum FamilyTable {",
    ]
    for name, comment, lines in (
        ("families", "One line a model type, sorted by it.", rows),
        ("names", "Rules by which names in memory become names in files, sorted by their label.", sets),
        ("general", "The likely properties of a model of unknown family.", together),
    ):
        text = "\n".join(map(line, lines))
        parts += [f"  /// {comment}", f'  package static let {name} = #"""', text, '"""#', ""]
    return "\n".join(parts[:-1]) + "\n}\n"


def main():
    types = sorted(configuration_auto.CONFIG_MAPPING_NAMES, key=str.encode)
    with Pool() as pool:
        results = pool.map(scan, types, chunksize=1)
    families = [family for family, _ in results if family]
    skipped = {key: value for _, each in results for key, value in sorted(each.items())}
    labels, counts = rule_labels(families)
    rows = [family.row(labels) for family in families]
    sets = {**{label: list(rules) for rules, label in labels.items()}, **LEGACY_RULES}
    sets = [{"names": label, "rules": sets[label]} for label in sorted(sets, key=str.encode)]
    together = general(families, counts)
    files = {
        HERE / "families.json": families_text(rows, sets, together, skipped),
        HERE / "names.json": names_text(families),
        TABLE: table_text(rows, sets, together),
    }
    different = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" not in sys.argv:
        for path in different:
            path.write_text(files[path])
    print(f"{len(rows)} model types, {sum(len(row['classes']) for row in rows)} classes, {len(skipped)} skipped")
    for path in different:
        print("different:" if "--check" in sys.argv else "written:", path.name, len(files[path].encode()), "bytes")
    return 1 if different and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
