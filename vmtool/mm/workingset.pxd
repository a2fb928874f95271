# cython: language_level=3
"""What was evicted, and how long ago: shadows, refault distances.

Counterpart: Linux v6.18 mm/workingset.c, lru_gen off.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    EVICTION_BITS = 21
    EVICTION_SHIFT = 11
    EVICTION_MASK = (1 << 21) - 1

cdef inline uint32_t bucket_order(arena_t *a) noexcept nogil:
    cdef uint32_t order = 0
    while (a.m.totalram_pages - 1) >> (EVICTION_BITS + order):
        order += 1
    return order

cdef inline uint32_t shadow_of(uint64_t age, idx_t memcg, bint workingset) noexcept nogil:
    """Never 0: of the root's first page, whose shadow would be, the age is one page off."""
    cdef uint32_t shadow = (<uint32_t>age & EVICTION_MASK) << EVICTION_SHIFT | memcg << 1 | workingset
    return shadow if shadow else 1 << EVICTION_SHIFT

cdef uint32_t workingset_eviction(arena_t *a, pfn_t head) noexcept nogil  # the shadow to leave behind; never 0
# An evicted page is back: active (PG_active; whoever adds it to the LRU puts it there) when it was evicted not long ago. Precondition: on
# no list yet. Counts: WORKINGSET_REFAULT_*, _ACTIVATE_*, _RESTORE_* by pages.
cdef void workingset_refault(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil
# What was reclaimed from a kind of memory has cost so much I/O and so many rotations; the balance of anon and file follows it.
cdef void lru_note_cost(arena_t *a, lruvec_t *lruvec, bint file, uint64_t nr_io, uint64_t nr_rotated) noexcept nogil
cdef bint swap_is_there(arena_t *a, idx_t memcg) noexcept nogil  # mem_cgroup_get_nr_swap_pages() > 0
