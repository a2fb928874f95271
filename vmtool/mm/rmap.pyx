# cython: language_level=3
"""Reverse mapping: chains from anonymous pages and files to the areas that may map them, and map counts.

An anon_vma stands for "the pages first faulted by one area and its forked copies"; an area is linked to every anon_vma
it may hold pages of (avc_t), newest first. Which areas may merge follows from this (vma_merge.pyx), so the chains are kept as
Linux keeps them: clone, fork with reuse, unlink. Counterpart: Linux v6.18 mm/rmap.c:anon_vma_clone(), anon_vma_fork(),
__anon_vma_prepare(), mm/vma.c:find_mergeable_anon_vma(), mm/rmap.c:folio_add_new_anon_rmap() and its kin.
Simplified: one list of areas for a file instead of an interval tree; map counts of large folios are kept page by page.
Invariants (fsck): every avc hangs in both of its lists; num_active_vmas and num_children count; map counts equal the entries.
"""

from vmtool.mm.arch cimport level_size
from vmtool.mm.arena cimport frame_mut, rec_alloc, rec_free, rec_mut, runs_in_circle, vma_at, vma_mut, inode_at, inode_mut, file_at, mm_mut, mm_at
from vmtool.mm.frame cimport folio_nr_pages, folio_order, frame_set_index, page_folio
from vmtool.mm.large_folio cimport (MTHP_STAT_NR_ANON, add_large_mapcount, count_mthp_stat, deferred_split_folio, folio_add_entire,
                                    folio_add_nr_mapped, folio_nr_mapped, partially_mapped, sub_large_mapcount)
from vmtool.mm.lruvec cimport lruvec_stat_mod_folio
from vmtool.mm.pgtable cimport entry_at_t, entry_find, entry_set, flush_pmd_tlb_range, flush_tlb_page
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_PAGE, pte_dirty, pte_frame, pte_mkclean, pte_store, pte_write, pte_wrprotect
from vmtool.mm.slab cimport CACHE_ANON_VMA, CACHE_ANON_VMA_CHAIN, CACHE_VM_AREA_STRUCT, kmem_cache_alloc, kmem_cache_free
from vmtool.mm.vma cimport linear_page_index, vma_address, vma_has_index
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, NR_ANON_THPS, NR_FILE_MAPPED, NR_FILE_PMDMAPPED, NR_SHMEM_PMDMAPPED


cdef inline anon_vma_t *av_mut(arena_t *a, idx_t i) noexcept nogil:
    return <anon_vma_t *>rec_mut(a, POOL_ANON_VMA, i)


cdef inline avc_t *avc_mut(arena_t *a, idx_t i) noexcept nogil:
    return <avc_t *>rec_mut(a, POOL_AVC, i)


cdef bint in_anon_vma_chain(arena_t *a, idx_t v, idx_t anon_vma) noexcept nogil:
    cdef idx_t at = vma_at(a, v).avc_head
    cdef uint32_t left = a.pool[POOL_AVC].count
    while at and left:
        if avc_at(a, at).anon_vma == anon_vma:
            return True
        at = avc_at(a, at).same_vma_next
        left -= 1
    return False


cdef idx_t vm_area_alloc(arena_t *a) noexcept nogil:
    cdef uint64_t obj = kmem_cache_alloc(a, CACHE_VM_AREA_STRUCT)
    cdef idx_t v
    if obj == 0:
        return 0
    v = rec_alloc(a, POOL_VMA)
    vma_mut(a, v).obj = obj
    return v


cdef idx_t vm_area_dup(arena_t *a, idx_t orig) noexcept nogil:
    cdef idx_t v = vm_area_alloc(a)
    cdef vma_t *n
    cdef vma_t *o
    if v == 0:
        return 0
    n = vma_mut(a, v)
    o = vma_at(a, orig)
    n.vm_start = o.vm_start
    n.vm_end = o.vm_end
    n.vm_pgoff = o.vm_pgoff
    n.vm_flags = o.vm_flags
    n.vm_file = o.vm_file
    n.anon_vma = o.anon_vma  # anon_vma_clone() then links the same one
    n.kind = o.kind
    n.anon_name = o.anon_name
    n.swap_readahead_info = o.swap_readahead_info  # of a pool's: whose the reservations are, both parts' when it is split
    return v


cdef void vm_area_free(arena_t *a, idx_t v) noexcept nogil:
    kmem_cache_free(a, CACHE_VM_AREA_STRUCT, vma_at(a, v).obj)
    rec_free(a, POOL_VMA, v)


cdef void vma_file_link(arena_t *a, idx_t v) noexcept nogil:
    cdef vma_t *area = vma_mut(a, v)
    cdef inode_t *inode
    if area.vm_file == 0:
        return
    inode = inode_mut(a, file_at(a, area.vm_file).inode)
    area.i_mmap_prev = 0
    area.i_mmap_next = inode.i_mmap
    if inode.i_mmap:
        vma_mut(a, inode.i_mmap).i_mmap_prev = v
    inode.i_mmap = v


cdef void vma_file_unlink(arena_t *a, idx_t v) noexcept nogil:
    cdef vma_t *area = vma_mut(a, v)
    if area.vm_file == 0:
        return
    if area.i_mmap_prev:
        vma_mut(a, area.i_mmap_prev).i_mmap_next = area.i_mmap_next
    else:
        inode_mut(a, file_at(a, area.vm_file).inode).i_mmap = area.i_mmap_next
    if area.i_mmap_next:
        vma_mut(a, area.i_mmap_next).i_mmap_prev = area.i_mmap_prev
    area.i_mmap_next = 0
    area.i_mmap_prev = 0

# --- anon_vma -----------------------------------------------------------------------------------------


cdef bint anon_vma_chain_is_singular(arena_t *a, const vma_t *v) noexcept nogil:
    return v.avc_head != 0 and avc_at(a, v.avc_head).same_vma_next == 0


cdef idx_t anon_vma_alloc(arena_t *a) noexcept nogil:
    """A new anon_vma, its own root and parent."""
    cdef uint64_t obj = kmem_cache_alloc(a, CACHE_ANON_VMA)
    cdef idx_t i
    cdef anon_vma_t *av
    if obj == 0:
        return 0
    i = rec_alloc(a, POOL_ANON_VMA)
    av = av_mut(a, i)
    av.obj = obj
    av.refcount = 1
    av.parent = i
    av.root = i
    return i


cdef void put_anon_vma(arena_t *a, idx_t i) noexcept nogil:
    cdef anon_vma_t *av = av_mut(a, i)
    cdef idx_t root = av.root
    av.refcount -= 1
    if av.refcount == 0:
        kmem_cache_free(a, CACHE_ANON_VMA, av.obj)
        rec_free(a, POOL_ANON_VMA, i)
        if root != i:
            put_anon_vma(a, root)


cdef int chain_link(arena_t *a, idx_t v, idx_t av) noexcept nogil:
    """One more avc between an area and an anon_vma, at the head of both lists."""
    cdef uint64_t obj = kmem_cache_alloc(a, CACHE_ANON_VMA_CHAIN)
    cdef idx_t i
    cdef avc_t *c
    cdef vma_t *area = vma_mut(a, v)
    cdef anon_vma_t *anon = av_mut(a, av)
    if obj == 0:
        return -ENOMEM
    i = rec_alloc(a, POOL_AVC)
    c = avc_mut(a, i)
    c.obj = obj
    c.vma = v
    c.anon_vma = av
    c.same_vma_next = area.avc_head
    if area.avc_head:
        avc_mut(a, area.avc_head).same_vma_prev = i
    area.avc_head = i
    c.same_av_next = anon.avc_head
    if anon.avc_head:
        avc_mut(a, anon.avc_head).same_av_prev = i
    anon.avc_head = i
    return 0


cdef bint anon_vma_compatible(arena_t *a, const vma_t *low, const vma_t *high) noexcept nogil:
    """Adjacent areas that differ only in what mprotect changes may share an anon_vma."""
    return (low.vm_end == high.vm_start and low.vm_file == high.vm_file and low.kind == high.kind
            and ((low.vm_flags ^ high.vm_flags) & ~<uint64_t>(VM_ACCESS_FLAGS | VM_MAYBE_GUARD | VM_SOFTDIRTY)) == 0
            and high.vm_pgoff == low.vm_pgoff + ((high.vm_start - low.vm_start) >> a.m.arch.page_shift))


cdef idx_t find_mergeable_anon_vma(arena_t *a, const vma_t *v) noexcept nogil:
    """The neighbour's anon_vma, the next area's first: sharing it lets the areas merge later."""
    cdef vma_t *n
    if v.vm_next:
        n = vma_at(a, v.vm_next)
        if n.anon_vma and anon_vma_compatible(a, v, n) and anon_vma_chain_is_singular(a, n):
            return n.anon_vma
    if v.vm_prev:
        n = vma_at(a, v.vm_prev)
        if n.anon_vma and anon_vma_compatible(a, n, v) and anon_vma_chain_is_singular(a, n):
            return n.anon_vma
    return 0


cdef int anon_vma_prepare(arena_t *a, idx_t v) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef idx_t av, own = 0
    if area.anon_vma:
        return 0
    av = find_mergeable_anon_vma(a, area)
    if av == 0:
        own = av = anon_vma_alloc(a)
        if av == 0:
            return -ENOMEM
        av_mut(a, av).num_children += 1  # a root counts itself
    if chain_link(a, v, av) < 0:
        if own:
            put_anon_vma(a, own)
        return -ENOMEM
    vma_mut(a, v).anon_vma = av
    av_mut(a, av).num_active_vmas += 1
    return 0


cdef int anon_vma_clone(arena_t *a, idx_t dst, idx_t src) noexcept nogil:
    """Link dst to every anon_vma of src, oldest first, so that dst's list ends in the same order."""
    cdef idx_t i = vma_at(a, src).avc_head
    cdef idx_t av
    cdef vma_t *d
    cdef anon_vma_t *anon
    cdef uint32_t steps = 0
    while i and not a.err and avc_at(a, i).same_vma_next and not runs_in_circle(a, POOL_AVC, i, &steps):
        i = avc_at(a, i).same_vma_next
    steps = 0
    while i and not a.err and not runs_in_circle(a, POOL_AVC, i, &steps):
        av = avc_at(a, i).anon_vma
        if chain_link(a, dst, av) < 0 and chain_link(a, dst, av) < 0:  # once without waiting for memory, once with
            vma_mut(a, dst).anon_vma = 0  # it is not counted yet among those that use it
            unlink_anon_vmas(a, dst)
            return -ENOMEM
        anon = av_mut(a, av)
        d = vma_mut(a, dst)
        # Reuse one that a dead child left: no area of its own, at most one child (and never a root).
        if d.anon_vma == 0 and vma_at(a, src).anon_vma and anon.num_children < 2 and anon.num_active_vmas == 0:
            d.anon_vma = av
        i = avc_at(a, i).same_vma_prev
    if vma_at(a, dst).anon_vma:
        av_mut(a, vma_at(a, dst).anon_vma).num_active_vmas += 1
    return 0


cdef int anon_vma_fork(arena_t *a, idx_t v, idx_t parent) noexcept nogil:
    """Give the child's area the parent's anon_vmas and one of its own for pages that it will copy."""
    cdef idx_t pav = vma_at(a, parent).anon_vma
    cdef idx_t av
    cdef anon_vma_t *anon
    if pav == 0:
        return 0
    vma_mut(a, v).anon_vma = 0
    if anon_vma_clone(a, v, parent) < 0:
        return -ENOMEM
    if vma_at(a, v).anon_vma:
        return 0
    av = anon_vma_alloc(a)
    if av == 0:
        unlink_anon_vmas(a, v)
        return -ENOMEM
    anon = av_mut(a, av)
    anon.num_active_vmas += 1
    anon.root = av_mut(a, pav).root
    anon.parent = pav
    av_mut(a, anon.root).refcount += 1
    if chain_link(a, v, av) < 0:
        put_anon_vma(a, av)
        unlink_anon_vmas(a, v)
        return -ENOMEM
    vma_mut(a, v).anon_vma = av
    av_mut(a, pav).num_children += 1
    return 0


cdef void unlink_anon_vmas(arena_t *a, idx_t v) noexcept nogil:
    """Take the area off all its anon_vmas; those without areas go, children before their parents."""
    cdef vma_t *area = vma_mut(a, v)
    cdef idx_t i = area.avc_head, next
    cdef idx_t dead = 0
    cdef avc_t *c
    cdef anon_vma_t *av
    while i:
        c = avc_mut(a, i)
        next = c.same_vma_next
        av = av_mut(a, c.anon_vma)
        if c.same_av_prev:
            avc_mut(a, c.same_av_prev).same_av_next = c.same_av_next
        else:
            av.avc_head = c.same_av_next
        if c.same_av_next:
            avc_mut(a, c.same_av_next).same_av_prev = c.same_av_prev
        if av.avc_head == 0:
            av_mut(a, av.parent).num_children -= 1
            c.same_vma_next = dead  # second pass below, when no counter needs it any more
            dead = i
        else:
            kmem_cache_free(a, CACHE_ANON_VMA_CHAIN, c.obj)
            rec_free(a, POOL_AVC, i)
        i = next
    if area.anon_vma:
        av_mut(a, area.anon_vma).num_active_vmas -= 1
        area.anon_vma = 0
    area.avc_head = 0
    while dead:
        c = avc_mut(a, dead)
        next = c.same_vma_next
        put_anon_vma(a, c.anon_vma)
        kmem_cache_free(a, CACHE_ANON_VMA_CHAIN, c.obj)
        rec_free(a, POOL_AVC, dead)
        dead = next

# --- pages -----------------------------------------------------------------------------------------------


cdef inline bint first_mapping(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil:
    """Count one more entry for the page; true when it was not mapped before."""
    cdef frame_t *f = frame_mut(a, pfn)
    cdef pfn_t head
    f.mapcount += 1
    if f.flags & (PG_head | PG_tail):
        head = f.lru_next if f.flags & PG_tail else pfn
        folio_add_nr_mapped(a, head, f.mapcount == 1)
        add_large_mapcount(a, head, mm, 1)
        return f.mapcount == 1 and entire_mapcount(a, head) == 0
    return f.mapcount == 1


cdef void make_anon(arena_t *a, idx_t v, vaddr_t addr, pfn_t head) noexcept nogil:
    """__folio_set_anon() of a new large folio, exclusive."""
    cdef frame_t *f = frame_mut(a, head)
    f.flags |= PG_anon | PG_swapbacked | PG_anon_exclusive | PG_uptodate
    f.mapping = vma_at(a, v).anon_vma
    frame_set_index(f, linear_page_index(a, vma_at(a, v), addr))
    f.extra_refs = 0  # the allocation's reference is a mapping's now
    count_mthp_stat(a, folio_order(a, head), MTHP_STAT_NR_ANON)


cdef void add_new_anon_rmap_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head) noexcept nogil:
    make_anon(a, v, addr, head)
    folio_add_entire(a, head, 1)
    add_large_mapcount(a, head, vma_at(a, v).vm_mm, 1)
    lruvec_stat_mod_folio(a, head, NR_ANON_MAPPED, <int64_t>folio_nr_pages(a, head))
    lruvec_stat_mod_folio(a, head, NR_ANON_THPS, <int64_t>folio_nr_pages(a, head))


cdef void add_new_anon_rmap_ptes(arena_t *a, idx_t v, vaddr_t addr, pfn_t head) noexcept nogil:
    cdef uint32_t nr = folio_nr_pages(a, head), i
    cdef frame_t *f
    make_anon(a, v, addr, head)
    for i in range(nr):
        f = frame_mut(a, head + i)
        f.mapcount = 1
        f.flags |= PG_anon_exclusive
    folio_add_nr_mapped(a, head, <int>nr)
    add_large_mapcount(a, head, vma_at(a, v).vm_mm, nr)
    lruvec_stat_mod_folio(a, head, NR_ANON_MAPPED, nr)


cdef void add_anon_rmap_ptes(arena_t *a, pfn_t pfn, uint32_t n, idx_t mm) noexcept nogil:
    cdef pfn_t head = page_folio(a, pfn)
    cdef uint32_t first = 0, i
    for i in range(n):
        frame_mut(a, pfn + i).mapcount += 1
        first += frame_at(a, pfn + i).mapcount == 1
    folio_add_nr_mapped(a, head, <int>first)
    add_large_mapcount(a, head, mm, n)
    if first and entire_mapcount(a, head) == 0:
        lruvec_stat_mod_folio(a, head, NR_ANON_MAPPED, first)


cdef void dup_anon_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil:
    frame_mut(a, pfn).flags &= ~<uint32_t>PG_anon_exclusive
    first_mapping(a, pfn, mm)


cdef void dup_anon_rmap_pmd(arena_t *a, pfn_t head, idx_t mm) noexcept nogil:
    frame_mut(a, head).flags &= ~<uint32_t>PG_anon_exclusive
    folio_add_entire(a, head, 1)
    add_large_mapcount(a, head, mm, 1)


cdef void add_file_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil:
    if first_mapping(a, pfn, mm):
        lruvec_stat_mod_folio(a, page_folio(a, pfn), NR_FILE_MAPPED, 1)


cdef inline int64_t nr_without_small(arena_t *a, pfn_t head) noexcept nogil:
    """The pages of a huge folio that no small entry maps."""
    return <int64_t>folio_nr_pages(a, head) - folio_nr_mapped(a, head)


cdef inline int pmd_mapped_stat(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t flags = frame_at(a, head).flags
    return NR_ANON_THPS if flags & PG_anon else NR_SHMEM_PMDMAPPED if flags & PG_swapbacked else NR_FILE_PMDMAPPED


cdef void add_file_rmap_pmd(arena_t *a, pfn_t head, idx_t mm) noexcept nogil:
    add_large_mapcount(a, head, mm, 1)
    if folio_add_entire(a, head, 1) == 1:
        lruvec_stat_mod_folio(a, head, NR_FILE_MAPPED, nr_without_small(a, head))
        lruvec_stat_mod_folio(a, head, pmd_mapped_stat(a, head), <int64_t>folio_nr_pages(a, head))


cdef void remove_rmap_ptes(arena_t *a, pfn_t pfn, uint32_t n, idx_t mm) noexcept nogil:
    cdef frame_t *f
    cdef pfn_t head = page_folio(a, pfn)
    cdef uint32_t last = 0, i
    cdef bint anon = frame_at(a, head).flags & PG_anon != 0
    sub_large_mapcount(a, head, mm, n)
    for i in range(n):
        f = frame_mut(a, pfn + i)
        f.mapcount -= 1
        last += f.mapcount == 0
    folio_add_nr_mapped(a, head, -<int>last)
    if last == 0 or entire_mapcount(a, head):
        return
    if folio_nr_mapped(a, head) and anon and not partially_mapped(a, head):
        deferred_split_folio(a, head, True)
    lruvec_stat_mod_folio(a, head, NR_ANON_MAPPED if anon else NR_FILE_MAPPED, -<int64_t>last)


cdef void remove_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil:
    cdef frame_t *f = frame_mut(a, pfn)
    if f.flags & (PG_head | PG_tail):
        remove_rmap_ptes(a, pfn, 1, mm)
        return
    f.mapcount -= 1
    if f.mapcount == 0:
        lruvec_stat_mod_folio(a, pfn, NR_ANON_MAPPED if f.flags & PG_anon else NR_FILE_MAPPED, -1)


cdef void remove_rmap_pmd(arena_t *a, pfn_t head, idx_t mm) noexcept nogil:
    cdef bint anon = frame_at(a, head).flags & PG_anon != 0
    sub_large_mapcount(a, head, mm, 1)
    if folio_add_entire(a, head, -1) == 0:
        if anon and folio_nr_mapped(a, head) and nr_without_small(a, head) and not partially_mapped(a, head):
            deferred_split_folio(a, head, True)
        lruvec_stat_mod_folio(a, head, NR_ANON_MAPPED if anon else NR_FILE_MAPPED, -nr_without_small(a, head))
        lruvec_stat_mod_folio(a, head, pmd_mapped_stat(a, head), -<int64_t>folio_nr_pages(a, head))


cdef void split_pmd_rmap(arena_t *a, pfn_t head, bint exclusive, idx_t mm) noexcept nogil:
    cdef uint32_t nr = folio_nr_pages(a, head), i
    cdef frame_t *f
    for i in range(nr):
        f = frame_mut(a, head + i)
        f.mapcount += 1
        folio_add_nr_mapped(a, head, f.mapcount == 1)
        if exclusive:
            f.flags |= PG_anon_exclusive
        else:
            f.flags &= ~<uint32_t>PG_anon_exclusive
    add_large_mapcount(a, head, mm, nr)
    sub_large_mapcount(a, head, mm, 1)
    if folio_add_entire(a, head, -1) == 0:
        lruvec_stat_mod_folio(a, head, NR_ANON_THPS, -<int64_t>nr)


cdef uint32_t page_mkclean(arena_t *a, pfn_t pfn) noexcept nogil:
    """Before write-back: every shared area's entry of the page becomes clean and read-only, so that the next write is noticed."""
    cdef frame_t *f = frame_at(a, pfn)
    cdef pfn_t head = page_folio(a, pfn)
    cdef uint64_t index = (<uint64_t>frame_at(a, head).index_hi << 32 | frame_at(a, head).index_lo) + (pfn - head)
    cdef idx_t v
    cdef vma_t *area
    cdef vaddr_t addr
    cdef entry_at_t at
    cdef uint32_t cleaned = 0
    if page_mapcount(a, pfn) == 0:
        return 0
    v = inode_at(a, frame_at(a, head).mapping).i_mmap
    while v:
        area = vma_at(a, v)
        if area.vm_flags & VM_SHARED and vma_has_index(a, area, index):
            addr = vma_address(a, area, index)
            entry_find(a, mm_at(a, area.vm_mm), addr, &at)
            if at.what == ENTRY_PAGE and pte_frame(a, at.entry) == pfn and (pte_dirty(a, at.entry) or pte_write(a, at.entry)):
                pte_store(a, at.table, at.index, pte_mkclean(a, pte_wrprotect(a, at.entry)))
                flush_tlb_page(a, mm_mut(a, area.vm_mm), addr)
                cleaned += 1
            elif at.what == ENTRY_HUGE and pte_frame(a, at.entry) == head and (pte_dirty(a, at.entry) or pte_write(a, at.entry)):
                addr &= ~(level_size(&a.m.arch, at.level) - 1)
                entry_set(a, mm_mut(a, area.vm_mm), addr, <int>at.level, pte_mkclean(a, pte_wrprotect(a, at.entry)))
                flush_pmd_tlb_range(a, mm_mut(a, area.vm_mm), addr)
                cleaned += 1
        v = area.i_mmap_next
    return cleaned
