# cython: language_level=3
"""Areas of huge pages.

    mmap of 4 pages          they are promised (hugetlb_pool); nothing is mapped
    the first is touched     one less is free, and promised: one entry, or a contiguous block of them, by one minor fault
    fork, the child writes   a page that nobody was promised, or one above the pool (nr_overcommit_hugepages), or SIGBUS
    fork, the parent writes  the same, and when there is none the child loses its page: it dies when it touches it again

Modelled: private and shared areas, reservations of both and MAP_NORESERVE, copy-on-write, mremap, MADV_DONTNEED and MADV_REMOVE. A private area's
reservations are its owner's, who made it; which of them were used stands in the file that each such mapping has for itself.
Counterpart: Linux v6.18 mm/hugetlb.c, fs/hugetlbfs/inode.c.
# Deviation: spaces that share an aligned 1G of such a file have PMD tables of their own each (no huge_pmd_share()); a block of PROT_NONE has no hint.
"""

from vmtool.mm.arch cimport level_size
from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, inode_mut, mm_at, mm_mut, runs_in_circle, task_at, vma_at, vma_mut
from vmtool.mm.frame cimport page_copy
from vmtool.mm.hstate cimport HPG_RESTORE_RESERVE, hsize_bytes, hsize_of, hsize_t, hstate_at, hstate_of_inode, hstate_vma, huge_page_order, huge_page_size, hugetlb_in_use
from vmtool.mm.hugetlb_pool cimport alloc_surplus_hugetlb_folio, dequeue_hugetlb_folio, free_huge_folio, hugetlb_acct_memory, hugetlb_unacct_memory
from vmtool.mm.large_folio cimport folio_hpg, folio_set_hpg, hugetlb_add_mapping, large_mapcount
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pgtable cimport entry_get, entry_set, flush_tlb_stride, table_alloc
from vmtool.mm.printk cimport printk
from vmtool.mm.pte cimport (mk_pte, pte_dirty, pte_frame, pte_mkdirty, pte_mkhuge, pte_mkold, pte_mkwrite, pte_mkyoung, pte_modify, pte_write, pte_wrprotect)
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.xnode cimport xnode_free_all, xnode_get, xnode_next, xnode_set

from libc.stdio cimport snprintf

cdef uint64_t TO_THE_END = <uint64_t>-1


cdef inline bint is_hugetlb(const inode_t *i) noexcept nogil:
    """A file of huge pages: `swapped` has its pages, `holes` its reservations, both by huge page."""
    return i.kind == INODE_SHMEM and i.shmem_flags & VM_HUGETLB != 0


cdef inline idx_t inode_of(arena_t *a, idx_t v) noexcept nogil:
    return file_at(a, vma_at(a, v).vm_file).inode


cdef inline uint32_t order_of(arena_t *a, idx_t v) noexcept nogil:
    return huge_page_order(a, hstate_vma(a, v))


cdef inline uint64_t huge_index(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """vma_hugecache_offset(): which huge page of its file an address is."""
    cdef const vma_t *area = vma_at(a, v)
    return (((addr - area.vm_start) >> a.m.arch.page_shift) + area.vm_pgoff) >> order_of(a, v)


cdef inline bint is_owner(arena_t *a, idx_t v) noexcept nogil:
    return vma_at(a, v).swap_readahead_info & HPAGE_RESV_OWNER != 0


cdef inline bint is_shared(arena_t *a, idx_t v) noexcept nogil:
    return vma_at(a, v).vm_flags & VM_MAYSHARE != 0


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
        if hugetlb_acct_memory(a, hstate_vma(a, v), end - first) < 0:
            return -ENOMEM
        vma_mut(a, v).swap_readahead_info |= HPAGE_RESV_OWNER
        return 0
    if hugetlb_acct_memory(a, hstate_vma(a, v), end - first - nr_marked(a, inode, first, end - 1)) < 0:
        return -ENOMEM
    for i in range(first, end):
        xnode_set(a, &inode_mut(a, inode).holes, i, 1, NULL)
    return 0


cdef void remove_inode_hugepage(arena_t *a, idx_t inode, uint64_t index, pfn_t head) noexcept nogil:
    xnode_set(a, &inode_mut(a, inode).huge_pages, index, 0, NULL)
    frame_mut(a, head).extra_refs = 1
    free_huge_folio(a, hstate_of_inode(a, inode), head)


cdef void evict_file(arena_t *a, idx_t inode) noexcept nogil:
    """hugetlb_unreserve_pages() of the whole: its pages are free, what was promised beyond them is not any more."""
    cdef uint64_t index = 0
    cdef uint64_t promised = nr_marked(a, inode, 0, TO_THE_END)
    cdef pfn_t head
    while True:
        head = xnode_next(a, inode_at(a, inode).huge_pages, &index, TO_THE_END)
        if head == 0:
            break
        remove_inode_hugepage(a, inode, index, head)
        promised -= promised != 0
        index += 1
    hugetlb_unacct_memory(a, hstate_of_inode(a, inode), promised)


cdef void hugetlb_vm_close(arena_t *a, idx_t v) noexcept nogil:
    cdef idx_t inode = inode_of(a, v)
    cdef uint64_t first = huge_index(a, v, vma_at(a, v).vm_start)
    cdef uint64_t end = huge_index(a, v, vma_at(a, v).vm_end)
    cdef bint last = inode_at(a, inode).nr_open == 1 and file_at(a, vma_at(a, v).vm_file).refcount == 1
    if is_owner(a, v):
        hugetlb_unacct_memory(a, hstate_vma(a, v), end - first - nr_marked(a, inode, first, end - 1))
    elif last and is_shared(a, v):
        evict_file(a, inode)
    if last:
        xnode_free_all(a, &inode_mut(a, inode).holes, NULL)
        xnode_free_all(a, &inode_mut(a, inode).huge_pages, NULL)


cdef int64_t promised_by(arena_t *a, idx_t inode) noexcept nogil:
    """A shared file's reserved places without a page; or those of its owners' areas that have had none."""
    cdef idx_t v = inode_at(a, inode).i_mmap
    cdef uint64_t index = 0, first, end
    cdef uint32_t steps = 0
    cdef int64_t n = 0
    if v and is_shared(a, v):
        n = <int64_t>nr_marked(a, inode, 0, TO_THE_END)
        while xnode_next(a, inode_at(a, inode).huge_pages, &index, TO_THE_END):
            n -= 1
            index += 1
        return n
    while v and not runs_in_circle(a, POOL_VMA, v, &steps):
        if is_owner(a, v):
            first = huge_index(a, v, vma_at(a, v).vm_start)
            end = huge_index(a, v, vma_at(a, v).vm_end)
            n += <int64_t>(end - first - nr_marked(a, inode, first, end - 1))
        v = vma_at(a, v).i_mmap_next
    return n


cdef int64_t hugetlb_promised(arena_t *a, uint32_t h) noexcept nogil:
    cdef idx_t inode
    cdef int64_t n = 0
    for inode in range(1, a.pool[POOL_INODE].count):
        if is_hugetlb(inode_at(a, inode)) and hstate_of_inode(a, inode) == h:
            n += promised_by(a, inode)
    return n


cdef void hugetlb_moved(arena_t *a, idx_t v) noexcept nogil:
    vma_mut(a, v).swap_readahead_info = 0


cdef pfn_t alloc_hugetlb_folio(arena_t *a, idx_t v, uint64_t index, bint cow_from_owner) noexcept nogil:
    """One that was promised to this place, one that is promised to nobody, one above the pool; 0: none."""
    cdef uint32_t pool = hstate_vma(a, v)
    cdef hstate_t *h = hstate_at(a, pool)
    cdef idx_t inode = inode_of(a, v)
    cdef bint marked = xnode_get(a, inode_at(a, inode).holes, index) != 0
    cdef bint reserved = marked if is_shared(a, v) else is_owner(a, v) and not marked and not cow_from_owner
    cdef pfn_t head = 0
    if reserved or h.free_huge_pages != h.resv_huge_pages:
        head = dequeue_hugetlb_folio(a, pool)
    if head == 0:
        head = alloc_surplus_hugetlb_folio(a, pool)
    if head and reserved:
        h.resv_huge_pages -= 1
    if head and (is_shared(a, v) or is_owner(a, v)):
        xnode_set(a, &inode_mut(a, inode).holes, index, 1, NULL)
    return head


# --- mapping ----------------------------------------------------------------------------------------------------------------


cdef pte_t huge_entry_get(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """The first of its entries; all are alike but for the frame."""
    cdef hsize_t s
    hsize_of(a, hstate_vma(a, v), &s)
    return entry_get(a, mm_mut(a, vma_at(a, v).vm_mm), addr, s.level)


cdef void huge_entry_put(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil:
    """set_huge_pte_at(): each of its entries, without a flush. Preconditions: the table is there."""
    cdef hsize_t s
    cdef uint64_t i, size
    hsize_of(a, hstate_vma(a, v), &s)
    size = level_size(&a.m.arch, s.level)
    for i in range(<uint64_t>1 << s.cont_shift):
        entry_set(a, mm_mut(a, vma_at(a, v).vm_mm), addr + i * size, s.level, e + i * size if e else 0)


cdef void set_entry(arena_t *a, idx_t v, vaddr_t addr, pte_t e) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef hsize_t s
    hsize_of(a, hstate_vma(a, v), &s)
    huge_entry_put(a, v, addr, e)
    flush_tlb_stride(a, m, addr, addr + hsize_bytes(&a.m.arch, &s), a.m.arch.level_shift[s.level])


cdef pfn_t huge_table_alloc(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """huge_pte_alloc()."""
    cdef hsize_t s
    hsize_of(a, hstate_vma(a, v), &s)
    return table_alloc(a, mm_mut(a, vma_at(a, v).vm_mm), addr, s.level)


cdef pte_t make_huge_pte(arena_t *a, idx_t v, pfn_t head) noexcept nogil:
    cdef hsize_t s
    cdef pte_t e = mk_pte(a, head, vma_at(a, v).vm_flags)
    hsize_of(a, hstate_vma(a, v), &s)
    return pte_mkhuge(a, e) if s.level else e


cdef void make_anon(arena_t *a, idx_t v, uint64_t index, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    folio_set_hpg(a, head, folio_hpg(a, head) & ~<uint32_t>HPG_RESTORE_RESERVE)
    f.flags |= PG_anon | PG_anon_exclusive
    f.mapping = vma_at(a, v).anon_vma
    f.index_lo = <uint32_t>(index << order_of(a, v))
    f.index_hi = <uint16_t>((index << order_of(a, v)) >> 32)


cdef void drop_mapping(arena_t *a, idx_t v, pfn_t head) noexcept nogil:
    """One place less that maps it. When the owner gives up a private page, its reservation is to come back: the area has it from now on, the pool when
    the page is free, which is later if a child maps it still. Not so while there are pages above the pool."""
    cdef uint32_t pool = hstate_vma(a, v)
    cdef bint anon = frame_at(a, head).flags & PG_anon != 0
    cdef uint64_t index = (<uint64_t>frame_at(a, head).index_hi << 32 | frame_at(a, head).index_lo) >> huge_page_order(a, pool)
    hugetlb_add_mapping(a, head, -1)
    if anon and is_owner(a, v) and hstate_at(a, pool).surplus_huge_pages == 0:
        folio_set_hpg(a, head, folio_hpg(a, head) | HPG_RESTORE_RESERVE)
        xnode_set(a, &inode_mut(a, inode_of(a, v)).holes, index, 0, NULL)
    if anon and large_mapcount(a, head) == 0:
        free_huge_folio(a, pool, head)


cdef void zap_hugetlb(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef pte_t e = huge_entry_get(a, v, addr)
    cdef pfn_t head = pte_frame(a, e)
    set_entry(a, v, addr, 0)
    if pte_dirty(a, e):
        frame_mut(a, head).flags |= PG_dirty  # which it keeps until the buddy system has it
    drop_mapping(a, v, head)


cdef int copy_hugetlb(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil:
    """copy_hugetlb_page_range(): both read-only; the child has no reservation."""
    cdef pte_t e = huge_entry_get(a, src, addr)
    cdef pfn_t head = pte_frame(a, e)
    if huge_table_alloc(a, dst, addr) == 0:
        return -ENOMEM
    if not is_shared(a, src):
        e = pte_wrprotect(a, e)
        huge_entry_put(a, src, addr, e)
        frame_mut(a, head).flags &= ~<uint32_t>PG_anon_exclusive
    hugetlb_add_mapping(a, head, 1)
    huge_entry_put(a, dst, addr, pte_mkold(a, e))
    return 0


cdef void protect_hugetlb(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """hugetlb_change_protection(): what may be written to again is so by a fault, or at once when the area is shared."""
    cdef pte_t e = pte_modify(a, huge_entry_get(a, v, addr), vma_at(a, v).vm_flags)
    if is_shared(a, v) and vma_at(a, v).vm_flags & VM_WRITE:
        e = pte_mkwrite(a, e)
    set_entry(a, v, addr, e)


cdef int move_hugetlb(arena_t *a, idx_t v, vaddr_t addr, vaddr_t new_addr) noexcept nogil:
    cdef pte_t e = huge_entry_get(a, v, addr)
    if huge_table_alloc(a, v, new_addr) == 0:
        return -ENOMEM
    set_entry(a, v, addr, 0)
    huge_entry_put(a, v, new_addr, e)
    return 0


cdef int count_usage(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    (<uint64_t *>w.private)[0] += (next - addr) >> w.a.m.arch.page_shift
    return 0


cdef uint64_t hugetlb_usage(arena_t *a, idx_t mm) noexcept nogil:
    cdef idx_t v = mm_at(a, mm).vma_first
    cdef uint64_t n = 0
    cdef uint32_t steps = 0
    cdef mm_walk_t w
    if hugetlb_in_use(a) == 0:  # there may be 65,530 areas to ask
        return 0
    while v and not runs_in_circle(a, POOL_VMA, v, &steps):
        if vma_at(a, v).vm_flags & VM_HUGETLB:
            walk_init(&w, a, mm_at(a, mm), v, &n)
            w.leaf = count_usage
            walk_page_range(&w, vma_at(a, v).vm_start, vma_at(a, v).vm_end)
        v = vma_at(a, v).vm_next
    return n


# --- faults ------------------------------------------------------------------------------------------------------------------


cdef vaddr_t place_in(arena_t *a, idx_t v, uint64_t index) noexcept nogil:
    """Where an area has a huge page of its file; 0: nowhere."""
    cdef const vma_t *area = vma_at(a, v)
    cdef uint64_t first = area.vm_pgoff >> order_of(a, v)
    cdef vaddr_t addr = area.vm_start + ((index - first) << order_of(a, v) << a.m.arch.page_shift)
    return addr if index >= first and addr < area.vm_end else 0


cdef void unmap_ref_private(arena_t *a, idx_t v, pfn_t head, vaddr_t addr) noexcept nogil:
    """The owner needs the page for itself: all others lose it, and their areas remember that."""
    cdef uint64_t index = huge_index(a, v, addr)
    cdef idx_t at = inode_at(a, inode_of(a, v)).i_mmap
    cdef idx_t next
    cdef uint32_t steps = 0
    cdef vaddr_t there
    cdef pte_t e
    while at and not runs_in_circle(a, POOL_VMA, at, &steps):
        next = vma_at(a, at).i_mmap_next
        there = place_in(a, at, index)
        if at != v and not is_owner(a, at) and there:
            e = huge_entry_get(a, at, there)
            if e and pte_frame(a, e) == head:
                zap_hugetlb(a, at, there)
                vma_mut(a, at).swap_readahead_info |= HPAGE_RESV_UNMAPPED
        at = next


cdef void unmap_file_page(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    """hugetlb_vmdelete_list() of one page."""
    cdef idx_t at = inode_at(a, inode).i_mmap
    cdef uint32_t steps = 0
    cdef vaddr_t there
    while at and not runs_in_circle(a, POOL_VMA, at, &steps):
        there = place_in(a, at, index)
        if there and huge_entry_get(a, at, there):
            zap_hugetlb(a, at, there)
        at = vma_at(a, at).i_mmap_next


cdef void hugetlb_remove_pages(arena_t *a, idx_t inode, uint64_t offset, uint64_t length) noexcept nogil:
    """hugetlbfs_punch_hole(): what was promised to a page that was there is not promised again."""
    cdef uint64_t size = huge_page_size(a, hstate_of_inode(a, inode))
    cdef uint64_t index = (offset + size - 1) // size
    cdef uint64_t end = (offset + length) // size
    cdef pfn_t head
    while index < end and not a.err:
        head = xnode_next(a, inode_at(a, inode).huge_pages, &index, end - 1)
        if head == 0:
            return
        unmap_file_page(a, inode, index)
        remove_inode_hugepage(a, inode, index, head)
        xnode_set(a, &inode_mut(a, inode).holes, index, 0, NULL)
        index += 1


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
    if large_mapcount(a, head) != 1:
        new = alloc_hugetlb_folio(a, v, index, from_owner)
        if new == 0 and not from_owner:
            return VM_FAULT_SIGBUS
        if new:
            for i in range(<uint64_t>1 << order_of(a, v)):
                page_copy(a, <pfn_t>(new + i), <pfn_t>(head + i))
            make_anon(a, v, index, new)
            hugetlb_add_mapping(a, new, 1)
            write_exclusive(a, v, addr, make_huge_pte(a, v, new))
            hugetlb_add_mapping(a, head, -1)
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
        head = xnode_get(a, inode_at(a, inode).huge_pages, index)
    elif anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    if head == 0:
        head = alloc_hugetlb_folio(a, v, index, False)
        if head == 0:
            return VM_FAULT_SIGBUS
        if is_shared(a, v):
            frame_mut(a, head).mapping = inode
            frame_mut(a, head).flags |= PG_dirty
            xnode_set(a, &inode_mut(a, inode).huge_pages, index, head, NULL)
        else:
            make_anon(a, v, index, head)
    hugetlb_add_mapping(a, head, 1)
    e = make_huge_pte(a, v, head)
    if is_shared(a, v) or flags & FAULT_WRITE:
        return write_exclusive(a, v, addr, e)
    set_entry(a, v, addr, e)
    return 0


cdef uint32_t hugetlb_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    cdef pte_t e
    addr &= ~(huge_page_size(a, hstate_vma(a, v)) - 1)
    if huge_table_alloc(a, v, addr) == 0:
        return VM_FAULT_OOM
    e = huge_entry_get(a, v, addr)
    if e == 0:
        return hugetlb_no_page(a, v, addr, flags)
    if flags & FAULT_WRITE and not pte_write(a, e):
        return hugetlb_wp(a, v, addr, e)
    if flags & FAULT_WRITE:
        e = pte_mkdirty(a, e)
    set_entry(a, v, addr, pte_mkyoung(a, e))
    return 0
