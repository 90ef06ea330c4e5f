"""Merging into large quantised bases: time against writing the result, peak memory, and how fast values are decoded.

    pip install numpy
    ADAPTER=.build/release/adapter python3 Tests/Benchmarks/quantised.py [GIGABYTES] [SCHEME ...]

Makes a base of so many gigabytes of codes (1) in each scheme: random codes in layers as wide as those of a Llama 7 B, or
stacks of experts as gpt-oss has them. The adapter is of rank 16 on one layer in four. `write` is `dd` of zeros of the
result's size into the same folder, synced, as a merge's files are. A second line has the same with `--requantize`, for
which one layer in four is worked out and the rest copied.
"""
import json, os, pathlib, shutil, subprocess, sys, tempfile, time
import numpy as np

ADAPTER = os.environ.get("ADAPTER", ".build/release/adapter")
OUT, IN, RANK = 4096, 11008, 16
EXPERTS, EXPERT_OUT, EXPERT_IN = 32, 5760, 2880
NF4 = [-1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803, 0.1609302, 0.2461123,
       0.33791524, 0.44070983, 0.562617, 0.72295684, 1]
random = np.random.default_rng(1)


def codes(count):
    """Random bytes: one run of them over and over, as making them takes longer than merging."""
    run = random.integers(0, 256, 1 << 20, dtype=np.uint8)
    return np.resize(run, count)


def floats(shape, kind):
    return (random.random(shape, dtype=np.float32) * 0.01 + 0.001).astype(kind)


def nf4(module):
    count = OUT * IN
    state = json.dumps({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [OUT, IN], "nested_blocksize": 256,
                        "nested_dtype": "float32", "nested_offset": float(np.float32(0.05))})
    name = module + ".weight"
    return {name: ("U8", codes(count // 2).reshape(-1, 1)), name + ".absmax": ("U8", codes(count // 64)),
            name + ".quant_map": ("F32", np.array(NF4, np.float32)), name + ".nested_absmax": ("F32", floats(count // 64 // 256, np.float32)),
            name + ".nested_quant_map": ("F32", floats(256, np.float32)),
            name + ".quant_state.bitsandbytes__nf4": ("U8", np.frombuffer(state.encode(), np.uint8))}


def fp8(module):
    weight = codes(OUT * IN) & 0x77
    return {module + ".weight": ("F8_E4M3", weight.reshape(OUT, IN)), module + ".weight_scale_inv": ("F32", floats((OUT // 128, IN // 128), np.float32))}


def gptq(module):
    return {module + ".qweight": ("I32", codes(IN * OUT // 2).view(np.int32).reshape(IN // 8, OUT)),
            module + ".qzeros": ("I32", codes(IN // 128 * OUT // 2).view(np.int32).reshape(IN // 128, OUT // 8)),
            module + ".scales": ("F16", floats((IN // 128, OUT), np.float16)),
            module + ".g_idx": ("I32", (np.arange(IN) // 128).astype(np.int32))}


def packed(module):
    return {module + ".weight_packed": ("I32", codes(IN * OUT // 2).view(np.int32).reshape(OUT, IN // 8)),
            module + ".weight_scale": ("F16", floats((OUT, IN // 128), np.float16)),
            module + ".weight_shape": ("I64", np.array([OUT, IN]))}


def mxfp4(module):
    shape = (EXPERTS, EXPERT_OUT, EXPERT_IN // 32)
    return {module + "_blocks": ("U8", codes(int(np.prod(shape)) * 16).reshape(*shape, 16)),
            module + "_scales": ("U8", (codes(int(np.prod(shape))) % 16 + 110).reshape(shape))}


SCHEMES = {
    "nf4": (nf4, {"quant_method": "bitsandbytes", "load_in_4bit": True}, OUT * IN),
    "fp8": (fp8, {"quant_method": "fp8", "weight_block_size": [128, 128]}, OUT * IN),
    "gptq": (gptq, {"quant_method": "gptq", "bits": 4, "group_size": 128, "checkpoint_format": "gptq"}, OUT * IN),
    "packed": (packed, {"quant_method": "compressed-tensors", "format": "pack-quantized"}, OUT * IN),
    "mxfp4": (mxfp4, {"quant_method": "mxfp4"}, EXPERTS * EXPERT_OUT * EXPERT_IN),
}


def write(path, tensors):
    """safetensors, one array after the other: nothing else holds them all."""
    header, place = {}, 0
    for name, (kind, array) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in tensors.values():
            array.tofile(file)
    return place


def make(folder, name, gigabytes):
    maker, config, _ = SCHEMES[name]
    base, adapter, names, total, layer = folder / "base", folder / "lora", {}, 0, 0
    base.mkdir(), adapter.mkdir()
    lora = {}
    while total < gigabytes * 1e9:
        module = f"model.layers.{layer}.mlp." + ("experts.gate_up_proj" if name == "mxfp4" else "down_proj")
        shard = f"model-{layer:05}.safetensors"
        tensors = maker(module)
        total += write(base / shard, tensors)
        names |= {tensor: shard for tensor in tensors}
        if layer % 4 == 0 and name != "mxfp4":
            lora[f"base_model.model.{module}.lora_A.weight"] = ("F32", floats((RANK, IN), np.float32))
            lora[f"base_model.model.{module}.lora_B.weight"] = ("F32", floats((OUT, RANK), np.float32))
        layer += 1
    if name == "mxfp4":
        # One small layer that is not quantised, as gpt-oss' attention.
        module = "model.layers.0.self_attn.q_proj"
        shard = "model-plain.safetensors"
        write(base / shard, {module + ".weight": ("F32", floats((64, 64), np.float32))})
        names[module + ".weight"] = shard
        lora = {f"base_model.model.{module}.lora_A.weight": ("F32", floats((RANK, 64), np.float32)),
                f"base_model.model.{module}.lora_B.weight": ("F32", floats((64, RANK), np.float32))}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": names}))
    (base / "config.json").write_text(json.dumps({"model_type": "llama", "torch_dtype": "bfloat16", "quantization_config": config}))
    write(adapter / "adapter_model.safetensors", lora)
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": RANK, "lora_alpha": 16, "target_modules": ["down_proj", "q_proj"]}))
    return total, layer


def run(*command):
    """Seconds of the clock, seconds of the processors, and the peak of memory in MiB."""
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while True:
        # wait4's peak begins with that of this process.
        try:
            lines = pathlib.Path(f"/proc/{child.pid}/status").read_text().splitlines()
            peak = max([peak] + [int(line.split()[1]) for line in lines if line.startswith("VmHWM")])
        except OSError:
            pass
        done, status, usage = os.wait4(child.pid, os.WNOHANG)
        if done:
            assert status == 0, command
            return time.monotonic() - began, usage.ru_utime + usage.ru_stime, peak / 1024
        time.sleep(0.005)


def main():
    words = sys.argv[1:]
    gigabytes = float(words.pop(0)) if words and words[0].replace(".", "").isdigit() else 1
    for name in words or SCHEMES:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            size, layers = make(folder, name, gigabytes)
            seconds, processor, memory = run(ADAPTER, "merge", folder / "base", folder / "lora", "-o", folder / "merged", "--dequantize")
            result = sum(path.stat().st_size for path in (folder / "merged").glob("*.safetensors"))
            shutil.rmtree(folder / "merged")
            def write_seconds(count):
                seconds, _, _ = run("dd", "if=/dev/zero", f"of={folder}/zeros", "bs=4M", f"count={count // (4 << 20)}", "conv=fdatasync")
                (folder / "zeros").unlink()
                return seconds
            writing = write_seconds(result)
            print(f"{name}: {size / 1e9:.2f} GB of codes in {layers} layers to {result / 1e9:.2f} GB: {seconds:.2f} s, "
                  f"{seconds / writing:.2f} x writing it ({writing:.2f} s), {result / 1e9 / processor:.2f} GB/s a core, {memory:.0f} MiB", flush=True)
            if name == "mxfp4":
                continue
            seconds, processor, memory = run(ADAPTER, "merge", folder / "base", folder / "lora", "-o", folder / "merged", "--requantize")
            writing = write_seconds(size)
            print(f"{name}: back to codes: {seconds:.2f} s, {seconds / writing:.2f} x writing them ({writing:.2f} s), "
                  f"{processor:.1f} s of the processors, {memory:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
