# cython: language_level=3
"""TLB fills of pages that follow one another, where a fill after the other would look for the oldest entry of each set anew.

A set whose ways were filled in turn is a circle of ages: behind the oldest way stands the next one to go. So it is enough to look through a
set once; whether one of the pages to come is in it is seen then, too. Sets of another kind are looked through page by page (tlb_look).

    ages 7 8 9 | 3 4 5 6     the fill takes the way with 3, and the next page of this set that with 4

Of a long run the first level keeps the last pages alone: they are copied from the second when the run ends.
For what tlb_look() is for: 4K pages on a machine without PCIDs, LRU. Between begin and end nothing else may fill or flush.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.tlb cimport TLB_A_CHUNK, TLB_GLOBAL, TLB_L1D_4K, TLB_L2, tlb_at, tlb_is_valid, tlb_look, tlb_look_t, tlb_set_small
from vmtool.mm.types cimport *

cdef enum:
    TLB_RUN_SETS = 256  # of a structure: one with more, or with more ways, is looked through page by page
    TLB_RUN_WAYS = 64
    TLB_RUN_FIRST = 64  # sets of the first level, if it is to be filled at the end
    TLB_RUN_UNKNOWN = 0xFF  # no way: the set was not looked through yet
    TLB_RUN_SLOW = 0xFE  # no way: a set of another kind
    TLB_RUN_ONCE = 0x80  # with a way: pages that come after this run are in the set

cdef struct tlb_run_t:
    uint64_t vpn  # of the run's first page
    uint64_t nr  # pages of the run, and of it and those to come
    uint64_t nr_to_come
    const tlb_geom_t *geom  # of the second level
    tlb_entry_t *set_  # of the next page; those of the next nr_sets pages follow it
    uint32_t n
    uint32_t nr_sets
    bint is_open  # next[] is kept
    bint is_late  # the first level is filled at the end
    uint64_t clock  # of the CPU, when the run ended; 0: there was none
    uint64_t flushes
    uint8_t next[TLB_RUN_SETS]  # by set: the way that is filled next
    uint8_t first[TLB_RUN_FIRST]  # and of the first level

cdef struct tlb_places_t:  # of a page's fill
    tlb_entry_t *first  # NULL: at the end
    tlb_entry_t *second

# A run of nr pages from vpn on, the first of nr_to_come; r is that of the pages before vpn - 1, or its clock is 0.
cdef void tlb_run_begin(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn, uint64_t nr, uint64_t nr_to_come) noexcept nogil
cdef void tlb_run_end(arena_t *a, cpu_t *c, tlb_run_t *r, uint64_t nr_done) noexcept nogil
# Where the page's fill goes; NULL: it is there. Of any structure; of the second level, whose set is no circle or was not looked through.
cdef tlb_entry_t *tlb_place(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn) noexcept nogil
cdef tlb_entry_t *tlb_run_look(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn) noexcept nogil
cdef void tlb_run_seek(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn) noexcept nogil
cdef bint tlb_has_any(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn, uint64_t nr) noexcept nogil  # an entry, flushed or not, of one of the pages

cdef inline bint tlb_run_misses(arena_t *a, const cpu_t *c, tlb_run_t *r, uint64_t vpn, tlb_places_t *at) noexcept nogil:
    """Whether neither level has the page, which is the next one; where its fill goes."""
    cdef uint8_t way
    at.first = NULL
    if not r.is_late:
        at.first = tlb_place(a, c, &a.m.tlb_geom[TLB_L1D_4K], vpn)
        if at.first == NULL:
            return False
    if r.nr_sets == 0:
        tlb_run_seek(a, c, r, vpn)
    way = r.next[r.n]
    at.second = r.set_ + (way & ~TLB_RUN_ONCE) if way < TLB_RUN_SLOW else tlb_run_look(a, c, r, vpn)
    return at.second != NULL

cdef inline void tlb_run_put(arena_t *a, cpu_t *c, tlb_run_t *r, const tlb_places_t *at, uint64_t vpn, pte_t leaf) noexcept nogil:
    """tlb_put_looked() of a page that tlb_run_misses() said so of."""
    cdef uint64_t tag = vpn << 1 | 1
    cdef uint8_t flags = TLB_GLOBAL if leaf & a.m.arch.is_global else 0
    cdef uint8_t way = r.next[r.n]
    c.evictions += at.second.tag != tag and tlb_is_valid(c, at.second)
    tlb_set_small(at.second, tag, leaf, c.tlb_clock, flags)
    if at.first != NULL:
        tlb_set_small(at.first, tag, leaf, c.tlb_clock, flags)
    if way < TLB_RUN_SLOW:
        r.next[r.n] = way + 1 if (way & ~TLB_RUN_ONCE) + 1 < r.geom.ways else way & TLB_RUN_ONCE
    r.set_ += r.geom.stride
    r.n += 1
    r.nr_sets -= 1
