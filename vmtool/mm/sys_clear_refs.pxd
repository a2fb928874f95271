# cython: language_level=3
"""Level sys_. What a number written to /proc/PID/clear_refs does."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int clear_refs(arena_t *a, idx_t mm, int64_t what) noexcept nogil  # 0, -EINVAL
