# cython: language_level=3
"""Level 1. The memory map: zones, their watermarks, and what the kernel keeps for itself at boot."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmtool.mm.arena cimport arena_t, rec_at
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
    # from here on of a zone's managed pages: what boot allocated and nothing frees
    RESERVED_SLAB
    RESERVED_KMALLOC  # blocks beyond 8K
    RESERVED_STACKS  # of the kernel's threads
    RESERVED_MODULES  # and the rest of what vmalloc() gave
    RESERVED_TABLES  # page tables
    RESERVED_BLOCKS  # of the buddy system itself: the network's hash tables, DMA pools, drivers' buffers; no line of meminfo has them
    NR_RESERVED_KINDS

# Boot: memory map, reservations, zones with watermarks, per-CPU lists' limits, zero page.
# Preconditions: m.arch, m.ram_bytes, m.nr_cpus and m.thp_enabled are set; sysctls of the watermarks that are 0 get their defaults.
# THP is turned off below 512 MiB, as hugepage_init() does.
# Returns 0, -EINVAL (RAM too small or too large) or -ENOMEM.
cdef int boot_memory(arena_t *a) noexcept nogil
cdef int reserve(arena_t *a, uint64_t start, uint64_t nr_pages, uint32_t what) noexcept nogil  # 0 or -ENOMEM: too many ranges
cdef void free_at_boot(arena_t *a, zone_t *zone, uint64_t start, uint64_t end) noexcept nogil  # to the lists' tails; zone.free_pages is the caller's
cdef uint64_t ram_start(const arch_t *g) noexcept nogil  # the first frame of RAM
cdef uint64_t lowmem_end(const arch_t *g) noexcept nogil  # first frame of HighMem on a 32-bit architecture, 0: it has none
cdef int size_pools(arena_t *a) noexcept nogil  # what is as long as the machine has CPUs or frames; 0 or -ENOMEM
cdef const char *reserved_name(uint32_t what) noexcept nogil
cdef uint64_t hash_pages(const arch_t *g, uint64_t kernel_pages, uint32_t scale, uint32_t bucket_bytes) noexcept nogil  # of a table that grows with RAM
cdef const char *zone_name(uint32_t zone) noexcept nogil
# What the kernel kept at boot that a frame is part of, or NULL; where that ends (0: nothing); its reserved_kind (-1).
cdef const reserved_t *reserved_range(arena_t *a, uint64_t pfn) noexcept nogil
cdef const reserved_t *reserved_of(arena_t *a, uint32_t what) noexcept nogil  # the longest range of a kind, NULL: none
cdef uint64_t reserved_end(arena_t *a, uint64_t pfn) noexcept nogil
cdef int reserved_what(arena_t *a, uint64_t pfn) noexcept nogil
cdef void setup_per_zone_wmarks(arena_t *a) noexcept nogil  # after a sysctl changed min_free_kbytes and its like
cdef uint64_t calculate_min_free_kbytes(arena_t *a) noexcept nogil  # by the size of memory; what was written by hand stays when it is more. Returns what it came to
cdef uint64_t recommended_min_free_kbytes(arena_t *a) noexcept nogil  # so that huge pages find pageblocks

cdef inline uint64_t pageblock_nr_pages(arena_t *a) noexcept nogil:
    return <uint64_t>1 << a.m.arch.pageblock_order

cdef inline uint64_t max_order_nr_pages(arena_t *a) noexcept nogil:
    """Of one block of the highest order."""
    return <uint64_t>1 << a.m.arch.max_order

# The list of free blocks of an order and a type.
cdef inline free_list_t *free_area(arena_t *a, const zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    if order < NR_LOW_ORDERS:
        return <free_list_t *>&zone.low_area[order][mt]
    return &a.m.high_area[zone.nr & NR_ZONES - 1][order - NR_LOW_ORDERS][mt]

cdef inline uint64_t wmark_pages(const zone_t *zone, uint32_t mark) noexcept nogil:
    return zone.watermark[mark] + zone.watermark_boost

cdef inline uint32_t pfn_to_zone(arena_t *a, uint64_t pfn) noexcept nogil:
    cdef uint32_t z = ZONE_HIGHMEM
    while z and (a.m.zone[z].spanned_pages == 0 or pfn < a.m.zone[z].start_pfn):
        z -= 1
    return z

# Migrate type of the pageblock; stored with Movable as 0, because that is what a machine starts with.
cdef inline uint32_t pageblock_type(arena_t *a, uint64_t pfn) noexcept nogil:
    return (<uint8_t *>rec_at(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> a.m.arch.pageblock_order)))[0] & 3 ^ MIGRATE_MOVABLE
