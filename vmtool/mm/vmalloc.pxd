# cython: language_level=3
"""The kernel's virtual memory: areas of single pages mapped one behind the other; the stacks of threads."""

from vmtool.mm.arena cimport arena_t, rec_at, rec_mut
from vmtool.mm.types cimport *

# An area of nr_pages, its pages taken and, where the format's kernel half is kept, mapped. 0: no memory.
cdef idx_t vmalloc_area(arena_t *a, uint64_t nr_pages, uint64_t align, uint32_t caller, uint32_t gfp) noexcept nogil
# An area of up to eight frames that are there already and that no table maps. 0: no memory.
cdef idx_t vmap_adopt(arena_t *a, const pfn_t *pages, uint32_t nr_pages) noexcept nogil
cdef void vfree_area(arena_t *a, idx_t area) noexcept nogil  # the pages at once, the addresses by the next purge
cdef idx_t alloc_thread_stack(arena_t *a) noexcept nogil  # one that the CPU kept, or a new one; 0: no memory
cdef void free_thread_stack(arena_t *a, idx_t area) noexcept nogil
cdef pfn_t vmap_pfn(arena_t *a, idx_t area, uint32_t index) noexcept nogil  # its index-th frame
cdef uint32_t stack_pages(const arch_t *g) noexcept nogil  # of a kernel stack
cdef bint vmap_stack(const arch_t *g) noexcept nogil  # CONFIG_VMAP_STACK: stacks are areas
cdef vaddr_t vmalloc_start(arena_t *a) noexcept nogil
cdef uint64_t vmalloc_boot_bytes(const arch_t *g) noexcept nogil  # what boot took from there on, holes among it
cdef bint vmalloc_is_mapped(arena_t *a) noexcept nogil  # whether the format's kernel half is kept, and with it the pages of areas
cdef int vmalloc_boot(arena_t *a) noexcept nogil  # the table below the top one that all spaces share; 0 or -ENOMEM

cdef inline vmap_area_t *vmap_at(arena_t *a, idx_t i) noexcept nogil:
    return <vmap_area_t *>rec_at(a, POOL_VMAP, i)

cdef inline vmap_area_t *vmap_mut(arena_t *a, idx_t i) noexcept nogil:
    return <vmap_area_t *>rec_mut(a, POOL_VMAP, i)
