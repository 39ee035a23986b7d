"""Moat as it is shipped: acceptor, chain and queue of the fused executable."""

import os
import shutil
import subprocess

from server import HOST, Server, greets

USER = 64020  # needs no name


class Moat(Server):
    """moat-tcpd with its chain, moat-queue behind a socket, multilog for both."""

    def __init__(self, programs, folder, users, run):
        super().__init__("moat", folder)
        self.run = run
        self.users = users
        self.root = os.getuid() == 0
        # The checkout may lie where another user cannot go.
        self.bin = f"{folder}/bin"
        shutil.copytree(programs, self.bin, symlinks=True)
        self.env = {"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
                    "MOAT_DIR": f"{folder}/gate", "MOAT_ME": "mx.bench.test"}

    def call(self, *argv, text=None):
        """Runs a program of ours to its end, as the gate's user."""
        def become():
            if self.root:
                os.setgroups([])
                os.setgid(USER)
                os.setuid(USER)

        return subprocess.run([f"{self.bin}/{argv[0]}", *argv[1:]], env=self.env,
                              input=text, check=True, text=True, capture_output=True,
                              preexec_fn=become)

    def make_gate(self):
        os.mkdir(self.env["MOAT_DIR"], 0o755)
        if self.root:
            os.chown(self.env["MOAT_DIR"], USER, USER)
            os.chown(self.folder, USER, USER)
        self.call("moat-statectl", "init", "--user-only")
        self.call("moat-userctl", "import", text=directory_text(self.users))
        self.call("moat-relayctl", "rules", "smtp", text=":allow\n")

    def logged(self, name):
        """Starts a logger as the shipped services have one; returns its pipe."""
        read, write = os.pipe()
        os.set_inheritable(read, True)
        folder = f"{self.folder}/log.{name}"
        argv = (["multilog", "t", "s1000000", "n10", folder] if shutil.which("multilog")
                else ["sh", "-c", f"cat >{folder}"])
        process = subprocess.Popen(argv, stdin=read, preexec_fn=self.meter.enter,
                                   stdout=subprocess.DEVNULL, start_new_session=True)
        os.close(read)
        self.meter.watch(process.pid)
        self.started.insert(0, process)
        return write

    def start(self):
        self.make_gate()
        door = f"{self.env['MOAT_DIR']}/run/queue"
        log = self.logged("queue")
        self.spawn([f"{self.bin}/moat-queue", "--serve", door], user=USER, env=self.env,
                   log=log)
        os.close(log)
        self.await_start(lambda: os.path.exists(door))
        log = self.logged("smtpd")
        # The limits that a test from one machine would meet are out of its way;
        # five unknown recipients are answered at once, as Postfix answers them.
        user = ["--user", f"{USER}:{USER}"] if self.root else []
        self.spawn(
            [f"{self.bin}/moat-tcpd", "--limit", "1000", "--per-ip", "1000",
             "--rate", "1000000/60s", "--rules", "smtp", "--port-on-stdout", *user,
             HOST, "0", "moat-relayctl", "check", "moat-smtpd", "--queue",
             f"unix:{door}", "--max-unknown", "100", "--max-errors", "100",
             "--tarpit-after", "100"],
            env=self.env, log=log)
        os.close(log)
        self.await_start(self.told_port)
        self.port = self.told_port()
        self.await_start(lambda: greets(self.port))

    def told_port(self):
        """Returns the port that moat-tcpd told on its standard output, or None."""
        with open(f"{self.folder}/{self.name}.out", encoding="utf-8") as file:
            words = file.read().split()
        return int(words[0]) if words and words[0].isdigit() else None

    def logs(self):
        return [f"{self.folder}/log.{name}{current}" for name in ("queue", "smtpd")
                for current in ("/current", "")]

    def purge(self):
        self.call("moat-queuectl", "remove", "all")


def directory_text(users):
    """Returns the form that `moat-userctl import` reads."""
    return "domain bench.test\n" + "".join(f"user {user}\n" for user in users)
