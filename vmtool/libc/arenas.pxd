# cython: language_level=3
"""Arenas: the main one, those of threads, and which a thread uses."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef void malloc_init_state(libc_t *l, vaddr_t av) noexcept nogil
cdef vaddr_t arena_get(libc_t *l, uint64_t size) noexcept nogil  # 0: none can be had, a mapping must do
cdef vaddr_t arena_get_retry(libc_t *l, vaddr_t av, uint64_t size) noexcept nogil
cdef void arena_thread_freeres(libc_t *l) noexcept nogil
