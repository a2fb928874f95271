"""A module's areas, as move_module() has them: pages of vmalloc's, one behind the other, a guard behind each area.

Counterpart: Linux v6.18 mm/execmem.c, kernel/module/strict_rwx.c, and set_memory_ro() of x86 and, with rodata=full, of arm64: the direct map has the
page at another address, and there it may not be written either.
Invariants (fsck_kernel): nothing may be written and executed.
"""

from vmtool.mm.arch cimport X86_RW, level_index, level_size, page_size
from vmtool.mm.pgtable cimport direct_map_address, kernel_table
from vmtool.mm.pte cimport ptes_open_mut, ptes_store, ptes_t
from vmtool.mm.set_memory cimport change_page_attr, split_large_page


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


cdef void place(loader_t *l, uint32_t nr_pages, pte_t bits) noexcept nogil:
    """An area of single pages, and the guard behind it."""
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
            l.ok = bits & X86_RW or alias_ro(l, first, l.pfn)
            first = l.pfn = l.pfn + EXECMEM_CACHE_PAGES
        if level_index(g, 0, l.at) == 0:
            ptes_open_mut(a, kernel_table(a, l.at, 0, False), &p)
        ptes_store(&p, level_index(g, 0, l.at), l.pfn << g.page_shift | bits)
        l.pfn += 1
        l.at += page_size(g)
    l.ok = l.ok and (bits & X86_RW or alias_ro(l, first, l.pfn))
    l.at += page_size(g)
