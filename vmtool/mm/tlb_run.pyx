# cython: language_level=3
"""Which sets of the TLB are circles, and the first level at the end of a run (tlb_run.pxd)."""

from libc.string cimport memset


cdef uint8_t set_order(const tlb_entry_t *set_, uint32_t ways, uint64_t vpn, uint64_t nr, uint64_t nr_to_come) noexcept nogil:
    """The way that tlb_look() would choose, if after it the others come in turn, and none of the run's pages is there; else TLB_RUN_SLOW."""
    cdef uint32_t way, i, first = 0
    cdef uint8_t once = 0
    cdef uint64_t age, distance, oldest = ~<uint64_t>0
    for way in range(ways):
        distance = (set_[way].tag >> 1) - vpn
        if distance < nr:
            return TLB_RUN_SLOW
        once = TLB_RUN_ONCE if distance < nr_to_come else once
        age = set_[way].age
        first = way if age < oldest else first
        oldest = age if age < oldest else oldest
    age = oldest
    way = first
    for i in range(1, ways):
        way = way + 1 if way + 1 < ways else 0
        if set_[way].age < age or (set_[way].age == age and age):  # void ones have age 0, and go by their place
            return TLB_RUN_SLOW
        age = set_[way].age
    return <uint8_t>first | once


cdef inline tlb_entry_t *set_at(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint32_t n) noexcept nogil:
    return tlb_at(a, c.tlb_base + geom.base + n * geom.stride)


cdef bint tlb_has_any(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn, uint64_t nr) noexcept nogil:
    cdef uint32_t i
    for i in range(<uint32_t>geom.sets * geom.stride if geom.ways else 0):
        if (tlb_at(a, c.tlb_base + geom.base + i).tag >> 1) - vpn < nr:
            return True
    return False


cdef bint may_be_late(arena_t *a, const cpu_t *c, tlb_run_t *r) noexcept nogil:
    """The run fills the first level whole, whose sets are circles, and at its end the second holds all that the first is to get."""
    cdef const tlb_geom_t *first = &a.m.tlb_geom[TLB_L1D_4K]
    cdef uint32_t n, most = <uint32_t>first.sets * first.ways
    if r.nr < most or most > <uint32_t>r.geom.sets * r.geom.ways or first.sets > TLB_RUN_FIRST or first.ways > TLB_RUN_WAYS:
        return False
    for n in range(first.sets):
        if r.first[n] == TLB_RUN_UNKNOWN:
            r.first[n] = set_order(set_at(a, c, first, n), first.ways, r.vpn, r.nr, r.nr_to_come)
        if r.first[n] == TLB_RUN_SLOW:
            return False
    return True


cdef inline bint goes_on(const cpu_t *c, const tlb_run_t *r, uint64_t vpn) noexcept nogil:
    """Since the last run one page was filled, the one before vpn, and nothing flushed."""
    return r.clock and c.tlb_clock - r.clock <= 2 and vpn == r.vpn + 1 and r.flushes == c.flushes_all + c.flushes_page


cdef inline void go_on(uint8_t *next, uint32_t nr_sets, uint64_t vpn) noexcept nogil:
    """What is still known when the page before vpn was filled."""
    cdef uint32_t n
    for n in range(nr_sets):
        if next[n] & TLB_RUN_ONCE:
            next[n] = TLB_RUN_UNKNOWN
    next[<uint32_t>(vpn - 1) & (nr_sets - 1)] = TLB_RUN_UNKNOWN


cdef void tlb_run_begin(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn, uint64_t nr, uint64_t nr_to_come) noexcept nogil:
    cdef bint known = goes_on(c, r, vpn)
    r.geom = &a.m.tlb_geom[TLB_L2]
    r.is_open = r.geom.sets <= TLB_RUN_SETS and r.geom.ways <= TLB_RUN_WAYS
    r.vpn = vpn
    r.nr = nr
    r.nr_to_come = nr_to_come
    r.nr_sets = 0
    r.n = 0
    if known and r.is_open:
        go_on(r.next, r.geom.sets, vpn)
    else:
        memset(r.next, TLB_RUN_UNKNOWN, TLB_RUN_SETS)
    if known and r.is_late:  # else it was filled page by page
        go_on(r.first, a.m.tlb_geom[TLB_L1D_4K].sets, vpn)
    else:
        memset(r.first, TLB_RUN_UNKNOWN, TLB_RUN_FIRST)
    r.is_late = may_be_late(a, c, r)


cdef void tlb_run_seek(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn) noexcept nogil:
    """The page's set, and how many follow it in memory."""
    cdef uint32_t set_n = <uint32_t>vpn & (r.geom.sets - 1)
    cdef uint32_t i = c.tlb_base + r.geom.base + set_n * r.geom.stride
    r.set_ = tlb_at(a, i)
    if r.is_open:
        r.n = set_n
        r.nr_sets = min(r.geom.sets - set_n, (TLB_A_CHUNK - i % TLB_A_CHUNK) // r.geom.stride)
    else:  # next[0] says that it is looked through each time
        r.n = 0
        r.nr_sets = 1


cdef tlb_entry_t *tlb_place(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn) noexcept nogil:
    cdef tlb_look_t at
    tlb_look(a, c, geom, vpn, &at)
    return at.place if at.hit == NULL else NULL


cdef tlb_entry_t *tlb_run_look(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn) noexcept nogil:
    if r.is_open and r.next[r.n] == TLB_RUN_UNKNOWN:
        r.next[r.n] = set_order(r.set_, r.geom.ways, r.vpn, r.nr, r.nr_to_come)
        if r.next[r.n] < TLB_RUN_SLOW:
            return r.set_ + (r.next[r.n] & ~TLB_RUN_ONCE)
    return tlb_place(a, c, r.geom, vpn)


cdef inline const tlb_entry_t *filled(arena_t *a, const cpu_t *c, const tlb_run_t *r, uint64_t vpn, uint64_t end) noexcept nogil:
    """The second level's entry of a page of the run, which ends before `end`: one way back, and more where pages of its set came after it."""
    cdef uint32_t n = <uint32_t>vpn & (r.geom.sets - 1), back = 1
    cdef uint64_t after = vpn + r.geom.sets
    cdef uint8_t way = r.next[n] if r.is_open else TLB_RUN_SLOW
    cdef tlb_look_t found
    while after < end:
        after += r.geom.sets
        back += 1
    if way < TLB_RUN_SLOW and back <= r.geom.ways:
        way &= ~TLB_RUN_ONCE
        return set_at(a, c, r.geom, n) + (way - back if way >= back else way + r.geom.ways - back)
    tlb_look(a, c, r.geom, vpn, &found)
    return found.place


cdef void fill_first(arena_t *a, cpu_t *c, tlb_run_t *r, uint64_t nr_done) noexcept nogil:
    """Of pages that came before the last ones nothing is left, but that they went round the ways."""
    cdef const tlb_geom_t *first = &a.m.tlb_geom[TLB_L1D_4K]
    cdef uint64_t most = <uint64_t>first.sets * first.ways
    cdef uint64_t rounds = (nr_done - most) // first.sets if nr_done > most else 0
    cdef uint64_t vpn, from_vpn = r.vpn + rounds * first.sets, end = r.vpn + nr_done
    cdef tlb_entry_t *set_
    cdef uint32_t n
    cdef uint8_t way
    for n in range(first.sets):
        set_ = set_at(a, c, first, n)
        way = <uint8_t>(((r.first[n] & ~TLB_RUN_ONCE) + rounds) % first.ways) if rounds else r.first[n] & ~TLB_RUN_ONCE
        vpn = from_vpn + ((n - from_vpn) & (first.sets - 1))
        while vpn < end:
            set_[way] = filled(a, c, r, vpn, end)[0]
            way = way + 1 if way + 1 < first.ways else 0
            vpn += first.sets
        r.first[n] = way | (r.first[n] & TLB_RUN_ONCE)


cdef void tlb_run_end(arena_t *a, cpu_t *c, tlb_run_t *r, uint64_t nr_done) noexcept nogil:
    """Of nr_done pages."""
    if r.is_late and nr_done:
        fill_first(a, c, r, nr_done)
    r.vpn += nr_done
    r.clock = c.tlb_clock
    r.flushes = c.flushes_all + c.flushes_page
