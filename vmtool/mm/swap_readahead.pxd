# cython: language_level=3
"""Reading from swap, with what is near.

Counterpart: Linux v6.18 mm/swap_state.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

# The folio of an entry, read with what is near it: by address in an area, or by slot (v = 0, or a rotational disk). 0: no memory, or not in use.
cdef pfn_t swapin_readahead(arena_t *a, swp_entry_t entry, idx_t v, vaddr_t addr) noexcept nogil
cdef pfn_t read_swap_cache(arena_t *a, swp_entry_t entry, bint readahead) noexcept nogil  # the folio of an entry alone
cdef void swap_update_readahead(arena_t *a, pfn_t head, idx_t v, vaddr_t addr) noexcept nogil  # it was found cached
