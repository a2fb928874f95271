# cython: language_level=3
"""Invariants of files and of the page cache."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.checks cimport fsck_check_t, fsck_report_fn
from vmtool.mm.types cimport *

# One call a broken invariant: its name, and two numbers that say where (which, the table in fsck_cache.pyx tells).
cdef void fsck_cache(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const fsck_check_t *fsck_cache_check(uint32_t i) noexcept nogil  # the i-th; NULL behind the last
