"""Runs a command again and again under tests/tools/killat, struck at another
system call each time, and has what it left looked at."""

import os
import shutil
import subprocess
import tempfile

EIO, ENOSPC = 5, 28


class Struck:
    """How one run went: the call it was struck at, and its exit code."""

    def __init__(self, at, report, code, errors):
        self.at, self.code, self.errors = at, code, errors
        self.struck = not report.startswith("ended")
        self.call = report.split()[1]

    def __str__(self):
        return f"struck at {self.at} (call {self.call}), exit {self.code}"


def scratch_folder():
    shm = "/dev/shm"
    return tempfile.mkdtemp(prefix="moat-strike.", dir=shm if os.access(shm, os.W_OK) else None)


def words(at, report, fail=None, under=None):
    """The words before a command that have it struck at its call `at`: killed, or
    that call and (with +) all later ones that touch `under` fail with `fail`."""
    how = ["--fail", str(fail), "--under", under] if fail else []
    return [os.environ["KILLAT"], *how, str(at), report]


def read_report(report):
    with open(report, encoding="ascii") as file:
        return file.read().strip()


def each(prepare, command, look, *, fail=None, onward=False, octets=b"", env=None):
    """Runs `command(root)` in a fresh root of `prepare(root)`, struck at its first
    call, then at its second, until it ends unstruck. `look(root, struck)` yields
    what is wrong. Returns the list of that, and how many runs there were."""
    wrong, at = [], 0
    scratch = scratch_folder()
    try:
        while True:
            at += 1
            root = f"{scratch}/{at}"
            os.mkdir(root)
            prepare(root)
            place = f"{at}+" if onward else str(at)
            run = subprocess.run([*words(place, f"{scratch}/report", fail, root),
                                  *command(root)],
                                 input=octets, capture_output=True, env=env)
            struck = Struck(at, read_report(f"{scratch}/report"), run.returncode, run.stderr)
            wrong += [f"{struck}: {text}" for text in look(root, struck)]
            shutil.rmtree(root)
            if not struck.struck:
                return wrong, at
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def show(title, wrong, runs):
    """Prints the outcome; returns whether all was well."""
    for line in wrong[:8]:
        print(line)
    print(f"{title}: {runs} runs, {len(wrong)} wrong")
    return not wrong and runs > 10
