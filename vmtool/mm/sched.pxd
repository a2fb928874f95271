# cython: language_level=3
"""Where a task gives the processor away.

Counterpart: Linux v6.18 kernel/sched/core.c:schedule(), as far as there is another task to run: kswapd.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    NO_ZONE = NR_ZONES  # of wakeup_kswapd(): nothing wakes it now

cdef enum:  # zone_t.flags, beside those of free_area
    ZONE_WOKEN = 8  # kswapd is to run for this zone and those below it

cdef inline bint kswapd_is_woken(const machine_t *m) noexcept nogil:
    return (m.zone[0].flags | m.zone[1].flags | m.zone[2].flags | m.zone[3].flags) & ZONE_WOKEN != 0

cdef inline void schedule(arena_t *a) noexcept nogil:
    """The caller waits, returns to the program, or can go on only by reclaiming itself: kswapd runs if it was woken, and kcompactd."""
    if (kswapd_is_woken(a.m) or a.m.compaction.kcompactd_woken) and a.wakeup_kswapd != NULL:
        a.wakeup_kswapd(a, NO_ZONE, 0, 0, 0)
