"""Holds a reader of `.adp` files against Fixtures/conformance.json (see conformance.md).

Usage: conformance.py LEVEL COMMAND...

The level is 1 or 2. The command is run once, with the paths of all files behind it, and prints a line for each of them,
in their order: `PATH: ok`, or `PATH: KIND` and then anything after another colon.
"""

import json
import pathlib
import subprocess
import sys

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "Fixtures"


def agrees(entry, verdict, level, accepted):
    """Whether the verdict is one that the entry allows; `accepted` are the groups of which a file was accepted."""
    expected = entry["level1"] if level == "1" and "level1" in entry else entry["expect"]
    if expected != "one of a group":
        return verdict == ("ok" if expected == "accept" else entry["kind"])
    if verdict != "ok":
        return verdict in entry["kinds"]
    is_first = entry["group"] not in accepted
    accepted.add(entry["group"])
    return is_first


def main(arguments):
    """Returns the exit status, or the usage."""
    if len(arguments) < 2 or arguments[0] not in ("1", "2"):
        return __doc__
    level, *command = arguments
    entries = json.loads((FIXTURES / "conformance.json").read_text())
    paths = [str(FIXTURES / entry["file"]) for entry in entries]
    result = subprocess.run([*command, *paths], stdout=subprocess.PIPE, text=True)
    lines, accepted, wrong = result.stdout.splitlines(), set(), 0
    for entry, path, line in zip(entries, paths, lines):
        verdict = line.removeprefix(f"{path}: ").split(":")[0]
        if not agrees(entry, verdict, level, accepted):
            wrong += 1
            print(f"{entry['file']}: {verdict}, but {entry['description']} ({' '.join(entry['rules'])})")
    print(f"{len(entries)} files, {len(lines)} verdicts, {wrong} of them wrong")
    return int(wrong > 0 or len(lines) != len(entries))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
