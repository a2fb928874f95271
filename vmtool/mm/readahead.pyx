"""Read-ahead windows.

Modelled: the on-demand algorithm of 6.18: windows that start small and double, the mark that starts the next one, folios whose order grows by two
each time, read-around of mapped files, and their misses counted.
Counterpart: Linux v6.18 mm/readahead.c:page_cache_sync_ra(), page_cache_async_ra(), page_cache_ra_order(), page_cache_ra_unbounded();
mm/filemap.c:do_sync_mmap_readahead(), do_async_mmap_readahead().
# Deviation: I/O takes no time, so no page is ever seen locked (a fault is told which pages it must take for being on their way).
Folios of a request that failed stay, not up to date: nobody reads ahead what is there, whoever wants one reads it alone (filemap_read_folio).
"""

from vmtool.mm.arch cimport ARCH_I386, ARCH_I386_PAE, page_align
from vmtool.mm.arena cimport file_at, file_mut, frame_at, frame_mut, inode_at
from vmtool.mm.buddy cimport alloc_pages, folio_get, folio_put, free_pages
from vmtool.mm.filemap cimport filemap_add, filemap_get, page_cache_next_miss, page_cache_prev_miss, page_uptodate
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.inode cimport disk_read, is_hole
from vmtool.mm.large_folio cimport ext4_max_order, hpage_pmd_nr, max_pagecache_order
from vmtool.mm.sched cimport schedule
from vmtool.mm.trace cimport TR_CACHE_LOOKUP, trace3
from vmtool.mm.vmstat cimport PGPGIN
from vmtool.mm.xnode cimport lowest_bit

cdef enum:
    IO_PAGES = 1024  # bdi->io_pages: requests of the disk may be 4 MiB
    MMAP_LOTSAMISS = 100
    CHUNK_BYTES_OF_RA = 2097152  # force_page_cache_ra() goes on in such steps
    MOST_EIO = 15  # nothing is left of any ra_pages

cdef enum:  # how often a fault reads a folio, as long as that fails
    TRIES_TRIED = 2  # FAULT_FLAG_ALLOW_RETRY, then FAULT_FLAG_TRIED
    TRIES_UNDER_VMA_LOCK = 3  # before those: FAULT_FLAG_VMA_LOCK

cdef struct ractl_t:  # readahead_control: folios added but not yet read are index..index+nr_pages-1
    idx_t inode
    uint64_t index
    uint64_t nr_pages


cdef inline uint32_t ilog2(uint64_t n) noexcept nogil:
    """n is not 0."""
    cdef uint32_t bit = 0
    while n >> (bit + 1):
        bit += 1
    return bit


cdef inline uint64_t last_page(arena_t *a, idx_t inode) noexcept nogil:
    """Index of the page with the last byte; the file is not empty."""
    return (inode_at(a, inode).size - 1) >> a.m.arch.page_shift


cdef inline uint64_t ra_pages(arena_t *a, const file_t *ra) noexcept nogil:
    return a.m.ra_pages >> 2 * ra.nr_eio


cdef bint all_holes(arena_t *a, idx_t inode, uint64_t index, uint64_t nr_pages) noexcept nogil:
    cdef uint64_t i
    for i in range(nr_pages):
        if not is_hole(a, inode, index + i):
            return False
    return True


cdef void read_pages(arena_t *a, ractl_t *rac) noexcept nogil:
    """One request for what was added; then all of it is up to date, or, when it failed, what lies wholly in holes."""
    cdef uint64_t index = rac.index
    cdef uint64_t end = rac.index + rac.nr_pages
    cdef uint64_t nr_pages
    cdef pfn_t head
    cdef int err
    if rac.nr_pages == 0:
        return
    err = disk_read(a, rac.inode, index, rac.nr_pages)
    while index < end:
        head = filemap_get(a, rac.inode, index)
        nr_pages = <uint64_t>1 << folio_order(a, head)
        frame_mut(a, head).flags &= ~<uint32_t>PG_locked
        if err == 0 or all_holes(a, rac.inode, index, nr_pages):
            frame_mut(a, head).flags |= PG_uptodate
        index += nr_pages
    rac.index = end
    rac.nr_pages = 0


cdef int ra_add_folio(arena_t *a, ractl_t *rac, uint64_t index, uint32_t order, bint marked) noexcept nogil:
    """0, -ENOMEM, -EEXIST. A large folio is a wish: one try at reclaim and compaction, no OOM."""
    cdef pfn_t head = alloc_pages(a, order, GFP_USER_MOVABLE | GFP_NOFS | GFP_NORETRY if order else GFP_USER_MOVABLE)
    cdef int err
    if head == 0:
        return -ENOMEM
    err = filemap_add(a, rac.inode, index, head, order)
    if err:
        free_pages(a, head, order)
        return err
    frame_mut(a, head).flags |= PG_locked | (PG_readahead if marked else 0)  # until it is read: reclaim leaves it alone
    rac.nr_pages += <uint64_t>1 << order
    return 0


cdef void ra_unbounded(arena_t *a, ractl_t *rac, uint64_t nr_to_read, uint64_t lookahead) noexcept nogil:
    """Single pages into the gaps; pages that are there already split the request. Source: page_cache_ra_unbounded()."""
    cdef uint64_t first = rac.index
    cdef uint64_t mark = nr_to_read - lookahead if lookahead <= nr_to_read else <uint64_t>-1
    cdef uint64_t i = 0
    while i < nr_to_read:
        if filemap_get(a, rac.inode, first + i):
            read_pages(a, rac)
            rac.index += 1
            i = rac.index - first
            continue
        if ra_add_folio(a, rac, first + i, 0, i == mark) < 0:
            break
        i += 1
    read_pages(a, rac)


cdef void do_page_cache_ra(arena_t *a, ractl_t *rac, uint64_t nr_to_read, uint64_t lookahead) noexcept nogil:
    cdef uint64_t end_index
    if inode_at(a, rac.inode).size == 0:
        return
    end_index = last_page(a, rac.inode)
    if rac.index > end_index:
        return
    if nr_to_read > end_index - rac.index:
        nr_to_read = end_index - rac.index + 1
    ra_unbounded(a, rac, nr_to_read, lookahead)


cdef void page_cache_ra_order(arena_t *a, file_t *ra, ractl_t *rac) noexcept nogil:
    """The window of `ra`, in folios of ra_order where alignment and the end of the file allow."""
    cdef uint64_t start = rac.index
    cdef uint64_t index = start
    cdef uint64_t mark = start + ra.ra_size - ra.ra_async_size
    cdef uint64_t limit
    cdef uint32_t new_order = ra.ra_order
    cdef uint32_t order
    cdef int err = 0
    if ra.ra_size == 0 or inode_at(a, rac.inode).size == 0:
        return
    limit = last_page(a, rac.inode)
    if index + ra.ra_size - 1 < limit:
        limit = index + ra.ra_size - 1
    if new_order > ext4_max_order(&a.m.arch):
        new_order = ext4_max_order(&a.m.arch)
    if new_order > ilog2(ra.ra_size):
        new_order = ilog2(ra.ra_size)
    ra.ra_order = new_order
    while index <= limit:
        order = new_order
        if index & ((<uint64_t>1 << order) - 1):
            order = lowest_bit(index)
        while order and index + (<uint64_t>1 << order) - 1 > limit:
            order -= 1
        err = ra_add_folio(a, rac, index, order, index == mark >> order << order)
        if err:
            break
        index += <uint64_t>1 << order
    read_pages(a, rac)
    if err and ra.ra_size > index - start:
        do_page_cache_ra(a, rac, ra.ra_size - (index - start), ra.ra_async_size)


cdef uint64_t get_init_ra_size(uint64_t size, uint64_t max_pages) noexcept nogil:
    """First window: the request rounded up to a power of 2, times 4 when small, times 2 when medium."""
    cdef uint64_t newsize = 1
    while newsize < size:
        newsize <<= 1
    if newsize <= max_pages // 32:
        return newsize * 4
    if newsize <= max_pages // 4:
        return newsize * 2
    return max_pages


cdef uint64_t get_next_ra_size(uint64_t cur, uint64_t max_pages) noexcept nogil:
    if cur < max_pages // 16:
        return 4 * cur
    if cur <= max_pages // 2:
        return 2 * cur
    return max_pages


cdef uint64_t ractl_max_pages(arena_t *a, const file_t *ra, uint64_t req_size) noexcept nogil:
    """A request larger than the window may be as large as one of the disk's."""
    if req_size > ra_pages(a, ra) and IO_PAGES > ra_pages(a, ra):
        return req_size if req_size < IO_PAGES else IO_PAGES
    return ra_pages(a, ra)


cdef int64_t force_readahead(arena_t *a, idx_t file, uint64_t index, uint64_t nr_pages) noexcept nogil:
    """Pieces of 2 MiB, at most one request of the disk in all. Source: force_page_cache_ra()."""
    cdef ractl_t rac
    cdef uint64_t max_pages = max(<uint64_t>IO_PAGES, ra_pages(a, file_at(a, file)))
    cdef uint64_t before
    cdef uint64_t chunk
    rac.inode = file_at(a, file).inode
    before = inode_at(a, rac.inode).nrpages
    rac.index = index
    rac.nr_pages = 0
    if nr_pages > max_pages:
        nr_pages = max_pages
    while nr_pages:
        chunk = min(nr_pages, <uint64_t>CHUNK_BYTES_OF_RA >> a.m.arch.page_shift)
        do_page_cache_ra(a, &rac, chunk, 0)
        nr_pages -= chunk
    return <int64_t>(inode_at(a, rac.inode).nrpages - before)


cdef void page_cache_sync_ra(arena_t *a, idx_t file, uint64_t index, uint64_t req_count) noexcept nogil:
    cdef file_t *ra = file_mut(a, file)
    cdef ractl_t rac
    cdef uint64_t max_pages
    cdef uint64_t miss
    cdef uint64_t contig
    rac.inode = ra.inode
    rac.index = index
    rac.nr_pages = 0
    if ra_pages(a, ra) == 0:
        force_readahead(a, file, index, 1)
        return
    max_pages = ractl_max_pages(a, ra, req_count)
    if index == 0 or req_count > max_pages or index - (<uint64_t>ra.prev_pos >> a.m.arch.page_shift) <= 1:
        # the start of the file, an oversized read, or the page after the last read (or the same one)
        ra.ra_start = index
        ra.ra_size = <uint32_t>get_init_ra_size(req_count, max_pages)
        ra.ra_async_size = ra.ra_size - <uint32_t>req_count if ra.ra_size > req_count else ra.ra_size >> 1
    else:
        # the traces that a sequential stream would have left behind
        miss = page_cache_prev_miss(a, rac.inode, index - 1, max_pages)
        contig = index - miss - 1
        if contig <= req_count:
            do_page_cache_ra(a, &rac, req_count, 0)  # a lone random read: just its pages, and the state stays
            return
        if miss == <uint64_t>-1:
            contig *= 2
        ra.ra_start = index
        ra.ra_size = <uint32_t>(contig + req_count if contig + req_count < max_pages else max_pages)
        ra.ra_async_size = 1
    ra.ra_order = 0
    page_cache_ra_order(a, ra, &rac)
    schedule(a)


cdef void page_cache_async_ra(arena_t *a, idx_t file, uint64_t index, pfn_t folio, uint64_t req_count) noexcept nogil:
    cdef file_t *ra = file_mut(a, file)
    cdef uint64_t nr = <uint64_t>1 << folio_order(a, folio)
    cdef uint64_t max_pages
    cdef uint64_t start
    cdef uint64_t align
    cdef uint64_t end
    cdef uint64_t size
    cdef uint32_t order
    cdef ractl_t rac
    if ra_pages(a, ra) == 0:
        return
    frame_mut(a, folio).flags &= ~<uint32_t>PG_readahead
    max_pages = ractl_max_pages(a, ra, req_count)
    size = ra.ra_size
    if index == (ra.ra_start + ra.ra_size - ra.ra_async_size) // nr * nr:
        ra.ra_start += ra.ra_size
        if get_next_ra_size(size, max_pages) > size:
            size = get_next_ra_size(size, max_pages)
    else:
        # a mark that this open file did not set: the cache tells how far the reader before it had come
        start = page_cache_next_miss(a, ra.inode, index + 1, max_pages)
        if start == 0 or start - index > max_pages:
            return
        ra.ra_start = start
        size = get_next_ra_size(start - index + req_count, max_pages)
    ra.ra_order += 2
    order = lowest_bit(max_pages)
    if ra.ra_order < order:
        order = ra.ra_order
    align = <uint64_t>1 << order
    end = ra.ra_start + size
    if end // align * align > ra.ra_start:
        size -= end % align
    ra.ra_size = <uint32_t>size
    ra.ra_async_size = ra.ra_size
    rac.inode = ra.inode
    rac.index = ra.ra_start
    rac.nr_pages = 0
    page_cache_ra_order(a, ra, &rac)
    schedule(a)


cdef int filemap_read_folio(arena_t *a, idx_t file, pfn_t head) noexcept nogil:
    """Its blocks may be in memory: then nothing is read."""
    cdef idx_t inode = frame_at(a, head).mapping
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint64_t end = page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift
    if not frame_at(a, head).flags & PG_private and index < end and disk_read(
            a, inode, index, min(<uint64_t>1 << folio_order(a, head), end - index)) < 0:
        if file_at(a, file).nr_eio < MOST_EIO:
            file_mut(a, file).nr_eio += 1
        return -EIO
    frame_mut(a, head).flags |= PG_uptodate
    return 0


cdef pfn_t create_folio(arena_t *a, idx_t inode, uint64_t index, int *err) noexcept nogil:
    """A page that is not there, to be read. 0 with *err."""
    cdef pfn_t pfn = alloc_pages(a, 0, GFP_USER_MOVABLE)
    err[0] = ENOMEM
    if pfn == 0:
        return 0
    err[0] = -filemap_add(a, inode, index, pfn, 0)
    if err[0]:
        free_pages(a, pfn, 0)
        return 0
    return pfn


cdef pfn_t filemap_read_page(arena_t *a, idx_t file, uint64_t index, int *err) noexcept nogil:
    cdef pfn_t pfn = create_folio(a, file_at(a, file).inode, index, err)
    if pfn:
        err[0] = -filemap_read_folio(a, file, pfn)
    return pfn if err[0] == 0 else 0


cdef int filemap_populate(arena_t *a, idx_t inode) noexcept nogil:
    cdef ractl_t rac
    cdef uint64_t nr_pages = page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift
    cdef uint64_t index = 0
    cdef pfn_t page
    rac.inode = inode
    rac.index = 0
    rac.nr_pages = 0
    do_page_cache_ra(a, &rac, nr_pages, 0)
    while index < nr_pages:
        page = filemap_get(a, inode, index)
        if page == 0 or not page_uptodate(a, page):
            return -EIO
        index += 1
    return 0


cdef void mmap_sync_ra(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, uint64_t vma_first, uint64_t vma_end) noexcept nogil:
    """do_sync_mmap_readahead(): read around the page that faulted, unless the area says otherwise or misses prevail."""
    cdef file_t *ra = file_mut(a, file)
    cdef uint64_t end
    cdef ractl_t rac
    rac.inode = ra.inode
    rac.index = index
    rac.nr_pages = 0
    if vm_flags & VM_HUGEPAGE and a.m.arch.pmd_order <= max_pagecache_order(&a.m.arch):
        rac.index = index // hpage_pmd_nr(a) * hpage_pmd_nr(a)
        ra.ra_size = hpage_pmd_nr(a) if vm_flags & VM_RAND_READ else 2 * hpage_pmd_nr(a)
        ra.ra_async_size = hpage_pmd_nr(a)
        ra.ra_order = a.m.arch.pmd_order
        page_cache_ra_order(a, ra, &rac)
        return
    if vm_flags & (VM_RAND_READ | VM_EXEC) == VM_RAND_READ or ra_pages(a, ra) == 0:
        return
    if vm_flags & VM_SEQ_READ:
        page_cache_sync_ra(a, file, index, ra_pages(a, ra))
        return
    if ra.mmap_miss < MMAP_LOTSAMISS * 10:
        ra.mmap_miss += 1
    if ra.mmap_miss > MMAP_LOTSAMISS:
        return
    if vm_flags & VM_EXEC:  # code is run in no order: no read-ahead, and nothing outside the segment
        ra.ra_start = index if index > vma_first else vma_first
        end = ra.ra_start + ra_pages(a, ra)
        ra.ra_size = <uint32_t>((end if end < vma_end else vma_end) - ra.ra_start)
        ra.ra_async_size = 0
    else:
        ra.ra_start = index - ra_pages(a, ra) // 2 if index > ra_pages(a, ra) // 2 else 0
        ra.ra_size = <uint32_t>ra_pages(a, ra)
        ra.ra_async_size = <uint32_t>ra_pages(a, ra) // 4
    ra.ra_order = 0
    rac.index = ra.ra_start
    page_cache_ra_order(a, ra, &rac)


cdef uint32_t read_for_fault(arena_t *a, idx_t file, pfn_t head, uint32_t tries) noexcept nogil:
    """The fault is done anew after each read that it slept for (VM_FAULT_RETRY), so one that fails is tried again. How many are left; 0: all failed."""
    while tries and filemap_read_folio(a, file, head) < 0:
        tries -= 1
    return tries


cdef uint32_t filemap_fault_reread(arena_t *a, idx_t file, pfn_t page) noexcept nogil:
    """Without a miss the first read is under the area's lock alone, where there is one, and does not count as tried.

    Of a fault that was tried the task counts a major one; PGMAJFAULT is counted where the page is missing, and it was not.
    """
    cdef uint32_t tries = TRIES_TRIED if a.m.arch.id == ARCH_I386 or a.m.arch.id == ARCH_I386_PAE else TRIES_UNDER_VMA_LOCK
    cdef uint32_t left = read_for_fault(a, file, page_folio(a, page), tries)
    if left == 0:
        return VM_FAULT_SIGBUS
    return 0 if left == TRIES_UNDER_VMA_LOCK else VM_FAULT_MAJOR


cdef pfn_t filemap_fault_miss_in(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, uint64_t vma_first, uint64_t vma_end, int *err) noexcept nogil:
    cdef idx_t inode = file_at(a, file).inode
    cdef pfn_t pfn
    err[0] = 0
    trace3(a, TR_CACHE_LOOKUP, inode, index, 0)
    if index << a.m.arch.page_shift >= inode_at(a, inode).size:
        err[0] = EIO
        return 0
    mmap_sync_ra(a, file, index, vm_flags, vma_first, vma_end)
    pfn = filemap_get(a, inode, index)
    if pfn == 0:
        pfn = create_folio(a, inode, index, err)
    if pfn and not page_uptodate(a, pfn) and not read_for_fault(a, file, page_folio(a, pfn), TRIES_TRIED):
        err[0] = EIO
        return 0
    return pfn


cdef uint64_t filemap_fault_hit(arena_t *a, idx_t file, uint64_t index, uint64_t vm_flags, pfn_t page) noexcept nogil:
    cdef pfn_t head = page_folio(a, page)
    cdef int64_t before = a.m.event[PGPGIN]
    if vm_flags & VM_RAND_READ or ra_pages(a, file_at(a, file)) == 0:
        return <uint64_t>NOT_IN_FLIGHT
    if file_at(a, file).mmap_miss:
        file_mut(a, file).mmap_miss -= 1
    if not frame_at(a, head).flags & PG_readahead:
        return <uint64_t>NOT_IN_FLIGHT
    folio_get(a, head)  # the fault holds what it found: what read-ahead needs is not taken from there
    page_cache_async_ra(a, file, index, head, ra_pages(a, file_at(a, file)))
    folio_put(a, head)
    if a.m.event[PGPGIN] == before:  # nothing is being read
        return <uint64_t>NOT_IN_FLIGHT
    return file_at(a, file).ra_start


cdef void filemap_map_hits(arena_t *a, idx_t file, uint32_t nr_pages) noexcept nogil:
    cdef uint32_t misses = file_at(a, file).mmap_miss
    if misses and nr_pages:
        file_mut(a, file).mmap_miss = misses - nr_pages if nr_pages < misses else 0
