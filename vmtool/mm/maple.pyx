"""The maple tree in which an address space keeps its areas: the nodes that the kernel allocates for them.

Areas are found by `vma`'s treap; this tree is kept for what it costs, so its shape has to be the kernel's. A leaf has up to 16 ranges, of an area
or of nothing, a node above up to 10 children; ranges are in order and without gaps from 0 to the last address:

    root  [ .. 0x7ffff7ffd000 | .. max ]
    leaf  [ nothing | a | nothing | b | c ]   [ nothing | d | nothing ]          no leaf but the last ends with nothing

Counterpart: Linux v6.18 lib/maple_tree.c (mas_wr_store_type, mas_wr_node_store, mas_split, mas_push_data, mab_calc_split, mab_no_null_split,
mas_rebalance, mas_wr_spanning_store, mas_spanning_rebalance). A node that changes is a new node (readers under RCU keep the old one), but for a
range that is replaced as it stands, or whose border with its neighbour moves.
Who stores has asked for the nodes beforehand (vma_iter_prealloc()): that alone can fail.
Invariants (fsck_kmem): the ranges are the areas, in order; a node's pivots end with what its parent says; every node but a root has enough ranges.
"""


from vmtool.mm.arena cimport rec_alloc, rec_free, rec_is_live, runs_in_circle
from vmtool.mm.slab cimport CACHE_MAPLE_NODE, kmem_cache_alloc_from_sheaf, kmem_cache_free_rcu

# --- nodes ---------------------------------------------------------------------------------------------------------------


cdef inline uint32_t least_of(bint is_leaf) noexcept nogil:
    return MIN_LEAF if is_leaf else MIN_ARANGE


cdef inline uint32_t slots_of(bint is_leaf) noexcept nogil:
    return MAPLE_RANGE64_SLOTS if is_leaf else MAPLE_ARANGE64_SLOTS


cdef idx_t node_alloc(arena_t *a, bint is_leaf) noexcept nogil:
    cdef idx_t i = rec_alloc(a, POOL_MAPLE)
    cdef maple_node_t *n = maple_mut(a, i)
    n.is_leaf = is_leaf
    n.obj = kmem_cache_alloc_from_sheaf(a, CACHE_MAPLE_NODE)
    return i


cdef void node_free(arena_t *a, idx_t i) noexcept nogil:
    kmem_cache_free_rcu(a, CACHE_MAPLE_NODE, maple_at(a, i).obj)
    rec_free(a, POOL_MAPLE, i)


cdef void node_renew(arena_t *a, idx_t i) noexcept nogil:
    """It changed: for the kernel it is a new one."""
    cdef uint64_t old = maple_at(a, i).obj
    maple_mut(a, i).obj = kmem_cache_alloc_from_sheaf(a, CACHE_MAPLE_NODE)
    kmem_cache_free_rcu(a, CACHE_MAPLE_NODE, old)


cdef void node_set(arena_t *a, idx_t i, const big_node_t *b, uint32_t first, uint32_t last) noexcept nogil:
    """The ranges first..last of b are the node's."""
    cdef maple_node_t *n = maple_mut(a, i)
    cdef uint32_t k
    n.nr = min(last - first + 1, <uint32_t>MAPLE_RANGE64_SLOTS)
    for k in range(n.nr):
        n.pivot[k] = b.pivot[first + k]
        n.slot[k] = b.slot[first + k]


cdef void big_add(big_node_t *b, uint64_t pivot, uint32_t slot) noexcept nogil:
    if b.n < BIG:
        b.pivot[b.n] = pivot
        b.slot[b.n] = slot
        b.n += 1


cdef void big_copy(arena_t *a, big_node_t *b, idx_t i, uint32_t first, uint32_t end) noexcept nogil:
    """Ranges first..end-1 of a node, behind those that are there."""
    cdef const maple_node_t *n = maple_at(a, i)
    cdef uint32_t k
    for k in range(first, min(end, nr_of(n))):
        big_add(b, n.pivot[k], n.slot[k])


cdef void big_prepend(arena_t *a, big_node_t *b, idx_t i) noexcept nogil:
    cdef big_node_t old = b[0]
    cdef uint32_t k
    b.n = 0
    big_copy(a, b, i, 0, MAPLE_RANGE64_SLOTS)
    for k in range(old.n):
        big_add(b, old.pivot[k], old.slot[k])


# --- the way down ---------------------------------------------------------------------------------------------------------


cdef void descend(arena_t *a, idx_t root, uint64_t at, path_t *p) noexcept nogil:
    cdef const maple_node_t *n
    cdef idx_t i = root
    cdef uint32_t k, last
    p.depth = 0
    while True:
        n = maple_at(a, i)
        k = 0
        last = nr_of(n) - 1
        while k + 4 <= last and n.pivot[k + 3] < at:
            k += 4
        while k < last and n.pivot[k] < at:
            k += 1
        p.node[p.depth] = i
        p.offset[p.depth] = k
        if n.is_leaf or p.depth == MAPLE_DEPTH - 1:
            return
        i = n.slot[k]
        p.depth += 1


cdef uint64_t range_min(arena_t *a, const path_t *p) noexcept nogil:
    """The first address of the range that the path leads to."""
    cdef int d = p.depth
    while d >= 0:
        if p.offset[d]:
            return maple_at(a, p.node[d]).pivot[p.offset[d] - 1] + 1
        d -= 1
    return 0


cdef bint step(arena_t *a, path_t *p, int depth, int way) noexcept nogil:
    """To the next (1) or previous (-1) node of this depth, wherever its parent is. False: there is none."""
    cdef int d = depth - 1
    cdef uint32_t last
    while d >= 0:
        last = nr_of(maple_at(a, p.node[d])) - 1
        if (way > 0 and p.offset[d] < last) or (way < 0 and p.offset[d] > 0):
            break
        d -= 1
    if d < 0:
        return False
    p.offset[d] = p.offset[d] + 1 if way > 0 else p.offset[d] - 1
    while d < depth:
        p.node[d + 1] = maple_at(a, p.node[d]).slot[p.offset[d]]
        d += 1
        p.offset[d] = 0 if way > 0 else nr_of(maple_at(a, p.node[d])) - 1
    return True


# --- splitting ------------------------------------------------------------------------------------------------------------


cdef uint32_t no_null_split(const big_node_t *b, uint32_t split, uint32_t slots) noexcept nogil:
    """A leaf does not end with nothing."""
    if b.is_leaf and b.slot[split] == 0:
        if split < slots - 1 and b.n - 1 - split > least_of(True):
            return split + 1
        return split - 1
    return split


cdef uint32_t calc_split(const big_node_t *b, uint32_t *middle) noexcept nogil:
    """The last range of the left node; *middle: that of a node between, 0 when two are enough."""
    cdef uint32_t slots = slots_of(b.is_leaf)
    cdef uint32_t end = b.n - 1
    cdef uint32_t split = end // 2
    middle[0] = 0
    if end >= 2 * slots or (b.slot[split] == 0 and end >= 2 * slots - 1):
        split = end // 3
        middle[0] = no_null_split(b, split * 2, slots)
    return no_null_split(b, split, slots)


cdef void parent_replace(arena_t *a, const path_t *p, int depth, big_node_t *up, idx_t left, idx_t right) noexcept nogil:
    """The parent's children with two in the place of one."""
    cdef idx_t parent = p.node[depth - 1]
    cdef uint32_t at = p.offset[depth - 1]
    up.n = 0
    up.is_leaf = 0
    big_copy(a, up, parent, 0, at)
    big_add(up, node_max(a, left), left)
    big_add(up, node_max(a, right), right)
    big_copy(a, up, parent, at + 1, MAPLE_RANGE64_SLOTS)


cdef bint push(arena_t *a, const path_t *p, int depth, big_node_t *b, bint left) noexcept nogil:
    """mas_push_data(): a neighbour under the same parent takes what is too much. False: it has no room."""
    cdef uint32_t slots = slots_of(b.is_leaf)
    cdef uint32_t space = 2 * slots - 2 - (1 if b.is_leaf else 0)
    cdef uint32_t at = p.offset[depth - 1], total, split
    cdef maple_node_t *parent = maple_mut(a, p.node[depth - 1])
    cdef idx_t other, low, high
    if (left and at == 0) or (not left and at + 1 >= nr_of(parent)):
        return False
    other = parent.slot[at - 1 if left else at + 1]
    total = b.n - 1 + nr_of(maple_at(a, other)) - 1
    if b.pivot[b.n - 1] == <uint64_t>MAPLE_MAX:
        space -= 1
    if total >= space:
        return False
    split = slots - 2
    if left:
        big_prepend(a, b, other)
    else:
        big_copy(a, b, other, 0, MAPLE_RANGE64_SLOTS)
        split = total - split
    split = no_null_split(b, split, slots)
    low = other if left else p.node[depth]
    high = p.node[depth] if left else other
    node_set(a, low, b, 0, split)
    node_set(a, high, b, split + 1, b.n - 1)
    parent.pivot[at - 1 if left else at] = node_max(a, low)
    node_renew(a, low)
    node_renew(a, high)
    node_renew(a, p.node[depth - 1])
    return True


cdef void split(arena_t *a, idx_t *root, path_t *p, big_node_t *b) noexcept nogil:
    """mas_split(): from the leaf upwards as long as a node overflows."""
    cdef big_node_t up
    cdef int depth = p.depth
    cdef uint32_t at, middle
    cdef idx_t right
    cdef idx_t pair[2]
    while b.n > slots_of(b.is_leaf):
        if depth and (push(a, p, depth, b, True) or push(a, p, depth, b, False)):
            return
        at = calc_split(b, &middle)
        right = node_alloc(a, b.is_leaf)
        node_set(a, p.node[depth], b, 0, at)
        node_set(a, right, b, at + 1, b.n - 1)
        node_renew(a, p.node[depth])
        if depth == 0:
            pair[0] = p.node[0]
            pair[1] = right
            root_above(a, root, pair, 2)
            return
        parent_replace(a, p, depth, &up, p.node[depth], right)
        b[0] = up
        depth -= 1
    node_set(a, p.node[depth], b, 0, b.n - 1)
    node_renew(a, p.node[depth])
    if depth:
        node_renew(a, p.node[depth - 1])


# --- rebalancing ------------------------------------------------------------------------------------------------------------


cdef void take_neighbour(arena_t *a, path_t *l, path_t *r, int depth, big_node_t *b) noexcept nogil:
    """mast_spanning_rebalance(): the next node's ranges too, or the previous one's if that has the nearer ancestor."""
    cdef int d = depth - 1
    while d >= 0:
        if r.offset[d] + 1 < nr_of(maple_at(a, r.node[d])):
            step(a, r, depth, 1)
            big_copy(a, b, r.node[depth], 0, MAPLE_RANGE64_SLOTS)
            return
        if l.offset[d]:
            step(a, l, depth, -1)
            big_prepend(a, b, l.node[depth])
            return
        d -= 1


cdef void free_between(arena_t *a, const path_t *l, const path_t *r, int depth) noexcept nogil:
    """The nodes of a depth from one path to the other."""
    cdef path_t at = l[0]
    cdef idx_t i
    cdef uint32_t steps = 0
    cdef bint more = True
    while more and not runs_in_circle(a, POOL_MAPLE, at.node[depth], &steps):
        i = at.node[depth]
        more = i != r.node[depth] and step(a, &at, depth, 1)
        node_free(a, i)


cdef uint32_t make_nodes(arena_t *a, const big_node_t *b, idx_t *made) noexcept nogil:
    """mas_mab_to_node(): one, two or three nodes."""
    cdef uint32_t middle = 0, last = b.n - 1, at
    made[0] = node_alloc(a, b.is_leaf)
    if b.n <= slots_of(b.is_leaf):
        node_set(a, made[0], b, 0, last)
        return 1
    at = calc_split(b, &middle)
    node_set(a, made[0], b, 0, at)
    made[1] = node_alloc(a, b.is_leaf)
    node_set(a, made[1], b, at + 1, middle if middle else last)
    if middle == 0:
        return 2
    made[2] = node_alloc(a, b.is_leaf)
    node_set(a, made[2], b, middle + 1, last)
    return 3


cdef inline bint is_all(arena_t *a, const path_t *l, const path_t *r, int depth) noexcept nogil:
    """Whether the nodes from one path to the other are all of their depth."""
    cdef int d
    for d in range(depth):
        if l.offset[d] or r.offset[d] + 1 < nr_of(maple_at(a, r.node[d])):
            return False
    return True


cdef void rebalance(arena_t *a, idx_t *root, path_t *l, path_t *r, big_node_t *b) noexcept nogil:
    """mas_spanning_rebalance(): b stands for all from l's node to r's; what becomes of it goes up level by level."""
    cdef big_node_t up
    cdef idx_t made[3]
    cdef int depth = l.depth
    cdef uint32_t nr, k
    if not is_all(a, l, r, depth) and b.n <= least_of(b.is_leaf):
        take_neighbour(a, l, r, depth, b)
    while True:
        nr = make_nodes(a, b, made)
        if is_all(a, l, r, depth) and (nr == 1 or depth == 0):
            free_levels(a, l, r, depth)
            root[0] = made[0]
            if nr > 1:
                root_above(a, root, made, nr)
            return
        up.n = 0
        up.is_leaf = 0
        big_copy(a, &up, l.node[depth - 1], 0, l.offset[depth - 1])
        for k in range(nr):
            big_add(&up, node_max(a, made[k]), made[k])
        big_copy(a, &up, r.node[depth - 1], r.offset[depth - 1] + 1, MAPLE_RANGE64_SLOTS)
        free_between(a, l, r, depth)
        depth -= 1
        if up.n > MIN_ARANGE or depth == 0:
            if up.n < MAPLE_ARANGE64_SLOTS and l.node[depth] == r.node[depth]:
                node_set(a, l.node[depth], &up, 0, up.n - 1)
                node_renew(a, l.node[depth])
                if depth:
                    node_renew(a, l.node[depth - 1])
                return
        elif not is_all(a, l, r, depth):
            take_neighbour(a, l, r, depth, &up)
        b[0] = up


cdef void free_levels(arena_t *a, const path_t *l, const path_t *r, int depth) noexcept nogil:
    """Of this depth what lies between the paths, and all above."""
    while depth >= 0:
        free_between(a, l, r, depth)
        depth -= 1


cdef void root_above(arena_t *a, idx_t *root, const idx_t *made, uint32_t nr) noexcept nogil:
    cdef idx_t top = node_alloc(a, False)
    cdef maple_node_t *n = maple_mut(a, top)
    cdef uint32_t k
    n.nr = nr
    for k in range(nr):
        n.slot[k] = made[k]
        n.pivot[k] = node_max(a, made[k])
    root[0] = top


# --- the whole tree -------------------------------------------------------------------------------------------------------


cdef void free_below(arena_t *a, idx_t i, int depth) noexcept nogil:
    cdef maple_node_t *n = maple_at(a, i)
    cdef uint32_t k
    if not rec_is_live(a, POOL_MAPLE, i):
        return
    if not n.is_leaf and depth < MAPLE_DEPTH:
        for k in range(min(n.nr, <uint32_t>MAPLE_RANGE64_SLOTS)):
            free_below(a, n.slot[k], depth + 1)
    node_free(a, i)


cdef void mtree_free(arena_t *a, idx_t *root) noexcept nogil:
    if root[0]:
        free_below(a, root[0], 0)
    root[0] = 0
