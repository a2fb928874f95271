# cython: language_level=3
"""The swap cache: folios that have a slot, on their way out or back in.

Counterpart: Linux v6.18 mm/swap_state.c, mm/page_io.c, mm/swapfile.c:folio_free_swap(), free_swap_and_cache_nr().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

cdef enum:  # what swap_writeout() came to
    WRITEOUT_DONE  # nothing is under way: the slot was not needed, or the page is zeros
    WRITEOUT_STARTED

cdef pfn_t swap_cache_get(arena_t *a, swp_entry_t entry) noexcept nogil  # 0: not cached
cdef bint folio_alloc_swap(arena_t *a, pfn_t head) noexcept nogil  # a single page gets a slot and is cached by it; false: no slot
cdef void swap_cache_remove(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil  # its reference dropped; the slot goes when nothing else names it
cdef bint folio_free_swap(arena_t *a, pfn_t head) noexcept nogil  # no entry names its slot any more: out of the cache, dirty
cdef bint try_to_reclaim_swap(arena_t *a, uint32_t record) noexcept nogil  # false: something else names the slot, or it is being written
cdef void free_swap_cache(arena_t *a, pfn_t head) noexcept nogil  # after the last unmapping
cdef void swap_free(arena_t *a, swp_entry_t entry) noexcept nogil  # an entry less; a cached folio keeps its slot
cdef int free_swap_and_cache(arena_t *a, swp_entry_t entry) noexcept nogil  # an entry less; 0
cdef int swap_writeout(arena_t *a, pfn_t head) noexcept nogil
cdef void cache_add(arena_t *a, pfn_t head, uint32_t record) noexcept nogil  # the slot is in use already
cdef void plug_page(arena_t *a, uint32_t record, bint write) noexcept nogil  # one more request, or part of the last one, while somebody plugs
cdef void blk_start_plug(arena_t *a) noexcept nogil
cdef void blk_finish_plug(arena_t *a) noexcept nogil
cdef uint32_t swap_writes_issued(arena_t *a) noexcept nogil  # under way and not held back by the plug
cdef void swap_write_poll(arena_t *a, uint32_t nr) noexcept nogil  # the device: the oldest of those that were issued have ended
cdef void swap_write_wait(arena_t *a) noexcept nogil  # all of them
