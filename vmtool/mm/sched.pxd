# cython: language_level=3
"""Where a task gives the processor away.

Counterpart: Linux v6.18 kernel/sched/core.c:schedule(), as far as there is another task to run: kswapd.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport NR_ZONES

cdef enum:
    NO_ZONE = NR_ZONES  # of wakeup_kswapd(): nothing wakes it now

cdef inline void schedule(arena_t *a) noexcept nogil:
    """The caller waits, returns to the program, or can go on only by reclaiming itself: kswapd runs if it was woken."""
    if a.wakeup_kswapd != NULL:
        a.wakeup_kswapd(a, NO_ZONE, 0, 0, 0)
