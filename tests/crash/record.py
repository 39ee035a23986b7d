"""Runs a command under tests/tools/recorder and reads what it recorded."""

import copy
import os
import subprocess
from dataclasses import dataclass

from disk import Disk


@dataclass
class Event:
    """One line of the record; which fields are set depends on its kind."""

    line: int
    kind: str
    pid: int
    inode: str = ""
    path: str = ""
    old: str = ""
    octets: bytes = b""
    at: int = 0
    size: int = 0
    began: int = 0
    code: int = 0
    durable: bool = False
    grows: bool = False
    truncated: bool = False
    name: str = ""
    note: str = ""

    def is_sync(self):
        return self.kind == "sync" or (self.kind == "write" and self.durable)

    def matters(self):
        """Whether it changes what a crash may leave, or what was promised."""
        return self.kind in ("write", "size", "sync", "open", "mkdir", "link",
                             "unlink", "rename", "send", "say", "end")


class Record:
    """A run: the disk before it, what happened, and its exit code."""

    def __init__(self, root, command, out, env=None, until=None):
        """Runs the command in `root`; with `until` a server, which is sent SIGTERM
        as soon as until() returns."""
        self.root = os.path.realpath(root)
        before = Disk(root)
        self._before = before
        recorder = os.environ["RECORDER"]
        with open(out + ".errors", "wb") as errors:
            process = subprocess.Popen([recorder, root, out, *command], env=env, cwd=root,
                                       stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        if until is not None:
            until()
            process.terminate()
        self.code = process.wait()
        with open(out + ".errors", encoding="utf-8") as file:
            self.errors = file.read()
        with open(out + ".data", "rb") as file:
            self._data = file.read()
        with open(out + ".log", encoding="utf-8", errors="surrogateescape") as file:
            self.events = [self._parse(number, text.rstrip("\n").split("\t"))
                           for number, text in enumerate(file)]

    def disk(self):
        """The disk as it was before the run, to be fed."""
        return copy.deepcopy(self._before)

    def _octets(self, place):
        offset, size = map(int, place.split(":"))
        return self._data[offset:offset + size]

    def _parse(self, line, fields):
        kind, pid, *rest = fields
        event = Event(line, kind, int(pid))
        if kind == "open":
            event.inode, event.path, event.truncated = rest[0], rest[1], rest[2] == "1"
        elif kind == "write":
            event.inode, event.at = rest[0], int(rest[1])
            event.octets, event.durable = self._octets(rest[2]), rest[3] == "1"
        elif kind == "size":
            event.inode, event.size, event.grows = rest[0], int(rest[1]), rest[2] == "1"
        elif kind == "sync":
            event.inode, event.began, event.name = rest[0], int(rest[1]), rest[2]
        elif kind in ("link", "mkdir"):
            event.inode, event.path = rest
        elif kind == "map":
            event.inode, event.path = rest
            if os.path.exists(event.path):
                with open(event.path, "rb") as file:
                    event.octets = file.read()
        elif kind == "rename":
            event.old, event.path = rest
        elif kind == "unlink":
            event.path = rest[0]
        elif kind in ("send", "receive"):
            event.inode, event.octets = rest[0], self._octets(rest[1])
        elif kind == "say":
            event.octets = self._octets(rest[0])
        elif kind == "exec":
            event.path, event.note = rest
        elif kind == "end":
            event.code = int(rest[0])
        return event
