# cython: language_level=3
"""Folios on their way to and between the LRU lists: per-CPU batches (mm/swap.c, which has nothing to do with swap areas).

Counterpart: Linux v6.18 mm/swap.c.
"""

from vmtool.mm.arena cimport arena_t, fbatches_mut, frame_mut
from vmtool.mm.types cimport *

# A new folio: in a batch of 31, the whole of which goes to the lists when it is full or the folio is large.
cdef void folio_add_lru(arena_t *a, pfn_t head) noexcept nogil
cdef void lru_add_full(arena_t *a) noexcept nogil  # empty the batch of new folios
cdef void lru_add_drain(arena_t *a) noexcept nogil  # all batches of this CPU
cdef void lru_add_drain_all(arena_t *a) noexcept nogil  # of every CPU
cdef void folio_mark_accessed(arena_t *a, pfn_t head) noexcept nogil
cdef void folio_deactivate(arena_t *a, pfn_t head) noexcept nogil  # MADV_COLD
cdef void deactivate_file_folio(arena_t *a, pfn_t head) noexcept nogil  # one that could not be invalidated
cdef void folio_mark_lazyfree(arena_t *a, pfn_t head) noexcept nogil  # MADV_FREE
cdef void rotate_full(arena_t *a) noexcept nogil  # empty the batch of those that were written
cdef bint advice_is_pending(arena_t *a) noexcept nogil  # MADV_COLD's or MADV_FREE's, in a batch of some CPU
cdef uint32_t drained_flags(arena_t *a, pfn_t head) noexcept nogil  # a folio's flags as these batches will leave them
cdef inline void folio_add_lru_single(arena_t *a, frame_t *f, pfn_t pfn) noexcept nogil:
    """folio_add_lru() of a single page, for the fault's quick road."""
    cdef fbatch_t *batch = &fbatches_mut(a).lru_add
    f.extra_refs += 1
    if batch.nr < PAGEVEC_SIZE:
        batch.folio[batch.nr] = pfn
        batch.nr += 1
    if batch.nr >= PAGEVEC_SIZE:
        lru_add_full(a)

cdef inline void folio_rotate_reclaimable(arena_t *a, pfn_t head, frame_t *f) noexcept nogil:
    """Its write-back ended: to the inactive tail."""
    cdef fbatch_t *batch
    if f.flags & (PG_lru | PG_locked | PG_dirty | PG_unevictable) != PG_lru:
        return
    batch = &fbatches_mut(a).lru_move_tail
    f.extra_refs += 1
    if batch.nr < PAGEVEC_SIZE:
        batch.folio[batch.nr] = head
        batch.nr += 1
    if batch.nr >= PAGEVEC_SIZE or f.flags & PG_head:
        rotate_full(a)
