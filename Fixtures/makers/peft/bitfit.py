"""Fine-tuned copies of tiny-bias in which only the biases differ, as BitFit leaves them (no PEFT)."""

from makers.common import FIXTURES, fresh_folder, normal, save_json, save_tensors, stored_tensors

import torch

BITFIT = FIXTURES / "bitfit"
BLOCK = "transformer.h.0."


def small_steps(name, base):
    return base * (1 + normal(f"small {name}", base.shape, 1e-3))


def large_steps(name, base):
    return base + normal(f"large {name}", base.shape, 0.05)


def cancelling(name, base):
    """Results far smaller than the bias: the difference loses their last digits."""
    return base * normal(f"cancelling {name}", base.shape, 1e-5)


def zeros(name, base):
    return torch.zeros_like(base)


def signed_zero(name, base):
    """One -0, which no sum gives."""
    tuned = large_steps(name, base)
    tuned[1] = -0.0
    return tuned


def far_smaller(name, base):
    """One result that is lost even in a float64 difference."""
    tuned = large_steps(name, base)
    tuned[2] = 1e-30
    return tuned


def unchanged(name, base):
    return base


# name -> base, change of each bias
CASES = {
    "f32_small": ("tiny-bias", {
        "ln_1": small_steps, "attn.c_attn": small_steps, "attn.c_proj": small_steps, "ln_2": small_steps,
        "mlp.c_fc": small_steps, "mlp.c_proj": small_steps, "ln_f": small_steps}),
    "f32_large": ("tiny-bias", {
        "ln_1": large_steps, "attn.c_attn": large_steps, "attn.c_proj": zeros, "ln_2": signed_zero,
        "mlp.c_fc": cancelling, "mlp.c_proj": far_smaller, "ln_f": unchanged}),
    "f16": ("tiny-bias-f16", {
        "ln_1": small_steps, "attn.c_attn": large_steps, "attn.c_proj": zeros, "ln_2": signed_zero,
        "mlp.c_fc": cancelling, "mlp.c_proj": large_steps, "ln_f": unchanged}),
}


def make_bitfit(name):
    base, steps = CASES[name]
    stored = stored_tensors(base)
    tuned = dict(stored)
    for module, step in steps.items():
        key = f"transformer.{module}.bias" if module == "ln_f" else f"{BLOCK}{module}.bias"
        tuned[key] = step(key, stored[key].double()).to(stored[key].dtype)
    folder = fresh_folder(BITFIT / name)
    save_tensors(tuned, folder / "tuned.safetensors")
    changed = [k for k in tuned if tuned[k].numpy().tobytes() != stored[k].numpy().tobytes()]
    assert len(changed) == sum(step is not unchanged for step in steps.values())
    save_json({
        "base": base, "method": "bitfit", "effect": "merge",
        "changed": sorted(changed), "created": [], "resized": []}, folder / "case.json")
    print("bitfit", name, len(changed), "tensors")
