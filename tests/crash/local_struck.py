"""moat-local killed at each of its system calls, and with each of its writes and
syncs failing: what it said was delivered is there, the rest whole or not."""

import os
import subprocess
import sys

import strike
from mail import in_maildir, message

MESSAGES = {"one": message("one", 150_000)}


def prepare(root):
    os.mkdir(f"{root}/mail")


def command(root):
    return ["moat-local", "--create", f"{root}/mail/example.org/u"]


def look(root, struck):
    box = f"{root}/mail/example.org/u"
    found = in_maildir(box, MESSAGES)
    wanted = [["one"]] if struck.code == 0 else [[], ["one"]]
    if found not in wanted:
        yield f"found {found}"
    if struck.code not in (0, 111, 128 + 9):
        yield "another exit code"
    if struck.code == 111:
        left = os.listdir(f"{box}/tmp") if os.path.isdir(f"{box}/tmp") else []
        if left:
            yield f"left {left}"
        if not struck.errors:
            yield "said nothing"
    run = subprocess.run(command(root), input=MESSAGES["one"], capture_output=True)
    if run.returncode != 0:
        yield f"the next one: {run.stderr}"
    elif in_maildir(box, MESSAGES) != sorted(found + ["one"]):
        yield "the next one is not there"


def main():
    good = True
    for fail, onward in ((None, False), (strike.EIO, False), (strike.ENOSPC, False),
                         (strike.ENOSPC, True)):
        outcome = strike.each(prepare, command, look, fail=fail, onward=onward,
                              octets=MESSAGES["one"])
        title = "killed" if not fail else f"error {fail}{'+' if onward else ''}"
        good = strike.show(title, *outcome) and good
    sys.exit(0 if good else 1)


main()
