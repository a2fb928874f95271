# cython: language_level=3
"""A write to /proc/PID/clear_refs: forgets which pages were used or written, or the highest resident size.

    entry: accessed, page: referenced  ->  entry: old, page: not referenced        1 all areas, 2 anonymous ones, 3 files'
    area: soft-dirty; entry: writable, soft-dirty  ->  neither; the next write faults, and makes the entry so again        4
Counterpart: Linux v6.18 fs/proc/task_mmu.c:clear_refs_write(), clear_refs_pte_range(), clear_refs_test_walk(). As there on x86, the TLB is
not flushed for 1 to 3. Without CONFIG_MEM_SOFT_DIRTY (arch_t.soft_dirty) 4 finds nothing to forget. Huge pages of hugetlbfs are passed over.
"""

from vmtool.mm.arch cimport level_index, pages_in
from vmtool.mm.arena cimport frame_mut, mm_at, mm_mut, vma_at, vma_mut
from vmtool.mm.frame cimport page_folio
from vmtool.mm.mm_acct cimport get_mm_rss
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pgtable cimport entry_set, flush_tlb_mm
from vmtool.mm.pte cimport (ENTRY_NONE, ENTRY_PAGE, entry_clear_soft_dirty, pte_class, pte_frame, pte_mkold, pte_special, ptes_change, ptes_load,
                            ptes_open, ptes_open_mut, ptes_t)

cdef enum:  # enum clear_refs_types
    CLEAR_REFS_ALL = 1
    CLEAR_REFS_ANON
    CLEAR_REFS_MAPPED
    CLEAR_REFS_SOFT_DIRTY
    CLEAR_REFS_MM_HIWATER_RSS


cdef inline void forget(arena_t *a, pte_t e) noexcept nogil:
    frame_mut(a, page_folio(a, pte_frame(a, e))).flags &= ~<uint32_t>(PG_referenced | PG_young)


ctypedef pte_t (*cleared_fn)(arena_t *a, pte_t e) noexcept nogil


cdef pte_t without_young(arena_t *a, pte_t e) noexcept nogil:
    if pte_class(a, e) != ENTRY_PAGE:
        return e
    forget(a, e)
    return pte_mkold(a, e)


cdef pte_t without_soft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return entry_clear_soft_dirty(a, e) if pte_class(a, e) != ENTRY_NONE else e


cdef int clear_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const arch_t *g = &w.a.m.arch
    cdef cleared_fn cleared = (<cleared_fn *>w.private)[0]
    cdef uint32_t index
    cdef ptes_t ptes
    cdef bint changed = False
    cdef pte_t e, new
    if not ptes_open(w.a, table, &ptes):
        return 0
    for index in range(level_index(g, 0, addr), level_index(g, 0, addr) + pages_in(g, addr, next)):
        e = ptes_load(&ptes, index)
        new = cleared(w.a, e)
        if new == e:
            continue
        if not changed:
            ptes_open_mut(w.a, table, &ptes)
            changed = True
        ptes_change(&ptes, index, new)
    return 0


cdef int clear_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    if not pte_special(w.a, e):
        entry_set(w.a, w.mm, addr, level, pte_mkold(w.a, e))
        forget(w.a, e)
    return 0


cdef int clean_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    entry_set(w.a, w.mm, addr, level, entry_clear_soft_dirty(w.a, e))
    return 0


cdef bint is_meant(const vma_t *area, int64_t what) noexcept nogil:
    if area.vm_flags & (VM_PFNMAP | VM_HUGETLB):
        return False
    return what == CLEAR_REFS_ALL or what == CLEAR_REFS_SOFT_DIRTY or (area.vm_file == 0) == (what == CLEAR_REFS_ANON)


cdef int clear_refs(arena_t *a, idx_t mm, int64_t what) noexcept nogil:
    cdef mm_walk_t w
    cdef idx_t v = mm_at(a, mm).vma_first
    cdef uint32_t left = a.pool[POOL_VMA].count
    cdef bint soft = what == CLEAR_REFS_SOFT_DIRTY
    cdef cleared_fn cleared = without_soft_dirty if soft else without_young
    if not CLEAR_REFS_ALL <= what <= CLEAR_REFS_MM_HIWATER_RSS:
        return -EINVAL
    if what == CLEAR_REFS_MM_HIWATER_RSS:
        mm_mut(a, mm).hiwater_rss = get_mm_rss(mm_at(a, mm))
        return 0
    if soft and not a.m.arch.soft_dirty:
        return 0
    while v and left:
        if soft:
            vma_mut(a, v).vm_flags &= ~<uint64_t>VM_SOFTDIRTY
        if is_meant(vma_at(a, v), what):
            walk_init(&w, a, mm_mut(a, mm), v, &cleared)
            w.table = clear_table
            w.leaf = clean_leaf if soft else clear_leaf
            walk_page_range(&w, vma_at(a, v).vm_start, vma_at(a, v).vm_end)
        v = vma_at(a, v).vm_next
        left -= 1
    if soft:
        flush_tlb_mm(a, mm_mut(a, mm))
    return 0
