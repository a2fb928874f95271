# cython: language_level=3
"""The read-only half of the door that concerns one process."""

from vmtool._views cimport Views
from vmtool.mm.types cimport idx_t

cdef class Space(Views):
    cdef object vma_record(self, idx_t v)
    cdef object peek_range(self, idx_t mm, start, end)
    cdef object gate_vma(self, idx_t mm)
