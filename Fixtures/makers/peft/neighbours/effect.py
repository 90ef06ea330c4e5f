"""What an adapter's two files make of a base, by the formulas."""

from makers.common import stored_tensors  # first: sets the hash seed

import json
import re

from safetensors.torch import load_file

from makers.peft.neighbours.cases import GPT2
from makers.peft.neighbours.formulas import METHODS

PART = re.compile(
    r"base_model\.model\.(.+)\.((?:hada|lokr|vera_lambda|pvera_lambda|oft|boft|hra|hira|shira|miss|c3a|road|gralora"
    r"|delora|fourierft|supertuning|vblora_logits|waveft)_.+)")
SHARED = re.compile(r"base_model\.(p?vera_[AB]|vblora_vector_bank)")


def read_adapter(folder):
    """config; the tensors of each module; tensors that replace one of the base."""
    config = json.loads((folder / "adapter_config.json").read_text())
    modules, shared, replaced = {}, {}, {}
    for key, value in load_file(folder / "adapter_model.safetensors").items():
        value = value.double() if value.is_floating_point() else value
        if part := PART.fullmatch(key):
            modules.setdefault(part[1], {})[part[2]] = value
        elif part := SHARED.fullmatch(key):
            shared[part[1]] = value
        else:
            replaced[key.removeprefix("base_model.model.").replace(".base_layer.", ".")] = value
    for tensors in modules.values():
        tensors.update(shared)
    return config, modules, replaced


def is_conv1d(base, module):
    """GPT-2's Conv1D stores its weight as [in, out]."""
    return base == GPT2 and module.endswith(("c_attn", "c_proj", "c_fc"))


def reference(base, folder):
    """The tensors that the adapter changes, in float64, by the formulas above."""
    config, modules, changed = read_adapter(folder)
    stored = {k: v.double() for k, v in stored_tensors(base).items() if v.is_floating_point()}
    stored.update(changed)
    method = METHODS[config["peft_type"]]
    for module, t in modules.items():
        name = f"{module}.weight"
        W = stored[name]
        if is_conv1d(base, module):
            changed[name] = method(W.T, t, config, module).T.contiguous()
        else:
            changed[name] = method(W.reshape(len(W), -1), t, config, module).reshape(W.shape).contiguous()
        if config["peft_type"] == "ROAD" and f"{module}.bias" in stored:
            changed[f"{module}.bias"] = method(stored[f"{module}.bias"][:, None], t, config, module)[:, 0].contiguous()
    return changed
