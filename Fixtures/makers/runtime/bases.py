"""The tiny bases whose answers Fixtures/runtime holds. Their logits are of the order of 1 to 10, and nothing is zero or one."""

from makers.common import BASES, edit_json, normal, stored_tensors

import json
import shutil

import torch
from transformers import (
    AutoModelForCausalLM, BloomConfig, BloomForCausalLM, Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig,
    GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM,
    Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

VOCABULARY = 64
EMBEDDING_STD = 0.6  # also of heads: with a normalised row of width 24 the logits' deviation is about 3
MATRIX_STD = {  # biases need larger ones, or one token wins always; so do windows and bounds, or they do not matter
    "gpt2": 0.4, "bloom": 0.4, "llama": 0.25, "qwen2": 0.25, "mistral": 0.3, "qwen3": 0.3, "gemma2": 0.4, "gemma3_text": 0.3,
    "phi3": 0.3}


def norm_mean(kind, name):
    """Of a norm's weight. Gemma's is a difference from 1; norms of heads make scores large, those after a part its share."""
    mean = 1.6 if "q_norm" in name or "k_norm" in name else 1.0
    if kind.startswith("gemma"):
        after = "post_attention_layernorm" in name or "post_feedforward_layernorm" in name
        return (3.0 if after else mean) - 1.0
    return mean


def fill(model):
    matrix = MATRIX_STD[model.config.model_type]
    for name, p in model.named_parameters():
        if p.ndim == 1:
            mean = 0.0 if name.endswith("bias") else norm_mean(model.config.model_type, name)
            p.data = normal(f"run {name}", p.shape, 0.2, mean=mean).float()
        else:
            table = "embed" in name or "wte" in name or "wpe" in name or "lm_head" in name
            p.data = normal(f"run {name}", p.shape, EMBEDDING_STD if table else matrix).float()


def save(model, name, dtype=torch.float32, config=None):
    """`config` takes the place of fields of config.json: a None removes one."""
    fill(model)
    folder = BASES / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if config:
        edit_json(folder / "config.json", **config)
        fields = json.loads((folder / "config.json").read_text())
        kept = {k: v for k, v in fields.items() if k not in config or config[k] is not None}
        (folder / "config.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")


NO_SPECIAL_TOKENS = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)


def make_gpt2(name):
    save(GPT2LMHeadModel(GPT2Config(
        n_embd=24, n_inner=40, n_layer=2, n_head=4, n_positions=40, vocab_size=VOCABULARY, layer_norm_epsilon=1e-3,
        **NO_SPECIAL_TOKENS)), name)


def make_bloom(name, width, heads):
    save(BloomForCausalLM(BloomConfig(
        vocab_size=VOCABULARY, hidden_size=width, n_layer=2, n_head=heads, **NO_SPECIAL_TOKENS)), name)


def llama(kind=LlamaConfig, **fields):
    sizes = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, vocab_size=VOCABULARY, max_position_embeddings=64)
    return kind(**{**sizes, **NO_SPECIAL_TOKENS, **fields})


def rope(theta, **scaling):
    return {"rope_type": "default", "rope_theta": theta, **scaling}


LLAMA3 = dict(  # of the four wavelengths 6, 63, 628 and 6283 the first stays, the second is blended, the others are scaled
    rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)


def older(theta, scaling=None):
    """Fields as in files on the Hub, from before transformers 5."""
    return dict(rope_parameters=None, dtype=None, torch_dtype="float32", rope_theta=theta, **(
        {"rope_scaling": scaling} if scaling else {}))


def make_llama(name):
    save(LlamaForCausalLM(llama(
        num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-3, rope_parameters=rope(500.0))), name)


def make_llama_wide(name):
    """Heads wider than hidden_size / heads."""
    save(LlamaForCausalLM(llama(
        hidden_size=16, intermediate_size=24, num_attention_heads=4, num_key_value_heads=2, head_dim=8)), name)


def make_llama3(name):
    save(LlamaForCausalLM(llama(
        num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=rope(10000.0, **LLAMA3))),
        name, config=older(10000.0, LLAMA3))


def make_smol(name):
    save(LlamaForCausalLM(llama(
        num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True, rms_norm_eps=1e-5,
        rope_parameters=rope(100000.0))), name, dtype=torch.bfloat16, config={
            **older(100000.0), "torch_dtype": "bfloat16", "head_dim": None, "rope_scaling": None})


def make_qwen2(name):
    """The window is there and not used, as in Qwen2.5."""
    save(Qwen2ForCausalLM(llama(
        Qwen2Config, num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=rope(1e6))),
        name, config={**older(1000000.0), "layer_types": None, "sliding_window": 4, "use_sliding_window": False,
                      "max_window_layers": 1})


WINDOW = 4  # of all that follow: the texts have up to 24 positions
WIDE_HEADS = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=WINDOW)  # 4 * 8 is not 24


def make_qwen2_window(name):
    save(Qwen2ForCausalLM(llama(
        Qwen2Config, num_attention_heads=4, num_key_value_heads=2, use_sliding_window=True, sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention"], rope_parameters=rope(1e4))), name)


def make_mistral(name):
    save(MistralForCausalLM(llama(MistralConfig, **WIDE_HEADS, rope_parameters=rope(1e4))), name, config=older(10000.0))


def make_qwen3(name):
    """A window in the last layer only."""
    save(Qwen3ForCausalLM(llama(
        Qwen3Config, **WIDE_HEADS, use_sliding_window=True, max_window_layers=1, tie_word_embeddings=True,
        rope_parameters=rope(1e6))), name, config={**older(1000000.0), "layer_types": None})


def make_gemma2(name):
    save(Gemma2ForCausalLM(llama(
        Gemma2Config, **WIDE_HEADS, query_pre_attn_scalar=12, attn_logit_softcapping=3.0, final_logit_softcapping=9.0,
        rope_parameters=rope(1e4))), name, config={**older(10000.0), "layer_types": None})


def make_gemma3(name):
    """Fields as on the Hub: a window in two layers of three, which have other positions than the third."""
    full = {"rope_type": "linear", "factor": 2.0}
    save(Gemma3ForCausalLM(llama(
        Gemma3TextConfig, **WIDE_HEADS, query_pre_attn_scalar=12, num_hidden_layers=3, attention_bias=True,
        sliding_window_pattern=3)), name, config={
            **older(5000.0, full), "rope_local_base_freq": 100.0, "layer_types": None, "sliding_window_pattern": 3})


def make_gemma3_types(name):
    """Fields as transformers 5 writes them."""
    save(Gemma3ForCausalLM(llama(
        Gemma3TextConfig, **WIDE_HEADS, final_logit_softcapping=9.0, layer_types=["full_attention", "sliding_attention"],
        query_pre_attn_scalar=12, rope_parameters={"full_attention": rope(3000.0), "sliding_attention": rope(50.0)})), name)


def make_phi3(name):
    """Half of each head is turned."""
    save(Phi3ForCausalLM(llama(
        Phi3Config, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, sliding_window=WINDOW,
        rope_parameters=rope(1e4, partial_rotary_factor=0.5))), name)


def make_phi3_long(name):
    """Factors of each frequency, of texts up to 32 positions and of longer ones."""
    factors = {"type": "longrope", "short_factor": [1.0, 1.3, 1.7], "long_factor": [2.0, 3.0, 5.0]}
    save(Phi3ForCausalLM(llama(
        Phi3Config, num_attention_heads=4, num_key_value_heads=2, original_max_position_embeddings=32,
        rope_parameters={**rope(1e4), "rope_type": "longrope", **factors})), name, config=older(10000.0, factors))


MAKERS = {
    "run-gpt2": make_gpt2,
    "run-bloom": lambda name: make_bloom(name, 24, 6),
    "run-bloom-4": lambda name: make_bloom(name, 16, 4),
    "run-llama": make_llama,
    "run-llama-wide": make_llama_wide,
    "run-llama3": make_llama3,
    "run-smol": make_smol,
    "run-qwen2": make_qwen2,
    "run-qwen2-window": make_qwen2_window,
    "run-mistral": make_mistral,
    "run-qwen3": make_qwen3,
    "run-gemma2": make_gemma2,
    "run-gemma3": make_gemma3,
    "run-gemma3-types": make_gemma3_types,
    "run-phi3": make_phi3,
    "run-phi3-long": make_phi3_long,
}


def load(name, **fields):
    """A base in fp32, whatever it is stored in, as mixed use computes; with other fields in its configuration."""
    model = AutoModelForCausalLM.from_pretrained(BASES / name, dtype=torch.float32, **fields)
    stored = stored_tensors(name)
    assert all(torch.equal(p.data, stored[k].float()) for k, p in model.named_parameters()), name
    model.config._name_or_path = model.name_or_path = f"fixtures/{name}"
    return model.eval()
