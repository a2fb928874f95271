# cython: language_level=3
"""Level 8. Taking mappings away: zap a range of entries, munmap, truncation, exit."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    ZAP_DROP_MARKER = 1  # guard markers go too
    ZAP_EVEN_COWS = 2  # private copies too
    ZAP_RECLAIM_PT = 4  # MADV_DONTNEED: PTE tables wholly covered are freed

cdef void zap_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil  # entries of one area
cdef int do_munmap(arena_t *a, idx_t mm, vaddr_t start, uint64_t length) noexcept nogil  # checks its arguments; a hole is no error
cdef int munmap_range(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil  # aligned range
cdef void exit_mmap(arena_t *a, idx_t mm) noexcept nogil
cdef void unmap_mapping_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last, uint32_t even_cows) noexcept nogil
# A present entry's page goes from this mm: rmap, dirty and accessed marks, the frame when nobody holds it. Returns its rss kind or -1.
cdef int zap_present_pte(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil
