"""Adapters of mlx-lm and what its own `fuse` makes of the base with them, in Fixtures/mlx.

    pip install "mlx[cpu]" mlx-lm numpy safetensors
    python -P makers/mlx_adapters.py         # in Fixtures

Each folder has adapters.safetensors and adapter_config.json as mlx-lm loads them, and fused.safetensors: the weights
that change, under transformers' names.
"""
import json, os, pathlib, shutil
import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model
from safetensors.numpy import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent
ATTENTION = ["self_attn.q_proj", "self_attn.v_proj"]
EXPERTS = ["block_sparse_moe.switch_mlp." + name for name in ("gate_proj", "up_proj", "down_proj")]
# The base, fine_tune_type, num_layers, and lora_parameters.
CASES = {
    "lora": ("run-llama", "lora", 1, {"rank": 2, "scale": 3.5, "dropout": 0.0, "keys": ATTENTION}),
    "lora_all": ("run-llama", "lora", -1, {"rank": 3, "scale": 20.0, "dropout": 0.1}),
    "lora_embedding": ("run-llama", "lora", 2, {"rank": 2, "scale": 1.5, "dropout": 0.0, "keys": ATTENTION + ["model.embed_tokens"]}),
    "dora": ("run-llama", "dora", 1, {"rank": 2, "scale": 1.5, "dropout": 0.0, "keys": ATTENTION}),
    "dora_embedding": ("run-llama", "dora", 1, {"rank": 2, "scale": 1.5, "dropout": 0.0, "keys": ["model.embed_tokens"]}),
    "gpt2": ("tiny-gpt2-hub", "lora", -1, {"rank": 2, "scale": 2.0, "dropout": 0.0, "keys": ["attn.c_attn", "attn.c_proj"]}),
    "experts": ("tiny-mixtral", "lora", 1, {"rank": 2, "scale": 2.0, "dropout": 0.0, "keys": EXPERTS + ["self_attn.q_proj"]}),
    "full": ("run-llama", "full", 0, None),
}


def randomised(model, random):
    values = [(name, mx.array(random.standard_normal(value.shape).astype(np.float32) * 0.1))
              for name, value in tree_flatten(model.parameters()) if name.rsplit(".", 1)[-1] in ("lora_a", "lora_b", "m")]
    values = [(name, mx.abs(value) * 10 + 0.5 if name.endswith(".m") else value) for name, value in values]
    model.update(tree_unflatten(values))
    return dict(values)


def renamed(name, value, base):
    """A weight of mlx-lm under the names, and in the layout, of the base's file."""
    if ".switch_mlp." in name:
        block, leaf = name.split(".switch_mlp.")
        leaf = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}[leaf.split(".")[0]]
        return {f"{block}.experts.{e}.{leaf}.weight": value[e] for e in range(value.shape[0])}
    value = np.array(value)
    for known in (name, name.removeprefix("model."), "transformer." + name.removeprefix("model.")):
        if known in base:
            return {known: np.ascontiguousarray(value.T) if value.shape != base[known].shape or "attn.c_" in name else value}
    return {}


def main():
    for name, (base, kind, layers, parameters) in CASES.items():
        random = np.random.default_rng(len(name))
        folder = FOLDER / "mlx" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        source = FOLDER / "bases" / base
        stored = {}
        for file in source.glob("*.safetensors"):
            stored |= load_file(file)
        model, _ = load_model(source, strict=False, model_config={"n_ctx": 64})
        config = {"model": "example/" + base, "fine_tune_type": kind, "num_layers": layers, "batch_size": 4,
                  "learning_rate": 1e-05, "lora_parameters": parameters}
        if kind == "full":
            adapters = {k: mx.array(v + random.standard_normal(v.shape).astype(np.float32)) for k, v in stored.items()
                        if k.endswith("layers.1.self_attn.k_proj.weight") or k.endswith("layers.0.input_layernorm.weight")}
        else:
            linear_to_lora_layers(model, layers, parameters, use_dora=kind == "dora")
            adapters = randomised(model, random)
        mx.save_safetensors(str(folder / "adapters.safetensors"), adapters)
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=4))
        model, _ = load_model(source, strict=False, model_config={"n_ctx": 64})
        load_adapters(model, str(folder))
        fused = [(n, m.fuse()) for n, m in model.named_modules() if hasattr(m, "fuse")]
        model.update_modules(tree_unflatten(fused))
        result = {}
        for key, value in tree_flatten(model.parameters()):
            for known, value in renamed(key, np.array(value), stored).items():
                if not np.array_equal(value, stored[known]):
                    result[known] = np.ascontiguousarray(value)
        save_file(result, folder / "fused.safetensors")
        print(name, len(adapters), sorted(result))


if __name__ == "__main__":
    main()
