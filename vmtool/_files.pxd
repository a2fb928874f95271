# cython: language_level=3
"""Files and file I/O: the lower half of the door that changes things."""

from vmtool._adopt cimport Adopt
from vmtool.mm.types cimport idx_t

cdef class Files(Adopt):
    cdef idx_t runnable(self, pid) except 0
    cdef idx_t on_cpu(self, pid) except 0
    cdef idx_t enter(self, pid) except 0
    cdef int check_panic(self) except -1
    cdef int settle(self) except -1
    cdef object result(self, long long value)
    cdef idx_t inode_of(self, path) except 0
    cdef idx_t task_file(self, idx_t task, idx_t inode) except 0
    cdef idx_t new_inode(self, bytes name, size, dev, inode, bint tmpfs) except 0
    cdef int fill_tmpfs(self, idx_t inode, bytes data) except -1
