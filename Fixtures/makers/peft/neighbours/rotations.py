"""Formulas of the rotations in float64: OFT, BOFT, HRA and RoAd. See formulas.py."""

import math

import torch


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
