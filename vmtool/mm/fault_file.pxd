# cython: language_level=3
"""The end of a file's fault: entries that map pages of the cache, around the fault and for it.

Counterpart: Linux v6.18 mm/filemap.c:filemap_map_pages(), mm/memory.c:do_fault_around(), set_pte_range(), finish_fault().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# One page of the cache (or [vdso]) into an empty entry: rmap, mlock; count_file_rss() counts what was mapped.

cdef enum:  # of what is set: for a read, mapped around, for a write
    SET_READ
    SET_OLD
    SET_WRITE

cdef void set_file_pte(arena_t *a, idx_t v, pfn_t pfn, pfn_t table, uint32_t index, uint32_t how) noexcept nogil
cdef void count_file_rss(arena_t *a, const vma_t *area, int64_t nr_pages) noexcept nogil
# Map what is cached around addr; *table (0: none yet) is made where that is allowed. Pages from in_flight on are not read yet (NOT_IN_FLIGHT).
# True: addr itself was mapped.
cdef bint do_fault_around(arena_t *a, idx_t v, vaddr_t addr, pfn_t *table, uint32_t index, uint64_t in_flight) noexcept nogil
# The same where addr's page is a single one of the cache, up to date, and the table is there. False: another case, nothing is changed.
cdef bint do_fault_around_single(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil
# Map the page that the fault asked for, with the rest of its folio where it fits. Returns 0 or VM_FAULT_OOM.
cdef uint32_t finish_fault(arena_t *a, idx_t v, vaddr_t addr, pfn_t page, pfn_t *table, uint32_t index, bint write) noexcept nogil
