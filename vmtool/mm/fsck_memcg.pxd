# cython: language_level=3
"""What must hold of control groups: who pays for what, and that their counters say so. Looks at everything, changes nothing but an older file."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.checks cimport fsck_check_t, fsck_report_fn
from vmtool.mm.types cimport *

cdef void memcg_upgrade(arena_t *a) noexcept nogil  # counters of an older file's groups, summed up from what they pay for
cdef void fsck_memcg(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const fsck_check_t *fsck_memcg_check(uint32_t i) noexcept nogil  # the i-th; NULL behind the last
