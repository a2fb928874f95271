# cython: language_level=3
"""The entries of an area that is moved: mremap()'s.

    PTE 0x7000 -> pfn 9, 0x8000 -> a swap slot     moved by 0x20000: PTE 0x27000 -> pfn 9, 0x28000 -> the slot; both soft-dirty now
Where a whole PTE table or huge page is to be moved, and lies alike on both sides, the entry that leads to it moves.
Counterpart: Linux v6.18 mm/mremap.c:move_page_tables(), move_ptes(), move_normal_pmd(), can_align_down(); mm/hugetlb.c:move_hugetlb_page_tables().
"""

from vmtool.mm.arena cimport mm_mut, vma_at
from vmtool.mm.arch cimport level_index, level_size, pages_in
from vmtool.mm.hugetlb cimport move_hugetlb
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pgtable cimport entry_get, entry_set, flush_tlb_range, table_alloc, table_lookup
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_NONE, entry_mksoft_dirty, pmd_class, pte_class, ptes_load, ptes_open, ptes_open_mut, ptes_store, ptes_t
from vmtool.mm.thp cimport split_huge_pmd
from vmtool.mm.thp_fault cimport move_huge_pmd
from vmtool.mm.vma cimport find_vma_intersection


cdef int move_ptes(arena_t *a, mm_t *m, vaddr_t old_addr, vaddr_t new_addr, uint64_t length) noexcept nogil:
    """Within one PTE table on each side."""
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t from_table = table_lookup(a, m, old_addr, 0)
    cdef pfn_t to_table = table_alloc(a, m, new_addr, 0)
    cdef uint32_t i = level_index(g, 0, old_addr), j = level_index(g, 0, new_addr), n
    cdef bint moved = False
    cdef ptes_t old, new
    cdef pte_t e
    if to_table == 0:
        return -ENOMEM
    if not ptes_open(a, from_table, &old):
        return 0
    ptes_open(a, to_table, &new)
    for n in range(pages_in(g, old_addr, old_addr + length)):
        e = ptes_load(&old, i + n)
        if pte_class(a, e) == ENTRY_NONE:
            continue
        if not moved:
            ptes_open_mut(a, from_table, &old)
            ptes_open_mut(a, to_table, &new)
            moved = True
        ptes_store(&old, i + n, 0)
        ptes_store(&new, j + n, entry_mksoft_dirty(a, e))  # whatever it is, it is the same at another place, and new there
    return 0


cdef inline uint64_t extent_to(uint64_t size, vaddr_t old_addr, vaddr_t old_end, vaddr_t new_addr) noexcept nogil:
    """Bytes up to the end of the entry of `size` that comes first, on the old or on the new side."""
    cdef uint64_t extent = size - (old_addr & (size - 1)), room = size - (new_addr & (size - 1))
    if extent > old_end - old_addr:
        extent = old_end - old_addr
    return room if extent > room else extent


cdef bint can_align_down(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    return area.vm_start == addr and find_vma_intersection(a, area.vm_mm, addr & ~(level_size(&a.m.arch, 1) - 1), addr) == 0


cdef bint move_normal_pmd(arena_t *a, mm_t *m, vaddr_t old_addr, vaddr_t new_addr) noexcept nogil:
    """A whole PTE table changes its place. Its entries are not looked at: none becomes soft-dirty, in Linux neither."""
    cdef pte_t pmd = entry_get(a, m, old_addr, 1)
    if entry_get(a, m, new_addr, 1) != 0:
        return False
    entry_set(a, m, old_addr, 1, 0)
    entry_set(a, m, new_addr, 1, pmd)
    return True


cdef int move_entries(arena_t *a, idx_t v, idx_t new_v, vaddr_t old_addr, vaddr_t new_addr, uint64_t extent) noexcept nogil:
    """What one PMD entry covers, or a part of it: 0 or -ENOMEM."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef bint whole = extent == level_size(&a.m.arch, 1)
    cdef uint32_t what = pmd_class(a, entry_get(a, m, old_addr, 1))
    if what == ENTRY_NONE:
        return 0
    if table_alloc(a, m, new_addr, 1) == 0:
        return -ENOMEM
    if what == ENTRY_HUGE:
        if whole and move_huge_pmd(a, v, new_v, old_addr, new_addr):
            return 0
        split_huge_pmd(a, v, old_addr)
        if entry_get(a, m, old_addr, 1) == 0:
            return 0  # a file's: unmapped
    elif whole and move_normal_pmd(a, m, old_addr, new_addr):
        return 0
    return move_ptes(a, m, old_addr, new_addr, extent)


cdef struct huge_move_t:
    vaddr_t distance
    vaddr_t end  # of what has moved


cdef int move_huge_entry(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef huge_move_t *h = <huge_move_t *>w.private
    h.end = addr
    return move_hugetlb(w.a, w.v, addr, addr + h.distance)


cdef uint64_t move_hugetlb_page_tables(arena_t *a, idx_t v, vaddr_t old_addr, vaddr_t new_addr, uint64_t length) noexcept nogil:
    cdef huge_move_t h
    cdef mm_walk_t w
    h.distance = new_addr - old_addr
    h.end = old_addr
    walk_init(&w, a, mm_mut(a, vma_at(a, v).vm_mm), v, &h)
    w.leaf = move_huge_entry
    return length if walk_page_range(&w, old_addr, old_addr + length) == 0 else h.end - old_addr


cdef uint64_t move_page_tables(arena_t *a, idx_t v, idx_t new_v, vaddr_t old_addr, vaddr_t new_addr, uint64_t length) noexcept nogil:
    """Frames change their address, not their contents: no fault follows. Upper tables are made where the old side has them. Two addresses
    go along together, so this is a loop of its own (as in Linux)."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef uint64_t pmd_size = level_size(&a.m.arch, 1), extent, offset = old_addr & (pmd_size - 1)
    cdef int pud = min(2, <int>a.m.arch.levels - 1)  # folded into the PMD where there are two levels
    cdef vaddr_t end = old_addr + length, start = old_addr
    if vma_at(a, v).vm_flags & VM_HUGETLB:
        return move_hugetlb_page_tables(a, v, old_addr, new_addr, length)
    if (offset and offset == new_addr & (pmd_size - 1) and length >= pmd_size - offset
            and can_align_down(a, v, old_addr) and can_align_down(a, new_v, new_addr)):
        old_addr -= offset  # nothing lies there: the first table can move as a whole too
        new_addr -= offset
    while old_addr < end:
        extent = extent_to(level_size(&a.m.arch, pud), old_addr, end, new_addr)
        if entry_get(a, m, old_addr, pud) != 0:
            if table_alloc(a, m, new_addr, pud) == 0:
                break
            extent = extent_to(pmd_size, old_addr, end, new_addr)
            if move_entries(a, v, new_v, old_addr, new_addr, extent) < 0:
                break
        old_addr += extent
        new_addr += extent
    flush_tlb_range(a, m, start, end)
    return old_addr - start if old_addr > start else 0  # what lay below start is not counted
