# cython: language_level=3
"""What must hold of pools, whatever stands in their records. Looks at everything, changes nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

ctypedef void (*fsck_report_fn)(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil

cdef void fsck_records(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil  # the first of the two numbers is a pool's
cdef const char *fsck_records_name(uint32_t i) noexcept nogil  # of the i-th check; NULL behind the last
cdef const char *fsck_records_text(uint32_t i) noexcept nogil  # one sentence; {0} stands for the pool's name, {1} for the second number
