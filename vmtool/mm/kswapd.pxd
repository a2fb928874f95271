# cython: language_level=3
"""Reclaim in the background, when memory is low or a zone's watermarks were boosted.

Counterpart: Linux v6.18 mm/vmscan.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void wakeup_kswapd(arena_t *a, uint32_t zone, uint32_t order, uint32_t gfp, uint32_t highest) noexcept nogil  # sched's NO_ZONE: it runs now, if it was woken
