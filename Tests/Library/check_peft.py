"""Holds the command against PEFT itself, on every adapter below Fixtures/peft.

    python Tests/Library/check_peft.py [CASE …]          # ADAPTER=PATH names another build

PEFT must load what `convert` gives back without a missing or unexpected key, and answer with it as the
reference says; and the merged model, loaded without PEFT, must answer the same. Where PEFT has a method for
the operations, the same must hold of a folder that is written from them alone, the record of the source taken
out; and PEFT's merge of it must give the reference's weights. Prints a line for each case, exits 1 if one
fails.
"""
import json, os, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = os.environ.get("ADAPTER", ROOT / ".build" / "release" / "adapter")
sys.path.insert(0, str(ROOT / "Fixtures"))

import makers.common  # first: sets the hash seed
import makers.peft.bases
import makers.peft.write
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

# What PEFT itself does otherwise: without its CUDA kernel it loads one butterfly factor only; a tied head
# follows the embedding, and PEFT leaves the head's own tensors in the file unread.
NOT_LOADED = {"boft_llama"}
NOT_READ = {"prompt_embeddings", "base_model.model.lm_head.lora_A.weight", "base_model.model.lm_head.lora_B.weight"}

# the largest difference to the reference, as a part of its largest logit
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-3}


def load(model, folder):
    """PEFT's model, and the keys that it misses or did not expect."""
    reports, load_adapter = [], PeftModel.load_adapter

    def record(*arguments, **options):
        reports.append(load_adapter(*arguments, **options))
        return reports[-1]

    PeftModel.load_adapter = record
    try:
        model = PeftModel.from_pretrained(model, folder).eval()
    finally:
        PeftModel.load_adapter = load_adapter
    # VB-LoRA's bank is loaded once, and is a parameter of every layer.
    missing = [key for key in reports[0].missing_keys
               if ".default" in key and not key.endswith(".vblora_vector_bank.default")]
    return model, missing + sorted(set(reports[0].unexpected_keys) - NOT_READ)


# The operations that each of PEFT's LoRA, IA3, prompt tuning and prefix tuning has a place for, its own first.
WRITTEN = [("add_low_rank", "add", "replace", "replace_rows"), ("multiply", "replace"), ("prepend_embeddings",), ("prepend_kv",)]
# Of a tied model PEFT's merge adds a delta twice that both ends have, and it cannot merge flat kernels.
NOT_MERGED = {"llama_tied", "conv_lora_flat"}


def run(*arguments):
    done = subprocess.run([ADAPTER, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())


def base_model(case, config, folder):
    """The model in `folder`, which has the base's name, as PEFT's fixtures are made."""
    makers.common.BASES = makers.peft.bases.BASES = folder
    auto, extra = None, {}
    if config.get("task_type") == "SEQ_CLS":
        auto, extra = AutoModelForSequenceClassification, {"num_labels": 3, "pad_token_id": 0}
    if case["base"] in makers.peft.bases.NETS:
        model = makers.peft.bases.NETS[case["base"]]()
        model.load_state_dict({k: v for f in sorted((folder / case["base"]).glob("*.safetensors")) for k, v in load_file(f).items()})
        return model.eval()
    return makers.peft.bases.load_base(case["base"], auto, **extra)


def answers(model, given):
    with torch.no_grad():
        for i in (0, 1):
            if f"input.{i}" in given:
                yield model(given[f"input.{i}"]).float()
            else:
                names = ("input_ids", "decoder_input_ids")
                yield model(**{n: given[f"{n}.{i}"] for n in names if f"{n}.{i}" in given}, use_cache=False).logits.float()


def distance(model, given):
    wanted = [given[f"logits.{i}"] for i in (0, 1)]
    return max(((got - want).abs().max() / want.abs().max()).item() for got, want in zip(answers(model, given), wanted))


def resize(model, adapter):
    for name, tensor in load_file(adapter / "adapter_model.safetensors").items():
        if name.endswith("embed_tokens.weight") and tensor.shape[0] != model.get_input_embeddings().weight.shape[0]:
            model.resize_token_embeddings(tensor.shape[0])
    return model


def without_source(adapter, scratch):
    """The same adapter, packed from a folder whose manifest has no word of its source; whether PEFT can say it."""
    run("unpack", adapter, "-o", scratch / "unpacked")
    path = scratch / "unpacked" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["adapters"][0]["source"]
    path.write_text(json.dumps(manifest))
    run("pack", scratch / "unpacked", "-o", scratch / "bare.adp")
    operations = {operation["op"] for operation in manifest["adapters"][0]["operations"]}
    return scratch / "bare.adp", any(place[0] in operations and operations <= set(place) for place in WRITTEN)


def weights(model):
    """A merged model's tensors, by their names in memory and by those on disk."""
    return {**model.state_dict(), **makers.peft.write.disk_tensors(model)}


def check_written(name, case, config, scratch):
    """A folder written from the operations alone."""
    bases, folder = ROOT / "Fixtures" / "bases", scratch / "written"
    results = ROOT / "Fixtures" / "peft" / case.get("same_as", name)
    adapter, is_written = without_source(scratch / "a.adp", scratch)
    if not is_written:
        return None
    run("convert", adapter, "-o", folder)
    if (results / "logits.safetensors").exists():
        model, strange = load(resize(base_model(case, config, bases).float(), folder), folder)
        if strange:
            return f"written: missing or unexpected: {strange}"
        if not (far := distance(model, load_file(results / "logits.safetensors"))) <= 1e-4:
            return f"written: PEFT answers {far:.1e} from the reference"
    if case["effect"] != "merge" or name in NOT_MERGED:
        return None
    base = resize(base_model(case, config, bases).double(), folder)
    merged = weights(PeftModel.from_pretrained(base, folder).double().merge_and_unload())
    for key, want in load_file(results / "reference.safetensors").items():
        far = ((merged[key].double() - want.double()).abs().max() / want.double().abs().max()).item()
        if not far <= 1e-6:
            return f"written: {key} merged is {far:.1e} from the reference"
    return None


def check(name, scratch):
    case_folder, bases = ROOT / "Fixtures" / "peft" / name, ROOT / "Fixtures" / "bases"
    case = json.loads((case_folder / "case.json").read_text())
    config = json.loads((case_folder / "adapter_config.json").read_text())
    results = case_folder.parent / case.get("same_as", name)
    run("convert", case_folder, "-o", scratch / "a.adp", "--base", bases / case["base"])
    run("convert", scratch / "a.adp", "-o", scratch / "back")
    for part in ("adapter_config.json", "adapter_model.safetensors"):
        if (scratch / "back" / part).read_bytes() != (case_folder / part).read_bytes():
            return f"{part} is another"
    if fault := check_written(name, case, config, scratch):
        return fault
    given = load_file(results / "logits.safetensors") if (results / "logits.safetensors").exists() else None
    if given is None:
        return None
    if "same_as" not in case and name not in NOT_LOADED:  # PEFT cannot load other spellings of a key
        model = resize(base_model(case, config, bases).float(), scratch / "back")
        model, strange = load(model, scratch / "back")
        if strange:
            return f"missing or unexpected: {strange}"
        if (far := distance(model, given)) > 1e-4:
            return f"PEFT answers {far:.1e} from the reference"
    if case["effect"] == "merge":
        merged = scratch / "merged" / case["base"]
        run("merge", bases / case["base"], scratch / "a.adp", "-o", merged)
        model = base_model(case, config, merged.parent)
        kind = next(model.parameters()).dtype
        if not (far := distance(model.float(), given)) <= TOLERANCE[kind]:
            return f"the merged model answers {far:.1e} from the reference"


def main():
    failed = 0
    for folder in sorted((ROOT / "Fixtures" / "peft").iterdir()):
        if sys.argv[1:] and folder.name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "merged").mkdir()
            try:
                fault = check(folder.name, Path(scratch))
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
        failed += fault is not None
        print(folder.name, fault or "ok", flush=True)
    print(f"{failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
