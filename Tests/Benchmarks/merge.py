"""Merge against `cp`, PEFT and mergekit, in one run, on random weights of a 1.1 B Llama (2.2 GB in bf16).

    pip install torch transformers peft safetensors      # and hyperfine, from Debian
    swift build -c release --product adapter             # ADAPTER=PATH names another build
    python Tests/Benchmarks/merge.py FOLDER              # needs 9 GB there
    python Tests/Benchmarks/merge.py FOLDER fp16 fp32    # these bases; bf16 unless given

Prints a table in Markdown for each base. Bases and adapters are made once and kept in FOLDER. `cp` and the merges take
turns, each with the last result gone and the disk at rest; the best and the middle of them count. MERGEKIT names a
`mergekit-yaml` of another environment, and is left out where it is not set.
"""
import json, multiprocessing, os, shutil, subprocess, sys, time

HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY, KEY_VALUE = 2048, 5632, 22, 32000, 256
LINEARS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KEY_VALUE, HIDDEN),
    "self_attn.v_proj": (KEY_VALUE, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN), "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.environ.get("ADAPTER", os.path.join(ROOT, ".build", "release", "adapter"))


def make_base(folder, kind="bf16"):
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaConfig

    torch.manual_seed(0)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[kind]
    weights = lambda *shape: (torch.randn(*shape) * 0.02).to(dtype)
    tensors = {"model.embed_tokens.weight": weights(VOCABULARY, HIDDEN), "lm_head.weight": weights(VOCABULARY, HIDDEN)}
    norms = ["model.norm"]
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        norms += [prefix + "input_layernorm", prefix + "post_attention_layernorm"]
        tensors |= {f"{prefix}{name}.weight": weights(*shape) for name, shape in LINEARS.items()}
    tensors |= {name + ".weight": torch.ones(HIDDEN, dtype=dtype) for name in norms}
    os.makedirs(folder)
    save_file(tensors, folder + "/model.safetensors", metadata={"format": "pt"})
    LlamaConfig(
        hidden_size=HIDDEN, intermediate_size=INTERMEDIATE, num_hidden_layers=LAYERS, vocab_size=VOCABULARY,
        num_attention_heads=32, num_key_value_heads=4, tie_word_embeddings=False,
        architectures=["LlamaForCausalLM"], dtype=str(dtype).split(".")[1]).save_pretrained(folder)


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
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="auto")
PeftModel.from_pretrained(model, sys.argv[2]).merge_and_unload().save_pretrained(sys.argv[3])
"""


MERGEKIT = """
models:
  - model: {base}+{adapter}
merge_method: passthrough
dtype: bfloat16
"""


def timed(command, output):
    """Wall time and highest resident memory of a fresh process, with the last result gone."""
    shutil.rmtree(output, ignore_errors=True)
    os.sync()
    time.sleep(0.5)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def alternate(commands, output, runs):
    """All of them, one after the other, several times over: for each its times, in order, and its memory."""
    results = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            results[name].append(timed(command, output))
    shutil.rmtree(output, ignore_errors=True)
    return {name: (sorted(time for time, _ in all), max(memory for _, memory in all)) for name, all in results.items()}


def inspect_time(path):
    result = subprocess.run(
        ["hyperfine", "-N", "--warmup", "5", "--runs", "50", "--export-json", path + ".json", f"{ADAPTER} inspect {path}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert result.returncode == 0
    with open(path + ".json") as file:
        return json.load(file)["results"][0]["median"] * 1000


def apart(work, *arguments):
    """In another process: what is started later would have this one's memory counted as its own."""
    process = multiprocessing.Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def compare(kind):
    base = {"bf16": "base"}.get(kind, "base-" + kind)
    if not os.path.exists(base):
        apart(make_base, base, kind)
    for rank in (16, 64):
        if not os.path.exists(f"lora{rank}"):
            apart(make_adapter, f"lora{rank}", rank)
        subprocess.run([ADAPTER, "convert", f"lora{rank}", "-o", f"lora{rank}-{kind}.adp", "--base", base, "--force"],
                       check=True, stderr=subprocess.DEVNULL)
    subprocess.run(f"cat {base}/* lora*/* > /dev/null", shell=True)
    commands = {"cp --reflink=never": ["cp", "-r", "--reflink=never", base, "out"]}
    for rank in (16, 64):
        commands[f"adapter merge, r = {rank}"] = [ADAPTER, "merge", base, f"lora{rank}-{kind}.adp", "-o", "out"]
    rows = alternate(commands, "out", 7)
    slow = {}
    if kind == "bf16":
        slow["PEFT merge_and_unload, r = 16"] = [sys.executable, "-c", PEFT, base, "lora16", "out"]
        if "MERGEKIT" in os.environ:
            with open("mergekit.yaml", "w") as file:
                file.write(MERGEKIT.format(base=base, adapter="lora16"))
            slow["mergekit, r = 16"] = [
                os.environ["MERGEKIT"], "mergekit.yaml", "out", "--lora-merge-cache", "out/cache", "--no-write-model-card"]
    rows |= alternate(slow, "out", 2)
    copy = rows["cp --reflink=never"][0]
    print(f"\n{kind}, {os.path.getsize(base + '/model.safetensors') / 1e9:.1f} GB\n")
    print("| work | best | × cp | middle | × cp | peak RSS |\n|---|---|---|---|---|---|")
    for name, (times, memory) in rows.items():
        best, middle = times[0], times[len(times) // 2]
        print(f"| {name} | {best:.2f} s | {best / copy[0]:.2f} | {middle:.2f} s | {middle / copy[len(copy) // 2]:.2f} | {memory:.0f} MiB |", flush=True)


def main(folder, *kinds):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    for kind in kinds or ("bf16",):
        compare(kind)
    if os.path.exists("lora16-bf16.adp"):
        size = os.path.getsize("lora16-bf16.adp") / 1e6
        print(f"\ninspect of {size:.0f} MB: {inspect_time('lora16-bf16.adp'):.1f} ms (median of 50)")


if __name__ == "__main__":
    main(*sys.argv[1:])
