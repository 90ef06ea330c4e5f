"""Small models of every family with random weights, adapters that PEFT makes for them, and what these make of the weights.

Import this module before torch: it keeps the hub offline.
"""

from scanning import configuration, vocabulary

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper
from transformers import PreTrainedConfig

SIZES = (
    (16, "hidden_size d_model n_embd dim embed_dim embedding_size word_embed_proj_dim encoder_hidden_dim "
         "decoder_hidden_size output_hidden_size out_hidden_size projection_dim text_hidden_size audio_hidden_size "
         "q_lora_rank kv_lora_rank classifier_proj_size mm_hidden_size d_embed vision_hidden_size hidden_dim "
         "conv_dim lm_hidden_size"),
    (32, "intermediate_size ffn_dim encoder_ffn_dim decoder_ffn_dim d_ff n_inner ffn_hidden_size feed_forward_size "
         "moe_intermediate_size shared_expert_intermediate_size block_ff_dim expert_hidden_size"),
    (2, "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_decoder_layers depth "
        "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads "
        "num_key_value_heads num_kv_heads num_experts_per_tok moe_k top_k num_encoder_layers"),
    (8, "head_dim d_kv qk_nope_head_dim qk_rope_head_dim v_head_dim attention_head_dim"),
    (4, "num_experts num_local_experts n_routed_experts moe_num_experts patch_size temporal_patch_size"),
    (1, "first_k_dense_replace n_group topk_group n_shared_experts num_nextn_predict_layers"),
    (64, "max_position_embeddings n_positions max_target_positions max_source_positions"),
    (96, "vocab_size decoder_vocab_size"),
    (16, "image_size"),
)


def shrink(config, seen=None):
    """Makes a configuration, and those in it, small."""
    seen = set() if seen is None else seen
    if id(config) in seen:
        return
    seen.add(id(config))
    for size, names in SIZES:
        for name in names.split():
            value = getattr(config, name, None)
            if type(value) is int and value > size:
                try:
                    setattr(config, name, size)
                except Exception:
                    pass
    for name, value in list(vars(config).items()):
        if name in ("layer_types", "mlp_layer_types", "layers_block_type") and isinstance(value, list):
            setattr(config, name, value[:2])
        if name.endswith("_token_id") and type(value) is int and value >= 96:
            setattr(config, name, 3)
        if isinstance(value, PreTrainedConfig):
            shrink(value, seen)


def plain(name):
    parts = name.removeprefix("base_model.model.").split(".")
    return ".".join(part for part in parts if part != "base_layer")


def expected(model):
    """Every parameter under every name, as PEFT's layers compute with it."""
    values = {}
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, module in modules.items():
        if isinstance(module, ModulesToSaveWrapper):
            for part, value in module.modules_to_save["default"].state_dict().items():
                values[f"{plain(name)}.{part}"] = value.clone()
    for name, value in model.state_dict().items():
        if any(part in name for part in (".lora_", "modules_to_save", "original_module")):
            continue
        values.setdefault(plain(name), value.clone())
    for name, module in modules.items():
        if isinstance(module, BaseTunerLayer) and hasattr(module, "get_delta_weight"):
            if "default" not in (*module.lora_A, *module.lora_embedding_A):
                continue
            key = f"{plain(name)}.{getattr(module, 'parameter_name', 'weight')}"
            values[key] = values[key] + module.get_delta_weight("default")
    return values


def small_configuration(model_type, ties=None):
    config = configuration(model_type, ties=ties)
    shrink(config)
    return config


def kinds_of(model):
    """What is trained: a name, and the fields of a configuration."""
    input_name, output_name = vocabulary(model)
    yield "linear", {"target_modules": "all-linear"}
    for kind, name in (("embeddings", input_name), ("head", output_name)):
        if name:
            yield f"LoRA on {kind}", {"target_modules": [name]}
            yield f"{kind} saved", {"target_modules": ["nothing_else"], "modules_to_save": [name]}


def filled(model):
    """The model with values where it has zeros or ones, as a trained one has."""
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.02)
    return model


def adapted(model, fields):
    """The model with an adapter that is as if it had been trained."""
    torch.manual_seed(0)
    if fields["target_modules"] == ["nothing_else"]:
        linear = [name for name, each in model.named_modules() if isinstance(each, torch.nn.Linear) and any(
            part.isdigit() for part in name.split("."))]
        fields = {**fields, "target_modules": linear[:1]}
    adapter = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, init_lora_weights=False, **fields))
    with torch.no_grad():
        for name, value in adapter.named_parameters():
            if "modules_to_save" in name:
                value.add_(torch.randn_like(value) * 0.1)
    return adapter
