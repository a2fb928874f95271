# cython: language_level=3
"""msync() and mincore(): files seen from their mappings. Counterpart: Linux v6.18 mm/msync.c, mm/mincore.c."""

from vmtool.mm.arch cimport offset_in_page, page_align, page_size
from vmtool.mm.arena cimport vma_at
from vmtool.mm.pagecache cimport file_write_and_wait_range
from vmtool.mm.show_smaps cimport mincore_page
from vmtool.mm.vma cimport find_vma, vma_lookup


cdef int sys_msync(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil:
    cdef vaddr_t end, stop
    cdef idx_t v
    cdef vma_t *area
    cdef uint64_t first
    cdef int err, unmapped = 0
    if flags & ~<uint64_t>(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or offset_in_page(&a.m.arch, start):
        return -EINVAL
    if flags & MS_ASYNC and flags & MS_SYNC:
        return -EINVAL
    end = start + (page_align(&a.m.arch, length))
    if end < start:
        return -ENOMEM
    if end == start:
        return 0
    v = find_vma(a, mm, start)
    while True:
        if v == 0:
            return -ENOMEM
        area = vma_at(a, v)
        if start < area.vm_start:
            if flags == MS_ASYNC:
                return -ENOMEM
            start = area.vm_start
            if start >= end:
                return -ENOMEM
            unmapped = -ENOMEM
        if flags & MS_INVALIDATE and area.vm_flags & VM_LOCKED:
            return -EBUSY
        stop = area.vm_end if area.vm_end < end else end
        if flags & MS_SYNC and area.vm_file and area.vm_flags & VM_SHARED:
            first = area.vm_pgoff + ((start - area.vm_start) >> a.m.arch.page_shift)
            err = file_write_and_wait_range(a, area.vm_file, first, first + ((stop - start) >> a.m.arch.page_shift) - 1)
            if err:
                return err
        start = area.vm_end
        if start >= end:
            return unmapped
        v = area.vm_next


cdef uint64_t mincore_pages(const arch_t *g, uint64_t length) noexcept nogil:
    return (length >> g.page_shift) + (offset_in_page(g, length) != 0)


cdef int sys_mincore(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, char *vec, uint64_t room) noexcept nogil:
    cdef uint64_t i, task_size = a.m.arch.task_size  # TASK_SIZE_MAX
    cdef idx_t v = 0
    if offset_in_page(&a.m.arch, start):
        return -EINVAL
    if start > task_size or length > task_size - start:  # access_ok()
        return -ENOMEM
    for i in range(mincore_pages(&a.m.arch, length)):
        if v == 0 or start >= vma_at(a, v).vm_end:
            v = vma_lookup(a, mm, start)
            if v == 0:
                return -ENOMEM
        if i >= room:
            return -EFAULT
        vec[i] = mincore_page(a, v, start)
        start += page_size(&a.m.arch)
    return 0
