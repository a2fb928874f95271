# cython: language_level=3
"""The end of a file's fault: entries that map pages of the cache, around the fault and for it.

Counterpart: Linux v6.18 mm/filemap.c:filemap_map_pages(), mm/memory.c:do_fault_around(), set_pte_range(), finish_fault().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    MOST_AROUND = 16  # pages of 64K: of 4K, the smallest

cdef struct around_t:  # faults of one area in one table: entry i maps page first + i of the file
    idx_t v
    idx_t file
    idx_t inode
    idx_t mm
    pfn_t table
    uint32_t nr_entries  # of the table
    uint32_t from_entry  # of the area's
    uint32_t to_entry
    uint32_t nr_around  # pages
    int rss_kind  # -1: what is mapped is not counted
    int64_t first  # page of entry 0: below 0 when the area begins late in its table
    vaddr_t base  # address of entry 0
    uint64_t end  # of the file, or where its pages are still being read
    pte_t bits  # of an entry, without its page
    bint is_plain  # what is mapped is counted, and not locked
    const pfn_t *leaf  # of the file's index, that of the last window; NULL: none, or not one without shadows
    uint64_t leaf_first  # its first page
    uint64_t fault  # of the present fault: its page
    uint64_t from_page  # its window
    uint64_t to_page
    uint32_t nr_mapped
    uint32_t nr_seen  # of folios that are not PG_workingset
    bint hit  # the page that faulted was mapped

cdef enum:  # of what is set: for a read, mapped around, for a write
    SET_READ
    SET_OLD
    SET_WRITE

# One page of the cache (or [vdso]) into an empty entry: rmap, mlock; rss is counted by count_file_rss(). how: SET_.
cdef void set_file_pte(arena_t *a, idx_t v, pfn_t pfn, pfn_t table, uint32_t index, uint32_t how) noexcept nogil
# so many pages were mapped. Counts: MM_FILEPAGES or MM_SHMEMPAGES
cdef void count_file_rss(arena_t *a, const vma_t *area, int64_t nr_pages) noexcept nogil
# Map what is cached around addr; *table (0: none yet) is made where that is allowed. Pages from in_flight on are not read yet (NOT_IN_FLIGHT).
# True: addr itself was mapped.
cdef bint do_fault_around(arena_t *a, idx_t v, vaddr_t addr, pfn_t *table, uint32_t index, uint64_t in_flight) noexcept nogil
# The same where addr's page is a single one of the cache, up to date, and the table is there. False: another case, nothing is changed.
cdef bint do_fault_around_single(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil
# The same for faults of one table one after another, where nothing else is done meanwhile: opened at one of its entries, which index addr's page.
cdef void around_open(arena_t *a, around_t *k, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint64_t in_flight) noexcept nogil
cdef bint fault_around_next(arena_t *a, around_t *k, uint32_t index) noexcept nogil
# Map the page that the fault asked for, with the rest of its folio where it fits. Returns 0 or VM_FAULT_OOM.
cdef uint32_t finish_fault(arena_t *a, idx_t v, vaddr_t addr, pfn_t page, pfn_t *table, uint32_t index, bint write) noexcept nogil
