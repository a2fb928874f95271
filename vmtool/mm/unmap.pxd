# cython: language_level=3
"""Taking mappings away: zap a range of entries, munmap, truncation, exit."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.mmu_context cimport mmu_gather_t
from vmtool.mm.types cimport *

cdef enum:
    ZAP_DROP_MARKER = 1  # guard markers go too
    ZAP_EVEN_COWS = 2  # private copies too
    ZAP_RECLAIM_PT = 4  # MADV_DONTNEED: PTE tables wholly covered are freed

# Entries of one area: their pages lose the mapping, markers and swap entries go by flags (ZAP_). Counts: rss; of files dirt reaches the page.
# pages are freed and the TLB flushed by tlb_finish_mmu()
cdef void zap_range(arena_t *a, mmu_gather_t *tlb, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil
# the same for one range, flushed
cdef void zap_page_range_single(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil
# munmap(): any length. 0 (a hole is no error), -EINVAL: start off a page, length 0 or past task_size; or what munmap_range() returns.
cdef int do_munmap(arena_t *a, idx_t mm, vaddr_t start, uint64_t length) noexcept nogil
# Areas at the borders are split first: that alone can fail, and then nothing is unmapped. Precondition: page-aligned. What split_borders()
# returns, or -ENOMEM: no node. Counts: total_vm and its kin, locked_vm, vm_committed_as, rss, NR_PAGETABLE.
cdef int munmap_range(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil
cdef void exit_mmap(arena_t *a, idx_t mm) noexcept nogil  # all areas and tables but the top one
# pages first..last of the file, in every area that maps them; even_cows: private copies, too
cdef void unmap_mapping_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last, uint32_t even_cows) noexcept nogil
# The splits that unmapping start..end needs; what was split before a failure stays so. 0, -ENOMEM: two more than the limit of areas, or no
# memory; -EPERM: one is sealed; -EINVAL: [vdso] or its like, or a huge page of a pool, would be cut.
cdef int split_borders(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil
# An entry's page loses this mapping, its frame when it was the last. The entry itself and rss are the caller's. The rss kind, or -1: no struct page.
cdef int drop_mapping(arena_t *a, pte_t e, idx_t mm) noexcept nogil
# The same at munmap and its like: dirty and accessed bits reach the page first. The rss kind, or -1: no struct page.
cdef int zap_present_pte(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil
# The same for n entries of a large folio, from e's page on, which were dirty or young as they say. The rss kind.
cdef int zap_present_ptes(arena_t *a, idx_t v, vaddr_t addr, pte_t e, uint32_t n, bint dirty, bint young) noexcept nogil
