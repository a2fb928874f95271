# cython: language_level=3
"""The kernel's parameters (/proc/sys, /sys/kernel/mm): fields of machine_t by name, with the range that the kernel checks."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct choice_t:  # a word that a parameter may be
    const char *word
    uint32_t value

cdef uint32_t sysctl_count() noexcept nogil
cdef bint sysctl_exists(arena_t *a, uint32_t i) noexcept nogil  # on this machine: sizes depend on its pages
cdef const char *sysctl_name(uint32_t i) noexcept nogil
cdef uint32_t sysctl_values(uint32_t i) noexcept nogil  # how many numbers it has; 0: it is only written
cdef int64_t sysctl_get(arena_t *a, uint32_t i, uint32_t n) noexcept nogil  # the n-th number
cdef bint sysctl_in_range(arena_t *a, uint32_t i, int64_t value) noexcept nogil
# Sets the n-th number and does what follows from it. Preconditions: in range.
cdef void sysctl_set(arena_t *a, uint32_t i, uint32_t n, int64_t value) noexcept nogil
cdef bint sysctl_is_signed(uint32_t i) noexcept nogil  # else what is below 0 is printed as an unsigned long
cdef const char *sysctl_unit(uint32_t i) noexcept nogil  # what follows a number, mostly nothing
cdef const choice_t *sysctl_words(uint32_t i) noexcept nogil  # of a choice: its words as they are printed, NULL-ended; else NULL
