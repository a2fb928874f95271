"""The invariants of the LRU: lists against flags, counters against lists, batches against references.

Counterpart: Linux's CONFIG_DEBUG_VM assertions in include/linux/mm_inline.h and mm/swap.c. Unevictable folios are on no list, so they are
counted frame by frame, as are the mlocked ones. And the pools of huge pages.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport frame_at, memcg_at, rec_at, rec_is_live
from vmtool.mm.checks cimport nth_check
from vmtool.mm.frame cimport MAX_FOLIO_ORDER, folio_order, pfn_to_zone, reserved_end
from vmtool.mm.hstate cimport HPG_RESTORE_RESERVE, PG_hugetlb, hsize_nth, hsize_t, hstate_at, huge_page_order, nr_resv
from vmtool.mm.hugetlb cimport hugetlb_promised
from vmtool.mm.large_folio cimport folio_hpg
from vmtool.mm.lruvec cimport LRU_UNEVICTABLE, folio_lru_list
from vmtool.mm.vmstat cimport NR_INACTIVE_ANON, NR_MLOCK, NR_ZONE_INACTIVE_ANON

cdef enum:
    CHECK_LRU_LIST
    CHECK_LRU_FLAG
    CHECK_LRU_COUNT
    CHECK_LRU_BATCH
    CHECK_MLOCK_COUNT
    CHECK_HUGE_LIST
    CHECK_HUGE_COUNT
    CHECK_HUGE_RESERVED
    CHECK_HUGE_ORDER
    NR_CHECKS
    NR_BATCHES = 7  # those of cpu_fbatches_t that hold folios

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_LRU_LIST] = fsck_check_t(b"lru-list", b"LRU list {1} is not linked both ways, or not as long as it says, at frame {0}")
CHECKS[CHECK_LRU_FLAG] = fsck_check_t(b"lru-flag", b"frame {0} is on LRU list {1}, where its flags do not put it")
CHECKS[CHECK_LRU_COUNT] = fsck_check_t(b"lru-count", b"the counters of LRU list {0} are wrong: {1} pages are on it")
CHECKS[CHECK_LRU_BATCH] = fsck_check_t(b"lru-batch", b"frame {1} waits in a batch of CPU {0} without a reference for it, or the batch is too long")
CHECKS[CHECK_MLOCK_COUNT] = fsck_check_t(b"mlock-count", b"zone {0} counts its mlocked pages wrongly: {1} are there")
CHECKS[CHECK_HUGE_LIST] = fsck_check_t(b"hugetlb-list", b"{0} huge pages are counted as free, {1} are on the pool's list")
CHECKS[CHECK_HUGE_COUNT] = fsck_check_t(b"hugetlb-count", b"the pool counts {0} huge pages, {1} are there")
CHECKS[CHECK_HUGE_RESERVED] = fsck_check_t(b"hugetlb-reserved", b"the pool counts {0} huge pages as promised, areas and files are owed {1}")
CHECKS[CHECK_HUGE_ORDER] = fsck_check_t(b"hugetlb-order", b"a pool of huge pages says that they have order {0}, it is {1}")

cdef struct fsck_t:  # one run
    arena_t *a
    fsck_report_fn report
    void *ctx
    int64_t pages[NR_ZONES][NR_LRU_LISTS]  # found, over all lruvecs
    int64_t mlocked[NR_ZONES]
    uint64_t huge[MAX_FOLIO_ORDER + 1]  # pages of the pools, by order
    uint64_t restored[MAX_FOLIO_ORDER + 1]  # those that are promised again when they are free


cdef const fsck_check_t *fsck_lru_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef inline void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef void fsck_lru(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef uint32_t z
    cdef uint32_t lru
    cdef uint32_t i
    f.a = a
    f.report = report
    f.ctx = ctx
    memset(f.huge, 0, sizeof(f.huge))
    memset(f.restored, 0, sizeof(f.restored))
    for z in range(NR_ZONES):
        f.mlocked[z] = 0
        for lru in range(NR_LRU_LISTS):
            f.pages[z][lru] = 0
    check_lruvec(&f, &a.m.lruvec)
    for i in range(1, a.pool[POOL_MEMCG].count):
        if rec_is_live(a, POOL_MEMCG, i):
            check_lruvec(&f, &memcg_at(a, i).lruvec)
    count_unevictable(&f)
    check_sums(&f)
    check_batches(&f)
    check_huge_pages(&f)


cdef void check_list(fsck_t *f, lruvec_t *lruvec, uint32_t lru) noexcept nogil:
    cdef arena_t *a = f.a
    cdef free_list_t *list = &lruvec.lists[lru]
    cdef int64_t pages[NR_ZONES]
    cdef uint32_t at = list.head
    cdef uint32_t prev = 0
    cdef uint32_t n = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        pages[z] = 0
    while at and n <= list.nr_free and n < a.m.max_pfn:
        if frame_at(a, at).lru_prev != prev:
            bad(f, CHECK_LRU_LIST, at, lru)
        if not frame_at(a, at).flags & PG_lru or folio_lru_list(a, at) != lru:
            bad(f, CHECK_LRU_FLAG, at, lru)
        pages[pfn_to_zone(a, at)] += <int64_t>1 << folio_order(a, at)
        n += 1
        prev = at
        at = frame_at(a, at).lru_next
    if n != list.nr_free or list.tail != prev:
        bad(f, CHECK_LRU_LIST, prev, lru)
    for z in range(NR_ZONES):
        f.pages[z][lru] += pages[z]
        if lruvec.zone_size[z][lru] != pages[z]:
            bad(f, CHECK_LRU_COUNT, lru, <uint64_t>pages[z])


cdef void check_lruvec(fsck_t *f, lruvec_t *lruvec) noexcept nogil:
    cdef uint32_t lru
    for lru in range(LRU_UNEVICTABLE):
        check_list(f, lruvec, lru)


cdef void count_unevictable(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint64_t pfn = 0
    cdef uint64_t end
    cdef uint32_t z
    cdef frame_t *r
    while pfn < a.m.max_pfn:
        z = pfn_to_zone(a, pfn)
        end = reserved_end(a, pfn)
        if a.m.zone[z].unseen_pfn <= pfn < a.m.zone[z].unseen_end:
            end = a.m.zone[z].unseen_end
        if end > pfn:
            pfn = end
            continue
        r = frame_at(a, <pfn_t>pfn)
        if r.flags & (PG_buddy | PG_pcp):
            pfn += <uint64_t>1 << (r.index_lo if r.index_lo < NR_ORDERS else 0)
            continue
        if r.flags & PG_unevictable and r.flags & PG_lru:
            f.pages[z][LRU_UNEVICTABLE] += <int64_t>1 << folio_order(a, <pfn_t>pfn)
        if r.flags & PG_hugetlb:
            f.huge[folio_order(a, <pfn_t>pfn)] += 1
            f.restored[folio_order(a, <pfn_t>pfn)] += folio_hpg(a, <pfn_t>pfn) & HPG_RESTORE_RESERVE != 0
        if r.flags & PG_mlocked:
            f.mlocked[z] += <int64_t>1 << folio_order(a, <pfn_t>pfn)
        pfn += <uint64_t>1 << folio_order(a, <pfn_t>pfn)


cdef void check_sums(fsck_t *f) noexcept nogil:
    cdef uint32_t lru
    cdef uint32_t z
    cdef int64_t total
    for lru in range(NR_LRU_LISTS):
        total = 0
        for z in range(NR_ZONES):
            total += f.pages[z][lru]
            if f.a.m.zone_stat[z][NR_ZONE_INACTIVE_ANON + lru] != f.pages[z][lru]:
                bad(f, CHECK_LRU_COUNT, lru, <uint64_t>f.pages[z][lru])
        if f.a.m.node_stat[NR_INACTIVE_ANON + lru] != total:
            bad(f, CHECK_LRU_COUNT, lru, <uint64_t>total)
    for z in range(NR_ZONES):
        if f.a.m.zone_stat[z][NR_MLOCK] != f.mlocked[z]:
            bad(f, CHECK_MLOCK_COUNT, z, <uint64_t>f.mlocked[z])


cdef void check_batches(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint32_t cpu
    cdef uint32_t n
    cdef uint32_t i
    cdef const fbatch_t *batch
    cdef pfn_t pfn
    for cpu in range(a.m.nr_cpus):
        batch = &(<const cpu_fbatches_t *>rec_at(a, POOL_FBATCH, cpu + 1)).lru_add
        for n in range(NR_BATCHES):
            if batch[n].nr > PAGEVEC_SIZE:
                bad(f, CHECK_LRU_BATCH, cpu, 0)
                continue
            for i in range(batch[n].nr):
                pfn = batch[n].folio[i]
                if pfn >= a.m.max_pfn or frame_at(a, pfn).flags & (PG_buddy | PG_pcp | PG_tail) or frame_at(a, pfn).extra_refs == 0:
                    bad(f, CHECK_LRU_BATCH, cpu, pfn)


cdef void check_pool(fsck_t *f, uint32_t h) noexcept nogil:
    cdef arena_t *a = f.a
    cdef const hstate_t *pool = hstate_at(a, h)
    cdef uint32_t order = huge_page_order(a, h)
    cdef int64_t owed = hugetlb_promised(a, h) - <int64_t>f.restored[order]
    cdef uint64_t n = 0
    cdef pfn_t head = pool.free_head
    while head and head < a.m.max_pfn and n <= pool.free_huge_pages:
        n += frame_at(a, head).flags & PG_hugetlb != 0 and folio_order(a, head) == order
        head = frame_at(a, head).lru_next
    if n != pool.free_huge_pages:
        bad(f, CHECK_HUGE_LIST, pool.free_huge_pages, n)
    if f.huge[order] != pool.nr_huge_pages:
        bad(f, CHECK_HUGE_COUNT, pool.nr_huge_pages, f.huge[order])
    # more are promised than that where a part of a private area was moved, and for ever
    if nr_resv(pool) < owed:
        bad(f, CHECK_HUGE_RESERVED, pool.resv_huge_pages, <uint64_t>owed)
    if pool.order and pool.order != order:
        bad(f, CHECK_HUGE_ORDER, pool.order, order)
    f.huge[order] = 0


cdef void check_huge_pages(fsck_t *f) noexcept nogil:
    cdef hsize_t s
    cdef uint32_t h, order
    for h in range(NR_HSTATES):
        if hsize_nth(&f.a.m.arch, h, &s):
            check_pool(f, h)
        elif hstate_at(f.a, h).nr_huge_pages:
            bad(f, CHECK_HUGE_COUNT, hstate_at(f.a, h).nr_huge_pages, 0)
    for order in range(MAX_FOLIO_ORDER + 1):  # pages of a size that no pool has
        if f.huge[order]:
            bad(f, CHECK_HUGE_COUNT, 0, f.huge[order])
