"""Holds merges against PEFT on every family of models that transformers builds small.

    python Tests/Library/check_families.py [TYPE …]      # ADAPTER=PATH names another build

For each class with an output layer, or the first of a type, a small model of random weights is saved. PEFT makes
adapters for it: LoRA on all linear layers, on the embeddings, on the output layer, and each of these two saved whole.
The merged folder is loaded by transformers again, and each parameter must be what PEFT's layers say, tied ones under
both names. Where a merge is refused because of a tie, it must go with --untie, or must not advise that. Prints a line
for each adapter, exits 1 if one is wrong.
"""
import json, os, shutil, signal, subprocess, sys, tempfile, warnings
from multiprocessing import Pool
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = os.environ.get("ADAPTER", ROOT / ".build" / "release" / "adapter")
sys.path[:0] = [str(ROOT / "Fixtures" / "makers" / "families")]
warnings.filterwarnings("ignore")

from small import adapted, expected, filled, kinds_of, small_configuration  # first: keeps the hub offline
from scanning import classes
import torch
import transformers
from transformers.models.auto import configuration_auto

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)

SECONDS = 60
def run(*arguments):
    return subprocess.run([str(ADAPTER), *map(str, arguments)], capture_output=True, text=True)


def compare(cls, folder, values):
    """The largest difference of any parameter; or why there is none."""
    model = cls.from_pretrained(folder, dtype=torch.float32)
    own = model.state_dict()
    # Some models put zeros into the row of padding as they load.
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None and f"{name}.weight" in values:
            row = own[f"{name}.weight"][module.padding_idx]
            if not row.any():
                values[f"{name}.weight"] = values[f"{name}.weight"].clone()
                values[f"{name}.weight"][module.padding_idx] = 0
    missing = [name for name in own if name not in values and "num_batches" not in name]
    if missing:
        return f"{missing[0]} is in the loaded model only"
    worst = max(((own[name].float() - values[name].float()).abs().max().item() if own[name].shape == values[name].shape
                 else float("inf"), name) for name in own)
    return None if worst[0] < 1e-4 else f"{worst[1]} is off by {worst[0]:.3g}"


def check_one(cls, fields, folder):
    base, peft, out = folder / "base", folder / "peft", folder / "out"
    adapter = adapted(cls.from_pretrained(base, dtype=torch.float32), fields)
    values = expected(adapter)
    adapter.save_pretrained(peft)
    shutil.rmtree(out, ignore_errors=True)
    first = run("merge", base, peft, "-o", out)
    how = ""
    if first.returncode:
        if "--untie" not in first.stderr:
            return "refused", first.stderr.strip().replace("\n", " / ")
        second = run("merge", base, peft, "-o", out, "--untie")
        if second.returncode:
            return ("circle" if "--untie" in second.stderr else "refused"), second.stderr.strip().replace("\n", " / ")
        how = "untied"
    problem = compare(cls, out, values)
    return ("wrong" if problem else "right"), " ".join(filter(None, [how, problem]))


def check_type(model_type):
    found = []

    def stop(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    try:
        all_classes = classes(model_type)
    except Exception as error:
        return [(model_type, "", "", "skipped", repr(error)[:100])]
    heads = [each for each in all_classes if each.__name__.endswith(
        ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM", "ForImageClassification", "ForCTC"))]
    for cls in heads[:3] or all_classes[:1]:
        for ties in (False, True):
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                signal.alarm(SECONDS)
                try:
                    torch.manual_seed(1)
                    model = filled(cls(small_configuration(model_type, ties)))
                    model.save_pretrained(folder / "base")
                    size = sum(path.stat().st_size for path in (folder / "base").iterdir())
                    if size > 100 << 20:
                        raise ValueError(f"{size >> 20} MiB")
                    cls.from_pretrained(folder / "base")
                    kinds = list(kinds_of(model))
                except Exception as error:
                    found.append((model_type, cls.__name__, ties, "skipped", repr(error)[:150]))
                    continue
                finally:
                    signal.alarm(0)
                for kind, fields in kinds:
                    signal.alarm(SECONDS)
                    try:
                        verdict, text = check_one(cls, fields, folder)
                    except Exception as error:
                        verdict, text = "failed", repr(error)[:200]
                    finally:
                        signal.alarm(0)
                    found.append((model_type, cls.__name__, ties, kind, f"{verdict} {text}"))
    return found


def main():
    types = sys.argv[1:] or sorted(configuration_auto.CONFIG_MAPPING_NAMES)
    counts = {}
    with Pool() as pool:
        for found in pool.imap(check_type, types):
            for model_type, cls, ties, kind, text in found:
                verdict = "skipped" if kind == "skipped" else text.split()[0]
                counts[verdict] = counts.get(verdict, 0) + 1
                print("\t".join([model_type, cls, "tied" if ties else "untied", kind, text]), flush=True)
    print(json.dumps(counts))
    return 1 if counts.get("wrong") or counts.get("circle") else 0


if __name__ == "__main__":
    sys.exit(main())
