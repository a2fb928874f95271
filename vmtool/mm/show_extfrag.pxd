# cython: language_level=3
"""Level 14. How fragmented free memory is: what /sys/kernel/debug/extfrag says of a zone and an order, in thousandths.

Counterpart: Linux v6.18 mm/vmstat.c: unusable_free_index(), __fragmentation_index().
"""

from libc.stdint cimport int64_t, uint32_t

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int64_t unusable_free_index(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil
cdef int64_t fragmentation_index(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil
