# cython: language_level=3
"""Heaps of threads: mappings of 64 MB aligned to 64 MB, of which only the beginning is accessible; an arena lies in its first one."""

from libc.stdint cimport uint64_t

from vmtool.libc.layout cimport HEAP_AR_PTR, HEAP_MAX_SIZE, NON_MAIN_ARENA
from vmtool.libc.words cimport ld64, libc_t
from vmtool.mm.types cimport vaddr_t

# a heap's beginning; 0: no memory, or size is more than a heap
cdef vaddr_t new_heap(libc_t *l, uint64_t size, uint64_t top_pad) noexcept nogil
# by diff bytes, whole pages; false: it would be too large, or mprotect() failed
cdef bint grow_heap(libc_t *l, vaddr_t heap, uint64_t diff) noexcept nogil
# the top of an arena shrinks, heaps that are empty go; false: the top did not shrink
cdef bint heap_trim(libc_t *l, vaddr_t av, uint64_t pad) noexcept nogil

cdef inline vaddr_t heap_for_ptr(vaddr_t p) noexcept nogil:
    return p & ~<uint64_t>(HEAP_MAX_SIZE - 1)

cdef inline vaddr_t arena_for_chunk(libc_t *l, vaddr_t p, uint64_t size_word) noexcept nogil:
    return ld64(l, heap_for_ptr(p) + HEAP_AR_PTR) if size_word & NON_MAIN_ARENA else l.main_arena
