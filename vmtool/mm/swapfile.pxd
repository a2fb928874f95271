# cython: language_level=3
"""Swap areas: their slots, who names them, their bytes.

Counterpart: Linux v6.18 mm/swapfile.c: cluster_alloc_swap_entry(), swap_duplicate(), swap_entry_free(), vm_swap_full(). swapon and swapoff: sys_swap.
A slot's record in POOL_SWAP is the area's base plus its offset; the record number stands for the entry where 32 bits must do.
"""

from vmtool.mm.arena cimport arena_t, slot_at, slot_mut
from vmtool.mm.swap_cluster cimport *
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

cdef inline uint32_t entry_record(arena_t *a, swp_entry_t entry) noexcept nogil:
    """The slot's record; 0: no such slot."""
    cdef const swap_info_t *si = &a.m.swap[swp_type(entry) if swp_type(entry) < MAX_SWAP_AREAS else 0]
    if swp_type(entry) >= MAX_SWAP_AREAS or not si.flags & SWP_USED or swp_offset(entry) >= si.max:
        return 0
    return si.base + <uint32_t>swp_offset(entry)

cdef swp_entry_t record_entry(arena_t *a, uint32_t record) noexcept nogil

cdef inline bint vm_swap_full(arena_t *a) noexcept nogil:
    return a.m.nr_swap_pages * 2 < a.m.total_swap_pages

# Free slots by priority for a folio of that order: the record of the first, each with SLOT_CACHE for the caller; 0: none.
cdef uint32_t get_swap_slots(arena_t *a, uint32_t order) noexcept nogil
cdef void put_swap_slot(arena_t *a, uint32_t record) noexcept nogil  # neither entry nor cache names it any more: its bytes go, it is free
# one entry more names the slot. 0, -EINVAL: it is not in use; -ENOMEM: too many do
cdef int swap_duplicate(arena_t *a, swp_entry_t entry) noexcept nogil
cdef int swp_swapcount(arena_t *a, swp_entry_t entry) noexcept nogil  # how many entries name the slot; 0 also when it is none
# clusters of a new area, the first without its header's slot. 0, -ENOMEM: no table
cdef int swap_area_setup(arena_t *a, uint32_t type) noexcept nogil
cdef void swap_area_release(arena_t *a, uint32_t type) noexcept nogil  # of one in which no slot is in use
# Entries from one on, `max_nr` at most, of slots side by side; they differ in nothing else, and one group pays.
cdef uint32_t swap_pte_batch(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint64_t max_nr) noexcept nogil
cdef uint32_t scan_used(arena_t *a, uint32_t type, uint32_t offset) noexcept nogil  # first offset from there on that something names; 0: none
