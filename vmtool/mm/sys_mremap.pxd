# cython: language_level=3
"""mremap()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef uint64_t sys_mremap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t old_len, uint64_t new_len, uint64_t flags, vaddr_t new_addr) noexcept nogil
