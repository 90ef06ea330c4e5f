"""How much memory merging takes where base, tensors and adapters are large.

    python Tests/Benchmarks/memory.py FOLDER             # needs 25 GB there, and numpy

Makes a sparse base of 9.7 GB whose embedding is 2.1 GB, a matrix beside it 1.1 GB, and adapters that change those in
every way that could be held in memory: a LoRA on the embedding and a DoRA on it (two passes over it, and the norms of
its columns), one on a weight of 1.1 GB, a module that was saved in full (2.1 GB), and eight adapters at once. Prints seconds
and MiB of memory at the peak of each command.
"""
import json, os, subprocess, sys, time
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.environ.get("ADAPTER", os.path.join(ROOT, ".build", "release", "adapter"))
ROWS, WIDTH, LAYERS, RANK = 131_072, 8_192, 12, 16
TENSORS = {"model.table.weight": (ROWS, WIDTH), "model.head.weight": (ROWS // 2, WIDTH)}
TENSORS |= {f"model.layers.{layer}.up.weight": (4 * WIDTH, WIDTH) for layer in range(LAYERS)}


def safetensors(path, tensors, fill):
    """A file of BF16 or F32 tensors; `fill` writes their bytes, or leaves a hole."""
    header, offset = {}, 0
    for name, (dtype, shape) in tensors.items():
        size = int(np.prod(shape)) * (2 if dtype == "BF16" else 4)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        start = file.tell()
        file.truncate(start + offset)
        for name, entry in header.items():
            file.seek(start + entry["data_offsets"][0])
            fill(file, entry)


def noise(file, entry):
    """Small random numbers, some at a time."""
    random = np.random.default_rng(len(str(entry)))
    block = (random.standard_normal(1 << 20, dtype=np.float32) * 0.02).view(np.uint32)
    block = (block >> 16).astype(np.uint16) if entry["dtype"] == "BF16" else block
    first, end = entry["data_offsets"]
    for place in range(first, end, block.nbytes):
        file.write(block.tobytes()[: end - place])


def adapter(name, operations, tensors):
    """A packed adapter of these operations."""
    folder = name + ".folder"
    os.makedirs(folder)
    safetensors(folder + "/tensors.safetensors", tensors, noise)
    with open(folder + "/manifest.json", "w") as file:
        json.dump({"adapters": [{"name": "default", "method": "test", "operations": operations}]}, file)
    subprocess.run([ADAPTER, "pack", folder, "-o", name], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-r", folder], check=True)


def low_rank(target, layout, **roles):
    return {"op": "add_low_rank", "target": target, "scale": 1, "layout": layout, "tensors": {"a": "a", "b": "b", **roles}}


def make():
    safetensors("base.safetensors", {name: ("BF16", shape) for name, shape in TENSORS.items()}, lambda file, entry: None)
    embed, head = "model.table.weight", "model.head.weight"
    # Of an embedding the rows are inputs: stored in_out.
    factors = {"a": ("F32", (RANK, ROWS)), "b": ("F32", (WIDTH, RANK))}
    adapter("embedding.adp", [low_rank(embed, "in_out")], factors)
    adapter("dora.adp", [low_rank(embed, "in_out", magnitude="m")], factors | {"m": ("F32", (WIDTH,))})
    adapter("head.adp", [low_rank(head, "out_in")], {"a": ("F32", (RANK, WIDTH)), "b": ("F32", (ROWS // 2, RANK))})
    adapter("saved.adp", [{"op": "replace", "target": embed, "tensors": {"value": "v"}}], {"v": ("F32", (ROWS, WIDTH))})
    for number in range(8):
        adapter(f"lora{number}.adp", [
            {"op": "add_low_rank", "target": name, "scale": 1, "layout": "out_in", "tensors": {"a": f"a{i}", "b": f"b{i}"}}
            for i, (name, shape) in enumerate(TENSORS.items()) if "layers" in name
        ], {f"{role}{i}": ("F32", size) for i, (name, (out, into)) in enumerate(TENSORS.items()) if "layers" in name
            for role, size in (("a", (RANK, into)), ("b", (out, RANK)))})


def run(name, *arguments):
    start = time.perf_counter()
    process = subprocess.Popen([ADAPTER, *arguments], stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{arguments}: {errors}")
    print(f"{name:36} {time.perf_counter() - start:7.1f} s {usage.ru_maxrss / 1024:6.0f} MiB", flush=True)


def main(folder):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    if not os.path.exists("lora7.adp"):
        make()
    # DoRA of an embedding of zeros has no norm; the others change zeros.
    merges = {"LoRA on an embedding of 2.1 GB": ["embedding.adp"], "LoRA on a head of 1.1 GB": ["head.adp"],
              "a module saved in full, 4.3 GB": ["saved.adp"], "eight adapters at once": [f"lora{n}.adp:0.1" for n in range(8)],
              "that module, and DoRA on it": ["saved.adp", "dora.adp"]}
    for name, adapters in merges.items():
        run(name, "merge", "base.safetensors", *adapters, "-o", "out.safetensors", "--force")
    run("verify --merge", "verify", "--merge", "base.safetensors", "saved.adp", "dora.adp", "out.safetensors")
    run("a dry run", "merge", "base.safetensors", "head.adp", "--dry-run")
    run("merge with an undo", "merge", "base.safetensors", "head.adp", "-o", "out.safetensors", "--undo", "undo.adp", "--force")
    run("the undo", "merge", "out.safetensors", "undo.adp", "-o", "back.safetensors", "--force")
    subprocess.run(["cmp", "base.safetensors", "back.safetensors"], check=True)
    run("to F32", "merge", "base.safetensors", "head.adp", "-o", "out.safetensors", "--dtype", "f32", "--force")
    for path in ("out.safetensors", "back.safetensors"):
        os.remove(path)


if __name__ == "__main__":
    main(sys.argv[1])
