"""Makes the tiny base models and the adapters under Fixtures/ (see README.md).

Run:  python make_peft.py            everything
      python make_peft.py NAME ...   only these: a base (tiny-bloom), a case (gpt2_ia3; it needs its base),
                                     bitfit/NAME or refused/NAME

peft_bases.py has the bases, peft_cases.py the table of cases, peft_write.py writes a case;
peft_bitfit.py and peft_refused.py have their own tables.
Every tensor is seeded by its own name, so a new case changes no other file, and two runs
write the same bytes.
"""

from peft_common import BASES, DELTA_STD, HERE, PEFT, WEIGHT_STD, normal, stored_tensors  # first: sets the hash seed

import sys

import torch
from transformers.utils.logging import disable_progress_bar

import peft_bitfit
import peft_refused
from peft_bases import MAKERS, fill_base, load_base, save_base
from peft_cases import CASES
from peft_fields import make_fields
from peft_patterns import make_patterns
from peft_write import make_case


def jobs():
    """Names that may be asked for -> function that makes it."""
    table = {}
    for bases, make in MAKERS:
        table.update({base: make for base in bases})
    table["peft_patterns.json"] = make_patterns
    table["peft_fields.json"] = make_fields
    for entry in CASES:
        table[entry["name"]] = lambda entry=entry: make_case(entry)
    for name in peft_bitfit.CASES:
        table[f"bitfit/{name}"] = lambda name=name: peft_bitfit.make_bitfit(name)
    for name in peft_refused.CASES:
        table[f"refused/{name}"] = lambda name=name: peft_refused.make_refused(name)
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
