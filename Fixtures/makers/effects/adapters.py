"""Adapters for tiny-llama that are, or are not, the same change as `plain`; each saved by PEFT itself."""

from makers.common import WEIGHT_STD, fresh_folder, normal, stored_tensors

import json
import struct

import torch
from peft import (
    AdaLoraConfig, IA3Config, LoHaConfig, LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model)
from safetensors.torch import load

from makers.peft.bases import load_base

BASE, CAUSAL = "tiny-llama", "CAUSAL_LM"
Q0, Q1, V1 = "layers.0.self_attn.q_proj", "layers.1.self_attn.q_proj", "layers.1.self_attn.v_proj"
TARGETS = {f"model.{m}.weight": shape for m, shape in ((Q0, (32, 32)), (Q1, (32, 32)), (V1, (16, 32)))}
R, ALPHA = 8, 16
FACTOR_STD = 0.07
NEAR = 0.01  # how far a `near` adapter is from its neighbour, in one module or vector


# ---------------------------------------------------------------- weight -> (A, B), in float64


def factors(seed):
    return {m: (normal(f"{seed} {m} A", (R, shape[1]), FACTOR_STD).float().double(),
                normal(f"{seed} {m} B", (shape[0], R), FACTOR_STD).float().double()) for m, shape in TARGETS.items()}


def each(change):
    """plain's factors, changed in every module."""
    return {m: change(m, a, b) for m, (a, b) in factors("plain").items()}


def with_zeros(m, a, b):
    """Four more ranks: B is zero in two of them, as in a fresh LoRA, and A in the others."""
    more_a = normal(f"wider {m} A", (4, a.shape[1]), FACTOR_STD)
    more_b = normal(f"wider {m} B", (len(b), 4), FACTOR_STD)
    more_a[2:], more_b[:, :2] = 0, 0
    return torch.cat([a, more_a]), torch.cat([b, more_b], 1)


def turned(m, a, b):
    """B Q and Qᵀ A, where Q [8, 12] has orthonormal rows."""
    q = torch.linalg.qr(normal(f"turned {m}", (R + 4, R), 1.0))[0].T
    return q.T @ a, b @ q


def near(m, a, b):
    step = normal(f"near {m}", b.shape, 1.0)
    share = NEAR * (b @ a).norm() / (step @ a).norm() if Q0 in m else 0
    return a, b + share * step


def bf16(m, a, b):
    return a.bfloat16().double(), b.bfloat16().double()


# ---------------------------------------------------------------- PEFT's models, filled


def parameters(model):
    """Trained parameters by the end of their name: what follows the last `model.`"""
    return {n.rsplit("base_model.model.", 1)[-1]: p for n, p in model.named_parameters() if p.requires_grad}


def lora(pairs, dtype=torch.float32, **fields):
    modules = [m.removeprefix("model.").removesuffix(".weight") for m in pairs]
    options = {"r": R, "lora_alpha": ALPHA, "target_modules": modules, "task_type": CAUSAL, **fields}
    model = get_peft_model(load_base(BASE), LoraConfig(**options))
    trained, weights = parameters(model), stored_tensors(BASE)
    for m, (a, b) in pairs.items():
        stem = m.removesuffix(".weight")
        trained[f"{stem}.lora_A.default.weight"].data = a.to(dtype)
        trained[f"{stem}.lora_B.default.weight"].data = b.to(dtype)
        if fields.get("use_dora"):
            magnitude = weights[m].double().norm(dim=1)
            trained[f"{stem}.lora_magnitude_vector.default.weight"].data = magnitude.float()
    return model


def adalora():
    """plain's change: A of every rank divided by a number, that number in E, and PEFT's 1e-5 made good."""
    config = AdaLoraConfig(init_r=R, target_r=R // 2, total_step=100, lora_alpha=ALPHA, task_type=CAUSAL,
                           target_modules=[m.removeprefix("model.").removesuffix(".weight") for m in TARGETS])
    model = get_peft_model(load_base(BASE), config)
    trained = parameters(model)
    pattern = {}
    for m, (a, b) in factors("plain").items():
        stem = m.removesuffix(".weight")
        share = normal(f"adalora {m}", (R, 1), 0.3, mean=1.0)
        trained[f"{stem}.lora_A.default"].data = (a / share).float()
        trained[f"{stem}.lora_B.default"].data = b.float()
        trained[f"{stem}.lora_E.default"].data = (share * (ALPHA / R) * (R + 1e-5) / ALPHA).float()
        pattern[f"{stem}.lora_E.default"] = [True] * R
    model.peft_config["default"].rank_pattern = pattern
    return model


def loha():
    config = LoHaConfig(r=2, alpha=4, task_type=CAUSAL,
                        target_modules=[m.removeprefix("model.").removesuffix(".weight") for m in TARGETS])
    model = get_peft_model(load_base(BASE), config)
    for name, p in parameters(model).items():
        p.data = normal(f"loha {name}", p.shape, 0.25).float()
    return model


def ia3(step):
    model = get_peft_model(load_base(BASE), IA3Config(task_type=CAUSAL))
    for name, p in parameters(model).items():
        v = normal(f"ia3 {name}", p.shape, 0.3, mean=1.0)
        direction = normal(f"ia3 near {name}", p.shape, 1.0)
        if "layers.1.self_attn.v_proj" in name:
            v = v + step * (v - 1).norm() / direction.norm() * direction
        p.data = v.float()
    return model


def soft(config, change):
    model = get_peft_model(load_base(BASE), config)
    (name, p), = parameters(model).items()
    p.data = change(normal(f"soft {type(config).__name__}", p.shape, WEIGHT_STD)).float()
    return model


def prompt(change=lambda rows: rows):
    return soft(PromptTuningConfig(num_virtual_tokens=4, task_type=CAUSAL), change)


def prefix(change=lambda rows: rows):
    return soft(PrefixTuningConfig(num_virtual_tokens=3, task_type=CAUSAL), change)


def one_token(rows):
    """Token 2 moves by 3/32 in two coordinates each."""
    rows[2, [5, 17]] += torch.tensor([3 / 32, -3 / 32], dtype=rows.dtype)
    return rows


def one_layer(rows):
    """A row has layer 0's key and value, then layer 1's, of 16 numbers: token 1 gets another key in layer 1."""
    rows[1, 2 * 16:3 * 16] += 1 / 16
    return rows


# name -> (what it is, the model)
ADAPTERS = {
    "plain": ("LoRA, r 8, alpha 16, fp32", lambda: lora(factors("plain"))),
    "rescaled_3": ("3 A and B / 3", lambda: lora(each(lambda m, a, b: (3 * a, b / 3)))),
    "rescaled_4": ("4 A and B / 4: exact", lambda: lora(each(lambda m, a, b: (4 * a, b / 4)))),
    "rslora": ("use_rslora, alpha 2 sqrt(8)", lambda: lora(factors("plain"), use_rslora=True, lora_alpha=2 * R**0.5)),
    "wider_zeros": ("r 12, alpha 24: four ranks have a zero factor",
                    lambda: lora(each(with_zeros), r=12, lora_alpha=24)),
    "wider_turned": ("r 12, alpha 24: B Q and Q^T A", lambda: lora(each(turned), r=12, lora_alpha=24)),
    "reordered": ("plain's tensors in another order, with other metadata", lambda: lora(factors("plain"))),
    "bf16_stored": ("plain rounded to bf16, stored so", lambda: lora(each(bf16), dtype=torch.bfloat16)),
    "bf16_widened": ("plain rounded to bf16, stored in fp32", lambda: lora(each(bf16))),
    "adalora": ("AdaLoRA with E so that the change is plain's", adalora),
    "near": ("1 % off in q_proj of layer 0", lambda: lora(each(near))),
    "other": ("another seed", lambda: lora(factors("other"))),
    "subset": ("without v_proj of layer 1", lambda: lora({m: f for m, f in factors("plain").items() if V1 not in m})),
    "doubled": ("alpha 32", lambda: lora(factors("plain"), lora_alpha=2 * ALPHA)),
    "dora": ("DoRA, the base's norms as magnitudes", lambda: lora(factors("plain"), use_dora=True)),
    "loha": ("LoHa, r 2", loha),
    "ia3": ("IA3 on k_proj, v_proj and down_proj", lambda: ia3(0)),
    "ia3_near": ("v_proj of layer 1 off by 1 % of v - 1", lambda: ia3(NEAR)),
    "prompt": ("prompt tuning, 4 tokens", prompt),
    "prompt_near": ("token 2 off", lambda: prompt(one_token)),
    "prefix": ("prefix tuning, 3 tokens", prefix),
    "prefix_near": ("keys of layer 1 off, of token 1", lambda: prefix(one_layer)),
}


def reorder(path):
    """The same file with its tensors from last to first, each after the one before, and more metadata."""
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    result, at, parts = {"__metadata__": {"note": "from last to first", "format": "pt"}}, 0, []
    for name in sorted(header, key=lambda k: header[k]["data_offsets"], reverse=True):
        first, last = header[name]["data_offsets"]
        parts.append(data[start + first:start + last])
        result[name] = {**header[name], "data_offsets": [at, at + last - first]}
        at += last - first
    text = json.dumps(result, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def make_adapters(folder):
    for name, (_, make) in ADAPTERS.items():
        torch.manual_seed(0)
        make().save_pretrained(fresh_folder(folder / name), save_embedding_layers=False)
        (folder / name / "README.md").unlink(missing_ok=True)
        if name == "reordered":
            path = folder / name / "adapter_model.safetensors"
            before = load(path.read_bytes())
            reorder(path)
            after = load(path.read_bytes())
            assert before.keys() == after.keys() and all(torch.equal(v, after[k]) for k, v in before.items())
