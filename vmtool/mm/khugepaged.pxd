# cython: language_level=3
"""khugepaged as time passes, and MADV_COLLAPSE.

Counterpart: Linux v6.18 mm/khugepaged.c:khugepaged_do_scan(), khugepaged_scan_mm_slot(), madvise_collapse().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Precondition: start..end is page-aligned, within the area. 0: all huge pages that lie within are there, -EINVAL: the area can have none,
# or a page is of a kind that cannot move; -ENOMEM: no huge page; -EBUSY: a group's limit; -EAGAIN: somebody holds a page. Counts:
# THP_COLLAPSE_ALLOC, and what collapse_huge_page() moves.
cdef int madvise_collapse(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
cdef void khugepaged_until(arena_t *a, uint64_t end_us) noexcept nogil  # the logical clock goes on to then, and with it khugepaged and the flusher
