"""Makes the bases run-* and Fixtures/runtime: what PEFT's models say, unmerged, for the decoders to agree with (see
Fixtures/README.md). In Fixtures,

    python3 -m makers.runtime            everything
    python3 -m makers.runtime NAME ...   only these: a base (run-gpt2) or a case (gpt2_lora; it needs its base and parts)
"""

from makers.common import edit_json, save_json, save_tensors  # first: sets the hash seed

import sys

import torch
from transformers.utils.logging import disable_progress_bar

from makers.runtime.answers import SAME, answers, expected_padding, forward, left_padding, prompts
from makers.runtime.bases import MAKERS, load
from makers.runtime.cases import CASES, ROWS
from makers.runtime.models import RUNTIME, loaded, summed, write_adapter, write_biases

SMALLEST_MARGIN = 0.02  # of greedy tokens: far above what rounding can turn
SMALLEST_EFFECT = 0.1
BY_NAME = {entry["name"]: entry for entry in CASES}


def method(entry):
    """A word for case.json."""
    if entry["form"] == "peft":
        name = str(entry["config"][0].__name__).removesuffix("Config").lower()
        return "dora" if entry["config"][1].get("use_dora") else name
    return {"plain": "none", "bitfit": "bitfit"}.get(entry["form"], "combined")


def front(entry):
    """What an adapter puts in front of the text."""
    parts = [BY_NAME[name] for name, _ in entry.get("parts", [])] or [entry]
    kinds = {"prompttuning": "prompt", "promptencoder": "prompt", "prefixtuning": "prefix"}
    return next((kinds[m] for m in map(method, parts) if m in kinds), None)


def tokens_of(entry):
    return entry["config"][1].get("trainable_token_indices", []) if entry["form"] == "peft" else []


def answered(entry, model):
    """The first prompts whose greedy tokens are decided clearly, and if possible are not one token over and over."""
    for attempt in range(40):
        ids = prompts(entry, attempt)
        for at, token in enumerate(tokens_of(entry)):
            ids[1][at + 1] = ids[2][2 * at] = token
        result = answers(model, ids)
        tokens = {int(t) for i in range(3) for t in result[f"greedy{i}"]}
        if result["margins"].min() >= SMALLEST_MARGIN and len(tokens) >= 7 - attempt // 8:
            return ids, result
    raise ValueError(f"{entry['name']}: no clear prompts")


def check_effect(entry, ids, result):
    base = load(entry["base"])
    for i, one in enumerate(ids):
        effect = (forward(base, one) - result[f"logits{i}"]).abs().max()
        assert entry["form"] == "plain" or effect > SMALLEST_EFFECT, (entry["name"], effect)


def check_fields(entry, ids, result):
    """Windows and bounds matter: without them, a base says something else."""
    if entry["form"] != "plain":
        return
    config = load(entry["base"]).config
    for field, far in (("sliding_window", 1000), ("attn_logit_softcapping", 1e6), ("final_logit_softcapping", 1e6)):
        if getattr(config, field, None) is not None:
            effect = (forward(load(entry["base"], **{field: far}), ids[2]) - result["logits2"]).abs().max()
            assert effect > SMALLEST_EFFECT, (entry["name"], field, effect)


def check_double(entry, ids, result):
    """fp32 itself may be off by no more than a quarter of the tolerance of the tests. Returns by how much it is."""
    model = loaded(entry).double()
    error = max(float((forward(model, one) - result[f"logits{i}"]).abs().max()) for i, one in enumerate(ids))
    assert error < 2.5e-5, (entry["name"], error)
    return error


def check_parts(entry, ids, result):
    """A combination says what its parts say together."""
    if "parts" in entry:
        model = summed(entry)
        for i, one in enumerate(ids):
            error = (forward(model, one) - result[f"logits{i}"]).abs().max()
            assert error < SAME, (entry["name"], error)


def make_case(entry):
    name = entry["name"]
    folder = RUNTIME / name
    if entry["form"] == "peft":
        write_adapter(entry)
    elif entry["form"] == "bitfit":
        write_biases(entry)
    folder.mkdir(parents=True, exist_ok=True)
    model = loaded(entry)
    ids, result = answered(entry, model)
    check_effect(entry, ids, result)
    check_fields(entry, ids, result)
    check_parts(entry, ids, result)
    error = check_double(entry, ids, result)
    padding = left_padding(model, ids, result)
    config = load(entry["base"]).config
    family, windowed = config.model_type, getattr(config, "sliding_window", None) is not None
    assert padding == expected_padding(family, front(entry), windowed), (name, padding)
    save_tensors(result, folder / "logits.safetensors")
    parts = entry.get("parts", [] if entry["form"] == "plain" else [(name, 1.0)])
    save_json({
        "base": entry["base"], "family": family, "method": method(entry),
        "adapters": [{"case": part, "weight": weight} for part, weight in parts],
        "front": front(entry), "rows": ROWS if front(entry) else 0, "left_padding": padding,
    }, folder / "case.json")
    largest = max(float(result[f"logits{i}"].abs().max()) for i in range(3))
    print(f"{name}: largest logit {largest:.1f}, margin {float(result['margins'].min()):.3f}, fp32 off by {error:.0e}")


def main():
    torch.set_num_threads(1)
    disable_progress_bar()
    jobs = {base: lambda base=base, make=make: make(base) for base, make in MAKERS.items()}
    jobs.update({name: lambda entry=entry: make_case(entry) for name, entry in BY_NAME.items()})
    names = sys.argv[1:] or list(jobs)
    unknown = [name for name in names if name not in jobs]
    if unknown:
        sys.exit(f"no such base or case: {', '.join(unknown)}")
    for name in names:
        jobs[name]()


if __name__ == "__main__":
    main()
