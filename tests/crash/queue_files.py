"""What the tests need of a queue: to make one, to fill it, to look into it."""

import os
import re
import subprocess

from mail import mark_of, message

LATER = "1h"  # a clock ahead by this shows what was changed
PENDING, DELIVERED, FAILED, REPLACED = "1", "2", "3", "4"

# Sizes on both sides of the threshold above which a message gets a file.
MESSAGES = {mark: message(mark, size) for mark, size in
            [(f"small{n}", 600 + 4000 * n) for n in range(6)]
            + [(f"large{n}", 300_000 + 50_000 * n) for n in range(3)]
            + [("next", 500)]}


def environment(root):
    """The variables that a program needs to use the gate in `root`."""
    return {**os.environ, "MOAT_DIR": root, "MOAT_ME": "mx.example.org"}


def envelope(mark, sender="s@example.org", recipients=None):
    return (b"F" + sender.encode() + b"\0"
            + b"".join(b"T" + to.encode() + b"\0" for to in recipients or [f"{mark}@example.org"])
            + b"\0")


def put_files(folder, marks, **to):
    """Writes MARK.msg and MARK.env, to be given to an injector."""
    for mark in marks:
        for end, octets in ((".msg", MESSAGES[mark]), (".env", envelope(mark, **to))):
            with open(f"{folder}/{mark}{end}", "wb") as file:
                file.write(octets)


def init(root):
    """An empty gate."""
    os.makedirs(root, exist_ok=True)
    subprocess.run(["moat-statectl", "init", "--user-only"], env=environment(root),
                   check=True, capture_output=True)


def inject(root, files, mark, *words, before=()):
    """Starts an injection of files/MARK.msg, to be waited for."""
    with open(f"{files}/{mark}.msg", "rb") as octets, open(f"{files}/{mark}.env", "rb") as to:
        return subprocess.Popen([*before, "moat-queue", *words], stdin=octets, stdout=to,
                                stderr=subprocess.DEVNULL, env=environment(root))


class Contents:
    """All that is in a queue. `wrong` says what is, if anything."""

    def __init__(self, root):
        self.marks = []  # of whole messages
        self.recipients = {}  # mark: "STATE:ADDRESS,..."
        self.entries = []  # (mark, the same) of each; the mark None for others
        self.others = 0  # whole messages that are none of ours: reports
        self.wrong = []
        run = subprocess.run([os.environ["QUEUECAT"], f"{root}/spool"], capture_output=True)
        rest = run.stdout
        while rest:
            line, rest = rest.split(b"\n", 1)
            kind, *fields = line.decode().split("\t")
            if kind == "damaged":
                if fields[0] != "0":
                    self.wrong.append(f"{fields[0]} damaged records")
                continue
            if fields[3] == "damaged":
                self.wrong.append(f"octets of {fields[0]} for {fields[2]} are damaged")
                continue
            size = int(fields[3])
            octets, rest = rest[:size], rest[size + 1:]
            mark = mark_of(octets, MESSAGES)
            if mark is None:
                self.others += 1
                self.entries.append((None, fields[2]))
                continue
            self.marks.append(mark)
            self.entries.append((mark, fields[2]))
            self.recipients[mark] = fields[2]
        if run.returncode != 0:
            self.wrong.append(run.stderr.decode().strip())
        self.marks.sort()


def checked(root, env):
    """What `moat-queuectl check` has to complain of, or ""."""
    run = subprocess.run(["moat-queuectl", "check"], cwd=root, env=env, capture_output=True)
    return "" if run.returncode == 0 else f"check: {run.stdout} {run.stderr}"


def fill(root, files, marks):
    """Queues these. Returns their ids by mark."""
    for mark in marks:
        assert inject(root, files, mark).wait() == 0, mark
    return {mark: id for mark, (id, _) in listed(root).items()}


def listed(root):
    """What `moat-queuectl list` shows of each message with one recipient: its id
    and that recipient's state with, while it is pending, its time, by mark."""
    run = subprocess.run(["moat-queuectl", "list"], env=environment(root), check=True,
                         capture_output=True, encoding="ascii")
    found = re.findall(r"^(\w+) .*\n  (\w+) <(\w+)@.*?>((?: next=.*)?)$", run.stdout,
                       re.MULTILINE)
    return {mark: (id, state + due) for id, state, mark, due in found}


def is_done(word, state, before):
    """Whether a message's listed state, None when it is gone, is what a word of
    moat-queuectl makes of what was listed before, said LATER."""
    if word == "retry":
        return state is not None and state.startswith("pending next=") and state > before
    return state == {"remove": None, "hold": "held"}[word]


def looked_at(root, files):
    """Brings a queue up after a crash: checks it, looks into it, and puts the
    message "next" into it. Returns (marks, recipients, what is wrong)."""
    check = checked(root, environment(root))
    contents = Contents(root)
    if contents.others:
        contents.wrong.append("there is a message that nobody sent")
    if check:
        contents.wrong.append(check)
    code = inject(root, files, "next").wait()
    if code != 0:
        contents.wrong.append(f"the next injection: exit {code}")
    else:
        after = Contents(root)
        contents.wrong += after.wrong
        if after.marks != sorted([*contents.marks, "next"]):
            contents.wrong.append(f"after the next injection: {after.marks}")
    return contents.marks, contents.recipients, contents.wrong
