"""Machines of older files: what the kernel's memory was before there were CPUs' slabs, merged caches, maple trees and vmalloc.

    slabs     one partial list a cache, 31 caches      -> the node's partial lists; fs_cache and cred in what they merge with
    stacks    a block of four frames                   -> a vmalloc area with these frames, which no table maps
    areas     no tree of nodes                         -> a maple tree, as if the areas had been mapped in order
    PIDs      a table alone                            -> the IDR, too

Sizes and orders of the old caches stay theirs; what those machines had no objects for (LSMs, boot) stays without.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport arena_resize, frame_mut, mm_at, mm_mut, rec_alloc, rec_is_live, rec_mut, runs_in_circle, task_at, task_mut, vma_at
from vmtool.mm.vma_iter cimport vma_iter_store
from vmtool.mm.slab cimport *
from vmtool.mm.task_objects cimport pid_attach
from vmtool.mm.vmalloc cimport stack_pages, vmap_adopt
from vmtool.mm.vmstat cimport NR_KERNEL_STACK_KB, NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B

cdef enum:
    NR_OLD_CACHES = 31
    STACK_PAGES = 4

cdef int NOW[NR_OLD_CACHES]
NOW[:] = [  # where the objects of an old cache are kept now
    CACHE_TASK_STRUCT, CACHE_MM_STRUCT, CACHE_VM_AREA_STRUCT, CACHE_ANON_VMA, CACHE_ANON_VMA_CHAIN, CACHE_MAPLE_NODE, CACHE_SIGNAL, CACHE_SIGHAND,
    CACHE_FILES, CACHE_FS, CACHE_CRED, CACHE_PID, CACHE_FILP, CACHE_DENTRY, CACHE_EXT4_INODE, CACHE_SHMEM_INODE, CACHE_RADIX_NODE, CACHE_NAMES,
    CACHE_KMALLOC_8, CACHE_KMALLOC_16, CACHE_KMALLOC_32, CACHE_KMALLOC_64, CACHE_KMALLOC_96, CACHE_KMALLOC_128, CACHE_KMALLOC_192,
    CACHE_KMALLOC_256, CACHE_KMALLOC_512, CACHE_KMALLOC_1K, CACHE_KMALLOC_2K, CACHE_KMALLOC_4K, CACHE_KMALLOC_8K,
]


cdef int upgrade_caches(arena_t *a) noexcept nogil:
    cdef kmem_cache_t old[NR_OLD_CACHES]
    cdef kmem_cache_t *c
    cdef uint32_t i
    if a.m.nr_caches != NR_OLD_CACHES:
        return -EINVAL
    for i in range(NR_OLD_CACHES):
        old[i] = cache_at(a, <int>i)[0]
        if old[i].size == 0 or old[i].order > 3:
            return -EINVAL
    for i in range(1, a.pool[POOL_CACHE].count):
        memset(rec_mut(a, POOL_CACHE, i), 0, sizeof(kmem_cache_t))
    while a.pool[POOL_CACHE].count < NR_KMEM_CACHES + 1:
        if rec_alloc(a, POOL_CACHE) == 0:
            return -ENOMEM
    if arena_resize(a, POOL_CACHE_CPU, NR_KMEM_CACHES * a.m.nr_cpus) < 0:
        return -ENOMEM
    for i in range(NR_KMEM_CACHES):
        kmem_cache_describe(a, cache_mut(a, <int>i), cache_description(i))
    a.m.nr_caches = NR_KMEM_CACHES
    for i in range(NR_OLD_CACHES):
        c = cache_mut(a, NOW[i])
        c.object_size = old[i].object_size
        c.size = old[i].size
        c.order = old[i].order
        kmem_cache_limits(c, <uint32_t>page_size(&a.m.arch))
    return 0


cdef void upgrade_slabs(arena_t *a) noexcept nogil:
    cdef idx_t i
    cdef slab_t *s
    cdef kmem_cache_t *c
    a.m.node_stat[NR_SLAB_RECLAIMABLE_B] = a.m.node_stat[NR_SLAB_UNRECLAIMABLE_B] = 0  # a cache may be of the other kind now
    for i in range(1, a.pool[POOL_SLAB].count):
        s = slab_at(a, i)
        if not rec_is_live(a, POOL_SLAB, i) or s.cache == 0 or s.cache > NR_OLD_CACHES:
            continue
        s = slab_mut(a, i)
        s.cache = <uint32_t>NOW[s.cache - 1] + 1
        c = cache_mut(a, <int>s.cache - 1)
        s.order = c.order
        s.next = s.prev = 0
        s.cpu = 0
        s.state = SLAB_FULL
        count_slab(a, c, <int64_t>1 << s.order)
        c.nr_slabs += 1
        c.nr_slab_objs += s.objects
        c.nr_objs += s.inuse
        if s.inuse < s.objects:
            add_partial(a, c, i)


cdef int upgrade_stack(arena_t *a, task_t *t) noexcept nogil:
    """The four frames, each by itself from now on, become an area's."""
    cdef pfn_t pfn = <pfn_t>((<uint64_t>t.cred << 32 | t.stack) >> a.m.arch.page_shift)
    cdef pfn_t pages[STACK_PAGES]
    cdef uint32_t i
    for i in range(STACK_PAGES):
        pages[i] = pfn + i
        frame_mut(a, pfn + i).flags = PG_kernel
        frame_mut(a, pfn + i).index_lo = 0
        frame_mut(a, pfn + i).mapping = 0
        frame_mut(a, pfn + i).lru_next = 0
        frame_mut(a, pfn + i).lru_prev = 0
        frame_mut(a, pfn + i).extra_refs = 1
    t.stack = vmap_adopt(a, pages, STACK_PAGES)
    t.cred = 0
    return 0 if t.stack else -ENOMEM


cdef int upgrade_tasks(arena_t *a) noexcept nogil:
    cdef idx_t i
    for i in range(1, a.pool[POOL_TASK].count):
        if not rec_is_live(a, POOL_TASK, i):
            continue
        if upgrade_stack(a, task_mut(a, i)) < 0 or pid_attach(a, task_at(a, i).pid) < 0:
            return -ENOMEM
    a.m.node_stat[NR_KERNEL_STACK_KB] = <int64_t>(a.m.nr_tasks * stack_pages(&a.m.arch)) << (a.m.arch.page_shift - 10)
    return 0


cdef void upgrade_spaces(arena_t *a) noexcept nogil:
    cdef idx_t mm, v
    cdef uint32_t steps = 0
    for mm in range(1, a.pool[POOL_MM].count):
        if not rec_is_live(a, POOL_MM, mm):
            continue
        mm_mut(a, mm).maple = 0
        v = mm_at(a, mm).vma_first
        while v and not runs_in_circle(a, POOL_VMA, v, &steps):
            vma_iter_store(a, mm, v)
            v = vma_at(a, v).vm_next


cdef int kmem_upgrade(arena_t *a) noexcept nogil:
    cdef int err = upgrade_caches(a)
    if err:
        return err
    upgrade_slabs(a)
    upgrade_spaces(a)
    return upgrade_tasks(a)
