"""Builds models of transformers without memory for their weights and records what their parameters are called.

A model is built with its default configuration on torch's meta device, so that it has all its layers and no
weights. Import this module before torch: it keeps the hub offline.
"""

import importlib
import inspect
import os
import re
import signal
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")

import torch
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    PrefixChange,
    WeightConverter,
    WeightRenaming,
    apply_converters,
    apply_renamings,
)
from transformers.pytorch_utils import Conv1D

from settings import SETTINGS

SECONDS = 30  # for one model


class Record:
    """What one class calls its parameters."""

    def __init__(self, model):
        # In memory -> in files; parameters that are cut or joined on the way are in `converted` instead.
        self.names, self.converted = stored_names(model)
        self.all = list(model.state_dict())
        self.tied = {}  # a parameter -> the one whose tensor it shares, where the configuration says that it does
        self.ties_by_default = False
        self.input, self.output = vocabulary(model)
        self.transposed = leaves(model, Conv1D)
        self.linear = leaves(model, nn.Linear)  # in its blocks, that is in a list of modules
        self.prefix = model.base_model_prefix
        self.parts = sorted({name.split(".")[0] for name in model.state_dict()} - {self.prefix})


def leaves(model, kind):
    """The last parts of the names of layers of a kind in a model's blocks."""
    names = [name.split(".") for name, module in model.named_modules() if isinstance(module, kind)]
    return {name[-1] for name in names if any(part.isdigit() for part in name)}


def configuration(model_type, ties=None):
    config = CONFIG_MAPPING[model_type](**SETTINGS.get(model_type, {}))
    if ties is not None:
        set_ties(config, ties)
    return config


def classes(model_type):
    """All models with weights of a type."""
    config = CONFIG_MAPPING[model_type]
    module = config.__module__.replace(".configuration_", ".modeling_")
    found = []
    for name, value in sorted(vars(importlib.import_module(module)).items()):
        if not inspect.isclass(value) or not issubclass(value, PreTrainedModel):
            continue
        is_abstract = name.endswith("PreTrainedModel") or value.forward is nn.Module.forward
        if value.__module__ == module and value.config_class is config and not is_abstract:
            found.append(value)
    return found


def set_ties(config, value, seen=None):
    """Sets `tie_word_embeddings` of a configuration and of those in it."""
    seen = set() if seen is None else seen
    if id(config) in seen:
        return
    seen.add(id(config))
    if hasattr(config, "tie_word_embeddings"):
        config.tie_word_embeddings = value
    for member in vars(config).values():
        if isinstance(member, PreTrainedConfig):
            set_ties(member, value, seen)


def shared(model):
    """Names that are one tensor, by identity."""
    groups = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def build(cls, config):
    def stop(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with torch.device("meta"):
            return cls(config)
    finally:
        signal.alarm(0)


def record(cls, model_type):
    """One class: by its own word and by the identity of tensors, with ties and without."""
    model = build(cls, configuration(model_type))
    made = Record(model)
    made.ties_by_default = bool(model.get_expanded_tied_weights_keys(all_submodels=True))
    tied = build(cls, configuration(model_type, ties=True))
    made.tied = tied.get_expanded_tied_weights_keys(all_submodels=True)
    for group in shared(tied):
        if all(name not in made.tied and name not in made.tied.values() for name in group):
            raise ValueError(f"{group} are one tensor, and nothing says so")
    if shared(build(cls, configuration(model_type, ties=False))):
        raise ValueError("shares tensors whatever the configuration says")
    return made


def vocabulary(model):
    """The names of the input embeddings and of the output layer."""
    modules = {id(module): name for name, module in model.named_modules(remove_duplicate=False)}
    found = []
    for get, kind in ((model.get_input_embeddings, nn.Embedding), (model.get_output_embeddings, nn.Linear)):
        try:
            module = get()
        except (NotImplementedError, AttributeError):
            module = None
        found.append(modules.get(id(module)) if isinstance(module, kind) else None)
    return found


# --- Names in files ---------------------------------------------------------------------------------------


def reversed_transforms(model):
    """As transformers' `revert_weight_conversion` makes them for a model that was not loaded from a file."""
    transforms = get_model_conversion_mapping(model, add_legacy=False)
    kept = [each for each in transforms if not isinstance(each, PrefixChange)]
    back = [each.reverse_transform() for each in kept[::-1]]
    return (
        [each for each in back if isinstance(each, WeightRenaming)],
        [each for each in back if isinstance(each, WeightConverter)],
    )


def numberless(name):
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", name)


def stored_names(model):
    """In memory -> in files, of each pattern with numbers the first few; and what is cut or joined on the way."""
    renamings, converters = reversed_transforms(model)
    counts, names, groups = {}, {}, {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        counts[numberless(name)] = counts.get(numberless(name), 0) + 1
        if counts[numberless(name)] > 6:
            continue
        renamed, pattern = apply_converters(name, converters)
        if pattern is None:
            names[name] = apply_renamings(name, renamings)
        else:
            groups.setdefault((renamed, id(owner(converters, pattern))), []).append((name, pattern, tensor))
    converted = [convert(group, key[0], converters, renamings, model) for key, group in groups.items()]
    return names, converted


def owner(converters, pattern):
    return next(each for each in converters if pattern in each.source_patterns)


def convert(group, first, converters, renamings, model):
    """One group of parameters that go to files together: names in memory, names in files, and by what steps."""
    found = owner(converters, group[0][1])
    copy = found.copy(
        list(found._original_source_patterns), list(found._original_target_patterns), operations=found.operations
    )
    for name, pattern, tensor in group:
        copy.add_tensor(first, name, pattern, tensor)
    steps = [step_text(step) for step in found.operations]
    try:
        files = [apply_renamings(name, renamings) for name in copy.convert(first, model=model, config=model.config)]
    except Exception as error:  # a step that needs values
        files, steps = [], steps + [f"{type(error).__name__}: {error}"]
    return {"memory": [name for name, _, _ in group], "files": files, "steps": steps}


def step_text(step):
    values = ",".join(str(value) for value in vars(step).values() if isinstance(value, int))
    return f"{type(step).__name__}({values})"
