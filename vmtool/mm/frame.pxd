# cython: language_level=3
"""Level 2. Page frames: what each is, its bytes, zones, and what the kernel keeps for itself at boot."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmtool.mm.arena cimport arena_t, frame_at, frame_mut, rec_at
from vmtool.mm.types cimport *

cdef enum:  # migratetype
    MIGRATE_UNMOVABLE
    MIGRATE_MOVABLE
    MIGRATE_RECLAIMABLE
    MIGRATE_HIGHATOMIC

cdef enum:  # zone_type
    ZONE_DMA
    ZONE_DMA32
    ZONE_NORMAL
    ZONE_HIGHMEM

cdef enum:  # zone_watermark
    WMARK_MIN
    WMARK_LOW
    WMARK_HIGH
    WMARK_PROMO

cdef enum:  # lru_list
    LRU_INACTIVE_ANON
    LRU_ACTIVE_ANON
    LRU_INACTIVE_FILE
    LRU_ACTIVE_FILE
    LRU_UNEVICTABLE

cdef enum:
    PAGEBLOCK_ORDER = 9
    MAX_ORDER_PAGES = 1024  # of one block of the highest order

cdef enum:  # reserved_kind
    RESERVED_HOLE  # no RAM there
    RESERVED_LOW  # the first MiB's firmware areas
    RESERVED_KERNEL_CODE
    RESERVED_KERNEL_RODATA
    RESERVED_KERNEL_DATA
    RESERVED_KERNEL_BSS
    RESERVED_MEMMAP  # struct page
    RESERVED_PERCPU
    RESERVED_HASHES  # dentry, inode, mount, futex tables …
    RESERVED_PGTABLE  # the kernel's own page tables

# Boot: memory map, reservations, zones with watermarks, per-CPU lists' limits, zero page.
# Preconditions: m.arch, m.ram_bytes, m.nr_cpus and m.thp_enabled are set; sysctls of the watermarks that are 0 get their defaults.
# THP is turned off below 512 MiB, as hugepage_init() does.
# Returns 0, -EINVAL (RAM too small or too large) or -ENOMEM.
cdef int boot_memory(arena_t *a) noexcept nogil
cdef const char *reserved_name(uint32_t what) noexcept nogil
cdef const char *zone_name(uint32_t zone) noexcept nogil
# The reserved_kind of a frame that the kernel kept at boot, -1: none of those.
cdef int reserved_what(arena_t *a, uint64_t pfn) noexcept nogil
cdef void setup_per_zone_wmarks(arena_t *a) noexcept nogil  # after a sysctl changed min_free_kbytes and its like

cdef inline uint32_t pfn_to_zone(arena_t *a, uint64_t pfn) noexcept nogil:
    cdef uint32_t z = ZONE_HIGHMEM
    while z and (a.m.zone[z].spanned_pages == 0 or pfn < a.m.zone[z].start_pfn):
        z -= 1
    return z

# Migrate type of the pageblock; stored with Movable as 0, because that is what a machine starts with.
cdef inline uint32_t pageblock_type(arena_t *a, uint64_t pfn) noexcept nogil:
    return (<uint8_t *>rec_at(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> PAGEBLOCK_ORDER)))[0] & 3 ^ MIGRATE_MOVABLE

# The folio a page belongs to, and its facts.
cdef inline pfn_t page_folio(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_at(a, pfn)
    if f.flags & PG_tail:
        return f.lru_next
    return pfn

cdef inline uint32_t folio_order(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t order
    if frame_at(a, head).flags & PG_head:
        order = frame_at(a, head + 1).index_lo
        return order if order < NR_ORDERS else 0  # else damaged: fsck tells
    return 0

cdef inline uint64_t frame_index(const frame_t *f) noexcept nogil:
    return <uint64_t>f.index_hi << 32 | f.index_lo

cdef inline void frame_set_index(frame_t *f, uint64_t index) noexcept nogil:
    f.index_lo = <uint32_t>index
    f.index_hi = <uint16_t>(index >> 32)

# Bytes of a frame. page_bytes gives 4 KiB to read (never NULL: zeros when it has none; a clean page-cache page
# gives its file's block); page_bytes_mut gives bytes of the frame's own, making them (with what it read as) when needed.
cdef const char *page_bytes(arena_t *a, pfn_t pfn) noexcept nogil
cdef char *page_bytes_mut(arena_t *a, pfn_t pfn) noexcept nogil
cdef void page_copy(arena_t *a, pfn_t dst, pfn_t src) noexcept nogil
cdef void page_zero(arena_t *a, pfn_t pfn) noexcept nogil  # forget its bytes: reads as zeros

# LRU lists of the root lruvec (add puts at the head); they keep the node and zone counters.
cdef void folio_add_lru(arena_t *a, pfn_t head) noexcept nogil
cdef void folio_del_lru(arena_t *a, pfn_t head) noexcept nogil
cdef uint32_t folio_lru_list(arena_t *a, pfn_t head) noexcept nogil  # lru_list by the folio's flags
