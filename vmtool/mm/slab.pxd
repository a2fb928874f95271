# cython: language_level=3
"""kmem_cache: every kernel object takes its place in a slab of true size (6.18's, x86-64)."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.slub cimport *
from vmtool.mm.types cimport *

# Physical address of a new object, for which the task's group pays if the cache is accounted; its bytes are nobody's. 0: no memory. Counts:
# NR_SLAB_*_B, by whole slabs.
cdef uint64_t kmem_cache_alloc(arena_t *a, int cache) noexcept nogil
# The CPU's sheaves hold nr objects (up to 32) after it, so that as many calls of kmem_cache_alloc_from_sheaf() get theirs. False: no
# memory.
cdef bint kmem_cache_prefill_sheaf(arena_t *a, int cache, uint32_t nr) noexcept nogil
cdef bint kmem_cache_has(arena_t *a, int cache, uint32_t nr) noexcept nogil  # they do without looking further
cdef uint64_t kmem_cache_alloc_from_sheaf(arena_t *a, int cache) noexcept nogil  # for no group; 0: no memory
# __GFP_ACCOUNT, of a cache that is not accounted as such; 0: no memory
cdef uint64_t kmem_cache_alloc_account(arena_t *a, int cache) noexcept nogil
# 0 is none; an address that is no object of the cache sets a.err
cdef void kmem_cache_free(arena_t *a, int cache, uint64_t obj) noexcept nogil
# The same after a grace period: kfree_rcu(). Where no sheaf collects such objects it is the same.
cdef void kmem_cache_free_rcu(arena_t *a, int cache, uint64_t obj) noexcept nogil
cdef void rcu_quiescent(arena_t *a) noexcept nogil  # the CPU switches tasks: nobody reads what was freed before
cdef void kmem_cache_shrink(arena_t *a, int cache) noexcept nogil  # sheaves and CPUs' slabs flushed, empty slabs given back
# Objects in sheaves whose grace period is over when anybody looks, and for which the barn has no room: they are free then.
cdef uint32_t nr_rcu_over(arena_t *a, int cache) noexcept nogil
