"""moat-send, moat-local and a power loss: each message of the queue reaches each
of its mailboxes once and whole, or its sender is told; what was written down is
not forgotten."""

import re
import sys

import delivery_files as gate
import queue_files as queue
from explore import Explorer
from record import Record

class WrittenDown:
    """Promised is what the log has told of a recipient, once the commit after it
    is done: the queue does not have him pending any more."""

    def __init__(self):
        self.told, self.kept = set(), frozenset()

    def feed(self, event):
        if event.kind == "say":
            for line in event.octets.decode().splitlines():
                words = dict(re.findall(r"(\w+)=(\S+)", line))
                if words.get("event") in ("delivered", "expanded", "failed"):
                    self.told.add((words["session"].removeprefix("mark-"),
                                   words["recipient"]))
        elif event.kind == "write" and event.durable:
            self.kept |= self.told
            self.told = set()

    def promises(self):
        return self.kept


def recover(folder):
    """Returns who is pending, what the mailboxes hold in the end, what is wrong."""
    check = queue.checked(folder, gate.environment())
    contents = queue.Contents(folder)
    wrong = list(contents.wrong)
    if check:
        wrong.append(check)
    # The only report that there is, is about small2, and goes under its session.
    pending = {(mark or "small2", address) for mark, text in contents.entries
               for state, address in (one.split(":", 1) for one in text.split(","))
               if state == queue.PENDING}
    stuck = gate.drain(folder)
    if stuck:
        wrong.append(stuck)
    return frozenset(pending), gate.boxes(folder), wrong


def judge(facts, promised):
    pending, boxes, wrong = facts
    yield from wrong
    for mark, address in pending & promised:
        yield f"{mark} for {address} is pending again"
    want = gate.wanted(gate.SEEDS)
    for user, found in boxes.items():
        if found != want[user]:
            yield f"{user} has {found}"


def main():
    scratch = sys.argv[1]
    root = f"{scratch}/root"
    gate.make_gate(root)
    gate.fill_queue(root, scratch, gate.SEEDS)
    # One delivery at a time: else one's sync of a folder may serve another.
    record = Record(root, ["moat-send", "--local-concurrency", "1"], f"{scratch}/record",
                    env=gate.environment(), until=lambda: gate.await_empty_queue(root))
    assert record.code == 0, record.errors
    assert gate.boxes(root) == gate.wanted(gate.SEEDS), gate.boxes(root)
    explorer = Explorer(record, WrittenDown, recover, judge, most=1)
    assert len(explorer.promised()) >= 9, explorer.promised()
    good = explorer.check()
    explorer.close()
    sys.exit(0 if good else 1)


main()
