#!/usr/bin/python3
"""A server of SMTP or LMTP that does as told, for tests of clients.

usage: mailserver.py [--lmtp] [--unix PATH] [--offer KEYWORD]... [--greeting TEXT]
                     [--hello TEXT] [--final TEXT] [--hang WHERE] [--close WHERE] LOG

Prints its port, then appends what it is sent to LOG, line by line. A recipient
whose local part is bad gets 550, later 450, many 552. With LMTP the message's
answer for full@... is 452. WHERE is greeting, hello, mail, rcpt, data, body or
final: there it falls silent, or closes.
"""
import argparse
import socket
import threading

parser = argparse.ArgumentParser()
parser.add_argument("--lmtp", action="store_true")
parser.add_argument("--unix")
parser.add_argument("--offer", action="append", default=[])
parser.add_argument("--greeting", default="220 fake.test")
parser.add_argument("--hello", default="250")
parser.add_argument("--final", default="250 2.0.0 taken")
parser.add_argument("--hang")
parser.add_argument("--close")
parser.add_argument("log")
options = parser.parse_args()
log = open(options.log, "ab", buffering=0)


class Gone(Exception):
    pass


class Session:
    def __init__(self, connection):
        self.file = connection.makefile("rwb")
        self.accepted = []

    def say(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()

    def reached(self, where):
        if options.hang == where:
            threading.Event().wait()
        if options.close == where:
            raise Gone

    def line(self):
        line = self.file.readline()
        if not line:
            raise Gone
        log.write(line)
        return line

    def message(self):
        self.say("354 go ahead")
        self.reached("body")
        while self.line() != b".\r\n":
            pass
        self.reached("final")
        for recipient in self.accepted if options.lmtp else [b""]:
            self.say("452 4.2.2 full" if b"<full@" in recipient else options.final)
        self.accepted = []

    def hello(self):
        lines = ["fake.test"] + options.offer
        for line in lines[:-1]:
            self.say(options.hello + "-" + line)
        self.say(options.hello + " " + lines[-1])

    def recipient(self, line):
        if b":<bad@" in line:
            return self.say("550 5.1.1 no such user")
        if b":<later@" in line:
            return self.say("450 4.2.0 not now")
        if b":<many@" in line:
            return self.say("552 too many recipients")
        self.accepted.append(line)
        return self.say("250 2.1.5 ok")

    def run(self):
        self.reached("greeting")
        self.say(options.greeting)
        while True:
            line = self.line()
            verb = line.split()[0].upper() if line.split() else b""
            if verb == (b"LHLO" if options.lmtp else b"EHLO") and options.hello == "250":
                self.reached("hello")
                self.hello()
            elif verb == b"HELO":
                self.say("250 fake.test")
            elif verb == b"MAIL":
                self.reached("mail")
                self.say("250 2.1.0 ok")
            elif verb == b"RCPT":
                self.reached("rcpt")
                self.recipient(line)
            elif verb == b"DATA":
                self.reached("data")
                if self.accepted:
                    self.message()
                else:
                    self.say("554 5.5.1 nobody")
            elif verb == b"RSET":
                self.accepted = []
                self.say("250 2.0.0 ok")
            elif verb == b"QUIT":
                return self.say("221 2.0.0 bye")
            else:
                self.say("500 5.5.1 what?")


def serve(connection):
    with connection:
        try:
            Session(connection).run()
        except (Gone, OSError):
            pass
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


if options.unix:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options.unix)
else:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
listener.listen(100)
print(options.unix or listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
