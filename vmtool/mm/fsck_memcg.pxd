# cython: language_level=3
"""What must hold of control groups: who pays for what, and that their counters say so. Looks at everything, changes nothing but an older file."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

ctypedef void (*fsck_report_fn)(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil

cdef void memcg_upgrade(arena_t *a) noexcept nogil  # counters of an older file's groups, summed up from what they pay for
cdef void fsck_memcg(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const char *fsck_memcg_name(uint32_t i) noexcept nogil  # of the i-th check; NULL behind the last
cdef const char *fsck_memcg_text(uint32_t i) noexcept nogil  # one sentence; {0} and {1} stand for the two numbers
