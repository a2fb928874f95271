# cython: language_level=3
"""Faults that end in an anonymous page of the area's own: a fresh one, or a copy.

Counterpart: Linux v6.18 mm/memory.c: do_anonymous_page(), map_anon_folio_pte(), wp_page_copy(), wp_page_reuse().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.pte cimport mk_pte, pte_mkdirty, pte_mkwrite
from vmtool.mm.types cimport *

cdef void map_new_anon(arena_t *a, idx_t v, vaddr_t addr, pfn_t pfn) noexcept nogil  # rmap, LRU: all but the entry and the count
# Precondition: the entry is empty. A read maps the zero page. 0, VM_FAULT_OOM. Counts: MM_ANONPAGES, and mTHP's anon_fault_ where a larger
# folio was tried.
cdef uint32_t do_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, pfn_t table, uint32_t index) noexcept nogil
# A page of its own in the place of e, which is present. 0 (also where e changed meanwhile: nothing is done), VM_FAULT_OOM.
cdef uint32_t wp_page_copy(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil
# e, of the area's own page or a shared one, becomes writable, dirty and young
# e becomes young and dirty, and writable where the area is. Counts: PGREUSE
cdef void wp_page_reuse(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil

cdef inline pte_t anon_pte(arena_t *a, pfn_t pfn, uint64_t vm_flags) noexcept nogil:
    """Dirty from the first, because it was made for a write."""
    cdef pte_t e = pte_mkdirty(a, mk_pte(a, pfn, vm_flags))
    return pte_mkwrite(a, e) if vm_flags & VM_WRITE else e
