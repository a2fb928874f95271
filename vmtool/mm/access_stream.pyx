# cython: language_level=3
"""A trace of accesses, each as touch_range() would make it: what hits either level of the TLB, or is found by a walk that has nothing to
mark, is done here, with what the accesses share looked up once.

    first level    the page of the access before, or its set
    second level   copied to the first
    walk           from the PMD table on, whose place is kept for NR_PLACES stretches of 1 GiB
    else           the general road; afterwards every place is forgotten, for it may have changed the tables, and what else it can change looked at again

The state it leaves is the one that the general road leaves, record by record: tests/mm/test_access_stream.py holds the two together.
"""

from libc.string cimport memset

from vmtool.mm.access cimport touch_page, touch_range
from vmtool.mm.arch cimport (ARCH_CAREFUL, ARCH_TRANSLATES, SHIFT_4K, SIZE_4K, entry_reserved, level_index, pmd_index_4k, pte_index_4k, pte_pfn, region_4k,
                             vpn_4k)
from vmtool.mm.arena cimport content_at, cpu_mut, frame_at, task_at
from vmtool.mm.tlb cimport TLB_L1D_4K, TLB_L1I_4K, TLB_L2, tlb_find_first, tlb_first_t, tlb_look, tlb_look_t, tlb_open_first, tlb_put_looked

cdef extern from *:
    void prefetch "__builtin_prefetch" (const void *address) noexcept nogil

cdef enum:
    NR_KINDS = 3  # ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC
    NR_PLACES = 64
    AHEAD = 6  # accesses: after a walk the entry of a later one is fetched, for tables of many gigabytes lie in no cache
    PMD_LEVEL = 1
    SHIFT_1G = 30

cdef struct place_t:  # of a PMD table
    uint64_t region  # (addr >> SHIFT_1G) + 1; 0: none
    const uint64_t *entries
    pte_t bits  # write and user AND-ed, NX OR-ed of the levels above

cdef struct loop_t:
    tlb_first_t first[NR_KINDS]
    pte_t judged[NR_KINDS]  # these bits of a leaf decide ...
    pte_t want[NR_KINDS]  # ... and must be these
    place_t place[NR_PLACES]
    uint32_t nr_places
    place_t *last_place
    bint plain  # is_plain()
    bint walks  # second level and tables are looked at here
    uint64_t cr3  # when the rest was looked up


cdef inline bint is_plain(arena_t *a) noexcept nogil:
    """4K pages in x86-64's tables, a TLB of two levels, LRU, without PCIDs; nothing is traced."""
    cdef const arch_t *g = &a.m.arch
    if g.entry_bytes != 8 or g.levels < 4 or g.page_shift != SHIFT_4K or g.flags & (ARCH_TRANSLATES | ARCH_CAREFUL):
        return False
    return a.quick and not a.m.trace_on and not a.m.pcid and a.m.tlb_geom[TLB_L2].ways != 0


cdef void open_loop(arena_t *a, const cpu_t *c, loop_t *k) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pte_t want
    cdef int kind
    k.cr3 = c.cr3
    k.plain = is_plain(a)
    k.walks = k.plain and not c.tlb_has_large
    for kind in range(NR_KINDS):
        tlb_open_first(a, c, kind, &k.first[kind])
        want = g.present | g.user | g.accessed | (g.write | g.dirty if kind == ACCESS_WRITE else 0)
        k.want[kind] = want
        k.judged[kind] = want | (g.nx if kind == ACCESS_EXEC else 0)
        if not a.quick:
            k.first[kind].ways = 0


cdef inline void forget_places(loop_t *k) noexcept nogil:
    memset(k.place, 0, sizeof(k.place))
    k.nr_places = 0


cdef inline void look_again(arena_t *a, const cpu_t *c, loop_t *k) noexcept nogil:
    """After the general road. The machine's settings are what they were, for no command ran."""
    if k.nr_places == 1:
        k.last_place.region = k.nr_places = 0
    elif k.nr_places:
        forget_places(k)
    if c.cr3 != k.cr3 or k.first[ACCESS_READ].ways == 0 or k.first[ACCESS_EXEC].ways == 0:  # or its chunk was not marked yet
        open_loop(a, c, k)
    k.walks = k.plain and not c.tlb_has_large


cdef inline const uint64_t *table_of(arena_t *a, pfn_t table) noexcept nogil:
    """NULL: it is all zeros."""
    cdef idx_t content = frame_at(a, table).content
    return <const uint64_t *>content_at(a, content) if content else NULL


cdef inline bint leads_on(const arch_t *g, int level, pte_t e) noexcept nogil:
    """To a table, and a walk has nothing to mark."""
    return (e & (g.present | g.accessed | g.huge)) == (g.present | g.accessed) and not entry_reserved(g, level, e)


cdef inline pte_t and_below(const arch_t *g, pte_t bits, pte_t e) noexcept nogil:
    return (bits & (e | g.nx)) | (e & g.nx)


cdef bint find_place(arena_t *a, const cpu_t *c, vaddr_t addr, place_t *place) noexcept nogil:
    """The PMD table, from the root on."""
    cdef const arch_t *g = &a.m.arch
    cdef const uint64_t *entries = table_of(a, pte_pfn(g, c.cr3))
    cdef int level = <int>g.levels - 1
    cdef pte_t e
    place.region = 0
    place.bits = g.write | g.user
    while level > PMD_LEVEL:
        if entries == NULL:
            return False
        e = entries[level_index(g, level, addr)]
        if not leads_on(g, level, e):
            return False
        place.bits = and_below(g, place.bits, e)
        entries = table_of(a, pte_pfn(g, e))
        level -= 1
    place.entries = entries
    place.region = (addr >> SHIFT_1G) + 1
    return entries != NULL


cdef inline bint walk_here(arena_t *a, cpu_t *c, loop_t *k, vaddr_t addr, int kind, const tlb_look_t *l1, const tlb_look_t *l2) noexcept nogil:
    """A miss whose entries allow the access and need no mark. False: another case, nothing is changed."""
    cdef const arch_t *g = &a.m.arch
    cdef place_t *place = &k.place[(addr >> SHIFT_1G) & (NR_PLACES - 1)]
    cdef const uint64_t *entries
    cdef pte_t e, bits, leaf, both = g.write | g.user
    cdef pfn_t table
    if place.region != (addr >> SHIFT_1G) + 1:
        k.nr_places += 1
        k.last_place = place
        if not find_place(a, c, addr, place):
            return False
    e = place.entries[pmd_index_4k(addr)]
    if not leads_on(g, PMD_LEVEL, e):
        return False
    bits = and_below(g, place.bits, e)
    table = pte_pfn(g, e)
    entries = table_of(a, table)
    if entries == NULL:
        return False
    e = entries[pte_index_4k(vpn_4k(addr))]
    leaf = (e & (~both | bits)) | (bits & g.nx)
    if (leaf & k.judged[kind]) != k.want[kind] or entry_reserved(g, 0, e):
        return False
    c.tlb_clock += 1
    c.misses += 1
    c.walks += 1
    c.walk_reads += g.levels
    c.walk_region = region_4k(addr)  # where walk() came by
    c.walk_root = pte_pfn(g, c.cr3)
    c.walk_table = table
    c.walk_bits = bits
    tlb_put_looked(a, c, l1, l2, vpn_4k(addr), leaf)
    return True


cdef inline void fetch_ahead(arena_t *a, const loop_t *k, vaddr_t addr) noexcept nogil:
    """Nothing is read that is not there: an address without a place, or a table, is let go."""
    cdef const place_t *place = &k.place[(addr >> SHIFT_1G) & (NR_PLACES - 1)]
    cdef const uint64_t *entries
    cdef pte_t e
    if place.region != (addr >> SHIFT_1G) + 1:
        return
    e = place.entries[pmd_index_4k(addr)]
    if leads_on(&a.m.arch, PMD_LEVEL, e):
        entries = table_of(a, pte_pfn(&a.m.arch, e))
        if entries != NULL:
            prefetch(&entries[pte_index_4k(vpn_4k(addr))])


cdef inline bint lacks_entry(arena_t *a, const cpu_t *c, vaddr_t addr) noexcept nogil:
    """In the table that the walker came by last there is none: this will be a fault."""
    cdef const uint64_t *entries
    if c.walk_region != region_4k(addr) or c.walk_root != pte_pfn(&a.m.arch, c.cr3):
        return False
    entries = table_of(a, c.walk_table)
    return entries == NULL or not entries[pte_index_4k(vpn_4k(addr))] & a.m.arch.present


cdef inline bint beyond_first(arena_t *a, cpu_t *c, loop_t *k, vaddr_t addr, int kind) noexcept nogil:
    """What tlb_find_first() did not have, within one page. False: another case, nothing is changed."""
    cdef tlb_look_t l1, l2
    if k.first[kind].ways == 0 or addr >= a.m.arch.canonical_low_end or lacks_entry(a, c, addr):
        return False
    tlb_look(a, c, &a.m.tlb_geom[TLB_L1I_4K if kind == ACCESS_EXEC else TLB_L1D_4K], vpn_4k(addr), &l1)
    if l1.hit != NULL:
        return False
    tlb_look(a, c, &a.m.tlb_geom[TLB_L2], vpn_4k(addr), &l2)
    if l2.hit == NULL:
        return walk_here(a, c, k, addr, kind, &l1, &l2)
    if (l2.hit.pte & k.first[kind].bits) != k.first[kind].want:
        return False
    c.tlb_clock += 1
    l2.hit.age = c.tlb_clock
    c.l2_hits += 1
    l1.place[0] = l2.hit[0]
    return True


cdef int access_stream(arena_t *a, idx_t task, const unsigned char *records, uint64_t nr, siginfo_t *info,
                       uint64_t *nr_done) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, task_at(a, task).cpu)
    cdef const uint64_t *r = <const uint64_t *>records
    cdef const uint64_t *end = r + nr * 2
    cdef loop_t k
    cdef uint64_t addr, size, kind, walks
    cdef int failed
    cdef tlb_entry_t *e = NULL  # of the access before, as long as it is there: its tag and kind
    cdef uint64_t e_kind = NR_KINDS
    info.signo = 0
    forget_places(&k)
    open_loop(a, c, &k)
    while r < end:
        addr = r[0]
        size = <uint32_t>r[1]
        kind = r[1] >> 32
        r += 2
        if kind < NR_KINDS and addr % SIZE_4K + size <= SIZE_4K:  # within one page: nearly every access of a program
            if kind != e_kind or e.tag != (vpn_4k(addr) << 1 | 1):
                e = tlb_find_first(c, &k.first[kind], addr)
                e_kind = kind
            if e != NULL:
                c.tlb_clock += 1
                e.age = c.tlb_clock
                c.l1_hits += 1
                continue
            e_kind = NR_KINDS
            walks = c.walks
            if k.walks and beyond_first(a, c, &k, addr, <int>kind):
                if c.walks != walks and end - r > 2 * AHEAD:
                    fetch_ahead(a, &k, r[2 * AHEAD])
                continue
            failed = touch_page(a, c, task, addr, <int>kind, info) if k.plain else touch_range(a, task, addr, size, <int>kind, info)
        else:
            failed = touch_range(a, task, addr, size, <int>kind, info)
        e_kind = NR_KINDS
        if failed < 0:
            nr_done[0] = nr - <uint64_t>(end - r) // 2 - 1
            return -1
        look_again(a, c, &k)
    return 0
