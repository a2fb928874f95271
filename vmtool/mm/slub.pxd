# cython: language_level=3
"""The slabs of a cache: objects of true size in blocks of frames, on lists of CPUs and of the node. Callers use slab.pxd."""

from vmtool.mm.arena cimport arena_t, rec_at, rec_mut
from vmtool.mm.kmem_caches cimport *
from vmtool.mm.types cimport *

cdef int kmem_cache_init(arena_t *a) noexcept nogil  # boot; 0, -ENOMEM of the host
# Physical address of a new object, past the sheaves, and not counted in nr_objs. 0: no memory.
cdef uint64_t slab_alloc(arena_t *a, int cache) noexcept nogil
# rcu: from the callback of a grace period. False: there was no such object, and a.err is set
cdef bint slab_free(arena_t *a, int cache, uint64_t obj, bint rcu) noexcept nogil
cdef void slab_attach(arena_t *a, int cache, idx_t slab, pfn_t pfn, uint32_t order) noexcept nogil
cdef void add_partial(arena_t *a, kmem_cache_t *c, idx_t slab) noexcept nogil  # to the tail of the node's list
cdef void count_slab(arena_t *a, const kmem_cache_t *c, int64_t nr_pages) noexcept nogil
# calculate_order(): of a slab of objects of that size
cdef uint32_t slab_order(uint32_t size, uint32_t nr_cpus, uint32_t page) noexcept nogil
# Number of an object in its slab; the slab's record in *slab. -1, and a.err is set: no object of this cache.
cdef int object_index(arena_t *a, int cache, uint64_t obj, idx_t *slab) noexcept nogil
cdef uint64_t nr_free_partial(arena_t *a, const kmem_cache_t *c) noexcept nogil  # free objects on the node's partial list
cdef void kmem_cache_describe(arena_t *a, kmem_cache_t *c, const cache_desc *d) noexcept nogil
cdef void kmem_cache_limits(kmem_cache_t *c, uint32_t page) noexcept nogil
cdef void slab_shrink(arena_t *a, int cache) noexcept nogil  # CPUs' slabs flushed, empty slabs given back

# Deviation: no slab of larger pages holds more small objects than the largest of 4K.
cdef inline uint32_t objects_of(const kmem_cache_t *c, uint32_t order, uint32_t page) noexcept nogil:
    return min((page << order) // max(c.size, <uint32_t>1), <uint32_t>SLAB_MAX_OBJECTS)

cdef inline kmem_cache_t *cache_at(arena_t *a, int cache) noexcept nogil:
    return <kmem_cache_t *>rec_at(a, POOL_CACHE, <uint32_t>cache + 1)

cdef inline kmem_cache_t *cache_mut(arena_t *a, int cache) noexcept nogil:
    return <kmem_cache_t *>rec_mut(a, POOL_CACHE, <uint32_t>cache + 1)

cdef inline kmem_cache_cpu_t *cache_cpu_at(arena_t *a, int cache, uint32_t cpu) noexcept nogil:
    return <kmem_cache_cpu_t *>rec_at(a, POOL_CACHE_CPU, <uint32_t>cache * a.m.nr_cpus + cpu)

cdef inline kmem_cache_cpu_t *cache_cpu_mut(arena_t *a, int cache, uint32_t cpu) noexcept nogil:
    return <kmem_cache_cpu_t *>rec_mut(a, POOL_CACHE_CPU, <uint32_t>cache * a.m.nr_cpus + cpu)

cdef inline slab_t *slab_at(arena_t *a, idx_t i) noexcept nogil:
    return <slab_t *>rec_at(a, POOL_SLAB, i)

cdef inline slab_t *slab_mut(arena_t *a, idx_t i) noexcept nogil:
    return <slab_t *>rec_mut(a, POOL_SLAB, i)
