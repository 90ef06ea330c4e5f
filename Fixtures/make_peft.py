"""Makes the tiny base models and the PEFT adapters under Fixtures/ (see README.md).

Run:  python make_peft.py            everything
      python make_peft.py CASE ...   only the named adapter cases (the bases must be there)

To add a case, add one entry to CASES. Every tensor is seeded by its own name, so a new
case changes no other file, and two runs write the same bytes.
"""

import json
import math
import os
import shutil
import sys
import zlib
from pathlib import Path

# PEFT writes some lists from Python sets: their order follows the hash seed.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable] + sys.argv)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

HERE = Path(__file__).resolve().parent
BASES = HERE / "bases"
PEFT = HERE / "peft"
WEIGHT_STD = 0.1  # of every matrix of a base
DELTA_STD = 0.3 * WEIGHT_STD  # of the change that an adapter makes

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LINEARS = ATTENTION + ["gate_proj", "up_proj", "down_proj"]


def case(name, base, config, dtype=torch.float32):
    return {"name": name, "base": base, "config": config, "dtype": dtype}


# name, base, LoraConfig, dtype of the adapter's tensors in the file
CASES = [
    case("gpt2_default", "tiny-gpt2", dict(r=8, lora_alpha=32)),
    case("gpt2_all", "tiny-gpt2", dict(
        r=4, lora_alpha=8, target_modules=["c_attn", "c_fc", "c_proj"], fan_in_fan_out=True)),
    case("llama_all", "tiny-llama", dict(r=8, lora_alpha=16, target_modules=LINEARS)),
    case("llama_bf16", "tiny-llama", dict(
        r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"]), torch.bfloat16),
    case("llama_f16", "tiny-llama-f16", dict(r=8, lora_alpha=16, target_modules=LINEARS), torch.float16),
    case("llama_rslora", "tiny-llama-f32", dict(
        r=8, lora_alpha=16, use_rslora=True, target_modules=ATTENTION)),
    case("llama_patterns", "tiny-llama-f32", dict(
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
        })),
    case("llama_rslora_patterns", "tiny-llama-f32", dict(
        r=8, lora_alpha=16, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={r"^model\.layers\.1\..*": 3, "down_proj": 5},
        alpha_pattern={"v_proj": 7, "layers.0.mlp.down_proj": 11})),
    case("llama_subset", "tiny-llama-f32", dict(
        r=4, lora_alpha=8, target_modules=LINEARS, layers_to_transform=[1],
        exclude_modules=["k_proj", "o_proj", "mlp.gate_proj"])),
    case("llama_regex", "tiny-llama-f32", dict(
        r=4, lora_alpha=8, target_modules=r".*\.(self_attn\.[qv]_proj|mlp\.up_proj)",
        exclude_modules=r".*\.0\.mlp\..*")),
    case("llama_f64", "tiny-llama-f32", dict(r=8, lora_alpha=16, target_modules=["q_proj"]), torch.float64),
]


def normal(name, shape, std, mean=0.0):
    seed = zlib.crc32(name.encode())
    generator = torch.Generator().manual_seed(seed)
    return mean + std * torch.randn(shape, generator=generator, dtype=torch.float64)


# ---------------------------------------------------------------- bases

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


def make_gpt2():
    model = GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=32, vocab_size=64))
    fill_base(model)
    save_base(model, "tiny-gpt2", torch.float32)
    save_base(model.transformer, "tiny-gpt2-hub", torch.float32)


def make_llama(name, dtype, tied=False, **kwargs):
    model = LlamaForCausalLM(LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=128, max_position_embeddings=64, tie_word_embeddings=tied))
    fill_base(model)
    return save_base(model, name, dtype, **kwargs)


def make_bases():
    make_gpt2()
    sharded = make_llama("tiny-llama", torch.bfloat16, max_shard_size="14KB")
    (sharded / "tokenizer_config.json").write_text("{}\n")
    make_llama("tiny-llama-f16", torch.float16, tied=True)
    make_llama("tiny-llama-f32", torch.float32)


def load_base(name):
    model = AutoModelForCausalLM.from_pretrained(BASES / name, dtype="auto")
    model.name_or_path = model.config._name_or_path = f"fixtures/{name}"
    return model


def stored_tensors(name):
    tensors = {}
    for path in sorted((BASES / name).glob("*.safetensors")):
        tensors.update(load_file(path))
    return tensors


# ---------------------------------------------------------------- adapters

def lora_layers(model):
    """Module name as PEFT sees it -> PEFT's layer."""
    return {n: m for n, m in model.base_model.model.named_modules() if hasattr(m, "lora_A")}


def fill_lora(model, case_name, dtype):
    for name, layer in lora_layers(model).items():
        r, scaling = layer.r["default"], layer.scaling["default"]
        std = math.sqrt(DELTA_STD / (abs(scaling) * math.sqrt(r)))
        for part in ("lora_A", "lora_B"):
            p = getattr(layer, part)["default"].weight
            p.data = normal(f"{case_name} {name} {part}", p.shape, std).to(dtype)


def effective(model):
    return {
        name: {"r": m.r["default"], "alpha": m.lora_alpha["default"], "scaling": m.scaling["default"]}
        for name, m in lora_layers(model).items()
    }


def write_adapter(entry, folder):
    model = get_peft_model(load_base(entry["base"]), LoraConfig(task_type="CAUSAL_LM", **entry["config"]))
    fill_lora(model, entry["name"], entry["dtype"])
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "effective.json").write_text(json.dumps(effective(model), indent=1) + "\n")


def merge(entry, folder, double):
    """PEFT's own merge, in the base's dtype or in float64; only the tensors that it changed."""
    base = load_base(entry["base"])
    if double:
        base = base.double()
    model = PeftModel.from_pretrained(base, folder)
    if double:
        # the values of the file, widened exactly
        file = load_file(folder / "adapter_model.safetensors")
        loaded = get_peft_model_state_dict(model.double(), save_embedding_layers=False)
        assert file.keys() == loaded.keys()
        assert all(torch.equal(file[k].double(), loaded[k]) for k in file)
    merged = model.merge_and_unload().state_dict()
    stored = stored_tensors(entry["base"])
    assert stored.keys() <= merged.keys()
    return {k: merged[k].contiguous() for k, v in stored.items() if not torch.equal(v.to(merged[k].dtype), merged[k])}


def check(entry, merged, reference, layers):
    """The two merges change the same tensors, and differ by rounding only."""
    assert merged.keys() == reference.keys() == {f"{n}.weight" for n in layers}, entry["name"]
    for k, m in merged.items():
        step = torch.finfo(m.dtype).eps * reference[k].abs().max()
        assert (m.double() - reference[k]).abs().max() <= 4 * step, (entry["name"], k)


def make_case(entry):
    folder = PEFT / entry["name"]
    shutil.rmtree(folder, ignore_errors=True)
    write_adapter(entry, folder)
    merged, reference = merge(entry, folder, double=False), merge(entry, folder, double=True)
    check(entry, merged, reference, json.loads((folder / "effective.json").read_text()))
    save_file(merged, folder / "merged.safetensors", metadata={"format": "pt"})
    save_file(reference, folder / "reference.safetensors", metadata={"format": "pt"})
    print(entry["name"], len(merged), "tensors")


# ---------------------------------------------------------------- rank_pattern / alpha_pattern

Q0 = "model.layers.0.self_attn.q_proj"
Q1 = "model.layers.1.self_attn.q_proj"
UP12 = "model.layers.12.mlp.up_proj"
H0 = "transformer.h.0.attn.c_attn"

# keys, in the order of the config; then module names
PATTERNS = [
    (["q_proj"], [Q0, UP12, "q_proj", "model.layers.0.self_attn.q_proj.extra", "model.layers.0.xq_proj"]),
    (["proj"], [Q0, "head.proj"]),
    (["self_attn.q_proj"], [Q0, "self_attn.q_proj", "self_attnXq_proj", "cross_self_attn.q_proj"]),
    (["layers.1.self_attn.q_proj"], [Q0, Q1, "model.layers.11.self_attn.q_proj", "layersx1yself_attnzq_proj"]),
    (["model.layers.0.self_attn.q_proj"], [Q0, "language_model." + Q0, "language_" + Q0]),
    ([r"layers\.1\.self_attn\.q_proj"], [Q1, "layersx1yself_attnzq_proj"]),
    (["^q_proj"], [Q0, "q_proj"]),
    (["^" + Q0], [Q0, "language_model." + Q0]),
    (["^model.layers.*.q_proj$"], [Q1, UP12]),
    (["c_attn$"], [H0, "transformer.h.0.attn.c_attn.x"]),
    (["^h|c_attn"], [H0, "h", "transformer.h"]),
    (["up_proj|down_proj"], [UP12, "model.layers.3.mlp.down_proj", "model.layers.3.mlp.gate_proj"]),
    ([r"mlp\.(up|down)_proj"], [UP12, "model.layers.3.mlp.gate_proj"]),
    ([r"mlp\.(?:gate|up)_proj"], [UP12, "model.layers.3.mlp.down_proj"]),
    ([r"layers\.[01]\.mlp\.up_proj"], [UP12, "model.layers.1.mlp.up_proj"]),
    ([r"layers\.[2-9]\..*"], [UP12, "model.layers.7.mlp.up_proj"]),
    ([r"[^qk]_proj"], [Q0, "model.layers.0.self_attn.v_proj"]),
    ([r"layers\.\d+\.mlp\.up_proj"], [UP12, "model.layers.x.mlp.up_proj"]),
    ([r"layers\.\d\.mlp\.up_proj"], [UP12]),
    ([r"layers\.\d{1,2}\.mlp\.up_proj"], [UP12, "model.layers.123.mlp.up_proj"]),
    ([r"layers\.\d{3}\.mlp\.up_proj"], [UP12, "model.layers.123.mlp.up_proj"]),
    ([r"layers\.\d{2,}\.mlp\.up_proj"], [UP12, "model.layers.3.mlp.up_proj"]),
    ([r"model\..*?\.q_proj"], [Q0, UP12]),
    ([r"layers\.\d+?\.self_attn\.\w+"], [Q1, UP12]),
    (["q?_proj"], ["attn._proj", Q0]),
    ([r"h\.0\..*"], [H0, "transformer.h.10.attn.c_attn"]),
    ([".*"], [UP12]),
    (["q_proj", "self_attn.q_proj"], [Q0]),
    (["self_attn.q_proj", "q_proj"], [Q0, "cross.q_proj"]),
    (["^q_proj", r"layers\.0\..*", "q_proj"], [Q0, Q1]),
    (["gate", "up", "down"], [UP12]),
    (["Q_proj"], [Q0]),
    (["schicht_größe"], ["modell.schicht_größe", "modell.schicht_grösse"]),
    (["schicht_gr..e"], ["modell.schicht_größe"]),
    (["层.[甲乙]"], ["模型.层.乙", "模型.层.丙"]),
    ([], [Q0]),
]


def make_patterns():
    entries = []
    for keys, modules in PATTERNS:
        for module in modules:
            picked = get_pattern_key(keys, module)
            assert picked in keys or picked == module
            entries.append({"keys": keys, "module": module, "match": picked if picked in keys else None})
    text = ",\n".join(" " + json.dumps(e, ensure_ascii=False) for e in entries)
    (HERE / "peft_patterns.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print("peft_patterns.json", len(entries), "entries")


def main():
    torch.set_num_threads(1)
    disable_progress_bar()
    names = sys.argv[1:]
    unknown = set(names) - {entry["name"] for entry in CASES}
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}")
    if not names:
        make_bases()
        make_patterns()
    for entry in CASES:
        if not names or entry["name"] in names:
            make_case(entry)


if __name__ == "__main__":
    main()
