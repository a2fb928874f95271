"""Who renders each file of /proc: tables by name, for `tree`.

An entry is a function of the tree (and of a process's PID): it copies what its file shows and gives the function that formats it. So a
reader holds the machine only while it copies. An entry may be limited to releases that had the file (`since`).
"""

from __future__ import annotations

import errno

from vmtool.errors import KernelError
from vmtool.procfs.releases import CURRENT, v

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from vmtool.procfs.tree import Tree

    Formatter = Callable[[], str | bytes]
    Question = str | Callable[..., Any]
    Opener = Callable[..., Formatter]


NEW_OOM_SCORE = v(5, 8)
OWN_STACKS_UNTIL = v(4, 9)
AT_BASE = 7  # of the auxiliary vector
STACK_TIDS_UNTIL = v(4, 4)
INO_SINCE = v(5, 14)
NULL, NULL_INODE = "/dev/null", 4
MOUNT = 20
SOCKETS = ("unix", "tcp", "tcp6", "udp", "udp6")


class Entry:
    """A regular file: who opens it, since which release it is there, its mode, and who takes what is written to it."""

    __slots__ = ("open", "since", "mode", "write")

    def __init__(self, opener: Opener, since: int = 0, mode: int = 0o444, write: Callable[..., None] | None = None) -> None:
        self.open = opener
        self.since = since
        self.mode = mode
        self.write = write


class Pages:
    """A file of eight bytes a page, which can be read in pieces: `pages` does that. Otherwise as Entry."""

    __slots__ = ("name", "since")
    mode = 0o400
    write = None

    def __init__(self, name: str, since: int = 0) -> None:
        self.name = name
        self.since = since

    def open(self, tree: Tree, *pid: int) -> Formatter:
        from vmtool.procfs import pages
        return pages.whole(tree, self.name, *pid)

    def size(self, tree: Tree, *pid: int) -> int:
        """Bytes, up to the last entry."""
        from vmtool.procfs import pages
        return pages.size(tree, *pid)

    def extents(self, tree: Tree, *pid: int) -> list[tuple[int, int]]:
        """(offset, bytes) of what may be other than zeros."""
        from vmtool.procfs import pages
        return pages.extents(tree, *pid)

    def pread(self, tree: Tree, offset: int, size: int, *pid: int) -> bytes:
        """What read() of whole entries gives. KernelError(EINVAL) for a part of one, as in Linux."""
        from vmtool.procfs import pages
        return pages.pread(tree, self.name, offset, size, *pid)


class Mem:
    """PID/mem: bytes at addresses, as Pages otherwise. `changes`: a read can fault pages in, of a machine that is not to change."""

    __slots__ = ()
    since = 0
    mode = 0o600
    changes = True

    def open(self, tree: Tree, pid: int) -> Formatter:
        """A reader who begins at 0 is told what Linux tells him: nothing is there."""
        data = self.pread(tree, 0, 1, pid)
        return lambda: data

    def pread(self, tree: Tree, offset: int, size: int, pid: int) -> bytes:
        return tree.machine.read_mem(pid, offset, size)

    def write(self, tree: Tree, pid: int, data: bytes, offset: int = 0) -> int:
        return tree.machine.write_mem(pid, offset, data)


def render(module: str, *asked: Question, function: str = "render", dated: bool = False) -> Opener:
    """A file by its module: what is copied (a method of the machine, or a function of tree and PID), and who formats that.

    `dated`: its format depends on the release.
    """
    found: list[Callable[..., str]] = []

    def opener(tree: Tree, *pid: int) -> Formatter:
        copied = [getattr(tree.machine, ask)(*pid) if isinstance(ask, str) else ask(tree, *pid) for ask in asked]
        if not found:  # with the first of ten thousand processes
            found.append(getattr(__import__(f"vmtool.procfs.{module}", fromlist=(function,)), function))
        formatter = found[0]
        if dated:
            release = tree.release
            return lambda: formatter(*copied, release=release)
        return lambda: formatter(*copied)
    return opener


def constant(text: str | Callable[..., str | bytes]) -> Opener:
    """A file that is known when it is opened."""
    def opener(tree: Tree, *pid: int) -> Formatter:
        copied = text if isinstance(text, str) else text(tree, *pid)
        return lambda: copied
    return opener


def _info(tree, *pid):
    return tree.info


def _page_shift(tree, *pid):
    return tree.info.page_shift


def _nr_cpus(tree, *pid):
    return tree.info.nr_cpus


def _word_bytes(tree, *pid):
    """Those of a process that was imported are its own kernel's."""
    return tree.machine.word_bytes(*pid) if pid else tree.word_bytes


def of_module(module: str, name: str) -> Opener:
    """A file that is always the same."""
    def opener(tree: Tree, *pid: int) -> Formatter:
        return lambda: getattr(__import__(f"vmtool.procfs.{module}", fromlist=(name,)), name)
    return opener


def _mm(tree, pid):
    return tree.machine.mm(pid) if tree.machine.task(pid).has_mm else None


def _of_mm(tree, pid, ask):
    """A zombie's file is empty."""
    return ask() if tree.machine.task(pid).has_mm else b""


def _maps(tree, pid):
    vmas = tree.machine.maps(pid) if tree.machine.task(pid).has_mm else []
    return _with_stacks(tree, pid, vmas) if tree.release < OWN_STACKS_UNTIL else vmas


def _with_stacks(tree, pid, vmas, is_thread=False):
    from vmtool.procfs.pid_maps import name_stacks
    stacks = {task.pid: task.sp for task in tree.machine.threads(pid) if task.sp}
    if is_thread:
        return name_stacks(vmas, {tree.machine.task(pid).tgid: tree.machine.mm(pid).sp} | stacks, pid)
    return name_stacks(vmas, stacks) if tree.release < STACK_TIDS_UNTIL else vmas


def _thread_maps(tree, pid):
    vmas = tree.machine.maps(pid) if tree.machine.task(pid).has_mm else []
    return _with_stacks(tree, pid, vmas, True) if tree.release < OWN_STACKS_UNTIL else vmas


def lines_of_maps(ask: Question) -> Opener:
    """maps: for releases with other names than 6.18's by way of the areas, which `ask` names; else as text at once, much faster."""
    dated = render("pid_maps", ask, _word_bytes, dated=True)

    def opener(tree: Tree, *pid: int) -> Formatter:
        from vmtool.procfs.pid_maps import SHMEM_NAMES_SINCE, line
        if tree.release < SHMEM_NAMES_SINCE or not tree.machine.task(*pid).has_mm:
            return dated(tree, *pid)
        word_bytes = _word_bytes(tree, *pid)
        text = tree.machine.maps_text(*pid, lambda vma: line(vma, word_bytes))
        return lambda: text
    return opener


def _numa_maps(tree, pid):
    return tree.machine.numa_maps(pid) if tree.machine.task(pid).has_mm else []


def _smaps(tree, pid, is_thread=False):
    smaps = tree.machine.smaps(pid) if tree.machine.task(pid).has_mm else []
    if tree.release < OWN_STACKS_UNTIL:
        named = _with_stacks(tree, pid, [smap.vma for smap in smaps], is_thread)
        smaps = [smap._replace(vma=vma) for smap, vma in zip(smaps, named, strict=True)]
    if smaps and tree.release < CURRENT:
        from vmtool.procfs.vmflags import of_release
        images = _images(tree, pid, [smap.vma for smap in smaps])
        smaps = [smap._replace(vma=of_release(smap.vma, tree.release, images)) for smap in smaps]
    return smaps


def _images(tree, pid, vmas):
    """Names of the files that execve() mapped: the program, and what lies at AT_BASE."""
    mm = tree.machine.mm(pid)
    words = [int.from_bytes(mm.auxv[at:at + tree.word_bytes], "little") for at in range(0, len(mm.auxv), tree.word_bytes)]
    base = dict(zip(words[::2], words[1::2], strict=False)).get(AT_BASE, 0)
    return {mm.exe} | {vma.name for vma in vmas if vma.start <= base < vma.end and vma.is_file}


def _thread_smaps(tree, pid):
    return _smaps(tree, pid, True)


def _thread(tree, pid):
    return tree.machine.task(pid, True)


def _children(tree, pid):
    """Of the leader, whose they all are here."""
    if tree.machine.task(pid).tgid != pid:
        return ""
    return "".join([f"{task.pid} " for task in tree.machine.tasks() if task.ppid == pid])


def _boot_stack_pages(tree):
    return sum(nr_pages for _, nr_pages, what in tree.machine.reserved() if what == "kernel stacks")


def _table_of_sockets(name):
    from vmtool.procfs.net import render as table
    return table(name)


def _highest_zone(tree):
    return [zone.name.lower() for zone in tree.machine.zones() if zone.present][-1]


def _highest_zone_if_old(tree):
    from vmtool.procfs.vmstat_names import BY_ZONE_ONLY
    return _highest_zone(tree) if tree.release < BY_ZONE_ONLY else ""


def _pageblock_order(tree):
    return tree.info.pageblock_order


def _clear_refs(tree, pid, data):
    from vmtool.procfs.written import number
    what, taken = number(data, 10)
    tree.machine.clear_refs(pid, what)
    return taken


def _nothing_to_read(tree, pid):
    raise KernelError(errno.EINVAL, "clear_refs is only written to")


def _set_oom_score_adj(tree, pid, data):
    from vmtool.procfs.written import number
    value, taken = number(data, 0)
    tree.machine.set_oom_score_adj(pid, value, is_capable=False)  # a process of the machine writes; root has the command
    return taken


def _set_comm(tree, pid, data):
    from vmtool.procfs.written import comm
    tree.machine.set_comm(pid, comm(data))


def sysctl(name: str) -> Entry:
    """A file below /proc/sys."""
    def write(tree: Tree, data: bytes) -> None:
        tree.machine.set_sysctl(name, data.decode("utf-8", "replace").strip())
    return Entry(constant(lambda tree: tree.machine.sysctl(name) + "\n"), mode=0o644, write=write)


def mthp_stat(size: int, name: str) -> Entry:
    """What is counted of huge pages of one size in kB."""
    return Entry(constant(lambda tree: f"{tree.machine.mthp_stats(size)[name]}\n"), mode=0o444)


def uname(name: str) -> Entry:
    """A file of sys/kernel that says what kernel this is."""
    return Entry(render("kernel", _info, lambda tree: name))


MACHINE = {
    "buddyinfo": Entry(render("buddyinfo", "zones")),
    "cpuinfo": Entry(render("cpuinfo", _info)),
    "diskstats": Entry(render("mounts", "vmstat", function="render_diskstats", dated=True)),
    "filesystems": Entry(of_module("mounts", "FILESYSTEMS")),
    "iomem": Entry(render("iomem", "reserved", "max_pfn", _page_shift)),
    "kpagecgroup": Pages("kpagecgroup", since=v(4, 3)),
    "kpagecount": Pages("kpagecount"),
    "kpageflags": Pages("kpageflags"),
    "loadavg": Entry(render("system", "tasks", function="render_loadavg")),
    "meminfo": Entry(render("meminfo", "meminfo", dated=True)),
    "modules": Entry(render("modules", "modules")),
    "pagetypeinfo": Entry(render("pagetypeinfo", "zones", _pageblock_order, dated=True), mode=0o400),
    "partitions": Entry(render("mounts", "files", _page_shift, function="render_partitions")),
    "pressure/io": Entry(of_module("kernel", "PRESSURE"), since=v(4, 20), mode=0o666),
    "pressure/memory": Entry(of_module("kernel", "PRESSURE"), since=v(4, 20), mode=0o666),
    "slabinfo": Entry(render("slabinfo", "slabs"), mode=0o400),
    "stat": Entry(render("system", _info, "tasks", function="render_stat")),
    "swaps": Entry(render("swaps", "swaps", dated=True)),
    "uptime": Entry(render("system", _info, function="render_uptime")),
    "version": Entry(render("system", _info, function="render_version")),
    "vmallocinfo": Entry(render("vmallocinfo", "vmalloc_areas", _boot_stack_pages, "boot_areas", _info), mode=0o400),
    "vmstat": Entry(render("vmstat", "vmstat", _highest_zone_if_old, dated=True)),
    "zoneinfo": Entry(render("zoneinfo", "zones", "node_stats", _page_shift, dated=True)),
}
"""Files of the machine, by name below /proc."""

PROCESS = {
    "auxv": Entry(constant(lambda tree, pid: _of_mm(tree, pid, lambda: tree.machine.mm(pid).auxv)), mode=0o400),
    "cgroup": Entry(constant("0::/\n")),
    "clear_refs": Entry(_nothing_to_read, mode=0o200, write=_clear_refs),
    "cmdline": Entry(constant(lambda tree, pid: _of_mm(tree, pid, lambda: tree.machine.cmdline(pid)))),
    "comm": Entry(constant(lambda tree, pid: tree.machine.task(pid).comm + "\n"), mode=0o644, write=_set_comm),
    "environ": Entry(constant(lambda tree, pid: _of_mm(tree, pid, lambda: tree.machine.environ(pid))), mode=0o400),
    "limits": Entry(render("pid_limits", "getrlimits")),
    "maps": Entry(lines_of_maps(_maps)),
    "mem": Mem(),
    "mountinfo": Entry(of_module("mounts", "MOUNTINFO")),
    "mounts": Entry(of_module("mounts", "MOUNTS")),
    **{f"net/{name}": Entry(constant(lambda tree, pid, name=name: _table_of_sockets(name))) for name in SOCKETS},
    "numa_maps": Entry(render("pid_numa_maps", _numa_maps, dated=True)),
    "oom_score": Entry(constant(lambda tree, pid: f"{tree.machine.oom_score(pid, tree.release >= NEW_OOM_SCORE)}\n")),
    "oom_score_adj": Entry(constant(lambda tree, pid: f"{tree.machine.task(pid).oom_score_adj}\n"), mode=0o644, write=_set_oom_score_adj),
    "pagemap": Pages("pagemap"),
    "smaps": Entry(render("pid_smaps", _smaps, _word_bytes, dated=True)),
    "smaps_rollup": Entry(render("pid_smaps", "smaps_rollup", _word_bytes, function="render_rollup", dated=True), since=v(4, 14)),
    "stat": Entry(render("pid_stat", "task", _mm, _page_shift)),
    "statm": Entry(render("pid_statm", _mm, _page_shift)),
    "status": Entry(render("pid_status", "task", _mm, _nr_cpus, _page_shift, dated=True)),
    "wchan": Entry(constant("0")),
}
"""Files of each process."""

THREAD = PROCESS | {
    "children": Entry(constant(_children), since=v(4, 2)),
    "maps": Entry(lines_of_maps(_thread_maps)),
    "smaps": Entry(render("pid_smaps", _thread_smaps, _word_bytes, dated=True)),
    "stat": Entry(render("pid_stat", _thread, _mm, _page_shift, function="render_thread")),
    "status": Entry(render("pid_status", _thread, _mm, _nr_cpus, _page_shift, dated=True)),
}
"""The same in PID/task/TID: what is the thread's own."""

LINKS = {
    "cwd": lambda tree, pid: "/",
    "exe": lambda tree, pid: tree.machine.mm(pid).exe if tree.machine.task(pid).has_mm else "",
    "root": lambda tree, pid: "/",
}
"""Links of each process; without a target there is none."""


def open_files(tree: Tree, pid: int) -> dict[str, tuple[str, str]]:
    """By descriptor: what the link in PID/fd leads to, and the text of PID/fdinfo. The first three are a daemon's."""
    found = [(NULL, NULL_INODE)] * 3 + tree.machine.open_files(pid) if tree.machine.task(pid).has_mm else []
    ino = tree.release >= INO_SINCE
    return {str(number): (path, f"pos:\t0\nflags:\t0100002\nmnt_id:\t{MOUNT}\n" + (f"ino:\t{inode}\n" if ino else ""))
            for number, (path, inode) in enumerate(found)}  # fmt: skip


def map_files(tree: Tree, pid: int) -> dict[str, str]:
    """Links in PID/map_files: the range of each area of a file, and the file."""
    return {f"{vma.start:x}-{vma.end:x}": vma.name for vma in _maps(tree, pid) if vma.is_file}
