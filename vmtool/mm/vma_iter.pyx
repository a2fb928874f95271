"""Where the kernel stores into the maple tree of an address space, this does: once for each area that is made, split off, moved or grown, and once
for a range that is unmapped. An area that shrinks is not stored: who takes what it gives up is.

Counterpart: Linux v6.18 mm/vma.h (vma_iter_prealloc, vma_iter_store_overwrite, vma_iter_clear), mm/mmap.c:dup_mmap() (__mt_dup), exit_mmap() (__mt_destroy).
"""

from vmtool.mm.arena cimport mm_at, mm_mut, vma_at
from vmtool.mm.maple cimport MAPLE_DEPTH, maple_at, maple_mut, mtree_free, node_alloc, nr_of
from vmtool.mm.mtree cimport mtree_store
from vmtool.mm.slab cimport CACHE_MAPLE_NODE, kmem_cache_has, kmem_cache_prefill_sheaf

cdef enum:
    ENOUGH = 13  # nodes for any change of a tree of four levels


cdef int vma_iter_prealloc(arena_t *a, idx_t mm) noexcept nogil:
    """mas_preallocate(): of each level three, and a new root.
    # Deviation: whatever the store that follows does."""
    cdef idx_t i = mm_at(a, mm).maple
    cdef uint32_t height = 0
    if kmem_cache_has(a, CACHE_MAPLE_NODE, ENOUGH):
        return 0
    while i and height < MAPLE_DEPTH:
        height += 1
        i = 0 if maple_at(a, i).is_leaf else maple_at(a, i).slot[0]
    return 0 if kmem_cache_prefill_sheaf(a, CACHE_MAPLE_NODE, min(3 * height + 1, <uint32_t>SHEAF_CAPACITY)) else -ENOMEM


cdef void vma_iter_store(arena_t *a, idx_t mm, idx_t v) noexcept nogil:
    mtree_store(a, &mm_mut(a, mm).maple, vma_at(a, v).vm_start, vma_at(a, v).vm_end - 1, v)


cdef void vma_iter_clear(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    mtree_store(a, &mm_mut(a, mm).maple, start, end - 1, 0)


cdef idx_t dup_below(arena_t *a, idx_t i, int depth) noexcept nogil:
    """0: no memory; what was made is there no longer."""
    cdef idx_t copy = node_alloc(a, maple_at(a, i).is_leaf) if kmem_cache_prefill_sheaf(a, CACHE_MAPLE_NODE, 1) else 0
    cdef maple_node_t *n = maple_mut(a, copy)
    cdef const maple_node_t *o = maple_at(a, i)
    cdef uint32_t k
    if copy == 0:
        return 0
    for k in range(min(o.nr, <uint32_t>MAPLE_RANGE64_SLOTS)):
        n.pivot[k] = o.pivot[k]
        n.slot[k] = o.slot[k] if o.is_leaf or depth >= MAPLE_DEPTH else dup_below(a, o.slot[k], depth + 1)
        if n.slot[k] == 0 and not o.is_leaf:
            mtree_free(a, &copy)
            return 0
        n.nr = k + 1
    return copy


cdef int mt_dup(arena_t *a, idx_t mm, idx_t oldmm) noexcept nogil:
    cdef idx_t root = mm_at(a, oldmm).maple
    mm_mut(a, mm).maple = dup_below(a, root, 0) if root else 0
    return 0 if mm_at(a, mm).maple or root == 0 else -ENOMEM


cdef idx_t adopt_below(arena_t *a, idx_t i, idx_t v, int depth) noexcept nogil:
    """Returns the first area that has no entry yet."""
    cdef maple_node_t *n = maple_mut(a, i)
    cdef uint32_t k
    for k in range(nr_of(n)):
        if not n.is_leaf and depth < MAPLE_DEPTH:
            v = adopt_below(a, n.slot[k], v, depth + 1)
        elif n.slot[k] and v:
            n.slot[k] = v
            v = vma_at(a, v).vm_next
    return v


cdef void mt_adopt(arena_t *a, idx_t mm) noexcept nogil:
    if mm_at(a, mm).maple:
        adopt_below(a, mm_at(a, mm).maple, mm_at(a, mm).vma_first, 0)


cdef void mt_destroy(arena_t *a, idx_t mm) noexcept nogil:
    mtree_free(a, &mm_mut(a, mm).maple)
