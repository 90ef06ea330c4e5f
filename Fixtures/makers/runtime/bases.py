"""The tiny bases whose answers Fixtures/runtime holds. Their logits are of the order of 1 to 10, and nothing is zero or one."""

from makers.common import BASES, edit_json, normal, stored_tensors

import json
import shutil

import torch
from transformers import (
    AutoModelForCausalLM, BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config,
    Qwen2ForCausalLM)

VOCABULARY = 64
EMBEDDING_STD = 0.6  # also of heads: with a normalised row of width 24 the logits' deviation is about 3
MATRIX_STD = {"gpt2": 0.4, "bloom": 0.4, "llama": 0.25, "qwen2": 0.25}  # biases need larger ones, or one token wins always


def fill(model):
    matrix = MATRIX_STD[model.config.model_type]
    for name, p in model.named_parameters():
        if p.ndim == 1:
            p.data = normal(f"run {name}", p.shape, 0.2, mean=0.0 if name.endswith("bias") else 1.0).float()
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


MAKERS = {
    "run-gpt2": make_gpt2,
    "run-bloom": lambda name: make_bloom(name, 24, 6),
    "run-bloom-4": lambda name: make_bloom(name, 16, 4),
    "run-llama": make_llama,
    "run-llama-wide": make_llama_wide,
    "run-llama3": make_llama3,
    "run-smol": make_smol,
    "run-qwen2": make_qwen2,
}


def load(name):
    """A base in fp32, whatever it is stored in, as mixed use computes."""
    model = AutoModelForCausalLM.from_pretrained(BASES / name, dtype=torch.float32)
    stored = stored_tensors(name)
    assert all(torch.equal(p.data, stored[k].float()) for k, p in model.named_parameters()), name
    model.config._name_or_path = model.name_or_path = f"fixtures/{name}"
    return model.eval()
