# cython: language_level=3
"""The maple tree of an address space follows its areas."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int vma_iter_prealloc(arena_t *a, idx_t mm) noexcept nogil  # the nodes that the next call of one of these may need; 0 or -ENOMEM
cdef void vma_iter_store(arena_t *a, idx_t mm, idx_t v) noexcept nogil  # the area's range is the area's, whatever was there
cdef void vma_iter_clear(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil  # nothing is mapped there
# fork: a tree of the same shape; its entries are the old space's areas still, until the new ones are all there. 0, -ENOMEM: there is none.
cdef int mt_dup(arena_t *a, idx_t mm, idx_t oldmm) noexcept nogil
cdef void mt_adopt(arena_t *a, idx_t mm) noexcept nogil  # after mt_dup(), when all areas of the new space are linked: its entries are these
cdef void mt_destroy(arena_t *a, idx_t mm) noexcept nogil
