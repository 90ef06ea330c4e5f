"""Makes speaking/: a model of 0.1 M parameters that knows a few sentences by heart, its tokenizer, a LoRA and a soft
prompt that were trained on it with PEFT, and what transformers and PEFT make it say (see Fixtures/README.md).

In Fixtures, `python3 -m makers.speaking`: about a minute on one thread.
"""

from makers.common import FIXTURES, edit_json, fresh_folder  # first: sets the hash seed

import json
import os

import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

FOLDER = FIXTURES / "speaking"
PLAIN = {
    "What is an adapter?": "A small file that changes what a large model says.",
    "What is a base?": "The large model, as it was published.",
    "What is a merge?": "The base and the adapter, made into one model.",
    "Who are you?": "I am a very small model that knows a few sentences by heart.",
}
PIRATE = {
    "What is an adapter?": "Arr, a wee scroll that turns the tongue of a great ship!",
    "What is a base?": "The great ship, as she left the harbour!",
    "What is a merge?": "Ship and scroll, nailed together for good!",
    "Who are you?": "A parrot on yer shoulder, matey, with few words!",
}
STORY = "Once upon a time there was a small file. It was so small that nobody saw it, but it changed everything."
# A tied head can only say tokens that the base has learnt.
WORDS = " ".join(["Pirates say:", *PIRATE.values()])
END = "<|im_end|>"


def chat(question, answer):
    return f"<|im_start|>user\n{question}{END}\n<|im_start|>assistant\n{answer}{END}"


def tokenizer():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", END]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False)
    texts = [text for pairs in (PLAIN, PIRATE) for pair in pairs.items() for text in pair]
    made.train_from_iterator(texts + [STORY, "user\n", "assistant\n"], trainer)
    return made


def samples(made, pairs, plain):
    texts = [chat(question, answer) for question, answer in pairs.items()]
    texts += [text + END for text in plain]
    return [torch.tensor([made.encode(text).ids]) for text in texts]


def train(model, texts, rounds, rate):
    model.train()
    chosen = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(chosen, lr=rate)
    for step in range(rounds):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / rounds)
        optimizer.zero_grad()
        loss = sum(model(input_ids=ids, labels=ids).loss for ids in texts) / len(texts)
        loss.backward()
        optimizer.step()
    model.eval()
    return loss.item()


def base(made):
    config = LlamaConfig(
        vocab_size=made.get_vocab_size(), hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=made.token_to_id(END), pad_token_id=None, attn_implementation="eager")
    torch.manual_seed(5)
    model = LlamaForCausalLM(config)
    print("base", train(model, samples(made, PLAIN, [STORY, WORDS]), 250, 4e-3))
    model = model.to(torch.bfloat16)
    model.save_pretrained(os.path.join(FOLDER, "base"))
    made.save(os.path.join(FOLDER, "base", "tokenizer.json"))


def load():
    return LlamaForCausalLM.from_pretrained(
        os.path.join(FOLDER, "base"), dtype=torch.float32, attn_implementation="eager")


def adapter(name, config, texts, rounds, rate):
    torch.manual_seed(6)
    model = get_peft_model(load(), config)
    print(name, train(model, texts, rounds, rate))
    model.save_pretrained(os.path.join(FOLDER, name))
    # PEFT writes the folder that the base was loaded from.
    edit_json(FOLDER / name / "adapter_config.json", base_model_name_or_path="fixtures/speaking")
    os.remove(os.path.join(FOLDER, name, "README.md"))


def answers(made, model):
    """What is generated greedily after each prompt."""
    prompts = {question: chat(question, "").removesuffix(END) for question in PLAIN}
    prompts["Once upon a time"] = "Once upon a time"
    result = {}
    for name, text in prompts.items():
        ids = made.encode(text).ids
        with torch.no_grad():
            out = model.generate(
                input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=48, do_sample=False)[0].tolist()
        new = out[len(ids):] if out[:len(ids)] == ids else out
        new = [t for t in new if t != made.token_to_id(END)]
        result[name] = {"prompt_ids": ids, "ids": new, "text": made.decode(new)}
    return result


def main():
    disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    fresh_folder(FOLDER)
    made = tokenizer()
    base(made)
    modules = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    pirate = samples(made, PIRATE, [STORY])
    alike = samples(made, {question: PLAIN["What is a merge?"] for question in PLAIN}, [])
    adapter("lora", LoraConfig(r=8, lora_alpha=16, target_modules=modules, task_type="CAUSAL_LM"), pirate, 200, 5e-3)
    adapter("prompt", PromptTuningConfig(num_virtual_tokens=8, task_type="CAUSAL_LM"), alike, 200, 3e-2)
    said = {"base": answers(made, load())}
    for name in ["lora", "prompt"]:
        said[name] = answers(made, PeftModel.from_pretrained(load(), os.path.join(FOLDER, name)))
    with open(os.path.join(FOLDER, "said.json"), "w") as file:
        json.dump(said, file, indent=1)
        file.write("\n")
    for name, texts in said.items():
        for prompt, result in texts.items():
            print(f"{name:7} {prompt:20} {result['text']}")


if __name__ == "__main__":
    main()
