#!/usr/bin/env python3
"""Runs commands and measures them: measure.py SECONDS < LINES

A line of standard input is a JSON array of words: the command and its arguments. For each, in order, one line of
JSON is written: {"status", "megabytes", "seconds", "output", "errors"}; the status is that of a shell, the memory
the peak of the resident pages. A command is killed after SECONDS. As many run at once as there are processors; this
process is small, because a child's peak begins with what its parent held.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

SECONDS = float(sys.argv[1])
# So that one that takes all memory fails, and not the machine.
MOST = 8 << 30


def run(words):
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MOST, MOST))
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.monotonic() - start
            if pid:
                break
            if seconds > SECONDS:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.002 if seconds < 0.2 else 0.02)
        process.returncode = status
        code = os.waitstatus_to_exitcode(status)
        return {
            "words": words[1:], "status": code if code >= 0 else 128 - code, "megabytes": usage.ru_maxrss / 1024,
            "seconds": seconds, "processor_seconds": usage.ru_utime + usage.ru_stime, "output": ends(output), "errors": ends(errors),
        }


def ends(file):
    """The first thousand bytes."""
    file.seek(0)
    return file.read(1000).decode(errors="replace")


with ThreadPoolExecutor(os.cpu_count()) as pool:
    for result in pool.map(run, [json.loads(line) for line in sys.stdin]):
        print(json.dumps(result), flush=True)
