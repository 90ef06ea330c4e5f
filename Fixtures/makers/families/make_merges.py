#!/usr/bin/env python3
"""Makes Fixtures/families: small models of well-known families, adapters of PEFT for them, and the merged weights as
transformers writes them.

Usage: make_merges.py [TYPE …]     all, or those named; some minutes

    families/TYPE/base/            the model
    families/TYPE/KIND/            an adapter: linear, embeddings, head (LoRA on these), saved-embeddings, saved-head
    families/TYPE/KIND/merged.safetensors    the tensors that it changes or makes, in the names of files
    families/cases.json            the class and the kinds of each; of a tied model those that need --untie
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from small import adapted, expected, filled, kinds_of, small_configuration  # first: keeps the hub offline

import torch
import transformers
from safetensors.torch import load_file, save_file

TARGET = Path(__file__).resolve().parents[2] / "families"
FOLDERS = {"linear": "linear", "LoRA on embeddings": "embeddings", "embeddings saved": "saved-embeddings",
           "LoRA on head": "head", "head saved": "saved-head"}
# Each with its output layer tied to the embeddings, where it has one.
CLASSES = {
    "bart": "BartForConditionalGeneration", "bert": "BertForMaskedLM", "bloom": "BloomForCausalLM",
    "deberta-v2": "DebertaV2ForMaskedLM", "deepseek_v3": "DeepseekV3ForCausalLM", "distilbert": "DistilBertForMaskedLM",
    "electra": "ElectraForMaskedLM", "falcon": "FalconForCausalLM", "gemma3": "Gemma3ForConditionalGeneration",
    "gemma2": "Gemma2ForCausalLM", "glm4": "Glm4ForCausalLM", "gpt_neox": "GPTNeoXForCausalLM", "llama": "LlamaForCausalLM",
    "llava": "LlavaForConditionalGeneration", "marian": "MarianMTModel", "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM", "mllama": "MllamaForConditionalGeneration", "modernbert": "ModernBertForMaskedLM",
    "olmoe": "OlmoeForCausalLM", "opt": "OPTForCausalLM", "paligemma": "PaliGemmaForConditionalGeneration",
    "phi3": "Phi3ForCausalLM", "phimoe": "PhimoeForCausalLM", "qwen2_audio": "Qwen2AudioForConditionalGeneration",
    "qwen2_vl": "Qwen2VLForConditionalGeneration", "qwen3": "Qwen3ForCausalLM", "qwen3_moe": "Qwen3MoeForCausalLM",
    "roberta": "RobertaForMaskedLM", "segformer": "SegformerForSemanticSegmentation", "swin": "SwinForImageClassification",
    "t5": "T5ForConditionalGeneration", "vit": "ViTForImageClassification", "whisper": "WhisperForConditionalGeneration",
}
LIMIT = 400_000  # bytes of a base that is worth its place here


def files(folder):
    return {name: value for path in sorted(folder.glob("*.safetensors")) for name, value in load_file(path).items()}


def make(model_type, cls, folder):
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) / "base"
        model = filled(cls(small_configuration(model_type, True)))
        model.save_pretrained(base)
        before = files(base)
        if sum(value.nbytes for value in before.values()) > LIMIT:
            raise ValueError("too large")
        made = {}
        for kind, fields in kinds_of(model):
            adapter = adapted(cls.from_pretrained(base, dtype=torch.float32), fields)
            values = expected(adapter)
            peft = Path(temporary) / "peft"
            shutil.rmtree(peft, ignore_errors=True)
            adapter.save_pretrained(peft)
            after = Path(temporary) / "after"
            is_untied = write(cls, model_type, base, values, after)
            now = files(after)
            changed = {name: value for name, value in now.items()
                       if name not in before or not torch.equal(value, before[name])}
            target = folder / FOLDERS[kind]
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            name_base(peft / "adapter_config.json", f"families/{model_type}")
            for name in ("adapter_config.json", "adapter_model.safetensors"):
                shutil.copy(peft / name, target / name)
            save_file(changed, target / "merged.safetensors")
            made[FOLDERS[kind]] = is_untied
        shutil.rmtree(folder / "base", ignore_errors=True)
        (folder / "base").mkdir(parents=True)
        for path in base.iterdir():
            if path.name in ("config.json", "model.safetensors"):
                shutil.copy(path, folder / "base" / path.name)
    return made


def name_base(path, name):
    """Replaces the temporary folder that PEFT has recorded as the base."""
    fields = json.loads(path.read_text())
    fields["base_model_name_or_path"] = name
    path.write_text(json.dumps(fields, indent=2, sort_keys=True))


def write(cls, model_type, base, values, target):
    """Has transformers write a model of these values, whose ends are tied as long as they are the same."""
    shutil.rmtree(target, ignore_errors=True)
    tied = cls.from_pretrained(base, dtype=torch.float32)
    tied.load_state_dict(values, strict=False)
    own = tied.state_dict(keep_vars=False)
    is_untied = any(not torch.equal(own[name], values[name]) for name in own if name in values)
    if is_untied:
        tied = cls(small_configuration(model_type, False))
        tied.load_state_dict({name: value for name, value in values.items() if name in tied.state_dict()}, strict=False)
    tied.save_pretrained(target)
    return is_untied


def main():
    chosen = sys.argv[1:] or list(CLASSES)
    path = TARGET / "cases.json"
    cases = json.loads(path.read_text()) if path.exists() else {}
    for model_type in chosen:
        try:
            kinds = make(model_type, getattr(transformers, CLASSES[model_type]), TARGET / model_type)
            cases[model_type] = {"class": CLASSES[model_type], "kinds": kinds}
            print(model_type, kinds)
        except Exception as error:
            shutil.rmtree(TARGET / model_type, ignore_errors=True)
            cases.pop(model_type, None)
            print(model_type, "left out:", repr(error)[:150])
    text = ",\n".join(f" {json.dumps(key)}: {json.dumps(cases[key])}" for key in sorted(cases))
    path.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
