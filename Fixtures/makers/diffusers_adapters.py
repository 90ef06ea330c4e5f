"""LoRAs as diffusers saves them, older forms and those of other trainers, and the weights that its own `fuse_lora`
makes with them, in Fixtures/diffusers.

    pip install torch diffusers transformers peft safetensors
    python -P makers/diffusers_adapters.py   # in Fixtures, after pipeline_bases.py

NAME.safetensors is for the base of its case; NAME.fused.safetensors holds the weights that change. What is named
`original_…` has the names of the original models, which diffusers' converters turn into its own.
"""
import inspect, pathlib, shutil
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.loaders import lora_conversion_utils as conversion, lora_pipeline
from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent
OUT = FOLDER / "diffusers"
ATTENTION = ["to_q", "to_k", "to_out.0"]
CASES = {
    "plain": dict(r=2, lora_alpha=2, target_modules=ATTENTION),
    "patterns": dict(r=2, lora_alpha=5, target_modules=ATTENTION + ["conv1"], rank_pattern={"attn1.to_q": 3}, alpha_pattern={"attn2.to_k": 7}),
    "rslora": dict(r=3, lora_alpha=4, target_modules=ATTENTION, use_rslora=True),
    "dora": dict(r=2, lora_alpha=3, target_modules=["to_q", "conv2"], use_dora=True),
    "biases": dict(r=2, lora_alpha=3, target_modules=["proj_in", "conv1"], lora_bias=True),
}


def unet():
    return UNet2DConditionModel.from_pretrained(FOLDER / "bases" / "tiny-unet")


def flux():
    return FluxTransformer2DModel.from_pretrained(FOLDER / "bases" / "tiny-flux")


def save_fused(model, base, name):
    before = base.state_dict()
    after = {k.replace(".base_layer", ""): v for k, v in model.state_dict().items() if "lora_" not in k}
    changed = {k: after[k].contiguous() for k in before if not torch.equal(before[k], after[k])}
    save_file(changed, OUT / f"{name}.fused.safetensors")
    print(name, len(changed), "weights")


def fuse_unet(name, pipeline=StableDiffusionPipeline):
    model = unet()
    result = pipeline.lora_state_dict(str(OUT), weight_name=f"{name}.safetensors", unet_config=model.config, return_lora_metadata=True)
    state, alphas, metadata = result if len(result) == 3 else (*result, None)
    pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=model, metadata=metadata)
    model.fuse_lora()
    save_fused(model, unet(), name)


def fuse_flux(name):
    model = flux()
    state, alphas, metadata = FluxPipeline.lora_state_dict(str(OUT), weight_name=f"{name}.safetensors", return_alphas=True, return_lora_metadata=True)
    FluxPipeline.load_lora_into_transformer(state, network_alphas=alphas, transformer=model, metadata=metadata)
    model.fuse_lora()
    save_fused(model, flux(), name)


def randomised(model, **config):
    model.add_adapter(LoraConfig(init_lora_weights=False, **config))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_magnitude" in name:
                parameter.mul_(torch.rand(parameter.shape) + 0.5)
            elif "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape) * 0.3)
    return model


def draw(*shape):
    return torch.randn(*shape) * 0.3


def for_small_flux():
    """diffusers' converter has the real model's sizes in it: here they are those of tiny-flux."""
    source = inspect.getsource(conversion._convert_kohya_flux_lora_to_diffusers)
    small = source.replace("[3072, 3072, 3072, 12288]", "[16, 16, 16, 64]")
    assert small != source
    exec(small, conversion.__dict__)
    lora_pipeline._convert_kohya_flux_lora_to_diffusers = conversion._convert_kohya_flux_lora_to_diffusers


def main():
    torch.manual_seed(3)
    for_small_flux()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for name, config in CASES.items():
        model = randomised(unet(), **config)
        state = get_peft_model_state_dict(model)
        StableDiffusionPipeline.save_lora_weights(
            OUT, unet_lora_layers=convert_state_dict_to_diffusers(state) if name == "plain" else state,
            unet_lora_adapter_metadata=model.peft_config["default"].to_dict() if name != "plain" else None,
            weight_name=f"{name}.safetensors")
        fuse_unet(name)
    plain = load_file(OUT / "plain.safetensors")
    old = {}
    for key, value in plain.items():
        key = key.replace(".to_out.0.", ".to_out.").replace(".lora.", "_lora.")
        block, leaf = key.rsplit(".to_", 1)
        old[f"{block}.processor.to_{leaf}"] = value
    save_file(old, OUT / "processor.safetensors", {"format": "pt"})
    fuse_unet("processor")
    model = randomised(flux(), r=2, lora_alpha=3, target_modules=["to_q", "to_v", "proj_mlp", "add_k_proj"])
    FluxPipeline.save_lora_weights(
        OUT, transformer_lora_layers=get_peft_model_state_dict(model),
        transformer_lora_adapter_metadata=model.peft_config["default"].to_dict(), weight_name="flux.safetensors")
    fuse_flux("flux")
    # The original names: sd-scripts' for Flux, and SDXL's blocks of a UNet with one layer a block.
    hidden, inner = 16, 64
    modules = {
        "double_blocks_0_img_attn_qkv": (3 * hidden, hidden), "double_blocks_0_img_attn_proj": (hidden, hidden),
        "double_blocks_0_txt_attn_qkv": (3 * hidden, hidden), "double_blocks_0_txt_mlp_0": (inner, hidden),
        "double_blocks_0_img_mlp_2": (hidden, inner), "double_blocks_0_img_mod_lin": (6 * hidden, hidden),
        "single_blocks_0_linear1": (3 * hidden + inner, hidden), "single_blocks_0_linear2": (hidden, hidden + inner),
        "single_blocks_0_modulation_lin": (3 * hidden, hidden),
    }
    tensors = {}
    for module, (out, width) in modules.items():
        tensors |= {f"lora_unet_{module}.lora_down.weight": draw(2, width), f"lora_unet_{module}.lora_up.weight": draw(out, 2),
                    f"lora_unet_{module}.alpha": torch.tensor(1.0)}
    save_file(tensors, OUT / "original_flux.safetensors", {"ss_network_module": "networks.lora_flux"})
    fuse_flux("original_flux")
    w = unet().state_dict()
    pairs = {
        "input_blocks_1_1_transformer_blocks_0_attn1_to_q": "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
        "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
        "input_blocks_2_0_op": "down_blocks.0.downsamplers.0.conv",
        "middle_block_1_proj_in": "mid_block.attentions.0.proj_in",
        "output_blocks_3_1_transformer_blocks_0_ff_net_2": "up_blocks.1.attentions.1.transformer_blocks.0.ff.net.2",
        "output_blocks_2_1_transformer_blocks_0_attn2_to_v": "up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v",
        "output_blocks_3_0_skip_connection": "up_blocks.1.resnets.1.conv_shortcut",
    }
    tensors = {}
    for module, name in pairs.items():
        out, width, *kernel = w[name + ".weight"].shape
        ones = [1] * len(kernel)
        tensors |= {f"lora_unet_{module}.lora_down.weight": draw(2, width, *kernel), f"lora_unet_{module}.lora_up.weight": draw(out, 2, *ones),
                    f"lora_unet_{module}.alpha": torch.tensor(1.0)}
    save_file(tensors, OUT / "original_unet.safetensors", {"ss_network_module": "networks.lora"})
    fuse_unet("original_unet", StableDiffusionXLPipeline)


if __name__ == "__main__":
    main()
