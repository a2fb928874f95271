# cython: language_level=3
"""What must hold of LRU lists, their counters, and the batches in front of them. Looks at everything, changes nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.checks cimport fsck_check_t, fsck_report_fn
from vmtool.mm.types cimport *

cdef void fsck_lru(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const fsck_check_t *fsck_lru_check(uint32_t i) noexcept nogil  # the i-th; NULL behind the last
