"""Models of the cases of Fixtures/runtime: PEFT adapters with random values, saved, loaded again and combined."""

from makers.common import FIXTURES, fresh_folder, normal, save_tensors

import math

import torch
from peft import PeftMixedModel, PeftModel, get_peft_model
from safetensors.torch import load_file

from makers.runtime.bases import EMBEDDING_STD, load

RUNTIME = FIXTURES / "runtime"
CHANGE_STD = 0.1  # of a matrix; the bases' matrices have 0.25 or 0.4
BIAS_STD = 0.2


def factor_std(layer, module):
    """The size of factors whose product, scaled, has elements of CHANGE_STD."""
    r, scaling = layer.r["default"], layer.scaling["default"]
    if hasattr(layer, "ranknum"):
        scaling /= float(layer.ranknum["default"])
    product = CHANGE_STD / (scaling * math.sqrt(r))
    return math.sqrt(product) if "lora_" in module else math.sqrt(math.sqrt(CHANGE_STD / scaling) / math.sqrt(r))


def fill_adapter(model, case):
    """Everything that is trained. The parent of lora_A["default"].weight and the like is the layer."""
    layers = {n: m for n, m in model.named_modules() if isinstance(getattr(m, "r", None), dict)}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        seed, place = f"{case} {name}", name.split(".")
        inner = next((n for n in (".".join(place[:i]) for i in range(len(place), 0, -1)) if n in layers), None)
        if ".ia3_l." in name:
            values = normal(seed, p.shape, 0.4, mean=1.0)
        elif "lora_magnitude_vector" in name:
            values = p.data.double() * normal(seed, p.shape, 0.15, mean=1.0)
        elif name.endswith("lora_E.default"):
            values = normal(seed, p.shape, 1.0)
        elif name.endswith("bias"):
            values = p.data.double() + normal(seed, p.shape, BIAS_STD)
        elif inner and ("lora_" in name or "hada_" in name):
            values = normal(seed, p.shape, factor_std(layers[inner], name))
        elif name.startswith("prompt_encoder") and ("mlp_head" in name or "transform" in name or "lstm" in name):
            values = normal(seed, p.shape, 0.4)
        elif name.startswith("prompt_encoder") and p.shape[1] > 24:
            values = normal(seed, p.shape, 1.0)  # keys and values
        elif "ln_tuning_layers" in name:
            values = p.data.double() + normal(seed, p.shape, BIAS_STD)
        elif p.ndim == 2:
            values = normal(seed, p.shape, EMBEDDING_STD)
        else:
            raise ValueError(f"{case}: what is {name}?")
        p.data = values.to(p.dtype)


def write_adapter(entry):
    folder = fresh_folder(RUNTIME / entry["name"])
    kind, fields = entry["config"]
    torch.manual_seed(0)
    model = get_peft_model(load(entry["base"]), kind(**fields)).eval()
    fill_adapter(model, entry["name"])
    if entry["after"]:
        entry["after"](model)
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)


def write_biases(entry):
    folder = fresh_folder(RUNTIME / entry["name"])
    tuned = {
        name: (p.data + normal(f"{entry['name']} {name}", p.shape, BIAS_STD)).float()
        for name, p in load(entry["base"]).named_parameters() if name.endswith("bias")}
    save_tensors(tuned, folder / "biases.safetensors")


def cat(base, parts):
    model = PeftModel.from_pretrained(base, RUNTIME / parts[0][0], adapter_name="0")
    for i, (name, _) in enumerate(parts[1:], start=1):
        model.load_adapter(RUNTIME / name, str(i))
    model.add_weighted_adapter(
        [str(i) for i in range(len(parts))], [weight for _, weight in parts], "all", combination_type="cat")
    model.set_adapter("all")
    return model


def mixed(base, parts):
    model = PeftMixedModel.from_pretrained(base, RUNTIME / parts[0][0], adapter_name="0")
    for i, (name, _) in enumerate(parts[1:], start=1):
        model.load_adapter(RUNTIME / name, str(i))
    model.set_adapter([str(i) for i in range(len(parts))])
    return model


def below(base, parts):
    """PEFT has no such model: the prompt's model is put around the one with LoRA's layers in it."""
    inner = PeftModel.from_pretrained(base, RUNTIME / parts[0][0])
    return PeftModel.from_pretrained(inner.get_base_model(), RUNTIME / parts[1][0])


def summed(entry):
    """The same as `loaded` for a combination, from merged weights: base + the sum of weight * (merged - base)."""
    base, fronts = load(entry["base"]), []
    start = {k: p.data.clone() for k, p in base.named_parameters()}
    for name, weight in entry["parts"]:
        part = PeftModel.from_pretrained(load(entry["base"]), RUNTIME / name)
        if part.active_peft_config.is_prompt_learning:
            fronts.append(RUNTIME / name)
            continue
        merged = dict(part.merge_and_unload().named_parameters())
        for k, p in base.named_parameters():
            p.data += weight * (merged[k].data - start[k])
    for folder in fronts:
        base = PeftModel.from_pretrained(base, folder)
    return base.eval()


def loaded(entry):
    """The model of a case from its files."""
    base, form = load(entry["base"]), entry["form"]
    if form == "bitfit":
        missing = base.load_state_dict(load_file(RUNTIME / entry["name"] / "biases.safetensors"), strict=False)
        assert not missing.unexpected_keys
        return base
    if form == "peft":
        return PeftModel.from_pretrained(base, RUNTIME / entry["name"]).eval()
    combine = {"cat": cat, "mixed": mixed, "below": below}
    return (combine[form](base, entry["parts"]) if form in combine else base).eval()
