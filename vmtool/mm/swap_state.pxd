# cython: language_level=3
"""The swap cache: folios that have a slot, on their way out or back in.

Counterpart: Linux v6.18 mm/swap_state.c, mm/page_io.c, mm/swapfile.c:folio_free_swap(), free_swap_and_cache_nr().
"""

from vmtool.mm.arena cimport arena_t, folio_x_at, frame_at
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

cdef enum:  # what swap_writeout() came to
    WRITEOUT_DONE  # nothing is under way: the slot was not needed, or the page is zeros
    WRITEOUT_STARTED

cdef pfn_t swap_cache_get(arena_t *a, swp_entry_t entry) noexcept nogil  # the folio; 0: not cached

cdef inline pfn_t folio_swap_page(arena_t *a, pfn_t head, uint32_t record) noexcept nogil:
    """Its page that the slot is for. Precondition: it is cached there."""
    return head + (record - folio_x_at(a, head).swap if frame_at(a, head).flags & PG_head else 0)

cdef bint folio_alloc_swap(arena_t *a, pfn_t head) noexcept nogil  # it gets slots side by side and is cached by them; false: there are none
cdef void swap_cache_remove(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil  # its reference dropped; the slot goes when nothing else names it
cdef bint folio_free_swap(arena_t *a, pfn_t head) noexcept nogil  # no entry names its slot any more: out of the cache, dirty
cdef int try_to_reclaim_swap(arena_t *a, uint32_t record) noexcept nogil  # the folio's pages; negative: something else names it, or it is being written; 0: none
cdef void free_swap_cache(arena_t *a, pfn_t head) noexcept nogil  # after the last unmapping
cdef void swap_free_nr(arena_t *a, uint32_t record, uint32_t nr) noexcept nogil  # an entry less for each of so many slots; a cached folio keeps them
cdef int free_swap_and_cache(arena_t *a, swp_entry_t entry) noexcept nogil  # an entry less; 0
cdef int free_swap_and_cache_nr(arena_t *a, swp_entry_t entry, uint32_t nr) noexcept nogil  # of so many slots side by side
cdef int swap_writeout(arena_t *a, pfn_t head) noexcept nogil
cdef void cache_add(arena_t *a, pfn_t head, uint32_t record) noexcept nogil  # its slots are in use already
cdef void plug_folio(arena_t *a, uint32_t record, uint32_t nr_pages, bint write) noexcept nogil  # one more request, or part of the last one, while somebody plugs
cdef void blk_start_plug(arena_t *a) noexcept nogil
cdef void blk_finish_plug(arena_t *a) noexcept nogil
cdef uint32_t swap_writes_issued(arena_t *a) noexcept nogil  # under way and not held back by the plug
cdef void swap_write_poll(arena_t *a, uint32_t nr) noexcept nogil  # the device: the oldest of those that were issued have ended
cdef void swap_write_wait(arena_t *a) noexcept nogil  # all of them
