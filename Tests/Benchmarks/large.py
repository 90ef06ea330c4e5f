"""How long inspect and diff take on large adapters, and how much memory.

    python Tests/Benchmarks/large.py [FOLDER]

Makes the adapters in FOLDER (a temporary one unless given) in numpy, without PEFT:

* `llama`: LoRA of rank 16 on all linear layers of a 1.1 B Llama, F32, 50 MB;
* `many`: 20,000 tensors, LoRA of rank 4 on 10,000 weights of 256 × 256;
* `wide`: rank 512 on q_proj and v_proj of the same Llama, BF16, 151 MB.

Prints seconds of wall clock and MiB of memory at the peak, of the whole command.
"""
import json, os, subprocess, sys, tempfile, time
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.path.join(ROOT, ".build", "release", "adapter")
TYPES = {"F32": np.float32, "BF16": np.uint16}


def llama(layers, modules, rank, dtype):
    shapes = {"self_attn.q_proj": (2048, 2048), "self_attn.k_proj": (256, 2048),
              "self_attn.v_proj": (256, 2048), "self_attn.o_proj": (2048, 2048),
              "mlp.gate_proj": (5632, 2048), "mlp.up_proj": (5632, 2048),
              "mlp.down_proj": (2048, 5632)}
    for layer in range(layers):
        for module in modules or shapes:
            yield f"model.layers.{layer}.{module}.weight", shapes[module], rank, dtype


def many():
    for index in range(10_000):
        yield f"model.layers.{index // 100}.part.m{index % 100}.weight", (256, 256), 4, "F32"


def make(path, weights, seed):
    """A folder that `adapter pack` takes: manifest.json and tensors.safetensors."""
    random = np.random.default_rng(seed)
    os.makedirs(path)
    header, operations, offset = {}, [], 0
    with open(path + "/data", "wb") as data:
        for index, (target, (out, columns), rank, dtype) in enumerate(weights):
            operands = {}
            for role, shape in (("a", (rank, columns)), ("b", (out, rank))):
                values = random.standard_normal(shape, dtype=np.float32) * 0.02
                if dtype == "BF16":
                    values = (values.view(np.uint32) >> 16).astype(np.uint16)
                name = f"{role}{index}"
                header[name] = {"dtype": dtype, "shape": shape,
                                "data_offsets": [offset, offset + values.nbytes]}
                offset += values.nbytes
                data.write(values.tobytes())
                operands[role] = name
            operations.append({"op": "add_low_rank", "target": target, "tensors": operands,
                               "scale": 2.0, "layout": "out_in"})
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + "/tensors.safetensors", "wb") as file, open(path + "/data", "rb") as data:
        file.write(len(text).to_bytes(8, "little") + text)
        while piece := data.read(1 << 24):
            file.write(piece)
    os.remove(path + "/data")
    adapters = [{"name": "default", "method": "lora", "operations": operations}]
    with open(path + "/manifest.json", "w") as file:
        json.dump({"adapters": adapters}, file)


def run(*arguments):
    """Seconds and MiB of one command; the second of two runs, so that files are in memory."""
    for _ in range(2):
        start = time.perf_counter()
        process = subprocess.Popen([ADAPTER, *arguments], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{arguments} failed")
    return seconds, usage.ru_maxrss / 1024


def main(folder):
    kinds = {"llama": lambda: llama(22, None, 16, "F32"), "many": many,
             "wide": lambda: llama(22, ["self_attn.q_proj", "self_attn.v_proj"], 512, "BF16")}
    print(f"{'':6} {'command':30} {'seconds':>8} {'MiB':>6}")
    for kind, weights in kinds.items():
        files = []
        for seed in (1, 2):
            source, file = f"{folder}/{kind}{seed}", f"{folder}/{kind}{seed}.adp"
            if not os.path.exists(file):
                make(source, weights(), seed)
                subprocess.run([ADAPTER, "pack", source, "-o", file], check=True,
                               stderr=subprocess.DEVNULL)
            files.append(file)
        for name, arguments in {
            "inspect --summary": ["inspect", "--summary", files[0]],
            "inspect": ["inspect", files[0]],
            "inspect --spectrum --json": ["inspect", "--spectrum", "--json", files[0]],
            "inspect --html": ["inspect", files[0], "--html", f"{folder}/{kind}.html", "--force"],
            "diff": ["diff", *files],
            "diff --angles --json": ["diff", "--angles", "--json", *files],
        }.items():
            seconds, memory = run(*arguments)
            print(f"{kind:6} {name:30} {seconds:8.3f} {memory:6.0f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.makedirs(sys.argv[1], exist_ok=True)
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(temporary)
