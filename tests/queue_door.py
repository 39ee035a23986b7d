#!/usr/bin/env python3
"""Calls at the door of moat-queue with what no honest caller sends.

usage: queue_door.py PATH WHAT

Prints the exit code that the door answers, and its text; "hung up" where it
answers nothing.
"""

import os
import socket
import sys
import tempfile

ENVELOPE = b"Fa@b\0Tc@d\0\0"
MESSAGE = b"Subject: x\n\nhello\n"


def memfd(octets):
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(fd, octets)
    return fd


def head(kind, variables, envelope, message):
    return f"moat-queue 1 {kind} {variables} {envelope} {message}\n".encode()


def files(message_size, envelope_size, fds):
    return head("files", 0, envelope_size, message_size), fds


def write_only():
    fd, path = tempfile.mkstemp()
    os.write(fd, MESSAGE)
    os.close(fd)
    fd = os.open(path, os.O_WRONLY)
    os.unlink(path)
    return fd


def big(size):
    fd, path = tempfile.mkstemp()
    os.unlink(path)
    os.truncate(fd, size)
    return fd


def requests():
    good = memfd(MESSAGE)
    envelope = memfd(ENVELOPE)
    size, n = len(MESSAGE), len(ENVELOPE)
    return {
        "inline": lambda: (head("inline", 0, n, size) + ENVELOPE + MESSAGE, []),
        "files": lambda: files(size, n, [good, envelope]),
        "empty": lambda: (b"", [good]),
        "garbage": lambda: (b"\0\xff" * 2000, []),
        "version": lambda: (b"moat-queue 2 inline 0 0 0\n", []),
        "path": lambda: (head("inline", 15, n, size) + b"PATH=/tmp/evil\0" + ENVELOPE + MESSAGE, []),
        "no-envelope": lambda: (head("inline", 0, 0, size) + MESSAGE, []),
        "half-envelope": lambda: (head("inline", 0, n - 1, size) + ENVELOPE[:-1] + MESSAGE, []),
        "trailing-envelope": lambda: (head("inline", 0, n + 1, size) + ENVELOPE + b"x" + MESSAGE, []),
        "no-files": lambda: files(size, n, []),
        "one-file": lambda: files(size, n, [good]),
        "three-files": lambda: files(size, n, [good, envelope, good]),
        "nine-files": lambda: files(size, n, [good, envelope] + [good] * 7),
        "stray-file": lambda: (head("inline", 0, n, size) + ENVELOPE + MESSAGE, [good]),
        "told-more": lambda: files(size + 1, n, [good, envelope]),
        "told-less": lambda: files(size - 1, n, [good, envelope]),
        "pipe": lambda: files(size, n, [os.pipe()[0], envelope]),
        "envelope-pipe": lambda: files(size, n, [good, os.pipe()[0]]),
        "socket": lambda: files(size, n, [socket.socket().fileno(), envelope]),
        "folder": lambda: files(size, n, [os.open("/", os.O_RDONLY), envelope]),
        "zero": lambda: files(size, n, [os.open("/dev/zero", os.O_RDONLY), envelope]),
        "o-path": lambda: files(size, n, [os.open("/proc/self/exe", os.O_PATH), envelope]),
        "write-only": lambda: files(size, n, [write_only(), envelope]),
        "giant": lambda: files(1 << 40, n, [big(1 << 40), envelope]),
        "giant-number": lambda: files(1 << 70, n, [good, envelope]),
        "giant-envelope": lambda: files(size, 1 << 30, [good, big(1 << 30)]),
        "sparse": lambda: files(1 << 20, n, [big(1 << 20), envelope]),
    }


def connect(path):
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.settimeout(30)
    door.connect(path)
    return door


def answer(door):
    try:
        packet = door.recv(4096)
    except ConnectionResetError:
        packet = b""
    if not packet:
        return "hung up"
    return f"{packet[0]} {packet[1:].decode()}".strip()


def shrink(path):
    """Half the message goes while the door works on it."""
    fd = memfd(b"x" * (4 << 20))
    door = connect(path)
    socket.send_fds(door, [head("files", 0, len(ENVELOPE), 4 << 20)], [fd, memfd(ENVELOPE)])
    for size in range((4 << 20) - 1, 0, -4099):
        os.ftruncate(fd, size)
    return answer(door)


def main():
    path, what = sys.argv[1:3]
    if what == "shrink":
        print(shrink(path))
        return
    if what == "stall":
        door = connect(path)
        print(answer(door))
        return
    octets, fds = requests()[what]()
    door = connect(path)
    socket.send_fds(door, [octets], fds)
    print(answer(door))


main()
