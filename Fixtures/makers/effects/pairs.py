"""effects/pairs.json: how far pairs of adapters are from each other, by dense matrices in float64."""

from makers.common import fresh_folder, stored_tensors

import json
import math

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file
from scipy.linalg import subspace_angles

from makers.effects.adapters import ADAPTERS, BASE, make_adapters
from makers.effects.dense import EMPTY_BAND, frobenius, number
from makers.effects.direct import low_rank
from makers.peft.bases import load_base
from makers.peft.neighbours.effect import read_adapter
from makers.peft.neighbours.formulas import loha
from makers.peft.write import check_widened

SAME = 1e-6  # more than rounding to fp32 does; no pair may come near it from above
SPAN_TOLERANCE = 1e-9  # of the largest singular value
ANGLE_PLACES = 12  # decimal places of an angle: what follows is noise
AGREEMENT = 1e-13  # of PEFT's own matrices and the formulas
ABOUT = (
    "relative = distance / max(norm_x, norm_y), for all targets together at the pair. matrices: changes of a weight [out, in];"
    " cosine is null where one is 0; angles in radians, ascending, between the spans of the singular vectors"
    " above 1e-9 of the largest singular value, to 12 decimal places; column: in R^out, row: in R^in."
    " vectors: v - 1. verdict: same_effect where relative <= 1e-6")

PAIRS = [
    *[("plain", y) for y in (
        "rescaled_3", "rescaled_4", "rslora", "wider_zeros", "wider_turned", "reordered", "adalora", "bf16_stored",
        "bf16_widened", "near", "other", "subset", "doubled", "dora", "loha")],
    ("bf16_stored", "bf16_widened"), ("wider_zeros", "wider_turned"), ("rescaled_3", "adalora"), ("rslora", "doubled"),
    ("near", "wider_turned"), ("subset", "doubled"), ("subset", "other"), ("dora", "loha"),
    ("ia3", "ia3_near"), ("prompt", "prompt_near"), ("prefix", "prefix_near"),
]


def matrices(folder):
    """Target -> its change as PEFT computes it in float64, held against the formulas."""
    model = PeftModel.from_pretrained(load_base(BASE).double(), folder).double()
    check_widened(model, folder, save_embedding_layers=False)
    config = json.loads((folder / "adapter_config.json").read_text())
    weights = {k: v.double() for k, v in stored_tensors(BASE).items()}
    if config["peft_type"] == "LOHA":
        _, modules, _ = read_adapter(folder)
        formula = {f"{m}.weight": loha(torch.zeros_like(weights[f"{m}.weight"]), t, config, m)
                   for m, t in modules.items()}
    else:
        formula = low_rank(config, folder, weights)
    if config.get("use_dora"):
        merged = model.merge_and_unload().state_dict()
        changes = {k: merged[k] - weights[k] for k in formula}
    else:
        layers = dict(model.base_model.model.named_modules())
        changes = {k: layers[k.removesuffix(".weight")].get_delta_weight("default") for k in formula}
    for k, change in changes.items():
        assert (change - formula[k]).norm() <= AGREEMENT * formula[k].norm(), (folder.name, k)
    return {k: v.detach().numpy() for k, v in changes.items()}


def compare(x, y):
    """Norms, distance and cosine of two arrays; one of them may be missing."""
    x, y = (np.zeros_like(other) if v is None else v for v, other in ((x, y), (y, x)))
    norm_x, norm_y, distance = frobenius(x), frobenius(y), frobenius(x - y)
    result = {"norm_x": norm_x, "norm_y": norm_y, "distance": distance, "relative": distance / max(norm_x, norm_y)}
    cosine = float(np.sum(x * y) / (norm_x * norm_y)) if norm_x and norm_y else math.nan
    return {k: number(v) for k, v in {**result, "cosine": cosine}.items()}


def spans(change):
    """Orthonormal bases of the column space and of the row space."""
    u, sigma, v = np.linalg.svd(change, full_matrices=False)
    share = sigma / sigma[0]
    assert not np.any((share > EMPTY_BAND[0]) & (share < EMPTY_BAND[1])), share
    return u[:, share > SPAN_TOLERANCE], v[share > SPAN_TOLERANCE].T


def angles(x, y):
    return sorted(round(float(a), ANGLE_PLACES) for a in subspace_angles(x, y))


def compare_matrices(x, y):
    if x is None or y is None:
        return {**compare(x, y), "rank_x": 0 if x is None else spans(x)[0].shape[1],
                "rank_y": 0 if y is None else spans(y)[0].shape[1], "column_angles": [], "row_angles": []}
    (columns_x, rows_x), (columns_y, rows_y) = spans(x), spans(y)
    return {**compare(x, y), "rank_x": columns_x.shape[1], "rank_y": columns_y.shape[1],
            "column_angles": angles(columns_x, columns_y), "row_angles": angles(rows_x, rows_y)}


def vectors(folder):
    """IA3: v - 1 by the module's weight."""
    tensors = load_file(folder / "adapter_model.safetensors")
    stem = len("base_model.model.")
    return {k[stem:].replace(".ia3_l", ".weight"): v.double().numpy().ravel() - 1 for k, v in tensors.items()}


def prompt(folder):
    rows = load_file(folder / "adapter_model.safetensors")["prompt_embeddings"].double().numpy()
    return {f"token {i}": row for i, row in enumerate(rows)}


def prefix(folder):
    """As PEFT gives them to the model: [heads, tokens, width] of each layer."""
    model = PeftModel.from_pretrained(load_base(BASE).double(), folder).double().eval()
    cache = model.get_prompt(batch_size=1)
    parts = {}
    for i, layer in enumerate(cache.layers):
        parts[f"keys of layer {i}"] = layer.keys[0].detach().numpy()
        parts[f"values of layer {i}"] = layer.values[0].detach().numpy()
    assert all(v.dtype == np.float64 for v in parts.values())
    return parts


KINDS = {"IA3": ("vectors", vectors), "PROMPT_TUNING": ("prompt", prompt), "PREFIX_TUNING": ("prefix", prefix)}


def read(folder):
    """The kind of an adapter's effect, and its parts."""
    method = json.loads((folder / "adapter_config.json").read_text())["peft_type"]
    kind, parts = KINDS.get(method, ("matrices", matrices))
    return kind, parts(folder)


def total(parts):
    return math.sqrt(sum(frobenius(v) ** 2 for v in parts.values()))


def pair(x, y, effects):
    (kind, in_x), (other, in_y) = effects[x], effects[y]
    assert kind == other
    names = sorted(in_x.keys() | in_y.keys())
    method = compare_matrices if kind == "matrices" else compare
    targets = {k: method(in_x.get(k), in_y.get(k)) for k in names}
    distance = math.sqrt(sum(t["distance"] ** 2 for t in targets.values()))
    relative = distance / max(total(in_x), total(in_y))
    assert not SAME < relative < 1000 * SAME, (x, y, relative)
    print(f"{x} {y} {relative:.2e}")
    return {"x": x, "y": y, "kind": kind, "verdict": "same_effect" if relative <= SAME else "differs",
            "relative": number(relative), "targets": targets}


def text(pairs):
    """One line for each target."""
    notes = ",\n".join(f"  {json.dumps(k)}: {json.dumps(note)}" for k, (note, _) in ADAPTERS.items())
    blocks = []
    for one in pairs:
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in one["targets"].items())
        head = json.dumps({k: v for k, v in one.items() if k != "targets"})[:-1]
        blocks.append(f'{head}, "targets": {{\n{lines}}}}}')
    return (f'{{"about": {json.dumps(ABOUT)},\n"base": "{BASE}",\n"adapters": {{\n{notes}}},\n"pairs": [\n'
            + ",\n".join(blocks) + "\n]}\n")


def make_pairs(folder):
    fresh_folder(folder)
    make_adapters(folder)
    effects = {name: read(folder / name) for name in ADAPTERS}
    (folder / "pairs.json").write_text(text([pair(x, y, effects) for x, y in PAIRS]))
