# cython: language_level=3
"""malloc(), calloc(), realloc(), free(), memalign() and what else <malloc.h> has, as the program calls them."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport idx_t, vaddr_t

# Precondition of all but libc_enter(): it was called for this task, and l.env is set (words.pxd). A block is its address; 0: NULL, no memory.

cdef void libc_enter(libc_t *l, arena_t *a, idx_t task) noexcept nogil  # before each use of the heap of a task
cdef vaddr_t libc_malloc(libc_t *l, uint64_t bytes) noexcept nogil  # the block; 0: no memory
cdef void libc_free(libc_t *l, vaddr_t mem) noexcept nogil  # of a block of these, or 0; anything else may be the process's end
# the block, moved or not; 0: no memory, and mem is as it was, or bytes is 0, and it is free
cdef vaddr_t libc_realloc(libc_t *l, vaddr_t mem, uint64_t bytes) noexcept nogil
# n * size bytes of zeros; 0: no memory, or the product is too large
cdef vaddr_t libc_calloc(libc_t *l, uint64_t n, uint64_t size) noexcept nogil
# alignment becomes a power of two; 0: no memory, or no such alignment
cdef vaddr_t libc_memalign(libc_t *l, uint64_t alignment, uint64_t bytes) noexcept nogil
cdef uint64_t libc_usable_size(libc_t *l, vaddr_t mem) noexcept nogil  # 0 of 0
cdef int libc_trim(libc_t *l, uint64_t pad) noexcept nogil  # 1: memory went back to the kernel, else 0
cdef void libc_thread_exit(libc_t *l) noexcept nogil  # its tcache is emptied, its arena left to others
cdef void ptmalloc_init(libc_t *l) noexcept nogil  # at the first call of malloc; later it does nothing
