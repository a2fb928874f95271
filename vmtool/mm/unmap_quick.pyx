# cython: language_level=3
"""What unmap.pyx, lruvec.pyx, buddy.pyx and pcp.pyx do to a page that goes, for a run of pages, with what they share looked up once:

    entries   7 8 9 10           the LRU   6 - 7 - 8 - 9 - 10 - 11     one gap, closed when the run leaves it: 6 - 11
    per-CPU   5 -> ...           10 -> 9 -> 8 -> 7 -> 5 -> ...         in the order of the entries, and shortened where a single free would
    counters                     once for all

Counterpart: Linux v6.18 mm/swap.c:folios_put_refs(), mm/page_alloc.c:free_unref_folios(), which take what mmu_gather collected.
The state it leaves is the one that the general road leaves, record by record: tests/mm/test_access_quick.py holds the two together.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport content_free, cpu_mut, frame_mut
from vmtool.mm.free_area cimport ZONE_BELOW_HIGH, ZONE_RECLAIM_ACTIVE
from vmtool.mm.frame cimport MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, pageblock_nr_pages, pageblock_type, pfn_to_zone
from vmtool.mm.lruvec cimport lru_of, update_lru_size
from vmtool.mm.pcp cimport BATCH_SCALE_MAX, order_to_pindex, pcp_shrink
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_frame, ptes_clear, ptes_load
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, PGFREE, count_vm_events, mod_node_stat

cdef enum:
    MARKS = PG_anon | PG_lru | PG_head | PG_tail | PG_swapcache | PG_charged | PG_mlocked | PG_unevictable
    FACTOR_BITS = 16  # of pcp_t.alloc_factor

cdef struct run_t:
    # where pages go: a list of a zone's on this CPU
    uint32_t z
    zone_t *zone
    pcp_t *pcp
    uint64_t start, nr_pages  # the pageblock, or what of it is the zone's: the list is that of its type
    uint32_t pindex
    pfn_t head  # of the list: pcp_t has it when the run settles, and what else is counted here
    frame_t *first  # its record, NULL: the list is empty
    uint32_t nr  # pages that joined since then
    uint32_t room  # as many more, and the lists may be too long
    uint32_t nr_freed
    # where they came from: the gap in a list of the LRU
    uint32_t lru
    uint32_t nr_off  # pages; 0: there is no gap
    pfn_t newer, older  # beside it, 0: it reaches the list's end

# --- the LRU ----------------------------------------------------------------------------------------------------------


cdef void close_gap(arena_t *a, run_t *k) noexcept nogil:
    cdef free_list_t *list = &a.m.lruvec.lists[k.lru]
    if k.nr_off == 0:
        return
    if k.newer:
        frame_mut(a, k.newer).lru_next = k.older
    else:
        list.head = k.older
    if k.older:
        frame_mut(a, k.older).lru_prev = k.newer
    else:
        list.tail = k.newer
    list.nr_free -= k.nr_off
    update_lru_size(a, &a.m.lruvec, k.lru, k.z, -<int64_t>k.nr_off)
    k.nr_off = 0


cdef inline void take_off(arena_t *a, run_t *k, const frame_t *f, pfn_t pfn) noexcept nogil:
    """lruvec_del_folio(). A page beside the gap knows of it only on the other side."""
    cdef uint32_t lru = lru_of(f.flags)
    if k.nr_off and lru == k.lru and pfn == k.newer:
        k.newer = f.lru_prev
    elif k.nr_off and lru == k.lru and pfn == k.older:
        k.older = f.lru_next
    else:
        close_gap(a, k)
        k.lru = lru
        k.newer = f.lru_prev
        k.older = f.lru_next
    k.nr_off += 1

# --- the per-CPU lists --------------------------------------------------------------------------------------------------


cdef void settle(run_t *k) noexcept nogil:
    """What as many calls of free_pages() leave."""
    cdef uint32_t most = <uint32_t>(k.zone.pcp_batch << BATCH_SCALE_MAX)
    k.pcp.head[k.pindex] = k.head
    k.pcp.count += k.nr
    k.pcp.alloc_factor >>= min(k.nr, <uint32_t>(FACTOR_BITS - 1))
    if k.pcp.free_count < most:
        k.pcp.free_count = min(k.pcp.free_count + k.nr, most)
    k.nr_freed += k.nr
    k.nr = 0


cdef void open_list(arena_t *a, run_t *k) noexcept nogil:
    cdef bint each = k.pcp.high > k.zone.pcp_high_max or k.zone.flags & (ZONE_BELOW_HIGH | ZONE_RECLAIM_ACTIVE) != 0 or k.pcp.high <= k.pcp.count
    k.head = k.pcp.head[k.pindex]
    k.first = frame_mut(a, k.head) if k.head else NULL
    k.room = 1 if each else k.pcp.high - k.pcp.count


cdef void open_block(arena_t *a, run_t *k, pfn_t pfn) noexcept nogil:
    """The list for a pageblock's pages. Of another zone the LRU counts for itself."""
    cdef uint32_t z = pfn_to_zone(a, pfn), mt = pageblock_type(a, pfn)
    cdef uint64_t end
    if k.zone != NULL:
        settle(k)
        if z != k.z:
            close_gap(a, k)
    k.z = z
    k.zone = &a.m.zone[z]
    k.pcp = &cpu_mut(a, a.cpu).pcp[z]
    k.start = pfn & ~(pageblock_nr_pages(a) - 1)
    end = k.start + pageblock_nr_pages(a)
    if z and k.start < k.zone.start_pfn:
        k.start = k.zone.start_pfn
    while end > pfn + 1 and pfn_to_zone(a, end - 1) != z:
        end -= 1
    k.nr_pages = end - k.start
    k.pindex = order_to_pindex(0, mt if mt <= MIGRATE_RECLAIMABLE else <uint32_t>MIGRATE_MOVABLE)
    open_list(a, k)


cdef inline void give_back(arena_t *a, run_t *k, frame_t *f, pfn_t pfn) noexcept nogil:
    """free_pages() of a single page."""
    if f.content:
        content_free(a, f.content)
    memset(f, 0, sizeof(frame_t))
    f.flags = PG_pcp
    f.lru_next = k.head
    if k.first != NULL:
        k.first.lru_prev = pfn
    else:
        k.pcp.tail[k.pindex] = pfn
    k.head = pfn
    k.first = f
    k.nr += 1
    if k.nr == k.room:
        settle(k)
        pcp_shrink(a, k.zone, k.pcp, k.pindex, False)
        open_list(a, k)

# --- the run --------------------------------------------------------------------------------------------------------------


cdef inline bint is_sole(const frame_t *f) noexcept nogil:
    return f.flags & MARKS == PG_anon | PG_lru and f.mapcount == 1 and f.extra_refs == 0


cdef uint32_t zap_sole_run(arena_t *a, ptes_t *ptes, uint32_t i, uint32_t end) noexcept nogil:
    cdef run_t k
    cdef uint32_t first = i
    cdef pfn_t pfn
    cdef frame_t *f
    cdef pte_t e
    if not a.quick or ptes.wide == NULL or a.m.trace_on or a.capture.zone:
        return 0
    k.zone = NULL
    k.start = k.nr_pages = 0
    k.nr = k.nr_freed = k.nr_off = 0
    while i < end:
        e = ptes_load(ptes, i)
        if pte_class(a, e) != ENTRY_PAGE:
            break
        pfn = pte_frame(a, e)
        f = frame_mut(a, pfn)
        if not is_sole(f):
            break
        if pfn - k.start >= k.nr_pages:
            open_block(a, &k, pfn)
            if k.pcp.flags:  # PCPF_PREV_FREE_HIGH_ORDER, which a single free takes away
                break
        take_off(a, &k, f, pfn)
        give_back(a, &k, f, pfn)
        i += 1
    if i == first:
        return 0
    settle(&k)
    close_gap(a, &k)
    ptes_clear(ptes, first, i - first)
    count_vm_events(a, PGFREE, k.nr_freed)
    mod_node_stat(a, NR_ANON_MAPPED, -<int64_t>k.nr_freed)
    return i - first
