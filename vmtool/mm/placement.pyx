# cython: language_level=3
"""Where a mapping goes.

    mmap_base                                     the highest hole below mmap_base that fits
    |  ...free...  |VMA|..|  VMA  |...free...|    a hint first, if it is free; a stack keeps 256 pages free below it
Private anonymous memory without a hint whose length is a multiple of 2 MB, and files of a disk file system that cover an aligned
2 MB, are placed so that huge pages fit. Counterpart: Linux v6.18 arch/x86/kernel/sys_x86_64.c:arch_get_unmapped_area_topdown(),
mm/vma.c:unmapped_area_topdown(), mm/mmap.c:__get_unmapped_area(), mm/huge_memory.c:__thp_get_unmapped_area(),
mm/shmem.c:shmem_get_unmapped_area(), arch/x86/mm/mmap.c:mmap_base().
"""

from vmtool.mm.arch cimport level_size, page_size
from vmtool.mm.arena cimport file_at, inode_at, mm_at, vma_at
from vmtool.mm.vma cimport find_vma, find_vma_prev, gap_highest, gap_lowest, vm_start_gap

cdef uint64_t SZ_128M = 128 << 20


cdef uint64_t mmap_base_for(arena_t *a, uint64_t stack_top, uint64_t stack_limit, uint64_t rnd) noexcept nogil:
    """The stack's end less its room: its limit and guard gap, at least 128 MB, at most 5/6 of the space."""
    cdef uint64_t size = page_size(&a.m.arch)
    cdef uint64_t pad = 256 * size
    cdef uint64_t gap = stack_limit
    cdef uint64_t gap_max = (stack_top // 6) * 5
    if gap + pad > gap:
        gap += pad
    if gap < SZ_128M:
        gap = SZ_128M
    elif gap > gap_max:
        gap = gap_max
    return (stack_top - gap - rnd + size - 1) & ~(size - 1)


cdef uint64_t topdown(arena_t *a, idx_t mm, uint64_t length, vaddr_t low, vaddr_t high) noexcept nogil:
    cdef vaddr_t gs, ge, gap, want
    cdef idx_t next, prev
    cdef vma_t *v
    if low < mmap_min_addr(a):
        low = mmap_min_addr(a)
    while gap_highest(a, mm, low, high, length, &gs, &ge):
        gap = ge - length
        next = find_vma_prev(a, mm, ge - 1, &prev)
        if next:
            v = vma_at(a, next)
            want = vm_start_gap(a, v)
            if v.vm_flags & VM_GROWSDOWN and want < ge:
                high = want  # too near below a stack
                continue
        return gap
    return <uint64_t>-ENOMEM


cdef uint64_t bottomup(arena_t *a, idx_t mm, uint64_t length, vaddr_t low, vaddr_t high) noexcept nogil:
    cdef vaddr_t gs, ge
    cdef idx_t next, prev
    cdef vma_t *v
    while gap_lowest(a, mm, low, high, length, &gs, &ge):
        next = find_vma_prev(a, mm, gs, &prev)
        if next:
            v = vma_at(a, next)
            if v.vm_flags & VM_GROWSDOWN and vm_start_gap(a, v) < gs + length:
                low = v.vm_end
                continue
        return gs
    return <uint64_t>-ENOMEM


cdef inline bint hint_valid(const layout_t *l, vaddr_t addr, uint64_t length) noexcept nogil:
    """mmap_address_hint_valid(): within the space, and not astride the window's end (the two are one but with five levels)."""
    return addr <= l.task_size - length and (not l.hint_opens or (addr > l.map_window) == (addr + length > l.map_window))


cdef uint64_t mm_get_unmapped_area(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length, uint64_t map_flags) noexcept nogil:
    """arch_get_unmapped_area_topdown(), and arch_get_unmapped_area() for a legacy layout: the hint, the highest hole, then upwards from TASK_UNMAPPED_BASE.

    On x86 a hint above the window opens what lies beyond it to the search; on riscv64 a search upwards goes there anyway (arch_get_mmap_end()).
    """
    cdef mm_t *m = mm_at(a, mm)
    cdef const layout_t *l = layout_of(&a.m.arch, m.flags)
    cdef idx_t v
    cdef uint64_t found, beyond = 0, end = l.task_size
    if length > m.task_size:
        return <uint64_t>-ENOMEM
    if map_flags & MAP_FIXED:
        return addr
    if map_flags & MAP_32BIT and l.word_bytes == 8:
        return bottomup(a, mm, length, 0x40000000, 0x80000000)
    if addr:
        addr &= ~(page_size(&a.m.arch) - 1)
        if addr <= m.task_size - length and hint_valid(l, addr, length):
            v = find_vma(a, mm, addr)
            if v == 0 or addr + length <= vm_start_gap(a, vma_at(a, v)):
                return addr
    if l.hint_opens:
        beyond = l.task_size - l.map_window if addr > l.map_window else 0
        end = l.map_window + beyond
    if m.flags & MMF_LEGACY:
        return bottomup(a, mm, length, m.mmap_base, min(m.task_size, end))
    found = topdown(a, mm, length, page_size(&a.m.arch), m.mmap_base + beyond)
    if not is_err(found):
        return found
    return bottomup(a, mm, length, unmapped_base(l, m.task_size), min(m.task_size, end))


cdef uint64_t thp_get_unmapped_area(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length, uint64_t off, uint64_t map_flags) noexcept nogil:
    """Room for length and a huge page more, and in it the address whose distance from the huge page's size is the offset's. 0: not worth it, or no room."""
    cdef uint64_t huge = level_size(&a.m.arch, 1)
    cdef int64_t off_end = <int64_t>(off + length)  # loff_t: the last offset of all, rounded up, is below every other
    cdef int64_t off_align = <int64_t>((off + huge - 1) & ~(huge - 1))
    cdef uint64_t ret, off_sub
    if off_end <= off_align or <uint64_t>(off_end - off_align) < huge or not layout_of(&a.m.arch, mm_at(a, mm).flags).aligns_thp:
        return 0
    if length + huge < length or off + length + huge < off:
        return 0
    ret = mm_get_unmapped_area(a, mm, addr, length + huge, map_flags)
    if is_err(ret):
        return 0
    if ret == addr:
        return addr
    off_sub = (off - ret) & (huge - 1)
    if off_sub == 0 and not mm_at(a, mm).flags & MMF_LEGACY:
        return ret + huge
    return ret + off_sub


cdef uint64_t shmem_unmapped_area(arena_t *a, idx_t mm, uint64_t found, vaddr_t hint, uint64_t length, uint64_t pgoff, uint64_t map_flags) noexcept nogil:
    """shmem_get_unmapped_area(): another place, as far from the start of a huge page as the offset is, where shared memory may have huge pages."""
    cdef uint64_t huge = level_size(&a.m.arch, 1)
    cdef uint64_t offset = (pgoff << a.m.arch.page_shift) & (huge - 1)
    cdef uint64_t longer = length + huge - page_size(&a.m.arch)
    cdef uint64_t other
    if a.m.shmem_huge == SHMEM_HUGE_NEVER or a.m.shmem_huge == SHMEM_HUGE_DENY or map_flags & MAP_FIXED or hint == found or length < huge:
        return found
    if (offset and offset + length < 2 * huge) or found & (huge - 1) == offset or longer < length or longer > mm_at(a, mm).task_size:
        return found
    other = mm_get_unmapped_area(a, mm, hint, longer, map_flags)
    if is_err(other) or other & (page_size(&a.m.arch) - 1):
        return found
    longer = other & (huge - 1)
    other += offset - longer + (huge if longer > offset else 0)
    return found if other > mm_at(a, mm).task_size - length else other


cdef uint64_t get_unmapped_area(arena_t *a, idx_t mm, idx_t file, vaddr_t addr, uint64_t length, uint64_t pgoff, uint64_t map_flags) noexcept nogil:
    cdef uint64_t found = 0
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t task_size = mm_at(a, mm).task_size
    cdef bint is_shmem
    if length > task_size:
        return <uint64_t>-ENOMEM
    if file and inode_at(a, file_at(a, file).inode).kind == INODE_EXT4:
        found = thp_get_unmapped_area(a, mm, addr, length, pgoff << g.page_shift, map_flags)
    elif file == 0 and not map_flags & MAP_SHARED and addr == 0 and length & (level_size(g, 1) - 1) == 0:
        found = thp_get_unmapped_area(a, mm, addr, length, 0, map_flags)
    if found == 0:
        found = mm_get_unmapped_area(a, mm, addr, length, map_flags)
    if is_err(found):
        return found
    if found > task_size - length:
        return <uint64_t>-ENOMEM
    is_shmem = inode_at(a, file_at(a, file).inode).kind == INODE_SHMEM if file else map_flags & MAP_SHARED != 0
    if a.m.shmem_huge and is_shmem:
        found = shmem_unmapped_area(a, mm, found, addr, length, pgoff, map_flags)
    if found & (page_size(g) - 1):
        return <uint64_t>-EINVAL
    if found < layout_of(g, mm_at(a, mm).flags).first_user_address:
        return <uint64_t>-EINVAL
    if found < a.m.mmap_min_addr:  # cap_mmap_addr(): the sysctl alone
        return <uint64_t>-EPERM
    return found
