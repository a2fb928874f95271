"""khugepaged's list of address spaces, and its cursor on it.

    list      mm 3 -> mm 5 -> mm 9      in the order of their coming; a space comes when an area of it may have huge pages
    cursor    mm 5, 0x7f0000200000      what is before it has been looked at in this round
A space comes at a fault that could give it a huge page, with MADV_HUGEPAGE, when areas merge, when shared memory is mapped, and with fork from one
that is on the list. It goes when it ends, but for the one under the cursor: its place stays until khugepaged comes by.
Counterpart: Linux v6.18 mm/khugepaged.c:__khugepaged_enter(), __khugepaged_exit(), start_stop_khugepaged(), set_recommended_min_free_kbytes().
# Deviation: the space under the cursor gives its mm_struct and top table back at once.
Invariants (fsck_space): the list is linked both ways and holds the spaces with MMF_VM_HUGEPAGE; the cursor is one of them.
"""

from libc.stdio cimport snprintf

from vmtool.mm.arena cimport file_at, inode_at, mm_at, mm_mut, vma_at
from vmtool.mm.frame cimport calculate_min_free_kbytes, recommended_min_free_kbytes, setup_per_zone_wmarks
from vmtool.mm.large_folio cimport has_pmd_thp, hpage_pmd_nr, hpage_pmd_size
from vmtool.mm.printk cimport printk
from vmtool.mm.shmem cimport shmem_allowable_huge_orders
from vmtool.mm.slab cimport CACHE_MM_SLOT, kmem_cache_alloc, kmem_cache_free
from vmtool.mm.thp cimport thp_vma_suitable, thp_disabled, thp_orders_mask
from vmtool.mm.vma cimport VM_SPECIAL


cdef void khugepaged_init(machine_t *m) noexcept nogil:
    cdef uint32_t nr = <uint32_t>1 << m.arch.pmd_order
    m.khugepaged.known = 1
    m.khugepaged.defrag = 1
    m.khugepaged.pages_to_scan = nr * 8
    m.khugepaged.scan_sleep_millisecs = 10000
    m.khugepaged.alloc_sleep_millisecs = 60000
    m.khugepaged.max_ptes_none = nr - 1
    m.khugepaged.max_ptes_swap = nr // 8
    m.khugepaged.max_ptes_shared = nr // 2
    m.huge_shmem_orders[SHMEM_ORDERS_INHERIT] = 1 << m.arch.pmd_order


cdef bint hugepage_pmd_enabled(arena_t *a) noexcept nogil:
    cdef uint32_t orders
    if not has_pmd_thp(&a.m.arch):
        return False
    if (a.m.thp_orders_always | a.m.thp_orders_madvise | (a.m.thp_orders_inherit if a.m.thp_enabled else 0)) >> a.m.arch.pmd_order & 1:
        return True
    if a.m.shmem_huge == SHMEM_HUGE_DENY:
        return False
    orders = a.m.huge_shmem_orders[SHMEM_ORDERS_ALWAYS] | a.m.huge_shmem_orders[SHMEM_ORDERS_WITHIN_SIZE] | a.m.huge_shmem_orders[SHMEM_ORDERS_ADVISE]
    if a.m.shmem_huge != SHMEM_HUGE_NEVER:
        orders |= a.m.huge_shmem_orders[SHMEM_ORDERS_INHERIT]
    return orders >> a.m.arch.pmd_order & 1


cdef bint allowed_by_mode(arena_t *a, uint64_t vm_flags) noexcept nogil:
    return thp_orders_mask(a, vm_flags) >> a.m.arch.pmd_order & 1


cdef inline bint has_room(arena_t *a, const vma_t *v) noexcept nogil:
    """The last aligned 2M lie in the area, and in the file as they lie in it."""
    if v.vm_file and ((v.vm_start >> a.m.arch.page_shift) - v.vm_pgoff) & (hpage_pmd_nr(a) - 1):
        return False
    return v.vm_end >= hpage_pmd_size(a) and thp_vma_suitable(a, v, v.vm_end - hpage_pmd_size(a))


cdef bint thp_vma_allowable_pmd(arena_t *a, const vma_t *v, uint64_t vm_flags, int type) noexcept nogil:
    """Files on a disk never: CONFIG_READ_ONLY_THP_FOR_FS is off, as in the recorded kernels."""
    if not has_pmd_thp(&a.m.arch) or v.kind != VMA_PLAIN:
        return False
    if v.vm_file == 0 and type == TVA_KHUGEPAGED and not allowed_by_mode(a, vm_flags):
        return False
    if vm_flags & (VM_SPECIAL | VM_HUGETLB) or thp_disabled(mm_at(a, v.vm_mm), vm_flags, type == TVA_FORCED_COLLAPSE) or not has_room(a, v):
        return False
    if v.vm_file == 0:
        return v.anon_vma != 0
    if inode_at(a, file_at(a, v.vm_file).inode).kind != INODE_SHMEM:
        return False
    return shmem_allowable_huge_orders(a, file_at(a, v.vm_file).inode, v, v.vm_pgoff, 0, type == TVA_FORCED_COLLAPSE) >> a.m.arch.pmd_order & 1


# --- the list --------------------------------------------------------------------------------------------------------


cdef void khugepaged_enter(arena_t *a, idx_t mm) noexcept nogil:
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef mm_t *m = mm_mut(a, mm)
    if m.flags & MMF_VM_HUGEPAGE:
        return
    m.mm_slot_obj = kmem_cache_alloc(a, CACHE_MM_SLOT)
    if m.mm_slot_obj == 0:
        return
    m.flags |= MMF_VM_HUGEPAGE
    m.mm_slot_next = 0
    m.mm_slot_prev = k.mm_tail
    if k.mm_tail:
        mm_mut(a, k.mm_tail).mm_slot_next = mm
    else:
        k.mm_head = mm
    k.mm_tail = mm
    if k.is_dead and k.dead_next == 0:
        k.dead_next = mm
    if k.state == KHUGEPAGED_IDLE:
        khugepaged_wake(a)


cdef void khugepaged_enter_vma(arena_t *a, idx_t v, uint64_t vm_flags) noexcept nogil:
    cdef const vma_t *area
    if not hugepage_pmd_enabled(a):
        return
    area = vma_at(a, v)
    if not mm_at(a, area.vm_mm).flags & MMF_VM_HUGEPAGE and thp_vma_allowable_pmd(a, area, vm_flags, TVA_KHUGEPAGED):
        khugepaged_enter(a, area.vm_mm)


cdef void khugepaged_fork(arena_t *a, idx_t mm, idx_t oldmm) noexcept nogil:
    if mm_at(a, oldmm).flags & MMF_VM_HUGEPAGE:
        khugepaged_enter(a, mm)


cdef void khugepaged_exit(arena_t *a, idx_t mm) noexcept nogil:
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef mm_t *m = mm_mut(a, mm)
    if not m.flags & MMF_VM_HUGEPAGE:
        return
    if m.mm_slot_prev:
        mm_mut(a, m.mm_slot_prev).mm_slot_next = m.mm_slot_next
    else:
        k.mm_head = m.mm_slot_next
    if m.mm_slot_next:
        mm_mut(a, m.mm_slot_next).mm_slot_prev = m.mm_slot_prev
    else:
        k.mm_tail = m.mm_slot_prev
    if k.is_dead and k.dead_next == mm:
        k.dead_next = m.mm_slot_next
    if k.mm_slot == mm:
        k.mm_slot = 0
        k.is_dead = 1
        k.dead_next = m.mm_slot_next
    kmem_cache_free(a, CACHE_MM_SLOT, m.mm_slot_obj)
    m.flags &= ~<uint32_t>MMF_VM_HUGEPAGE
    m.mm_slot_next = m.mm_slot_prev = 0
    m.mm_slot_obj = 0


cdef bint khugepaged_next_slot(arena_t *a) noexcept nogil:
    cdef khugepaged_t *k = &a.m.khugepaged
    k.mm_slot = k.dead_next if k.is_dead else mm_at(a, k.mm_slot).mm_slot_next
    k.is_dead = 0
    k.dead_next = 0
    k.address = 0
    return k.mm_slot != 0


# --- waking and stopping -----------------------------------------------------------------------------------------------


cdef void khugepaged_wake(arena_t *a) noexcept nogil:
    """From the middle of a scan it goes on with that; else it begins one."""
    cdef khugepaged_t *k = &a.m.khugepaged
    if k.state == KHUGEPAGED_IDLE:
        k.state = KHUGEPAGED_SLEEPS
    k.due_us = a.m.now_us


cdef void set_recommended_min_free_kbytes(arena_t *a) noexcept nogil:
    """For huge pages more is kept free; without them as much as at boot, but what was written by hand stays if it is more."""
    cdef uint64_t before = a.m.min_free_kbytes, kbytes
    cdef int64_t by_hand = <int64_t>a.m.user_min_free_kbytes - 1
    cdef char text[160]
    if not hugepage_pmd_enabled(a):
        kbytes = calculate_min_free_kbytes(a)
        if <int64_t>kbytes <= by_hand:
            snprintf(text, sizeof(text), "min_free_kbytes is not updated to %llu because user defined value %lld is preferred", <unsigned long long>kbytes,
                     <long long>by_hand)
            printk(a, text)
    else:
        kbytes = recommended_min_free_kbytes(a)
        if kbytes > before and by_hand >= 0:
            snprintf(text, sizeof(text), "khugepaged: raising min_free_kbytes from %llu to %llu to help transparent hugepage allocations",
                     <unsigned long long>before, <unsigned long long>kbytes)
            printk(a, text)
        a.m.min_free_kbytes = max(before, kbytes)
    setup_per_zone_wmarks(a)


cdef void start_stop_khugepaged(arena_t *a) noexcept nogil:
    """The thread ends and forgets its place, or a new one begins with a scan; one that sleeps sleeps on."""
    cdef khugepaged_t *k = &a.m.khugepaged
    if not hugepage_pmd_enabled(a):
        k.state = KHUGEPAGED_IDLE
        k.mm_slot = k.is_dead = k.dead_next = 0
        k.address = 0
    elif k.state != KHUGEPAGED_SLEEPS and k.mm_head:
        khugepaged_wake(a)
    set_recommended_min_free_kbytes(a)


cdef void khugepaged_wake_early(arena_t *a) noexcept nogil:
    if a.m.khugepaged.state != KHUGEPAGED_IDLE:
        khugepaged_wake(a)
