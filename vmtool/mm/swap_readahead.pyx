"""Swapping in: what is read, and what is read ahead of it, into the swap cache.

    by slots        a disk that turns, or without an area: an aligned block of slots around the one asked for, at most 2**page_cluster
    by addresses    else: what the entries around the address name, before or behind it by the last fault's direction
    the window      grows with the pages that were read ahead and then wanted, and falls by half at most

Counterpart: Linux v6.18 mm/swap_state.c:__read_swap_cache_async(), swap_cluster_readahead(), swap_vma_readahead(); mm/page_io.c:swap_read_folio().
"""

from vmtool.mm.arena cimport folio_x_mut, frame_mut, mm_mut, slot_at, slot_mut, vma_at, vma_mut
from vmtool.mm.arch cimport level_index, level_size, offset_in_page, page_size, page_start
from vmtool.mm.buddy cimport alloc_pages, free_pages, pcp_take, prep_new_page
from vmtool.mm.lruvec cimport count_folio_events, count_objcg_events
from vmtool.mm.pgtable cimport table_lookup
from vmtool.mm.pte cimport ENTRY_SWAP, pte_class, pte_load, pte_to_swp_entry
from vmtool.mm.swap_lru cimport folio_add_lru, folio_add_lru_single, lru_add_drain
from vmtool.mm.swap_quick cimport swap_is_plain
from vmtool.mm.swap_state cimport blk_finish_plug, blk_start_plug, cache_add, plug_folio, swap_cache_get
from vmtool.mm.swapfile cimport entry_record
from vmtool.mm.trace cimport TR_SWAP_IN, trace2
from vmtool.mm.vmstat cimport NR_FILE_PAGES, NR_SWAPCACHE, PGALLOC_DMA, PGPGIN, PSWPIN, SWAP_RA, SWPIN_ZERO, count_vm_event, count_vm_events, mod_node_stat
from vmtool.mm.workingset cimport workingset_refault

cdef enum:
    SWAP_RA_WIN_SHIFT = 6  # in vma_t.swap_readahead_info: address | window << 6 | hits
    SWAP_RA_ORDER_CEILING = 5


cdef struct reads_t:  # single pages read one after another
    bint plain  # of the one solid-state area, of no group
    int64_t nr  # not counted yet
    int64_t nr_ahead


cdef inline void reads_begin(arena_t *a, reads_t *k) noexcept nogil:
    k.plain = swap_is_plain(a) and a.m.nr_memcgs == 0
    k.nr = k.nr_ahead = 0


cdef void reads_end(arena_t *a, reads_t *k) noexcept nogil:
    mod_node_stat(a, NR_FILE_PAGES, k.nr)
    mod_node_stat(a, NR_SWAPCACHE, k.nr)
    count_vm_events(a, PSWPIN, k.nr)
    count_vm_events(a, PGPGIN, k.nr << (a.m.arch.page_shift - 10))
    count_vm_events(a, SWAP_RA, k.nr_ahead)
    k.nr = k.nr_ahead = 0


cdef inline pfn_t read_plain(arena_t *a, reads_t *k, swp_entry_t entry, bint readahead) noexcept nogil:
    """The quick road: into a frame that lies ready. 0: another case, and nothing is changed."""
    cdef const swap_info_t *si = &a.m.swap[0]
    cdef uint32_t record, z = 0
    cdef swap_slot_t *s
    cdef frame_t *f
    cdef pfn_t head
    if not k.plain or swp_type(entry) or swp_offset(entry) >= si.max:
        return 0
    record = si.base + <uint32_t>swp_offset(entry)
    s = slot_mut(a, record)
    if s.count == 0 or s.flags & (SLOT_CACHE | SLOT_ZERO):
        return 0
    head = pcp_take(a, GFP_USER_MOVABLE, &z)
    if head == 0:
        return 0
    count_vm_event(a, PGALLOC_DMA + <int>z)
    f = frame_mut(a, head)
    prep_new_page(f)  # its reference becomes the cache's
    f.flags = PG_swapbacked | PG_uptodate
    if s.flags & SLOT_SHADOW:
        workingset_refault(a, head, s.folio)
    s.folio = head
    s.flags = <uint16_t>((s.flags | SLOT_CACHE) & ~SLOT_SHADOW)
    folio_x_mut(a, head).swap = record
    f.flags |= PG_swapcache | (PG_readahead if readahead else 0)
    folio_add_lru_single(a, f, head)
    plug_folio(a, record, 1, False)
    k.nr += 1
    k.nr_ahead += readahead
    return head


cdef pfn_t read_swap_cache(arena_t *a, swp_entry_t entry, bint readahead) noexcept nogil:
    """The new folio is on its way to the LRU, active when its shadow says so."""
    cdef uint32_t record = entry_record(a, entry)
    cdef swap_slot_t *s
    cdef frame_t *f
    cdef pfn_t head
    cdef reads_t k
    if record == 0:
        return 0
    reads_begin(a, &k)
    head = read_plain(a, &k, entry, readahead)
    if head:
        reads_end(a, &k)
        return head
    if slot_at(a, record).count == 0:
        return swap_cache_get(a, entry)
    if slot_at(a, record).flags & SLOT_CACHE:
        return slot_at(a, record).folio
    a.active_memcg = slot_at(a, record).flags >> SLOT_MEMCG_SHIFT
    head = alloc_pages(a, 0, GFP_USER_MOVABLE | (GFP_NORETRY if readahead else 0))
    a.active_memcg = 0
    if head == 0:
        return 0
    s = slot_mut(a, record)
    if s.flags & SLOT_CACHE or s.count == 0:  # not so any more: reclaim ran
        free_pages(a, head, 0)
        return s.folio if s.flags & SLOT_CACHE else 0
    f = frame_mut(a, head)
    f.flags |= PG_swapbacked | PG_uptodate
    f.extra_refs = 0  # the allocation's reference becomes the cache's
    if s.flags & SLOT_SHADOW:
        workingset_refault(a, head, s.folio)
    cache_add(a, head, record)
    folio_add_lru(a, head)
    if s.flags & SLOT_ZERO:
        count_objcg_events(a, head, SWPIN_ZERO, 1)
    else:
        plug_folio(a, record, 1, False)
        count_folio_events(a, head, PSWPIN, 1)
        count_vm_events(a, PGPGIN, 1 << (a.m.arch.page_shift - 10))
    trace2(a, TR_SWAP_IN, head, entry)
    if readahead:
        frame_mut(a, head).flags |= PG_readahead
        count_vm_event(a, SWAP_RA)
    return head


cdef uint32_t nr_to_read(uint64_t prev, uint64_t at, uint32_t hits, uint32_t max_pages, uint32_t prev_win) noexcept nogil:
    """__swapin_nr_pages(): by the hits of the last window; without any, two pages where neighbours are asked for, else one."""
    cdef uint32_t pages = hits + 2
    cdef uint32_t rounded = 4
    if pages == 2:
        if at != prev + 1 and at != prev - 1:
            pages = 1
    else:
        while rounded < pages:
            rounded <<= 1
        pages = rounded
    if pages > max_pages:
        pages = max_pages
    return max(pages, prev_win // 2)  # not too fast down


cdef void swap_update_readahead(arena_t *a, pfn_t head, idx_t v, vaddr_t addr) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    if not f.flags & PG_head:  # that mark is none of a large folio's
        note_hit(a, f, vma_mut(a, v) if v else NULL, addr)


cdef pfn_t cluster_readahead(arena_t *a, swp_entry_t entry) noexcept nogil:
    """An aligned block of slots around the one asked for."""
    cdef uint64_t offset = swp_offset(entry)
    cdef const swap_info_t *si = &a.m.swap[swp_type(entry) if swp_type(entry) < MAX_SWAP_AREAS else 0]
    cdef uint32_t max_pages = <uint32_t>1 << min(a.m.page_cluster, <uint32_t>16)
    cdef uint32_t hits
    cdef uint64_t mask, at, end
    if max_pages <= 1:
        return read_swap_cache(a, entry, False)
    hits = a.m.swapin_readahead_hits
    a.m.swapin_readahead_hits = 0
    mask = nr_to_read(a.m.prev_swap_offset, offset, hits, max_pages, a.m.last_readahead_pages)
    if not hits:
        a.m.prev_swap_offset = offset
    a.m.last_readahead_pages = <uint32_t>mask
    mask -= 1
    if mask:
        at = offset & ~mask
        end = min(offset | mask, <uint64_t>si.max - 1)
        at += at == 0  # the first is the header
        blk_start_plug(a)
        while at <= end:
            read_swap_cache(a, swp_entry(swp_type(entry), at), at != offset)
            at += 1
        blk_finish_plug(a)
        lru_add_drain(a)
    return read_swap_cache(a, entry, False)


cdef uint32_t vma_window(arena_t *a, idx_t v, vaddr_t addr, vaddr_t *start, vaddr_t *end) noexcept nogil:
    """swap_vma_ra_win()."""
    cdef vma_t *area = vma_mut(a, v)
    cdef uint64_t info = area.swap_readahead_info if area.swap_readahead_info else SWAP_RA_HITS_INIT
    cdef uint32_t most = <uint32_t>1 << min(a.m.page_cluster, <uint32_t>SWAP_RA_ORDER_CEILING)
    cdef vaddr_t prev = page_start(&a.m.arch, info)
    cdef uint64_t span = level_size(&a.m.arch, 1)
    cdef uint32_t win
    cdef vaddr_t left
    if most == 1:
        return 1
    win = nr_to_read(prev >> a.m.arch.page_shift, addr >> a.m.arch.page_shift, <uint32_t>(info & SWAP_RA_HITS_MASK), most,
                     <uint32_t>(offset_in_page(&a.m.arch, info) >> SWAP_RA_WIN_SHIFT))
    area.swap_readahead_info = addr | offset_in_page(&a.m.arch, <uint64_t>win << SWAP_RA_WIN_SHIFT)
    if win == 1:
        return 1
    if addr == prev + page_size(&a.m.arch):
        left = addr
    elif prev == addr + page_size(&a.m.arch):
        left = addr - (<uint64_t>win << a.m.arch.page_shift) + page_size(&a.m.arch)
    else:
        left = addr - (<uint64_t>((win - 1) // 2) << a.m.arch.page_shift)
    if <int64_t>left < 0:
        left = 0
    start[0] = max(max(left, area.vm_start), addr & ~(span - 1))
    end[0] = min(min(left + (<uint64_t>win << a.m.arch.page_shift), area.vm_end), (addr & ~(span - 1)) + span)
    return win


cdef void read_window(arena_t *a, pfn_t table, vaddr_t addr, vaddr_t start, vaddr_t end) noexcept nogil:
    """What the entries of one table name; the page at addr was asked for."""
    cdef reads_t k
    cdef pte_t e
    reads_begin(a, &k)
    while start < end:
        e = pte_load(a, table, level_index(&a.m.arch, 0, start))
        if pte_class(a, e) == ENTRY_SWAP and not read_plain(a, &k, pte_to_swp_entry(a, e), start != addr):
            reads_end(a, &k)
            read_swap_cache(a, pte_to_swp_entry(a, e), start != addr)
        start += page_size(&a.m.arch)
    reads_end(a, &k)


cdef pfn_t vma_readahead(arena_t *a, swp_entry_t entry, idx_t v, vaddr_t addr) noexcept nogil:
    cdef vaddr_t start = 0, end = 0
    cdef pfn_t table
    addr = page_start(&a.m.arch, addr)
    if vma_window(a, v, addr, &start, &end) > 1:
        table = table_lookup(a, mm_mut(a, vma_at(a, v).vm_mm), addr, 0)
        blk_start_plug(a)
        if table:
            read_window(a, table, addr, start, end)
        blk_finish_plug(a)
        lru_add_drain(a)
    return read_swap_cache(a, entry, False)


cdef pfn_t swapin_readahead(arena_t *a, swp_entry_t entry, idx_t v, vaddr_t addr) noexcept nogil:
    if v and use_vma_readahead(a):
        return vma_readahead(a, entry, v, addr)
    return cluster_readahead(a, entry)
