"""Zones and their watermarks.

Counterpart: Linux v6.18 mm/mm_init.c (free_area_init), mm/page_alloc.c (init_per_zone_wmark_min, __setup_per_zone_wmarks,
setup_per_zone_lowmem_reserve, zone_batchsize, zone_highsize).
Invariants: a zone's managed pages are what boot freed.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport ARCH_NO_THP, is_riscv
from vmtool.mm.arena cimport arena_resize, frame_mut, rec_mut
from vmtool.mm.memblock cimport DMA32_END, PCI_HOLE, frames_of, make_memory_map

cdef const char *ZONE_NAMES[NR_ZONES]
ZONE_NAMES[:] = [b"DMA", b"DMA32", b"Normal", b"HighMem"]

cdef enum:
    DMA_END = 0x1000  # 16 MiB; in units of 4K, whatever a page is: frames_of()
    THP_MIN_PAGES = 0x20000  # 512 MiB: on less, huge pages cost more than they give
    HIGH_FRACTION_MIN = 8  # MIN_PERCPU_PAGELIST_HIGH_FRACTION


cdef const char *zone_name(uint32_t zone) noexcept nogil:
    return ZONE_NAMES[zone if zone < NR_ZONES else 0]


# --- boot: zones ------------------------------------------------------------------------------------------


cdef uint64_t next_free_range(arena_t *a, uint64_t *start, uint64_t end) noexcept nogil:
    """The first free range at or after *start and below end; sets *start. Returns its end, 0: none."""
    cdef uint32_t i
    cdef uint64_t stop = end
    cdef bint moved = True
    cdef reserved_t *r
    while moved:
        moved = False
        for i in range(a.m.nr_reserved):
            r = &a.m.reserved[i]
            if r.start_pfn <= start[0] < r.start_pfn + r.nr_pages:
                start[0] = r.start_pfn + r.nr_pages
                moved = True
    if start[0] >= end:
        return 0
    for i in range(a.m.nr_reserved):
        r = &a.m.reserved[i]
        if start[0] < r.start_pfn < stop:
            stop = r.start_pfn
    return stop


cdef void free_at_boot(arena_t *a, zone_t *zone, uint64_t start, uint64_t end) noexcept nogil:
    """__free_pages_core(): the largest aligned blocks, each to the tail of its list, so that low addresses go first."""
    cdef uint32_t order
    cdef free_list_t *list
    cdef frame_t *f
    while start < end:
        order = a.m.arch.max_order
        while start & ((<uint64_t>1 << order) - 1) or start + (<uint64_t>1 << order) > end:
            order -= 1
        list = free_area(a, zone, order, pageblock_type(a, start))
        f = frame_mut(a, <pfn_t>start)
        f.flags = PG_buddy
        f.index_lo = order
        f.lru_next = 0
        f.lru_prev = list.tail
        if list.tail:
            frame_mut(a, list.tail).lru_next = <uint32_t>start
        else:
            list.head = <uint32_t>start
        list.tail = <uint32_t>start
        list.nr_free += 1
        start += <uint64_t>1 << order


cdef void init_zone(arena_t *a, uint32_t z, uint64_t start, uint64_t end) noexcept nogil:
    """Spanned, present and managed pages; the largest free range becomes the unseen one, the rest goes to the lists."""
    cdef zone_t *zone = &a.m.zone[z]
    cdef uint64_t at = start, stop, best = 0, first, last
    cdef uint64_t mask = max_order_nr_pages(a) - 1
    if end <= start:
        return
    zone.start_pfn = start
    zone.spanned_pages = end - start
    zone.pageblocks[MIGRATE_MOVABLE] = <uint32_t>(((end + pageblock_nr_pages(a) - 1) >> a.m.arch.pageblock_order) - (start >> a.m.arch.pageblock_order))
    while True:
        stop = next_free_range(a, &at, end)
        if stop == 0:
            break
        zone.managed_pages += stop - at
        first = (at + mask) & ~mask
        last = stop & ~mask
        if last > first and last - first > best:
            best = last - first
            zone.unseen_pfn = first
            zone.unseen_end = last
        at = stop
    at = start
    while True:
        stop = next_free_range(a, &at, end)
        if stop == 0:
            break
        if at <= zone.unseen_pfn and zone.unseen_end <= stop and best:
            free_at_boot(a, zone, at, zone.unseen_pfn)
            free_at_boot(a, zone, zone.unseen_end, stop)
        else:
            free_at_boot(a, zone, at, stop)
        at = stop
    zone.free_pages = zone.managed_pages


cdef void count_present(arena_t *a, uint32_t z) noexcept nogil:
    """Spanned pages and pageblocks less the holes."""
    cdef zone_t *zone = &a.m.zone[z]
    cdef uint64_t end = zone.start_pfn + zone.spanned_pages
    cdef uint64_t first, last
    cdef uint32_t i
    zone.present_pages = zone.spanned_pages
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == RESERVED_HOLE:
            first = max(a.m.reserved[i].start_pfn, zone.start_pfn)
            last = min(a.m.reserved[i].start_pfn + a.m.reserved[i].nr_pages, end)
            if last > first:
                zone.present_pages -= last - first
                if last >> a.m.arch.pageblock_order > (first + pageblock_nr_pages(a) - 1) >> a.m.arch.pageblock_order:
                    zone.pageblocks[MIGRATE_MOVABLE] -= <uint32_t>((last >> a.m.arch.pageblock_order) - ((first + pageblock_nr_pages(a) - 1) >> a.m.arch.pageblock_order))


cdef void init_zones(arena_t *a) noexcept nogil:
    cdef machine_t *m = a.m
    cdef uint64_t low_end = PCI_HOLE if m.max_pfn > DMA32_END else m.max_pfn
    cdef uint64_t limit = lowmem_end(&m.arch)
    cdef uint32_t z
    for z in range(NR_ZONES):
        m.zone[z].nr = z
    if is_riscv(&m.arch):
        m.nr_zones = 2
        init_zone(a, ZONE_DMA32, ram_start(&m.arch), min(m.max_pfn, <uint64_t>DMA32_END))
        init_zone(a, ZONE_NORMAL, DMA32_END, m.max_pfn)
        return
    if ram_start(&m.arch):  # devices of 32 bits: all below 4 GiB is DMA
        m.nr_zones = 4 if limit else 3
        init_zone(a, ZONE_DMA, ram_start(&m.arch), min(m.max_pfn, limit if limit else frames_of(&m.arch, DMA32_END)))
        init_zone(a, ZONE_HIGHMEM if limit else ZONE_NORMAL, limit if limit else frames_of(&m.arch, DMA32_END), m.max_pfn)
        return
    init_zone(a, ZONE_DMA, 1, min(low_end, <uint64_t>DMA_END))
    if limit:
        m.nr_zones = 4
        init_zone(a, ZONE_NORMAL, DMA_END, min(limit, m.max_pfn))
        init_zone(a, ZONE_HIGHMEM, limit, m.max_pfn)
        return
    m.nr_zones = 3
    init_zone(a, ZONE_DMA32, DMA_END, DMA32_END if m.max_pfn > DMA32_END else low_end)
    if m.max_pfn > DMA32_END:
        init_zone(a, ZONE_NORMAL, DMA32_END, m.max_pfn)


cdef int size_pools(arena_t *a) noexcept nogil:
    """Those that are as long as the machine has CPUs or frames, and that the first files did not have."""
    if arena_resize(a, POOL_FBATCH, a.m.nr_cpus + 1) < 0 or arena_resize(a, POOL_FOLIO_X, <uint32_t>a.m.max_pfn) < 0:
        return -ENOMEM
    return 0


cdef int boot_memory(arena_t *a) noexcept nogil:
    cdef uint64_t low_end, high_end
    cdef uint32_t z, cpu
    cdef machine_t *m = a.m
    cdef int err
    if m.nr_cpus == 0 or m.nr_cpus > MAX_CPUS:
        return -EINVAL
    err = make_memory_map(a, &low_end, &high_end)
    if err:
        return err
    if arena_resize(a, POOL_FRAME, <uint32_t>m.max_pfn) < 0 or arena_resize(a, POOL_CPU, m.nr_cpus + 1) < 0:
        return -ENOMEM
    if arena_resize(a, POOL_PAGEBLOCK, <uint32_t>(m.max_pfn >> a.m.arch.pageblock_order) + 1) < 0 or size_pools(a) < 0:
        return -ENOMEM
    init_zones(a)
    m.totalram_pages = 0
    for z in range(NR_ZONES):
        count_present(a, z)
        m.totalram_pages += m.zone[z].managed_pages
    if m.totalram_pages == 0:
        return -EINVAL
    for cpu in range(m.nr_cpus):
        memset(rec_mut(a, POOL_CPU, cpu + 1), 0, sizeof(cpu_t))
    frame_mut(a, m.zero_pfn).flags = PG_reserved | PG_zero
    frame_mut(a, m.zero_pfn).extra_refs = 1
    if m.watermark_scale_factor == 0:
        m.watermark_scale_factor = 10
    if m.lowmem_reserve_ratio[ZONE_DMA] == 0:
        m.lowmem_reserve_ratio[ZONE_DMA] = 256
        m.lowmem_reserve_ratio[ZONE_DMA32] = 256
        m.lowmem_reserve_ratio[ZONE_NORMAL] = 32
        m.lowmem_reserve_ratio[ZONE_HIGHMEM] = 0
    if m.totalram_pages < frames_of(&m.arch, THP_MIN_PAGES) or m.arch.flags & ARCH_NO_THP:
        m.thp_enabled = m.thp_defrag = 0  # hugepage_init()
    init_min_free_kbytes(a)
    return 0


# --- watermarks -----------------------------------------------------------------------------------------------


cdef uint64_t int_sqrt(uint64_t x) noexcept nogil:
    cdef uint64_t lo = 0, hi = <uint64_t>1 << 24, mid
    while lo + 1 < hi:
        mid = (lo + hi) >> 1
        if mid * mid <= x:
            lo = mid
        else:
            hi = mid
    return lo


cdef uint64_t nr_free_buffer_pages(arena_t *a) noexcept nogil:
    """Managed pages above the high watermarks, of the zones that GFP_USER may use."""
    cdef uint32_t z
    cdef uint64_t n = 0
    for z in range(ZONE_HIGHMEM):
        n += a.m.zone[z].managed_pages - min(wmark_pages(&a.m.zone[z], WMARK_HIGH), a.m.zone[z].managed_pages)
    return n


cdef uint64_t calculate_min_free_kbytes(arena_t *a) noexcept nogil:
    cdef uint64_t kbytes = int_sqrt((nr_free_buffer_pages(a) << (a.m.arch.page_shift - 10)) * 16)
    if kbytes + 1 > a.m.user_min_free_kbytes:
        a.m.min_free_kbytes = min(max(kbytes, <uint64_t>128), <uint64_t>262144)
    return kbytes


cdef uint64_t recommended_min_free_kbytes(arena_t *a) noexcept nogil:
    """Two free pageblocks a zone, and room for each of three types to fall back on the others."""
    cdef uint64_t nr_pages = 0
    cdef uint32_t z
    for z in range(ZONE_HIGHMEM):
        nr_pages += pageblock_nr_pages(a) * (2 + 9) if a.m.zone[z].managed_pages else 0
    return min(nr_pages, nr_free_buffer_pages(a) // 20) << (a.m.arch.page_shift - 10)


cdef void init_min_free_kbytes(arena_t *a) noexcept nogil:
    """init_per_zone_wmark_min(), then khugepaged begins unless THP is off."""
    calculate_min_free_kbytes(a)
    setup_per_zone_wmarks(a)
    if a.m.thp_enabled:
        a.m.min_free_kbytes = max(a.m.min_free_kbytes, recommended_min_free_kbytes(a))
        setup_per_zone_wmarks(a)


cdef void setup_lowmem_reserve(arena_t *a) noexcept nogil:
    """What a zone keeps from allocations that could use a higher one: the pages above it / its ratio."""
    cdef uint32_t i, j
    cdef uint64_t above
    cdef uint32_t ratio
    for i in range(NR_ZONES):
        above = 0
        ratio = a.m.lowmem_reserve_ratio[i]
        for j in range(NR_ZONES):
            a.m.zone[i].lowmem_reserve[j] = 0
            if j <= i:
                continue
            above += a.m.zone[j].managed_pages
            if ratio and a.m.zone[i].managed_pages:
                a.m.zone[i].lowmem_reserve[j] = above // ratio


cdef void setup_pcp(arena_t *a, zone_t *zone) noexcept nogil:
    """zone_set_pageset_high_and_batch()."""
    cdef uint64_t batch = max(min(zone.managed_pages >> 10, frames_of(&a.m.arch, 256)) // 4, <uint64_t>1), power = 1
    while power * 2 <= batch + batch // 2:
        power *= 2
    zone.pcp_batch = max(power - 1, <uint64_t>1)
    zone.pcp_high_min = max(zone.watermark[WMARK_LOW] // a.m.nr_cpus, zone.pcp_batch << 2)
    zone.pcp_high_max = max(zone.managed_pages // HIGH_FRACTION_MIN // a.m.nr_cpus, zone.pcp_batch << 2)


cdef void setup_per_zone_wmarks(arena_t *a) noexcept nogil:
    cdef uint64_t pages_min = a.m.min_free_kbytes >> (a.m.arch.page_shift - 10)
    cdef uint64_t lowmem = 0, step, reserve_max
    cdef uint32_t z, j
    cdef zone_t *zone
    for z in range(ZONE_HIGHMEM):
        lowmem += a.m.zone[z].managed_pages
    a.m.totalreserve_pages = 0
    setup_lowmem_reserve(a)
    for z in range(NR_ZONES):
        zone = &a.m.zone[z]
        if zone.managed_pages == 0:
            continue
        step = pages_min * zone.managed_pages // lowmem
        if z == ZONE_HIGHMEM:
            zone.watermark[WMARK_MIN] = min(max(zone.managed_pages >> 10, <uint64_t>SWAP_CLUSTER_MAX), <uint64_t>128)
        else:
            zone.watermark[WMARK_MIN] = step
        step = max(step >> 2, zone.managed_pages * a.m.watermark_scale_factor // 10000)
        for j in range(1, 4):
            zone.watermark[j] = zone.watermark[j - 1] + step
        setup_pcp(a, zone)
        reserve_max = zone.watermark[WMARK_HIGH]
        reserve_max += max(zone.lowmem_reserve[ZONE_NORMAL], zone.lowmem_reserve[ZONE_HIGHMEM])
        a.m.totalreserve_pages += min(reserve_max, zone.managed_pages)
