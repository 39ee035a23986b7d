"""moat-local and a power loss: what it said was delivered is there, whole.

usage: local.py SCRATCH [killed]
With `killed` another delivery to the same Maildir was killed before, at each of
its system calls in turn.
"""

import os
import subprocess
import sys

from explore import Explorer
from mail import Exits, in_maildir, message
from record import Record

MESSAGES = {"small": message("small", 300), "large": message("large", 150_000),
            "again": message("again", 5000)}

SCRIPT = """
mkdir half half/box half/box/tmp half/box/new
RECORD_NOTE=small moat-local --create mail/example.org/u <../small
RECORD_NOTE=large moat-local --create mail/example.org/u <../large
RECORD_NOTE=again moat-local --create half/box <../again
"""

KILLED = """
RECORD_NOTE=victim moat-local --create mail/example.org/u <../large || true
RECORD_NOTE=small moat-local --create mail/example.org/u <../small
"""


def boxes(folder):
    """Every Maildir below."""
    return [path for path, names, _ in os.walk(folder) if "new" in names]


def recover(folder):
    found = [mark for box in boxes(folder) for mark in in_maildir(box, MESSAGES)]
    # What a crash left must take the next message.
    for box in ("mail/example.org/u", "half/box"):
        os.makedirs(os.path.dirname(f"{folder}/{box}"), exist_ok=True)
        run = subprocess.run(["moat-local", "--create", f"{folder}/{box}"],
                             input=b"Subject: next\n\n", capture_output=True)
        if run.returncode != 0:
            found.append(run.stderr.decode().strip())
    return tuple(found)


def judge(found, promised):
    for mark in promised:
        if found.count(mark) != 1:
            yield f"{mark} is there {found.count(mark)} times"
    for mark in found:
        if mark not in MESSAGES:
            yield f"damaged: {mark}"


def explored(scratch, root, script, env):
    os.makedirs(f"{root}/mail")
    record = Record(root, ["/bin/sh", "-ec", f"cd {root}\n{script}"], f"{root}.record",
                    env={**os.environ, **env})
    assert record.code == 0, record.errors
    return Explorer(record, Exits, recover, judge, most=16)


def main():
    scratch, *how = sys.argv[1:]
    for mark, octets in MESSAGES.items():
        with open(f"{scratch}/{mark}", "wb") as file:
            file.write(octets)
    if not how:
        explorer = explored(scratch, f"{scratch}/root", SCRIPT, {})
        good = explorer.check()
        explorer.close()
        sys.exit(0 if good else 1)
    at, states, wrong = 0, 0, []
    while not wrong:
        at += 1
        explorer = explored(scratch, f"{scratch}/root{at}", KILLED, {"RECORD_KILL": str(at)})
        wrong = explorer.violations(most=0)
        states += explorer.count
        explorer.close()
        if not any(event.code == 137 for event in explorer.record.events):
            break
    for line in wrong[:8]:
        print(f"killed at {at}: {line}")
    print(f"{at} runs, {states} states, {len(wrong)} wrong")
    sys.exit(1 if wrong or at < 10 else 0)


main()
