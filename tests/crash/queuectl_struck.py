"""moat-queuectl struck at each of its system calls: killed, or a write or sync of
the spool failing. The message it is about is as it was or as it was to be, the
others are as they were.

usage: queuectl_struck.py SCRATCH remove|hold|retry MARK|all killed|ERRNO|ERRNO+
"""

import functools
import os
import shutil
import subprocess
import sys

import queue_files as queue
import strike

MARKS = ["small0", "large0", "large1"]
TEMPORARY = 111


def act(word, operand, root, words):
    return subprocess.run([*words, "moat-queuectl", word, operand], capture_output=True,
                          env={**queue.environment(root), "MOAT_CLOCK_OFFSET": queue.LATER}
                          ).returncode


def look(files, word, before, aimed, root, code, struck):
    states = {mark: state for mark, (_, state) in queue.listed(root).items()}
    marks, _, wrong = queue.looked_at(root, files)
    yield from wrong
    if marks != sorted(states):
        yield f"there are {marks}, listed {states}"
    done = {mark for mark in MARKS if queue.is_done(word, states.get(mark), before[mark])}
    as_before = {mark for mark in MARKS if states.get(mark) == before[mark]}
    if done not in (set(), aimed) or as_before != set(MARKS) - done:
        yield f"partly done: {states}"
    if code == 0 and not done:
        yield f"exit 0, and it is not done: {states}"
    if not struck.fail or struck.ended:
        return
    if code not in (0, TEMPORARY) or (code != 0 and done):
        yield f"exit {code}: {states}"
    named = sum(mark.startswith("large") for mark in marks)
    if len(os.listdir(f"{root}/spool/mess")) != named:
        yield f"{named} messages with files, and {os.listdir(f'{root}/spool/mess')}"


def main():
    scratch, word, aim, how = sys.argv[1:]
    base = f"{scratch}/base"
    queue.init(base)
    queue.put_files(scratch, queue.MESSAGES)
    ids = queue.fill(base, scratch, MARKS)
    onward = how.endswith("+")
    fail = None if how == "killed" else int(how.rstrip("+"))
    aimed = set(MARKS) if aim == "all" else {aim}
    before = {mark: state for mark, (_, state) in queue.listed(base).items()}
    outcome = strike.each(
        lambda root: shutil.copytree(base, root, dirs_exist_ok=True),
        functools.partial(act, word, ids.get(aim, "all")),
        functools.partial(look, scratch, word, before, aimed), fail=fail, onward=onward)
    sys.exit(0 if strike.show(f"{word} {aim} {how}", outcome) else 1)


main()
