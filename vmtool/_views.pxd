# cython: language_level=3
"""The read-only half of the door that concerns the whole machine: TLBs, frames, counters, parameters, checks."""

from vmtool._walks cimport Walks
from vmtool.mm.show_fields cimport field_t
from vmtool.mm.types cimport idx_t, pfn_t

cdef class Views(Walks):
    cdef object path_of(self, idx_t inode)
    cdef object of_architecture(self, dict found)
    cdef object frame(self, pfn_t pfn)
    cdef object zone(self, int z, str name)
    cdef object pcp(self, int z)
    cdef char *field_bytes(self, pool, record, field, const field_t **out) except NULL
