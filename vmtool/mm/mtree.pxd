# cython: language_level=3
"""Maple trees as ranges. vma_iter.pxd is what address spaces call."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# From the first to the last address, both inclusive; entry 0: nothing is there.
cdef void mtree_store(arena_t *a, idx_t *root, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil
