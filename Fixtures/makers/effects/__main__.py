"""Makes effects.json and effects/ (see Fixtures/README.md), from the bases and cases that are here. In Fixtures,

    python3 -m makers.effects            both
    python3 -m makers.effects --check    compares with what is here, changes nothing; exit 1 if it differs

effects.json is what dense matrices say about the change that each case makes: the stored float64
reference minus the base. pairs.py makes pairs of adapters that are, or are not, the same change.
"""

from makers.common import FIXTURES, PEFT, stored_tensors  # first: sets the hash seed

import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers.utils.logging import disable_progress_bar

from makers.effects.dense import describe, frobenius, logical, number
from makers.effects.direct import direct
from makers.effects.pairs import make_pairs

EPS = 2.0**-53
EXPERT = re.compile(r"(.+)\.block_sparse_moe\.experts\.\d+\.(w[123])\.weight")
ABOUT = (
    "change = float64 reference - base, dense. kind matrix ([out, in]; kernels [out, in * k]): fro,"
    " relative = fro / |W|_F, spectral, rank and sigma (singular values above 1e-10 of the largest),"
    " effective_rank = exp(entropy of sigma / sum), stable_rank = (fro / spectral)^2. kind vector: fro, relative (null: W is 0). kind resized: fro of the common"
    " rows, added = fro of the new rows. kind created: fro of the value. stacks: fro over all experts"
    " of one parameter."
    " tolerance: of the change, in the Frobenius norm, relative to fro; the numbers have 13 digits besides")


def resized(before, after):
    """A table with more rows than the base's."""
    rows = len(before)
    assert after.shape[1:] == before.shape[1:] and len(after) > rows
    common, added = after[:rows] - before, after[rows:]
    return {"kind": "resized", "fro": number(frobenius(common)), "added": number(frobenius(added))}


def errors(case, base, changes, references):
    """Relative errors of the changes: what rounding may do, and where there is a formula, what it did."""
    measured = direct(case, {k: torch.tensor(np.ascontiguousarray(v)) for k, v in base.items()})
    unknown = {k for k, v in measured.items() if k not in changes and frobenius(v.numpy()) > 0}
    assert not unknown, (case, unknown)
    for name, change in changes.items():
        fro = frobenius(change)
        yield EPS * frobenius(references[name]) / fro
        if name in measured:
            yield frobenius(change - measured[name].reshape(change.shape).numpy()) / fro
    print(case, len(changes), "targets,", len(measured), "with a formula", end=" ")


def stacks(changes):
    """Parameters that a runtime holds as one tensor of all experts."""
    sums = {}
    for name, change in changes.items():
        if found := EXPERT.fullmatch(name):
            part = "down_proj" if found[2] == "w2" else "gate_up_proj"
            key = f"{found[1]}.mlp.experts.{part}"
            sums[key] = sums.get(key, 0.0) + float(np.sum(np.square(change)))
    return {name: {"fro": number(square**0.5)} for name, square in sums.items()}


def effect(name):
    case = json.loads((PEFT / name / "case.json").read_text())
    head = {"base": case["base"], "method": case["method"]}
    if "same_as" in case:
        return {**head, "same_as": case["same_as"]}
    base = {k: logical(case["base"], k, v) for k, v in stored_tensors(case["base"]).items()}
    stored = load_file(PEFT / name / "reference.safetensors")
    assert {v.dtype for v in stored.values()} <= {torch.float64, torch.int64}, name
    reference = {k: logical(case["base"], k, v) for k, v in stored.items()}
    changes, targets = {}, {}
    for key in sorted(reference):
        shape = {"shape": list(stored[key].shape)}
        if key in case["created"]:
            targets[key] = {"kind": "created", **shape, "fro": number(frobenius(reference[key]))}
        elif key in case["resized"]:
            targets[key] = {**resized(base[key], reference[key]), **shape}
        else:
            changes[key] = reference[key] - base[key]
            targets[key] = {**describe(changes[key], base[key]), **shape}
    worst = max(errors(name, base, changes, reference))
    print(f"{worst:.1e}")
    return {**head, "tolerance": float(f"{worst:.2g}"), "stacks": stacks(changes), "targets": targets}


def text(effects):
    """One line for each target."""
    cases = []
    for name, case in effects.items():
        head = json.dumps({k: v for k, v in case.items() if k != "targets"})[1:-1]
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in case.get("targets", {}).items())
        cases.append(f'{json.dumps(name)}: {{{head}' + (f', "targets": {{\n{lines}}}}}' if lines else "}"))
    return f'{{"about": {json.dumps(ABOUT)},\n"cases": {{\n' + ",\n".join(cases) + "\n}}\n"


def make_effects(path):
    names = sorted(p.parent.name for p in PEFT.glob("*/case.json"))
    merging = [n for n in names if json.loads((PEFT / n / "case.json").read_text())["effect"] == "merge"]
    path.write_text(text({n: effect(n) for n in merging}))


def files(folder):
    found = [folder / "effects.json", *sorted(p for p in (folder / "effects").rglob("*") if p.is_file())]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def main(arguments):
    torch.set_num_threads(1)
    disable_progress_bar()
    if arguments not in ([], ["--check"]):
        sys.exit("usage: python3 -m makers.effects [--check]")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if arguments else FIXTURES
        make_effects(folder / "effects.json")
        make_pairs(folder / "effects")
        made, here = files(folder), files(FIXTURES)
    different = sorted(k for k in made.keys() | here.keys() if made.get(k) != here.get(k))
    print(*different or ["nothing differs"] if arguments else [f"{len(made)} files"], sep="\n")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
