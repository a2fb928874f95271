"""The index of cached pages, its counters and marks.

Modelled: address_space.i_pages (a radix tree, xnode.pyx), nrpages, the DIRTY mark, LRU membership.
Counterpart: Linux v6.18 mm/filemap.c, mm/page-writeback.c.
# Deviation: PG_locked and PG_writeback are never seen, I/O takes no time. Whether a block is in memory is known of a folio, not of each of its blocks
(buffer heads, PG_private): a large folio whose read failed makes room for one that is written to.

State of a file page: absent -> clean (filemap_add) <-> dirty (folio_mark_dirty, writeback) -> absent (filemap_remove)
Not PG_uptodate: its read failed, or (PG_private) its block alone was read, as a block.
Invariants (fsck_cache): slot i of a file leads to a frame whose folio names the inode and the index; nrpages = slots; nr_dirty = marks =
pages of folios with PG_dirty; NR_FILE_PAGES, NR_FILE_THPS, NR_SHMEM, NR_SHMEM_THPS, NR_FILE_DIRTY are the sums over inodes.
"""

from vmtool.mm.arena cimport cpu_mut, frame_at, frame_mut, inode_at, inode_mut, task_mut
from vmtool.mm.buddy cimport folio_put
from vmtool.mm.frame cimport folio_order, frame_index, frame_set_index, page_folio, pfn_to_zone
from vmtool.mm.lruvec cimport lruvec_stat_mod_folio, pmd_mappable
from vmtool.mm.slab cimport CACHE_RADIX_NODE, kmem_cache_alloc, kmem_cache_alloc_account, kmem_cache_free
from vmtool.mm.swap_lru cimport folio_add_lru
from vmtool.mm.trace cimport TR_CACHE_ADD, TR_CACHE_REMOVE, trace3
from vmtool.mm.vmstat cimport NR_DIRTIED, NR_FILE_DIRTY, NR_FILE_PAGES, NR_FILE_THPS, NR_SHMEM, NR_SHMEM_THPS, NR_ZONE_WRITE_PENDING, WORKINGSET_NODES, mod_node_stat
from vmtool.mm.workingset cimport workingset_refault
from vmtool.mm.xnode cimport (XMARK_DIRTY, xnode_clear_mark, xnode_clear_shadows, xnode_free_all, xnode_get, xnode_get_leaf, xnode_get_range, xnode_get_shadow, xnode_next,
                              xnode_next_marked, xnode_next_shadow, xnode_ops_t, xnode_set, xnode_set_mark, xnode_set_shadow)


cdef uint64_t radix_node_alloc(arena_t *a) noexcept nogil:
    return kmem_cache_alloc_account(a, CACHE_RADIX_NODE)  # XA_FLAGS_ACCOUNT


cdef void radix_node_free(arena_t *a, uint64_t obj) noexcept nogil:
    kmem_cache_free(a, CACHE_RADIX_NODE, obj)


cdef xnode_ops_t I_PAGES_OPS
I_PAGES_OPS.alloc = radix_node_alloc
I_PAGES_OPS.free = radix_node_free


cdef void count_shadow_node(arena_t *a, int delta) noexcept nogil:
    mod_node_stat(a, WORKINGSET_NODES, delta)


I_PAGES_OPS.shadows_only = count_shadow_node


cdef void count_nothing(arena_t *a, int delta) noexcept nogil:
    pass


cdef xnode_ops_t SHMEM_PAGES_OPS  # mapping_set_update(): nodes of shared memory are nobody's to reclaim, whatever they hold
SHMEM_PAGES_OPS.alloc = radix_node_alloc
SHMEM_PAGES_OPS.free = radix_node_free
SHMEM_PAGES_OPS.shadows_only = count_nothing


cdef inline const xnode_ops_t *pages_ops(const inode_t *ino) noexcept nogil:
    return &SHMEM_PAGES_OPS if ino.kind == INODE_SHMEM else &I_PAGES_OPS


cdef uint64_t idr_node_alloc(arena_t *a) noexcept nogil:
    return kmem_cache_alloc(a, CACHE_RADIX_NODE)


cdef xnode_ops_t IDR_OPS
IDR_OPS.alloc = idr_node_alloc
IDR_OPS.free = radix_node_free
IDR_OPS.shadows_only = count_nothing


cdef const xnode_ops_t *radix_ops() noexcept nogil:
    return &IDR_OPS


cdef pfn_t filemap_get(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    return xnode_get(a, inode_at(a, inode).i_pages, index)


cdef bint page_uptodate(arena_t *a, pfn_t page) noexcept nogil:
    return (frame_at(a, page_folio(a, page)).flags & PG_uptodate) != 0


cdef pfn_t filemap_get_block(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    cdef pfn_t page = filemap_get(a, inode, index)
    cdef pfn_t head
    if page == 0:
        return 0
    head = page_folio(a, page)
    if folio_order(a, head) == 0 or frame_at(a, head).flags & (PG_uptodate | PG_dirty):
        return page
    filemap_remove(a, head)
    return 0


cdef pfn_t filemap_next(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil:
    cdef pfn_t pfn = xnode_next(a, inode_at(a, inode).i_pages, index, last)
    return in_its_place(a, inode, index[0], pfn)


cdef pfn_t filemap_next_dirty(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil:
    cdef pfn_t pfn = xnode_next_marked(a, inode_at(a, inode).i_pages, index, last, XMARK_DIRTY)
    return in_its_place(a, inode, index[0], pfn)


cdef void filemap_get_range(arena_t *a, idx_t inode, uint64_t first, uint32_t nr, pfn_t *out) noexcept nogil:
    xnode_get_range(a, inode_at(a, inode).i_pages, first, nr, out)


cdef const pfn_t *filemap_get_leaf(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    return xnode_get_leaf(a, inode_at(a, inode).i_pages, index)


cdef uint64_t first_slot(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    """Where a walk of the cache begins. xas_load() of a large folio's tail puts the cursor on the slot of its head, but leaves the index."""
    cdef pfn_t page = filemap_get(a, inode, index)
    return frame_index(frame_at(a, page_folio(a, page))) if page else index


cdef uint64_t page_cache_prev_miss(arena_t *a, idx_t inode, uint64_t index, uint64_t max_scan) noexcept nogil:
    """Last gap at or before index; all present: the last one looked at; from the file's start: -1.

    Slot and index go back together, so a walk that began within a large folio names the gap too high; entering a node corrects the slot.
    """
    cdef uint64_t slot = first_slot(a, inode, index)
    while filemap_get(a, inode, slot):
        max_scan -= 1
        if max_scan == 0:
            return index
        index -= 1
        if slot == 0:
            return index
        slot = (slot - 1) // XNODE_SLOTS * XNODE_SLOTS + index % XNODE_SLOTS if slot % XNODE_SLOTS == 0 else slot - 1
    return index


cdef uint64_t page_cache_next_miss(arena_t *a, idx_t inode, uint64_t index, uint64_t max_scan) noexcept nogil:
    """First gap at or after index (too high by as much, when the walk began within a large folio), or index + max_scan."""
    cdef uint64_t end = index + max_scan
    cdef uint64_t slot = first_slot(a, inode, index)
    while index < end and filemap_get(a, inode, slot):
        index += 1
        slot += 1
        if slot % XNODE_SLOTS == 0:
            slot += index % XNODE_SLOTS
    return index


cdef int filemap_insert(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order, uint32_t *shadow) noexcept nogil:
    """Source: __filemap_add_folio()."""
    cdef inode_t *ino = inode_mut(a, inode)
    cdef uint64_t nr_pages = <uint64_t>1 << order
    cdef uint64_t at = index
    cdef uint64_t i
    cdef frame_t *f
    cdef int err
    if xnode_next(a, ino.i_pages, &at, index + nr_pages - 1):
        return -EEXIST
    for i in range(nr_pages):
        if xnode_get_shadow(a, ino.i_pages, index + i):
            shadow[0] = xnode_get_shadow(a, ino.i_pages, index + i)
        err = xnode_set(a, &ino.i_pages, index + i, <uint32_t>(head + i), pages_ops(ino))
        if err:
            while i:
                i -= 1
                xnode_set(a, &ino.i_pages, index + i, 0, pages_ops(ino))
            return err
    ino.nrpages += nr_pages
    f = frame_mut(a, head)
    f.mapping = inode
    frame_set_index(f, index)
    lruvec_stat_mod_folio(a, head, NR_FILE_PAGES, nr_pages)
    if f.flags & PG_swapbacked:
        lruvec_stat_mod_folio(a, head, NR_SHMEM, nr_pages)
    if pmd_mappable(&a.m.arch, order):
        lruvec_stat_mod_folio(a, head, NR_SHMEM_THPS if f.flags & PG_swapbacked else NR_FILE_THPS, nr_pages)
    trace3(a, TR_CACHE_ADD, inode, index, head)
    return 0


cdef int filemap_add(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order) noexcept nogil:
    """Evicted not long ago, it comes back active. Source: filemap_add_folio()."""
    cdef uint32_t shadow = 0
    cdef int err = filemap_insert(a, inode, index, head, order, &shadow)
    if err:
        return err
    if shadow and not frame_at(a, head).flags & PG_swapbacked:
        workingset_refault(a, head, shadow)
    folio_add_lru(a, head)
    return 0


cdef void drop_collapsed(arena_t *a, pfn_t head) noexcept nogil:
    """One of the folios that are no longer in the cache: what it counted for, its flags, its reference."""
    cdef frame_t *f = frame_mut(a, head)
    cdef int64_t nr_pages = <int64_t>1 << folio_order(a, head)
    lruvec_stat_mod_folio(a, head, NR_FILE_PAGES, -nr_pages)
    lruvec_stat_mod_folio(a, head, NR_SHMEM, -nr_pages)
    f.flags &= ~<uint32_t>(PG_active | PG_unevictable | PG_dirty)
    f.mapping = 0
    trace3(a, TR_CACHE_REMOVE, 0, frame_index(f), head)
    frame_set_index(f, 0)
    folio_put(a, head)


cdef int filemap_collapse(arena_t *a, idx_t inode, uint64_t index, pfn_t head, uint32_t order, const pfn_t *olds, uint32_t nr) noexcept nogil:
    """The end of collapse_file(), of shared memory. The holes' slots come first: only they need nodes."""
    cdef inode_t *ino = inode_mut(a, inode)
    cdef int64_t nr_pages = <int64_t>1 << order
    cdef uint64_t i, done
    cdef int64_t nr_none = 0
    cdef int err
    cdef frame_t *f = frame_mut(a, head)
    for i in range(<uint64_t>nr_pages):
        if xnode_get(a, ino.i_pages, index + i):
            continue
        err = xnode_set(a, &ino.i_pages, index + i, <uint32_t>(head + i), pages_ops(ino))
        if err:
            for done in range(i):
                if xnode_get(a, ino.i_pages, index + done) == head + done:
                    xnode_set(a, &ino.i_pages, index + done, 0, pages_ops(ino))
            return err
        nr_none += 1
    for i in range(<uint64_t>nr_pages):
        xnode_set(a, &ino.i_pages, index + i, <uint32_t>(head + i), pages_ops(ino))
    ino.nrpages += <uint64_t>nr_none
    f.mapping = inode
    frame_set_index(f, index)
    for i in range(nr):
        drop_collapsed(a, olds[i])
    lruvec_stat_mod_folio(a, head, NR_FILE_PAGES, nr_pages)
    lruvec_stat_mod_folio(a, head, NR_SHMEM, nr_pages)
    lruvec_stat_mod_folio(a, head, NR_SHMEM_THPS, nr_pages)
    trace3(a, TR_CACHE_ADD, inode, index, head)
    return 0


cdef void filemap_remove(arena_t *a, pfn_t head) noexcept nogil:
    filemap_evict(a, head, 0)


cdef void filemap_evict(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil:
    """Counts: as filemap_add() and folio_mark_dirty(), backwards. Source: __filemap_remove_folio()."""
    cdef frame_t *f = frame_mut(a, head)
    cdef idx_t inode = f.mapping
    cdef inode_t *ino = inode_mut(a, inode)
    cdef uint64_t index = frame_index(f)
    cdef uint64_t nr_pages = <uint64_t>1 << folio_order(a, head)
    cdef uint64_t i
    folio_clear_dirty(a, head)
    for i in range(nr_pages):
        xnode_set_shadow(a, &ino.i_pages, index + i, shadow, pages_ops(ino))
    ino.nrpages -= nr_pages
    lruvec_stat_mod_folio(a, head, NR_FILE_PAGES, -<int64_t>nr_pages)
    if f.flags & PG_swapbacked:
        lruvec_stat_mod_folio(a, head, NR_SHMEM, -<int64_t>nr_pages)
    if pmd_mappable(&a.m.arch, folio_order(a, head)):
        lruvec_stat_mod_folio(a, head, NR_SHMEM_THPS if f.flags & PG_swapbacked else NR_FILE_THPS, -<int64_t>nr_pages)
    f.flags &= ~<uint32_t>PG_private
    f.mapping = 0
    frame_set_index(f, 0)
    trace3(a, TR_CACHE_REMOVE, inode, index, head)
    folio_put(a, head)


cdef void filemap_remove_all(arena_t *a, idx_t inode) noexcept nogil:
    cdef uint64_t index = 0
    cdef pfn_t pfn
    while True:
        pfn = filemap_next(a, inode, &index, <uint64_t>-1)
        if pfn == 0:
            xnode_free_all(a, &inode_mut(a, inode).i_pages, pages_ops(inode_at(a, inode)))  # what is left are shadows
            return
        filemap_remove(a, pfn)


cdef uint32_t filemap_swapped(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    return xnode_get_shadow(a, inode_at(a, inode).i_pages, index) if inode_at(a, inode).nr_swapped else 0


cdef uint32_t filemap_next_swapped(arena_t *a, idx_t inode, uint64_t *index, uint64_t last) noexcept nogil:
    return xnode_next_shadow(a, inode_at(a, inode).i_pages, index, last) if inode_at(a, inode).nr_swapped else 0


cdef void filemap_set_swapped(arena_t *a, idx_t inode, uint64_t index, uint32_t record) noexcept nogil:
    xnode_set_shadow(a, &inode_mut(a, inode).i_pages, index, record, pages_ops(inode_at(a, inode)))


cdef void filemap_forget(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    if inode_at(a, inode).i_pages and inode_at(a, inode).kind != INODE_SHMEM:
        xnode_clear_shadows(a, &inode_mut(a, inode).i_pages, first, last, &I_PAGES_OPS)


cdef void folio_mark_dirty(arena_t *a, pfn_t head) noexcept nogil:
    """A store through a mapping; PG_readahead goes, its bit now means PG_reclaim."""
    if frame_at(a, head).flags & PG_reclaim:
        frame_mut(a, head).flags &= ~<uint32_t>PG_reclaim
    filemap_dirty_folio(a, head)


cdef void filemap_dirty_folio(arena_t *a, pfn_t head) noexcept nogil:
    """Source: __folio_mark_dirty()."""
    cdef frame_t *f = frame_at(a, head)
    cdef inode_t *ino
    cdef uint64_t index
    cdef uint64_t nr_pages
    cdef uint64_t i
    if f.flags & PG_dirty:
        return
    f = frame_mut(a, head)
    f.flags |= PG_dirty
    if f.mapping == 0 or f.flags & (PG_anon | PG_swapbacked):
        return
    ino = inode_mut(a, f.mapping)
    index = frame_index(f)
    nr_pages = <uint64_t>1 << folio_order(a, head)
    for i in range(nr_pages):
        xnode_set_mark(a, ino.i_pages, index + i, XMARK_DIRTY)
    if ino.nr_dirty == 0:
        ino.dirtied_us = a.m.now_us
        if a.m.node_stat[NR_FILE_DIRTY] == 0:  # wb_wakeup_delayed(): the flusher comes by from now on
            a.m.flusher_us = a.m.now_us + <uint64_t>a.m.dirty_writeback_centisecs * 10000
    ino.nr_dirty += <uint32_t>nr_pages
    lruvec_stat_mod_folio(a, head, NR_FILE_DIRTY, nr_pages)
    mod_node_stat(a, NR_DIRTIED, nr_pages)
    if a.task:
        task_mut(a, a.task).nr_dirtied += <uint32_t>nr_pages
    cpu_mut(a, a.cpu).bdp_ratelimits += <uint32_t>nr_pages
    a.m.zone_stat[pfn_to_zone(a, head)][NR_ZONE_WRITE_PENDING] += nr_pages


cdef bint folio_clear_dirty(arena_t *a, pfn_t head) noexcept nogil:
    """Source: folio_account_cleaned(); the caller has cleaned the page tables (folio_mkclean)."""
    cdef frame_t *f = frame_at(a, head)
    cdef inode_t *ino
    cdef uint64_t index
    cdef uint64_t nr_pages
    cdef uint64_t i
    if not f.flags & PG_dirty:
        return False
    f = frame_mut(a, head)
    f.flags &= ~<uint32_t>PG_dirty
    if f.mapping == 0 or f.flags & (PG_anon | PG_swapbacked):
        return True
    ino = inode_mut(a, f.mapping)
    index = frame_index(f)
    nr_pages = <uint64_t>1 << folio_order(a, head)
    for i in range(nr_pages):
        xnode_clear_mark(a, ino.i_pages, index + i, XMARK_DIRTY)
    ino.nr_dirty -= <uint32_t>nr_pages
    lruvec_stat_mod_folio(a, head, NR_FILE_DIRTY, -<int64_t>nr_pages)
    a.m.zone_stat[pfn_to_zone(a, head)][NR_ZONE_WRITE_PENDING] -= nr_pages
    return True


cdef bint folio_test_dirty(arena_t *a, pfn_t head) noexcept nogil:
    return (frame_at(a, head).flags & PG_dirty) != 0
