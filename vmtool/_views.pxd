# cython: language_level=3
"""The read-only half of the door that concerns the whole machine."""

from vmtool._state cimport State
from vmtool.mm.types cimport idx_t

cdef object path_of(State self, idx_t inode)
