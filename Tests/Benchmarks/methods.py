"""What a merge costs, method by method: 8 bf16 weights of 4096 x 4096 (268 MB), one adapter each.

    pip install torch safetensors                       # in any Python
    swift build -c release --product adapter             # ADAPTER=PATH names another build
    python Tests/Benchmarks/methods.py FOLDER

Prints a table in Markdown: the best of three merges, how many times that of `cp` it is, and MiB of memory at the peak. The tensors are
random and of PEFT's shapes; what they mean is tested elsewhere.
"""
import json, multiprocessing, os, subprocess, sys, time

SIZE, COUNT, RANK = 4096, 8, 16
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.environ.get("ADAPTER", os.path.join(ROOT, ".build", "release", "adapter"))
N, R = SIZE, RANK
# configuration and shapes of one module's tensors
METHODS = {
    "LoRA": (dict(peft_type="LORA", r=R, lora_alpha=R), {"lora_A.weight": [R, N], "lora_B.weight": [N, R]}),
    "DoRA": (dict(peft_type="LORA", r=R, lora_alpha=R, use_dora=True), {
        "lora_A.weight": [R, N], "lora_B.weight": [N, R], "lora_magnitude_vector": [N]}),
    "DoRA, transposed": (dict(peft_type="LORA", r=R, lora_alpha=R, use_dora=True, fan_in_fan_out=True), {
        "lora_A.weight": [R, N], "lora_B.weight": [N, R], "lora_magnitude_vector": [N]}),
    "IA3": (dict(peft_type="IA3", feedforward_modules=[]), {"ia3_l": [N, 1]}),
    "modules_to_save": (dict(peft_type="IA3", feedforward_modules=[], modules_to_save=["c_fc"]), {"weight": [N, N]}),
    "LoHa": (dict(peft_type="LOHA", r=R, alpha=R), {
        "hada_w1_a": [N, R], "hada_w1_b": [R, N], "hada_w2_a": [N, R], "hada_w2_b": [R, N]}),
    "LoKr": (dict(peft_type="LOKR", r=R, alpha=R), {"lokr_w1": [64, 64], "lokr_w2": [64, 64]}),
    "HiRA": (dict(peft_type="HIRA", r=R), {"hira_A": [R, N], "hira_B": [N, R]}),
    "SHiRA": (dict(peft_type="SHIRA", r=R), {"shira_weight": [2 * N * R], "shira_indices": [2, 2 * N * R]}),
    "MiSS": (dict(peft_type="MISS", r=64, init_weights=True), {"miss_block": [64, N]}),
    "MiSS, bat": (dict(peft_type="MISS", r=64, init_weights="bat"), {"miss_block": [N // 64, 64, 64]}),
    "C3A": (dict(peft_type="C3A"), {"c3a_kernel": [N // 256, N // 256, 256]}),
    "RoAd": (dict(peft_type="ROAD", variant="road_1", group_size=64), {"road_theta": [N // 2], "road_alpha": [N // 2]}),
    "GraLoRA": (dict(peft_type="GRALORA", r=32, alpha=64, gralora_k=2, hybrid_r=0), {
        "gralora_A": [2, N // 2, 32], "gralora_B": [2, 32, N // 2]}),
    "OFT": (dict(peft_type="OFT", oft_block_size=32, peft_version="0.21.2", num_cayley_neumann_terms=5), {
        "oft_R.weight": [N // 32, 32 * 31 // 2]}),
    "BOFT": (dict(peft_type="BOFT"), {"boft_R": [2, N // 32, 32, 32], "boft_s": [N, 1]}),
    "HRA": (dict(peft_type="HRA"), {"hra_u": [N, 8]}),
    "FourierFT": (dict(peft_type="FOURIERFT", random_loc_seed=777, scaling=150.0), {"fourierft_spectrum": [1000]}),
}


def make(folder):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    leaf = "c_fc"
    os.makedirs(folder + "/base")
    save_file({f"h.{i}.{leaf}.weight": (torch.randn(N, N) * 0.02).bfloat16() for i in range(COUNT)},
              folder + "/base/model.safetensors")
    for name, (config, shapes) in METHODS.items():
        tensors = {}
        for i in range(COUNT):
            for part, shape in shapes.items():
                values = torch.randn(shape) * 0.01
                if "indices" in part:
                    values = torch.randint(0, N, shape, dtype=torch.int32)
                tensors[f"base_model.model.h.{i}.{leaf}.{part}"] = values + (1 if "magnitude" in part else 0)
        os.makedirs(f"{folder}/{name}")
        save_file(tensors, f"{folder}/{name}/adapter_model.safetensors", metadata={"format": "pt"})
        with open(f"{folder}/{name}/adapter_config.json", "w") as file:
            json.dump({"base_model_name_or_path": "base", "target_modules": [leaf], **config}, file)


def run(*command):
    """Seconds, and MiB at the peak."""
    start = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {command}")
    return time.time() - start, usage.ru_maxrss / 1024


def main(folder):
    if not os.path.exists(folder + "/base"):
        # In a process of its own: what it takes would count as the commands' memory.
        maker = multiprocessing.Process(target=make, args=(folder,))
        maker.start()
        maker.join()
    base, out = folder + "/base/model.safetensors", folder + "/out.safetensors"
    copy, _ = min(run("cp", "--reflink=never", base, out) for _ in range(5))
    print(f"| method | seconds | x cp | MiB |\n|---|---|---|---|\n| `cp` | {copy:.2f} | 1.0 | |")
    for name in METHODS:
        layout = ["--layout", "in_out" if "transposed" in name else "out_in"]
        # A weight in a pattern of its own is stored as a matrix: the option only settles what is square.
        runs = [run(ADAPTER, "merge", base, f"{folder}/{name}", "-o", out, "--force", *layout) for _ in range(3)]
        best, most = min(seconds for seconds, _ in runs), max(memory for _, memory in runs)
        print(f"| {name} | {best:.2f} | {best / copy:.1f} | {most:.0f} |", flush=True)
    os.remove(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
