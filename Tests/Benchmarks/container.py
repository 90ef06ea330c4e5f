"""Size and speed of .adp against ZipNN, Zstandard and safetensors, in one run.

    pip install torch safetensors zipnn==0.5.4           # and zstd, from Debian
    swift build -c release --product container-benchmark
    swift build -c release --product adapter
    python Tests/Benchmarks/container.py MODEL.safetensors FOLDER

MODEL is all-MiniLM-L6-v2's weights in fp32, of which the encoder's layers are taken; ADAPTER_REAL may name a folder of
PEFT adapters. Files are made once and kept in FOLDER. Prints tables in Markdown. What is on one core is
pinned to it, ZipNN as well; times are the best of nine, from memory to memory unless it says file.
"""
import json, os, shutil, subprocess, sys, time, warnings

from merge import ADAPTER, ROOT, lora_tensors

BENCHMARK = os.path.join(ROOT, ".build", "release", "container-benchmark")
RANK, CHUNK = 16, 1 << 17
DTYPES = {"fp32": ("F32", "float32"), "bf16": ("BF16", "bfloat16"), "fp16": ("F16", "float16")}


def make_data(model, folder):
    """Safetensors files: name -> (path, dtype)."""
    import torch
    from safetensors.torch import load_file, save_file

    layers = {key: value for key, value in load_file(model).items() if "encoder.layer." in key}
    lora = lora_tensors(RANK)
    half = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    sets = [(f"MiniLM {name}", layers, half[name], half[name]) for name in ("fp32", "bf16")]
    sets += [(f"LoRA 1.1 B {name}", lora, half[name], half[name]) for name in half]
    sets.append(("LoRA 1.1 B fp32, values of bf16", lora, torch.bfloat16, torch.float32))
    files = {}
    for name, tensors, values, stored in sets:
        path = os.path.join(folder, name.replace(" ", "_").replace(",", "") + ".safetensors")
        files[name] = (path, next(key for key in half if half[key] == stored))
        if not os.path.exists(path):
            save_file({key: value.to(values).to(stored).contiguous() for key, value in tensors.items()}, path)
    real = os.environ.get("ADAPTER_REAL")
    for name in sorted(os.listdir(real)) if real else []:
        source, path = os.path.join(real, name, "adapter_model.safetensors"), os.path.join(folder, name + ".safetensors")
        if os.path.exists(source):
            shutil.copyfile(source, path)
            files[name] = (path, "fp32")
    return files


def contents(path):
    """The header's bytes, and those of all tensors."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return 8 + length, file.seek(8 + length) and file.read()


def benchmark(*arguments, cores="1"):
    words = ["taskset", "-c", cores, BENCHMARK, *map(str, arguments)]
    return [float(word) for word in subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()]


def best(body, rounds=9):
    result = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        body()
        result = min(result, time.perf_counter() - start)
    return result


def zipnn(raw, dtype):
    """Stored bytes, and seconds to encode and to decode."""
    import zipnn

    codec = zipnn.ZipNN(bytearray_dtype=DTYPES[dtype][1], threads=1)
    packed = codec.compress(bytearray(raw))
    assert bytes(codec.decompress(packed)) == raw
    # It works in place: each time it needs bytes of its own, which are not part of the work.
    encode = float("inf")
    for _ in range(9):
        copy = bytearray(raw)
        encode = min(encode, best(lambda: codec.compress(copy), 1))
    return len(packed), encode, best(lambda: codec.decompress(packed))


def sizes(files, folder):
    print("| file | safetensors | `zstd -19` | ZipNN | fast | default | max |\n|---|---|---|---|---|---|---|")
    for name, (path, dtype) in files.items():
        header, raw = contents(path)
        total = header + len(raw)
        zstd = subprocess.run(["zstd", "-19", "-c", path], check=True, capture_output=True).stdout
        cells = [len(zstd), header + zipnn(raw, dtype)[0]]
        for level in ("fast", "default", "max"):
            output = os.path.join(folder, f"{name}.{level}.adp".replace(" ", "_"))
            if not os.path.exists(output):
                benchmark("write", path, level, output, cores="0-1")
            cells.append(os.path.getsize(output))
        print(f"| {name} | {total / 1e6:.3f} MB | " + " | ".join(f"{cell / total:.4f}" for cell in cells) + " |")


def speeds(files, folder):
    print("\n| one core, GB/s | ZipNN encodes | we encode | ZipNN decodes | we decode | with CRC-32 |\n|---|---|---|---|---|---|")
    for name, (path, dtype) in files.items():
        _, raw = contents(path)
        if len(raw) < 1 << 20:
            continue
        with open(folder + "/raw", "wb") as file:
            file.write(raw)
        _, _, *ours = benchmark("codec", folder + "/raw", DTYPES[dtype][0], "default", CHUNK)
        _, *theirs = zipnn(raw, dtype)
        rate = lambda seconds: f"{len(raw) / seconds / 1e9:.2f}"
        ratio = lambda ours, theirs: f"{rate(ours)} ({theirs / ours:.2f} ×)"
        print(f"| {name} | {rate(theirs[0])} | {ratio(ours[0], theirs[0])} | {rate(theirs[1])} | "
              f"{ratio(ours[1], theirs[1])} | {ratio(ours[2], theirs[1])} |")


def forget(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def loads(files, folder):
    from safetensors.numpy import load_file

    print("\n| loading a file, ms | safetensors.numpy | .adp, two cores | .adp, one core | safetensors, cold | .adp, cold | written, two cores / one |")
    print("|---|---|---|---|---|---|---|")
    for name, (path, dtype) in files.items():
        if dtype == "bf16":
            continue  # numpy has no such type
        output = os.path.join(folder, f"{name}.default.adp".replace(" ", "_"))
        load = lambda: [array.shape for array in load_file(path).values()]
        warm, two, one = best(load), benchmark("load", output, cores="0-1")[1], benchmark("load", output)[1]
        theirs = []
        for _ in range(3):
            forget(path)
            theirs.append(best(load, 1))
        cold = [min(theirs), benchmark("cold", output, cores="0-1")[1]]
        written = [benchmark("write", path, "default", folder + "/written", cores=cores)[1] for cores in ("0-1", "1")]
        row = [warm, two, one, *cold]
        print(f"| {name} | " + " | ".join(f"{1000 * cell:.2f}" for cell in row)
              + f" | {1000 * written[0]:.1f} / {1000 * written[1]:.1f} ({written[1] / written[0]:.2f} ×) |")


def manifest(folder):
    """20,000 tensors of a mixture of experts."""
    import numpy
    from safetensors.numpy import save_file

    source = folder + "/experts"
    if not os.path.exists(source):
        modules = [f"layers.{layer}.mlp.experts.{expert}.{name}_proj" for layer in range(40) for expert in range(84)
                   for name in ("gate", "up", "down")][:10_000]
        tensors = {}
        for module in modules:
            tensors[f"base_model.model.model.{module}.lora_A.weight"] = numpy.ones((4, 16), numpy.float32)
            tensors[f"base_model.model.model.{module}.lora_B.weight"] = numpy.ones((16, 4), numpy.float32)
        os.makedirs(source)
        save_file(tensors, source + "/adapter_model.safetensors", metadata={"format": "pt"})
        with open(source + "/adapter_config.json", "w") as file:
            json.dump({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["gate_proj", "up_proj", "down_proj"],
                       "base_model_name_or_path": "base", "fan_in_fan_out": False}, file)
    subprocess.run([ADAPTER, "convert", source, "-o", source + ".adp", "--force"], check=True, stderr=subprocess.DEVNULL)
    count, seconds = benchmark("open", source + ".adp")
    print(f"\nOpening a file of {count:,.0f} tensors: {1000 * seconds:.0f} ms.")


def main(model, folder):
    warnings.filterwarnings("ignore")
    os.makedirs(folder, exist_ok=True)
    os.sched_setaffinity(0, {1})
    files = make_data(model, folder)
    sizes(files, folder)
    speeds(files, folder)
    seconds, count = benchmark("digest")
    print(f"\nSHA-256: {count / seconds / 1e9:.2f} GB/s on one core.")
    loads(files, folder)
    manifest(folder)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
