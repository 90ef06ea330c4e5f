"""What it costs to convert an adapter of 100 MB: each format from PEFT and back, against reading and writing it (`cp`).

    pip install numpy safetensors
    ADAPTER=.build/release/adapter python3 Tests/Benchmarks/formats.py [ROUNDS]

A LoRA of rank 64 on all linear layers of a model like Llama 1 B, in F32 and in F16. Medians, on a quiet machine.
"""
import json, os, pathlib, shutil, statistics, subprocess, sys, tempfile, time
import numpy as np
from safetensors.numpy import save_file

ADAPTER = os.environ.get("ADAPTER", ".build/release/adapter")
HIDDEN, KEYS, INNER, LAYERS, RANK = 2048, 512, 5632, 22, 32
SIZES = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEYS, HIDDEN), "self_attn.v_proj": (KEYS, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
         "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER)}


def make(folder, dtype):
    random = np.random.default_rng(1)
    tensors = {}
    for layer in range(LAYERS):
        for module, (out, width) in SIZES.items():
            key = f"base_model.model.model.layers.{layer}.{module}"
            tensors[key + ".lora_A.weight"] = random.standard_normal((RANK, width), dtype=np.float32).astype(dtype)
            tensors[key + ".lora_B.weight"] = random.standard_normal((out, RANK), dtype=np.float32).astype(dtype)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 2 * RANK, "target_modules": [m.split(".")[1] for m in SIZES], "base_model_name_or_path": "x/y"}))


def make_base(folder):
    """As much of a base as the names and the order of rows need."""
    folder.mkdir()
    names = {f"model.layers.{layer}.{module}.weight": np.zeros((out, width), np.int8) for layer in range(LAYERS) for module, (out, width) in SIZES.items()}
    save_file(names, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_attention_heads": 32,
                                                    "num_key_value_heads": 8, "hidden_size": HIDDEN, "tie_word_embeddings": False}))


def seconds(rounds, *words):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(rounds):
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH")) as name:
        folder = pathlib.Path(name)
        base = folder / "base"
        make_base(base)
        for dtype in (np.float32, np.float16):
            source = folder / f"peft-{np.dtype(dtype).name}"
            make(source, dtype)
            weights = source / "adapter_model.safetensors"
            copy = seconds(rounds, "cp", weights, folder / "copy")
            print(f"{np.dtype(dtype).name}: {weights.stat().st_size / 1e6:.0f} MB, cp {copy * 1e3:.0f} ms")
            for form, ending in (("gguf", ".gguf"), ("mlx", ""), ("kohya", ".safetensors"), ("diffusers", ".safetensors"), ("onnx", ".onnx_adapter")):
                out = folder / f"{form}{ending}"
                words = ["--base", base] if form == "gguf" else ["--component", "transformer"] if form in ("kohya", "diffusers") else []
                go = seconds(rounds, ADAPTER, "convert", source, "--to", form, "-o", out, "--force", *words)
                back = ["--base", base] if form in ("gguf",) else []
                if form == "kohya":
                    come = float("nan")
                else:
                    come = seconds(rounds, ADAPTER, "convert", out, "--to", "peft", "-o", folder / "back", "--force", *back)
                    shutil.rmtree(folder / "back")
                print(f"  {form:10} from PEFT {go * 1e3:5.0f} ms ({go / copy:.1f} x cp), to PEFT {come * 1e3:5.0f} ms ({come / copy:.1f} x)")
                shutil.rmtree(out) if out.is_dir() else out.unlink()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
