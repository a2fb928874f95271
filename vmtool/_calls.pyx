# cython: language_level=3
"""System calls on a process's memory: brk, mmap and its kin, advice, locks, names, protection keys."""

from libc.stdlib cimport free, malloc
from libc.string cimport memset

from vmtool._files cimport enter, inode_of, result
from vmtool._outside cimport open_number
from vmtool._state cimport State
from vmtool._walks cimport find
from vmtool.mm.arena cimport mm_at, task_at
from vmtool.mm.arch cimport ARCH_PKEYS, offset_in_page
from vmtool.mm.pagecache cimport fget, file_open, fput
from vmtool.mm.placement cimport is_err
from vmtool.mm.sys_file cimport mincore_pages, sys_mincore, sys_msync
from vmtool.mm.sys_madvise cimport set_anon_vma_name, sys_madvise
from vmtool.mm.sys_mlock cimport sys_mlock, sys_mlockall, sys_munlock, sys_munlockall
from vmtool.mm.sys_mmap cimport brk_failed, mmap_req_t, sys_brk, sys_mmap, sys_munmap
from vmtool.mm.sys_mprotect cimport sys_mprotect
from vmtool.mm.sys_mseal cimport sys_mseal
from vmtool.mm.sys_pkey cimport sys_pkey_alloc, sys_pkey_free, wrpkru
from vmtool.mm.sys_mremap cimport sys_mremap
from vmtool.mm.types cimport *

from vmtool.errors import KernelError

U64 = 0xFFFFFFFFFFFFFFFF
MOST_PAGES = 1 << 28  # that one answer of mincore() holds


def brk(State self, pid, addr=None):
    cdef idx_t t = enter(self, pid)
    cdef uint64_t got
    if addr is None:
        return mm_at(&self.a, task_at(&self.a, t).mm).brk
    got = sys_brk(&self.a, task_at(&self.a, t).mm, addr & U64)
    self.check()
    if brk_failed(got, addr & U64):
        raise KernelError(ENOMEM)
    return got


def mmap(State self, pid, addr, length, prot, flags, path=None, offset=0, read_only=False):
    cdef idx_t t = enter(self, pid), mm = task_at(&self.a, t).mm
    cdef mmap_req_t req
    cdef uint64_t got
    memset(&req, 0, sizeof(req))
    req.addr, req.length, req.prot, req.flags, req.offset = addr & U64, length & U64, prot, flags, offset & U64
    req.file_read_only = read_only
    if path is not None:
        if type(path) is int:
            req.file = open_number(self, path)
            fget(&self.a, req.file)
        else:
            req.file = file_open(&self.a, inode_of(self, path))
        if req.file == 0:
            raise KernelError(ENOMEM)
        if offset_in_page(&self.a.m.arch, offset & U64) == 0 and offset < 0:
            req.offset = offset & U64
    got = sys_mmap(&self.a, mm, &req)
    if req.file:
        fput(&self.a, req.file)
    self.check()
    if is_err(got):
        raise KernelError(<int>-<int64_t>got)
    return got


def munmap(State self, pid, addr, length):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_munmap(&self.a, mm, addr & U64, length & U64))


def mprotect(State self, pid, addr, length, prot):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_mprotect(&self.a, mm, addr & U64, length & U64, prot, -1))


def pkey_mprotect(State self, pid, addr, length, prot, pkey):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_mprotect(&self.a, mm, addr & U64, length & U64, prot, pkey))


def pkey_alloc(State self, pid, flags=0, access_rights=0):
    return result(self, sys_pkey_alloc(&self.a, enter(self, pid), flags & U64, access_rights & U64))


def pkey_free(State self, pid, pkey):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_pkey_free(&self.a, mm, pkey))


def pkru(State self, pid, value=None):
    cdef idx_t t
    if not self.a.m.arch.flags & ARCH_PKEYS:
        raise KernelError(EOPNOTSUPP, "the processor has no protection keys: init --pku")
    if value is None:
        return task_at(&self.a, find(self, pid)).pkru
    t = enter(self, pid)
    wrpkru(&self.a, t, value)
    self.check()
    return value


def mseal(State self, pid, addr, length, flags=0):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_mseal(&self.a, mm, addr & U64, length & U64, flags & U64))


def mremap(State self, pid, addr, old_len, new_len, flags=0, new_addr=0):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    cdef uint64_t got = sys_mremap(&self.a, mm, addr & U64, old_len & U64, new_len & U64, flags, new_addr & U64)
    self.check()
    if is_err(got):
        raise KernelError(<int>-<int64_t>got)
    return got


def madvise(State self, pid, addr, length, advice):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_madvise(&self.a, mm, addr & U64, length & U64, advice))


def mlock(State self, pid, addr, length, onfault=False):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_mlock(&self.a, mm, addr & U64, length & U64, onfault))


def munlock(State self, pid, addr, length):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_munlock(&self.a, mm, addr & U64, length & U64))


def mlockall(State self, pid, flags):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_mlockall(&self.a, mm, flags))


def munlockall(State self, pid):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_munlockall(&self.a, mm))


def msync(State self, pid, addr, length, flags):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    result(self, sys_msync(&self.a, mm, addr & U64, length & U64, flags))


def mincore(State self, pid, addr, length):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    cdef uint64_t nr = min(mincore_pages(&self.a.m.arch, length & U64), <uint64_t>MOST_PAGES)
    cdef char *vec = <char *>malloc(nr + 1)
    if vec == NULL:
        raise MemoryError()
    try:
        result(self, sys_mincore(&self.a, mm, addr & U64, length & U64, vec, nr))
        return vec[:nr]
    finally:
        free(vec)


def set_vma_name(State self, pid, addr, length, name):
    cdef idx_t mm = task_at(&self.a, enter(self, pid)).mm
    text = b"" if name is None else name.encode("utf-8", "surrogateescape")
    cdef const char *start = text
    result(self, set_anon_vma_name(&self.a, mm, addr & U64, length & U64, NULL if name is None else start))
