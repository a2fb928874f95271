# cython: language_level=3
"""swapon() and swapoff(). Counterpart: Linux v6.18 mm/swapfile.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# prio: 0 to 32767, -1: below all others. The type; -EINVAL: not even a header and a page, or more than there is; -EPERM: no type is left;
# -ENOMEM: no memory to manage it with. Counts: nr_swap_pages, total_swap_pages.
cdef int sys_swapon(arena_t *a, uint64_t nr_bytes, int prio, bint rotational, bint file) noexcept nogil
# 0; -EINVAL: it is not on; -ENOMEM: overcommit forbids it, or no room for what it holds, and the area is on as before. Counts: PSWPIN,
# nr_swap_pages, total_swap_pages.
cdef int sys_swapoff(arena_t *a, uint32_t type) noexcept nogil
