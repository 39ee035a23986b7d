"""Messages that can be told apart, and Maildirs that hold them."""

import os
import re


def message(mark, size):
    """A message of about `size` octets, known by its mark and whole or not."""
    head = f"Subject: {mark}\nFrom: s@example.org\n\n"
    lines = (f"{mark} {number:08d} {'x' * 40}\n" for number in range(size // 60 + 1))
    return (head + "".join(lines) + f"end {mark}\n").encode()


def mark_of(octets, messages):
    """The mark of a message that stands whole at the end of `octets`, whatever
    fields were put before it; None where it is none of ours or damaged."""
    found = re.search(rb"^Subject: (\S+)$", octets, re.MULTILINE)
    mark = found.group(1).decode() if found else ""
    if mark not in messages or not octets.endswith(messages[mark]):
        return None
    before = octets[:len(octets) - len(messages[mark])]
    return mark if re.fullmatch(rb"([!-9;-~]+: [ -~]*\n([ \t][ -~]*\n)*)*", before) else None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def in_maildir(folder, messages):
    """The marks of what new/ and cur/ hold, sorted; None for what is damaged."""
    marks = []
    for name in ("new", "cur"):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            marks += [mark_of(read(os.path.join(path, mail)), messages)
                      for mail in os.listdir(path)]
    return sorted(marks, key=str)


class Exits:
    """A ledger: promised is what a program that was started with RECORD_NOTE=MARK
    has promised by its exit code 0."""

    def __init__(self):
        self.notes, self.kept = {}, frozenset()

    def feed(self, event):
        if event.kind == "exec" and event.note not in ("", "victim"):
            self.notes[event.pid] = event.note
        elif event.kind == "end" and event.code == 0 and event.pid in self.notes:
            self.kept |= {self.notes[event.pid]}

    def promises(self):
        return self.kept
