# cython: language_level=3
"""madvise(): advice that sets a flag of areas, and advice that acts on pages now.

Holes do not stop it: everything that is mapped gets the advice, then ENOMEM; an error of one area does stop it.
Counterpart: Linux v6.18 mm/madvise.c:do_madvise(), madvise_vma_behavior(), set_anon_vma_name(). KSM's flag is kept, but ksmd does not run (as /sys/kernel/mm/ksm/run = 0).
"""

from vmtool.mm.arch cimport ARCH_NO_THP, offset_in_page, page_align
from vmtool.mm.arena cimport file_at, inode_at, mm_mut, vma_at, vma_mut
from vmtool.mm.hstate cimport vma_kernel_pagesize
from vmtool.mm.hugetlb cimport hugetlb_remove_pages
from vmtool.mm.khugepaged cimport madvise_collapse
from vmtool.mm.mm_acct cimport update_hiwater_rss
from vmtool.mm.advise_pages cimport cold_range, free_range, guard_install, guard_remove, pageout_range, willneed_range
from vmtool.mm.mm_slot cimport khugepaged_enter_vma
from vmtool.mm.names cimport name_free
from vmtool.mm.pagecache cimport force_readahead, name_free, name_read, name_store, punch_hole
from vmtool.mm.pkeys cimport VM_SEALED, vma_access_permitted
from vmtool.mm.populate cimport faultin_page_range
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.unmap cimport ZAP_EVEN_COWS, ZAP_RECLAIM_PT, zap_page_range_single
from vmtool.mm.vma cimport VM_SPECIAL, find_vma_prev, vma_is_anonymous
from vmtool.mm.vma_merge cimport vma_modify, vmg_from_vma, vmg_t

cdef enum:
    ANON_VMA_NAME_MAX_LEN = 80  # with the NUL


cdef bint behavior_valid(arena_t *a, int advice) noexcept nogil:
    """# Deviation: no guard markers in entries of 4 bytes; the last kernel that Debian built for such a machine had none either."""
    if advice == MADV_GUARD_INSTALL or advice == MADV_GUARD_REMOVE:
        return a.m.arch.entry_bytes == 8
    if advice in (MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE) and a.m.arch.flags & ARCH_NO_THP:
        return False
    return 0 <= advice <= 4 or 8 <= advice <= 25


cdef int new_flags_for(const vma_t *v, int advice, uint64_t *flags) noexcept nogil:
    """The area's flags after the advice; 1: the advice sets none."""
    cdef uint64_t f = v.vm_flags
    if advice == MADV_NORMAL:
        f &= ~<uint64_t>(VM_RAND_READ | VM_SEQ_READ)
    elif advice == MADV_SEQUENTIAL:
        f = (f & ~<uint64_t>VM_RAND_READ) | VM_SEQ_READ
    elif advice == MADV_RANDOM:
        f = (f & ~<uint64_t>VM_SEQ_READ) | VM_RAND_READ
    elif advice == MADV_DONTFORK:
        f |= VM_DONTCOPY
    elif advice == MADV_DOFORK:
        if f & VM_IO:
            return -EINVAL
        f &= ~<uint64_t>VM_DONTCOPY
    elif advice == MADV_WIPEONFORK:
        if v.vm_file or f & VM_SHARED:
            return -EINVAL
        f |= VM_WIPEONFORK
    elif advice == MADV_KEEPONFORK:
        f &= ~<uint64_t>VM_WIPEONFORK
    elif advice == MADV_DONTDUMP:
        f |= VM_DONTDUMP
    elif advice == MADV_DODUMP:
        if f & VM_SPECIAL:
            return -EINVAL
        f &= ~<uint64_t>VM_DONTDUMP
    elif advice == MADV_MERGEABLE:
        if not f & (VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB):
            f |= VM_MERGEABLE
    elif advice == MADV_UNMERGEABLE:
        f &= ~<uint64_t>VM_MERGEABLE
    elif advice == MADV_HUGEPAGE:
        f = (f & ~<uint64_t>VM_NOHUGEPAGE) | VM_HUGEPAGE
    elif advice == MADV_NOHUGEPAGE:
        f = (f & ~<uint64_t>VM_HUGEPAGE) | VM_NOHUGEPAGE
    else:
        return 1
    flags[0] = f
    return 0


cdef bint can_madvise_modify(arena_t *a, const vma_t *v, int advice) noexcept nogil:
    """Of a sealed area, anonymous pages are not thrown away that the program could not overwrite."""
    if not v.vm_flags & VM_SEALED or advice not in (MADV_FREE, MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_REMOVE, MADV_DONTFORK, MADV_WIPEONFORK,
                                                    MADV_GUARD_INSTALL):
        return True
    return not vma_is_anonymous(v) or (v.vm_flags & VM_WRITE != 0 and vma_access_permitted(a, v, True))


cdef int update_vma(arena_t *a, idx_t mm, idx_t *prev, idx_t v, vaddr_t start, vaddr_t end, uint64_t flags, idx_t name) noexcept nogil:
    """Flags and name of start..end; *prev becomes the area that holds it."""
    cdef vmg_t g
    cdef char text[256]
    cdef idx_t n
    if flags == vma_at(a, v).vm_flags and name == vma_at(a, v).anon_name:
        prev[0] = v
        return 0
    vmg_from_vma(a, &g, mm, prev[0], v, start, end)
    g.vm_flags = flags
    g.anon_name = name
    n = vma_modify(a, &g)
    if n == 0:
        return -EAGAIN if g.err == -ENOMEM else g.err  # too many areas: madvise() calls it temporary
    prev[0] = n
    vma_mut(a, n).vm_flags = flags | (vma_at(a, n).vm_flags & VM_MAYBE_GUARD)
    if vma_at(a, n).anon_name != name and g.target == 0:
        if vma_at(a, n).anon_name:
            name_free(a, vma_at(a, n).anon_name)
        vma_mut(a, n).anon_name = name_store(a, text, name_read(a, name, text, 256)) if name else 0
    return 0


cdef int dontneed_free(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, int advice) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    if area.vm_flags & VM_HUGETLB:
        if advice == MADV_FREE or start & (vma_kernel_pagesize(a, v) - 1):
            return -EINVAL
        end &= ~(vma_kernel_pagesize(a, v) - 1)  # who does not know of huge pages shall not lose more than was said
    elif area.vm_flags & VM_PFNMAP or (area.vm_flags & VM_LOCKED and advice != MADV_DONTNEED_LOCKED):
        return -EINVAL
    if advice == MADV_FREE:
        if not vma_is_anonymous(area):
            return -EINVAL
        update_hiwater_rss(mm_mut(a, area.vm_mm))
        free_range(a, v, start, end)
    else:
        zap_page_range_single(a, v, start, end, ZAP_EVEN_COWS | ZAP_RECLAIM_PT)
    return 0


cdef int madvise_remove(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    if area.vm_flags & VM_LOCKED or area.vm_file == 0:
        return -EINVAL
    if (area.vm_flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE):
        return -EACCES
    if area.vm_flags & VM_HUGETLB:
        hugetlb_remove_pages(a, file_at(a, area.vm_file).inode, (start - area.vm_start) + (area.vm_pgoff << a.m.arch.page_shift), end - start)
        return 0
    return punch_hole(a, file_at(a, area.vm_file).inode, (start - area.vm_start) + (area.vm_pgoff << a.m.arch.page_shift), end - start)


cdef int act(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, int advice) noexcept nogil:
    """Advice that sets no flag, on one area."""
    cdef vma_t *area = vma_at(a, v)
    if advice == MADV_DONTNEED or advice == MADV_DONTNEED_LOCKED or advice == MADV_FREE:
        return dontneed_free(a, v, start, end, advice)
    if advice == MADV_REMOVE:
        return madvise_remove(a, v, start, end)
    if advice == MADV_WILLNEED:
        if area.vm_file and inode_at(a, file_at(a, area.vm_file).inode).kind == INODE_EXT4:
            force_readahead(a, area.vm_file, ((start - area.vm_start) >> a.m.arch.page_shift) + area.vm_pgoff, (end - start) >> a.m.arch.page_shift)
        elif area.vm_file == 0 or inode_at(a, file_at(a, area.vm_file).inode).kind == INODE_SHMEM and not area.vm_flags & VM_HUGETLB:
            willneed_range(a, v, start, end)
        return 0
    if advice == MADV_COLD or advice == MADV_PAGEOUT:
        if area.vm_flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB):
            return -EINVAL
        if advice == MADV_COLD:
            cold_range(a, v, start, end)
        else:
            pageout_range(a, v, start, end)
        return 0
    if advice == MADV_COLLAPSE:
        return madvise_collapse(a, v, start, end)
    if advice == MADV_GUARD_INSTALL:
        if area.vm_flags & (VM_SPECIAL | VM_HUGETLB | VM_LOCKED):
            return -EINVAL
        vma_mut(a, v).vm_flags |= VM_MAYBE_GUARD
        if vma_is_anonymous(area) and anon_vma_prepare(a, v) < 0:
            return -ENOMEM
        return guard_install(a, v, start, end)
    if area.vm_flags & (VM_SPECIAL | VM_HUGETLB):
        return -EINVAL
    guard_remove(a, v, start, end)
    return 0


cdef int walk_vmas(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end, int advice) noexcept nogil:
    cdef idx_t prev, next, v = find_vma_prev(a, mm, start, &prev)
    cdef int err, unmapped = 0
    cdef vaddr_t tmp
    cdef uint64_t flags = 0
    if v and start > vma_at(a, v).vm_start:
        prev = v
    while True:
        if v == 0:
            return -ENOMEM
        if start < vma_at(a, v).vm_start:
            unmapped = -ENOMEM
            start = vma_at(a, v).vm_start
            if start >= end:
                return unmapped
        tmp = vma_at(a, v).vm_end
        if end < tmp:
            tmp = end
        err = new_flags_for(vma_at(a, v), advice, &flags) if can_madvise_modify(a, vma_at(a, v), advice) else -EPERM
        if err == 0:
            if advice == MADV_HUGEPAGE:
                khugepaged_enter_vma(a, v, flags)  # of the area as it is now, with the flags to come
            err = update_vma(a, mm, &prev, v, start, tmp, flags, vma_at(a, v).anon_name)
        elif err == 1:
            err = act(a, v, start, tmp, advice)
            prev = v
        if err:
            return err
        start = tmp
        if prev and start < vma_at(a, prev).vm_end:
            start = vma_at(a, prev).vm_end
        if start >= end:
            return unmapped
        v = vma_at(a, prev).vm_next


cdef int sys_madvise(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, int advice) noexcept nogil:
    cdef uint64_t aligned = page_align(&a.m.arch, length)
    cdef vaddr_t end = start + aligned
    cdef int64_t err
    if not behavior_valid(a, advice) or offset_in_page(&a.m.arch, start):
        return -EINVAL
    if length and not aligned:
        return -EINVAL
    if end < start:
        return -EINVAL
    if end == start:
        return 0
    if advice == MADV_POPULATE_READ or advice == MADV_POPULATE_WRITE:
        err = faultin_page_range(a, mm, start, end, advice == MADV_POPULATE_WRITE)
        return <int>err
    return walk_vmas(a, mm, start, end, advice)


cdef inline bint may_be_named(arena_t *a, const vma_t *v) noexcept nogil:
    """No file's area, or vma_is_anon_shmem(): shared memory whose file has no link. # Deviation: had none when it was mapped, Linux asks."""
    cdef const inode_t *inode
    if v.vm_file == 0:
        return True
    inode = inode_at(a, file_at(a, v.vm_file).inode)
    return inode.kind == INODE_SHMEM and inode.nlink == 0 and not v.vm_flags & VM_HUGETLB


cdef int64_t name_length(const char *uname) noexcept nogil:
    """strndup_user() and is_valid_name_char(): up to its NUL, printable ASCII without what shells and maps would read otherwise; or -EINVAL."""
    cdef int64_t n = 0
    while uname[n]:
        if n + 1 == ANON_VMA_NAME_MAX_LEN or not 0x1f < uname[n] < 0x7f or uname[n] in (c'\\', c'`', c'$', c'[', c']'):
            return -EINVAL
        n += 1
    return n


cdef int set_anon_vma_name(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, const char *uname) noexcept nogil:
    """The name is looked at before the range is."""
    cdef int64_t n = name_length(uname) if uname != NULL else 0
    return <int>n if n < 0 else madvise_set_anon_name(a, mm, start, length, uname, <uint32_t>n)


cdef int madvise_set_anon_name(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, const char *name, uint32_t name_len) noexcept nogil:
    cdef vaddr_t end = start + (page_align(&a.m.arch, length)), tmp
    cdef idx_t prev, v, stored = 0
    cdef int err = 0, unmapped = 0
    if offset_in_page(&a.m.arch, start) or (length and end == start) or end < start:
        return -EINVAL
    if end == start:
        return 0
    if name != NULL:
        stored = name_store(a, name, name_len)
        if stored == 0:
            return -ENOMEM
    v = find_vma_prev(a, mm, start, &prev)
    if v and start > vma_at(a, v).vm_start:
        prev = v
    while start < end and err == 0:
        if v == 0:
            err = -ENOMEM
            break
        if start < vma_at(a, v).vm_start:
            unmapped = -ENOMEM
            start = vma_at(a, v).vm_start
            if start >= end:
                break
        tmp = vma_at(a, v).vm_end if vma_at(a, v).vm_end < end else end
        if not may_be_named(a, vma_at(a, v)):
            err = -EBADF
            break
        err = update_vma(a, mm, &prev, v, start, tmp, vma_at(a, v).vm_flags, stored)
        if err == 0:
            start = vma_at(a, prev).vm_end
            v = vma_at(a, prev).vm_next
    if stored:
        name_free(a, stored)
    return err if err else unmapped
