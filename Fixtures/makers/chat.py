"""Makes chat.json: what transformers writes for conversations in the templates of known models (chat/*.jinja), which
tokens that is for the tokenizers of tokenizers/, and what its samplers leave of logits. See Fixtures/README.md.

In Fixtures, `python3 -m makers.chat`; `--templates DIR` writes the same to standard output for other templates.
"""
from makers.common import FIXTURES  # first: sets the hash seed

import datetime
import json
import sys
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast
from transformers.generation.logits_process import (MinPLogitsWarper, RepetitionPenaltyLogitsProcessor,
                                                    TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)
from transformers.utils import chat_template_utils

DAY = (2026, 3, 5)
TOKENS = {
    "chatml": ("<s>", "<|im_end|>"), "qwen": (None, "<|im_end|>"), "smollm2": ("<|im_start|>", "<|im_end|>"),
    "llama-3": ("<|begin_of_text|>", "<|eot_id|>"), "gemma": ("<bos>", "<eos>"), "phi-3": ("<s>", "<|endoftext|>"),
    "phi-4": ("<|endoftext|>", "<|im_end|>"),
}
IDS = {"smollm2": "smollm2", "qwen2": "qwen2", "qwen3": "qwen2", "llama-3": "llama3", "llama-3.1": "llama3"}


def said(*texts, system=None):
    first = [{"role": "system", "content": system}] if system is not None else []
    roles = ["user", "assistant"]
    return first + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


CONVERSATIONS = [
    said("Hello"),
    said("Who are you?", system="You are a pirate."),
    said("Hello", "Hi! How are you?", "Fine."),
    said("Hello", "Hi!", "And then?", "No more.", "Why?", system="Be brief."),
    said("  spaces \n\n around\t", "\n answer \n", " A\r\nB\u00a0", system="  system \n"),
    said("Grüße, 世界 👋 e\u0301", "<think>\nHm.\n</think>\n\nÄ.", "{{ not }} {% a %} {# template #}"),
    said("Is '<tool_response>' a word?", "<think>one</think>two</think>three", "\u0085x\u001c", system=""),
    said("<|im_start|>user\nHi<|im_end|>", "<|eot_id|>", "</s>[INST] a [/INST]"),
    said("One", "Two"),
    said(""),
    [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}],
]


class Day(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(*DAY)


def tokens(name):
    chosen = max((key for key in TOKENS if name.startswith(key)), key=len, default=None)
    bos, eos = TOKENS.get(chosen, ("<s>", "</s>"))
    return {"bos_token": bos, "eos_token": eos, "unk_token": None, "sep_token": None, "pad_token": None,
            "cls_token": None, "mask_token": None}


def written(template, conversation, begins, **special):
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [conversation], chat_template=template, add_generation_prompt=begins, **special)
        return texts[0]
    except Exception:
        return None


def templates(folder):
    result = []
    for path in sorted(Path(folder).glob("*.jinja")):
        template = path.read_bytes().decode()
        special = tokens(path.stem)
        given = {key: value for key, value in special.items() if value is not None}
        texts = [written(template, conversation, True, **given) for conversation in CONVERSATIONS]
        result.append({"name": path.stem, "tokens": special, "texts": texts})
        if path.stem in IDS and Path(folder) == FIXTURES / "chat":
            made = PreTrainedTokenizerFast(
                tokenizer_file=str(FIXTURES / "tokenizers" / (IDS[path.stem] + ".json")), chat_template=template, **given)
            result[-1]["tokenizer"] = IDS[path.stem]
            result[-1]["ids"] = [
                made.apply_chat_template(conversation, add_generation_prompt=True, return_dict=False)
                for conversation in CONVERSATIONS]
    return result


def samples():
    """What is left of logits, as shares, where the processors stand in the order of generate()."""
    generator = torch.Generator().manual_seed(3)
    result = []
    for penalty, temperature, top_k, top_p, min_p in [
            (1.0, 1.0, 0, 1.0, 0.0), (1.3, 1.0, 0, 1.0, 0.0), (1.0, 0.7, 5, 1.0, 0.0), (1.0, 1.4, 0, 0.8, 0.0),
            (1.0, 1.0, 0, 1.0, 0.1), (1.2, 0.6, 12, 0.9, 0.05), (0.8, 2.0, 1, 1.0, 0.0), (1.1, 1.0, 40, 0.5, 0.3)]:
        logits = (4 * torch.randn(1, 32, generator=generator)).round(decimals=3)
        seen = torch.randint(32, (1, 9), generator=generator)
        scores = logits
        if penalty != 1:
            scores = RepetitionPenaltyLogitsProcessor(penalty)(seen, scores)
        scores = TemperatureLogitsWarper(temperature)(seen, scores)
        if top_k:
            scores = TopKLogitsWarper(top_k)(seen, scores)
        if top_p < 1:
            scores = TopPLogitsWarper(top_p)(seen, scores)
        if min_p:
            scores = MinPLogitsWarper(min_p)(seen, scores)
        result.append({
            "penalty": penalty, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p,
            "logits": [round(x, 3) for x in logits[0].tolist()], "seen": seen[0].tolist(),
            "shares": [float(f"{x:.6g}") for x in torch.softmax(scores, -1)[0].tolist()]})
    return result


def main():
    chat_template_utils.datetime = Day
    if "--templates" in sys.argv:
        made = {"day": DAY, "conversations": CONVERSATIONS, "templates": templates(sys.argv[-1])}
        json.dump(made, sys.stdout, ensure_ascii=False)
        return
    made = {"day": DAY, "conversations": CONVERSATIONS, "templates": templates(FIXTURES / "chat"), "samples": samples()}
    # A line for each template.
    parts = []
    for key, value in made.items():
        items = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in value)
        parts.append(f' "{key}": [\n{items}\n ]')
    (FIXTURES / "chat.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
