"""The kernel's half of arm64, pages of 4K, as it is once the first program starts: the image in vmalloc's range, modules below it, memmap, PCI I/O.

    ffff000000000000  all of RAM; text and rodata of it may not be written, and are not of the kind that has tags
    ffff80007aab0000  text of a module | guard | its data | guard | its rodata | guard | what it wrote at init alone | guard | the next one's text ...
    ffff800080000000  text | rodata | init, which is given away | data and .bss          blocks of 2M where they fit, else pages
    fffffdffc0000000  memmap, in blocks
    ffffffffc0800000  PCI I/O
    ffffffffff600000  the fixmap's tables

Counterpart: Linux v6.18 arch/arm64/mm/mmu.c (paging_init(), map_mem(), mark_linear_text_alias_ro(), declare_vma()), mm/init.c
(execmem_arch_setup(): modules end 128M behind the image's start of theirs), kernel/module/main.c, asm/memory.h with VA_BITS of 52 on a processor of
48. Entries as read in the memory of Debian's 6.18.15 (fixtures/kernel_map).
# Deviation: RAM is mapped by blocks, where rodata=full maps it by pages; the fixmap has no devicetree, its tables have UXNTable, which bm_pud's, bm_pmd's and bm_pte's lack.
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport X86_A, X86_D, X86_G, X86_P, X86_PCD, X86_PWT, X86_RW, level_index, level_size
from vmtool.mm.arch_arm64 cimport PTE_CONT_BIT
from vmtool.mm.frame cimport (RESERVED_KERNEL_BSS, RESERVED_KERNEL_CODE, RESERVED_KERNEL_DATA, RESERVED_KERNEL_RODATA, RESERVED_MEMMAP,
                              RESERVED_MODULES, reserved_of, reserved_t)
from vmtool.mm.module_areas cimport loader_t, place
from vmtool.mm.pgtable cimport direct_map_address, kernel_map, table_descend
from vmtool.mm.pte cimport ENTRY_TABLE, entry_load, entry_store, pmd_class
from vmtool.mm.set_memory cimport change_page_attr, make_kernel_table

cdef enum:
    HEAD_PAGES = 16  # in front of the text: the image's header
    CONT_PAGES = 16
    PCI_IO = 0x3EFF0000  # of QEMU's virt board
    PCI_IO_PAGES = 16
    FIXMAP_TABLES = 3
    NR_MODULES = 5

cdef vaddr_t KIMAGE_VADDR = 0xFFFF800080000000ULL
cdef vaddr_t VMEMMAP = 0xFFFFFDFFC0000000ULL
cdef vaddr_t PCI_IO_START = 0xFFFFFFFFC0800000ULL
cdef vaddr_t FIXADDR_TABLES = 0xFFFFFFFFFF200000ULL
cdef uint64_t MODULES_BEFORE_END = 0x8000000
cdef pte_t NX = <pte_t>1 << 63
cdef pte_t ARM64_CONT = <pte_t>1 << PTE_CONT_BIT

cdef module_t MODULES[NR_MODULES]
MODULES[:] = [module_t(b"crc16", b"ext4,", 1, 1, 1, 1, 0), module_t(b"mbcache", b"ext4,", 1, 2, 2, 1, 0),
              module_t(b"jbd2", b"ext4,", 1, 18, 17, 4, 1), module_t(b"ext4", b"-", 0, 137, 81, 21, 1),
              module_t(b"virtio_blk", b"-", 0, 4, 2, 1, 1)]


cdef vaddr_t image_address(arena_t *a, uint64_t pfn) noexcept nogil:
    return KIMAGE_VADDR + (pfn - reserved_of(a, RESERVED_KERNEL_CODE).start_pfn << a.m.arch.page_shift)


cdef uint64_t image_end(arena_t *a) noexcept nogil:
    return reserved_of(a, RESERVED_KERNEL_BSS).start_pfn + reserved_of(a, RESERVED_KERNEL_BSS).nr_pages


cdef bint map_range(arena_t *a, vaddr_t addr, uint64_t pfn, uint64_t nr_pages, pte_t bits, bint cont, spare_tables_t *spare) noexcept nogil:
    """__create_pgd_mapping(): blocks where both addresses allow one, else pages, of which 16 that fit are marked contiguous."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t block = level_size(g, 1) >> g.page_shift, first = pfn, end = pfn + nr_pages
    cdef pte_t hint
    cdef bint ok = True
    while ok and pfn < end:
        if not pfn & (block - 1) and end - pfn >= block and not addr & level_size(g, 1) - 1:
            ok = kernel_map(a, addr, pfn << g.page_shift, 1, bits)
            pfn += block
            addr += level_size(g, 1)
            continue
        hint = ARM64_CONT if cont and first <= (pfn & ~<uint64_t>(CONT_PAGES - 1)) and (pfn | CONT_PAGES - 1) < end else 0
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
    cdef uint64_t text = head + HEAD_PAGES
    cdef uint64_t pages = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    cdef uint64_t at = init & ~(pages - 1)
    cdef pte_t ro = X86_P | X86_A | X86_G
    cdef bint ok = map_range(a, image_address(a, head), head, HEAD_PAGES, ro | NX, False, spare)
    ok = ok and map_range(a, image_address(a, text), text, rodata - text, ro, True, spare)
    ok = ok and map_range(a, image_address(a, rodata), rodata, init - rodata, ro | NX, False, spare)
    while ok and at < data:  # what was mapped of .init is gone, its tables are not
        ok = make_kernel_table(a, image_address(a, at), 0, spare)
        at += pages
    ok = ok and map_range(a, image_address(a, data), data, image_end(a) - data, ro | X86_RW | X86_D | NX, True, spare)
    forget_accessed(a, KIMAGE_VADDR, image_address(a, image_end(a)))
    # mark_linear_text_alias_ro(); it was mapped without tags before
    return ok and change_page_attr(a, direct_map_address(a, head << a.m.arch.page_shift), init - head, 0, X86_RW | X86_D | X86_PWT, spare)


cdef bint map_memmap(arena_t *a) noexcept nogil:
    """vmemmap_populate(): a block for the page structures of each 128M."""
    cdef const arch_t *g = &a.m.arch
    cdef const reserved_t *memmap = reserved_of(a, RESERVED_MEMMAP)
    cdef uint64_t block = level_size(g, 1) >> g.page_shift, pfn = memmap.start_pfn & ~(block - 1)
    cdef vaddr_t addr = VMEMMAP
    while pfn < memmap.start_pfn + memmap.nr_pages:
        if not kernel_map(a, addr, pfn << g.page_shift, 1, X86_P | X86_RW | X86_A | X86_D | X86_G | NX):
            return False
        pfn += block
        addr += level_size(g, 1)
    return True


# --- modules -----------------------------------------------------------------------------------------------------------

cdef vaddr_t modules_start(arena_t *a) noexcept nogil:
    return image_address(a, image_end(a)) - MODULES_BEFORE_END


cdef bint load_modules(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef pte_t ro = X86_P | X86_A | X86_G
    cdef loader_t l
    cdef uint32_t i
    if reserved_of(a, RESERVED_MODULES) == NULL:
        return True
    l.a = a
    l.spare = spare
    l.pfn = reserved_of(a, RESERVED_MODULES).start_pfn
    l.text_pfn = 0
    l.at = modules_start(a)
    l.alias_clear = X86_RW | X86_D
    l.ok = make_kernel_table(a, l.at, 0, spare) and make_kernel_table(a, l.at + level_size(&a.m.arch, 1), 0, spare)
    for i in range(NR_MODULES):
        place(&l, MODULES[i].text, ro)
        place(&l, MODULES[i].data, ro | X86_RW | X86_D | NX)
        place(&l, MODULES[i].rodata, ro | NX)
        place(&l, MODULES[i].ro_after_init, ro | NX)
    return l.ok


cdef uint32_t nr_modules_arm64(arena_t *a) noexcept nogil:
    cdef pfn_t table
    cdef pte_t e = 0
    cdef vaddr_t addr = modules_start(a)
    return NR_MODULES if table_descend(a, a.m.kernel_pgd, addr, 0, &table, &e) == 0 and entry_load(a, table, level_index(&a.m.arch, 0, addr), 0) else 0


cdef const module_t *module_loaded_arm64(uint32_t i) noexcept nogil:
    return &MODULES[min(i, <uint32_t>NR_MODULES - 1)]


cdef vaddr_t module_text_arm64(arena_t *a, uint32_t i) noexcept nogil:
    cdef uint64_t pages = 0
    cdef uint32_t n
    for n in range(min(i, <uint32_t>NR_MODULES)):
        pages += MODULES[n].text + MODULES[n].data + MODULES[n].rodata + 3 + (MODULES[n].ro_after_init + 1 if MODULES[n].ro_after_init else 0)
    return modules_start(a) + (pages << a.m.arch.page_shift)


cdef int kernel_areas_setup_arm64(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef pte_t device = X86_P | X86_RW | X86_A | X86_D | X86_G | X86_PCD | NX
    cdef bint ok = map_kernel(a, spare) and map_memmap(a) and load_modules(a, spare)
    cdef uint32_t i
    ok = ok and map_range(a, PCI_IO_START, PCI_IO >> a.m.arch.page_shift, PCI_IO_PAGES, device, True, spare)
    for i in range(FIXMAP_TABLES):
        ok = ok and make_kernel_table(a, FIXADDR_TABLES + i * level_size(&a.m.arch, 1), 0, spare)
    return 0 if ok else -ENOMEM
