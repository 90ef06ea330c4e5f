"""Makes the adapters of PEFT's other weight methods under Fixtures/peft/ (see README.md).

Run:  python make_peft_neighbours.py            every case
      python make_peft_neighbours.py CASE ...   only the named cases (their bases must be there)

The functions of METHODS are the formulas. They read only the adapter's two files and the
base's weight, and work in float64. Every case compares them with PEFT's own merge and with
PEFT's unmerged forward; an entry made by `check` does that too, but leaves no files.
"""

import contextlib
import json
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path

from make_peft import BASES, PEFT, load_base, normal, stored_tensors  # first: sets the hash seed

import torch
from peft import (
    BOFTConfig, C3AConfig, DeloraConfig, FourierFTConfig, GraloraConfig, HiraConfig, HRAConfig, LoHaConfig,
    LoKrConfig, MissConfig, OFTConfig, PeftModel, PveraConfig, RoadConfig, ShiraConfig, SupertuningConfig,
    VeraConfig, WaveFTConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict)
from peft.tuners.boft import layer as boft_layer
from peft.tuners.waveft.constants import WAVELET_REDUCTIONS
from peft.tuners.waveft.wavelet import Wavelet
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from transformers.utils.logging import disable_progress_bar

LLAMA, GPT2, BLOOM, CONV = "tiny-llama-16", "tiny-gpt2-16", "tiny-bloom", "tiny-conv"

K0 = r"model\.layers\.0\.self_attn\.k_proj"  # [8, 16]
KO = r"model\.layers\.0\.self_attn\.[ko]_proj"  # and a square one, [16, 16]
DOWN0 = r"model\.layers\.0\.mlp\.down_proj"  # [16, 24]
C_ATTN0 = r"transformer\.h\.0\.attn\.c_attn"  # Conv1D, stored as [16, 48]
C_PROJ0 = r"transformer\.h\.0\.attn\.c_proj"  # Conv1D, [16, 16]
DENSE0 = r"transformer\.h\.0\.(self_attention\.dense|mlp\.dense_4h_to_h)"  # with bias


def case(name, base, config, fill, stored=True, gpu_boft=False):
    """fill: start of a parameter's name -> (mean, std) of its values; what is not in it stays as PEFT made it."""
    return {"name": name, "base": base, "config": config, "fill": fill, "stored": stored, "gpu_boft": gpu_boft}


def check(*args, **kwargs):
    return case(*args, **kwargs, stored=False)


LYCORIS_CASES = [
    case("loha_llama", LLAMA, LoHaConfig(
        r=3, alpha=6, target_modules=KO, rank_pattern={"k_proj": 2}, alpha_pattern={"self_attn.o_proj": 5},
        modules_to_save=["model.norm"]),
        {"hada_": (0, 0.27), "weight": (1, 0.1)}),
    case("loha_conv", CONV, LoHaConfig(r=2, alpha=3, target_modules=["conv2d", "conv1d"]), {"hada_": (0, 0.3)}),
    # the 1x1 convolution has no core
    case("loha_conv_cp", CONV, LoHaConfig(
        r=2, alpha=3, use_effective_conv2d=True, target_modules=["conv2d", "conv1d", "point"]),
        {"hada_t": (0, 0.5), "hada_": (0, 0.37)}),
    # k_proj: w1 full, w2 in two factors; o_proj: both full, so that only the config tells r
    case("lokr_llama", LLAMA, LoKrConfig(
        r=2, alpha=3, decompose_factor=2, target_modules=KO, rank_pattern={"o_proj": 4},
        alpha_pattern={"o_proj": 5}),
        {"lokr_w1": (0, 0.15), "lokr_w2_": (0, 0.35), "lokr_w2": (0, 0.2)}),
    case("lokr_decompose_both", LLAMA, LoKrConfig(
        r=2, alpha=5, target_modules=DOWN0, decompose_both=True, decompose_factor=6), {"lokr_": (0, 0.25)}),
    # conv2d: w2 from a core; point: w2 full, with four dimensions
    case("lokr_conv", CONV, LoKrConfig(
        r=2, alpha=1, use_effective_conv2d=True, target_modules=["conv2d", "point"], rank_pattern={"conv2d": 1}),
        {"lokr_t2": (0, 0.6), "lokr_": (0, 0.45)}),
    check("lokr_conv_plain", CONV, LoKrConfig(r=1, target_modules=["conv2d", "conv1d", "point"]), {"lokr_": (0, 0.3)}),
    check("lokr_conv_full", CONV, LoKrConfig(r=2, target_modules=["conv2d", "point"]), {"lokr_": (0, 0.3)}),
    check("lokr_conv_core", CONV, LoKrConfig(
        r=2, use_effective_conv2d=True, decompose_factor=1, target_modules=["conv2d", "conv1d"]), {"lokr_": (0, 0.3)}),
]

VERA_CASES = [
    case("vera_llama", LLAMA, VeraConfig(
        r=3, target_modules=r"model\.layers\.0\.(self_attn\.k_proj|mlp\.down_proj)", save_projection=True),
        {"vera_lambda": (0.3, 0.1), "vera_": (0, 0.52)}),
    case("vera_gpt2", GPT2, VeraConfig(r=2, target_modules=C_ATTN0, save_projection=True),
         {"vera_lambda": (0.3, 0.1), "vera_": (0, 0.52)}),
    check("vera_gpt2_square", GPT2, VeraConfig(r=2, target_modules=C_PROJ0, save_projection=True),
          {"vera_lambda": (0.3, 0.1), "vera_": (0, 0.52)}),
    case("pvera_llama", LLAMA, PveraConfig(r=2, target_modules=KO, save_projection=True),
         {"pvera_lambda": (0.3, 0.1), "pvera_": (0, 0.45)}),
    check("pvera_gpt2", GPT2, PveraConfig(r=2, target_modules=C_ATTN0, save_projection=True),
          {"pvera_lambda": (0.3, 0.1), "pvera_": (0, 0.45)}),
]

OFT = {"oft_": (0, 0.1), "bias": (0, 0.05)}
BOFT = {"boft_R": (0, 0.15), "boft_s": (1, 0.1), "bias": (0, 0.05)}
HRA = {"hra_u": (0, 1), "bias": (0, 0.05)}

ROTATIONS = [
    case("oft_llama", LLAMA, OFTConfig(oft_block_size=4, target_modules=KO), OFT),
    check("oft_exact", LLAMA, OFTConfig(r=4, oft_block_size=0, use_cayley_neumann=False, target_modules=KO), OFT),
    case("oft_exact_coft", LLAMA, OFTConfig(
        r=4, oft_block_size=0, use_cayley_neumann=False, coft=True, eps=0.7, target_modules=KO), OFT),
    case("oft_share_terms3_bias_all", BLOOM, OFTConfig(
        oft_block_size=4, block_share=True, num_cayley_neumann_terms=3, bias="all", target_modules=DENSE0), OFT),
    *[check(f"oft_terms{n}", LLAMA, OFTConfig(oft_block_size=4, num_cayley_neumann_terms=n, target_modules=K0), OFT)
      for n in (2, 4, 6, 7)],
    check("oft_coft_share", LLAMA, OFTConfig(
        oft_block_size=4, coft=True, eps=0.3, block_share=True, target_modules=K0), OFT),
    check("oft_embedding", LLAMA, OFTConfig(oft_block_size=4, target_modules=["embed_tokens"]), OFT),
    case("boft_llama", LLAMA, BOFTConfig(
        boft_block_size=4, boft_n_butterfly_factor=3, target_modules=KO), BOFT, gpu_boft=True),
    case("boft_conv", CONV, BOFTConfig(boft_block_size=4, target_modules=["conv2d"], bias="boft_only"), BOFT),
    check("boft_forced", LLAMA, BOFTConfig(
        boft_block_size=4, boft_n_butterfly_factor=2, target_modules=KO), BOFT),
    check("boft_odd_block", LLAMA, BOFTConfig(boft_block_size=3, target_modules=DOWN0), BOFT),
    check("boft_2_factors", LLAMA, BOFTConfig(
        boft_block_size=0, boft_block_num=6, boft_n_butterfly_factor=2, target_modules=DOWN0), BOFT, gpu_boft=True),
    check("boft_bloom", BLOOM, BOFTConfig(boft_block_size=4, target_modules=DENSE0), BOFT),
    case("hra_llama", LLAMA, HRAConfig(r=2, target_modules=KO), HRA),
    case("hra_gs", LLAMA, HRAConfig(r=3, apply_GS=True, target_modules=KO), HRA),
    check("hra_conv", CONV, HRAConfig(r=2, target_modules=["conv2d", "point"], bias="hra_only"), HRA),
    *[case(f"road_{n}", BLOOM, RoadConfig(variant=f"road_{n}", group_size=4, target_modules=DENSE0),
           {"road_theta": (0, 0.25), "road_alpha": (1, 0.15)}) for n in (1, 2, 4)],
]

HIRA = {"hira_": (0, 0.42)}
MISS = {"miss_block": (0, 0.03)}

OTHER_CASES = [
    case("hira_llama", LLAMA, HiraConfig(r=3, target_modules=KO, rank_pattern={"k_proj": 2}), HIRA),
    case("hira_gpt2", GPT2, HiraConfig(r=3, target_modules=C_PROJ0), HIRA),
    check("hira_embedding", LLAMA, HiraConfig(r=3, target_modules=["embed_tokens"]), HIRA),
    check("hira_conv", CONV, HiraConfig(
        r=2, target_modules=["conv1d", "conv2d", "point", "conv3d"]), HIRA),
    case("shira_llama", LLAMA, ShiraConfig(r=2, random_seed=3, target_modules=KO), {"shira_weight": (0, 0.06)}),
    case("miss_llama", LLAMA, MissConfig(r=5, target_modules=KO), MISS),
    case("miss_mini", LLAMA, MissConfig(r=4, mini_r=4, init_weights="mini", target_modules=KO), MISS),
    case("miss_bat", LLAMA, MissConfig(r=4, init_weights="bat", target_modules=KO), MISS),
    check("miss_bias", BLOOM, MissConfig(r=4, target_modules=DENSE0, bias="miss_only"), {**MISS, "bias": (0, 0.05)}),
    case("c3a_llama", LLAMA, C3AConfig(
        block_size=4, block_size_pattern={"o_proj": 8}, target_modules=KO), {"c3a_kernel": (0, 0.5)}),
    case("gralora_llama", LLAMA, GraloraConfig(r=4, alpha=6, gralora_k=2, target_modules=KO), {"gralora_": (0, 0.12)}),
    case("gralora_hybrid", GPT2, GraloraConfig(
        r=8, alpha=10, gralora_k=4, hybrid_r=2, target_modules=C_PROJ0), {"gralora_": (0, 0.14)}),
    case("delora_llama", LLAMA, DeloraConfig(
        r=3, target_modules=KO, rank_pattern={"k_proj": 2}, lambda_pattern={"k_proj": 4}),
        {"delora_lambda": (2.5, 0.3), "delora_A": (0, 1), "delora_B": (0, 1)}),
    case("fourierft_llama", LLAMA, FourierFTConfig(
        n_frequency=40, scaling=20.0, target_modules=KO, n_frequency_pattern={"o_proj": 60}),
        {"fourierft_spectrum": (0, 0.08)}),
    case("fourierft_gpt2", GPT2, FourierFTConfig(
        n_frequency=60, scaling=20.0, random_loc_seed=5, target_modules=C_PROJ0), {"fourierft_spectrum": (0, 0.08)}),
    case("supertuning_llama", LLAMA, SupertuningConfig(
        sparsity=0.8, r=2, lora_alpha=5, target_modules=KO),
        {"supertuning_values": (0, 0.05), "supertuning_lora": (0, 0.08)}),
    check("supertuning_sparse", LLAMA, SupertuningConfig(sparsity=0.7, target_modules=KO), {"supertuning": (0, 0.05)}),
    *[check(f"waveft_{family}", LLAMA, WaveFTConfig(
        n_frequency=40, scaling=5.0, wavelet_family=family, target_modules=KO), {"waveft_spectrum": (0, 0.01)})
      for family in ("db1", "db2", "db3", "sym4", "coif1")],
    check("waveft_gpt2_direct", GPT2, WaveFTConfig(
        n_frequency=60, scaling=5.0, use_idwt=False, target_modules=C_PROJ0), {"waveft_spectrum": (0, 0.01)}),
]

CASES = LYCORIS_CASES + VERA_CASES + ROTATIONS + OTHER_CASES


# ---------------------------------------------------------------- formulas
#
# W: the weight as [out, in], float64; a conv kernel as [out, in * kh * kw].
# t: the module's tensors in the adapter, by the last part of their key; shared ones by their whole key.
# config: adapter_config.json.  Each function returns the new W, in the same shape.

def pattern(config, key, module, default):
    values = config[key] or {}
    return values.get(get_pattern_key(values.keys(), module), config[default])


def cp(core, a, b):
    """[out, in, kh, kw] from core [r, r, kh, kw], a [r, out], b [r, in]."""
    return torch.einsum("ijkl,ip,jq->pqkl", core, a, b)


def loha(W, t, config, module):
    scale = pattern(config, "alpha_pattern", module, "alpha") / pattern(config, "rank_pattern", module, "r")
    if "hada_t1" in t:
        first = cp(t["hada_t1"], t["hada_w1_a"], t["hada_w1_b"])
        second = cp(t["hada_t2"], t["hada_w2_a"], t["hada_w2_b"])
    else:
        first = t["hada_w1_a"] @ t["hada_w1_b"]
        second = t["hada_w2_a"] @ t["hada_w2_b"]
    return W + scale * (first * second).reshape(W.shape)


def lokr(W, t, config, module):
    scale = pattern(config, "alpha_pattern", module, "alpha") / pattern(config, "rank_pattern", module, "r")
    w1 = t["lokr_w1"] if "lokr_w1" in t else t["lokr_w1_a"] @ t["lokr_w1_b"]
    if "lokr_w2" in t:
        w2 = t["lokr_w2"]
    elif "lokr_t2" in t:
        w2 = cp(t["lokr_t2"], t["lokr_w2_a"], t["lokr_w2_b"])
    else:
        w2 = t["lokr_w2_a"] @ t["lokr_w2_b"]
    return W + scale * torch.kron(w1, w2.reshape(len(w2), -1))


def vera(W, t, config, module):
    rows, columns = W.shape
    A, B = t["vera_A"][:, :columns], t["vera_B"][:rows]
    return W + t["vera_lambda_b"][:, None] * (B @ (t["vera_lambda_d"][:, None] * A))


def pvera(W, t, config, module):
    rows, columns = W.shape
    r = len(t["pvera_lambda_d"]) // 2  # the second half is the variance: not used
    A, B, d = t["pvera_A"][:r, :columns], t["pvera_B"][:rows], t["pvera_lambda_d"][:r]
    return W + t["pvera_lambda_b"][:, None] * (B @ (d[:, None] * A))


def skew(upper):
    """[n, b * (b - 1) / 2] -> [n, b, b]: the upper triangle row by row, minus its transpose."""
    n, count = upper.shape
    b = (1 + math.isqrt(1 + 8 * count)) // 2
    Q = upper.new_zeros(n, b, b)
    rows, columns = torch.triu_indices(b, b, 1)
    Q[:, rows, columns] = upper
    return Q - Q.transpose(1, 2)


def cayley(Q):
    """(I - Q) (I + Q)^-1"""
    one = torch.eye(Q.shape[-1], dtype=Q.dtype)
    return (one - Q) @ torch.linalg.inv(one + Q)


def neumann(Q, terms):
    """Approximates (I + Q) (I - Q)^-1, the inverse of cayley(Q); terms 3 and 4 are the same."""
    R = torch.eye(Q.shape[-1], dtype=Q.dtype).expand_as(Q)
    if terms == 2:
        return R + 2 * Q
    if terms > 2:
        last = max(terms - 1, 3)
        power = Q
        for k in range(1, last):
            R = R + 2 * power
            power = power @ Q
        R = R + power
    return R


def oft(W, t, config, module):
    embedding = "oft_embedding_R.weight" in t
    Q = skew(t["oft_embedding_R.weight"] if embedding else t["oft_R.weight"])
    n, b = Q.shape[:2]
    if config["coft"]:
        limit = config["eps"] / math.sqrt(n)
        norm = Q.square().sum((1, 2), keepdim=True).sqrt()
        Q = torch.where(norm <= limit, Q, limit * Q / norm)
    if config["use_cayley_neumann"]:
        R = neumann(Q, config["num_cayley_neumann_terms"])
    else:
        R = cayley(Q)
    if config["block_share"]:
        R = R.expand(W.shape[1] // b, b, b)
    R = torch.block_diag(*R)
    return W @ (R if embedding else R.T)  # embeddings turn the other way


def butterfly(count, size, i):
    """The order of the inputs for factor i, with `count` blocks of `size`."""
    half, parts = size // 2, 2 * 2**i
    order = []
    for start in range(0, count * size, size * 2**i):
        for part in [*range(0, parts, 2), *range(1, parts, 2)]:
            order += range(start + part * half, start + (part + 1) * half)
    return order


def boft(W, t, config, module):
    factors, count, size = t["boft_R"].shape[:3]
    for i in range(factors):
        R = t["boft_R"][i]
        M = torch.block_diag(*cayley((R - R.transpose(1, 2)) / 2))
        if factors > 1:
            order = butterfly(count, size, i)
            M = M[order][:, order]
        W = W @ M.T
    return t["boft_s"].reshape(-1, 1) * W


def hra(W, t, config, module):
    columns = []
    for u in t["hra_u"].T:
        if config["apply_GS"]:
            for v in columns:
                u = u - (v @ u) * v
        columns.append(u / u.norm())
    for u in columns:
        W = W - 2 * torch.outer(W @ u, u)
    return W


def hira(W, t, config, module):
    if "hira_embedding_A" in t:
        return W * (1 + (t["hira_embedding_B"] @ t["hira_embedding_A"]).T)
    A, B = t["hira_A"], t["hira_B"]
    return W * (1 + B.reshape(len(B), -1) @ A.reshape(len(A), -1))


def shira(W, t, config, module):
    rows, columns = t["shira_indices"].long()  # a file written on Windows has them as F32
    return W.index_put((rows, columns), t["shira_weight"], accumulate=True)


def miss(W, t, config, module):
    m = t["miss_block"]
    rows, columns = W.shape
    if config["init_weights"] == "bat":  # m: [rows / r, r, r]
        r = m.shape[1]
        block = W.reshape(rows // r, r, columns // r, r).transpose(1, 2)
        block = block + block @ m[:, None] + m[:, None]
        return block.transpose(1, 2).reshape(rows, columns)
    if config["init_weights"] == "mini":  # m: [r, mini_r]
        m = m.repeat(1, rows // config["mini_r"])
    return W + m[torch.arange(columns) % len(m)].T


def c3a(W, t, config, module):
    kernel = t["c3a_kernel"]  # [rows / b, columns / b, b]
    rows, columns = W.shape
    b = kernel.shape[2]
    o, i = torch.arange(rows)[:, None], torch.arange(columns)[None]
    return W + kernel[o // b, i // b, (i - o) % b] / columns


def road(W, t, config, module):
    """Also for the bias, as one column."""
    half = config["group_size"] // 2
    theta, alpha = t["road_theta"], t["road_alpha"]
    # [groups, 2, half]: for the first and the second half of each group of outputs
    if config["variant"] == "road_1":
        theta1 = theta2 = theta.reshape(-1, 1, half).expand(-1, 2, half)
        alpha1 = alpha2 = alpha.reshape(-1, 1, half).expand(-1, 2, half)
    elif config["variant"] == "road_2":
        theta1 = theta2 = theta.reshape(-1, 2, half)
        alpha1 = alpha2 = alpha.reshape(-1, 2, half)
    else:  # road_4: [groups, cos | sin, 2, half]
        theta1, theta2 = theta.reshape(-1, 2, 2, half).unbind(1)
        alpha1, alpha2 = alpha.reshape(-1, 2, 2, half).unbind(1)
    c, s = (alpha1 * theta1.cos())[..., None], (alpha2 * theta2.sin())[..., None]
    x, y = W.reshape(-1, 2, half, W.shape[1]).unbind(1)
    return torch.stack([c[:, 0] * x - s[:, 0] * y, c[:, 1] * y + s[:, 1] * x], 1).reshape(W.shape)


def gralora(W, t, config, module):
    A, B = t["gralora_A"], t["gralora_B"]  # [k, in / k, r], [k, r, out / k]
    k, q = config["gralora_k"], config["r"] // config["gralora_k"]
    delta = torch.cat([torch.cat([
        (A[n, :, j * q:(j + 1) * q] @ B[j, n * q:(n + 1) * q]).T for n in range(k)], 1) for j in range(k)])
    if config["hybrid_r"]:
        delta = delta + t["gralora_B_general.weight"] @ t["gralora_A_general.weight"]
    return W + config["alpha"] / (config["r"] + config["hybrid_r"]) * delta


def delora(W, t, config, module):
    A, B = t["delora_A"], t["delora_B"]
    norms = A.norm(dim=1).clamp(min=1e-4) * B.norm(dim=0).clamp(min=1e-4)
    return W + (B * (t["delora_lambda"] / len(A) / norms)) @ A * t["delora_w_norm"]


def twister(seed):
    """mt19937: 32-bit numbers."""
    state = [seed & 0xffffffff]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ state[-1] >> 30) + i) & 0xffffffff)
    while True:
        for i in range(624):
            y = state[i] & 0x80000000 | state[(i + 1) % 624] & 0x7fffffff
            state[i] = state[(i + 397) % 624] ^ y >> 1 ^ (0x9908b0df if y & 1 else 0)
        for y in state:
            y ^= y >> 11
            y ^= y << 7 & 0x9d2c5680
            y ^= y << 15 & 0xefc60000
            yield y ^ y >> 18


def random_places(size, count, seed):
    """torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count] on a CPU."""
    numbers = twister(seed)
    places = []
    if size < 0xffffffff // 20:  # Fisher-Yates from the front; `moved` has what is not in its own place
        moved = {}
        for i in range(count):
            draw = next(numbers) if i < size - 1 else 0  # nothing is drawn for the last place
            j = i + draw % (size - i)
            places.append(moved.get(j, j))
            moved[j] = moved.get(i, i)
    else:  # inside out, with 64-bit numbers: all of them count
        for i in range(size):
            j = (next(numbers) << 32 | next(numbers)) % (i + 1)
            if i < count:
                places.append(i)
                places[i] = places[j]
            if j < count:
                places[j] = i
    return places


def spectrum(values, rows, columns, seed):
    places = torch.tensor(random_places(rows * columns, len(values), seed))
    dense = values.new_zeros(rows * columns)
    dense[places] = values
    return dense.reshape(rows, columns)


def fourierft(W, t, config, module):
    # delta[o, i] = scaling / (rows * columns) * sum over (p, q): dense[p, q] * cos(2 pi (o p / rows + i q / columns))
    rows, columns = W.shape
    dense = spectrum(t["fourierft_spectrum"], rows, columns, config["random_loc_seed"])
    p, q = torch.arange(rows).double(), torch.arange(columns).double()
    left = 2 * math.pi * torch.outer(p, p) / rows
    right = 2 * math.pi * torch.outer(q, q) / columns
    delta = left.cos() @ dense @ right.cos() - left.sin() @ dense @ right.sin()
    return W + config["scaling"] / (rows * columns) * delta


def supertuning(W, t, config, module):
    places = t["supertuning_indices"].long()
    W = W.reshape(-1).scatter_add(0, places, t["supertuning_values"]).reshape(W.shape)
    if config["r"] is not None:
        W = W + config["lora_alpha"] / config["r"] * t["supertuning_lora_B.weight"] @ t["supertuning_lora_A.weight"]
    return W


def waveft(W, t, config, module):
    rows, columns = W.shape
    dense = spectrum(t["waveft_spectrum"], rows, columns, config["random_loc_seed"])
    if not config["use_idwt"]:
        return W + config["scaling"] * dense
    wavelet = Wavelet(config["wavelet_family"])
    low, high = (torch.tensor(x, dtype=W.dtype) for x in (wavelet.rec_lo, wavelet.rec_hi))
    length = len(low)

    def synthesis(filter, count):  # [2 * count, count]: what the wavelet's end effects leave
        matrix = W.new_zeros(2 * count + length - 2, count)
        for i in range(count):
            matrix[2 * i:2 * i + length, i] = filter
        crop = (2 * length - 3) // 2
        return matrix[crop:len(matrix) - crop]

    extra = [WAVELET_REDUCTIONS[config["wavelet_family"]][axis] for axis in (0, 1)]
    height, width = (n + e + (n + e) % 2 for n, e in zip((rows, columns), extra))
    top, left = (height - rows) // 2, (width - columns) // 2
    padded = W.new_zeros(height, width)
    padded[top:top + rows, left:left + columns] = dense
    h, w = height // 2, width // 2
    rows_low, rows_high = synthesis(low, h), synthesis(high, h)
    columns_low, columns_high = synthesis(low, w), synthesis(high, w)
    # top right: high over the rows; bottom left: high over the columns
    delta = (rows_low @ padded[:h, :w] + rows_high @ padded[:h, w:]) @ columns_low.T
    delta = delta + (rows_low @ padded[h:, :w] + rows_high @ padded[h:, w:]) @ columns_high.T
    top, left = (delta.shape[0] - rows) // 2, (delta.shape[1] - columns) // 2
    return W + config["scaling"] * delta[top:top + rows, left:left + columns]


METHODS = {
    "LOHA": loha, "LOKR": lokr, "VERA": vera, "PVERA": pvera, "OFT": oft, "BOFT": boft, "HRA": hra, "HIRA": hira,
    "SHIRA": shira, "MISS": miss, "C3A": c3a, "ROAD": road, "GRALORA": gralora, "DELORA": delora,
    "FOURIERFT": fourierft, "SUPERTUNING": supertuning, "WAVEFT": waveft}


# ---------------------------------------------------------------- the adapter's effect

PART = re.compile(
    r"base_model\.model\.(.+)\.((?:hada|lokr|vera_lambda|pvera_lambda|oft|boft|hra|hira|shira|miss|c3a|road|gralora"
    r"|delora|fourierft|supertuning|waveft)_.+)")
SHARED = re.compile(r"base_model\.(p?vera_[AB])")


def read_adapter(folder):
    """config; the tensors of each module; tensors that replace one of the base."""
    config = json.loads((folder / "adapter_config.json").read_text())
    modules, shared, replaced = {}, {}, {}
    for key, value in load_file(folder / "adapter_model.safetensors").items():
        value = value.double() if value.is_floating_point() else value
        if part := PART.fullmatch(key):
            modules.setdefault(part[1], {})[part[2]] = value
        elif part := SHARED.fullmatch(key):
            shared[part[1]] = value
        else:
            replaced[key.removeprefix("base_model.model.").replace(".base_layer.", ".")] = value
    for tensors in modules.values():
        tensors.update(shared)
    return config, modules, replaced


def is_conv1d(base, module):
    """GPT-2's Conv1D stores its weight as [in, out]."""
    return base == GPT2 and module.endswith(("c_attn", "c_proj", "c_fc"))


def reference(base, folder):
    """The tensors that the adapter changes, in float64, by the formulas above."""
    config, modules, changed = read_adapter(folder)
    stored = {k: v.double() for k, v in stored_tensors(base).items() if v.is_floating_point()}
    stored.update(changed)
    method = METHODS[config["peft_type"]]
    for module, t in modules.items():
        name = f"{module}.weight"
        W = stored[name]
        if is_conv1d(base, module):
            changed[name] = method(W.T, t, config, module).T.contiguous()
        else:
            changed[name] = method(W.reshape(len(W), -1), t, config, module).reshape(W.shape).contiguous()
        if config["peft_type"] == "ROAD" and f"{module}.bias" in stored:
            changed[f"{module}.bias"] = method(stored[f"{module}.bias"][:, None], t, config, module)[:, 0].contiguous()
    return changed


# ---------------------------------------------------------------- PEFT's side

class BlockDiagonal:
    """In place of PEFT's CUDA kernel: [n, blocks, b, b] -> [n, blocks * b, blocks * b]."""

    @staticmethod
    def apply(x):
        return torch.stack([torch.block_diag(*blocks) for blocks in x])


@contextlib.contextmanager
def boft_as_on_a_gpu():
    """Without its CUDA kernel PEFT allows only one butterfly factor."""
    saved = boft_layer.get_fbd_cuda, boft_layer.FastBlockDiag
    boft_layer.get_fbd_cuda, boft_layer.FastBlockDiag = (lambda: True), BlockDiagonal
    try:
        yield
    finally:
        boft_layer.get_fbd_cuda, boft_layer.FastBlockDiag = saved


def filled(entry, key, value):
    if not value.is_floating_point():
        return value
    part = PART.fullmatch(key) or SHARED.fullmatch(key)
    last = part[part.lastindex] if part else key.rsplit(".", 1)[-1]
    for prefix, (mean, std) in entry["fill"].items():
        if last.startswith(prefix):
            return normal(f"{entry['name']} {key}", value.shape, std, mean).to(value.dtype)
    return value


def write_adapter(entry, folder):
    torch.manual_seed(0)
    model = get_peft_model(load_base(entry["base"]), entry["config"])
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    set_peft_model_state_dict(model, {k: filled(entry, k, v) for k, v in state.items()})
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)


def peft_merge(entry, folder):
    """PEFT's own merge in the base's dtype; only the tensors that it changed."""
    merged = PeftModel.from_pretrained(load_base(entry["base"]), folder).merge_and_unload().state_dict()
    stored = stored_tensors(entry["base"])
    return {k: merged[k].contiguous() for k, v in stored.items() if not torch.equal(v, merged[k])}


def inputs(entry):
    """Two inputs: token ids, or numbers for the convolutions."""
    if entry["base"] == CONV:
        return "input", [normal(f"{entry['name']} input {i}", (1, 2, 4, 6, 6), 1).float() for i in (0, 1)]
    size = json.loads((BASES / entry["base"] / "config.json").read_text())["vocab_size"]
    generator = torch.Generator().manual_seed(1)
    return "input_ids", [torch.randint(size, (1, n), generator=generator) for n in (5, 7)]


def outputs(model, given):
    model.eval()
    with torch.no_grad():
        results = [model(x) for x in given]
    return [getattr(y, "logits", y) for y in results]


def check_forward(entry, changed, given, logits):
    """The base with the changed weights gives the same logits, in float64, as PEFT's unmerged model in fp32."""
    def distances(model):
        x = [g.double() if g.is_floating_point() else g for g in given]
        return [((a - b).abs().max() / b.abs().max()).item() for a, b in zip(outputs(model, x), logits)]

    model = load_base(entry["base"]).double()
    assert min(distances(model)) > 1e-3, (entry["name"], "no effect")
    parameters = model.state_dict()
    for name, value in changed.items():
        parameters[name].copy_(value)
    worst = max(distances(model))
    assert worst < 1e-5, (entry["name"], "forward", worst)
    return worst


def check_merge(entry, merged, changed):
    assert merged.keys() == changed.keys(), (entry["name"], merged.keys() ^ changed.keys())
    worst = max(((merged[k].double() - v).abs().max() / v.abs().max()).item() for k, v in changed.items())
    assert worst < 1e-5, (entry["name"], "merge", worst)
    return worst


def make(entry, folder):
    with boft_as_on_a_gpu() if entry["gpu_boft"] else contextlib.nullcontext():
        write_adapter(entry, folder)
        merged = peft_merge(entry, folder)
        kind, given = inputs(entry)
        logits = outputs(PeftModel.from_pretrained(load_base(entry["base"]), folder), given)
    changed = reference(entry["base"], folder)
    errors = check_merge(entry, merged, changed), check_forward(entry, changed, given, logits)
    before = stored_tensors(entry["base"])
    ratios = [((v - before[k].double()).std() / before[k].double().std()).item() for k, v in changed.items()]
    print(entry["name"], "merge %.0e forward %.0e" % errors, "change", *("%.2f" % r for r in ratios))

    metadata = {"format": "pt"}
    save_file(merged, folder / "merged.safetensors", metadata=metadata)
    save_file(changed, folder / "reference.safetensors", metadata=metadata)
    tensors = {f"{kind}.{i}": x for i, x in enumerate(given)}
    tensors.update({f"logits.{i}": x.contiguous() for i, x in enumerate(logits)})
    save_file(tensors, folder / "logits.safetensors", metadata=metadata)
    (folder / "case.json").write_text(json.dumps({
        "base": entry["base"], "method": entry["config"].peft_type.value.lower(), "effect": "merge",
        "changed": sorted(changed), "created": [], "resized": []}, indent=1) + "\n")


def make_case(entry):
    if entry["stored"]:
        folder = PEFT / entry["name"]
        shutil.rmtree(folder, ignore_errors=True)
        make(entry, folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make(entry, Path(folder))


def check_random_places():
    # not the sizes for 64-bit numbers: they take minutes
    for size, count, seed in ((512, 512, 777), (1, 1, 0), (3000, 700, 2**32 + 5), (1 << 20, 2000, 1)):
        expected = torch.randperm(size, generator=torch.Generator().manual_seed(seed))[:count]
        assert random_places(size, count, seed) == expected.tolist(), (size, seed)


def main():
    torch.set_num_threads(1)
    check_random_places()
    disable_progress_bar()
    names = sys.argv[1:]
    unknown = set(names) - {entry["name"] for entry in CASES}
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}")
    for entry in CASES:
        if not names or entry["name"] in names:
            make_case(entry)


if __name__ == "__main__":
    main()
