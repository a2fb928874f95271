"""Pages of shared memory on their way to a slot and back.

    cached: page 3 of the inode = frame 7
    shmem_writeout   swapped: page 3 -> slot 5 (count 1, the inode's); frame 7: swap cache, unmapped, being written
    shmem_swapin     cached: page 3 = frame 9, dirty; slot 5 is free

Modelled: inode.swapped is what Linux keeps as values in i_pages; the swap entry never outlives the page's return.
Counterpart: Linux v6.18 mm/shmem.c.
Invariants (fsck_swap): each of inode.swapped counts once for its slot; nr_swapped is their number.
"""

from vmtool.mm.arena cimport folio_x_at, frame_at, frame_mut, inode_at, inode_mut, slot_at, slot_mut
from vmtool.mm.filemap cimport filemap_evict, filemap_insert
from vmtool.mm.frame cimport frame_index
from vmtool.mm.inode cimport inode_live
from vmtool.mm.lruvec cimport count_memcg_events
from vmtool.mm.memcontrol cimport current_memcg
from vmtool.mm.swap_readahead cimport swap_update_readahead, swapin_readahead
from vmtool.mm.swap_state cimport folio_alloc_swap, free_swap_and_cache, swap_cache_remove, swap_write_wait, swap_writeout
from vmtool.mm.swapfile cimport record_entry, swp_type
from vmtool.mm.vmstat cimport PGMAJFAULT
from vmtool.mm.xnode cimport xnode_get, xnode_next, xnode_set


cdef bint shmem_writeout(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef idx_t inode = f.mapping
    cdef uint64_t index = frame_index(f)
    cdef uint32_t record
    if inode == 0 or f.flags & (PG_head | PG_anon) or not folio_alloc_swap(a, head):
        return False
    record = folio_x_at(a, head).swap
    if xnode_set(a, &inode_mut(a, inode).swapped, index, record, NULL) < 0:
        swap_cache_remove(a, head, 0)
        return False
    inode_mut(a, inode).nr_swapped += 1
    slot_mut(a, record).count += 1
    filemap_evict(a, head, 0)
    frame_mut(a, head).flags |= PG_dirty
    swap_writeout(a, head)
    return True


cdef pfn_t shmem_swapin(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil:
    """shmem_swapin_folio(). Counts a major fault when the device had to be read."""
    cdef uint32_t record = xnode_get(a, inode_at(a, inode).swapped, index)
    cdef uint32_t shadow = 0
    cdef pfn_t head
    if record == 0:
        return 0
    if slot_at(a, record).flags & SLOT_CACHE:
        head = slot_at(a, record).folio
        swap_update_readahead(a, head, 0, 0)
    else:
        head = swapin_readahead(a, record_entry(a, record), 0, 0)
        if head == 0:
            result[0] |= VM_FAULT_OOM
            return 0
        result[0] |= VM_FAULT_MAJOR
        count_memcg_events(a, current_memcg(a), PGMAJFAULT, 1)
    if frame_at(a, head).flags & PG_writeback:
        swap_write_wait(a)
    xnode_set(a, &inode_mut(a, inode).swapped, index, 0, NULL)
    inode_mut(a, inode).nr_swapped -= 1
    slot_mut(a, record).count -= 1
    frame_mut(a, head).extra_refs += 1  # the page cache's
    swap_cache_remove(a, head, 0)
    frame_mut(a, head).flags = (frame_at(a, head).flags | PG_dirty | PG_swapbacked | PG_uptodate)
    if filemap_insert(a, inode, index, head, 0, &shadow) < 0:
        frame_mut(a, head).extra_refs -= 1
        result[0] |= VM_FAULT_OOM
        return 0
    return head


cdef void shmem_free_swap(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    cdef uint64_t index = first
    cdef uint32_t record
    while inode_at(a, inode).nr_swapped and not a.err:
        record = xnode_next(a, inode_at(a, inode).swapped, &index, last)
        if record == 0:
            return
        xnode_set(a, &inode_mut(a, inode).swapped, index, 0, NULL)
        inode_mut(a, inode).nr_swapped -= 1
        free_swap_and_cache(a, record_entry(a, record))


cdef bint shmem_unuse(arena_t *a, uint32_t type) noexcept nogil:
    cdef idx_t inode
    cdef uint64_t index
    cdef uint32_t record
    cdef uint32_t result = 0
    for inode in range(1, a.pool[POOL_INODE].count):
        index = 0
        while inode_live(inode_at(a, inode)) and inode_at(a, inode).nr_swapped and not a.err:
            record = xnode_next(a, inode_at(a, inode).swapped, &index, <uint64_t>-1)
            if record == 0:
                break
            if swp_type(record_entry(a, record)) == type and shmem_swapin(a, inode, index, &result) == 0:
                return False
            index += 1
    return True
