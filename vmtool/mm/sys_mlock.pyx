# cython: language_level=3
"""Locking memory: the flag on areas, the count against the limit, the pages brought in and kept off the reclaimable lists.

Counterpart: Linux v6.18 mm/mlock.c:do_mlock(), apply_vma_lock_flags(), mlock_fixup(), apply_mlockall_flags().
"""

from vmtool.mm.arch cimport level_index, offset_in_page, page_align, page_start
from vmtool.mm.arena cimport frame_at, mm_at, mm_mut, vma_at, vma_mut
from vmtool.mm.frame cimport folio_order, page_folio
from vmtool.mm.large_folio cimport folio_pte_batch
from vmtool.mm.mlock cimport mlock_folio, munlock_folio
from vmtool.mm.mm_acct cimport rlimit
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.populate cimport mm_populate
from vmtool.mm.pte cimport ENTRY_PAGE, pte_class, pte_frame, pte_load, pte_special
from vmtool.mm.swap_lru cimport lru_add_drain
from vmtool.mm.vma cimport VM_LOCKED_MASK, VM_SPECIAL, find_vma, find_vma_prev
from vmtool.mm.vma_merge cimport vma_modify_flags

cdef struct mlock_t:
    bint lock  # or unlock


cdef inline void lock_page(arena_t *a, pfn_t pfn, bint lock) noexcept nogil:
    if lock:
        mlock_folio(a, pfn)
    else:
        munlock_folio(a, pfn)


cdef int mlock_ptes(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    """A large folio once, and it is locked only when entries of the range map all of it (allow_mlock_munlock())."""
    cdef arena_t *a = w.a
    cdef const arch_t *g = &a.m.arch
    cdef const mlock_t *k = <const mlock_t *>w.private
    cdef pte_t e
    cdef pfn_t head
    cdef uint64_t step
    while addr < next:
        e = pte_load(a, table, level_index(g, 0, addr))
        step = 1
        if pte_class(a, e) == ENTRY_PAGE:
            head = page_folio(a, pte_frame(a, e))
            if frame_at(a, head).flags & PG_head:
                step = folio_pte_batch(a, table, level_index(g, 0, addr), e, (next - addr) >> g.page_shift)
            if not k.lock or step == <uint64_t>1 << folio_order(a, head):
                lock_page(a, head, k.lock)
        addr += step << g.page_shift
    return 0


cdef int mlock_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    if not pte_special(w.a, e):
        lock_page(w.a, pte_frame(w.a, e), (<const mlock_t *>w.private).lock)
    return 0


cdef void mlock_vma_pages_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, bint lock) noexcept nogil:
    cdef mlock_t k
    cdef mm_walk_t w
    k.lock = lock
    walk_init(&w, a, mm_mut(a, vma_at(a, v).vm_mm), v, &k)
    w.table = mlock_ptes
    w.leaf = mlock_leaf
    lru_add_drain(a)
    walk_page_range(&w, start, end)
    lru_add_drain(a)


cdef int mlock_fixup(arena_t *a, idx_t mm, idx_t *pprev, idx_t v, vaddr_t start, vaddr_t end, uint64_t newflags) noexcept nogil:
    cdef uint64_t oldflags = vma_at(a, v).vm_flags
    cdef int64_t pages = <int64_t>((end - start) >> a.m.arch.page_shift)
    cdef int err = 0
    if newflags == oldflags or oldflags & VM_SPECIAL:
        pprev[0] = v
        return 0
    v = vma_modify_flags(a, mm, pprev[0], v, start, end, newflags, &err)
    if v == 0:
        return err
    pprev[0] = v
    vma_mut(a, v).vm_flags = newflags | (vma_at(a, v).vm_flags & VM_MAYBE_GUARD)
    if not newflags & VM_LOCKED:
        pages = -pages
    elif oldflags & VM_LOCKED:
        pages = 0
    mm_mut(a, mm).locked_vm += <uint64_t>pages
    if pages:
        mlock_vma_pages_range(a, v, start, end, (newflags & VM_LOCKED) != 0)
    return 0


cdef int apply_vma_lock_flags(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil:
    cdef vaddr_t end = start + length, nstart = start, tmp
    cdef idx_t v, prev
    cdef int err
    if end < start:
        return -EINVAL
    if end == start:
        return 0
    v = find_vma_prev(a, mm, start, &prev)
    if v == 0 or vma_at(a, v).vm_start > start:
        return -ENOMEM
    if start > vma_at(a, v).vm_start:
        prev = v
    tmp = vma_at(a, v).vm_start
    while v and vma_at(a, v).vm_start < end:
        if vma_at(a, v).vm_start != tmp:
            return -ENOMEM
        tmp = vma_at(a, v).vm_end
        if tmp > end:
            tmp = end
        err = mlock_fixup(a, mm, &prev, v, nstart, tmp, (vma_at(a, v).vm_flags & ~<uint64_t>VM_LOCKED_MASK) | flags)
        if err:
            return err
        tmp = vma_at(a, prev).vm_end
        nstart = tmp
        v = vma_at(a, prev).vm_next
    return -ENOMEM if tmp < end else 0


cdef uint64_t count_mlocked(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    """Pages of the range that are locked already: they are not counted twice."""
    cdef idx_t v = find_vma(a, mm, start)
    cdef uint64_t n = 0
    cdef vma_t *area
    cdef vaddr_t lo, hi
    while v and vma_at(a, v).vm_start < end:
        area = vma_at(a, v)
        if area.vm_flags & VM_LOCKED:
            lo = area.vm_start if area.vm_start > start else start
            hi = area.vm_end if area.vm_end < end else end
            n += (hi - lo) >> a.m.arch.page_shift
        v = area.vm_next
    return n


cdef int sys_mlock(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, bint onfault) noexcept nogil:
    cdef uint64_t locked, limit = rlimit(a, RLIMIT_MEMLOCK) >> a.m.arch.page_shift
    cdef int64_t err
    if limit == 0 and rlimit(a, RLIMIT_MEMLOCK) == 0:
        return -EPERM
    length = page_align(&a.m.arch, length + offset_in_page(&a.m.arch, start))
    start = page_start(&a.m.arch, start)
    locked = (length >> a.m.arch.page_shift) + mm_at(a, mm).locked_vm
    if locked > limit and start + length >= start:
        locked -= count_mlocked(a, mm, start, start + length)
    if locked > limit:
        return -ENOMEM
    err = apply_vma_lock_flags(a, mm, start, length, VM_LOCKED_MASK if onfault else VM_LOCKED)
    if err:
        return <int>err
    err = mm_populate(a, mm, start, length, False)
    if err == -EFAULT:
        return -ENOMEM
    return -EAGAIN if err == -ENOMEM else <int>err


cdef int sys_munlock(arena_t *a, idx_t mm, vaddr_t start, uint64_t length) noexcept nogil:
    length = page_align(&a.m.arch, length + offset_in_page(&a.m.arch, start))
    return apply_vma_lock_flags(a, mm, page_start(&a.m.arch, start), length, 0)


cdef void apply_mlockall_flags(arena_t *a, idx_t mm, uint64_t flags) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t to_add = 0
    cdef idx_t v, prev = 0
    m.def_flags &= ~<uint64_t>VM_LOCKED_MASK
    if flags & MCL_FUTURE:
        m.def_flags |= VM_LOCKED_MASK if flags & MCL_ONFAULT else VM_LOCKED
        if not flags & MCL_CURRENT:
            return
    if flags & MCL_CURRENT:
        to_add = VM_LOCKED_MASK if flags & MCL_ONFAULT else VM_LOCKED
    v = m.vma_first
    while v:
        if mlock_fixup(a, mm, &prev, v, vma_at(a, v).vm_start, vma_at(a, v).vm_end,
                       (vma_at(a, v).vm_flags & ~<uint64_t>VM_LOCKED_MASK) | to_add) < 0:
            prev = v  # errors of single areas do not count
        v = vma_at(a, prev).vm_next


cdef int sys_mlockall(arena_t *a, idx_t mm, uint64_t flags) noexcept nogil:
    if flags == 0 or flags & ~<uint64_t>(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        return -EINVAL
    if rlimit(a, RLIMIT_MEMLOCK) == 0:
        return -EPERM
    if flags & MCL_CURRENT and mm_at(a, mm).total_vm > rlimit(a, RLIMIT_MEMLOCK) >> a.m.arch.page_shift:
        return -ENOMEM
    apply_mlockall_flags(a, mm, flags)
    if flags & MCL_CURRENT:
        mm_populate(a, mm, 0, mm_at(a, mm).task_size, True)
    return 0


cdef int sys_munlockall(arena_t *a, idx_t mm) noexcept nogil:
    apply_mlockall_flags(a, mm, 0)
    return 0
