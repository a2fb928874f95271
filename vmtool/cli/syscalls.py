"""Handlers: the system calls on address spaces. Each only puts the words' flags together."""

from vmtool.cli import uapi
from vmtool.errors import UsageError
from vmtool.units import U64_MAX

_PAGE_BITS = {"2M": 21, "1G": 30}


def brk(machine, pid, addr, by, json):
    if by is not None:
        if addr is not None:
            raise UsageError("either ADDR or --by, not both")
        addr = (machine.brk(pid) + by) & U64_MAX  # as sbrk() computes it
    return _address(machine.brk(pid, addr), json)


def mmap(machine, pid, length, addr, prot, shared, file, offset, fixed, fixed_noreplace, populate, locked, noreserve, growsdown,
         stack, hugetlb, json):
    flags = uapi.MAP_SHARED if shared else uapi.MAP_PRIVATE
    if file is None:
        flags |= uapi.MAP_ANONYMOUS
    if fixed:
        flags |= uapi.MAP_FIXED
    if fixed_noreplace:
        flags |= uapi.MAP_FIXED_NOREPLACE
    if populate:
        flags |= uapi.MAP_POPULATE
    if locked:
        flags |= uapi.MAP_LOCKED
    if noreserve:
        flags |= uapi.MAP_NORESERVE
    if growsdown:
        flags |= uapi.MAP_GROWSDOWN
    if stack:
        flags |= uapi.MAP_STACK
    if hugetlb is not None:
        flags |= uapi.MAP_HUGETLB | _PAGE_BITS[hugetlb] << uapi.MAP_HUGE_SHIFT
    return _address(machine.mmap(pid, addr, length, prot, flags, file, offset), json)


def munmap(machine, pid, addr, length):
    machine.munmap(pid, addr, length)


def mprotect(machine, pid, addr, length, prot):
    machine.mprotect(pid, addr, length, prot)


def mremap(machine, pid, addr, old, new, maymove, fixed, dontunmap, json):
    flags = uapi.MREMAP_MAYMOVE if maymove else 0
    if fixed is not None:
        flags |= uapi.MREMAP_FIXED
    if dontunmap:
        flags |= uapi.MREMAP_DONTUNMAP
    return _address(machine.mremap(pid, addr, old, new, flags, fixed or 0), json)


def madvise(machine, pid, addr, length, advice):
    machine.madvise(pid, addr, length, advice)


def mlock(machine, pid, addr, length, onfault):
    machine.mlock(pid, addr, length, onfault)


def munlock(machine, pid, addr, length):
    machine.munlock(pid, addr, length)


def mlockall(machine, pid, current, future, onfault):
    machine.mlockall(pid, current * uapi.MCL_CURRENT | future * uapi.MCL_FUTURE | onfault * uapi.MCL_ONFAULT)


def munlockall(machine, pid):
    machine.munlockall(pid)


def msync(machine, pid, addr, length, asynchronous, invalidate):
    flags = uapi.MS_ASYNC if asynchronous else uapi.MS_SYNC
    machine.msync(pid, addr, length, flags | uapi.MS_INVALIDATE if invalidate else flags)


def mincore(machine, pid, addr, length, json):
    pages = machine.mincore(pid, addr, length)
    if json:
        from vmtool.cli.json_text import text
        return text({"pages": [page & 1 for page in pages]})
    return "".join("1" if page & 1 else "0" for page in pages) + "\n"


def _address(addr, json):
    return f'{{"address": "0x{addr:x}"}}\n' if json else f"0x{addr:x}\n"
