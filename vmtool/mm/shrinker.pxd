# cython: language_level=3
"""Level 10. Objects that can be had again: dentries and inodes of files that nobody uses. Counterpart: Linux v6.18 mm/shrinker.c, fs/super.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef uint64_t shrink_slab(arena_t *a, int priority, bint kswapd) noexcept nogil  # pages of slabs that became free
