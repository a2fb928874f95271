# cython: language_level=3
"""One page after another: access_quick.pyx for a range. The run goes by stretches of one kind, and ends before the first page of another.

    entries that allow the access     walk_run    TLB, A and D
    none, written, private            anon_run    do_anonymous_page() of frames that lie ready
    none, read, private               zero_run    of the zero page
    none, read, of a file             file_run    do_read_fault(): the page and its neighbours, which are walked then
    read-only, written, private       copy_run    do_wp_page() of single anonymous pages

What is counted of many is added up and told at the end of a stretch, or of the run. The state is the one that one access after another
leaves, record by record (tests/mm/test_access_quick.py).
"""

from vmtool.mm.access_quick cimport after_fault, fault_is_plain, is_private, is_quick, leaf_of, look_t, runs_elsewhere, table_at
from vmtool.mm.arch cimport PTRS_4K, SHIFT_4K, leaf_reserved_bits, vpn_4k
from vmtool.mm.arena cimport content_mut, fbatches_mut, frame_mut, mm_mut, task_at, task_mut, vma_at
from vmtool.mm.buddy cimport ready_begin, ready_end, ready_t
from vmtool.mm.fault_anon cimport anon_pte
from vmtool.mm.fault_file cimport around_open, around_t, fault_around_next
from vmtool.mm.frame cimport frame_set_index, page_copy
from vmtool.mm.mm_acct cimport add_mm_counter_by_ones
from vmtool.mm.pagecache cimport NOT_IN_FLIGHT
from vmtool.mm.pgtable cimport mk_pte, pte_frame, pte_mkdirty, pte_mkspecial, pte_mkwrite, pte_mkyoung, pte_special, pte_write
from vmtool.mm.sched cimport kswapd_is_woken
from vmtool.mm.swap_lru cimport lru_add_full
from vmtool.mm.tlb cimport TLB_L1D_4K, TLB_L1I_4K, TLB_L2, tlb_is_valid, tlb_set_small, tlb_void_page
from vmtool.mm.tlb_run cimport (TLB_RUN_ONCE, TLB_RUN_SLOW, tlb_has_any, tlb_place, tlb_places_t, tlb_run_begin, tlb_run_end, tlb_run_misses,
                                tlb_run_put, tlb_run_t)
from vmtool.mm.vma cimport linear_page_index
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, NR_FILE_DIRTY, NR_TLB_LOCAL_FLUSH_ONE, PGFAULT, PGREUSE, count_vm_events, mod_node_stat

cdef enum:
    NEW_FLAGS = PG_anon | PG_swapbacked | PG_anon_exclusive | PG_uptodate  # of a page that a fault made

cdef struct run_t:  # what the pages of a run share, and what is counted of them at its end
    cpu_t *c
    mm_t *m
    vma_t *area
    frame_t *table  # NULL: nothing is stored in it yet
    vaddr_t addr  # of the next page
    uint64_t nr_left
    int kind
    bint is_plain  # its faults may be done here
    bint may_write  # and those that write: to private memory that is not locked
    pte_t need  # bits of an entry, with what the levels above allow, by which the access ends
    pte_t kept  # leaf_of()
    pte_t nx
    pte_t reserved
    bint is_over  # others are to run, or a page needs the general road
    bint wakes  # after_fault() is yet to be called
    uint64_t nr_walked  # by an entry that was there
    uint64_t nr_faults
    uint64_t nr_flushed
    int has_exec  # an entry for instructions is of one of the run's pages; -1: nobody asked yet
    uint64_t *entries  # of its table
    pfn_t pfn
    uint32_t index  # of the next page's
    tlb_places_t at  # of its fill
    tlb_run_t *tlb
    bint is_around  # the next is opened
    around_t around

# --- one page ------------------------------------------------------------------------------------------------------------


cdef inline void open_table(arena_t *a, run_t *k) noexcept nogil:
    """Before the first store."""
    if k.table == NULL:
        k.table = frame_mut(a, k.pfn)
        content_mut(a, k.table.content)  # marks it


cdef inline bint misses(arena_t *a, run_t *k) noexcept nogil:
    return tlb_run_misses(a, k.c, k.tlb, vpn_4k(k.addr), &k.at)


cdef inline void step(run_t *k, uint32_t nr) noexcept nogil:
    k.addr += <vaddr_t>nr << SHIFT_4K
    k.index += nr
    k.nr_left -= nr


cdef inline void fill(arena_t *a, run_t *k, pte_t leaf) noexcept nogil:
    """The TLB's, and on to the next page."""
    tlb_run_put(a, k.c, k.tlb, &k.at, vpn_4k(k.addr), leaf)
    step(k, 1)


cdef inline void faulted(arena_t *a, run_t *k, pte_t new) noexcept nogil:
    """The entry is stored: its table's count and the fault's are the caller's."""
    k.entries[k.index] = new
    k.c.tlb_clock += 2  # the walk that faults, and the retry
    fill(a, k, leaf_of(&a.m.arch, k.c.walk_bits, new))

# --- stretches -----------------------------------------------------------------------------------------------------------

cdef enum:
    STRETCH_NONE  # the next page needs the general road
    STRETCH_WALK
    STRETCH_ANON
    STRETCH_ZERO
    STRETCH_FILE
    STRETCH_COPY


cdef inline bint is_allowed(const run_t *k, pte_t e) noexcept nogil:
    """By the entry that is there."""
    return (((e & k.kept) | k.nx) & k.need) == k.need and not e & k.reserved


cdef inline bint is_read_only(arena_t *a, const run_t *k, pte_t e) noexcept nogil:
    """A page that the program may read, and the kernel would let it write."""
    cdef const arch_t *g = &a.m.arch
    return (e & (g.present | g.user)) == g.present | g.user and not pte_write(a, e) and not pte_special(a, e) and not e & k.reserved


cdef inline int stretch_of(arena_t *a, const run_t *k) noexcept nogil:
    cdef pte_t e = k.entries[k.index]
    if e:
        if is_allowed(k, e):
            return STRETCH_WALK
        return STRETCH_COPY if k.kind == ACCESS_WRITE and k.may_write and is_read_only(a, k, e) else STRETCH_NONE
    if k.kind == ACCESS_WRITE:
        return STRETCH_ANON if k.may_write and not k.area.vm_file else STRETCH_NONE
    if not k.is_plain or not k.area.vm_flags & (VM_READ | VM_WRITE | VM_EXEC):
        return STRETCH_NONE
    return STRETCH_FILE if k.area.vm_file else STRETCH_ZERO if is_private(k.area) else STRETCH_NONE


cdef inline uint32_t walk_span(arena_t *a, run_t *k, uint64_t vpn, uint32_t index, uint32_t end) noexcept nogil:
    """walk_run() of pages whose sets of the second level lie beside each other and are circles, which none of the pages is in: what goes there is
    evicted. All that changes from page to page is in registers. Returns: the first page that is of another kind."""
    cdef const arch_t *g = &a.m.arch
    cdef cpu_t *c = k.c
    cdef tlb_run_t *r = k.tlb
    cdef pte_t kept = k.kept, nx = k.nx, entry, marks = g.accessed | (g.dirty if k.kind == ACCESS_WRITE else 0)
    cdef pte_t need = k.need, mask = k.need | k.reserved | g.is_global
    cdef uint64_t *entries = k.entries
    cdef uint64_t clock = c.tlb_clock, nr_evicted = 0
    cdef uint32_t ways = r.geom.ways, stride = r.geom.stride, first = index
    cdef tlb_entry_t *set_ = r.set_
    cdef tlb_entry_t *e
    cdef uint8_t *next = r.next + r.n
    cdef uint8_t way
    while index < end:
        entry = entries[index]
        way = next[0]
        if entry & mask != need or way >= TLB_RUN_SLOW:
            break
        if (entry & marks) != marks:
            if k.table == NULL:
                break
            entry |= marks
            entries[index] = entry
        e = set_ + (way & ~TLB_RUN_ONCE)
        nr_evicted += tlb_is_valid(c, e)
        clock += 1
        tlb_set_small(e, vpn << 1 | 1, (entry & kept) | nx, clock, 0)
        next[0] = way + 1 if (way & ~TLB_RUN_ONCE) + 1 < ways else way & TLB_RUN_ONCE
        next += 1
        set_ += stride
        vpn += 1
        index += 1
    c.tlb_clock = clock
    c.evictions += nr_evicted
    r.set_ = set_
    r.n += index - first
    r.nr_sets -= index - first
    return index


cdef inline bint walk_one(arena_t *a, run_t *k, uint64_t vpn, uint32_t index) noexcept nogil:
    """walk_run() of one page. False: it is of another kind."""
    cdef pte_t marks = a.m.arch.accessed | (a.m.arch.dirty if k.kind == ACCESS_WRITE else 0), entry = k.entries[index]
    cdef tlb_places_t at
    if not is_allowed(k, entry):
        return False
    if not tlb_run_misses(a, k.c, k.tlb, vpn, &at):
        k.is_over = True
        return False
    if (entry & marks) != marks:
        open_table(a, k)
        entry |= marks
        k.entries[index] = entry
    k.c.tlb_clock += 1
    tlb_run_put(a, k.c, k.tlb, &at, vpn, (entry & k.kept) | k.nx)
    return True


cdef void walk_run(arena_t *a, run_t *k) noexcept nogil:
    cdef uint64_t vpn = vpn_4k(k.addr) - k.index
    cdef uint32_t index = k.index, end = k.index + <uint32_t>k.nr_left
    cdef bint has_spans = k.tlb.is_late and k.tlb.is_open and k.need & ~k.kept == 0
    while index < end:
        if has_spans and k.tlb.nr_sets:
            index = walk_span(a, k, vpn + index, index, min(end, index + k.tlb.nr_sets))
            if index == end:
                break
        if not walk_one(a, k, vpn + index, index):
            break
        index += 1
    k.nr_walked += index - k.index
    step(k, index - k.index)


cdef inline void new_page(arena_t *a, run_t *k, ready_t *ready, fbatch_t *batch, uint64_t index) noexcept nogil:
    """prep_new_page(), folio_add_new_anon_rmap(), folio_add_lru() of the frame that is next. A batch that is full goes to the lists."""
    cdef pfn_t pfn = ready.head
    cdef frame_t *f = frame_mut(a, pfn)
    ready.head = f.lru_next
    ready.nr_taken += 1
    f.flags = NEW_FLAGS
    f.mapcount = 1
    frame_set_index(f, index)
    f.extra_refs = 1  # the batch's
    f.mapping = k.area.anon_vma
    f.lru_next = 0
    f.lru_prev = 0
    if batch.nr < PAGEVEC_SIZE:
        batch.folio[batch.nr] = pfn
        batch.nr += 1
    if batch.nr >= PAGEVEC_SIZE:
        ready_end(a, ready)
        lru_add_full(a)  # which may free some
        ready_begin(a, ready)


cdef void anon_run(arena_t *a, run_t *k) noexcept nogil:
    cdef uint64_t before = k.nr_left, index = linear_page_index(a, k.area, k.addr)
    cdef pte_t bits = anon_pte(a, 0, k.area.vm_flags)
    cdef fbatch_t *batch = &fbatches_mut(a).lru_add
    cdef ready_t ready
    cdef pfn_t pfn
    open_table(a, k)
    ready_begin(a, &ready)
    while k.nr_left and k.entries[k.index] == 0 and ready.head and misses(a, k):
        pfn = ready.head
        new_page(a, k, &ready, batch, index)
        faulted(a, k, bits | <pte_t>pfn << SHIFT_4K)
        index += 1
    ready_end(a, &ready)
    before -= k.nr_left
    k.table.index_lo += <uint32_t>before
    k.nr_faults += before
    add_mm_counter_by_ones(k.m, MM_ANONPAGES, <int64_t>before)
    mod_node_stat(a, NR_ANON_MAPPED, <int64_t>before)


cdef void zero_run(arena_t *a, run_t *k) noexcept nogil:
    cdef uint64_t before = k.nr_left
    cdef pte_t new = pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, k.area.vm_flags))
    open_table(a, k)
    while k.nr_left and k.entries[k.index] == 0 and misses(a, k):
        faulted(a, k, new)
    before -= k.nr_left
    k.table.index_lo += <uint32_t>before
    k.nr_faults += before


cdef inline bint others_wait(arena_t *a) noexcept nogil:
    """after_fault() might do something to the TLB."""
    return kswapd_is_woken(a.m) or a.m.compaction.kcompactd_woken or a.m.node_stat[NR_FILE_DIRTY] != 0


cdef void file_run(arena_t *a, run_t *k) noexcept nogil:
    """One fault; the pages that it maps beside its own are walk_run()'s."""
    if not misses(a, k):
        return
    if not k.is_around:
        around_open(a, &k.around, k.m.vma_cache, k.addr, k.pfn, k.index, <uint64_t>NOT_IN_FLIGHT)
        k.is_around = True
    if not fault_around_next(a, &k.around, k.index):
        return
    open_table(a, k)
    k.nr_faults += 1
    faulted(a, k, k.entries[k.index])
    if others_wait(a):
        k.is_over = k.wakes = True
    else:
        after_fault(a, True)


cdef inline bint has_exec(arena_t *a, run_t *k) noexcept nogil:
    if k.has_exec < 0:
        k.has_exec = tlb_has_any(a, k.c, &a.m.tlb_geom[TLB_L1I_4K], vpn_4k(k.addr), k.nr_left)
    return k.has_exec


cdef inline tlb_entry_t *voided(arena_t *a, run_t *k, const tlb_geom_t *geom, tlb_entry_t *place) noexcept nogil:
    """Where the page goes when an entry of its own, that a flush of all left, is no more."""
    if place.tag != vpn_4k(k.addr) << 1 | 1:
        return place
    place.tag = 0
    place.age = 0
    return tlb_place(a, k.c, geom, vpn_4k(k.addr))


cdef inline void flush(arena_t *a, run_t *k) noexcept nogil:
    """flush_tlb_page() on this CPU. Its count is the caller's."""
    if k.at.first != NULL:
        k.at.first = voided(a, k, &a.m.tlb_geom[TLB_L1D_4K], k.at.first)
    k.at.second = voided(a, k, &a.m.tlb_geom[TLB_L2], k.at.second)
    if has_exec(a, k):
        tlb_void_page(a, k.c, &a.m.tlb_geom[TLB_L1I_4K], vpn_4k(k.addr))


cdef inline bint is_copied(arena_t *a, const frame_t *f) noexcept nogil:
    """do_wp_page() of such a page makes a copy for sure: no batch need be emptied to know."""
    return f.mapcount > 1 and (f.flags & PG_lru or f.mapcount + f.extra_refs > 3)


cdef inline pte_t reused(arena_t *a, run_t *k, frame_t *f, pte_t e) noexcept nogil:
    if not f.flags & PG_anon_exclusive:
        f.flags |= PG_anon_exclusive
        f.mapping = k.area.anon_vma
    count_vm_events(a, PGREUSE, 1)
    return pte_mkwrite(a, pte_mkdirty(a, pte_mkyoung(a, e)))


cdef void copy_run(arena_t *a, run_t *k) noexcept nogil:
    cdef uint64_t before = k.nr_left, index = linear_page_index(a, k.area, k.addr)
    cdef int64_t nr_copied = 0
    cdef pte_t bits = anon_pte(a, 0, k.area.vm_flags), e
    cdef fbatch_t *batch = &fbatches_mut(a).lru_add
    cdef ready_t ready
    cdef pfn_t old, copy
    cdef frame_t *f
    if runs_elsewhere(a, k.c):
        return
    open_table(a, k)
    ready_begin(a, &ready)
    while k.nr_left:
        e = k.entries[k.index]
        if not is_read_only(a, k, e):
            break
        old = pte_frame(a, e)
        f = frame_mut(a, old)
        if (f.flags & (PG_head | PG_tail | PG_anon)) != PG_anon:
            break
        if f.flags & PG_anon_exclusive or (f.mapcount == 1 and f.extra_refs == 0):
            if not misses(a, k):
                break
            e = reused(a, k, f, e)
        else:
            if not is_copied(a, f) or ready.head == 0 or not misses(a, k):
                break
            copy = ready.head
            new_page(a, k, &ready, batch, index)
            if f.content or f.flags & PG_swapcache:  # or its slot has them
                page_copy(a, copy, old)
            f.mapcount -= 1
            e = bits | <pte_t>copy << SHIFT_4K
            nr_copied += 1
        flush(a, k)
        faulted(a, k, e)
        index += 1
    ready_end(a, &ready)
    before -= k.nr_left
    k.nr_faults += before
    k.nr_flushed += before
    mod_node_stat(a, NR_ANON_MAPPED, nr_copied)

# --- the run -------------------------------------------------------------------------------------------------------------


cdef void stretch(arena_t *a, run_t *k, int what) noexcept nogil:
    if what == STRETCH_WALK:
        walk_run(a, k)
    elif what == STRETCH_ANON:
        anon_run(a, k)
    elif what == STRETCH_ZERO:
        zero_run(a, k)
    elif what == STRETCH_FILE:
        file_run(a, k)
    else:
        copy_run(a, k)


cdef inline void open_run(arena_t *a, run_t *k, const look_t *at, idx_t task) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pte_t both = g.write | g.user
    k.entries = at.entries
    k.pfn = at.table
    k.index = at.index
    k.m = mm_mut(a, task_at(a, task).mm)
    k.area = vma_at(a, k.m.vma_cache)
    k.table = NULL
    k.is_over = k.wakes = k.is_around = False
    k.nr_walked = k.nr_faults = k.nr_flushed = 0
    k.has_exec = -1
    k.is_plain = fault_is_plain(a, k.c, task, k.addr, at, k.m, k.area)
    k.may_write = k.is_plain and is_private(k.area) and k.area.vm_flags & (VM_WRITE | VM_LOCKED) == VM_WRITE and k.area.anon_vma != 0
    k.need = g.present | g.user | (g.write if k.kind == ACCESS_WRITE else 0)
    k.kept = ~both | (k.c.walk_bits & both)
    k.nx = k.c.walk_bits & g.nx
    k.reserved = leaf_reserved_bits(g)


cdef void end_run(arena_t *a, run_t *k, task_t *task) noexcept nogil:
    cdef uint64_t nr_walks = k.nr_walked + 2 * k.nr_faults
    if nr_walks == 0:
        return
    k.c.tlb_missed = 0
    k.c.misses += nr_walks
    k.c.walks += nr_walks
    k.c.walk_reads += nr_walks * a.m.arch.levels
    k.c.flushes_page += k.nr_flushed
    task.min_flt += k.nr_faults
    count_vm_events(a, PGFAULT, <int64_t>k.nr_faults)
    count_vm_events(a, NR_TLB_LOCAL_FLUSH_ONE, <int64_t>k.nr_flushed)


cdef uint64_t access_quick_run(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t nr, int kind, tlb_run_t *tlb) noexcept nogil:
    cdef run_t k
    cdef look_t at
    cdef uint64_t before
    cdef int what
    if kind == ACCESS_EXEC or not is_quick(a, c, addr, &a.m.tlb_geom[TLB_L1D_4K], &a.m.tlb_geom[TLB_L2]):
        return 0
    if table_at(a, c, vpn_4k(addr), &at) == 0:
        return 0
    k.c = c
    k.addr = addr
    k.kind = kind
    k.tlb = tlb
    open_run(a, &k, &at, task)
    what = stretch_of(a, &k)
    if what == STRETCH_NONE:
        return 0
    k.nr_left = min(nr, <uint64_t>(PTRS_4K - k.index))
    if k.is_plain:
        k.nr_left = min(k.nr_left, vpn_4k(k.area.vm_end - addr))
    tlb_run_begin(a, c, tlb, vpn_4k(addr), k.nr_left, nr)
    while what != STRETCH_NONE:
        before = k.nr_left
        stretch(a, &k, what)
        if k.nr_left == 0 or k.nr_left == before or k.is_over:
            break
        what = stretch_of(a, &k)
    end_run(a, &k, task_mut(a, task))
    tlb_run_end(a, c, tlb, vpn_4k(k.addr - addr))
    after_fault(a, k.wakes)
    return vpn_4k(k.addr - addr)
