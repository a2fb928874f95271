# cython: language_level=3
"""Who maps a frame, by its reverse mapping: the areas of its anon_vma or of its file, and in each the entry at the page's place.

    frame 0x1a2c, anonymous, index 0x7ffff7ff0  ->  anon_vma 3  ->  area of process 1, area of process 2 (a fork)  ->  both entries
What has no reverse mapping, as in Linux (the zero page, [vdso], [vvar]), is looked for in every table.
Counterpart: Linux v6.18 mm/rmap.c:rmap_walk_anon(), rmap_walk_file(); mm/page_vma_mapped.c.
"""

from vmtool.mm.arch cimport level_size
from vmtool.mm.arena cimport frame_at, inode_at, mm_at, rec_at, runs_in_circle, vma_at
from vmtool.mm.frame cimport frame_index, page_folio
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pgtable cimport entry_at_t, entry_find
from vmtool.mm.pte cimport *
from vmtool.mm.vma cimport vma_address, vma_has_index


cdef struct seek_t:
    pfn_t pfn
    mapped_fn report
    void *ctx


cdef void look_in_area(arena_t *a, idx_t v, uint64_t index, const seek_t *s) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef entry_at_t at
    cdef vaddr_t addr
    cdef uint64_t within
    if not vma_has_index(a, area, index):
        return
    addr = vma_address(a, area, index)
    entry_find(a, mm_at(a, area.vm_mm), addr, &at)
    within = (addr & (level_size(&a.m.arch, at.level) - 1)) >> a.m.arch.page_shift
    if (at.what == ENTRY_PAGE or at.what == ENTRY_HUGE) and pte_frame(a, at.entry) + within == s.pfn:
        s.report(s.ctx, area.vm_mm, v, addr, at.level)


cdef void look_in_anon_vma(arena_t *a, idx_t anon_vma, uint64_t index, const seek_t *s) noexcept nogil:
    cdef idx_t at = (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, anon_vma)).avc_head
    cdef uint32_t steps = 0
    while at and not runs_in_circle(a, POOL_AVC, at, &steps):
        look_in_area(a, (<avc_t *>rec_at(a, POOL_AVC, at)).vma, index, s)
        at = (<avc_t *>rec_at(a, POOL_AVC, at)).same_av_next


cdef void look_in_file(arena_t *a, idx_t inode, uint64_t index, const seek_t *s) noexcept nogil:
    cdef idx_t at = inode_at(a, inode).i_mmap
    cdef uint32_t steps = 0
    while at and not runs_in_circle(a, POOL_VMA, at, &steps):
        look_in_area(a, at, index, s)
        at = vma_at(a, at).i_mmap_next


# --- without a reverse mapping ---------------------------------------------------------------------------------------


cdef int seek_in_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const seek_t *s = <const seek_t *>w.private
    cdef ptes_t ptes
    cdef uint32_t i, first = <uint32_t>(addr >> w.a.m.arch.page_shift) & ((<uint32_t>1 << w.a.m.arch.level_bits[0]) - 1)
    cdef pte_t e
    if not ptes_open(w.a, table, &ptes):
        return 0
    for i in range(<uint32_t>((next - addr) >> w.a.m.arch.page_shift)):
        e = ptes_load(&ptes, first + i)
        if pte_class(w.a, e) in (ENTRY_PAGE, ENTRY_SPECIAL) and pte_frame(w.a, e) == s.pfn:
            s.report(s.ctx, vma_at(w.a, w.v).vm_mm, w.v, addr + (<uint64_t>i << w.a.m.arch.page_shift), 0)
    return 0


cdef int seek_in_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef const seek_t *s = <const seek_t *>w.private
    cdef pfn_t first = pte_frame(w.a, e)
    cdef uint64_t size = max(level_size(&w.a.m.arch, level), next - addr)  # of hugetlb it may be more than one entry
    cdef uint64_t nr = size >> w.a.m.arch.page_shift
    cdef vaddr_t at = (addr & ~(size - 1)) + (<uint64_t>(s.pfn - first) << w.a.m.arch.page_shift)
    if first <= s.pfn < first + nr and addr <= at < next:
        s.report(s.ctx, vma_at(w.a, w.v).vm_mm, w.v, at, level)
    return 0


cdef void look_everywhere(arena_t *a, const seek_t *s) noexcept nogil:
    cdef mm_walk_t w
    cdef idx_t mm, v
    cdef uint32_t steps
    for mm in range(1, a.pool[POOL_MM].count):
        v = mm_at(a, mm).vma_first
        steps = 0
        while v and not runs_in_circle(a, POOL_VMA, v, &steps):
            walk_init(&w, a, mm_at(a, mm), v, <void *>s)
            w.table = seek_in_table
            w.leaf = seek_in_leaf
            walk_page_range(&w, vma_at(a, v).vm_start, vma_at(a, v).vm_end)
            v = vma_at(a, v).vm_next


cdef void frame_mappings(arena_t *a, pfn_t pfn, mapped_fn report, void *ctx) noexcept nogil:
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f = frame_at(a, head)
    cdef uint64_t index = frame_index(f) + (pfn - head)
    cdef seek_t s
    s.pfn = pfn
    s.report = report
    s.ctx = ctx
    if f.flags & (PG_buddy | PG_pcp | PG_table | PG_slab):
        return
    if f.flags & (PG_reserved | PG_zero):
        look_everywhere(a, &s)
    elif f.mapping and f.flags & PG_anon:
        look_in_anon_vma(a, f.mapping, index, &s)
    elif f.mapping:
        look_in_file(a, f.mapping, index, &s)
