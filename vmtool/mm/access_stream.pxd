# cython: language_level=3
"""The loop over a trace of accesses."""

from vmtool.mm.access cimport siginfo_t
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# nr packed records of u64 address, u32 size, u32 access kind, in order; stops at a signal, nr_done before it.
cdef int access_stream(arena_t *a, idx_t task, const unsigned char *records, uint64_t nr, siginfo_t *info, uint64_t *nr_done) noexcept nogil
