# cython: language_level=3
"""The set of areas of an address space: a treap by vm_start that knows the largest free gap of each subtree.

Linux keeps the areas in a maple tree and finds free room by the gaps kept in its nodes; a treap gives the same answers in the
same O(log n), with links that are record numbers. The priority of a node is a hash of its number, so the
shape of the tree depends on nothing but what was done.
Invariants (`vma_tree_validate`): in-order equals the list; areas do not overlap; subtree_gap is the maximum; map_count counts.
"""

from vmtool.mm.arena cimport ARENA_LOOP, arena_fail

cdef enum:
    MAX_DEPTH = 128  # a treap of a million areas is some 50 deep; a damaged one may be a ring


cdef inline bint too_deep(arena_t *a, idx_t t, uint32_t depth) noexcept nogil:
    if depth <= MAX_DEPTH:
        return False
    arena_fail(a, ARENA_LOOP, POOL_VMA, t)
    return True


cdef inline uint64_t gap_before(arena_t *a, const vma_t *v) noexcept nogil:
    if v.vm_prev:
        return v.vm_start - vma_at(a, v.vm_prev).vm_end
    return v.vm_start


cdef void pull(arena_t *a, idx_t t) noexcept nogil:
    """Recompute subtree_gap of one node from its own gap and its children."""
    cdef vma_t *v = vma_mut(a, t)
    cdef uint64_t g = gap_before(a, v), h
    if v.left:
        h = vma_at(a, v.left).subtree_gap
        if h > g:
            g = h
    if v.right:
        h = vma_at(a, v.right).subtree_gap
        if h > g:
            g = h
    v.subtree_gap = g


cdef void split(arena_t *a, idx_t t, vaddr_t key, idx_t *left, idx_t *right, uint32_t depth) noexcept nogil:
    """The subtree t in two: below key, and from key on."""
    cdef vma_t *v
    if t == 0 or too_deep(a, t, depth):
        left[0] = 0
        right[0] = 0
        return
    v = vma_mut(a, t)
    if v.vm_start < key:
        split(a, v.right, key, &v.right, right, depth + 1)
        left[0] = t
    else:
        split(a, v.left, key, left, &v.left, depth + 1)
        right[0] = t
    pull(a, t)


cdef idx_t merge(arena_t *a, idx_t l, idx_t r, uint32_t depth) noexcept nogil:
    cdef vma_t *v
    if l == 0:
        return r
    if r == 0 or too_deep(a, r, depth):
        return l
    if vma_at(a, l).prio > vma_at(a, r).prio:
        v = vma_mut(a, l)
        v.right = merge(a, v.right, r, depth + 1)
        pull(a, l)
        return l
    v = vma_mut(a, r)
    v.left = merge(a, l, v.left, depth + 1)
    pull(a, r)
    return r


cdef idx_t insert(arena_t *a, idx_t t, idx_t n, uint32_t depth) noexcept nogil:
    cdef vma_t *v
    cdef vma_t *node = vma_mut(a, n)
    if t == 0 or too_deep(a, t, depth):
        pull(a, n)
        return n
    v = vma_mut(a, t)
    if node.prio > v.prio:
        split(a, t, node.vm_start, &node.left, &node.right, depth + 1)
        pull(a, n)
        return n
    if node.vm_start < v.vm_start:
        v.left = insert(a, v.left, n, depth + 1)
    else:
        v.right = insert(a, v.right, n, depth + 1)
    pull(a, t)
    return t


cdef idx_t remove(arena_t *a, idx_t t, idx_t n, uint32_t depth) noexcept nogil:
    cdef vma_t *v
    if t == 0 or too_deep(a, t, depth):
        return 0
    v = vma_mut(a, t)
    if t == n:
        return merge(a, v.left, v.right, depth + 1)
    if vma_at(a, n).vm_start < v.vm_start:
        v.left = remove(a, v.left, n, depth + 1)
    else:
        v.right = remove(a, v.right, n, depth + 1)
    pull(a, t)
    return t


cdef void refresh(arena_t *a, idx_t root, idx_t n) noexcept nogil:
    """The gap before n changed: recompute the path from the root down to it."""
    cdef idx_t path[128]
    cdef int depth = 0
    cdef vaddr_t key = vma_at(a, n).vm_start
    cdef idx_t t = root
    while t and depth < 128:
        path[depth] = t
        depth += 1
        if t == n:
            break
        t = vma_at(a, t).left if key < vma_at(a, t).vm_start else vma_at(a, t).right
    while depth > 0:
        depth -= 1
        pull(a, path[depth])


cdef idx_t find_vma_prev(arena_t *a, idx_t mm, vaddr_t addr, idx_t *prev) noexcept nogil:
    cdef idx_t t = mm_at(a, mm).vma_root
    cdef idx_t found = 0
    cdef idx_t before = 0
    cdef uint32_t steps = 0
    cdef vma_t *v
    while t and steps < 256:
        v = vma_at(a, t)
        if v.vm_end > addr:
            found = t
            t = v.left
        else:
            before = t
            t = v.right
        steps += 1
    prev[0] = before
    return found


cdef idx_t find_vma(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil:
    cdef idx_t c = mm_at(a, mm).vma_cache
    cdef idx_t prev
    cdef vma_t *v
    if c:
        v = vma_at(a, c)
        if v.vm_start <= addr and addr < v.vm_end:
            return c
    c = find_vma_prev(a, mm, addr, &prev)
    if c and vma_at(a, c).vm_start <= addr:
        mm_mut(a, mm).vma_cache = c
    return c


cdef idx_t find_vma_intersection(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef idx_t v = find_vma(a, mm, start)
    if v and vma_at(a, v).vm_start < end:
        return v
    return 0


cdef idx_t vma_lookup(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil:
    cdef idx_t v = find_vma(a, mm, addr)
    if v and vma_at(a, v).vm_start <= addr:
        return v
    return 0


cdef void vma_link(arena_t *a, idx_t mm, idx_t n) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef vma_t *v = vma_mut(a, n)
    cdef idx_t prev
    cdef idx_t next = find_vma_prev(a, mm, v.vm_start, &prev)
    v.vm_mm = mm
    v.vm_prev = prev
    v.vm_next = next
    v.left = 0
    v.right = 0
    v.prio = (n * <uint32_t>2654435761u) ^ (n >> 7)
    if prev:
        vma_mut(a, prev).vm_next = n
    else:
        m.vma_first = n
    if next:
        vma_mut(a, next).vm_prev = n
    m.vma_root = insert(a, m.vma_root, n, 0)
    m.map_count += 1
    if next:
        refresh(a, m.vma_root, next)


cdef void vma_unlink(arena_t *a, idx_t mm, idx_t n) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef vma_t *v = vma_mut(a, n)
    cdef idx_t next = v.vm_next
    m.vma_root = remove(a, m.vma_root, n, 0)
    if v.vm_prev:
        vma_mut(a, v.vm_prev).vm_next = next
    else:
        m.vma_first = next
    if next:
        vma_mut(a, next).vm_prev = v.vm_prev
    m.map_count -= 1
    if m.vma_cache == n:
        m.vma_cache = 0
    if next:
        refresh(a, m.vma_root, next)
    v.left = 0
    v.right = 0
    v.vm_prev = 0
    v.vm_next = 0


cdef void vma_set_range(arena_t *a, idx_t mm, idx_t n, vaddr_t start, vaddr_t end, uint64_t pgoff) noexcept nogil:
    cdef vma_t *v = vma_mut(a, n)
    cdef idx_t root = mm_at(a, mm).vma_root
    v.vm_start = start
    v.vm_end = end
    v.vm_pgoff = pgoff
    refresh(a, root, n)
    if v.vm_next:
        refresh(a, root, v.vm_next)


cdef bint clip(vaddr_t gs, vaddr_t ge, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *out_start, vaddr_t *out_end) noexcept nogil:
    if gs < low:
        gs = low
    if ge > high:
        ge = high
    if ge > gs and ge - gs >= length:
        out_start[0] = gs
        out_end[0] = ge
        return True
    return False


cdef bint highest(arena_t *a, idx_t t, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *gs, vaddr_t *ge, uint32_t depth) noexcept nogil:
    cdef vma_t *v
    cdef vaddr_t before
    while t:
        depth += 1
        if too_deep(a, t, depth):
            return False
        v = vma_at(a, t)
        if v.subtree_gap < length:
            return False
        before = vma_at(a, v.vm_prev).vm_end if v.vm_prev else 0
        if v.vm_end < high and v.right and highest(a, v.right, low, high, length, gs, ge, depth):
            return True
        if clip(before, v.vm_start, low, high, length, gs, ge):
            return True
        if before <= low:
            return False
        t = v.left
    return False


cdef bint lowest(arena_t *a, idx_t t, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *gs, vaddr_t *ge, uint32_t depth) noexcept nogil:
    cdef vma_t *v
    cdef vaddr_t before
    while t:
        depth += 1
        if too_deep(a, t, depth):
            return False
        v = vma_at(a, t)
        if v.subtree_gap < length:
            return False
        before = vma_at(a, v.vm_prev).vm_end if v.vm_prev else 0
        if before > low and v.left and lowest(a, v.left, low, high, length, gs, ge, depth):
            return True
        if clip(before, v.vm_start, low, high, length, gs, ge):
            return True
        if v.vm_start >= high:
            return False
        t = v.right
    return False


cdef vaddr_t last_end(arena_t *a, idx_t mm) noexcept nogil:
    cdef idx_t t = mm_at(a, mm).vma_root
    cdef uint32_t depth = 0
    if t == 0:
        return 0
    while vma_at(a, t).right and depth < MAX_DEPTH:
        t = vma_at(a, t).right
        depth += 1
    return vma_at(a, t).vm_end


cdef bint gap_highest(arena_t *a, idx_t mm, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *gap_start, vaddr_t *gap_end) noexcept nogil:
    if clip(last_end(a, mm), high, low, high, length, gap_start, gap_end):
        return True
    return highest(a, mm_at(a, mm).vma_root, low, high, length, gap_start, gap_end, 0)


cdef bint gap_lowest(arena_t *a, idx_t mm, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *gap_start, vaddr_t *gap_end) noexcept nogil:
    if lowest(a, mm_at(a, mm).vma_root, low, high, length, gap_start, gap_end, 0):
        return True
    return clip(last_end(a, mm), high, low, high, length, gap_start, gap_end)


cdef uint64_t check_gap(arena_t *a, idx_t t, int *bad, uint32_t *count, int depth) noexcept nogil:
    cdef vma_t *v
    cdef uint64_t g, h
    if t == 0 or bad[0]:
        return 0
    if depth > 200 or count[0] > a.pool[POOL_VMA].count:
        bad[0] = 1
        return 0
    v = vma_at(a, t)
    count[0] += 1
    g = gap_before(a, v)
    h = check_gap(a, v.left, bad, count, depth + 1)
    if h > g:
        g = h
    h = check_gap(a, v.right, bad, count, depth + 1)
    if h > g:
        g = h
    if (v.left and vma_at(a, v.left).vm_start >= v.vm_start) or (v.right and vma_at(a, v.right).vm_start <= v.vm_start):
        bad[0] = 1
    elif g != v.subtree_gap:
        bad[0] = 3
    return g


cdef int vma_tree_validate(arena_t *a, idx_t mm) noexcept nogil:
    cdef int bad = 0
    cdef uint32_t count = 0, listed = 0
    cdef idx_t n = mm_at(a, mm).vma_first, prev = 0
    cdef vma_t *v
    while n and listed <= a.pool[POOL_VMA].count:
        v = vma_at(a, n)
        if v.vm_prev != prev or v.vm_mm != mm:
            return 2
        if v.vm_start >= v.vm_end or (prev and vma_at(a, prev).vm_end > v.vm_start):
            return 1
        prev = n
        n = v.vm_next
        listed += 1
    check_gap(a, mm_at(a, mm).vma_root, &bad, &count, 0)
    if bad == 0 and (count != listed or listed != mm_at(a, mm).map_count):
        bad = 4
    return bad
