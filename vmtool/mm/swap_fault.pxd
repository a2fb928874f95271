# cython: language_level=3
"""A fault on an entry that names a slot, and swapoff's way through the tables.

Counterpart: Linux v6.18 mm/memory.c:do_swap_page(), mm/swapfile.c:unuse_pte().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

# A fault on an entry that names a slot. Precondition: its PTE table is there. 0 or VM_FAULT_MAJOR (read from disk; the entry may have
# changed meanwhile: the access is tried again), VM_FAULT_OOM. Counts: PGMAJFAULT, SWAP_RA_HIT; MM_SWAPENTS to MM_ANONPAGES.
cdef uint32_t do_swap_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, swp_entry_t entry) noexcept nogil
cdef bint unuse_mms(arena_t *a, uint32_t type) noexcept nogil  # swapoff: every entry of an area becomes a mapping; false: no memory
