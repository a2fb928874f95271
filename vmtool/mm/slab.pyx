"""kmem_cache: objects of the kernel in slabs of whole frames, sized as a 6.18 kernel's /proc/slabinfo says.

Counterpart: Linux v6.18 mm/slub.c (allocate_slab, __slab_free, put_cpu_partial), mm/slab_common.c.

A slab is a block of 2**order frames that holds `objs_per_slab` objects; slab_t.used has a bit for each.
    empty -> partial (some in use) -> full -> partial -> empty -> freed
A cache allocates from the slab it used last: the head of its partial list. An object's address is physical, so that whoever holds
it needs no pool. An empty slab goes back to the buddy system once the cache has more partial slabs than MIN_PARTIAL.
# Deviation: no per-CPU slabs or sheaves: one partial list a cache. No merging of caches; what the kernel allocated while booting is absent.
Invariants: inuse = bits of used; partial lists hold exactly the slabs with 0 < inuse < objects, or empty ones that are kept; nr_objs = sum of inuse.
"""

from libc.string cimport memset, strncpy

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport ARENA_RANGE, arena_fail, frame_at, frame_mut, rec_alloc, rec_at, rec_free, rec_mut
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.frame cimport page_folio
from vmtool.mm.vmstat cimport NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B, mod_node_stat

cdef enum:
    MIN_PARTIAL = 5  # slabs a node keeps though empty
    SLAB_MAX_ORDER = 3  # slub_max_order: PAGE_ALLOC_COSTLY_ORDER
    MAX_OBJECTS = 512  # of a slab: the bits of slab_t.used

# name, size without and with alignment and metadata, reclaimable: /proc/slabinfo of Debian's 6.18.15 on x86-64
cdef struct cache_desc:
    const char *name
    uint32_t object_size
    uint32_t size
    uint32_t reclaimable

cdef cache_desc CACHES[NR_BOOT_CACHES]
CACHES[CACHE_TASK_STRUCT] = cache_desc(b"task_struct", 6528, 6528, 0)
CACHES[CACHE_MM_STRUCT] = cache_desc(b"mm_struct", 1496, 1536, 0)
CACHES[CACHE_VM_AREA_STRUCT] = cache_desc(b"vm_area_struct", 192, 192, 0)
CACHES[CACHE_ANON_VMA] = cache_desc(b"anon_vma", 96, 104, 0)
CACHES[CACHE_ANON_VMA_CHAIN] = cache_desc(b"anon_vma_chain", 64, 64, 0)
CACHES[CACHE_MAPLE_NODE] = cache_desc(b"maple_node", 256, 256, 0)
CACHES[CACHE_SIGNAL] = cache_desc(b"signal_cache", 1152, 1152, 0)
CACHES[CACHE_SIGHAND] = cache_desc(b"sighand_cache", 2080, 2112, 0)
CACHES[CACHE_FILES] = cache_desc(b"files_cache", 704, 704, 0)
CACHES[CACHE_FS] = cache_desc(b"fs_cache", 64, 64, 0)
CACHES[CACHE_CRED] = cache_desc(b"cred", 184, 192, 0)
CACHES[CACHE_PID] = cache_desc(b"pid", 184, 192, 0)
CACHES[CACHE_FILP] = cache_desc(b"filp", 184, 192, 0)
CACHES[CACHE_DENTRY] = cache_desc(b"dentry", 192, 192, 1)
CACHES[CACHE_EXT4_INODE] = cache_desc(b"ext4_inode_cache", 1120, 1128, 1)
CACHES[CACHE_SHMEM_INODE] = cache_desc(b"shmem_inode_cache", 736, 744, 1)
CACHES[CACHE_RADIX_NODE] = cache_desc(b"radix_tree_node", 576, 584, 1)
CACHES[CACHE_NAMES] = cache_desc(b"names_cache", 4096, 4096, 0)
CACHES[CACHE_KMALLOC_8] = cache_desc(b"kmalloc-8", 8, 8, 0)
CACHES[CACHE_KMALLOC_16] = cache_desc(b"kmalloc-16", 16, 16, 0)
CACHES[CACHE_KMALLOC_32] = cache_desc(b"kmalloc-32", 32, 32, 0)
CACHES[CACHE_KMALLOC_64] = cache_desc(b"kmalloc-64", 64, 64, 0)
CACHES[CACHE_KMALLOC_96] = cache_desc(b"kmalloc-96", 96, 96, 0)
CACHES[CACHE_KMALLOC_128] = cache_desc(b"kmalloc-128", 128, 128, 0)
CACHES[CACHE_KMALLOC_192] = cache_desc(b"kmalloc-192", 192, 192, 0)
CACHES[CACHE_KMALLOC_256] = cache_desc(b"kmalloc-256", 256, 256, 0)
CACHES[CACHE_KMALLOC_512] = cache_desc(b"kmalloc-512", 512, 512, 0)
CACHES[CACHE_KMALLOC_1K] = cache_desc(b"kmalloc-1k", 1024, 1024, 0)
CACHES[CACHE_KMALLOC_2K] = cache_desc(b"kmalloc-2k", 2048, 2048, 0)
CACHES[CACHE_KMALLOC_4K] = cache_desc(b"kmalloc-4k", 4096, 4096, 0)
CACHES[CACHE_KMALLOC_8K] = cache_desc(b"kmalloc-8k", 8192, 8192, 0)


cdef inline kmem_cache_t *cache_mut(arena_t *a, int cache) noexcept nogil:
    return <kmem_cache_t *>rec_mut(a, POOL_CACHE, <uint32_t>cache + 1)


cdef inline slab_t *slab_mut(arena_t *a, idx_t i) noexcept nogil:
    return <slab_t *>rec_mut(a, POOL_SLAB, i)


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
    order = 0
    while page << order < size:
        order += 1
    return order


cdef void kmem_cache_init(arena_t *a) noexcept nogil:
    """The caches as boot creates them, without slabs. cache_id + 1 is the record."""
    cdef int i
    cdef uint32_t page = <uint32_t>page_size(&a.m.arch)
    cdef idx_t at
    cdef kmem_cache_t *c
    for i in range(NR_BOOT_CACHES):
        at = rec_alloc(a, POOL_CACHE)
        if at == 0:
            return
        c = <kmem_cache_t *>rec_mut(a, POOL_CACHE, at)
        strncpy(c.name, CACHES[i].name, sizeof(c.name) - 1)
        c.object_size = CACHES[i].object_size
        c.size = CACHES[i].size
        c.order = slab_order(c.size, a.m.nr_cpus, page)
        # Deviation: no slab of larger pages holds more small objects than the largest of 4K
        c.objs_per_slab = min((page << c.order) // c.size, <uint32_t>MAX_OBJECTS)
        c.reclaimable = CACHES[i].reclaimable
    a.m.nr_caches = NR_BOOT_CACHES


# --- partial and full lists ------------------------------------------------------------------------------------

cdef void list_add(arena_t *a, idx_t *head, idx_t i) noexcept nogil:
    cdef slab_t *s = slab_mut(a, i)
    s.prev = 0
    s.next = head[0]
    if s.next:
        slab_mut(a, s.next).prev = i
    head[0] = i


cdef void list_del(arena_t *a, idx_t *head, idx_t i) noexcept nogil:
    cdef slab_t *s = slab_mut(a, i)
    if s.prev:
        slab_mut(a, s.prev).next = s.next
    else:
        head[0] = s.next
    if s.next:
        slab_mut(a, s.next).prev = s.prev
    s.next = 0
    s.prev = 0


# --- slabs ---------------------------------------------------------------------------------------------------------

cdef void count_slab(arena_t *a, const kmem_cache_t *c, int64_t sign) noexcept nogil:
    mod_node_stat(a, NR_SLAB_RECLAIMABLE_B if c.reclaimable else NR_SLAB_UNRECLAIMABLE_B, sign * (<int64_t>page_size(&a.m.arch) << c.order))


cdef idx_t new_slab(arena_t *a, int cache) noexcept nogil:
    """An empty slab on the partial list; 0: no memory."""
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t i = rec_alloc(a, POOL_SLAB)
    cdef slab_t *s
    cdef pfn_t pfn
    if i == 0:
        return 0
    pfn = alloc_pages(a, c.order, GFP_RECLAIMABLE if c.reclaimable else GFP_KERNEL)
    if pfn == 0:
        rec_free(a, POOL_SLAB, i)
        return 0
    frame_mut(a, pfn).flags |= PG_slab | PG_kernel
    frame_mut(a, pfn).mapping = i
    s = slab_mut(a, i)
    s.cache = <uint32_t>cache + 1
    s.pfn = pfn
    s.objects = c.objs_per_slab
    c.nr_slabs += 1
    c.nr_partial += 1
    list_add(a, &c.partial, i)
    count_slab(a, c, 1)
    return i


cdef void discard_slab(arena_t *a, kmem_cache_t *c, idx_t i) noexcept nogil:
    """Preconditions: empty, on the partial list."""
    cdef pfn_t pfn = slab_mut(a, i).pfn
    list_del(a, &c.partial, i)
    c.nr_partial -= 1
    c.nr_slabs -= 1
    count_slab(a, c, -1)
    rec_free(a, POOL_SLAB, i)
    free_pages(a, pfn, c.order)


cdef uint32_t first_free(const slab_t *s) noexcept nogil:
    """The lowest bit that is clear; the slab is not full."""
    cdef uint32_t word = 0
    cdef uint32_t bit = 0
    cdef uint64_t bits
    while word < 11 and s.used[word] == ~<uint64_t>0:
        word += 1
    bits = s.used[word]
    while bits & 0xFF == 0xFF:
        bits >>= 8
        bit += 8
    while bits & 1:
        bits >>= 1
        bit += 1
    return word * 64 + bit


cdef uint64_t failslab = 0

def refuse_object(nth):
    """Tests: the nth object asked for from now on is not given, whatever its cache; 0: all are. Returns: what was left of the number before.

    Counterpart: Linux v6.18 mm/failslab.c:should_failslab().
    """
    global failslab
    cdef uint64_t left = failslab
    failslab = nth
    return left


cdef uint64_t kmem_cache_alloc(arena_t *a, int cache) noexcept nogil:
    global failslab
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t i = c.partial
    cdef slab_t *s
    cdef uint32_t n
    if failslab:
        failslab -= 1
        if failslab == 0:
            return 0
    if i == 0:
        i = new_slab(a, cache)
        if i == 0:
            return 0
    s = slab_mut(a, i)
    n = first_free(s)
    s.used[n >> 6] |= <uint64_t>1 << (n & 63)
    s.inuse += 1
    c.nr_objs += 1
    if s.inuse == s.objects:
        list_del(a, &c.partial, i)
        list_add(a, &c.full, i)
        c.nr_partial -= 1
    return (<uint64_t>s.pfn << a.m.arch.page_shift) + n * c.size


cdef void kmem_cache_free(arena_t *a, int cache, uint64_t obj) noexcept nogil:
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef pfn_t pfn
    cdef idx_t i
    cdef slab_t *s
    cdef uint32_t n
    if obj == 0:
        return
    pfn = page_folio(a, <pfn_t>(obj >> a.m.arch.page_shift))
    i = frame_at(a, pfn).mapping
    s = slab_mut(a, i)
    n = <uint32_t>((obj - (<uint64_t>pfn << a.m.arch.page_shift)) // max(c.size, <uint32_t>1))
    if n >= s.objects or s.objects > MAX_OBJECTS or not s.used[n >> 6] >> (n & 63) & 1:
        arena_fail(a, ARENA_RANGE, POOL_SLAB, i)  # no object of this cache, or freed twice
        return
    s.used[n >> 6] &= ~(<uint64_t>1 << (n & 63))
    if s.inuse == s.objects:
        list_del(a, &c.full, i)
        list_add(a, &c.partial, i)
        c.nr_partial += 1
    s.inuse -= 1
    c.nr_objs -= 1
    if s.inuse == 0 and c.nr_partial > MIN_PARTIAL:
        discard_slab(a, c, i)
