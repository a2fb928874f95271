# cython: language_level=3
"""What numa_maps and oom_score tell of a process.

Counterpart: Linux v6.18 fs/proc/task_mmu.c:gather_pte_stats(), can_gather_numa_stats(); mm/oom_kill.c:oom_badness(), fs/proc/base.c:
proc_oom_score(). Reserved pages (the zero page, [vdso]) are on no node's account. Until 5.8 the score was the share alone.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport level_index, level_size, page_size
from vmtool.mm.arena cimport frame_at, mm_at, task_at, vma_at
from vmtool.mm.frame cimport page_folio
from vmtool.mm.oom_kill cimport oom_badness
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_dirty, pte_frame, pte_load, pte_special
from vmtool.mm.rmap cimport page_mapcount


cdef void gather_page(arena_t *a, numa_stats_t *s, pfn_t pfn, bint dirty, uint64_t nr) noexcept nogil:
    cdef uint32_t flags = frame_at(a, page_folio(a, pfn)).flags
    cdef uint64_t count = page_mapcount(a, pfn)
    if flags & PG_reserved:
        return
    s.pages += nr
    if dirty or flags & PG_dirty:
        s.dirty += nr
    if flags & PG_swapcache and flags & PG_swapbacked:
        s.swapcache += nr
    if flags & (PG_active | PG_unevictable):
        s.active += nr
    if flags & PG_writeback:
        s.writeback += nr
    if flags & PG_anon:
        s.anon += nr
    if count > s.mapcount_max:
        s.mapcount_max = count


cdef int gather_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef pte_t e
    while addr < next:
        e = pte_load(w.a, table, level_index(&w.a.m.arch, 0, addr))
        if pte_class(w.a, e) == ENTRY_PAGE:
            gather_page(w.a, <numa_stats_t *>w.private, pte_frame(w.a, e), pte_dirty(w.a, e), 1)
        addr += page_size(&w.a.m.arch)
    return 0


cdef int gather_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef uint64_t nr = 1 if vma_at(w.a, w.v).vm_flags & VM_HUGETLB else level_size(&w.a.m.arch, level) // page_size(&w.a.m.arch)
    if not pte_special(w.a, e):
        gather_page(w.a, <numa_stats_t *>w.private, pte_frame(w.a, e), pte_dirty(w.a, e), nr)
    return 0


cdef void numa_gather(arena_t *a, idx_t v, numa_stats_t *out) noexcept nogil:
    cdef mm_walk_t w
    memset(out, 0, sizeof(numa_stats_t))
    walk_init(&w, a, mm_at(a, vma_at(a, v).vm_mm), v, out)
    w.table = gather_table
    w.leaf = gather_leaf
    walk_page_range(&w, vma_at(a, v).vm_start, vma_at(a, v).vm_end)


cdef int stop_at_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    (<vaddr_t *>w.private)[0] = addr
    return -EINVAL


cdef int stop_at_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    (<vaddr_t *>w.private)[0] = addr
    return -EINVAL


cdef vaddr_t next_table(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef mm_walk_t w
    cdef vaddr_t found = end
    walk_init(&w, a, mm_at(a, mm), 0, &found)
    w.table = stop_at_table
    w.leaf = stop_at_leaf
    walk_page_range(&w, start, end)
    return found


cdef uint64_t oom_score(arena_t *a, idx_t task, bint is_new) noexcept nogil:
    cdef int64_t total = <int64_t>a.m.totalram_pages + a.m.total_swap_pages
    cdef bint eligible = False
    cdef int64_t share = oom_badness(a, task_at(a, task), <uint64_t>total, &eligible) * 1000 // total
    if not eligible:
        return 0
    if not is_new:
        return <uint64_t>share if share > 0 else 0
    return <uint64_t>((1000 + share) * 2 // 3) if share > -1000 else 0
