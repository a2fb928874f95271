# cython: language_level=3
"""The read-only half of the door that concerns one process."""

from vmtool._state cimport State
from vmtool.mm.types cimport idx_t

cdef class Space(State):
    cdef idx_t find(self, pid) except 0
    cdef idx_t find_mm(self, pid) except 0
    cdef object vma_record(self, idx_t v)
    cdef object path_of(self, idx_t inode)
    cdef object peek(self, idx_t mm, start, end)
