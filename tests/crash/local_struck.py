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


def deliver(root, words=()):
    return subprocess.run([*words, "moat-local", "--create", f"{root}/mail/example.org/u"],
                          input=MESSAGES["one"], capture_output=True)


def look(root, run, struck):
    box = f"{root}/mail/example.org/u"
    found = in_maildir(box, MESSAGES)
    wanted = [["one"]] if run.returncode == 0 else [[], ["one"]]
    if found not in wanted:
        yield f"found {found}"
    if run.returncode not in (0, 111, 128 + 9):
        yield f"exit {run.returncode}"
    if run.returncode == 111:
        left = os.listdir(f"{box}/tmp") if os.path.isdir(f"{box}/tmp") else []
        if left:
            yield f"left {left}"
        if not run.stderr:
            yield "said nothing"
    if run.returncode == 0 and struck.fail and not struck.ended:
        yield "an error went unnoticed"
    following = deliver(root)
    if following.returncode != 0:
        yield f"the next one: {following.stderr}"
    elif in_maildir(box, MESSAGES) != sorted([*found, "one"]):
        yield "the next one is not there"


def main():
    good = True
    for fail, onward in ((None, False), (strike.EIO, False), (strike.ENOSPC, False),
                         (strike.ENOSPC, True)):
        title = "killed" if not fail else f"error {fail}{' from there on' if onward else ''}"
        outcome = strike.each(prepare, deliver, look, fail=fail, onward=onward)
        good = strike.show(title, outcome) and good
    sys.exit(0 if good else 1)


main()
