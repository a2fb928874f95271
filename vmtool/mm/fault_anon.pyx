"""Faults that end in an anonymous page of the area's own.

    write 0x7000, no entry:         a zeroed frame, entry -> it, writable and dirty           do_anonymous_page
    read  0x7000, no entry:         the zero page, read-only                                  do_anonymous_page
    write, entry read-only, shared: a new frame with the old one's bytes, entry -> it         wp_page_copy
    write, entry read-only, ours:   the same frame, entry writable                            wp_page_reuse

Counterpart: Linux v6.18 mm/memory.c. The quick road at the end does for one write what access.pyx, mmu.pyx, fault.pyx and the above do
together (lookup, walk, fault, retry, fill), each record fetched once; tests/mm/test_fault_anon.py holds the two roads' states together.
"""

from vmtool.mm.arena cimport content_mut, cpu_mut, frame_at, frame_mut, mm_mut, task_at, task_mut, vma_at
from vmtool.mm.buddy cimport alloc_pages, folio_get, folio_put, pcp_take, prep_new_page
from vmtool.mm.frame cimport page_copy, page_folio
from vmtool.mm.mlock cimport mlock_new_folio, munlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.mmu cimport leaf_phys, mmu_count_walk, mmu_leaf
from vmtool.mm.pgtable cimport flush_tlb_page, mk_pte, pte_frame, pte_mkdirty, pte_mkspecial, pte_mkwrite, pte_mkyoung, pte_special, pte_write
from vmtool.mm.pte cimport pte_load, pte_store
from vmtool.mm.rmap cimport add_new_anon_rmap, anon_vma_prepare
from vmtool.mm.swap_lru cimport folio_add_lru, folio_add_lru_single
from vmtool.mm.thp cimport may_be_huge
from vmtool.mm.tlb cimport TLB_L1D_4K, TLB_L1I_4K, TLB_L2, tlb_look, tlb_put_looked, tlb_void_page
from vmtool.mm.trace cimport TR_ANON_MAP, TR_COW_COPY, TR_ZERO_PAGE_MAP, trace2, trace3
from vmtool.mm.unmap cimport drop_mapping
from vmtool.mm.vmstat cimport NR_TLB_LOCAL_FLUSH_ONE, PGALLOC_DMA, PGFAULT, PGREUSE, count_vm_event


cdef inline pte_t anon_pte(arena_t *a, pfn_t pfn, uint64_t vm_flags) noexcept nogil:
    """Dirty from the first, because it was made for a write."""
    cdef pte_t e = pte_mkdirty(a, mk_pte(a, pfn, vm_flags))
    return pte_mkwrite(a, e) if vm_flags & VM_WRITE else e


cdef void map_new_anon(arena_t *a, idx_t v, vaddr_t addr, pfn_t pfn) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef frame_t *f = frame_mut(a, pfn)
    add_new_anon_rmap(a, pfn, f, area, addr)
    if area.vm_flags & VM_LOCKED:
        mlock_new_folio(a, pfn)
    else:
        folio_add_lru(a, pfn)


cdef uint32_t do_anonymous_page(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, pfn_t table, uint32_t index) noexcept nogil:
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags
    cdef pfn_t pfn
    if not flags & FAULT_WRITE:
        pte_store(a, table, index, pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, vm_flags)))
        trace2(a, TR_ZERO_PAGE_MAP, addr, a.m.zero_pfn)
        return 0
    if vma_at(a, v).anon_vma == 0 and anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    pfn = alloc_pages(a, 0, GFP_USER_MOVABLE | GFP_ZERO)
    if pfn == 0:
        return VM_FAULT_OOM
    map_new_anon(a, v, addr, pfn)
    add_mm_counter(mm_mut(a, vma_at(a, v).vm_mm), MM_ANONPAGES, 1)
    pte_store(a, table, index, anon_pte(a, pfn, vm_flags))
    trace2(a, TR_ANON_MAP, addr, pfn)
    return 0


cdef void wp_page_reuse(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil:
    e = pte_mkdirty(a, pte_mkyoung(a, e))
    pte_store(a, table, index, pte_mkwrite(a, e) if vma_at(a, v).vm_flags & VM_WRITE else e)
    flush_tlb_page(a, mm_mut(a, vma_at(a, v).vm_mm), addr)
    count_vm_event(a, PGREUSE)


cdef uint32_t wp_page_copy(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil:
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t old = pte_frame(a, e)
    cdef pfn_t copy
    cdef int kind
    if anon_vma_prepare(a, v) < 0:
        return VM_FAULT_OOM
    if not pte_special(a, e):
        folio_get(a, page_folio(a, old))  # reclaim for the copy's frame may unmap it, but must not free it
    copy = alloc_pages(a, 0, GFP_USER_MOVABLE)
    if not pte_special(a, e):
        if copy and pte_load(a, table, index) == e:
            page_copy(a, copy, old)
        elif copy:
            folio_put(a, copy)
        folio_put(a, page_folio(a, old))
    if copy == 0:
        return VM_FAULT_OOM
    if pte_load(a, table, index) != e:
        return 0  # it was unmapped meanwhile: the access faults again
    map_new_anon(a, v, addr, copy)
    pte_store(a, table, index, anon_pte(a, copy, vma_at(a, v).vm_flags))
    flush_tlb_page(a, m, addr)
    trace3(a, TR_COW_COPY, addr, old, copy)
    if vma_at(a, v).vm_flags & VM_LOCKED and not pte_special(a, e):
        munlock_folio(a, page_folio(a, old))
    kind = drop_mapping(a, e)
    if kind != MM_ANONPAGES:  # one for one else, and the counter goes in batches
        add_mm_counter(m, MM_ANONPAGES, 1)
        if kind >= 0:
            add_mm_counter(m, kind, -1)
    return 0


# --- the quick road ------------------------------------------------------------------------------------------------

cdef inline bint is_plain(arena_t *a, const vma_t *area, const mm_t *m) noexcept nogil:
    """Private, writable, unlocked, with its anon_vma made, and no huge page asked for."""
    return ((area.vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE | VM_LOCKED)) == VM_WRITE and area.anon_vma != 0
            and area.kind == VMA_PLAIN and m.memcg == 0 and not may_be_huge(a, area, m))


cdef inline bint runs_elsewhere(arena_t *a, const cpu_t *c) noexcept nogil:
    """Another CPU has these tables too: its TLB would have to be flushed."""
    cdef uint32_t cpu
    cdef cpu_t *other
    for cpu in range(a.m.nr_cpus):
        other = cpu_mut(a, cpu)
        if other != c and (other.cr3 ^ c.cr3) & a.m.arch.pfn_mask == 0:
            return True
    return False


cdef inline pfn_t new_page(arena_t *a, const vma_t *area, vaddr_t addr) noexcept nogil:
    """alloc_pages() and map_new_anon() of a frame that lies ready; 0: none does."""
    cdef uint32_t z = 0
    cdef pfn_t pfn = pcp_take(a, GFP_USER_MOVABLE, &z)
    cdef frame_t *f
    if pfn == 0:
        return 0
    f = frame_mut(a, pfn)
    prep_new_page(f)
    add_new_anon_rmap(a, pfn, f, area, addr)
    folio_add_lru_single(a, f, pfn)
    count_vm_event(a, PGALLOC_DMA + <int>z)
    return pfn


cdef inline bint copy_or_reuse(arena_t *a, mm_t *m, const vma_t *area, vaddr_t addr, mmu_look_t *at, pte_t *new) noexcept nogil:
    """do_wp_page() for a single anonymous page. False: another case, nothing is changed."""
    cdef pfn_t old = pte_frame(a, at.entry)
    cdef pfn_t copy
    cdef frame_t *f = frame_mut(a, old)
    if pte_special(a, at.entry) or f.flags & (PG_head | PG_tail) or not f.flags & PG_anon:
        return False
    if f.flags & PG_anon_exclusive or (f.mapcount == 1 and f.extra_refs == 0):
        if not f.flags & PG_anon_exclusive:
            f.flags |= PG_anon_exclusive
            f.mapping = area.anon_vma
        new[0] = pte_mkwrite(a, pte_mkdirty(a, pte_mkyoung(a, at.entry)))
        count_vm_event(a, PGREUSE)
        return True
    if f.mapcount <= 1:
        return False
    copy = new_page(a, area, addr)
    if copy == 0:
        return False
    if f.content:
        page_copy(a, copy, old)
    f.mapcount -= 1
    new[0] = anon_pte(a, copy, area.vm_flags)
    return True


cdef inline void flush_looked(arena_t *a, cpu_t *c, uint64_t vpn, mmu_look_t *at) noexcept nogil:
    """flush_tlb_page() on this CPU, and where the page goes then."""
    cdef uint64_t tag = vpn << 1 | 1
    if at.l1.place.tag == tag:
        at.l1.place.tag = 0
        at.l1.place.age = 0
        tlb_look(a, c, &a.m.tlb_geom[TLB_L1D_4K], vpn, &at.l1)
    if at.l2.place.tag == tag:
        at.l2.place.tag = 0
        at.l2.place.age = 0
        tlb_look(a, c, &a.m.tlb_geom[TLB_L2], vpn, &at.l2)
    if a.m.tlb_geom[TLB_L1I_4K].ways:
        tlb_void_page(a, c, &a.m.tlb_geom[TLB_L1I_4K], vpn)
    c.flushes_page += 1
    count_vm_event(a, NR_TLB_LOCAL_FLUSH_ONE)


cdef bint anon_write_fault(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, mmu_look_t *at, paddr_t *phys) noexcept nogil:
    cdef mm_t *m = mm_mut(a, task_at(a, task).mm)
    cdef vma_t *area = vma_at(a, m.vma_cache)
    cdef bint missed = at.l1.hit == NULL and at.l2.hit == NULL
    cdef pfn_t pfn
    cdef pte_t new = 0
    if a.task != task or m.pgd != c.walk_root or m.pte_cache_pgd != m.pgd or m.pte_cache_addr != c.walk_region or at.entries == NULL:
        return False
    if addr < area.vm_start or addr >= area.vm_end or not is_plain(a, area, m) or not c.walk_bits & a.m.arch.user:
        return False
    if at.entry == 0:
        pfn = 0 if area.vm_file or not missed else new_page(a, area, addr)
        if pfn == 0:
            return False
        add_mm_counter(m, MM_ANONPAGES, 1)
        new = anon_pte(a, pfn, area.vm_flags)
    elif not at.entry & a.m.arch.present or pte_write(a, at.entry) or not at.entry & a.m.arch.user or runs_elsewhere(a, c):
        return False
    elif not copy_or_reuse(a, m, area, addr, at, &new):
        return False
    else:
        flush_looked(a, c, addr >> 12, at)
    pte_store(a, at.table, at.index, new)
    count_vm_event(a, PGFAULT)
    task_mut(a, task).min_flt += 1
    mmu_count_walk(a, c, missed)
    mmu_count_walk(a, c, True)  # the retry
    new = mmu_leaf(&a.m.arch, c.walk_bits, new)
    tlb_put_looked(a, c, &at.l1, &at.l2, addr >> 12, new)
    phys[0] = leaf_phys(&a.m.arch, new, 12, addr)
    return True
