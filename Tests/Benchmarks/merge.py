"""Merge against `cp` and against PEFT, in one run, on random bf16 weights of a 1.1 B Llama (2.2 GB).

    pip install torch transformers peft safetensors      # and hyperfine, from Debian
    swift build -c release --product adapter             # ADAPTER=PATH names another build
    python Tests/Benchmarks/merge.py FOLDER              # needs 9 GB there

Prints a table in Markdown. The base and the adapters are made once and kept in FOLDER.
"""
import json, os, resource, shutil, subprocess, sys, time

HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY, KEY_VALUE = 2048, 5632, 22, 32000, 256
LINEARS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEY_VALUE, HIDDEN),
    "self_attn.v_proj": (KEY_VALUE, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN), "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.environ.get("ADAPTER", os.path.join(ROOT, ".build", "release", "adapter"))


def make_base(folder):
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig

    torch.manual_seed(0)
    weights = lambda *shape: (torch.randn(*shape) * 0.02).to(torch.bfloat16)
    tensors = {"model.embed_tokens.weight": weights(VOCABULARY, HIDDEN), "lm_head.weight": weights(VOCABULARY, HIDDEN)}
    norms = ["model.norm"]
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        norms += [prefix + "input_layernorm", prefix + "post_attention_layernorm"]
        tensors |= {f"{prefix}{name}.weight": weights(*shape) for name, shape in LINEARS.items()}
    tensors |= {name + ".weight": torch.ones(HIDDEN, dtype=torch.bfloat16) for name in norms}
    os.makedirs(folder)
    save_file(tensors, folder + "/model.safetensors", metadata={"format": "pt"})
    LlamaConfig(
        hidden_size=HIDDEN, intermediate_size=INTERMEDIATE, num_hidden_layers=LAYERS, vocab_size=VOCABULARY,
        num_attention_heads=32, num_key_value_heads=4, tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"], dtype="bfloat16").save_pretrained(folder)


def lora_tensors(rank):
    import torch

    torch.manual_seed(rank)
    tensors = {}
    for layer in range(LAYERS):
        for name, (rows, columns) in LINEARS.items():
            key = f"base_model.model.model.layers.{layer}.{name}"
            tensors[key + ".lora_A.weight"] = (torch.rand(rank, columns) - 0.5) * 2 / columns**0.5
            tensors[key + ".lora_B.weight"] = torch.randn(rows, rank) * 0.002
    return tensors


def make_adapter(folder, rank):
    from peft import LoraConfig
    from safetensors.torch import save_file

    os.makedirs(folder)
    save_file(lora_tensors(rank), folder + "/adapter_model.safetensors", metadata={"format": "pt"})
    LoraConfig(
        r=rank, lora_alpha=32, target_modules=[name.split(".")[1] for name in LINEARS], task_type="CAUSAL_LM",
        base_model_name_or_path="base", inference_mode=True).save_pretrained(folder)


PEFT = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16)
PeftModel.from_pretrained(model, sys.argv[2]).merge_and_unload().save_pretrained(sys.argv[3])
"""


def timed(command, output, runs):
    """Best wall time and highest resident memory of fresh processes, each with the last result gone."""
    best, memory = float("inf"), 0
    for _ in range(runs):
        shutil.rmtree(output, ignore_errors=True)
        os.sync()
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, command
        best = min(best, time.perf_counter() - start)
        memory = max(memory, usage.ru_maxrss)
    shutil.rmtree(output, ignore_errors=True)
    return best, memory / 1024


def inspect_time(path):
    result = subprocess.run(
        ["hyperfine", "-N", "--warmup", "5", "--runs", "50", "--export-json", path + ".json", f"{ADAPTER} inspect {path}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert result.returncode == 0
    with open(path + ".json") as file:
        return json.load(file)["results"][0]["median"] * 1000


def main(folder):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    if not os.path.exists("base"):
        make_base("base")
    for rank in (16, 64):
        if not os.path.exists(f"lora{rank}"):
            make_adapter(f"lora{rank}", rank)
        subprocess.run([ADAPTER, "convert", f"lora{rank}", "-o", f"lora{rank}.adp", "--base", "base", "--force"],
                       check=True, stderr=subprocess.DEVNULL)
    subprocess.run("cat base/* lora*/* > /dev/null", shell=True)
    rows = [("cp --reflink=never", timed(["cp", "-r", "--reflink=never", "base", "out"], "out", 5))]
    for rank in (16, 64):
        rows.append((f"adapter merge, r = {rank}", timed([ADAPTER, "merge", "base", f"lora{rank}.adp", "-o", "out"], "out", 5)))
    rows.append(("PEFT merge_and_unload, r = 16", timed([sys.executable, "-c", PEFT, "base", "lora16", "out"], "out", 2)))
    copy = rows[0][1][0]
    print("| work | wall time | × cp | peak RSS |\n|---|---|---|---|")
    for name, (seconds, memory) in rows:
        print(f"| {name} | {seconds:.2f} s | {seconds / copy:.2f} | {memory:.0f} MiB |")
    size = os.path.getsize("lora16.adp") / 1e6
    print(f"\ninspect of {size:.0f} MB: {inspect_time('lora16.adp'):.1f} ms (median of 50)")


if __name__ == "__main__":
    main(sys.argv[1])
