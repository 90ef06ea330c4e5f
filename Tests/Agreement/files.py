"""Changed files, as `verify` and the second reader judge them."""

import re
import subprocess
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import changed_bytes  # all changes
import changed_values
from cases import draw_case
from draw import Draw
from folders import ROOT, file_of
from mutations import mutated
from reader import read
from rules import AdpError

LARGEST = 16_000
# How `verify` words each kind of section 11. Texts for people may change: then this table does.
KINDS = {
    "not-adp": "not an .adp file",
    "version": "an .adp file of version",
    "truncated": "cut short",
    "footer": "damaged footer",
    "limit": "over a limit",
    "digest": "damaged manifest",
    "frame": "bad frame",
    "manifest": "bad manifest",
    "requires": r"needs \"",
    "checksum": "wrong checksum",
    "tensor": "does not have its digest",
}
STATUS = {None: 0, "not-adp": 2, "version": 2, "requires": 2}


@cache
def sources():
    """Name → bytes of the corpus's valid files of moderate size, as stored and decoded."""
    paths = sorted((ROOT / "Fixtures" / "valid").glob("*.adp"))
    files = {path.name: path.read_bytes() for path in paths if path.stat().st_size <= LARGEST}
    return {name: data for name, data in files.items() if int.from_bytes(data[-48:-40], "little") <= LARGEST}


def draw_file(seed, index):
    """A changed file, and what it is."""
    draw = Draw(f"{seed}/file/{index}")
    number, name = draw.randrange(1000), draw.choice([*sources()])
    if draw.chance(0.1):
        return file_of(draw_case(seed, number).adapters), f"case {number}"
    data = random_file(seed, number) if draw.chance(0.5) else None
    name, data = (name, sources()[name]) if data is None else (f"case {number}", data)
    changed, changes = mutated(draw, data)
    return changed, f"{name}: {changes}"


def random_file(seed, index):
    """Of the sound adapters of a case."""
    sound = []
    for adapter in draw_case(seed, index).adapters:
        try:
            read(file_of([adapter]))
            sound.append(adapter)
        except AdpError:
            pass
    return file_of(sound) if sound else None


def run_file(task):
    """The disagreements of one changed file, and what was counted: kinds that differ, too. They are no disagreement,
    because in a group of section 11 the order is free."""
    path, seed, index, keep = task
    lines, counts = [], Counter()
    try:
        data, what = draw_file(seed, index)
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(keep or temporary, f"{seed}-{index}.adp")
            file.write_bytes(data)
            hold(file, data, path, f"file {index}, {what}", lines, counts)
    except Exception as error:  # of either side: it is told, and the others go on
        lines.append(f"file {index} ends with {error!r}")
    return [f"seed {seed}, {line}" for line in lines], counts


def hold(file, data, path, what, lines, counts):
    mine, rule = verdict_of_reader(data)
    counts[f"files: {mine or 'ok'}"] += 1
    if path:
        theirs, text, status = verdict_of_command(path, file)
        if (mine is None) != (theirs is None) or status not in (0, 1, 2):
            lines.append(f"{what}: verify ends with {status} {text}; the reader: {mine} {rule}")
        elif mine != theirs or status != STATUS.get(mine, 1):
            counts[f"kind {mine}, of verify {theirs} with {status}"] += 1
            counts[f"  {what}: {rule}; {text}"] += 1


def verdict_of_reader(data):
    """The kind of a refusal, or None, and the rule."""
    try:
        read(data)
        return None, ""
    except AdpError as error:
        return error.args


def verdict_of_command(command, file):
    """The same, and the exit status."""
    result = subprocess.run([command, "verify", file], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    text = result.stderr.decode(errors="replace").partition("\n")[0].replace(str(file), "FILE")
    if result.returncode == 0:
        return None, text, 0
    words = text.replace("adapter: error: FILE", "", 1)
    found = [kind for kind, pattern in KINDS.items() if re.match(f":? ?({pattern}|damaged: .*{pattern})", words)]
    return (found or ["unknown"])[0], text, result.returncode
