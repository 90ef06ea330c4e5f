"""A LoRA that was really trained, written by `adapter convert` for llama.cpp and for mlx-lm, against PEFT: the greedy tokens.

    pip install torch transformers peft llama-cpp-python gguf "mlx[cpu]" mlx-lm safetensors numpy
    ADAPTER=.build/release/adapter LLAMA_CPP=path/to/llama.cpp BASE=path/to/the/base TRAINED=path/to/the/peft-adapter \\
        python -P Tests/Peers/trained.py

TRAINED also holds `reference.safetensors`: for prompt N the tokens `idsN`, PEFT's next logits `logitsN`, and the tokens
`greedyN` that follow.
"""
import ctypes, importlib.util, json, os, pathlib, shutil, subprocess, sys, tempfile
import numpy as np
from safetensors.numpy import load_file

ADAPTER = os.environ.get("ADAPTER", ".build/release/adapter")
BASE, TRAINED = pathlib.Path(os.environ["BASE"]), pathlib.Path(os.environ["TRAINED"])


def convert(target, to):
    result = subprocess.run([ADAPTER, "convert", str(TRAINED), "--to", to, "--base", str(BASE), "-o", str(target)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return target


def with_mlx(folder):
    import mlx.core as mx
    from mlx.utils import tree_map
    from mlx_lm import load
    mx.set_default_device(mx.cpu)
    base = shutil.copytree(BASE, folder / "mlx-base")
    config = json.loads((base / "config.json").read_text())
    # mlx-lm reads transformers' older key alone.
    (base / "config.json").write_text(json.dumps(config | {"rope_theta": config.get("rope_parameters", config)["rope_theta"]}))
    model, _ = load(str(base), adapter_path=str(convert(folder / "mlx", "mlx")))
    model.update(tree_map(lambda p: p.astype(mx.float32), model.parameters()))
    return lambda ids: np.array(model(mx.array([ids]))[0, -1])


def with_llama_cpp(folder):
    import llama_cpp
    spec = importlib.util.spec_from_file_location("peer", pathlib.Path(__file__).with_name("llama_cpp.py"))
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    peer.to_gguf(os.environ["LLAMA_CPP"], BASE, folder / "base.gguf")
    model = llama_cpp.Llama(str(folder / "base.gguf"), n_ctx=256, verbose=False, logits_all=True)
    lora = llama_cpp.llama_adapter_lora_init(model._model.model, str(convert(folder / "lora.gguf", "gguf")).encode())
    adapters, scales = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(lora), (ctypes.c_float * 1)(1.0)
    assert llama_cpp.llama_set_adapters_lora(model._ctx.ctx, adapters, 1, scales) == 0
    def logits(ids):
        model.reset()
        model.eval(ids)
        return np.array(model.scores[len(ids) - 1])
    return logits


def main():
    reference = load_file(TRAINED / "reference.safetensors")
    bad = 0
    for name, make in (("llama.cpp", with_llama_cpp), ("mlx-lm", with_mlx)):
        with tempfile.TemporaryDirectory() as folder:
            logits = make(pathlib.Path(folder))
            for number in range(sum(key.startswith("ids") for key in reference)):
                ids, greedy = reference[f"ids{number}"].tolist(), []
                off = np.abs(logits(ids) - reference[f"logits{number}"]).max() / np.abs(reference[f"logits{number}"]).max()
                while len(greedy) < len(reference[f"greedy{number}"]):
                    greedy.append(int(np.argmax(logits(ids + greedy))))
                same = greedy == reference[f"greedy{number}"].tolist()
                bad += not same
                print(f"{name:10} prompt {number}  {'the same tokens' if same else 'OTHER TOKENS'}  logits {off:.1e} off", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(min(1, main()))
