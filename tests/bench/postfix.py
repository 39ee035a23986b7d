"""Debian's Postfix, run from where scripts/peer extracted it.

It queues as durably as ever and keeps every message on hold, so that no
delivery is measured. Its users are known in our mount namespace alone.
"""

import os
import subprocess

from server import HOST, Server, free_port, greets

USER, GROUP = 64010, 64011  # postfix and postdrop, where the system has none

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {folder}/etc
sendmail_path = {root}/usr/sbin/sendmail
newaliases_path = /bin/true
mailq_path = /bin/true
mail_owner = postfix
setgid_group = postdrop
import_environment = LD_LIBRARY_PATH MAIL_CONFIG LANG=C
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}/log
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
myhostname = mx.bench.test
mydestination = bench.test
local_recipient_maps = hash:{folder}/etc/recipients
local_transport = discard:
default_transport = error:no mail leaves the bench
alias_maps =
alias_database =
mynetworks = 127.0.0.53/32
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_client_restrictions = check_client_access,static:HOLD
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtp_dns_support_level = disabled
default_process_limit = 200
"""

MASTER = """\
{host}:{port} inet n - n - - smtpd
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
postlog   unix-dgram n  -       n       -       1       postlogd
"""


def add_users(scratch, run):
    """Makes the users known here: needs a mount namespace of our own."""
    for path, line in (("/etc/passwd", f"postfix:x:{USER}:{USER}::/:/bin/false\n"),
                       ("/etc/group", f"postfix:x:{USER}:\npostdrop:x:{GROUP}:\n")):
        with open(path, encoding="utf-8") as file:
            lines = [old for old in file.read().splitlines(True)
                     if old.split(":")[0] not in ("postfix", "postdrop")]
        copy = f"{scratch}/{os.path.basename(path)}"
        with open(copy, "w", encoding="utf-8") as file:
            file.write("".join(lines) + line)
        os.chmod(copy, 0o644)
        run(["mount", "--bind", copy, path])


class Postfix(Server):
    """One instance with a queue of its own below `folder`."""

    def __init__(self, root, folder, users, run):
        super().__init__("postfix", folder)
        self.root = root
        self.run = run
        libraries = f"{root}/usr/lib/{os.uname().machine}-linux-gnu"
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LD_LIBRARY_PATH": f"{root}/usr/lib/postfix:{libraries}",
                    "MAIL_CONFIG": f"{folder}/etc"}
        self.users = users

    def configure(self):
        folder = self.folder
        for name in ("etc", "queue", "data", "log"):
            os.mkdir(f"{folder}/{name}")
        os.chown(f"{folder}/data", USER, USER)
        values = {"folder": folder, "root": self.root, "host": HOST, "port": self.port}
        files = {"main.cf": MAIN.format(**values), "master.cf": MASTER.format(**values),
                 "dynamicmaps.cf": "",
                 "recipients": "".join(f"{user} x\n" for user in self.users)}
        for name, text in files.items():
            with open(f"{folder}/etc/{name}", "w", encoding="ascii") as file:
                file.write(text)
        self.run([f"{self.root}/usr/sbin/postmap", "-c", f"{folder}/etc",
                  f"hash:{folder}/etc/recipients"], env=self.env)

    def make_queue(self):
        """Makes the folders as Postfix's post-install would."""
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
                     "incoming", "private", "saved", "trace", "public", "maildrop",
                     "pid"):
            path = f"{self.folder}/queue/{name}"
            os.mkdir(path)
            if name in ("public", "maildrop"):
                os.chown(path, USER, GROUP)
                os.chmod(path, 0o710 if name == "public" else 0o730)
            elif name != "pid":
                os.chown(path, USER, 0)
                os.chmod(path, 0o700)

    def start(self):
        self.port = free_port()
        self.configure()
        self.make_queue()
        self.spawn([f"{self.root}/usr/lib/postfix/sbin/master", "-c",
                    f"{self.folder}/etc", "-d"], env=self.env)
        self.await_start(lambda: greets(self.port))

    def logs(self):
        return [f"{self.folder}/log/maillog"]

    def purge(self):
        for name in ("hold", "incoming", "active", "deferred"):
            for folder, _, files in os.walk(f"{self.folder}/queue/{name}"):
                for file in files:
                    os.unlink(f"{folder}/{file}")


def extract(source):
    """Returns the folder of the extracted package, or raises RuntimeError."""
    result = subprocess.run([f"{source}/scripts/peer", "postfix"], check=False,
                            capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    return result.stdout.strip()
