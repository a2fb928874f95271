# cython: language_level=3
"""Invariants of files and of the page cache."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# One call a broken invariant: its name, and two numbers that say where (which, the table in fsck_cache.pyx tells).
ctypedef void (*fsck_report_fn)(void *ctx, const char *name, uint64_t a, uint64_t b) noexcept nogil

cdef void fsck_cache(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const char *fsck_cache_name(uint32_t i) noexcept nogil  # the i-th name; NULL behind the last
cdef const char *fsck_cache_text(uint32_t i) noexcept nogil  # one sentence; {0} and {1} stand for the two numbers
