"""A file's index: page offset -> 32-bit value, in nodes of 64 slots.

Counterpart: Linux v6.18 lib/xarray.c. Node of shift s covers 64 << s offsets; leaves have shift 0:

    root (shift 6)   slot 0 -> leaf 0..63    slot 3 -> leaf 192..255

The tree grows at the top when an index does not fit and shrinks when only slot 0 of the root is left, so its height is that
of the largest index. A mark of an interior slot says that something below it has the mark.
# Deviation: a folio of 2**n pages fills 2**n slots; Linux stores it once and lets the others point there, and one of 64 pages or
# more needs no leaf at all.
Invariants: node.count = slots in use, shadows too, > 0; nr_shadows = its marks; child.parent and child.offset name its place; a mark implies its slot.
"""

from libc.string cimport memcpy

from vmtool.mm.arena cimport ARENA_LOOP, arena_fail, fixed_at, fixed_mut, rec_alloc, rec_free

cdef enum:
    XNODE_BYTES = 512
    XNODE_BITS = 6
    XNODE_MASK = 63
    MAX_HEIGHT = 11
    ANY_VALUE = -1  # instead of a mark
    ANY_SLOT = -2
    ANY_SHADOW = -3


cdef inline xnode_t *node_at(arena_t *a, idx_t i) noexcept nogil:
    return <xnode_t *>fixed_at(a, POOL_XNODE, i, XNODE_BYTES)


cdef inline xnode_t *node_mut(arena_t *a, idx_t i) noexcept nogil:
    return <xnode_t *>fixed_mut(a, POOL_XNODE, i, XNODE_BYTES)


cdef inline bint node_spans(const xnode_t *n, uint64_t index) noexcept nogil:
    """Whether the index fits under a root of this shift."""
    return n.shift + XNODE_BITS >= 64 or index >> (n.shift + XNODE_BITS) == 0


cdef inline uint64_t *node_marks(xnode_t *n, int mark) noexcept nogil:
    return &n.mark_dirty + mark


cdef inline uint32_t value_of(const xnode_t *n, uint32_t slot) noexcept nogil:
    """Of a leaf: a shadow is no value."""
    return 0 if n.mark_shadow >> slot & 1 else n.slot[slot]


cdef inline idx_t child_of(arena_t *a, const xnode_t *n, uint32_t slot) noexcept nogil:
    """The node below a slot of an interior node; a shift that does not step down (a damaged file) ends the walk."""
    cdef idx_t at = n.slot[slot]
    if at and node_at(a, at).shift + XNODE_BITS != n.shift:
        arena_fail(a, ARENA_LOOP, POOL_XNODE, at)
        return 0
    return at


cdef idx_t leaf_of(arena_t *a, idx_t root, uint64_t index) noexcept nogil:
    """The leaf that would hold the index, 0: none."""
    cdef const xnode_t *n
    cdef const xnode_t *below
    cdef idx_t at = root
    if root == 0:
        return 0
    n = node_at(a, root)
    if not node_spans(n, index):
        return 0
    while n.shift:
        at = n.slot[index >> n.shift & XNODE_MASK]
        if at == 0:
            return 0
        below = node_at(a, at)
        if below.shift + XNODE_BITS != n.shift:
            arena_fail(a, ARENA_LOOP, POOL_XNODE, at)
            return 0
        n = below
    return at


cdef uint32_t xnode_get(arena_t *a, idx_t root, uint64_t index) noexcept nogil:
    cdef idx_t at = leaf_of(a, root, index)
    return value_of(node_at(a, at), index & XNODE_MASK) if at else 0


cdef void xnode_get_range(arena_t *a, idx_t root, uint64_t first, uint32_t nr, uint32_t *out) noexcept nogil:
    cdef uint32_t done = 0, slot, end
    cdef const xnode_t *n
    cdef idx_t at
    while done < nr:
        at = leaf_of(a, root, first + done)
        n = node_at(a, at) if at else NULL
        slot = (first + done) & XNODE_MASK
        end = min(slot + nr - done, <uint32_t>XNODE_SLOTS)
        if n != NULL and n.mark_shadow == 0:  # no shadow among them
            memcpy(out + done, &n.slot[slot], (end - slot) * sizeof(uint32_t))
            done += end - slot
            continue
        while slot < end:
            out[done] = value_of(n, slot) if n != NULL else 0
            done += 1
            slot += 1


cdef const uint32_t *xnode_get_leaf(arena_t *a, idx_t root, uint64_t index) noexcept nogil:
    cdef idx_t at = leaf_of(a, root, index)
    return node_at(a, at).slot if at and node_at(a, at).mark_shadow == 0 else NULL


cdef idx_t node_new(arena_t *a, uint32_t shift, idx_t parent, uint32_t offset, bint in_head, const xnode_ops_t *ops) noexcept nogil:
    """A node without slots; `in_head`: it stands for an entry that an xarray keeps in its head, so it takes no object yet."""
    cdef idx_t i = rec_alloc(a, POOL_XNODE)
    cdef xnode_t *n
    if i == 0:
        return 0
    n = node_mut(a, i)
    n.shift = shift
    n.parent = parent
    n.offset = offset
    if ops != NULL and not in_head:
        n.obj = ops.alloc(a)
        if n.obj == 0:
            rec_free(a, POOL_XNODE, i)
            return 0
    return i


cdef void node_free(arena_t *a, idx_t i, const xnode_ops_t *ops) noexcept nogil:
    cdef xnode_t *n = node_at(a, i)
    if ops != NULL and is_shadows_only(n):
        ops.shadows_only(a, -1)
    if ops != NULL and n.obj:
        ops.free(a, n.obj)
    rec_free(a, POOL_XNODE, i)


cdef int grow(arena_t *a, idx_t *root, uint64_t index, const xnode_ops_t *ops) noexcept nogil:
    """Put nodes above the root until the index fits. Returns 0 or -ENOMEM."""
    cdef xnode_t *n
    cdef xnode_t *up
    cdef idx_t top
    cdef uint32_t shift = 0
    cdef int mark
    if root[0] == 0:
        while shift + XNODE_BITS < 64 and index >> (shift + XNODE_BITS):
            shift += XNODE_BITS
        root[0] = node_new(a, shift, 0, 0, index == 0, ops)
        return 0 if root[0] else -ENOMEM
    n = node_mut(a, root[0])
    if ops != NULL and n.obj == 0 and index:  # the lone index 0 moves out of the head
        n.obj = ops.alloc(a)
        if n.obj == 0:
            return -ENOMEM
    while not node_spans(node_at(a, root[0]), index):
        n = node_at(a, root[0])
        top = node_new(a, n.shift + XNODE_BITS, 0, 0, False, ops)
        if top == 0:
            return -ENOMEM
        up = node_mut(a, top)
        n = node_mut(a, root[0])
        up.slot[0] = root[0]
        up.count = 1
        for mark in range(3):
            if node_marks(n, mark)[0]:
                node_marks(up, mark)[0] = 1
        n.parent = top
        n.offset = 0
        root[0] = top
    return 0


cdef void shrink(arena_t *a, idx_t *root, const xnode_ops_t *ops) noexcept nogil:
    """Take off roots that only lead to slot 0, and the object of a leaf that holds index 0 alone."""
    cdef xnode_t *n = node_mut(a, root[0])
    cdef idx_t below
    while n.shift and n.count == 1 and n.slot[0]:
        below = n.slot[0]
        node_free(a, root[0], ops)
        root[0] = below
        n = node_mut(a, below)
        n.parent = 0
        n.offset = 0
    if ops != NULL and n.obj and n.shift == 0 and n.count == 1 and n.slot[0]:
        ops.free(a, n.obj)
        n.obj = 0


cdef void prune(arena_t *a, idx_t *root, idx_t at, const xnode_ops_t *ops) noexcept nogil:
    """Free the empty node, and those above it that become empty."""
    cdef xnode_t *n = node_at(a, at)
    cdef idx_t parent
    cdef uint32_t offset
    while at and node_at(a, at).count == 0:
        n = node_at(a, at)
        parent = n.parent
        offset = n.offset
        node_free(a, at, ops)
        if parent == 0:
            root[0] = 0
            return
        n = node_mut(a, parent)
        n.slot[offset & XNODE_MASK] = 0
        n.count -= 1
        at = parent
    shrink(a, root, ops)


cdef inline bint is_shadows_only(const xnode_t *n) noexcept nogil:
    return n.nr_shadows != 0 and n.count == n.nr_shadows


cdef void put_slot(arena_t *a, xnode_t *n, uint32_t slot, uint32_t value, bint shadow, const xnode_ops_t *ops) noexcept nogil:
    """What a leaf's slot holds, with its counts."""
    cdef uint64_t bit = <uint64_t>1 << slot
    cdef bint was = is_shadows_only(n)
    if n.mark_shadow & bit:
        n.mark_shadow &= ~bit
        n.nr_shadows -= 1
    n.count += <uint32_t>(value != 0) - <uint32_t>(n.slot[slot] != 0)
    n.slot[slot] = value
    if shadow:
        n.mark_shadow |= bit
        n.nr_shadows += 1
    if ops != NULL and was != is_shadows_only(n):
        ops.shadows_only(a, -1 if was else 1)


cdef int erase(arena_t *a, idx_t *root, uint64_t index, const xnode_ops_t *ops) noexcept nogil:
    cdef idx_t at = leaf_of(a, root[0], index)
    cdef uint32_t slot = index & XNODE_MASK
    cdef xnode_t *n
    cdef int mark
    if at == 0 or node_at(a, at).slot[slot] == 0:
        return 0
    for mark in range(3):
        xnode_clear_mark(a, root[0], index, mark)
    n = node_mut(a, at)
    put_slot(a, n, slot, 0, False, ops)
    prune(a, root, at, ops)
    return 0


cdef int xnode_set(arena_t *a, idx_t *root, uint64_t index, uint32_t value, const xnode_ops_t *ops) noexcept nogil:
    cdef xnode_t *n
    cdef idx_t at
    cdef idx_t below
    cdef uint32_t slot
    cdef int err
    if value == 0:
        return erase(a, root, index, ops)
    err = grow(a, root, index, ops)
    if err:
        if root[0]:
            shrink(a, root, ops)
        return err
    at = root[0]
    while True:
        n = node_at(a, at)
        slot = index >> n.shift & XNODE_MASK
        if n.shift == 0:
            break
        below = child_of(a, n, slot)
        if below == 0 and n.slot[slot]:
            return -ENOMEM  # a.err is set
        if below == 0:
            below = node_new(a, n.shift - XNODE_BITS, at, slot, False, ops)
            if below == 0:
                prune(a, root, at, ops)
                return -ENOMEM
            n = node_mut(a, at)
            n.slot[slot] = below
            n.count += 1
        at = below
    n = node_mut(a, at)
    put_slot(a, n, slot, value, False, ops)
    return 0


cdef void xnode_set_shadow(arena_t *a, idx_t *root, uint64_t index, uint32_t shadow, const xnode_ops_t *ops) noexcept nogil:
    cdef idx_t at = leaf_of(a, root[0], index)
    cdef xnode_t *n
    if shadow == 0 or at == 0 or node_at(a, at).slot[index & XNODE_MASK] == 0:
        xnode_set(a, root, index, 0, ops)
        return
    n = node_mut(a, at)
    put_slot(a, n, index & XNODE_MASK, shadow, True, ops)


cdef uint32_t xnode_get_shadow(arena_t *a, idx_t root, uint64_t index) noexcept nogil:
    cdef idx_t at = leaf_of(a, root, index)
    cdef const xnode_t *n
    if at == 0:
        return 0
    n = node_at(a, at)
    return n.slot[index & XNODE_MASK] if n.mark_shadow >> (index & XNODE_MASK) & 1 else 0


cdef void xnode_clear_shadows(arena_t *a, idx_t *root, uint64_t first, uint64_t last, const xnode_ops_t *ops) noexcept nogil:
    """Of a range; all other slots keep what they have."""
    cdef uint64_t index = first
    while next_in(a, root[0], &index, last, ANY_SLOT):
        if xnode_get_shadow(a, root[0], index):
            erase(a, root, index, ops)
        if index == last:
            return
        index += 1


cdef inline uint64_t unwanted(const xnode_t *n, int mark) noexcept nogil:
    """Slots that do not qualify though something is in them: of a leaf, for what lies below an interior node's is not known yet."""
    if n.shift or mark == ANY_SLOT:
        return 0
    return n.mark_shadow if mark == ANY_VALUE else ~n.mark_shadow


cdef uint32_t next_in(arena_t *a, idx_t root, uint64_t *index, uint64_t last, int mark) noexcept nogil:
    """First value at or after *index with the mark (ANY_VALUE, ANY_SHADOW, or ANY_SLOT, both): down while a slot qualifies, else on to the next slot or up."""
    cdef idx_t at = root
    cdef uint64_t i = index[0]
    cdef uint64_t mask, steps = 0
    cdef uint32_t slot
    cdef xnode_t *n
    if root == 0 or i > last or not node_spans(node_at(a, root), i):
        return 0
    while True:
        steps += 1
        if steps > <uint64_t>a.pool[POOL_XNODE].count * (MAX_HEIGHT + 2):
            arena_fail(a, ARENA_LOOP, POOL_XNODE, at)
            return 0
        n = node_at(a, at)
        slot = i >> n.shift & XNODE_MASK
        if mark >= 0:
            mask = node_marks(n, mark)[0] >> slot
            slot = slot + lowest_bit(mask) if mask else XNODE_SLOTS
        else:
            mask = unwanted(n, mark)
            while slot < XNODE_SLOTS and (n.slot[slot] == 0 or mask >> slot & 1):
                slot += 1
        if slot > (i >> n.shift & XNODE_MASK):  # moved on: the offset below starts at 0
            i = (i >> n.shift >> XNODE_BITS << XNODE_BITS) + slot << n.shift
            if i > last or i < index[0]:
                return 0
        if slot < XNODE_SLOTS:
            if n.shift == 0:
                if i > last:
                    return 0
                index[0] = i
                return n.slot[slot]
            at = child_of(a, n, slot)
            if at == 0:
                return 0
            continue
        if n.parent == 0 or not node_spans(node_at(a, root), i):
            return 0
        at = root  # i is the first index after this node


cdef uint32_t xnode_next(arena_t *a, idx_t root, uint64_t *index, uint64_t last) noexcept nogil:
    return next_in(a, root, index, last, ANY_VALUE)


cdef uint32_t xnode_next_shadow(arena_t *a, idx_t root, uint64_t *index, uint64_t last) noexcept nogil:
    return next_in(a, root, index, last, ANY_SHADOW)


cdef uint32_t xnode_next_marked(arena_t *a, idx_t root, uint64_t *index, uint64_t last, int mark) noexcept nogil:
    return next_in(a, root, index, last, mark)


cdef void xnode_set_mark(arena_t *a, idx_t root, uint64_t index, int mark) noexcept nogil:
    cdef idx_t at = leaf_of(a, root, index)
    cdef uint64_t bit
    cdef uint64_t *marks
    if at == 0 or node_at(a, at).slot[index & XNODE_MASK] == 0:
        return
    while at:
        bit = <uint64_t>1 << (index >> node_at(a, at).shift & XNODE_MASK)
        if node_marks(node_at(a, at), mark)[0] & bit:
            return  # then all above have it
        marks = node_marks(node_mut(a, at), mark)
        marks[0] |= bit
        at = node_at(a, at).parent


cdef void xnode_clear_mark(arena_t *a, idx_t root, uint64_t index, int mark) noexcept nogil:
    cdef idx_t at = leaf_of(a, root, index)
    cdef uint64_t bit
    cdef uint64_t *marks
    while at:
        bit = <uint64_t>1 << (index >> node_at(a, at).shift & XNODE_MASK)
        if not node_marks(node_at(a, at), mark)[0] & bit:
            return
        marks = node_marks(node_mut(a, at), mark)
        marks[0] &= ~bit
        if marks[0]:
            return  # something else below the parent's slot still has it
        at = node_at(a, at).parent


cdef bint xnode_has_mark(arena_t *a, idx_t root, uint64_t index, int mark) noexcept nogil:
    cdef idx_t at = leaf_of(a, root, index)
    if at == 0:
        return False
    return node_marks(node_at(a, at), mark)[0] >> (index & XNODE_MASK) & 1


cdef bint xnode_any_mark(arena_t *a, idx_t root, int mark) noexcept nogil:
    return root != 0 and node_marks(node_at(a, root), mark)[0] != 0


cdef void xnode_free_all(arena_t *a, idx_t *root, const xnode_ops_t *ops) noexcept nogil:
    """Depth first without recursion: down the first child, free a node that has none left, go on with its parent."""
    cdef idx_t at = root[0]
    cdef idx_t parent
    cdef uint32_t slot
    cdef uint64_t steps = 0
    cdef xnode_t *n
    while at:
        n = node_mut(a, at)
        slot = XNODE_SLOTS
        if n.shift:
            slot = 0
            while slot < XNODE_SLOTS and n.slot[slot] == 0:
                slot += 1
        if slot < XNODE_SLOTS:
            parent = at
            at = n.slot[slot]
            n.slot[slot] = 0
        else:
            parent = n.parent
            node_free(a, at, ops)
            at = parent
        steps += 1
        if steps > <uint64_t>a.pool[POOL_XNODE].count * (MAX_HEIGHT + 2):
            arena_fail(a, ARENA_LOOP, POOL_XNODE, at)
            break
    root[0] = 0
