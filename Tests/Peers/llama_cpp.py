"""Adapters that `adapter convert --to gguf` writes, in llama.cpp, against PEFT: one tiny random model of each family.

    pip install torch transformers peft llama-cpp-python gguf safetensors numpy
    ADAPTER=.build/release/adapter LLAMA_CPP=path/to/llama.cpp BASE=path/to/a/model/with/a/BPE/tokenizer \\
        python -P Tests/Peers/llama_cpp.py [FAMILY ...]

The LoRA is on every linear layer, with rsLoRA and other ranks and alphas for some: what llama.cpp's own converter
loses. For each family the line has the largest difference of logits from PEFT's, that from the model without the
adapter, and the same of the way back through our reader. llama.cpp keeps its cache in F16: 5e-3 is its own error.
"""
import ctypes, importlib.util, json, os, pathlib, shutil, subprocess, sys, tempfile
import numpy as np
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model

SIZES = dict(vocab_size=49152, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
             pad_token_id=0)
MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48, decoder_sparse_step=1, norm_topk_prob=True)
FAMILIES = {
    "Llama": {}, "Mistral": {}, "Mixtral": dict(num_local_experts=4, num_experts_per_tok=2), "Qwen2": {}, "Qwen3": dict(head_dim=16),
    "Qwen3Moe": dict(head_dim=16, **MOE), "Qwen2Moe": dict(shared_expert_intermediate_size=48, **(MOE | dict(norm_topk_prob=False))), "Gemma": dict(head_dim=16, tie_word_embeddings=True),
    "Gemma2": dict(head_dim=16, tie_word_embeddings=True, query_pre_attn_scalar=16), "Phi": dict(num_key_value_heads=4), "Phi3": {}, "Olmo": {}, "Olmo2": {}, "SmolLM3": {}, "Granite": {},
    "Starcoder2": {}, "StableLm": dict(use_qkv_bias=True), "Glm4": dict(head_dim=16), "Nemotron": {},
    "Exaone4": dict(sliding_window=64, sliding_window_pattern=2), "Cohere": dict(tie_word_embeddings=True),
    "HunYuanDenseV1": dict(head_dim=16), "Bloom": dict(n_head=4, n_layer=2, hidden_size=64), "GPT2": dict(n_embd=64, n_head=4, n_layer=2, n_positions=128, n_ctx=128),
}
PROMPT = [5, 17, 301, 42, 9, 1000, 77]


def make_base(family, folder, tokenizer):
    config_class = getattr(transformers, family + "Config")
    model_class = getattr(transformers, "GPT2LMHeadModel" if family == "GPT2" else family + "ForCausalLM")
    torch.manual_seed(7)
    model = model_class(config_class(**(SIZES | FAMILIES[family]))).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape) * 0.2)
    model.save_pretrained(folder)
    if family == "GPT2":
        config = pathlib.Path(folder) / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"n_ctx": 128}))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"):
        if (pathlib.Path(tokenizer) / name).exists():
            shutil.copy(pathlib.Path(tokenizer) / name, folder)
    return model


def make_adapter(model, folder):
    leaves = {n.rsplit(".", 1)[-1] for n, m in model.named_modules()
              if isinstance(m, (torch.nn.Linear, transformers.pytorch_utils.Conv1D)) and "lm_head" not in n and not n.endswith("shared_expert_gate")}
    parameters = sorted({n.split(".", 3)[-1] for n, p in model.named_parameters() if p.dim() == 3 and ".experts." in n})
    first, last = sorted(leaves)[0], sorted(leaves)[-1]
    config = LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=sorted(leaves), init_lora_weights=False,
                        target_parameters=parameters or None, rank_pattern={} if parameters else {first: 2}, alpha_pattern={last: 9},
                        task_type="CAUSAL_LM", fan_in_fan_out=model.config.model_type == "gpt2")
    tuned = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape) * 0.15)
    tuned.save_pretrained(folder)
    return tuned


def to_gguf(source, folder, target):
    """llama.cpp's converter of models, with one tokenizer for all families."""
    sys.path[:0] = [source, source + "/gguf-py"]
    if "convert_hf_to_gguf" not in sys.modules:
        spec = importlib.util.spec_from_file_location("convert_hf_to_gguf", source + "/convert_hf_to_gguf.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["convert_hf_to_gguf"] = module
        spec.loader.exec_module(module)
        import conversion, pkgutil
        for found in pkgutil.iter_modules(conversion.__path__):
            try:
                importlib.import_module("conversion." + found.name)
            except ImportError:
                pass
        def classes(of):
            return {of}.union(*(classes(sub) for sub in of.__subclasses__()))
        for one in classes(conversion.ModelBase):
            if hasattr(one, "_set_vocab_gpt2"):
                one.set_vocab = lambda self: self._set_vocab_gpt2()
                one.get_vocab_base_pre = lambda self, tokenizer: "smollm"
    module = sys.modules["convert_hf_to_gguf"]
    sys.argv = ["convert", str(folder), "--outtype", "f32", "--outfile", str(target)]
    module.main()


def logits(path, adapter):
    import llama_cpp
    from llama_cpp import Llama
    model = Llama(str(path), n_ctx=64, n_threads=2, verbose=False, logits_all=True)
    if adapter:
        lora = llama_cpp.llama_adapter_lora_init(model._model.model, str(adapter).encode())
        assert lora, "llama.cpp refuses the adapter"
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(lora)
        scales = (ctypes.c_float * 1)(1.0)
        assert llama_cpp.llama_set_adapters_lora(model._ctx.ctx, adapters, 1, scales) == 0
    model.eval(PROMPT)
    return np.array(model.scores[: len(PROMPT)], dtype=np.float32)


def main(families):
    adapter = os.environ.get("ADAPTER", ".build/release/adapter")
    bad = 0
    for family in families or FAMILIES:
        folder = pathlib.Path(tempfile.mkdtemp())
        try:
            model = make_base(family, folder / "base", os.environ["BASE"])
            tuned = make_adapter(model, folder / "peft").eval()
            with torch.no_grad():
                expected = tuned(torch.tensor([PROMPT])).logits[0].numpy()
                with tuned.disable_adapter():
                    plain = tuned(torch.tensor([PROMPT])).logits[0].numpy()
            to_gguf(os.environ["LLAMA_CPP"], folder / "base", folder / "base.gguf")
            def run(*words):
                result = subprocess.run([adapter, "convert", *map(str, words)], capture_output=True, text=True)
                assert result.returncode == 0, result.stderr
            run(folder / "peft", "--to", "gguf", "--base", folder / "base", "-o", folder / "lora.gguf")
            run(folder / "lora.gguf", "--base", folder / "base", "-o", folder / "back.adp")
            run(folder / "back.adp", "-o", folder / "back")
            back = PeftModel.from_pretrained(tuned.unload(), str(folder / "back")).eval()
            with torch.no_grad():
                again = back(torch.tensor([PROMPT])).logits[0].numpy()
            base, got = logits(folder / "base.gguf", None), logits(folder / "base.gguf", folder / "lora.gguf")
            size = np.abs(expected).max()
            off, own, effect, way = (np.abs(a - b).max() / size for a, b in ((got, expected), (base, plain), (expected, plain), (again, expected)))
            verdict = "ok" if own < 1e-2 and off < max(5e-3, 3 * own) and way < 1e-4 else "OFF"
            bad += verdict != "ok"
            print(f"{family:16} {verdict}  adapter {off:.1e}  llama.cpp without it {own:.1e}  effect {effect:.1e}  back {way:.1e}", flush=True)
        except Exception as error:
            bad += 1
            print(f"{family:16} not run: {type(error).__name__}: {str(error).strip()[-200:]}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return bad


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
