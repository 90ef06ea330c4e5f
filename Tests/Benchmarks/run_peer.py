"""What transformers and PEFT do with a small Llama and a LoRA that stays unmerged, and what the memory allows.

    pip install torch transformers peft safetensors numpy
    python Tests/Benchmarks/run_peer.py BASE ADAPTER_FOLDER [--threads 2] [--json]

Every measurement is a function below and runs in a fresh process, with nothing beside it: `speed`, `first_token`,
`bandwidth`. `measure_all` runs them all and gives one dictionary; another benchmark may import them.

* decode: greedy, 128 new tokens after 32, batch 1, with a cache; tokens per second from the first new token to
  the last, and, as `generate`, with everything around them; warm, the best of 3, or of fewer after 45 s.
* prefill: 512 tokens into an empty cache, logits of the last one only (as `generate` does it); best of 3.
* first token: from the start of the process, with the files in the page cache, to the first of them after 32.
* bandwidth: 512 MB buffers. A copy counts what is read and what is written; the lines that the processor fetches
  before it writes them are not counted. Reading alone is a dot product of a buffer with itself.
"""
import json, os, resource, subprocess, sys, time

PROMPT, NEW, PREFILL, RUNS = 32, 128, 512, 3
PATIENCE = 45  # seconds: after them no further run begins. bf16 is slow on processors that cannot multiply it
BUFFER = 512 * 1024 * 1024


# ---------------------------------------------------------------- in the processes that measure

def load(base, adapter, dtype, threads):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
    if adapter:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, adapter)
    return model.eval()


def tokens(model, count):
    import torch
    return torch.tensor([[(7919 * i + 17) % model.config.vocab_size for i in range(count)]])


def generate(model, ids, count, clock=None):
    import torch
    stops = [lambda ids, scores: clock.append(time.perf_counter()) or torch.zeros(1, dtype=torch.bool)] if clock is not None else []
    with torch.no_grad():
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count, do_sample=False,
            use_cache=True, pad_token_id=0, stopping_criteria=stops)
    assert out.shape[1] == ids.shape[1] + count


def runs():
    """At least one run, at most RUNS."""
    begin = time.perf_counter()
    for i in range(RUNS):
        if i == 0 or time.perf_counter() - begin < PATIENCE:
            yield i


def decode_here(model):
    ids, decode, whole = tokens(model, PROMPT), [], []
    generate(model, ids, 8)  # warm
    for _ in runs():
        clock, start = [], time.perf_counter()
        generate(model, ids, NEW, clock)
        whole.append(NEW / (time.perf_counter() - start))
        decode.append((NEW - 1) / (clock[-1] - clock[0]))
    return {"decode": max(decode), "generate": max(whole)}


def prefill_here(model):
    import torch
    ids, rates = tokens(model, PREFILL), []
    with torch.no_grad():
        model(input_ids=ids[:, :PROMPT])  # warm
    for _ in runs():
        start = time.perf_counter()
        with torch.no_grad():
            model(input_ids=ids, use_cache=True, logits_to_keep=1)
        rates.append(PREFILL / (time.perf_counter() - start))
    return {"prefill": max(rates)}


def speed_here(base, adapter, dtype, threads):
    model = load(base, adapter, dtype, threads)
    rates = decode_here(model)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**rates, "peak_mib": peak, **prefill_here(model)}


def first_token_here(base, adapter, dtype, threads):
    model = load(base, adapter, dtype, threads)
    generate(model, tokens(model, PROMPT), 1)
    return {}


def in_threads(count, work):
    """The shortest of several runs of work(i), one thread each; numpy lets go of the lock in them."""
    from concurrent.futures import ThreadPoolExecutor
    best = float("inf")
    with ThreadPoolExecutor(count) as pool:
        for _ in range(2 + 2 * RUNS):
            start = time.perf_counter()
            list(pool.map(work, range(count)))
            best = min(best, time.perf_counter() - start)
    return best


def bandwidth_here():
    import numpy
    source, target = numpy.ones(BUFFER // 4, numpy.float32), numpy.zeros(BUFFER // 4, numpy.float32)
    result = {}
    for count in (1, 2):
        sources, targets = numpy.split(source, count), numpy.split(target, count)
        result[f"copy_{count}"] = 2 * BUFFER / in_threads(count, lambda i: numpy.copyto(targets[i], sources[i])) / 1e9
        result[f"read_{count}"] = BUFFER / in_threads(count, lambda i: numpy.dot(sources[i], sources[i])) / 1e9
    return result


# ---------------------------------------------------------------- the measurements

def fresh(what, *arguments, threads):
    """The result of a function above in a process of its own, its time and its highest resident memory in MiB."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", os.path.abspath(__file__), "--here", json.dumps([what, *arguments])]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    line = process.stdout.readline()
    seconds = time.perf_counter() - start
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{what} failed")
    return json.loads(line), seconds, usage.ru_maxrss / 1024


def speed(base, adapter, dtype, threads):
    """Tokens per second of decode, generate and prefill; peak_mib before the prefill. No adapter: None."""
    return fresh("speed", base, adapter, dtype, threads, threads=threads)[0]


def first_token(base, adapter, dtype, threads):
    results = [fresh("first_token", base, adapter, dtype, threads, threads=threads) for _ in range(RUNS)]
    return {"seconds": min(r[1] for r in results), "peak_mib": max(r[2] for r in results)}


def bandwidth():
    """GB/s with one thread and two."""
    return fresh("bandwidth", threads=1)[0]


def measure_all(base, adapter, threads):
    result = {"threads": threads, "load_before": os.getloadavg()[0], "bandwidth": bandwidth(), "rows": []}
    for dtype in ("float32", "bfloat16"):
        for name, folder in (("base", None), ("lora", adapter)):
            rates, first = speed(base, folder, dtype, threads), first_token(base, folder, dtype, threads)
            result["rows"].append({"dtype": dtype, "model": name, **rates, "first_token": first})
    return {**result, "bandwidth_after": bandwidth(), "load_after": os.getloadavg()[0]}


def table(result):
    lines = ["| weights | model | decode tok/s | generate tok/s | prefill tok/s | peak RSS | first token | its peak RSS |",
             "|---|---|---|---|---|---|---|---|"]
    for r in result["rows"]:
        first = r["first_token"]
        lines.append(f"| {r['dtype']} | {r['model']} | {r['decode']:.1f} | {r['generate']:.1f} | {r['prefill']:.0f} | "
                     f"{r['peak_mib']:.0f} MiB | {first['seconds']:.1f} s | {first['peak_mib']:.0f} MiB |")
    lines += ["", "| GB/s | copy, 1 thread | copy, 2 | read, 1 | read, 2 |", "|---|---|---|---|---|"]
    for name in ("bandwidth", "bandwidth_after"):
        b = result[name]
        lines.append(f"| {name} | " + " | ".join(f"{b[k]:.1f}" for k in ("copy_1", "copy_2", "read_1", "read_2")) + " |")
    return "\n".join(lines + ["", f"load before {result['load_before']:.1f}, after {result['load_after']:.1f}"])


def main(arguments):
    if arguments[:1] == ["--here"]:
        what, *rest = json.loads(arguments[1])
        print(json.dumps(globals()[f"{what}_here"](*rest)), flush=True)
        return
    threads = 2
    if "--threads" in arguments:
        at = arguments.index("--threads")
        threads = int(arguments.pop(at + 1))
        arguments.pop(at)
    as_json = "--json" in arguments
    base, adapter = [a for a in arguments if a != "--json"]
    result = measure_all(os.path.abspath(base), os.path.abspath(adapter), threads)
    print(json.dumps(result) if as_json else table(result))


if __name__ == "__main__":
    main(sys.argv[1:])
