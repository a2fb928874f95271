"""The invariants of control groups: every counter is summed up again from what names the group.

    usage    folios, tables, stacks, pages of objects; what the CPUs hold in stock; all of it again of the groups below
    stat     by folio: mapped, cached, dirty, on which list; by stack, object and slot
    swap     slots that it pays for, and those below

Counterpart: Linux v6.18 mm/memcontrol.c, which has no such check; its WARN_ON_ONCE() of a counter below zero comes nearest.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arena cimport (ARENA_NOMEM, arena_fail, folio_x_at, frame_at, memcg_at, memcg_mut, mm_at, rec_at, rec_is_live, runs_in_circle,
                              slot_at, task_at)
from vmtool.mm.checks cimport nth_check
from vmtool.mm.frame cimport folio_order, pfn_to_zone, reserved_end
from vmtool.mm.lruvec cimport folio_lru_list, pmd_mappable
from vmtool.mm.mm cimport rss_stat_bytes
from vmtool.mm.rmap cimport entire_mapcount, page_mapcount
from vmtool.mm.slab cimport *
from vmtool.mm.vmalloc cimport stack_pages, vmap_at
from vmtool.mm.vmstat cimport *

cdef enum:
    CHECK_PAYS
    CHECK_USAGE
    CHECK_SWAP
    CHECK_STAT
    CHECK_LISTS
    CHECK_NAMED
    CHECK_TREE
    CHECK_STATE
    NR_CHECKS
    NR_KEPT = 16

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_PAYS] = fsck_check_t(b"memcg-pays", b"frame {0} is charged to group {1}, which is not there")
CHECKS[CHECK_USAGE] = fsck_check_t(b"memcg-usage", b"the usage of group {0} is wrong: {1} pages are charged to it and those below")
CHECKS[CHECK_SWAP] = fsck_check_t(b"memcg-swap", b"the swap usage of group {0} is wrong: it and those below pay for {1} slots")
CHECKS[CHECK_STAT] = fsck_check_t(b"memcg-stat", b"counter {1} of group {0} is not the sum over what it pays for")
CHECKS[CHECK_LISTS] = fsck_check_t(b"memcg-lists", b"group {0} counts the pages of LRU list {1} wrongly")
CHECKS[CHECK_NAMED] = fsck_check_t(b"memcg-named", b"group {0} is kept by another number of charges than {1}")
CHECKS[CHECK_TREE] = fsck_check_t(b"memcg-tree", b"group {0} is below group {1}, which is not there")
CHECKS[CHECK_STATE] = fsck_check_t(b"memcg-state", b"group {0} is neither there nor removed: its state is {1}")

cdef int KEPT[NR_KEPT]  # counters that are what is there now
KEPT[:] = [NR_ANON_MAPPED, NR_FILE_PAGES, MEMCG_KMEM, NR_KERNEL_STACK_KB, NR_PAGETABLE, MEMCG_PERCPU_B, NR_SHMEM, NR_FILE_MAPPED,
           NR_FILE_DIRTY, NR_WRITEBACK, NR_SWAPCACHE, NR_ANON_THPS, NR_FILE_THPS, NR_SHMEM_THPS, NR_SLAB_RECLAIMABLE_B,
           NR_SLAB_UNRECLAIMABLE_B]

cdef struct tally_t:  # of one group
    int64_t stat[NR_MEMCG_STATS]
    int64_t lru[NR_LRU_LISTS]
    int64_t usage
    int64_t swap
    uint64_t named

cdef struct fsck_t:
    arena_t *a
    fsck_report_fn report
    void *ctx
    tally_t *of  # by memcg_t


cdef const fsck_check_t *fsck_memcg_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef inline void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef bint count_all(fsck_t *f, arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    """Tallies of every group, to be freed. False: the host has no memory for them."""
    f.a = a
    f.report = report
    f.ctx = ctx
    f.of = <tally_t *>calloc(a.pool[POOL_MEMCG].count, sizeof(tally_t))
    if f.of == NULL:
        arena_fail(a, ARENA_NOMEM, POOL_MEMCG, 0)
        return False
    count_folios(f)
    count_kernel(f)
    count_slots(f)
    return True


cdef void say_nothing(void *ctx, const char *check, uint64_t first, uint64_t second) noexcept nogil:
    pass


cdef void memcg_upgrade(arena_t *a) noexcept nogil:
    cdef fsck_t f
    cdef tally_t t
    cdef idx_t memcg
    cdef uint32_t i
    if a.m.knows_memcg_stat:
        return
    if a.pool[POOL_MEMCG].count > 1:
        if not count_all(&f, a, say_nothing, NULL):
            return
        for memcg in range(1, a.pool[POOL_MEMCG].count):
            if rec_is_live(a, POOL_MEMCG, memcg):
                sum_group(&f, memcg, &t)
                for i in range(NR_KEPT):
                    memcg_mut(a, memcg).stat[KEPT[i]] = t.stat[KEPT[i]]
                for i in range(NR_LRU_LISTS):
                    memcg_mut(a, memcg).lruvec.total[i] = t.lru[i]
        free(f.of)
    a.m.knows_memcg_stat = 1


cdef void fsck_memcg(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef idx_t memcg
    if a.pool[POOL_MEMCG].count <= 1 or not count_all(&f, a, report, ctx):
        return
    for memcg in range(1, a.pool[POOL_MEMCG].count):
        if rec_is_live(a, POOL_MEMCG, memcg):
            note_parent(&f, memcg)
    for memcg in range(1, a.pool[POOL_MEMCG].count):
        if rec_is_live(a, POOL_MEMCG, memcg):
            check_group(&f, memcg)
    free(f.of)


# --- what names a group ----------------------------------------------------------------------------------------------


cdef void count_user_folio(fsck_t *f, pfn_t head, int64_t nr_pages, tally_t *t) noexcept nogil:
    cdef arena_t *a = f.a
    cdef const frame_t *r = frame_at(a, head)
    cdef int64_t mapped = 0
    cdef int64_t i
    for i in range(nr_pages):
        mapped += page_mapcount(a, <pfn_t>(head + i)) != 0
    if r.flags & PG_lru:
        t.lru[folio_lru_list(a, head)] += nr_pages
    if r.flags & PG_swapcache:
        t.stat[NR_SWAPCACHE] += nr_pages
    if r.flags & PG_writeback:
        t.stat[NR_WRITEBACK] += nr_pages
    if r.flags & PG_anon:
        t.stat[NR_ANON_MAPPED] += mapped
        t.stat[NR_ANON_THPS] += nr_pages if entire_mapcount(a, head) else 0
        return
    t.stat[NR_FILE_MAPPED] += mapped
    if r.mapping == 0:
        return
    t.stat[NR_FILE_PAGES] += nr_pages
    if r.flags & PG_swapbacked:
        t.stat[NR_SHMEM] += nr_pages
        t.stat[NR_SHMEM_THPS] += nr_pages if pmd_mappable(&a.m.arch, folio_order(a, head)) else 0
        return
    t.stat[NR_FILE_DIRTY] += nr_pages if r.flags & PG_dirty else 0
    t.stat[NR_FILE_THPS] += nr_pages if pmd_mappable(&a.m.arch, folio_order(a, head)) else 0


cdef void count_folio(fsck_t *f, pfn_t head) noexcept nogil:
    cdef idx_t memcg = folio_x_at(f.a, head).memcg
    cdef int64_t nr_pages = min(<int64_t>1 << (folio_order(f.a, head) & 31), <int64_t>f.a.m.max_pfn - head)
    if not rec_is_live(f.a, POOL_MEMCG, memcg):
        bad(f, CHECK_PAYS, head, memcg)
        return
    f.of[memcg].usage += nr_pages
    f.of[memcg].named += 1
    if frame_at(f.a, head).flags & PG_table:
        f.of[memcg].stat[NR_PAGETABLE] += nr_pages
        f.of[memcg].stat[MEMCG_KMEM] += nr_pages
    else:
        count_user_folio(f, head, nr_pages, &f.of[memcg])


cdef void count_folios(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint64_t pfn = 1
    cdef uint64_t end
    cdef const frame_t *r
    cdef const zone_t *z
    while pfn < a.m.max_pfn:
        z = &a.m.zone[pfn_to_zone(a, pfn)]
        end = z.unseen_end if z.unseen_pfn <= pfn < z.unseen_end else reserved_end(a, pfn)
        if end > pfn:
            pfn = end
            continue
        r = frame_at(a, <pfn_t>pfn)
        if r.flags & (PG_buddy | PG_pcp):
            pfn += <uint64_t>1 << (r.index_lo if r.index_lo < NR_ORDERS else 0)
            continue
        if r.flags & PG_charged and not r.flags & PG_tail:
            count_folio(f, <pfn_t>pfn)
        pfn += <uint64_t>1 << (folio_order(a, <pfn_t>pfn) & 31)


cdef void count_objects(fsck_t *f) noexcept nogil:
    """How many objects of slabs name each group, and their bytes with the name of the group beside each."""
    cdef arena_t *a = f.a
    cdef const slab_obj_exts_t *e
    cdef const slab_t *s
    cdef const kmem_cache_t *c
    cdef int item
    cdef idx_t i
    cdef uint32_t n
    for i in range(1, a.pool[POOL_SLAB].count):
        s = <const slab_t *>rec_at(a, POOL_SLAB, i)
        if s.obj_exts == 0 or not 0 < s.cache <= NR_KMEM_CACHES:
            continue
        c = cache_at(a, <int>s.cache - 1)
        item = <int>NR_SLAB_RECLAIMABLE_B if c.flags & SLAB_RECLAIM_ACCOUNT else <int>NR_SLAB_UNRECLAIMABLE_B
        e = <const slab_obj_exts_t *>rec_at(a, POOL_OBJ_EXTS, s.obj_exts)
        for n in range(SLAB_MAX_OBJECTS):
            if rec_is_live(a, POOL_MEMCG, e.memcg[n]):
                f.of[e.memcg[n]].named += 1
                f.of[e.memcg[n]].stat[item] += c.size + 8


cdef void count_kernel(fsck_t *f) noexcept nogil:
    """Stacks, objects, stocks: pages that no folio names."""
    cdef arena_t *a = f.a
    cdef idx_t i, memcg
    cdef int64_t pages
    count_objects(f)
    for i in range(1, a.pool[POOL_TASK].count):
        memcg = vmap_at(a, task_at(a, i).stack).memcg if task_at(a, i).stack else 0
        if rec_is_live(a, POOL_MEMCG, memcg):
            f.of[memcg].named += 1
            f.of[memcg].usage += stack_pages(&a.m.arch)
            f.of[memcg].stat[MEMCG_KMEM] += stack_pages(&a.m.arch)
            f.of[memcg].stat[NR_KERNEL_STACK_KB] += <int64_t>stack_pages(&a.m.arch) << (a.m.arch.page_shift - 10)
    for i in range(1, a.pool[POOL_MM].count):
        if rec_is_live(a, POOL_MEMCG, mm_at(a, i).rss_memcg):
            f.of[mm_at(a, i).rss_memcg].named += 1
            f.of[mm_at(a, i).rss_memcg].stat[MEMCG_PERCPU_B] += rss_stat_bytes(a)
    for memcg in range(1, a.pool[POOL_MEMCG].count):
        if rec_is_live(a, POOL_MEMCG, memcg):
            pages = <int64_t>((memcg_at(a, memcg).obj_bytes + memcg_at(a, memcg).obj_stock) >> a.m.arch.page_shift)
            f.of[memcg].usage += pages
            f.of[memcg].stat[MEMCG_KMEM] += pages
    for i in range(2):
        if rec_is_live(a, POOL_MEMCG, a.m.stock_memcg[i]):
            f.of[a.m.stock_memcg[i]].named += 1
            f.of[a.m.stock_memcg[i]].usage += a.m.stock_nr[i]


cdef void count_slots(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint32_t type, offset
    cdef const swap_info_t *si
    cdef const swap_slot_t *s
    cdef idx_t memcg
    for type in range(min(a.m.nr_swapfiles, <uint32_t>MAX_SWAP_AREAS)):
        si = &a.m.swap[type]
        if si.flags == 0:
            continue
        for offset in range(si.max):
            s = slot_at(a, si.base + offset)
            memcg = s.flags >> SLOT_MEMCG_SHIFT
            if memcg and (s.count or s.flags & SLOT_CACHE) and rec_is_live(a, POOL_MEMCG, memcg):
                f.of[memcg].swap += 1
                f.of[memcg].named += 1


# --- sums ------------------------------------------------------------------------------------------------------------


cdef void note_parent(fsck_t *f, idx_t memcg) noexcept nogil:
    cdef idx_t parent = memcg_at(f.a, memcg).parent
    if memcg_at(f.a, memcg).state not in (1, 2):
        bad(f, CHECK_STATE, memcg, memcg_at(f.a, memcg).state)
    if parent and not rec_is_live(f.a, POOL_MEMCG, parent):
        bad(f, CHECK_TREE, memcg, parent)
    elif parent:
        f.of[parent].named += 1


cdef void sum_group(fsck_t *f, idx_t memcg, tally_t *t) noexcept nogil:
    """The group's own counts and those of all that have it above them."""
    cdef arena_t *a = f.a
    cdef idx_t i, at
    cdef uint32_t lru, steps
    t[0] = f.of[memcg]
    for i in range(1, a.pool[POOL_MEMCG].count):
        if i == memcg or not rec_is_live(a, POOL_MEMCG, i):
            continue
        at = memcg_at(a, i).parent
        steps = 0
        while at and at != memcg and rec_is_live(a, POOL_MEMCG, at) and not runs_in_circle(a, POOL_MEMCG, at, &steps):
            at = memcg_at(a, at).parent
        if at != memcg:
            continue
        t.usage += f.of[i].usage
        t.swap += f.of[i].swap
        for lru in range(NR_LRU_LISTS):
            t.lru[lru] += f.of[i].lru[lru]


cdef void check_group(fsck_t *f, idx_t memcg) noexcept nogil:
    cdef memcg_t *m = memcg_at(f.a, memcg)
    cdef tally_t t
    cdef uint32_t i
    sum_group(f, memcg, &t)
    if <int64_t>m.memory.usage != t.usage:
        bad(f, CHECK_USAGE, memcg, <uint64_t>t.usage)
    if <int64_t>m.swap.usage != t.swap:
        bad(f, CHECK_SWAP, memcg, <uint64_t>t.swap)
    if m.nr_charged != t.named:
        bad(f, CHECK_NAMED, memcg, t.named)
    for i in range(NR_KEPT):
        if m.stat[KEPT[i]] != t.stat[KEPT[i]]:
            bad(f, CHECK_STAT, memcg, <uint64_t>KEPT[i])
    for i in range(NR_LRU_LISTS):
        if m.lruvec.total[i] != t.lru[i]:
            bad(f, CHECK_LISTS, memcg, i)
