"""moat-queue struck at each of its system calls: killed, or a write or sync of
its spool failing. What was answered 0, or 250 through moat-smtpd, is in the
queue, the rest wholly or not.

usage: queue_struck.py SCRATCH direct|via|serve|smtp MARK,... [killed|ERRNO|ERRNO+]
"""

import functools
import os
import shutil
import subprocess
import sys

import queue_files as queue
import smtp
import strike

WRITE_ERROR, NO_SERVER = 53, 56
AFTER = ["small5", "small4", "small3"]  # injected through a door that has failed


def start_server(root, words=()):
    """Starts a server; it listens, or is gone, when this returns."""
    door = f"{root}/door"
    server = subprocess.Popen([*words, "moat-queue", "--serve", door],
                              stderr=subprocess.DEVNULL, env=queue.environment(root))
    strike.await_door(door, server)
    return server


def end_server(server):
    server.terminate()
    server.wait()


def direct(files, marks, root, words):
    """The injector is struck."""
    return {mark: queue.inject(root, files, mark, before=words).wait() for mark in marks}


def via(files, marks, root, words):
    """The client of a door is struck; its server is not."""
    server = start_server(root)
    codes = {mark: queue.inject(root, files, mark, "--via", f"{root}/door", before=words).wait()
             for mark in marks}
    end_server(server)
    return codes


def serve(files, marks, root, words, call=None):
    """The server of a door is struck while several clients call."""
    door = f"{root}/door"
    call = call or (lambda mark: queue.inject(root, files, mark, "--via", door))
    server = start_server(root, words)
    clients = {mark: call(mark) for mark in marks}
    codes = {mark: client.wait() for mark, client in clients.items()}
    # Whether it went on or ended, to be started again: it is of use.
    for mark in AFTER:
        if server.poll() is not None:
            server = start_server(root)
        codes[mark] = call(mark).wait()
        if codes[mark] == 0:
            break
        try:
            server.wait(0.5)  # it may be about to end
        except subprocess.TimeoutExpired:
            pass
    end_server(server)
    return codes


def by_smtp(files, marks, root, words):
    """The same while SMTP sessions hand it their messages."""
    return serve(files, marks, root, words,
                 lambda mark: smtp.Client(root, files, mark, f"unix:{root}/door"))


def look(files, onward, root, codes, struck):
    marks, recipients, wrong = queue.looked_at(root, files)
    yield from wrong
    for mark, code in codes.items():
        count = marks.count(mark)
        if count > 1 or (code == 0 and count == 0):
            yield f"{mark}, exit {code}, is there {count} times"
        if count and recipients[mark] != f"{queue.PENDING}:{mark}@example.org":
            yield f"{mark} is for {recipients[mark]}"
    if set(marks) - set(codes):
        yield f"there are {marks}"
    if len(codes) > 1 and not onward and list(codes.values())[-1] != 0:
        yield f"of no use any more: {codes}"
    if not struck.fail:
        return
    for mark, code in codes.items():
        if code not in (0, WRITE_ERROR, NO_SERVER) and not 61 <= code <= 66:
            yield f"{mark}: exit {code}"
        if code != 0 and mark in marks:
            yield f"{mark}, exit {code}, is there"
    named = sum(mark.startswith("large") for mark in marks)
    left = len(os.listdir(f"{root}/spool/mess")) - named
    if left:
        yield f"{left} files are left in mess/"


def main():
    scratch, kind, marks, how = sys.argv[1:]
    base = f"{scratch}/base"
    if not os.path.isdir(base):
        queue.init(base)
        queue.put_files(scratch, queue.MESSAGES)
    onward = how.endswith("+")
    fail = None if how == "killed" else int(how.rstrip("+"))
    act = functools.partial({"direct": direct, "via": via, "serve": serve,
                             "smtp": by_smtp}[kind],
                            scratch, marks.split(","))
    outcome = strike.each(
        lambda root: shutil.copytree(base, root, dirs_exist_ok=True), act,
        functools.partial(look, scratch, onward), fail=fail, onward=onward)
    sys.exit(0 if strike.show(f"{kind} {marks} {how}", outcome) else 1)


main()
