# cython: language_level=3
"""Files and file I/O: the lower half of the door that changes things."""

from vmtool._state cimport State
from vmtool.mm.types cimport idx_t

cdef idx_t runnable(State self, pid) except 0
cdef idx_t on_cpu(State self, pid) except 0
cdef idx_t enter(State self, pid) except 0
cdef int check_panic(State self) except -1
cdef int settle(State self) except -1
cdef object result(State self, long long value)
cdef idx_t inode_of(State self, path) except 0
