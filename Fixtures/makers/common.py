"""Paths, seeded numbers and file helpers shared by the makers that need PEFT (see Fixtures/README.md).

Import this module before torch or peft: it fixes the hash seed and keeps the hub offline.
"""

import json
import os
import shutil
import sys
import zlib
from pathlib import Path

# PEFT writes some lists from Python sets: their order follows the hash seed.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from safetensors.torch import load_file, save_file

FIXTURES = Path(__file__).resolve().parents[1]
BASES = FIXTURES / "bases"
PEFT = FIXTURES / "peft"
WEIGHT_STD = 0.1  # of every matrix of a base
DELTA_STD = 0.3 * WEIGHT_STD  # of the change that an adapter makes


def normal(name, shape, std, mean=0.0):
    seed = zlib.crc32(name.encode())
    generator = torch.Generator().manual_seed(seed)
    return mean + std * torch.randn(shape, generator=generator, dtype=torch.float64)


def integers(name, shape, high):
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randint(high, shape, generator=generator)


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def stored_tensors(name):
    """The tensors of a base as they are on disk."""
    tensors = {}
    for path in sorted((BASES / name).glob("*.safetensors")):
        tensors.update(load_file(path))
    return tensors


def save_tensors(tensors, path):
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})


def save_json(value, path):
    path.write_text(json.dumps(value, indent=1) + "\n")


def edit_json(path, **changes):
    """Change fields of a config that PEFT wrote, in PEFT's own layout."""
    value = json.loads(path.read_text())
    value.update(changes)
    path.write_text(json.dumps(value, indent=2, sort_keys=True))
