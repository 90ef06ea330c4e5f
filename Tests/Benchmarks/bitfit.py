"""BitFit on a real encoder: extracted from a fine-tuned copy, merged back bit for bit.

    pip install torch safetensors
    python Tests/Benchmarks/bitfit.py MODEL.safetensors        # all-MiniLM-L6-v2, fp32

MODEL's biases are changed in three ways: by small steps, by steps of their own size, and so that some
cancel; exits 1 unless the merge gives every byte of every changed copy back.
"""
import os, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.environ.get("ADAPTER", os.path.join(ROOT, ".build", "release", "adapter"))


def steps(kind, bias, generator):
    import torch

    noise = torch.randn(bias.shape, generator=generator)
    if kind == "small":
        return bias * (1 + 1e-3 * noise)
    if kind == "large":
        return bias + bias.std() * noise
    return torch.where(noise > 1, -bias * 1e-6, bias + noise)


def main(base):
    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    failed = False
    with safe_open(base, "pt") as file:
        metadata = file.metadata()
    for kind in ("small", "large", "cancelling"):
        generator = torch.Generator().manual_seed(1)
        tensors = load_file(base)
        for name in tensors:
            if name.endswith(".bias") and tensors[name].is_floating_point():
                tensors[name] = steps(kind, tensors[name], generator)
        with tempfile.TemporaryDirectory() as folder:
            tuned, adapter, merged = (f"{folder}/{name}" for name in ("tuned.safetensors", "a.adp", "merged.safetensors"))
            save_file(tensors, tuned, metadata=metadata)
            run = lambda *arguments: subprocess.run(
                [ADAPTER, *arguments], check=True, stderr=subprocess.PIPE, text=True).stderr
            forms = [line for line in run("extract", base, tuned, "-o", adapter, "--method", "bitfit").split("\n") if " as " in line]
            run("merge", base, adapter, "-o", merged)
            first, second = load_file(tuned), load_file(merged)
            same = all(torch.equal(first[name].view(torch.uint8), second[name].view(torch.uint8)) for name in first)
            failed |= not same or first.keys() != second.keys()
            size = os.path.getsize(adapter)
        print(f"{kind}: {'bit for bit' if same else 'NOT THE SAME'}; {size:,} bytes; "
              + "; ".join(form.removeprefix("adapter: note: ") for form in forms))
    sys.exit(failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
