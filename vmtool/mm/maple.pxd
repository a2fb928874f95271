# cython: language_level=3
"""Level 6. Maple trees: the nodes that a kernel needs for ranges. vma_iter.pxd is what address spaces call."""

from vmtool.mm.arena cimport arena_t, rec_at, rec_mut
from vmtool.mm.types cimport *

cdef enum:
    MAPLE_MAX = 0xFFFFFFFFFFFFFFFF
    MAPLE_DEPTH = 16

# From the first to the last address, both inclusive; entry 0: nothing is there.
cdef void mtree_store(arena_t *a, idx_t *root, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil
cdef void mtree_free(arena_t *a, idx_t *root) noexcept nogil
cdef idx_t node_alloc(arena_t *a, bint is_leaf) noexcept nogil  # without ranges

cdef inline maple_node_t *maple_at(arena_t *a, idx_t i) noexcept nogil:
    return <maple_node_t *>rec_at(a, POOL_MAPLE, i)

cdef inline maple_node_t *maple_mut(arena_t *a, idx_t i) noexcept nogil:
    return <maple_node_t *>rec_mut(a, POOL_MAPLE, i)
