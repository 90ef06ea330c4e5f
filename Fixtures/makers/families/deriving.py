"""Makes one row of each model type out of the records of its classes, and what holds for all of them together."""

from collections import Counter

from transformers.conversion_mapping import _MODEL_TO_CONVERSION_PATTERN
from transformers.models.auto import modeling_auto

import rules
from settings import BARE_TIES, LEGACY_RULES, OTHER_VOCABULARY, SCALED_BY_TIE

# Every class that transformers offers for some task.
TASKS = [value for name, value in vars(modeling_auto).items() if name.startswith("MODEL_FOR_") and name.endswith("_NAMES")]
HEADS = {
    "answer": modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES,
    "sequence": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    "token": modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
}


def listed(mapping, model_type):
    """The classes that one of transformers' tables gives a model type."""
    value = mapping.get(model_type, ())
    return [value] if isinstance(value, str) else list(value)


class Family:
    """A model type and what its classes have told."""

    def __init__(self, model_type, records):
        self.type, self.records = model_type, records
        self.bases = set(listed(modeling_auto.MODEL_MAPPING_NAMES, model_type))
        self.groups = {name: tie_groups(record) for name, record in records.items()}
        for record in records.values():
            record.all = None  # of which there may be tens of thousands
        # What nothing but a backbone is called is of no use where a whole model says otherwise.
        self.names = {}
        for _, record in sorted(records.items(), key=lambda item: ("Backbone" in item[0], item[0])):
            for memory, files in {**record.names, **stacked(record), **turned(record)}.items():
                self.names.setdefault(memory, files)
        learned, lost = rules.learn(self.names)
        if lost:
            raise ValueError(f"{model_type}: no rule gives {lost}")
        self.learned, self.rules = learned, [each.text for each in learned]

    def in_files(self, name):
        return ".".join(rules.apply(self.learned, name.split("."))[0])

    def whole(self):
        """The records of classes for a task, or else of bare models, or else of all."""
        tasks = {name for mapping in TASKS for name in listed(mapping, self.type)}
        for names in (tasks - self.bases, self.bases):
            found = [record for name, record in sorted(self.records.items()) if name in names]
            if found:
                return found
        return list(self.records.values())

    def row(self, labels):
        ties = sorted({group for groups in self.groups.values() for group in groups})
        row = {"type": self.type, "classes": self.classes(ties)}
        if ties or self.type in BARE_TIES:
            row["ties"] = [list(group) for group in ties] + BARE_TIES.get(self.type, [])
        if any(record.ties_by_default for record in self.records.values()):
            row["tied"] = True
        if self.type in SCALED_BY_TIE:
            row["fixed"] = True
        prefixes = Counter(record.prefix for record in self.whole() if record.prefix)
        if (ties or self.rules) and prefixes:
            row["prefix"] = common(prefixes)[0]
        for side in ("input", "output"):
            names = {getattr(record, side) for record in self.whole()} - {None}
            if names:
                row[side] = sorted(names)
        if self.rules:
            row["names"] = labels[tuple(self.rules)]
        for key, value in (("experts", stacks(self.records)), ("transposed", self.transposed()), ("heads", self.heads())):
            if value:
                row[key] = value
        if row.get("transposed") and not any(record.linear for record in self.records.values()):
            row["wholly"] = True
        return row

    def classes(self, ties):
        """Class -> which of the ties are its own; nothing for a bare model, which may stand for any of the others."""
        if not ties:
            return sorted(self.records)
        places = {group: place for place, group in enumerate(ties)}
        return {
            name: None if name in self.bases else sorted(places[group] for group in self.groups[name])
            for name in sorted(self.records)
        }

    def transposed(self):
        return sorted({name for record in self.records.values() for name in record.transposed})

    def heads(self):
        """Task -> the modules that its class has and the bare model does not."""
        bare = {part for name in self.bases & set(self.records) for part in self.records[name].parts}
        heads = {}
        for task, mapping in HEADS.items():
            parts = {
                part
                for name in listed(mapping, self.type)
                if name in self.records and name not in self.bases
                for part in self.records[name].parts
            }
            if parts - bare:
                heads[task] = sorted(parts - bare)
        return heads


# --- Ties -------------------------------------------------------------------------------------------------


def tie_groups(record):
    """Names that share a tensor, the one that is stored first, then the output layer; where whole modules do,
    the modules."""
    groups = {}
    for target, source in collapsed(record.tied, record.all).items():
        groups.setdefault(source, [source]).append(target)
    made = set()
    for group in groups.values():
        first = f"{record.input}.weight" if f"{record.input}.weight" in group else group[0]
        others = sorted(set(group) - {first}, key=lambda name: (name != f"{record.output}.weight", name))
        made.add((first, *others))
    return made


def collapsed(tied, names):
    """Ties of whole modules instead of those of all their parameters, where there are several."""
    made = {}
    for target, source in sorted(tied.items()):
        one, two = target.split("."), source.split(".")
        best = (target, source)
        for count in range(1, min(len(one), len(two))):
            if one[-count:] != two[-count:]:
                break
            module, other = ".".join(one[:-count]), ".".join(two[:-count])
            inside = [name for name in names if name.startswith(module + ".")]
            if any(tied.get(name) != other + name[len(module) :] for name in inside):
                break
            if len(inside) > 1:
                best = (module, other)
        made[best[0]] = best[1]
    return made


# --- Experts and names ------------------------------------------------------------------------------------


def stack(group):
    """A stack of experts that goes to files one by one: path and leaves there; None for anything else."""
    if len(group["memory"]) != 1 or group["steps"] not in (
        ["SplitModulelist(0)"],
        ["Chunk(1)", "SplitModulelist(0)"],
    ):
        return None
    leaves, paths = [], set()
    for name in group["files"]:
        parts = name.split(".")
        place = max(index for index, part in enumerate(parts) if part.isdigit())
        paths.add(".".join(parts[:place]))
        leaf = ".".join(parts[place + 1 :])
        if leaf not in leaves:
            leaves.append(leaf)
    if len(paths) != 1 or not all(leaf.count(".") == 1 and leaf.endswith(".weight") for leaf in leaves):
        return None
    return paths.pop(), [leaf.removesuffix(".weight") for leaf in leaves]


def stacked(record):
    """Stacks in memory -> what they would be called beside their experts in files."""
    made = {}
    for group in record.converted:
        found = stack(group)
        if found:
            name = group["memory"][0]
            made[name] = f"{found[0]}.{name.split('.')[-1]}"
    return made


def turned(record):
    """What is only transposed on the way to a file."""
    return {
        group["memory"][0]: group["files"][0]
        for group in record.converted
        if len(group["memory"]) == len(group["files"]) == 1
        and all(step.startswith("Transpose") for step in group["steps"])
    }


def after_number(name):
    parts = name.split(".")
    numbers = [index for index, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[numbers[-1] + 1 :] if numbers else parts)


def stacks(records):
    """Stacks of experts: the end of the name in memory, that of the path in files, the leaves below each other."""
    made = set()
    for record in records.values():
        for group in record.converted:
            found = stack(group)
            if found:
                made.add((after_number(group["memory"][0]), after_number(found[0]), *found[1]))
    return [list(each) for each in sorted(made)]


def rule_labels(families):
    """A name for each set of rules: the model type whose names transformers gives most others, or the shortest."""
    types = {name: family.type for family in families for name in family.records}
    pairs = {(types.get(one, one), types.get(two, two)) for one, two in _MODEL_TO_CONVERSION_PATTERN.items()}
    models = Counter(two for one, two in pairs if one != two)
    members = {}
    for family in families:
        if family.rules:
            members.setdefault(tuple(family.rules), []).append(family.type)
    labels = {each: min(found, key=lambda name: (-models[name], len(name), name)) for each, found in members.items()}
    return labels, {labels[each]: len(types) for each, types in members.items()}


# --- All families together --------------------------------------------------------------------------------


def general(families, counts):
    """What is likely where the family is not known, ties as files have them: most families first."""
    ties, experts = Counter(), Counter()
    for family in families:
        groups = {group for name, found in family.groups.items() if name not in family.bases for group in found}
        groups = {tuple(family.in_files(name) for name in group) for group in groups}
        groups = {each for each in groups if not any(set(each) < set(other) for other in groups)}
        ties.update(each for each in groups if all(name.endswith((".weight", ".bias")) for name in each))
        experts.update(tuple(each) for each in stacks(family.records))
    bare = [tuple(group) for groups in BARE_TIES.values() for group in groups]
    return [
        {"of": "experts", "stacks": [list(each) for each in common(experts)]},
        {"of": "names", "labels": common(counts), "older": list(LEGACY_RULES)},
        {"of": "ties", "groups": [list(each) for each in bare + common(ties)]},
        {"of": "transposed", "leaves": sorted({leaf for family in families for leaf in family.transposed()})},
        {"of": "vocabulary", **{side: leaves(families, side) for side in ("input", "output")}},
    ]


def common(counts):
    return sorted(counts, key=lambda each: (-counts[each], each))


def leaves(families, side):
    """Last parts of names that are an input embedding or an output layer in most of the families that have them."""
    mine, others = Counter(), Counter()
    for family in families:
        names = {f"{getattr(record, side)}.weight" for record in family.records.values()}
        both = names | {f"{record.input}.weight" for record in family.records.values()}
        both |= {f"{record.output}.weight" for record in family.records.values()}
        yes, no = set(), set()
        for name in family.names:
            parts = name.split(".")
            if parts[-1] == "weight" and len(parts) > 1:
                (yes if name in names else no if name not in both else set()).add(parts[-2])
        mine.update(yes)
        others.update(no)
    return sorted({leaf for leaf in mine if mine[leaf] > others[leaf]} | set(OTHER_VOCABULARY[side]))
