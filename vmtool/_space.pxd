# cython: language_level=3
"""The read-only half of the door that concerns one process."""

from libc.stdint cimport uint32_t, uint64_t

from vmtool._views cimport Views
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport idx_t, mm_t, vaddr_t, vma_t

ctypedef uint64_t (*word_fn)(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil

cdef class Space(Views):
    cdef object vma_record(self, idx_t v)
    cdef bint is_unnamed(self, const vma_t *area, const mm_t *m, uint32_t release)
    cdef object words_of(self, idx_t mm, uint64_t addr, uint64_t length, word_fn word)
    cdef object peek_range(self, idx_t mm, start, end)
    cdef object gate_vma(self, idx_t mm)
