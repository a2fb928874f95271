# cython: language_level=3
"""The part of the door through which a process comes in as it is on another machine."""

from vmtool._outside cimport Outside
from vmtool.mm.types cimport idx_t, mm_t

cdef class Adopt(Outside):
    cdef idx_t adopt_file(self, area, dict files, sizes) except 0
    cdef int adopt_area(self, idx_t mm, area, idx_t file) except -1
    cdef idx_t area_of(self, pid, addr, nr) except 0
    cdef idx_t area_at(self, pid, addr)
