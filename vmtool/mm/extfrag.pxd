# cython: language_level=3
"""How fragmented free memory is, and whether compaction could help: what /sys/kernel/debug/extfrag says of a zone and an order, in thousandths.

Counterpart: Linux v6.18 mm/vmstat.c: unusable_free_index(), fragmentation_index(), extfrag_for_order(); mm/compaction.c: compaction_suitable().
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int64_t unusable_free_index(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil
cdef int64_t fragmentation_index(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil
cdef uint32_t extfrag_for_order(arena_t *a, uint32_t zone, uint32_t order) noexcept nogil  # unusable, in hundredths
# Enough free pages above the watermark for compaction to work with, `more` beside the zone's (what could be reclaimed).
cdef bint compaction_has_room(arena_t *a, uint32_t zone, uint32_t order, uint64_t watermark, uint32_t highest, uint64_t more) noexcept nogil
cdef bint compaction_suitable(arena_t *a, uint32_t zone, uint32_t order, uint64_t watermark, uint32_t highest) noexcept nogil
