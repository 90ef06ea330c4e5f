#!/usr/bin/env python3
"""Runs commands one after the other and measures them: measure.py SECONDS < LINES

A line of standard input is a JSON array of words: the command and its arguments. For each, in order, one line of
JSON is written: {"words", "status", "megabytes", "seconds", "output", "errors"}; the status is that of a shell, the
memory the peak of the resident pages, the seconds those of a processor, which other programs do not lengthen. A
command is killed after SECONDS of a processor. This process is small, because a child's peak begins with what its
parent held.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile

SECONDS = int(sys.argv[1])
# So that one that takes all memory fails, and not the machine.
MOST = 8 << 30


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def run(words):
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, preexec_fn=limit)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        return {
            "words": words[1:], "status": code if code >= 0 else 128 - code, "megabytes": usage.ru_maxrss / 1024,
            "seconds": usage.ru_utime + usage.ru_stime, "output": ends(output), "errors": ends(errors),
        }


def ends(file):
    """The first thousand bytes."""
    file.seek(0)
    return file.read(1000).decode(errors="replace")


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
