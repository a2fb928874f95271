# cython: language_level=3
"""Transparent huge pages: map, split, zap. Counterpart: Linux v6.18 mm/huge_memory.c."""

from vmtool.mm.arena cimport arena_t, frame_at
from vmtool.mm.large_folio cimport has_pmd_thp
from vmtool.mm.pte cimport ENTRY_HUGE, pmd_class, pte_frame, pte_special
from vmtool.mm.types cimport *

cdef inline bint pmd_is_huge(arena_t *a, pte_t e) noexcept nogil:
    return pmd_class(a, e) == ENTRY_HUGE

cdef inline bint is_file_pmd(arena_t *a, pte_t pmd) noexcept nogil:
    """Whether a huge entry maps a file's folio: it has no table beside it, and a fault finds it again."""
    return not pte_special(a, pmd) and not frame_at(a, pte_frame(a, pmd)).flags & PG_anon

cdef inline bint may_be_huge(arena_t *a, const vma_t *v, const mm_t *m) noexcept nogil:
    """Whether a fault has to think of huge pages at all: one is asked for, or is there."""
    return has_pmd_thp(&a.m.arch) and (v.vm_flags & VM_HUGEPAGE or a.m.thp_enabled >= 2 or m.thp_mapped or a.m.thp_orders_always)

cdef inline bint may_be_large(arena_t *a) noexcept nogil:
    """Whether a fault of small entries has to think of folios of more than a page: a size is switched on beside a PMD's."""
    return (a.m.thp_orders_always | a.m.thp_orders_madvise | a.m.thp_orders_inherit) & ((<uint32_t>1 << a.m.arch.pmd_order) - 1) != 0

cdef inline uint32_t vma_thp_gfp_mask(arena_t *a, uint64_t vm_flags) noexcept nogil:
    """How hard a huge page is worth trying, by transparent_hugepage/defrag (0 never 1 madvise 2 defer 3 defer+madvise 4 always): GFP_TRANSHUGE reclaims
    and compacts, but wakes nobody; GFP_TRANSHUGE_LIGHT takes what there is."""
    cdef bint madvised = vm_flags & VM_HUGEPAGE != 0
    cdef uint32_t transhuge = GFP_USER_MOVABLE | GFP_NO_KSWAPD
    if a.m.thp_defrag >= 4:
        return transhuge if madvised else transhuge | GFP_NORETRY
    if madvised and a.m.thp_defrag & 1:
        return transhuge
    return GFP_USER_MOVABLE | GFP_NO_DIRECT if a.m.thp_defrag & 2 else transhuge | GFP_NO_DIRECT

# A PTE table kept beside a huge entry, so that splitting it needs no memory. Precondition: the PMD table of addr is there. 0, -ENOMEM.
# Counts: NR_PAGETABLE, mm.pgtables_bytes.
cdef int pgtable_trans_huge_deposit(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil
cdef void pgtable_trans_huge_take(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil  # the emptied table of addr: the PMD's entry is free, it is kept beside
cdef void pgtable_trans_huge_move(arena_t *a, mm_t *mm, vaddr_t addr, vaddr_t to) noexcept nogil  # to where the huge entry of addr moves
# if the entry at addr is huge; with the table that lies beside it. A file's is dropped
cdef void split_huge_pmd(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil
cdef void freeze_huge_pmd(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil  # the same of an anonymous folio that is about to fall apart itself
cdef void vma_adjust_trans_huge(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil  # the area is about to be cut at addr
# do_set_pmd(): a folio as large as a huge page, whole. Preconditions: no entry of the PMD there, the folio ends within the file (or is
# shared memory's). False: not here, or no memory for a table; small entries do. Counts: THP_FILE_MAPPED, rss.
cdef bint set_file_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, bint write) noexcept nogil
# the folio loses the mapping, and the table beside it goes. Precondition: the entry is huge. Counts: rss
cdef void zap_huge_pmd(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil
cdef bint thp_disabled(const mm_t *m, uint64_t vm_flags, bint asked) noexcept nogil
cdef bint vma_thp_disabled(arena_t *a, const vma_t *v, bint asked) noexcept nogil  # by madvise() or prctl(); `asked`: a huge page was asked for, or is there
cdef uint32_t thp_orders_mask(arena_t *a, uint64_t vm_flags) noexcept nogil  # orders that the machine's modes allow to such an anonymous area
# Of the orders asked for (bit n: order n) those that the area's flags and the machine's modes allow to an anonymous area.
cdef uint32_t thp_vma_allowable_orders(arena_t *a, const vma_t *v, uint32_t orders) noexcept nogil
cdef uint32_t thp_vma_suitable_orders(arena_t *a, const vma_t *v, vaddr_t addr, uint32_t orders) noexcept nogil  # those whose folio around addr lies inside
cdef bint thp_vma_allowable(arena_t *a, const vma_t *v) noexcept nogil  # the same for a PMD's size
cdef bint thp_vma_suitable(arena_t *a, const vma_t *v, vaddr_t addr) noexcept nogil  # an aligned huge page around addr lies inside
cdef pfn_t get_huge_zero(arena_t *a) noexcept nogil  # made at its first use and kept; 0: no memory
