# cython: language_level=3
"""Reading from swap, with what is near.

Counterpart: Linux v6.18 mm/swap_state.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *
from vmtool.mm.vmstat cimport SWAP_RA_HIT, count_vm_events

cdef enum:
    SWAP_RA_HITS_MASK = 63  # of vma_t.swap_readahead_info
    SWAP_RA_HITS_INIT = 4  # to start up with a small window

# The folio of an entry, read with what is near it: by address in an area, or by slot (v = 0, or a rotational disk). 0: no memory, or not in
# use. Counts: as read_swap_cache().
cdef pfn_t swapin_readahead(arena_t *a, swp_entry_t entry, idx_t v, vaddr_t addr) noexcept nogil
# the folio of an entry alone, found cached or read. 0: no memory, or nothing names the slot. Counts: PSWPIN or SWPIN_ZERO, PGPGIN, SWAP_RA
cdef pfn_t read_swap_cache(arena_t *a, swp_entry_t entry, bint readahead) noexcept nogil
cdef void swap_update_readahead(arena_t *a, pfn_t head, idx_t v, vaddr_t addr) noexcept nogil  # it was found cached

cdef inline bint use_vma_readahead(arena_t *a) noexcept nogil:
    return a.m.nr_rotate_swap == 0

cdef inline void note_hit(arena_t *a, frame_t *f, vma_t *area, vaddr_t addr) noexcept nogil:
    """A single page was found cached by a fault in an area (NULL: in none)."""
    cdef bint readahead = f.flags & PG_readahead != 0
    cdef uint64_t mask = (<uint64_t>1 << a.m.arch.page_shift) - 1
    cdef uint64_t info, hits
    f.flags &= ~<uint32_t>PG_readahead
    if area != NULL and use_vma_readahead(a):
        info = area.swap_readahead_info if area.swap_readahead_info else SWAP_RA_HITS_INIT
        hits = min((info & SWAP_RA_HITS_MASK) + readahead, <uint64_t>SWAP_RA_HITS_MASK)
        area.swap_readahead_info = (addr & ~mask) | (info & mask & ~<uint64_t>SWAP_RA_HITS_MASK) | hits
    elif readahead:
        a.m.swapin_readahead_hits += 1
    count_vm_events(a, SWAP_RA_HIT, readahead)
