#!/usr/bin/env python3
"""Holds the command `adapter` against the second reader, Spec/full_reader.py, on random inputs.

Each case is a base, some adapters and three stacks of them, drawn from the seed and the number of the case. `pack` must
take the adapters that keep the rules and refuse the others, and `merge` must refuse a stack or make the tensors that
Spec/apply.py makes of it. With --files, `verify` and the reader must say the same of files that were changed
(mutations.py). One line is written for each disagreement; the exit status is 1 if there is one. Without --adapter only
what is drawn is counted.
"""

import argparse
import sys
from collections import Counter
from itertools import repeat
from multiprocessing import Pool
from pathlib import Path

import folders  # first: finds the modules of Spec
from cases import STACKS
from files import run_file
from merging import run_case


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", help="the command's path")
    parser.add_argument("--count", type=int, default=3000, help="how many merges are drawn")
    parser.add_argument("--files", type=int, default=0, help="how many changed files are held against verify")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one case, or of one changed file with --files")
    parser.add_argument("--keep", help="a folder for what is drawn and made")
    options = parser.parse_args()
    count = options.files or -(-options.count // STACKS)
    indices = range(count) if options.only is None else [options.only]
    tasks = zip(repeat(options.adapter), repeat(options.seed), indices, repeat(options.keep))
    if options.keep:
        Path(options.keep).mkdir(parents=True, exist_ok=True)
    failures, counts = 0, Counter()
    with Pool(2) as pool:
        for lines, counted in pool.imap_unordered(run_file if options.files else run_case, tasks, 8):
            failures += len(lines)
            counts.update(counted)
            for line in lines:
                print(line, flush=True)
        pool.close()
        pool.join()
    for key, count in sorted(counts.items()):
        print(f"{count:8} {key}")
    print(f"{failures} disagreements")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
