"""Entries of an imported process.

    smaps: Rss 12 kB, Anonymous 8 kB, Private_Dirty 8 kB     PTE 0x7000 -> a new page, dirty
                                                             PTE 0x8000 -> a new page, dirty
                                                             PTE 0x9000 -> the cache's page, clean
A relocated table of a library is read-only and holds pages of its own; no access of the process could bring such pages in, so they are put
where they were. Each page, entry and count is what the fault that once made it would have left (vmtool/mm/fault*.pyx); only the faults
themselves are not counted. Counterpart: none in Linux; the nearest is checkpoint/restore in user space.
Simplified: pages of 4 kB, as the machines have from which processes come.
# Deviation: huge pages of files are mapped by small entries; contents are zeros.
"""

from libc.string cimport memcpy

from vmtool.mm.arch cimport level_index, offset_in_page, page_align, page_size
from vmtool.mm.arena cimport file_at, frame_at, frame_mut, inode_at, mm_mut, vma_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.fault cimport special_page
from vmtool.mm.fault_anon cimport map_new_anon
from vmtool.mm.fault_file cimport SET_READ, SET_WRITE, count_file_rss, set_file_pte
from vmtool.mm.frame cimport page_bytes_mut, page_folio
from vmtool.mm.large_folio cimport has_pmd_thp, hpage_pmd_nr, hpage_pmd_size
from vmtool.mm.mlock cimport mlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.pagecache cimport filemap_add, filemap_get, folio_mark_dirty, shmem_get
from vmtool.mm.pgtable cimport entry_get, entry_set, table_alloc, table_lookup
from vmtool.mm.pte cimport (ENTRY_PAGE, mk_pte, pte_class, pte_frame, pte_load, pte_mkclean, pte_mkdirty, pte_mkhuge, pte_mkold, pte_mkspecial,
                            pte_mkwrite, pte_mkyoung, pte_special, pte_store, pte_wrprotect)
from vmtool.mm.rmap cimport anon_vma_fork, anon_vma_prepare, dup_anon_rmap, in_anon_vma_chain
from vmtool.mm.thp cimport pgtable_trans_huge_deposit, pmd_is_huge, thp_vma_suitable
from vmtool.mm.thp_fault cimport copy_huge_pmd, map_anon_pmd
from vmtool.mm.vma cimport linear_page_index, vma_is_anonymous


cdef inline pte_t marked(arena_t *a, pte_t e, uint32_t how) noexcept nogil:
    """The accessed and dirty bits as they stood."""
    e = pte_mkdirty(a, e) if how & ADOPT_DIRTY else pte_mkclean(a, e)
    return pte_mkyoung(a, e) if how & ADOPT_YOUNG else pte_mkold(a, e)


cdef int adopt_anon(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint32_t how) noexcept nogil:
    """1, 0: a shared area has none; -ENOMEM. A clean page is read-only: its first write is noticed, and finds it exclusive."""
    cdef vma_t *area = vma_at(a, v)
    cdef pte_t e
    cdef pfn_t pfn
    if area.vm_flags & VM_SHARED or area.kind != VMA_PLAIN:
        return 0
    if area.anon_vma == 0 and anon_vma_prepare(a, v) < 0:
        return -ENOMEM
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
    if pfn == 0:
        return -ENOMEM
    map_new_anon(a, v, addr, pfn)
    add_mm_counter(mm_mut(a, area.vm_mm), MM_ANONPAGES, 1)
    e = mk_pte(a, pfn, area.vm_flags)
    if area.vm_flags & VM_WRITE and how & ADOPT_DIRTY:
        e = pte_mkwrite(a, e)
    pte_store(a, table, index, marked(a, e, how))
    return 1


cdef pfn_t cached_page(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    """The cache's page, made without a read where there is none: its bytes are the disk's. 0: no memory."""
    cdef pfn_t pfn
    cdef uint32_t result = 0
    if inode_at(a, inode).kind == INODE_SHMEM:
        return shmem_get(a, inode, index, 0, 0, &result)
    pfn = filemap_get(a, inode, index)
    if pfn:
        return pfn
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE)
    if pfn == 0:
        return 0
    frame_mut(a, pfn).flags |= PG_uptodate
    if filemap_add(a, inode, index, pfn, 0) < 0:
        frame_mut(a, pfn).flags &= ~<uint32_t>PG_uptodate
        free_pages(a, pfn, 0)
        return 0
    return pfn


cdef int adopt_file_page(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint32_t how) noexcept nogil:
    """1, 0: the area has no page there; -ENOMEM. What is dirty in a private area is so by the file's other users: the page is, not the entry."""
    cdef vma_t *area = vma_at(a, v)
    cdef uint64_t pgoff = linear_page_index(a, area, addr)
    cdef bint writable = (area.vm_flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE)
    cdef pfn_t pfn
    cdef idx_t inode
    if area.kind != VMA_PLAIN:
        pfn = special_page(a, area, pgoff)
        how &= ~<uint32_t>ADOPT_DIRTY
        if pfn == 0:
            return 0
    elif area.vm_file == 0:
        return 0
    else:
        inode = file_at(a, area.vm_file).inode
        if pgoff >= page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift:
            return 0
        pfn = cached_page(a, inode, pgoff)
        if pfn == 0:
            return -ENOMEM
        if how & ADOPT_DIRTY:
            folio_mark_dirty(a, page_folio(a, pfn))
    set_file_pte(a, v, pfn, table, index, SET_WRITE if writable and how & ADOPT_DIRTY else SET_READ)
    if not how & ADOPT_YOUNG:
        pte_store(a, table, index, pte_mkold(a, pte_load(a, table, index)))
    count_file_rss(a, area, 1)
    return 1


cdef int adopt_zero(arena_t *a, idx_t v, pfn_t table, uint32_t index, uint32_t how) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef pte_t e
    if not vma_is_anonymous(area):
        return 0
    e = pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, area.vm_flags))
    pte_store(a, table, index, e if how & ADOPT_YOUNG else pte_mkold(a, e))
    return 1


cdef int adopt_huge(arena_t *a, idx_t v, vaddr_t addr, uint32_t how) noexcept nogil:
    """512, 0: no huge page can be there; -ENOMEM."""
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef pfn_t head
    if addr & (hpage_pmd_size(a) - 1) or area.vm_flags & VM_SHARED or not vma_is_anonymous(area) or not thp_vma_suitable(a, area, addr):
        return 0
    if a.m.arch.levels < 4 or table_alloc(a, m, addr, 1) == 0 or entry_get(a, m, addr, 1) != 0:
        return 0
    if anon_vma_prepare(a, v) < 0:
        return -ENOMEM
    head = alloc_pages(a, a.m.arch.pmd_order, GFP_USER_MOVABLE | GFP_NORETRY | GFP_THISNODE)
    if head == 0:
        return 0
    if pgtable_trans_huge_deposit(a, m, addr) < 0:
        free_pages(a, head, a.m.arch.pmd_order)
        return -ENOMEM
    map_anon_pmd(a, v, addr, head, (how & ADOPT_DIRTY) != 0)
    add_mm_counter(m, MM_ANONPAGES, hpage_pmd_nr(a))
    if not how & ADOPT_YOUNG:
        entry_set(a, m, addr, 1, pte_mkold(a, entry_get(a, m, addr, 1)))
    return hpage_pmd_nr(a)


cdef int adopt_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t what, uint32_t how) noexcept nogil:
    """One page: 1, 0 when it was left out, or -ENOMEM."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef uint32_t index = level_index(&a.m.arch, 0, addr)
    cdef pfn_t table = table_alloc(a, m, addr, 0)
    if table == 0:
        return 0 if has_pmd_thp(&a.m.arch) and table_lookup(a, m, addr, 1) and pmd_is_huge(a, entry_get(a, m, addr, 1)) else -ENOMEM
    if pte_load(a, table, index) != 0:
        return 0
    if what == ADOPT_FILE:
        return adopt_file_page(a, v, addr, table, index, how)
    if what == ADOPT_ZERO:
        return adopt_zero(a, v, table, index, how)
    return adopt_anon(a, v, addr, table, index, how)


cdef int64_t adopt_pages(arena_t *a, idx_t v, vaddr_t addr, uint64_t nr, uint32_t what, uint32_t how) noexcept nogil:
    cdef vaddr_t end = addr + (nr << a.m.arch.page_shift)
    cdef int64_t mapped = 0
    cdef int done
    while addr < end and not a.err:
        done = 0
        if what == ADOPT_HUGE and end - addr >= hpage_pmd_size(a):
            done = adopt_huge(a, v, addr, how)
        if done == hpage_pmd_nr(a):
            addr += hpage_pmd_size(a)
        elif done == 0:
            done = adopt_page(a, v, addr, what, how)
            addr += page_size(&a.m.arch)
        if done < 0:
            return done
        mapped += done
    return mapped


# --- shared with another process ---------------------------------------------------------------------------------------------


cdef pfn_t shared_page(arena_t *a, idx_t src, vaddr_t addr) noexcept nogil:
    """The anonymous page that an area has at an address; from now on nobody has it alone. 0: none."""
    cdef mm_t *m = mm_mut(a, vma_at(a, src).vm_mm)
    cdef pfn_t table = table_lookup(a, m, addr, 0), head
    cdef pte_t e
    cdef int level = 0
    if table == 0:
        level = 1
        table = table_lookup(a, m, addr, 1)
    e = entry_get(a, m, addr, level) if table else 0
    if (pte_class(a, e) != ENTRY_PAGE) if level == 0 else (not pmd_is_huge(a, e) or pte_special(a, e)):
        return 0
    head = page_folio(a, pte_frame(a, e))
    if not frame_at(a, head).flags & PG_anon:
        return 0
    entry_set(a, m, addr, level, pte_wrprotect(a, e))
    if level == 0:
        return pte_frame(a, e)
    frame_mut(a, head).flags &= ~<uint32_t>PG_anon_exclusive  # the head speaks for all that a huge entry maps
    return head + ((addr & (hpage_pmd_size(a) - 1)) >> a.m.arch.page_shift)


cdef int share_page(arena_t *a, idx_t v, vaddr_t addr, idx_t src, vaddr_t src_addr, uint32_t how) noexcept nogil:
    """copy_present_pte(): 1, 0 where the two cannot have this page in common, -ENOMEM."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t table = table_alloc(a, m, addr, 0), pfn
    cdef uint32_t index = level_index(&a.m.arch, 0, addr)
    if table == 0:
        return 0 if entry_get(a, m, addr, 1) else -ENOMEM
    pfn = shared_page(a, src, src_addr)
    if pfn == 0 or pte_load(a, table, index) != 0 or not in_anon_vma_chain(a, v, frame_at(a, page_folio(a, pfn)).mapping):
        return 0
    dup_anon_rmap(a, pfn, vma_at(a, v).vm_mm)
    pte_store(a, table, index, marked(a, mk_pte(a, pfn, vma_at(a, v).vm_flags), how))
    add_mm_counter(m, MM_ANONPAGES, 1)
    if vma_at(a, v).vm_flags & VM_LOCKED:
        mlock_folio(a, pfn)
    return 1


cdef int share_huge(arena_t *a, idx_t v, vaddr_t addr, idx_t src, uint32_t how) noexcept nogil:
    """A huge entry that both have: 512, 0, or -ENOMEM."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pte_t pmd
    if addr & (hpage_pmd_size(a) - 1) or not vma_is_anonymous(vma_at(a, v)) or not thp_vma_suitable(a, vma_at(a, v), addr):
        return 0
    if table_lookup(a, mm_mut(a, vma_at(a, src).vm_mm), addr, 1) == 0:
        return 0
    pmd = entry_get(a, mm_mut(a, vma_at(a, src).vm_mm), addr, 1)
    if not pmd_is_huge(a, pmd) or pte_special(a, pmd) or not in_anon_vma_chain(a, v, frame_at(a, pte_frame(a, pmd)).mapping):
        return 0
    if table_alloc(a, m, addr, 1) == 0:
        return -ENOMEM
    if entry_get(a, m, addr, 1) != 0:
        return 0
    if not copy_huge_pmd(a, v, src, addr):
        return -ENOMEM
    pmd = pte_mkhuge(a, mk_pte(a, pte_frame(a, pmd), vma_at(a, v).vm_flags))
    entry_set(a, m, addr, 1, marked(a, pmd, how))
    return hpage_pmd_nr(a)


cdef bint can_share(arena_t *a, idx_t v, vaddr_t addr, idx_t src, vaddr_t src_addr) noexcept nogil:
    """Two areas of different spaces may have a private page in common: they were one when it was made."""
    cdef vma_t *area = vma_at(a, v)
    cdef vma_t *other = vma_at(a, src)
    if (area.vm_flags | other.vm_flags) & VM_SHARED or area.vm_mm == other.vm_mm or area.kind != VMA_PLAIN or other.kind != VMA_PLAIN:
        return False
    return linear_page_index(a, area, addr) == linear_page_index(a, other, src_addr)


cdef int link_areas(arena_t *a, idx_t v, vaddr_t addr, idx_t src, idx_t parent) noexcept nogil:
    """The area inherits its pages: from its parent's area, where that knows those of src; else from src itself. 0 or -ENOMEM."""
    if vma_at(a, v).avc_head:
        return 0
    if parent and can_share(a, v, addr, parent, addr) and vma_at(a, parent).anon_vma and in_anon_vma_chain(a, parent, vma_at(a, src).anon_vma):
        return anon_vma_fork(a, v, parent)
    return anon_vma_fork(a, v, src)


cdef int64_t adopt_shared(arena_t *a, idx_t v, vaddr_t addr, uint64_t nr, idx_t src, vaddr_t src_addr, idx_t parent, uint32_t how) noexcept nogil:
    cdef uint64_t done = 0
    cdef int got
    if not can_share(a, v, addr, src, src_addr) or vma_at(a, src).anon_vma == 0:
        return 0
    if link_areas(a, v, addr, src, parent) < 0:
        return -ENOMEM
    while done < nr and not a.err:
        got = 0
        if addr == src_addr and nr - done >= hpage_pmd_nr(a):
            got = share_huge(a, v, addr, src, how)
        if got == 0:
            got = share_page(a, v, addr, src, src_addr, how)
        if got < 0:
            return got
        if got == 0:
            break
        done += got
        addr += <uint64_t>got << a.m.arch.page_shift
        src_addr += <uint64_t>got << a.m.arch.page_shift
    return <int64_t>done


cdef void hand_down(arena_t *a, idx_t v, vaddr_t addr, idx_t anon_vma) noexcept nogil:
    """The page at addr, just mapped by this area alone, is one that it inherited."""
    cdef pfn_t pfn = shared_page(a, v, addr)
    if pfn:
        frame_mut(a, page_folio(a, pfn)).mapping = anon_vma
        frame_mut(a, pfn).flags &= ~<uint32_t>PG_anon_exclusive


cdef int64_t adopt_inherited(arena_t *a, idx_t v, vaddr_t addr, uint64_t nr, uint32_t what, idx_t src, vaddr_t src_addr, idx_t parent,
                             uint32_t how) noexcept nogil:
    cdef int64_t mapped
    cdef idx_t anon_vma
    cdef uint64_t i
    if not can_share(a, v, addr, src, src_addr):
        return adopt_pages(a, v, addr, nr, what, how)
    if anon_vma_prepare(a, src) < 0 or link_areas(a, v, addr, src, parent) < 0:
        return -ENOMEM
    anon_vma = vma_at(a, src).anon_vma
    mapped = adopt_pages(a, v, addr, nr, what, how)
    if mapped == <int64_t>nr and in_anon_vma_chain(a, v, anon_vma):
        for i in range(nr):
            hand_down(a, v, addr + (i << a.m.arch.page_shift), anon_vma)
    return mapped


cdef uint64_t adopt_bytes(arena_t *a, idx_t mm, vaddr_t addr, const char *data, uint64_t length) noexcept nogil:
    """Small entries alone: what is written lies on a stack."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint64_t done = 0, n
    cdef pfn_t table
    cdef pte_t e
    while done < length:
        table = table_lookup(a, m, addr + done, 0)
        e = pte_load(a, table, level_index(&a.m.arch, 0, addr + done)) if table else 0
        if pte_class(a, e) != ENTRY_PAGE or not frame_at(a, pte_frame(a, e)).flags & PG_anon:
            break
        n = page_size(&a.m.arch) - offset_in_page(&a.m.arch, addr + done)
        if n > length - done:
            n = length - done
        memcpy(page_bytes_mut(a, pte_frame(a, e)) + offset_in_page(&a.m.arch, addr + done), data + done, n)
        done += n
    return done
