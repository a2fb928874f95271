# cython: language_level=3
"""Level 12. Compaction: movable folios go to the end of their zone, so that free frames lie together. Counterpart: Linux v6.18 mm/compaction.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void compact_nodes(arena_t *a) noexcept nogil  # vm.compact_memory: every zone, whole
