# cython: language_level=3
"""What must hold of pools, whatever stands in their records. Looks at everything, changes nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.checks cimport fsck_check_t, fsck_report_fn
from vmtool.mm.types cimport *

cdef void fsck_records(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil  # the first of the two numbers is a pool's
cdef const fsck_check_t *fsck_records_check(uint32_t i) noexcept nogil  # the i-th; NULL behind the last
