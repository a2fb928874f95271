# cython: language_level=3
"""Folding and unfolding blocks of entries with the contiguous hint. Above the PTEs only a page of hugetlb is large enough for one.

    16 entries (pages of 4K), a folio of order 4 or more behind them, the last one is written
    fold     0x00E8000000000F43 each -> 0x00F8000000000F43: CONT, accessed and dirty if one was
    write to one of them another frame, zero, another permission
    unfold   CONT off all, accessed and dirty if one was; then the write
Modelled: contpte_try_fold(), contpte_try_unfold(), contpte_ptep_get(), contpte_ptep_set_access_flags(), contpte_clear_young_dirty_ptes(); of
contpte_set_ptes() and contpte_wrprotect_ptes() what comes of them when their entries are written one after the other.
Counterpart: Linux v6.18 arch/arm64/mm/contpte.c, include/asm/pgtable.h.
# Deviation: two calls that each map a part of a block leave it unfolded in Linux, where the second ends with it; here it is folded.
Invariants (fsck_entries): a hint is true of its whole block.
"""

from vmtool.mm.arch cimport SHIFT_4K, SHIFT_64K, is_arm64, level_size
from vmtool.mm.arch_arm64 cimport PTE_AF, PTE_CONT, PTE_DIRTY, PTE_NG, PTE_RDONLY, PTE_SPECIAL, PTE_VALID, PTE_WRITE
from vmtool.mm.arena cimport content_at, content_mut, frame_at
from vmtool.mm.frame cimport folio_order, page_folio


cdef uint32_t cont_shift(const arch_t *g, int level) noexcept nogil:
    return 4 if g.page_shift == SHIFT_4K else 5 if g.page_shift == SHIFT_64K or level else 7


cdef inline uint32_t nr_cont(const arch_t *g, int level) noexcept nogil:
    return <uint32_t>1 << cont_shift(g, level)


cdef inline uint32_t block_of(const arch_t *g, int level, uint32_t index) noexcept nogil:
    return index & ~(nr_cont(g, level) - 1)


cdef inline bint is_dirty(pte_t raw) noexcept nogil:
    """By Linux's bit or the processor's: it may be written, and is not read-only any more."""
    return raw & PTE_DIRTY != 0 or raw & (PTE_WRITE | PTE_RDONLY) == PTE_WRITE


cdef inline pte_t mkdirty(pte_t raw) noexcept nogil:
    raw |= PTE_DIRTY
    return raw & ~<pte_t>PTE_RDONLY if raw & PTE_WRITE else raw


cdef inline pte_t without_marks(pte_t raw) noexcept nogil:
    """pte_mkold(pte_mkclean()), and no hint."""
    return (raw & ~(PTE_AF | PTE_DIRTY | PTE_CONT)) | PTE_RDONLY


cdef pte_t gathered(const arch_t *g, int level, const uint64_t *entries, uint32_t index) noexcept nogil:
    cdef uint32_t first = block_of(g, level, index), i
    cdef pte_t raw = entries[index]
    for i in range(first, first + nr_cont(g, level)):
        raw |= entries[i] & PTE_AF
        if is_dirty(entries[i]):
            raw = mkdirty(raw)
    return raw


cdef pte_t contpte_get(const arch_t *g, int level, const uint64_t *entries, uint32_t index) noexcept nogil:
    return gathered(g, level, entries, index) & ~PTE_CONT if pte_valid_cont(entries[index]) else entries[index]


cdef void write_block(const arch_t *g, int level, uint64_t *entries, uint32_t index, pte_t raw) noexcept nogil:
    """All entries of a block like the one given for index, each with its own frames."""
    cdef uint32_t first = block_of(g, level, index), i
    cdef uint64_t base = (raw & g.pfn_mask) - (index - first) * level_size(g, level)
    for i in range(nr_cont(g, level)):
        entries[first + i] = (raw & ~g.pfn_mask) | (base + i * level_size(g, level))


cdef void unfold(const arch_t *g, int level, uint64_t *entries, uint32_t index) noexcept nogil:
    if pte_valid_cont(entries[index]):
        write_block(g, level, entries, index, gathered(g, level, entries, index) & ~PTE_CONT)


cdef bint may_fold(arena_t *a, int level, const uint64_t *entries, uint32_t index) noexcept nogil:
    """The last entry of a block, of a program's page; one folio holds the block, and all are alike but for marks of use."""
    cdef const arch_t *g = &a.m.arch
    cdef uint32_t nr = nr_cont(g, level), first = block_of(g, level, index), i
    cdef uint64_t span = level_size(g, level)
    cdef uint64_t pages = span >> g.page_shift << cont_shift(g, level)  # of the block
    cdef pte_t raw = entries[index], expected
    cdef uint64_t end = ((raw & g.pfn_mask) + span) >> g.page_shift
    cdef pfn_t head
    if index & (nr - 1) != nr - 1 or end & (pages - 1) or raw & (PTE_VALID | PTE_NG | PTE_SPECIAL | PTE_CONT) != PTE_VALID | PTE_NG or end > a.m.max_pfn:
        return False
    head = page_folio(a, <pfn_t>(end - 1))
    if head > end - pages or head + (<uint64_t>1 << folio_order(a, head)) < end:
        return False
    expected = without_marks(raw) - (nr - 1) * span
    for i in range(first, first + nr):
        if without_marks(entries[i]) != expected:
            return False
        expected += span
    return True


cdef void contpte_set(arena_t *a, int level, uint64_t *entries, uint32_t index, pte_t raw) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    if pte_valid_cont(entries[index]):
        if raw & PTE_VALID and without_marks(raw) == without_marks(entries[index]):
            write_block(g, level, entries, index, raw | PTE_CONT)
            return
        unfold(g, level, entries, index)
    entries[index] = raw
    if may_fold(a, level, entries, index):
        write_block(g, level, entries, index, gathered(g, level, entries, index) | PTE_CONT)


cdef void contpte_unfold(arena_t *a, pfn_t table, uint32_t index) noexcept nogil:
    cdef idx_t c = frame_at(a, table).content
    if c and is_arm64(&a.m.arch):
        unfold(&a.m.arch, 0, <uint64_t *>content_mut(a, c), index)


cdef bint contpte_is_true(arena_t *a, int level, pfn_t table, uint32_t index) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef idx_t c = frame_at(a, table).content
    cdef const uint64_t *entries
    cdef uint32_t first = block_of(g, level, index), i
    cdef pte_t expected
    if c == 0 or not is_arm64(g) or level >= NR_CONT_LEVELS:
        return True
    entries = <const uint64_t *>content_at(a, c)
    if not pte_valid_cont(entries[index]):
        return True
    expected = without_marks(entries[first])
    for i in range(first, first + nr_cont(g, level)):
        if not pte_valid_cont(entries[i]) or without_marks(entries[i]) != expected:
            return False
        expected += level_size(g, level)
    return (entries[first] & g.pfn_mask) & ((level_size(g, level) << cont_shift(g, level)) - 1) == 0
