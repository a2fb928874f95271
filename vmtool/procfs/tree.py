"""The tree of the simulated /proc: which paths exist, and who renders each.

One room for all who read it: `cat`, the exported copy, the mount, Python. Paths are given as below /proc, with or without it in front:
`/proc/meminfo`, `1/maps`; `/sys/kernel/mm/transparent_hugepage` is here, too.
`files` holds the tables of regular files, `pages` the binary ones that are as long as an address space.

A failure is the kernel's: ENOENT for what is not there (also a process that is gone), EISDIR, ENOTDIR, EINVAL for reading a file as a link.
"""

from __future__ import annotations

import errno

from vmtool.errors import KernelError
from vmtool.procfs import files
from vmtool.procfs.releases import number, v

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.procfs.files import Entry, Formatter

DIRECTORY, FILE, LINK = "d", "f", "l"
NARROW_ARCHS = ("i386", "i386-pae", "arm")
MAX_LINKS = 40
SYS_MM = ["sys", "kernel", "mm"]
"""Of /sys, which is no part of /proc: paths with a slash in front."""
THP = "transparent_hugepage"
LINKS = {"self": "{pid}", "thread-self": "{pid}/task/{pid}", "mounts": "self/mounts", "net": "self/net"}
"""Of the root, where there are processes."""
THREAD_SELF_SINCE = v(3, 17)


class Node:
    """What a path leads to: `kind` is DIRECTORY, FILE or LINK."""

    __slots__ = ("kind", "entry", "pid", "target", "names", "mode")

    def __init__(self, kind: str, *, entry: Entry | None = None, pid: tuple[int, ...] = (), target: str = "",
                 names: list[tuple[str, str]] | None = None, mode: int = 0) -> None:
        self.kind = kind
        self.entry = entry
        self.pid = pid
        self.target = target
        self.names = names or []
        self.mode = mode


def _directory(names, more=()):
    """`names`: kind by name, which are sorted; `more` stand behind them as they are: processes by their numbers."""
    return Node(DIRECTORY, names=[*sorted(names.items()), *more])


class Tree:
    """/proc of one machine. `self_pid`: which process `self` leads to, the first living one unless given."""

    def __init__(self, machine: Machine, self_pid: int = 0) -> None:
        self.machine = machine
        self.info = machine.info()
        self.release = number(self.info.kernel)
        self.word_bytes = 4 if self.info.arch in NARROW_ARCHS else 8
        self.self_pid = self_pid

    # --- what others ask ---------------------------------------------------------------------

    def open(self, path: str) -> Formatter:
        """Copies what a file shows; the function that it gives formats it."""
        node = self.look(path)
        if node.kind == DIRECTORY or node.entry is None:
            raise KernelError(errno.EISDIR, path)
        return self._asked(path, node.entry.open, node.pid)

    def read(self, path: str) -> bytes:
        """A whole file."""
        text = self.open(path)()
        return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")

    def list(self, path: str = "/") -> list[tuple[str, str]]:
        """(name, kind) of what a directory holds, processes in ascending order, behind the other names."""
        node = self.look(path)
        if node.kind != DIRECTORY:
            raise KernelError(errno.ENOTDIR, path)
        return node.names

    def readlink(self, path: str) -> str:
        node = self.look(path, follow=False)
        if node.kind != LINK:
            raise KernelError(errno.EINVAL, path)
        return node.target

    def write(self, path: str, data: bytes, *at: int) -> int | None:
        """Changes the machine, where a file can be written; `at`: where in it, of PID/mem. KernelError(EACCES) where not."""
        node = self.look(path)
        if node.entry is None or node.entry.write is None:
            raise KernelError(errno.EISDIR if node.kind == DIRECTORY else errno.EACCES, path)
        return self._asked(path, node.entry.write, node.pid, data, *at)

    def look(self, path: str, follow: bool = True) -> Node:
        """What a path leads to, through links or, without `follow`, up to a last one."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if parts[:3] == SYS_MM and path.startswith("/"):
            return self._asked(path, Tree._sys_mm, (parts[3:], parts))
        if parts[:1] == ["proc"]:
            del parts[0]
        for _ in range(MAX_LINKS):
            node, rest = self._asked(path, Tree._walk, (parts,))
            if node.kind != LINK or not rest and not follow:
                return node
            if node.target.startswith("/"):
                raise KernelError(errno.ENOENT, path)  # leads out of /proc: no file of the machine's disk is served here
            parts = [*parts[: len(parts) - len(rest) - 1], *node.target.split("/"), *rest]
        raise KernelError(errno.ELOOP, path)

    def self_process(self) -> int:
        """The process that `self` leads to; 0 without any."""
        if self.self_pid:
            return self.self_pid
        tasks = self.machine.tasks()
        living = [task.pid for task in tasks if task.has_mm] or [task.pid for task in tasks]
        return living[0] if living else 0

    def process_file(self, pid: int, name: str) -> Formatter:
        """The same as open() of PID/name, but KernelError(ESRCH) for a process that is not there, as a system call says it."""
        return files.PROCESS[name].open(self, pid)

    def process_names(self) -> list[str]:
        """Files that every process has in this release."""
        return list(self._names(files.PROCESS))

    # --- the walk -----------------------------------------------------------------------------

    def _walk(self, parts):
        """The node that the first parts lead to, a link or the last one, and the parts behind it."""
        if not parts:
            return self._root(), []
        name, rest = parts[0], parts[1:]
        if name in LINKS:
            return self._link(name), rest
        if name == "sys":
            return self._sysctl(rest, parts), []
        pid = self._pid(name)
        if pid is not None:
            return self._process(pid, rest, parts)
        return self._in_table(files.MACHINE, (), parts, parts), []

    def _root(self):
        names = self._names(files.MACHINE) | {"sys": DIRECTORY}
        tasks = self.machine.tasks()
        if tasks:
            names |= {"self": LINK, "mounts": LINK, "net": LINK}
            if self.release >= THREAD_SELF_SINCE:
                names["thread-self"] = LINK
        return _directory(names, [(str(task.pid), DIRECTORY) for task in tasks])

    def _link(self, name):
        pid = self._self()
        if name == "thread-self" and self.release < THREAD_SELF_SINCE:
            raise KernelError(errno.ENOENT, name)
        return Node(LINK, target=LINKS[name].format(pid=pid))

    def _process(self, pid, rest, parts, is_thread=False):
        table = files.THREAD if is_thread else files.PROCESS
        if not rest:
            links = {name: target for name, ask in files.LINKS.items() if (target := ask(self, pid))}
            names = self._names(table) | dict.fromkeys(links, LINK) | dict.fromkeys(("fd", "fdinfo"), DIRECTORY)
            return _directory(names | ({} if is_thread else {"map_files": DIRECTORY, "task": DIRECTORY})), []
        if rest[0] in files.LINKS and (target := files.LINKS[rest[0]](self, pid)):
            return Node(LINK, target=target), rest[1:]
        if rest[0] in ("fd", "fdinfo"):
            return self._descriptors(pid, rest, parts)
        if rest[0] == "map_files" and not is_thread:
            return self._map_files(pid, rest[1:], parts)
        if rest[0] == "task" and not is_thread:
            return self._tasks(pid, rest[1:], parts)
        return self._in_table(table, (pid,), rest, parts), []

    def _descriptors(self, pid, rest, parts):
        found = files.open_files(self, pid)
        is_link = rest[0] == "fd"
        if len(rest) == 1:
            return _directory({}, [(name, LINK if is_link else FILE) for name in found]), []
        if rest[1] not in found:
            raise KernelError(errno.ENOENT, "/".join(parts))
        target, info = found[rest[1]]
        if is_link:
            return Node(LINK, target=target), rest[2:]
        return Node(FILE, entry=files.Entry(files.constant(lambda tree, pid: info), mode=0o400), pid=(pid,)), []

    def _map_files(self, pid, rest, parts):
        links = files.map_files(self, pid)
        if not rest:
            return _directory({}, [(name, LINK) for name in links]), []
        if rest[0] not in links:
            raise KernelError(errno.ENOENT, "/".join(parts))
        return Node(LINK, target=links[rest[0]]), rest[1:]

    def _tasks(self, pid, rest, parts):
        if not rest:
            return _directory({}, [(str(task.pid), DIRECTORY) for task in self.machine.threads(pid)]), []
        tid = self._pid(rest[0])
        if tid is None or self.machine.task(tid).tgid != self.machine.task(pid).tgid:
            raise KernelError(errno.ENOENT, "/".join(parts))
        return self._process(tid, rest[1:], parts, is_thread=True)

    def _in_table(self, table, pid, rest, parts):
        """A file of a table, or a directory that names in it have."""
        name = "/".join(rest)
        entry = table.get(name)
        if entry is not None and entry.since <= self.release:
            return Node(FILE, entry=entry, pid=pid)
        below = self._names(table, name + "/")
        if below:
            return _directory(below)
        is_file = any("/".join(rest[:n]) in table for n in range(1, len(rest)))
        raise KernelError(errno.ENOTDIR if is_file else errno.ENOENT, "/".join(parts))

    def _names(self, table, below=""):
        """Names in one directory of a table, with their kinds."""
        found = {}
        for name, entry in table.items():
            if name.startswith(below) and entry.since <= self.release:
                head, slash, _ = name[len(below):].partition("/")
                found[head] = DIRECTORY if slash else FILE
        return found

    def _sysctl(self, rest, parts):
        from vmtool.procfs.kernel import NAMES
        table = {name.replace(".", "/"): files.sysctl(name) for name in self.machine.sysctl_names() if "." in name}
        table.update({f"kernel/{name}": files.uname(name) for name in NAMES})
        if self._is_write_only(".".join(rest)):
            return Node(FILE, entry=files.sysctl(".".join(rest)))
        if not rest:
            return _directory(self._names(table))
        return self._in_table(table, (), rest, parts)

    def _sys_mm(self, rest, parts):
        """What there is of /sys/kernel/mm: settings, and the counts of each size of huge pages."""
        table = {name: files.sysctl(name) for name in self.machine.sysctl_names() if name.startswith((THP + "/", "hugepages/"))}
        for size in self.machine.thp_sizes():
            for name in self.machine.mthp_stats(size):
                table[f"{THP}/hugepages-{size}kB/stats/{name}"] = files.mthp_stat(size, name)
        if self._is_write_only("/".join(rest)):
            return Node(FILE, entry=files.sysctl("/".join(rest)))
        return self._in_table(table, (), rest, parts) if rest else _directory(self._names(table))

    def _is_write_only(self, name):
        try:
            self.machine.sysctl(name)
        except KernelError as failure:
            return failure.errno == errno.EACCES
        return False

    def _pid(self, name):
        """The PID that a directory's name says, if there is such a process."""
        if not (name.isascii() and name.isdigit() and len(name) < 10) or name[0] == "0":
            return None
        try:
            return self.machine.task(int(name)).pid
        except KernelError:
            return None

    def _self(self):
        pid = self.self_process()
        if not pid:
            raise KernelError(errno.ENOENT, "self")
        return pid

    def _asked(self, path, function, pid, *more):
        """A process that is not there: open() says ENOENT where a system call on the PID would say ESRCH."""
        try:
            return function(self, *pid, *more)
        except KernelError as failure:
            raise KernelError(errno.ENOENT if failure.errno == errno.ESRCH else failure.errno, path) from None
