"""brk, mmap, munmap, mremap, mprotect and madvise as the C library calls them.

Counterpart: glibc 2.36 misc/sbrk.c, malloc/morecore.c (__glibc_morecore), malloc/malloc.c:madvise_thp().
"""

from vmtool.libc.layout cimport PAGE
from vmtool.libc.words cimport CALL_BRK, CALL_MADVISE, CALL_MMAP, CALL_MPROTECT, CALL_MREMAP, CALL_MUNMAP, libc_call_t
from vmtool.mm.access cimport kernel_round_trip
from vmtool.mm.sys_madvise cimport MADV_HUGEPAGE, sys_madvise
from vmtool.mm.sys_mmap cimport brk_failed, mmap_req_t, sys_brk, sys_mmap, sys_munmap
from vmtool.mm.sys_mprotect cimport sys_mprotect
from vmtool.mm.sys_mremap cimport sys_mremap
from vmtool.mm.types cimport MAP_ANONYMOUS, MAP_PRIVATE, MREMAP_MAYMOVE


cdef void told(libc_t *l, int kind, vaddr_t at, uint64_t length, uint64_t arg, uint64_t result) noexcept nogil:
    cdef libc_call_t call
    kernel_round_trip(l.a, l.a.cpu)
    if l.on_call != NULL:
        call.kind = kind
        call.addr = at
        call.length = length
        call.arg = arg
        call.result = result
        l.on_call(l, &call)


cdef vaddr_t current_brk(libc_t *l) noexcept nogil:
    return sys_brk(l.a, l.mm, 0)


cdef vaddr_t sbrk(libc_t *l, int64_t increment) noexcept nogil:
    cdef vaddr_t old = current_brk(l), new = old + <uint64_t>increment, got
    if increment == 0:
        return old
    if (increment > 0 and new < old) or (increment < 0 and old < <uint64_t>-increment):
        return <vaddr_t>-1
    got = sys_brk(l.a, l.mm, new)
    told(l, CALL_BRK, new, 0, 0, got)
    return <vaddr_t>-1 if brk_failed(got, new) else old


cdef vaddr_t morecore(libc_t *l, int64_t increment) noexcept nogil:
    cdef vaddr_t got
    if l.d.no_morecore:
        return 0
    got = sbrk(l, increment)
    return 0 if got == <vaddr_t>-1 else got


cdef vaddr_t libc_mmap(libc_t *l, vaddr_t hint, uint64_t length, uint64_t prot, uint64_t flags) noexcept nogil:
    cdef mmap_req_t req
    cdef uint64_t got
    req.addr = hint
    req.length = length
    req.prot = prot
    req.flags = flags | MAP_PRIVATE | MAP_ANONYMOUS
    req.file = 0
    req.offset = 0
    req.file_read_only = 0
    got = sys_mmap(l.a, l.mm, &req)
    told(l, CALL_MMAP, hint, length, flags, got)
    return got


cdef int libc_munmap(libc_t *l, vaddr_t at, uint64_t length) noexcept nogil:
    cdef int err = sys_munmap(l.a, l.mm, at, length)
    told(l, CALL_MUNMAP, at, length, 0, <uint64_t><int64_t>err)
    return err


cdef vaddr_t libc_mremap(libc_t *l, vaddr_t at, uint64_t old, uint64_t new) noexcept nogil:
    cdef uint64_t got = sys_mremap(l.a, l.mm, at, old, new, MREMAP_MAYMOVE, 0)
    told(l, CALL_MREMAP, at, old, new, got)
    return got


cdef int libc_mprotect(libc_t *l, vaddr_t at, uint64_t length, uint64_t prot) noexcept nogil:
    cdef int err = sys_mprotect(l.a, l.mm, at, length, prot, -1)
    told(l, CALL_MPROTECT, at, length, prot, <uint64_t><int64_t>err)
    return err


cdef int libc_madvise(libc_t *l, vaddr_t at, uint64_t length, int advice) noexcept nogil:
    cdef int err = sys_madvise(l.a, l.mm, at, length, advice)
    told(l, CALL_MADVISE, at, length, <uint64_t>advice, <uint64_t><int64_t>err)
    return err


cdef void madvise_thp(libc_t *l, vaddr_t at, uint64_t length) noexcept nogil:
    """Ask for huge pages where the tunable hugetlb=1 has found them worth it; the first extension of the heap may not begin on a page."""
    cdef vaddr_t start = at & ~<uint64_t>(PAGE - 1)
    if l.d.mp.thp_pagesize and length >= l.d.mp.thp_pagesize:
        libc_madvise(l, start, length + (at - start), MADV_HUGEPAGE)
