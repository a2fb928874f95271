# cython: language_level=3
"""The read-only half of the door that concerns one process."""

from vmtool._state cimport State
from vmtool.mm.types cimport idx_t

cdef object vma_record(State self, idx_t v)
