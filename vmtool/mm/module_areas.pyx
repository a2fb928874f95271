"""A module's areas, as move_module() has them: pages of vmalloc's, one behind the other, a guard behind each area.

Counterpart: Linux v6.18 mm/execmem.c, kernel/module/strict_rwx.c, and set_memory_ro() of x86 and, with rodata=full, of arm64: the direct map has the
page at another address, and there it may not be written either.
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport X86_RW, level_index, level_size, page_size
from vmtool.mm.frame cimport RESERVED_MODULES, reserved_of, reserved_t
from vmtool.mm.pgtable cimport direct_map_address, kernel_table, table_descend
from vmtool.mm.pte cimport entry_load, ptes_open_mut, ptes_store, ptes_t
from vmtool.mm.set_memory cimport change_page_attr, split_large_page


cdef bint loader_begin(loader_t *l, arena_t *a, spare_tables_t *spare) noexcept nogil:
    cdef const reserved_t *kept = reserved_of(a, RESERVED_MODULES)
    if kept == NULL:
        return False
    l.a = a
    l.spare = spare
    l.pfn = kept.start_pfn
    l.text_pfn = 0
    l.alias_clear = 0
    l.ok = True
    return True


cdef bint alias_ro(loader_t *l, uint64_t pfn, uint64_t end) noexcept nogil:
    """set_memory_ro(): what may not be written there, the direct map's alias may not, page by page: no large page is left."""
    cdef arena_t *a = l.a
    cdef uint64_t pages = level_size(&a.m.arch, 1) >> a.m.arch.page_shift
    cdef uint64_t at = pfn
    while at < end:
        if not split_large_page(a, direct_map_address(a, at << a.m.arch.page_shift), l.spare):
            return False
        at = (at | pages - 1) + 1
    return change_page_attr(a, direct_map_address(a, pfn << a.m.arch.page_shift), end - pfn, 0, l.alias_clear, l.spare)


cdef void place_pages(loader_t *l, uint32_t nr_pages, pte_t bits) noexcept nogil:
    cdef arena_t *a = l.a
    cdef const arch_t *g = &a.m.arch
    cdef ptes_t p
    cdef uint32_t i
    cdef uint64_t first = l.pfn
    if nr_pages == 0 or not l.ok:
        return
    ptes_open_mut(a, kernel_table(a, l.at, 0, False), &p)  # it is there
    for i in range(nr_pages):
        if l.pfn == l.text_pfn:
            l.ok = bits & X86_RW or l.alias_clear == 0 or alias_ro(l, first, l.pfn)
            first = l.pfn = l.pfn + EXECMEM_CACHE_PAGES
        if level_index(g, 0, l.at) == 0:
            ptes_open_mut(a, kernel_table(a, l.at, 0, False), &p)
        ptes_store(&p, level_index(g, 0, l.at), l.pfn << g.page_shift | bits)
        l.pfn += 1
        l.at += page_size(g)
    l.ok = l.ok and (bits & X86_RW or l.alias_clear == 0 or alias_ro(l, first, l.pfn))


cdef void place(loader_t *l, uint32_t nr_pages, pte_t bits) noexcept nogil:
    """An area, and the guard behind it."""
    if nr_pages and l.ok:
        place_pages(l, nr_pages, bits)
        l.at += page_size(&l.a.m.arch)


cdef uint32_t nr_loaded(arena_t *a, const module_set_t *set) noexcept nogil:
    cdef pfn_t table
    cdef pte_t e = 0
    if set.nr == 0 or table_descend(a, a.m.kernel_pgd, set.start, 0, &table, &e) != 0:
        return 0
    return set.nr if entry_load(a, table, level_index(&a.m.arch, 0, set.start), 0) else 0


cdef inline uint64_t with_guard(uint64_t nr_pages) noexcept nogil:
    return nr_pages + 1 if nr_pages else 0


cdef vaddr_t text_of(arena_t *a, const module_set_t *set, uint32_t i) noexcept nogil:
    cdef const module_t *k
    cdef uint64_t pages = 0
    cdef uint32_t n
    for n in range(min(i, set.nr)):
        k = &set.modules[n]
        pages += k.text if set.text else with_guard(k.text) + with_guard(k.data) + with_guard(k.rodata) + with_guard(k.ro_after_init)
    return (set.text if set.text else set.start) + (pages << a.m.arch.page_shift)
