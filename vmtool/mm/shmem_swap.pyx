"""Pages of shared memory on their way to a slot and back.

    cached: page 3 of the inode = frame 7
    shmem_writeout   swapped: page 3 -> slot 5 (count 1, the inode's); frame 7: swap cache, unmapped, being written
    shmem_swapin     cached: page 3 = frame 9, dirty; slot 5 is free
    a folio of pages 16 .. 31: one entry of slots 32 .. 47 (SLOT_CONT: 33 .. 47), split when one of its pages is read

Modelled: an entry stands in i_pages where its page stood, as Linux's values do, so neither way needs memory; it never outlives the page's return.
Counterpart: Linux v6.18 mm/shmem.c.
Invariants (fsck_swap): each value of i_pages counts once for its slot; nr_swapped is their number; SLOT_CONT goes on with the slot before.
"""

from vmtool.mm.arena cimport folio_x_at, frame_at, frame_mut, inode_at, inode_mut, slot_at, slot_mut
from vmtool.mm.filemap cimport filemap_evict, filemap_insert, filemap_next_swapped, filemap_set_swapped, filemap_swapped, radix_ops
from vmtool.mm.arch cimport page_align
from vmtool.mm.frame cimport folio_order, frame_index
from vmtool.mm.lruvec cimport count_memcg_events
from vmtool.mm.memcontrol cimport current_memcg
from vmtool.mm.swap_readahead cimport read_swap_cache, swap_update_readahead, swapin_readahead
from vmtool.mm.swap_state cimport folio_alloc_swap, free_swap_and_cache_nr, swap_cache_remove, swap_write_wait, swap_writeout
from vmtool.mm.swapfile cimport SWAPFILE_CLUSTER, has_thp_swap, record_entry, swp_type
from vmtool.mm.vmstat cimport PGMAJFAULT
from vmtool.mm.xnode cimport xnode_free_all, xnode_next, xnode_ops_t, xnode_set

cdef enum:
    XA_CHUNK_SHIFT = 6  # entries of a node of an xarray


cdef bint shmem_splits(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint64_t first = frame_index(frame_at(a, head))
    cdef uint64_t end = page_align(&a.m.arch, inode_at(a, frame_at(a, head).mapping).size) >> a.m.arch.page_shift
    return folio_order(a, head) != 0 and (first < end < first + (<uint64_t>1 << folio_order(a, head)) or not has_thp_swap(&a.m.arch))


cdef void forget_entry(arena_t *a, idx_t inode, uint32_t record, uint64_t nr_pages) noexcept nogil:
    """The slots are part of no entry any more; who named them by it still counts (count)."""
    cdef uint64_t i
    for i in range(nr_pages):
        slot_mut(a, record + <uint32_t>i).flags &= ~<uint32_t>SLOT_CONT
    inode_mut(a, inode).nr_swapped -= <uint32_t>nr_pages


cdef void delete_from_page_cache(arena_t *a, pfn_t head, uint32_t record, uint64_t nr_pages) noexcept nogil:
    """shmem_delete_from_page_cache(): one entry of so many pages takes the folio's place."""
    cdef idx_t inode = frame_at(a, head).mapping
    cdef uint64_t index = frame_index(frame_at(a, head)), i
    for i in range(nr_pages):
        slot_mut(a, record + <uint32_t>i).count += 1
        if i:
            slot_mut(a, record + <uint32_t>i).flags |= SLOT_CONT
    inode_mut(a, inode).nr_swapped += <uint32_t>nr_pages
    filemap_evict(a, head, record)
    for i in range(1, nr_pages):
        filemap_set_swapped(a, inode, index + i, record + <uint32_t>i)


cdef bint shmem_writeout(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    if f.mapping == 0 or f.flags & PG_anon or not folio_alloc_swap(a, head):
        return False
    delete_from_page_cache(a, head, folio_x_at(a, head).swap, <uint64_t>1 << folio_order(a, head))
    frame_mut(a, head).flags |= PG_dirty
    swap_writeout(a, head)
    return True


# --- entries -----------------------------------------------------------------------------------------------------------


cdef uint32_t entry_of(arena_t *a, uint32_t record, uint32_t *nr) noexcept nogil:
    """The first slot of the entry that one is part of, and how many it has."""
    cdef uint32_t first = record, end = record + 1
    while slot_at(a, first).flags & SLOT_CONT and record - first < SWAPFILE_CLUSTER:
        first -= 1
    while end - first < SWAPFILE_CLUSTER and end < a.pool[POOL_SWAP].count and slot_at(a, end).flags & SLOT_CONT:
        end += 1
    nr[0] = end - first
    return first


cdef void split_entry(arena_t *a, uint32_t record) noexcept nogil:
    """shmem_split_large_entry(): down to a single slot where it is asked for; by whole levels of the tree, so larger pieces may stay beside it."""
    cdef uint32_t nr, piece
    cdef uint32_t first = entry_of(a, record, &nr), at
    while nr > 1:
        piece = nr >> 1 if nr == 1 << XA_CHUNK_SHIFT else 1 if nr < 1 << XA_CHUNK_SHIFT else 1 << XA_CHUNK_SHIFT  # xas_try_split_min_order()
        at = first + piece
        while at < first + nr:
            slot_mut(a, at).flags &= ~<uint32_t>SLOT_CONT
            at += piece
        first = entry_of(a, record, &nr)


cdef pfn_t read_in(arena_t *a, uint32_t record, uint32_t *result) noexcept nogil:
    """The folio of a slot. Counts a major fault when the device had to be read. 0: VM_FAULT_OOM."""
    cdef pfn_t head
    if slot_at(a, record).flags & SLOT_CACHE:
        head = slot_at(a, record).folio
        swap_update_readahead(a, head, 0, 0)
        return head
    head = swapin_readahead(a, record_entry(a, record), 0, 0)
    result[0] |= VM_FAULT_MAJOR if head else VM_FAULT_OOM
    if head:
        count_memcg_events(a, current_memcg(a), PGMAJFAULT, 1)
    return head


cdef pfn_t shmem_swapin(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil:
    """shmem_swapin_folio(): a large folio that is still cached comes back whole; what is read comes page by page."""
    cdef uint32_t record = filemap_swapped(a, inode, index), first, i, nr
    cdef uint32_t shadow = 0
    cdef uint64_t nr_pages
    cdef pfn_t head
    if record == 0:
        return 0
    head = read_in(a, record, result)
    if head == 0:
        return 0
    nr_pages = <uint64_t>1 << folio_order(a, head)
    entry_of(a, record, &nr)
    if nr > nr_pages:
        split_entry(a, record)
    if frame_at(a, head).flags & PG_writeback:
        swap_write_wait(a)
    first = record & ~<uint32_t>(nr_pages - 1)
    frame_mut(a, head).flags |= PG_swapbacked | PG_uptodate
    frame_mut(a, head).extra_refs += 1  # the page cache's
    if filemap_insert(a, inode, index - (record - first), head, folio_order(a, head), &shadow) < 0:  # an entry is not whole: a damaged file
        frame_mut(a, head).extra_refs -= 1
        result[0] |= VM_FAULT_OOM
        return 0
    forget_entry(a, inode, first, nr_pages)
    for i in range(<uint32_t>nr_pages):
        slot_mut(a, first + i).count -= 1
    swap_cache_remove(a, head, 0)
    frame_mut(a, head).flags |= PG_dirty
    return head + (record - first)


cdef bint next_entry(arena_t *a, idx_t inode, uint64_t last, uint64_t *index, uint32_t *record, uint32_t *start, uint32_t *nr) noexcept nogil:
    """The swapped page at *index or the next one: its slot, and the first and the number of its entry's. False: there is none up to last."""
    if index[0] > last or a.err:
        return False
    record[0] = filemap_next_swapped(a, inode, index, last)
    if record[0] == 0:
        return False
    start[0] = entry_of(a, record[0], nr)
    return True


cdef void shmem_free_swap(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    """What lies within whole; an entry that an edge cuts stays."""
    cdef uint64_t index = first, base, at
    cdef uint32_t record, start, nr
    while next_entry(a, inode, last, &index, &record, &start, &nr):
        base = index - (record - start)
        index = base + nr
        if base >= first and index - 1 <= last:
            for at in range(base, index):
                filemap_set_swapped(a, inode, at, 0)
            forget_entry(a, inode, start, nr)
            free_swap_and_cache_nr(a, record_entry(a, start), nr)


cdef void shmem_swapin_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    cdef uint64_t index = first
    cdef uint32_t record, start, nr
    while next_entry(a, inode, last, &index, &record, &start, &nr):
        index += nr - (record - start)
        read_swap_cache(a, record_entry(a, start), False)


cdef uint64_t shmem_partial_swap_usage(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    cdef uint64_t index = first, swapped = 0
    cdef uint32_t record, start, nr
    while next_entry(a, inode, last, &index, &record, &start, &nr):
        swapped += nr
        index += nr - (record - start)
    return swapped


cdef bint shmem_unuse(arena_t *a, uint32_t type) noexcept nogil:
    cdef idx_t inode
    cdef uint64_t index
    cdef uint32_t record
    cdef uint32_t result = 0
    for inode in range(1, a.pool[POOL_INODE].count):
        index = 0
        while inode_at(a, inode).nr_swapped and not a.err:
            record = filemap_next_swapped(a, inode, &index, <uint64_t>-1)
            if record == 0:
                break
            if swp_type(record_entry(a, record)) == type and shmem_swapin(a, inode, index, &result) == 0:
                return False
            index += 1
    return True


cdef int shmem_upgrade(arena_t *a) noexcept nogil:
    """Before layout 4 swapped pages had a tree of their own, where huge pages have theirs now."""
    cdef const xnode_ops_t *ops = radix_ops()
    cdef uint32_t record
    cdef uint64_t index
    cdef idx_t inode
    cdef inode_t *ino
    for inode in range(1, a.pool[POOL_INODE].count):
        if inode_at(a, inode).nr_swapped == 0:
            continue
        ino = inode_mut(a, inode)
        index = 0
        while not a.err:
            record = xnode_next(a, ino.huge_pages, &index, <uint64_t>-1)
            if record == 0:
                break
            if xnode_set(a, &ino.i_pages, index, record, ops) < 0:
                return -ENOMEM
            filemap_set_swapped(a, inode, index, record)
            index += 1
        xnode_free_all(a, &ino.huge_pages, NULL)
    return 0
