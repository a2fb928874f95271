# cython: language_level=3
"""mallopt(), and GLIBC_TUNABLES or MALLOC_… in the program's environment."""

from libc.stdint cimport uint64_t

from vmtool.libc.words cimport libc_t

cdef enum:  # set_tunable()
    TUNABLE_SET
    TUNABLE_OUT_OF_RANGE  # the library ignores it
    TUNABLE_UNKNOWN

# 1: accepted, also of an unknown parameter; 0: no such value. Precondition: ptmalloc_init() was called
cdef int libc_mallopt(libc_t *l, int param, int value) noexcept nogil
cdef int set_tunable(libc_t *l, const char *name, uint64_t len, const char *value, uint64_t value_len) noexcept nogil
cdef void tunables_init(libc_t *l) noexcept nogil
