# cython: language_level=3
"""Kernel memory: kmalloc, vmalloc, pages, and back; by hand, or kept by another room."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The record of what was allocated: an object up to 8K, beyond it whole pages. gfp: GFP_ bits. 0: no memory, or more than a block.
# Counts, beyond 8K: NR_SLAB_UNRECLAIMABLE_B.
cdef idx_t kmalloc(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil
cdef idx_t vmalloc(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil  # single pages; 0: no memory, or size is 0 or more than RAM
cdef idx_t alloc_pages_by_hand(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil  # 0: no memory, or order is more than a block's
# What begins at an address and is one of these kinds (bits 1 << kind), 0: nothing.
cdef idx_t kmem_find(arena_t *a, uint64_t address, uint32_t kinds) noexcept nogil
# beyond a page, by vmalloc() what cannot be had in one piece; 0: no memory
cdef idx_t kvmalloc(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil
cdef void kmem_keep(arena_t *a, idx_t i, idx_t *list) noexcept nogil  # from what was asked for by hand to the list of who keeps it
cdef void kmem_free_kept(arena_t *a, idx_t *list) noexcept nogil  # all of them; the list is empty then
cdef void kmem_free(arena_t *a, idx_t i) noexcept nogil  # of those that were asked for by hand
