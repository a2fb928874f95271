# cython: language_level=3
"""What reclaim took off a list and did not free: back on one.

Counterpart: Linux v6.18 mm/vmscan.c:move_folios_to_lru(), folio_putback_lru().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void putback(arena_t *a, pfn_t head) noexcept nogil  # one, on the list of its flags, our reference dropped
# All that are linked by lru_next, from the first on: each on its list; or into the CPU's batch, on none until that is drained.
cdef void move_folios_to_lru(arena_t *a, pfn_t head) noexcept nogil
cdef void putback_lru_folios(arena_t *a, pfn_t head) noexcept nogil
