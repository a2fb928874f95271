# cython: language_level=3
"""What a folio of more than a page keeps in its tails, and the queue of those that may be split.

    tail 1   index_lo order | lru_prev large mapcount | mapping entire mapcount | extra_refs pages that small entries map (_nr_pages_mapped)
    tail 2   mapping mm_id_mapcount[0] | index_hi LARGE_ bits | index_lo, lru_prev: neighbours in the queue
    tail 3   index_lo, lru_prev mm_id[0], mm_id[1] | mapping mm_id_mapcount[1]
A folio of two pages has the first alone. An address space's mm_id is its record.
Counterpart: Linux v6.18 struct folio in include/linux/mm_types.h; include/linux/rmap.h:folio_add_large_mapcount(); include/linux/huge_mm.h:mod_mthp_stat().
"""

from vmtool.mm.arch cimport ARCH_NO_THP
from vmtool.mm.arena cimport arena_t, frame_at, frame_mut
from vmtool.mm.frame cimport folio_order
from vmtool.mm.types cimport *

cdef enum:  # of tail 2, index_hi
    LARGE_MM_IDS_SHARED = 1  # FOLIO_MM_IDS_SHARED_BITNUM: more than one address space may map it
    LARGE_QUEUED = 2  # on a split_queue
    LARGE_PARTIALLY_MAPPED = 4  # PG_partially_mapped

cdef enum:  # fpb_t
    FPB_RESPECT_WRITE = 1  # they do not differ in write

cdef enum:
    MAX_XAS_ORDER = 11

cdef enum:  # mthp_stat_item
    MTHP_STAT_ANON_FAULT_ALLOC
    MTHP_STAT_ANON_FAULT_FALLBACK
    MTHP_STAT_ANON_FAULT_FALLBACK_CHARGE
    MTHP_STAT_ZSWPOUT
    MTHP_STAT_SWPIN
    MTHP_STAT_SWPIN_FALLBACK
    MTHP_STAT_SWPIN_FALLBACK_CHARGE
    MTHP_STAT_SWPOUT
    MTHP_STAT_SWPOUT_FALLBACK
    MTHP_STAT_SHMEM_ALLOC
    MTHP_STAT_SHMEM_FALLBACK
    MTHP_STAT_SHMEM_FALLBACK_CHARGE
    MTHP_STAT_SPLIT
    MTHP_STAT_SPLIT_FAILED
    MTHP_STAT_SPLIT_DEFERRED
    MTHP_STAT_NR_ANON
    MTHP_STAT_NR_ANON_PARTIALLY_MAPPED
    MTHP_STAT_COUNT

cdef inline bint has_pmd_thp(const arch_t *g) noexcept nogil:
    """One entry above the PTEs maps a huge page, and there are free blocks of its size."""
    return g.flags & ARCH_NO_THP == 0 and g.leaf_levels & 2 and g.pmd_order <= g.max_order

cdef inline uint32_t max_pagecache_order(const arch_t *g) noexcept nogil:
    """MAX_PAGECACHE_ORDER: what two levels of an xarray can hold as one entry, and no more than a huge page."""
    return min(<uint32_t>MAX_XAS_ORDER, <uint32_t>g.pmd_order)

cdef inline uint32_t ext4_max_order(const arch_t *g) noexcept nogil:
    """EXT4_MAX_PAGECACHE_ORDER: 2048 blocks of 4 KiB, and no more than the page cache takes."""
    return min(max_pagecache_order(g), 23 - g.page_shift)

cdef inline uint32_t thp_orders_all_file(const arch_t *g) noexcept nogil:
    """THP_ORDERS_ALL_FILE_DEFAULT, as bits: sizes of folios of a file."""
    return ((<uint32_t>1 << (max_pagecache_order(g) + 1)) - 1) & ~<uint32_t>1

cdef inline int hpage_pmd_nr(arena_t *a) noexcept nogil:
    return 1 << a.m.arch.pmd_order

cdef inline uint64_t hpage_pmd_size(arena_t *a) noexcept nogil:
    return <uint64_t>1 << a.m.arch.level_shift[1]

cdef inline vaddr_t hpage_pmd_start(arena_t *a, vaddr_t addr) noexcept nogil:
    return addr & ~(hpage_pmd_size(a) - 1)

cdef inline vaddr_t hpage_pmd_end(arena_t *a, vaddr_t addr) noexcept nogil:
    """Up to the next huge page; 0 past the last."""
    return hpage_pmd_start(a, addr + hpage_pmd_size(a) - 1)

cdef inline uint32_t thp_orders_all_anon(const arch_t *g) noexcept nogil:
    """THP_ORDERS_ALL_ANON, as bits: sizes of huge pages of anonymous memory, up to the largest free block. A PMD's where has_pmd_thp()."""
    return 0 if g.flags & ARCH_NO_THP else ((<uint32_t>1 << (min(g.pmd_order, g.max_order) + 1)) - 1) & ~<uint32_t>3

cdef inline bint is_anon_order(arena_t *a, uint32_t order) noexcept nogil:
    return order < NR_MTHP_ORDERS and thp_orders_all_anon(&a.m.arch) >> order & 1

cdef inline void mod_mthp_stat(arena_t *a, uint32_t order, int item, int64_t n) noexcept nogil:
    if 0 < order < NR_MTHP_ORDERS and order <= a.m.arch.pmd_order:
        a.m.mthp_stat[order][item] += n

cdef inline void count_mthp_stat(arena_t *a, uint32_t order, int item) noexcept nogil:
    mod_mthp_stat(a, order, item, 1)

# --- what the tails keep; nobody else knows where. Precondition of all: the folio has more than one page, for tails 2 and 3 more than two.

cdef inline uint32_t large_mapcount(arena_t *a, pfn_t head) noexcept nogil:
    return frame_at(a, head + 1).lru_prev

cdef inline uint32_t folio_entire_mapcount(arena_t *a, pfn_t head) noexcept nogil:
    """Mappings of the whole by one entry."""
    return frame_at(a, head + 1).mapping

cdef inline uint32_t folio_add_entire(arena_t *a, pfn_t head, int n) noexcept nogil:
    """Returns: how many there are now."""
    frame_mut(a, head + 1).mapping += n
    return frame_at(a, head + 1).mapping

cdef inline uint32_t folio_nr_mapped(arena_t *a, pfn_t head) noexcept nogil:
    """_nr_pages_mapped: pages that small entries map."""
    return frame_at(a, head + 1).extra_refs

cdef inline void folio_add_nr_mapped(arena_t *a, pfn_t head, int n) noexcept nogil:
    frame_mut(a, head + 1).extra_refs += <uint16_t>n

cdef inline uint32_t folio_hpg(arena_t *a, pfn_t head) noexcept nogil:
    """HPG_ bits of a page of hugetlb's (hstate.pxd)."""
    return frame_at(a, head + 1).index_hi

cdef inline void folio_set_hpg(arena_t *a, pfn_t head, uint32_t bits) noexcept nogil:
    frame_mut(a, head + 1).index_hi = <uint16_t>bits

cdef inline void hugetlb_add_mapping(arena_t *a, pfn_t head, int n) noexcept nogil:
    """hugetlb_add_file_rmap(): no address space is noted."""
    frame_mut(a, head + 1).lru_prev += n
    frame_mut(a, head + 1).mapping += n

cdef inline uint32_t folio_large_bits(arena_t *a, pfn_t head) noexcept nogil:
    """LARGE_ bits."""
    return frame_at(a, head + 2).index_hi

cdef inline idx_t folio_mm_id(arena_t *a, pfn_t head, int slot) noexcept nogil:
    """_mm_id[slot]: the address space, 0: none."""
    return frame_at(a, head + 3).lru_prev if slot else frame_at(a, head + 3).index_lo

cdef inline uint32_t folio_mm_id_mapcount(arena_t *a, pfn_t head, int slot) noexcept nogil:
    return frame_at(a, head + 3 if slot else head + 2).mapping

# --- mappings. Preconditions of all: the folio has more than one page, and is not hugetlb's.

cdef inline bint partially_mapped(arena_t *a, pfn_t head) noexcept nogil:
    return folio_order(a, head) > 1 and folio_large_bits(a, head) & LARGE_PARTIALLY_MAPPED != 0

cdef void clear_tails(arena_t *a, pfn_t head, uint32_t order) noexcept nogil  # a new folio: nobody maps it, and it is on no queue
cdef void renew_tail(arena_t *a, pfn_t head, uint32_t order) noexcept nogil  # of a piece of a folio that is split: the first tail alone
# `n` entries more or less, of the address space `mm`. Returns how many there are now.
cdef uint32_t add_large_mapcount(arena_t *a, pfn_t head, idx_t mm, uint32_t n) noexcept nogil
cdef uint32_t sub_large_mapcount(arena_t *a, pfn_t head, idx_t mm, uint32_t n) noexcept nogil  # Precondition: it has so many there
# folio_pte_batch(): entries from one on, `max_nr` at most, that map the folio's pages one after the other; they may differ in young, dirty and write.
cdef uint32_t folio_pte_batch(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint64_t max_nr) noexcept nogil
cdef uint32_t folio_pte_batch_flags(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint64_t max_nr, uint32_t flags) noexcept nogil
cdef bint folio_maybe_mapped_shared(arena_t *a, pfn_t head) noexcept nogil  # any folio but one of two pages, of which nobody keeps that

# --- the queue
cdef void deferred_split_folio(arena_t *a, pfn_t head, bint partially) noexcept nogil  # Counts: THP_DEFERRED_SPLIT_PAGE, SPLIT_DEFERRED
cdef void unqueue_deferred_split(arena_t *a, pfn_t head) noexcept nogil  # also of any folio that is on none
cdef pfn_t next_in_queue(arena_t *a, pfn_t head) noexcept nogil  # the folio behind it; 0: it is the last
cdef void requeue(arena_t *a, pfn_t head) noexcept nogil  # to the end, with what is known of it
