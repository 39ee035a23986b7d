"""A maildrop in few lines, for the test of the explorer itself: it is safe, it is
shown to be, and without any one of its syncs it is not.

usage: toy.py DIR [LEFT_OUT]
"""

import os
import sys


def deliver(folder, number, left_out):
    name = f"{number}"
    file = os.open(f"{folder}/tmp/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(file, b"message %d " % number * 2000)
    if left_out != "file":
        os.fsync(file)
    os.close(file)
    os.link(f"{folder}/tmp/{name}", f"{folder}/new/{name}")
    os.unlink(f"{folder}/tmp/{name}")
    if left_out != "folder":
        new = os.open(f"{folder}/new", os.O_RDONLY)
        os.fsync(new)
        os.close(new)
    # A record in two halves: the second says that the first is good.
    record = os.open(f"{folder}/record", os.O_WRONLY)
    os.pwrite(record, b"%08d" % number, 8192 * number)
    if left_out != "record":
        os.fdatasync(record)
    flag = os.O_DSYNC if left_out != "flag" else 0
    last = os.open(f"{folder}/record", os.O_WRONLY | flag)
    os.pwrite(last, b"%08d" % number, 0)
    os.write(2, b"done %d\n" % number)


for n in range(1, 3):
    deliver(sys.argv[1], n, sys.argv[2] if len(sys.argv) > 2 else "")
