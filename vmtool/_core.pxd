# cython: language_level=3
"""Machine: the one door to the simulated kernel."""

from vmtool._reclaim cimport Reclaim
from vmtool.mm.access cimport siginfo_t
from vmtool.mm.types cimport idx_t

cdef class Machine(Reclaim):
    cdef object after_access(self, idx_t task, int failed, const siginfo_t *info, before, bint probe)
