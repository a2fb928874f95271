# cython: language_level=3
"""The part of the door that the outside world needs: open files by number, special files, areas as they are."""

from vmtool._space cimport Space
from vmtool.mm.types cimport idx_t

cdef class Outside(Space):
    cdef idx_t open_number(self, file) except 0
    cdef idx_t make_inode(self, path, size, dev, inode, kind) except 0
