# cython: language_level=3
"""Level 9. Faults that end in an anonymous page of the area's own: a fresh one, or a copy; and the quick road for the common ones.

Counterpart: Linux v6.18 mm/memory.c: do_anonymous_page(), map_anon_folio_pte(), wp_page_copy(), wp_page_reuse().
"""

from vmtool.mm.arena cimport arena_t, frame_mut, mm_mut, vma_at
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.mmu cimport mmu_look_t
from vmtool.mm.rmap cimport add_new_anon_rmap
from vmtool.mm.types cimport *

cdef void map_new_anon(arena_t *a, idx_t v, vaddr_t addr, pfn_t pfn) noexcept nogil  # rmap, LRU: all but the entry and the count
cdef uint32_t do_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, pfn_t table, uint32_t index) noexcept nogil
cdef uint32_t wp_page_copy(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil
cdef void wp_page_reuse(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil

# The write at addr of which mmu_quick() said QUICK_FAULT: the whole of page fault, retry and TLB fill at once when it is a common one
# (demand-zero, copy or reuse of a single page in plain private memory that has its anon_vma and its PTE table). Leaves the state that
# the general road leaves; false: nothing is changed, take that road.
cdef bint anon_write_fault(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, mmu_look_t *at, paddr_t *phys) noexcept nogil
