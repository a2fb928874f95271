"""read() and write().

Modelled: reads in batches of folios, read-ahead on a miss and at a mark, PG_referenced and activation; buffered writes into folios as large as the
write, blocks read first when only a part of them is overwritten.
Counterpart: Linux v6.18 mm/filemap.c:filemap_get_pages(), filemap_get_read_batch(), __filemap_get_folio(); fs/ext4/inode.c:ext4_da_write_begin().
"""

from libc.string cimport memcpy

from vmtool.mm.arch cimport offset_in_page, page_align, page_size
from vmtool.mm.arena cimport ARENA_LOOP, arena_fail, file_at, file_mut, frame_at, frame_mut, inode_at, inode_mut
from vmtool.mm.buddy cimport alloc_pages, folio_get, folio_put, free_pages
from vmtool.mm.filemap cimport filemap_add, filemap_dirty_folio, filemap_forget, filemap_get, filemap_get_block
from vmtool.mm.frame cimport folio_order, frame_index, page_bytes, page_bytes_mut, page_folio
from vmtool.mm.inode cimport disk_read
from vmtool.mm.large_folio cimport ext4_max_order
from vmtool.mm.readahead cimport filemap_read_folio, filemap_read_page, page_cache_async_ra, page_cache_sync_ra
from vmtool.mm.shmem cimport shmem_read, shmem_write
from vmtool.mm.swap_lru cimport folio_mark_accessed
from vmtool.mm.trace cimport TR_CACHE_LOOKUP, TR_COPY_FROM_USER, TR_COPY_TO_USER, trace3
from vmtool.mm.truncate cimport max_file_bytes, zero_partial_blocks
from vmtool.mm.writeback cimport balance_dirty_pages

cdef enum:
    BATCH_FOLIOS = 31  # PAGEVEC_SIZE
    MAX_RW_COUNT = 0x7FFFF000
    MOST_TRIES = 64  # to read a page that reclaim takes again at once


cdef uint64_t read_batch(arena_t *a, idx_t inode, uint64_t index, uint64_t end, pfn_t *last) noexcept nogil:
    """Cached folios from index on: to `end`, a gap, 31 of them, one with the mark, or one that is not up to date. Returns the index after them; the last
    folio in *last."""
    cdef uint32_t nr = 0
    cdef pfn_t head
    last[0] = 0
    while index < end and nr < BATCH_FOLIOS:
        head = filemap_get(a, inode, index)
        if head == 0:
            break
        head = page_folio(a, head)
        last[0] = head
        index = frame_index(frame_at(a, head)) + (<uint64_t>1 << folio_order(a, head))
        nr += 1
        if frame_at(a, head).flags & PG_readahead or not frame_at(a, head).flags & PG_uptodate:
            break
    return index


cdef uint64_t get_pages(arena_t *a, idx_t file, uint64_t index, uint64_t end, int *err) noexcept nogil:
    """filemap_get_pages(): at least the page at index. Returns the index after the batch; equal to index with *err."""
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t next
    cdef uint64_t start
    cdef pfn_t last
    err[0] = 0
    next = read_batch(a, inode, index, end, &last)
    trace3(a, TR_CACHE_LOOKUP, inode, index, last != 0)
    if last == 0:
        page_cache_sync_ra(a, file, index, end - index)
        next = read_batch(a, inode, index, end, &last)
    if last == 0:
        last = filemap_read_page(a, file, index, err)
        return index + 1 if last else index
    start = frame_index(frame_at(a, last))
    folio_get(a, last)
    if frame_at(a, last).flags & PG_readahead:
        page_cache_async_ra(a, file, start, last, end - start)
    if not frame_at(a, last).flags & PG_uptodate and filemap_read_folio(a, file, last) < 0:
        next = start  # those before it are read first
        if start <= index:
            err[0] = EIO
            next = index
    folio_put(a, last)
    return next


cdef uint64_t copy_batch(arena_t *a, idx_t inode, uint64_t pos, uint64_t end, int64_t last_pos, char *buf) noexcept nogil:
    """Bytes pos..end-1, all cached; each folio is marked accessed once, the first not when the read before ended in it."""
    cdef uint64_t start = pos
    cdef uint64_t part
    cdef uint64_t folio_end = 0
    cdef uint32_t shift
    cdef pfn_t pfn
    cdef pfn_t head
    while pos < end:
        pfn = filemap_get(a, inode, pos >> a.m.arch.page_shift)
        if pfn == 0:  # what read-ahead needed since has cost this page: it is read again
            break
        if pos >= folio_end:
            head = page_folio(a, pfn)
            shift = a.m.arch.page_shift + folio_order(a, head)
            folio_end = ((pos >> shift) + 1) << shift
            if pos != start or <int64_t>pos >> shift != (last_pos - 1) >> shift:
                folio_mark_accessed(a, head)
        part = page_size(&a.m.arch) - offset_in_page(&a.m.arch, pos)
        if part > end - pos:
            part = end - pos
        memcpy(buf + (pos - start), page_bytes(a, pfn) + offset_in_page(&a.m.arch, pos), part)
        pos += part
    return pos - start


cdef int64_t filemap_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil:
    """The position after the read is remembered in prev_pos: it tells a sequential read from a random one."""
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t size = inode_at(a, inode).size
    cdef int64_t last_pos = file_at(a, file).prev_pos
    cdef uint64_t done = 0
    cdef uint64_t index
    cdef uint64_t next
    cdef uint64_t end
    cdef int err = 0
    cdef uint32_t tries = 0
    if length > MAX_RW_COUNT:
        length = MAX_RW_COUNT
    if inode_at(a, inode).kind == INODE_SHMEM:
        return shmem_read(a, file, pos, buf, length)
    if length == 0 or pos >= max_file_bytes():
        return 0
    while done < length and pos + done < size:
        index = (pos + done) >> a.m.arch.page_shift
        next = get_pages(a, file, index, page_align(&a.m.arch, pos + length) >> a.m.arch.page_shift, &err)
        if next <= index:  # below it: a damaged file
            break
        end = pos + length
        if end > size:
            end = size
        if end > next << a.m.arch.page_shift:
            end = next << a.m.arch.page_shift
        next = copy_batch(a, inode, pos + done, end, last_pos, buf + done)
        if next == 0:
            tries += 1
            if tries > MOST_TRIES:
                err = ENOMEM
                break
            continue
        tries = 0
        trace3(a, TR_COPY_TO_USER, inode, pos + done, next)
        done += next
        last_pos = <int64_t>(pos + done)
    file_mut(a, file).prev_pos = last_pos
    return <int64_t>done if done or err == 0 else -err


cdef pfn_t get_folio_for_write(arena_t *a, idx_t inode, uint64_t index, uint64_t length, int *err) noexcept nogil:
    """The page at index; a missing one comes in a folio as large as `length` and its alignment allow. Source: __filemap_get_folio(FGP_WRITEBEGIN)."""
    cdef pfn_t head = filemap_get_block(a, inode, index)
    cdef uint32_t order = 0
    err[0] = 0
    if head:
        return head
    while order < ext4_max_order(&a.m.arch) and length >> (a.m.arch.page_shift + order + 1):
        order += 1
    while index & ((<uint64_t>1 << order) - 1):
        order -= 1
    while True:
        head = alloc_pages(a, order, GFP_USER_MOVABLE | GFP_NORETRY if order else GFP_USER_MOVABLE)
        err[0] = ENOMEM
        if head:
            filemap_forget(a, inode, index, index + (<uint64_t>1 << order) - 1)  # __GFP_WRITE: what is rewritten counts as no refault
            err[0] = -filemap_add(a, inode, index, head, order)
            if err[0] == 0:
                return head
            free_pages(a, head, order)
        if order == 0:
            return 0
        order -= 1


cdef int prepare_blocks(arena_t *a, idx_t inode, pfn_t pfn, uint64_t pos, uint64_t end) noexcept nogil:
    """A block that bytes pos..end-1 overwrite in part is read first, unless the folio is up to date or the block lies past the end of the file."""
    cdef uint64_t size = inode_at(a, inode).size
    cdef uint64_t first = pos >> a.m.arch.page_shift
    cdef uint64_t last = (end - 1) >> a.m.arch.page_shift
    if frame_at(a, page_folio(a, pfn)).flags & (PG_uptodate | PG_dirty):
        return 0
    if (offset_in_page(&a.m.arch, pos) or (first == last and offset_in_page(&a.m.arch, end))) and first << a.m.arch.page_shift < size and disk_read(a, inode, first, 1) < 0:
        return -EIO
    if last != first and offset_in_page(&a.m.arch, end) and last << a.m.arch.page_shift < size and disk_read(a, inode, last, 1) < 0:
        return -EIO
    return 0


cdef int64_t write_folio(arena_t *a, idx_t inode, uint64_t pos, const char *buf, uint64_t length) noexcept nogil:
    """One folio's part of a write. Returns its bytes or -errno."""
    cdef int err
    cdef uint64_t size
    cdef uint64_t offset
    cdef uint64_t part
    cdef uint64_t at
    cdef uint64_t old
    cdef pfn_t pfn = get_folio_for_write(a, inode, pos >> a.m.arch.page_shift, length, &err)
    cdef pfn_t head
    if pfn == 0:
        return -err
    head = page_folio(a, pfn)
    size = <uint64_t>page_size(&a.m.arch) << folio_order(a, head)
    offset = pos - (frame_index(frame_at(a, head)) << a.m.arch.page_shift)
    if offset >= size:  # the page of this slot says that it is another's
        arena_fail(a, ARENA_LOOP, POOL_FRAME, pfn)
        return -EIO
    if length > size - offset:
        length = size - offset
    err = prepare_blocks(a, inode, pfn, pos, pos + length)
    if err:
        return err
    frame_mut(a, head).flags |= PG_uptodate | PG_private
    at = 0
    while at < length:
        part = page_size(&a.m.arch) - offset_in_page(&a.m.arch, pos + at)
        if part > length - at:
            part = length - at
        memcpy(page_bytes_mut(a, <pfn_t>(head + ((offset + at) >> a.m.arch.page_shift))) + offset_in_page(&a.m.arch, pos + at), buf + at, part)
        at += part
    filemap_dirty_folio(a, head)
    trace3(a, TR_COPY_FROM_USER, inode, pos, length)
    old = inode_at(a, inode).size
    if pos + length > old:
        inode_mut(a, inode).size = pos + length
    if pos > old:
        zero_partial_blocks(a, inode, old, pos)
    return <int64_t>length


cdef int64_t filemap_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil:
    cdef idx_t inode = file_at(a, file).inode
    cdef uint64_t done = 0
    cdef uint64_t part, most = page_size(&a.m.arch) << ext4_max_order(&a.m.arch)
    cdef int64_t n
    if length > MAX_RW_COUNT:
        length = MAX_RW_COUNT
    if length == 0:
        return 0
    if pos >= max_file_bytes():
        return -EFBIG
    if length > max_file_bytes() - pos:
        length = max_file_bytes() - pos
    if inode_at(a, inode).kind == INODE_SHMEM:
        return shmem_write(a, file, pos, buf, length)
    while done < length:
        part = most - (pos + done) % most  # a write is cut at multiples of the largest folio
        balance_dirty_pages(a)  # before each folio: what the last one dirtied, the next write sees
        n = write_folio(a, inode, pos + done, buf + done, part if part < length - done else length - done)
        if n < 0:
            return <int64_t>done if done else n
        done += n
    return <int64_t>done
