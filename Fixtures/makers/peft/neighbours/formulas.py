"""The methods' formulas, in float64.

W: the weight as [out, in]; a conv kernel as [out, in * kh * kw].
t: the module's tensors in the adapter, by the last part of their key; shared ones by their whole key.
config: adapter_config.json. Each function of METHODS returns the new W, in the same shape.
"""

import torch
from peft.utils.other import get_pattern_key

from makers.peft.neighbours.rotations import boft, hra, oft, road
from makers.peft.neighbours.spectra import fourierft, waveft


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


def supertuning(W, t, config, module):
    places = t["supertuning_indices"].long()
    W = W.reshape(-1).scatter_add(0, places, t["supertuning_values"]).reshape(W.shape)
    if config["r"] is not None:
        W = W + config["lora_alpha"] / config["r"] * t["supertuning_lora_B.weight"] @ t["supertuning_lora_A.weight"]
    return W


def vblora(W, t, config, module):
    def mixed(part):  # [places, places, vector_length]
        if part in t:
            weights, indices = t[part].topk(config["topk"])
            weights = weights.softmax(-1)
        else:
            indices, weights = t[f"{part}_topk_indices"].long(), t[f"{part}_topk_weights"]
            weights = torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], -1)
        return (weights[..., None] * t["vblora_vector_bank"][indices]).sum(-2)

    A = mixed("vblora_logits_A").flatten(1)
    B = mixed("vblora_logits_B").transpose(1, 2).flatten(0, 1)
    return W + B @ A


METHODS = {
    "LOHA": loha, "LOKR": lokr, "VERA": vera, "PVERA": pvera, "OFT": oft, "BOFT": boft, "HRA": hra, "HIRA": hira,
    "SHIRA": shira, "MISS": miss, "C3A": c3a, "ROAD": road, "GRALORA": gralora, "DELORA": delora,
    "FOURIERFT": fourierft, "SUPERTUNING": supertuning, "VBLORA": vblora, "WAVEFT": waveft}
