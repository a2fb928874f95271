"""The swap cache, and what is written of it.

    out   folio_alloc_swap   slot 5: cached, frame 7; try_to_unmap: entries name slot 5 (count); swap_writeout; swap_cache_remove: frame 7 is free
    in    swap_readahead     slot 5: cached, frame 9, up to date; an entry is mapped again: count falls; the slot stays until a write wants the page

Modelled: one reference a cached folio; its bytes are the slot's until it is written to; pages of zeros never reach the device; writes that are
under way, oldest first, and the plug that holds some of them back.
Counterpart: Linux v6.18 mm/swap_state.c, mm/page_io.c:swap_writeout(), end_swap_bio_write(); block/blk-mq.c:blk_add_rq_to_plug().
# Deviation: a touched page without bytes of its own counts as data, not as zeros: an access says that it writes, not what.
Invariants (fsck_swap): a slot with SLOT_CACHE names a folio that names it; NR_SWAPCACHE is the sum.
"""

from libc.string cimport memcmp

from vmtool.mm.arena cimport content_free, folio_x_at, folio_x_mut, frame_at, frame_mut, plug_t, slot_at, slot_mut
from vmtool.mm.arch cimport page_size
from vmtool.mm.buddy cimport folio_mapcount, folio_put
from vmtool.mm.frame cimport page_bytes, pfn_to_zone
from vmtool.mm.lruvec cimport count_folio_events, count_objcg_event, folio_memcg, lruvec_stat_mod_folio
from vmtool.mm.memcontrol cimport swap_try_charge, swap_uncharge
from vmtool.mm.swap_lru cimport folio_rotate_reclaimable
from vmtool.mm.swapfile cimport entry_record, get_swap_slot, put_swap_slot, record_entry, vm_swap_full
from vmtool.mm.trace cimport TR_SWAP_OUT, trace2
from vmtool.mm.vmstat cimport (NR_FILE_PAGES, NR_SWAPCACHE, NR_WRITEBACK, NR_WRITTEN, NR_ZONE_WRITE_PENDING, PGPGOUT, PSWPOUT, SWPOUT_ZERO, count_vm_events,
                               mod_node_stat)

cdef enum:
    MAX_SEGMENTS = 254  # of a request to a virtio disk: pages that lie side by side in the area
    BLK_MAX_REQUEST_COUNT = 32
    BLK_PLUG_FLUSH_SIZE = 131072

cdef char ZEROS[65536]  # as large as any page


# --- the cache ---------------------------------------------------------------------------------------------------------

cdef pfn_t swap_cache_get(arena_t *a, swp_entry_t entry) noexcept nogil:
    cdef uint32_t record = entry_record(a, entry)
    return slot_at(a, record).folio if record and slot_at(a, record).flags & SLOT_CACHE else 0


cdef void cache_add(arena_t *a, pfn_t head, uint32_t record) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef swap_slot_t *s = slot_mut(a, record)
    s.folio = head
    s.flags = <uint16_t>((s.flags | SLOT_CACHE) & ~SLOT_SHADOW)
    folio_x_mut(a, head).swap = record
    f.flags |= PG_swapcache
    f.extra_refs += 1
    mod_node_stat(a, NR_FILE_PAGES, 1)
    lruvec_stat_mod_folio(a, head, NR_SWAPCACHE, 1)


cdef bint folio_alloc_swap(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t record = get_swap_slot(a)
    cdef idx_t memcg = folio_memcg(a, head)
    if record == 0:
        return False
    if not swap_try_charge(a, memcg, 1):
        put_swap_slot(a, record)
        return False
    slot_mut(a, record).flags |= <uint16_t>(memcg << SLOT_MEMCG_SHIFT)
    cache_add(a, head, record)
    return True


cdef void free_slot(arena_t *a, uint32_t record) noexcept nogil:
    cdef idx_t memcg = slot_at(a, record).flags >> SLOT_MEMCG_SHIFT
    put_swap_slot(a, record)
    swap_uncharge(a, memcg, 1)


cdef void swap_cache_remove(arena_t *a, pfn_t head, uint32_t shadow) noexcept nogil:
    cdef uint32_t record = folio_x_at(a, head).swap
    cdef swap_slot_t *s = slot_mut(a, record)
    cdef frame_t *f = frame_mut(a, head)
    mod_node_stat(a, NR_FILE_PAGES, -1)
    lruvec_stat_mod_folio(a, head, NR_SWAPCACHE, -1)
    s.flags &= ~<uint32_t>SLOT_CACHE
    s.folio = shadow
    if shadow:
        s.flags |= SLOT_SHADOW
    if s.count == 0:
        if f.content == 0 and s.content:  # the page keeps its bytes
            f.content = s.content
            s.content = 0
        free_slot(a, record)
    f.flags &= ~<uint32_t>PG_swapcache
    folio_x_mut(a, head).swap = 0
    folio_put(a, head)


cdef bint folio_free_swap(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_at(a, head)
    if not f.flags & PG_swapcache or f.flags & PG_writeback or slot_at(a, folio_x_at(a, head).swap).count:
        return False
    frame_mut(a, head).flags |= PG_dirty
    swap_cache_remove(a, head, 0)
    return True


cdef bint try_to_reclaim_swap(arena_t *a, uint32_t record) noexcept nogil:
    """__try_to_reclaim_swap(): the slot becomes free, if only the cache has it and it is not being written."""
    cdef const swap_slot_t *s = slot_at(a, record)
    return s.flags & SLOT_CACHE != 0 and s.count == 0 and s.folio != 0 and folio_free_swap(a, s.folio)


cdef void free_swap_cache(arena_t *a, pfn_t head) noexcept nogil:
    if frame_at(a, head).flags & PG_swapcache and folio_mapcount(a, head) == 0:
        folio_free_swap(a, head)


cdef void swap_free(arena_t *a, swp_entry_t entry) noexcept nogil:
    cdef uint32_t record = entry_record(a, entry)
    if record == 0 or slot_at(a, record).count == 0:
        return
    slot_mut(a, record).count -= 1
    if slot_at(a, record).count == 0 and not slot_at(a, record).flags & SLOT_CACHE:
        free_slot(a, record)


cdef int free_swap_and_cache(arena_t *a, swp_entry_t entry) noexcept nogil:
    """The last entry takes an unmapped cached folio with it, or any when swap is half full."""
    cdef uint32_t record = entry_record(a, entry)
    cdef swap_slot_t *s
    if record == 0 or slot_at(a, record).count == 0:
        return -EINVAL
    s = slot_mut(a, record)
    s.count -= 1
    if s.count:
        return 0
    if not s.flags & SLOT_CACHE:
        free_slot(a, record)
    elif folio_mapcount(a, s.folio) == 0 or vm_swap_full(a):
        folio_free_swap(a, s.folio)
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


cdef void plug_page(arena_t *a, uint32_t record, bint write) noexcept nogil:
    """blk_mq_submit_bio(): behind the last page of the last request it joins that; a new one pulls the plug when the first is large, or 32 wait.

    So reclaim that runs while pages are read ahead has a small read before its writes, and none of up to 31 x 254 pages ends before it has gone on.
    """
    cdef plug_t *p = &a.plug
    if p.depth == 0:
        return
    if p.nr_requests and p.last_writes == <uint32_t>write and p.last_slot + 1 == record and p.last_pages < MAX_SEGMENTS:
        p.last_pages += 1
        if p.nr_requests == 1:
            p.first_pages += 1
    else:
        if p.nr_requests >= BLK_MAX_REQUEST_COUNT or p.nr_requests and p.first_pages * page_size(&a.m.arch) >= BLK_PLUG_FLUSH_SIZE:
            flush_plug(a)
        p.last_pages = 1
        p.last_writes = write
        if p.nr_requests == 0:
            p.first_pages = 1
        p.nr_requests += 1
    p.last_slot = record
    p.nr_writes += write


cdef uint32_t swap_writes_issued(arena_t *a) noexcept nogil:
    return a.m.swap_io_nr - a.plug.nr_writes if a.plug.nr_writes < a.m.swap_io_nr else 0


# --- writing ----------------------------------------------------------------------------------------------------------------

cdef bint is_zero_filled(arena_t *a, pfn_t pfn) noexcept nogil:
    """Bytes that were stored and are all zeros; without any we do not know."""
    return frame_at(a, pfn).content != 0 and memcmp(page_bytes(a, pfn), ZEROS, page_size(&a.m.arch)) == 0


cdef int swap_writeout(arena_t *a, pfn_t head) noexcept nogil:
    """The folio is unmapped, cached and dirty. Counts: PSWPOUT or SWPOUT_ZERO, NR_WRITEBACK. Its bytes become the slot's."""
    cdef frame_t *f = frame_mut(a, head)
    cdef uint32_t record = folio_x_at(a, head).swap
    cdef swap_slot_t *s
    f.flags &= ~<uint32_t>PG_dirty
    if folio_free_swap(a, head):
        frame_mut(a, head).flags &= ~<uint32_t>PG_dirty
        return WRITEOUT_DONE
    s = slot_mut(a, record)
    s.flags &= ~<uint32_t>SLOT_ZERO
    if is_zero_filled(a, head):
        s.flags |= SLOT_ZERO
        content_free(a, f.content)
        f.content = 0
        if s.content:
            content_free(a, s.content)
        s.content = 0
        count_objcg_event(a, head, SWPOUT_ZERO)
        return WRITEOUT_DONE
    if f.content:
        if s.content:
            content_free(a, s.content)
        s.content = f.content
        f.content = 0
    count_folio_events(a, head, PSWPOUT, 1)
    count_vm_events(a, PGPGOUT, 4)
    trace2(a, TR_SWAP_OUT, head, record_entry(a, record))
    f.flags |= PG_writeback
    s.flags |= SLOT_WRITEBACK
    s.io_next = 0
    lruvec_stat_mod_folio(a, head, NR_WRITEBACK, 1)
    a.m.zone_stat[pfn_to_zone(a, head)][NR_ZONE_WRITE_PENDING] += 1
    if a.m.swap_io_tail:
        slot_mut(a, a.m.swap_io_tail).io_next = record
    else:
        a.m.swap_io_head = record
    a.m.swap_io_tail = record
    a.m.swap_io_nr += 1
    plug_page(a, record, True)
    return WRITEOUT_STARTED


cdef void end_swap_write(arena_t *a, uint32_t record) noexcept nogil:
    """folio_end_writeback(). Counts: NR_WRITTEN."""
    cdef pfn_t head = slot_at(a, record).folio
    cdef frame_t *f = frame_mut(a, head)
    slot_mut(a, record).flags &= ~<uint32_t>SLOT_WRITEBACK
    if not f.flags & PG_writeback:
        return
    f.flags &= ~<uint32_t>PG_writeback
    lruvec_stat_mod_folio(a, head, NR_WRITEBACK, -1)
    a.m.zone_stat[pfn_to_zone(a, head)][NR_ZONE_WRITE_PENDING] -= 1
    mod_node_stat(a, NR_WRITTEN, 1)
    if f.flags & PG_reclaim:
        f.flags &= ~<uint32_t>PG_reclaim
        folio_rotate_reclaimable(a, head)


cdef void swap_write_poll(arena_t *a, uint32_t nr) noexcept nogil:
    cdef uint32_t record
    nr = min(nr, swap_writes_issued(a))
    while nr and a.m.swap_io_head and not a.err:
        record = a.m.swap_io_head
        a.m.swap_io_head = slot_at(a, record).io_next
        if a.m.swap_io_head == 0:
            a.m.swap_io_tail = 0
        a.m.swap_io_nr -= 1
        end_swap_write(a, record)
        nr -= 1


cdef void swap_write_wait(arena_t *a) noexcept nogil:
    flush_plug(a)  # who sleeps pulls it
    swap_write_poll(a, a.m.swap_io_nr)
