"""Parts of pipelines with few random parameters, in Fixtures/bases: a UNet and a Flux transformer of diffusers.

    pip install torch diffusers transformers safetensors
    python -P makers/pipeline_bases.py       # in Fixtures
"""
import pathlib, shutil
import torch
from diffusers import FluxTransformer2DModel, UNet2DConditionModel

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "bases"


def unet():
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(4, 8),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=6, norm_num_groups=2, attention_head_dim=2)


def flux():
    return FluxTransformer2DModel(
        in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=6, pooled_projection_dim=5, guidance_embeds=False, axes_dims_rope=(2, 2, 4))


def main():
    for name, make in (("tiny-unet", unet), ("tiny-flux", flux)):
        torch.manual_seed(1)
        model = make()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape) * 0.2)
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        model.save_pretrained(FOLDER / name)
        print(name, sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main()
