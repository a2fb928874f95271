# cython: language_level=3
"""Taking mappings away.

    before  VMA 0x1000-0x5000, PTE 0x2000 -> pfn 7 (anonymous, mapped once)
    munmap 0x2000 0x1000
    after   VMA 0x1000-0x2000 and 0x3000-0x5000, no PTE; pfn 7 is free
An entry's dirty bit goes to its file page, its accessed bit to the LRU's marks; tables go when no area remains in their span.
Counterpart: Linux v6.18 mm/memory.c:zap_pte_range(), unmap_mapping_range(), mm/vma.c:vms_gather_munmap_vmas(),
vms_complete_munmap_vmas(), mm/mmap.c:exit_mmap().
"""

from vmtool.mm.arena cimport frame_at, frame_mut, inode_at, mm_at, mm_mut, vma_at
from vmtool.mm.arch cimport ARCH_FIXED_TOP, ARCH_PT_RECLAIM, level_index, level_size, offset_in_page, page_align, page_size, pages_in
from vmtool.mm.buddy cimport folio_get, folio_put, folio_try_free
from vmtool.mm.frame cimport mm_counter, page_folio
from vmtool.mm.hstate cimport vma_kernel_pagesize
from vmtool.mm.hugetlb cimport hugetlb_vm_close, zap_hugetlb
from vmtool.mm.large_folio cimport folio_pte_batch
from vmtool.mm.vma_iter cimport vma_iter_clear, vma_iter_prealloc
from vmtool.mm.lruvec cimport lruvec_stat_mod_folio
from vmtool.mm.mlock cimport munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter, update_hiwater_rss, update_hiwater_vm, vm_stat_account, vm_unacct_memory
from vmtool.mm.pagecache cimport folio_mark_accessed, folio_mark_dirty
from vmtool.mm.layout cimport layout_of
from vmtool.mm.mmu_context cimport flush_tlb_fullmm, tlb_finish_mmu, tlb_flush_entries, tlb_free_table, tlb_gather_mmu
from vmtool.mm.pgtable cimport free_pgd_range, pte_dirty, pte_frame, pte_special, pte_young, table_free
from vmtool.mm.pte cimport (ENTRY_MARKER, ENTRY_MIGRATION, ENTRY_NONE, ENTRY_PAGE, ENTRY_SPECIAL, ENTRY_SWAP, pte_class, pte_to_swp_entry, ptes_load,
                            ptes_open, ptes_open_mut, ptes_store, ptes_t)
from vmtool.mm.pkeys cimport VM_SEALED
from vmtool.mm.pagewalk cimport WALK_AGAIN, mm_walk_t, walk_init, walk_page_range
from vmtool.mm.rmap cimport remove_rmap, remove_rmap_ptes
from vmtool.mm.swap_state cimport free_swap_cache
from vmtool.mm.swapfile cimport swap_pte_batch
from vmtool.mm.swapops cimport swp_offset_pfn
from vmtool.mm.thp cimport split_huge_pmd, zap_huge_pmd
from vmtool.mm.trace cimport TR_PTE_CLEAR, TR_VMA_REMOVE, trace2
from vmtool.mm.unmap_quick cimport zap_sole_run
from vmtool.mm.vma cimport find_vma_intersection
from vmtool.mm.vma_merge cimport remove_vma, split_vma_nocheck
from vmtool.mm.vmstat cimport NR_ANON_MAPPED

cdef struct zap_t:  # one call of zap_range()
    uint32_t flags
    mmu_gather_t *tlb


cdef void free_folio_and_swap_cache(arena_t *a, pfn_t head) noexcept nogil:
    """An anonymous folio that nothing maps and nobody else holds is free, with its slot if no entry names that."""
    if frame_at(a, head).flags & PG_swapcache:
        folio_get(a, head)
        free_swap_cache(a, head)
        folio_put(a, head)
    else:
        folio_try_free(a, head)


cdef int drop_mapping(arena_t *a, pte_t e, idx_t mm) noexcept nogil:
    cdef pfn_t pfn = pte_frame(a, e)
    cdef int kind
    if pte_special(a, e):
        return -1
    kind = mm_counter(a, pfn)
    remove_rmap(a, pfn, mm)
    if kind == MM_ANONPAGES:
        free_folio_and_swap_cache(a, page_folio(a, pfn))
    return kind


cdef inline bint drop_single_anon(arena_t *a, pfn_t pfn) noexcept nogil:
    """drop_mapping() of a page of a process's own, no part of a folio, that one entry maps. False: another case, nothing is changed."""
    cdef frame_t *f = frame_mut(a, pfn)
    if f.flags & (PG_anon | PG_head | PG_tail | PG_swapcache) != PG_anon or f.mapcount != 1:
        return False
    f.mapcount = 0
    lruvec_stat_mod_folio(a, pfn, NR_ANON_MAPPED, -1)
    folio_try_free(a, pfn)
    return True


cdef int zap_present_pte(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil:
    cdef pfn_t head
    if pte_special(a, e):
        return -1
    trace2(a, TR_PTE_CLEAR, addr, pte_frame(a, e))
    if not vma_at(a, v).vm_flags & VM_LOCKED and drop_single_anon(a, pte_frame(a, e)):
        return MM_ANONPAGES
    head = page_folio(a, pte_frame(a, e))
    if vma_at(a, v).vm_flags & VM_LOCKED:
        munlock_folio(a, head)
    if not frame_at(a, head).flags & PG_anon:
        if pte_dirty(a, e):
            folio_mark_dirty(a, head)
        if pte_young(a, e) and not vma_at(a, v).vm_flags & (VM_SEQ_READ | VM_RAND_READ):
            folio_mark_accessed(a, head)
    return drop_mapping(a, e, vma_at(a, v).vm_mm)


cdef int zap_present_ptes(arena_t *a, idx_t v, vaddr_t addr, pte_t e, uint32_t n, bint dirty, bint young) noexcept nogil:
    """zap_present_folio_ptes(): n entries from one of a large folio on; what they knew of its use goes to it once."""
    cdef pfn_t pfn = pte_frame(a, e)
    cdef pfn_t head = page_folio(a, pfn)
    cdef int kind = mm_counter(a, pfn)
    cdef uint32_t i
    for i in range(n):
        trace2(a, TR_PTE_CLEAR, addr + (<uint64_t>i << a.m.arch.page_shift), pfn + i)
    if vma_at(a, v).vm_flags & VM_LOCKED:
        munlock_folio(a, head)
    if kind != MM_ANONPAGES:
        if dirty:
            folio_mark_dirty(a, head)
        if young and not vma_at(a, v).vm_flags & (VM_SEQ_READ | VM_RAND_READ):
            folio_mark_accessed(a, head)
    remove_rmap_ptes(a, pfn, n, vma_at(a, v).vm_mm)
    if kind == MM_ANONPAGES:
        free_folio_and_swap_cache(a, head)
    return kind


cdef int zap_large(mm_walk_t *w, vaddr_t addr, pfn_t table, ptes_t *ptes, uint32_t index, uint32_t n) noexcept nogil:
    """n entries of a large folio. Returns the rss kind that they counted for."""
    cdef pte_t first = ptes_load(ptes, index), seen = 0
    cdef uint32_t i
    for i in range(n):
        seen |= ptes_load(ptes, index + i)
        ptes_store(ptes, index + i, 0)
    return zap_present_ptes(w.a, w.v, addr, first, n, pte_dirty(w.a, seen), pte_young(w.a, seen))


cdef inline bint is_anon_page(arena_t *a, pfn_t pfn) noexcept nogil:
    return frame_at(a, page_folio(a, pfn)).flags & PG_anon != 0


cdef inline bint zap_spares(arena_t *a, pte_t e, uint32_t what, uint32_t flags) noexcept nogil:
    """Without ZAP_EVEN_COWS the process's own copies stay, swapped out or on their way too, and without ZAP_DROP_MARKER the markers."""
    if what == ENTRY_PAGE:
        return not flags & ZAP_EVEN_COWS and is_anon_page(a, pte_frame(a, e))
    if what == ENTRY_MARKER:
        return not flags & ZAP_DROP_MARKER
    if what == ENTRY_MIGRATION:
        return not flags & ZAP_EVEN_COWS and is_anon_page(a, swp_offset_pfn(pte_to_swp_entry(a, e)))
    return what == ENTRY_SWAP and not flags & ZAP_EVEN_COWS


cdef inline int zap_nonpresent_pte(arena_t *a, pte_t e, uint32_t what) noexcept nogil:
    """The rss kind that the entry counted for, -1: none. A page on its way is mapped by nothing and still counted."""
    return mm_counter(a, swp_offset_pfn(pte_to_swp_entry(a, e))) if what == ENTRY_MIGRATION else -1


cdef uint32_t zap_swap(arena_t *a, pfn_t table, ptes_t *ptes, uint32_t index, pte_t e, uint32_t max_nr) noexcept nogil:
    """Entries of slots side by side. Returns how many."""
    cdef uint32_t n = 1 if a.swap_free == NULL else swap_pte_batch(a, table, index, e, max_nr), i
    if a.swap_free != NULL:
        a.swap_free(a, pte_to_swp_entry(a, e), n)
    for i in range(index, index + n):
        ptes_store(ptes, i, 0)
    return n


cdef inline uint32_t zap_run(mm_walk_t *w, vaddr_t addr, pfn_t table, ptes_t *ptes, uint32_t index, uint32_t end, uint32_t what, bint runs, int *kind) noexcept nogil:
    """Entries that go at once: of slots side by side, of a large folio, of pages that one entry maps. Returns how many; 0: this one goes by itself."""
    cdef pte_t e = ptes_load(ptes, index)
    cdef uint32_t n
    if what == ENTRY_SWAP:
        kind[0] = MM_SWAPENTS
        return zap_swap(w.a, table, ptes, index, e, end - index)
    if what != ENTRY_PAGE:
        return 0
    if frame_at(w.a, pte_frame(w.a, e)).flags & (PG_head | PG_tail):
        n = folio_pte_batch(w.a, table, index, e, end - index)
        kind[0] = zap_large(w, addr, table, ptes, index, n)
        return n
    kind[0] = MM_ANONPAGES
    return zap_sole_run(w.a, ptes, index, end) if runs else 0


cdef int zap_pte_range(mm_walk_t *w, vaddr_t start, vaddr_t end, pfn_t table) noexcept nogil:
    cdef arena_t *a = w.a
    cdef const arch_t *g = &a.m.arch
    cdef const zap_t *zap = <const zap_t *>w.private
    cdef uint32_t flags = zap.flags, first = level_index(g, 0, start), end_index = first + pages_in(g, start, end), i = first, n, what
    cdef ptes_t ptes
    cdef int64_t gone[4]
    cdef int kind
    cdef pte_t e
    cdef bint kept = False, changed = False
    cdef bint runs = flags & ZAP_EVEN_COWS != 0 and not vma_at(a, w.v).vm_flags & VM_LOCKED
    cdef vaddr_t addr
    gone[0] = gone[1] = gone[2] = gone[3] = 0
    if ptes_open(a, table, &ptes):
        while i < end_index:
            e = ptes_load(&ptes, i)
            addr = start + (<uint64_t>(i - first) << g.page_shift)
            i += 1
            what = pte_class(a, e)
            if what == ENTRY_NONE:
                continue
            if zap_spares(a, e, what, flags):
                kept = True
                continue
            if not changed:
                ptes_open_mut(a, table, &ptes)
                changed = True
            n = zap_run(w, addr, table, &ptes, i - 1, end_index, what, runs, &kind)
            if n:
                gone[kind] -= n
                if what == ENTRY_PAGE:
                    tlb_flush_entries(zap.tlb, 0, addr, <uint64_t>n << g.page_shift)
                i += n - 1
                continue
            ptes_store(&ptes, i - 1, 0)
            if what == ENTRY_PAGE or what == ENTRY_SPECIAL:
                tlb_flush_entries(zap.tlb, 0, addr, page_size(g))
            if what == ENTRY_PAGE:
                kind = zap_present_pte(a, w.v, addr, e)
            else:
                kind = -1 if what == ENTRY_SPECIAL else zap_nonpresent_pte(a, e, what)
            if kind >= 0:
                gone[kind] -= 1
    for kind in range(4):
        if gone[kind]:
            add_mm_counter(w.mm, kind, gone[kind])
    if flags & ZAP_RECLAIM_PT and g.flags & ARCH_PT_RECLAIM and not kept and end - start >= level_size(g, 1):
        table_free(a, w.mm, start, 0)
        tlb_free_table(g, zap.tlb, 1, start)
    return 0


cdef int zap_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef mmu_gather_t *tlb = (<const zap_t *>w.private).tlb
    cdef uint64_t size
    if vma_at(w.a, w.v).vm_flags & VM_HUGETLB:
        size = vma_kernel_pagesize(w.a, w.v)
        zap_hugetlb(w.a, w.v, addr)
        tlb_flush_entries(tlb, level, addr & ~(size - 1), size)
        return 0
    if next - addr < level_size(&w.a.m.arch, level):
        split_huge_pmd(w.a, w.v, addr)
        return WALK_AGAIN
    if vma_at(w.a, w.v).vm_flags & VM_LOCKED and not pte_special(w.a, e):
        munlock_folio(w.a, pte_frame(w.a, e))
    zap_huge_pmd(w.a, w.v, addr)
    tlb_flush_entries(tlb, level, addr, level_size(&w.a.m.arch, level))
    return 0


cdef void zap_range(arena_t *a, mmu_gather_t *tlb, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil:
    cdef mm_walk_t w
    cdef zap_t zap
    zap.flags = flags
    zap.tlb = tlb
    walk_init(&w, a, mm_mut(a, vma_at(a, v).vm_mm), v, &zap)
    w.table = zap_pte_range
    w.leaf = zap_leaf
    walk_page_range(&w, start, end)


cdef void zap_page_range_single(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil:
    """What madvise() and truncation call: the high-water mark is taken before pages go."""
    cdef mm_t *mm = mm_mut(a, vma_at(a, v).vm_mm)
    cdef mmu_gather_t tlb
    update_hiwater_rss(mm)
    tlb_gather_mmu(&tlb)
    zap_range(a, &tlb, v, start, end, flags)
    tlb_finish_mmu(a, mm, &tlb)


cdef int split_borders(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef idx_t v = find_vma_intersection(a, mm, start, end)
    cdef vma_t *area
    cdef int err
    if v == 0:
        return 0
    area = vma_at(a, v)
    if start > area.vm_start:
        if end < area.vm_end and mm_at(a, mm).map_count >= a.m.max_map_count:
            return -ENOMEM
        if area.vm_flags & VM_SEALED:
            return -EPERM
        err = split_vma_nocheck(a, mm, v, start)
        if err:
            return err
        v = area.vm_next
    while v and vma_at(a, v).vm_start < end:
        if vma_at(a, v).vm_flags & VM_SEALED:
            return -EPERM
        if vma_at(a, v).vm_end > end:
            return split_vma_nocheck(a, mm, v, end)
        v = vma_at(a, v).vm_next
    return 0


cdef int munmap_range(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    """Areas at the borders are split first: that alone can fail, and then nothing is unmapped."""
    cdef int err = split_borders(a, mm, start, end)
    cdef idx_t v = find_vma_intersection(a, mm, start, end)
    cdef idx_t last, next, prev
    cdef vma_t *area
    cdef mm_t *m = mm_mut(a, mm)
    cdef vaddr_t floor, ceiling
    cdef mmu_gather_t tlb
    cdef int64_t nr_accounted = 0, nr
    if err or v == 0:
        return err
    if vma_iter_prealloc(a, mm) < 0:
        return -ENOMEM
    last = v
    while vma_at(a, last).vm_end < end and vma_at(a, last).vm_next and vma_at(a, vma_at(a, last).vm_next).vm_start < end:
        last = vma_at(a, last).vm_next
    prev = vma_at(a, v).vm_prev
    next = vma_at(a, last).vm_next
    floor = vma_at(a, prev).vm_end if prev else layout_of(&a.m.arch, m.flags).first_user_address
    ceiling = vma_at(a, next).vm_start if next else 0
    update_hiwater_rss(m)
    update_hiwater_vm(m)
    start = vma_at(a, v).vm_start
    end = vma_at(a, last).vm_end
    prev = v
    tlb_gather_mmu(&tlb)
    while prev != next:
        area = vma_at(a, prev)
        zap_range(a, &tlb, prev, area.vm_start, area.vm_end, ZAP_DROP_MARKER | ZAP_EVEN_COWS)
        prev = area.vm_next
    free_pgd_range(a, m, &tlb, start, end, floor, ceiling)
    tlb_finish_mmu(a, m, &tlb)
    while v != next:
        area = vma_at(a, v)
        nr = <int64_t>((area.vm_end - area.vm_start) >> a.m.arch.page_shift)
        if area.vm_flags & VM_ACCOUNT:
            nr_accounted += nr
        if area.vm_flags & VM_LOCKED:
            m.locked_vm -= nr
        vm_stat_account(m, area.vm_flags, -nr)
        trace2(a, TR_VMA_REMOVE, area.vm_start, area.vm_end)
        prev = area.vm_next
        if area.vm_flags & VM_HUGETLB:
            hugetlb_vm_close(a, v)
        remove_vma(a, mm, v)
        v = prev
    vma_iter_clear(a, mm, start, end)
    vm_unacct_memory(a, nr_accounted)
    return 0


cdef int do_munmap(arena_t *a, idx_t mm, vaddr_t start, uint64_t length) noexcept nogil:
    cdef uint64_t task_size = mm_at(a, mm).task_size
    cdef vaddr_t end
    if offset_in_page(&a.m.arch, start) or start > task_size or length > task_size - start:
        return -EINVAL
    end = start + (page_align(&a.m.arch, length))
    if end == start:
        return -EINVAL
    return munmap_range(a, mm, start, end)


cdef void exit_mmap(arena_t *a, idx_t mm) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef idx_t v = m.vma_first, next
    cdef vma_t *area
    cdef int64_t nr_accounted = 0
    cdef vaddr_t start, first_user = layout_of(&a.m.arch, m.flags).first_user_address
    cdef mmu_gather_t tlb
    tlb_gather_mmu(&tlb)
    if v:
        start = vma_at(a, v).vm_start
        while v:
            area = vma_at(a, v)
            zap_range(a, &tlb, v, area.vm_start, area.vm_end, ZAP_DROP_MARKER | ZAP_EVEN_COWS)
            v = area.vm_next
        free_pgd_range(a, m, &tlb, start, m.task_size, first_user, 0)
        flush_tlb_fullmm(a, m)
        v = m.vma_first
        while v:
            next = vma_at(a, v).vm_next
            if vma_at(a, v).vm_flags & VM_ACCOUNT:
                nr_accounted += <int64_t>((vma_at(a, v).vm_end - vma_at(a, v).vm_start) >> a.m.arch.page_shift)
            if vma_at(a, v).vm_flags & VM_HUGETLB:
                hugetlb_vm_close(a, v)
            remove_vma(a, mm, v)
            v = next
    vm_unacct_memory(a, nr_accounted)
    if a.m.arch.flags & ARCH_FIXED_TOP or first_user:
        # pgd_free(): the tables that were there from the start, also where no area ever was; arm's that also covers what no program can have
        free_pgd_range(a, m, &tlb, 0, m.task_size, 0, 0)


cdef void unmap_mapping_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last, uint32_t even_cows) noexcept nogil:
    """Truncation: the pages first..last of a file leave every area that maps them."""
    cdef idx_t v = inode_at(a, inode).i_mmap, next
    cdef vma_t *area
    cdef uint64_t lo, hi, pages
    while v:
        area = vma_at(a, v)
        next = area.i_mmap_next
        pages = (area.vm_end - area.vm_start) >> a.m.arch.page_shift
        if area.vm_pgoff <= last and area.vm_pgoff + pages > first:
            lo = first - area.vm_pgoff if first > area.vm_pgoff else 0
            hi = last - area.vm_pgoff + 1 if last - area.vm_pgoff < pages else pages
            zap_page_range_single(a, v, area.vm_start + (lo << a.m.arch.page_shift), area.vm_start + (hi << a.m.arch.page_shift), ZAP_EVEN_COWS if even_cows else 0)
        v = next
