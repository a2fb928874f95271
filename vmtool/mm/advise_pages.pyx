# cython: language_level=3
"""What madvise() does to the pages of one area.

    cold      accessed bit and PG_referenced cleared, on the inactive list
    free      PTE clean and old, the page on the inactive file list without PG_swapbacked: gone when memory is short, unless written
    guard     no page, a marker in the entry: any access is SIGSEGV
    willneed  what is in swap is read into its cache
    pageout   unshared pages are reclaimed at once: clean file pages leave the cache, anonymous ones go to swap and stay in its cache until written
Counterpart: Linux v6.18 mm/madvise.c:madvise_cold_or_pageout_pte_range(), madvise_free_pte_range(), madvise_guard_install();
mm/swap.c:folio_mark_lazyfree().
"""

from vmtool.mm.arena cimport file_at, frame_at, frame_mut, mm_mut, vma_at
from vmtool.mm.arch cimport level_index, level_size, page_size
from vmtool.mm.buddy cimport folio_get, folio_mapcount
from vmtool.mm.folio_unmap cimport file_folio_is_one_mms, split_file_folio
from vmtool.mm.frame cimport folio_order, page_folio
from vmtool.mm.large_folio cimport folio_maybe_mapped_shared, folio_pte_batch, large_mapcount
from vmtool.mm.lruvec cimport lruvec_del_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pagecache cimport may_write_file
from vmtool.mm.pagewalk cimport WALK_AGAIN, mm_walk_t, walk_init, walk_page_range
from vmtool.mm.mmu_context cimport mmu_gather_t, tlb_finish_mmu, tlb_flush_entries, tlb_gather_mmu
from vmtool.mm.pgtable cimport entry_set, table_alloc
from vmtool.mm.pte cimport *
from vmtool.mm.swap_lru cimport folio_deactivate, folio_mark_lazyfree, lru_add_drain
from vmtool.mm.shmem_swap cimport shmem_swapin_range
from vmtool.mm.swap_readahead cimport read_swap_cache
from vmtool.mm.swap_state cimport blk_finish_plug, blk_start_plug, folio_free_swap
from vmtool.mm.swapfile cimport swap_pte_batch
from vmtool.mm.thp_split cimport split_anon_folio
from vmtool.mm.unmap cimport ZAP_EVEN_COWS, zap_page_range_single
from vmtool.mm.vma cimport linear_page_index
from vmtool.mm.vmscan_list cimport reclaim_pages

# `nr`: entries from index on that map a whole large folio, or of slots side by side, or 1.
ctypedef void (*pte_fn)(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e, uint32_t nr) noexcept nogil
ctypedef void (*leaf_fn)(arena_t *a, idx_t v, vaddr_t addr, int level, pte_t e) noexcept nogil

cdef struct advice_t:  # what is done to an entry
    pte_fn pte
    leaf_fn leaf  # to a huge one that the range covers; NULL: it is split
    leaf_fn file_leaf  # the same where a file's folio is behind it
    bint anon_only  # the process may not write the file: its pages stay as they are


cdef bint may_be_shared(arena_t *a, pfn_t head) noexcept nogil:
    """folio_maybe_mapped_shared(); of a folio of two pages nobody keeps it, and the areas are asked."""
    if folio_order(a, head) == 1 and not frame_at(a, head).flags & PG_anon and folio_mapcount(a, head) > 1:
        return not file_folio_is_one_mms(a, head)
    return folio_maybe_mapped_shared(a, head)


cdef bint split_it(arena_t *a, pfn_t head) noexcept nogil:
    """split_folio()."""
    return split_anon_folio(a, head) if frame_at(a, head).flags & PG_anon else split_file_folio(a, head)


cdef bint is_spared(arena_t *a, const advice_t *k, pfn_t head) noexcept nogil:
    return k.anon_only and not frame_at(a, head).flags & PG_anon


cdef uint64_t part_of(arena_t *a, const advice_t *k, pfn_t table, vaddr_t addr, vaddr_t next, pte_t e, uint32_t *nr) noexcept nogil:
    """How many entries the advice leaves alone; 0: *nr entries get it, or none (0), for the folio was split and another look is due.

    A large folio that the range does not cover as a whole is split, unless others share it.
    """
    cdef pfn_t head = page_folio(a, pte_frame(a, e))
    nr[0] = 1
    if not frame_at(a, head).flags & PG_head:
        return 0
    nr[0] = folio_pte_batch(a, table, level_index(&a.m.arch, 0, addr), e, (next - addr) >> a.m.arch.page_shift)
    if nr[0] == <uint32_t>1 << folio_order(a, head):
        return 0
    if may_be_shared(a, head) or is_spared(a, k, head) or not split_it(a, head):
        return nr[0]
    nr[0] = 0
    return 0


cdef int each_pte(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    """Every non-empty entry, those of a whole large folio at once. A folio that was split may have taken the table along."""
    cdef arena_t *a = w.a
    cdef const arch_t *g = &a.m.arch
    cdef const advice_t *k = <const advice_t *>w.private
    cdef uint32_t nr
    cdef uint64_t skip
    cdef pte_t e
    while addr < next:
        e = pte_load(a, table, level_index(g, 0, addr))
        nr = 1
        skip = 0
        if pte_class(a, e) == ENTRY_PAGE:
            skip = part_of(a, k, table, addr, next, e, &nr)
        elif pte_class(a, e) == ENTRY_SWAP:
            nr = swap_pte_batch(a, table, level_index(g, 0, addr), e, (next - addr) >> g.page_shift)
        if nr and not skip and e != 0:
            k.pte(a, w.v, addr, table, level_index(g, 0, addr), e, nr)
        addr += (skip if skip else nr) << g.page_shift
    return 0


cdef int each_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    """A huge entry that the range covers is advised about as a whole where there is a rule for it; else its folio is split."""
    cdef arena_t *a = w.a
    cdef const advice_t *k = <const advice_t *>w.private
    cdef bint anon = pte_special(a, e) or frame_at(a, pte_frame(a, e)).flags & PG_anon
    cdef leaf_fn leaf = k.leaf if anon else k.file_leaf
    if leaf != NULL and next - addr == level_size(&a.m.arch, level):
        leaf(a, w.v, addr, level, e)
        return 0
    if pte_special(a, e) or may_be_shared(a, pte_frame(a, e)) or is_spared(a, k, pte_frame(a, e)):
        return 0
    return WALK_AGAIN if split_it(a, pte_frame(a, e)) else 0


cdef void advise_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, pte_fn pte, leaf_fn leaf, leaf_fn file_leaf, bint anon_only) noexcept nogil:
    cdef advice_t k
    cdef mm_walk_t w
    cdef mmu_gather_t tlb
    k.pte = pte
    k.leaf = leaf
    k.file_leaf = file_leaf
    k.anon_only = anon_only
    walk_init(&w, a, mm_mut(a, vma_at(a, v).vm_mm), v, &k)
    w.table = each_pte
    w.leaf = each_leaf
    walk_page_range(&w, start, end)
    tlb_gather_mmu(&tlb)
    tlb_flush_entries(&tlb, 0, start, end - start)
    tlb_finish_mmu(a, w.mm, &tlb)


cdef inline bint is_others(arena_t *a, pfn_t head) noexcept nogil:
    """More entries map it than it has pages."""
    return folio_mapcount(a, head) != <uint32_t>1 << folio_order(a, head)


cdef void clear_young_dirty_ptes(arena_t *a, pfn_t table, uint32_t index, uint32_t nr, pte_t bits) noexcept nogil:
    cdef uint32_t i
    for i in range(index, index + nr):
        pte_store(a, table, i, pte_load(a, table, i) & ~bits)


cdef void cold_pte(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e, uint32_t nr) noexcept nogil:
    cdef pfn_t head
    cdef uint32_t flags
    if pte_class(a, e) != ENTRY_PAGE:
        return
    head = page_folio(a, pte_frame(a, e))
    flags = frame_at(a, head).flags
    if not flags & PG_lru or is_others(a, head):
        return
    clear_young_dirty_ptes(a, table, index, nr, a.m.arch.accessed)
    frame_mut(a, head).flags &= ~<uint32_t>(PG_referenced | PG_young)
    if flags & PG_active:
        frame_mut(a, head).flags |= PG_workingset
    folio_deactivate(a, head)


cdef void cold_leaf(arena_t *a, idx_t v, vaddr_t addr, int level, pte_t pmd) noexcept nogil:
    cdef pfn_t head = pte_frame(a, pmd)
    if not pte_special(a, pmd) and not folio_maybe_mapped_shared(a, head):
        entry_set(a, mm_mut(a, vma_at(a, v).vm_mm), addr, level, pte_mkold(a, pmd))
        frame_mut(a, head).flags &= ~<uint32_t>PG_referenced
        if frame_at(a, head).flags & PG_active:
            frame_mut(a, head).flags |= PG_workingset
        folio_deactivate(a, head)


cdef void cold_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    lru_add_drain(a)
    advise_range(a, v, start, end, cold_pte, cold_leaf, cold_leaf, False)


cdef void free_swap_ptes(arena_t *a, mm_t *m, pfn_t table, uint32_t index, pte_t e, uint32_t nr) noexcept nogil:
    cdef uint32_t i
    if a.swap_free != NULL:
        a.swap_free(a, pte_to_swp_entry(a, e), nr)
    for i in range(index, index + nr):
        pte_store(a, table, i, 0)
    add_mm_counter(m, MM_SWAPENTS, -<int64_t>nr)


cdef void free_pte(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e, uint32_t nr) noexcept nogil:
    cdef pfn_t head
    cdef uint32_t flags
    if pte_class(a, e) == ENTRY_SWAP:
        free_swap_ptes(a, mm_mut(a, vma_at(a, v).vm_mm), table, index, e, nr)
    if pte_class(a, e) != ENTRY_PAGE:
        return
    head = page_folio(a, pte_frame(a, e))
    flags = frame_at(a, head).flags
    if flags & (PG_swapcache | PG_dirty):
        if is_others(a, head) or flags & PG_swapcache and not folio_free_swap(a, head):
            return
        frame_mut(a, head).flags &= ~<uint32_t>PG_dirty
    clear_young_dirty_ptes(a, table, index, nr, a.m.arch.accessed | a.m.arch.dirty)
    folio_mark_lazyfree(a, head)


cdef void free_leaf(arena_t *a, idx_t v, vaddr_t addr, int level, pte_t pmd) noexcept nogil:
    cdef pfn_t head = pte_frame(a, pmd)
    if pte_special(a, pmd) or large_mapcount(a, head) != 1:
        return
    entry_set(a, mm_mut(a, vma_at(a, v).vm_mm), addr, level, pte_mkold(a, pte_mkclean(a, pmd)))
    folio_mark_lazyfree(a, head)


cdef void free_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    lru_add_drain(a)
    advise_range(a, v, start, end, free_pte, free_leaf, NULL, False)


cdef bint can_do_file_pageout(arena_t *a, idx_t v) noexcept nogil:
    """Only what the process could write, or its timing would tell it what others use of the file."""
    cdef idx_t file = vma_at(a, v).vm_file
    return file != 0 and may_write_file(a, file_at(a, file).inode)


cdef void pageout_pte(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e, uint32_t nr) noexcept nogil:
    """Off its list and to reclaim, which goes by no mark of use: written to swap, dropped when the disk has it, or put back."""
    cdef pfn_t head
    if pte_class(a, e) != ENTRY_PAGE:
        return
    head = page_folio(a, pte_frame(a, e))
    if not frame_at(a, head).flags & PG_lru or is_others(a, head):
        return
    if not frame_at(a, head).flags & PG_anon and not can_do_file_pageout(a, v):
        return
    isolate_and_reclaim(a, head)


cdef void pageout_leaf(arena_t *a, idx_t v, vaddr_t addr, int level, pte_t pmd) noexcept nogil:
    cdef pfn_t head = pte_frame(a, pmd)
    if pte_special(a, pmd) or folio_maybe_mapped_shared(a, head):
        return
    if frame_at(a, head).flags & PG_lru:
        isolate_and_reclaim(a, head)


cdef void pageout_file_leaf(arena_t *a, idx_t v, vaddr_t addr, int level, pte_t pmd) noexcept nogil:
    cdef pfn_t head = pte_frame(a, pmd)
    if frame_at(a, head).flags & PG_lru and large_mapcount(a, head) == 1 and can_do_file_pageout(a, v):
        isolate_and_reclaim(a, head)


cdef void isolate_and_reclaim(arena_t *a, pfn_t head) noexcept nogil:
    frame_mut(a, head).flags &= ~<uint32_t>(PG_referenced | PG_young)  # the entry stays young, unlike with cold
    if frame_at(a, head).flags & PG_active:
        frame_mut(a, head).flags |= PG_workingset
    if frame_at(a, head).flags & PG_unevictable:
        return
    lruvec_del_folio(a, head)
    folio_get(a, head)
    reclaim_pages(a, &head, 1)


cdef void pageout_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    lru_add_drain(a)
    advise_range(a, v, start, end, pageout_pte, pageout_leaf, pageout_file_leaf, vma_at(a, v).vm_file != 0 and not can_do_file_pageout(a, v))


cdef int swapin_ptes(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const arch_t *g = &w.a.m.arch
    cdef pte_t e
    while addr < next:
        e = pte_load(w.a, table, level_index(g, 0, addr))
        if pte_class(w.a, e) == ENTRY_SWAP:
            read_swap_cache(w.a, pte_to_swp_entry(w.a, e), False)
        addr += page_size(g)
    return 0


cdef void willneed_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    """madvise_willneed(): into the swap cache, where a fault finds it."""
    cdef const vma_t *area = vma_at(a, v)
    cdef mm_walk_t w
    blk_start_plug(a)
    if area.vm_file:
        shmem_swapin_range(a, file_at(a, area.vm_file).inode, linear_page_index(a, area, start), linear_page_index(a, area, end) - 1)
    else:
        walk_init(&w, a, mm_mut(a, area.vm_mm), v, NULL)
        w.table = swapin_ptes
        walk_page_range(&w, start, end)
    blk_finish_plug(a)
    lru_add_drain(a)


cdef int find_page_in(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const arch_t *g = &w.a.m.arch
    cdef pte_t e
    while addr < next:
        e = pte_load(w.a, table, level_index(g, 0, addr))
        if e != 0 and pte_marker_kind(w.a, e) != PTE_MARKER_GUARD:
            return -EEXIST
        addr += page_size(g)
    return 0


cdef int find_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    return -EEXIST


cdef bint any_page(arena_t *a, mm_t *m, vaddr_t start, vaddr_t end) noexcept nogil:
    """Whether anything but guards is there."""
    cdef mm_walk_t w
    walk_init(&w, a, m, 0, NULL)
    w.table = find_page_in
    w.leaf = find_leaf
    return walk_page_range(&w, start, end) != 0


cdef int guard_install(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef vaddr_t addr = start
    cdef pfn_t table
    if any_page(a, m, start, end):  # markers go in first, and nothing is zapped where only they are in the way
        zap_page_range_single(a, v, start, end, ZAP_EVEN_COWS)
    while addr < end:
        table = table_alloc(a, m, addr, 0)
        if table == 0:
            return -ENOMEM
        pte_store(a, table, level_index(g, 0, addr), pte_marker(a, PTE_MARKER_GUARD))
        addr += page_size(g)
    return 0


cdef int unguard_ptes(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const arch_t *g = &w.a.m.arch
    while addr < next:
        if pte_marker_kind(w.a, pte_load(w.a, table, level_index(g, 0, addr))) == PTE_MARKER_GUARD:
            pte_store(w.a, table, level_index(g, 0, addr), 0)
        addr += page_size(g)
    return 0


cdef void guard_remove(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    """Huge entries hold no markers: they are left whole, and so are large folios."""
    cdef mm_walk_t w
    walk_init(&w, a, mm_mut(a, vma_at(a, v).vm_mm), v, NULL)
    w.table = unguard_ptes
    walk_page_range(&w, start, end)
