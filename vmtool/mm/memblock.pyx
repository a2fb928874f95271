"""Boot's memory map, and what the kernel keeps of it for itself.

Counterpart: Linux v6.18 mm/memblock.c (top-down), mm/mm_init.c (alloc_large_system_hash).

A PC of 8 GiB, by frame number (what boot kept is in m.reserved and has no frame records):

    0      9f   100       1000     3c58                        c0000     100000                        240000
    | low  |hole| free    | kernel | free ...                  | hole    | free ...  | memmap, hashes |
    |------------- DMA ---|------------------------ DMA32 ---------------|------------------ Normal ---|

A 32-bit kernel maps no more than lowmem; what lies above is HighMem, which programs and the page cache take first:

    0      1000               36ffe (PAE)     40000
    | DMA  | Normal           | HighMem       |           of 1 GiB

# Deviation: kernel sections lie where a 6.18 image of 32 MiB has them (i386, arm, arm64, riscv64: Debian's); below 112 MiB of RAM a small image at 1 MiB stands in.
Invariants: the ranges of m.reserved are disjoint.
"""

from vmtool.mm.arch cimport ARCH_ARM, ARCH_ARM64, ARCH_I386, ARCH_I386_PAE, ARCH_X86_64_LA57, is_arm, is_arm64, is_i386, is_riscv, level_size, nr_entries, page_size

cdef const char *RESERVED_NAMES[NR_RESERVED_KINDS]
RESERVED_NAMES[:] = [b"hole", b"low memory", b"kernel code", b"kernel rodata", b"kernel data", b"kernel bss", b"memmap", b"percpu",
                     b"hash tables", b"kernel page tables", b"slabs", b"kmalloc", b"kernel stacks", b"modules", b"page tables", b"blocks",
                     b"sections", b"kfence", b"swiotlb", b"devicetree", b"kernel unwind tables", b"kernel brk"]

cdef struct section_t:  # of a kernel's image, from the start of RAM
    uint32_t start
    uint32_t size

cdef section_t UNWIND = section_t(0x333D, 0x52E)  # of IMAGE_USUAL, and the next
cdef section_t BRK = section_t(0x4200, 0x30)

cdef enum:
    ZERO_PAGE = 14  # of IMAGE_USUAL, in .bss; of the others it is the first
    PAE_END = 1 << 24  # MAX_ARCH_PFN: 36 bits of physical address
    RAM_START_ARM = 0x40000  # these are in units of 4K, whatever a page is: frames_of()
    RAM_START_RISCV = 0x80000
    FIRMWARE_RISCV = 0x80  # OpenSBI, at the start of RAM
    LOWMEM_END_I386 = 0x36BFE  # what 1 GiB less vmalloc's 128 MiB, pkmap and fixmap leaves
    LOWMEM_END_PAE = 0x36FFE
    LOWMEM_END_ARM = 0x70000  # 768M: 240M of vmalloc and 8M that keep it away from lowmem
    INIT_END_RISCV = 0x10A0  # from the start of RAM
    FDT_ARM = 0x8000  # QEMU puts the devicetree where an initrd would have ended: behind 128M, or half of RAM; its block is 1M
    FDT_ARM_PAGES = 0x100
    FDT_LIMIT_RISCV = 0xC0000  # QEMU's board puts the devicetree into the last 2M below here
    FDT_PAGES = 2
    LARGE_PAGES = 0x200
    SECTIONS_PAGES_RISCV = 0x2000  # a pointer for each 128 of 2**(56 - 27) sections
    SWIOTLB_PAGES = 0x4000  # IO_TLB_DEFAULT_SIZE
    SECTION_64K_PAGES = 8192  # of 512 MiB with pages of 64K (arm64's SECTION_SIZE_BITS)
    PERCPU_PAGES_I386 = 33
    PERCPU_PAGES_ARM = 20

cdef enum:
    IMAGE_USUAL  # Debian's 6.18.15; what was meant to be shared with a hypervisor, the end of .bss, is given back
    IMAGE_SMALL
    IMAGE_ARM  # Debian's: each MiB has one protection
    IMAGE_I386  # Debian's 6.1.176
    IMAGE_PAE
    IMAGE_ARM64  # Debian's 6.18.15
    IMAGE_ARM64_16K  # with pages of 16K, and here with 64K, for which there is none
    IMAGE_RISCV  # Debian's 6.12.117; what lies between the sections is kept, but for .init
    NR_IMAGES

cdef section_t IMAGES[NR_IMAGES][4]  # code, rodata, data, bss
IMAGES[IMAGE_USUAL][:] = [section_t(0x1000, 0x10F2), section_t(0x2200, 0xD22), section_t(0x3000, 0x33D), section_t(0x3CC0, 0x345)]
IMAGES[IMAGE_SMALL][:] = [section_t(0x100, 0x100), section_t(0x200, 0x80), section_t(0x280, 0x60), section_t(0x2E0, 0x20)]
IMAGES[IMAGE_ARM][:] = [section_t(0x208, 0xCF8), section_t(0xF00, 0x41B), section_t(0x1600, 0x1C2), section_t(0x17C2, 0x6B)]
IMAGES[IMAGE_ARM64][:] = [section_t(0x200, 0x1170), section_t(0x1370, 0x1020), section_t(0x2720, 0x49D), section_t(0x2BBD, 0xF3)]
IMAGES[IMAGE_ARM64_16K][:] = [section_t(0x200, 0x1170), section_t(0x1370, 0x1050), section_t(0x2780, 0x4A8), section_t(0x2C28, 0x118)]
IMAGES[IMAGE_RISCV][:] = [section_t(0x200, 0xC00), section_t(0x1200, 0xC00), section_t(0x1E00, 0x1BA), section_t(0x1FBA, 0x246)]
IMAGES[IMAGE_I386][:] = [section_t(0x1000, 0x91C), section_t(0x191C, 0x31D), section_t(0x1C39, 0x138), section_t(0x1E72, 0x74)]
IMAGES[IMAGE_PAE][:] = [section_t(0x1000, 0x934), section_t(0x1934, 0x31D), section_t(0x1C52, 0x13D), section_t(0x1E94, 0x77)]


cdef uint64_t lowmem_end(const arch_t *g) noexcept nogil:
    """max_low_pfn's limit: frames from here on are HighMem. 0: the kernel maps everything."""
    return LOWMEM_END_PAE if g.id == ARCH_I386_PAE else LOWMEM_END_I386 if g.id == ARCH_I386 else LOWMEM_END_ARM if g.id == ARCH_ARM else 0


cdef uint64_t ram_start(const arch_t *g) noexcept nogil:
    """The first frame of RAM: QEMU's `virt` boards and others have it at 1 GiB, of riscv64 at 2 GiB."""
    return RAM_START_RISCV if is_riscv(g) else frames_of(g, RAM_START_ARM) if is_arm(g) else 0


cdef uint32_t percpu_unit(const arch_t *g) noexcept nogil:
    return PERCPU_PAGES_ARM if g.id == ARCH_ARM else PERCPU_PAGES_I386 if is_i386(g) else PERCPU_PAGES


cdef const char *reserved_name(uint32_t what) noexcept nogil:
    return RESERVED_NAMES[what if what < NR_RESERVED_KINDS else 0]


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


cdef struct top_t:  # where memory that boot may take ends
    uint64_t low_end
    uint64_t high_end  # above 4 GiB; 0: nothing is there
    uint64_t gap_start  # what alignment left free above
    uint64_t gap_end


cdef uint64_t reserve_top(arena_t *a, top_t *top, uint64_t nr_pages, uint32_t what) noexcept nogil:
    """memblock's way: the highest place where it fits. Returns the pages reserved, 0 when they fit nowhere."""
    cdef const arch_t *g = &a.m.arch
    if top.high_end > DMA32_END and top.high_end - DMA32_END >= nr_pages:
        top.high_end -= nr_pages
        reserve(a, top.high_end, nr_pages, what)
        return nr_pages
    if top.gap_end - top.gap_start >= nr_pages:
        top.gap_end -= nr_pages
        reserve(a, top.gap_end, nr_pages, what)
        return nr_pages
    # beside the kernel's image and a little room
    if top.low_end - ram_start(g) < nr_pages + frames_of(g, 0x400 if a.m.max_pfn - ram_start(g) < frames_of(g, SMALL_RAM) else 0x3E00):
        return 0
    top.low_end -= nr_pages
    reserve(a, top.low_end, nr_pages, what)
    return nr_pages


cdef void align_top(const arch_t *g, top_t *top) noexcept nogil:
    """arm64's memmap is mapped by blocks: it ends where one does, and what lies above is for what comes after it."""
    cdef uint64_t block = level_size(g, 1) >> g.page_shift
    top.gap_end = top.low_end
    top.low_end &= ~(block - 1)
    top.gap_start = top.low_end


cdef uint64_t linear_blocks(arena_t *a, uint64_t *first) noexcept nogil:
    """Those that are text or rodata from end to end (map_mem())."""
    cdef const arch_t *g = &a.m.arch
    cdef const reserved_t *text = reserved_of(a, RESERVED_KERNEL_CODE)
    cdef const reserved_t *rodata = reserved_of(a, RESERVED_KERNEL_RODATA)
    cdef uint64_t block = level_size(g, 1) >> g.page_shift
    cdef uint64_t end = (rodata.start_pfn + rodata.nr_pages - ram_start(g)) // block
    first[0] = (text.start_pfn - ram_start(g) + block - 1) // block
    return end - first[0] if end > first[0] else 0


cdef uint64_t reserve_linear(arena_t *a) noexcept nogil:
    """arm64: the devicetree, and the tables of the direct map, before all else (paging_init()). Returns where memory goes on below."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t first, fdt, nr = a.m.max_pfn - ram_start(g), total = 0
    cdef int level
    for level in range(<int>g.levels - 1):
        nr = (nr + nr_entries(g, level) - 1) >> g.level_bits[level]
        total += nr
    total -= linear_blocks(a, &first)
    if a.m.max_pfn - ram_start(g) >= frames_of(g, SMALL_RAM):
        fdt = min(a.m.max_pfn - ram_start(g) >> 1, frames_of(g, FDT_ARM)) + frames_of(g, LARGE_PAGES) - 1 & ~(frames_of(g, LARGE_PAGES) - 1)
        reserve(a, ram_start(g) + fdt, frames_of(g, FDT_ARM_PAGES), RESERVED_FDT)
    reserve(a, a.m.max_pfn - total, total, RESERVED_PGTABLE)
    return a.m.max_pfn - total


cdef uint64_t hash_pages(const arch_t *g, uint64_t kernel_pages, uint32_t scale, uint32_t bucket_bytes) noexcept nogil:
    """alloc_large_system_hash(): one bucket per 2**scale bytes, rounded up to a power of two."""
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
    if g.id != ARCH_ARM and nr_pages < frames_of(g, SMALL_RAM):
        return IMAGE_SMALL
    if is_riscv(g):
        return IMAGE_RISCV
    if is_arm64(g):
        return IMAGE_ARM64 if g.id == ARCH_ARM64 else IMAGE_ARM64_16K
    return IMAGE_ARM if g.id == ARCH_ARM else IMAGE_I386 if g.id == ARCH_I386 else IMAGE_PAE if g.id == ARCH_I386_PAE else IMAGE_USUAL


cdef int reserve_kernel(arena_t *a, uint64_t low_end) noexcept nogil:
    """The image's sections; gaps and .init between them are free after boot. -ENOMEM: RAM ends before it."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t base = ram_start(g)
    cdef const section_t *image = &IMAGES[image_of(g, low_end - base)][0]
    cdef uint32_t i
    if base + frames_of(g, image[3].start + image[3].size) > low_end:
        return -ENOMEM
    for i in range(4):
        reserve(a, base + frames_of(g, image[i].start), frames_of(g, image[i].size), RESERVED_KERNEL_CODE + i)
    a.m.zero_pfn = <pfn_t>(base + frames_of(g, image[3].start))
    if image == &IMAGES[IMAGE_USUAL][0]:
        a.m.zero_pfn += ZERO_PAGE
        reserve(a, UNWIND.start, UNWIND.size, RESERVED_UNWIND)
        reserve(a, BRK.start, BRK.size, RESERVED_BRK)
    if is_riscv(g):
        reserve(a, base, FIRMWARE_RISCV, RESERVED_LOW)
    if image == &IMAGES[IMAGE_RISCV][0]:  # of .init's last large page what is behind it
        reserve(a, base + INIT_END_RISCV, image[1].start - INIT_END_RISCV, RESERVED_LOW)
    return 0


cdef int reserve_tables(arena_t *a, uint64_t low_end, uint64_t high_end) noexcept nogil:
    """What boot takes from the top of the memory that it maps: page structures, per-CPU areas, hash tables."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t pages = a.m.ram_bytes >> g.page_shift
    cdef uint64_t of_section = SECTION_64K_PAGES if g.page_shift == 16 else frames_of(g, SECTION_PAGES)
    cdef uint64_t sections = (low_end - ram_start(g) + of_section - 1) // of_section
    cdef uint64_t limit = lowmem_end(&a.m.arch), memmap
    cdef top_t top
    cdef int ok
    if high_end:
        sections += (high_end - DMA32_END + SECTION_PAGES - 1) // SECTION_PAGES
    memmap = sections * of_section * 64 >> g.page_shift
    if limit:
        memmap = pages >> 7  # flat, 32 bytes each
        pages = min(pages, limit - ram_start(&a.m.arch))
        low_end = min(low_end, limit)
        high_end = 0
    top.low_end, top.high_end, top.gap_start, top.gap_end = low_end, high_end, 0, 0
    if g.id == ARCH_ARM64:
        align_top(g, &top)
    ok = reserve_top(a, &top, memmap, RESERVED_MEMMAP) != 0
    ok &= reserve_top(a, &top, frames_of(g, percpu_unit(g)) * <uint64_t>a.m.nr_cpus, RESERVED_PERCPU) != 0
    ok &= reserve_top(a, &top, hash_pages(g, pages, 13, 8), RESERVED_HASHES) != 0  # dentries
    ok &= reserve_top(a, &top, hash_pages(g, pages, 14, 8), RESERVED_HASHES) != 0  # inodes
    return 0 if ok else -EINVAL


cdef uint64_t reserve_riscv(arena_t *a) noexcept nogil:
    """What boot takes before the page structures, from the top: the devicetree is there already, so RAM that ends above it has its last frames for
    what is small. Returns where memory goes on below."""
    cdef uint64_t end = a.m.max_pfn
    cdef uint64_t fdt = min(end, <uint64_t>FDT_LIMIT_RISCV) - LARGE_PAGES
    reserve(a, fdt, FDT_PAGES, RESERVED_FDT)
    end = fdt if end <= FDT_LIMIT_RISCV else end
    reserve(a, end - LARGE_PAGES, LARGE_PAGES, RESERVED_KFENCE)
    end -= LARGE_PAGES + SECTIONS_PAGES_RISCV
    reserve(a, end, SECTIONS_PAGES_RISCV, RESERVED_SECTIONS)
    if a.m.max_pfn > DMA32_END:  # as high as these devices reach, beside the devicetree
        reserve(a, DMA32_END - SWIOTLB_PAGES, SWIOTLB_PAGES, RESERVED_SWIOTLB)
    return end


cdef uint64_t max_ram_pages(const arch_t *g) noexcept nogil:
    """How much RAM the processor addresses and the kernel maps; what lies above the ends is no machine here, where Linux would leave it out."""
    cdef uint64_t most = <uint64_t>0xFFFF0000 - DMA32_END - 1  # a pfn_t
    if g.id == ARCH_I386:
        return PCI_HOLE  # 32 bits of physical address
    if g.id == ARCH_I386_PAE:
        return PAE_END - (DMA32_END - PCI_HOLE)
    if g.id == ARCH_ARM:
        return DMA32_END - ram_start(g)
    if is_riscv(g):  # KERN_VIRT_SIZE: the direct map has a quarter of the addresses
        return min(most, (0 - g.kernel_start) >> 1 + g.page_shift)
    return most


cdef int make_memory_map(arena_t *a, uint64_t *low_end, uint64_t *high_end) noexcept nogil:
    """RAM from 0 to 640K and from 1M to *low_end, and from 4G to *high_end (0: none); then what the kernel keeps."""
    cdef uint64_t pages = a.m.ram_bytes >> a.m.arch.page_shift
    if pages < frames_of(&a.m.arch, 0x1000) or pages > max_ram_pages(&a.m.arch):
        return -EINVAL
    if ram_start(&a.m.arch):
        low_end[0] = a.m.max_pfn = ram_start(&a.m.arch) + pages
        high_end[0] = 0
        reserve(a, 0, ram_start(&a.m.arch), RESERVED_HOLE)
        if reserve_kernel(a, low_end[0]):
            return -ENOMEM
        if a.m.arch.id == ARCH_ARM and pages >= SMALL_RAM:
            reserve(a, ram_start(&a.m.arch) + min(pages >> 1, <uint64_t>FDT_ARM), FDT_ARM_PAGES, RESERVED_FDT)
        if is_riscv(&a.m.arch) and pages >= SMALL_RAM:
            return reserve_tables(a, reserve_riscv(a), 0)
        return reserve_tables(a, reserve_linear(a) if is_arm64(&a.m.arch) else low_end[0], 0)
    low_end[0] = pages if pages < PCI_HOLE else PCI_HOLE
    high_end[0] = DMA32_END + (pages - PCI_HOLE) if pages > PCI_HOLE else 0
    a.m.max_pfn = high_end[0] if high_end[0] else low_end[0]
    reserve(a, 0, 1, RESERVED_HOLE)
    reserve(a, 1, 0x9E, RESERVED_LOW)
    reserve(a, 0x9F, 0x61, RESERVED_HOLE)
    if reserve_kernel(a, low_end[0]):
        return -ENOMEM
    if high_end[0]:
        reserve(a, PCI_HOLE, DMA32_END - PCI_HOLE, RESERVED_HOLE)
    if high_end[0] and a.m.arch.id <= ARCH_X86_64_LA57:  # pci_swiotlb_detect()
        reserve(a, PCI_HOLE - SWIOTLB_PAGES, SWIOTLB_PAGES, RESERVED_SWIOTLB)
        return reserve_tables(a, PCI_HOLE - SWIOTLB_PAGES, high_end[0])
    return reserve_tables(a, low_end[0], high_end[0])
