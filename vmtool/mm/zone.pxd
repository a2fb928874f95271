# cython: language_level=3
"""Zones and their watermarks; the memory map that boot makes them of: memblock."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmtool.mm.arena cimport arena_t, fixed_at
from vmtool.mm.memblock cimport *  # whoever asks for zones asks where RAM begins
from vmtool.mm.types cimport *

cdef enum:
    SWAP_CLUSTER_MAX = 32  # pages that reclaim goes for at once, and that a watermark is moved by

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

# Boot: memory map, reservations, zones with watermarks, per-CPU lists' limits, zero page.
# Preconditions: m.arch, m.ram_bytes, m.nr_cpus and m.thp_enabled are set; sysctls of the watermarks that are 0 get their defaults.
# THP is turned off below 512 MiB, as hugepage_init() does.
# Returns 0, -EINVAL (RAM too small or too large) or -ENOMEM.
cdef int boot_memory(arena_t *a) noexcept nogil
cdef void free_at_boot(arena_t *a, zone_t *zone, uint64_t start, uint64_t end) noexcept nogil  # to the lists' tails; zone.free_pages is the caller's
cdef int size_pools(arena_t *a) noexcept nogil  # what is as long as the machine has CPUs or frames; 0 or -ENOMEM
cdef uint64_t int_sqrt(uint64_t x) noexcept nogil  # of a number below 2**48, rounded down
cdef const char *zone_name(uint32_t zone) noexcept nogil
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

cdef inline bint zone_holds(const zone_t *zone, uint64_t pfn) noexcept nogil:
    """pfn_to_zone() would say so."""
    return pfn - zone.start_pfn < zone.spanned_pages

# Migrate type of the pageblock; stored with Movable as 0, because that is what a machine starts with.
cdef inline uint32_t pageblock_type(arena_t *a, uint64_t pfn) noexcept nogil:
    return (<uint8_t *>fixed_at(a, POOL_PAGEBLOCK, <uint32_t>(pfn >> a.m.arch.pageblock_order), 1))[0] & 3 ^ MIGRATE_MOVABLE
