"""What a group of processes costs: CPU with all that have ended, and memory."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")


def process_stat(pid):
    """Returns the fields of /proc/PID/stat behind the name, or None."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()


def descendants(roots):
    """Returns the processes `roots` and all below them."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := process_stat(name)):
            children.setdefault(int(fields[1]), []).append(int(name))
    found, rest = [], list(roots)
    while rest:
        pid = rest.pop()
        found.append(pid)
        rest += children.get(pid, [])
    return found


class TreeMeter:
    """Without cgroups: the CPU of a process tree, and what was reaped in it.

    Counted in ticks of 10 ms, and without children that nobody waits for.
    """

    kind = "process times"

    def __init__(self):
        self.roots = []

    def enter(self):
        """Called by a process that is to be measured, before its exec."""

    def watch(self, pid):
        """Called by whoever started that process."""
        self.roots.append(pid)

    def pids(self):
        return descendants(self.roots)

    def cpu(self):
        ticks = 0
        for pid in self.pids():
            if fields := process_stat(pid):
                ticks += sum(int(field) for field in fields[11:15])
        return ticks / TICK

    def close(self):
        pass


class GroupMeter:
    """A cgroup of its own, of either version: exact, and nobody gets lost."""

    def __init__(self, folder, version):
        self.folder = folder
        self.version = version
        self.kind = f"cgroup v{version}"
        os.mkdir(folder)

    def enter(self):
        with open(f"{self.folder}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def watch(self, pid):
        pass

    def pids(self):
        with open(f"{self.folder}/cgroup.procs", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def cpu(self):
        if self.version == 1:
            with open(f"{self.folder}/cpuacct.usage", encoding="ascii") as file:
                return int(file.read()) / 1e9
        with open(f"{self.folder}/cpu.stat", encoding="ascii") as file:
            values = dict(line.split() for line in file)
        return int(values["usage_usec"]) / 1e6

    def close(self):
        try:
            os.rmdir(self.folder)
        except OSError:
            pass


def own_group(version):
    """Returns the folder of this process's cgroup, or None."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if version == 2 and controllers == "":
                roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            elif version == 1 and "cpuacct" in controllers.split(","):
                roots = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"]
            else:
                continue
            for root in roots:
                folder = root + path.rstrip("/")
                if os.path.exists(folder + "/cgroup.procs"):
                    return folder
    return None


def make_meter(name):
    """Returns the best meter that this system and user allow."""
    for version, file in ((1, "cpuacct.usage"), (2, "cpu.stat")):
        folder = own_group(version)
        if folder is None:
            continue
        try:
            meter = GroupMeter(f"{folder}/moat-bench.{os.getpid()}.{name}", version)
        except OSError:
            continue
        if os.path.exists(f"{meter.folder}/{file}"):
            return meter
        meter.close()
    return TreeMeter()


def settled_cpu(meter, bound=8.0):
    """Waits until the processes rest, at most `bound` seconds; returns their CPU.

    What a server does after its last reply is part of the price.
    """
    end = time.monotonic() + bound
    last = meter.cpu()
    while time.monotonic() < end:
        time.sleep(0.25)
        now = meter.cpu()
        if now - last < 0.004:
            return now
        last = now
    return last


def proportional_memory(meter):
    """Returns KiB: shared pages divided among those who share them."""
    total = 0
    for pid in meter.pids():
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file
                             if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def kernel_memory():
    """Returns KiB that the kernel itself holds: stacks, page tables, sockets.

    Of the whole system: both ends of a connection on loopback are in it.
    """
    wanted = ("KernelStack:", "PageTables:", "SUnreclaim:")
    with open("/proc/meminfo", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(wanted))
