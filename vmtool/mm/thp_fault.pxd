# cython: language_level=3
"""Faults that map or copy whole huge pages."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Preconditions of both: the PMD table is there; addr may be anywhere in the huge page. 0; VM_FAULT_OOM; VM_FAULT_FALLBACK: small pages
# instead, nothing is changed. Counts: THP_FAULT_ALLOC, THP_FAULT_FALLBACK, MM_ANONPAGES.
cdef uint32_t do_huge_pmd_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil
# A write to a huge entry that forbids it. 0: it can be written; VM_FAULT_OOM; VM_FAULT_FALLBACK: it fell apart, the small entry decides.
cdef uint32_t do_huge_pmd_wp_page(arena_t *a, idx_t v, vaddr_t addr, pte_t pmd) noexcept nogil
# A fault at a huge entry that allows the access: where the processor does not mark what is used, the kernel does.
cdef void huge_pmd_set_accessed(arena_t *a, mm_t *m, vaddr_t addr, pte_t pmd, uint32_t flags) noexcept nogil
cdef void map_anon_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, bint dirty) noexcept nogil  # a new folio of the area's own: rmap, LRU, entry; counts nothing
# fork: share one entry; a file's is left to a fault. False: no memory
cdef bint copy_huge_pmd(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil
# mremap() to a place aligned alike: the entry moves as a whole. False: no memory for tables, or something is there already; nothing is
# moved.
cdef bint move_huge_pmd(arena_t *a, idx_t v, idx_t new_v, vaddr_t old_addr, vaddr_t new_addr) noexcept nogil
cdef void change_huge_pmd(arena_t *a, idx_t v, vaddr_t addr, uint64_t vm_flags, bint upgrade) noexcept nogil
