# cython: language_level=3
"""What must hold of frames, free lists, LRU lists, slabs and page tables. Looks at everything, changes nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# One broken promise: the check's name, and what it is about (a frame, a record, what was expected ...: see the sentence).
ctypedef void (*fsck_report_fn)(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil

cdef void fsck_phys(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const char *fsck_phys_name(uint32_t i) noexcept nogil  # of the i-th check; NULL behind the last
cdef const char *fsck_phys_text(uint32_t i) noexcept nogil  # one sentence; {0} and {1} stand for the two numbers
