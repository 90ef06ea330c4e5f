"""Makes the tiny base models and the adapters under Fixtures/ (see Fixtures/README.md). In Fixtures,

    python3 -m makers.peft            everything
    python3 -m makers.peft NAME ...   only these: a base (tiny-bloom), a case (gpt2_ia3; it needs its base),
                                      bitfit/NAME or refused/NAME

bases.py has the bases, cases.py the table of cases, write.py writes a case; bitfit.py and refused.py have their
own tables.
Every tensor is seeded by its own name, so a new case changes no other file, and two runs
write the same bytes.
"""

import makers.common  # noqa: F401  first: sets the hash seed

import sys

import torch
from transformers.utils.logging import disable_progress_bar

from makers.peft import bitfit, refused
from makers.peft.bases import MAKERS
from makers.peft.cases import CASES
from makers.peft.fields import make_fields
from makers.peft.patterns import make_patterns
from makers.peft.write import make_case


def jobs():
    """Names that may be asked for -> function that makes it."""
    table = {}
    for bases, make in MAKERS:
        table.update({base: make for base in bases})
    table["peft_patterns.json"] = make_patterns
    table["peft_fields.json"] = make_fields
    for entry in CASES:
        table[entry["name"]] = lambda entry=entry: make_case(entry)
    for name in bitfit.CASES:
        table[f"bitfit/{name}"] = lambda name=name: bitfit.make_bitfit(name)
    for name in refused.CASES:
        table[f"refused/{name}"] = lambda name=name: refused.make_refused(name)
    return table


def main():
    torch.set_num_threads(1)
    disable_progress_bar()
    table = jobs()
    names = sys.argv[1:] or list(table)
    unknown = [name for name in names if name not in table]
    if unknown:
        sys.exit(f"no such base or case: {', '.join(unknown)}")
    for make in dict.fromkeys(table[name] for name in names):
        make()


if __name__ == "__main__":
    main()
