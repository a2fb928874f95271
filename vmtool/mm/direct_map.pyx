"""DirectMap4k, DirectMap2M and DirectMap1G: x86's direct_pages_count[], which counts what was made and split.

    the direct map's entries    as they are
    the image's split pages     a large page less and small ones more: splitting counts them, mapping the image had not
    a page of 1G                once for each step of memory_map_top_down() that had a part of it, for each finds the page and counts it

Counterpart: Linux v6.18 arch/x86/mm/init.c (memory_map_top_down(), split_mem_range()), init_64.c:phys_pud_init(), pat/set_memory.c
(split_page_count(), arch_report_meminfo()). Held to two kernels' figures: tests/mm/test_kernel_areas.py.
"""

from vmtool.mm.arch cimport ARCH_X86_64_LA57, level_size, page_size
from vmtool.mm.frame cimport RESERVED_HOLE
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init_kernel, walk_page_range
from vmtool.mm.pgtable cimport kernel_image
from vmtool.mm.pte cimport *
from vmtool.mm.arena cimport frame_at
from vmtool.mm.zone cimport lowmem_end, ram_start

cdef uint64_t KERNEL_IMAGE_SIZE = <uint64_t>1 << 30

cdef enum:
    STEP_GROWS_BY = 8  # get_new_step_size(): PMD_SHIFT - PAGE_SHIFT - 1
    ISA_END = 0x100000


cdef int count_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    """Of the direct map all that a table has is memory."""
    (<uint64_t *>w.private)[0] += frame_at(w.a, table).index_lo * page_size(&w.a.m.arch) >> 10
    return 0


cdef int count_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    (<uint64_t *>w.private)[level] += level_size(&w.a.m.arch, level) >> 10
    return 0


cdef int count_split(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    (<uint64_t *>w.private)[0] += level_size(&w.a.m.arch, 1) >> 10
    (<uint64_t *>w.private)[1] -= level_size(&w.a.m.arch, 1) >> 10
    return 0


cdef uint64_t ram_end_before(arena_t *a, uint64_t addr) noexcept nogil:
    """0, or where the RAM below an address ends that a hole follows; the address itself, if it has RAM before it."""
    cdef uint32_t i
    cdef uint64_t page = addr - 1 >> a.m.arch.page_shift
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == RESERVED_HOLE and a.m.reserved[i].start_pfn <= page < a.m.reserved[i].start_pfn + a.m.reserved[i].nr_pages:
            return a.m.reserved[i].start_pfn << a.m.arch.page_shift
    return addr


cdef bint is_memory(arena_t *a, uint64_t start, uint64_t end) noexcept nogil:
    """memblock_is_region_memory()."""
    cdef uint32_t i
    cdef uint64_t hole, behind
    for i in range(a.m.nr_reserved):
        hole = a.m.reserved[i].start_pfn << a.m.arch.page_shift
        behind = a.m.reserved[i].start_pfn + a.m.reserved[i].nr_pages << a.m.arch.page_shift
        if a.m.reserved[i].what == RESERVED_HOLE and hole < end and start < behind:
            return False
    return end <= a.m.max_pfn << a.m.arch.page_shift


cdef uint64_t giant_pages(arena_t *a, uint64_t start, uint64_t end) noexcept nogil:
    """Pages of 1G, all of which is memory, that have a part of a range."""
    cdef uint64_t size = level_size(&a.m.arch, 2)
    cdef uint64_t at = start & ~(size - 1), n = 0
    while at < end:
        n += is_memory(a, at, at + size)
        at += size
    return n


cdef uint64_t mapped_in(arena_t *a, uint64_t start, uint64_t end, uint64_t *nr_bytes) noexcept nogil:
    """init_range_memory_mapping(): the pages of 1G of a step, range of RAM by range; the bytes are added up."""
    cdef uint64_t n = 0, stop, hole
    cdef uint32_t i
    while end > start:
        stop = ram_end_before(a, end)
        if stop != end:
            end = stop
            continue
        hole = start  # where this range of RAM begins
        for i in range(a.m.nr_reserved):
            stop = a.m.reserved[i].start_pfn + a.m.reserved[i].nr_pages << a.m.arch.page_shift
            if a.m.reserved[i].what == RESERVED_HOLE and stop < end:
                hole = max(hole, stop)
        n += giant_pages(a, hole, end)
        nr_bytes[0] += end - hole
        end = hole
    return n


cdef uint64_t counted_twice(arena_t *a) noexcept nogil:
    """Pages of 1G that the steps count, less those that there are."""
    cdef uint64_t top = a.m.max_pfn << a.m.arch.page_shift
    cdef uint64_t step = level_size(&a.m.arch, 1)
    cdef uint64_t last = top & ~(step - 1), start, mapped = 0, rest = 0
    cdef uint64_t n = mapped_in(a, last, top, &rest)
    while last > ISA_END:
        start = max(last - 1 & ~(step - 1), <uint64_t>ISA_END) if last > step else <uint64_t>ISA_END
        n += mapped_in(a, start, last, &mapped)
        last = start
        if mapped >= step:
            step <<= STEP_GROWS_BY
    return n - giant_pages(a, 0, top)


cdef void direct_map_kb(arena_t *a, uint64_t *kb) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef mm_walk_t w
    cdef uint64_t limit = lowmem_end(g)
    kb[0] = kb[1] = kb[2] = 0
    walk_init_kernel(&w, a, a.m.kernel_pgd, kb)
    w.table = count_table
    w.leaf = count_leaf
    walk_page_range(&w, g.page_offset, g.page_offset + ((min(a.m.max_pfn, limit) if limit else a.m.max_pfn) - ram_start(g) << g.page_shift))
    if g.id > ARCH_X86_64_LA57:
        return
    walk_init_kernel(&w, a, a.m.kernel_pgd, kb)
    w.table = count_split
    walk_page_range(&w, kernel_image(), kernel_image() + KERNEL_IMAGE_SIZE - (kernel_image() & KERNEL_IMAGE_SIZE - 1))
    kb[2] += counted_twice(a) * (level_size(g, 2) >> 10)
