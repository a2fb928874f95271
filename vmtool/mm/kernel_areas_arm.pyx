"""The kernel's half of arm as it is once the first program starts; lowmem and vectors: pgtable (protect_sections(), map_vectors()).

    bf000000  text of a module | guard | its data | guard | its rodata | guard | what it wrote at init alone | guard | the next one's text ...
    bfe00000  persistent kmap: a table without entries
    c0000000  all of lowmem in sections of 1M; of the image's MiBs text and rodata may not be written, text alone may be executed
    f0800000  vmalloc's range, behind lowmem and 8M (boot_areas); at its end PCI I/O, and per-CPU data beyond the first chunk: a part for each CPU
    ff800000  the devicetree, in sections that may not be written
    ffc80000  fixmap, kmap_local's slots in it: two tables, of which the second has the vectors' entries

Modules are read-only at their own addresses; lowmem keeps what it has (set_memory_ro() of arm goes no further), and most of their pages are HighMem's.
Counterpart: Linux v6.12, the last that Debian builds for it without LPAE: arch/arm/mm/mmu.c (devicemaps_init(), kmap_init(), pci_reserve_io()), pageattr.c,
mm/percpu-vm.c, asm/memory.h, asm/fixmap.h. Entries as read in the memory of Debian's 6.12.117 (fixtures/kernel_map).
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport X86_A, X86_D, X86_G, X86_P, X86_RW, level_size
from vmtool.mm.arch_arm cimport ARM_SECTION_SHIFT
from vmtool.mm.boot_areas cimport boot_modules, map_boot_areas
from vmtool.mm.frame cimport RESERVED_BLOCKS, RESERVED_FDT, RESERVED_PERCPU, RESERVED_STACKS, reserved_of, reserved_t
from vmtool.mm.module_areas cimport loader_begin, loader_t, module_set_t, module_t, place
from vmtool.mm.pgtable cimport kernel_map
from vmtool.mm.set_memory cimport make_kernel_table

cdef enum:
    MODULES_BYTES = 0x1000000  # below lowmem; kmap's table has the end of them
    PKMAP_BYTES = 0x200000
    FIXADDR_TABLES = 0xFFC00000

cdef pte_t RO = X86_P | X86_A | X86_D | X86_G


cdef inline vaddr_t modules_vaddr(const arch_t *g) noexcept nogil:
    return g.page_offset - MODULES_BYTES


cdef void load_modules(loader_t *l) noexcept nogil:
    cdef pte_t nx = l.a.m.arch.nx
    cdef uint32_t nr, i
    cdef const module_t *module = boot_modules(&l.a.m.arch, &nr)
    l.at = modules_vaddr(&l.a.m.arch)
    l.ok = make_kernel_table(l.a, l.at, 0, l.spare)
    for i in range(nr):
        place(l, module[i].text, RO)
        place(l, module[i].data, RO | X86_RW | nx)
        place(l, module[i].rodata, RO | nx)
        place(l, module[i].ro_after_init, RO | nx)


cdef bint map_chunk(arena_t *a, spare_tables_t *spare) noexcept nogil:
    """pcpu_get_vm_areas() goes from the end downwards; pages as pcpu_populate_chunk() has given them."""
    cdef const arch_t *g = &a.m.arch
    cdef vaddr_t unit = VMALLOC_END - (<uint64_t>UNIT_PAGES * a.m.nr_cpus << g.page_shift)
    cdef const reserved_t *first = reserved_of(a, RESERVED_PERCPU)
    cdef uint64_t pfn = 0
    cdef uint32_t i, cpu
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == RESERVED_PERCPU and &a.m.reserved[i] != first:
            pfn = a.m.reserved[i].start_pfn
    for cpu in range(a.m.nr_cpus):
        for i in range(UNIT_POPULATED):
            if not make_kernel_table(a, unit, 0, spare) or not kernel_map(a, unit + (<uint64_t>i << g.page_shift), pfn << g.page_shift, 0, RO | X86_RW | g.nx):
                return False
            pfn += 1
        unit += <uint64_t>UNIT_PAGES << g.page_shift
    return True


cdef bint map_devicetree(arena_t *a) noexcept nogil:
    cdef const reserved_t *tree = reserved_of(a, RESERVED_FDT)
    cdef uint64_t mib = <uint64_t>1 << ARM_SECTION_SHIFT
    return tree == NULL or kernel_map(a, VMALLOC_END, (tree.start_pfn << a.m.arch.page_shift) & ~(mib - 1), 1, RO | a.m.arch.nx)


cdef bint vmalloc_areas(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef loader_t l
    if not loader_begin(&l, a, spare):
        return True
    load_modules(&l)
    return (l.ok and map_boot_areas(&l, reserved_of(a, RESERVED_STACKS).start_pfn, reserved_of(a, RESERVED_BLOCKS).start_pfn)
            and make_kernel_table(a, PCI_IO, 0, spare) and map_chunk(a, spare))


cdef module_set_t module_set_arm(arena_t *a) noexcept nogil:
    cdef uint32_t nr
    cdef const module_t *modules = boot_modules(&a.m.arch, &nr)
    return module_set_t(modules, nr, modules_vaddr(&a.m.arch), 0)


cdef int kernel_areas_setup_arm(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef bint ok = make_kernel_table(a, g.page_offset - PKMAP_BYTES, 0, spare)
    ok = ok and make_kernel_table(a, FIXADDR_TABLES, 0, spare) and make_kernel_table(a, FIXADDR_TABLES + level_size(g, 1), 0, spare)
    return 0 if ok and map_devicetree(a) and vmalloc_areas(a, spare) else -ENOMEM
