"""Writes one adapter case: PEFT's own files, its merge in two precisions, and its unmerged answers."""

from makers.common import (
    DELTA_STD, PEFT, WEIGHT_STD, edit_json, fresh_folder, integers, normal, save_json, save_tensors, stored_tensors)

import json
import math
import tempfile
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file

from makers.peft.bases import NETS, load_base

ANSWER_TOLERANCE = 1e-4  # of the largest logit: between two fp32 ways to the same numbers


# ---------------------------------------------------------------- values of the adapter

def lora_layers(model):
    """Module name as PEFT sees it -> PEFT's layer."""
    return {n: m for n, m in model.base_model.model.named_modules() if hasattr(m, "lora_A")}


def fill_lora(model, case_name, dtype):
    for name, layer in lora_layers(model).items():
        r, scaling = layer.r["default"], layer.scaling["default"]
        std = math.sqrt(DELTA_STD / (abs(scaling) * math.sqrt(r)))
        for part in ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B"):
            if "default" in getattr(layer, part, {}):
                p = getattr(layer, part)["default"]
                p = p.weight if hasattr(p, "weight") else p
                p.data = normal(f"{case_name} {name} {part}", p.shape, std).to(dtype)


def fill_other(model, case_name):
    """Everything else that is trained."""
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        seed = f"{case_name} {name}"
        if ".ia3_l." in name:
            values = normal(seed, p.shape, 0.3, mean=1.0)
            values.view(-1)[:4] = torch.tensor([-0.7, 1e-9, 0.0, -1.0])[: p.numel()]
        elif "lora_magnitude_vector" in name:
            values = p.data.double() * normal(seed, p.shape, 0.1, mean=1.0)
        elif "lora_" in name and not name.endswith(("lora_B.default.bias", "lora_E.default")):
            continue  # done by fill_lora
        elif name.endswith("lora_E.default"):
            values = normal(seed, p.shape, 1.0)
        elif name.startswith("prompt_encoder"):
            values = normal(seed, p.shape, 0.5 if name.endswith("weight") else 0.1)
        elif name.endswith("bias") or "beft_bias" in name:
            values = normal(seed, p.shape, 0.05)
        elif p.ndim == 1:
            values = normal(seed, p.shape, 0.1, mean=1.0)
        else:
            values = normal(seed, p.shape, WEIGHT_STD)
        p.data = values.to(p.dtype)


def effective(model):
    """Rank, alpha and the factor of B A (AdaLoRA: of B diag(E) A) of every layer."""
    result = {}
    for name, m in lora_layers(model).items():
        r, alpha, scaling = m.r["default"], m.lora_alpha["default"], m.scaling["default"]
        if hasattr(m, "ranknum"):
            r = int(m.lora_E["default"].count_nonzero())
            scaling = scaling / (float(m.ranknum["default"]) + 1e-5)
        result[name] = {"r": r, "alpha": alpha, "scaling": scaling}
    return result


# ---------------------------------------------------------------- models

def start(entry):
    """The base as the adapter finds it, for example with a larger vocabulary."""
    return entry["load"]() if entry["load"] else load_base(entry["base"])


def disk_tensors(model):
    """The tensors of a model under the names that it would have on disk."""
    if not hasattr(model, "save_pretrained"):
        return model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(Path(folder) / "model.safetensors")


def model_from(tensors, like):
    """An fp32 model of the kind and config of `like` from tensors with names as on disk."""
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    if not hasattr(like, "save_pretrained"):
        model = type(like)()
        model.load_state_dict(tensors)
        return model.eval()
    with tempfile.TemporaryDirectory() as folder:
        like.config.save_pretrained(folder)
        save_tensors(tensors, Path(folder) / "model.safetensors")
        return type(like).from_pretrained(folder, dtype=torch.float32).eval()


def reload(entry, folder, base):
    return PeftModel.from_pretrained(base, folder).eval()


# ---------------------------------------------------------------- answers

def make_inputs(entry):
    """Two short inputs: token ids, or numbers for the plain networks."""
    name, base = entry["name"], entry["base"]
    if base == "tiny-conv":
        return {f"input.{i}": normal(f"{name} input {i}", (1, 2, 4, 6, 6), 1.0).float() for i in (0, 1)}
    if base == "tiny-mha":
        return {f"input.{i}": normal(f"{name} input {i}", (1, 5 + i, 8), 1.0).float() for i in (0, 1)}
    inputs = {}
    for i in (0, 1):
        ids = integers(f"{name} input {i}", (1, 5 + i), 32)
        for at, token in enumerate(entry["tokens"]):
            ids[0, at + i] = token
        inputs[f"input_ids.{i}"] = ids
        if base == "tiny-t5":
            inputs[f"decoder_input_ids.{i}"] = integers(f"{name} decoder {i}", (1, 4 + i), 32)
    return inputs


def answers(model, inputs):
    logits = {}
    for i in (0, 1):
        one = {k.removesuffix(f".{i}"): v for k, v in inputs.items() if k.endswith(f".{i}")}
        with torch.no_grad():
            out = model(one["input"]) if "input" in one else model(**one, use_cache=False).logits
        logits[f"logits.{i}"] = out.float()
    return logits


def compare_answers(what, got, want, tolerance=ANSWER_TOLERANCE):
    for key in want:
        error = (got[key] - want[key]).abs().max() / want[key].abs().max()
        assert error <= tolerance, (what, key, float(error))


# ---------------------------------------------------------------- merge

def check_widened(model, folder, **kwargs):
    """The float64 model holds the values of the file."""
    file = load_file(folder / "adapter_model.safetensors")
    loaded = get_peft_model_state_dict(model, **kwargs)
    assert file.keys() == loaded.keys(), file.keys() ^ loaded.keys()
    assert all(torch.equal(file[k].double(), loaded[k].double()) for k in file)


def merge(entry, folder, double):
    """PEFT's own merge, in the base's dtype or in float64."""
    base = start(entry)
    if double:
        base = base.double()
    model = reload(entry, folder, base)
    if double:
        check_widened(model.double(), folder, **entry["save"])
    return model.merge_and_unload()


def changes(base_name, tensors):
    """Only the tensors that differ from the base's file, or that it does not have."""
    stored = stored_tensors(base_name)
    assert stored.keys() <= tensors.keys(), stored.keys() - tensors.keys()

    def same(key, value):
        return key in stored and value.shape == stored[key].shape and torch.equal(stored[key].to(value.dtype), value)

    return {k: v.clone() for k, v in tensors.items() if not same(k, v)}


def check_merge(entry, merged, reference):
    """The two merges change the same tensors, and differ by rounding only."""
    assert merged.keys() == reference.keys(), (entry["name"], merged.keys() ^ reference.keys())
    for k, m in merged.items():
        if m.is_floating_point():
            step = torch.finfo(m.dtype).eps * reference[k].abs().max()
            assert (m.double() - reference[k]).abs().max() <= 8 * step, (entry["name"], k)


def write_merge(entry, folder, logits, inputs):
    if entry["reference"]:
        model, reference = entry["reference"](entry, folder)
    else:
        model = merge(entry, folder, double=True)
        reference = changes(entry["base"], disk_tensors(model))
        merged = changes(entry["base"], disk_tensors(merge(entry, folder, double=False)))
        check_merge(entry, merged, reference)
        save_tensors(merged, folder / "merged.safetensors")
    if entry["answered"]:
        applied = model_from({**stored_tensors(entry["base"]), **reference}, like=model)
        compare_answers((entry["name"], "reference"), answers(applied, inputs), logits)
    save_tensors(reference, folder / "reference.safetensors")
    return reference


# ---------------------------------------------------------------- the whole case

def drop_results(entry, folder):
    """Leave only the adapter: another case has the same results."""
    for name in ("logits", "merged", "reference"):
        path = folder / f"{name}.safetensors"
        assert name == "logits" or path.read_bytes() == (PEFT / entry["same_as"] / path.name).read_bytes()
        path.unlink()


def write_case_json(entry, folder, changed):
    stored = stored_tensors(entry["base"])
    method = json.loads((folder / "adapter_config.json").read_text())["peft_type"].lower()
    same = {"same_as": entry["same_as"]} if entry["same_as"] else {}
    save_json({
        "base": entry["base"],
        "method": method,
        "effect": "runtime" if entry["runtime"] else "merge",
        "changed": sorted(k for k in changed if k in stored),
        "created": sorted(k for k in changed if k not in stored),
        "resized": sorted(k for k in changed if k in stored and changed[k].shape != stored[k].shape),
        **same,
    }, folder / "case.json")


def write_raw_encoder(model, folder):
    raw = {k: v for k, v in model.state_dict().items() if k.startswith("prompt_encoder.")}
    save_tensors(raw, folder / "raw.safetensors")


def write_answers(entry, folder, model):
    name, inputs = entry["name"], make_inputs(entry)
    logits = answers(reload(entry, folder, start(entry).float()), inputs)
    compare_answers((name, "reload"), answers(model.float(), inputs), logits)
    for key, plain in answers(start(entry).float(), inputs).items():
        text = logits[key][:, -plain.shape[1]:]  # without the rows of a prompt
        assert not torch.allclose(plain, text, rtol=1e-3), (name, "no effect")
    save_tensors({**inputs, **logits}, folder / "logits.safetensors")
    return inputs, logits


def make_case(entry):
    name = entry["name"]
    folder = fresh_folder(PEFT / name)
    kind, fields = entry["config"]
    torch.manual_seed(0)
    model = get_peft_model(start(entry), kind(**fields)).eval()
    if hasattr(model.base_model, "model"):
        fill_lora(model, entry["same_as"] or name, entry["dtype"])
    fill_other(model, entry["same_as"] or name)
    if entry["after"]:
        entry["after"](model)
    model.save_pretrained(folder, **entry["save"])
    (folder / "README.md").unlink(missing_ok=True)
    if entry["raw"]:
        write_raw_encoder(model, folder)
    if entry["edit_config"]:
        edit_json(folder / "adapter_config.json", **entry["edit_config"])
    if entry["effective"]:
        save_json(effective(model), folder / "effective.json")

    inputs, logits = write_answers(entry, folder, model) if entry["answered"] else (None, None)
    changed = {} if entry["runtime"] else write_merge(entry, folder, logits, inputs)
    if entry["edit_keys"]:
        path = folder / "adapter_model.safetensors"
        save_tensors({entry["edit_keys"](k): v for k, v in load_file(path).items()}, path)
    if entry["same_as"]:
        drop_results(entry, folder)
    write_case_json(entry, folder, changed)
    print(name, len(changed), "tensors")
