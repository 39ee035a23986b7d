"""moat-userctl and a power loss: whom it said it added is accepted, and mail that
comes to him then survives."""

import os
import subprocess
import sys

import delivery_files as gate
import mail
import queue_files as queue
from explore import Explorer
from mail import Exits
from record import Record

MARK = "small0"
SCRIPT = """
RECORD_NOTE=domain moat-userctl domain add example.org
RECORD_NOTE=u1 moat-userctl user add u1@example.org
RECORD_NOTE=small0 moat-local /proc/self/cwd/mail/example.org/u1 <../small0.msg
"""


def recover(folder):
    known = subprocess.run(["moat-userctl", "check", "u1@example.org"], cwd=folder,
                           env=gate.environment(), capture_output=True)
    box = f"{folder}/mail/example.org/u1"
    more = subprocess.run(["moat-local", box], input=b"Subject: x\n\n", capture_output=True)
    marks = mail.in_maildir(box, queue.MESSAGES) if os.path.isdir(box) else []
    return known.returncode, more.returncode, marks.count(MARK)


def judge(facts, promised):
    known, more, count = facts
    if "u1" in promised and known != 0:
        yield f"u1 is not known: {known}"
    if known == 0 and more != 0:
        yield "u1 is known and has no mailbox"
    if MARK in promised and count != 1:
        yield f"his message is there {count} times"


def main():
    scratch = sys.argv[1]
    root = f"{scratch}/root"
    os.makedirs(root)
    gate.run(root, "moat-statectl", "init", "--user-only")
    queue.put_files(scratch, [MARK])
    record = Record(root, ["/bin/sh", "-ec", SCRIPT], f"{scratch}/record",
                    env=gate.environment())
    assert record.code == 0, record.errors
    explorer = Explorer(record, Exits, recover, judge, most=4)
    assert explorer.promised() == {"domain", "u1", MARK}, explorer.promised()
    # Making the domain synced some folders before, and the master is not looked at.
    good = explorer.check(lambda path: "/u1" in path)
    explorer.close()
    sys.exit(0 if good else 1)


main()
