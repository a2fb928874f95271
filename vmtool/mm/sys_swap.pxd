# cython: language_level=3
"""swapon() and swapoff(). Counterpart: Linux v6.18 mm/swapfile.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int sys_swapon(arena_t *a, uint64_t nr_bytes, int prio, bint rotational, bint file) noexcept nogil  # prio -1: below all others. The type, or -errno
cdef int sys_swapoff(arena_t *a, uint32_t type) noexcept nogil  # 0 or -errno; then the area is on as before
