"""Makes Fixtures/stacks/: what several adapters with weights make of a base, in float64 (see Fixtures/README.md).
In Fixtures,

    python3 -m makers.stacks            every stack, after the bases and the adapters
    python3 -m makers.stacks --check    writes nothing, exit 1 if something would be different

Every single change is PEFT's own: its merge, in float64, of one adapter. An adapter of weight w makes
W + w (X - W), where X is what PEFT makes of W. How X is had depends on the method:

* "delta": the change does not depend on W, or on the base's weight alone: X - W is that of PEFT's merge
  into the base.
* "sequence": PEFT merges into what the adapters before have made.
* "dora": PEFT's change, and its magnitudes over the norms of the base's weight with that change, whatever
  came before.
* "origin": what it replaces is the base that all others find; the rest of it is as in "delta".

Where PEFT can have several of the adapters active at once, in full, its merge of all of them must be the same.
"""

from makers.common import FIXTURES, save_json, stored_tensors  # first: sets the hash seed

import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers.utils.logging import disable_progress_bar

from makers.peft.bases import load_base

STACKS = FIXTURES / "stacks"
TOLERANCE = 1e-12  # between two float64 ways to the same numbers

# name: base, adapters as (folder, weight, how), whether PEFT can do it at once
TABLE = {
    "additive": ("tiny-llama-16", [
        ("peft/lokr_llama", -0.3, "delta"), ("peft/miss_llama", 1, "delta"), ("peft/c3a_llama", 0.5, "delta"),
        ("peft/shira_llama", 2, "delta"), ("peft/gralora_llama", -1, "delta"), ("peft/fourierft_llama", 0.25, "delta"),
        ("peft/delora_llama", 1.5, "delta"), ("peft/vera_llama", 0.1, "delta"), ("peft/llama_adalora", 0.7, "delta"),
        ("peft/loha_llama", 1, "delta")], False),
    "bf16": ("tiny-llama", [
        ("peft/llama_bf16", 0.7, "delta"), ("effects/plain", -0.3, "delta"), ("peft/llama_dora_bf16", 0.6, "dora")],
        False),
    "twice": ("tiny-llama-16", [("peft/llama_head", 0.5, "delta"), ("peft/llama_head", 0.25, "delta")], False),
    "loras": ("tiny-llama-16", [("peft/llama_tokens", 1, "origin"), ("peft/llama_bdlora", 1, "delta")], False),
    "ia3_pair": ("tiny-llama-16", [("peft/llama_ia3", 1, "sequence"), ("peft/llama_ia3", 1, "sequence")], True),
    "ia3_weights": ("tiny-bias", [("peft/gpt2_ia3", 0.4, "sequence"), ("peft/gpt2_ia3", -1.5, "sequence")], False),
    "lora_dora": ("tiny-llama-16", [("peft/llama_saved_head", 1, "origin"), ("peft/llama_dora", 1, "dora")], False),
    "bdlora_dora": ("tiny-llama-16", [("peft/llama_bdlora", 1, "delta"), ("peft/llama_dora", 1, "dora")], True),
    "dora_bdlora": ("tiny-llama-16", [("peft/llama_dora", 1, "dora"), ("peft/llama_bdlora", 1, "delta")], True),
    "dora_dora": ("tiny-llama-16", [("peft/llama_dora", 0.4, "dora"), ("peft/llama_dora", 1, "dora")], False),
    "dora_lora": ("tiny-llama-16", [("peft/llama_dora", 0.4, "dora"), ("peft/llama_bdlora", -0.5, "delta")], False),
    "dora_columns": ("tiny-gpt2-16", [
        ("peft/fourierft_gpt2", 0.5, "delta"), ("peft/gpt2_dora", 0.8, "dora"), ("peft/vera_gpt2", -0.2, "delta")],
        False),
    "embeddings": ("tiny-llama-16", [
        ("peft/llama_dora_embed", 0.7, "dora"), ("peft/llama_embed", 0.3, "delta")], False),
    "of_the_base": ("tiny-llama-16", [
        ("peft/lokr_llama", 0.5, "delta"), ("peft/hira_llama", 0.6, "delta"), ("peft/miss_bat", 0.3, "sequence"),
        ("peft/oft_llama", 1, "sequence"), ("peft/hira_llama", -0.2, "delta")], False),
    "turned": ("tiny-bloom", [("peft/bloom_beft", 0.5, "delta"), ("peft/road_1", 1, "sequence")], False),
}


def tensors_of(model):
    """A model's tensors under the names that it would have on disk."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return {k: v for k, v in load_file(Path(folder) / "model.safetensors").items()}


def model_of(base, tensors):
    model = load_base(base).double()
    prefix = "" if any(k in tensors for k in model.state_dict()) else "transformer."
    unexpected = model.load_state_dict({prefix + k: v for k, v in tensors.items()}, strict=False).unexpected_keys
    assert not unexpected, unexpected
    return model


def adapted(base, tensors, folder):
    """PEFT's model of an adapter on these tensors, in float64."""
    return PeftModel.from_pretrained(model_of(base, tensors), FIXTURES / folder).double().eval()


def merged(base, tensors, folder):
    return tensors_of(adapted(base, tensors, folder).merge_and_unload())


def dora_factors(base, origin, folder):
    """Stored name -> what PEFT multiplies rows, or columns, with, and its change."""
    result = {}
    for name, layer in adapted(base, origin, folder).base_model.model.named_modules():
        if not getattr(layer, "lora_magnitude_vector", None):
            continue
        key = name + ".weight"
        weight, change = origin[key], layer.get_delta_weight("default").detach()
        # Transposed, in Conv1D and embeddings, an output is a column.
        axis = 0 if layer.fan_in_fan_out or len(layer.lora_embedding_A) else 1
        norms = (weight + change).norm(dim=axis, keepdim=True)
        magnitude = layer.lora_magnitude_vector["default"].weight.detach().reshape(norms.shape)
        result[key] = (magnitude / norms, change)
    return result


def stack(base, adapters):
    stored = {k: v.double() if v.is_floating_point() else v for k, v in stored_tensors(base).items()}
    origin = dict(stored)
    for folder, weight, how in adapters:
        if how == "origin":
            assert weight == 1
            after, file = merged(base, origin, folder), load_file(FIXTURES / folder / "adapter_model.safetensors")
            factors = {k.split(".lora_")[0].removeprefix("base_model.model.") + ".weight" for k in file if ".lora_" in k}
            origin |= {k: v for k, v in after.items() if k not in factors}
    now = dict(origin)
    for folder, weight, how in adapters:
        if how in ("delta", "origin"):
            after = merged(base, origin, folder)
            for key in origin:
                now[key] = now[key] + weight * (after[key] - origin[key])
        elif how == "sequence":
            after = merged(base, now, folder)
            now = {key: now[key] + weight * (after[key] - now[key]) for key in now}
        elif how == "dora":
            after = merged(base, origin, folder)
            for key, (factor, change) in dora_factors(base, origin, folder).items():
                close(factor * (origin[key] + change), after[key], folder)
                now[key] = now[key] + weight * (factor * (now[key] + change) - now[key])
    return {k: v for k, v in now.items() if not torch.equal(v, stored[k])}


def at_once(base, adapters):
    """PEFT's own merge with all adapters active."""
    stored = {k: v.double() for k, v in stored_tensors(base).items()}
    model = PeftModel.from_pretrained(model_of(base, stored), FIXTURES / adapters[0][0], adapter_name="a0")
    for place, (folder, weight, _) in enumerate(adapters):
        assert weight == 1
        if place:
            model.load_adapter(FIXTURES / folder, adapter_name=f"a{place}")
    model = model.double().eval()
    names = [f"a{place}" for place in range(len(adapters))]
    model.base_model.set_adapter(names)
    return tensors_of(model.merge_and_unload(adapter_names=names))


def close(got, want, what):
    error = (got - want).abs().max() / want.abs().max()
    assert error <= TOLERANCE, (what, float(error))


def main():
    torch.set_num_threads(1)
    disable_progress_bar()
    is_check = sys.argv[1:] == ["--check"]
    different = []
    index = {}
    for name, (base, adapters, is_whole) in TABLE.items():
        tensors = stack(base, adapters)
        if is_whole:
            for key, value in at_once(base, adapters).items():
                if key in tensors:
                    close(value, tensors[key], (name, key))
        index[name] = {"base": base, "adapters": [{"path": path, "weight": weight} for path, weight, _ in adapters]}
        path = STACKS / f"{name}.safetensors"
        if is_check:
            old = load_file(path)
            same = old.keys() == tensors.keys() and all(
                (old[k] - tensors[k]).abs().max() <= TOLERANCE * tensors[k].abs().max() for k in old)
            different += [] if same else [name]
            continue
        STACKS.mkdir(exist_ok=True)
        save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})
    if is_check:
        sys.exit(f"different: {', '.join(different)}" if different else None)
    save_json(index, STACKS / "stacks.json")


if __name__ == "__main__":
    main()
