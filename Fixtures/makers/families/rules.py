"""Finds the rules by which a family's names in memory become its names in files.

A rule is a run of components of a name and what stands there instead: `attention.q_proj>attention.attention.query`.
`*` is a number, which keeps its value; a rule that begins with `^` is for the beginning of a name. Of the rules that
fit a name, the one of the most components is applied, once; of equals the first in byte order, and it where it
fits first.
"""

import functools
import itertools


class Rule:
    def __init__(self, memory, files, is_anchored):
        self.memory, self.files, self.is_anchored = tuple(memory), tuple(files), is_anchored

    @functools.cached_property
    def text(self):
        return ("^" if self.is_anchored else "") + ".".join(self.memory) + ">" + ".".join(self.files)

    @property
    def rank(self):
        return (-len(self.memory), self.text.encode())

    def place(self, name):
        """Where it fits first; None where it does not."""
        count = len(self.memory)
        last = 0 if self.is_anchored else len(name) - count
        for start in range(0, last + 1):
            part = name[start : start + count]
            if len(part) == count and all(
                one == two or (one == "*" and two.isdigit()) for one, two in zip(self.memory, part)
            ):
                return start
        return None

    def apply(self, name, start):
        end = start + len(self.memory)
        numbers = [two for one, two in zip(self.memory, name[start:end]) if one == "*"]
        files = [numbers.pop(0) if each == "*" else each for each in self.files]
        return name[:start] + files + name[end:]


def apply(rules, name):
    """The name in files of a name in memory, and the rule that made it; `rules` in the order of their rank."""
    for rule in rules:
        start = rule.place(name)
        if start is not None:
            return rule.apply(name, start), rule
    return name, None


def kept_numbers(names):
    """For each name in memory, which components of its name in files are the numbers of the name in memory, in order."""
    patterns = {}
    for memory, files in names.items():
        one, two = memory.split("."), files.split(".")
        pattern = tuple("*" if each.isdigit() else each for each in one)
        shape = tuple("*" if each.isdigit() else each for each in two)
        patterns.setdefault((pattern, shape), []).append((memory, one, two))
    kept = {}
    for (_, shape), members in patterns.items():
        count = sum(each.isdigit() for each in members[0][1])
        places = [place for place, each in enumerate(shape) if each == "*"]
        fitting = (
            chosen
            for chosen in itertools.combinations(reversed(places), count)
            if all(
                [two[place] for place in reversed(chosen)] == [each for each in one if each.isdigit()]
                for _, one, two in members
            )
        )
        chosen = frozenset(next(fitting, ()))
        for memory, _, _ in members:
            kept[memory] = chosen
    return kept


class Example:
    """A name in memory, its name in files, and how much of it its rule looks at."""

    def __init__(self, memory, files, numbers):
        self.memory, self.files, self.numbers = memory.split("."), files.split("."), numbers
        one, two = self.memory, self.files
        end = 0
        while end < min(len(one), len(two)) and one[-1 - end] == two[-1 - end]:
            end += 1
        start = 0
        while start < min(len(one), len(two)) - end and one[start] == two[start]:
            start += 1
        self.start, self.end = start, end
        self.left = self.right = 0
        if start + end == len(one):  # something is put in: a rule needs something to hold on to
            self.left = 1
            if start == 0:
                self.right = 1

    @property
    def rule(self):
        start = max(0, self.start - self.left)
        end = max(0, self.end - self.right)
        memory = self.memory[start : len(self.memory) - end]
        files = self.files[start : len(self.files) - end]
        places = {place - start for place in self.numbers}
        if sum(each.isdigit() for each in memory) == len(places & set(range(len(files)))):
            memory = ["*" if each.isdigit() else each for each in memory]
            files = ["*" if place in places else each for place, each in enumerate(files)]
        return Rule(memory, files, self.start - self.left < 0)

    def widen(self):
        """Looks at one component more; False where it looks at all of them already."""
        can_left, can_right = self.left <= self.start, self.right < self.end
        if can_right and (self.right < self.left or not can_left):
            self.right += 1
        elif can_left:
            self.left += 1
        else:
            return False
        return True


def learn(names):
    """The rules of a family.

    names: in memory -> in files, of all parameters of all its classes.
    Returns the rules, by rank, and the names that no rule can give.
    """
    numbers = kept_numbers(names)
    examples = [Example(memory, files, numbers[memory]) for memory, files in sorted(names.items())]
    renamed = [each for each in examples if each.memory != each.files]
    lost = []
    while True:
        rules, makers = {}, {}
        for each in renamed:
            rule = each.rule
            rules[rule.text] = rule
            makers.setdefault(rule.text, []).append(each)
        ordered = sorted(rules.values(), key=lambda rule: rule.rank)
        narrow = set()
        for each in examples:
            made, rule = apply(ordered, each.memory)
            if made != each.files:
                narrow.add(rule.text)
        if not narrow:
            break
        for text in narrow:
            stuck = [each for each in makers[text] if not each.widen()]
            for each in stuck:
                lost.append(each)
                renamed.remove(each)
                examples.remove(each)
    return prune(ordered, examples), sorted(".".join(each.memory) for each in lost)


def prune(rules, examples):
    """Without the rules that others make unnecessary."""
    kept = list(rules)
    for rule in rules:
        others = [each for each in kept if each is not rule]
        affected = [each for each in examples if apply(kept, each.memory)[1] is rule]
        if all(apply(others, each.memory)[0] == each.files for each in affected):
            kept = others
    return kept
