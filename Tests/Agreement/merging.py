"""Adapters packed and merged by the command and by the second reader."""

import shutil
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

import full_reader  # all sections
from apply import apply, steps_of
from cases import draw_case
from command import Command, words_of
from compare import difference, is_near_the_limit
from elements import NUMPY, widen
from folders import file_of, safetensors, tensors_of, write_folder
from reader import read
from rules import BITS, AdpError, Object


def guarded(function, *arguments):
    """What it returns, and the rule if it refuses."""
    try:
        return function(*arguments), None
    except AdpError as error:
        return None, ": ".join(error.args)


class Run:
    """One case, by both."""

    def __init__(self, command, seed, index, folder):
        self.command, self.folder, self.title = command, folder, f"seed {seed}, case {index}"
        self.case = draw_case(seed, index)
        self.lines, self.counts = [], Counter()

    def differ(self, text):
        self.lines.append(f"{self.title}: {text}")

    def everything(self):
        sound = []
        for place, adapter in enumerate(self.case.adapters):
            _, refusal = guarded(read, file_of([adapter], self.record()))
            self.counts["adapters refused" if refusal else "adapters taken"] += 1
            if refusal:
                self.check_refused(adapter, refusal)
            else:
                sound.append(place)
        if sound:
            self.check_stacks(sound)
        return self.lines, self.counts

    def record(self):
        return self.case.fingerprint and {"fingerprint": self.case.fingerprint}

    def pack(self, adapters, name):
        """Packs adapters; the exit status, what was said, and the file."""
        file = self.folder / f"{name}.adp"
        write_folder(self.folder / name, adapters, self.record())
        return *self.command.run("pack", self.folder / name, "-o", file), file

    def check_refused(self, adapter, refusal):
        if not self.command:
            return
        status, text, _ = self.pack([adapter], adapter["name"])
        if status != 2:
            self.differ(f"pack of {adapter['name']} ends with {status} {text}; the reader: {refusal}")

    def check_stacks(self, sound):
        adapters = [self.case.adapters[place] for place in sound]
        data = file_of(adapters, self.record())
        if self.command:
            status, text, file = self.pack(adapters, "all")
            if status != 0:
                self.differ(f"pack ends with {status} {text}; the reader takes {[each['name'] for each in adapters]}")
                return
            data = file.read_bytes()
            (self.folder / "base.safetensors").write_bytes(safetensors(self.case.base))
        read_again, refusal = guarded(read, data)
        if refusal:
            self.differ(f"what was packed is refused by the reader: {refusal}")
            return
        for drawn, adapter in zip(adapters, read_again):
            tensors = {tensor.name: (tensor.dtype, tensor.shape, tensor.data) for tensor in adapter.tensors}
            if tensors != drawn["tensors"] or adapter.operations != drawn["operations"]:
                self.differ(f"{adapter.name} is packed as another")
        for number, stack in enumerate(self.case.stacks):
            stack = [(sound.index(place), weight) for place, weight in stack if place in sound]
            if stack:
                self.check_stack(number, stack, read_again, [each["name"] for each in adapters])

    def check_stack(self, number, stack, adapters, names):
        applied = [(adapters[place], weight) for place, weight in stack]
        fingerprint = self.case.fingerprint and Object(self.case.fingerprint)
        fingerprints = {place: fingerprint for place in range(len(stack))} if fingerprint else {}
        made, refusal = guarded(apply, applied, self.case.base, fingerprints)
        self.counts["merges refused" if refusal else "merges made"] += 1
        if refusal:
            self.counts[f"refused by {refusal.split(':')[1].strip()}"] += 1
        else:
            self.counts.update(f"applied {o.op}" for adapter, weight in applied if weight for o in adapter.operations)
        if not self.command:
            return
        out = self.folder / f"out{number}.safetensors"
        words = [*words_of(self.folder / "all.adp", names, stack)]
        status, text = self.command.run("merge", self.folder / "base.safetensors", *words, "-o", out)
        what = f"merge {number} of {' '.join(word.rpartition('/')[2] for word in words)}"
        if status not in (0, 2) or (status == 2) != (refusal is not None):
            results = made.values() if made else tensors_of(out.read_bytes()).values() if status == 0 else []
            is_overflow = "8.21" in refusal if refusal else "is not finite in" in text
            if is_overflow and is_near_the_limit(results):
                self.counts["overflows in one order of a sum"] += 1
                return
            self.differ(f"{what} ends with {status} {text}; the second: {refusal or 'makes it'}")
        elif not refusal:
            self.compare(what, self.case.base | made, tensors_of(out.read_bytes()), applied)

    def compare(self, what, mine, theirs, applied):
        steps = steps_of(applied, self.case.base)
        for name in theirs.keys() - mine.keys():
            self.differ(f"{what}: {name} is there")
        for name, tensor in mine.items():
            own = steps.get(name, [])
            widened = partial(self.widened, name, applied)
            wrong = difference(tensor, theirs.get(name), own, self.case.base.get(name), widened)
            self.counts["tensors changed" if own else "tensors left"] += 1
            if wrong:
                self.differ(f"{what}: {name} {wrong}, after {[step.o.op for step in own]}")

    def widened(self, name, applied, kind):
        """A tensor that changes, where the base has it in F32 or F64: it is not rounded to a narrower type."""
        base = self.case.base | {}
        if name in base and BITS[base[name][0]] < BITS[kind]:
            dtype, shape, data = base[name]
            base[name] = kind, shape, widen(data, dtype, NUMPY[kind]).tobytes()
        dtype, shape, data = apply(applied, base)[name]
        return kind, shape, widen(data, dtype, NUMPY[kind]).tobytes()


def run_case(task):
    """The disagreements of one case, and what was counted."""
    path, seed, index, keep = task
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(keep, f"{seed}-{index}") if keep else Path(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run = Run(Command(path) if path else None, seed, index, folder)
        try:
            return run.everything()
        except Exception as error:  # of either side: it is told, and the others go on
            run.differ(f"ends with {error!r}")
            return run.lines, run.counts
