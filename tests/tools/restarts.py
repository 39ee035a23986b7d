#!/usr/bin/env python3
"""usage: restarts.py RESTARTS RATE PROGRAM ARG ...

Holds a listening socket on loopback and runs PROGRAM with it, @FD@ among its
words replaced by fd:N. Ends it by SIGTERM and starts it again RESTARTS times
while clients come, RATE a second. Prints how many got an answer and how many
were refused; a client who gets none in ten seconds was refused."""

import signal
import socket
import subprocess
import sys
import threading
import time

restarts, rate, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
holder = socket.create_server(("127.0.0.1", 0), backlog=4096)
port = holder.getsockname()[1]
words = [f"fd:{holder.fileno()}" if word == "@FD@" else word for word in command]


def start():
    return subprocess.Popen(words, pass_fds=[holder.fileno()], stderr=subprocess.DEVNULL)


answered, refused = [], []


def client():
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            text = b""
            while piece := connection.recv(4096):
                text += piece
            (answered if text.endswith(b"\n") and not text.startswith(b"4") else refused).append(text)
    except OSError as error:
        refused.append(repr(error))


server = start()
threads = []
stop_at = []


def clients():
    while not stop_at:
        thread = threading.Thread(target=client)
        thread.start()
        threads.append(thread)
        time.sleep(1 / rate)


crowd = threading.Thread(target=clients)
crowd.start()
for _ in range(restarts):
    seen = len(answered)
    deadline = time.monotonic() + 20
    while len(answered) < seen + rate // 4 and time.monotonic() < deadline:
        time.sleep(0.01)  # until this one has served some
    server.send_signal(signal.SIGTERM)
    code = server.wait(10)
    if code != 0:
        refused.append(f"exit {code}")
    server = start()
stop_at.append(True)
crowd.join()
for thread in threads:
    thread.join()
server.send_signal(signal.SIGTERM)
server.wait(10)
print(f"answered {len(answered)} refused {len(refused)}", *refused[:3])
sys.exit(1 if refused or not answered else 0)
