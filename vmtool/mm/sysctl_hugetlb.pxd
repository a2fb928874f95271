# cython: language_level=3
"""/sys/kernel/mm/hugepages: the pool of each size of huge pages, as rows of the table of parameters."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # what a pool's directory has
    NR_HUGEPAGES
    NR_HUGEPAGES_MEMPOLICY
    NR_OVERCOMMIT_HUGEPAGES
    FREE_HUGEPAGES
    RESV_HUGEPAGES
    SURPLUS_HUGEPAGES
    DEMOTE  # written only
    DEMOTE_SIZE  # kB
    NR_HSTATE_ATTRS

cdef enum:
    NR_HSTATE_SIZES = 7
    NR_HSTATE_ROWS = NR_HSTATE_SIZES * NR_HSTATE_ATTRS

cdef const char *hstate_row_name(uint32_t row) noexcept nogil  # hugepages/hugepages-2048kB/nr_hugepages
cdef bint hstate_row_exists(arena_t *a, uint32_t row) noexcept nogil  # the machine has such a pool, and it such a file
cdef int hstate_row_attr(uint32_t row) noexcept nogil
cdef int64_t hstate_row_get(arena_t *a, uint32_t row) noexcept nogil
cdef bint hstate_row_takes(arena_t *a, uint32_t row, int64_t value) noexcept nogil
cdef void hstate_row_set(arena_t *a, uint32_t row, int64_t value) noexcept nogil  # Preconditions: it takes the value
