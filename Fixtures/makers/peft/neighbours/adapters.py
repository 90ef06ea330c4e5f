"""PEFT's side: writes an adapter, and merges it."""

from makers.common import normal, stored_tensors  # first: sets the hash seed

import contextlib

import torch
from peft import get_peft_model, get_peft_model_state_dict, PeftModel, set_peft_model_state_dict
from peft.tuners.boft import layer as boft_layer

from makers.peft.bases import load_base
from makers.peft.neighbours.effect import PART, SHARED


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
