# cython: language_level=3
"""512 small anonymous pages become a huge one: for khugepaged and for MADV_COLLAPSE.

Counterpart: Linux v6.18 mm/khugepaged.c:hpage_collapse_scan_pmd(), collapse_huge_page().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # scan_result: those that can occur here
    SCAN_FAIL
    SCAN_SUCCEED
    SCAN_PMD_NULL
    SCAN_PMD_NONE
    SCAN_PMD_MAPPED
    SCAN_EXCEED_NONE_PTE
    SCAN_EXCEED_SWAP_PTE
    SCAN_EXCEED_SHARED_PTE
    SCAN_PTE_NON_PRESENT
    SCAN_PTE_MAPPED_HUGEPAGE
    SCAN_LACK_REFERENCED_PAGE
    SCAN_PAGE_NULL
    SCAN_PAGE_COUNT
    SCAN_PAGE_LRU
    SCAN_PAGE_ANON
    SCAN_PAGE_COMPOUND
    SCAN_VMA_CHECK
    SCAN_DEL_PAGE_LRU
    SCAN_ALLOC_HUGE_PAGE_FAIL
    SCAN_CGROUP_CHARGE_FAIL
    SCAN_TRUNCATED

cdef struct collapse_t:  # collapse_control
    bint is_khugepaged  # its limits hold; else: MADV_COLLAPSE
    bint mmap_locked  # mmap_lock was held all the time

# Whether a PTE table, a huge entry or nothing is there: SCAN_SUCCEED, SCAN_PMD_MAPPED, SCAN_PMD_NONE, SCAN_PMD_NULL.
cdef int find_pmd_or_thp_or_none(arena_t *a, const mm_t *m, vaddr_t addr, pfn_t *table) noexcept nogil
# A huge page that the space's group pays for; scan_result. Counts: THP_COLLAPSE_ALLOC, THP_COLLAPSE_ALLOC_FAILED.
cdef int alloc_charge_folio(arena_t *a, const mm_t *m, const collapse_t *cc, pfn_t *head) noexcept nogil
cdef void release_folio(arena_t *a, pfn_t head) noexcept nogil  # what was isolated goes back, by the batch of new folios
cdef int hpage_collapse_scan_pmd(arena_t *a, idx_t v, vaddr_t addr, collapse_t *cc) noexcept nogil  # addr: a border of 2M; scan_result
