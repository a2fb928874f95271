# cython: language_level=3
"""The part of the door that the outside world needs: open files by number, special files, areas as they are."""

from vmtool._state cimport State
from vmtool.mm.types cimport idx_t

cdef idx_t open_number(State self, file) except 0
cdef idx_t make_inode(State self, path, size, dev, inode, kind) except 0
