# cython: language_level=3
"""What must hold of LRU lists, their counters, and the batches in front of them. Looks at everything, changes nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

ctypedef void (*fsck_report_fn)(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil

cdef void fsck_lru(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const char *fsck_lru_name(uint32_t i) noexcept nogil  # of the i-th check; NULL behind the last
cdef const char *fsck_lru_text(uint32_t i) noexcept nogil  # one sentence; {0} and {1} stand for the two numbers
