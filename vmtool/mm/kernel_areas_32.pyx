"""The kernel's half of i386 as it is once the first program starts: read-only text, kmap's table, the CPU entry area, the fixmap.

    c0000000  all of lowmem; the image lies in it: text and rodata may not be written, with PAE text alone may be executed
    f73fe000  vmalloc's range, 8M behind lowmem; modules lie in it (boot_areas)
    fec00000  persistent kmap (with PAE ff000000): a table without entries
    ff400000  IDT | of each CPU: GDT, guard, entry stack, guard, TSS (5 pages) and the stack of double faults
    ffffb000  IO-APIC | local APIC, in the fixmap

Counterpart: Linux v6.1, the last that Debian builds for it: arch/x86/mm/init_32.c (mark_rodata_ro(), mark_nxdata_nx(), permanent_kmaps_init()),
cpu_entry_area.c, asm/fixmap.h. Entries as read in the memory of Debian's 6.1.176 (fixtures/kernel_map); of a page made read-only the dirty bit stays.
Invariants (fsck_kernel): with PAE no page may be written and executed.
"""

from vmtool.mm.arch cimport ARCH_I386_PAE, X86_A, X86_D, X86_G, X86_P, X86_PCD, X86_PWT, X86_RW, level_size
from vmtool.mm.boot_areas cimport boot_module_address, boot_modules, map_boot_areas
from vmtool.mm.frame cimport (RESERVED_KERNEL_BSS, RESERVED_KERNEL_CODE, RESERVED_KERNEL_DATA, RESERVED_KERNEL_RODATA, RESERVED_PERCPU,
                              reserved_of, reserved_t)
from vmtool.mm.module_areas cimport loader_begin, loader_t, module_set_t, module_t
from vmtool.mm.pgtable cimport kernel_map, pfn_to_virt
from vmtool.mm.set_memory cimport change_page_attr, make_kernel_table, split_large_page
from vmtool.mm.zone cimport lowmem_end, percpu_unit

cdef enum:
    TRAMPOLINE = 0x9B
    TRAMPOLINE_RO_PAGES = 2  # the first of which is its header
    PKMAP = 0xFEC00000
    PKMAP_PAE = 0xFF000000
    CPU_ENTRY_AREA = 0xFF400000  # and the fixmap behind it: their tables are there
    FIX_IO_APIC_BASE_0 = 0xFFFFB000
    FIX_APIC_BASE = 0xFFFFC000
    IO_APIC = 0xFEC00000
    LOCAL_APIC = 0xFEE00000
    IDT_PAGE = 4  # of .bss
    IDT_PAGE_PAE = 7
    AREA_PAGES = 10
    AREA_ENTRY_STACK = 2
    AREA_TSS = 4
    TSS_PAGES = 6


cdef inline uint64_t idt_pfn(arena_t *a) noexcept nogil:
    return reserved_of(a, RESERVED_KERNEL_BSS).start_pfn + (IDT_PAGE_PAE if a.m.arch.nx else IDT_PAGE)


cdef bint mark_rodata_ro(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef const reserved_t *text = reserved_of(a, RESERVED_KERNEL_CODE)
    cdef const reserved_t *rodata = reserved_of(a, RESERVED_KERNEL_RODATA)
    cdef const reserved_t *data = reserved_of(a, RESERVED_KERNEL_DATA)
    cdef const reserved_t *bss = reserved_of(a, RESERVED_KERNEL_BSS)
    cdef bint ok = change_page_attr(a, pfn_to_virt(a, text.start_pfn), rodata.start_pfn + rodata.nr_pages - text.start_pfn, 0, X86_RW, spare)
    if a.m.arch.nx:  # free_initmem() comes before mark_nxdata_nx(): it splits where .init begins and ends
        ok = ok and change_page_attr(a, pfn_to_virt(a, text.start_pfn), text.nr_pages, 0, a.m.arch.nx, spare)
        ok = ok and split_large_page(a, pfn_to_virt(a, data.start_pfn + data.nr_pages), spare) and split_large_page(a, pfn_to_virt(a, bss.start_pfn), spare)
    ok = ok and change_page_attr(a, pfn_to_virt(a, idt_pfn(a)), 1, 0, X86_RW, spare)
    return ok and change_page_attr(a, pfn_to_virt(a, TRAMPOLINE), TRAMPOLINE_RO_PAGES, 0, X86_RW, spare) and change_page_attr(
        a, pfn_to_virt(a, TRAMPOLINE + 1), TRAMPOLINE_RO_PAGES - 1, 0, a.m.arch.nx, spare)


cdef bint map_pages(arena_t *a, vaddr_t addr, uint64_t pfn, uint32_t nr, pte_t bits) noexcept nogil:
    cdef uint32_t i
    for i in range(nr):
        if not kernel_map(a, addr + (<uint64_t>i << a.m.arch.page_shift), pfn + i << a.m.arch.page_shift, 0, bits):
            return False
    return True


cdef bint cpu_entry_areas(arena_t *a) noexcept nogil:
    cdef pte_t ro = X86_P | X86_A | X86_D | X86_G | a.m.arch.nx
    cdef uint64_t size = level_size(&a.m.arch, 0)
    cdef bint ok = map_pages(a, CPU_ENTRY_AREA, idt_pfn(a), 1, ro)
    cdef uint64_t pfn = reserved_of(a, RESERVED_PERCPU).start_pfn
    cdef vaddr_t base = CPU_ENTRY_AREA + size
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        ok = ok and map_pages(a, base, pfn, 1, ro | X86_RW) and map_pages(a, base + AREA_ENTRY_STACK * size, pfn + 1, 1, ro | X86_RW)
        ok = ok and map_pages(a, base + AREA_TSS * size, pfn + 2, TSS_PAGES, ro | X86_RW)
        base += AREA_PAGES * size
        pfn += percpu_unit(&a.m.arch)
    return ok


cdef module_set_t module_set_32(arena_t *a) noexcept nogil:
    cdef uint32_t nr
    cdef const module_t *modules = boot_modules(&a.m.arch, &nr)
    return module_set_t(modules, nr, boot_module_address(a, 0), 0)


cdef bint vmalloc_areas(arena_t *a, spare_tables_t *spare) noexcept nogil:
    """cpa_process_alias(): of what lowmem has, too, it loses what may not be written."""
    cdef loader_t l
    if not loader_begin(&l, a, spare):
        return True
    l.alias_clear = X86_RW if l.pfn < lowmem_end(&a.m.arch) else 0
    return map_boot_areas(&l, 0, 0)


cdef int kernel_areas_setup_32(arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef pte_t bits = X86_P | X86_RW | X86_PWT | X86_PCD | X86_A | X86_D | X86_G | a.m.arch.nx
    cdef uint64_t addr = CPU_ENTRY_AREA
    cdef bint ok = mark_rodata_ro(a, spare) and make_kernel_table(a, PKMAP_PAE if a.m.arch.id == ARCH_I386_PAE else PKMAP, 0, spare)
    while ok and addr >> 32 == 0:
        ok = make_kernel_table(a, addr, 0, spare)
        addr += level_size(&a.m.arch, 1)
    ok = ok and cpu_entry_areas(a) and kernel_map(a, FIX_IO_APIC_BASE_0, IO_APIC, 0, bits) and kernel_map(a, FIX_APIC_BASE, LOCAL_APIC, 0, bits)
    return 0 if ok and vmalloc_areas(a, spare) else -ENOMEM
