# cython: language_level=3
"""Swap areas: their slots, who names them, their bytes.

Counterpart: Linux v6.18 mm/swapfile.c: cluster_alloc_swap_entry(), swap_duplicate(), swap_entry_free(), vm_swap_full(). swapon and swapoff: sys_swap.
A slot's record in POOL_SWAP is the area's base plus its offset; the record number stands for the entry where 32 bits must do.
"""

from vmtool.mm.arena cimport arena_t, slot_at, slot_mut
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

cdef enum:  # swap_info_t.flags
    SWP_USED = 1
    SWP_WRITEOK = 2
    SWP_SOLIDSTATE = 16
    SWP_SMALL_CLUSTERS = 1 << 30  # ours: of 256 slots, as without CONFIG_THP_SWAP; files of before had none

cdef enum:
    SWAPFILE_CLUSTER = 512  # of an area's slots: HPAGE_PMD_NR with CONFIG_THP_SWAP, which x86-64 and arm64 with pages of 4K have
    SMALL_CLUSTER = 256

cdef enum:  # cluster_state
    CLUSTER_NONE  # off the lists, while it is gone through
    CLUSTER_FREE
    CLUSTER_NONFULL
    CLUSTER_FULL
    CLUSTER_FRAG

cdef inline uint32_t cluster_slots(const swap_info_t *si) noexcept nogil:
    """SWAPFILE_CLUSTER, as the kernel was built that switched the area on."""
    return SMALL_CLUSTER if si.flags & SWP_SMALL_CLUSTERS else SWAPFILE_CLUSTER

cdef inline uint32_t entry_record(arena_t *a, swp_entry_t entry) noexcept nogil:
    """The slot's record; 0: no such slot."""
    cdef const swap_info_t *si = &a.m.swap[swp_type(entry) if swp_type(entry) < MAX_SWAP_AREAS else 0]
    if swp_type(entry) >= MAX_SWAP_AREAS or not si.flags & SWP_USED or swp_offset(entry) >= si.max:
        return 0
    return si.base + <uint32_t>swp_offset(entry)

cdef swp_entry_t record_entry(arena_t *a, uint32_t record) noexcept nogil

cdef inline bint vm_swap_full(arena_t *a) noexcept nogil:
    return a.m.nr_swap_pages * 2 < a.m.total_swap_pages

cdef uint32_t get_swap_slot(arena_t *a) noexcept nogil  # a free slot by priority, its record, with SLOT_CACHE for the caller; 0: none
cdef void put_swap_slot(arena_t *a, uint32_t record) noexcept nogil  # neither entry nor cache names it any more: its bytes go, it is free
cdef int swap_duplicate(arena_t *a, swp_entry_t entry) noexcept nogil  # 0, -EINVAL: not in use
cdef int swp_swapcount(arena_t *a, swp_entry_t entry) noexcept nogil
cdef int swap_area_setup(arena_t *a, uint32_t type) noexcept nogil  # clusters of a new area; 0 or -ENOMEM
cdef void swap_area_release(arena_t *a, uint32_t type) noexcept nogil  # of one in which no slot is in use
cdef bint table_is_page(arena_t *a, const swap_info_t *si) noexcept nogil  # SWP_TABLE_USE_PAGE; else it is an object
cdef int table_cache(arena_t *a) noexcept nogil  # of which it is one
cdef uint64_t table_object(arena_t *a, uint32_t table) noexcept nogil  # which, by swap_cluster_t.table
cdef bint area_has_tables(arena_t *a, uint32_t type) noexcept nogil
cdef uint32_t scan_used(arena_t *a, uint32_t type, uint32_t offset) noexcept nogil  # first offset from there on that something names; 0: none
