"""Holds merged classifiers, taggers and reward models against PEFT: transformers must load each as the class that its
config.json names, and give the logits of the unmerged model.

    python Tests/Library/check_heads.py [CASE …]         # ADAPTER=PATH names another build

Prints a line for each case, exits 1 if one differs.
"""
import json, os, subprocess, sys, tempfile, warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = os.environ.get("ADAPTER", ROOT / ".build" / "release" / "adapter")
sys.path[:0] = [str(ROOT / "Fixtures" / "makers" / "families")]
warnings.filterwarnings("ignore")

from small import filled, small_configuration  # first: keeps the hub offline
import torch
import transformers
from peft import LoraConfig, get_peft_model

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

IDS = {"input_ids": torch.arange(3, 11)[None]}
# case: model type, class of the base, class with the head, task, targets, labels, modules to save
CASES = {
    "bert bare, sequence": ("bert", "BertModel", "BertForSequenceClassification", "SEQ_CLS", ["query"], 3, None),
    "bert, token": ("bert", "BertForMaskedLM", "BertForTokenClassification", "TOKEN_CLS", ["query"], 5, None),
    "bert, answer": ("bert", "BertForMaskedLM", "BertForQuestionAnswering", "QUESTION_ANS", ["query"], None, None),
    "llama, reward": ("llama", "LlamaForCausalLM", "LlamaForSequenceClassification", "SEQ_CLS", ["q_proj"], 1, None),
    "llama, token": ("llama", "LlamaForCausalLM", "LlamaForTokenClassification", "TOKEN_CLS", ["q_proj"], 4, None),
    "gpt2, sequence": ("gpt2", "GPT2LMHeadModel", "GPT2ForSequenceClassification", "SEQ_CLS", ["c_attn"], 3, None),
    "roberta, sequence": (
        "roberta", "RobertaForMaskedLM", "RobertaForSequenceClassification", "SEQ_CLS", ["query"], 3, None),
    "roberta, token": ("roberta", "RobertaForMaskedLM", "RobertaForTokenClassification", "TOKEN_CLS", ["query"], 3, None),
    "distilbert, sequence": (
        "distilbert", "DistilBertForMaskedLM", "DistilBertForSequenceClassification", "SEQ_CLS", ["q_lin"], 3, None),
    "qwen2 bare, sequence": ("qwen2", "Qwen2Model", "Qwen2ForSequenceClassification", "SEQ_CLS", ["q_proj"], 2, None),
    "vit": ("vit", "ViTModel", "ViTForImageClassification", None, ["q_proj"], 3, ["classifier"]),
}
# Models without a token for padding take one text at a time; these are given one.
PADDED = {"llama", "gpt2", "qwen2"}


def check(case, folder):
    model_type, base_class, head_class, task, targets, labels, saved = CASES[case]
    torch.manual_seed(0)
    config = small_configuration(model_type)
    if model_type in PADDED:
        config.pad_token_id = 0
    filled(getattr(transformers, base_class)(config)).save_pretrained(folder / "base")
    options = {} if labels is None else {"num_labels": labels}
    model = getattr(transformers, head_class).from_pretrained(folder / "base", **options)
    adapter = get_peft_model(model, LoraConfig(
        task_type=task, target_modules=targets, r=2, init_lora_weights=False, modules_to_save=saved)).eval()
    adapter.save_pretrained(folder / "peft")
    inputs = IDS if model_type != "vit" else {"pixel_values": torch.randn(1, 3, 16, 16)}
    with torch.no_grad():
        wanted = adapter(**inputs)
    made = subprocess.run([ADAPTER, "merge", folder / "base", folder / "peft", "-o", folder / "out"],
                          capture_output=True, text=True)
    if made.returncode:
        return made.stderr
    architecture = json.loads((folder / "out" / "config.json").read_text())["architectures"][0]
    merged = getattr(transformers, architecture).from_pretrained(folder / "out").eval()
    with torch.no_grad():
        found = merged(**inputs)
    key = "logits" if "logits" in wanted else "start_logits"
    if architecture != head_class or found[key].shape != wanted[key].shape:
        return f"is {architecture}, with logits of {tuple(found[key].shape)}"
    largest = (found[key] - wanted[key]).abs().max().item()
    return None if largest < 1e-5 else f"logits are off by {largest:.3g}"


def main():
    wrong = 0
    for case in sys.argv[1:] or CASES:
        with tempfile.TemporaryDirectory() as folder:
            problem = check(case, Path(folder))
        wrong += problem is not None
        print(f"{case}: {problem or 'the logits of PEFT'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
