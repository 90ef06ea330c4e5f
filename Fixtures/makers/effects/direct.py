"""The change of a weight straight from an adapter's own tensors, without the detour over base + change - base.

With it `makers.effects` measures how exact the stored references are. What is not here (biases and
modules that are replaced, rows of tokens) is one subtraction of two stored numbers.
"""

from makers.common import PEFT

import json
import math

import torch
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file

from makers.peft.neighbours.effect import read_adapter
from makers.peft.neighbours.formulas import METHODS

ADDED = {"LOHA", "LOKR", "VERA", "PVERA", "SHIRA", "C3A", "GRALORA", "DELORA", "FOURIERFT", "SUPERTUNING"}
PREFIX = "base_model.model."


def by_module(folder):
    """Module -> its tensors by the last part of their keys, in float64."""
    modules = {}
    for key, value in load_file(folder / "adapter_model.safetensors").items():
        for mark in (".lora_", ".ia3_"):
            module, found, part = key.removeprefix(PREFIX).partition(mark)
            if found and value.is_floating_point():
                modules.setdefault(module, {})[f"{mark[1:]}{part}".removesuffix(".weight")] = value.double()
    return modules


def scale_of(config, module):
    def pattern(key, default):
        values = config.get(key) or {}
        return values.get(get_pattern_key(values.keys(), module), config[default])

    if config["peft_type"] == "ADALORA":
        return config["lora_alpha"] / (config["init_r"] + 1e-5)
    r, alpha = pattern("rank_pattern", "r"), pattern("alpha_pattern", "lora_alpha")
    return alpha / (math.sqrt(r) if config["use_rslora"] else r)


def product(t, shape, config):
    """B A without the scale, as [out, in]; an embedding's as [rows, width]."""
    if "lora_embedding_A" in t:
        return (t["lora_embedding_B"] @ t["lora_embedding_A"]).T
    a, b = t["lora_A"].flatten(1), t["lora_B"].flatten(1)
    if "lora_E" in t:
        a = a * t["lora_E"]
    blocks = (config.get("use_bdlora") or {}).get("nblocks")
    if blocks and a.shape[1] < shape[1]:
        a = torch.block_diag(*a.chunk(blocks))
    if blocks and b.shape[1] < len(a):
        b = torch.block_diag(*b.chunk(blocks))
    return b @ a


def dora(weight, change, magnitude):
    new = weight + change
    if magnitude.numel() != len(new):  # an embedding has one magnitude per column
        return magnitude.reshape(1, -1) / new.norm(dim=0, keepdim=True) * new - weight
    return magnitude.reshape(-1, 1) / new.norm(dim=1, keepdim=True) * new - weight


def experts(module, t, scale, weights):
    """A stack in which A has the rows and B the columns of every expert."""
    stem = module.removesuffix(".base_layer").replace(".mlp.experts", ".block_sparse_moe.experts")
    count = sum(f"{stem}.{e}.w1.weight" in weights for e in range(64))
    a = t["lora_A"].reshape(count, -1, t["lora_A"].shape[1])
    b = t["lora_B"].reshape(len(t["lora_B"]), -1, count)
    change = scale * torch.einsum("ore,eri->eoi", b, a)
    if len(weights[f"{stem}.0.w2.weight"]) == change.shape[1]:
        return {f"{stem}.{e}.w2.weight": change[e] for e in range(count)}
    half = change.shape[1] // 2
    return {f"{stem}.{e}.{w}.weight": change[e, at:at + half]
            for e in range(count) for w, at in (("w1", 0), ("w3", half))}


def low_rank(config, folder, weights):
    result = {}
    for module, t in by_module(folder).items():
        scale = scale_of(config, module)
        if module.endswith((".experts", ".experts.base_layer")):
            result.update(experts(module, t, scale, weights))
            continue
        twice = ".base_layer.out_proj" in module  # PEFT adds this one twice
        name = module.replace(".base_layer.", ".") + ".weight"
        if name not in weights:
            name = f"{module}.in_proj_weight"
        rank_zero = "lora_A" in t and not t["lora_A"].numel()
        tied = name not in weights  # the same change as the embedding's
        if rank_zero or tied:
            continue
        change = (2 if twice else 1) * scale * product(t, weights[name].shape, config)
        if "lora_magnitude_vector" in t:
            change = dora(weights[name], change, t["lora_magnitude_vector"])
        result[name] = change
        if "lora_B.bias" in t:
            result[f"{module}.bias"] = scale * t["lora_B.bias"]
    return result


def ia3(config, folder, weights):
    result = {}
    for module, t in by_module(folder).items():
        weight, step = weights[f"{module}.weight"], t["ia3_l"].flatten() - 1
        inputs = get_pattern_key(config["feedforward_modules"], module) in config["feedforward_modules"] and (
            module.endswith(tuple(config["feedforward_modules"])))
        if inputs:
            step = step.repeat_interleave(weight.shape[1] // len(step))  # a kernel's places of one channel
        result[f"{module}.weight"] = weight * (step[None, :] if inputs else step[:, None])
        if f"{module}.bias" in weights and not inputs:
            result[f"{module}.bias"] = weights[f"{module}.bias"] * step
    return result


def neighbour(config, folder, weights):
    """Sums: the formula with W = 0. Others: the formula with 3 W, which rounds in other places."""
    result, (_, modules, _) = {}, read_adapter(folder)
    method = METHODS[config["peft_type"]]
    added = config["peft_type"] in ADDED or (config["peft_type"] == "MISS" and config["init_weights"] != "bat")
    for module, t in modules.items():
        for name in [f"{module}.weight", *([f"{module}.bias"] if config["peft_type"] == "ROAD" else [])]:
            weight = weights[name].reshape(len(weights[name]), -1)
            if added or config["peft_type"] == "MISS":
                change = method(torch.zeros_like(weight), t, config, module)
            if config["peft_type"] == "MISS" and not added:
                change = (method(3 * weight, t, config, module) - change) / 3 + change - weight
            elif not added:
                change = method(3 * weight, t, config, module) / 3 - weight
            result[name] = change.reshape(weights[name].shape)
    return result


def direct(case, weights):
    """Target -> its change, for the targets that have a formula here; `weights` are logical ones."""
    folder = PEFT / case
    config = json.loads((folder / "adapter_config.json").read_text())
    if config["peft_type"] in METHODS:
        return neighbour(config, folder, weights)
    if config["peft_type"] == "IA3":
        return ia3(config, folder, weights)
    if config["peft_type"] in ("LORA", "ADALORA"):
        return low_rank(config, folder, weights)
    return {}
