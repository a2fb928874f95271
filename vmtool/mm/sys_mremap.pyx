# cython: language_level=3
"""mremap(): grow in place, shrink, or move an area with its entries.

    VMA 0x7000-0x9000, PTE 0x7000 -> pfn 9        mremap 0x7000 0x2000 0x4000 --maymove
    VMA 0x5000-0x9000? no room: VMA 0x1000-0x5000, PTE 0x1000 -> pfn 9; nothing at 0x7000 (DONTUNMAP: an empty area stays)
An untouched anonymous area is renumbered by its new address and may merge there; a touched one keeps its page offsets.
Since 6.17 a move of several areas at once (same length, FIXED) is allowed. Counterpart: Linux v6.18 mm/mremap.c:do_mremap(),
check_prep_vma(), remap_move(), move_vma(); mm/vma.c:copy_vma(), vma_merge_extend().
"""

from libc.string cimport memset

from vmtool.mm.arena cimport mm_at, mm_mut, vma_at, vma_mut
from vmtool.mm.arch cimport offset_in_page, page_align
from vmtool.mm.hstate cimport vma_kernel_pagesize
from vmtool.mm.hugetlb cimport hugetlb_moved
from vmtool.mm.move_tables cimport move_page_tables
from vmtool.mm.mm_acct cimport may_expand_vm, mlock_future_ok, vm_enough_memory, vm_stat_account, vm_unacct_memory
from vmtool.mm.vma_iter cimport vma_iter_prealloc, vma_iter_store
from vmtool.mm.pagecache cimport fget, name_read, name_store
from vmtool.mm.pkeys cimport VM_SEALED
from vmtool.mm.placement cimport get_unmapped_area, is_err
from vmtool.mm.populate cimport mm_populate
from vmtool.mm.rmap cimport anon_vma_clone, unlink_anon_vmas, vm_area_dup, vm_area_free, vma_file_link
from vmtool.mm.unmap cimport do_munmap
from vmtool.mm.vma cimport VM_LOCKED_MASK, find_vma_intersection, find_vma_prev, vma_is_anonymous, vma_link, vma_lookup
from vmtool.mm.vma_merge cimport vma_merge_new_range, vmg_from_vma, vmg_t

cdef enum:
    REMAP_NO_RESIZE
    REMAP_SHRINK
    REMAP_EXPAND


cdef struct vrm_t:  # struct vma_remap_struct
    idx_t mm
    idx_t vma
    vaddr_t addr
    uint64_t old_len
    uint64_t new_len
    uint64_t flags
    vaddr_t new_addr
    int kind
    uint64_t delta
    bint populate_expand
    int64_t charged


cdef inline bint implies_new_addr(const vrm_t *r) noexcept nogil:
    return (r.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0


cdef int check_params(arena_t *a, const vrm_t *r) noexcept nogil:
    cdef uint64_t task_size = mm_at(a, r.mm).task_size
    if r.flags & ~<uint64_t>(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) or offset_in_page(&a.m.arch, r.addr):
        return -EINVAL
    if r.new_len == 0 or r.new_len > task_size:
        return -EINVAL
    if not implies_new_addr(r):
        return 0
    if r.new_addr > task_size - r.new_len or offset_in_page(&a.m.arch, r.new_addr):
        return -EINVAL
    if not r.flags & MREMAP_MAYMOVE:
        return -EINVAL
    if r.flags & MREMAP_DONTUNMAP and r.old_len != r.new_len:
        return -EINVAL
    if r.addr + r.old_len > r.new_addr and r.new_addr + r.new_len > r.addr:
        return -EINVAL
    if mm_at(a, r.mm).map_count + 2 >= a.m.max_map_count - 3:
        return -ENOMEM
    return 0


cdef bint align_hugetlb(arena_t *a, vrm_t *r) noexcept nogil:
    """Lengths are rounded up to whole huge pages, addresses must be: and it never grows."""
    cdef uint64_t mask = vma_kernel_pagesize(a, r.vma) - 1
    r.old_len = (r.old_len + mask) & ~mask
    r.new_len = (r.new_len + mask) & ~mask
    return (r.addr | r.new_addr) & mask == 0 and r.new_len <= r.old_len


cdef int check_prep_vma(arena_t *a, vrm_t *r) noexcept nogil:
    """Whether this area can do what is asked; fills kind and delta."""
    cdef vma_t *v
    cdef uint64_t old_len, pgoff
    if r.vma == 0:
        return -EFAULT
    v = vma_at(a, r.vma)
    if v.vm_flags & VM_SEALED:
        return -EPERM
    r.charged = 0
    r.populate_expand = False
    if v.vm_flags & VM_HUGETLB and not align_hugetlb(a, r):
        return -EINVAL
    if r.old_len == r.new_len:
        r.kind = REMAP_NO_RESIZE
        r.delta = 0
    elif r.old_len > r.new_len:
        r.kind = REMAP_SHRINK
        r.delta = r.old_len - r.new_len
    else:
        r.kind = REMAP_EXPAND
        r.delta = r.new_len - r.old_len
    if not implies_new_addr(r):
        r.new_addr = r.addr
        if r.kind != REMAP_EXPAND:
            return 0
    old_len = r.old_len
    if old_len == 0 and not v.vm_flags & (VM_SHARED | VM_MAYSHARE):
        return -EINVAL
    if r.flags & MREMAP_DONTUNMAP and v.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
        return -EINVAL
    if r.kind == REMAP_SHRINK:
        old_len = r.new_len
    if old_len > v.vm_end - r.addr:
        return -EFAULT
    if r.new_len == old_len:
        return 0
    if v.vm_flags & VM_LOCKED:
        r.populate_expand = True
    pgoff = ((r.addr - v.vm_start) >> a.m.arch.page_shift) + v.vm_pgoff
    if pgoff + (r.new_len >> a.m.arch.page_shift) < pgoff:
        return -EINVAL
    if v.vm_flags & (VM_DONTEXPAND | VM_PFNMAP):
        return -EFAULT
    if not mlock_future_ok(a, r.mm, v.vm_flags, r.delta):
        return -EAGAIN
    if not may_expand_vm(a, r.mm, v.vm_flags, r.delta >> a.m.arch.page_shift):
        return -ENOMEM
    return 0


cdef bint calc_charge(arena_t *a, vrm_t *r) noexcept nogil:
    """Commit what the operation adds: everything for a copy that leaves the source, else the growth."""
    cdef uint64_t nr_bytes
    if not vma_at(a, r.vma).vm_flags & VM_ACCOUNT:
        return True
    if r.flags & MREMAP_DONTUNMAP or r.old_len == 0:
        nr_bytes = r.new_len
    else:
        nr_bytes = r.new_len - r.old_len if r.new_len > r.old_len else 0
    r.charged = <int64_t>(nr_bytes >> a.m.arch.page_shift)
    return r.charged == 0 or vm_enough_memory(a, r.mm, r.charged) == 0


cdef void stat_account(arena_t *a, const vrm_t *r, uint64_t vm_flags, uint64_t nr_bytes) noexcept nogil:
    cdef mm_t *m = mm_mut(a, r.mm)
    vm_stat_account(m, vm_flags, <int64_t>(nr_bytes >> a.m.arch.page_shift))
    if vm_flags & VM_LOCKED:
        m.locked_vm += nr_bytes >> a.m.arch.page_shift

# --- areas ----------------------------------------------------------------------------------------------------------


cdef idx_t copy_vma(arena_t *a, vrm_t *r) noexcept nogil:
    """The destination area: merged with its neighbours or new. r.vma may change when source and destination merged."""
    cdef idx_t v = r.vma, n
    cdef vma_t *area = vma_at(a, v)
    cdef vaddr_t vma_start = area.vm_start
    cdef vma_t *fresh
    cdef vmg_t g
    cdef uint64_t pgoff = area.vm_pgoff + ((r.addr - area.vm_start) >> a.m.arch.page_shift)
    cdef char text[256]
    if vma_is_anonymous(area) and area.anon_vma == 0:
        pgoff = r.new_addr >> a.m.arch.page_shift
    vmg_from_vma(a, &g, r.mm, 0, v, r.new_addr, r.new_addr + r.new_len)
    g.middle = 0
    g.pgoff = pgoff
    g.next = find_vma_prev(a, r.mm, r.new_addr, &g.prev)
    g.copied_from = v
    n = vma_merge_new_range(a, &g)
    if n:
        if vma_start >= vma_at(a, n).vm_start and vma_start < vma_at(a, n).vm_end:
            r.vma = n
        return n
    n = vm_area_dup(a, v) if vma_iter_prealloc(a, r.mm) == 0 else 0
    if n == 0:
        return 0
    fresh = vma_mut(a, n)
    fresh.vm_start = r.new_addr
    fresh.vm_end = r.new_addr + r.new_len
    fresh.vm_pgoff = pgoff
    if anon_vma_clone(a, n, v) < 0:
        vm_area_free(a, n)
        return 0
    if fresh.anon_name:
        fresh.anon_name = name_store(a, text, name_read(a, fresh.anon_name, text, 256))
    if fresh.vm_file:
        fget(a, fresh.vm_file)
        vma_file_link(a, n)
    vma_link(a, r.mm, n)
    vma_iter_store(a, r.mm, n)
    return n


cdef void unmap_source(arena_t *a, vrm_t *r) noexcept nogil:
    """munmap of the old range, without giving back the charge that moved along; of the new one, with the charge that DONTUNMAP made."""
    cdef vma_t *v = vma_mut(a, r.vma)
    cdef bint accountable = v.vm_flags & VM_ACCOUNT and not r.flags & MREMAP_DONTUNMAP
    cdef vaddr_t vm_start = v.vm_start, vm_end = v.vm_end, end = r.addr + r.old_len
    cdef idx_t next, prev
    if accountable:
        v.vm_flags &= ~<uint64_t>VM_ACCOUNT
    r.vma = 0
    if do_munmap(a, r.mm, r.addr, r.old_len) < 0:  # no memory to split it: the range is at both places, and charged at both
        vm_unacct_memory(a, -<int64_t>(r.old_len >> a.m.arch.page_shift))
        a.m.committed_for_good += (vm_end - vm_start if accountable else r.old_len) >> a.m.arch.page_shift
        return
    if accountable:
        next = find_vma_prev(a, r.mm, r.addr, &prev)
        if vm_start < r.addr and prev:
            vma_mut(a, prev).vm_flags |= VM_ACCOUNT
        if vm_end > end and next:
            vma_mut(a, next).vm_flags |= VM_ACCOUNT


cdef int copy_vma_and_data(arena_t *a, vrm_t *r, idx_t *new) noexcept nogil:
    """0 or -ENOMEM. With *new then, the entries are back, and what is left to unmap is the new area: r names it instead of the old one."""
    cdef uint64_t moved
    cdef idx_t v
    new[0] = copy_vma(a, r)
    if new[0] == 0:
        vm_unacct_memory(a, r.charged)
        return -ENOMEM
    v = r.vma
    moved = move_page_tables(a, v, new[0], r.addr, r.new_addr, r.old_len)
    if moved < r.old_len:
        move_page_tables(a, new[0], v, r.new_addr, r.addr, moved)
        r.vma = new[0]
        r.old_len = r.new_len
        r.addr = r.new_addr
    if vma_at(a, v).vm_flags & VM_HUGETLB and new[0] != v:
        hugetlb_moved(a, v)
    return 0 if r.vma == v else -ENOMEM


cdef uint64_t move_vma(arena_t *a, vrm_t *r) noexcept nogil:
    cdef mm_t *m = mm_mut(a, r.mm)
    cdef uint64_t hiwater, vm_flags
    cdef idx_t n
    cdef vma_t *v
    cdef int err
    if m.map_count >= a.m.max_map_count - 3:
        return <uint64_t>-ENOMEM
    v = vma_at(a, r.vma)
    if v.kind != VMA_PLAIN and (v.vm_start != r.addr or v.vm_end != r.addr + r.old_len):
        return <uint64_t>-EINVAL  # [vdso] and its like move whole or not at all
    if not calc_charge(a, r):
        return <uint64_t>-ENOMEM
    vm_flags = v.vm_flags
    err = copy_vma_and_data(a, r, &n)
    if n == 0:
        return <uint64_t>-ENOMEM
    # total_vm is too high for a moment: its high-water mark must not see that
    hiwater = m.hiwater_vm
    stat_account(a, r, vm_flags, r.new_len)
    if r.flags & MREMAP_DONTUNMAP and not err:
        v = vma_mut(a, r.vma)
        v.vm_flags &= ~<uint64_t>VM_LOCKED_MASK
        if n != r.vma and r.addr == v.vm_start and r.addr + r.old_len == v.vm_end:
            unlink_anon_vmas(a, r.vma)
    else:
        unmap_source(a, r)
    if err and vm_flags & VM_ACCOUNT and not r.flags & MREMAP_DONTUNMAP:
        a.m.committed_for_good += <uint64_t>r.charged  # the growth's: that area is gone, and nobody gives it back
    m.hiwater_vm = hiwater
    return <uint64_t><int64_t>err if err else r.new_addr


cdef int shrink_vma(arena_t *a, vrm_t *r) noexcept nogil:
    cdef int err = do_munmap(a, r.mm, r.addr + r.new_len, r.delta)
    if err == 0:
        r.vma = vma_lookup(a, r.mm, r.addr)
        if r.vma == 0:
            return -EFAULT
    return err


cdef uint64_t set_new_addr(arena_t *a, vrm_t *r) noexcept nogil:
    cdef vma_t *v = vma_at(a, r.vma)
    cdef uint64_t map_flags = 0, found
    if r.flags & MREMAP_FIXED:
        map_flags |= MAP_FIXED
    if v.vm_flags & VM_MAYSHARE:
        map_flags |= MAP_SHARED
    found = get_unmapped_area(a, r.mm, v.vm_file, r.new_addr if implies_new_addr(r) else 0, r.new_len,
                              v.vm_pgoff + ((r.addr - v.vm_start) >> a.m.arch.page_shift), map_flags)
    if not is_err(found):
        r.new_addr = found
    return found


cdef bint expand_in_place(arena_t *a, vrm_t *r) noexcept nogil:
    """The area ends with the range and the room above is free: it grows (and may meet the next area)."""
    cdef vma_t *v = vma_at(a, r.vma)
    cdef vaddr_t end = v.vm_end + r.delta
    cdef uint64_t vm_flags = v.vm_flags
    cdef vmg_t g
    if v.vm_end - r.addr != r.old_len or end < v.vm_end:
        return False
    if find_vma_intersection(a, r.mm, v.vm_end, end):
        return False
    return not is_err(get_unmapped_area(a, r.mm, 0, v.vm_start, end - v.vm_start, 0, MAP_FIXED))


cdef uint64_t expand_vma(arena_t *a, vrm_t *r) noexcept nogil:
    cdef vma_t *v = vma_at(a, r.vma)
    cdef uint64_t found, vm_flags = v.vm_flags
    cdef vmg_t g
    if expand_in_place(a, r):
        if not calc_charge(a, r):
            return <uint64_t>-ENOMEM
        vmg_from_vma(a, &g, r.mm, r.vma, r.vma, v.vm_end, v.vm_end + r.delta)
        g.middle = 0
        g.next = v.vm_next
        if vma_merge_new_range(a, &g) == 0:
            vm_unacct_memory(a, r.charged)
            return <uint64_t>-ENOMEM
        stat_account(a, r, vm_flags, r.delta)
        return r.addr
    if not r.flags & MREMAP_MAYMOVE:
        return <uint64_t>-ENOMEM
    found = set_new_addr(a, r)
    if is_err(found):
        return found
    return move_vma(a, r)


cdef uint64_t mremap_to(arena_t *a, vrm_t *r) noexcept nogil:
    cdef int err
    cdef uint64_t found
    if r.flags & MREMAP_FIXED:
        err = do_munmap(a, r.mm, r.new_addr, r.new_len)
        if err:
            return <uint64_t><int64_t>err
        r.vma = vma_lookup(a, r.mm, r.addr)  # it may have been cut
        if r.vma == 0:
            return <uint64_t>-EFAULT
    if r.kind == REMAP_SHRINK:
        err = shrink_vma(a, r)
        if err:
            return <uint64_t><int64_t>err
        r.old_len = r.new_len
    if r.flags & MREMAP_DONTUNMAP and not may_expand_vm(a, r.mm, vma_at(a, r.vma).vm_flags, r.old_len >> a.m.arch.page_shift):
        return <uint64_t>-ENOMEM
    found = set_new_addr(a, r)
    if is_err(found):
        return found
    return move_vma(a, r)


cdef uint64_t remap_move(arena_t *a, vrm_t *r) noexcept nogil:
    """Every area of the range moves, the gaps between them kept; the first must begin at its start."""
    cdef vaddr_t start = r.addr, end = r.addr + r.old_len, target = r.new_addr, last_end = 0, next_start
    cdef uint64_t res, first = <uint64_t>-EFAULT, offset
    cdef bint seen = False
    cdef idx_t v = find_vma_intersection(a, r.mm, start, end)
    cdef int err
    while v:
        if not seen and start < vma_at(a, v).vm_start:
            return <uint64_t>-EFAULT
        offset = vma_at(a, v).vm_start - last_end if seen else 0
        last_end = vma_at(a, v).vm_end
        r.vma = v
        r.addr = vma_at(a, v).vm_start if vma_at(a, v).vm_start > start else start
        r.old_len = (end if end < last_end else last_end) - r.addr
        r.new_len = r.old_len
        r.new_addr = target + offset
        next_start = r.addr + r.old_len
        err = check_prep_vma(a, r)
        res = <uint64_t><int64_t>err if err else mremap_to(a, r)
        if is_err(res):
            return res
        if not seen:
            first = res
        seen = True
        target = res + r.new_len
        v = find_vma_intersection(a, r.mm, next_start, end) if next_start < end else 0
    return first


cdef uint64_t sys_mremap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t old_len, uint64_t new_len, uint64_t flags, vaddr_t new_addr) noexcept nogil:
    cdef vrm_t r
    cdef uint64_t result
    cdef int err
    memset(&r, 0, sizeof(vrm_t))
    r.mm = mm
    r.addr = addr
    r.old_len = page_align(&a.m.arch, old_len)
    r.new_len = page_align(&a.m.arch, new_len)
    r.flags = flags
    r.new_addr = new_addr
    err = check_params(a, &r)
    if err:
        return <uint64_t><int64_t>err
    if flags & MREMAP_FIXED and r.old_len == r.new_len:
        return remap_move(a, &r)
    r.vma = vma_lookup(a, mm, addr)
    err = check_prep_vma(a, &r)
    if err:
        return <uint64_t><int64_t>err
    if implies_new_addr(&r):
        result = mremap_to(a, &r)
    elif r.kind == REMAP_NO_RESIZE:
        return addr
    elif r.kind == REMAP_SHRINK:
        err = shrink_vma(a, &r)
        return <uint64_t><int64_t>err if err else addr
    else:
        result = expand_vma(a, &r)
    if not is_err(result) and r.populate_expand:
        mm_populate(a, mm, r.new_addr + r.old_len, r.delta, True)
    return result
