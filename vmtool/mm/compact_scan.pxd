# cython: language_level=3
"""The migrate scanner of compaction: folios that can move, from the start of a zone.

Counterpart: Linux v6.18 mm/compaction.c: isolate_migratepages().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.compact_free cimport compact_control_t
from vmtool.mm.types cimport *

cdef bint isolate_migratepages(arena_t *a, compact_control_t *c) noexcept nogil  # some were
