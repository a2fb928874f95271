# cython: language_level=3
"""The swap cache: folios that have a slot, on their way out or back in.

Counterpart: Linux v6.18 mm/swap_state.c, mm/page_io.c, mm/swapfile.c:folio_free_swap(), free_swap_and_cache_nr().
"""

from vmtool.mm.arena cimport arena_t, folio_x_at, frame_at, plug_t, slot_mut
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

cdef enum:  # what swap_writeout() came to
    WRITEOUT_DONE  # nothing is under way: the slot was not needed, or the page is zeros
    WRITEOUT_STARTED

cdef enum:
    BIO_MAX_SEGMENTS = 254  # of a request to a virtio disk: folios that lie side by side in the area

cdef pfn_t swap_cache_get(arena_t *a, swp_entry_t entry) noexcept nogil  # the folio; 0: not cached

cdef inline pfn_t folio_swap_page(arena_t *a, pfn_t head, uint32_t record) noexcept nogil:
    """Its page that the slot is for. Precondition: it is cached there."""
    return head + (record - folio_x_at(a, head).swap if frame_at(a, head).flags & PG_head else 0)

# it gets slots side by side and is cached by them; false: there are none, or its group's limit. Counts: MEMCG_SWAP_FAIL
cdef bint folio_alloc_swap(arena_t *a, pfn_t head) noexcept nogil
cdef void swap_cache_remove(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil  # its reference dropped; the slot goes when nothing else names it
cdef bint folio_free_swap(arena_t *a, pfn_t head) noexcept nogil  # no entry names its slot any more: out of the cache, dirty
cdef int try_to_reclaim_swap(arena_t *a, uint32_t record) noexcept nogil  # the folio's pages; negative: something else names it, or it is being written; 0: none
cdef void free_swap_cache(arena_t *a, pfn_t head) noexcept nogil  # after the last unmapping
cdef void swap_free_nr(arena_t *a, uint32_t record, uint32_t nr) noexcept nogil  # an entry less for each of so many slots; a cached folio keeps them
# an entry less for each of so many slots side by side. 0, -EINVAL: one is not in use
cdef int free_swap_and_cache_nr(arena_t *a, swp_entry_t entry, uint32_t nr) noexcept nogil
# WRITEOUT_. Precondition: it is in the swap cache, not under write-back, and nothing maps it. Counts: PSWPOUT, SWPOUT_ZERO, PGPGOUT; what
# is started, NR_WRITEBACK.
# WRITEOUT_. Preconditions: unmapped, in the swap cache, dirty. Counts: PSWPOUT, THP_SWPOUT, SWPOUT, or SWPOUT_ZERO; NR_WRITEBACK
cdef int swap_writeout(arena_t *a, pfn_t head) noexcept nogil
cdef void cache_add(arena_t *a, pfn_t head, uint32_t record) noexcept nogil  # its slots are in use already
cdef void blk_start_plug(arena_t *a) noexcept nogil  # writes wait until blk_finish_plug(); they nest
cdef void blk_finish_plug(arena_t *a) noexcept nogil  # the outermost: what waited is issued
cdef uint32_t swap_writes_issued(arena_t *a) noexcept nogil  # under way and not held back by the plug
cdef void swap_write_poll(arena_t *a, uint32_t nr) noexcept nogil  # the device: the oldest of those that were issued have ended
cdef void swap_write_wait(arena_t *a) noexcept nogil  # all of them

cdef void plug_request(arena_t *a, uint32_t nr_pages, bint write) noexcept nogil  # a new one

cdef inline void plug_folio(arena_t *a, uint32_t record, uint32_t nr_pages, bint write) noexcept nogil:
    """blk_mq_submit_bio(): behind the last folio of the last request it joins that; a new one pulls the plug when the first is large, or 32 wait.

    So reclaim that runs while pages are read ahead has a small read before its writes, and none of up to 31 x 254 pages ends before it has gone on.
    """
    cdef plug_t *p = &a.plug
    if p.depth == 0:
        return
    if p.nr_requests and p.last_writes == <uint32_t>write and p.last_slot + 1 == record and p.last_pages < BIO_MAX_SEGMENTS:
        p.last_pages += 1
        if p.nr_requests == 1:
            p.first_pages += nr_pages
    else:
        plug_request(a, nr_pages, write)
    p.last_slot = record + nr_pages - 1
    if write:
        p.nr_writes += nr_pages

cdef inline void swap_io_add(arena_t *a, uint32_t record, swap_slot_t *s, uint32_t nr_pages) noexcept nogil:
    """A write is under way, the newest, and plugged."""
    s.io_next = 0
    if a.m.swap_io_tail:
        slot_mut(a, a.m.swap_io_tail).io_next = record
    else:
        a.m.swap_io_head = record
    a.m.swap_io_tail = record
    a.m.swap_io_nr += nr_pages
    plug_folio(a, record, nr_pages, True)
