"""A QLoRA trained on an NF4 base, and what becomes of it in each kind of merge: loss and distance from the trained model.

    pip install torch transformers peft bitsandbytes
    ADAPTER=.build/release/adapter BASE=path/to/SmolLM2-135M-Instruct python -P Tests/Peers/qlora.py [STEPS]

Trained on the project's own texts, some minutes on two cores; measured on a text that was held out.
"""
import os, pathlib, shutil, subprocess, sys, tempfile
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADAPTER, BASE = os.environ.get("ADAPTER", ".build/release/adapter"), os.environ["BASE"]


def load(path, **more):
    return AutoModelForCausalLM.from_pretrained(path, device_map="cpu", **more).eval()


def ids(tokenizer, name, count):
    return tokenizer((ROOT / name).read_text(), return_tensors="pt").input_ids[:, :count]


def measure(model, text):
    with torch.no_grad():
        logits = model(text).logits[0, :-1].float()
    loss = torch.nn.functional.cross_entropy(logits, text[0, 1:]).item()
    return loss, torch.log_softmax(logits, -1)


def main(steps):
    folder = pathlib.Path(tempfile.mkdtemp())
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32)
    quantised = load(BASE, quantization_config=config, dtype=torch.bfloat16)
    quantised.save_pretrained(folder / "nf4")
    torch.manual_seed(1)
    tuned = get_peft_model(quantised, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-3)
    text = ids(tokenizer, "Spec/adp-v1.md", 1 << 20)[0]
    tuned.train()
    for step in range(steps):
        start = (step * 256) % (len(text) - 257)
        batch = text[start:start + 256][None]
        loss = tuned(batch, labels=batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print("step", step, round(loss.item(), 3), file=sys.stderr, flush=True)
    tuned.save_pretrained(folder / "lora")
    tuned.eval()
    held = ids(tokenizer, "Spec/cli.md", 512)
    loss, trained = measure(tuned, held)
    rows = [("NF4 and the LoRA beside it: what was trained", loss, trained)]
    with tuned.disable_adapter():
        rows.append(("NF4 alone", *measure(tuned, held)))
    def merged(base, name, *words):
        subprocess.run([ADAPTER, "merge", str(base), str(folder / "lora"), "-o", str(folder / name), *words], check=True, capture_output=True)
        return load(folder / name, dtype=torch.float32)
    rows.append(("adapter merge --dequantize, BF16", *measure(merged(folder / "nf4", "bf16", "--dequantize"), held)))
    rows.append(("adapter merge --dequantize --dtype f32", *measure(merged(folder / "nf4", "f32", "--dequantize", "--dtype", "f32"), held)))
    rows.append(("adapter merge into the original, BF16", *measure(merged(BASE, "original"), held)))
    peft = PeftModel.from_pretrained(load(folder / "nf4"), str(folder / "lora")).merge_and_unload()
    rows.append(("PEFT's merge into NF4", *measure(peft, held)))
    for name, loss, logits in rows:
        distance = (trained.exp() * (trained - logits)).sum(-1).mean().item()
        same = (trained.argmax(-1) == logits.argmax(-1)).float().mean().item()
        print(f"| {name} | {loss:.4f} | {distance:.5f} | {100 * same:.1f} % |", flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
