"""The table of cases of Fixtures/runtime. A new entry changes no other case's files."""

from peft import (
    AdaLoraConfig, IA3Config, LNTuningConfig, LoHaConfig, LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig)

from makers.peft.cases import prune

ROWS = 3  # of every prompt and prefix
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LINEARS = ATTENTION + ["gate_proj", "up_proj", "down_proj"]
FUSED = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]  # BLOOM's
PARTS = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]  # Phi-3's
CONV1D = ["c_attn", "c_fc", "c_proj"]  # GPT-2's


def adapter(name, base, kind, after=None, **fields):
    return {"name": name, "base": base, "form": "peft", "config": (kind, {"task_type": "CAUSAL_LM", **fields}), "after": after}


def lora(name, base, targets, **fields):
    return adapter(name, base, LoraConfig, **{"r": 4, "lora_alpha": 8, "target_modules": targets, **fields})


def dora(name, base, targets):
    return lora(name, base, targets, use_dora=True)


def ia3(name, base, targets, feedforward):
    return adapter(name, base, IA3Config, target_modules=targets + feedforward, feedforward_modules=feedforward)


def norms(name, base, targets):
    return adapter(name, base, LNTuningConfig, target_modules=targets)


def prompt(name, base):
    return adapter(name, base, PromptTuningConfig, num_virtual_tokens=ROWS)


def p_tuning(name, base, lstm=False):
    kind = dict(encoder_reparameterization_type="LSTM", encoder_num_layers=2) if lstm else {}
    return adapter(name, base, PromptEncoderConfig, num_virtual_tokens=ROWS, encoder_hidden_size=12, encoder_dropout=0.0, **kind)


def prefix(name, base, projected=False):
    projection = dict(prefix_projection=True, encoder_hidden_size=12) if projected else {}
    return adapter(name, base, PrefixTuningConfig, num_virtual_tokens=ROWS, **projection)


def plain(name, base):
    return {"name": name, "base": base, "form": "plain"}


def bitfit(name, base):
    return {"name": name, "base": base, "form": "bitfit"}


def combined(name, base, how, *parts):
    """Parts are pairs of a case and its weight."""
    return {"name": name, "base": base, "form": how, "parts": parts}


GPT2 = [
    plain("gpt2_none", "run-gpt2"),
    lora("gpt2_lora", "run-gpt2", CONV1D, fan_in_fan_out=True),
    lora("gpt2_bias_all", "run-gpt2", ["c_attn"], fan_in_fan_out=True, bias="all"),
    dora("gpt2_dora", "run-gpt2", ["c_attn", "mlp.c_proj"]),
    ia3("gpt2_ia3", "run-gpt2", ["c_attn"], ["mlp.c_proj"]),
    prompt("gpt2_prompt", "run-gpt2"),
    p_tuning("gpt2_p_mlp", "run-gpt2"),
    p_tuning("gpt2_p_lstm", "run-gpt2", lstm=True),
    prefix("gpt2_prefix", "run-gpt2"),
    prefix("gpt2_prefix_mlp", "run-gpt2", projected=True),
    bitfit("gpt2_bitfit", "run-gpt2"),
    combined("gpt2_lora_and_prompt", "run-gpt2", "below", ("gpt2_lora", 1.0), ("gpt2_prompt", 1.0)),
    combined("gpt2_lora_and_prefix", "run-gpt2", "below", ("gpt2_lora", 1.0), ("gpt2_prefix", 1.0)),
]

BLOOM = [
    plain("bloom_none", "run-bloom"),
    lora("bloom_lora", "run-bloom", FUSED, use_rslora=True),
    dora("bloom_dora", "run-bloom", ["query_key_value", "dense_4h_to_h"]),
    ia3("bloom_ia3", "run-bloom", ["query_key_value"], ["dense_4h_to_h"]),
    prompt("bloom_prompt", "run-bloom"),
    p_tuning("bloom_p_mlp", "run-bloom"),
    prefix("bloom_prefix", "run-bloom"),
    prefix("bloom_prefix_mlp", "run-bloom", projected=True),
    bitfit("bloom_bitfit", "run-bloom"),
    combined("bloom_lora_and_prefix", "run-bloom", "below", ("bloom_lora", 1.0), ("bloom_prefix", 1.0)),
    plain("bloom4_none", "run-bloom-4"),
    lora("bloom4_lora", "run-bloom-4", ["query_key_value"]),
    prefix("bloom4_prefix", "run-bloom-4"),
]

LLAMA = [
    plain("llama_none", "run-llama"),
    lora("llama_lora", "run-llama", LINEARS),
    lora("llama_rslora", "run-llama", ["q_proj", "v_proj", "down_proj"], use_rslora=True, rank_pattern={"down_proj": 3}),
    dora("llama_dora", "run-llama", LINEARS),
    ia3("llama_ia3", "run-llama", ["k_proj", "v_proj"], ["down_proj"]),
    adapter("llama_adalora", "run-llama", AdaLoraConfig, init_r=4, target_r=2, total_step=100, lora_alpha=8,
            target_modules=["q_proj", "v_proj", "up_proj"], after=prune({"layers.0.self_attn.q_proj": [1, 3]})),
    adapter("llama_loha", "run-llama", LoHaConfig, r=3, alpha=6, target_modules=["q_proj", "o_proj", "down_proj"]),
    prompt("llama_prompt", "run-llama"),
    p_tuning("llama_p_mlp", "run-llama"),
    p_tuning("llama_p_lstm", "run-llama", lstm=True),
    prefix("llama_prefix", "run-llama"),
    prefix("llama_prefix_mlp", "run-llama", projected=True),
    combined("llama_two_loras", "run-llama", "cat", ("llama_lora", 0.7), ("llama_rslora", -0.4)),
    combined("llama_lora_and_loha", "run-llama", "mixed", ("llama_lora", 1.0), ("llama_loha", 1.0)),
    combined("llama_lora_and_prompt", "run-llama", "below", ("llama_lora", 1.0), ("llama_prompt", 1.0)),
    combined("llama_lora_and_prefix", "run-llama", "below", ("llama_lora", 1.0), ("llama_prefix", 1.0)),
    plain("llama_wide_none", "run-llama-wide"),
    lora("llama_wide_lora", "run-llama-wide", ATTENTION),
    prefix("llama_wide_prefix", "run-llama-wide"),
    plain("llama3_none", "run-llama3"),
    lora("llama3_lora", "run-llama3", LINEARS),
    lora("llama3_tokens", "run-llama3", ["q_proj"], trainable_token_indices=[17, 3, 29]),
    prompt("llama3_prompt", "run-llama3"),
    prefix("llama3_prefix", "run-llama3"),
    plain("smol_none", "run-smol"),
    lora("smol_lora", "run-smol", ["q_proj", "v_proj"]),
    dora("smol_dora", "run-smol", ["q_proj", "down_proj"]),
    ia3("smol_ia3", "run-smol", ["k_proj", "v_proj"], ["down_proj"]),
    prompt("smol_prompt", "run-smol"),
    prefix("smol_prefix", "run-smol"),
]

QWEN2 = [
    plain("qwen2_none", "run-qwen2"),
    lora("qwen2_lora", "run-qwen2", LINEARS),
    lora("qwen2_bias_all", "run-qwen2", ["q_proj", "up_proj"], bias="all"),
    dora("qwen2_dora", "run-qwen2", ["q_proj", "k_proj", "up_proj"]),
    ia3("qwen2_ia3", "run-qwen2", ["k_proj", "v_proj"], ["down_proj"]),
    prompt("qwen2_prompt", "run-qwen2"),
    p_tuning("qwen2_p_mlp", "run-qwen2"),
    prefix("qwen2_prefix", "run-qwen2"),
    prefix("qwen2_prefix_mlp", "run-qwen2", projected=True),
    bitfit("qwen2_bitfit", "run-qwen2"),
]

WINDOWED = [
    plain("qwen2_window_none", "run-qwen2-window"),
    lora("qwen2_window_lora", "run-qwen2-window", LINEARS),
    plain("mistral_none", "run-mistral"),
    lora("mistral_lora", "run-mistral", LINEARS),
    dora("mistral_dora", "run-mistral", ["q_proj", "o_proj", "down_proj"]),
    ia3("mistral_ia3", "run-mistral", ["k_proj", "v_proj"], ["down_proj"]),
    prompt("mistral_prompt", "run-mistral"),
    prefix("mistral_prefix", "run-mistral"),
    plain("qwen3_none", "run-qwen3"),
    lora("qwen3_lora", "run-qwen3", LINEARS),
    dora("qwen3_dora", "run-qwen3", ["q_proj", "k_proj", "up_proj"]),
    norms("qwen3_norms", "run-qwen3", ["q_norm", "k_norm", "input_layernorm"]),
    prompt("qwen3_prompt", "run-qwen3"),
    prefix("qwen3_prefix", "run-qwen3"),
]

GEMMA = [
    plain("gemma2_none", "run-gemma2"),
    lora("gemma2_lora", "run-gemma2", LINEARS),
    dora("gemma2_dora", "run-gemma2", ["q_proj", "down_proj"]),
    norms("gemma2_norms", "run-gemma2", ["post_attention_layernorm", "pre_feedforward_layernorm"]),
    lora("gemma2_embed", "run-gemma2", ["embed_tokens", "v_proj"]),
    prompt("gemma2_prompt", "run-gemma2"),
    prefix("gemma2_prefix", "run-gemma2"),
    plain("gemma3_none", "run-gemma3"),
    lora("gemma3_lora", "run-gemma3", LINEARS),
    lora("gemma3_bias_all", "run-gemma3", ["q_proj", "up_proj"], bias="all"),
    norms("gemma3_norms", "run-gemma3", ["q_norm", "k_norm", "post_feedforward_layernorm"]),
    prompt("gemma3_prompt", "run-gemma3"),
    prefix("gemma3_prefix", "run-gemma3"),
    plain("gemma3_types_none", "run-gemma3-types"),
    lora("gemma3_types_lora", "run-gemma3-types", LINEARS),
]

PHI3 = [
    plain("phi3_none", "run-phi3"),
    lora("phi3_lora", "run-phi3", PARTS),
    dora("phi3_dora", "run-phi3", ["qkv_proj", "gate_up_proj"]),
    ia3("phi3_ia3", "run-phi3", ["qkv_proj"], ["down_proj"]),
    prompt("phi3_prompt", "run-phi3"),
    prefix("phi3_prefix", "run-phi3"),
    plain("phi3_long_none", "run-phi3-long"),
    lora("phi3_long_lora", "run-phi3-long", PARTS),
]

CASES = GPT2 + BLOOM + LLAMA + QWEN2 + WINDOWED + GEMMA + PHI3
