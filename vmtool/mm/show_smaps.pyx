# cython: language_level=3
"""The walkers behind smaps, pagemap and mincore.

A page's share (Pss) is its size over the number of entries that map it, in fixed point of 12 bits; a page mapped once is private,
else shared; dirty is the entry's bit or the page's. Counterpart: Linux v6.18 fs/proc/task_mmu.c:smaps_account(),
smaps_page_accumulate(), pagemap_pmd_range(); mm/mincore.c.
"""

from vmtool.mm.arena cimport file_at, frame_at, inode_at, mm_at, slot_at, vma_at
from vmtool.mm.arch cimport level_index, level_size, page_size, pages_in
from vmtool.mm.frame cimport page_folio
from vmtool.mm.pagecache cimport filemap_get, filemap_swapped
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pgtable cimport entry_at_t, entry_find
from vmtool.mm.pte cimport *
from vmtool.mm.rmap cimport page_mapcount
from vmtool.mm.swap_lru cimport advice_is_pending, drained_flags
from vmtool.mm.shmem cimport shmem_allowable_huge_orders, shmem_suitable_huge
from vmtool.mm.shmem_swap cimport shmem_partial_swap_usage
from vmtool.mm.thp cimport thp_vma_allowable_orders, thp_vma_suitable_orders
from vmtool.mm.vma cimport find_vma_prev, linear_page_index, vma_pages

cdef enum:
    PSS_SHIFT = 12

cdef uint64_t PM_PRESENT = <uint64_t>1 << 63
cdef uint64_t PM_FILE = <uint64_t>1 << 61
cdef uint64_t PM_GUARD_REGION = <uint64_t>1 << 58
cdef uint64_t PM_SOFT_DIRTY = <uint64_t>1 << 55
cdef uint64_t PM_MMAP_EXCLUSIVE = <uint64_t>1 << 56
cdef uint64_t PM_SWAP = <uint64_t>1 << 62


cdef void accumulate(mem_stats_t *s, uint32_t flags, uint64_t size, uint64_t pss, bint dirty, bint locked, bint private) noexcept nogil:
    s.pss += pss
    if flags & PG_anon:
        s.pss_anon += pss
    elif flags & PG_swapbacked:
        s.pss_shmem += pss
    else:
        s.pss_file += pss
    if locked:
        s.pss_locked += pss
    if dirty:
        s.pss_dirty += pss
        if private:
            s.private_dirty += size
        else:
            s.shared_dirty += size
    elif private:
        s.private_clean += size
    else:
        s.shared_clean += size

cdef struct gather_t:
    mem_stats_t *out
    bint pending  # advice waits in a batch of the LRU
    idx_t shmem  # the area's inode, where each hole is looked up in what is swapped out of it


cdef void account_page(arena_t *a, const gather_t *k, pfn_t pfn, uint64_t size, bint young, bint pte_is_dirty, bint locked) noexcept nogil:
    """One entry's page; a huge entry's pages are accounted one by one, all of the folio's flags, as they are when the batches are empty."""
    cdef mem_stats_t *s = k.out
    cdef pfn_t head = page_folio(a, pfn)
    cdef uint32_t flags = drained_flags(a, head) if k.pending else frame_at(a, head).flags
    cdef bint dirty = pte_is_dirty or (flags & PG_dirty) != 0
    cdef uint32_t count
    cdef uint64_t i, nr = size >> a.m.arch.page_shift
    if flags & PG_anon:
        s.anonymous += size
        if not flags & PG_swapbacked and not dirty:
            s.lazyfree += size
    s.resident += size
    if young or flags & (PG_young | PG_referenced):
        s.referenced += size
    for i in range(nr):
        count = page_mapcount(a, <pfn_t>(pfn + i))
        if count >= 2:
            accumulate(s, flags, page_size(&a.m.arch), (<uint64_t>page_size(&a.m.arch) << PSS_SHIFT) // count, dirty, locked, False)
        else:
            accumulate(s, flags, page_size(&a.m.arch), <uint64_t>page_size(&a.m.arch) << PSS_SHIFT, dirty, locked, True)


cdef void account_swap(arena_t *a, mem_stats_t *s, swp_entry_t entry) noexcept nogil:
    cdef uint64_t count = 1 if a.swp_swapcount == NULL else <uint64_t>a.swp_swapcount(a, entry)
    s.swap += page_size(&a.m.arch)
    s.swap_pss += (<uint64_t>page_size(&a.m.arch) << PSS_SHIFT) // (count if count >= 2 else 1)


cdef void account_shmem_swap(arena_t *a, const gather_t *k, idx_t v, vaddr_t addr, vaddr_t next) noexcept nogil:
    """smaps_pte_hole(): a private mapping of shared memory shows what of it is swapped out where it has no page of its own."""
    cdef const vma_t *area = vma_at(a, v)
    if k.shmem:
        k.out.swap += shmem_partial_swap_usage(a, k.shmem, linear_page_index(a, area, addr), linear_page_index(a, area, next) - 1) << a.m.arch.page_shift


cdef int gather_hole(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level) noexcept nogil:
    account_shmem_swap(w.a, <const gather_t *>w.private, w.v, addr, next)
    return 0


cdef inline bint is_locked(mm_walk_t *w) noexcept nogil:
    return (vma_at(w.a, w.v).vm_flags & VM_LOCKED) != 0


cdef int gather_ptes(mm_walk_t *w, vaddr_t addr, vaddr_t end, pfn_t table) noexcept nogil:
    cdef arena_t *a = w.a
    cdef const arch_t *g = &a.m.arch
    cdef const gather_t *k = <const gather_t *>w.private
    cdef uint32_t first = level_index(g, 0, addr), i, what
    cdef pte_t e
    for i in range(first, first + pages_in(g, addr, end)):
        e = pte_load(a, table, i)
        what = pte_class(a, e)
        if what == ENTRY_PAGE:
            account_page(a, k, pte_frame(a, e), page_size(g), pte_young(a, e), pte_dirty(a, e), is_locked(w))
        elif what == ENTRY_MIGRATION:
            account_page(a, k, swp_offset_pfn(pte_to_swp_entry(a, e)), page_size(g), False, False, is_locked(w))
        elif what == ENTRY_SWAP:
            account_swap(a, k.out, pte_to_swp_entry(a, e))
        elif what == ENTRY_NONE and k.shmem:
            account_shmem_swap(a, k, w.v, addr + (<uint64_t>(i - first) << g.page_shift), addr + (<uint64_t>(i - first + 1) << g.page_shift))
    return 0


cdef int gather_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef const gather_t *k = <const gather_t *>w.private
    cdef uint64_t size = level_size(&w.a.m.arch, level)
    if vma_at(w.a, w.v).vm_flags & VM_HUGETLB:  # smaps_hugetlb_range(): no part of Rss; shared is what another maps, too
        if page_mapcount(w.a, pte_frame(w.a, e)) > 1:
            k.out.shared_hugetlb += next - addr
        else:
            k.out.private_hugetlb += next - addr
        return 0
    if not pte_special(w.a, e):
        if frame_at(w.a, pte_frame(w.a, e)).flags & PG_anon:
            k.out.anonymous_thp += size
        elif frame_at(w.a, pte_frame(w.a, e)).flags & PG_swapbacked:
            k.out.shmem_thp += size
        else:
            k.out.file_thp += size
        account_page(w.a, k, pte_frame(w.a, e), size, pte_young(w.a, e), pte_dirty(w.a, e), is_locked(w))
    return 0


cdef idx_t shmem_with_swap(arena_t *a, idx_t v, mem_stats_t *out) noexcept nogil:
    """shmem_swap_usage(): at once, unless the area may have pages of its own. Then its inode."""
    cdef const vma_t *area = vma_at(a, v)
    cdef idx_t inode = file_at(a, area.vm_file).inode if area.vm_file else 0
    if inode == 0 or inode_at(a, inode).kind != INODE_SHMEM or area.vm_flags & VM_HUGETLB or inode_at(a, inode).nr_swapped == 0:
        return 0
    if area.vm_flags & VM_WRITE and not area.vm_flags & VM_SHARED:
        return inode
    if area.vm_pgoff == 0 and area.vm_end - area.vm_start >= inode_at(a, inode).size:
        out.swap += <uint64_t>inode_at(a, inode).nr_swapped << a.m.arch.page_shift
    else:
        out.swap += shmem_partial_swap_usage(a, inode, area.vm_pgoff, area.vm_pgoff + vma_pages(a, area) - 1) << a.m.arch.page_shift
    return 0


cdef void smap_gather(arena_t *a, idx_t v, mem_stats_t *out) noexcept nogil:
    cdef mm_walk_t w
    cdef gather_t k
    k.out = out
    k.pending = advice_is_pending(a)
    k.shmem = shmem_with_swap(a, v, out)
    walk_init(&w, a, mm_at(a, vma_at(a, v).vm_mm), v, &k)
    w.table = gather_ptes
    w.leaf = gather_leaf
    if k.shmem:
        w.hole = gather_hole
    walk_page_range(&w, vma_at(a, v).vm_start, vma_at(a, v).vm_end)


cdef bint shmem_eligible(arena_t *a, idx_t v) noexcept nogil:
    """From the largest folio on that has room before the area's end, one size is allowed."""
    cdef vma_t *area = vma_at(a, v)
    cdef uint32_t order = a.m.arch.pmd_order
    while order and not shmem_suitable_huge(a, v, area.vm_end - (<uint64_t>page_size(&a.m.arch) << order), order):
        order -= 1
    return shmem_allowable_huge_orders(a, file_at(a, area.vm_file).inode, area, area.vm_pgoff, 0, False) & ((<uint32_t>2 << order) - 1) != 0


cdef bint thp_eligible(arena_t *a, idx_t v) noexcept nogil:
    """The last aligned block of a size that is allowed, before the area's end, lies inside. Nothing stops the subtraction below address 0, where a
    small area passes."""
    cdef vma_t *area = vma_at(a, v)
    cdef uint32_t orders, order
    cdef uint64_t size
    if area.vm_file:
        return shmem_eligible(a, v)
    orders = thp_vma_allowable_orders(a, area, <uint32_t>-1)
    for order in range(NR_MTHP_ORDERS if orders else 0):
        size = page_size(&a.m.arch) << order
        if orders >> order & 1 and thp_vma_suitable_orders(a, area, area.vm_end - size, 1 << order):
            return True
    return False


cdef uint64_t present_entry(arena_t *a, pte_t e, pfn_t pfn) noexcept nogil:
    cdef uint64_t r = PM_PRESENT | pfn
    if pte_special(a, e):
        return r
    if not frame_at(a, page_folio(a, pfn)).flags & PG_anon:
        r |= PM_FILE
    if page_mapcount(a, pfn) == 1:
        r |= PM_MMAP_EXCLUSIVE
    return r


cdef uint64_t pagemap_entry(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef idx_t before
    cdef idx_t v = find_vma_prev(a, mm, addr, &before)
    cdef entry_at_t at
    cdef pfn_t sub
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags if v and vma_at(a, v).vm_start <= addr else 0
    cdef uint64_t soft = PM_SOFT_DIRTY if vm_flags & VM_SOFTDIRTY else 0
    if vm_flags & VM_PFNMAP:
        return soft  # areas without struct pages are skipped
    entry_find(a, mm_at(a, mm), addr, &at)
    if at.what == ENTRY_NONE:
        return soft
    if not vm_flags & VM_HUGETLB and entry_soft_dirty(a, at.entry):
        soft = PM_SOFT_DIRTY
    if at.what == ENTRY_PAGE or at.what == ENTRY_SPECIAL:
        return soft | present_entry(a, at.entry, pte_frame(a, at.entry))
    if at.what == ENTRY_HUGE:
        sub = <pfn_t>((addr & (level_size(g, at.level) - 1)) >> g.page_shift)
        if pte_special(a, at.entry):
            return soft | PM_PRESENT | PM_FILE | (pte_frame(a, at.entry) + sub)  # the huge zero page is no anonymous folio
        return soft | present_entry(a, at.entry, pte_frame(a, at.entry)) + sub  # the first page speaks for all
    return soft | swap_pte_entry(a, at.entry, at.what)


cdef uint64_t swap_pte_entry(arena_t *a, pte_t e, uint32_t what) noexcept nogil:
    """Type and offset stand where a present page has its frame."""
    cdef swp_entry_t entry = pte_to_swp_entry(a, e)
    cdef uint64_t r = PM_SWAP | swp_type(entry) | (swp_offset_pfn(entry) if what == ENTRY_MIGRATION else swp_offset(entry)) << MAX_SWAPFILES_SHIFT
    if what == ENTRY_MIGRATION:
        return present_entry(a, e, swp_offset_pfn(entry)) & PM_FILE | r
    return r | PM_GUARD_REGION if pte_marker_kind(a, e) == PTE_MARKER_GUARD else r


cdef bint mincore_swap(arena_t *a, swp_entry_t entry) noexcept nogil:
    """Whether the swap cache still has, or already has, its page."""
    cdef pfn_t page = 0 if a.swap_cache_get == NULL else a.swap_cache_get(a, entry)
    return page != 0 and (frame_at(a, page_folio(a, page)).flags & PG_uptodate) != 0


cdef bint mincore_file(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    """Whether the cache has a page; of shared memory that was swapped out, the swap cache."""
    cdef pfn_t page = filemap_get(a, inode, index)
    cdef uint32_t record = 0
    if page == 0:
        record = filemap_swapped(a, inode, index)
    if record and slot_at(a, record).flags & SLOT_CACHE:
        page = slot_at(a, record).folio
    return page != 0 and (frame_at(a, page_folio(a, page)).flags & PG_uptodate) != 0


cdef bint mincore_page(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef entry_at_t at
    cdef pfn_t page
    if area.kind != VMA_PLAIN:
        return True  # no file, not anonymous: mincore() may not look and says resident
    entry_find(a, mm_at(a, area.vm_mm), addr, &at)
    if at.what == ENTRY_SWAP:
        return mincore_swap(a, pte_to_swp_entry(a, at.entry))
    if at.what != ENTRY_NONE and at.what != ENTRY_MARKER:
        return True
    if area.vm_file == 0:
        return False
    return mincore_file(a, file_at(a, area.vm_file).inode, linear_page_index(a, area, addr))
