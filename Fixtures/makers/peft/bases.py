"""The tiny base models: how to make them, and how to load them again."""

from makers.common import BASES, WEIGHT_STD, normal, save_tensors, stored_tensors, fresh_folder

import shutil

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM, AutoModelForSeq2SeqLM, BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel,
    LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM, T5Config, T5ForConditionalGeneration)


def fill_base(model):
    """Every parameter random: none is left at zero or one."""
    for name, p in model.named_parameters():
        if p.ndim > 1:
            p.data = normal(name, p.shape, WEIGHT_STD)
        elif name.endswith("bias"):
            p.data = normal(name, p.shape, 0.05)
        else:
            p.data = normal(name, p.shape, 0.1, mean=1.0)


def save_base(model, name, dtype, **kwargs):
    folder = BASES / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, **kwargs)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return folder


# ---------------------------------------------------------------- transformers models

def make_gpt2():
    model = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=32, vocab_size=64))
    fill_base(model)
    save_base(model, "tiny-gpt2", torch.float32)
    save_base(model.transformer, "tiny-gpt2-hub", torch.float32)


def make_gpt2_16():
    model = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=32, vocab_size=32))
    fill_base(model)
    save_base(model, "tiny-gpt2-16", torch.float32)


def make_bias():
    model = GPT2LMHeadModel(GPT2Config(n_embd=16, n_inner=20, n_layer=1, n_head=2, n_positions=12, vocab_size=32))
    fill_base(model)
    save_base(model, "tiny-bias", torch.float32)
    save_base(model, "tiny-bias-f16", torch.float16)


def make_llama(name, dtype, tied=False, **kwargs):
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=128, max_position_embeddings=64, tie_word_embeddings=tied))
    fill_base(model)
    return save_base(model, name, dtype, **kwargs)


def make_llama_sharded():
    folder = make_llama("tiny-llama", torch.bfloat16, max_shard_size="14KB")
    (folder / "tokenizer_config.json").write_text("{}\n")


def make_llama_16(name, tied):
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=40, max_position_embeddings=64, tie_word_embeddings=tied))
    fill_base(model)
    save_base(model, name, torch.float32)


def make_bloom():
    model = BloomForCausalLM(BloomConfig(vocab_size=40, hidden_size=8, n_layer=2, n_head=2))
    fill_base(model)
    save_base(model, "tiny-bloom", torch.float32)


def make_t5():
    model = T5ForConditionalGeneration(T5Config(
        vocab_size=40, d_model=8, d_kv=4, d_ff=12, num_layers=2, num_heads=2, decoder_start_token_id=0))
    fill_base(model)
    save_base(model, "tiny-t5", torch.float32)


def make_mixtral():
    model = MixtralForCausalLM(MixtralConfig(
        hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        num_local_experts=4, num_experts_per_tok=2, vocab_size=32, max_position_embeddings=64))
    fill_base(model)
    save_base(model, "tiny-mixtral", torch.float32)


# ---------------------------------------------------------------- plain torch networks

class ConvNet(nn.Module):
    """A volume [1, 2, 4, 6, 6] in, 5 numbers out."""

    def __init__(self):
        super().__init__()
        self.conv3d = nn.Conv3d(2, 3, (3, 3, 3), padding=1)
        self.conv3d_flat = nn.Conv3d(3, 4, (1, 1, 3))  # 4 frames of 6 x 4
        self.conv2d = nn.Conv2d(4, 6, 3, padding=1)  # the frames are taken as a batch
        self.norm = nn.BatchNorm2d(6)
        self.point = nn.Conv2d(6, 4, 1)
        self.conv1d = nn.Conv1d(4, 6, 3)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = torch.relu(self.conv3d(x))
        x = torch.relu(self.conv3d_flat(x))
        x = self.norm(self.conv2d(x[0].transpose(0, 1)))
        x = torch.relu(self.point(torch.relu(x)))
        x = self.conv1d(x.mean(2))
        return self.head(x.mean((0, 2)).unsqueeze(0))


class AttentionNet(nn.Module):
    """A sequence [1, T, 8] in, one row of 5 numbers per position out."""

    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(x + self.attn(x, x, x, need_weights=False)[0])


NETS = {"tiny-conv": ConvNet, "tiny-mha": AttentionNet}
for net in NETS.values():
    net.__module__ = "peft_bases"  # PEFT writes it into the configuration: not where this file lies today


def make_net(name):
    net = NETS[name]()
    fill_base(net)
    net.float()
    for key, buffer in net.named_buffers():
        if buffer.is_floating_point():
            buffer.data = normal(key, buffer.shape, 0.1, mean=1.0 if key.endswith("var") else 0.0).float()
        else:
            buffer.fill_(7)
    save_tensors(net.state_dict(), fresh_folder(BASES / name) / "model.safetensors")


# ----------------------------------------------------------------

MAKERS = [  # names of the folders, function
    (["tiny-gpt2", "tiny-gpt2-hub"], make_gpt2),
    (["tiny-gpt2-16"], make_gpt2_16),
    (["tiny-bias", "tiny-bias-f16"], make_bias),
    (["tiny-llama"], make_llama_sharded),
    (["tiny-llama-f16"], lambda: make_llama("tiny-llama-f16", torch.float16, tied=True)),
    (["tiny-llama-f32"], lambda: make_llama("tiny-llama-f32", torch.float32)),
    (["tiny-llama-16"], lambda: make_llama_16("tiny-llama-16", tied=False)),
    (["tiny-llama-16-tied"], lambda: make_llama_16("tiny-llama-16-tied", tied=True)),
    (["tiny-bloom"], make_bloom),
    (["tiny-t5"], make_t5),
    (["tiny-mixtral"], make_mixtral),
    (["tiny-conv"], lambda: make_net("tiny-conv")),
    (["tiny-mha"], lambda: make_net("tiny-mha")),
]


def load_base(name, auto_class=None, **kwargs):
    if name in NETS:
        model = NETS[name]()
        model.load_state_dict(stored_tensors(name))
    else:
        auto_class = auto_class or (AutoModelForSeq2SeqLM if name == "tiny-t5" else AutoModelForCausalLM)
        model = auto_class.from_pretrained(BASES / name, dtype="auto", **kwargs)
        model.config._name_or_path = f"fixtures/{name}"
    model.name_or_path = f"fixtures/{name}"
    return model.eval()
