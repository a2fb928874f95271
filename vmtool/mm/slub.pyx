"""kmem_cache: objects of the kernel in slabs of whole frames, as SLUB keeps them.

Counterpart: Linux v6.18 mm/slub.c (calculate_order, ___slab_alloc, get_partial_node, __slab_free, put_cpu_partial, __put_partials).
A slab is a block of 2**order frames that holds `objects` objects; slab_t.used has a bit for each.

    new -> the CPU's slab -> full, on no list -> (a first free) the CPU's partial list -> (the list is full: all of it) the node's partial list
                 ^--------------- taken again when the CPU's slab is full ----------------------------------|

A CPU allocates from its slab; when that is full, from the newest of its partial list; then the node's list fills both; then a new slab.
A slab on the node's list that becomes empty goes back to the buddy system if the list has min_partial slabs without it; so do empty ones
that would come to it. On the CPU empty slabs stay. An object's address is physical, so that whoever holds it needs no pool.
What the callbacks of a grace period free leaves nothing on the CPU's list: measured of pid, cred, dentry and what vfree() gives back on 6.18.15 (those
that are freed at once leave what the last full list left over); such a slab goes to the node's list at once here.
# Deviation: objects of a slab are taken lowest first (Debian shuffles them); no lock is ever contended, no object is freed by another CPU's interrupt.
Invariants (fsck_slab): inuse = bits of used; state says on which list a slab is; the counts of a cache are the sums over its slabs.
"""

from libc.string cimport strncpy

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport ARENA_RANGE, arena_fail, arena_resize, frame_at, frame_mut, rec_alloc, rec_free, runs_in_circle
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.frame cimport page_folio
from vmtool.mm.vmstat cimport NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B, mod_node_stat

cdef enum:
    SLAB_MAX_ORDER = 3  # slub_max_order: PAGE_ALLOC_COSTLY_ORDER
    # of more than the least order: it takes what is there, without waking anyone, and leaves the reserves alone
    FIRST_ATTEMPT = GFP_NORETRY | GFP_NO_DIRECT | GFP_NO_KSWAPD | GFP_NOMEMALLOC


# --- lists -------------------------------------------------------------------------------------------------------------


cdef void add_partial(arena_t *a, kmem_cache_t *c, idx_t slab) noexcept nogil:
    cdef slab_t *s = slab_mut(a, slab)
    s.state = SLAB_NODE_PARTIAL
    s.next = 0
    s.prev = c.partial_tail
    if c.partial_tail:
        slab_mut(a, c.partial_tail).next = slab
    else:
        c.partial = slab
    c.partial_tail = slab
    c.nr_partial += 1


cdef void remove_partial(arena_t *a, kmem_cache_t *c, idx_t slab) noexcept nogil:
    cdef slab_t *s = slab_mut(a, slab)
    if s.prev:
        slab_mut(a, s.prev).next = s.next
    else:
        c.partial = s.next
    if s.next:
        slab_mut(a, s.next).prev = s.prev
    else:
        c.partial_tail = s.prev
    s.next = 0
    s.prev = 0
    c.nr_partial -= 1


cdef void put_node_partials(arena_t *a, kmem_cache_t *c, idx_t slab) noexcept nogil:
    """__put_partials(): a CPU's whole list moves to the node, where an empty slab stays only as long as the node has few."""
    cdef idx_t next
    cdef uint32_t steps = 0
    while slab and not runs_in_circle(a, POOL_SLAB, slab, &steps):
        next = slab_at(a, slab).next
        if slab_at(a, slab).inuse == 0 and c.nr_partial >= c.min_partial:
            discard_slab(a, c, slab)
        else:
            add_partial(a, c, slab)
        slab = next


cdef void put_cpu_partial(arena_t *a, kmem_cache_t *c, kmem_cache_cpu_t *pc, idx_t slab, bint drain) noexcept nogil:
    cdef slab_t *s = slab_mut(a, slab)
    cdef idx_t old = 0
    if drain and pc.nr_partial >= c.cpu_partial_slabs:
        old = pc.partial
        pc.partial = 0
        pc.nr_partial = 0
    s.state = SLAB_CPU_PARTIAL
    s.cpu = <uint16_t>a.cpu
    s.prev = 0
    s.next = pc.partial
    pc.partial = slab
    pc.nr_partial += 1
    if old:
        put_node_partials(a, c, old)


# --- slabs ---------------------------------------------------------------------------------------------------------


cdef void count_slab(arena_t *a, const kmem_cache_t *c, int64_t nr_pages) noexcept nogil:
    mod_node_stat(a, NR_SLAB_RECLAIMABLE_B if c.flags & SLAB_RECLAIM_ACCOUNT else NR_SLAB_UNRECLAIMABLE_B, nr_pages << a.m.arch.page_shift)


cdef uint32_t slab_gfp(const kmem_cache_t *c) noexcept nogil:
    if c.flags & SLAB_CACHE_DMA:
        return GFP_DMA
    return GFP_RECLAIMABLE if c.flags & SLAB_RECLAIM_ACCOUNT else GFP_KERNEL


cdef idx_t new_slab(arena_t *a, int cache) noexcept nogil:
    """Of the order that wastes little if there is such a block at once, else of what holds an object: allocate_slab()."""
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t i = rec_alloc(a, POOL_SLAB)
    cdef uint32_t order = c.order
    cdef pfn_t pfn
    if i == 0:
        return 0
    pfn = alloc_pages(a, order, slab_gfp(c) | FIRST_ATTEMPT if order > c.min_order else slab_gfp(c))
    if pfn == 0 and order > c.min_order:
        order = c.min_order
        pfn = alloc_pages(a, order, slab_gfp(c))
    if pfn == 0:
        rec_free(a, POOL_SLAB, i)
        return 0
    slab_attach(a, cache, i, pfn, order)
    return i


cdef void slab_attach(arena_t *a, int cache, idx_t slab, pfn_t pfn, uint32_t order) noexcept nogil:
    """A block of frames becomes a slab."""
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef slab_t *s = slab_mut(a, slab)
    frame_mut(a, pfn).flags |= PG_slab | PG_kernel
    frame_mut(a, pfn).mapping = slab
    s.cache = <uint32_t>cache + 1
    s.pfn = pfn
    s.order = order
    s.objects = objects_of(c, order, <uint32_t>page_size(&a.m.arch))
    c.nr_slabs += 1
    c.nr_slab_objs += s.objects
    count_slab(a, c, <int64_t>1 << order)


cdef void discard_slab(arena_t *a, kmem_cache_t *c, idx_t slab) noexcept nogil:
    """Preconditions: empty, on no list."""
    cdef pfn_t pfn = slab_at(a, slab).pfn
    cdef uint32_t order = slab_at(a, slab).order
    c.nr_slabs -= 1
    c.nr_slab_objs -= slab_at(a, slab).objects
    count_slab(a, c, -(<int64_t>1 << order))
    if slab_at(a, slab).obj_exts:
        rec_free(a, POOL_OBJ_EXTS, slab_at(a, slab).obj_exts)
    rec_free(a, POOL_SLAB, slab)
    free_pages(a, pfn, order)


cdef uint32_t first_free(const slab_t *s) noexcept nogil:
    """The lowest bit that is clear; the slab is not full."""
    cdef uint32_t word = 0
    cdef uint32_t bit = 0
    cdef uint64_t bits
    while word < 7 and s.used[word] == ~<uint64_t>0:
        word += 1
    bits = s.used[word]
    while bits & 0xFF == 0xFF:
        bits >>= 8
        bit += 8
    while bits & 1:
        bits >>= 1
        bit += 1
    return word * 64 + bit


cdef idx_t get_partial_node(arena_t *a, kmem_cache_t *c, kmem_cache_cpu_t *pc) noexcept nogil:
    """The node's first partial slab; more of them go to the CPU's list, until that is half full."""
    cdef idx_t first = c.partial
    cdef idx_t slab
    cdef uint32_t nr = 0
    if first == 0:
        return 0
    remove_partial(a, c, first)
    while c.partial and nr <= c.cpu_partial_slabs // 2:
        slab = c.partial
        remove_partial(a, c, slab)
        put_cpu_partial(a, c, pc, slab, False)
        nr += 1
    return first


cdef idx_t slab_alloc_slowpath(arena_t *a, int cache) noexcept nogil:
    """The next slab to allocate from becomes the CPU's; 0: no memory."""
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, a.cpu)
    cdef idx_t slab = pc.partial
    cdef slab_t *s
    if slab:
        pc.partial = slab_at(a, slab).next
        pc.nr_partial -= 1
    else:
        slab = get_partial_node(a, cache_mut(a, cache), pc)
    if slab == 0:
        slab = new_slab(a, cache)
        if slab == 0:
            return 0
    s = slab_mut(a, slab)
    s.state = SLAB_CPU
    s.cpu = <uint16_t>a.cpu
    s.next = 0
    s.prev = 0
    cache_cpu_mut(a, cache, a.cpu).slab = slab
    return slab


cdef uint64_t slab_alloc(arena_t *a, int cache) noexcept nogil:
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, a.cpu)
    cdef idx_t slab = pc.slab
    cdef slab_t *s
    cdef uint32_t n
    if slab == 0:
        slab = slab_alloc_slowpath(a, cache)
        if slab == 0:
            return 0
    s = slab_mut(a, slab)
    n = first_free(s)
    s.used[n >> 6] |= <uint64_t>1 << (n & 63)
    s.inuse += 1
    if s.inuse == s.objects:
        s.state = SLAB_FULL
        cache_cpu_mut(a, cache, a.cpu).slab = 0
    return (<uint64_t>s.pfn << a.m.arch.page_shift) + n * cache_at(a, cache).size


cdef int object_index(arena_t *a, int cache, uint64_t obj, idx_t *slab) noexcept nogil:
    cdef pfn_t pfn = page_folio(a, <pfn_t>(obj >> a.m.arch.page_shift))
    cdef idx_t i = frame_at(a, pfn).mapping
    cdef const slab_t *s = slab_at(a, i)
    cdef uint32_t n = <uint32_t>((obj - (<uint64_t>pfn << a.m.arch.page_shift)) // max(cache_at(a, cache).size, <uint32_t>1))
    slab[0] = i
    if s.cache != <uint32_t>cache + 1 or n >= s.objects or s.objects > SLAB_MAX_OBJECTS or not s.used[n >> 6] >> (n & 63) & 1:
        arena_fail(a, ARENA_RANGE, POOL_SLAB, i)  # no object of this cache, or freed twice
        return -1
    return <int>n


cdef bint slab_free(arena_t *a, int cache, uint64_t obj, bint rcu) noexcept nogil:
    cdef kmem_cache_t *c
    cdef idx_t slab
    cdef int n = object_index(a, cache, obj, &slab)
    cdef slab_t *s
    if n < 0:
        return False
    s = slab_mut(a, slab)
    s.used[n >> 6] &= ~(<uint64_t>1 << (n & 63))
    s.inuse -= 1
    if s.state == SLAB_FULL and rcu:
        add_partial(a, cache_mut(a, cache), slab)
    elif s.state == SLAB_FULL:
        put_cpu_partial(a, cache_mut(a, cache), cache_cpu_mut(a, cache, a.cpu), slab, True)
    elif s.state == SLAB_NODE_PARTIAL and s.inuse == 0:
        c = cache_mut(a, cache)
        if c.nr_partial >= c.min_partial:
            remove_partial(a, c, slab)
            discard_slab(a, c, slab)
    return True


# --- caches --------------------------------------------------------------------------------------------------------------


cdef uint64_t nr_free_partial(arena_t *a, const kmem_cache_t *c) noexcept nogil:
    cdef idx_t at = c.partial
    cdef uint64_t n = 0
    cdef uint32_t steps = 0
    while at and not runs_in_circle(a, POOL_SLAB, at, &steps):
        n += slab_at(a, at).objects - slab_at(a, at).inuse
        at = slab_at(a, at).next
    return n


cdef void flush_cpu_slab(arena_t *a, int cache, uint32_t cpu) noexcept nogil:
    """flush_slab(), put_partials(): what a CPU keeps goes to the node."""
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, cpu)
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t slab = pc.slab
    cdef idx_t partial = pc.partial
    pc.slab = 0
    pc.partial = 0
    pc.nr_partial = 0
    if slab:
        slab_mut(a, slab).next = 0
        put_node_partials(a, c, slab)
    put_node_partials(a, c, partial)


cdef void slab_shrink(arena_t *a, int cache) noexcept nogil:
    """__kmem_cache_do_shrink()."""
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef uint32_t cpu
    cdef idx_t slab, next
    cdef uint32_t steps = 0
    for cpu in range(a.m.nr_cpus):
        flush_cpu_slab(a, cache, cpu)
    slab = c.partial
    while slab and not runs_in_circle(a, POOL_SLAB, slab, &steps):
        next = slab_at(a, slab).next
        if slab_at(a, slab).inuse == 0:
            remove_partial(a, c, slab)
            discard_slab(a, c, slab)
        slab = next


cdef uint32_t slab_order(uint32_t size, uint32_t nr_cpus, uint32_t page) noexcept nogil:
    """calculate_order(): room for 4 * (fls(nr_cpus) + 1) objects, and at most a 16th wasted; else an 8th, a quarter, half; else whatever holds one."""
    cdef uint32_t least = 4, order, start = 0, fraction = 16
    while nr_cpus:
        least += 4
        nr_cpus >>= 1
    least = min(least, max((page << SLAB_MAX_ORDER) // size, <uint32_t>1))
    while page << start < least * size:
        start += 1
    while fraction > 1:
        for order in range(start, SLAB_MAX_ORDER + 1):
            if (page << order) % size <= (page << order) // fraction:
                return order
        fraction >>= 1
    return min_slab_order(size, page)


cdef uint32_t min_slab_order(uint32_t size, uint32_t page) noexcept nogil:
    cdef uint32_t order = 0
    while page << order < size:
        order += 1
    return order


cdef void kmem_cache_describe(arena_t *a, kmem_cache_t *c, const cache_desc *d) noexcept nogil:
    """do_kmem_cache_create()."""
    strncpy(c.name, d.name, sizeof(c.name) - 1)
    c.object_size = d.object_size
    c.size = d.size
    c.flags = d.flags
    c.order = slab_order(d.size, a.m.nr_cpus, <uint32_t>page_size(&a.m.arch))
    kmem_cache_limits(c, <uint32_t>page_size(&a.m.arch))


cdef void kmem_cache_limits(kmem_cache_t *c, uint32_t page) noexcept nogil:
    """What follows from size and order. Source: set_min_partial(), set_cpu_partial()."""
    cdef uint32_t log2 = 0
    cdef uint32_t nr_objects
    c.min_order = min_slab_order(c.size, page)
    c.objs_per_slab = objects_of(c, c.order, page)
    while c.size >> (log2 + 1):
        log2 += 1
    c.min_partial = min(max(log2 // 2, <uint32_t>5), <uint32_t>10)
    nr_objects = 6 if c.size >= page else 24 if c.size >= 1024 else 52 if c.size >= 256 else 120
    c.cpu_partial_slabs = (2 * nr_objects + c.objs_per_slab - 1) // c.objs_per_slab


cdef int kmem_cache_init(arena_t *a) noexcept nogil:
    """The caches as boot creates them, without slabs. cache_id + 1 is the record."""
    cdef uint32_t i
    cdef idx_t at
    if arena_resize(a, POOL_CACHE_CPU, NR_KMEM_CACHES * a.m.nr_cpus) < 0:
        return -ENOMEM
    for i in range(NR_KMEM_CACHES):
        at = rec_alloc(a, POOL_CACHE)
        if at == 0:
            return -ENOMEM
        kmem_cache_describe(a, <kmem_cache_t *>rec_mut(a, POOL_CACHE, at), cache_description(i))
    a.m.nr_caches = NR_KMEM_CACHES
    return 0
