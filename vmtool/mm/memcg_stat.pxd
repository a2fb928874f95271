# cython: language_level=3
"""memory.stat of a control group, line by line.

Counterpart: Linux v6.18 mm/memcontrol.c: memory_stats[], memcg_vm_event_stat[], memory_stat_format().
"""

from libc.stdint cimport int64_t, uint32_t

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef uint32_t memory_stat_count() noexcept nogil
cdef const char *memory_stat_name(uint32_t line) noexcept nogil
cdef int64_t memory_stat_value(arena_t *a, idx_t memcg, uint32_t line) noexcept nogil  # of the group and those below; 0: the root's
