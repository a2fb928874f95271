# cython: language_level=3
"""The page cache proper: which page of a file is in which frame, and which of them are dirty.

Counterpart: Linux v6.18 mm/filemap.c:filemap_add_folio(), filemap_remove_folio(), mm/page-writeback.c:folio_mark_dirty().
A folio has one reference for the cache (extra_refs 1), whatever its order; Linux counts one a page. A cached folio is up to date but for what
truncation left at the edge of a file that was not cached: whoever maps pages or counts them (mincore) asks page_uptodate().
"""

from vmtool.mm.arena cimport ARENA_LOOP, arena_fail, arena_t, frame_at
from vmtool.mm.frame cimport frame_index, page_folio
from vmtool.mm.types cimport *
from vmtool.mm.xnode cimport xnode_ops_t

cdef pfn_t filemap_get(arena_t *a, idx_t inode, uint64_t index) noexcept nogil  # the page (maybe a tail) at index, 0: not cached
cdef bint page_uptodate(arena_t *a, pfn_t page) noexcept nogil  # of a cached one: its bytes are the file's
# The page whose block is about to be changed; a large folio that could not be read is no such page, and leaves the cache.
cdef pfn_t filemap_get_block(arena_t *a, idx_t inode, uint64_t index) noexcept nogil
cdef pfn_t filemap_next(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil  # first cached page at or after *index, up to last; sets *index
cdef pfn_t filemap_next_dirty(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil
# The cached pages of first..first+nr-1 into out (0: not cached) with one descent a node. Whoever goes on behind one asks in_its_place() first.
cdef const pfn_t *filemap_get_leaf(arena_t *a, idx_t inode, uint64_t index) noexcept nogil  # xnode_get_leaf()
cdef void filemap_get_range(arena_t *a, idx_t inode, uint64_t first, uint32_t nr, pfn_t *out) noexcept nogil
# Gaps: the last at or before index, the first at or after it, within max_scan pages (what they give when there is none: see there).
cdef uint64_t page_cache_prev_miss(arena_t *a, idx_t inode, uint64_t index, uint64_t max_scan) noexcept nogil
cdef uint64_t page_cache_next_miss(arena_t *a, idx_t inode, uint64_t index, uint64_t max_scan) noexcept nogil
# Puts a folio into the cache and on the LRU, active when its shadow says that it was evicted not long ago. The reference that alloc_pages() gave
# becomes the cache's. Preconditions: index is a multiple of 2**order; PG_uptodate and PG_swapbacked are as they are to be. 0; -EEXIST: one of its
# places is taken; -ENOMEM: no node; then the folio is still the caller's. Counts: NR_FILE_PAGES, NR_SHMEM, *_THPS, WORKINGSET_REFAULT_*.
cdef int filemap_add(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order) noexcept nogil
# The same for one that is on the LRU already; *shadow: what an evicted page left there, else it is not set. 0, -EEXIST, -ENOMEM.
cdef int filemap_insert(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order, uint32_t *shadow) noexcept nogil
cdef void filemap_remove(arena_t *a, pfn_t head) noexcept nogil  # out of the cache, its reference dropped; dirt is forgotten
# Folios that have all of these pages but holes give way to one of that order: 0, or -ENOMEM and nothing is changed. Preconditions: off the LRU, unmapped.
cdef int filemap_collapse(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order, const pfn_t *olds, uint32_t nr) noexcept nogil
cdef void filemap_evict(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil  # the same by reclaim, which leaves a shadow
# What shared memory keeps of a page that is in swap: its slot, as a value in the page's place (0: none), where a folio comes back without memory.
cdef uint32_t filemap_swapped(arena_t *a, idx_t inode, uint64_t index) noexcept nogil
cdef uint32_t filemap_next_swapped(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil  # the first at or after *index
cdef void filemap_set_swapped(arena_t *a, idx_t inode, uint64_t index, uint32_t record) noexcept nogil  # where filemap_evict() left one; 0: forget it
cdef void filemap_forget(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # shadows of a range; not of shared memory, whose values they would be
cdef void filemap_remove_all(arena_t *a, idx_t inode) noexcept nogil  # an inode that nobody maps any more
# By a store through a mapping: PG_readahead goes. Counts, by pages, of files with a disk: NR_FILE_DIRTY, NR_ZONE_WRITE_PENDING, NR_DIRTIED;
# the task's nr_dirtied.
cdef void folio_mark_dirty(arena_t *a, pfn_t head) noexcept nogil
cdef void filemap_dirty_folio(arena_t *a, pfn_t head) noexcept nogil  # the same for write(), which leaves PG_readahead alone
cdef bint folio_clear_dirty(arena_t *a, pfn_t head) noexcept nogil  # whether it was; its pages lose the mark
cdef bint folio_test_dirty(arena_t *a, pfn_t head) noexcept nogil  # any page of it

cdef inline pfn_t in_its_place(arena_t *a, idx_t inode, uint64_t index, pfn_t pfn) noexcept nogil:
    """The page of a slot, if the page says the same: who goes on behind it would else walk in a ring (a damaged file)."""
    cdef pfn_t head
    if pfn == 0:
        return 0
    head = page_folio(a, pfn)
    if frame_at(a, head).mapping != inode or frame_index(frame_at(a, head)) + (pfn - head) != index:
        arena_fail(a, ARENA_LOOP, POOL_FRAME, pfn)
        return 0
    return pfn

cdef const xnode_ops_t *radix_ops() noexcept nogil  # nodes that are radix_tree_node objects
