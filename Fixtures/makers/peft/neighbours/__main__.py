"""Makes the adapters of PEFT's other weight methods under Fixtures/peft/ (see Fixtures/README.md). In Fixtures,

    python3 -m makers.peft.neighbours            every case
    python3 -m makers.peft.neighbours CASE ...   only the named cases (their bases must be there)

The formulas read only the adapter's two files and the base's weight, and work in float64. Every case compares them with
PEFT's own merge and with PEFT's unmerged forward; an entry made by `check` does that too, but leaves no files.
"""

from makers.common import BASES, normal, PEFT, stored_tensors  # first: sets the hash seed

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers.utils.logging import disable_progress_bar

from makers.peft.bases import load_base
from makers.peft.neighbours.adapters import boft_as_on_a_gpu, peft_merge, write_adapter
from makers.peft.neighbours.cases import CASES, CONV
from makers.peft.neighbours.effect import reference
from makers.peft.neighbours.spectra import check_random_places


def inputs(entry):
    """Two inputs: token ids, or numbers for the convolutions."""
    if entry["base"] == CONV:
        return "input", [normal(f"{entry['name']} input {i}", (1, 2, 4, 6, 6), 1).float() for i in (0, 1)]
    size = json.loads((BASES / entry["base"] / "config.json").read_text())["vocab_size"]
    generator = torch.Generator().manual_seed(1)
    return "input_ids", [torch.randint(size, (1, n), generator=generator) for n in (5, 7)]


def outputs(model, given):
    model.eval()
    with torch.no_grad():
        results = [model(x) for x in given]
    return [getattr(y, "logits", y) for y in results]


def check_forward(entry, changed, given, logits):
    """The base with the changed weights gives the same logits, in float64, as PEFT's unmerged model in fp32."""
    def distances(model):
        x = [g.double() if g.is_floating_point() else g for g in given]
        return [((a - b).abs().max() / b.abs().max()).item() for a, b in zip(outputs(model, x), logits)]

    model = load_base(entry["base"]).double()
    assert min(distances(model)) > 1e-3, (entry["name"], "no effect")
    parameters = model.state_dict()
    for name, value in changed.items():
        parameters[name].copy_(value)
    worst = max(distances(model))
    assert worst < 1e-5, (entry["name"], "forward", worst)
    return worst


def check_merge(entry, merged, changed):
    assert merged.keys() == changed.keys(), (entry["name"], merged.keys() ^ changed.keys())
    worst = max(((merged[k].double() - v).abs().max() / v.abs().max()).item() for k, v in changed.items())
    assert worst < 1e-5, (entry["name"], "merge", worst)
    return worst


def make(entry, folder):
    with boft_as_on_a_gpu() if entry["gpu_boft"] else contextlib.nullcontext():
        write_adapter(entry, folder)
        merged = peft_merge(entry, folder)
        kind, given = inputs(entry)
        logits = outputs(PeftModel.from_pretrained(load_base(entry["base"]), folder), given)
    changed = reference(entry["base"], folder)
    errors = check_merge(entry, merged, changed), check_forward(entry, changed, given, logits)
    before = stored_tensors(entry["base"])
    ratios = [((v - before[k].double()).std() / before[k].double().std()).item() for k, v in changed.items()]
    print(entry["name"], "merge %.0e forward %.0e" % errors, "change", *("%.2f" % r for r in ratios))

    metadata = {"format": "pt"}
    save_file(merged, folder / "merged.safetensors", metadata=metadata)
    save_file(changed, folder / "reference.safetensors", metadata=metadata)
    tensors = {f"{kind}.{i}": x for i, x in enumerate(given)}
    tensors.update({f"logits.{i}": x.contiguous() for i, x in enumerate(logits)})
    save_file(tensors, folder / "logits.safetensors", metadata=metadata)
    (folder / "case.json").write_text(json.dumps({
        "base": entry["base"], "method": entry["config"].peft_type.value.lower(), "effect": "merge",
        "changed": sorted(changed), "created": [], "resized": []}, indent=1) + "\n")


def make_case(entry):
    if entry["stored"]:
        folder = PEFT / entry["name"]
        shutil.rmtree(folder, ignore_errors=True)
        make(entry, folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make(entry, Path(folder))


def main():
    torch.set_num_threads(1)
    check_random_places()
    disable_progress_bar()
    names = sys.argv[1:]
    unknown = set(names) - {entry["name"] for entry in CASES}
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}")
    for entry in CASES:
        if not names or entry["name"] in names:
            make_case(entry)


if __name__ == "__main__":
    main()
