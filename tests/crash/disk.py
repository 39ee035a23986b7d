"""What a power loss may leave of the files under a folder.

A Disk is fed the events that tests/tools/recorder wrote and knows at each moment
what is durable and what is pending. The model is the strict reading of POSIX:

- what was written is durable when a sync of that file, begun after the write
  returned, has returned; O_DSYNC makes one write durable when it returns;
- a name (made, moved or taken away) is durable when its folder was synced in
  that way; to sync the file itself does not help its name;
- what is pending may be on the disk or not, each page and each name for itself,
  in any order.

A file system with a journal promises more. A program that is safe here is safe
on each of them.
"""

import os

PAGE = 4096


class Op:
    """One page written, one change of size, or one change of a folder."""

    def __init__(self, line, what, owner, fixed=False):
        self.line = line
        self.what = what  # (at, octets) | (size, grows) | {name: inode or None}
        self.owner = owner
        self.fixed = fixed  # durable already, though what stands before is not
        # Numbers that stand for it; a set of them is known by their XOR.
        place = what[0] if isinstance(owner, File) else hash(tuple(sorted(what)))
        self.sign = hash((line, place, 1))
        self.zero = hash((line, place, 2))


class Inode:
    def __init__(self, mode):
        self.mode = mode
        self.sign = 0  # of what is durable since the start
        self.pending = []

    def add(self, op):
        self.pending.append(op)

    def sync(self, before):
        """Makes durable what was done before line `before`."""
        while self.pending and (self.pending[0].line < before or self.pending[0].fixed):
            op = self.pending.pop(0)
            self.apply(op)
            self.sign ^= op.sign


class File(Inode):
    def __init__(self, mode=0o600, octets=b""):
        super().__init__(mode)
        self.octets = octets
        self.mapped = None  # what a shared mapping left in it, where there is one

    def apply(self, op):
        self.octets = File.after(self.octets, [(op, False)])

    @staticmethod
    def after(octets, ops):
        """The contents after these (op, zeroed) in turn."""
        made = bytearray(octets)
        for op, zeroed in ops:
            if isinstance(op.what[1], bool):
                size, grows = op.what
                if size > len(made):
                    made.extend(bytes(size - len(made)))
                elif not grows:
                    del made[size:]
                continue
            at, data = op.what
            if at > len(made):
                made.extend(bytes(at - len(made)))
            made[at : at + len(data)] = bytes(len(data)) if zeroed else data
        return bytes(made)


class Folder(Inode):
    def __init__(self, mode=0o700):
        super().__init__(mode)
        self.names = {}  # durable
        self.now = {}  # as the programs see it

    def apply(self, op):
        Folder.change(self.names, op.what)

    @staticmethod
    def change(names, what):
        for name, inode in what.items():
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode


class Disk:
    """The files and folders under `root`, as they are now and durable."""

    def __init__(self, root):
        self.inodes = {}
        self.path = os.path.realpath(root)
        self.root = self._load(self.path)

    def _load(self, path):
        status = os.lstat(path)
        if os.path.isdir(path):
            made = Folder(status.st_mode & 0o7777)
            for name in os.listdir(path):
                inode = self._load(os.path.join(path, name))
                if inode is not None:
                    made.names[name] = inode
            made.now = dict(made.names)
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                made = File(status.st_mode & 0o7777, file.read())
        else:
            return None  # a socket, a pipe: the programs make it anew
        self.inodes[f"{status.st_dev}:{status.st_ino}"] = made
        return made

    def _find(self, path):
        """The folder and the name of a path; None when it is not ours."""
        if not path.startswith(self.path + "/"):
            return None, None
        *folders, name = path[len(self.path) + 1 :].split("/")
        at = self.root
        for step in folders:
            at = at.now.get(step)
            if at is None:
                return None, None
        return at, name

    def _change(self, line, path, inode):
        folder, name = self._find(path)
        if folder is None:
            return
        Folder.change(folder.now, {name: inode})
        folder.add(Op(line, {name: inode}, folder))

    def feed(self, event, ignored=()):
        """Takes one event. Those whose line is in `ignored` sync nothing."""
        line, kind = event.line, event.kind
        if kind == "write":
            self._write(event, line in ignored)
        elif kind == "size":
            inode = self.inodes.get(event.inode)
            if inode is not None:
                inode.add(Op(line, (event.size, event.grows), inode))
        elif kind == "sync" and line not in ignored:
            if event.inode == "*":
                for inode in self.inodes.values():
                    inode.sync(event.began)
            elif event.inode in self.inodes:
                self.inodes[event.inode].sync(event.began)
        elif kind == "open":
            self._open(event)
        elif kind == "mkdir":
            self.inodes[event.inode] = Folder()
            self._change(line, event.path, self.inodes[event.inode])
        elif kind == "link":
            self._change(line, event.path, self.inodes[event.inode])
        elif kind == "unlink":
            self._change(line, event.path, None)
        elif kind == "rename":
            self._rename(event)
        elif kind == "map" and event.inode in self.inodes:
            self.inodes[event.inode].mapped = event.octets

    def _write(self, event, ignored):
        inode = self.inodes.get(event.inode)
        if inode is None:
            return
        at, octets = event.at, event.octets
        if event.durable and not ignored:
            inode.add(Op(event.line, (at, octets), inode, fixed=True))
            inode.sync(0)
            return
        while octets:
            size = PAGE - at % PAGE
            inode.add(Op(event.line, (at, octets[:size]), inode))
            at, octets = at + size, octets[size:]

    def _open(self, event):
        folder, name = self._find(event.path)
        inode = folder.now.get(name) if folder is not None else None
        if inode is None:
            inode = self.inodes[event.inode] = File()
            if folder is not None:
                self._change(event.line, event.path, inode)
        elif event.truncated:
            inode.add(Op(event.line, (0, False), inode))

    def _rename(self, event):
        old_folder, old = self._find(event.old)
        new_folder, new = self._find(event.path)
        inode = old_folder.now[old]
        if old_folder is new_folder:
            change = {old: None, new: inode}
            Folder.change(old_folder.now, change)
            old_folder.add(Op(event.line, change, old_folder))
        else:
            self._change(event.line, event.path, inode)
            self._change(event.line, event.old, None)

    # --- what a power loss now may leave ---

    def _reachable(self):
        """Every inode that some pending change or durable name leads to."""
        found, todo = {}, [self.root]
        while todo:
            inode = todo.pop()
            if inode is None or id(inode) in found:
                continue
            found[id(inode)] = inode
            if isinstance(inode, Folder):
                todo.extend(inode.names.values())
                for op in inode.pending:
                    todo.extend(op.what.values())
        return found.values()

    def states(self, most):
        """Yields each State to look at, the likely bad ones first: nothing that
        is pending reached the disk; only names did, or only contents, or names
        and sizes without contents; all did; all but one, only one, only the
        first few did. `most` bounds how many of each of these."""
        inodes = list(self._reachable())
        pending = [op for inode in inodes for op in inode.pending if not op.fixed]
        pending.sort(key=lambda op: op.line)
        names = {id(op) for op in pending if isinstance(op.owner, Folder)}
        every = {id(op) for op in pending}
        yield State(self, inodes, set())
        yield State(self, inodes, names)
        yield State(self, inodes, names, zeroed=True)
        yield State(self, inodes, every - names)
        yield State(self, inodes, every)
        if most == 0:
            return
        step = max(1, -(-len(pending) // most))
        # The last ones are the likely ones.
        some = list(reversed(pending))[::step]
        for op in some:
            yield State(self, inodes, every - {id(op)})
            yield State(self, inodes, {id(op)})
        for count in range(len(pending) - 1, 0, -step):
            yield State(self, inodes, {id(op) for op in pending[:count]})
            yield State(self, inodes, {id(op) for op in pending[count:]})


class State:
    """What is on the disk if of what is pending just `kept` reached it."""

    def __init__(self, disk, inodes, kept, zeroed=False):
        self.disk, self.kept, self.zeroed = disk, kept, zeroed
        self.sign = 0
        for inode in inodes:
            self.sign ^= inode.sign
            for op in inode.pending:
                if op.fixed or id(op) in kept:
                    self.sign ^= op.sign
                elif zeroed and isinstance(inode, File):
                    self.sign ^= op.zero

    def tree(self):
        """Yields (path, mode, contents or None for a folder), folders first."""
        todo = [("", self.disk.root)]
        while todo:
            path, inode = todo.pop()
            if isinstance(inode, File):
                yield path, inode.mode, self._contents(inode)
                continue
            yield path, inode.mode, None
            names = dict(inode.names)
            for op in inode.pending:
                if op.fixed or id(op) in self.kept:
                    Folder.change(names, op.what)
            todo.extend((os.path.join(path, name), names[name]) for name in names)

    def _contents(self, file):
        ops = [
            (op, not op.fixed and id(op) not in self.kept)
            for op in file.pending
            if op.fixed or id(op) in self.kept or self.zeroed
        ]
        octets = File.after(file.octets, ops) if ops else file.octets
        if file.mapped is not None and len(file.mapped) == len(octets):
            return file.mapped  # a lock file: stale, which its users must expect
        return octets

    def write(self, folder):
        """Writes it out as the folder, which must not be there."""
        for path, mode, contents in self.tree():
            whole = os.path.join(folder, path) if path else folder
            if contents is None:
                os.mkdir(whole)
            else:
                with open(whole, "wb") as file:
                    file.write(contents)
            os.chmod(whole, mode)
