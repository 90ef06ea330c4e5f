"""Adapters that cannot be applied to a plain base from their two files: a reader must refuse them."""

from makers.common import FIXTURES, edit_json, fresh_folder, save_json, save_tensors

import torch
from peft import (
    AdaptionPromptConfig, KasaConfig, LoraConfig, OFTConfig, PolyConfig, UniLoraConfig, VeraConfig, get_peft_model)
from safetensors.torch import load_file
from torch import nn

from makers.peft.bases import fill_base, load_base
from makers.peft.write import fill_lora

REFUSED = FIXTURES / "refused"
Q0 = "layers.0.self_attn.q_proj"


class GroupedNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, groups=2)

    def forward(self, x):
        return self.conv(x)


GroupedNet.__module__ = "peft_refused"  # as in bases.py


def grouped_net():
    net = GroupedNet()
    fill_base(net)
    net.name_or_path = "fixtures/grouped"
    return net.float()


def llama():
    return load_base("tiny-llama-16")


def conv():
    return load_base("tiny-conv")


def lora(target=Q0, **fields):
    return LoraConfig(r=2, lora_alpha=4, target_modules=[target], **fields)


def flatten_a(tensors):
    """What is saved when the parts of a sharded parameter were not gathered."""
    return {k: v.flatten()[: v.numel() // 2] if "lora_A" in k else v for k, v in tensors.items()}


def case(model, config, mentions, edit=None, tensors=None):
    return {"model": model, "config": config, "mentions": mentions, "edit": edit, "tensors": tensors}


# name -> base, PEFT config, words of the error, changes to PEFT's files where PEFT cannot write such an adapter here
CASES = {
    "pissa": case(llama, lambda: lora(init_lora_weights="pissa"), ["pissa"]),
    "olora": case(llama, lambda: lora(init_lora_weights="olora"), ["olora"]),
    "alora": case(llama, lambda: lora(alora_invocation_tokens=[5, 6], task_type="CAUSAL_LM"), ["alora"]),
    "layer_replication": case(llama, lambda: lora(layer_replication=[[0, 2], [0, 2]]), ["layer_replication"]),
    "kasa": case(llama, lambda: lora(kasa_config=KasaConfig()), ["kasa"]),
    "loftq": case(llama, lora, ["loftq"], edit=dict(
        init_lora_weights="loftq", loftq_config={"loftq_bits": 4, "loftq_iter": 1})),
    "lora_ga": case(llama, lora, ["lora_ga"], edit=dict(init_lora_weights="lora_ga", lora_ga_config={
        "direction": "ArB2r", "scale": "stable", "stable_gamma": 16})),
    "corda": case(llama, lora, ["corda"], edit=dict(init_lora_weights="corda", corda_config={
        "cache_file": None, "corda_method": "ipm", "covariance_file": None, "prune_temporary_fields": True,
        "use_float16_for_covariance": False, "verbose": False})),
    "grouped_conv": case(grouped_net, lambda: lora("conv"), ["group"]),
    "sharded": case(llama, lora, ["lora_A"], tensors=flatten_a),
    "poly": case(llama, lambda: PolyConfig(r=2, n_tasks=2, n_skills=2, target_modules=[Q0]), ["poly"]),
    "adaption_prompt": case(llama, lambda: AdaptionPromptConfig(
        adapter_len=2, adapter_layers=1, task_type="CAUSAL_LM"), ["adaption_prompt"]),
    "vera_no_projection": case(llama, lambda: VeraConfig(
        r=2, target_modules=[Q0], save_projection=False), ["save_projection"]),
    "unilora": case(llama, lambda: UniLoraConfig(r=2, theta_d_length=16, target_modules=[Q0]), ["unilora"]),
    "oft_conv": case(conv, lambda: OFTConfig(r=0, oft_block_size=3, target_modules=["conv2d"]), ["conv"]),
}


def make_refused(name):
    entry = CASES[name]
    folder = fresh_folder(REFUSED / name)
    torch.manual_seed(0)
    model = get_peft_model(entry["model"](), entry["config"]())
    if isinstance(model.active_peft_config, LoraConfig):
        fill_lora(model, name, torch.float32)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    if entry["edit"]:
        edit_json(folder / "adapter_config.json", **entry["edit"])
    if entry["tensors"]:
        path = folder / "adapter_model.safetensors"
        save_tensors(entry["tensors"](load_file(path)), path)
    save_json({name: {"mentions": entry["mentions"]} for name, entry in CASES.items()}, REFUSED / "expected.json")
    print("refused", name)
