# cython: language_level=3
"""mmap(), munmap(), brk().

Counterpart: Linux v6.18 mm/mmap.c:do_mmap(), SYSCALL brk; mm/vma.c:__mmap_region(), do_brk_flags(). The order of the checks
is theirs: it decides which errno a call with two faults gets.
"""

from vmtool.mm.arch cimport level_size, page_align, page_size
from vmtool.mm.arena cimport inode_mut, mm_at, mm_mut, task_at, vma_at, vma_mut
from vmtool.mm.hstate cimport hugetlbfs_minor, size_to_hstate
from vmtool.mm.hugetlb cimport hugetlb_reserve_pages
from vmtool.mm.hugetlb_pool cimport hugetlb_may_reserve
from vmtool.mm.layout cimport layout_of
from vmtool.mm.mm cimport insert_area
from vmtool.mm.mm_acct cimport may_expand_vm, mlock_future_ok, rlimit, vm_enough_memory, vm_stat_account, vm_unacct_memory
from vmtool.mm.mm_slot cimport khugepaged_enter_vma
from vmtool.mm.pagecache cimport file_open, fput, inode_create, path_unlink, shmem_acct_size
from vmtool.mm.placement cimport get_unmapped_area, is_err, round_hint_to_min
from vmtool.mm.pkeys cimport execute_only_pkey, pkey_vm_flags
from vmtool.mm.populate cimport mm_populate
from vmtool.mm.trace cimport TR_BRK, trace2
from vmtool.mm.unmap cimport do_munmap, munmap_range, split_borders
from vmtool.mm.vma cimport VM_LOCKED_MASK, find_vma_intersection, find_vma_prev, vm_softdirty, vma_lookup
from vmtool.mm.vma_merge cimport vma_merge_new_range, vmg_init, vmg_t

cdef enum:
    MAP_TYPE = 0xf
    MAP_DROPPABLE = 8  # 6.11: pages that may vanish, for random numbers' state
    MAP_HUGE_SHIFT = 26

cdef uint64_t VM_DROPPABLE = 1 << 40
cdef uint64_t MAX_LFS_PAGES = 0x7ffffffffffff  # MAX_LFS_FILESIZE; what the file system itself can hold does not count: file_mmap_size_max()


cdef inline uint64_t calc_vm_flags(uint64_t prot, uint64_t flags) noexcept nogil:
    cdef uint64_t f = prot & (PROT_READ | PROT_WRITE | PROT_EXEC)
    if flags & MAP_GROWSDOWN:
        f |= VM_GROWSDOWN
    if flags & MAP_LOCKED:
        f |= VM_LOCKED
    if flags & MAP_SYNC:
        f |= VM_SYNC
    if flags & MAP_STACK:
        f |= VM_NOHUGEPAGE  # a thread's stack is not filled with huge pages (6.7)
    return f


cdef inline bint accountable_mapping(idx_t file, uint64_t vm_flags) noexcept nogil:
    return (vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE


cdef idx_t new_area(arena_t *a, idx_t mm, idx_t file, vaddr_t addr, vaddr_t end, uint64_t vm_flags, uint64_t pgoff, uint32_t kind) noexcept nogil:
    """__mmap_new_vma(): shared memory without a file gets one of its own. 0: no memory."""
    cdef idx_t shm = 0, inode, v
    cdef int err = 0
    if file or not vm_flags & VM_SHARED:
        v = insert_area(a, mm, addr, end, vm_flags, pgoff, file, kind)
        if v and file:
            khugepaged_enter_vma(a, v, vm_flags)
        return v
    inode = inode_create(a, "/dev/zero", 9, INODE_SHMEM, 0, 1, 0, end - addr, &err)
    shm = file_open(a, inode) if inode else 0
    if shm == 0:
        if inode:
            path_unlink(a, inode)
        return 0
    v = insert_area(a, mm, addr, end, vm_flags, pgoff, shm, kind) if shmem_acct_size(a, inode, vm_flags) == 0 else 0
    fput(a, shm)
    if v:
        khugepaged_enter_vma(a, v, vm_flags)
    return v


cdef uint64_t mmap_region(arena_t *a, idx_t mm, idx_t file, vaddr_t addr, uint64_t length, uint64_t vm_flags, uint64_t pgoff, uint32_t kind) noexcept nogil:
    """Unmap what is there, then merge with a neighbour or make a new area."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef vaddr_t end = addr + length
    cdef int64_t charged = 0, nr_old = 0, accounted_old = 0
    cdef int64_t pages = <int64_t>(length >> a.m.arch.page_shift)
    cdef idx_t v = find_vma_intersection(a, mm, addr, end)
    cdef vma_t *area
    cdef vmg_t g
    cdef int err = 0
    cdef idx_t prev, next
    while v and vma_at(a, v).vm_start < end:
        area = vma_at(a, v)
        nr_old += overlap(a, area, addr, end)
        if area.vm_flags & VM_ACCOUNT:
            accounted_old += overlap(a, area, addr, end)
        v = area.vm_next
    err = split_borders(a, mm, addr, end)
    if err:
        return <uint64_t><int64_t>err
    if not may_expand_vm(a, mm, vm_flags, <uint64_t>(pages - nr_old)):
        return <uint64_t>-ENOMEM
    if not vm_flags & VM_HUGETLB and accountable_mapping(file, vm_flags):
        charged = pages - accounted_old
        if charged and vm_enough_memory(a, mm, charged) < 0:
            return <uint64_t>-ENOMEM
        vm_flags |= VM_ACCOUNT
        charged = pages
    err = munmap_range(a, mm, addr, end)
    if err:
        if charged:
            vm_unacct_memory(a, charged - accounted_old)
        return <uint64_t><int64_t>err
    if charged:
        a.m.vm_committed_as += accounted_old  # munmap took the old areas' charge off; the new one took it over
    next = find_vma_prev(a, mm, addr, &prev)
    vmg_init(a, &g, mm, addr, end, vm_flags, pgoff)
    g.prev = prev
    g.next = next
    g.vm_file = file
    g.kind = kind
    if not (file == 0 and vm_flags & VM_SHARED) and vma_merge_new_range(a, &g):
        v = g.target
    else:
        v = new_area(a, mm, file, addr, end, vm_flags, pgoff, kind)
        if v == 0:
            if charged:  # what was mapped there is gone, but in Linux it had handed over its charge, which nobody gives back
                vm_unacct_memory(a, charged - accounted_old)
                a.m.committed_for_good += <uint64_t>accounted_old
            return <uint64_t>-ENOMEM
    vma_mut(a, v).vm_flags |= vm_softdirty(a)  # all of it, when it grew
    vm_stat_account(m, vm_flags, pages)
    if vm_flags & VM_LOCKED:
        if vm_flags & (VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB):
            vma_mut(a, v).vm_flags &= ~<uint64_t>VM_LOCKED_MASK
        else:
            m.locked_vm += <uint64_t>pages
    return addr


cdef inline int64_t overlap(arena_t *a, const vma_t *v, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef vaddr_t lo = v.vm_start if v.vm_start > start else start
    cdef vaddr_t hi = v.vm_end if v.vm_end < end else end
    return <int64_t>((hi - lo) >> a.m.arch.page_shift) if hi > lo else 0


cdef int file_flags(arena_t *a, const mmap_req_t *req, uint64_t pgoff, uint64_t length, uint64_t *vm_flags) noexcept nogil:
    """Checks and flags of a file mapping, by its type."""
    cdef uint64_t kind = req.flags & MAP_TYPE
    if length >> a.m.arch.page_shift > MAX_LFS_PAGES or pgoff > MAX_LFS_PAGES - (length >> a.m.arch.page_shift):
        return -EOVERFLOW
    if kind == MAP_SHARED or kind == MAP_SHARED_VALIDATE:
        if kind == MAP_SHARED_VALIDATE and req.flags & MAP_SYNC:
            return -EOPNOTSUPP
        if req.prot & PROT_WRITE and req.file_read_only:
            return -EACCES
        vm_flags[0] |= VM_SHARED | VM_MAYSHARE
        if req.file_read_only:
            vm_flags[0] &= ~<uint64_t>(VM_MAYWRITE | VM_SHARED)
    elif kind != MAP_PRIVATE:
        return -EINVAL
    if vm_flags[0] & VM_GROWSDOWN:
        return -EINVAL
    return 0


cdef int anon_flags(uint64_t flags, uint64_t *vm_flags) noexcept nogil:
    """What a mapping without a file becomes by its type; 0 or -EINVAL."""
    if flags & MAP_TYPE == MAP_SHARED:
        if vm_flags[0] & VM_GROWSDOWN:
            return -EINVAL
        vm_flags[0] |= VM_SHARED | VM_MAYSHARE
        return 0
    if flags & MAP_TYPE == MAP_DROPPABLE:
        if flags & MAP_LOCKED or vm_flags[0] & VM_GROWSDOWN:
            return -EINVAL
        vm_flags[0] |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP
        return 0
    return 0 if flags & MAP_TYPE == MAP_PRIVATE else -EINVAL


cdef uint64_t do_mmap(arena_t *a, idx_t mm, const mmap_req_t *req, uint64_t *populate) noexcept nogil:
    cdef uint64_t flags = req.flags, length = page_align(&a.m.arch, req.length), vm_flags, pgoff = req.offset >> a.m.arch.page_shift, result, prot
    cdef vaddr_t addr = req.addr
    cdef int err
    populate[0] = 0
    if req.length == 0:
        return <uint64_t>-EINVAL
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    if not flags & MAP_FIXED:
        addr = round_hint_to_min(a, addr)
    if length == 0:
        return <uint64_t>-ENOMEM
    if pgoff + (length >> a.m.arch.page_shift) < pgoff:
        return <uint64_t>-EOVERFLOW
    if mm_at(a, mm).map_count > a.m.max_map_count:
        return <uint64_t>-ENOMEM
    prot = req.prot
    if prot & PROT_READ and task_at(a, a.task).personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    vm_flags = calc_vm_flags(prot, flags) | mm_at(a, mm).def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    if prot == PROT_EXEC:
        vm_flags |= pkey_vm_flags(execute_only_pkey(a, mm))  # whatever fails from here on: the key stays taken
    if flags & MAP_HUGETLB and flags & MAP_FIXED and length <= mm_at(a, mm).task_size and addr & (hugetlb_size(a, flags) - 1):
        return <uint64_t>-EINVAL
    addr = (hugetlb_get_unmapped_area(a, mm, addr, length, flags) if flags & MAP_HUGETLB
            else get_unmapped_area(a, mm, req.file, addr, length, pgoff if req.file else 0, flags))
    if is_err(addr):
        return addr
    if flags & MAP_FIXED_NOREPLACE and find_vma_intersection(a, mm, addr, addr + length):
        return <uint64_t>-EEXIST
    if flags & MAP_LOCKED and rlimit(a, RLIMIT_MEMLOCK) == 0:
        return <uint64_t>-EPERM
    if not mlock_future_ok(a, mm, vm_flags, length):
        return <uint64_t>-EAGAIN
    if flags & MAP_HUGETLB:
        result = hugetlb_mmap(a, mm, addr, length, vm_flags, flags)
        if not is_err(result) and (vm_flags & VM_LOCKED or (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE):
            populate[0] = length
        return result
    if req.file:
        err = file_flags(a, req, pgoff, length, &vm_flags)
        if err:
            return <uint64_t><int64_t>err
    else:
        err = anon_flags(flags, &vm_flags)
        if err:
            return <uint64_t><int64_t>err
        pgoff = 0 if vm_flags & VM_SHARED else addr >> a.m.arch.page_shift
    if flags & MAP_NORESERVE and a.m.overcommit_memory != OVERCOMMIT_NEVER:
        vm_flags |= VM_NORESERVE
    result = mmap_region(a, mm, req.file, addr, length, vm_flags, pgoff, VMA_PLAIN)
    if not is_err(result) and (vm_flags & VM_LOCKED or (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE):
        populate[0] = length
    return result


cdef inline uint64_t hugetlb_size(arena_t *a, uint64_t flags) noexcept nogil:
    """Bytes of the huge page that is asked for; those of an entry above the PTEs unless told."""
    cdef uint64_t order = (flags >> MAP_HUGE_SHIFT) & 63
    return <uint64_t>1 << order if order else level_size(&a.m.arch, 1)


cdef uint64_t hugetlb_get_unmapped_area(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length, uint64_t flags) noexcept nogil:
    """On a border of huge pages: the hint rounded up, if it is free, else the highest in the gap that is found."""
    cdef uint64_t size = hugetlb_size(a, flags)
    cdef uint64_t found
    if flags & MAP_FIXED:
        return get_unmapped_area(a, mm, 0, addr, length, 0, flags | MAP_SHARED)
    addr = (addr + size - 1) & ~(size - 1)
    if addr:
        found = get_unmapped_area(a, mm, 0, addr, length, 0, flags | MAP_SHARED)
        if found == addr:
            return found
    found = get_unmapped_area(a, mm, 0, 0, length + size - page_size(&a.m.arch), 0, flags | MAP_SHARED)
    return found if is_err(found) else (found + size - page_size(&a.m.arch)) & ~(size - 1)


cdef uint64_t hugetlb_mmap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length, uint64_t vm_flags, uint64_t flags) noexcept nogil:
    """What is left of do_mmap() for a file of huge pages, which each anonymous mapping has for itself."""
    cdef uint64_t kind = flags & MAP_TYPE, result
    cdef uint32_t h = <uint32_t>size_to_hstate(&a.m.arch, hugetlb_size(a, flags))
    cdef int err = 0
    cdef idx_t inode, file
    if kind == MAP_SHARED or kind == MAP_SHARED_VALIDATE:
        vm_flags |= VM_SHARED | VM_MAYSHARE
    elif kind != MAP_PRIVATE:
        return <uint64_t>-EINVAL
    if vm_flags & VM_GROWSDOWN:
        return hugetlb_no_room(a, mm, addr, length, vm_flags, flags)
    if flags & MAP_NORESERVE:
        vm_flags |= VM_NORESERVE
    elif not hugetlb_may_reserve(a, h, length // hugetlb_size(a, flags)):
        return hugetlb_no_room(a, mm, addr, length, vm_flags, flags)
    inode = inode_create(a, "/anon_hugepage", 14, INODE_SHMEM, 0, hugetlbfs_minor(&a.m.arch, h), 0, length, &err)
    if inode == 0:
        return <uint64_t>-ENOMEM
    inode_mut(a, inode).shmem_flags |= VM_HUGETLB
    inode_mut(a, inode).h_index = h
    file = file_open(a, inode)
    if file == 0:
        path_unlink(a, inode)
        return <uint64_t>-ENOMEM
    result = mmap_region(a, mm, file, addr, length, vm_flags | VM_HUGETLB | VM_DONTEXPAND, 0, VMA_PLAIN)
    if not is_err(result) and hugetlb_reserve_pages(a, vma_lookup(a, mm, result)) < 0:
        munmap_range(a, mm, result, result + length)
        result = <uint64_t>-ENOMEM
    fput(a, file)
    return result


cdef uint64_t hugetlb_no_room(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length, uint64_t vm_flags, uint64_t flags) noexcept nogil:
    """What is left of do_mmap() for a file of huge pages when the pool is empty: never an address."""
    cdef int err
    if vm_flags & VM_GROWSDOWN:
        return <uint64_t>-EINVAL
    if flags & MAP_FIXED and may_expand_vm(a, mm, vm_flags, length >> a.m.arch.page_shift):
        # the file's ->mmap() refuses when the old areas are gone already: a gap stays
        err = munmap_range(a, mm, addr, addr + length)
        if err:
            return <uint64_t><int64_t>err
    return <uint64_t>-ENOMEM


cdef uint64_t sys_mmap(arena_t *a, idx_t mm, const mmap_req_t *req) noexcept nogil:
    cdef uint64_t populate, result, size
    cdef mmap_req_t aligned
    if req.offset & (page_size(&a.m.arch) - 1) and layout_of(&a.m.arch, 0).word_bytes == 8:
        return <uint64_t>-EINVAL  # a 32-bit kernel's mmap2() is given pages: it never sees the rest
    if req.flags & MAP_HUGETLB:
        size = hugetlb_size(a, req.flags)
        if req.file or size_to_hstate(&a.m.arch, size) < 0:
            return <uint64_t>-EINVAL
        aligned = req[0]
        aligned.length = (req.length + size - 1) & ~(size - 1)  # 0 when it wraps: EINVAL
        result = do_mmap(a, mm, &aligned, &populate)
    else:
        result = do_mmap(a, mm, req, &populate)
    if populate:
        mm_populate(a, mm, result, populate, True)
    return result


cdef int sys_munmap(arena_t *a, idx_t mm, vaddr_t addr, uint64_t length) noexcept nogil:
    return do_munmap(a, mm, addr, length)

# --- brk ------------------------------------------------------------------------------------------------------


cdef int do_brk_flags(arena_t *a, idx_t mm, idx_t prev, vaddr_t addr, uint64_t length, uint64_t vm_flags) noexcept nogil:
    """Anonymous, private, writable memory at addr: the area before it grows, or there is a new one. Nothing merges after it."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef int64_t pages = <int64_t>(length >> a.m.arch.page_shift)
    cdef vmg_t g
    vm_flags |= VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT | m.def_flags
    if task_at(a, a.task).personality & READ_IMPLIES_EXEC:
        vm_flags |= VM_EXEC
    if not may_expand_vm(a, mm, vm_flags, <uint64_t>pages):
        return -ENOMEM
    if m.map_count > a.m.max_map_count:
        return -ENOMEM
    if vm_enough_memory(a, mm, pages) < 0:
        return -ENOMEM
    vmg_init(a, &g, mm, addr, addr + length, vm_flags, addr >> a.m.arch.page_shift)
    g.prev = prev
    g.just_expand = True
    if prev and vma_at(a, prev).vm_end == addr:
        vma_merge_new_range(a, &g)
    if g.err:
        vm_unacct_memory(a, pages)
        return g.err
    if g.target == 0:
        g.target = insert_area(a, mm, addr, addr + length, vm_flags, addr >> a.m.arch.page_shift, 0, VMA_PLAIN)
        if g.target == 0:
            vm_unacct_memory(a, pages)
            return -ENOMEM
    vma_mut(a, g.target).vm_flags |= vm_softdirty(a)
    m.total_vm += <uint64_t>pages
    m.data_vm += <uint64_t>pages
    if vm_flags & VM_LOCKED:
        m.locked_vm += <uint64_t>pages
    return 0


cdef uint64_t sys_brk(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t origbrk = m.brk, newbrk = page_align(&a.m.arch, addr), oldbrk = page_align(&a.m.arch, m.brk), data, limit
    cdef idx_t v, prev, next
    if addr < m.start_brk:
        return origbrk
    limit = rlimit(a, RLIMIT_DATA)
    data = m.end_data - m.start_data
    if limit != <uint64_t>-1 and (addr - m.start_brk) + data > limit:
        return origbrk
    if oldbrk == newbrk:
        m.brk = addr
        return addr
    if addr <= m.brk:
        v = find_vma_intersection(a, mm, newbrk, oldbrk)
        if v == 0:
            return origbrk
        m.brk = addr
        if munmap_range(a, mm, newbrk, oldbrk) < 0:
            m.brk = origbrk
            return origbrk
        trace2(a, TR_BRK, origbrk, addr)
        return addr
    if not mlock_future_ok(a, mm, m.def_flags, newbrk - oldbrk):
        return origbrk
    # one page (and a stack's gap) must stay free above the heap
    next = find_vma_prev(a, mm, oldbrk, &prev)
    if next and newbrk + page_size(&a.m.arch) > gap_start(vma_at(a, next)):
        return origbrk
    if newbrk > m.task_size - page_size(&a.m.arch):
        return origbrk
    if prev and (vma_at(a, prev).vm_end <= m.start_brk):
        prev = 0
    if do_brk_flags(a, mm, prev, oldbrk, newbrk - oldbrk, 0) < 0:
        return origbrk
    m.brk = addr
    trace2(a, TR_BRK, origbrk, addr)
    if m.def_flags & VM_LOCKED:
        mm_populate(a, mm, oldbrk, newbrk - oldbrk, True)
    return addr


cdef inline vaddr_t gap_start(const vma_t *v) noexcept nogil:
    if v.vm_flags & VM_GROWSDOWN:
        return v.vm_start - 0x100000 if v.vm_start > 0x100000 else 0
    return v.vm_start
