"""moat-send or moat-local struck at each of its system calls: killed, or a write
or sync failing. Then started again, they bring every message to each of its
mailboxes once and whole, and its sender is told once of what cannot be delivered.

usage: send_struck.py SCRATCH send|local MARK,... killed|ERRNO|ERRNO+
"""

import shutil
import subprocess
import sys

import delivery_files as gate
import queue_files as queue
import strike


def start_local(root, words=()):
    """Starts a server of deliveries; it listens, or is gone, when this returns."""
    server = subprocess.Popen([*words, "moat-local", "--serve", f"{root}/door"], cwd=root,
                              env=gate.environment(), stderr=subprocess.DEVNULL)
    strike.await_door(f"{root}/door", server)
    return server


def send(root, words):
    """moat-send is struck, and moat-local, its child."""
    return gate.drain(root, words)


def local(root, words):
    """A moat-local of its own is struck. Killed, it is started again."""
    servers = [start_local(root, words)]

    def tend():
        if servers[-1].poll() is not None:
            servers.append(start_local(root))

    wrong = gate.drain(root, options=["--local", f"{root}/door"], tend=tend)
    servers[-1].terminate()
    servers[-1].wait()
    return wrong


def look(marks, root, stuck, struck):
    if struck.ended and stuck:
        yield stuck
    wrong = gate.drain(root)
    if wrong:
        yield wrong
    want = gate.wanted(marks)
    for user, found in gate.boxes(root).items():
        if found != want[user]:
            yield f"{user} has {found}"
    check = queue.checked(root, gate.environment())
    if check:
        yield check


def main():
    scratch, kind, marks, how = sys.argv[1:]
    marks = marks.split(",")
    base = f"{scratch}/base"
    gate.make_gate(base)
    gate.fill_queue(base, scratch, marks)
    onward = how.endswith("+")
    fail = None if how == "killed" else int(how.rstrip("+"))
    outcome = strike.each(
        lambda root: shutil.copytree(base, root, dirs_exist_ok=True),
        {"send": send, "local": local}[kind],
        lambda *found: look(marks, *found), fail=fail, onward=onward)
    sys.exit(0 if strike.show(f"{kind} {','.join(marks)} {how}", outcome) else 1)


main()
