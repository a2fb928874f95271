# cython: language_level=3
"""Write-back: dirty pages of files go to the disk on sync, fsync and msync.

Counterpart: Linux v6.18 mm/page-writeback.c, fs/sync.c, mm/filemap.c:file_write_and_wait_range().
"""

from vmtool.mm.arena cimport arena_t, cpu_mut, task_mut
from vmtool.mm.types cimport *

# Write back the dirty folios that have a page in first..last (each made clean in its mappers' tables). 0, or -EIO: now, or since this open file was told.
cdef int file_write_and_wait_range(arena_t *a, idx_t file, uint64_t first, uint64_t last) noexcept nogil
cdef void sync_all(arena_t *a) noexcept nogil  # errors wait for who asks
cdef void alloc_da_blocks(arena_t *a, idx_t inode) noexcept nogil  # ext4's: all of it goes to the disk, if something of it has no block yet
cdef int64_t dirty_limit(arena_t *a, bint background) noexcept nogil  # pages
cdef void balance_dirty_pages(arena_t *a) noexcept nogil  # after a file's page became dirty (balance_dirty_pages_ratelimited())
cdef void page_writeback_init(arena_t *a) noexcept nogil  # at boot
cdef void writeback_set_ratelimit(arena_t *a) noexcept nogil  # the limits have changed
cdef void flusher_interval_changed(arena_t *a) noexcept nogil
cdef void flusher_until(arena_t *a, uint64_t end_us) noexcept nogil  # the logical clock goes on to then, and the flusher with it

cdef inline bint dirtied_nothing(arena_t *a) noexcept nogil:
    """balance_dirty_pages() will see so: no page since the task, and its CPU, looked last."""
    cdef const cpu_t *c = cpu_mut(a, a.cpu)
    return a.task != 0 and a.m.ratelimit_pages != 0 and task_mut(a, a.task).nr_dirtied == 0 and c.bdp_ratelimits == 0 and c.dirty_throttle_leaks == 0
