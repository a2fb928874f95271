"""Truncation and invalidation.

Modelled: i_size first, then the mappings, then the cache, then the blocks; the zeroed part of the last page becomes dirty; large folios across
the edge lose their mappings and are split, unless they are dirty.
Counterpart: Linux v6.18 mm/truncate.c:truncate_inode_pages_range(), truncate_inode_partial_folio(), mapping_evict_folio();
fs/ext4/inode.c:ext4_setattr(), ext4_truncate(), ext4_block_truncate_page(), ext4_punch_hole().
# Deviation: which blocks of a dirty folio are dirty is not kept, so one is never split, even when only blocks past the edge were.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport offset_in_page, page_align, page_size, page_start
from vmtool.mm.arena cimport frame_at, frame_mut, inode_at, inode_mut
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.filemap cimport filemap_add, filemap_dirty_folio, filemap_forget, filemap_get, filemap_get_block, filemap_next, filemap_remove
from vmtool.mm.folio_split cimport count_split, folio_split
from vmtool.mm.frame cimport folio_order, frame_index, page_bytes_mut, page_folio
from vmtool.mm.inode cimport disk_free_blocks, disk_read, drop_slab, is_hole, shmem_recalc_inode
from vmtool.mm.rmap cimport page_mapcount
from vmtool.mm.swap_lru cimport deactivate_file_folio, folio_mark_accessed, lru_add_drain_all
from vmtool.mm.vmstat cimport DROP_PAGECACHE, count_vm_event

cdef uint64_t TO_THE_END = <uint64_t>-1


cdef void unmap_pages(arena_t *a, idx_t inode, uint64_t first, uint64_t last, bint even_cows) noexcept nogil:
    if a.unmap_mapping_range != NULL and first <= last:
        a.unmap_mapping_range(a, inode, first, last, even_cows)


cdef void remove_folio(arena_t *a, idx_t inode, pfn_t head) noexcept nogil:
    """truncate_inode_folio(): whoever still maps it loses it."""
    cdef uint64_t index = frame_index(frame_at(a, head))
    unmap_pages(a, inode, index, index + (<uint64_t>1 << folio_order(a, head)) - 1, False)
    filemap_remove(a, head)


cdef void zero_bytes(arena_t *a, pfn_t head, uint64_t offset, uint64_t length) noexcept nogil:
    """folio_zero_range()."""
    cdef uint64_t part
    cdef pfn_t pfn
    while length:
        pfn = <pfn_t>(head + (offset >> a.m.arch.page_shift))
        part = page_size(&a.m.arch) - offset_in_page(&a.m.arch, offset)
        if part > length:
            part = length
        memset(page_bytes_mut(a, pfn) + offset_in_page(&a.m.arch, offset), 0, part)
        offset += part
        length -= part


cdef bint truncate_partial_folio(arena_t *a, idx_t inode, pfn_t head, uint64_t start, uint64_t end) noexcept nogil:
    """Zero bytes start..end of a folio that reaches beyond them. False: it stays whole, with pages past the edge in it."""
    cdef uint64_t pos = frame_index(frame_at(a, head)) << a.m.arch.page_shift
    cdef uint64_t size = <uint64_t>page_size(&a.m.arch) << folio_order(a, head)
    cdef uint64_t offset = start - pos if pos < start else 0
    cdef uint64_t past = page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift
    cdef pfn_t at
    cdef uint64_t length = size - offset if end == TO_THE_END or pos + size <= end else end + 1 - pos - offset
    if length == size:
        remove_folio(a, inode, head)
        return True
    if offset >= size or length > size - offset:  # a damaged file's folio says that it is elsewhere
        return True
    zero_bytes(a, head, offset, length)
    if size == page_size(&a.m.arch):
        return True
    unmap_pages(a, inode, pos >> a.m.arch.page_shift, ((pos + size) >> a.m.arch.page_shift) - 1, False)  # split or not: try_folio_split_or_unmap()
    count_split(a, folio_order(a, head), frame_at(a, head).flags & (PG_dirty | PG_swapbacked) != PG_dirty)
    if (frame_at(a, head).flags & (PG_dirty | PG_swapbacked)) == PG_dirty:  # its buffers cannot be released; shared memory has none
        return False
    folio_split(a, head, <pfn_t>(head + (offset >> a.m.arch.page_shift)))
    if offset + length < size:
        at = <pfn_t>(head + ((offset + length) >> a.m.arch.page_shift))
        if folio_order(a, page_folio(a, at)):
            count_split(a, folio_order(a, page_folio(a, at)), True)
        folio_split(a, page_folio(a, at), at)
    remove_range(a, inode, past, (pos + size) >> a.m.arch.page_shift)  # a split drops pieces that an earlier truncation had to leave
    return True


cdef void remove_range(arena_t *a, idx_t inode, uint64_t first, uint64_t end) noexcept nogil:
    """Folios that lie wholly in first..end-1."""
    cdef uint64_t index = first
    cdef uint64_t start
    cdef uint64_t nr_pages
    cdef pfn_t head
    while index < end:
        head = filemap_next(a, inode, &index, end - 1)
        if head == 0:
            return
        head = page_folio(a, head)
        start = frame_index(frame_at(a, head))
        nr_pages = <uint64_t>1 << folio_order(a, head)
        if start >= first and start + nr_pages <= end:
            remove_folio(a, inode, head)
        index = max(index + 1, start + nr_pages)  # onwards, even when a damaged file's folio says that it is elsewhere


cdef void truncate_inode_pages_range(arena_t *a, idx_t inode, uint64_t lstart, uint64_t lend) noexcept nogil:
    """Bytes lstart..lend (inclusive; TO_THE_END) leave the cache."""
    truncate_folios(a, inode, lstart, lend)
    shmem_recalc_inode(a, inode)


cdef pfn_t partial_folio(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    """The folio that an edge may cut, 0: none. Of shared memory it is read from swap, if it lies within the file, and is dirty then
    (shmem_get_partial_folio())."""
    cdef pfn_t pfn = filemap_get(a, inode, index)
    cdef uint32_t result = 0
    if inode_at(a, inode).kind != INODE_SHMEM:
        return page_folio(a, pfn) if pfn else 0
    if pfn == 0 and inode_at(a, inode).nr_swapped and a.shmem_swapin != NULL and index << a.m.arch.page_shift < inode_at(a, inode).size:
        pfn = a.shmem_swapin(a, inode, index, &result)
    if pfn == 0:
        return 0
    filemap_dirty_folio(a, page_folio(a, pfn))
    return page_folio(a, pfn)


cdef void truncate_folios(arena_t *a, idx_t inode, uint64_t lstart, uint64_t lend) noexcept nogil:
    cdef uint64_t start = page_align(&a.m.arch, lstart) >> a.m.arch.page_shift
    cdef uint64_t end = TO_THE_END if lend == TO_THE_END else (lend + 1) >> a.m.arch.page_shift
    cdef bint same_folio = lstart >> a.m.arch.page_shift == lend >> a.m.arch.page_shift
    cdef uint64_t index
    cdef uint64_t nr_pages
    cdef pfn_t head
    filemap_forget(a, inode, start, end - 1)
    if a.shmem_free_swap != NULL and inode_at(a, inode).nr_swapped and start < end:
        a.shmem_free_swap(a, inode, start, end - 1)
    if inode_at(a, inode).nrpages == 0 and inode_at(a, inode).nr_swapped == 0:
        return
    remove_range(a, inode, start, end)
    head = partial_folio(a, inode, lstart >> a.m.arch.page_shift)
    if head:
        index = frame_index(frame_at(a, head))
        nr_pages = <uint64_t>1 << folio_order(a, head)
        same_folio = lend < (index + nr_pages) << a.m.arch.page_shift
        if not truncate_partial_folio(a, inode, head, lstart, lend):
            start = index + nr_pages
            if same_folio:
                end = index
    if not same_folio:
        head = partial_folio(a, inode, lend >> a.m.arch.page_shift)
        if head:
            index = frame_index(frame_at(a, head))
            if not truncate_partial_folio(a, inode, head, lstart, lend):
                end = index
    if start < end:
        if a.shmem_free_swap != NULL and inode_at(a, inode).nr_swapped:
            a.shmem_free_swap(a, inode, start, end - 1)  # an entry that an edge cut may be in pieces now
        remove_range(a, inode, start, end)


cdef int zero_block(arena_t *a, idx_t inode, uint64_t start, uint64_t length) noexcept nogil:
    """Part of one block, through the cache: the page is dirty after. Source: __ext4_block_zero_page_range().

    A page that was not there is read as a block, not as a page: it is right, but not PG_uptodate. Over a hole it stays as it came.
    """
    cdef pfn_t pfn = filemap_get_block(a, inode, start >> a.m.arch.page_shift)
    cdef pfn_t head
    if pfn == 0:
        pfn = alloc_pages(a, 0, GFP_USER_MOVABLE)
        if pfn == 0:
            return -ENOMEM
        if filemap_add(a, inode, start >> a.m.arch.page_shift, pfn, 0) < 0:
            free_pages(a, pfn, 0)
            return -ENOMEM
    head = page_folio(a, pfn)
    folio_mark_accessed(a, head)
    if not frame_at(a, head).flags & PG_dirty and is_hole(a, inode, start >> a.m.arch.page_shift):
        return 0
    if not frame_at(a, head).flags & (PG_uptodate | PG_dirty) and disk_read(a, inode, start >> a.m.arch.page_shift, 1) < 0:
        return -EIO
    memset(page_bytes_mut(a, pfn) + offset_in_page(&a.m.arch, start), 0, length)
    frame_mut(a, head).flags |= PG_private
    filemap_dirty_folio(a, head)
    return 0


cdef int zero_partial_blocks(arena_t *a, idx_t inode, uint64_t start, uint64_t end) noexcept nogil:
    """The blocks that bytes start..end-1 cover in part. Source: ext4_zero_partial_blocks()."""
    cdef int err = 0
    if start >> a.m.arch.page_shift == (end - 1) >> a.m.arch.page_shift:
        return zero_block(a, inode, start, end - start) if offset_in_page(&a.m.arch, start) or offset_in_page(&a.m.arch, end) else 0
    if offset_in_page(&a.m.arch, start):
        err = zero_block(a, inode, start, page_size(&a.m.arch) - offset_in_page(&a.m.arch, start))
    if err == 0 and offset_in_page(&a.m.arch, end):
        err = zero_block(a, inode, page_start(&a.m.arch, end), offset_in_page(&a.m.arch, end))
    return err


cdef int do_truncate(arena_t *a, idx_t inode, uint64_t size) noexcept nogil:
    """A size that is not a multiple of the block, even the present one, zeroes the rest of its block and leaves the page dirty."""
    cdef uint64_t old = inode_at(a, inode).size
    cdef uint64_t past = page_align(&a.m.arch, size) >> a.m.arch.page_shift
    cdef bint on_disk = inode_at(a, inode).kind != INODE_SHMEM
    if size > max_file_bytes() - page_size(&a.m.arch):
        return -EFBIG
    if size > old:
        if on_disk and offset_in_page(&a.m.arch, old):  # the rest of the last block comes into view: it must be zeros
            zero_block(a, inode, old, page_size(&a.m.arch) - offset_in_page(&a.m.arch, old))
        inode_mut(a, inode).size = size
        return 0
    inode_mut(a, inode).size = size
    unmap_pages(a, inode, past, TO_THE_END, True)
    truncate_inode_pages_range(a, inode, size, TO_THE_END)
    unmap_pages(a, inode, past, TO_THE_END, True)
    disk_free_blocks(a, inode, past, TO_THE_END)
    if size == 0 and inode_at(a, inode).kind == INODE_EXT4:
        inode_mut(a, inode).i_state |= EXT4_STATE_DA_ALLOC_CLOSE
    if on_disk and offset_in_page(&a.m.arch, size):
        zero_block(a, inode, size, page_size(&a.m.arch) - offset_in_page(&a.m.arch, size))  # ext4_truncate() does not ask what came of it
    return 0


cdef void unmap_hole(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    """Pages first..last-1 leave the mappings. Source: truncate_pagecache_range(), shmem_fallocate().

    A hole that ends within the file's first page ends, for the kernel, at byte -1, and that is compared without a sign: then every
    page from the first on is unmapped (their frames stay in the cache, and private copies stay).
    """
    if last == 0:
        unmap_pages(a, inode, first, TO_THE_END, False)
    elif first < last:
        unmap_pages(a, inode, first, last - 1, False)


cdef int punch_hole(arena_t *a, idx_t inode, uint64_t offset, uint64_t length) noexcept nogil:
    """FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE. Source: vfs_fallocate(), whose offsets have a sign, ext4_punch_hole(); shmem_fallocate(), for which the
    file's end is none."""
    cdef uint64_t size = inode_at(a, inode).size
    cdef uint64_t end = offset + length
    cdef uint64_t first
    cdef uint64_t last
    cdef bint on_disk = inode_at(a, inode).kind != INODE_SHMEM
    cdef uint64_t most = <uint64_t>1 << 63 if not on_disk else max_file_bytes() - page_size(&a.m.arch)
    cdef int err = 0
    if length == 0 or offset >> 63 or length >> 63:
        return -EINVAL
    if end > most:
        return -EFBIG
    if on_disk and offset >= size:
        return 0
    if on_disk and end > size:
        end = page_align(&a.m.arch, size)
    first = page_align(&a.m.arch, offset) >> a.m.arch.page_shift
    last = end >> a.m.arch.page_shift
    unmap_hole(a, inode, first, last)
    truncate_inode_pages_range(a, inode, offset, end - 1)
    if on_disk:
        err = zero_partial_blocks(a, inode, offset, end)
    if first < last and err == 0:
        disk_free_blocks(a, inode, first, last - 1)
    return err


cdef bint folio_mapped(arena_t *a, pfn_t head, uint64_t nr_pages) noexcept nogil:
    cdef uint64_t i
    for i in range(nr_pages):
        if page_mapcount(a, <pfn_t>(head + i)) > 0:
            return True
    return False


cdef uint64_t invalidate_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    """Source: mapping_try_invalidate(), mapping_evict_folio(): not dirty, and no reference but the cache's. The others are the next to go."""
    cdef uint64_t index = first
    cdef uint64_t dropped = 0
    cdef uint64_t start
    cdef uint64_t nr_pages
    cdef pfn_t head
    while index <= last:
        head = filemap_next(a, inode, &index, last)
        if head == 0:
            break
        head = page_folio(a, head)
        start = frame_index(frame_at(a, head))
        nr_pages = <uint64_t>1 << folio_order(a, head)
        index = max(index + 1, start + nr_pages)  # onwards, even when a damaged file's folio says that it is elsewhere
        if start < first or start + nr_pages - 1 > last or frame_at(a, head).flags & (PG_writeback | PG_locked):
            continue
        if frame_at(a, head).flags & PG_dirty or frame_at(a, head).extra_refs > 1 or folio_mapped(a, head, nr_pages):
            deactivate_file_folio(a, head)
            continue
        filemap_remove(a, head)
        dropped += nr_pages
    filemap_forget(a, inode, first, last)
    return dropped


cdef void invalidate_all(arena_t *a) noexcept nogil:
    """Counts: DROP_PAGECACHE. Source: drop_pagecache_sb()."""
    cdef idx_t inode
    cdef inode_t *i
    for inode in range(1, a.pool[POOL_INODE].count):
        i = inode_at(a, inode)
        if i.i_pages:
            invalidate_range(a, inode, 0, TO_THE_END)
    count_vm_event(a, DROP_PAGECACHE)


cdef void drop_caches(arena_t *a, uint32_t what) noexcept nogil:
    if what & 1:
        lru_add_drain_all(a)
        invalidate_all(a)
    if what & 2:
        drop_slab(a)
