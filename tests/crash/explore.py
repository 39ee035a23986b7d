"""Looks at every state that a power loss during a recorded run could leave.

A test gives three things:

- recover(folder): brings a rebuilt folder up with the real programs and returns
  the facts that it finds there (any value);
- a Ledger: fed with the events, knows what was promised so far;
- judge(facts, promises): the list of what is wrong with such facts.

The facts of a state do not depend on the moment of the crash, so each different
state is recovered once and judged by the promises of every moment.
"""

import concurrent.futures
import os
import shutil
import tempfile


class Explorer:
    """Explores one record, also with syncs taken out of it."""

    def __init__(self, record, ledger, recover, judge, most):
        self.record, self.ledger = record, ledger
        self.recover, self.judge = recover, judge
        self.most = 8 * most + 8 if os.environ.get("MOAT_CRASH_FULL") else most
        self.facts = {}  # by the state's sign
        shm = "/dev/shm"
        self.scratch = tempfile.mkdtemp(prefix="moat-crash.",
                                        dir=shm if os.access(shm, os.W_OK) else None)
        self.pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
        self.count = 0

    def close(self):
        self.pool.shutdown(cancel_futures=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _recover(self, folder):
        try:
            return self.recover(folder)
        finally:
            if "MOAT_CRASH_KEEP" not in os.environ:
                shutil.rmtree(folder, ignore_errors=True)

    def _submit(self, state):
        """The facts of a state, as a future; from memory where it is known."""
        if state.sign not in self.facts:
            self.count += 1
            folder = os.path.join(self.scratch, str(self.count))
            state.write(folder)
            self.facts[state.sign] = self.pool.submit(self._recover, folder)
        return self.facts[state.sign]

    def violations(self, ignored=(), first=False, most=None):
        """What is wrong in any state, with the syncs at the lines `ignored`
        taken out; with `first` only the first such thing."""
        disk, ledger = self.record.disk(), self.ledger()
        found, waiting = [], []
        for event in self.record.events:
            disk.feed(event, ignored)
            ledger.feed(event)
            if not event.matters():
                continue
            promises = ledger.promises()
            for number, state in enumerate(disk.states(self.most if most is None else most)):
                waiting.append((self._submit(state), promises, event.line, number))
            if first and len(waiting) > 64:
                found += self._judge_all(waiting)
                waiting = []
                if found:
                    return found
        return found + self._judge_all(waiting)

    def _judge_all(self, waiting):
        found, seen = [], set()
        for future, promises, line, number in waiting:
            if (future, promises) in seen:
                continue
            seen.add((future, promises))
            for wrong in self.judge(future.result(), promises):
                found.append(f"power lost after line {line}, state {number}: {wrong}")
        return found

    def syncs(self):
        """The events that make something durable, as the disk is concerned."""
        known = self.record.disk()
        for event in self.record.events:
            known.feed(event)
            if event.is_sync() and (event.inode == "*" or event.inode in known.inodes):
                yield event

    def needless(self, concerns):
        """The syncs without which no state is wrong, of what `concerns(path)`. Each
        is either needless, or the test does not see why it is there."""
        unseen = []
        for event in self.syncs():
            if not concerns(self.name_of(event)):
                continue
            if not (self.violations({event.line}, first=True, most=0)
                    or self.most and self.violations({event.line}, first=True)):
                unseen.append(event)
        return unseen

    def promised(self):
        """All that was promised at the end of the run."""
        ledger = self.ledger()
        for event in self.record.events:
            ledger.feed(event)
        return ledger.promises()

    def check(self, concerns=lambda path: True):
        """Prints and returns whether no state is wrong, and each sync needed of
        what `concerns(path)`."""
        wrong = self.violations()
        for line in wrong[:8]:
            print(line)
        syncs = list(self.syncs())
        needless = self.needless(concerns) if not wrong else []
        for event in needless:
            print(f"no state is wrong without {event.name or 'O_DSYNC'} of "
                  f"{self.name_of(event)}, line {event.line}")
        print(f"{self.count} states, {len(wrong)} wrong; {len(syncs)} syncs, "
              f"{len(needless)} without effect")
        return not wrong and not needless and bool(syncs)

    def name_of(self, event):
        """What a sync syncs, for people."""
        disk = self.record.disk()
        for past in self.record.events[:event.line + 1]:
            disk.feed(past)
        target = disk.inodes.get(event.inode)
        todo = [(disk.path, disk.root)]
        while todo:
            path, inode = todo.pop()
            if inode is target:
                return path
            if hasattr(inode, "now"):
                todo.extend((os.path.join(path, name), inode.now[name]) for name in inode.now)
        return "a file without a name"
