"""Invariants of slabs: each object, slab, sheaf and list of a cache is counted where it says it is.

Counterpart: Linux v6.18 mm/slub.c:validate_slab_cache(), which looks for overwritten free lists; here bits, states and sums are compared.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arch cimport offset_in_page, page_size
from vmtool.mm.arena cimport frame_at, memcg_at, mm_at, rec_at, rec_is_live
from vmtool.mm.checks cimport nth_check
from vmtool.mm.frame cimport RESERVED_SLAB, folio_order, reserved_range
from vmtool.mm.mm cimport rss_stat_bytes
from vmtool.mm.slab cimport *
from vmtool.mm.vmstat cimport NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B

cdef enum:
    CHECK_SLAB
    CHECK_SLAB_STATE
    CHECK_SLAB_FRAME
    CHECK_PARTIAL_LIST
    CHECK_CPU_LIST
    CHECK_SHEAF
    CHECK_BARN
    CHECK_CACHE
    CHECK_BOOT_SLABS
    CHECK_SLAB_COUNT
    CHECK_OBJ_EXTS
    CHECK_OBJ_BYTES
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_SLAB] = fsck_check_t(b"slab-objects", b"slab {0} has {1} objects in use, which is not its count")
CHECKS[CHECK_SLAB_STATE] = fsck_check_t(b"slab-state", b"slab {0} is in state {1}, which its objects or the lists do not show")
CHECKS[CHECK_SLAB_FRAME] = fsck_check_t(b"slab-frame", b"frame {1} of slab {0} does not say so")
CHECKS[CHECK_PARTIAL_LIST] = fsck_check_t(b"slab-partial", b"the node's partial list of cache {0} is not linked both ways, or not as long as it says, at slab {1}")
CHECKS[CHECK_CPU_LIST] = fsck_check_t(b"slab-cpu", b"slabs that a CPU keeps of cache {0} are not marked so, or not as many as it says, at slab {1}")
CHECKS[CHECK_SHEAF] = fsck_check_t(b"sheaf-objects", b"sheaf {0} holds object {1:#x}, which is not in use in a slab of its cache, or more than it can")
CHECKS[CHECK_BARN] = fsck_check_t(b"sheaf-barn", b"the barn of cache {0} counts its sheaves wrongly: {1} are in it")
CHECKS[CHECK_CACHE] = fsck_check_t(b"slab-cache", b"cache {0} counts its objects or slabs wrongly: {1} objects are in use")
CHECKS[CHECK_BOOT_SLABS] = fsck_check_t(b"slab-boot", b"the {1} slabs that boot filled of cache {0} do not lie where the kernel kept memory for them")
CHECKS[CHECK_SLAB_COUNT] = fsck_check_t(b"slab-count", b"slab counter {0} is wrong: slabs take {1} bytes")

CHECKS[CHECK_OBJ_EXTS] = fsck_check_t(b"slab-charge", b"slab {0} says that a group pays for object {1}, which is free, or the group is not there")
CHECKS[CHECK_OBJ_BYTES] = fsck_check_t(b"memcg-objects", b"group {0} counts the bytes of its objects wrongly: {1} are charged to it")

cdef struct tally_of_t:  # of one cache
    uint32_t objects
    uint32_t slabs
    uint32_t room
    uint32_t node
    uint32_t cpu_partial
    uint32_t cpu
    int64_t pages

cdef struct fsck_t:
    arena_t *a
    fsck_report_fn report
    void *ctx
    tally_of_t *tally  # by kmem_cache_t
    uint64_t *charged  # by memcg_t


cdef const fsck_check_t *fsck_slab_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef void fsck_slab(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef uint32_t cache
    cdef int64_t pages[2]
    f.a = a
    f.report = report
    f.ctx = ctx
    f.tally = <tally_of_t *>calloc(a.m.nr_caches + 1, sizeof(tally_of_t))
    f.charged = <uint64_t *>calloc(a.pool[POOL_MEMCG].count + 1, sizeof(uint64_t))
    if f.tally == NULL or f.charged == NULL:
        free(f.tally)
        free(f.charged)
        return
    pages[0] = <int64_t>a.m.nr_large_pages
    pages[1] = 0
    check_slabs(&f)
    for cache in range(a.m.nr_caches):
        check_cache(&f, cache)
        pages[1 if cache_at(a, cache).flags & SLAB_RECLAIM_ACCOUNT else 0] += f.tally[cache].pages
    if pages[0] << a.m.arch.page_shift != a.m.node_stat[NR_SLAB_UNRECLAIMABLE_B]:
        bad(&f, CHECK_SLAB_COUNT, NR_SLAB_UNRECLAIMABLE_B, <uint64_t>pages[0] << a.m.arch.page_shift)
    if pages[1] << a.m.arch.page_shift != a.m.node_stat[NR_SLAB_RECLAIMABLE_B]:
        bad(&f, CHECK_SLAB_COUNT, NR_SLAB_RECLAIMABLE_B, <uint64_t>pages[1] << a.m.arch.page_shift)
    count_rss_stats(&f)
    for cache in range(1, a.pool[POOL_MEMCG].count):
        if rec_is_live(a, POOL_MEMCG, cache) and (memcg_at(a, cache).obj_bytes != f.charged[cache]
                                                  or offset_in_page(&a.m.arch, memcg_at(a, cache).obj_bytes + memcg_at(a, cache).obj_stock)):
            bad(&f, CHECK_OBJ_BYTES, cache, f.charged[cache])
    free(f.tally)
    free(f.charged)


cdef void count_rss_stats(fsck_t *f) noexcept nogil:
    """Per-CPU counters of address spaces are objects, too, of no slab."""
    cdef idx_t mm
    for mm in range(1, f.a.pool[POOL_MM].count):
        if rec_is_live(f.a, POOL_MM, mm) and mm_at(f.a, mm).rss_memcg < f.a.pool[POOL_MEMCG].count:
            f.charged[mm_at(f.a, mm).rss_memcg] += rss_stat_bytes(f.a)


cdef void check_exts(fsck_t *f, idx_t slab, const slab_t *s) noexcept nogil:
    """Who pays for the objects of a slab."""
    cdef const slab_obj_exts_t *e = <slab_obj_exts_t *>rec_at(f.a, POOL_OBJ_EXTS, s.obj_exts)
    cdef uint32_t n
    for n in range(min(s.objects, <uint32_t>SLAB_MAX_OBJECTS)):
        if e.memcg[n] == 0:
            continue
        if not s.used[n >> 6] >> (n & 63) & 1 or not rec_is_live(f.a, POOL_MEMCG, e.memcg[n]):
            bad(f, CHECK_OBJ_EXTS, slab, n)
        else:
            f.charged[e.memcg[n]] += cache_at(f.a, <int>s.cache - 1).size + 8


cdef uint32_t bits_of(const slab_t *s) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(min(s.objects, <uint32_t>SLAB_MAX_OBJECTS)):
        n += s.used[i >> 6] >> (i & 63) & 1
    return n


cdef void check_slabs(fsck_t *f) noexcept nogil:
    """Each slab by itself."""
    cdef arena_t *a = f.a
    cdef tally_of_t *t
    cdef const slab_t *s
    cdef const kmem_cache_t *c
    cdef idx_t i
    for i in range(1, a.pool[POOL_SLAB].count):
        s = slab_at(a, i)
        if not rec_is_live(a, POOL_SLAB, i) or s.cache == 0 or s.cache > a.m.nr_caches:
            continue
        c = cache_at(a, <int>s.cache - 1)
        t = &f.tally[s.cache - 1]
        if bits_of(s) != s.inuse or s.order >= NR_ORDERS or s.objects != objects_of(c, s.order, <uint32_t>page_size(&a.m.arch)):
            bad(f, CHECK_SLAB, i, bits_of(s))
            continue
        if (s.state == SLAB_FULL) != (s.inuse == s.objects) or s.state > SLAB_NODE_PARTIAL:
            bad(f, CHECK_SLAB_STATE, i, s.state)
        if s.pfn >= a.m.max_pfn or not frame_at(a, s.pfn).flags & PG_slab or frame_at(a, s.pfn).mapping != i or folio_order(a, s.pfn) != s.order:
            bad(f, CHECK_SLAB_FRAME, i, s.pfn)
        if s.obj_exts:
            check_exts(f, i, s)
        t.objects += s.inuse
        t.slabs += 1
        t.room += s.objects
        t.pages += <int64_t>1 << s.order
        t.node += s.state == SLAB_NODE_PARTIAL
        t.cpu_partial += s.state == SLAB_CPU_PARTIAL
        t.cpu += s.state == SLAB_CPU


cdef void check_partial_list(fsck_t *f, uint32_t cache, const kmem_cache_t *c) noexcept nogil:
    cdef idx_t at = c.partial
    cdef idx_t prev = 0
    cdef uint32_t n = 0
    while at and n <= c.nr_partial:
        if slab_at(f.a, at).state != SLAB_NODE_PARTIAL or slab_at(f.a, at).cache != cache + 1 or slab_at(f.a, at).prev != prev:
            bad(f, CHECK_PARTIAL_LIST, cache + 1, at)
            return
        prev = at
        n += 1
        at = slab_at(f.a, at).next
    if n != c.nr_partial or n != f.tally[cache].node or prev != c.partial_tail:
        bad(f, CHECK_PARTIAL_LIST, cache + 1, prev)


cdef void check_cpu_lists(fsck_t *f, uint32_t cache) noexcept nogil:
    cdef arena_t *a = f.a
    cdef const kmem_cache_cpu_t *pc
    cdef uint32_t cpu, n, slabs = 0, partial = 0
    cdef idx_t at
    for cpu in range(a.m.nr_cpus):
        pc = <kmem_cache_cpu_t *>rec_at(a, POOL_CACHE_CPU, cache * a.m.nr_cpus + cpu)
        if pc.slab:
            slabs += 1
            if slab_at(a, pc.slab).state != SLAB_CPU or slab_at(a, pc.slab).cpu != cpu or slab_at(a, pc.slab).cache != cache + 1:
                bad(f, CHECK_CPU_LIST, cache + 1, pc.slab)
        at = pc.partial
        n = 0
        while at and n <= pc.nr_partial:
            if slab_at(a, at).state != SLAB_CPU_PARTIAL or slab_at(a, at).cpu != cpu or slab_at(a, at).cache != cache + 1:
                bad(f, CHECK_CPU_LIST, cache + 1, at)
            n += 1
            at = slab_at(a, at).next
        partial += n
        if n != pc.nr_partial:
            bad(f, CHECK_CPU_LIST, cache + 1, pc.partial)
    if slabs != f.tally[cache].cpu or partial != f.tally[cache].cpu_partial:
        bad(f, CHECK_CPU_LIST, cache + 1, 0)


cdef uint32_t check_sheaf(fsck_t *f, uint32_t cache, idx_t i) noexcept nogil:
    """Returns how many objects it holds."""
    cdef arena_t *a = f.a
    cdef const slab_sheaf_t *s
    cdef const slab_t *slab
    cdef uint32_t n, at
    cdef uint64_t pfn
    if i == 0:
        return 0
    s = <slab_sheaf_t *>rec_at(a, POOL_SHEAF, i)
    if s.cache != cache + 1 or s.size > SHEAF_CAPACITY:
        bad(f, CHECK_SHEAF, i, 0)
        return 0
    for n in range(s.size):
        pfn = s.objects[n] >> a.m.arch.page_shift
        slab = NULL
        if pfn < a.m.max_pfn and frame_at(a, <pfn_t>pfn).flags & PG_slab:
            slab = slab_at(a, frame_at(a, <pfn_t>pfn).mapping)  # these caches' slabs are one page
        at = <uint32_t>offset_in_page(&a.m.arch, s.objects[n]) // max(cache_at(a, <int>cache).size, <uint32_t>1)
        if slab == NULL or slab.cache != cache + 1 or at >= SLAB_MAX_OBJECTS or not slab.used[at >> 6] >> (at & 63) & 1:
            bad(f, CHECK_SHEAF, i, s.objects[n])
    return s.size


cdef uint32_t check_sheaves(fsck_t *f, uint32_t cache, const kmem_cache_t *c) noexcept nogil:
    """Returns the objects in all of a cache's sheaves."""
    cdef arena_t *a = f.a
    cdef const kmem_cache_cpu_t *pc
    cdef uint32_t cpu, objects = 0, n = 0
    cdef idx_t at
    for cpu in range(a.m.nr_cpus):
        pc = <kmem_cache_cpu_t *>rec_at(a, POOL_CACHE_CPU, cache * a.m.nr_cpus + cpu)
        objects += check_sheaf(f, cache, pc.main) + check_sheaf(f, cache, pc.spare) + check_sheaf(f, cache, pc.rcu_free)
        at = pc.rcu_head
        n = 0
        while at and n < a.pool[POOL_SHEAF].count:
            objects += check_sheaf(f, cache, at)
            n += 1
            at = (<slab_sheaf_t *>rec_at(a, POOL_SHEAF, at)).next
        if pc.rcu_head and n != (<slab_sheaf_t *>rec_at(a, POOL_SHEAF, pc.rcu_head)).rcu_len:
            bad(f, CHECK_BARN, cache + 1, n)
    at = c.full_sheaves
    n = 0
    while at and n <= c.nr_full_sheaves:
        objects += check_sheaf(f, cache, at)
        n += 1
        at = (<slab_sheaf_t *>rec_at(a, POOL_SHEAF, at)).next
    if n != c.nr_full_sheaves:
        bad(f, CHECK_BARN, cache + 1, n)
    n = 0
    at = c.empty_sheaves
    while at and n <= c.nr_empty_sheaves:
        n += 1
        at = (<slab_sheaf_t *>rec_at(a, POOL_SHEAF, at)).next
    if n != c.nr_empty_sheaves:
        bad(f, CHECK_BARN, cache + 1, n)
    return objects


cdef void check_cache(fsck_t *f, uint32_t cache) noexcept nogil:
    cdef const kmem_cache_t *c = cache_at(f.a, <int>cache)
    cdef tally_of_t *t = &f.tally[cache]
    cdef const reserved_t *r
    check_partial_list(f, cache, c)
    check_cpu_lists(f, cache)
    if c.flags & SLAB_SHEAVES and check_sheaves(f, cache, c) != c.nr_sheaf_objs:
        bad(f, CHECK_BARN, cache + 1, c.nr_sheaf_objs)
    if t.objects != c.nr_objs + c.nr_sheaf_objs + c.boot_objs or t.slabs != c.nr_slabs or t.room != c.nr_slab_objs:
        bad(f, CHECK_CACHE, cache + 1, t.objects)
    if c.boot_slabs:
        r = reserved_range(f.a, c.boot_pfn)
        if r == NULL or r.what != RESERVED_SLAB or c.boot_pfn + (<uint64_t>c.boot_slabs << c.order) > r.start_pfn + r.nr_pages:
            bad(f, CHECK_BOOT_SLABS, cache + 1, c.boot_slabs)
        t.pages += <int64_t>c.boot_slabs << c.order
