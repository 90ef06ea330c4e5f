"""Files of LyCORIS for the UNet of pipeline_bases.py, and the weights that its modules make, in Fixtures/kohya.

    pip install torch diffusers lycoris-lora safetensors numpy
    python -P makers/kohya_adapters.py       # in Fixtures

Each NAME.safetensors has NAME.merged.safetensors beside it: W plus what the module adds in training, worked out by
LyCORIS' own functions in F64. (Its merge of LoHa and LoKr multiplies alpha / rank in twice.)
"""
import pathlib, shutil
import torch
from diffusers import UNet2DConditionModel
from lycoris.functional import locon, loha, lokr
from lycoris.functional.general import weight_decompose
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent
LINEAR = ["down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
          "up_blocks.1.attentions.1.transformer_blocks.0.ff.net.2"]
CONV = ["down_blocks.0.resnets.0.conv1", "conv_out"]
POINT = ["down_blocks.0.attentions.0.proj_in"]
NORM = ["down_blocks.0.attentions.0.norm"]


def draw(*shape):
    return torch.randn(*shape) * 0.3


def lora(weight, rank=2, mid=False):
    out, inner, *kernel = weight.shape
    parts = {"lora_up.weight": draw(out, rank, *([1] * len(kernel)))}
    if mid:
        parts["lora_down.weight"] = draw(rank, inner, *([1] * len(kernel)))
        parts["lora_mid.weight"] = draw(rank, rank, *kernel)
    else:
        parts["lora_down.weight"] = draw(rank, inner, *kernel)
    return parts


def hada(weight, rank=2, core=False):
    out, inner, *kernel = weight.shape
    size = 1
    for k in kernel:
        size *= k
    parts = {}
    for side in ("w1", "w2"):
        if core and kernel:
            parts |= {f"hada_t{side[1]}": draw(rank, rank, *kernel), f"hada_{side}_a": draw(rank, out), f"hada_{side}_b": draw(rank, inner)}
        else:
            parts |= {f"hada_{side}_a": draw(out, rank), f"hada_{side}_b": draw(rank, inner * size)}
    return parts


def kron(weight, rank=2, left=False, right=False, core=False):
    out, inner, *kernel = weight.shape
    a, c = 2, 2
    b, d = out // a, inner // c
    parts = {"lokr_w1_a": draw(a, rank), "lokr_w1_b": draw(rank, c)} if left else {"lokr_w1": draw(a, c)}
    if core:
        parts |= {"lokr_t2": draw(rank, rank, *kernel), "lokr_w2_a": draw(rank, b), "lokr_w2_b": draw(rank, d)}
    elif right:
        size = 1
        for k in kernel:
            size *= k
        parts |= {"lokr_w2_a": draw(b, rank), "lokr_w2_b": draw(rank, d * size)}
    else:
        parts["lokr_w2"] = draw(b, d, *kernel)
    return parts


def change(parts, weight):
    """What a module of these leaves adds in training."""
    p = {name: value.double() for name, value in parts.items()}
    alpha = p.get("alpha")
    def scale(rank):
        return 1.0 if alpha is None or alpha.item() == 0 else alpha.item() / rank
    if "lora_up.weight" in p:
        down, up, mid = p["lora_down.weight"], p["lora_up.weight"], p.get("lora_mid.weight")
        return locon.diff_weight(down, up, mid, gamma=scale(down.shape[0])).reshape(weight.shape)
    if "hada_w1_a" in p:
        rank = p["hada_w1_b"].shape[0]
        return loha.diff_weight(p["hada_w1_b"], p["hada_w1_a"], p["hada_w2_b"], p["hada_w2_a"], p.get("hada_t1"),
                                p.get("hada_t2"), gamma=scale(rank)).reshape(weight.shape)
    rank = p["lokr_w1_b"].shape[0] if "lokr_w1_b" in p else p["lokr_w2_b"].shape[0] if "lokr_w2_b" in p else 1
    # This one divides by the second dimension of the first factor, which beside a core is not the rank.
    second = p["lokr_w1_a"].shape[1] if "lokr_w1_a" in p else p["lokr_w2_a"].shape[1] if "lokr_w2_a" in p else 1
    return lokr.diff_weight(p.get("lokr_w1"), p.get("lokr_w1_a"), p.get("lokr_w1_b"), p.get("lokr_w2"), p.get("lokr_w2_a"),
                            p.get("lokr_w2_b"), p.get("lokr_t2"), gamma=second * (scale(rank) if second > 1 else 1)).reshape(weight.shape)


def cases(w):
    def each(names, make, **more):
        return {name: make(w[name + ".weight"], **more) for name in names}
    def alpha(modules, value, dtype=torch.float32):
        return {name: parts | ({} if value is None else {"alpha": torch.tensor(value, dtype=dtype)}) for name, parts in modules.items()}
    yield "lora", alpha(each(LINEAR + CONV + POINT, lora), 1.0)
    yield "lora_half", {n: {k: v.to(torch.float16) for k, v in p.items()} for n, p in alpha(each(LINEAR + CONV, lora, rank=3), 1.7).items()}
    yield "lora_no_alpha", alpha(each(LINEAR, lora), None)
    yield "lora_alpha_0", alpha(each(LINEAR, lora), 0.0)
    yield "tucker", alpha(each(CONV, lora, mid=True), 3.0)
    yield "loha", alpha(each(LINEAR + CONV, hada), 1.0)
    yield "loha_tucker", alpha(each(CONV, hada, core=True), 1.0)
    yield "lokr", alpha(each(LINEAR + CONV, kron, left=True), 1.0) | alpha(each(POINT, kron, right=True), 4.0)
    yield "lokr_right", alpha(each(LINEAR + CONV, kron, right=True), 1.0)
    yield "lokr_tucker", alpha(each(CONV, kron, core=True), 1.0)
    yield "lokr_whole", alpha(each(LINEAR + CONV, kron), 5.0)
    yield "dora", {n: p | {"dora_scale": draw(w[n + ".weight"].shape[0], *([1] * (w[n + ".weight"].dim() - 1))).abs() + 0.5}
                   for n, p in alpha(each(LINEAR + CONV, lora), 1.0).items()}
    yield "dora_inputs", {n: p | {"dora_scale": draw(1, w[n + ".weight"].shape[1]).abs() + 0.5}
                          for n, p in alpha(each(LINEAR, lora), 1.0).items()}
    yield "full", {n: {"diff": draw(*w[n + ".weight"].shape), "diff_b": draw(w[n + ".weight"].shape[0])} for n in CONV}
    yield "norms", {n: {"w_norm": draw(w[n + ".weight"].shape[0]), "b_norm": draw(w[n + ".weight"].shape[0])} for n in NORM}
    yield "ia3", {LINEAR[0]: {"weight": draw(w[LINEAR[0] + ".weight"].shape[0]), "on_input": torch.tensor(0)},
                  LINEAR[1]: {"weight": draw(w[LINEAR[1] + ".weight"].shape[1]), "on_input": torch.tensor(1)},
                  CONV[0]: {"weight": draw(1, w[CONV[0] + ".weight"].shape[0], 1, 1), "on_input": torch.tensor(0)}}


def merged(name, parts, w):
    weight = w[name + ".weight"].double()
    if "diff" in parts or "w_norm" in parts:
        d, b = ("diff", "diff_b") if "diff" in parts else ("w_norm", "b_norm")
        return {name + ".weight": weight + parts[d].double(), name + ".bias": w[name + ".bias"].double() + parts[b].double()}
    if "on_input" in parts:
        v = parts["weight"].double().flatten() + 1
        axis = 1 if parts["on_input"].item() else 0
        return {name + ".weight": weight * v.reshape([-1 if i == axis else 1 for i in range(weight.dim())])}
    result = weight + change(parts, weight)
    if "dora_scale" in parts:
        magnitude = parts["dora_scale"].double()
        result = weight_decompose(result, magnitude, 1, magnitude.shape[0] == weight.shape[0] and magnitude.shape[0] != 1)
    return {name + ".weight": result}


def main():
    torch.manual_seed(2)
    w = UNet2DConditionModel.from_pretrained(FOLDER / "bases" / "tiny-unet").state_dict()
    shutil.rmtree(FOLDER / "kohya", ignore_errors=True)
    (FOLDER / "kohya").mkdir()
    for name, modules in cases(w):
        tensors, results = {}, {}
        for module, parts in modules.items():
            tensors |= {f"lora_unet_{module.replace('.', '_')}.{leaf}": value.contiguous() for leaf, value in parts.items()}
            results |= merged(module, parts, w)
        network = "networks.lora" if name.startswith("lora") else "lycoris.kohya"
        save_file(tensors, FOLDER / "kohya" / f"{name}.safetensors",
                  {"ss_network_module": network, "ss_network_dim": "2", "modelspec.title": name, "sshs_model_hash": "0"})
        save_file({k: v.float().contiguous() for k, v in results.items()}, FOLDER / "kohya" / f"{name}.merged.safetensors")
        print(name, len(tensors))


if __name__ == "__main__":
    main()
