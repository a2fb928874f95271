# cython: language_level=3
"""When nothing can be reclaimed: who goes. Counterpart: Linux v6.18 mm/oom_kill.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    OOM_SCORE_ADJ_MIN = -1000
    OOM_SCORE_ADJ_MAX = 1000

# The out_of_memory hook: picks a process (of a group: memcg), tells the log, and lets it exit, unless it is the one that asks.
cdef uint32_t out_of_memory(arena_t *a, idx_t memcg, uint32_t order, uint32_t gfp) noexcept nogil
cdef int64_t oom_badness(arena_t *a, const task_t *t, uint64_t totalpages, bint *eligible) noexcept nogil  # pages
# Of the whole process. 0, -EINVAL: beyond -1000 to 1000; -EACCES: below what one with CAP_SYS_RESOURCE set last, without it.
cdef int set_oom_score_adj(arena_t *a, idx_t task, int64_t value, bint is_capable) noexcept nogil
