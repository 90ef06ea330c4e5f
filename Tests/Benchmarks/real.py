"""A merge of a really trained LoRA or IA3 against the reference that PEFT left beside it.

    pip install torch transformers safetensors
    python Tests/Benchmarks/real.py BASE ADAPTER_FOLDER

BASE is a bf16 model folder, ADAPTER_FOLDER a PEFT folder of a plain LoRA or an IA3 with `reference.safetensors`:
`ids0`, `ids1` (prompts), `logits0`, `logits1` (next-token logits of the adapted model in fp32) and
`greedy0`, `greedy1` (tokens). The adapter is converted and merged, and the result loaded by transformers.

Rounding merged weights to bf16 moves logits whoever does it, so the merge is held against the best one
possible: computed in float64 and rounded once. Exits 1 if a logit is further than 2e-2 from that, or a
greedy token differs from the reference.
"""
import os, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADAPTER = os.path.join(ROOT, ".build", "release", "adapter")


def best_possible(base, source):
    """The base with W + scale * B * A, or W * v, in float64, rounded once to bf16."""
    import json, torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    with open(source + "/adapter_config.json") as file:
        config = json.load(file)
    tensors, weights = load_file(source + "/adapter_model.safetensors"), model.state_dict()
    for name, a in tensors.items():
        if name.endswith(".lora_A.weight"):
            target = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight") + ".weight"
            b = tensors[name.replace("lora_A", "lora_B")]
            change = config["lora_alpha"] / config["r"] * (b.double() @ a.double())
            weights[target].copy_(weights[target].double() + change)
        elif name.endswith(".ia3_l"):  # [out, 1] or [1, in], as linear layers are stored
            target = name.removeprefix("base_model.model.").removesuffix(".ia3_l") + ".weight"
            weights[target].copy_(weights[target].double() * a.double())
    return model.float()


def main(base, source):
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as folder:
        file, merged = folder + "/a.adp", folder + "/merged"
        subprocess.run([ADAPTER, "convert", source, "-o", file, "--base", base], check=True)
        subprocess.run([ADAPTER, "merge", base, file, "-o", merged], check=True)
        model = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32)
    best = best_possible(base, source)
    reference = load_file(source + "/reference.safetensors")
    failed = False
    for prompt in (0, 1):
        ids = reference[f"ids{prompt}"].reshape(1, -1)
        expected, greedy = reference[f"logits{prompt}"], reference[f"greedy{prompt}"].reshape(-1)
        with torch.no_grad():
            logits = model(ids).logits[0, -1]
            tokens = model.generate(ids, max_new_tokens=len(greedy), do_sample=False)[0, ids.shape[1]:]
            ideal = best(ids).logits[0, -1]
        difference, rounding = (logits - ideal).abs().max().item(), (ideal - expected).abs().max().item()
        same = tokens.tolist() == greedy.tolist()
        print(f"prompt {prompt}: max |logit difference| to PEFT in fp32 {(logits - expected).abs().max().item():.2e}, "
              f"of which rounding to bf16 alone {rounding:.2e}; to the best possible {difference:.2e}; "
              f"greedy tokens {'the same' if same else 'differ'}")
        failed |= difference > 2e-2 or not same
    sys.exit(failed)


if __name__ == "__main__":
    main(*sys.argv[1:])
