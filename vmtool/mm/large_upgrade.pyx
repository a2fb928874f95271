# cython: language_level=3
"""Machines of files from before large folios knew who maps them: read off the page tables, space by space.

Which folios would be queued for a split is not known: none is. Of more than two address spaces that map a folio the first two have slots.
"""

from vmtool.mm.arena cimport frame_at, mm_at, mm_mut, rec_is_live, vma_at
from vmtool.mm.frame cimport folio_order, page_folio, pfn_to_zone, reserved_end
from vmtool.mm.hstate cimport PG_hugetlb
from vmtool.mm.large_folio cimport (MTHP_STAT_NR_ANON, add_large_mapcount, clear_tails, count_mthp_stat, folio_add_entire,
                                    folio_add_nr_mapped, folio_entire_mapcount)
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_frame, pte_load, pte_special
from vmtool.mm.arch cimport level_index, page_size


cdef void begin_folio(arena_t *a, pfn_t head) noexcept nogil:
    """Nobody maps it yet; its pages and huge entries know their own counts."""
    cdef uint32_t order = folio_order(a, head), i
    cdef uint32_t entire = folio_entire_mapcount(a, head)
    clear_tails(a, head, order)
    folio_add_entire(a, head, <int>entire)
    for i in range(<uint32_t>1 << order):
        folio_add_nr_mapped(a, head, frame_at(a, head + i).mapcount > 0)
    if frame_at(a, head).flags & PG_anon:
        count_mthp_stat(a, order, MTHP_STAT_NR_ANON)


cdef void begin_folios(arena_t *a) noexcept nogil:
    cdef uint64_t pfn = 1, end
    cdef const zone_t *z
    cdef const frame_t *f
    while pfn < a.m.max_pfn:
        z = &a.m.zone[pfn_to_zone(a, <pfn_t>pfn)]
        end = z.unseen_end if z.unseen_pfn <= pfn < z.unseen_end else reserved_end(a, <pfn_t>pfn)
        if end > pfn:
            pfn = end
            continue
        f = frame_at(a, <pfn_t>pfn)
        if f.flags & PG_head and not f.flags & (PG_slab | PG_table | PG_kernel | PG_hugetlb | PG_zero | PG_buddy | PG_pcp) and folio_order(a, <pfn_t>pfn):
            begin_folio(a, <pfn_t>pfn)
            pfn += (<uint64_t>1 << folio_order(a, <pfn_t>pfn)) - 1
        pfn += 1


cdef void add_mapping(mm_walk_t *w, pte_t e) noexcept nogil:
    cdef pfn_t pfn = pte_frame(w.a, e)
    if not pte_special(w.a, e) and pfn < w.a.m.max_pfn and frame_at(w.a, pfn).flags & (PG_head | PG_tail):
        add_large_mapcount(w.a, page_folio(w.a, pfn), vma_at(w.a, w.v).vm_mm, 1)


cdef int each_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef pte_t e
    while addr < next:
        e = pte_load(w.a, table, level_index(&w.a.m.arch, 0, addr))
        if pte_class(w.a, e) == ENTRY_PAGE:
            add_mapping(w, e)
        addr += page_size(&w.a.m.arch)
    return 0


cdef int each_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    add_mapping(w, e)
    return 0


cdef void walk_areas(arena_t *a, idx_t mm) noexcept nogil:
    cdef idx_t v = mm_at(a, mm).vma_first
    cdef uint32_t left = a.pool[POOL_VMA].count
    cdef mm_walk_t w
    while v and left and not a.err:
        left -= 1
        if not vma_at(a, v).vm_flags & VM_HUGETLB:
            walk_init(&w, a, mm_mut(a, mm), v, NULL)
            w.table = each_table
            w.leaf = each_leaf
            walk_page_range(&w, vma_at(a, v).vm_start, vma_at(a, v).vm_end)
        v = vma_at(a, v).vm_next


cdef void large_upgrade(arena_t *a) noexcept nogil:
    cdef idx_t mm
    if a.m.knows_large_folios:
        return
    a.m.thp_orders_inherit = <uint32_t>1 << a.m.arch.pmd_order
    begin_folios(a)
    for mm in range(1, a.pool[POOL_MM].count):
        if rec_is_live(a, POOL_MM, mm):
            walk_areas(a, mm)
    a.m.knows_large_folios = 1
