"""The kernel's half of riscv64 as it is once the first program starts: the image at the end of the space, modules 2G below its end, and from the
direct map downwards vmalloc's range, memmap, PCI I/O and the fixmap.

    ffff8d7ffea00000  the fixmap's table | PCI I/O | memmap, in pages of 2M                         of Sv48
    ffff8f8000000000  vmalloc's range, 32T
    ffffaf8000000000  all of RAM; text and rodata of it may not be written
    ffffffff01e6c000  text of a module | guard | its data | guard | its rodata | guard | what it wrote at init alone | guard | the next one's text ...
    ffffffff80000000  text | .init's text, which is given away | .init's data | rodata | data and .bss          pages of 2M

A page made read-only keeps its dirty bit. set_memory_rox() changes the direct map's alias of vmalloc's pages just as the pages, so a module's text may
be executed there, too. The top table's entries of vmalloc's range, of memmap, of the direct map and of the modules are there from the start, with a
table each (preallocate_pgd_pages_range()): what is mapped later is every space's at once.
Counterpart: Linux v6.18 arch/riscv/mm/init.c (setup_vm_final(), create_linear_mapping_page_table(), free_initmem(), mark_rodata_ro(), pgtable_cache_init()),
arch/riscv/mm/pageattr.c, asm/pgtable.h. Entries and modules as read in the memory of Debian's 6.12.117 (fixtures/kernel_map).
# Deviation: what boot's own areas of vmalloc have is not mapped.
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport X86_A, X86_D, X86_G, X86_P, X86_RW, level_size
from vmtool.mm.frame cimport (RESERVED_FDT, RESERVED_KERNEL_BSS, RESERVED_KERNEL_CODE, RESERVED_KERNEL_DATA, RESERVED_KERNEL_RODATA, RESERVED_MEMMAP,
                              reserved_of, reserved_t)
from vmtool.mm.module_areas cimport loader_begin, loader_t, module_set_t, module_t, place
from vmtool.mm.pgtable cimport kernel_map, kernel_table, pfn_to_virt

from vmtool.mm.set_memory cimport change_page_attr, make_kernel_table, split_large_page
from vmtool.mm.vmalloc cimport vmalloc_start

cdef enum:
    PCI_IO = 0x3000000  # of QEMU's virt board
    PCI_IO_PAGES = 16
    PCI_IO_SIZE = 0x1000000
    FIXADDR_SIZE = 0x600000  # its first 2M are for pages, the rest for the devicetree, in two large ones
    MEMMAP_ENTRY_SHIFT = 6  # log2 of sizeof(struct page)
    MODULE_TABLES = 8  # what they had of init included
    NR_MODULES = 5
    IMAGE_BYTES = 0x1E6C000  # _end, within the last large page

cdef vaddr_t KERNEL_LINK_ADDR = 0xFFFFFFFF80000000ULL
cdef vaddr_t MODULES_SIZE = 0x80000000  # and they end where the image begins: MODULES_VADDR is that far below the image's end
cdef pte_t NX = <pte_t>1 << 63
cdef pte_t RO = X86_P | X86_A | X86_D | X86_G  # PAGE_KERNEL_READ_EXEC

cdef module_t MODULES[NR_MODULES]
MODULES[:] = [module_t(b"crc16", b"ext4,", 1, 1, 1, 1, 0), module_t(b"mbcache", b"ext4,", 1, 1, 18, 1, 0),
              module_t(b"jbd2", b"ext4,", 1, 16, 313, 3, 1), module_t(b"ext4", b"-", 0, 107, 1681, 17, 1),
              module_t(b"virtio_blk", b"-", 0, 3, 46, 1, 1)]


cdef vaddr_t page_end(const arch_t *g) noexcept nogil:
    """PAGE_END: where the direct map's range ends, KASAN's begins."""
    return 0xFFFFFFF700000000ULL if g.levels == 3 else 0xFFFFEF8000000000ULL if g.levels == 4 else 0xFFDF000000000000ULL


cdef inline vaddr_t vmemmap_start(arena_t *a) noexcept nogil:
    """A page structure for each page of half the space, below vmalloc's range; the first is that of RAM's first page."""
    cdef const arch_t *g = &a.m.arch
    return vmalloc_start(a) - (<uint64_t>1 << g.va_bits - g.page_shift - 1 + MEMMAP_ENTRY_SHIFT)


cdef vaddr_t image_address(arena_t *a, uint64_t pfn) noexcept nogil:
    return KERNEL_LINK_ADDR + (pfn - reserved_of(a, RESERVED_KERNEL_CODE).start_pfn << a.m.arch.page_shift)


cdef bint map_range(arena_t *a, vaddr_t addr, uint64_t pfn, uint64_t end, int level, pte_t bits) noexcept nogil:
    """In pages of the level; the last may reach beyond the end."""
    cdef const arch_t *g = &a.m.arch
    while pfn < end:
        if not kernel_map(a, addr, pfn << g.page_shift, level, bits):
            return False
        pfn += level_size(g, level) >> g.page_shift
        addr += level_size(g, level)
    return True


cdef bint map_kernel(arena_t *a, spare_tables_t *spare) noexcept nogil:
    """The image, and what its parts are in the direct map. .init's text was executable, and is so no more; its data ends within a large page of the
    direct map, which is split there: free_initmem() goes by pages."""
    cdef const reserved_t *text = reserved_of(a, RESERVED_KERNEL_CODE)
    cdef const reserved_t *rodata = reserved_of(a, RESERVED_KERNEL_RODATA)
    cdef uint64_t large = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    cdef uint64_t head = text.start_pfn, init = head + text.nr_pages, init_data = init + large
    cdef uint64_t data = reserved_of(a, RESERVED_KERNEL_DATA).start_pfn
    cdef const reserved_t *bss = reserved_of(a, RESERVED_KERNEL_BSS)
    cdef bint ok = map_range(a, image_address(a, head), head, init, 1, RO)
    ok = ok and map_range(a, image_address(a, init), init, init_data, 1, RO | NX)
    ok = ok and map_range(a, image_address(a, init_data), init_data, rodata.start_pfn, 1, RO | X86_RW | NX)
    ok = ok and map_range(a, image_address(a, rodata.start_pfn), rodata.start_pfn, data, 1, RO | NX)
    ok = ok and map_range(a, image_address(a, data), data, bss.start_pfn + bss.nr_pages, 1, RO | X86_RW | NX)
    ok = ok and change_page_attr(a, pfn_to_virt(a, head), init - head, 0, X86_RW, spare) and split_large_page(a, pfn_to_virt(a, init_data), spare)
    return ok and change_page_attr(a, pfn_to_virt(a, rodata.start_pfn), data - rodata.start_pfn, 0, X86_RW, spare)


cdef bint map_memmap(arena_t *a) noexcept nogil:
    cdef const reserved_t *memmap = reserved_of(a, RESERVED_MEMMAP)
    cdef uint64_t large = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    return map_range(a, vmemmap_start(a), memmap.start_pfn & ~(large - 1), memmap.start_pfn + memmap.nr_pages, 1, RO | X86_RW | NX)


cdef bint map_devicetree(arena_t *a, vaddr_t addr) noexcept nogil:
    """create_fdt_early_page_table(): it may lie across two large pages."""
    cdef const reserved_t *tree = reserved_of(a, RESERVED_FDT)
    cdef uint64_t large = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    return tree == NULL or map_range(a, addr, tree.start_pfn, tree.start_pfn + 2 * large, 1, RO | X86_RW | NX)


cdef bint preallocate_pgd_pages_range(arena_t *a, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef int top = <int>g.levels - 1
    while start < end:
        if kernel_table(a, start, top - 1, False) == 0:
            return False
        start = (start | level_size(g, top) - 1) + 1
        if start == 0:
            return True
    return True


# --- modules -----------------------------------------------------------------------------------------------------------


cdef vaddr_t modules_start(arena_t *a) noexcept nogil:
    """The image's end is that of .bss' last page; the large page goes on."""
    return KERNEL_LINK_ADDR + IMAGE_BYTES - MODULES_SIZE


cdef bint load_modules(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef loader_t l
    cdef uint32_t i
    if not loader_begin(&l, a, spare):
        return True
    l.at = modules_start(a)
    for i in range(MODULE_TABLES):
        l.ok = l.ok and make_kernel_table(a, l.at + i * level_size(&a.m.arch, 1), 0, spare)
    for i in range(NR_MODULES):
        l.alias_clear = X86_RW | NX
        place(&l, MODULES[i].text, RO)
        l.alias_clear = X86_RW
        place(&l, MODULES[i].data, RO | X86_RW | NX)
        place(&l, MODULES[i].rodata, RO | NX)
        place(&l, MODULES[i].ro_after_init, RO | NX)
    return l.ok


cdef module_set_t module_set_riscv(arena_t *a) noexcept nogil:
    return module_set_t(&MODULES[0], NR_MODULES, modules_start(a), 0)


cdef int kernel_areas_setup_riscv(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef vaddr_t io = vmemmap_start(a) - PCI_IO_SIZE
    cdef bint ok = map_kernel(a, spare) and map_memmap(a) and load_modules(a, spare)
    ok = ok and map_range(a, io, PCI_IO >> g.page_shift, (PCI_IO >> g.page_shift) + PCI_IO_PAGES, 0, RO | X86_RW | NX)
    ok = ok and make_kernel_table(a, io - FIXADDR_SIZE, 0, spare) and map_devicetree(a, io - FIXADDR_SIZE + level_size(g, 1))
    ok = ok and preallocate_pgd_pages_range(a, vmemmap_start(a), g.page_offset) and preallocate_pgd_pages_range(a, g.page_offset, page_end(g))
    ok = ok and preallocate_pgd_pages_range(a, modules_start(a), KERNEL_LINK_ADDR)
    return 0 if ok else -ENOMEM
