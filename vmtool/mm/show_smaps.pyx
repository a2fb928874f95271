# cython: language_level=3
"""The walkers behind smaps, pagemap and mincore.

A page's share (Pss) is its size over the number of entries that map it, in fixed point of 12 bits; a page mapped once is private,
else shared; dirty is the entry's bit or the page's. Counterpart: Linux v6.18 fs/proc/task_mmu.c:smaps_account(),
smaps_page_accumulate(), pagemap_pmd_range(); mm/mincore.c.
"""

from vmtool.mm.arena cimport file_at, frame_at, inode_at, mm_at, mm_mut, vma_at
from vmtool.mm.arch cimport level_index, level_size
from vmtool.mm.frame cimport page_folio
from vmtool.mm.pagecache cimport filemap_get
from vmtool.mm.pgtable cimport entry_get, table_peek
from vmtool.mm.pte cimport *
from vmtool.mm.rmap cimport page_mapcount
from vmtool.mm.thp cimport HPAGE_PMD_SIZE, pmd_is_huge, thp_vma_allowable, thp_vma_suitable
from vmtool.mm.vma cimport find_vma_prev

cdef enum:
    PSS_SHIFT = 12

cdef uint64_t PM_PRESENT = <uint64_t>1 << 63
cdef uint64_t PM_FILE = <uint64_t>1 << 61
cdef uint64_t PM_GUARD = <uint64_t>1 << 58
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

cdef void account_page(arena_t *a, mem_stats_t *s, pfn_t pfn, uint64_t size, bint young, bint pte_is_dirty, bint locked) noexcept nogil:
    """One entry's page; a huge entry's pages are accounted one by one, all of the folio's flags."""
    cdef pfn_t head = page_folio(a, pfn)
    cdef uint32_t flags = frame_at(a, head).flags
    cdef bint dirty = pte_is_dirty or (flags & PG_dirty) != 0
    cdef uint32_t count
    cdef uint64_t i, nr = size >> 12
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
            accumulate(s, flags, 4096, (<uint64_t>4096 << PSS_SHIFT) // count, dirty, locked, False)
        else:
            accumulate(s, flags, 4096, <uint64_t>4096 << PSS_SHIFT, dirty, locked, True)

cdef void account_swap(arena_t *a, mem_stats_t *s, swp_entry_t entry) noexcept nogil:
    cdef uint64_t count = 1 if a.swp_swapcount == NULL else <uint64_t>a.swp_swapcount(a, entry)
    s.swap += 4096
    s.swap_pss += (<uint64_t>4096 << PSS_SHIFT) // (count if count >= 2 else 1)

cdef void gather_ptes(arena_t *a, idx_t v, vaddr_t addr, vaddr_t end, mem_stats_t *out) noexcept nogil:
    cdef mm_t *m = mm_at(a, vma_at(a, v).vm_mm)
    cdef pfn_t table = table_peek(a, m, addr, 0)
    cdef bint locked = (vma_at(a, v).vm_flags & VM_LOCKED) != 0
    cdef uint32_t what
    cdef pte_t e
    if table == 0:
        return
    while addr < end:
        e = pte_load(a, table, level_index(&a.m.arch, 0, addr))
        what = pte_class(a, e)
        if what == ENTRY_PAGE:
            account_page(a, out, pte_frame(a, e), 4096, pte_young(a, e), pte_dirty(a, e), locked)
        elif what == ENTRY_MIGRATION:
            account_page(a, out, swp_offset_pfn(pte_to_swp_entry(a, e)), 4096, False, False, locked)
        elif what == ENTRY_SWAP:
            account_swap(a, out, pte_to_swp_entry(a, e))
        addr += 4096

cdef void smap_gather(arena_t *a, idx_t v, mem_stats_t *out) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_at(a, area.vm_mm)
    cdef vaddr_t addr = area.vm_start, next
    cdef vaddr_t end = min(area.vm_end, a.m.arch.task_size)
    cdef int level
    cdef pte_t pmd
    while addr < end:
        level = <int>a.m.arch.levels - 1
        while level >= 1 and entry_get(a, m, addr, level) != 0:
            level -= 1
        next = (addr | (level_size(&a.m.arch, level if level >= 1 else 1) - 1)) + 1
        if next > end:
            next = end
        if level < 1:
            pmd = entry_get(a, m, addr, 1)
            if not pmd_is_huge(a, pmd):
                gather_ptes(a, v, addr, next, out)
            elif not pte_special(a, pmd):
                out.anonymous_thp += HPAGE_PMD_SIZE
                account_page(a, out, pte_frame(a, pmd), HPAGE_PMD_SIZE, pte_young(a, pmd), pte_dirty(a, pmd), (area.vm_flags & VM_LOCKED) != 0)
        addr = next

cdef bint thp_eligible(arena_t *a, idx_t v) noexcept nogil:
    """The last aligned 2 MB before the area's end lies inside. Nothing stops the subtraction below address 0, where a small area passes."""
    cdef vma_t *area = vma_at(a, v)
    cdef vaddr_t h = (area.vm_end - HPAGE_PMD_SIZE) & ~<uint64_t>(HPAGE_PMD_SIZE - 1)
    return thp_vma_allowable(a, area) and h >= area.vm_start and h + HPAGE_PMD_SIZE <= area.vm_end

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
    cdef mm_t *m = mm_at(a, mm)
    cdef pfn_t table = table_peek(a, m, addr, 1)
    cdef pfn_t sub = <pfn_t>(addr >> 12) & 511
    cdef idx_t before
    cdef idx_t v = find_vma_prev(a, mm, addr, &before)
    cdef uint32_t what
    cdef pte_t e
    if table == 0 or (v and vma_at(a, v).vm_start <= addr and vma_at(a, v).vm_flags & VM_PFNMAP):
        return 0  # areas without struct pages are skipped
    e = pte_load(a, table, level_index(&a.m.arch, 1, addr))
    if pmd_is_huge(a, e):
        if pte_special(a, e):
            return PM_PRESENT | PM_FILE | (pte_frame(a, e) + sub)  # the huge zero page is no anonymous folio
        return present_entry(a, e, pte_frame(a, e)) + sub  # the first page speaks for all 512
    table = table_peek(a, m, addr, 0)
    if table == 0:
        return 0
    e = pte_load(a, table, level_index(&a.m.arch, 0, addr))
    what = pte_class(a, e)
    if what == ENTRY_NONE:
        return 0
    if what == ENTRY_PAGE or what == ENTRY_SPECIAL:
        return present_entry(a, e, pte_frame(a, e))
    return swap_pte_entry(a, e, what)

cdef uint64_t swap_pte_entry(arena_t *a, pte_t e, uint32_t what) noexcept nogil:
    """Type and offset stand where a present page has its frame."""
    cdef swp_entry_t entry = pte_to_swp_entry(a, e)
    cdef uint64_t r = PM_SWAP | swp_type(entry) | (swp_offset_pfn(entry) if what == ENTRY_MIGRATION else swp_offset(entry)) << MAX_SWAPFILES_SHIFT
    if what == ENTRY_MIGRATION:
        return present_entry(a, e, swp_offset_pfn(entry)) & PM_FILE | r
    return r | PM_GUARD if pte_marker_kind(a, e) == PTE_MARKER_GUARD else r

cdef bint mincore_swap(arena_t *a, swp_entry_t entry) noexcept nogil:
    """Whether the swap cache still has, or already has, its page."""
    cdef pfn_t page = 0 if a.swap_cache_get == NULL else a.swap_cache_get(a, entry)
    return page != 0 and (frame_at(a, page_folio(a, page)).flags & PG_uptodate) != 0

cdef bint mincore_page(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_at(a, area.vm_mm)
    cdef pfn_t table = table_peek(a, m, addr, 1), page
    cdef uint32_t what
    cdef pte_t e = 0
    if area.kind != VMA_PLAIN:
        return True  # no file, not anonymous: mincore() may not look and says resident
    if table:
        e = pte_load(a, table, level_index(&a.m.arch, 1, addr))
        if pmd_is_huge(a, e):
            return True
        table = table_peek(a, m, addr, 0)
        e = pte_load(a, table, level_index(&a.m.arch, 0, addr)) if table else 0
    what = pte_class(a, e)
    if what == ENTRY_SWAP:
        return mincore_swap(a, pte_to_swp_entry(a, e))
    if what != ENTRY_NONE and what != ENTRY_MARKER:
        return True
    if area.vm_file == 0:
        return False
    page = filemap_get(a, file_at(a, area.vm_file).inode, area.vm_pgoff + ((addr - area.vm_start) >> 12))
    return page != 0 and (frame_at(a, page_folio(a, page)).flags & PG_uptodate) != 0
