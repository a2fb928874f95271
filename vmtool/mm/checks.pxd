# cython: language_level=3
"""What every room of fsck has: a table of its checks, and whom it tells. (The C library's, vmtool/libc/heap_fsck, knows none of mm's.)"""

from libc.stdint cimport uint32_t, uint64_t

# One broken promise: the check's name, and what it is about (a frame, a record, what was expected ...: see the sentence).
ctypedef void (*fsck_report_fn)(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil

cdef struct fsck_check_t:
    const char *name
    const char *text  # one sentence; {0} and {1} stand for the two numbers

cdef inline const fsck_check_t *nth_check(const fsck_check_t *checks, uint32_t nr, uint32_t i) noexcept nogil:
    """NULL behind the last."""
    return &checks[i] if i < nr else NULL
