# cython: language_level=3
"""Level 4. Files: paths, inodes, the simulated disk, and the page cache in front of it.

Counterpart: Linux v6.18 mm/filemap.c, mm/readahead.c, mm/truncate.c, mm/page-writeback.c, mm/shmem.c. A page of the cache holds one extra
reference for the cache; its frame's mapping is the inode, its index the page offset (of the head; folios may be of order > 0).
Clean pages have no contents of their own: page_bytes() gives the disk's block.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# --- names and inodes
cdef idx_t path_lookup(arena_t *a, const char *path, uint32_t length) noexcept nogil  # inode, 0: none
# A new file. Returns the inode or 0 with *err = EEXIST, ENOMEM …; ino 0: the next free one.
cdef idx_t inode_create(arena_t *a, const char *path, uint32_t length, uint32_t kind, uint32_t dev_major, uint32_t dev_minor, uint64_t ino, uint64_t size, int *err) noexcept nogil
cdef void path_unlink(arena_t *a, idx_t inode) noexcept nogil  # its name leaves the table ("… (deleted)"); it goes when nothing refers to it
cdef int path_rename(arena_t *a, idx_t inode, const char *path, uint32_t length) noexcept nogil
cdef uint32_t inode_path(arena_t *a, idx_t inode, char *out, uint32_t cap) noexcept nogil  # bytes written
cdef idx_t name_store(arena_t *a, const char *text, uint32_t length) noexcept nogil
cdef uint32_t name_read(arena_t *a, idx_t name, char *out, uint32_t cap) noexcept nogil
cdef void name_free(arena_t *a, idx_t name) noexcept nogil
cdef void disk_write_block(arena_t *a, idx_t inode, uint64_t index, const char *data, uint32_t length) noexcept nogil  # at mkfile: straight to the disk

# --- open files
cdef idx_t file_open(arena_t *a, idx_t inode) noexcept nogil  # refcount 1, fresh readahead state; takes a filp object
cdef void fget(arena_t *a, idx_t file) noexcept nogil
cdef void fput(arena_t *a, idx_t file) noexcept nogil

# --- lookup and insertion
cdef pfn_t filemap_get(arena_t *a, idx_t inode, uint64_t index) noexcept nogil  # the page (maybe a tail) at index, 0: not cached
cdef pfn_t filemap_next(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil  # first cached page at or after *index, up to last; sets *index
cdef pfn_t filemap_next_dirty(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil
cdef int filemap_add(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order) noexcept nogil  # takes the cache's reference, adds to the LRU, counts; 0 or -ENOMEM
cdef void filemap_remove(arena_t *a, pfn_t head) noexcept nogil  # out of the cache, its reference dropped
cdef void folio_mark_dirty(arena_t *a, pfn_t head) noexcept nogil
cdef void folio_mark_accessed(arena_t *a, pfn_t head) noexcept nogil
cdef bint folio_test_dirty(arena_t *a, pfn_t head) noexcept nogil

# --- faults' side
# A missing page of a mapped file: synchronous readahead for the miss at index (VM_SEQ_READ, VM_RAND_READ in vm_flags; file's ra state),
# the page brought in (up to date), 0 with *err: EIO, ENOMEM. Counts as major: the caller's business.
cdef pfn_t filemap_fault_miss(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, int *err) noexcept nogil
# The page was found: asynchronous readahead when it carries the mark (do_async_mmap_readahead).
cdef void filemap_fault_hit(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, pfn_t page) noexcept nogil
# One zeroed page of a shmem file, found or made. 0: no memory.
cdef pfn_t shmem_get(arena_t *a, idx_t inode, uint64_t index) noexcept nogil

# --- system calls on files; bytes move through `buf` (host memory)
cdef int64_t filemap_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil  # bytes read or -errno
cdef int64_t filemap_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil
cdef int do_truncate(arena_t *a, idx_t inode, uint64_t size) noexcept nogil  # unmaps through a.unmap_mapping_range
cdef int punch_hole(arena_t *a, idx_t inode, uint64_t offset, uint64_t length) noexcept nogil
cdef int filemap_fdatawrite_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # write back dirty pages (page_mkclean each), 0 or -EIO
cdef void sync_all(arena_t *a) noexcept nogil
cdef void invalidate_all(arena_t *a) noexcept nogil  # drop_caches 1: clean, unmapped pages go
cdef void invalidate_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # MADV_PAGEOUT-like, fadvise DONTNEED
cdef int64_t force_readahead(arena_t *a, idx_t file, uint64_t index, uint64_t nr_pages) noexcept nogil  # MADV_WILLNEED
