# cython: language_level=3
"""mallinfo2() and the totals of malloc_stats()."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t

cdef struct mallinfo_t:
    uint64_t arena
    uint64_t ordblks
    uint64_t smblks
    uint64_t hblks
    uint64_t hblkhd
    uint64_t usmblks
    uint64_t fsmblks
    uint64_t uordblks
    uint64_t fordblks
    uint64_t keepcost
    uint64_t system_bytes
    uint64_t in_use_bytes
    uint64_t max_mmap_regions
    uint64_t max_mmap_bytes
    uint64_t nr_arenas

cdef void libc_mallinfo(libc_t *l, mallinfo_t *out) noexcept nogil  # 0 everywhere before the first call of malloc
