# cython: language_level=3
"""Faults that map or copy whole huge pages."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef uint32_t do_huge_pmd_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil
cdef uint32_t do_huge_pmd_wp_page(arena_t *a, idx_t v, vaddr_t addr, pte_t pmd) noexcept nogil
# A fault at a huge entry that allows the access: where the processor does not mark what is used, the kernel does.
cdef void huge_pmd_set_accessed(arena_t *a, mm_t *m, vaddr_t addr, pte_t pmd, uint32_t flags) noexcept nogil
cdef void map_anon_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head, bint dirty) noexcept nogil  # a new folio of the area's own: rmap, LRU, entry; counts nothing
cdef bint copy_huge_pmd(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil  # fork: share one entry; false: no memory
cdef bint move_huge_pmd(arena_t *a, idx_t v, idx_t new_v, vaddr_t old_addr, vaddr_t new_addr) noexcept nogil
cdef void change_huge_pmd(arena_t *a, idx_t v, vaddr_t addr, uint64_t vm_flags, bint upgrade) noexcept nogil
