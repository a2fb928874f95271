# cython: language_level=3
"""Huge pages from a pool of their own.

    vm.nr_hugepages = 8      8 blocks leave the buddy system: Total 8, Free 8
    mmap of 4 pages          Rsvd 4: they are promised; nothing is mapped
    the first is touched     Free 7, Rsvd 3: one entry above the PTEs, by one minor fault
    fork, the child writes   a page that nobody was promised, or one above the pool (vm.nr_overcommit_hugepages), or SIGBUS
    fork, the parent writes  the same, and when there is none the child loses its page: it dies when it touches it again

Modelled: private and shared areas, reservations of both and MAP_NORESERVE, surplus pages, copy-on-write. A private area's reservations are
its owner's, who made it; which of them were used stands in the file that each such mapping has for itself.
Counterpart: Linux v6.18 mm/hugetlb.c, fs/hugetlbfs/inode.c.
# Deviation: one size has pages, the architecture's entry above the PTEs: the others' pools stay empty; mremap does not move such areas.
Invariants (fsck_lru): the free list is as long as it says; each page of the pool is on it or in use; no more is promised than is free.
"""

from vmtool.mm.arch cimport ARCH_PAIRED, level_size
from vmtool.mm.arena cimport content_free, file_at, frame_at, frame_mut, inode_at, inode_mut, runs_in_circle, task_at, vma_at, vma_mut, mm_mut, mm_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.contpte cimport cont_shift, has_contpte
from vmtool.mm.frame cimport page_copy
from vmtool.mm.pgtable cimport entry_at_t, entry_find, entry_get, entry_set, flush_tlb_stride, table_alloc
from vmtool.mm.printk cimport printk
from vmtool.mm.pte cimport (ENTRY_HUGE, mk_pte, pte_frame, pte_mkdirty, pte_mkhuge, pte_mkold, pte_mkwrite, pte_mkyoung, pte_write,
                            pte_wrprotect)
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.xnode cimport xnode_free_all, xnode_get, xnode_next, xnode_set

from libc.stdio cimport snprintf

cdef uint64_t TO_THE_END = <uint64_t>-1


cdef bint hugetlb_valid_size(const arch_t *g, uint64_t size) noexcept nogil:
    """An entry above the PTEs that maps a page, or a contiguous block of entries: arch/arm64/mm/hugetlbpage.c:__hugetlb_valid_size(). arm's short
    descriptors have none (CONFIG_HUGETLBFS needs LPAE)."""
    cdef int level
    if g.flags & ARCH_PAIRED:
        return False
    for level in range(<int>g.levels if g.levels < 3 else 3):
        if level and g.leaf_levels >> level & 1 and size == level_size(g, level):
            return True
        if has_contpte(g) and level < 2 and size == level_size(g, level) << cont_shift(g, level):
            return True
    return False


cdef uint32_t huge_page_order(arena_t *a) noexcept nogil:
    return a.m.arch.level_shift[1] - a.m.arch.page_shift


cdef uint64_t hugetlb_total_pages(arena_t *a) noexcept nogil:
    return <uint64_t>a.m.hstate[0].nr_huge_pages << huge_page_order(a)


cdef inline idx_t inode_of(arena_t *a, idx_t v) noexcept nogil:
    return file_at(a, vma_at(a, v).vm_file).inode


cdef inline uint64_t huge_index(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """Which huge page of its file an address is."""
    cdef const vma_t *area = vma_at(a, v)
    return ((addr - area.vm_start) >> a.m.arch.level_shift[1]) + (area.vm_pgoff >> huge_page_order(a))


cdef inline bint is_owner(arena_t *a, idx_t v) noexcept nogil:
    return vma_at(a, v).swap_readahead_info & HPAGE_RESV_OWNER != 0


cdef inline bint is_shared(arena_t *a, idx_t v) noexcept nogil:
    return vma_at(a, v).vm_flags & VM_MAYSHARE != 0


# --- the pool ----------------------------------------------------------------------------------------------------------

cdef pfn_t alloc_fresh(arena_t *a) noexcept nogil:
    """A block from the buddy system, on no list, counted in the pool. No control group pays for it."""
    cdef idx_t task = a.task
    cdef pfn_t head
    a.task = 0
    head = alloc_pages(a, huge_page_order(a), GFP_USER_MOVABLE | GFP_RETRY_MAYFAIL)
    a.task = task
    if head:
        frame_mut(a, head).flags |= PG_hugetlb | PG_uptodate
        a.m.hstate[0].nr_huge_pages += 1
    return head


cdef void enqueue(arena_t *a, pfn_t head) noexcept nogil:
    frame_mut(a, head).lru_next = a.m.hstate[0].free_head
    a.m.hstate[0].free_head = head
    a.m.hstate[0].free_huge_pages += 1


cdef pfn_t dequeue(arena_t *a) noexcept nogil:
    cdef pfn_t head = a.m.hstate[0].free_head
    if head == 0 or head >= a.m.max_pfn:
        return 0
    a.m.hstate[0].free_head = frame_at(a, head).lru_next
    a.m.hstate[0].free_huge_pages -= 1
    frame_mut(a, head).lru_next = 0
    return head


cdef void remove_from_pool(arena_t *a, pfn_t head) noexcept nogil:
    a.m.hstate[0].nr_huge_pages -= 1
    frame_mut(a, head).flags &= ~<uint32_t>PG_hugetlb
    free_pages(a, head, huge_page_order(a))


cdef pfn_t alloc_surplus(arena_t *a) noexcept nogil:
    cdef pfn_t head
    if a.m.hstate[0].surplus_huge_pages >= a.m.hstate[0].nr_overcommit_huge_pages:
        return 0
    head = alloc_fresh(a)
    a.m.hstate[0].surplus_huge_pages += head != 0
    return head


cdef void free_huge_folio(arena_t *a, pfn_t head) noexcept nogil:
    """Nothing maps it and no file has it. A surplus page goes for good."""
    cdef uint64_t i
    cdef frame_t *f
    for i in range(<uint64_t>1 << huge_page_order(a)):
        f = frame_mut(a, <pfn_t>(head + i))
        if f.content:
            content_free(a, f.content)
            f.content = 0
    f = frame_mut(a, head)
    f.flags &= ~<uint32_t>(PG_anon | PG_anon_exclusive | PG_swapbacked | PG_referenced)
    f.mapping = 0
    if a.m.hstate[0].surplus_huge_pages:
        a.m.hstate[0].surplus_huge_pages -= 1
        remove_from_pool(a, head)
    else:
        enqueue(a, head)


cdef void set_max_huge_pages(arena_t *a, uint64_t count) noexcept nogil:
    """Surplus pages become the pool's own before new ones are taken; pages in use, or promised, become surplus."""
    cdef hstate_t *h = &a.m.hstate[0]
    cdef uint64_t kept
    cdef pfn_t head
    while h.surplus_huge_pages and count > h.nr_huge_pages - h.surplus_huge_pages:
        h.surplus_huge_pages -= 1
    while count > h.nr_huge_pages - h.surplus_huge_pages:
        head = alloc_fresh(a)
        if head == 0:
            break
        enqueue(a, head)
    kept = max(count, <uint64_t>(h.resv_huge_pages + h.nr_huge_pages - h.free_huge_pages))
    while kept < h.nr_huge_pages - h.surplus_huge_pages:
        head = dequeue(a)
        if head == 0:
            break
        remove_from_pool(a, head)
    while count < h.nr_huge_pages - h.surplus_huge_pages:
        h.surplus_huge_pages += 1
    h.max_huge_pages = h.nr_huge_pages - h.surplus_huge_pages


cdef int acct_memory(arena_t *a, uint64_t nr) noexcept nogil:
    """hugetlb_acct_memory(): promise so many more. 0 or -ENOMEM."""
    cdef hstate_t *h = &a.m.hstate[0]
    cdef pfn_t head
    cdef pfn_t got = 0
    cdef uint64_t wanted = h.resv_huge_pages + nr
    cdef uint64_t there = h.free_huge_pages
    while there < wanted:
        head = alloc_surplus(a)
        if head == 0:
            while got:
                head = got
                got = frame_at(a, head).lru_next
                free_huge_folio(a, head)
            return -ENOMEM
        frame_mut(a, head).lru_next = got
        got = head
        there += 1
    while got:
        head = got
        got = frame_at(a, head).lru_next
        enqueue(a, head)
    h.resv_huge_pages += <uint32_t>nr
    return 0


cdef bint hugetlb_may_reserve(arena_t *a, uint64_t nr) noexcept nogil:
    cdef const hstate_t *h = &a.m.hstate[0]
    cdef uint64_t above = h.nr_overcommit_huge_pages - min(h.nr_overcommit_huge_pages, h.surplus_huge_pages)
    return h.resv_huge_pages + nr <= h.free_huge_pages + above


cdef void unacct_memory(arena_t *a, uint64_t nr) noexcept nogil:
    """The promise ends, and with it surplus pages that nobody uses."""
    cdef hstate_t *h = &a.m.hstate[0]
    cdef pfn_t head
    h.resv_huge_pages -= <uint32_t>min(nr, <uint64_t>h.resv_huge_pages)
    nr = min(nr, <uint64_t>h.surplus_huge_pages)
    while nr:
        head = dequeue(a)
        if head == 0:
            return
        h.surplus_huge_pages -= 1
        remove_from_pool(a, head)
        nr -= 1


# --- reservations --------------------------------------------------------------------------------------------------------

cdef uint64_t nr_marked(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    cdef uint64_t index = first
    cdef uint64_t n = 0
    while index <= last and xnode_next(a, inode_at(a, inode).holes, &index, last):
        n += 1
        index += 1
    return n


cdef int hugetlb_reserve_pages(arena_t *a, idx_t v) noexcept nogil:
    cdef idx_t inode = inode_of(a, v)
    cdef uint64_t first = huge_index(a, v, vma_at(a, v).vm_start)
    cdef uint64_t end = huge_index(a, v, vma_at(a, v).vm_end)
    cdef uint64_t i
    if vma_at(a, v).vm_flags & VM_NORESERVE:
        return 0
    if not is_shared(a, v):
        if acct_memory(a, end - first) < 0:
            return -ENOMEM
        vma_mut(a, v).swap_readahead_info |= HPAGE_RESV_OWNER
        return 0
    if acct_memory(a, end - first - nr_marked(a, inode, first, end - 1)) < 0:
        return -ENOMEM
    for i in range(first, end):
        xnode_set(a, &inode_mut(a, inode).holes, i, 1, NULL)
    return 0


cdef void evict_file(arena_t *a, idx_t inode) noexcept nogil:
    """hugetlb_unreserve_pages() of the whole: its pages are free, what was promised beyond them is not any more."""
    cdef uint64_t index = 0
    cdef uint64_t promised = nr_marked(a, inode, 0, TO_THE_END)
    cdef pfn_t head
    while True:
        head = xnode_next(a, inode_at(a, inode).swapped, &index, TO_THE_END)
        if head == 0:
            break
        xnode_set(a, &inode_mut(a, inode).swapped, index, 0, NULL)
        frame_mut(a, head).extra_refs = 1
        free_huge_folio(a, head)
        promised -= promised != 0
        index += 1
    unacct_memory(a, promised)


cdef void hugetlb_vm_close(arena_t *a, idx_t v) noexcept nogil:
    cdef idx_t inode = inode_of(a, v)
    cdef uint64_t first = huge_index(a, v, vma_at(a, v).vm_start)
    cdef uint64_t end = huge_index(a, v, vma_at(a, v).vm_end)
    cdef bint last = inode_at(a, inode).nr_open == 1 and file_at(a, vma_at(a, v).vm_file).refcount == 1
    if is_owner(a, v):
        unacct_memory(a, end - first - nr_marked(a, inode, first, end - 1))
    elif last and is_shared(a, v):
        evict_file(a, inode)
    if last:
        xnode_free_all(a, &inode_mut(a, inode).holes, NULL)
        xnode_free_all(a, &inode_mut(a, inode).swapped, NULL)


cdef pfn_t alloc_hugetlb_folio(arena_t *a, idx_t v, uint64_t index, bint cow_from_owner) noexcept nogil:
    """One that was promised to this place, one that is promised to nobody, one above the pool; 0: none."""
    cdef hstate_t *h = &a.m.hstate[0]
    cdef idx_t inode = inode_of(a, v)
    cdef bint marked = xnode_get(a, inode_at(a, inode).holes, index) != 0
    cdef bint reserved = marked if is_shared(a, v) else is_owner(a, v) and not marked and not cow_from_owner
    cdef pfn_t head = 0
    if reserved and h.free_huge_pages:
        head = dequeue(a)
        h.resv_huge_pages -= h.resv_huge_pages != 0
    elif h.free_huge_pages > h.resv_huge_pages:
        head = dequeue(a)
    if head == 0:
        head = alloc_surplus(a)
    if head and (is_shared(a, v) or is_owner(a, v)):
        xnode_set(a, &inode_mut(a, inode).holes, index, 1, NULL)
    return head


# --- mapping ----------------------------------------------------------------------------------------------------------------

cdef inline uint32_t mapcount_of(arena_t *a, pfn_t head) noexcept nogil:
    return frame_at(a, head + 1).lru_prev


cdef void add_mapping(arena_t *a, pfn_t head, int delta) noexcept nogil:
    frame_mut(a, head + 1).lru_prev += delta
    frame_mut(a, head + 1).mapping += delta


cdef void set_entry(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    entry_set(a, m, addr, 1, e)
    flush_tlb_stride(a, m, addr, addr + level_size(&a.m.arch, 1), a.m.arch.level_shift[1])


cdef void make_anon(arena_t *a, idx_t v, uint64_t index, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    f.flags |= PG_anon | PG_anon_exclusive | PG_swapbacked
    f.mapping = vma_at(a, v).anon_vma
    f.index_lo = <uint32_t>(index << huge_page_order(a))
    f.index_hi = <uint16_t>((index << huge_page_order(a)) >> 32)


cdef void drop_mapping(arena_t *a, idx_t v, pfn_t head) noexcept nogil:
    """One entry less. A private page that nothing maps is free; its reservation comes back to the owner, unless it was above the pool."""
    cdef bint anon = frame_at(a, head).flags & PG_anon != 0
    cdef uint64_t index = (<uint64_t>frame_at(a, head).index_hi << 32 | frame_at(a, head).index_lo) >> huge_page_order(a)
    add_mapping(a, head, -1)
    if mapcount_of(a, head) or not anon:
        return
    if is_owner(a, v) and a.m.hstate[0].surplus_huge_pages == 0 and xnode_get(a, inode_at(a, inode_of(a, v)).holes, index):
        xnode_set(a, &inode_mut(a, inode_of(a, v)).holes, index, 0, NULL)
        a.m.hstate[0].resv_huge_pages += 1
    free_huge_folio(a, head)


cdef void zap_hugetlb(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t head = pte_frame(a, entry_get(a, m, addr, 1))
    set_entry(a, v, addr, 0)
    drop_mapping(a, v, head)


cdef int copy_hugetlb(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil:
    """copy_hugetlb_page_range(): both read-only; the child has no reservation."""
    cdef mm_t *to_mm = mm_mut(a, vma_at(a, dst).vm_mm)
    cdef pte_t e = entry_get(a, mm_mut(a, vma_at(a, src).vm_mm), addr, 1)
    cdef pfn_t head = pte_frame(a, e)
    if table_alloc(a, to_mm, addr, 1) == 0:
        return -ENOMEM
    if not is_shared(a, src):
        e = pte_wrprotect(a, e)
        entry_set(a, mm_mut(a, vma_at(a, src).vm_mm), addr, 1, e)
        frame_mut(a, head).flags &= ~<uint32_t>PG_anon_exclusive
    add_mapping(a, head, 1)
    entry_set(a, to_mm, addr, 1, pte_mkold(a, e))
    return 0


cdef uint64_t hugetlb_usage(arena_t *a, idx_t mm) noexcept nogil:
    cdef idx_t v = mm_at(a, mm).vma_first
    cdef uint64_t size = level_size(&a.m.arch, 1)
    cdef uint64_t n = 0
    cdef uint32_t steps = 0
    cdef entry_at_t at
    cdef vaddr_t addr
    if a.m.hstate[0].nr_huge_pages == a.m.hstate[0].free_huge_pages:  # nobody uses one: there may be 65,530 areas to ask
        return 0
    while v and not runs_in_circle(a, POOL_VMA, v, &steps):
        if vma_at(a, v).vm_flags & VM_HUGETLB:
            addr = vma_at(a, v).vm_start
            while addr < vma_at(a, v).vm_end:
                entry_find(a, mm_at(a, mm), addr, &at)
                n += at.what == ENTRY_HUGE
                addr += size
        v = vma_at(a, v).vm_next
    return n << huge_page_order(a)


# --- faults ------------------------------------------------------------------------------------------------------------------

cdef void unmap_ref_private(arena_t *a, idx_t v, pfn_t head, vaddr_t addr) noexcept nogil:
    """The owner needs the page for itself: all others lose it, and their areas remember that."""
    cdef uint64_t index = huge_index(a, v, addr)
    cdef idx_t at = inode_at(a, inode_of(a, v)).i_mmap
    cdef idx_t next
    cdef uint32_t steps = 0
    cdef uint64_t first
    cdef vaddr_t there
    cdef entry_at_t found
    while at and not runs_in_circle(a, POOL_VMA, at, &steps):
        next = vma_at(a, at).i_mmap_next
        first = vma_at(a, at).vm_pgoff >> huge_page_order(a)
        there = vma_at(a, at).vm_start + ((index - first) << a.m.arch.level_shift[1])
        if at != v and not is_owner(a, at) and index >= first and there < vma_at(a, at).vm_end:
            entry_find(a, mm_at(a, vma_at(a, at).vm_mm), there, &found)
            if found.what == ENTRY_HUGE and pte_frame(a, found.entry) == head:
                zap_hugetlb(a, at, there)
                vma_mut(a, at).swap_readahead_info |= HPAGE_RESV_UNMAPPED
        at = next


cdef uint32_t write_exclusive(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil:
    if vma_at(a, v).vm_flags & VM_WRITE:
        e = pte_mkwrite(a, pte_mkdirty(a, e))
    set_entry(a, v, addr, pte_mkyoung(a, e))
    return 0


cdef uint32_t hugetlb_wp(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil:
    cdef pfn_t head = pte_frame(a, e)
    cdef uint64_t index = huge_index(a, v, addr)
    cdef bint from_owner = is_owner(a, v)
    cdef pfn_t new
    cdef uint64_t i
    if is_shared(a, v):
        return write_exclusive(a, v, addr, e)
    if mapcount_of(a, head) != 1:
        new = alloc_hugetlb_folio(a, v, index, from_owner)
        if new == 0 and not from_owner:
            return VM_FAULT_SIGBUS
        if new:
            for i in range(<uint64_t>1 << huge_page_order(a)):
                page_copy(a, <pfn_t>(new + i), <pfn_t>(head + i))
            make_anon(a, v, index, new)
            add_mapping(a, new, 1)
            write_exclusive(a, v, addr, pte_mkhuge(a, mk_pte(a, new, vma_at(a, v).vm_flags)))
            add_mapping(a, head, -1)
            return 0
        unmap_ref_private(a, v, head, addr)
    frame_mut(a, head).flags |= PG_anon_exclusive
    frame_mut(a, head).mapping = vma_at(a, v).anon_vma
    return write_exclusive(a, v, addr, e)


cdef void say_killed(arena_t *a) noexcept nogil:
    cdef char text[80]
    snprintf(text, sizeof(text), "PID %u killed due to inadequate hugepage pool", <uint32_t>(task_at(a, a.task).pid if a.task else 0))
    printk(a, text)


cdef uint32_t hugetlb_no_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    cdef idx_t inode = inode_of(a, v)
    cdef uint64_t index = huge_index(a, v, addr)
    cdef pte_t e
    cdef pfn_t head = 0
    if vma_at(a, v).swap_readahead_info & HPAGE_RESV_UNMAPPED:
        say_killed(a)
        return VM_FAULT_SIGBUS
    if is_shared(a, v):
        head = xnode_get(a, inode_at(a, inode).swapped, index)
    elif anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    if head == 0:
        head = alloc_hugetlb_folio(a, v, index, False)
        if head == 0:
            return VM_FAULT_SIGBUS
        if is_shared(a, v):
            frame_mut(a, head).mapping = inode
            xnode_set(a, &inode_mut(a, inode).swapped, index, head, NULL)
        else:
            make_anon(a, v, index, head)
    add_mapping(a, head, 1)
    e = pte_mkhuge(a, mk_pte(a, head, vma_at(a, v).vm_flags))
    if is_shared(a, v) or flags & FAULT_WRITE:
        return write_exclusive(a, v, addr, e)
    set_entry(a, v, addr, e)
    return 0


cdef uint32_t hugetlb_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pte_t e
    addr &= ~(level_size(&a.m.arch, 1) - 1)
    if table_alloc(a, m, addr, 1) == 0:
        return VM_FAULT_OOM
    e = entry_get(a, m, addr, 1)
    if e == 0:
        return hugetlb_no_page(a, v, addr, flags)
    if flags & FAULT_WRITE and not pte_write(a, e):
        return hugetlb_wp(a, v, addr, e)
    if flags & FAULT_WRITE:
        e = pte_mkdirty(a, e)
    set_entry(a, v, addr, pte_mkyoung(a, e))
    return 0
