"""Adapters that `adapter convert` writes for mlx-lm, LyCORIS, diffusers and ONNX Runtime, in these programs.

    pip install "mlx[cpu]" mlx-lm torch diffusers transformers peft lycoris-lora onnxruntime safetensors numpy
    ADAPTER=.build/release/adapter python -P Tests/Peers/others.py

Each line has what the program makes of its base with the file against what the adapter's own source says, relative to
the change.
"""
import os, pathlib, subprocess, sys, tempfile
import numpy as np
import torch
from safetensors.torch import load_file

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Fixtures"
ADAPTER = os.environ.get("ADAPTER", ".build/release/adapter")
BAD = []


def convert(source, target, *words):
    result = subprocess.run([ADAPTER, "convert", str(source), "-o", str(target), *map(str, words)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return target


def compare(name, got, expected, base):
    worst = 0.0
    for key, value in expected.items():
        value, before, mine = value.double(), base[key].double(), got[key].double()
        if not torch.equal(value, before):
            worst = max(worst, ((mine - value).abs().max() / (value - before).abs().max()).item())
    verdict = "ok" if worst < 1e-5 else "OFF"
    if verdict != "ok":
        BAD.append(name)
    print(f"{name:34} {verdict}  {worst:.1e}", flush=True)


def weights(folder):
    result = {}
    for file in pathlib.Path(folder).glob("*.safetensors"):
        result |= load_file(file)
    return result


def mlx(folder):
    import mlx.core as mx
    from mlx.utils import tree_flatten, tree_unflatten
    from mlx_lm.tuner.utils import load_adapters
    from mlx_lm.utils import load_model
    for name, base in (("llama_all", "tiny-llama-f32"), ("llama_rslora_patterns", "tiny-llama-f32"), ("llama_patterns", "tiny-llama-f32"),
                       ("llama_dora", "tiny-llama-16"), ("mixtral_experts", "tiny-mixtral"), ("mixtral_down", "tiny-mixtral")):
        source = FIXTURES / "bases" / base
        out = convert(FIXTURES / "peft" / name, folder / f"mlx-{name}", "--to", "mlx", "--base", source)
        model, _ = load_model(source, strict=False)
        load_adapters(model, str(out))
        model.update_modules(tree_unflatten([(n, m.fuse()) for n, m in model.named_modules() if hasattr(m, "fuse")]))
        got = {}
        for key, value in tree_flatten(model.parameters()):
            value = torch.from_numpy(np.array(value))
            if ".switch_mlp." in key:
                block, leaf = key.split(".switch_mlp.")
                leaf = {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}[leaf.split(".")[0]]
                got |= {f"{block}.experts.{e}.{leaf}.weight": value[e] for e in range(value.shape[0])}
            got[key] = value
        merged = folder / f"merged-{name}"
        subprocess.run([ADAPTER, "merge", str(source), str(FIXTURES / "peft" / name), "-o", str(merged)], check=True, capture_output=True)
        compare(f"mlx-lm  {name}", got, weights(merged), weights(source))


def images(folder):
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from lycoris import create_lycoris_from_weights
    base = FIXTURES / "bases" / "tiny-unet"
    def unet():
        return UNet2DConditionModel.from_pretrained(base)
    plain = unet().state_dict()
    for name in ("lora", "lora_half"):
        out = convert(FIXTURES / "kohya" / f"{name}.safetensors", folder / f"d-{name}.safetensors", "--to", "diffusers", "--base", base)
        model = unet()
        state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(str(folder), weight_name=out.name, unet_config=model.config, return_lora_metadata=True)
        StableDiffusionPipeline.load_lora_into_unet(state, network_alphas=alphas, unet=model, metadata=metadata)
        model.fuse_lora()
        got = {k.replace(".base_layer", ""): v for k, v in model.state_dict().items() if "lora_" not in k}
        compare(f"diffusers  kohya/{name}", got, load_file(FIXTURES / "kohya" / f"{name}.merged.safetensors"), plain)
    for name in ("patterns", "rslora", "plain", "dora"):
        out = convert(FIXTURES / "diffusers" / f"{name}.safetensors", folder / f"k-{name}.safetensors", "--to", "kohya")
        tensors = {k.replace("lora_unet_", "lycoris_"): v for k, v in load_file(out).items()}
        model = unet()
        network, _ = create_lycoris_from_weights(1.0, "", model, tensors)
        network.merge_to(1.0)
        compare(f"LyCORIS  diffusers/{name}", model.state_dict(), load_file(FIXTURES / "diffusers" / f"{name}.fused.safetensors"), plain)


def pipeline(folder):
    """A whole pipeline with a LoRA on its UNet and its text encoder: what we write loads, and has the weights of `fuse_lora`."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig, get_peft_model_state_dict
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
    torch.manual_seed(3)
    base, out = folder / "pipeline", folder / "merged-pipeline"
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}')
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    parts = dict(
        unet=UNet2DConditionModel.from_pretrained(FIXTURES / "bases" / "tiny-unet"), scheduler=DDIMScheduler(),
        vae=AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=4),
        text_encoder=CLIPTextModel(CLIPTextConfig(vocab_size=3, hidden_size=6, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2)),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"))
    StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None).save_pretrained(base)
    def load(path):
        return StableDiffusionPipeline.from_pretrained(path, safety_checker=None)
    pipe = load(base)
    before = {f"{part}.{k}": v.clone() for part in ("unet", "text_encoder", "vae") for k, v in getattr(pipe, part).state_dict().items()}
    for part, targets in (("unet", ["to_q", "to_v"]), ("text_encoder", ["q_proj", "v_proj"])):
        getattr(pipe, part).add_adapter(LoraConfig(r=2, lora_alpha=3, target_modules=targets, init_lora_weights=False))
    StableDiffusionPipeline.save_lora_weights(
        folder / "lora", unet_lora_layers=get_peft_model_state_dict(pipe.unet),
        text_encoder_lora_layers=get_peft_model_state_dict(pipe.text_encoder),
        unet_lora_adapter_metadata=dict(r=2, lora_alpha=3, target_modules=["to_q", "to_v"]),
        text_encoder_lora_adapter_metadata=dict(r=2, lora_alpha=3, target_modules=["q_proj", "v_proj"]))
    lora = folder / "lora" / "pytorch_lora_weights.safetensors"
    fused = load(base)
    fused.load_lora_weights(lora.parent)
    fused.fuse_lora()
    fused.unload_lora_weights()
    result = subprocess.run([ADAPTER, "merge", str(base), str(lora), "-o", str(out)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    def state(pipe):
        return {f"{part}.{k}": v for part in ("unet", "text_encoder", "vae") for k, v in getattr(pipe, part).state_dict().items()}
    ours, theirs = state(load(out)), state(fused)
    changed = {k.split(".")[0] for k in theirs if not torch.equal(theirs[k], before[k])}
    if changed != {"unet", "text_encoder"}:
        BAD.append("pipeline")
    compare(f"diffusers  a pipeline ({len(changed)} parts change)", ours, theirs, before)


def onnx(folder):
    import onnxruntime
    out = convert(FIXTURES / "gguf" / "llama", folder / "llama.onnx_adapter", "--to", "onnx")
    ours = onnxruntime.AdapterFormat.read_adapter(str(out)).get_parameters()
    theirs = onnxruntime.AdapterFormat.read_adapter(str(FIXTURES / "onnx" / "llama.onnx_adapter")).get_parameters()
    same = set(ours) == set(theirs) and all(np.array_equal(ours[k].numpy(), theirs[k].numpy()) for k in ours)
    print("ONNX Runtime  llama ", "ok" if same else "OFF")
    if not same:
        BAD.append("onnx")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for run in (mlx, images, pipeline, onnx):
            run(pathlib.Path(name))
    sys.exit(min(1, len(BAD)))
