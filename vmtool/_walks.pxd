# cython: language_level=3
"""The read-only half of the door that concerns the processor: walks, physical memory."""

from vmtool._state cimport State
from vmtool.mm.types cimport idx_t, pfn_t

cdef idx_t find(State self, pid) except 0
cdef idx_t find_mm(State self, pid) except 0
cdef pfn_t top_table(State self, idx_t mm, root) except? 0
