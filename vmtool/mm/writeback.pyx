"""Write-back of dirty folios.

Modelled: the walk over the DIRTY marks, cleaning of the page tables (folio_mkclean), the write, and its error, of which each open file is told once (lib/errseq.c).
Counterpart: Linux v6.18 mm/page-writeback.c:folio_clear_dirty_for_io(), fs/ext4/inode.c:mpage_prepare_extent_to_map(), ext4_alloc_da_blocks().
A writer looks at the limits when it has dirtied nr_dirtied_pause pages, those of ended tasks among them (dirty_throttle_leaks), or its CPU's tasks
together a 32nd of the limit, but 16 pages (bdp_ratelimits). Above the background limit the flusher is woken, and here it runs at that
point until it sleeps again: a chunk of each dirty file (4 MiB, or more on a large machine) and again, until the limit holds; what is left stays dirty.
Above the middle of both limits the writer must wait for that; as it has just run, nobody waits longer.
Simplified: the disk's bandwidth is what the kernel takes for granted before it measures, for that takes time.
A folio's bytes become the disk's: the frame gives its content away and reads the block from then on.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport page_align, page_size
from vmtool.mm.arena cimport content_alloc, content_mut, cpu_mut, file_at, file_mut, frame_at, frame_mut, inode_at, inode_mut, task_mut
from vmtool.mm.filemap cimport filemap_next_dirty, folio_clear_dirty
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.inode cimport disk_put_content, disk_write, errseq_check_and_advance, errseq_set, is_hole
from vmtool.mm.rmap cimport page_mapcount
from vmtool.mm.swap_lru cimport folio_rotate_reclaimable
from vmtool.mm.vmstat cimport NR_ACTIVE_FILE, NR_FILE_DIRTY, NR_INACTIVE_FILE, NR_WRITTEN, PSWPOUT, mod_node_stat

cdef enum:
    CENTISEC = 10000  # microseconds
    FIRST_PAUSE_BYTES = 131072  # task_struct.nr_dirtied_pause of a new task
    MIN_WRITEBACK_BYTES = 4194304
    INIT_BANDWIDTH = 104857600  # bytes a second: what a disk is taken for until it was measured
    DIRTY_SCOPE = 8
    MIN_RATELIMIT_PAGES = 16


cdef void zero_past_eof(arena_t *a, idx_t content, uint64_t page_pos, uint64_t size) noexcept nogil:
    """Stores through a mapping can reach the rest of the last page; the disk gets zeros there."""
    if page_pos + page_size(&a.m.arch) > size and page_pos < size:
        memset(content_mut(a, content) + (size - page_pos), 0, page_size(&a.m.arch) - (size - page_pos))


cdef void folio_to_disk(arena_t *a, idx_t inode, pfn_t head, uint64_t nr_pages) noexcept nogil:
    """A page that was never stored to has no content and its block is right already; but a hole below it gets a block of zeros now."""
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint64_t size = inode_at(a, inode).size
    cdef uint64_t i
    cdef idx_t content
    for i in range(nr_pages):
        content = frame_at(a, <pfn_t>(head + i)).content
        if (index + i) << a.m.arch.page_shift >= size:
            return
        if content == 0:
            if not is_hole(a, inode, index + i):
                continue
            content = content_alloc(a)
        zero_past_eof(a, content, (index + i) << a.m.arch.page_shift, size)
        frame_mut(a, <pfn_t>(head + i)).content = 0
        disk_put_content(a, inode, index + i, content)


cdef int folio_writeback(arena_t *a, idx_t inode, pfn_t head) noexcept nogil:
    """Counts: NR_WRITTEN by pages, PGPGOUT. Returns 0 or -EIO (the folio is clean either way, its bytes then only in memory)."""
    cdef uint64_t nr_pages = <uint64_t>1 << folio_order(a, head)
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint64_t end = (inode_at(a, inode).size + page_size(&a.m.arch) - 1) >> a.m.arch.page_shift
    cdef uint64_t i
    cdef int err
    if a.page_mkclean != NULL:
        for i in range(nr_pages):
            if page_mapcount(a, <pfn_t>(head + i)):
                a.page_mkclean(a, <pfn_t>(head + i))
    folio_clear_dirty(a, head)
    if frame_at(a, head).flags & PG_reclaim:  # the end of writeback takes the bit, PG_readahead or not
        frame_mut(a, head).flags &= ~<uint32_t>PG_reclaim
        folio_rotate_reclaimable(a, head, frame_mut(a, head))
    if index >= end:  # wholly past the end: nothing to write
        return 0
    err = disk_write(a, inode, index, nr_pages if index + nr_pages <= end else end - index)
    if err:
        errseq_set(&inode_mut(a, inode).wb_err)  # mapping_set_error()
    mod_node_stat(a, NR_WRITTEN, nr_pages)
    if err == 0:
        folio_to_disk(a, inode, head, nr_pages)
    return err


cdef void writeback_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    cdef uint64_t index = first
    cdef pfn_t pfn
    while inode_at(a, inode).nr_dirty:
        pfn = filemap_next_dirty(a, inode, &index, last)
        if pfn == 0:
            break
        folio_writeback(a, inode, page_folio(a, pfn))


cdef int file_write_and_wait_range(arena_t *a, idx_t file, uint64_t first, uint64_t last) noexcept nogil:
    """With file_check_and_advance_wb_err(): an error of anybody's write-back since this open file was last told."""
    cdef idx_t inode = file_at(a, file).inode
    writeback_range(a, inode, first, last)
    if inode_at(a, inode).wb_err == file_at(a, file).f_wb_err:
        return 0
    return -EIO if errseq_check_and_advance(&inode_mut(a, inode).wb_err, &file_mut(a, file).f_wb_err) else 0


cdef bint has_reserved_blocks(arena_t *a, idx_t inode) noexcept nogil:
    """i_reserved_data_blocks: something was written where the disk has no block yet (delayed allocation)."""
    cdef uint64_t index = 0
    while inode_at(a, inode).nr_dirty and filemap_next_dirty(a, inode, &index, <uint64_t>-1):
        if is_hole(a, inode, index):
            return True
        index += 1
    return False


cdef void alloc_da_blocks(arena_t *a, idx_t inode) noexcept nogil:
    if inode_at(a, inode).kind == INODE_EXT4 and has_reserved_blocks(a, inode):
        writeback_range(a, inode, 0, <uint64_t>-1)


cdef void sync_all(arena_t *a) noexcept nogil:
    cdef idx_t inode
    cdef inode_t *i
    for inode in range(1, a.pool[POOL_INODE].count):
        i = inode_at(a, inode)
        if i.nr_dirty:
            writeback_range(a, inode, 0, <uint64_t>-1)


# --- limits and time ------------------------------------------------------------------------------------------------


cdef int64_t limit_of(arena_t *a, int64_t dirtyable, bint background) noexcept nogil:
    """domain_dirty_limits(): bytes, or a share of what may become dirty, in steps of 1/PAGE_SIZE."""
    cdef int64_t limit, background_limit, steps = <int64_t>page_size(&a.m.arch)
    limit = <int64_t>(page_align(&a.m.arch, a.m.dirty_bytes) >> a.m.arch.page_shift) if a.m.dirty_bytes else (a.m.dirty_ratio * steps // 100) * dirtyable // steps
    background_limit = (<int64_t>(page_align(&a.m.arch, a.m.dirty_background_bytes) >> a.m.arch.page_shift) if a.m.dirty_background_bytes
                        else (a.m.dirty_background_ratio * steps // 100) * dirtyable // steps)
    if background_limit >= limit:
        background_limit = limit // 2
    return background_limit if background else limit


cdef int64_t dirty_limit(arena_t *a, bint background) noexcept nogil:
    """global_dirty_limits()."""
    cdef int64_t dirtyable = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        dirtyable += <int64_t>a.m.zone[z].free_pages
    dirtyable -= dirtyable if dirtyable < <int64_t>a.m.totalreserve_pages else <int64_t>a.m.totalreserve_pages
    return limit_of(a, dirtyable + a.m.node_stat[NR_INACTIVE_FILE] + a.m.node_stat[NR_ACTIVE_FILE] + 1, background)


cdef void set_ratelimit(arena_t *a, int64_t limit) noexcept nogil:
    """So that all CPUs together look a few times before the limit is reached."""
    a.m.ratelimit_pages = <uint32_t>max(limit // (a.m.nr_cpus * 32), <int64_t>MIN_RATELIMIT_PAGES)


cdef void page_writeback_init(arena_t *a) noexcept nogil:
    """At boot all memory is free still, and nothing is reserved."""
    set_ratelimit(a, limit_of(a, <int64_t>a.m.totalram_pages + 1, False))


cdef void writeback_set_ratelimit(arena_t *a) noexcept nogil:
    set_ratelimit(a, dirty_limit(a, False))


cdef int64_t write_part(arena_t *a, idx_t inode, uint64_t first, uint64_t last, int64_t nr_to_write) noexcept nogil:
    """What is left of nr_to_write (0 or less: it ended before the range did)."""
    cdef uint64_t index = first
    cdef pfn_t head
    while nr_to_write > 0 and inode_at(a, inode).nr_dirty and not a.err:
        head = filemap_next_dirty(a, inode, &index, last)
        if head == 0:
            break
        head = page_folio(a, head)
        index = frame_index(frame_at(a, head)) + (<uint64_t>1 << folio_order(a, head))
        nr_to_write -= <int64_t>1 << folio_order(a, head)
        folio_writeback(a, inode, head)
        inode_mut(a, inode).writeback_index = index
    return nr_to_write


cdef void write_cyclic(arena_t *a, idx_t inode, int64_t nr_to_write) noexcept nogil:
    """range_cyclic: from where the last chunk ended, then from the start."""
    cdef uint64_t start = inode_at(a, inode).writeback_index
    nr_to_write = write_part(a, inode, start, <uint64_t>-1, nr_to_write)
    if nr_to_write > 0 and start:
        write_part(a, inode, 0, start - 1, nr_to_write)


cdef int64_t writeback_chunk_size(arena_t *a) noexcept nogil:
    cdef int64_t least = MIN_WRITEBACK_BYTES >> a.m.arch.page_shift
    cdef int64_t pages = min(<int64_t>(INIT_BANDWIDTH >> a.m.arch.page_shift) // 2, dirty_limit(a, False) // DIRTY_SCOPE)
    return (pages + least) // least * least


cdef bint has_written(arena_t *a) noexcept nogil:
    """A page of a file: what is written to swap counts, too, when it has ended."""
    return a.m.node_stat[NR_WRITTEN] - a.m.event[PSWPOUT] + <int64_t>a.m.swap_io_nr > 0


cdef void background_writeback(arena_t *a) noexcept nogil:
    """wb_writeback() for_background, woken above the limit: a chunk of each file, until it holds.

    The limit is the disk's share of it, which is its share of all that was written: none while its first writes are under way, then all.
    """
    cdef idx_t inode
    cdef const inode_t *i
    cdef int64_t chunk = writeback_chunk_size(a)
    cdef bint share = has_written(a)
    cdef int64_t before = -1
    while a.m.node_stat[NR_FILE_DIRTY] > (dirty_limit(a, True) if share else 0) and a.m.node_stat[NR_FILE_DIRTY] != before and not a.err:
        before = a.m.node_stat[NR_FILE_DIRTY]
        for inode in range(1, a.pool[POOL_INODE].count):
            i = inode_at(a, inode)
            if i.nr_dirty:
                write_cyclic(a, inode, chunk)


cdef uint32_t dirty_poll_interval(int64_t dirty, int64_t limit) noexcept nogil:
    """The square root of what is left: so many writers may each dirty as much before they look again."""
    cdef int64_t left = limit - dirty
    cdef uint32_t bits = 0
    while left >> (bits + 1) > 0:
        bits += 1
    return 1 << (bits >> 1)


cdef bint is_time_to_look(arena_t *a, int64_t dirty) noexcept nogil:
    """balance_dirty_pages_ratelimited_flags()."""
    cdef cpu_t *c = cpu_mut(a, a.cpu)
    cdef task_t *task = task_mut(a, a.task) if a.task else NULL
    cdef uint32_t pause = FIRST_PAUSE_BYTES >> a.m.arch.page_shift, n
    if a.m.ratelimit_pages == 0:
        writeback_set_ratelimit(a)
    if task != NULL and task.nr_dirtied_pause:
        pause = task.nr_dirtied_pause
    if (task.nr_dirtied if task != NULL else dirty) >= pause:
        c.bdp_ratelimits = 0
    elif c.bdp_ratelimits >= a.m.ratelimit_pages:
        c.bdp_ratelimits = 0
        pause = 0
    if task == NULL:
        return dirty >= pause
    if c.dirty_throttle_leaks and task.nr_dirtied < pause:
        n = min(c.dirty_throttle_leaks, pause - task.nr_dirtied)
        c.dirty_throttle_leaks -= n
        task.nr_dirtied += n
    return task.nr_dirtied >= pause


cdef void balance_dirty_pages(arena_t *a) noexcept nogil:
    cdef int64_t dirty = a.m.node_stat[NR_FILE_DIRTY]
    cdef int64_t limit, background
    if not is_time_to_look(a, dirty):
        return
    limit = dirty_limit(a, False)
    background = dirty_limit(a, True)
    if dirty > background:
        background_writeback(a)
    if dirty > (limit + background) // 2:  # not freerun: it has waited
        dirty = a.m.node_stat[NR_FILE_DIRTY]
    if a.task:
        task_mut(a, a.task).nr_dirtied = 0
        task_mut(a, a.task).nr_dirtied_pause = dirty_poll_interval(dirty, limit)


cdef uint64_t oldest_expires(arena_t *a) noexcept nogil:
    """When the file that has been dirty longest is old; <uint64_t>-1: none is dirty."""
    cdef uint64_t first = <uint64_t>-1, expire = <uint64_t>a.m.dirty_expire_centisecs * CENTISEC
    cdef idx_t inode
    cdef const inode_t *i
    for inode in range(1, a.pool[POOL_INODE].count):
        i = inode_at(a, inode)
        if i.nr_dirty:
            first = min(first, i.dirtied_us + expire)
    return first


cdef void write_old(arena_t *a) noexcept nogil:
    """wb_check_old_data_flush(): the files that are dirty for dirty_expire_centisecs, now."""
    cdef uint64_t expire = <uint64_t>a.m.dirty_expire_centisecs * CENTISEC
    cdef idx_t inode
    cdef const inode_t *i
    for inode in range(1, a.pool[POOL_INODE].count):
        i = inode_at(a, inode)
        if i.nr_dirty and i.dirtied_us + expire <= a.m.now_us:
            writeback_range(a, inode, 0, <uint64_t>-1)


cdef void flusher_until(arena_t *a, uint64_t end_us) noexcept nogil:
    """wb_workfn(): every dirty_writeback_centisecs as long as something is dirty, counted from the page that was dirtied first."""
    cdef uint64_t period = <uint64_t>a.m.dirty_writeback_centisecs * CENTISEC
    cdef uint64_t due, runs
    while period and not a.err:
        due = oldest_expires(a)
        if due == <uint64_t>-1:
            break
        if a.m.flusher_us == 0:  # of an older file
            a.m.flusher_us = a.m.now_us + period
        runs = (min(due, end_us + period) - a.m.flusher_us + period - 1) // period if min(due, end_us + period) > a.m.flusher_us else 0
        a.m.flusher_us += runs * period  # runs that find nothing old
        if a.m.flusher_us > end_us:
            break
        a.m.now_us = max(a.m.now_us, a.m.flusher_us)
        write_old(a)
        a.m.flusher_us += period
    a.m.now_us = end_us


cdef void flusher_interval_changed(arena_t *a) noexcept nogil:
    """dirty_writeback_centisecs_handler(): another interval wakes the flusher, which writes all there is."""
    if a.m.dirty_writeback_centisecs:
        sync_all(a)
