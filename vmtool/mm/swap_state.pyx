"""The swap cache, and what is written of it.

    out   folio_alloc_swap   slot 5: cached, frame 7 (a large folio: as many slots as it has pages); try_to_unmap: entries name slot 5 (count);
                               swap_writeout; swap_cache_remove: frame 7 is free
    in    swap_readahead     slot 5: cached, frame 9, up to date; an entry is mapped again: count falls; the slot stays until a write wants the page

Modelled: one reference a cached folio; its bytes are the slot's until it is written to; pages of zeros never reach the device; writes that are
under way, oldest first, and the plug that holds some of them back.
Counterpart: Linux v6.18 mm/swap_state.c, mm/page_io.c:swap_writeout(), end_swap_bio_write(); block/blk-mq.c:blk_add_rq_to_plug().
# Deviation: a touched page without bytes of its own counts as data, not as zeros: an access says that it writes, not what.
Invariants (fsck_swap): a slot with SLOT_CACHE names the head of a folio whose slots it is among, which begin at a multiple of their number;
NR_SWAPCACHE is the sum.
"""

from libc.string cimport memcmp

from vmtool.mm.arena cimport content_free, folio_x_at, folio_x_mut, frame_at, frame_mut, memcg_mut, plug_t, slot_at, slot_mut
from vmtool.mm.arch cimport page_size
from vmtool.mm.buddy cimport folio_mapcount, folio_put
from vmtool.mm.frame cimport folio_nr_pages, folio_order, page_bytes, pfn_to_zone, zone_holds
from vmtool.mm.large_folio cimport MTHP_STAT_SWPOUT, count_mthp_stat
from vmtool.mm.lruvec cimport count_folio_events, count_objcg_events, folio_memcg, lruvec_stat_mod_frame, pmd_mappable
from vmtool.mm.memcontrol cimport mem_cgroup_event, mem_cgroup_swap_full, swap_try_charge, swap_uncharge
from vmtool.mm.swap_lru cimport folio_rotate_reclaimable
from vmtool.mm.swapfile cimport entry_record, get_swap_slots, has_thp_swap, put_swap_slot, record_entry
from vmtool.mm.trace cimport TR_SWAP_OUT, trace2
from vmtool.mm.vmstat cimport (NR_FILE_PAGES, NR_SWAPCACHE, NR_WRITEBACK, NR_WRITTEN, NR_ZONE_WRITE_PENDING, PGPGOUT, PSWPOUT, SWPOUT_ZERO, THP_SWPOUT,
                               count_vm_events, mod_node_stat)

cdef enum:
    BLK_MAX_REQUEST_COUNT = 32
    BLK_PLUG_FLUSH_SIZE = 131072

cdef char ZEROS[65536]  # as large as any page


# --- the cache ---------------------------------------------------------------------------------------------------------


cdef pfn_t swap_cache_get(arena_t *a, swp_entry_t entry) noexcept nogil:
    cdef uint32_t record = entry_record(a, entry)
    return slot_at(a, record).folio if record and slot_at(a, record).flags & SLOT_CACHE else 0


cdef inline uint32_t frame_pages(arena_t *a, pfn_t head, const frame_t *f) noexcept nogil:
    return folio_nr_pages(a, head) if f.flags & PG_head else 1


cdef void cache_add(arena_t *a, pfn_t head, uint32_t record) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef uint32_t nr_pages = frame_pages(a, head, f), i
    cdef swap_slot_t *s
    for i in range(record, record + nr_pages):
        s = slot_mut(a, i)
        s.folio = head
        s.flags = <uint16_t>((s.flags | SLOT_CACHE) & ~SLOT_SHADOW)
    folio_x_mut(a, head).swap = record
    f.flags |= PG_swapcache
    f.extra_refs += 1
    mod_node_stat(a, NR_FILE_PAGES, nr_pages)
    lruvec_stat_mod_frame(a, head, f, NR_SWAPCACHE, nr_pages)


cdef bint folio_alloc_swap(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t order = folio_order(a, head), i
    cdef uint32_t record
    cdef idx_t memcg = folio_memcg(a, head)
    if order and (order >= NR_SWAP_ORDERS or not has_thp_swap(&a.m.arch)):
        return False
    record = get_swap_slots(a, order)
    if record == 0:
        if memcg:
            mem_cgroup_event(a, memcg, MEMCG_SWAP_FAIL, 1)
        return False
    if not swap_try_charge(a, memcg, <uint64_t>1 << order):
        for i in range(<uint32_t>1 << order):
            put_swap_slot(a, record + i)
        return False
    for i in range(<uint32_t>1 << order):
        slot_mut(a, record + i).flags |= <uint16_t>(memcg << SLOT_MEMCG_SHIFT)
    cache_add(a, head, record)
    return True


cdef void free_slot(arena_t *a, uint32_t record) noexcept nogil:
    cdef idx_t memcg = slot_at(a, record).flags >> SLOT_MEMCG_SHIFT
    put_swap_slot(a, record)
    swap_uncharge(a, memcg, 1)


cdef void slot_forget(arena_t *a, uint32_t record, pfn_t page, uint32_t shadow) noexcept nogil:
    """The cache has it no more; what no entry names is free."""
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef frame_t *f
    s.flags &= ~<uint32_t>SLOT_CACHE
    s.folio = shadow
    if shadow:
        s.flags |= SLOT_SHADOW
    if s.count == 0:
        f = frame_mut(a, page)
        if f.content == 0 and s.content:  # the page keeps its bytes
            f.content = s.content
            s.content = 0
        free_slot(a, record)


cdef void swap_cache_remove(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef folio_x_t *x = folio_x_mut(a, head)
    cdef uint32_t nr_pages = frame_pages(a, head, f), i
    mod_node_stat(a, NR_FILE_PAGES, -<int64_t>nr_pages)
    lruvec_stat_mod_frame(a, head, f, NR_SWAPCACHE, -<int64_t>nr_pages)
    for i in range(nr_pages):
        slot_forget(a, x.swap + i, head + i, shadow)
    f.flags &= ~<uint32_t>PG_swapcache
    x.swap = 0
    folio_put(a, head)


cdef bint folio_swapped(arena_t *a, pfn_t head) noexcept nogil:
    """An entry names one of its slots; from the last one on, for those who let go of them begin with the first."""
    cdef uint32_t record = folio_x_at(a, head).swap
    cdef uint32_t i = folio_nr_pages(a, head)
    while i:
        i -= 1
        if slot_at(a, record + i).count:
            return True
    return False


cdef bint folio_free_swap(arena_t *a, pfn_t head) noexcept nogil:
    cdef const frame_t *f = frame_at(a, head)
    if not f.flags & PG_swapcache or f.flags & PG_writeback:
        return False
    if slot_at(a, folio_x_at(a, head).swap).count or (f.flags & PG_head and folio_swapped(a, head)):
        return False
    frame_mut(a, head).flags |= PG_dirty
    swap_cache_remove(a, head, 0)
    return True


cdef int try_to_reclaim_swap(arena_t *a, uint32_t record) noexcept nogil:
    """__try_to_reclaim_swap(): its folio's slots become free, if only the cache has them and it is not being written."""
    cdef const swap_slot_t *s = slot_at(a, record)
    cdef pfn_t head = s.folio if s.flags & SLOT_CACHE else 0
    cdef int nr_pages
    if head == 0:
        return 0
    nr_pages = <int>folio_nr_pages(a, head)
    return nr_pages if folio_free_swap(a, head) else -nr_pages


cdef void free_swap_cache(arena_t *a, pfn_t head) noexcept nogil:
    if frame_at(a, head).flags & PG_swapcache and folio_mapcount(a, head) == 0:
        folio_free_swap(a, head)


cdef void swap_free_nr(arena_t *a, uint32_t record, uint32_t nr) noexcept nogil:
    cdef swap_slot_t *s
    for record in range(record, record + nr):
        s = slot_mut(a, record)
        if record and s.count:
            s.count -= 1
            if s.count == 0 and not s.flags & SLOT_CACHE:
                free_slot(a, record)


cdef int free_swap_and_cache_nr(arena_t *a, swp_entry_t entry, uint32_t nr) noexcept nogil:
    """The last entry takes an unmapped cached folio with it, or any when swap is half full."""
    cdef uint32_t record = entry_record(a, entry), i, nr_pages
    cdef bint any_only_cache = False
    cdef swap_slot_t *s
    if record == 0 or entry_record(a, entry + nr - 1) != record + nr - 1:
        return -EINVAL
    for i in range(record, record + nr):
        s = slot_mut(a, i)
        if s.count == 0:
            return -EINVAL
        s.count -= 1
        if s.count == 0 and s.flags & SLOT_CACHE:
            any_only_cache = True
        elif s.count == 0:
            free_slot(a, i)
    i = record
    while any_only_cache and i < record + nr:
        s = slot_mut(a, i)
        i += 1
        if s.count or not s.flags & SLOT_CACHE:
            continue
        nr_pages = folio_nr_pages(a, s.folio)
        if folio_mapcount(a, s.folio) == 0 or mem_cgroup_swap_full(a, folio_memcg(a, s.folio)):
            folio_free_swap(a, s.folio)
        i = (i + nr_pages - 1) & ~(nr_pages - 1)  # folios lie at multiples of their size
    return 0


# --- the plug -----------------------------------------------------------------------------------------------------------------


cdef void flush_plug(arena_t *a) noexcept nogil:
    a.plug.nr_requests = 0
    a.plug.nr_writes = 0


cdef void blk_start_plug(arena_t *a) noexcept nogil:
    if a.plug.depth == 0:
        flush_plug(a)
    a.plug.depth += 1


cdef void blk_finish_plug(arena_t *a) noexcept nogil:
    a.plug.depth -= 1
    if a.plug.depth == 0:
        flush_plug(a)


cdef void plug_request(arena_t *a, uint32_t nr_pages, bint write) noexcept nogil:
    cdef plug_t *p = &a.plug
    if p.nr_requests >= BLK_MAX_REQUEST_COUNT or p.nr_requests and p.first_pages * page_size(&a.m.arch) >= BLK_PLUG_FLUSH_SIZE:
        flush_plug(a)
    p.last_pages = 1
    p.last_writes = write
    if p.nr_requests == 0:
        p.first_pages = nr_pages
    p.nr_requests += 1


cdef uint32_t swap_writes_issued(arena_t *a) noexcept nogil:
    return a.m.swap_io_nr - a.plug.nr_writes if a.plug.nr_writes < a.m.swap_io_nr else 0


# --- writing ----------------------------------------------------------------------------------------------------------------


cdef bint is_zero_filled(arena_t *a, pfn_t head) noexcept nogil:
    """Bytes that were stored and are all zeros; without any we do not know. Of a large folio what nobody stored to is zeros, too, if anything is known."""
    cdef bint known = False
    cdef uint32_t i
    if not frame_at(a, head).flags & PG_head:
        return frame_at(a, head).content != 0 and memcmp(page_bytes(a, head), ZEROS, page_size(&a.m.arch)) == 0
    for i in range(folio_nr_pages(a, head)):
        if frame_at(a, head + i).content:
            known = True
            if memcmp(page_bytes(a, head + i), ZEROS, page_size(&a.m.arch)):
                return False
    return known


cdef void slot_take_bytes(arena_t *a, uint32_t record, pfn_t page, bint zeros) noexcept nogil:
    """What is written: the page's bytes become the slot's; of zeros none are kept."""
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef frame_t *f = frame_mut(a, page)
    s.flags &= ~<uint32_t>SLOT_ZERO
    if zeros:
        s.flags |= SLOT_ZERO
        if f.content:
            content_free(a, f.content)
        f.content = 0
    if f.content or zeros:
        if s.content:
            content_free(a, s.content)
        s.content = f.content
        f.content = 0


cdef void count_swpout(arena_t *a, pfn_t head, uint32_t nr_pages) noexcept nogil:
    """count_swpout_vm_event(), and what the disk counts."""
    if nr_pages > 1:
        if pmd_mappable(&a.m.arch, folio_order(a, head)):
            count_folio_events(a, head, THP_SWPOUT, 1)
        count_mthp_stat(a, folio_order(a, head), MTHP_STAT_SWPOUT)
    count_folio_events(a, head, PSWPOUT, nr_pages)
    count_vm_events(a, PGPGOUT, nr_pages << (a.m.arch.page_shift - 10))


cdef int swap_writeout(arena_t *a, pfn_t head) noexcept nogil:
    """The folio is unmapped, cached and dirty. Its bytes become the slots'."""
    cdef uint32_t record = folio_x_at(a, head).swap
    cdef frame_t *f = frame_mut(a, head)
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef uint32_t nr_pages = frame_pages(a, head, f), i
    cdef bint zeros
    f.flags &= ~<uint32_t>PG_dirty
    if folio_free_swap(a, head):
        f.flags &= ~<uint32_t>PG_dirty
        return WRITEOUT_DONE
    zeros = is_zero_filled(a, head)
    for i in range(nr_pages):
        slot_take_bytes(a, record + i, head + i, zeros)
    if zeros:
        count_objcg_events(a, head, SWPOUT_ZERO, nr_pages)
        return WRITEOUT_DONE
    count_swpout(a, head, nr_pages)
    if a.m.trace_on:
        trace2(a, TR_SWAP_OUT, head, record_entry(a, record))
    f.flags |= PG_writeback
    s.flags |= SLOT_WRITEBACK
    lruvec_stat_mod_frame(a, head, f, NR_WRITEBACK, nr_pages)
    a.m.zone_stat[pfn_to_zone(a, head)][NR_ZONE_WRITE_PENDING] += nr_pages
    swap_io_add(a, record, s, nr_pages)
    return WRITEOUT_STARTED


cdef struct ended_t:  # writes of single pages that ended and are not counted yet
    uint32_t zone
    int64_t nr


cdef void count_ended(arena_t *a, ended_t *ended) noexcept nogil:
    mod_node_stat(a, NR_WRITEBACK, -ended.nr)
    a.m.zone_stat[ended.zone][NR_ZONE_WRITE_PENDING] -= ended.nr
    mod_node_stat(a, NR_WRITTEN, ended.nr)
    ended.nr = 0


cdef inline void end_swap_write(arena_t *a, pfn_t head, frame_t *f, ended_t *ended) noexcept nogil:
    """folio_end_writeback(). Counts: NR_WRITTEN."""
    cdef int64_t nr_pages = frame_pages(a, head, f)
    if not f.flags & PG_writeback:
        return
    f.flags &= ~<uint32_t>PG_writeback
    if ended.nr == 0 or not zone_holds(&a.m.zone[ended.zone], head):
        count_ended(a, ended)
        ended.zone = pfn_to_zone(a, head)
    ended.nr += nr_pages
    if f.flags & PG_charged:
        memcg_mut(a, folio_x_at(a, head).memcg).stat[NR_WRITEBACK] -= nr_pages
    if f.flags & PG_reclaim:
        f.flags &= ~<uint32_t>PG_reclaim
        folio_rotate_reclaimable(a, head, f)


cdef void swap_write_poll(arena_t *a, uint32_t nr) noexcept nogil:
    cdef uint32_t nr_pages
    cdef swap_slot_t *s
    cdef frame_t *f
    cdef ended_t ended = ended_t(0, 0)
    nr = min(nr, swap_writes_issued(a))
    while nr and a.m.swap_io_head and not a.err:
        s = slot_mut(a, a.m.swap_io_head)
        f = frame_mut(a, s.folio)
        nr_pages = frame_pages(a, s.folio, f)
        a.m.swap_io_head = s.io_next
        if s.io_next == 0:
            a.m.swap_io_tail = 0
        a.m.swap_io_nr -= nr_pages
        s.flags &= ~<uint32_t>SLOT_WRITEBACK
        end_swap_write(a, s.folio, f, &ended)
        nr -= min(nr, nr_pages)
    count_ended(a, &ended)


cdef void swap_write_wait(arena_t *a) noexcept nogil:
    flush_plug(a)  # who sleeps pulls it
    swap_write_poll(a, a.m.swap_io_nr)
