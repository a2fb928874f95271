# cython: language_level=3
"""_int_free() and malloc_consolidate()."""

from vmtool.libc.words cimport libc_t
from vmtool.mm.types cimport vaddr_t

cdef void int_free(libc_t *l, vaddr_t av, vaddr_t p, bint have_lock) noexcept nogil
cdef void malloc_consolidate(libc_t *l, vaddr_t av) noexcept nogil
