# cython: language_level=3
"""The index of a file: a radix tree of 64-slot nodes from a page offset to a 32-bit value, with three marks.

Two trees of each inode use it: the page cache (value: pfn) and the disk's blocks (value: content). A value of 0 is "nothing there".
Counterpart: Linux v6.18 lib/xarray.c, as mm/filemap.c uses it.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum xmark:  # PAGECACHE_TAG_
    XMARK_DIRTY = 0
    XMARK_WRITEBACK = 1
    XMARK_TOWRITE = 2

# The kernel object behind each node (a radix_tree_node of the slab, which is above this room). NULL instead of the struct:
# nodes take none. A tree that holds index 0 alone has no object, as an xarray keeps that entry in its head.
cdef struct xnode_ops_t:
    uint64_t (*alloc)(arena_t *a) noexcept nogil  # 0: no memory
    void (*free)(arena_t *a, uint64_t obj) noexcept nogil
    void (*shadows_only)(arena_t *a, int delta) noexcept nogil  # one node more, or less, that holds nothing but shadows

cdef inline uint32_t lowest_bit(uint64_t bits) noexcept nogil:
    """The number of the lowest bit set; bits is not 0."""
    cdef uint32_t n = 0
    if not bits & <uint32_t>0xFFFFFFFF:
        n = 32
    if not bits >> n & 0xFFFF:
        n += 16
    if not bits >> n & 0xFF:
        n += 8
    while not bits >> n & 1:
        n += 1
    return n

cdef uint32_t xnode_get(arena_t *a, idx_t root, uint64_t index) noexcept nogil  # 0: nothing there
# Store; 0 erases it with its marks, and frees nodes that become empty. 0, -ENOMEM: nothing is stored; erasing needs none.
cdef int xnode_set(arena_t *a, idx_t *root, uint64_t index, uint32_t value, const xnode_ops_t *ops) noexcept nogil
# Leave a shadow where a value was (0: as xnode_set(..., 0)): it keeps its node, is no value to anybody else, and goes with the next store, which
# needs no memory. Its marks are the caller's to clear first.
cdef void xnode_set_shadow(arena_t *a, idx_t *root, uint64_t index, uint32_t shadow, const xnode_ops_t *ops) noexcept nogil
cdef uint32_t xnode_get_shadow(arena_t *a, idx_t root, uint64_t index) noexcept nogil  # 0: none
cdef uint32_t xnode_next_shadow(arena_t *a, idx_t root, uint64_t *index, uint64_t last) noexcept nogil  # as xnode_next()
cdef void xnode_clear_shadows(arena_t *a, idx_t *root, uint64_t first, uint64_t last, const xnode_ops_t *ops) noexcept nogil
cdef void xnode_get_range(arena_t *a, idx_t root, uint64_t first, uint32_t nr, uint32_t *out) noexcept nogil  # the values of nr indexes in a row
# The 64 slots that the index is among, to be read before anything is stored; NULL: there is no such leaf, or it has shadows.
cdef const uint32_t *xnode_get_leaf(arena_t *a, idx_t root, uint64_t index) noexcept nogil
# The first value at or after *index, up to `last` inclusive; sets *index. 0: none.
cdef uint32_t xnode_next(arena_t *a, idx_t root, uint64_t *index, uint64_t last) noexcept nogil
cdef uint32_t xnode_next_marked(arena_t *a, idx_t root, uint64_t *index, uint64_t last, int mark) noexcept nogil
# Marks of an index that has a value (else nothing happens, and has_mark is false).
cdef void xnode_set_mark(arena_t *a, idx_t root, uint64_t index, int mark) noexcept nogil
cdef void xnode_clear_mark(arena_t *a, idx_t root, uint64_t index, int mark) noexcept nogil
cdef bint xnode_has_mark(arena_t *a, idx_t root, uint64_t index, int mark) noexcept nogil
cdef bint xnode_any_mark(arena_t *a, idx_t root, int mark) noexcept nogil  # mapping_tagged()
# Free every node; what the values name is the caller's (walk them with xnode_next first).
cdef void xnode_free_all(arena_t *a, idx_t *root, const xnode_ops_t *ops) noexcept nogil
