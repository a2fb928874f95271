# cython: language_level=3
"""The pools that huge pages come from, one for each size: what is there, free, promised, above the number that was asked for.

Counterpart: Linux v6.18 mm/hugetlb.c: set_max_huge_pages(), hugetlb_acct_memory(), dequeue_hugetlb_folio(), free_huge_folio(), demote_pool_huge_page().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void set_max_huge_pages(arena_t *a, uint32_t h, uint64_t count) noexcept nogil  # nr_hugepages: as many as memory gives
# Up to `count` free pages that are not promised become pages of the next smaller size. 0, -EINVAL: none is smaller.
cdef int demote_huge_pages(arena_t *a, uint32_t h, uint64_t count) noexcept nogil
cdef int demote_target(arena_t *a, uint32_t h) noexcept nogil  # the pool that these go to; -1: none

cdef bint hugetlb_may_reserve(arena_t *a, uint32_t h, uint64_t nr) noexcept nogil  # whether the pool, and what may be above it, can promise so many more
# promise them, from above the pool where need be. 0, -ENOMEM: not all, and none is
cdef int hugetlb_acct_memory(arena_t *a, uint32_t h, uint64_t nr) noexcept nogil
cdef void hugetlb_unacct_memory(arena_t *a, uint32_t h, uint64_t nr) noexcept nogil  # the promise ends

cdef pfn_t dequeue_hugetlb_folio(arena_t *a, uint32_t h) noexcept nogil  # a free one off the pool's list; 0: there is none
# one above the pool, on no list; 0: none may be, or no memory
cdef pfn_t alloc_surplus_hugetlb_folio(arena_t *a, uint32_t h) noexcept nogil
# to the pool, or, where that has too many, to the buddy system. Preconditions: nothing maps it and no file has it
cdef void free_huge_folio(arena_t *a, uint32_t h, pfn_t head) noexcept nogil
