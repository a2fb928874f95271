# cython: language_level=3
"""When two areas become one, and one two.

    AAAA....BBBB   a new range between two areas that allow it: one area (both), or it joins A or B
    AAAA****BBBB   the middle changes flags: joins A, B, or both; when only a part of it does, the border moves
Two areas may be joined when flags, file, offset and name agree and their anon_vmas do: equal, or one missing and the other's chain
not inherited from a parent. Counterpart: Linux v6.18 mm/vma.c:vma_merge_new_range(), vma_merge_existing_range(),
vma_modify(), __split_vma(), dup_anon_vma().
Simplified: no userfaultfd, no memory policies (one node), allocation does not fail half way.
"""

from vmtool.mm.hstate cimport vma_kernel_pagesize
from vmtool.mm.arena cimport vma_at, vma_mut, mm_at
from vmtool.mm.names cimport name_free
from vmtool.mm.vma_iter cimport vma_iter_prealloc, vma_iter_store
from vmtool.mm.mm_slot cimport khugepaged_enter_vma
from vmtool.mm.pagecache cimport fget, fput, name_free, name_read, name_store
from vmtool.mm.rmap cimport anon_vma_chain_is_singular, anon_vma_clone, unlink_anon_vmas, vm_area_dup, vm_area_free, vma_file_link, vma_file_unlink
from vmtool.mm.thp cimport vma_adjust_trans_huge
from vmtool.mm.trace cimport TR_VMA_EXPAND, TR_VMA_MERGE, TR_VMA_SPLIT, trace2, trace3
from vmtool.mm.vma cimport VM_SPECIAL, vma_link, vma_set_range, vma_unlink
from libc.string cimport memcmp, memset

cdef enum:
    VM_STICKY = VM_MAYBE_GUARD
    VM_MERGED_OVER = VM_STICKY | VM_SOFTDIRTY  # areas that differ in these alone are joined


cdef void vmg_init(arena_t *a, vmg_t *g, idx_t mm, vaddr_t start, vaddr_t end, uint64_t vm_flags, uint64_t pgoff) noexcept nogil:
    memset(g, 0, sizeof(vmg_t))
    g.mm = mm
    g.start = start
    g.end = end
    g.vm_flags = vm_flags
    g.pgoff = pgoff


cdef void vmg_from_vma(arena_t *a, vmg_t *g, idx_t mm, idx_t prev, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    """As if the range start..end had all of v's attributes."""
    cdef vma_t *area = vma_at(a, v)
    vmg_init(a, g, mm, start, end, area.vm_flags, area.vm_pgoff + ((start - area.vm_start) >> a.m.arch.page_shift))
    g.prev = prev
    g.middle = v
    g.vm_file = area.vm_file
    g.anon_vma = area.anon_vma
    g.anon_name = area.anon_name
    g.kind = area.kind


cdef bint names_equal(arena_t *a, idx_t x, idx_t y) noexcept nogil:
    cdef char tx[256]
    cdef char ty[256]
    cdef uint32_t n
    if x == y:
        return True
    if x == 0 or y == 0:
        return False
    n = name_read(a, x, tx, 256)
    return n == name_read(a, y, ty, 256) and memcmp(tx, ty, n) == 0


cdef bint is_mergeable_vma(arena_t *a, const vmg_t *g, const vma_t *t) noexcept nogil:
    """Attributes agree; a flag that sticks to the merged area (guard markers) need not, nor soft-dirty: the area that grows keeps its own."""
    return (((t.vm_flags ^ g.vm_flags) & ~<uint64_t>VM_MERGED_OVER) == 0 and t.vm_file == g.vm_file and t.kind == g.kind and names_equal(a, t.anon_name, g.anon_name))


cdef bint had_uncowed_parents(arena_t *a, idx_t v) noexcept nogil:
    return v != 0 and vma_at(a, v).anon_vma != 0 and not anon_vma_chain_is_singular(a, vma_at(a, v))


cdef bint is_mergeable_anon_vma(arena_t *a, const vmg_t *g, const vma_t *t) noexcept nogil:
    """Joining may make one side share the other's anon_vma, but not one inherited from a parent; the area that mremap() moves is a side too."""
    if t.anon_vma == 0 and g.anon_vma:
        return not had_uncowed_parents(a, g.middle) and not had_uncowed_parents(a, g.copied_from)
    if t.anon_vma and g.anon_vma == 0:
        return anon_vma_chain_is_singular(a, t)
    return t.anon_vma == g.anon_vma


cdef bint can_merge_left(arena_t *a, const vmg_t *g) noexcept nogil:
    cdef vma_t *p
    if g.prev == 0:
        return False
    p = vma_at(a, g.prev)
    return (p.vm_end == g.start and is_mergeable_vma(a, g, p) and is_mergeable_anon_vma(a, g, p)
            and p.vm_pgoff + ((p.vm_end - p.vm_start) >> a.m.arch.page_shift) == g.pgoff)


cdef bint can_merge_right(arena_t *a, const vmg_t *g, bint left_too) noexcept nogil:
    cdef vma_t *n
    cdef vma_t *p
    if g.next == 0:
        return False
    n = vma_at(a, g.next)
    if not (n.vm_start == g.end and is_mergeable_vma(a, g, n) and is_mergeable_anon_vma(a, g, n)
            and n.vm_pgoff == g.pgoff + ((g.end - g.start) >> a.m.arch.page_shift)):
        return False
    if not left_too:
        return True
    # Each side agrees with the range; they must also agree with each other.
    p = vma_at(a, g.prev)
    return p.anon_vma == 0 or n.anon_vma == 0 or p.anon_vma == n.anon_vma


cdef int dup_anon_vma(arena_t *a, idx_t dst, idx_t src) noexcept nogil:
    """The area that grows takes over the anon_vma of the pages that come with the range."""
    cdef idx_t av = vma_at(a, src).anon_vma
    if av and vma_at(a, dst).anon_vma == 0:
        vma_mut(a, dst).anon_vma = av
        if anon_vma_clone(a, dst, src) < 0:
            return -ENOMEM
    return 0


cdef void remove_vma(arena_t *a, idx_t mm, idx_t v) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    vma_unlink(a, mm, v)
    unlink_anon_vmas(a, v)
    if area.vm_file:
        vma_file_unlink(a, v)
        fput(a, area.vm_file)
    if area.anon_name:
        name_free(a, area.anon_name)
    vm_area_free(a, v)


cdef idx_t vma_merge_new_range(arena_t *a, vmg_t *g) noexcept nogil:
    cdef bint left, right
    cdef uint64_t sticky = g.vm_flags & VM_STICKY
    cdef vaddr_t start = g.start, end = g.end
    cdef uint64_t pgoff = g.pgoff
    cdef idx_t target = 0
    if g.vm_flags & VM_SPECIAL or (g.prev == 0 and g.next == 0):
        return 0
    left = can_merge_left(a, g)
    right = not g.just_expand and can_merge_right(a, g, left)
    if right:
        end = vma_at(a, g.next).vm_end
        target = g.next
    if left:
        start = vma_at(a, g.prev).vm_start
        pgoff = vma_at(a, g.prev).vm_pgoff
        target = g.prev
    if target == 0:
        return 0
    g.err = vma_iter_prealloc(a, g.mm)
    if g.err == 0 and left and right:
        g.err = dup_anon_vma(a, g.prev, g.next)
    if g.err == 0 and g.copied_from:
        g.err = dup_anon_vma(a, target, g.copied_from)
    if g.err:
        return 0
    if left and right:
        sticky |= vma_at(a, g.next).vm_flags & VM_STICKY
        remove_vma(a, g.mm, g.next)
        trace2(a, TR_VMA_MERGE, start, end)
    else:
        trace2(a, TR_VMA_EXPAND, start, end)
    vma_mut(a, target).vm_flags |= sticky
    vma_set_range(a, g.mm, target, start, end, pgoff)
    vma_iter_store(a, g.mm, target)
    khugepaged_enter_vma(a, target, g.vm_flags)
    g.target = target
    return target


cdef idx_t merge_existing_range(arena_t *a, vmg_t *g) noexcept nogil:
    """The range (all or one side of g.middle) joins a neighbour that already has the wanted attributes, or 0."""
    cdef vma_t *m = vma_at(a, g.middle)
    cdef vaddr_t m_start = m.vm_start, m_end = m.vm_end
    cdef uint64_t m_pgoff = m.vm_pgoff, n_pgoff, sticky
    cdef bint left_side = g.start == m_start
    cdef bint right_side = g.end == m_end
    cdef bint left, right = False
    cdef idx_t target
    cdef vma_t *t
    if g.vm_flags & VM_SPECIAL or not (left_side or right_side):
        return 0
    left = left_side and can_merge_left(a, g)
    if right_side:
        g.next = m.vm_next
        right = can_merge_right(a, g, left)
    if not left and not right:
        return 0
    g.err = vma_iter_prealloc(a, g.mm)
    if g.err:
        return 0
    sticky = g.vm_flags & VM_STICKY
    target = g.prev if left else g.next
    g.err = dup_anon_vma(a, target, g.next if left and right and vma_at(a, g.next).anon_vma else g.middle)
    if g.err:
        return 0
    g.target = target
    t = vma_at(a, target)
    if left and right:
        sticky |= vma_at(a, g.next).vm_flags & VM_STICKY
        m_end = vma_at(a, g.next).vm_end
        remove_vma(a, g.mm, g.middle)
        remove_vma(a, g.mm, g.next)
        vma_set_range(a, g.mm, target, t.vm_start, m_end, t.vm_pgoff)
    elif left:
        if right_side:
            remove_vma(a, g.mm, g.middle)
        else:
            vma_adjust_trans_huge(a, g.middle, g.end)
            vma_set_range(a, g.mm, g.middle, g.end, m_end, m_pgoff + ((g.end - m_start) >> a.m.arch.page_shift))
        vma_set_range(a, g.mm, target, t.vm_start, g.end, t.vm_pgoff)
    else:
        n_pgoff = t.vm_pgoff - ((g.end - g.start) >> a.m.arch.page_shift)
        if left_side:
            remove_vma(a, g.mm, g.middle)
        else:
            vma_adjust_trans_huge(a, g.middle, g.start)
            vma_set_range(a, g.mm, g.middle, m_start, g.start, m_pgoff)
        vma_set_range(a, g.mm, target, g.start, t.vm_end, n_pgoff)
    vma_iter_store(a, g.mm, g.target)
    vma_mut(a, g.target).vm_flags |= sticky
    khugepaged_enter_vma(a, g.target, g.vm_flags)
    trace2(a, TR_VMA_MERGE, vma_at(a, g.target).vm_start, vma_at(a, g.target).vm_end)
    return g.target


cdef int split_vma_nocheck(arena_t *a, idx_t mm, idx_t v, vaddr_t addr) noexcept nogil:
    cdef idx_t n
    cdef vma_t *area
    cdef vma_t *upper
    cdef char text[256]
    if vma_at(a, v).kind != VMA_PLAIN:
        return -EINVAL  # special_mapping_split()
    if vma_at(a, v).vm_flags & VM_HUGETLB and addr & (vma_kernel_pagesize(a, v) - 1):
        return -EINVAL  # hugetlb_vm_op_split()
    n = vm_area_dup(a, v) if vma_iter_prealloc(a, mm) == 0 else 0
    if n == 0:
        return -ENOMEM
    area = vma_mut(a, v)
    upper = vma_mut(a, n)
    upper.vm_start = addr
    upper.vm_pgoff += (addr - area.vm_start) >> a.m.arch.page_shift
    if anon_vma_clone(a, n, v) < 0:
        vm_area_free(a, n)
        return -ENOMEM
    # A split piece keeps the very anon_vma, it does not look for one to reuse.
    if area.anon_name:
        upper.anon_name = name_store(a, text, name_read(a, area.anon_name, text, 256))
    if upper.vm_file:
        fget(a, upper.vm_file)
        vma_file_link(a, n)
    vma_adjust_trans_huge(a, v, addr)
    trace3(a, TR_VMA_SPLIT, area.vm_start, addr, area.vm_end)
    vma_set_range(a, mm, v, area.vm_start, addr, area.vm_pgoff)
    vma_link(a, mm, n)
    vma_iter_store(a, mm, n)
    return 0


cdef int split_vma(arena_t *a, idx_t mm, idx_t v, vaddr_t addr) noexcept nogil:
    if mm_at(a, mm).map_count >= a.m.max_map_count:
        return -ENOMEM
    return split_vma_nocheck(a, mm, v, addr)


cdef idx_t vma_modify(arena_t *a, vmg_t *g) noexcept nogil:
    cdef idx_t v = g.middle
    cdef idx_t merged = merge_existing_range(a, g)
    if merged or g.err:
        return merged
    if vma_at(a, v).vm_start < g.start:
        g.err = split_vma(a, g.mm, v, g.start)
        if g.err:
            return 0
        v = vma_at(a, v).vm_next
    if vma_at(a, v).vm_end > g.end:
        g.err = split_vma(a, g.mm, v, g.end)
        if g.err:
            return 0
    return v


cdef idx_t vma_modify_flags(arena_t *a, idx_t mm, idx_t prev, idx_t v, vaddr_t start, vaddr_t end, uint64_t vm_flags, int *err) noexcept nogil:
    cdef vmg_t g
    cdef idx_t n
    vmg_from_vma(a, &g, mm, prev, v, start, end)
    g.vm_flags = vm_flags
    n = vma_modify(a, &g)
    err[0] = g.err
    return n
