"""moat-local and a power loss: what it said was delivered is there, whole."""

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


def main():
    scratch = sys.argv[1]
    root = f"{scratch}/root"
    os.makedirs(f"{root}/mail")
    for mark, octets in MESSAGES.items():
        with open(f"{scratch}/{mark}", "wb") as file:
            file.write(octets)
    record = Record(root, ["/bin/sh", "-ec", f"cd {root}\n{SCRIPT}"], f"{scratch}/record")
    assert record.run.returncode == 0, record.run.stderr
    explorer = Explorer(record, Exits, recover, judge, most=16)
    good = explorer.check()
    explorer.close()
    sys.exit(0 if good else 1)


main()
