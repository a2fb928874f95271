# cython: language_level=3
"""Swapping in as it nearly always is: a single page, named by one entry, of the one solid-state area, of no group.

Counterpart: Linux v6.18 mm/memory.c:do_swap_page(), for pages of that kind.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The folio of an entry into its place (map_swapped()), the slot given up where a write wants the page. False: another case, and nothing is changed.
cdef bint map_plain(arena_t *a, const vma_t *area, mm_t *m, vaddr_t addr, pfn_t table, uint32_t index, pfn_t head, uint32_t record,
                    uint32_t flags) noexcept nogil
# do_swap_page() of a page that the swap cache has; `entries` are those of a table as they stand in memory, `content` is theirs.
cdef bint fault_plain(arena_t *a, idx_t v, mm_t *m, vaddr_t addr, idx_t content, uint64_t *entries, uint32_t index, uint32_t flags) noexcept nogil
