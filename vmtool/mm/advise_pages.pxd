# cython: language_level=3
"""What advice does to pages: cold, lazily free, guard, page out."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Preconditions of all: start..end is page-aligned, within the area, and advice may go there (sys_madvise has checked it).

cdef void cold_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil  # MADV_COLD: entries old, folios to the inactive list
cdef void free_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil  # MADV_FREE: the area is anonymous
# MADV_PAGEOUT: what only this space maps is reclaimed
# MADV_PAGEOUT: what no other space maps is reclaimed now
cdef void pageout_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
# what is there is zapped. 0, -ENOMEM: no table, and the markers before it stay
cdef int guard_install(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void guard_remove(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void willneed_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil  # of anonymous and shared memory: what is in swap
