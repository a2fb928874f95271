# cython: language_level=3
"""Page faults.

    VMA 0x7000-0x9000 rw, no PTE at 0x7000
    write 0x7000:  a zeroed frame, PTE -> it, writable and dirty          (do_anonymous_page; a read maps the zero page instead)
    file, read:    the cache's own frames around it, read-only            (do_read_fault, fault-around)
    file private, write: a copy of the cache's frame                      (do_cow_fault)
    shared, write: the cache's frame, writable, now dirty                 (do_shared_fault, page_mkwrite)
    present but read-only, write: reuse when nobody else has it, else a copy (do_wp_page)
Counterpart: Linux v6.18 mm/memory.c:handle_mm_fault() and what it calls, mm/filemap.c:filemap_fault(), filemap_map_pages().
Simplified: one attempt does what Linux spreads over a retry (a major fault's second attempt maps around at once);
per-VMA locks and userfaultfd do not exist. Invariants: a present entry of an area has its page's map count (fsck).
"""

from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, mm_at, mm_mut, task_mut, vma_at
from vmtool.mm.arch cimport level_index, page_align, page_start
from vmtool.mm.buddy cimport alloc_pages, folio_put
from vmtool.mm.fault_anon cimport do_anonymous_page, map_new_anon, wp_page_copy, wp_page_reuse
from vmtool.mm.fault_file cimport do_fault_around, finish_fault
from vmtool.mm.frame cimport page_copy, page_folio
from vmtool.mm.hugetlb cimport hugetlb_fault
from vmtool.mm.large_folio cimport folio_maybe_mapped_shared, large_mapcount
from vmtool.mm.lruvec cimport count_mm_event
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pagecache cimport NOT_IN_FLIGHT, filemap_fault_hit, filemap_fault_miss_in, filemap_fault_reread, filemap_get, folio_mark_dirty, page_uptodate, shmem_get
from vmtool.mm.pgtable cimport entry_get, mk_pte, pte_frame, pte_mkdirty, pte_mkwrite, pte_mkyoung, pte_special, pte_write, table_alloc, table_lookup
from vmtool.mm.pte cimport ENTRY_MARKER, ENTRY_NONE, ENTRY_PAGE, ENTRY_SPECIAL, ENTRY_SWAP, PTE_MARKER_GUARD, pte_class, pte_load, pte_marker_kind, pte_store, pte_to_swp_entry
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.swap_lru cimport lru_add_drain
from vmtool.mm.swap_state cimport folio_free_swap
from vmtool.mm.thp cimport may_be_huge, pmd_is_huge, thp_vma_allowable, thp_vma_suitable
from vmtool.mm.thp_fault cimport do_huge_pmd_anonymous_page, do_huge_pmd_wp_page, huge_pmd_set_accessed
from vmtool.mm.trace cimport TR_COW_COPY, TR_COW_REUSE, TR_FAULT_DONE, TR_FILE_MAP, TR_VMA_FOUND, TR_WRITE_NOTIFY, trace2, trace3, trace4
from vmtool.mm.vma cimport linear_page_index, vma_is_anonymous, vma_pages
from vmtool.mm.vmstat cimport PGFAULT, PGMAJFAULT


cdef inline pte_t maybe_mkwrite(arena_t *a, pte_t e, uint64_t vm_flags) noexcept nogil:
    return pte_mkwrite(a, e) if vm_flags & VM_WRITE else e

# --- file mappings ------------------------------------------------------------------------------------------


cdef pfn_t special_page(arena_t *a, const vma_t *v, uint64_t pgoff) noexcept nogil:
    """The page behind [vdso], [sigpage], [vvar], [vvar_vclock]; 0: SIGBUS."""
    cdef uint64_t n = pgoff - v.vm_pgoff
    if v.kind == VMA_SIGPAGE:
        return a.m.vdso_pfn[1] if pgoff == 0 else 0
    if v.kind == VMA_VDSO and pgoff < 2:
        return a.m.vdso_pfn[pgoff]
    if v.kind == VMA_VVAR and pgoff < 4:
        return a.m.vvar_pfn[pgoff]
    if v.kind == VMA_VVAR_VCLOCK and pgoff < 2:
        return a.m.vvar_pfn[4 + pgoff]
    return 0


cdef inline void before_retry(arena_t *a, uint32_t flags) noexcept nogil:
    """What the caller of handle_mm_fault() does when the lock was given up for the disk (VM_FAULT_RETRY), before it comes again."""
    if flags & FAULT_UNLOCKABLE:
        lru_add_drain(a)  # populate_vma_page_range(), at its end


cdef pfn_t vm_ops_fault(arena_t *a, idx_t v, uint64_t pgoff, uint32_t flags, uint32_t *result, uint64_t *in_flight) noexcept nogil:
    """The page at pgoff, brought in when it must be; *in_flight: from where on pages are still being read (do_fault_around)."""
    cdef vma_t *area = vma_at(a, v)
    cdef inode_t *inode
    cdef pfn_t pfn
    cdef bint is_retried
    cdef int err = 0
    in_flight[0] = <uint64_t>NOT_IN_FLIGHT
    if area.kind != VMA_PLAIN:
        pfn = special_page(a, area, pgoff)
        if pfn == 0:
            result[0] |= VM_FAULT_SIGBUS
        return pfn
    inode = inode_at(a, file_at(a, area.vm_file).inode)
    if pgoff >= page_align(&a.m.arch, inode.size) >> a.m.arch.page_shift:
        result[0] |= VM_FAULT_SIGBUS
        return 0
    if inode.kind == INODE_SHMEM:
        return shmem_get(a, file_at(a, area.vm_file).inode, pgoff, v, 0, result)
    pfn = filemap_get(a, file_at(a, area.vm_file).inode, pgoff)
    if pfn:
        is_retried = not area.vm_flags & VM_RAND_READ and frame_at(a, page_folio(a, pfn)).flags & PG_readahead != 0
        in_flight[0] = filemap_fault_hit(a, area.vm_file, pgoff, area.vm_flags, pfn)
        if not page_uptodate(a, pfn):
            is_retried = True
            result[0] |= filemap_fault_reread(a, area.vm_file, pfn)
        if is_retried:
            before_retry(a, flags)
        return 0 if result[0] & VM_FAULT_ERROR else pfn
    result[0] |= VM_FAULT_MAJOR
    count_mm_event(a, mm_at(a, area.vm_mm), PGMAJFAULT)
    pfn = filemap_fault_miss_in(a, area.vm_file, pgoff, area.vm_flags, area.vm_pgoff, area.vm_pgoff + vma_pages(a, area), &err)
    if pfn == 0:
        result[0] |= VM_FAULT_OOM if err == ENOMEM else VM_FAULT_SIGBUS
    before_retry(a, flags)
    return pfn


cdef uint32_t do_read_fault(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint32_t flags) noexcept nogil:
    cdef uint64_t pgoff = linear_page_index(a, vma_at(a, v), addr)
    cdef uint32_t result = 0
    cdef uint64_t in_flight
    cdef bint around = vma_at(a, v).kind == VMA_PLAIN
    cdef pfn_t pfn
    if around and do_fault_around(a, v, addr, &table, index, <uint64_t>NOT_IN_FLIGHT):
        return 0
    pfn = vm_ops_fault(a, v, pgoff, flags, &result, &in_flight)
    if pfn == 0:
        return result
    # A major fault is retried, and the retry maps around; so is one that met the read-ahead mark.
    if around and do_fault_around(a, v, addr, &table, index, in_flight):
        return result
    trace4(a, TR_FILE_MAP, addr, pfn, file_at(a, vma_at(a, v).vm_file).inode if around else 0, pgoff)
    return result | finish_fault(a, v, addr, pfn, &table, index, False)


cdef uint32_t do_cow_fault(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint32_t flags) noexcept nogil:
    """The copy's frame comes first: for it something may be reclaimed, and that must not be the page that is copied."""
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags
    cdef uint32_t result = 0
    cdef uint64_t in_flight  # nothing is mapped around
    cdef pfn_t pfn, copy
    if anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    copy = alloc_pages(a, 0, GFP_USER_MOVABLE)
    if copy == 0:
        return VM_FAULT_OOM
    pfn = vm_ops_fault(a, v, linear_page_index(a, vma_at(a, v), addr), flags, &result, &in_flight)
    if pfn and table == 0:
        table = table_alloc(a, mm_mut(a, vma_at(a, v).vm_mm), addr, 0)
        if table == 0:
            result = VM_FAULT_OOM
    if pfn == 0 or table == 0:
        folio_put(a, copy)
        return result
    page_copy(a, copy, pfn)
    map_new_anon(a, v, addr, copy)
    add_mm_counter(mm_mut(a, vma_at(a, v).vm_mm), MM_ANONPAGES, 1)
    pte_store(a, table, index, maybe_mkwrite(a, pte_mkdirty(a, mk_pte(a, copy, vm_flags)), vm_flags))
    trace3(a, TR_COW_COPY, addr, pfn, copy)
    return result


cdef void page_mkwrite(arena_t *a, idx_t v, vaddr_t addr, pfn_t pfn) noexcept nogil:
    """The file system (which makes buffer heads) and the dirty accounting learn that a shared page is about to be written."""
    cdef pfn_t head = page_folio(a, pfn)
    if not frame_at(a, head).flags & PG_swapbacked:
        frame_mut(a, head).flags |= PG_private
    folio_mark_dirty(a, head)
    trace2(a, TR_WRITE_NOTIFY, addr, pfn)


cdef uint32_t do_shared_fault(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint32_t flags) noexcept nogil:
    cdef uint32_t result = 0
    cdef uint64_t in_flight  # nothing is mapped around
    cdef pfn_t pfn = vm_ops_fault(a, v, linear_page_index(a, vma_at(a, v), addr), flags, &result, &in_flight)
    if pfn == 0:
        return result
    page_mkwrite(a, v, addr, pfn)
    return result | finish_fault(a, v, addr, pfn, &table, index, True)

# --- copy-on-write --------------------------------------------------------------------------------------------


cdef bint can_reuse_large_anon(arena_t *a, pfn_t head) noexcept nogil:
    """__wp_can_reuse_large_anon_folio(): every reference is a mapping, and all of them are in this address space."""
    if large_mapcount(a, head) <= 1 or folio_maybe_mapped_shared(a, head):
        return False  # of the last page a copy is made, so that the folio goes
    if frame_at(a, head).flags & PG_swapcache:
        folio_free_swap(a, head)
    return frame_at(a, head).extra_refs == 0


cdef bint can_reuse_anon(arena_t *a, pfn_t pfn) noexcept nogil:
    """wp_can_reuse_anon_folio(): nobody but this mapping (for a large folio: this mm) refers to it."""
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f = frame_at(a, head)
    if f.flags & PG_head:
        return can_reuse_large_anon(a, head)
    if f.extra_refs + <uint32_t>max(f.mapcount, 0) > 3:
        return False  # too many for a batch to be what is in the way: none is emptied
    if not f.flags & PG_lru:
        lru_add_drain(a)  # a batch may hold the only other reference
    if f.extra_refs + <uint32_t>max(f.mapcount, 0) > (2 if f.flags & PG_swapcache else 1):
        return False  # somebody else has it: the slot, if there is one, stays
    if f.flags & PG_swapcache:
        frame_mut(a, head).extra_refs += 1
        folio_free_swap(a, head)
        frame_mut(a, head).extra_refs -= 1
    return f.extra_refs == 0 and f.mapcount == 1


cdef uint32_t do_wp_page(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef pfn_t pfn = pte_frame(a, e)
    cdef frame_t *f
    if area.vm_flags & (VM_SHARED | VM_MAYSHARE):
        if not pte_special(a, e):
            page_mkwrite(a, v, addr, pfn)
        wp_page_reuse(a, v, addr, table, index, e)
        return 0
    if not pte_special(a, e):
        f = frame_mut(a, pfn)
        if frame_at(a, page_folio(a, pfn)).flags & PG_anon:
            if f.flags & PG_anon_exclusive or can_reuse_anon(a, pfn):
                if not f.flags & PG_anon_exclusive:
                    f.flags |= PG_anon_exclusive
                    if not f.flags & (PG_head | PG_tail):
                        f.mapping = area.anon_vma  # folio_move_anon_rmap
                trace2(a, TR_COW_REUSE, addr, pfn)
                wp_page_reuse(a, v, addr, table, index, e)
                return 0
    return wp_page_copy(a, v, addr, table, index, e)

# --- entry ---------------------------------------------------------------------------------------------------


cdef uint32_t do_nonpresent(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, pte_t e, uint32_t what) noexcept nogil:
    """do_swap_page(), which sorts all entries that are not present."""
    if what == ENTRY_SWAP and a.do_swap_page != NULL:
        return a.do_swap_page(a, v, addr, flags, pte_to_swp_entry(a, e))
    if what == ENTRY_MARKER and pte_marker_kind(a, e) & PTE_MARKER_GUARD:
        return VM_FAULT_SIGSEGV
    return VM_FAULT_SIGBUS  # print_bad_pte(): no such area, and nothing here is ever on its way when a program runs


cdef uint32_t handle_pte_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef bint anonymous = vma_is_anonymous(area)
    # The table is made where something is mapped: a file's SIGBUS leaves none behind, but those above it.
    cdef pfn_t table = table_alloc(a, m, addr, 0) if anonymous else table_lookup(a, m, addr, 0)
    cdef uint32_t index = level_index(&a.m.arch, 0, addr)
    cdef pte_t e = pte_load(a, table, index) if table else 0
    cdef uint32_t what
    if table == 0 and (anonymous or table_alloc(a, m, addr, 1) == 0):
        return VM_FAULT_OOM
    what = pte_class(a, e)
    if what == ENTRY_NONE:
        if anonymous:
            return do_anonymous_page(a, v, addr, flags, table, index)
        if not flags & FAULT_WRITE:
            return do_read_fault(a, v, addr, table, index, flags)
        if not area.vm_flags & VM_SHARED:
            return do_cow_fault(a, v, addr, table, index, flags)
        return do_shared_fault(a, v, addr, table, index, flags)
    if what != ENTRY_PAGE and what != ENTRY_SPECIAL:
        return do_nonpresent(a, v, addr, flags, e, what)
    if flags & FAULT_WRITE and not pte_write(a, e):
        return do_wp_page(a, v, addr, table, index, e)
    if flags & FAULT_WRITE:
        e = pte_mkdirty(a, e)
    pte_store(a, table, index, pte_mkyoung(a, e))
    return 0


cdef uint32_t do_fault_at(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    """__handle_mm_fault(): a huge page where the area asks for it, else the PTE."""
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef uint32_t result
    cdef pte_t pmd
    if area.vm_flags & VM_HUGETLB:
        return hugetlb_fault(a, v, addr, flags)
    if not may_be_huge(a, area, m):
        return handle_pte_fault(a, v, addr, flags)  # nearly always: no huge page is asked for, and none is there
    if thp_vma_allowable(a, area) or m.thp_mapped:
        if table_alloc(a, m, addr, 1) == 0:
            return VM_FAULT_OOM
        pmd = entry_get(a, m, addr, 1)
        if pmd == 0:
            if thp_vma_allowable(a, area) and thp_vma_suitable(a, area, addr):
                result = do_huge_pmd_anonymous_page(a, v, addr, flags)
                if not result & VM_FAULT_FALLBACK:
                    return result
        elif pmd_is_huge(a, pmd):
            if flags & FAULT_WRITE and not pte_write(a, pmd):
                result = do_huge_pmd_wp_page(a, v, addr, pmd)
                if not result & VM_FAULT_FALLBACK:
                    return result
            else:
                huge_pmd_set_accessed(a, m, addr, pmd, flags)
                return 0
    return handle_pte_fault(a, v, addr, flags)


cdef uint32_t handle_mm_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil:
    cdef uint32_t result
    trace3(a, TR_VMA_FOUND, vma_at(a, v).vm_start, vma_at(a, v).vm_end, vma_at(a, v).vm_flags)
    result = do_fault_at(a, v, page_start(&a.m.arch, addr), flags)
    count_mm_event(a, mm_at(a, vma_at(a, v).vm_mm), PGFAULT)
    if result & VM_FAULT_ERROR:
        return result
    if a.task:
        if result & VM_FAULT_MAJOR:
            task_mut(a, a.task).maj_flt += 1
        else:
            task_mut(a, a.task).min_flt += 1
    trace2(a, TR_FAULT_DONE, addr, (result & VM_FAULT_MAJOR) != 0)
    return result
