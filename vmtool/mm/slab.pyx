"""kmem_cache_alloc(), kmem_cache_free(): objects from the slabs of a cache, for some caches by way of sheaves.

Counterpart: Linux v6.18 mm/slub.c (alloc_from_pcs, __pcs_replace_empty_main, free_to_pcs, __pcs_replace_full_main, __kfree_rcu_sheaf,
rcu_free_sheaf). A sheaf is an array of free objects. Of 6.18's caches vm_area_struct and maple_node have them, of 32 objects:

    CPU   main (taken from, given to), spare, rcu_free (objects that wait for a grace period)
    node  the barn: at most ten full sheaves and ten empty ones

    alloc  main is empty: the spare if that has objects, else a full one of the barn for the empty one, else an empty one is filled from slabs
    free   main is full: the spare if that has room, else an empty one of the barn for the full one; the barn has ten: the spare is emptied into slabs

To its slab an object in a sheaf is in use. The sheaves themselves come from kmalloc-512.
# Deviation: no time passes between calls: a grace period ends when a task does (its CPU switches), or when so much was freed since (GRACE_SHEAVES).
"""

from vmtool.mm.arena cimport ARENA_RANGE, arena_fail, memcg_mut, rec_alloc, rec_free, runs_in_circle, should_fail
from vmtool.mm.memcontrol cimport current_memcg, obj_cgroup_charge, obj_cgroup_uncharge
from vmtool.mm.vmstat cimport NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B

cdef enum:
    MAX_FULL_SHEAVES = 10
    MAX_EMPTY_SHEAVES = 10
    # How many sheaves a CPU that goes on without a switch fills while the readers of the first are waited for. A grace period is a matter of time: of HZ
    # and of how fast the CPU frees. No rule gives the number; measured on the recorded machine, some 830 nodes freed by munmap() one after the other.
    GRACE_SHEAVES = 26
    OBJ_CGROUP_BYTES = 8  # sizeof(struct obj_cgroup *)


cdef inline slab_sheaf_t *sheaf_at(arena_t *a, idx_t i) noexcept nogil:
    return <slab_sheaf_t *>rec_at(a, POOL_SHEAF, i)


cdef inline slab_sheaf_t *sheaf_mut(arena_t *a, idx_t i) noexcept nogil:
    cdef slab_sheaf_t *s = <slab_sheaf_t *>rec_mut(a, POOL_SHEAF, i)
    if s.size > SHEAF_CAPACITY:  # a damaged file's
        arena_fail(a, ARENA_RANGE, POOL_SHEAF, i)
        s.size = 0
    return s


cdef idx_t alloc_empty_sheaf(arena_t *a, int cache) noexcept nogil:
    cdef uint64_t obj = kmem_cache_alloc(a, CACHE_KMALLOC_512)
    cdef idx_t i
    if obj == 0:
        return 0
    i = rec_alloc(a, POOL_SHEAF)
    if i == 0:
        kmem_cache_free(a, CACHE_KMALLOC_512, obj)
        return 0
    sheaf_mut(a, i).obj = obj
    sheaf_mut(a, i).cache = <uint32_t>cache + 1
    return i


cdef void free_empty_sheaf(arena_t *a, idx_t i) noexcept nogil:
    kmem_cache_free(a, CACHE_KMALLOC_512, sheaf_at(a, i).obj)
    rec_free(a, POOL_SHEAF, i)


cdef idx_t barn_get(arena_t *a, uint32_t *head, uint32_t *nr) noexcept nogil:
    cdef idx_t i = head[0]
    if i:
        head[0] = sheaf_at(a, i).next
        nr[0] -= 1
        sheaf_mut(a, i).next = 0
    return i


cdef void barn_put(arena_t *a, uint32_t *head, uint32_t *nr, idx_t i) noexcept nogil:
    sheaf_mut(a, i).next = head[0]
    head[0] = i
    nr[0] += 1


cdef idx_t get_empty(arena_t *a, int cache) noexcept nogil:
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t i = barn_get(a, &c.empty_sheaves, &c.nr_empty_sheaves)
    return i if i else alloc_empty_sheaf(a, cache)


cdef void put_empty(arena_t *a, kmem_cache_t *c, idx_t i) noexcept nogil:
    if c.nr_empty_sheaves < MAX_EMPTY_SHEAVES:
        barn_put(a, &c.empty_sheaves, &c.nr_empty_sheaves, i)
    else:
        free_empty_sheaf(a, i)


cdef void sheaf_flush(arena_t *a, int cache, idx_t i) noexcept nogil:
    """Its objects go back to their slabs."""
    cdef slab_sheaf_t *s = sheaf_mut(a, i)
    cdef uint32_t n = s.size
    cache_mut(a, cache).nr_sheaf_objs -= n
    s.size = 0
    while n:
        n -= 1
        slab_free(a, cache, s.objects[n], False)


cdef bint refill_sheaf(arena_t *a, int cache, idx_t i) noexcept nogil:
    """False: no memory; it is empty then."""
    cdef slab_sheaf_t *s = sheaf_mut(a, i)
    cdef uint64_t obj
    cdef uint32_t n
    for n in range(s.size, <uint32_t>SHEAF_CAPACITY):
        obj = slab_alloc(a, cache)
        if obj == 0:
            sheaf_flush(a, cache, i)
            return False
        s.objects[n] = obj
        s.size = n + 1
        cache_mut(a, cache).nr_sheaf_objs += 1
    return True


cdef idx_t replace_empty_main(arena_t *a, int cache) noexcept nogil:
    """A main sheaf with objects; 0: no memory for one."""
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, a.cpu)
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t main = pc.main, full
    if pc.spare and sheaf_at(a, pc.spare).size:
        pc.main = pc.spare
        pc.spare = main
        return pc.main
    full = barn_get(a, &c.full_sheaves, &c.nr_full_sheaves)
    if full:
        if main:
            put_empty(a, c, main)
        pc.main = full
        return full
    full = pc.spare
    pc.spare = 0
    if full == 0:
        full = get_empty(a, cache)
    if full == 0 or not refill_sheaf(a, cache, full):
        if full:
            put_empty(a, c, full)
        return 0
    pc.spare = main
    pc.main = full
    return full


cdef uint64_t sheaf_alloc(arena_t *a, int cache) noexcept nogil:
    """The main sheaf is empty."""
    cdef idx_t main = replace_empty_main(a, cache)
    cdef slab_sheaf_t *s
    if main == 0:
        return slab_alloc(a, cache)
    s = sheaf_mut(a, main)
    if s.size == 0:
        return 0
    s.size -= 1
    cache_mut(a, cache).nr_sheaf_objs -= 1
    return s.objects[s.size]


cdef idx_t replace_full_main(arena_t *a, int cache) noexcept nogil:
    """A main sheaf with room; 0: no memory for one."""
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, a.cpu)
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t main = pc.main, empty
    if main == 0:
        pc.main = get_empty(a, cache)
        return pc.main
    if pc.spare and sheaf_at(a, pc.spare).size < SHEAF_CAPACITY:
        pc.main = pc.spare
        pc.spare = main
        return pc.main
    if pc.spare and c.nr_full_sheaves >= MAX_FULL_SHEAVES:
        empty = pc.spare
        sheaf_flush(a, cache, empty)
        pc.spare = main
    else:
        empty = get_empty(a, cache)
        if empty == 0:
            return 0
        if pc.spare:
            barn_put(a, &c.full_sheaves, &c.nr_full_sheaves, main)
        else:
            pc.spare = main
    pc.main = empty
    return empty


cdef void sheaf_put(arena_t *a, int cache, idx_t i, uint64_t obj) noexcept nogil:
    cdef slab_sheaf_t *s = sheaf_mut(a, i)
    if s.size == SHEAF_CAPACITY:
        arena_fail(a, ARENA_RANGE, POOL_SHEAF, i)
        return
    s.objects[s.size] = obj
    s.size += 1
    cache_mut(a, cache).nr_sheaf_objs += 1


cdef void sheaf_free(arena_t *a, int cache, uint64_t obj) noexcept nogil:
    cdef idx_t main = cache_cpu_mut(a, cache, a.cpu).main
    if main == 0 or sheaf_at(a, main).size == SHEAF_CAPACITY:
        main = replace_full_main(a, cache)
    if main:
        sheaf_put(a, cache, main, obj)
    else:
        slab_free(a, cache, obj, False)


cdef void sheaf_free_rcu(arena_t *a, int cache, uint64_t obj) noexcept nogil:
    """__kfree_rcu_sheaf(), and rcu_free_sheaf() when it is full."""
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, a.cpu)
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t rcu = pc.rcu_free
    if rcu == 0:
        if pc.spare and sheaf_at(a, pc.spare).size == 0:
            rcu = pc.spare
            pc.spare = 0
        else:
            rcu = get_empty(a, cache)
        if rcu == 0:
            slab_free(a, cache, obj, True)
            return
        pc.rcu_free = rcu
    sheaf_put(a, cache, rcu, obj)
    if sheaf_at(a, rcu).size == SHEAF_CAPACITY:
        pc.rcu_free = 0
        wait_for_readers(a, cache, pc, rcu)


cdef void wait_for_readers(arena_t *a, int cache, kmem_cache_cpu_t *pc, idx_t i) noexcept nogil:
    """call_rcu(): to the end of the queue, whose first one knows how long it is."""
    cdef slab_sheaf_t *s = sheaf_mut(a, i)
    s.next = 0
    s.rcu_len = 0
    if pc.rcu_head:
        sheaf_mut(a, pc.rcu_tail).next = i
    else:
        pc.rcu_head = i
    pc.rcu_tail = i
    sheaf_mut(a, pc.rcu_head).rcu_len += 1
    if sheaf_at(a, pc.rcu_head).rcu_len > GRACE_SHEAVES:
        rcu_free_sheaf(a, cache, pc)


cdef void rcu_free_sheaf(arena_t *a, int cache, kmem_cache_cpu_t *pc) noexcept nogil:
    """The grace period of the oldest sheaf that waits is over."""
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t i = pc.rcu_head
    cdef slab_sheaf_t *s = sheaf_mut(a, i)
    pc.rcu_head = s.next
    if s.next:
        sheaf_mut(a, s.next).rcu_len = s.rcu_len - 1
    else:
        pc.rcu_tail = 0
    s.next = 0
    s.rcu_len = 0
    if c.nr_full_sheaves < MAX_FULL_SHEAVES:
        barn_put(a, &c.full_sheaves, &c.nr_full_sheaves, i)
    else:
        sheaf_flush(a, cache, i)
        put_empty(a, c, i)


cdef uint32_t nr_rcu_over(arena_t *a, int cache) noexcept nogil:
    cdef uint32_t full = cache_at(a, cache).nr_full_sheaves
    cdef uint32_t cpu, waiting = 0, room = MAX_FULL_SHEAVES - full if full < MAX_FULL_SHEAVES else 0
    cdef idx_t head
    for cpu in range(a.m.nr_cpus):
        head = (<const kmem_cache_cpu_t *>rec_at(a, POOL_CACHE_CPU, cache * a.m.nr_cpus + cpu)).rcu_head
        waiting += sheaf_at(a, head).rcu_len if head else 0
    return (waiting - min(room, waiting)) * SHEAF_CAPACITY


cdef void rcu_quiescent(arena_t *a) noexcept nogil:
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, CACHE_MAPLE_NODE, a.cpu)
    cdef uint32_t steps = 0
    while pc.rcu_head and not runs_in_circle(a, POOL_SHEAF, pc.rcu_head, &steps):
        rcu_free_sheaf(a, CACHE_MAPLE_NODE, pc)


cdef void flush_and_free(arena_t *a, int cache, idx_t i) noexcept nogil:
    if i:
        sheaf_flush(a, cache, i)
        free_empty_sheaf(a, i)


cdef void flush_all_sheaves(arena_t *a, int cache) noexcept nogil:
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef kmem_cache_cpu_t *pc
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        pc = cache_cpu_mut(a, cache, cpu)
        flush_and_free(a, cache, pc.main)
        flush_and_free(a, cache, pc.spare)
        flush_and_free(a, cache, pc.rcu_free)
        pc.main = pc.spare = pc.rcu_free = 0
        while pc.rcu_head:
            rcu_free_sheaf(a, cache, pc)
    while c.full_sheaves:
        flush_and_free(a, cache, barn_get(a, &c.full_sheaves, &c.nr_full_sheaves))
    while c.empty_sheaves:
        free_empty_sheaf(a, barn_get(a, &c.empty_sheaves, &c.nr_empty_sheaves))


# --- objects -----------------------------------------------------------------------------------------------------------


cdef uint64_t kmem_cache_alloc(arena_t *a, int cache) noexcept nogil:
    cdef uint64_t obj = 0 if should_fail(a) else kmem_cache_alloc_from_sheaf(a, cache)
    if obj and a.m.nr_memcgs and cache_description(<uint32_t>cache).flags & SLAB_ACCOUNT:
        slab_post_alloc_hook(a, cache, obj)
    return obj


cdef uint64_t kmem_cache_alloc_account(arena_t *a, int cache) noexcept nogil:
    cdef uint64_t obj = kmem_cache_alloc(a, cache)
    if obj and a.m.nr_memcgs:
        slab_post_alloc_hook(a, cache, obj)
    return obj


cdef inline void count_slab_bytes(arena_t *a, idx_t memcg, int cache, int64_t nr_bytes) noexcept nogil:
    """Of the group alone: the node counts whole slabs."""
    memcg_mut(a, memcg).stat[<int>NR_SLAB_RECLAIMABLE_B if cache_at(a, cache).flags & SLAB_RECLAIM_ACCOUNT else <int>NR_SLAB_UNRECLAIMABLE_B] += nr_bytes


cdef void slab_post_alloc_hook(arena_t *a, int cache, uint64_t obj) noexcept nogil:
    """The running task's group pays for the object and for the pointer that says so; if there is no memory to note it, nobody does."""
    cdef idx_t memcg = current_memcg(a), slab
    cdef int n = object_index(a, cache, obj, &slab) if memcg else -1
    cdef slab_t *s
    if n < 0:
        return
    s = slab_mut(a, slab)
    if s.obj_exts == 0:
        s.obj_exts = rec_alloc(a, POOL_OBJ_EXTS)
    if s.obj_exts:
        (<slab_obj_exts_t *>rec_mut(a, POOL_OBJ_EXTS, s.obj_exts)).memcg[n] = <uint16_t>memcg
        obj_cgroup_charge(a, memcg, cache_at(a, cache).size + OBJ_CGROUP_BYTES)
        count_slab_bytes(a, memcg, cache, cache_at(a, cache).size + OBJ_CGROUP_BYTES)


cdef void memcg_slab_free_hook(arena_t *a, int cache, idx_t slab, int n) noexcept nogil:
    cdef idx_t exts = slab_at(a, slab).obj_exts
    cdef slab_obj_exts_t *e
    if exts == 0:
        return
    e = <slab_obj_exts_t *>rec_mut(a, POOL_OBJ_EXTS, exts)
    if e.memcg[n]:
        count_slab_bytes(a, e.memcg[n], cache, -<int64_t>(cache_at(a, cache).size + OBJ_CGROUP_BYTES))
        obj_cgroup_uncharge(a, e.memcg[n], cache_at(a, cache).size + OBJ_CGROUP_BYTES)
        e.memcg[n] = 0


cdef bint kmem_cache_has(arena_t *a, int cache, uint32_t nr) noexcept nogil:
    cdef idx_t main = cache_cpu_at(a, cache, a.cpu).main
    return a.fail_nth == 0 and main != 0 and sheaf_at(a, main).size >= nr


cdef bint kmem_cache_prefill_sheaf(arena_t *a, int cache, uint32_t nr) noexcept nogil:
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, a.cpu)
    cdef uint32_t there = 0
    if should_fail(a):
        return False
    if pc.main:
        there = sheaf_at(a, pc.main).size
    if there < nr and pc.spare:
        there += sheaf_at(a, pc.spare).size
    if there + cache_at(a, cache).nr_full_sheaves * SHEAF_CAPACITY >= nr:
        return True
    if pc.spare == 0:
        pc.spare = get_empty(a, cache)
    return pc.spare != 0 and refill_sheaf(a, cache, pc.spare)


cdef uint64_t kmem_cache_alloc_from_sheaf(arena_t *a, int cache) noexcept nogil:
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef uint64_t obj
    cdef idx_t main = 0
    cdef slab_sheaf_t *s
    if c.flags & SLAB_SHEAVES:
        main = cache_cpu_at(a, cache, a.cpu).main
        if main:
            s = sheaf_mut(a, main)
            if s.size:  # nearly always
                s.size -= 1
                c.nr_sheaf_objs -= 1
                c.nr_objs += 1
                return s.objects[s.size]
        obj = sheaf_alloc(a, cache)
    else:
        obj = slab_alloc(a, cache)
    c.nr_objs += obj != 0
    return obj


cdef void free_object(arena_t *a, int cache, uint64_t obj, bint rcu) noexcept nogil:
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t slab
    cdef int n
    if obj == 0:
        return
    if not c.flags & SLAB_SHEAVES and a.pool[POOL_OBJ_EXTS].count <= 1:
        c.nr_objs -= slab_free(a, cache, obj, rcu)
        return
    n = object_index(a, cache, obj, &slab)
    if n < 0:
        return
    memcg_slab_free_hook(a, cache, slab, n)
    if not c.flags & SLAB_SHEAVES:
        c.nr_objs -= slab_free(a, cache, obj, rcu)
        return
    c.nr_objs -= 1
    if rcu:
        sheaf_free_rcu(a, cache, obj)
    else:
        sheaf_free(a, cache, obj)


cdef void kmem_cache_free(arena_t *a, int cache, uint64_t obj) noexcept nogil:
    free_object(a, cache, obj, False)


cdef void kmem_cache_free_rcu(arena_t *a, int cache, uint64_t obj) noexcept nogil:
    free_object(a, cache, obj, True)


cdef void kmem_cache_shrink(arena_t *a, int cache) noexcept nogil:
    if cache_at(a, cache).flags & SLAB_SHEAVES:
        flush_all_sheaves(a, cache)
    slab_shrink(a, cache)
