"""What the kernel allocates for its own needs, asked for by hand, or kept by whoever needs it (a swap area).

    kmalloc   up to 8K an object of a cache of powers of two (and 96, 192); beyond, whole pages: contiguous in memory
    vmalloc   single pages, contiguous in virtual addresses alone
    pages     a block of 2**order frames

Counterpart: Linux v6.18 include/linux/slab.h:kmalloc_type(), mm/slab_common.c (kmalloc_info, __kmalloc_large_node), mm/vmalloc.c:__vmalloc(),
mm/page_alloc.c:alloc_pages(). Which cache: GFP_DMA dma-kmalloc-N, GFP_RECLAIMABLE kmalloc-rcl-N, GFP_ACCOUNT kmalloc-cg-N, else kmalloc-N.
What was allocated is kept in a list, so that it can be freed by its address alone and seen.
# Deviation: kfree() of what is not there is refused, where a kernel would come to harm.
"""

from vmtool.mm.arch cimport page_align, page_size
from vmtool.mm.arena cimport frame_at, frame_mut, rec_alloc, rec_at, rec_free, rec_mut, runs_in_circle
from vmtool.mm.buddy cimport alloc_pages, free_pages, gfp_migratetype
from vmtool.mm.frame cimport WMARK_LOW, page_folio, pageblock_type, pfn_to_zone, wmark_pages
from vmtool.mm.pgtable cimport direct_map_address
from vmtool.mm.slab cimport *
from vmtool.mm.trace cimport TR_FALLBACK, TR_KMALLOC, TR_SLAB_OBJECT, TR_VMALLOC, TR_ZONE_ALLOC, trace3, trace4
from vmtool.mm.vmalloc cimport vfree_area, vmalloc_area, vmap_at
from vmtool.mm.vmstat cimport NR_SLAB_UNRECLAIMABLE_B, mod_node_stat

cdef enum:
    KMALLOC_MAX_CACHE_SIZE = 8192


cdef inline kmem_obj_t *kmem_mut(arena_t *a, idx_t i) noexcept nogil:
    return <kmem_obj_t *>rec_mut(a, POOL_KMEM, i)


cdef int kmalloc_cache(uint64_t size, uint32_t gfp) noexcept nogil:
    """The smallest whose objects are large enough. The sizes of each kind follow one another in the table."""
    cdef int first = CACHE_KMALLOC_8
    cdef int i = 0
    if gfp & GFP_DMA:
        first = CACHE_KMALLOC_DMA_8
    elif gfp & GFP_RECLAIMABLE:
        first = CACHE_KMALLOC_RCL_8
    elif gfp & GFP_ACCOUNT:
        first = CACHE_KMALLOC_CG_8
    while i < NR_KMALLOC_SIZES - 1 and cache_description(<uint32_t>(first + i)).size < size:
        i += 1
    return first + i


cdef void note_pages(arena_t *a, pfn_t pfn, uint32_t order, uint32_t gfp) noexcept nogil:
    """Where a block came from, for `explain`."""
    cdef uint32_t z = pfn_to_zone(a, pfn)
    cdef uint32_t wanted = gfp_migratetype(gfp)
    trace4(a, TR_ZONE_ALLOC, z, order, a.m.zone[z].free_pages, wmark_pages(&a.m.zone[z], WMARK_LOW))
    if pageblock_type(a, pfn) != wanted:
        trace3(a, TR_FALLBACK, pfn, wanted, pageblock_type(a, pfn))


cdef idx_t remember(arena_t *a, uint32_t kind, uint64_t address, uint64_t size, uint32_t gfp) noexcept nogil:
    cdef idx_t i = rec_alloc(a, POOL_KMEM)
    cdef kmem_obj_t *k
    if i == 0:
        return 0
    k = kmem_mut(a, i)
    k.kind = kind
    k.address = address
    k.size = size
    k.gfp = gfp
    k.next = a.m.kmem_first
    if k.next:
        kmem_mut(a, k.next).prev = i
    a.m.kmem_first = i
    return i


cdef idx_t kmalloc_object(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil:
    cdef int cache = kmalloc_cache(size, gfp)
    cdef uint32_t slabs = cache_at(a, cache).nr_slabs
    cdef uint64_t obj = kmem_cache_alloc(a, cache)
    cdef const slab_t *s
    cdef idx_t i
    if obj == 0:
        return 0
    s = slab_at(a, frame_at(a, page_folio(a, <pfn_t>(obj >> a.m.arch.page_shift))).mapping)
    trace3(a, TR_KMALLOC, size, <uint64_t>cache, direct_map_address(a, obj))
    trace4(a, TR_SLAB_OBJECT, s.pfn, s.order, s.objects, s.inuse)
    if cache_at(a, cache).nr_slabs != slabs:
        note_pages(a, s.pfn, s.order, gfp)
    i = remember(a, KMEM_OBJECT, direct_map_address(a, obj), size, gfp)
    if i == 0:
        kmem_cache_free(a, cache, obj)
        return 0
    kmem_mut(a, i).cache = <uint32_t>cache + 1
    kmem_mut(a, i).obj = obj
    return i


cdef idx_t take_pages(arena_t *a, uint32_t kind, uint32_t order, uint64_t size, uint32_t gfp) noexcept nogil:
    cdef pfn_t pfn = alloc_pages(a, order, gfp)
    cdef idx_t i
    if pfn == 0:
        return 0
    i = remember(a, kind, direct_map_address(a, <uint64_t>pfn << a.m.arch.page_shift), size, gfp)
    if i == 0:
        free_pages(a, pfn, order)
        return 0
    frame_mut(a, pfn).flags |= PG_kernel
    kmem_mut(a, i).obj = <uint64_t>pfn << a.m.arch.page_shift
    kmem_mut(a, i).order = order
    note_pages(a, pfn, order, gfp)
    return i


cdef idx_t kmalloc(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil:
    cdef uint32_t order = 0
    cdef idx_t i
    if size <= KMALLOC_MAX_CACHE_SIZE:
        return kmalloc_object(a, size, gfp)
    while order <= a.m.arch.max_order and page_size(&a.m.arch) << order < size:
        order += 1
    if order > a.m.arch.max_order:
        return 0
    i = take_pages(a, KMEM_LARGE, order, size, gfp)
    if i:
        a.m.nr_large_pages += <uint64_t>1 << order
        mod_node_stat(a, NR_SLAB_UNRECLAIMABLE_B, <int64_t>page_size(&a.m.arch) << order)
    return i


cdef idx_t vmalloc(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil:
    cdef uint64_t nr_pages = page_align(&a.m.arch, size) >> a.m.arch.page_shift
    cdef idx_t area, i
    if nr_pages == 0 or nr_pages > a.m.totalram_pages:
        return 0
    area = vmalloc_area(a, nr_pages, page_size(&a.m.arch), VMAP_BY_HAND, gfp)
    if area == 0:
        return 0
    i = remember(a, KMEM_VMALLOC, vmap_at(a, area).va_start, size, gfp)
    if i == 0:
        vfree_area(a, area)
        return 0
    kmem_mut(a, i).area = area
    trace3(a, TR_VMALLOC, vmap_at(a, area).va_start, vmap_at(a, area).va_end, nr_pages)
    return i


cdef idx_t alloc_pages_by_hand(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil:
    return take_pages(a, KMEM_PAGES, order, page_size(&a.m.arch) << order, gfp) if order <= a.m.arch.max_order else 0


cdef idx_t kmem_find(arena_t *a, uint64_t address, uint32_t kinds) noexcept nogil:
    cdef idx_t i = a.m.kmem_first
    cdef uint32_t steps = 0
    cdef const kmem_obj_t *k
    while i and not runs_in_circle(a, POOL_KMEM, i, &steps):
        k = <kmem_obj_t *>rec_at(a, POOL_KMEM, i)
        if kinds >> k.kind & 1 and (k.address == address or (k.kind == KMEM_PAGES and k.obj >> a.m.arch.page_shift == address)):
            return i
        i = k.next
    return 0


cdef idx_t kvmalloc(arena_t *a, uint64_t size, uint32_t gfp) noexcept nogil:
    """Beyond a page, what cannot be had in one piece."""
    cdef idx_t i = kmalloc(a, size, gfp | GFP_NORETRY)
    return i if i or size <= page_size(&a.m.arch) else vmalloc(a, size, gfp)


cdef void unlink_kmem(arena_t *a, const kmem_obj_t *k) noexcept nogil:
    if k.prev:
        kmem_mut(a, k.prev).next = k.next
    else:
        a.m.kmem_first = k.next
    if k.next:
        kmem_mut(a, k.next).prev = k.prev


cdef void kmem_keep(arena_t *a, idx_t i, idx_t *list) noexcept nogil:
    cdef kmem_obj_t *k = kmem_mut(a, i)
    unlink_kmem(a, k)
    k.prev = 0
    k.next = list[0]
    list[0] = i


cdef void release_kmem(arena_t *a, idx_t i) noexcept nogil:
    cdef kmem_obj_t *k = kmem_mut(a, i)
    if k.kind == KMEM_OBJECT:
        kmem_cache_free(a, <int>k.cache - 1, k.obj)
    elif k.kind == KMEM_VMALLOC:
        vfree_area(a, k.area)
    else:
        if k.kind == KMEM_LARGE:
            a.m.nr_large_pages -= <uint64_t>1 << k.order
            mod_node_stat(a, NR_SLAB_UNRECLAIMABLE_B, -(<int64_t>page_size(&a.m.arch) << k.order))
        frame_mut(a, <pfn_t>(k.obj >> a.m.arch.page_shift)).flags &= ~<uint32_t>PG_kernel
        free_pages(a, <pfn_t>(k.obj >> a.m.arch.page_shift), k.order)
    rec_free(a, POOL_KMEM, i)


cdef void kmem_free(arena_t *a, idx_t i) noexcept nogil:
    unlink_kmem(a, kmem_mut(a, i))
    release_kmem(a, i)


cdef void kmem_free_kept(arena_t *a, idx_t *list) noexcept nogil:
    cdef idx_t i = list[0], next
    cdef uint32_t steps = 0
    list[0] = 0
    while i and not runs_in_circle(a, POOL_KMEM, i, &steps):
        next = kmem_mut(a, i).next
        release_kmem(a, i)
        i = next
