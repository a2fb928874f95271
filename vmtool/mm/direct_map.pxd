# cython: language_level=3
"""How large the pages are that map all of memory for the kernel: /proc/meminfo's DirectMap lines."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void direct_map_kb(arena_t *a, uint64_t *kb) noexcept nogil  # x86's direct_pages_count[], in kB, by the level of the entries: three
