"""Memory control groups.

    charge 1 page, memory.max 8192     stock of the CPU: 63 left; usage 64, for the group and all above it
    usage would pass max               one page instead of 64; then 32 pages are reclaimed in the group; then its OOM killer runs
    the folio is freed                 uncharged at once; a group that was removed goes with its last charge

Modelled: page counters with hierarchy, the stock of 64 pages a CPU, min and low protection with its distribution among children, events.
Counterpart: Linux v6.18 mm/memcontrol.c:try_charge_memcg(), mem_cgroup_id_put(), mm/page_counter.c.
Of the kernel's memory page tables, stacks of threads and the objects of accounted caches are charged, too, objects by the byte (obj_cgroup_charge()).
# Deviation: one group a CPU in the stock (Linux: seven); what objects leave of a page is kept by the group, not by the CPU; they keep a group that
# was removed in being, where Linux hands them to its parent.
Invariants (fsck_memcg): usage of a group = charged folios of it and of those below + what the stocks hold.
"""

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport OOM_KILLED, OOM_NOTHING, folio_x_at, folio_x_mut, frame_at, frame_mut, memcg_at, memcg_mut, mm_at, rec_alloc, rec_free, runs_in_circle, task_at
from vmtool.mm.zone cimport SWAP_CLUSTER_MAX

cdef enum:
    MEMCG_CHARGE_BATCH = 64
    COSTLY_PAGES = 8  # 1 << PAGE_ALLOC_COSTLY_ORDER


# --- counters --------------------------------------------------------------------------------------------------------


cdef inline page_counter_t *counter_of(arena_t *a, idx_t memcg, bint swap) noexcept nogil:
    cdef memcg_t *m = memcg_mut(a, memcg)
    return &m.swap if swap else &m.memory


cdef void propagate_protected(arena_t *a, idx_t memcg, page_counter_t *c) noexcept nogil:
    """What of the usage is protected, in the parent's sums."""
    cdef idx_t parent = memcg_at(a, memcg).parent
    cdef page_counter_t *up = counter_of(a, parent, False) if parent else &a.m.root_memory
    cdef uint64_t protected_pages = min(c.usage, c.min)
    up.children_min_usage += protected_pages - c.min_usage
    c.min_usage = protected_pages
    protected_pages = min(c.usage, c.low)
    up.children_low_usage += protected_pages - c.low_usage
    c.low_usage = protected_pages


cdef void counter_add(arena_t *a, idx_t memcg, bint swap, int64_t n) noexcept nogil:
    """page_counter_charge(), _uncharge(): the group and all above it, whatever the limits."""
    cdef page_counter_t *c
    cdef uint32_t steps = 0
    while memcg and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        c = counter_of(a, memcg, swap)
        c.usage += n
        if c.usage > c.watermark:
            c.watermark = c.usage
        if not swap and (c.min or c.low or c.min_usage or c.low_usage):
            propagate_protected(a, memcg, c)
        memcg = memcg_at(a, memcg).parent


cdef idx_t over_limit(arena_t *a, idx_t memcg, bint swap, uint64_t nr_pages) noexcept nogil:
    """The first group upwards whose limit the charge would pass, 0: none."""
    cdef page_counter_t *c
    cdef uint32_t steps = 0
    while memcg and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        c = counter_of(a, memcg, swap)
        if c.usage + nr_pages > c.max:
            c.failcnt += 1
            return memcg
        memcg = memcg_at(a, memcg).parent
    return 0


# --- charging ------------------------------------------------------------------------------------------------------------


cdef inline uint32_t stock_slot(arena_t *a) noexcept nogil:
    return a.cpu & 1  # room for two CPUs; others share


cdef void drain_slot(arena_t *a, uint32_t i) noexcept nogil:
    if a.m.stock_nr[i]:
        counter_add(a, a.m.stock_memcg[i], False, -<int64_t>a.m.stock_nr[i])
        a.m.stock_nr[i] = 0
    if a.m.stock_memcg[i]:
        put_memcg(a, a.m.stock_memcg[i])
        a.m.stock_memcg[i] = 0


cdef void drain_stock(arena_t *a) noexcept nogil:
    drain_slot(a, 0)
    drain_slot(a, 1)


cdef void refill_stock(arena_t *a, idx_t memcg, uint32_t nr_pages) noexcept nogil:
    cdef uint32_t i = stock_slot(a)
    if a.m.stock_memcg[i] != memcg:
        drain_slot(a, i)
        a.m.stock_memcg[i] = memcg
        memcg_mut(a, memcg).nr_charged += 1
    a.m.stock_nr[i] += nr_pages
    if a.m.stock_nr[i] > MEMCG_CHARGE_BATCH:
        counter_add(a, memcg, False, -<int64_t>a.m.stock_nr[i])
        a.m.stock_nr[i] = 0


cdef void reclaim_high(arena_t *a, idx_t memcg, uint32_t nr_pages) noexcept nogil:
    """mem_cgroup_handle_over_high(): above memory.high a charge is paid with reclaim, and goes through all the same."""
    cdef uint32_t steps = 0
    while memcg and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        if memcg_at(a, memcg).memory.usage > memcg_at(a, memcg).memory.high:
            mem_cgroup_event(a, memcg, MEMCG_HIGH, 1)
            if a.reclaim_memcg != NULL:
                a.reclaim_memcg(a, memcg, nr_pages, True, False)
        memcg = memcg_at(a, memcg).parent


cdef inline uint64_t margin(arena_t *a, idx_t memcg) noexcept nogil:
    """mem_cgroup_margin(): what may still be charged. Reclaim may free pages of groups above or below alone, or more than were asked for."""
    cdef const page_counter_t *c = &memcg_at(a, memcg).memory
    return c.max - c.usage if c.usage < c.max else 0


cdef int try_charge(arena_t *a, idx_t memcg, uint32_t nr_pages, uint32_t gfp) noexcept nogil:
    """try_charge_memcg()."""
    cdef uint32_t i = stock_slot(a)
    cdef uint32_t batch = max(nr_pages, <uint32_t>MEMCG_CHARGE_BATCH)
    cdef uint32_t retries = MAX_RECLAIM_RETRIES
    cdef idx_t limited
    cdef uint32_t verdict
    cdef bint drained = False
    cdef uint64_t nr_reclaimed
    if a.m.stock_memcg[i] == memcg and a.m.stock_nr[i] >= nr_pages:
        a.m.stock_nr[i] -= nr_pages
        return 0
    while True:
        limited = over_limit(a, memcg, False, batch)
        if limited == 0:
            break
        if batch > nr_pages:
            batch = nr_pages
            continue
        if a.memalloc or not gfp & (GFP_USER_MOVABLE | GFP_DIRECT_RECLAIM):  # reclaim must not run here: charged over the limit
            break
        if gfp & GFP_NO_DIRECT:
            return -ENOMEM
        mem_cgroup_event(a, limited, MEMCG_MAX, 1)
        nr_reclaimed = a.reclaim_memcg(a, limited, nr_pages, True, False) if a.reclaim_memcg != NULL else 0
        if margin(a, limited) >= nr_pages:
            continue
        if not drained:
            drain_stock(a)
            drained = True
            continue
        if gfp & GFP_NORETRY:
            return -ENOMEM
        if nr_reclaimed and nr_pages <= COSTLY_PAGES:
            continue
        if retries:
            retries -= 1
            continue
        if gfp & GFP_RETRY_MAYFAIL or nr_pages > COSTLY_PAGES:  # nobody is killed for a huge page
            return -ENOMEM
        mem_cgroup_event(a, limited, MEMCG_OOM, 1)
        verdict = a.out_of_memory(a, limited, 0, gfp) if a.out_of_memory != NULL else OOM_NOTHING
        if verdict != OOM_KILLED:
            return -ENOMEM
        retries = MAX_RECLAIM_RETRIES
    counter_add(a, memcg, False, batch)
    if batch > nr_pages:
        refill_stock(a, memcg, batch - nr_pages)
    if not a.memalloc and gfp & (GFP_USER_MOVABLE | GFP_DIRECT_RECLAIM):
        reclaim_high(a, memcg, batch)
    return 0


cdef void charge_folio(arena_t *a, idx_t memcg, pfn_t head) noexcept nogil:
    folio_x_mut(a, head).memcg = memcg
    frame_mut(a, head).flags |= PG_charged
    memcg_mut(a, memcg).nr_charged += 1


cdef void uncharge_folio(arena_t *a, pfn_t head, uint32_t nr_pages) noexcept nogil:
    cdef folio_x_t *x = folio_x_mut(a, head)
    cdef idx_t memcg = x.memcg
    x.memcg = 0
    frame_mut(a, head).flags &= ~<uint32_t>PG_charged
    if frame_at(a, head).flags & PG_table:  # of what names who pays, tables alone are the kernel's
        memcg_mut(a, memcg).stat[MEMCG_KMEM] -= nr_pages
    counter_add(a, memcg, False, -<int64_t>nr_pages)
    put_memcg(a, memcg)


cdef void split_charge(arena_t *a, pfn_t head, pfn_t part) noexcept nogil:
    charge_folio(a, folio_x_at(a, head).memcg, part)


cdef bint swap_try_charge(arena_t *a, idx_t memcg, uint64_t nr_pages) noexcept nogil:
    cdef idx_t limited
    if memcg == 0:
        return True
    limited = over_limit(a, memcg, True, nr_pages)
    if limited:
        mem_cgroup_event(a, limited, MEMCG_SWAP_MAX, 1)
        mem_cgroup_event(a, memcg, MEMCG_SWAP_FAIL, 1)
        return False
    counter_add(a, memcg, True, <int64_t>nr_pages)
    memcg_mut(a, memcg).nr_charged += <uint32_t>nr_pages
    return True


cdef void swap_uncharge(arena_t *a, idx_t memcg, uint64_t nr_pages) noexcept nogil:
    if memcg:
        counter_add(a, memcg, True, -<int64_t>nr_pages)
        put_memcg(a, memcg)


cdef bint mem_cgroup_swap_full(arena_t *a, idx_t memcg) noexcept nogil:
    cdef uint64_t usage
    cdef uint32_t steps = 0
    if a.m.nr_swap_pages * 2 < a.m.total_swap_pages:
        return True
    while memcg and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        usage = memcg_at(a, memcg).swap.usage
        if usage * 2 >= memcg_at(a, memcg).swap.high or usage * 2 >= memcg_at(a, memcg).swap.max:
            return True
        memcg = memcg_at(a, memcg).parent
    return False


cdef void mem_cgroup_event(arena_t *a, idx_t memcg, int event, int64_t n) noexcept nogil:
    cdef uint32_t steps = 0
    memcg_mut(a, memcg).event_local[event] += n
    while memcg and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        memcg_mut(a, memcg).event[event] += n
        memcg = memcg_at(a, memcg).parent


# --- the kernel's memory ------------------------------------------------------------------------------------------------------


cdef idx_t current_memcg(arena_t *a) noexcept nogil:
    if a.active_memcg or a.task == 0:
        return a.active_memcg
    return mm_at(a, task_at(a, a.task).mm).memcg


cdef void kmem_charge(arena_t *a, idx_t memcg, uint32_t nr_pages) noexcept nogil:
    if memcg:
        try_charge(a, memcg, nr_pages, GFP_KERNEL)  # which nothing is reclaimed for, so it does not fail
        memcg_mut(a, memcg).nr_charged += 1
        memcg_mut(a, memcg).stat[MEMCG_KMEM] += nr_pages


cdef void kmem_uncharge(arena_t *a, idx_t memcg, uint32_t nr_pages) noexcept nogil:
    if memcg:
        memcg_mut(a, memcg).stat[MEMCG_KMEM] -= nr_pages
        counter_add(a, memcg, False, -<int64_t>nr_pages)
        put_memcg(a, memcg)


cdef void obj_cgroup_charge(arena_t *a, idx_t memcg, uint32_t nr_bytes) noexcept nogil:
    """obj_cgroup_charge_account(): whole pages are charged; what an object leaves of its last one is for the next."""
    cdef memcg_t *m = memcg_mut(a, memcg)
    cdef uint64_t page = page_size(&a.m.arch)
    cdef uint32_t nr_pages
    m.nr_charged += 1
    m.obj_bytes += nr_bytes
    if m.obj_stock < nr_bytes:
        nr_pages = <uint32_t>((nr_bytes + page - 1) >> a.m.arch.page_shift)
        try_charge(a, memcg, nr_pages, GFP_KERNEL)
        m.obj_stock += nr_pages * page
        m.stat[MEMCG_KMEM] += nr_pages
    m.obj_stock -= nr_bytes


cdef void drain_obj_stock(arena_t *a, idx_t memcg, uint64_t keep) noexcept nogil:
    """refill_obj_stock(): more than `keep` bytes are given back by the page."""
    cdef memcg_t *m = memcg_mut(a, memcg)
    if m.obj_stock > keep:
        m.stat[MEMCG_KMEM] -= <int64_t>(m.obj_stock >> a.m.arch.page_shift)
        counter_add(a, memcg, False, -<int64_t>(m.obj_stock >> a.m.arch.page_shift))
        m.obj_stock &= page_size(&a.m.arch) - 1


cdef void obj_cgroup_uncharge(arena_t *a, idx_t memcg, uint32_t nr_bytes) noexcept nogil:
    cdef memcg_t *m = memcg_mut(a, memcg)
    m.obj_bytes -= nr_bytes
    m.obj_stock += nr_bytes
    drain_obj_stock(a, memcg, page_size(&a.m.arch) if m.state == 1 else 0)
    put_memcg(a, memcg)


# --- protection -------------------------------------------------------------------------------------------------------------


cdef uint64_t effective_protection(uint64_t usage, uint64_t parent_usage, uint64_t setting, uint64_t parent_effective, uint64_t siblings) noexcept nogil:
    """What of a setting counts: siblings that claim more than the parent has share it by what they use."""
    cdef uint64_t protected_pages = min(usage, setting)
    if siblings > parent_effective:
        return protected_pages * parent_effective // siblings
    return protected_pages


cdef void mem_cgroup_calculate_protection(arena_t *a, idx_t root, idx_t memcg) noexcept nogil:
    cdef page_counter_t *c
    cdef page_counter_t *up
    cdef idx_t parent
    if memcg == 0 or memcg == root:
        return
    c = counter_of(a, memcg, False)
    parent = memcg_at(a, memcg).parent
    if parent == root:
        c.emin = c.min
        c.elow = c.low
        return
    up = counter_of(a, parent, False)
    c.emin = effective_protection(c.usage, up.usage, c.min, up.emin, up.children_min_usage)
    c.elow = effective_protection(c.usage, up.usage, c.low, up.elow, up.children_low_usage)


cdef bint mem_cgroup_below_min(arena_t *a, idx_t target, idx_t memcg) noexcept nogil:
    return memcg != 0 and memcg != target and memcg_at(a, memcg).memory.emin >= memcg_at(a, memcg).memory.usage


cdef bint mem_cgroup_below_low(arena_t *a, idx_t target, idx_t memcg) noexcept nogil:
    return memcg != 0 and memcg != target and memcg_at(a, memcg).memory.elow >= memcg_at(a, memcg).memory.usage


cdef uint64_t mem_cgroup_protection(arena_t *a, idx_t target, idx_t memcg, uint64_t size, bint low_reclaim, bint *low_skipped) noexcept nogil:
    cdef const page_counter_t *c
    cdef uint64_t protection
    if memcg == 0 or memcg == target:
        return size
    c = &memcg_at(a, memcg).memory
    if c.emin == 0 and c.elow == 0:
        return size
    protection = c.emin
    if not low_reclaim and c.elow > c.emin:
        protection = c.elow
        low_skipped[0] = True
    size -= size * protection // (max(c.usage, protection) + 1)
    return max(size, <uint64_t>SWAP_CLUSTER_MAX)


# --- groups -----------------------------------------------------------------------------------------------------------------


cdef idx_t mem_cgroup_alloc(arena_t *a, idx_t parent, idx_t name) noexcept nogil:
    cdef idx_t i = rec_alloc(a, POOL_MEMCG)
    cdef memcg_t *m
    if i == 0 or i > MEMCG_MAX_GROUPS:
        if i:
            rec_free(a, POOL_MEMCG, i)
        return 0
    m = memcg_mut(a, i)
    m.state = 1
    m.parent = parent
    m.name = name
    m.lruvec.memcg = i
    m.memory.max = m.memory.high = m.swap.max = m.swap.high = PAGE_COUNTER_MAX
    if parent:
        m.next_sibling = memcg_at(a, parent).first_child
        memcg_mut(a, parent).first_child = i
        memcg_mut(a, parent).nr_charged += 1  # it stays as long as those below it
    else:
        m.next_sibling = a.m.memcg_first
        a.m.memcg_first = i
    a.m.nr_memcgs += 1
    return i


cdef void inherit_stats(memcg_t *parent, const memcg_t *m) noexcept nogil:
    """What a group that is gone has counted stays in the sums of those above."""
    cdef uint32_t i
    for i in range(NR_MEMCG_STATS):
        parent.stat[i] += m.stat[i]
    for i in range(NR_MEMCG_VM_EVENTS):
        parent.vm_event[i] += m.vm_event[i]


cdef void put_memcg(arena_t *a, idx_t memcg) noexcept nogil:
    cdef memcg_t *m = memcg_mut(a, memcg)
    cdef idx_t parent
    m.nr_charged -= 1
    if m.state == 2 and m.nr_charged == 0:
        parent = m.parent
        unlink_memcg(a, memcg)
        if parent:
            inherit_stats(memcg_mut(a, parent), m)
        rec_free(a, POOL_MEMCG, memcg)
        if parent:
            put_memcg(a, parent)  # no deeper than the tree


cdef void unlink_memcg(arena_t *a, idx_t memcg) noexcept nogil:
    cdef idx_t parent = memcg_at(a, memcg).parent
    cdef idx_t at = memcg_at(a, parent).first_child if parent else a.m.memcg_first
    cdef idx_t prev = 0
    cdef uint32_t steps = 0
    while at and at != memcg and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        prev = at
        at = memcg_at(a, at).next_sibling
    if prev:
        memcg_mut(a, prev).next_sibling = memcg_at(a, memcg).next_sibling
    elif parent:
        memcg_mut(a, parent).first_child = memcg_at(a, memcg).next_sibling
    else:
        a.m.memcg_first = memcg_at(a, memcg).next_sibling


cdef bint has_tasks(arena_t *a, idx_t memcg) noexcept nogil:
    cdef idx_t t
    for t in range(1, a.pool[POOL_TASK].count):
        if task_at(a, t).mm and mm_at(a, task_at(a, t).mm).memcg == memcg:
            return True
    return False


cdef int mem_cgroup_remove(arena_t *a, idx_t memcg) noexcept nogil:
    """rmdir: no processes, no children; limits go, charges stay until their pages do."""
    cdef memcg_t *m = memcg_mut(a, memcg)
    cdef idx_t at = m.first_child
    cdef uint32_t steps = 0
    while at and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        if memcg_at(a, at).state == 1:
            return -EBUSY
        at = memcg_at(a, at).next_sibling
    if has_tasks(a, memcg):
        return -EBUSY
    drain_stock(a)
    drain_obj_stock(a, memcg, 0)
    m.memory.min = m.memory.low = 0
    propagate_protected(a, memcg, &m.memory)
    m.memory.high = PAGE_COUNTER_MAX
    m.state = 2
    m.name = 0
    a.m.nr_memcgs -= 1
    m.nr_charged += 1
    put_memcg(a, memcg)
    return 0


cdef int mem_cgroup_set_limit(arena_t *a, idx_t memcg, int which, uint64_t nr_pages) noexcept nogil:
    """memory.max below the usage reclaims, then kills, until it fits or nobody is left; memory.high reclaims and leaves it at that."""
    cdef memcg_t *m = memcg_mut(a, memcg)
    cdef uint32_t tries = MAX_RECLAIM_RETRIES
    if which == LIMIT_SWAP_MAX:
        m.swap.max = nr_pages
        return 0
    if which == LIMIT_SWAP_HIGH:
        m.swap.high = nr_pages
        return 0
    if which == LIMIT_MIN or which == LIMIT_LOW:
        if which == LIMIT_MIN:
            m.memory.min = nr_pages
        else:
            m.memory.low = nr_pages
        propagate_protected(a, memcg, &m.memory)
        return 0
    if which == LIMIT_HIGH:
        m.memory.high = nr_pages
    else:
        m.memory.max = nr_pages
    drain_stock(a)
    while m.memory.usage > nr_pages and not a.err:
        if a.reclaim_memcg != NULL and tries and a.reclaim_memcg(a, memcg, m.memory.usage - nr_pages, True, False):
            continue
        if tries:
            tries -= 1
        elif which == LIMIT_HIGH:
            break
        else:
            mem_cgroup_event(a, memcg, MEMCG_OOM, 1)
            if a.out_of_memory == NULL or a.out_of_memory(a, memcg, 0, GFP_KERNEL) == OOM_NOTHING:
                break
    return 0
