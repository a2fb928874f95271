"""Storing into a maple tree: a range of addresses is an area's, or nobody's.

Counterpart: Linux v6.18 lib/maple_tree.c:mas_wr_store_entry() (mas_wr_node_store, mas_wr_spanning_store, mas_wr_new_root). Nearly every change lies
within one leaf that has room; that is done in place (replace_in_leaf). What else there is takes the ranges out into a big_node_t first, as the kernel does.
"""

from libc.string cimport memmove

from vmtool.mm.maple cimport *

cdef struct change_t:  # of the ranges k..end of a leaf, the first of which begins at low
    uint32_t k
    uint32_t end
    uint32_t entry
    uint64_t low
    uint64_t first
    uint64_t last


# --- within a leaf ---------------------------------------------------------------------------------------------------------


cdef uint64_t leaf_min(arena_t *a, const path_t *p) noexcept nogil:
    cdef int d = p.depth - 1
    while d >= 0:
        if p.offset[d]:
            return maple_at(a, p.node[d]).pivot[p.offset[d] - 1] + 1
        d -= 1
    return 0


cdef inline uint64_t min_of(arena_t *a, const path_t *p, const maple_node_t *leaf, uint32_t k) noexcept nogil:
    return leaf.pivot[k - 1] + 1 if k else leaf_min(a, p)


cdef void replace(arena_t *a, const path_t *p, const change_t *c, uint32_t nr_new) noexcept nogil:
    """Ranges k..end of the leaf become what is left of the first, the new one, what is left of the last."""
    cdef maple_node_t *n = maple_mut(a, p.node[p.depth])
    cdef uint32_t k = c.k, rest = nr_of(n) - c.end - 1
    cdef uint64_t high = n.pivot[c.end]
    cdef uint32_t below = n.slot[k], above = n.slot[c.end]
    if c.end - k + 1 != nr_new:
        memmove(&n.pivot[k + nr_new], &n.pivot[c.end + 1], rest * sizeof(n.pivot[0]))
        memmove(&n.slot[k + nr_new], &n.slot[c.end + 1], rest * sizeof(n.slot[0]))
        n.nr = k + nr_new + rest
    if c.low < c.first:
        n.pivot[k] = c.first - 1
        n.slot[k] = below
        k += 1
    n.pivot[k] = c.last
    n.slot[k] = c.entry
    if c.last < high:
        n.pivot[k + 1] = high
        n.slot[k + 1] = above


cdef bint extend_in_leaf(arena_t *a, const path_t *p, const maple_node_t *n, uint32_t nr, change_t *c) noexcept nogil:
    """Ranges of nothing beside each other are one. False: they go on in another leaf, or nothing would be left."""
    if n.slot[c.k] == 0:
        c.first = c.low
    elif c.first == c.low and c.k == 0:
        if c.first:
            return False
    elif c.first == c.low and n.slot[c.k - 1] == 0:
        c.k -= 1
        c.first = c.low = min_of(a, p, n, c.k)
    if n.slot[c.end] == 0:
        c.last = n.pivot[c.end]
    elif n.pivot[c.end] == c.last and c.end + 1 < nr and n.slot[c.end + 1] == 0:
        c.end += 1
        c.last = n.pivot[c.end]
    return c.last != n.pivot[nr - 1] or (c.last == <uint64_t>MAPLE_MAX and c.first != 0)


cdef bint replace_in_leaf(arena_t *a, const path_t *p, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil:
    """False: the leaf that the path leads to does not hold it all, or would have too many or too few ranges; nothing is done."""
    cdef const maple_node_t *n = maple_at(a, p.node[p.depth])
    cdef uint32_t nr = nr_of(n), nr_new, total
    cdef bint in_place
    cdef change_t c
    c.k = c.end = p.offset[p.depth]
    c.first = first
    c.last = last
    c.entry = entry
    c.low = min_of(a, p, n, c.k)
    while c.end < nr - 1 and n.pivot[c.end] < last:
        c.end += 1
    if n.pivot[c.end] < last or (entry == 0 and not extend_in_leaf(a, p, n, nr, &c)):
        return False
    nr_new = 1 + (c.low < c.first) + (c.last < n.pivot[c.end])
    in_place = nr_new < 3 and c.end - c.k + 1 == nr_new
    total = nr + nr_new - (c.end - c.k + 1)
    if not in_place and (total > MAPLE_RANGE64_SLOTS or (total <= MIN_LEAF and p.depth)):
        return False
    replace(a, p, &c, nr_new)
    if not in_place:
        node_renew(a, p.node[p.depth])
    return True


# --- any store --------------------------------------------------------------------------------------------------------------


cdef void extend_nothing(arena_t *a, idx_t root, uint64_t *first, uint64_t *last) noexcept nogil:
    """Ranges of nothing beside each other are one."""
    cdef path_t p
    descend(a, root, first[0], &p)
    if maple_at(a, p.node[p.depth]).slot[p.offset[p.depth]] != 0 and range_min(a, &p) == first[0] and first[0]:
        descend(a, root, first[0] - 1, &p)
    if maple_at(a, p.node[p.depth]).slot[p.offset[p.depth]] == 0:
        first[0] = range_min(a, &p)
    descend(a, root, last[0], &p)
    if maple_at(a, p.node[p.depth]).slot[p.offset[p.depth]] != 0 and maple_at(a, p.node[p.depth]).pivot[p.offset[p.depth]] == last[0] and last[0] != <uint64_t>MAPLE_MAX:
        descend(a, root, last[0] + 1, &p)
    if maple_at(a, p.node[p.depth]).slot[p.offset[p.depth]] == 0:
        last[0] = maple_at(a, p.node[p.depth]).pivot[p.offset[p.depth]]


cdef void new_root(arena_t *a, idx_t *root, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil:
    cdef big_node_t b
    b.n = 0
    b.is_leaf = 1
    if first:
        big_add(&b, first - 1, 0)
    big_add(&b, last, entry)
    if last != <uint64_t>MAPLE_MAX:
        big_add(&b, MAPLE_MAX, 0)
    root[0] = node_alloc(a, True)
    node_set(a, root[0], &b, 0, b.n - 1)


cdef void fill_left(arena_t *a, const path_t *p, big_node_t *b, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil:
    """A leaf's ranges up to `first`, then the new one."""
    cdef uint32_t at = p.offset[p.depth]
    b.n = 0
    b.is_leaf = 1
    big_copy(a, b, p.node[p.depth], 0, at)
    if range_min(a, p) < first:
        big_add(b, first - 1, maple_at(a, p.node[p.depth]).slot[at])
    big_add(b, last, entry)


cdef void store_in_leaf(arena_t *a, idx_t *root, path_t *l, const path_t *r, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil:
    cdef big_node_t b
    cdef path_t near, far
    cdef idx_t leaf = l.node[l.depth]
    cdef uint32_t end = r.offset[r.depth]
    fill_left(a, l, &b, first, last, entry)
    big_copy(a, &b, leaf, end if last < maple_at(a, leaf).pivot[end] else end + 1, MAPLE_RANGE64_SLOTS)
    if b.n > MAPLE_RANGE64_SLOTS:
        split(a, root, l, &b)
    elif b.n - 1 < MIN_LEAF and l.depth:
        near = l[0]
        far = l[0]
        if l.offset[l.depth - 1] + 1 < nr_of(maple_at(a, l.node[l.depth - 1])):
            step(a, &far, l.depth, 1)
            big_copy(a, &b, far.node[l.depth], 0, MAPLE_RANGE64_SLOTS)
        else:
            step(a, &near, l.depth, -1)
            big_prepend(a, &b, near.node[l.depth])
        rebalance(a, root, &near, &far, &b)
    else:
        node_set(a, leaf, &b, 0, b.n - 1)
        node_renew(a, leaf)


cdef void mtree_store(arena_t *a, idx_t *root, uint64_t first, uint64_t last, uint32_t entry) noexcept nogil:
    cdef path_t l, r
    cdef big_node_t b
    cdef idx_t leaf
    if root[0] == 0:
        if entry:
            new_root(a, root, first, last, entry)
        return
    descend(a, root[0], first, &l)
    if replace_in_leaf(a, &l, first, last, entry):
        return
    if entry == 0:
        extend_nothing(a, root[0], &first, &last)
        if first == 0 and last == <uint64_t>MAPLE_MAX:
            mtree_free(a, root)
            return
    descend(a, root[0], first, &l)
    leaf = l.node[l.depth]
    if last < node_max(a, leaf) or (last == node_max(a, leaf) and (entry or last == <uint64_t>MAPLE_MAX)):
        descend(a, root[0], last, &r)
        store_in_leaf(a, root, &l, &r, first, last, entry)
        return
    fill_left(a, &l, &b, first, last, entry)
    if last == <uint64_t>MAPLE_MAX:
        descend(a, root[0], last, &r)
    else:
        descend(a, root[0], last + 1, &r)
        big_copy(a, &b, r.node[r.depth], r.offset[r.depth], MAPLE_RANGE64_SLOTS)
    rebalance(a, root, &l, &r, &b)
