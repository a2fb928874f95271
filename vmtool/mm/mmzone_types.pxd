# cython: language_level=3
"""Frames, zones and the lists of free pages (types.pxd passes them on).

Counterpart: struct page of include/linux/mm_types.h, struct zone and per_cpu_pages of include/linux/mmzone.h.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.scalars cimport *

# frame: struct page. Its owner is frame.pyx; who has the frame (buddy, slab, pgtable, the page cache, swap) or moves it (lruvec, vmscan, migrate) changes
# its part.
cdef struct frame_t:  # 32 bytes
    uint32_t flags  # PG_
    int32_t mapcount  # page table entries that map this very page (Linux: _mapcount + 1)
    uint32_t index_lo  # page offset in its mapping (low part); order of a free block
    uint16_t index_hi
    uint16_t extra_refs  # references that are not mappings: page cache, swap cache, pins (_refcount - mappings)
    idx_t content  # bytes of its own, 0: zeros, or the file's block when clean in the page cache
    idx_t mapping  # inode_t, anon_vma_t (PG_anon) or slab_t
    uint32_t lru_next  # list of the buddy system, a per-CPU list or the LRU, by pfn; of a tail: the head
    uint32_t lru_prev  # of an unevictable folio: how many locks it was found to have (mlock_count)
# A folio of order > 0 keeps in its first tail page: index_lo = order, lru_prev = large mapcount (all mappings),
# mapping = entire mapcount (by PMD); and more in its first three: large_folio.pxd. index of a tail is the head's plus the distance.

cdef struct slot_t:  # 16 bytes, one for each chunk of POOL_CONTENT
    uint32_t used  # bit i: content 4 * chunk + i is in use
    uint32_t next  # chunks with room, a doubly linked list; 0 ends it
    uint32_t prev
    uint32_t pad

# zone: struct zone. Changed by frame.pyx (boot) and buddy.pyx; flags and boost by vmscan.pyx, too.
cdef struct zone_t:
    uint64_t start_pfn
    uint64_t spanned_pages
    uint64_t present_pages
    uint64_t managed_pages
    uint64_t free_pages  # NR_FREE_PAGES
    uint64_t unseen_pfn  # blocks of the highest order from here to unseen_end are free, movable, and on no list
    uint64_t unseen_end
    uint64_t watermark[4]  # min low high promo
    uint64_t watermark_boost
    uint64_t lowmem_reserve[NR_ZONES]
    uint64_t pcp_high_min
    uint64_t pcp_high_max
    uint64_t pcp_batch
    free_list_t low_area[NR_LOW_ORDERS][NR_MIGRATETYPES]  # zone.pxd:free_area()
    uint32_t pageblocks[NR_MIGRATETYPES]
    uint32_t flags  # ZONE_
    uint32_t nr_reserved_highatomic, nr_free_highatomic  # pages of pageblocks of that type, and free ones
    uint32_t nr  # of this zone
    uint32_t pad[2]

cdef struct reserved_t:  # what the kernel kept at boot: a range of frames that no record describes
    uint64_t start_pfn
    uint64_t nr_pages
    uint32_t what  # reserved_kind
    uint32_t pad

cdef struct pcp_t:  # per_cpu_pages of one zone on one CPU; changed by buddy.pyx
    uint32_t count
    uint32_t high
    uint32_t free_count
    uint16_t alloc_factor
    uint16_t flags  # PCPF_
    uint32_t head[NR_PCP_LISTS]
    uint32_t tail[NR_PCP_LISTS]
