"""What each call on a process's areas does to the machine: one handler a verb, in a table by name.

What is modelled: see the manual page of each call; the machine does the work, a handler reads the line, finds the
space and the file, and compares the answer. A handler gets (replay, process, text after `name(`, thread's number).
Simplified: a call whose answer is `?` did nothing. Calls on descriptors that no open has shown are skipped when they failed, for
the machine cannot tell a terminal's ENODEV; when they succeeded, the file is unknown and said so.
"""

from itertools import islice

from vmtool.errors import KernelError
from vmtool.strace import files as f
from vmtool.strace import hot, parser
from vmtool.strace.assumed import assume, on_assumed
from vmtool.strace.context import Context
from vmtool.strace.fds import File, Open
from vmtool.strace.flags import number
from vmtool.strace.parser import Mmap
from vmtool.strace.procs import Process
from vmtool.strace.reader import NEAR
from vmtool.uapi import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_WRITE,
)

MMAP2_UNIT = 4096  # of the system call, whatever the page
NOT_THE_MACHINES = frozenset({"ENODEV", "EPERM", "ETXTBSY"})  # what a device, a directory or a seal answers to mmap


def do_mmap(r: Context, p: Process, text: str, tid: int) -> None:
    map_call(r, p, parser.mmap(text))


def map_call(r: Context, p: Process, call: Mmap) -> None:
    """mmap: of what its descriptor refers to."""
    if call.result.value is None:
        return
    opened: Open | None = None
    if not call.flags & MAP_ANONYMOUS:
        opened = r.opened(p, call.fd)
        if opened is None or opened.file is None:
            if call.result.errno:
                return
            opened = Open(File(call.fd.path or f"unknown file {call.fd.number}", None, "special" if call.fd.path else "plain"))
            p.fds.fds[call.fd.number] = opened
            r.summary.note(f"line {r.line}: what descriptor {call.fd.number} refers to is not known")
        elif call.result.errno in NOT_THE_MACHINES:
            return
        elif opened.file.kind == "zero" and call.flags & MAP_SHARED:
            opened, call = None, call._replace(flags=call.flags | MAP_ANONYMOUS)
    map_it(r, p, call, opened)


def map_it(r: Context, p: Process, call: Mmap, opened: Open | None) -> None:
    """mmap, and the comparison of its answer."""
    m, mid = r.machine, r.space(p)
    if opened is not None and opened.file is not None:
        r.note_file(opened.file)

    def make() -> int:
        return m.mmap(mid, call.addr, call.length, call.prot, call.flags, opened, call.offset)

    result = call.result
    got, errno = r.attempt(make)
    if call.addr == 0 and result.value is not None and (got != result.value or p.space.is_guessed):  # a guess agrees with its log
        r.origin.address(r.line, result.value)
    if errno == "ENOMEM" and not result.errno:  # this machine has less memory than the recorded one
        got, errno = f.with_sysctl(r, "vm.overcommit_memory", "1", make)
    elif errno == "EPERM" and result.errno != errno:  # the recorded program was root's, who may map below the least address
        got, errno = f.with_sysctl(r, "vm.mmap_min_addr", "0", make)
    if got == result.value and not result.errno:
        if call.prot & PROT_WRITE:
            r.writes.mapped(p.space, got, call)
        return
    if errno and errno == result.errno:
        return
    expected = result.errno or f"{result.value:#x}"
    r.differs("mmap", expected, errno if got is None else f"{got:#x}")
    if got is not None:
        m.munmap(mid, got, call.length)
    if not result.errno:
        assert result.value is not None
        flags = call.flags & ~MAP_FIXED_NOREPLACE | MAP_FIXED
        r.attempt(m.mmap, mid, result.value, call.length, call.prot, flags, opened, call.offset)
        r.writes.mapped(p.space, result.value, call)


def do_mmap2(r: Context, p: Process, text: str, tid: int) -> None:
    """mmap2 takes its offset in units of 4096; strace multiplies it since 4.7. An old log shows that by an offset that is no multiple."""
    call = parser.mmap(text)
    if call.offset and not r.offset_unit:
        assert r.reader is not None
        following = [event[3] for event in islice(r.reader.ahead(), NEAR) if event[2] == "mmap2"]
        r.offset_unit = 1
        if any(_has_odd_offset(other) for other in (text, *following)):
            r.offset_unit = MMAP2_UNIT
            r.summary.note(f"line {r.line}: the offsets of mmap2 are in pages, as an old strace prints them")
    if r.offset_unit > 1:
        call = call._replace(offset=call.offset * r.offset_unit)
    map_call(r, p, call)


def _has_odd_offset(text: str) -> bool:
    try:
        call = parser.mmap(text)
    except ValueError:
        return False
    return bool(call.offset % MMAP2_UNIT and call.result.value is not None and not call.result.errno)


def do_brk(r: Context, p: Process, text: str, tid: int) -> None:
    addr, value, _ = hot.brk(text)
    if value is None:
        return
    m, mid = r.machine, r.space(p)
    got, _ = r.attempt(m.brk, mid, addr or None)
    if got is None:
        if value == addr:
            got = f.with_overcommit(r, lambda: m.brk(mid, addr))
        if got is None:
            got = m.brk(mid)
    if got != value:
        r.differs("brk", f"{value:#x}", f"{got:#x}")
    elif addr:
        r.writes.brk(p.space, got)


def do_munmap(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, _, _, value, expected = hot.ranges(text)
    if value is None:
        return
    try:
        r.machine.munmap(p.space.mid or r.space(p), addr, length)
        errno = ""
        r.writes.unmapped(p.space)
    except KernelError as e:
        errno = e.name
    if errno != expected:
        r.agree("munmap", expected, errno)


def do_mprotect(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, prot, _, value, expected = hot.ranges(text)
    if value is None:
        return
    mid = p.space.mid or r.space(p)
    try:
        r.machine.mprotect(mid, addr, length, prot)
        errno = ""
    except KernelError as e:
        errno = e.name
    if errno != expected:
        errno = on_assumed(r, p, expected, errno, (addr, length), lambda: r.machine.mprotect(mid, addr, length, prot))
        if errno == "ENOMEM":
            _, errno = f.with_sysctl(r, "vm.overcommit_memory", "1", lambda: r.machine.mprotect(mid, addr, length, prot))
        r.agree("mprotect", expected, errno)
    if prot & PROT_WRITE:
        r.writes.protected(p.space, addr, length)


def do_pkey_mprotect(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, prot, pkey, value, expected = hot.ranges(text)
    has_keys = r.machine.info().pku
    if value is None or expected and pkey != -1 and not has_keys:
        return  # which keys are allocated is not followed
    _, errno = r.attempt(r.machine.pkey_mprotect, r.space(p), addr, length, prot, pkey if has_keys else -1)
    r.agree("pkey_mprotect", expected, errno)


def do_pkey_alloc(r: Context, p: Process, text: str, tid: int) -> None:
    """Without keys (`init --pku`) the machine cannot give one; the log's program goes on with areas that have none."""
    args, result = parser.split(parser.uncomment(text))
    if result.value is not None and r.machine.info().pku:
        got, errno = r.attempt(r.machine.pkey_alloc, r.space(p), number(args[0]), number(args[1]))
        if errno != result.errno or got is not None and got != result.value:
            r.differs("pkey_alloc", result.errno or str(result.value), errno or str(got))


def do_pkey_free(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is not None and r.machine.info().pku:
        _, errno = r.attempt(r.machine.pkey_free, r.space(p), number(args[0]))
        r.agree("pkey_free", result.errno, errno)


def do_mseal(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, flags, _, value, expected = hot.ranges(text)
    if value is not None and expected != "ENOSYS":  # a kernel of before 6.10 has none, and the program goes on
        _, errno = r.attempt(r.machine.mseal, r.space(p), addr, length, flags)
        r.agree("mseal", expected, errno)


def do_mremap(r: Context, p: Process, text: str, tid: int) -> None:
    old, old_len, new_len, flags, new, result = parser.mremap(text)
    if result.value is None:
        return
    m, mid = r.machine, r.space(p)
    if flags & (MREMAP_DONTUNMAP | MREMAP_FIXED) == MREMAP_DONTUNMAP and not new:
        # strace leaves its hint out, and what the kernel does with one: takes it when free, refuses it when it overlaps the old range
        new = result.value if not result.errno else old if result.errno == "EINVAL" else 0
    got, errno = r.attempt(m.mremap, mid, old, old_len, new_len, flags, new)
    if errno and not result.errno and assume(r, p, old, old_len):
        got, errno = r.attempt(m.mremap, mid, old, old_len, new_len, flags, new)
    if errno == "ENOMEM" and not result.errno:
        got = f.with_overcommit(r, lambda: m.mremap(mid, old, old_len, new_len, flags, new))
        errno = "" if got is not None else errno
    if errno != result.errno or got is not None and got != result.value:
        r.differs("mremap", result.errno or f"{result.value:#x}", errno or f"{got:#x}")
        if got is not None and not result.errno:
            r.attempt(m.mremap, mid, got, new_len, new_len, MREMAP_MAYMOVE | MREMAP_FIXED, result.value)


def do_madvise(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, advice, _, value, expected = hot.ranges(text)
    if value is None:
        return
    try:
        r.machine.madvise(p.space.mid or r.space(p), addr, length, advice)
        errno = ""
    except KernelError as e:
        errno = e.name
    if errno != expected:
        errno = on_assumed(r, p, expected, errno, (addr, length), lambda: r.machine.madvise(p.space.mid, addr, length, advice))
        r.agree("madvise", expected, errno)


def do_mlock(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, flags, _, value, expected = hot.ranges(text)
    if value is not None:
        if not expected:
            assume(r, p, addr, length)
        f.privileged(r, p, "mlock", expected, lambda: r.machine.mlock(r.space(p), addr, length, bool(flags & 1)))


def do_munlock(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, _, _, value, expected = hot.ranges(text)
    if value is not None:
        _, errno = r.attempt(r.machine.munlock, r.space(p), addr, length)
        errno = on_assumed(r, p, expected, errno, (addr, length), lambda: r.machine.munlock(p.space.mid, addr, length))
        r.agree("munlock", expected, errno)


def do_mlockall(r: Context, p: Process, text: str, tid: int) -> None:
    args, result = parser.split(parser.uncomment(text))
    if result.value is not None:
        f.privileged(r, p, "mlockall", result.errno, lambda: r.machine.mlockall(r.space(p), number(args[0])))


def do_munlockall(r: Context, p: Process, text: str, tid: int) -> None:
    r.machine.munlockall(r.space(p))


def do_msync(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, flags, _, value, expected = hot.ranges(text)
    if value is not None:
        _, errno = r.attempt(r.machine.msync, r.space(p), addr, length, flags)
        errno = on_assumed(r, p, expected, errno, (addr, length), lambda: r.machine.msync(p.space.mid, addr, length, flags))
        r.agree("msync", expected, errno)


def do_mincore(r: Context, p: Process, text: str, tid: int) -> None:
    addr, length, _, result = parser.mincore(text)
    if result.value is not None and result.errno != "EFAULT":  # the vector's address is not the machine's to check
        _, errno = r.attempt(r.machine.mincore, r.space(p), addr, length)
        errno = on_assumed(r, p, result.errno, errno, (addr, length), lambda: r.machine.mincore(p.space.mid, addr, length))
        r.agree("mincore", result.errno, errno)


def do_remap_file_pages(r: Context, p: Process, text: str, tid: int) -> None:
    """Linux maps the range again at the other offset (v6.12 mm/mmap.c:remap_file_pages())."""
    args, result = parser.split(parser.uncomment(text))
    if result.value is None or result.errno:
        return
    addr, length, page = parser.address(args[0]), parser.address(args[1]), parser.address(args[3])
    mid = r.space(p)
    for vma in r.machine.maps(mid):
        if vma.start <= addr < vma.end:
            r.attempt(r.machine.machine.mmap, mid, addr, length, vma.flags & 7, MAP_SHARED | MAP_FIXED, vma.vm_file, page * r.page_bytes)


HANDLERS = {
    "mmap": do_mmap, "mmap2": do_mmap2, "old_mmap": do_mmap, "brk": do_brk, "munmap": do_munmap, "mprotect": do_mprotect,
    "pkey_mprotect": do_pkey_mprotect, "pkey_alloc": do_pkey_alloc, "pkey_free": do_pkey_free, "mseal": do_mseal,
    "mremap": do_mremap, "madvise": do_madvise, "mlock": do_mlock, "mlock2": do_mlock,
    "munlock": do_munlock, "mlockall": do_mlockall, "munlockall": do_munlockall, "msync": do_msync, "mincore": do_mincore,
    "remap_file_pages": do_remap_file_pages,
}
CHANGE_NO_AREA = frozenset({"mincore", "pkey_alloc", "pkey_free"})
MEMORY = frozenset(HANDLERS) - CHANGE_NO_AREA
