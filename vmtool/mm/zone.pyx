"""Boot's memory map, what the kernel keeps for itself, zones and their watermarks.

Counterpart: Linux v6.18 mm/mm_init.c (free_area_init, alloc_large_system_hash), mm/memblock.c (top-down), mm/page_alloc.c
(init_per_zone_wmark_min, __setup_per_zone_wmarks, setup_per_zone_lowmem_reserve, zone_batchsize, zone_highsize).

A PC of 8 GiB, by frame number (what boot kept is in m.reserved and has no frame records):

    0      9f   100       1000     3c58                        c0000     100000                        240000
    | low  |hole| free    | kernel | free ...                  | hole    | free ...  | memmap, hashes |
    |------------- DMA ---|------------------------ DMA32 ---------------|------------------ Normal ---|

A 32-bit kernel maps no more than lowmem; what lies above is HighMem, which programs and the page cache take first:

    0      1000               36ffe (PAE)     40000
    | DMA  | Normal           | HighMem       |           of 1 GiB

# Deviation: kernel sections lie where a 6.18 image of 32 MiB has them (i386, arm: Debian's); below 112 MiB of RAM a small image at 1 MiB stands in.
Invariants: the ranges of m.reserved are disjoint; a zone's managed pages are what boot freed.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport ARCH_ARM, ARCH_ARM64, ARCH_I386, ARCH_I386_PAE, ARCH_NO_THP, is_arm, is_riscv, page_size
from vmtool.mm.arena cimport arena_resize, frame_mut, rec_mut

cdef const char *RESERVED_NAMES[NR_RESERVED_KINDS]
RESERVED_NAMES[:] = [b"hole", b"low memory", b"kernel code", b"kernel rodata", b"kernel data", b"kernel bss", b"memmap", b"percpu",
                     b"hash tables", b"kernel page tables", b"slabs", b"kmalloc", b"kernel stacks", b"modules", b"page tables", b"blocks"]
cdef const char *ZONE_NAMES[NR_ZONES]
ZONE_NAMES[:] = [b"DMA", b"DMA32", b"Normal", b"HighMem"]

cdef enum:
    RAM_START_RISCV = 0x80000
    FIRMWARE_RISCV = 0x80  # OpenSBI, at the start of RAM
    RAM_START_ARM = 0x40000  # these are in units of 4K, whatever a page is: frames_of()
    LOWMEM_END_I386 = 0x36BFE  # what 1 GiB less vmalloc's 128 MiB, pkmap and fixmap leaves
    LOWMEM_END_PAE = 0x36FFE
    LOWMEM_END_ARM = 0x70000  # 768M: 240M of vmalloc and 8M that keep it away from lowmem
    DMA_END = 0x1000  # 16 MiB
    PCI_HOLE = 0xC0000  # 3 GiB: RAM beyond continues at 4 GiB
    DMA32_END = 0x100000
    INIT_END_RISCV = 0x10A0
    SMALL_RAM = 0x7000  # below 112 MiB: the small kernel
    SECTION_PAGES = 32768  # memmap is made for sections of 128 MiB
    SECTION_64K_PAGES = 8192  # of 512 MiB with pages of 64K (arm64's SECTION_SIZE_BITS)
    PERCPU_PAGES = 53
    THP_MIN_PAGES = 0x20000  # 512 MiB: on less, huge pages cost more than they give
    SWAP_CLUSTER_MAX = 32
    HIGH_FRACTION_MIN = 8  # MIN_PERCPU_PAGELIST_HIGH_FRACTION


cdef struct section_t:  # of a kernel's image, from the start of RAM
    uint32_t start
    uint32_t size

cdef enum:
    IMAGE_USUAL
    IMAGE_SMALL
    IMAGE_ARM  # Debian's: each MiB has one protection
    IMAGE_I386  # Debian's 6.1.176
    IMAGE_PAE
    IMAGE_ARM64  # Debian's 6.18.15
    IMAGE_RISCV  # Debian's 6.12.117; what lies between the sections is kept, but for .init
    NR_IMAGES

cdef section_t IMAGES[NR_IMAGES][4]  # code, rodata, data, bss
IMAGES[IMAGE_USUAL][:] = [section_t(0x1000, 0x120A), section_t(0x2400, 0xA09), section_t(0x3000, 0x790), section_t(0x3B34, 0x124)]
IMAGES[IMAGE_SMALL][:] = [section_t(0x100, 0x100), section_t(0x200, 0x80), section_t(0x280, 0x60), section_t(0x2E0, 0x20)]
IMAGES[IMAGE_ARM][:] = [section_t(0x208, 0xCF8), section_t(0xF00, 0x41B), section_t(0x1600, 0x1C2), section_t(0x17C2, 0x6B)]
IMAGES[IMAGE_ARM64][:] = [section_t(0x200, 0x1170), section_t(0x1370, 0x1020), section_t(0x2720, 0x49D), section_t(0x2BBD, 0xF3)]
IMAGES[IMAGE_RISCV][:] = [section_t(0x200, 0xC00), section_t(0x1200, 0xC00), section_t(0x1E00, 0x1BA), section_t(0x1FBA, 0x246)]
IMAGES[IMAGE_I386][:] = [section_t(0x1000, 0x91C), section_t(0x191C, 0x31D), section_t(0x1C39, 0x138), section_t(0x1E72, 0x74)]
IMAGES[IMAGE_PAE][:] = [section_t(0x1000, 0x934), section_t(0x1934, 0x31D), section_t(0x1C52, 0x13D), section_t(0x1E94, 0x77)]


cdef inline uint64_t frames_of(const arch_t *g, uint64_t units) noexcept nogil:
    """Frames of so many 4K; a part counts."""
    return (units + (page_size(g) >> 12) - 1) >> (g.page_shift - 12)


cdef uint64_t lowmem_end(const arch_t *g) noexcept nogil:
    """max_low_pfn's limit: frames from here on are HighMem. 0: the kernel maps everything."""
    return LOWMEM_END_PAE if g.id == ARCH_I386_PAE else LOWMEM_END_I386 if g.id == ARCH_I386 else LOWMEM_END_ARM if g.id == ARCH_ARM else 0


cdef uint64_t ram_start(const arch_t *g) noexcept nogil:
    """The first frame of RAM: QEMU's `virt` boards and others have it at 1 GiB, of riscv64 at 2 GiB."""
    return RAM_START_RISCV if is_riscv(g) else frames_of(g, RAM_START_ARM) if is_arm(g) else 0


cdef const char *reserved_name(uint32_t what) noexcept nogil:
    return RESERVED_NAMES[what if what < NR_RESERVED_KINDS else 0]


cdef const char *zone_name(uint32_t zone) noexcept nogil:
    return ZONE_NAMES[zone if zone < NR_ZONES else 0]


cdef const reserved_t *reserved_range(arena_t *a, uint64_t pfn) noexcept nogil:
    cdef uint32_t i
    cdef reserved_t *r
    for i in range(a.m.nr_reserved):
        r = &a.m.reserved[i]
        if r.start_pfn <= pfn < r.start_pfn + r.nr_pages:
            return r
    return NULL


cdef const reserved_t *reserved_of(arena_t *a, uint32_t what) noexcept nogil:
    cdef const reserved_t *found = NULL
    cdef uint32_t i
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == what and (found == NULL or a.m.reserved[i].nr_pages > found.nr_pages):
            found = &a.m.reserved[i]
    return found


cdef uint64_t reserved_end(arena_t *a, uint64_t pfn) noexcept nogil:
    cdef const reserved_t *r = reserved_range(a, pfn)
    return r.start_pfn + r.nr_pages if r != NULL else 0


cdef int reserved_what(arena_t *a, uint64_t pfn) noexcept nogil:
    cdef const reserved_t *r = reserved_range(a, pfn)
    return <int>r.what if r != NULL else -1


# --- boot: the memory map ------------------------------------------------------------------------------

cdef int reserve(arena_t *a, uint64_t start, uint64_t nr_pages, uint32_t what) noexcept nogil:
    cdef reserved_t *r
    if nr_pages == 0:
        return 0
    if a.m.nr_reserved == NR_RESERVED:
        return -ENOMEM
    r = &a.m.reserved[a.m.nr_reserved]
    r.start_pfn = start
    r.nr_pages = nr_pages
    r.what = what
    a.m.nr_reserved += 1
    return 0


cdef uint64_t reserve_top(arena_t *a, uint64_t *low_end, uint64_t *high_end, uint64_t nr_pages, uint32_t what) noexcept nogil:
    """memblock's way: the highest place where it fits. Returns the pages reserved, 0 when they fit nowhere."""
    cdef const arch_t *g = &a.m.arch
    if high_end[0] > DMA32_END and high_end[0] - DMA32_END >= nr_pages:
        high_end[0] -= nr_pages
        reserve(a, high_end[0], nr_pages, what)
        return nr_pages
    # beside the kernel's image and a little room
    if low_end[0] - ram_start(g) < nr_pages + frames_of(g, 0x400 if a.m.max_pfn - ram_start(g) < frames_of(g, SMALL_RAM) else 0x3E00):
        return 0
    low_end[0] -= nr_pages
    reserve(a, low_end[0], nr_pages, what)
    return nr_pages


cdef uint64_t hash_pages(const arch_t *g, uint64_t kernel_pages, uint32_t scale, uint32_t bucket_bytes) noexcept nogil:
    """alloc_large_system_hash(): one bucket per 2**scale bytes, rounded up to a power of two. Returns pages."""
    cdef uint64_t mib = frames_of(g, 256)
    cdef uint64_t n = (kernel_pages + mib - 1) & ~(mib - 1)
    cdef uint64_t adapt = frames_of(g, 1 << 24)  # 64 GiB; from there on every fourfold doubles the scale once
    cdef uint64_t buckets = 1
    while adapt < n:
        scale += 1
        adapt <<= 2
    n = n >> (scale - g.page_shift)
    while buckets < n or buckets * bucket_bytes < page_size(g):
        buckets <<= 1
    return buckets * bucket_bytes >> g.page_shift


cdef int image_of(const arch_t *g, uint64_t nr_pages) noexcept nogil:
    if is_riscv(g):
        return IMAGE_RISCV
    if g.id != ARCH_ARM and nr_pages < frames_of(g, SMALL_RAM):
        return IMAGE_SMALL
    return IMAGE_ARM if g.id == ARCH_ARM else IMAGE_I386 if g.id == ARCH_I386 else IMAGE_PAE if g.id == ARCH_I386_PAE else IMAGE_ARM64 if g.id == ARCH_ARM64 else IMAGE_USUAL


cdef void reserve_kernel(arena_t *a, uint64_t low_end) noexcept nogil:
    """The image's sections; gaps and .init between them are free after boot. The zero page is the first of .bss."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t base = ram_start(g)
    cdef const section_t *image = &IMAGES[image_of(g, low_end - base)][0]
    cdef uint32_t i
    for i in range(4):
        reserve(a, base + frames_of(g, image[i].start), frames_of(g, image[i].size), RESERVED_KERNEL_CODE + i)
    a.m.zero_pfn = <pfn_t>(base + frames_of(g, image[3].start))
    if is_riscv(g):  # and of .init's last large page what is behind it
        reserve(a, base, FIRMWARE_RISCV, RESERVED_LOW)
        reserve(a, base + INIT_END_RISCV, image[1].start - INIT_END_RISCV, RESERVED_LOW)


cdef int reserve_tables(arena_t *a, uint64_t low_end, uint64_t high_end) noexcept nogil:
    """What boot takes from the top of the memory that it maps: page structures, per-CPU areas, hash tables."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t pages = a.m.ram_bytes >> g.page_shift
    cdef uint64_t of_section = SECTION_64K_PAGES if g.page_shift == 16 else frames_of(g, SECTION_PAGES)
    cdef uint64_t sections = (low_end - ram_start(g) + of_section - 1) // of_section
    cdef uint64_t limit = lowmem_end(&a.m.arch), memmap
    cdef int ok
    if high_end:
        sections += (high_end - DMA32_END + SECTION_PAGES - 1) // SECTION_PAGES
    memmap = sections * of_section * 64 >> g.page_shift
    if limit:
        memmap = pages >> 7  # flat, 32 bytes each
        pages = min(pages, limit - ram_start(&a.m.arch))
        low_end = min(low_end, limit)
        high_end = 0
    ok = reserve_top(a, &low_end, &high_end, memmap, RESERVED_MEMMAP) != 0
    ok &= reserve_top(a, &low_end, &high_end, frames_of(g, PERCPU_PAGES) * <uint64_t>a.m.nr_cpus, RESERVED_PERCPU) != 0
    ok &= reserve_top(a, &low_end, &high_end, hash_pages(g, pages, 13, 8), RESERVED_HASHES) != 0  # dentries
    ok &= reserve_top(a, &low_end, &high_end, hash_pages(g, pages, 14, 8), RESERVED_HASHES) != 0  # inodes
    return 0 if ok else -EINVAL


cdef int make_memory_map(arena_t *a, uint64_t *low_end, uint64_t *high_end) noexcept nogil:
    """RAM from 0 to 640K and from 1M to *low_end, and from 4G to *high_end (0: none); then what the kernel keeps."""
    cdef uint64_t pages = a.m.ram_bytes >> a.m.arch.page_shift
    if a.m.arch.id == ARCH_I386 and pages > PCI_HOLE:
        return -EINVAL  # 32 bits of physical address
    if pages < frames_of(&a.m.arch, 0x1000) or pages >= <uint64_t>0xFFFF0000 - DMA32_END:
        return -EINVAL
    if ram_start(&a.m.arch):
        low_end[0] = a.m.max_pfn = ram_start(&a.m.arch) + pages
        high_end[0] = 0
        reserve(a, 0, ram_start(&a.m.arch), RESERVED_HOLE)
        reserve_kernel(a, low_end[0])
        return reserve_tables(a, low_end[0], 0)
    low_end[0] = pages if pages < PCI_HOLE else PCI_HOLE
    high_end[0] = DMA32_END + (pages - PCI_HOLE) if pages > PCI_HOLE else 0
    a.m.max_pfn = high_end[0] if high_end[0] else low_end[0]
    reserve(a, 0, 1, RESERVED_HOLE)
    reserve(a, 1, 0x9E, RESERVED_LOW)
    reserve(a, 0x9F, 0x61, RESERVED_HOLE)
    reserve_kernel(a, low_end[0])
    if high_end[0]:
        reserve(a, PCI_HOLE, DMA32_END - PCI_HOLE, RESERVED_HOLE)
    return reserve_tables(a, low_end[0], high_end[0])


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
