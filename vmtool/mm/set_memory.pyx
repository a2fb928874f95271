"""Changing what the kernel's half allows: read-only text, pages that must not be executed, pages that are not there.

    before   | 2M, RW                                  |
    after    | ro ... ro | RW ... RW                   |   512 entries of a new table; a large entry that is meant whole stays large

Counterpart: Linux v6.18 arch/x86/mm/pat/set_memory.c (__change_page_attr(), should_split_large_page(), __split_large_page()). The alias that the
direct map has of a page is its caller's to change; nothing is flushed: it is done at boot, before a TLB holds such an entry.
Invariants (fsck_kernel): no page of the kernel's half may be written and executed.
"""

from vmtool.mm.arch cimport ARCH_SPLIT_ROOT, X86_PS, X86_US, level_index, level_size, nr_entries, pages_in
from vmtool.mm.frame cimport page_bytes_mut
from vmtool.mm.linear_map cimport linear_fill, linear_untouched
from vmtool.mm.pgtable cimport kernel_table, kernel_table_at, kernel_table_frame, table_descend
from vmtool.mm.pagewalk cimport WALK_AGAIN, mm_walk_t, walk_init_kernel, walk_page_range
from vmtool.mm.pte cimport ENTRY_HUGE, entry_load, entry_store, mk_table, pmd_class, ptes_load, ptes_open_mut, ptes_store, ptes_t

cdef struct cpa_t:  # cpa_data
    pte_t set
    pte_t keep
    spare_tables_t *spare


cdef pfn_t take_spare(spare_tables_t *spare) noexcept nogil:
    """0: none is left."""
    if spare.next >= spare.end:
        return 0
    spare.next += 1
    return spare.next - 1


cdef bint make_kernel_table(arena_t *a, vaddr_t addr, int level, spare_tables_t *spare) noexcept nogil:
    cdef pfn_t table, pfn
    cdef pte_t e = 0
    cdef int at = table_descend(a, a.m.kernel_pgd, addr, level, &table, &e)
    if at <= level:
        return True
    while at > level:
        at -= 1
        pfn = take_spare(spare)
        if pfn == 0:
            return kernel_table(a, addr, level, False) != 0
        kernel_table_at(a, addr, at, pfn)
    return True


cdef bint split_entry(arena_t *a, pfn_t table, uint32_t index, int level, spare_tables_t *spare) noexcept nogil:
    """__split_large_page(): the same frames and rights, an entry each of the level below."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t e = entry_load(a, table, index, level)
    cdef uint64_t phys = e & g.pfn_mask
    cdef pfn_t below = kernel_table_frame(a, take_spare(spare), level - 1)
    cdef ptes_t p
    cdef uint32_t i
    if below == 0:
        return False
    p.wide = NULL
    p.bytes = NULL
    e &= ~g.pfn_mask & ~<pte_t>(X86_PS if level == 1 else 0)
    ptes_open_mut(a, below, &p)
    for i in range(nr_entries(g, level - 1)):
        if level == 1:
            ptes_store(&p, i, e | (phys + i * level_size(g, 0)))
        else:
            entry_store(a, below, i, level - 1, e | (phys + i * level_size(g, level - 1)))
    entry_store(a, table, index, level, mk_table(a, below) & ~<pte_t>X86_US | (e & g.nx if g.flags & ARCH_SPLIT_ROOT else 0))
    return True


cdef bint split_large_page(arena_t *a, vaddr_t addr, spare_tables_t *spare) noexcept nogil:
    cdef pfn_t table
    cdef pte_t e = 0
    cdef int level = table_descend(a, a.m.kernel_pgd, addr, 0, &table, &e)
    while level and pmd_class(a, e) == ENTRY_HUGE:
        if not split_entry(a, table, level_index(&a.m.arch, level, addr), level, spare):
            return False
        level = table_descend(a, a.m.kernel_pgd, addr, 0, &table, &e)
    return True


cdef void linear_own(arena_t *a, pfn_t table) noexcept nogil:
    """A table of arm64's direct map that is about to change gets contents: until now it had what follows from its place."""
    cdef char *bytes
    if linear_untouched(a, table):
        bytes = page_bytes_mut(a, table)
        if bytes != NULL:
            linear_fill(a, table, bytes)


cdef void change_ptes(arena_t *a, pfn_t table, vaddr_t addr, vaddr_t end, pte_t set, pte_t keep) noexcept nogil:
    """Those of one table."""
    cdef ptes_t p
    cdef uint32_t i
    cdef pte_t e
    p.wide = NULL
    p.bytes = NULL
    ptes_open_mut(a, table, &p)
    for i in range(level_index(&a.m.arch, 0, addr), level_index(&a.m.arch, 0, addr) + pages_in(&a.m.arch, addr, end)):
        e = ptes_load(&p, i)
        if e:
            ptes_store(&p, i, (e & keep) | set)


cdef int change_kernel_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const cpa_t *k = <const cpa_t *>w.private
    linear_own(w.a, table)
    change_ptes(w.a, table, addr, next, k.set, k.keep)
    return 0


cdef int change_kernel_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef const cpa_t *k = <const cpa_t *>w.private
    cdef const arch_t *g = &w.a.m.arch
    cdef pfn_t table
    cdef pte_t above = 0
    if ((e & k.keep) | k.set) == e:
        return 0
    table_descend(w.a, w.root, addr, level, &table, &above)
    if next - addr != level_size(g, level):
        return WALK_AGAIN if split_entry(w.a, table, level_index(g, level, addr), level, k.spare) else -ENOMEM
    entry_store(w.a, table, level_index(g, level, addr), level, (e & k.keep) | k.set)
    return 0


cdef bint change_range(arena_t *a, vaddr_t addr, uint64_t nr_pages, pte_t set, pte_t keep, spare_tables_t *spare) noexcept nogil:
    """Of each entry what `keep` has, and `set`."""
    cdef cpa_t k = cpa_t(set, keep, spare)
    cdef mm_walk_t w
    walk_init_kernel(&w, a, a.m.kernel_pgd, &k)
    w.table = change_kernel_table
    w.leaf = change_kernel_leaf
    return walk_page_range(&w, addr, addr + (nr_pages << a.m.arch.page_shift)) == 0


cdef bint change_page_attr(arena_t *a, vaddr_t addr, uint64_t nr_pages, pte_t set, pte_t clear, spare_tables_t *spare) noexcept nogil:
    return change_range(a, addr, nr_pages, set, ~clear, spare)


cdef bint set_memory_np(arena_t *a, vaddr_t addr, uint64_t nr_pages, spare_tables_t *spare) noexcept nogil:
    return change_range(a, addr, nr_pages, 0, 0, spare)
