# cython: language_level=3
"""Memory pressure: swap areas, reclaim by hand, the kernel's log, control groups."""

from vmtool._processes cimport Processes
from libc.stdint cimport uint32_t
from vmtool.mm.types cimport idx_t

cdef class Reclaim(Processes):
    cdef idx_t group_of(self, name) except 0
    cdef str swap_path(self, uint32_t type)
