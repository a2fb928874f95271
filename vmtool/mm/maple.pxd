# cython: language_level=3
"""Nodes of maple trees: the way down, splitting and rebalancing. mtree.pxd stores."""

from vmtool.mm.arena cimport arena_t, rec_at, rec_mut
from vmtool.mm.types cimport *

cdef enum:
    MAPLE_MAX = 0xFFFFFFFFFFFFFFFF
    MAPLE_DEPTH = 16
    BIG = 40  # ranges of up to three nodes
    MIN_LEAF = 6  # mt_min_slots: a leaf has more ranges than so many ...
    MIN_ARANGE = 4  # ... and a node above more children

cdef struct big_node_t:  # what does not fit one node yet
    uint32_t n
    uint32_t is_leaf
    uint64_t pivot[BIG]
    uint32_t slot[BIG]

cdef struct path_t:  # from the root (0) to a leaf (depth)
    int depth
    idx_t node[MAPLE_DEPTH]
    uint32_t offset[MAPLE_DEPTH]

cdef idx_t node_alloc(arena_t *a, bint is_leaf) noexcept nogil  # without ranges. 0: no memory, and arena.err is set
cdef void node_set(arena_t *a, idx_t i, const big_node_t *b, uint32_t first, uint32_t last) noexcept nogil  # b's ranges first..last are the node's
cdef void node_renew(arena_t *a, idx_t i) noexcept nogil  # it changed: for the kernel it is a new one
cdef void big_add(big_node_t *b, uint64_t pivot, uint32_t slot) noexcept nogil
cdef void big_copy(arena_t *a, big_node_t *b, idx_t i, uint32_t first, uint32_t end) noexcept nogil  # ranges first..end-1 of a node, at the end
cdef void big_prepend(arena_t *a, big_node_t *b, idx_t i) noexcept nogil  # all of a node's, in front
cdef void descend(arena_t *a, idx_t root, uint64_t at, path_t *p) noexcept nogil
cdef uint64_t range_min(arena_t *a, const path_t *p) noexcept nogil  # the first address of the range that the path leads to
cdef bint step(arena_t *a, path_t *p, int depth, int way) noexcept nogil  # to the next (1) or previous (-1) node of this depth; False: there is none
cdef void split(arena_t *a, idx_t *root, path_t *p, big_node_t *b) noexcept nogil  # b, too large, is what the leaf is to be
cdef void rebalance(arena_t *a, idx_t *root, path_t *l, path_t *r, big_node_t *b) noexcept nogil  # b is to be all from l's leaf to r's
cdef void mtree_free(arena_t *a, idx_t *root) noexcept nogil

cdef inline maple_node_t *maple_at(arena_t *a, idx_t i) noexcept nogil:
    return <maple_node_t *>rec_at(a, POOL_MAPLE, i)

cdef inline maple_node_t *maple_mut(arena_t *a, idx_t i) noexcept nogil:
    return <maple_node_t *>rec_mut(a, POOL_MAPLE, i)

cdef inline uint32_t nr_of(const maple_node_t *n) noexcept nogil:
    """Its ranges, also of a damaged file's node."""
    return min(max(n.nr, <uint32_t>1), <uint32_t>MAPLE_RANGE64_SLOTS)

cdef inline uint64_t node_max(arena_t *a, idx_t i) noexcept nogil:
    return maple_at(a, i).pivot[nr_of(maple_at(a, i)) - 1]
