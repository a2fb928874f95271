"""The kernel's half of arm64 as it is once the first program starts: the image in vmalloc's range, modules below it, memmap, PCI I/O.

Of pages of 4K:

    ffff000000000000  all of RAM (linear_map); text and rodata of it may not be written, and are not of the kind that has tags
    ffff80007aab0000  text of a module | guard | its data | guard | its rodata | guard | what it wrote at init alone | guard | the next one's text ...
    ffff800080000000  text | rodata | init, which is given away | data and .bss          blocks of 2M where they fit, else pages
    fffffdffc0000000  memmap, in blocks
    ffffffffc0800000  PCI I/O
    ffffffffff5fe000  the devicetree, in the fixmap

With 16K the image is at ffffc00080000000, half of the kernel's space being one bit less, with 64K where it is with 4K; memmap is by pages with both.

Counterpart: Linux v6.18 arch/arm64/mm/mmu.c (paging_init(), map_mem(), mark_linear_text_alias_ro(), declare_vma()), mm/init.c
(execmem_arch_setup(): modules end 128M behind the image's start of theirs), kernel/module/main.c, asm/memory.h with VA_BITS of 52 on a processor of
48. Entries as read in the memory of Debian's 6.18.15, with pages of 4K and of 16K (fixtures/kernel_map); no Debian kernel has 64K: by the same rules.
# Deviation: the fixmap's tables have UXNTable, which bm_pud's, bm_pmd's and bm_pte's lack.
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport SHIFT_16K, SHIFT_4K, X86_A, X86_D, X86_G, X86_P, X86_PCD, X86_PWT, X86_RW, level_index, level_size, page_size
from vmtool.mm.arch_arm64 cimport PTE_CONT_BIT
from vmtool.mm.contpte cimport cont_shift
from vmtool.mm.frame cimport (RESERVED_FDT, RESERVED_KERNEL_BSS, RESERVED_KERNEL_CODE, RESERVED_KERNEL_DATA, RESERVED_KERNEL_RODATA, RESERVED_MEMMAP,
                              frames_of, reserved_of, reserved_t)
from vmtool.mm.module_areas cimport loader_begin, loader_t, module_set_t, module_t, place
from vmtool.mm.pgtable cimport direct_map_address, kernel_map, kernel_middle, table_descend
from vmtool.mm.pte cimport ENTRY_TABLE, entry_load, entry_store, pmd_class
from vmtool.mm.set_memory cimport change_page_attr, make_kernel_table

cdef enum:
    HEAD_PAGES = 16  # in front of the text: the image's header; in units of 4K, as the next, whatever a page is: frames_of()
    PCI_IO_PAGES = 16
    PCI_IO = 0x3EFF0000  # of QEMU's virt board
    FIXMAP_BYTES = 0x600000
    MAX_FDT_BYTES = 0x200000
    MODULES_SPAN = 0x200000  # what they had of init included
    MEMMAP_ENTRY_SHIFT = 6  # log2 of sizeof(struct page)
    NR_MODULES = 5

cdef vaddr_t MODULES_SIZE = 0x80000000  # MODULES_VADDR is PAGE_END, KIMAGE_VADDR behind them
cdef vaddr_t VMEMMAP_END = 0xFFFFFFFFC0000000ULL
cdef vaddr_t PCI_IO_START = 0xFFFFFFFFC0800000ULL
cdef vaddr_t FIXADDR_TOP = 0xFFFFFFFFFF800000ULL
cdef vaddr_t FIXADDR_TABLES = 0xFFFFFFFFFF200000ULL
cdef uint64_t MODULES_BEFORE_END = 0x8000000
cdef pte_t NX = <pte_t>1 << 63
cdef pte_t ARM64_CONT = <pte_t>1 << PTE_CONT_BIT

cdef module_t MODULES[NR_MODULES]  # in pages of 4K
cdef module_t MODULES_16K[NR_MODULES]
cdef module_t MODULES_64K[NR_MODULES]
MODULES[:] = [module_t(b"crc16", b"ext4,", 1, 1, 1, 1, 0), module_t(b"mbcache", b"ext4,", 1, 2, 2, 1, 0),
              module_t(b"jbd2", b"ext4,", 1, 18, 17, 4, 1), module_t(b"ext4", b"-", 0, 137, 81, 21, 1),
              module_t(b"virtio_blk", b"-", 0, 4, 2, 1, 1)]


cdef uint32_t in_pages(uint32_t nr_4k, uint32_t shift) noexcept nogil:
    """An area is rounded up to pages."""
    return (nr_4k + (1 << shift) - 1) >> shift


cdef void scale_modules(module_t *out, uint32_t shift) noexcept nogil:
    cdef uint32_t i
    for i in range(NR_MODULES):
        out[i] = module_t(MODULES[i].name, MODULES[i].users, MODULES[i].refs, in_pages(MODULES[i].text, shift), in_pages(MODULES[i].data, shift),
                          in_pages(MODULES[i].rodata, shift), in_pages(MODULES[i].ro_after_init, shift))

scale_modules(MODULES_16K, 2)
scale_modules(MODULES_64K, 4)


cdef inline const module_t *modules_of(const arch_t *g) noexcept nogil:
    return &MODULES[0] if g.page_shift == SHIFT_4K else &MODULES_16K[0] if g.page_shift == SHIFT_16K else &MODULES_64K[0]


cdef inline vaddr_t kimage_vaddr(const arch_t *g) noexcept nogil:
    return kernel_middle(g) + MODULES_SIZE


cdef inline vaddr_t vmemmap_start(const arch_t *g) noexcept nogil:
    """vmemmap of the first page of RAM: the range ends where VMEMMAP_END is, and has an entry for each page of the direct map."""
    return VMEMMAP_END - (kernel_middle(g) - g.page_offset >> (g.page_shift - MEMMAP_ENTRY_SHIFT))


cdef vaddr_t image_address(arena_t *a, uint64_t pfn) noexcept nogil:
    return kimage_vaddr(&a.m.arch) + (pfn - reserved_of(a, RESERVED_KERNEL_CODE).start_pfn << a.m.arch.page_shift)


cdef uint64_t image_end(arena_t *a) noexcept nogil:
    return reserved_of(a, RESERVED_KERNEL_BSS).start_pfn + reserved_of(a, RESERVED_KERNEL_BSS).nr_pages


cdef bint create_pgd_mapping(arena_t *a, vaddr_t addr, uint64_t pfn, uint64_t nr_pages, pte_t bits, bint cont, spare_tables_t *spare) noexcept nogil:
    """__create_pgd_mapping(): blocks where both addresses allow one, else pages, of which as many as one hint covers are marked if they fit."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t block = level_size(g, 1) >> g.page_shift, first = pfn, end = pfn + nr_pages
    cdef uint64_t run = <uint64_t>1 << cont_shift(g, 0)
    cdef pte_t hint
    cdef bint ok = True
    while ok and pfn < end:
        if not pfn & (block - 1) and end - pfn >= block and not addr & level_size(g, 1) - 1:
            ok = kernel_map(a, addr, pfn << g.page_shift, 1, bits)
            pfn += block
            addr += level_size(g, 1)
            continue
        hint = ARM64_CONT if cont and first <= (pfn & ~(run - 1)) and (pfn | run - 1) < end else 0
        ok = make_kernel_table(a, addr, 0, spare) and kernel_map(a, addr, pfn << g.page_shift, 0, bits | hint)
        pfn += 1
        addr += level_size(g, 0)
    return ok


cdef void forget_accessed(arena_t *a, vaddr_t start, vaddr_t end) noexcept nogil:
    """The tables that lead to the image were made while the MMU was off (kernel/pi/map_range.c), without the access flag that later ones have."""
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t table
    cdef pte_t e = 0
    cdef int level
    while start < end:
        for level in range(1, <int>g.levels):
            if table_descend(a, a.m.kernel_pgd, start, level, &table, &e) == level:
                e = entry_load(a, table, level_index(g, level, start), level)
                if pmd_class(a, e) == ENTRY_TABLE:
                    entry_store(a, table, level_index(g, level, start), level, e & ~<pte_t>X86_A)
        start += level_size(g, 1)


cdef bint map_kernel(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef uint64_t head = reserved_of(a, RESERVED_KERNEL_CODE).start_pfn
    cdef uint64_t rodata = reserved_of(a, RESERVED_KERNEL_RODATA).start_pfn
    cdef uint64_t init = rodata + reserved_of(a, RESERVED_KERNEL_RODATA).nr_pages
    cdef uint64_t data = reserved_of(a, RESERVED_KERNEL_DATA).start_pfn
    cdef uint64_t text = head + frames_of(&a.m.arch, HEAD_PAGES)
    cdef uint64_t pages = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    cdef uint64_t at = init & ~(pages - 1)
    cdef pte_t ro = X86_P | X86_A | X86_G
    cdef bint ok = create_pgd_mapping(a, image_address(a, head), head, text - head, ro | NX, False, spare)
    ok = ok and create_pgd_mapping(a, image_address(a, text), text, rodata - text, ro, True, spare)
    ok = ok and create_pgd_mapping(a, image_address(a, rodata), rodata, init - rodata, ro | NX, False, spare)
    while ok and at < data:  # what was mapped of .init is gone, its tables are not
        ok = make_kernel_table(a, image_address(a, at), 0, spare)
        at += pages
    ok = ok and create_pgd_mapping(a, image_address(a, data), data, image_end(a) - data, ro | X86_RW | X86_D | NX, True, spare)
    forget_accessed(a, kimage_vaddr(&a.m.arch), image_address(a, image_end(a)))
    # mark_linear_text_alias_ro(); it was mapped without tags before
    return ok and change_page_attr(a, direct_map_address(a, head << a.m.arch.page_shift), init - head, 0, X86_RW | X86_D | X86_PWT, spare)


cdef bint map_memmap(arena_t *a, spare_tables_t *spare) noexcept nogil:
    """vmemmap_populate(): a block for the page structures of each 128M; page by page where pages are larger."""
    cdef const arch_t *g = &a.m.arch
    cdef const reserved_t *memmap = reserved_of(a, RESERVED_MEMMAP)
    cdef int level = g.page_shift == SHIFT_4K
    cdef uint64_t block = level_size(g, level) >> g.page_shift, pfn = memmap.start_pfn & ~(block - 1)
    cdef vaddr_t addr = vmemmap_start(g)
    while pfn < memmap.start_pfn + memmap.nr_pages:
        if level == 0 and not make_kernel_table(a, addr, 0, spare):
            return False
        if not kernel_map(a, addr, pfn << g.page_shift, level, X86_P | X86_RW | X86_A | X86_D | X86_G | NX):
            return False
        pfn += block
        addr += level_size(g, level)
    return True


# --- modules -----------------------------------------------------------------------------------------------------------


cdef vaddr_t modules_start(arena_t *a) noexcept nogil:
    return image_address(a, image_end(a)) - MODULES_BEFORE_END


cdef bint load_modules(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef pte_t ro = X86_P | X86_A | X86_G
    cdef const module_t *module = modules_of(&a.m.arch)
    cdef loader_t l
    cdef uint32_t i
    if not loader_begin(&l, a, spare):
        return True
    l.at = modules_start(a)
    l.alias_clear = X86_RW | X86_D
    l.ok = make_kernel_table(a, l.at, 0, spare) and make_kernel_table(a, l.at + MODULES_SPAN, 0, spare)
    for i in range(NR_MODULES):
        place(&l, module[i].text, ro)
        place(&l, module[i].data, ro | X86_RW | X86_D | NX)
        place(&l, module[i].rodata, ro | NX)
        place(&l, module[i].ro_after_init, ro | NX)
    return l.ok


cdef module_set_t module_set_arm64(arena_t *a) noexcept nogil:
    return module_set_t(modules_of(&a.m.arch), NR_MODULES, modules_start(a), 0)


cdef inline vaddr_t fix_fdt(const arch_t *g) noexcept nogil:
    """__fix_to_virt(FIX_FDT): behind a hole of a page the largest devicetree and a page, where it begins within one."""
    return FIXADDR_TOP - MAX_FDT_BYTES - 2 * page_size(g)


cdef int kernel_areas_setup_arm64(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef pte_t device = X86_P | X86_RW | X86_A | X86_D | X86_G | X86_PCD | NX
    cdef const arch_t *g = &a.m.arch
    cdef bint ok = map_kernel(a, spare) and map_memmap(a, spare) and load_modules(a, spare)
    cdef vaddr_t addr = FIXADDR_TABLES
    cdef const reserved_t *fdt = reserved_of(a, RESERVED_FDT)
    ok = ok and create_pgd_mapping(a, PCI_IO_START, PCI_IO >> g.page_shift, frames_of(g, PCI_IO_PAGES), device, True, spare)
    while ok and FIXADDR_TABLES <= addr < FIXADDR_TABLES + FIXMAP_BYTES:  # with large pages the last table ends where the space does
        ok = make_kernel_table(a, addr, 0, spare)
        addr = (addr | level_size(g, 1) - 1) + 1
    if fdt != NULL:  # fixmap_remap_fdt()
        ok = ok and create_pgd_mapping(a, fix_fdt(g), fdt.start_pfn, fdt.nr_pages, X86_P | X86_A | X86_G | NX, False, spare)
    return 0 if ok else -ENOMEM
