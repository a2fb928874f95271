# cython: language_level=3
"""malloc(), calloc(), realloc(), free(), memalign() and what else <malloc.h> has, as the program calls them."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport idx_t, vaddr_t

cdef void libc_enter(libc_t *l, arena_t *a, idx_t task) noexcept nogil  # before each use of the heap of a task
cdef vaddr_t libc_malloc(libc_t *l, uint64_t bytes) noexcept nogil  # 0: NULL
cdef void libc_free(libc_t *l, vaddr_t mem) noexcept nogil
cdef vaddr_t libc_realloc(libc_t *l, vaddr_t mem, uint64_t bytes) noexcept nogil
cdef vaddr_t libc_calloc(libc_t *l, uint64_t n, uint64_t size) noexcept nogil
cdef vaddr_t libc_memalign(libc_t *l, uint64_t alignment, uint64_t bytes) noexcept nogil
cdef uint64_t libc_usable_size(libc_t *l, vaddr_t mem) noexcept nogil
cdef int libc_trim(libc_t *l, uint64_t pad) noexcept nogil
cdef void libc_thread_exit(libc_t *l) noexcept nogil
cdef void ptmalloc_init(libc_t *l) noexcept nogil
