"""A client that hands moat-smtpd one message."""

import os
import subprocess
import threading

import queue_files as queue

CODES = {"250": 0, "451": 53}


class Client(threading.Thread):
    """Sends files/MARK.msg; wait() returns what an injector would have said: 0 for
    250, 53 for 451, else -1."""

    def __init__(self, root, files, mark, *words):
        super().__init__()
        self.mark, self.answer = mark, ""
        with open(f"{files}/{mark}.msg", "rb") as file:
            self.octets = file.read().replace(b"\n", b"\r\n") + b".\r\n"
        self.command = ["moat-smtpd", "--log", "none", "--queue", *words]
        self.env = {**queue.environment(root), "TCPREMOTEIP": "192.0.2.7", "RELAYCLIENT": ""}
        self.start()

    def run(self):
        ours, theirs = os.pipe(), os.pipe()
        with subprocess.Popen(self.command, stdin=ours[0], stdout=theirs[1], env=self.env,
                              stderr=subprocess.DEVNULL) as smtpd:
            os.close(ours[0])
            os.close(theirs[1])
            with open(ours[1], "wb") as out, open(theirs[0], "rb") as replies:
                self.answer = self.talk(out, replies)
            smtpd.wait()

    def talk(self, out, replies):
        """Returns the reply to the message, or to what was refused before."""
        lines = [(b"", "220"), (b"EHLO c.example\r\n", "250"),
                 (b"MAIL FROM:<s@example.org>\r\n", "250"),
                 (b"RCPT TO:<%s@example.org>\r\n" % self.mark.encode(), "250"),
                 (b"DATA\r\n", "354"), (self.octets, "250")]
        for octets, expected in lines:
            out.write(octets)
            out.flush()
            line = replies.readline()
            while line[3:4] == b"-":
                line = replies.readline()
            answer = line[:3].decode()
            if answer != expected:
                return answer if octets is self.octets else f"{octets}: {line}"
        out.write(b"QUIT\r\n")
        return answer

    def wait(self):
        self.join()
        return CODES.get(self.answer, -1)
