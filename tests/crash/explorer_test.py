"""Shows the explorer right about a small program that is known to be right, and
wrong without any one of its syncs, left out of the record or of the program."""

import os
import sys
import tempfile

from explore import Explorer
from record import Record


class Ledger:
    def __init__(self):
        self.last = 0

    def feed(self, event):
        if event.kind == "say" and event.octets.startswith(b"done "):
            self.last = int(event.octets.split()[1])

    def promises(self):
        return self.last


def read(path):
    with open(path, "rb") as file:
        return file.read()


def recover(folder):
    new = f"{folder}/new"
    return {name: read(f"{new}/{name}") for name in os.listdir(new)}, read(f"{folder}/record")


def judge(facts, last):
    mails, record = facts
    for number in range(1, last + 1):
        if str(number) not in mails:
            yield f"{number} is missing"
    for name, octets in mails.items():
        if octets != b"message %d " % int(name) * 2000:
            yield f"{name} is damaged"
    recorded = int(record[:8].strip(b"\0") or b"0")
    if recorded < last:
        yield f"the record says {recorded}, not {last}"
    if recorded and record[8192 * recorded:8192 * recorded + 8] != b"%08d" % recorded:
        yield "the record is damaged"


def explored(scratch, left_out):
    root = tempfile.mkdtemp(dir=scratch)
    for name in ("tmp", "new"):
        os.mkdir(f"{root}/{name}")
    with open(f"{root}/record", "wb") as file:
        file.write(b"%08d" % 0)
    toy = os.path.join(os.path.dirname(__file__), "toy.py")
    record = Record(root, ["/usr/bin/python3", "-S", toy, root, left_out], f"{root}.out")
    assert record.code == 0, record.errors
    return Explorer(record, Ledger, recover, judge, most=16)


def main():
    scratch = sys.argv[1]
    explorer = explored(scratch, "")
    wrong = explorer.violations()
    assert not wrong, wrong
    syncs = list(explorer.syncs())
    assert len(syncs) == 8, [event.name for event in syncs]
    needless = [explorer.name_of(event) for event in explorer.needless(lambda path: True)]
    assert not needless, needless
    print(f"safe: {explorer.count} states, {len(syncs)} syncs, each needed")
    explorer.close()
    for left_out in ("file", "folder", "record", "flag"):
        explorer = explored(scratch, left_out)
        wrong = explorer.violations()
        assert wrong, f"without the sync of {left_out} nothing is seen"
        print(f"without {left_out}: {wrong[0]}")
        explorer.close()


main()
