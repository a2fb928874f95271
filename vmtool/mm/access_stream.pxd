# cython: language_level=3
"""The loop over a trace of accesses."""

from vmtool.mm.access cimport siginfo_t
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# nr packed records of u64 address, u32 size, u32 access kind (ACCESS_; what is none is read as it comes), in order. Preconditions: as
# touch_page()'s. 0, or -1: a signal, and nr_done[0] accesses were done before it; else nr_done is not set.
cdef int access_stream(arena_t *a, idx_t task, const unsigned char *records, uint64_t nr, siginfo_t *info, uint64_t *nr_done) noexcept nogil
