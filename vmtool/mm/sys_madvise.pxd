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

cdef int sys_madvise(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, int advice) noexcept nogil
cdef int sys_set_vma_name(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, const char *name, uint32_t name_len) noexcept nogil
