"""Page-table isolation: user mode runs on a top table of its own, in which little of the kernel is mapped.

    pgd       the kernel's    0 .. 255 the program's, NX set | 256 .. 511 the whole kernel
    pgd + 1   user mode's     0 .. 255 the program's         | the CPU entry areas, the entry code, each CPU's TSS

Both lead to the same tables of the program's. CR3 differs in bit 12, the PCID in bit 11. Entering the kernel loads one, leaving it the other:
with PCIDs nothing is forgotten, without them all but the global entries are, each time. What both modes share is global, nothing else is.

    cpu entry area   IDT | of each CPU: GDT, entry stack, TSS (5 pages), guard, and stacks of #DF, NMI, #DB, #MC (2 pages each, a guard before each)

Counterpart: Linux v6.18 arch/x86/mm/pti.c (pti_init(), pti_clone_user_shared(), pti_clone_entry_text()), arch/x86/mm/cpu_entry_area.c,
arch/x86/entry/calling.h (SWITCH_TO_KERNEL_CR3, SWITCH_TO_USER_CR3). Entries: read in the memory of Debian's 6.18.15 under QEMU with pti=on.
# Deviation: no ESPFIX area, no LDT remap; Intel's debug store is not mapped.
Invariants: a program's entry of the two top tables is the same but for NX; the kernel's half of every user mode's table is that of the first.
"""

from vmtool.mm.arch cimport ARCH_X86_64_LA57, X86_A, X86_D, X86_G, X86_P, X86_RW, X86_US, level_index
from vmtool.mm.arena cimport cpu_mut, frame_mut
from vmtool.mm.buddy cimport alloc_pages
from vmtool.mm.frame cimport RESERVED_PERCPU, reserved_of
from vmtool.mm.mmu cimport load_cr3
from vmtool.mm.mmu_context cimport CR3_PTI_PCID_USER, PTI_USER_PGTABLE
from vmtool.mm.pgtable cimport kernel_image, kernel_map, table_descend
from vmtool.mm.pte cimport entry_load, entry_store, mk_table, user_pgd_store
from vmtool.mm.zone cimport PERCPU_PAGES

cdef enum:
    # a CPU's pages, within its part of the per-CPU memory
    TSS_PAGE = 0
    GDT_PAGE = 5
    STACKS_PAGE = 6
    ENTRY_STACK_PAGE = 18
    # and within its entry area
    AREA_ENTRY_STACK = 1
    AREA_TSS = 2
    AREA_STACKS = 7
    AREA_PAGES = 59  # guards, stacks of #VC and the debug store included
    TSS_PAGES = 5
    NR_STACKS = 4
    EXCEPTION_STACK_PAGES = 2


cdef bint cea_map(arena_t *a, vaddr_t base, uint32_t page, uint64_t pfn, uint32_t nr, bint writable) noexcept nogil:
    """cea_map_percpu_pages(): global, for both modes have them."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t bits = X86_P | X86_A | X86_G | g.nx | (X86_RW | X86_D if writable else 0)
    cdef uint32_t i
    for i in range(nr):
        if not kernel_map(a, base + (<uint64_t>(page + i) << g.page_shift), (pfn + i) << g.page_shift, 0, bits):
            return False
    return True


cdef bint cpu_entry_area(arena_t *a, uint32_t cpu) noexcept nogil:
    """setup_cpu_entry_area(): without KASLR one behind the other."""
    cdef vaddr_t base = cpu_entry_area_base() + (<uint64_t>(1 + cpu * AREA_PAGES) << a.m.arch.page_shift)
    cdef uint64_t pfn = reserved_of(a, RESERVED_PERCPU).start_pfn + cpu * PERCPU_PAGES
    cdef bint ok = cea_map(a, base, 0, pfn + GDT_PAGE, 1, False)
    cdef uint32_t i
    ok = ok and cea_map(a, base, AREA_ENTRY_STACK, pfn + ENTRY_STACK_PAGE, 1, True) and cea_map(a, base, AREA_TSS, pfn + TSS_PAGE, TSS_PAGES, False)
    for i in range(NR_STACKS):
        ok = ok and cea_map(a, base, AREA_STACKS + i * (EXCEPTION_STACK_PAGES + 1) + 1, pfn + STACKS_PAGE + i * EXCEPTION_STACK_PAGES, EXCEPTION_STACK_PAGES, True)
    return ok


cdef int cpu_entry_areas_setup(arena_t *a) noexcept nogil:
    cdef uint32_t cpu
    cdef bint ok
    if a.m.arch.id > ARCH_X86_64_LA57:
        return 0
    ok = cea_map(a, cpu_entry_area_base(), 0, a.m.zero_pfn + 1, 1, False)
    for cpu in range(a.m.nr_cpus):
        ok = ok and cpu_entry_area(a, cpu)
    return 0 if ok else -ENOMEM


# --- the top table of user mode -------------------------------------------------------------------------------------


cdef pfn_t user_table(arena_t *a, vaddr_t addr, int level) noexcept nogil:
    """pti_user_pagetable_walk_pmd() and its kin: the table of `level`, made if it is missing; 0: no memory. No figure counts these tables, and
    nobody but user mode's top tables leads to them."""
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t table, below
    cdef pte_t e
    cdef int at
    while True:
        at = table_descend(a, user_pgd(g, a.m.kernel_pgd), addr, level, &table, &e)
        if at <= level:
            return table
        below = alloc_pages(a, 0, GFP_KERNEL | GFP_ZERO)
        if below == 0:
            return 0
        frame_mut(a, below).flags |= PG_table | PG_kernel
        user_entry(a, table, level_index(g, at, addr), at, mk_table(a, below) & ~<pte_t>X86_US)


cdef void user_entry(arena_t *a, pfn_t table, uint32_t index, int level, pte_t value) noexcept nogil:
    """The top table is the second page of a block: it has no count of its own."""
    if table == user_pgd(&a.m.arch, a.m.kernel_pgd):
        user_pgd_store(a, table, index, level, value)
    else:
        entry_store(a, table, index, level, value)


cdef pte_t kernel_entry_at(arena_t *a, vaddr_t addr, int level, pfn_t *table) noexcept nogil:
    """The entry of `level` in the kernel's tables. Precondition: its table is there."""
    cdef pte_t e
    table_descend(a, a.m.kernel_pgd, addr, level, table, &e)
    return entry_load(a, table[0], level_index(&a.m.arch, level, addr), level)


cdef bint share(arena_t *a, vaddr_t addr, int level, pte_t value) noexcept nogil:
    cdef pfn_t table = user_table(a, addr, level)
    if table == 0:
        return False
    user_entry(a, table, level_index(&a.m.arch, level, addr), level, value)
    return True


cdef int pti_init(arena_t *a) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t table
    cdef pte_t e
    cdef uint64_t tss
    cdef uint32_t cpu
    if not g.flags & ARCH_KPTI:
        return 0
    e = kernel_entry_at(a, cpu_entry_area_base(), 3, &table)
    if not share(a, cpu_entry_area_base(), 3, e):  # pti_clone_p4d()
        return -ENOMEM
    for cpu in range(a.m.nr_cpus):  # the entry code's scratch space is in the TSS, which it has by the address of per-CPU data
        tss = (reserved_of(a, RESERVED_PERCPU).start_pfn + cpu * PERCPU_PAGES + TSS_PAGE) << g.page_shift
        if not share(a, g.page_offset + tss, 0, tss | X86_P | X86_RW | X86_A | X86_D | g.nx):
            return -ENOMEM
    e = kernel_entry_at(a, kernel_image(), 1, &table) | X86_G  # pti_clone_entry_text(): in 6.18 the first of the text
    entry_store(a, table, level_index(g, 1, kernel_image()), 1, e)
    return 0 if share(a, kernel_image(), 1, e) else -ENOMEM


# --- CR3 --------------------------------------------------------------------------------------------------------------


cdef void kernel_round_trip(arena_t *a, uint32_t cpu) noexcept nogil:
    cdef uint64_t user = cpu_mut(a, cpu).cr3
    if a.m.arch.flags & ARCH_KPTI and user & PTI_USER_PGTABLE:
        load_cr3(a, cpu, user & ~<uint64_t>(PTI_USER_PGTABLE | CR3_PTI_PCID_USER), True)
        load_cr3(a, cpu, user, True)
