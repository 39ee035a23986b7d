"""Runs something again and again with a program of it under tests/tools/killat,
struck at another system call each time, and has what it left looked at."""

import concurrent.futures
import os
import shutil
import socket
import tempfile
import time

EIO, ENOSPC = 5, 28


class Struck:
    """How the program was struck in one run: not at all when it had ended."""

    def __init__(self, at, fail, report):
        with open(report, encoding="ascii") as file:
            number, self.call = file.read().split()
        self.at, self.fail = at, fail
        self.ended = number == "ended"

    def __str__(self):
        how = f"error {self.fail}" if self.fail else "killed"
        return "never struck" if self.ended else f"{how} at {self.at} (call {self.call})"


def scratch_folder():
    shm = "/dev/shm"
    return tempfile.mkdtemp(prefix="moat-strike.", dir=shm if os.access(shm, os.W_OK) else None)


def each(prepare, act, look, *, fail=None, onward=False):
    """Has `prepare(root)` fill a folder and `act(root, words)` run in it what is to
    be struck, with the words before its command: killed at its first call, in the
    next run at its second, until it ends unstruck. With `fail` calls that change
    or sync what is under root are counted instead, and fail with that errno; with
    `onward` all later ones do too. `look(root, outcome of act, struck)` yields what
    is wrong. Returns the list of what is wrong, and how many runs there were."""
    wrong, runs, ended = [], 0, False
    scratch = scratch_folder()

    def run(at):
        root, report = f"{scratch}/{at}", f"{scratch}/{at}.report"
        os.mkdir(root)
        prepare(root)
        how = ["--fail", str(fail), "--under", root] if fail else []
        place = f"{at}+" if onward else str(at)
        outcome = act(root, [os.environ["KILLAT"], *how, place, report])
        struck = Struck(at, fail, report)
        found = [f"{struck}: {text}" for text in look(root, outcome, struck)]
        shutil.rmtree(root)
        return found, struck.ended

    workers = 2 * (os.cpu_count() or 1)  # they wait more than they work
    try:
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            while not ended:
                for found, last in pool.map(run, range(runs + 1, runs + workers + 1)):
                    wrong += found
                    ended = ended or last
                runs += workers
        return wrong, runs
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def await_door(path, server):
    """Waits until somebody answers at a socket, or the server is gone. The name
    alone says nothing: it may be a dead server's."""
    while server.poll() is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
            if caller.connect_ex(path) == 0:
                return
        time.sleep(0.002)


def show(title, outcome):
    """Prints the outcome; returns whether all was well."""
    wrong, runs = outcome
    for line in wrong[:8]:
        print(line)
    print(f"{title}: {runs} runs, {len(wrong)} wrong")
    return not wrong and runs > 5
