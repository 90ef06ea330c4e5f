"""How fast `adapter run` is with a LoRA beside the weights, next to transformers and PEFT in the same run.

    pip install torch transformers peft safetensors numpy
    python Tests/Benchmarks/run.py BASE ADAPTER_FOLDER

BASE is a folder with a small Llama (SmolLM2-135M), ADAPTER_FOLDER a LoRA of PEFT for it. What is measured of the peer
is described in run_peer.py; of the command each figure is the best of five fresh processes, taken in alternation with
and without the adapter. The share of the bandwidth is weights as stored × tokens per second, over what numpy
copies with two threads: counted as read and written, and as read alone.
"""
import json, os, subprocess, sys, time

import run_peer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.path.join(ROOT, ".build", "release", "adapter")
ROUNDS = 5


def prompt(base, count):
    with open(os.path.join(base, "config.json")) as file:
        size = json.load(file)["vocab_size"]
    return ",".join(str((7919 * i + 17) % size) for i in range(count))


def command(base, adapters, count, new, *options):
    return [ADAPTER, "run", base, *adapters, "--token-ids", prompt(base, count), "--max-new-tokens", str(new), *options]


def run(base, adapters, count, new):
    """The document that the command writes, and its highest resident memory in MiB."""
    process = subprocess.Popen(command(base, adapters, count, new, "--json"), stdout=subprocess.PIPE)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit("adapter run failed")
    return json.loads(text)["runs"][0], usage.ru_maxrss / 1024


def first_token(base, adapters):
    start = time.perf_counter()
    process = subprocess.Popen(command(base, adapters, run_peer.PROMPT, run_peer.NEW), stdout=subprocess.PIPE)
    process.stdout.read(1)
    seconds = time.perf_counter() - start
    process.kill()
    process.wait()
    return seconds


def measure(base, adapter):
    result = {name: {"decode": 0, "prefill": 0, "first": 1e9, "peak": 0} for name in ("base", "lora")}
    for _ in range(ROUNDS):
        for name, adapters in (("base", []), ("lora", [adapter])):
            row = result[name]
            said, peak = run(base, adapters, run_peer.PROMPT, run_peer.NEW)
            assert len(said["ids"]) > 32, "the text ended early"
            row["decode"] = max(row["decode"], (len(said["ids"]) - 1) / said["decode_seconds"])
            row["peak"] = max(row["peak"], peak)
            long, _ = run(base, adapters, run_peer.PREFILL, 1)
            row["prefill"] = max(row["prefill"], run_peer.PREFILL / long["prefill_seconds"])
            row["first"] = min(row["first"], first_token(base, adapters))
    return result


def report(base, ours, peer):
    rows = {(r["dtype"], r["model"]): r for r in peer["rows"]}
    best = max(rows[d, "lora"]["decode"] for d in ("float32", "bfloat16"))
    first = min(rows[d, "lora"]["first_token"]["seconds"] for d in ("float32", "bfloat16"))
    size = os.path.getsize(os.path.join(base, "model.safetensors"))
    lora, plain, copy = ours["lora"], ours["base"], peer["bandwidth"]
    yield f"decode with the LoRA    {lora['decode']:6.1f} tokens/s   {lora['decode'] / best:.2f} × transformers + PEFT"
    yield f"decode without          {plain['decode']:6.1f} tokens/s   the LoRA costs {100 * (1 - lora['decode'] / plain['decode']):.1f} %"
    for dtype in ("float32", "bfloat16"):
        rate = rows[dtype, "lora"]["prefill"]
        yield f"prefill of 512          {lora['prefill']:6.0f} tokens/s   {lora['prefill'] / rate:.2f} × theirs in {dtype}"
    yield f"first token             {lora['first']:6.2f} s          {lora['first'] / first:.3f} × theirs"
    yield f"highest memory          {lora['peak']:6.0f} MiB        weights are {size / 2**20:.0f} MiB"
    moved = plain["decode"] * size / 1e9
    yield f"weights read            {moved:6.1f} GB/s       {moved / copy['copy_2']:.2f} of a copy (read and written), " \
          f"{2 * moved / copy['copy_2']:.2f} of what it reads, {moved / copy['read_2']:.2f} of reading alone"


def main(base, adapter):
    base, adapter = os.path.abspath(base), os.path.abspath(adapter)
    ours = measure(base, adapter)
    peer = run_peer.measure_all(base, adapter, 2)
    print("\n".join(report(base, ours, peer)))
    print()
    print(run_peer.table(peer))


if __name__ == "__main__":
    main(*sys.argv[1:])
