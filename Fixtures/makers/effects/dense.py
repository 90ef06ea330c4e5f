"""Dense mathematics in float64: changes of weights as matrices, their norms and singular values."""

import math

import numpy as np

DIGITS = 13  # significant ones in the JSON files: below them another LAPACK may answer otherwise
RANK_TOLERANCE = 1e-10  # of the largest singular value
EMPTY_BAND = (1e-13, 1e-8)  # relative; no singular value may be in it, or the rank is a matter of taste
MOST_SIGMA = 64


def number(x):
    """Rounded as the JSON files have it; null where there is no finite number."""
    return float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None


def is_conv1d(base, name):
    """GPT-2's Conv1D stores its weight as [in, out]."""
    return base.startswith(("tiny-gpt2", "tiny-bias")) and name.endswith(
        ("c_attn.weight", "c_proj.weight", "c_fc.weight"))


def logical(base, name, value):
    """A weight as [out, in], a kernel as [out, in * k * ...]; vectors stay vectors."""
    value = value.double().numpy()
    if value.ndim < 2:
        return value
    return value.T if is_conv1d(base, name) else value.reshape(len(value), -1)


def frobenius(x):
    return float(np.sqrt(np.sum(np.square(x))))


def singular_values(change):
    """Those that are not rounding errors, largest first."""
    sigma = np.linalg.svd(change, compute_uv=False)
    share = sigma / sigma[0]
    low, high = EMPTY_BAND
    assert not np.any((share > low) & (share < high)), share
    return sigma[share > RANK_TOLERANCE]


def effective_rank(sigma):
    """exp of the entropy of sigma / sum(sigma): Roy and Vetterli 2007."""
    p = sigma / np.sum(sigma)
    return float(np.exp(-np.sum(p * np.log(p))))


def describe(change, weight):
    """What effects.json says about one target; both arguments as `logical` gives them."""
    fro, before = frobenius(change), frobenius(weight)
    relative = {"relative": number(fro / before) if before else None}
    if change.ndim < 2:
        return {"kind": "vector", "fro": number(fro), **relative}
    sigma = singular_values(change)
    return {
        "kind": "matrix", "fro": number(fro), **relative, "spectral": number(sigma[0]), "rank": len(sigma),
        "effective_rank": number(effective_rank(sigma)), "stable_rank": number((fro / sigma[0]) ** 2),
        "sigma": [number(s) for s in sigma[:MOST_SIGMA]]}
