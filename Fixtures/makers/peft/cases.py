"""The table of adapter cases. A new entry changes no other case's files."""

from makers.common import normal, stored_tensors

import json

import torch
from peft import (
    AdaLoraConfig, BdLoraConfig, BeftConfig, CartridgeConfig, CPTConfig, IA3Config, LNTuningConfig, LoraConfig, PrefixTuningConfig, PromptEncoderConfig,
    PromptTuningConfig, TrainableTokensConfig)
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from makers.peft.bases import load_base

CAUSAL, SEQ2SEQ, SEQ_CLS = "CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS"


def case(name, base, kind, **options):
    """Options of the writer by their names below; every other option is a field of the PEFT config."""
    entry = {
        "name": name, "base": base,
        "runtime": False,  # the adapter cannot be merged into weights
        "dtype": torch.float32,  # of the LoRA matrices in the file
        "load": None,  # makes the model, if not load_base(base)
        "after": None,  # acts on the filled model before it is saved
        "save": {},  # arguments of save_pretrained
        "edit_config": {}, "edit_keys": None,  # changes to PEFT's files at the end
        "same_as": None,  # the case that has this one's results
        "effective": kind is AdaLoraConfig,  # write effective.json
        "reference": None,  # makes the reference where PEFT's merge cannot
        "raw": False,  # also write the encoder's own weights
        "answered": True,  # write logits.safetensors
        "tokens": [],  # ids that the inputs must contain
    }
    entry.update({k: options.pop(k) for k in list(options) if k in entry})
    if base not in ("tiny-conv", "tiny-mha"):
        options.setdefault("task_type", SEQ2SEQ if base == "tiny-t5" else CAUSAL)
    entry["config"] = (kind, options)
    return entry


def lora(name, base, **options):
    return case(name, base, LoraConfig, **options)


def ia3(name, base, **options):
    return case(name, base, IA3Config, **options)


def soft(name, base, kind, **options):
    return case(name, base, kind, runtime=True, **options)


def larger_llama():
    """Three new tokens, as after resize_token_embeddings."""
    model = load_base("tiny-llama-16")
    model.resize_token_embeddings(43, mean_resizing=False)
    for layer in (model.model.embed_tokens, model.lm_head):
        layer.weight.data[40:] = normal(f"larger {layer}", (3, 16), 0.1).float()
    return model


def count_batches(model):
    """What training does to the buffers of a batch norm."""
    norm = model.base_model.model.norm.modules_to_save["default"]
    norm.num_batches_tracked.fill_(23)
    norm.running_mean.copy_(normal("running_mean", norm.running_mean.shape, 0.1))
    norm.running_var.copy_(normal("running_var", norm.running_var.shape, 0.1, mean=1.2))


def tie(model):
    """In training the head's matrices are the embedding's, transposed."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    head.lora_A["default"].weight.data = embedding.lora_embedding_B["default"].data.T
    head.lora_B["default"].weight.data = embedding.lora_embedding_A["default"].data.T


def formula(*modules):
    """A reference without PEFT's merge: W + scaling * B A of each module (its whole name, or the end of it)."""
    def reference(entry, folder):
        adapter = load_file(folder / "adapter_model.safetensors")
        stored = stored_tensors(entry["base"])
        config = json.loads((folder / "adapter_config.json").read_text())
        result = {}
        for name in [k.removesuffix(".weight") for k in stored if k.removesuffix(".weight").endswith(modules)]:
            t = {k: v.double() for k, v in adapter.items() if k.startswith(f"base_model.model.{name}.")}
            t = {k.removeprefix(f"base_model.model.{name}."): v for k, v in t.items()}
            w = stored[f"{name}.weight"].double()
            if "lora_embedding_A" in t:
                delta = (t["lora_embedding_B"] @ t["lora_embedding_A"]).T
            else:
                delta = (t["lora_B.weight"].flatten(1) @ t["lora_A.weight"].flatten(1)).reshape(w.shape)
            result[f"{name}.weight"] = w + config["lora_alpha"] / config["r"] * delta
        return load_base(entry["base"]), result

    return reference


def prune(kept):
    """AdaLoRA's state after its last step: ranks that are not kept are masked. Ends of module names -> kept ranks."""
    def after(model):
        pattern = {}
        for name, p in model.base_model.model.named_parameters():
            if name.endswith("lora_E.default"):
                ranks = next((v for k, v in kept.items() if name.endswith(f".{k}.lora_E.default")), range(len(p)))
                mask = [i in ranks for i in range(len(p))]
                p.data *= torch.tensor(mask).unsqueeze(1)
                pattern[name] = mask
        model.peft_config["default"].rank_pattern = pattern

    return after


ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LINEARS = ATTENTION + ["gate_proj", "up_proj", "down_proj"]


def plain_lora(name, base, **options):
    """A case without logits.safetensors."""
    return lora(name, base, answered=False, effective=True, save=dict(save_embedding_layers=False), **options)


PLAIN_LORA_CASES = [
    plain_lora("gpt2_default", "tiny-gpt2", r=8, lora_alpha=32),
    plain_lora("gpt2_all", "tiny-gpt2",
        r=4, lora_alpha=8, target_modules=["c_attn", "c_fc", "c_proj"], fan_in_fan_out=True),
    plain_lora("llama_all", "tiny-llama", r=8, lora_alpha=16, target_modules=LINEARS),
    plain_lora("llama_bf16", "tiny-llama",
        r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], dtype=torch.bfloat16),
    plain_lora("llama_f16", "tiny-llama-f16", r=8, lora_alpha=16, target_modules=LINEARS, dtype=torch.float16),
    plain_lora("llama_rslora", "tiny-llama-f32",
        r=8, lora_alpha=16, use_rslora=True, target_modules=ATTENTION),
    plain_lora("llama_patterns", "tiny-llama-f32",
        r=4, lora_alpha=8, target_modules=LINEARS,
        rank_pattern={
            r"layers\.[01]\.mlp\.(up|down)_proj": 3,
            "^model.layers.0.self_attn.q_proj": 5,
            "q_proj": 6,
            "self_attn.q_proj": 7,  # never used: "q_proj" comes first
            "mlp.up_proj": 9,  # never used: the first key covers it
            "layers.1.self_attn.v_proj": 2,
            "v_proj": 10,
        },
        alpha_pattern={
            "down_proj": 9,
            r"layers\.1\.mlp\.(gate|up|down)_proj": 24,
            "^model.layers.1.self_attn.q_proj": 5,
            r"model\.layers\.\d+\.self_attn\.[kv]_proj": 12.5,
            "o_proj": 1,
        }),
    plain_lora("llama_rslora_patterns", "tiny-llama-f32",
        r=8, lora_alpha=16, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={r"^model\.layers\.1\..*": 3, "down_proj": 5},
        alpha_pattern={"v_proj": 7, "layers.0.mlp.down_proj": 11}),
    plain_lora("llama_subset", "tiny-llama-f32",
        r=4, lora_alpha=8, target_modules=LINEARS, layers_to_transform=[1],
        exclude_modules=["k_proj", "o_proj", "mlp.gate_proj"]),
    plain_lora("llama_regex", "tiny-llama-f32",
        r=4, lora_alpha=8, target_modules=r".*\.(self_attn\.[qv]_proj|mlp\.up_proj)",
        exclude_modules=r".*\.0\.mlp\..*"),
    plain_lora("llama_f64", "tiny-llama-f32", r=8, lora_alpha=16, target_modules=["q_proj"], dtype=torch.float64),
]

IA3_CASES = [
    ia3("gpt2_ia3", "tiny-bias"),
    ia3("bloom_ia3", "tiny-bloom"),
    ia3("llama_ia3", "tiny-llama-16", feedforward_modules=["layers.0.mlp.down_proj"],
        target_modules=["layers.0.self_attn.k_proj", "layers.0.self_attn.v_proj", "layers.0.mlp.down_proj"]),
    ia3("t5_ia3", "tiny-t5"),
    ia3("conv_ia3", "tiny-conv", target_modules=["conv2d", "point", "conv3d"], feedforward_modules=["point"]),
]

SOFT_CASES = [
    soft("gpt2_prompt", "tiny-gpt2-16", PromptTuningConfig, num_virtual_tokens=3),
    soft("llama_prompt_text", "tiny-llama-16", PromptTuningConfig, num_virtual_tokens=4, edit_config=dict(
        prompt_tuning_init="TEXT", prompt_tuning_init_text="Answer briefly:", tokenizer_name_or_path="fixtures/tiny-llama-16")),
    soft("t5_prompt", "tiny-t5", PromptTuningConfig, num_virtual_tokens=3),
    soft("gpt2_cpt", "tiny-gpt2-16", CPTConfig, cpt_token_ids=[5, 1, 9, 3], cpt_tokens_type_mask=[1, 2, 2, 3]),
    soft("gpt2_p_mlp", "tiny-gpt2-16", PromptEncoderConfig, num_virtual_tokens=3, encoder_hidden_size=12, raw=True),
    soft("gpt2_p_lstm", "tiny-gpt2-16", PromptEncoderConfig, num_virtual_tokens=3, encoder_hidden_size=4,
         encoder_reparameterization_type="LSTM", encoder_num_layers=2, encoder_dropout=0.0, raw=True),
    soft("gpt2_prefix", "tiny-gpt2-16", PrefixTuningConfig, num_virtual_tokens=3),
    soft("gpt2_prefix_mlp", "tiny-gpt2-16", PrefixTuningConfig, num_virtual_tokens=3, prefix_projection=True,
         encoder_hidden_size=12, raw=True),
    soft("llama_prefix", "tiny-llama-16", PrefixTuningConfig, num_virtual_tokens=3),
    soft("t5_prefix", "tiny-t5", PrefixTuningConfig, num_virtual_tokens=3),
    soft("bloom_prefix", "tiny-bloom", PrefixTuningConfig, num_virtual_tokens=3),
    soft("llama_cartridge", "tiny-llama-16", CartridgeConfig, num_virtual_tokens=4, num_frozen_tokens=1),
]

Q0, K0, DOWN0 = "layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj", "layers.0.mlp.down_proj"
ATTN0, PROJ0 = "h.0.attn.c_attn", "h.0.attn.c_proj"  # the second is square

DORA_CASES = [
    lora("llama_dora", "tiny-llama-16", r=2, lora_alpha=6, use_dora=True, target_modules=[Q0, K0]),
    lora("llama_dora_bf16", "tiny-llama", r=2, lora_alpha=4, use_dora=True, target_modules=[K0]),
    lora("gpt2_dora", "tiny-gpt2-16", r=3, lora_alpha=6, use_dora=True, target_modules=[ATTN0, PROJ0]),
    lora("llama_dora_embed", "tiny-llama-16", r=2, lora_alpha=4, use_dora=True, target_modules=["embed_tokens"]),
    lora("conv_dora", "tiny-conv", r=2, lora_alpha=4, use_dora=True, target_modules=["conv2d", "conv1d"]),
]

EMBEDDING_CASES = [
    lora("llama_embed", "tiny-llama-16", r=2, lora_alpha=4, target_modules=["embed_tokens"]),
    lora("llama_head", "tiny-llama-16", r=2, lora_alpha=4, target_modules=["lm_head"]),
    lora("llama_tied", "tiny-llama-16-tied", r=2, lora_alpha=4, target_modules=["embed_tokens", "lm_head", Q0],
         ensure_weight_tying=True, after=tie, reference=formula("model.embed_tokens", Q0)),
    lora("llama_resized", "tiny-llama-16", r=2, lora_alpha=4, target_modules=[Q0], load=larger_llama, tokens=[41, 42],
         save=dict(save_embedding_layers=True)),
]

SAVED = dict(r=2, lora_alpha=4, target_modules=[Q0], modules_to_save=["lm_head"])

EXTRA_CASES = [
    lora("gpt2_lora_bias", "tiny-gpt2-16", r=2, lora_alpha=6, target_modules=[PROJ0], lora_bias=True),
    lora("gpt2_bias_all", "tiny-gpt2-16", r=2, lora_alpha=4, target_modules=[PROJ0], bias="all"),
    lora("gpt2_bias_lora_only", "tiny-gpt2-16", r=2, lora_alpha=4, target_modules=[PROJ0], bias="lora_only"),
    lora("llama_saved_head", "tiny-llama-16", **SAVED),
    lora("llama_saved_head_key_default", "tiny-llama-16", **SAVED, same_as="llama_saved_head",
         edit_keys=lambda k: k.replace("lm_head.weight", "lm_head.modules_to_save.default.weight")),
    lora("llama_saved_head_key_plain", "tiny-llama-16", **SAVED, same_as="llama_saved_head",
         edit_keys=lambda k: k.replace("lm_head.weight", "lm_head.modules_to_save.weight")),
    lora("gpt2_seq_cls", "tiny-gpt2-16", r=2, lora_alpha=4, target_modules=[PROJ0], task_type=SEQ_CLS,
         load=lambda: load_base("tiny-gpt2-16", AutoModelForSequenceClassification, num_labels=3)),
    lora("conv_saved_norm", "tiny-conv", r=2, lora_alpha=4, target_modules=["head"], modules_to_save=["norm"],
         after=count_batches),
    lora("llama_tokens", "tiny-llama-16", r=2, lora_alpha=4, target_modules=[Q0],
         trainable_token_indices=[17, 3, 29], tokens=[3, 29, 17]),
    lora("llama_tokens_tied", "tiny-llama-16-tied", r=2, lora_alpha=4, target_modules=[Q0],
         trainable_token_indices={"embed_tokens": [8, 2]}, tokens=[2, 8]),
    lora("llama_bdlora", "tiny-llama-16", r=4, lora_alpha=8, target_modules=[K0, "layers.0.self_attn.o_proj"],
         use_bdlora=BdLoraConfig(target_modules_bd_a=["o_proj"], target_modules_bd_b=["k_proj"], nblocks=2)),
]

LAYOUT_CASES = [
    lora("conv_lora", "tiny-conv", r=2, lora_alpha=4, target_modules=["conv1d", "conv2d", "point", "conv3d"]),
    lora("conv_lora_flat", "tiny-conv", r=2, lora_alpha=4, target_modules=["conv3d_flat"],
         reference=formula("conv3d_flat")),
    lora("mha_lora", "tiny-mha", r=2, lora_alpha=4, target_modules=["attn", "head"]),
    lora("mixtral_experts", "tiny-mixtral", r=2, lora_alpha=4, target_modules=[],
         target_parameters=["mlp.experts.down_proj", "mlp.experts.gate_up_proj"]),
    lora("mixtral_down", "tiny-mixtral", r=2, lora_alpha=6, target_modules=["k_proj"],
         target_parameters=["mlp.experts.down_proj"]),
    lora("llama_parameters", "tiny-llama-16", r=2, lora_alpha=4, target_modules=[],
         target_parameters=["layers.0.self_attn.k_proj.weight", "layers.1.self_attn.v_proj.weight"]),
]

ADALORA = dict(init_r=4, target_r=2, total_step=100, lora_alpha=3)

OTHER_CASES = [
    case("gpt2_adalora", "tiny-gpt2-16", AdaLoraConfig, **ADALORA, target_modules=[ATTN0, PROJ0],
         after=prune({ATTN0: [0, 2, 3], PROJ0: []})),
    case("llama_adalora", "tiny-llama-16", AdaLoraConfig, **ADALORA, target_modules=[Q0, DOWN0, K0],
         after=prune({Q0: [0, 1, 2, 3], DOWN0: [3], K0: []})),
    case("bloom_beft", "tiny-bloom", BeftConfig, target_modules=["query_key_value", "dense_h_to_4h"]),
    case("gpt2_ln", "tiny-gpt2-16", LNTuningConfig),
    case("llama_trainable_tokens", "tiny-llama-16", TrainableTokensConfig, token_indices=[21, 4, 30], tokens=[30, 4]),
]

CASES = (
    PLAIN_LORA_CASES + IA3_CASES + SOFT_CASES + DORA_CASES + EMBEDDING_CASES + EXTRA_CASES + LAYOUT_CASES + OTHER_CASES)
