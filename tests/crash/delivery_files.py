"""A gate with a few users, a queue of messages for them, and what becomes of it.

Programs run with the gate as their folder and MOAT_DIR=/proc/self/cwd: so the
Maildirs' paths, which the directory holds, are right in each copy of it.
"""

import os
import re
import signal
import subprocess
import time

import mail
import queue_files as queue

# Who gets what in the end: by mark the recipients said, and the mailboxes.
SEEDS = {"small0": (["u1@example.org"], ["u1"]),
         "small1": (["both@example.org"], ["u1", "u2"]),
         "large0": (["u2@example.org", "u1@example.org"], ["u1", "u2"]),
         "small2": (["nobody@example.org"], ["s"]),  # the report, to the sender
         "small3": (["list@example.org"], ["u1", "u2"])}
REPORT = "report"
USERS = ("u1", "u2", "s")


def environment(extra=()):
    return {**os.environ, "MOAT_DIR": "/proc/self/cwd", "MOAT_ME": "mx.example.org",
            **dict(extra)}


def run(root, *argv, **how):
    return subprocess.run(argv, cwd=root, env=environment(), check=True,
                          capture_output=True, **how)


def make_gate(root):
    os.makedirs(root)
    run(root, "moat-statectl", "init", "--user-only")
    run(root, "moat-userctl", "domain", "add", "example.org")
    for user in USERS:
        run(root, "moat-userctl", "user", "add", f"{user}@example.org")
    run(root, "moat-userctl", "alias", "add", "both@example.org", "u1@example.org",
        "u2@example.org")
    with open(f"{root}/etc/members", "w", encoding="ascii") as file:
        file.write("u1@example.org\nu2@example.org\n")
    run(root, "moat-userctl", "list", "add", "list@example.org", "--members",
        "/proc/self/cwd/etc/members")


def fill_queue(root, files, marks):
    for mark in marks:
        queue.put_files(files, [mark], recipients=SEEDS[mark][0])
        with open(f"{files}/{mark}.msg", "rb") as octets, \
                open(f"{files}/{mark}.env", "rb") as to:
            subprocess.run(["moat-queue"], stdin=octets, stdout=to, cwd=root, check=True,
                           env=environment({"MOAT_SESSION": f"mark-{mark}"}))


def wanted(marks):
    """What the mailboxes hold in the end."""
    boxes = {user: [] for user in USERS}
    for mark in marks:
        for user in SEEDS[mark][1]:
            boxes[user].append(REPORT if user == "s" else mark)
    return {user: sorted(found) for user, found in boxes.items()}


def mark_in_box(octets):
    """As mail.mark_of, and REPORT for a whole report about small2."""
    boundary = re.search(rb'^Content-Type: multipart/report;[^"]*boundary="?([^"\s;]+)',
                         octets, re.MULTILINE | re.IGNORECASE)
    if boundary is None:
        return mail.mark_of(octets, queue.MESSAGES)
    whole = octets.endswith(b"--" + boundary.group(1) + b"--\n")
    told = b"Subject: small2" in octets and b"nobody@example.org" in octets
    return REPORT if whole and told else None


def boxes(root):
    """The marks in each mailbox, sorted; None for what is damaged."""
    found = {}
    for user in USERS:
        path = f"{root}/mail/example.org/{user}"
        mails = [f"{path}/{name}/{file}" for name in ("new", "cur")
                 for file in os.listdir(f"{path}/{name}")]
        found[user] = sorted((mark_in_box(mail.read(file)) for file in mails), key=str)
    return found


def await_empty_queue(root, still=lambda: True, seconds=30):
    """Waits until nothing is queued and nothing runs that could queue. Returns
    what is wrong, or ""."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        contents = queue.Contents(root)
        if contents.wrong:
            return f"queue: {contents.wrong}"
        if not contents.marks and not contents.others:
            return ""
        if not still():
            return "ended"
        time.sleep(0.01)
    return f"still queued: {contents.recipients}"


def drain(root, words=(), options=(), tend=lambda: None):
    """Runs moat-send until the queue is empty, calling tend() now and then. Has it
    try at once what it has put off. Returns what is wrong, or ""."""
    with open(f"{root}/send.log", "ab") as log:
        send = subprocess.Popen([*words, "moat-send", "--grace", "1s", *options], cwd=root,
                                env=environment(), stdin=subprocess.DEVNULL, stderr=log)
    last = time.monotonic()

    def still():
        nonlocal last
        tend()
        if send.poll() is None and time.monotonic() > last + 0.3:
            last = time.monotonic()
            send.send_signal(signal.SIGALRM)
        return send.poll() is None

    wrong = await_empty_queue(root, still)
    send.terminate()
    send.wait()
    return wrong
