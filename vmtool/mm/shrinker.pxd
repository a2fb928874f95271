# cython: language_level=3
"""What can be had again: unmapped pages of large folios, dentries and inodes of files that nobody uses. Counterpart: Linux v6.18 mm/shrinker.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void drop_deferred(arena_t *a) noexcept nogil  # of drop_slab(): all that is partly mapped is split
cdef uint64_t shrink_slab(arena_t *a, idx_t memcg, int priority) noexcept nogil  # of a group, 0: of the machine; pages of slabs that became free
