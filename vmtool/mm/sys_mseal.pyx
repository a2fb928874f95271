# cython: language_level=3
"""mseal(): areas that can no longer be unmapped, moved, resized, nor given other rights.

    AAAAAAAA    mseal of the middle    AA SSSS AA      then munmap, mprotect, mremap, MAP_FIXED over S: EPERM
Counterpart: Linux v6.18 mm/mseal.c. Who refuses: unmap.split_borders(), sys_mprotect, sys_mremap, sys_madvise (what throws anonymous pages away).
"""

from vmtool.mm.arch cimport offset_in_page, page_align
from vmtool.mm.arena cimport vma_at, vma_mut
from vmtool.mm.layout cimport layout_of
from vmtool.mm.pkeys cimport VM_SEALED
from vmtool.mm.vma cimport find_vma_prev
from vmtool.mm.vma_merge cimport vma_modify_flags

cdef enum:
    ENOSYS = 38


cdef bint range_contains_unmapped(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef idx_t prev
    cdef idx_t v = find_vma_prev(a, mm, start, &prev)
    while v and vma_at(a, v).vm_start <= start:
        start = vma_at(a, v).vm_end
        if start >= end:
            return False
        v = vma_at(a, v).vm_next
    return True


cdef int mseal_apply(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef idx_t prev, n
    cdef idx_t v = find_vma_prev(a, mm, start, &prev)
    cdef vaddr_t tmp
    cdef int err = 0
    if v and start > vma_at(a, v).vm_start:
        prev = v
    while v and vma_at(a, v).vm_start < end:
        tmp = vma_at(a, v).vm_end if vma_at(a, v).vm_end < end else end
        if not vma_at(a, v).vm_flags & VM_SEALED:
            n = vma_modify_flags(a, mm, prev, v, start, tmp, vma_at(a, v).vm_flags | VM_SEALED, &err)
            if n == 0:
                return err
            vma_mut(a, n).vm_flags |= VM_SEALED
            v = n
        prev = v
        start = vma_at(a, prev).vm_end
        v = vma_at(a, prev).vm_next
    return 0


cdef int sys_mseal(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil:
    cdef uint64_t aligned = page_align(&a.m.arch, length)
    if layout_of(&a.m.arch, 0).word_bytes == 4:
        return -ENOSYS  # VM_SEALED is a bit of the upper half
    if flags or offset_in_page(&a.m.arch, start) or (length and not aligned) or start + aligned < start:
        return -EINVAL
    if aligned == 0:
        return 0
    return -ENOMEM if range_contains_unmapped(a, mm, start, start + aligned) else mseal_apply(a, mm, start, start + aligned)
