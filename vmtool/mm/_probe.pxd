# cython: language_level=3
"""For tests only: what a Probe owns."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef class Probe:
    cdef arena_t a
    cdef idx_t root  # of the index under test
    cdef idx_t mm  # of the space under test
