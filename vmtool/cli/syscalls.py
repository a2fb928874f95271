"""Handlers: the system calls on address spaces. Each only puts the words' flags together."""

from __future__ import annotations

import errno

from vmtool import uapi
from vmtool.errors import KernelError, UsageError
from vmtool.units import U64_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmtool._core import Machine
    from vmtool.cli.report import Output

U32_MAX = (1 << 32) - 1
_PAGE_BITS = {"64K": 16, "2M": 21, "4M": 22, "32M": 25, "512M": 29, "1G": 30, "16G": 34}


def brk(machine: Machine, pid: int, addr: int | None, by: int | None, json: bool) -> Output:
    if by is not None:
        addr = (machine.brk(pid) + by) & U64_MAX  # as sbrk() computes it
    return _address(machine.brk(pid, addr), json)


def mmap(machine: Machine, pid: int, length: int, addr: int, prot: int, shared: bool, file: str | None, offset: int, fixed: bool,
         fixed_noreplace: bool, populate: bool, locked: bool, noreserve: bool, growsdown: bool, stack: bool, hugetlb: str | None,
         json: bool) -> Output:
    flags = uapi.MAP_SHARED if shared else uapi.MAP_PRIVATE
    if file is None:
        flags |= uapi.MAP_ANONYMOUS
    for is_given, flag in ((fixed, uapi.MAP_FIXED), (fixed_noreplace, uapi.MAP_FIXED_NOREPLACE), (populate, uapi.MAP_POPULATE),
                           (locked, uapi.MAP_LOCKED), (noreserve, uapi.MAP_NORESERVE), (growsdown, uapi.MAP_GROWSDOWN),
                           (stack, uapi.MAP_STACK)):
        if is_given:
            flags |= flag
    if hugetlb is not None:
        flags |= uapi.MAP_HUGETLB | _PAGE_BITS[hugetlb] << uapi.MAP_HUGE_SHIFT
    try:
        return _address(machine.mmap(pid, addr, length, prot, flags, file, offset), json)
    except KernelError as refused:
        if hugetlb is not None and refused.errno == errno.EINVAL:
            _say_which_pools(machine, hugetlb)
        raise


def _say_which_pools(machine: Machine, size: str) -> None:
    """For a size that the kernel does not have: those that it has."""
    names = machine.sysctl_names()
    there = [word for word, bits in _PAGE_BITS.items() if f"hugepages/hugepages-{1 << bits >> 10}kB/nr_hugepages" in names]
    if size not in there:
        raise KernelError(errno.EINVAL, f"--hugetlb {size}: this kernel has huge pages of {', '.join(there)}" if there else
                          f"--hugetlb {size}: this kernel has no pools of huge pages")


def munmap(machine: Machine, pid: int, addr: int, length: int) -> None:
    machine.munmap(pid, addr, length)


def mprotect(machine: Machine, pid: int, addr: int, length: int, prot: int) -> None:
    machine.mprotect(pid, addr, length, prot)


def mremap(machine: Machine, pid: int, addr: int, old: int, new: int, maymove: bool, fixed: int | None, dontunmap: bool,
           json: bool) -> Output:
    flags = uapi.MREMAP_MAYMOVE if maymove else 0
    if fixed is not None:
        flags |= uapi.MREMAP_FIXED
    if dontunmap:
        flags |= uapi.MREMAP_DONTUNMAP
    return _address(machine.mremap(pid, addr, old, new, flags, fixed or 0), json)


def madvise(machine: Machine, pid: int, addr: int, length: int, advice: int) -> None:
    machine.madvise(pid, addr, length, advice)


def mlock(machine: Machine, pid: int, addr: int, length: int, onfault: bool) -> None:
    machine.mlock(pid, addr, length, onfault)


def munlock(machine: Machine, pid: int, addr: int, length: int) -> None:
    machine.munlock(pid, addr, length)


def mlockall(machine: Machine, pid: int, current: bool, future: bool, onfault: bool) -> None:
    machine.mlockall(pid, current * uapi.MCL_CURRENT | future * uapi.MCL_FUTURE | onfault * uapi.MCL_ONFAULT)


def munlockall(machine: Machine, pid: int) -> None:
    machine.munlockall(pid)


def msync(machine: Machine, pid: int, addr: int, length: int, asynchronous: bool, invalidate: bool) -> None:
    flags = uapi.MS_ASYNC if asynchronous else uapi.MS_SYNC
    machine.msync(pid, addr, length, flags | uapi.MS_INVALIDATE if invalidate else flags)


def mincore(machine: Machine, pid: int, addr: int, length: int, json: bool) -> Output:
    pages = machine.mincore(pid, addr, length)
    if json:
        from vmtool.cli.json_text import text
        return text({"is_resident": [bool(page & 1) for page in pages]})
    return "".join("1" if page & 1 else "0" for page in pages) + "\n"


def mseal(machine: Machine, pid: int, addr: int, length: int) -> None:
    machine.mseal(pid, addr, length)


def pkey_alloc(machine: Machine, pid: int, disable_access: bool, disable_write: bool, json: bool) -> Output:
    pkey = machine.pkey_alloc(pid, 0, disable_access * uapi.PKEY_DISABLE_ACCESS | disable_write * uapi.PKEY_DISABLE_WRITE)
    return f'{{"protection_key": {pkey}}}\n' if json else f"{pkey}\n"


def pkey_free(machine: Machine, pid: int, pkey: int) -> None:
    machine.pkey_free(pid, pkey)


def pkey_mprotect(machine: Machine, pid: int, addr: int, length: int, prot: int, pkey: int) -> None:
    machine.pkey_mprotect(pid, addr, length, prot, pkey)


def pkru(machine: Machine, pid: int, value: int | None, json: bool) -> Output:
    if value is not None and value > U32_MAX:
        raise UsageError(f"PKRU has 32 bits, {value:#x} has more")
    rights = machine.pkru(pid, value)
    return f'{{"pkru_mask": "0x{rights:x}"}}\n' if json else f"0x{rights:x}\n"


def _address(addr, json):
    return f'{{"address": "0x{addr:x}"}}\n' if json else f"0x{addr:x}\n"
