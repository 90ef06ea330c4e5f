"""LoRAs of PEFT and what llama.cpp's own converter makes of them, in Fixtures/gguf: one for each order of rows.

    pip install torch transformers gguf safetensors numpy
    python makers/gguf_adapters.py LLAMA_CPP_SOURCE      # in Fixtures; the source archive of llama-cpp-python has it

The values are random. Only plain LoRA is made so: of rsLoRA, of patterns and of GPT-2 that converter makes something
else than PEFT does.
"""
import json, os, subprocess, sys
import numpy as np
from safetensors.numpy import save_file

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The base, the modules of a block by their sizes [out, in], and the type that GGUF stores.
CASES = {
    "llama": ("run-llama", "model.layers.{}.self_attn.", {"q_proj": "hq", "k_proj": "hk", "o_proj": "qh"}, "f32"),
    "llama_f16": ("run-llama", "model.layers.{}.self_attn.", {"q_proj": "hq", "k_proj": "hk"}, "f16"),
    "qwen2": ("run-qwen2", "model.layers.{}.self_attn.", {"q_proj": "hq", "k_proj": "hk"}, "f32"),
    "bloom": ("run-bloom", "transformer.h.{}.self_attention.", {"query_key_value": "h3", "dense": "hh"}, "f32"),
}
RANK, ALPHA = 2, 6


def shape(base, kind):
    with open(f"{FOLDER}/bases/{base}/config.json") as file:
        config = json.load(file)
    hidden = config["hidden_size"]
    heads = config.get("num_attention_heads", config.get("n_head"))
    size = config.get("head_dim") or hidden // heads
    sizes = {"h": hidden, "q": heads * size, "k": config.get("num_key_value_heads", heads) * size, "3": 3 * hidden}
    return sizes[kind[1]], sizes[kind[0]]


def main(source):
    for name, (base, prefix, modules, outtype) in CASES.items():
        random = np.random.default_rng(len(name))
        tensors = {}
        for module, kind in modules.items():
            rows, columns = shape(base, kind)
            key = "base_model.model." + prefix.format(0) + module
            tensors[key + ".lora_A.weight"] = random.standard_normal((RANK, columns)).astype(np.float32)
            tensors[key + ".lora_B.weight"] = random.standard_normal((rows, RANK)).astype(np.float32)
        folder = f"{FOLDER}/gguf/{name}"
        os.makedirs(folder, exist_ok=True)
        save_file(tensors, folder + "/adapter_model.safetensors", metadata={"format": "pt"})
        config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": sorted(modules),
                  "base_model_name_or_path": base, "task_type": "CAUSAL_LM"}
        with open(folder + "/adapter_config.json", "w") as file:
            json.dump(config, file, indent=2)
        subprocess.run([sys.executable, source + "/convert_lora_to_gguf.py", folder, "--base", f"{FOLDER}/bases/{base}",
                        "--outtype", outtype, "--outfile", folder + "/adapter.gguf"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
