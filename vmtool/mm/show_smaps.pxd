# cython: language_level=3
"""What /proc/PID/smaps and pagemap say of an area's pages. They change nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct mem_stats_t:  # struct mem_size_stats: bytes; pss* are bytes << 12
    uint64_t resident
    uint64_t shared_clean
    uint64_t shared_dirty
    uint64_t private_clean
    uint64_t private_dirty
    uint64_t referenced
    uint64_t anonymous
    uint64_t ksm
    uint64_t lazyfree
    uint64_t anonymous_thp
    uint64_t shmem_thp
    uint64_t file_thp
    uint64_t shared_hugetlb
    uint64_t private_hugetlb
    uint64_t swap
    uint64_t swap_pss
    uint64_t pss
    uint64_t pss_dirty
    uint64_t pss_anon
    uint64_t pss_file
    uint64_t pss_shmem
    uint64_t pss_locked

cdef void smap_gather(arena_t *a, idx_t v, mem_stats_t *out) noexcept nogil  # adds to out
cdef bint thp_eligible(arena_t *a, idx_t v) noexcept nogil
cdef uint64_t pagemap_entry(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil
cdef bint mincore_page(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil
