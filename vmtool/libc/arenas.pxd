# cython: language_level=3
"""Arenas: the main one, those of threads, and which a thread uses."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef void malloc_init_state(libc_t *l, vaddr_t av) noexcept nogil  # an arena's bins empty and its top none
# the thread's, or one that it has from now on. 0: no memory for one, a mapping must do
cdef vaddr_t arena_get(libc_t *l, uint64_t size) noexcept nogil
# after av had none: another one, of a thread's arena the main one. 0: no memory
cdef vaddr_t arena_get_retry(libc_t *l, vaddr_t av, uint64_t size) noexcept nogil
cdef void arena_thread_freeres(libc_t *l) noexcept nogil
