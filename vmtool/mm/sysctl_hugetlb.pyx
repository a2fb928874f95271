# cython: language_level=3
"""Settings and counts of the pools of huge pages.

    hugepages/hugepages-2048kB/     nr_hugepages nr_hugepages_mempolicy nr_overcommit_hugepages free_hugepages resv_hugepages surplus_hugepages
    hugepages/hugepages-1048576kB/  these, and demote, demote_size: where a pool has smaller pages
Counterpart: Linux v6.18 mm/hugetlb.c: hstate_attrs, hstate_demote_attrs.
Simplified: demote_size takes no other size than the next smaller one.
"""

from libc.stdio cimport snprintf

from vmtool.mm.hstate cimport hstate_at, hstate_is_gigantic, huge_page_size, nr_resv, size_to_hstate
from vmtool.mm.hugetlb_pool cimport demote_huge_pages, demote_target, set_max_huge_pages

cdef enum:
    MOST_CHARS = 64
    MOST_PAGES = 0x7FFFFFFF

cdef uint32_t KB[NR_HSTATE_SIZES]  # all that some architecture has
KB[:] = [64, 2048, 4096, 32768, 524288, 1048576, 16777216]
cdef const char *ATTRS[NR_HSTATE_ATTRS]
ATTRS[:] = [b"nr_hugepages", b"nr_hugepages_mempolicy", b"nr_overcommit_hugepages", b"free_hugepages", b"resv_hugepages", b"surplus_hugepages",
            b"demote", b"demote_size"]
cdef char NAMES[NR_HSTATE_ROWS][MOST_CHARS]


cdef void make_names() noexcept nogil:
    cdef uint32_t row
    for row in range(NR_HSTATE_ROWS):
        snprintf(NAMES[row], MOST_CHARS, b"hugepages/hugepages-%ukB/%s", KB[row // NR_HSTATE_ATTRS], ATTRS[row % NR_HSTATE_ATTRS])
make_names()


cdef inline int pool_of(arena_t *a, uint32_t row) noexcept nogil:
    return size_to_hstate(&a.m.arch, <uint64_t>KB[row // NR_HSTATE_ATTRS] << 10)


cdef const char *hstate_row_name(uint32_t row) noexcept nogil:
    return NAMES[row]


cdef int hstate_row_attr(uint32_t row) noexcept nogil:
    return <int>(row % NR_HSTATE_ATTRS)


cdef bint hstate_row_exists(arena_t *a, uint32_t row) noexcept nogil:
    cdef int h = pool_of(a, row)
    return h >= 0 and (hstate_row_attr(row) < DEMOTE or demote_target(a, <uint32_t>h) >= 0)


cdef int64_t hstate_row_get(arena_t *a, uint32_t row) noexcept nogil:
    cdef uint32_t h = <uint32_t>pool_of(a, row)
    cdef const hstate_t *pool = hstate_at(a, h)
    cdef int attr = hstate_row_attr(row)
    if attr == NR_HUGEPAGES or attr == NR_HUGEPAGES_MEMPOLICY:
        return pool.nr_huge_pages
    if attr == NR_OVERCOMMIT_HUGEPAGES:
        return pool.nr_overcommit_huge_pages
    if attr == FREE_HUGEPAGES:
        return pool.free_huge_pages
    if attr == RESV_HUGEPAGES:
        return nr_resv(pool)
    if attr == SURPLUS_HUGEPAGES:
        return pool.surplus_huge_pages
    return <int64_t>(huge_page_size(a, <uint32_t>demote_target(a, h)) >> 10) if attr == DEMOTE_SIZE else 0


cdef bint hstate_row_takes(arena_t *a, uint32_t row, int64_t value) noexcept nogil:
    cdef int attr = hstate_row_attr(row)
    if attr == NR_OVERCOMMIT_HUGEPAGES and hstate_is_gigantic(a, <uint32_t>pool_of(a, row)):
        return False
    if attr <= NR_OVERCOMMIT_HUGEPAGES or attr == DEMOTE:
        return 0 <= value <= MOST_PAGES
    return value == hstate_row_get(a, row)


cdef void hstate_row_set(arena_t *a, uint32_t row, int64_t value) noexcept nogil:
    cdef uint32_t h = <uint32_t>pool_of(a, row)
    cdef int attr = hstate_row_attr(row)
    if attr == NR_HUGEPAGES or attr == NR_HUGEPAGES_MEMPOLICY:
        set_max_huge_pages(a, h, <uint64_t>value)
    elif attr == NR_OVERCOMMIT_HUGEPAGES:
        hstate_at(a, h).nr_overcommit_huge_pages = <uint32_t>value
    elif attr == DEMOTE:
        demote_huge_pages(a, h, <uint64_t>value)
