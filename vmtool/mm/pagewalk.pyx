# cython: language_level=3
"""The one loop over the levels of the tables of a range. Counterpart: Linux v6.18 mm/pagewalk.c:walk_page_range().

Each step descends from the top table: a PTE table is one step, and what a callback changed is seen.
"""

from vmtool.mm.arch cimport level_end, level_index
from vmtool.mm.arena cimport vma_at
from vmtool.mm.hstate cimport hsize_bytes, hsize_of, hsize_t, hstate_vma
from vmtool.mm.pgtable cimport table_descend


cdef int walk_step(mm_walk_t *w, vaddr_t addr, vaddr_t end, vaddr_t *next) noexcept nogil:
    cdef pfn_t table
    cdef pte_t e = 0
    cdef int level = table_descend(w.a, w.root, addr, 0, &table, &e)
    next[0] = level_end(&w.a.m.arch, level if level else 1, addr, end)
    if level == 0:
        return w.table(w, addr, next[0], table) if w.table != NULL and table else 0
    if pmd_class(w.a, e) == ENTRY_HUGE:
        return w.leaf(w, addr, next[0], level, e) if w.leaf != NULL else 0
    return w.hole(w, addr, next[0], level) if w.hole != NULL else 0


cdef int walk_hugetlb_range(mm_walk_t *w, vaddr_t start, vaddr_t end) noexcept nogil:
    """Page by page of the area's size. start..end are its borders, but for a damaged file."""
    cdef const arch_t *g = &w.a.m.arch
    cdef hsize_t s
    cdef uint64_t size
    cdef vaddr_t addr
    cdef pfn_t table
    cdef pte_t e = 0
    cdef int level, r = 0
    hsize_of(w.a, hstate_vma(w.a, w.v), &s)
    size = hsize_bytes(g, &s)
    addr = start & ~(size - 1)
    while addr < end and r >= 0:
        level = table_descend(w.a, w.root, addr, s.level, &table, &e)
        if level > s.level:
            addr = level_end(g, level, addr, end)
            continue
        e = entry_load(w.a, table, level_index(g, level, addr), level)
        if e:
            r = w.leaf(w, addr, addr + size, level, e) if w.leaf != NULL else 0
        elif w.hole != NULL:
            r = w.hole(w, addr, addr + size, level)
        addr += size
    return r if r < 0 else 0


cdef int walk_page_range(mm_walk_t *w, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef vaddr_t addr = start, next
    cdef int r, tries = 0
    if end > w.limit:
        end = w.limit
    if w.v and vma_at(w.a, w.v).vm_flags & VM_HUGETLB:
        return walk_hugetlb_range(w, start, end)
    while addr < end:
        r = walk_step(w, addr, end, &next)
        if r < 0:
            return r
        if r == WALK_AGAIN and tries < <int>w.a.m.arch.levels:  # a level less each time; of a damaged file an entry may come again as it was
            tries += 1
        else:
            tries = 0
            addr = next
    return 0
