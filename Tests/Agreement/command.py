"""The command `adapter`, run for a case."""

import subprocess


class Command:
    def __init__(self, path):
        self.path = path

    def run(self, *words):
        """The exit status, and the first line of what went wrong."""
        result = subprocess.run([self.path, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        lines = result.stderr.decode(errors="replace").splitlines()
        errors = [line for line in lines if "error:" in line] or lines or [""]
        return result.returncode, errors[0]


def words_of(file, names, stack):
    """The adapters of a stack, as arguments."""
    for place, weight in stack:
        name = f"#{names[place]}" if len(names) > 1 else ""
        yield f"{file}{name}:{weight!r}"
