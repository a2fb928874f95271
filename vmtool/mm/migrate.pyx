"""Moving folios.

    before   frame 8: the page of two entries, or of a cache       frame 96: free, isolated
    after    frame 96 has its bytes, flags, owner and entries      frame 8: free, on a per-CPU list

All folios of a turn get their place first, then they move, so that no frame that becomes free is a place. A folio that somebody else holds keeps
its place until the turn ends, and gives it back. A large folio of a file for which there is no place is split, and its pages are tried once more.

Counterpart: Linux v6.18 mm/migrate.c:migrate_pages_batch(), migrate_pages_sync(), folio_migrate_mapping(), folio_migrate_flags(), try_split_folio().
Simplified: a second pass over what is held finds it held again, so it is not made; a large anonymous folio without a place is not split.
Counts: PGMIGRATE_SUCCESS, PGMIGRATE_FAIL by pages.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arena cimport folio_x_at, folio_x_mut, frame_at, frame_mut, inode_mut, slot_mut
from vmtool.mm.buddy cimport folio_get, folio_put, free_pages
from vmtool.mm.folio_unmap cimport split_file_folio
from vmtool.mm.frame cimport folio_order, frame_index
from vmtool.mm.large_folio cimport unqueue_deferred_split
from vmtool.mm.lruvec cimport lruvec_add_folio, lruvec_del_folio
from vmtool.mm.rmap_walk cimport remap_folio
from vmtool.mm.swap_lru cimport folio_add_lru, lru_add_drain
from vmtool.mm.trace cimport TR_FRAME_ALLOC, TR_MIGRATE, trace2, trace3
from vmtool.mm.vmstat cimport PGMIGRATE_FAIL, PGMIGRATE_SUCCESS, count_vm_events
from vmtool.mm.xnode cimport xnode_set

cdef struct migrate_stats_t:
    int64_t nr_succeeded
    int64_t nr_failed_pages
    int nr_split


# --- lists ---------------------------------------------------------------------------------------------------------------


cdef void push_folio(folio_list_t *list, pfn_t head, uint32_t mlock_count) noexcept nogil:
    if list.nr < MAX_MIGRATE_FOLIOS:
        list.head[list.nr] = head
        list.mlock_count[list.nr] = mlock_count
        list.nr += 1


cdef void isolate_folio(arena_t *a, folio_list_t *list, pfn_t head) noexcept nogil:
    push_folio(list, head, frame_at(a, head).lru_prev if frame_at(a, head).flags & PG_unevictable else 0)
    lruvec_del_folio(a, head)
    folio_get(a, head)


cdef void folio_putback_lru(arena_t *a, pfn_t head, uint32_t mlock_count) noexcept nogil:
    """On its way to its list; our reference dropped."""
    if frame_at(a, head).flags & PG_unevictable:
        lru_add_drain(a)
        lruvec_add_folio(a, head)
        frame_mut(a, head).lru_prev = mlock_count
    else:
        folio_add_lru(a, head)
    folio_put(a, head)


cdef void putback_movable_pages(arena_t *a, folio_list_t *list) noexcept nogil:
    while list.nr:
        list.nr -= 1
        folio_putback_lru(a, list.head[list.nr], list.mlock_count[list.nr])


# --- one folio -------------------------------------------------------------------------------------------------------------


cdef inline bint is_held(arena_t *a, pfn_t head) noexcept nogil:
    """folio_ref_freeze(), folio_trylock(): by somebody beside us, the page cache and the swap cache."""
    cdef const frame_t *f = frame_at(a, head)
    cdef uint32_t expected = 1
    if f.flags & PG_swapcache:
        expected += 1
    elif f.mapping and not f.flags & PG_anon:
        expected += 1
    return f.extra_refs != expected or f.flags & (PG_locked | PG_writeback) != 0


cdef void replace_in_cache(arena_t *a, pfn_t head) noexcept nogil:
    """__folio_migrate_mapping(): the file's cache names it where it is now. Its places are taken, so no node is made."""
    cdef idx_t inode = frame_at(a, head).mapping
    cdef uint64_t index = frame_index(frame_at(a, head))
    cdef uint64_t i
    for i in range(<uint64_t>1 << folio_order(a, head)):
        xnode_set(a, &inode_mut(a, inode).i_pages, index + i, <uint32_t>(head + i), NULL)


cdef void move_names(arena_t *a, pfn_t src, pfn_t dst) noexcept nogil:
    """What names the folio by its frame, but for entries: caches, and who pays."""
    cdef uint32_t flags = frame_at(a, dst).flags, i
    if flags & (PG_charged | PG_swapcache):
        folio_x_mut(a, dst)[0] = folio_x_at(a, src)[0]
        memset(folio_x_mut(a, src), 0, sizeof(folio_x_t))
    if flags & PG_swapcache:
        for i in range(<uint32_t>1 << folio_order(a, dst)):
            slot_mut(a, folio_x_at(a, dst).swap + i).folio = dst
    elif frame_at(a, dst).mapping and not flags & PG_anon:
        replace_in_cache(a, dst)


cdef void migrate_folio(arena_t *a, pfn_t src, pfn_t dst) noexcept nogil:
    """Everything of the frames at src is at dst afterwards, and the entries lead there. Preconditions: not is_held(); dst is nobody's."""
    cdef uint32_t order = folio_order(a, src)
    cdef uint32_t i
    unqueue_deferred_split(a, src)
    remap_folio(a, src, dst)
    for i in range(<uint32_t>1 << order):
        memcpy(frame_mut(a, dst + i), frame_at(a, src + i), sizeof(frame_t))
        memset(frame_mut(a, src + i), 0, sizeof(frame_t))
        if i:
            frame_mut(a, dst + i).lru_next = dst
    move_names(a, src, dst)
    trace2(a, TR_FRAME_ALLOC, dst, order)
    trace3(a, TR_MIGRATE, src, dst, <uint64_t>1 << order)


# --- a turn ------------------------------------------------------------------------------------------------------------------


cdef bint try_split_folio(arena_t *a, pfn_t head, folio_list_t *split) noexcept nogil:
    """Its pages, in the order in which they are tried, onto their own list; each has a reference of ours."""
    cdef const frame_t *f = frame_at(a, head)
    cdef uint32_t nr_pages = <uint32_t>1 << folio_order(a, head)
    cdef uint32_t i
    if f.mapping == 0 or f.flags & (PG_anon | PG_unevictable) or is_held(a, head) or split.nr + nr_pages > MAX_MIGRATE_FOLIOS:
        return False
    if not split_file_folio(a, head):
        return False
    for i in range(1, nr_pages):
        folio_get(a, head + i)
        push_folio(split, head + i, 0)
    push_folio(split, head, 0)
    return True


cdef void turn_round(folio_list_t *list) noexcept nogil:
    cdef uint32_t i, j
    for i in range(list.nr // 2):
        j = list.nr - 1 - i
        list.head[i], list.head[j] = list.head[j], list.head[i]
        list.mlock_count[i], list.mlock_count[j] = list.mlock_count[j], list.mlock_count[i]


cdef int migrate_batch(arena_t *a, folio_list_t *list, folio_list_t *split, new_folio_fn get_new, free_folio_fn put_new, void *ctx, migrate_stats_t *stats) noexcept nogil:
    """migrate_pages_batch(). The list keeps what did not move, in its order; `split` NULL: nothing is split."""
    cdef uint32_t dst[MAX_MIGRATE_FOLIOS]
    cdef uint32_t i, order, left = 0
    cdef int nr_failed = 0, err = 0
    cdef pfn_t src
    memset(dst, 0, sizeof(dst))
    i = list.nr
    while i and not err:
        i -= 1
        src = list.head[i]
        order = folio_order(a, src)
        dst[i] = get_new(a, ctx, order)
        if dst[i]:
            continue
        nr_failed += 1
        if order and split != NULL and try_split_folio(a, src, split):
            list.head[i] = 0
            stats.nr_split += 1
        else:
            stats.nr_failed_pages += <int64_t>1 << order
            err = -ENOMEM
    i = list.nr
    while i:
        i -= 1
        src = list.head[i]
        if dst[i] == 0:
            continue
        order = folio_order(a, src)
        if is_held(a, src):
            nr_failed += 1
            stats.nr_failed_pages += <int64_t>1 << order
            continue
        migrate_folio(a, src, dst[i])
        folio_putback_lru(a, dst[i], list.mlock_count[i])
        free_pages(a, src, order)
        stats.nr_succeeded += <int64_t>1 << order
        list.head[i] = dst[i] = 0
    i = list.nr
    while i:
        i -= 1
        if dst[i]:
            put_new(a, ctx, dst[i], folio_order(a, list.head[i]))
    for i in range(list.nr):
        if list.head[i]:
            list.head[left] = list.head[i]
            list.mlock_count[left] = list.mlock_count[i]
            left += 1
    list.nr = left
    return err if err else nr_failed


cdef int migrate_pages(arena_t *a, folio_list_t *list, new_folio_fn get_new, free_folio_fn put_new, void *ctx, uint32_t mode, uint32_t *nr_succeeded) noexcept nogil:
    cdef folio_list_t split
    cdef migrate_stats_t stats
    cdef uint32_t i
    cdef int err
    memset(&stats, 0, sizeof(stats))
    split.nr = 0
    err = migrate_batch(a, list, &split, get_new, put_new, ctx, &stats)
    if split.nr and err >= 0:
        turn_round(&split)
        migrate_batch(a, &split, NULL, get_new, put_new, ctx, &stats)
    for i in range(split.nr):
        push_folio(list, split.head[i], split.mlock_count[i])
    count_vm_events(a, PGMIGRATE_SUCCESS, stats.nr_succeeded)
    count_vm_events(a, PGMIGRATE_FAIL, stats.nr_failed_pages)
    nr_succeeded[0] += <uint32_t>stats.nr_succeeded
    return 0 if list.nr == 0 else err if err else 1
