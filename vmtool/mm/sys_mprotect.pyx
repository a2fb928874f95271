# cython: language_level=3
"""mprotect(), pkey_mprotect(): flags of areas, then the entries that are there.

    PTE 0x7000 -> pfn 9, writable    mprotect r     PTE 0x7000 -> pfn 9, read-only
    and back to rw: writable at once when the page is dirty and exclusive (can_change_pte_writable), else at the next write fault
A failure half way keeps what was done before it. Counterpart: Linux v6.18 mm/mprotect.c:do_mprotect_pkey(), mprotect_fixup(),
change_pte_range().
"""

from vmtool.mm.arena cimport file_at, frame_at, inode_at, mm_mut, task_at, vma_at, vma_mut
from vmtool.mm.arch cimport level_index, level_size, offset_in_page, page_align, pages_in
from vmtool.mm.frame cimport mm_counter
from vmtool.mm.large_folio cimport FPB_RESPECT_WRITE, MTHP_STAT_NR_ANON, folio_pte_batch_flags
from vmtool.mm.mm_acct cimport may_expand_vm, vm_enough_memory, vm_stat_account, vm_unacct_memory
from vmtool.mm.hugetlb cimport protect_hugetlb
from vmtool.mm.pagewalk cimport WALK_AGAIN, mm_walk_t, walk_init, walk_page_range
from vmtool.mm.mmu_context cimport mmu_gather_t, tlb_finish_mmu, tlb_flush_entries, tlb_gather_mmu
from vmtool.mm.pkeys cimport VM_PKEY_MASK, VM_SEALED, mm_pkey_is_allocated, mprotect_pkey, pkey_vm_flags
from vmtool.mm.populate cimport populate_vma_page_range
from vmtool.mm.pte cimport *
from vmtool.mm.thp cimport split_huge_pmd
from vmtool.mm.thp_fault cimport change_huge_pmd
from vmtool.mm.vma cimport find_vma_prev, vma_is_anonymous, vma_soft_dirty_enabled
from vmtool.mm.vma_merge cimport vma_modify_flags


cdef pte_t make_readable_migration(arena_t *a, pte_t e) noexcept nogil:
    """A page on its way that was writable: exclusive still when it is an anonymous one."""
    cdef swp_entry_t entry = pte_to_swp_entry(a, e)
    if swp_type(entry) != SWP_MIGRATION_WRITE:
        return e
    return pte_swp_copy_soft_dirty(a, swp_entry_to_pte(a, swp_entry(
        SWP_MIGRATION_READ_EXCLUSIVE if mm_counter(a, swp_offset_pfn(entry)) == MM_ANONPAGES else SWP_MIGRATION_READ, swp_offset(entry))), e)

cdef struct change_t:  # what the entries of an area become
    pte_t kept  # pte_modify(): these bits stay
    pte_t bits  # and these are set; with the right to write where vm_page_prot itself has it
    bint manual  # wants_upgrade()
    bint upgrade  # the right to write comes back where no fault is needed for it
    bint shared
    bint large  # entries may map pages of large folios, which are changed together
    uint64_t vm_flags


cdef inline bint is_shared_memory(arena_t *a, const vma_t *area) noexcept nogil:
    return area.vm_flags & VM_SHARED and area.vm_file and inode_at(a, file_at(a, area.vm_file).inode).kind == INODE_SHMEM


cdef bint has_large_anon(arena_t *a) noexcept nogil:
    cdef uint32_t order
    for order in range(1, NR_MTHP_ORDERS):
        if a.m.mthp_stat[order][MTHP_STAT_NR_ANON]:
            return True
    return False


cdef void change_init(change_t *k, arena_t *a, const vma_t *area, bint upgrade) noexcept nogil:
    cdef bint always = area.vm_flags & VM_WRITE and is_shared_memory(a, area) and not vma_soft_dirty_enabled(a, area.vm_flags)
    k.kept = pte_chg_mask(&a.m.arch)
    k.bits = pte_modify(a, 0, area.vm_flags) | (pte_mkwrite(a, 0) if always else 0)
    k.manual = upgrade
    k.upgrade = upgrade and not always
    k.shared = area.vm_flags & VM_SHARED != 0
    k.large = area.vm_file != 0 or has_large_anon(a)
    k.vm_flags = area.vm_flags


cdef inline pte_t change_pte(arena_t *a, const change_t *k, pte_t e) noexcept nogil:
    """can_change_pte_writable() for those that may be written to again."""
    cdef uint32_t what = pte_class(a, e)
    cdef pte_t n
    if what == ENTRY_MIGRATION:
        return make_readable_migration(a, e)  # a protection check happens when it arrives
    if what != ENTRY_PAGE and what != ENTRY_SPECIAL:
        return e
    n = (e & k.kept) | k.bits
    if not k.upgrade or what == ENTRY_SPECIAL or pte_needs_soft_dirty_wp(a, n, k.vm_flags):
        return n
    if k.shared:
        return pte_mkwrite(a, n) if pte_dirty(a, e) else n
    return pte_mkwrite(a, n) if frame_at(a, pte_frame(a, e)).flags & PG_anon_exclusive else n


cdef uint32_t large_batch(arena_t *a, pfn_t table, uint32_t index, pte_t e, uint32_t max_nr, pte_t *used) noexcept nogil:
    """Entries in a row that map a large folio: what one knows of its use, all know afterwards (modify_prot_start_ptes())."""
    cdef uint32_t n = folio_pte_batch_flags(a, table, index, e, max_nr, FPB_RESPECT_WRITE), i
    for i in range(index, index + n):
        used[0] |= pte_load(a, table, i) & (a.m.arch.accessed | a.m.arch.dirty)
    return n


cdef int change_pte_range(mm_walk_t *w, vaddr_t start, vaddr_t end, pfn_t table) noexcept nogil:
    cdef arena_t *a = w.a
    cdef change_t k = (<const change_t *>w.private)[0]
    cdef bint changed = False, is_plain
    cdef uint32_t i = level_index(&a.m.arch, 0, start), end_index = i + pages_in(&a.m.arch, start, end), batch = 0
    cdef ptes_t ptes
    cdef pte_t e, n, used = 0
    if not ptes_open(a, table, &ptes):
        return 0
    is_plain = a.quick and ptes.wide != NULL and not k.upgrade and not k.large
    while i < end_index:
        e = ptes_load(&ptes, i)
        if k.large and i >= batch:
            used = 0
            if pte_class(a, e) == ENTRY_PAGE and frame_at(a, pte_frame(a, e)).flags & (PG_head | PG_tail):
                batch = i + large_batch(a, table, i, e, end_index - i, &used)
        n = change_pte(a, &k, e | used)
        if n != e:
            if not changed:
                ptes_open_mut(a, table, &ptes)
                changed = True
            ptes_change(&ptes, i, n)
        i += 1
        if changed and is_plain:
            i = ptes_modify(&ptes, i, end_index, k.kept, k.bits)
    return 0


cdef int change_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    if vma_at(w.a, w.v).vm_flags & VM_HUGETLB:
        protect_hugetlb(w.a, w.v, addr)
        return 0
    if next - addr < level_size(&w.a.m.arch, level):
        split_huge_pmd(w.a, w.v, addr)
        return WALK_AGAIN
    change_huge_pmd(w.a, w.v, addr, vma_at(w.a, w.v).vm_flags, (<const change_t *>w.private).manual)
    return 0


cdef void change_protection(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, bint upgrade) noexcept nogil:
    cdef mm_walk_t w
    cdef mmu_gather_t tlb
    cdef change_t k
    change_init(&k, a, vma_at(a, v), upgrade)
    walk_init(&w, a, mm_mut(a, vma_at(a, v).vm_mm), v, &k)
    w.table = change_pte_range
    w.leaf = change_leaf
    walk_page_range(&w, start, end)
    tlb_gather_mmu(&tlb)
    tlb_flush_entries(&tlb, 0, start, end - start)
    tlb_finish_mmu(a, w.mm, &tlb)


cdef int mprotect_fixup(arena_t *a, idx_t mm, idx_t *pprev, idx_t v, vaddr_t start, vaddr_t end, uint64_t newflags) noexcept nogil:
    """One area, or a part of it. *pprev becomes the area that now holds the range."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t oldflags = vma_at(a, v).vm_flags
    cdef int64_t pages = <int64_t>((end - start) >> a.m.arch.page_shift), charged = 0
    cdef int err = 0
    if oldflags & VM_SEALED:
        return -EPERM
    if newflags == oldflags:
        pprev[0] = v
        return 0
    if newflags & VM_WRITE:
        if not may_expand_vm(a, mm, newflags, <uint64_t>pages) and may_expand_vm(a, mm, oldflags, <uint64_t>pages):
            return -ENOMEM
        if not oldflags & (VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE):
            charged = pages
            if vm_enough_memory(a, mm, charged) < 0:
                return -ENOMEM
            newflags |= VM_ACCOUNT
    elif oldflags & VM_ACCOUNT and vma_is_anonymous(vma_at(a, v)) and vma_at(a, v).anon_vma == 0:
        newflags &= ~<uint64_t>VM_ACCOUNT
    v = vma_modify_flags(a, mm, pprev[0], v, start, end, newflags, &err)
    if v == 0:
        vm_unacct_memory(a, charged)
        return err
    pprev[0] = v
    vma_mut(a, v).vm_flags = newflags | (vma_at(a, v).vm_flags & VM_MAYBE_GUARD)
    change_protection(a, v, start, end, wants_upgrade(a, vma_at(a, v)))
    if oldflags & VM_ACCOUNT and not newflags & VM_ACCOUNT:
        vm_unacct_memory(a, pages)
    # A locked private area that becomes writable gets its copies now, not at the first write.
    if (oldflags & (VM_WRITE | VM_SHARED | VM_LOCKED)) == VM_LOCKED and newflags & VM_WRITE:
        populate_vma_page_range(a, v, start, end, 0)
    vm_stat_account(m, oldflags, -pages)
    vm_stat_account(m, newflags, pages)
    return 0


cdef inline bint wants_upgrade(arena_t *a, const vma_t *v) noexcept nogil:
    """vma_wants_manual_pte_write_upgrade(): private writable areas, and shared ones whose writes must be noticed.

    Linux asks before vm_page_prot is the new one. Where only soft-dirty bits want to be told (shared memory), that it is the old one says no.
    """
    if not v.vm_flags & VM_WRITE:
        return False
    return not is_shared_memory(a, v) or not vma_soft_dirty_enabled(a, v.vm_flags)


cdef int sys_mprotect(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t prot, int64_t pkey) noexcept nogil:
    cdef uint64_t grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP), newflags
    cdef vaddr_t end, nstart, tmp
    cdef idx_t v, prev
    cdef int err = 0
    prot &= ~<uint64_t>(PROT_GROWSDOWN | PROT_GROWSUP)
    if grows == PROT_GROWSDOWN | PROT_GROWSUP or offset_in_page(&a.m.arch, start):
        return -EINVAL
    if length == 0:
        return 0
    length = page_align(&a.m.arch, length)
    end = start + length
    if end <= start:
        return -ENOMEM
    if prot & ~<uint64_t>(PROT_READ | PROT_WRITE | PROT_EXEC | 8):
        return -EINVAL
    if pkey != -1 and not mm_pkey_is_allocated(a, mm, pkey):
        return -EINVAL
    v = find_vma_prev(a, mm, start, &prev)
    if v == 0 or vma_at(a, v).vm_start >= end:
        return -ENOMEM
    if grows & PROT_GROWSDOWN:
        start = vma_at(a, v).vm_start
        if not vma_at(a, v).vm_flags & VM_GROWSDOWN:
            return -EINVAL
    elif vma_at(a, v).vm_start > start:
        return -ENOMEM
    elif grows & PROT_GROWSUP:
        return -EINVAL
    if start > vma_at(a, v).vm_start:
        prev = v
    nstart = start
    tmp = vma_at(a, v).vm_start
    while v and vma_at(a, v).vm_start < end:
        if vma_at(a, v).vm_start != tmp:
            return -ENOMEM
        if prot & PROT_READ and vma_at(a, v).vm_flags & VM_MAYEXEC and task_at(a, a.task).personality & READ_IMPLIES_EXEC:
            prot |= PROT_EXEC
        newflags = ((prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) | pkey_vm_flags(mprotect_pkey(a, vma_at(a, v), prot, pkey))
                    | (vma_at(a, v).vm_flags & ~(VM_PKEY_MASK | VM_ACCESS_FLAGS)))
        if (newflags & ~(newflags >> 4)) & VM_ACCESS_FLAGS:
            return -EACCES
        tmp = vma_at(a, v).vm_end
        if tmp > end:
            tmp = end
        err = mprotect_fixup(a, mm, &prev, v, nstart, tmp, newflags)
        if err:
            return err
        # after a merge the area may reach further than the range
        tmp = vma_at(a, prev).vm_end
        nstart = tmp
        v = vma_at(a, prev).vm_next
        if tmp >= end:
            return 0
    return -ENOMEM if tmp < end else 0
