"""A server under measurement: its processes, in a meter of their own."""

import os
import shutil
import signal
import socket
import subprocess
import time

import meter

HOST = "127.0.0.1"


def free_port():
    """Returns a port that nobody listens to just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def greets(port):
    try:
        with socket.create_connection((HOST, port), 2) as client:
            client.settimeout(2)
            return client.recv(3) == b"220"
    except OSError:
        return False


class Server:
    """Starts processes, measures them, and ends them and nobody else's."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.port = 0
        self.meter = meter.make_meter(name)
        self.started = []
        os.makedirs(folder)

    def spawn(self, argv, user=None, env=None, log=None):
        """Starts argv in the meter, as the number `user` where we are root.

        What it says goes to the file NAME.out, or into the descriptor `log`.
        """
        def become():
            self.meter.enter()
            if user is not None and os.getuid() == 0:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)

        with open(f"{self.folder}/{self.name}.out", "ab") as out:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=log or out,
                env=env, cwd="/", preexec_fn=become, start_new_session=True)
        self.meter.watch(process.pid)
        self.started.append(process)
        return process

    def await_start(self, condition, bound=30.0):
        """Waits for what shows that it serves; a process that ended is an error."""
        end = time.monotonic() + bound
        while not condition():
            ended = [process.args[0] for process in self.started
                     if process.poll() is not None]
            if ended or time.monotonic() > end:
                what = f"{ended[0]} ended" if ended else f"not ready after {bound:.0f} s"
                raise RuntimeError(f"{self.name}: {what}\n{self.last_words()}")
            time.sleep(0.05)

    def last_words(self):
        """Returns the end of what its processes said, for an error."""
        text = ""
        for path in [f"{self.folder}/{self.name}.out", *self.logs()]:
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()[-1000:]
        return text

    def logs(self):
        """Returns the files that its log goes to."""
        return []

    def purge(self):
        """Empties the queue between two runs."""

    def stop(self):
        """Asks what was started to end, last first, then sees that it has."""
        for process in reversed(self.started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.meter.pids():
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
            time.sleep(0.3)
        for process in self.started:
            process.wait(5)
        self.meter.close()
        shutil.rmtree(self.folder, ignore_errors=True)
