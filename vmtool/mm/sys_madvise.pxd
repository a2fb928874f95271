# cython: language_level=3
"""madvise() and prctl(PR_SET_VMA_ANON_NAME)."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    MADV_NORMAL = 0
    MADV_RANDOM = 1
    MADV_SEQUENTIAL = 2
    MADV_WILLNEED = 3
    MADV_DONTNEED = 4
    MADV_FREE = 8
    MADV_REMOVE = 9
    MADV_DONTFORK = 10
    MADV_DOFORK = 11
    MADV_MERGEABLE = 12
    MADV_UNMERGEABLE = 13
    MADV_HUGEPAGE = 14
    MADV_NOHUGEPAGE = 15
    MADV_DONTDUMP = 16
    MADV_DODUMP = 17
    MADV_WIPEONFORK = 18
    MADV_KEEPONFORK = 19
    MADV_COLD = 20
    MADV_PAGEOUT = 21
    MADV_POPULATE_READ = 22
    MADV_POPULATE_WRITE = 23
    MADV_DONTNEED_LOCKED = 24
    MADV_COLLAPSE = 25
    MADV_GUARD_INSTALL = 102
    MADV_GUARD_REMOVE = 103

# 0, or, over all areas but for an error, which ends it: -EINVAL: no such advice, start is off a page, the end wraps, or the area is of a
# kind that cannot; -ENOMEM: a hole (what is mapped is advised all the same), or no memory; -EPERM: it would throw away what is sealed;
# -EAGAIN: too many areas, or no memory for one; -EFAULT: MADV_POPULATE_ met SIGBUS or SIGSEGV; MADV_REMOVE: -EACCES, the file is not mapped
# to be written, -EFBIG, -EIO; MADV_COLLAPSE: -EBUSY, -EAGAIN, as madvise_collapse().
cdef int sys_madvise(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, int advice) noexcept nogil
# uname: ends with a NUL; NULL: none. 0, -EINVAL: more than 79 bytes, or one that no name may have; start is off a page, or the end wraps;
# -ENOMEM: a hole (what is mapped is named all the same), or no bytes; -EBADF: a file is mapped; -EAGAIN: too many areas, or no memory.
cdef int set_anon_vma_name(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, const char *uname) noexcept nogil
