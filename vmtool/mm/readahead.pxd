# cython: language_level=3
"""Read-ahead: how much of a file is read when one page of it is missing, and when the next part is started.

Counterpart: Linux v6.18 mm/readahead.c, mm/filemap.c:do_sync_mmap_readahead(), do_async_mmap_readahead().

    |<------------------ size ------------------>|
    |==================#=========================|
    ^start             ^the folio with PG_readahead: start + size - async_size
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# A read misses at index and wants req_count pages from there on; what is there afterwards is up to date, unless its request failed.
cdef void page_cache_sync_ra(arena_t *a, idx_t file, uint64_t index, uint64_t req_count) noexcept nogil
# The folio at index carries the mark: start the next window.
cdef void page_cache_async_ra(arena_t *a, idx_t file, uint64_t index, pfn_t folio, uint64_t req_count) noexcept nogil
cdef int64_t force_readahead(arena_t *a, idx_t file, uint64_t index, uint64_t nr_pages) noexcept nogil  # MADV_WILLNEED; pages read
# One page read for itself (filemap_create_folio). Precondition: it is not cached. 0: *err is EIO (it is in the cache, not up to date) or
# ENOMEM, no memory.
cdef pfn_t filemap_read_page(arena_t *a, idx_t file, uint64_t index, int *err) noexcept nogil
# one that is not up to date. 0, -EIO: then this open file reads ahead less
cdef int filemap_read_folio(arena_t *a, idx_t file, pfn_t head) noexcept nogil
# Everything that is not cached yet, page by page (a program that is run from a warm cache). 0, -EIO: a page could not be read, or there was
# no memory for it.
cdef int filemap_populate(arena_t *a, idx_t inode) noexcept nogil

# --- faults' side: index is the page that faulted; [vma_first, vma_end) are the file's pages that the area maps (VM_EXEC reads stay within).
# A missing page of a mapped file: synchronous readahead, and the page brought in (up to date). 0: *err is EIO (the disk failed, or index is past the
# end) or ENOMEM, no memory; else *err is 0.
cdef pfn_t filemap_fault_miss_in(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, uint64_t vma_first, uint64_t vma_end, int *err) noexcept nogil
# The page was found: counts a hit, and starts asynchronous readahead when its folio carries the mark. Returns the first
# page whose I/O is then still on its way when the fault goes on (NOT_IN_FLIGHT: none).
cdef enum:
    NOT_IN_FLIGHT = -1  # as uint64_t
cdef uint64_t filemap_fault_hit(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, pfn_t page) noexcept nogil
cdef uint32_t filemap_fault_reread(arena_t *a, idx_t file, pfn_t page) noexcept nogil  # then: it is not up to date. 0, VM_FAULT_MAJOR, VM_FAULT_SIGBUS
# Fault-around mapped nr_pages pages: as many misses fewer (Source: the end of filemap_map_pages()).
cdef void filemap_map_hits(arena_t *a, idx_t file, uint32_t nr_pages) noexcept nogil
