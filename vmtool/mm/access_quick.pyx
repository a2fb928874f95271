# cython: language_level=3
"""The common access in one pass. What access.pyx, mmu.pyx, fault.pyx and fault_anon.pyx do together, each record fetched once:

    TLB hit                                   ages, counters
    miss, present entry that allows it        the walk, A and D, the fill
    no entry, plain private memory            written: do_anonymous_page() of a frame that lies ready; read: of the zero page
    no entry, a file's page in the cache      read: do_read_fault(), which maps its neighbours, too
    read-only entry, plain private memory     written: do_wp_page() of a single anonymous page, a copy or not
    an entry that names a slot, the same      do_swap_page(), and the retry

The state it leaves is the one that the general road leaves, record by record: tests/mm/test_access_quick.py holds the two together.
Whatever is_quick() or fault_is_plain() do not let pass takes the general road; where only the kernel's part is not of the common kind, the
processor's is done here: the miss that faults, and the retry.
"""

from vmtool.mm.arch cimport SHIFT_4K, entry_reserved, page_start, vpn_4k
from vmtool.mm.arena cimport content_mut, frame_mut, mm_mut, task_at, task_mut, vma_at
from vmtool.mm.buddy cimport pcp_take, prep_new_page
from vmtool.mm.fault_anon cimport anon_pte
from vmtool.mm.fault_file cimport do_fault_around_single
from vmtool.mm.frame cimport page_copy
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.mmu cimport MMU_FAULT, leaf_phys
from vmtool.mm.pgtable cimport mk_pte, pte_frame, pte_mkdirty, pte_mkspecial, pte_mkwrite, pte_mkyoung, pte_special, pte_write
from vmtool.mm.pte cimport ENTRY_SWAP, pte_class, pte_store, pte_to_swp_entry
from vmtool.mm.rmap cimport add_new_anon_rmap
from vmtool.mm.swap_lru cimport folio_add_lru_single
from vmtool.mm.swapin_quick cimport fault_plain
from vmtool.mm.tlb cimport TLB_L1D_4K, TLB_L1I_4K, TLB_L2, tlb_look, tlb_permits, tlb_put_looked, tlb_void_page
from vmtool.mm.vmstat cimport NR_TLB_LOCAL_FLUSH_ONE, PGALLOC_DMA, PGFAULT, PGREUSE, count_vm_event

cdef enum:  # look_at
    DONE
    FAULT  # the processor would fault; nothing is counted yet
    NO  # not such an access; nothing is changed

# --- the processor -------------------------------------------------------------------------------------------------


cdef inline bint is_first(const vma_t *area, const look_t *at) noexcept nogil:
    """Nothing is there yet, and the area may be read."""
    return at.entry == 0 and at.l1.hit == NULL and at.l2.hit == NULL and area.vm_flags & (VM_READ | VM_WRITE | VM_EXEC)


cdef inline void count_walk(arena_t *a, cpu_t *c, bint missed) noexcept nogil:
    c.tlb_clock += 1
    c.misses += missed
    c.walks += 1
    c.walk_reads += a.m.arch.levels


cdef inline int look_at(arena_t *a, cpu_t *c, vaddr_t addr, int access, look_t *at, paddr_t *phys) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef tlb_geom_t *first = &a.m.tlb_geom[TLB_L1I_4K if access == ACCESS_EXEC else TLB_L1D_4K]
    cdef tlb_geom_t *second = &a.m.tlb_geom[TLB_L2]
    cdef uint64_t vpn = vpn_4k(addr)
    cdef pte_t leaf
    cdef pte_t want = g.accessed | (g.dirty if access == ACCESS_WRITE else 0)
    cdef idx_t content
    if not is_quick(a, c, addr, first, second):
        return NO
    tlb_look(a, c, first, vpn, &at.l1)
    if at.l1.hit != NULL and tlb_permits(g, at.l1.hit.pte, access):
        c.tlb_clock += 1
        at.l1.hit.age = c.tlb_clock
        c.l1_hits += 1
        phys[0] = leaf_phys(g, at.l1.hit.pte, SHIFT_4K, addr)
        return DONE
    content = table_at(a, c, vpn, at)
    tlb_look(a, c, second, vpn, &at.l2)
    if at.l1.hit == NULL and at.l2.hit != NULL and tlb_permits(g, at.l2.hit.pte, access):
        c.tlb_clock += 1
        at.l2.hit.age = c.tlb_clock
        c.l2_hits += 1
        at.l1.place[0] = at.l2.hit[0]
        phys[0] = leaf_phys(g, at.l2.hit.pte, SHIFT_4K, addr)
        return DONE
    if not at.entry & g.present:
        return FAULT
    if entry_reserved(g, 0, at.entry):
        return NO
    leaf = leaf_of(g, c.walk_bits, at.entry)
    if not leaf & g.user or (access == ACCESS_WRITE and not leaf & g.write) or (access == ACCESS_EXEC and leaf & g.nx):
        return FAULT
    if (at.entry & want) != want:
        content_mut(a, content)  # the chunk changes
        at.entries[at.index] = at.entry | want
        leaf |= want
    count_walk(a, c, at.l1.hit == NULL and at.l2.hit == NULL)
    tlb_put_looked(a, c, &at.l1, &at.l2, vpn, leaf)
    phys[0] = leaf_phys(g, leaf, SHIFT_4K, addr)
    return DONE


cdef inline void flush_looked(arena_t *a, cpu_t *c, uint64_t vpn, look_t *at) noexcept nogil:
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

# --- the kernel -----------------------------------------------------------------------------------------------------


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


cdef inline bint copy_or_reuse(arena_t *a, const vma_t *area, vaddr_t addr, const look_t *at, pte_t *new) noexcept nogil:
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
    if f.mapcount <= 1 or (not f.flags & PG_lru and f.mapcount + f.extra_refs <= 3):
        return False  # a batch may hold it: the general road empties that first
    copy = new_page(a, area, addr)
    if copy == 0:
        return False
    if f.content or f.flags & PG_swapcache:  # or its slot has them
        page_copy(a, copy, old)
    f.mapcount -= 1
    new[0] = anon_pte(a, copy, area.vm_flags)
    return True


cdef inline bint write_fault(arena_t *a, cpu_t *c, mm_t *m, const vma_t *area, vaddr_t addr, look_t *at, pte_t *new) noexcept nogil:
    cdef pfn_t pfn
    if area.vm_flags & (VM_WRITE | VM_LOCKED) != VM_WRITE or area.anon_vma == 0:
        return False
    if at.entry == 0:
        if area.vm_file or at.l1.hit != NULL or at.l2.hit != NULL:
            return False
        pfn = new_page(a, area, addr)
        if pfn == 0:
            return False
        add_mm_counter(m, MM_ANONPAGES, 1)
        new[0] = anon_pte(a, pfn, area.vm_flags)
        return True
    if pte_write(a, at.entry) or not at.entry & a.m.arch.user or runs_elsewhere(a, c):
        return False
    if not copy_or_reuse(a, area, addr, at, new):
        return False
    flush_looked(a, c, vpn_4k(addr), at)
    return True


cdef inline bint read_fault(arena_t *a, const vma_t *area, const look_t *at, pte_t *new) noexcept nogil:
    if area.vm_file or not is_first(area, at):
        return False
    new[0] = pte_mkspecial(a, mk_pte(a, a.m.zero_pfn, area.vm_flags))
    return True


cdef inline bint is_swapped(arena_t *a, const vma_t *area, const look_t *at, int kind) noexcept nogil:
    """Of memory that the access is allowed to."""
    if not is_private(area) or not area.vm_flags & (VM_WRITE if kind == ACCESS_WRITE else VM_READ | VM_WRITE | VM_EXEC):
        return False
    return a.do_swap_page != NULL and pte_class(a, at.entry) == ENTRY_SWAP


cdef inline uint64_t missed_tag(vaddr_t addr, int kind) noexcept nogil:
    """tlb_lookup()'s note of a page that neither level has."""
    return (vpn_4k(addr) + 1) << 1 | (kind == ACCESS_EXEC)


cdef inline bint fill_again(arena_t *a, cpu_t *c, vaddr_t addr, int kind, look_t *at, paddr_t *phys) noexcept nogil:
    """access_quick_again() with the places of the TLB that were found before the fault. False: it is to be called, and nothing is changed."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t want = g.accessed | (g.dirty if kind == ACCESS_WRITE else 0)
    cdef pte_t e = at.entries[at.index], leaf = leaf_of(g, c.walk_bits, e)
    if c.tlb_missed != missed_tag(addr, kind) or c.walk_table != at.table or c.walk_region != region_4k(addr) or c.tlb_has_large:
        return False
    if leaf & (g.present | want) != g.present | want or entry_reserved(g, 0, e) or not tlb_permits(g, leaf, kind):
        return False
    count_walk(a, c, True)
    tlb_put_looked(a, c, &at.l1, &at.l2, vpn_4k(addr), leaf)
    phys[0] = leaf_phys(g, leaf, SHIFT_4K, addr)
    return True


cdef inline int swap_fault(arena_t *a, cpu_t *c, task_t *task, mm_t *m, vaddr_t addr, int kind, look_t *at, paddr_t *phys) noexcept nogil:
    """handle_mm_fault() of an entry that names a slot, and the retry."""
    cdef uint32_t flags = FAULT_USER | FAULT_WRITE if kind == ACCESS_WRITE else FAULT_USER
    cdef uint64_t flushes = c.flushes_page + c.flushes_all
    cdef uint32_t result = 0
    if not fault_plain(a, m.vma_cache, m, page_start(&a.m.arch, addr), at.content, at.entries, at.index, flags):
        result = a.do_swap_page(a, m.vma_cache, page_start(&a.m.arch, addr), flags, pte_to_swp_entry(a, at.entry))
    count_vm_event(a, PGFAULT)
    if result & VM_FAULT_ERROR:
        return -<int>result
    if result & VM_FAULT_MAJOR:
        task.maj_flt += 1
    else:
        task.min_flt += 1
    if a.err:
        return QUICK_RETRY
    if c.flushes_page + c.flushes_all == flushes and fill_again(a, c, addr, kind, at, phys):  # else reclaim ran
        return QUICK_FAULTED
    return QUICK_FAULTED if access_quick_again(a, c, addr, kind, phys) else QUICK_RETRY


cdef inline pte_t end_fault(arena_t *a, cpu_t *c, task_t *task, vaddr_t addr, const look_t *at, bint missed, pte_t new) noexcept nogil:
    """What is counted, the retry and the fill. Returns: what the TLB has."""
    count_vm_event(a, PGFAULT)
    task.min_flt += 1
    count_walk(a, c, missed)
    count_walk(a, c, True)  # the retry
    new = leaf_of(&a.m.arch, c.walk_bits, new)
    tlb_put_looked(a, c, &at.l1, &at.l2, vpn_4k(addr), new)
    return new


cdef inline int raise_fault(arena_t *a, cpu_t *c, vaddr_t addr, int kind, const look_t *at) noexcept nogil:
    """mmu_access() of a page whose entry does not allow the access."""
    cdef bint missed = at.l1.hit == NULL and at.l2.hit == NULL
    count_walk(a, c, missed)
    if missed:
        c.tlb_missed = missed_tag(addr, kind)
    return MMU_FAULT | PF_USER | (PF_WRITE if kind == ACCESS_WRITE else PF_INSTR if kind == ACCESS_EXEC else 0) | (PF_PROT if at.entry & a.m.arch.present else 0)


cdef int access_quick_again(arena_t *a, cpu_t *c, vaddr_t addr, int kind, paddr_t *phys) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pte_t want = g.accessed | (g.dirty if kind == ACCESS_WRITE else 0)
    cdef tlb_geom_t *first = &a.m.tlb_geom[TLB_L1I_4K if kind == ACCESS_EXEC else TLB_L1D_4K]
    cdef look_t at
    cdef idx_t content
    cdef pte_t leaf
    if c.tlb_missed != missed_tag(addr, kind) or not is_quick(a, c, addr, first, &a.m.tlb_geom[TLB_L2]):
        return 0
    content = table_at(a, c, vpn_4k(addr), &at)
    leaf = leaf_of(g, c.walk_bits, at.entry)
    if not leaf & g.present or entry_reserved(g, 0, at.entry) or not tlb_permits(g, leaf | want, kind):
        return 0
    tlb_look(a, c, first, vpn_4k(addr), &at.l1)
    tlb_look(a, c, &a.m.tlb_geom[TLB_L2], vpn_4k(addr), &at.l2)
    if (at.entry & want) != want:
        content_mut(a, content)  # the chunk changes
        at.entries[at.index] = at.entry | want
        leaf |= want
    count_walk(a, c, True)
    tlb_put_looked(a, c, &at.l1, &at.l2, vpn_4k(addr), leaf)
    phys[0] = leaf_phys(g, leaf, SHIFT_4K, addr)
    return QUICK_DONE


cdef int access_quick(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, paddr_t *phys) noexcept nogil:
    cdef look_t at
    cdef mm_t *m
    cdef vma_t *area
    cdef bint missed
    cdef pte_t new = 0
    cdef int seen = look_at(a, c, addr, kind, &at, phys), done, code
    if seen != FAULT:
        return QUICK_DONE if seen == DONE else 0
    m = mm_mut(a, task_at(a, task).mm)
    area = vma_at(a, m.vma_cache)
    if kind == ACCESS_EXEC or not fault_is_plain(a, c, task, addr, &at, m, area):
        return raise_fault(a, c, addr, kind, &at)
    if at.entry and not at.entry & a.m.arch.present:
        code = raise_fault(a, c, addr, kind, &at)
        if not is_swapped(a, area, &at, kind):
            return code
        return swap_fault(a, c, task_mut(a, task), m, addr, kind, &at, phys)
    missed = at.l1.hit == NULL and at.l2.hit == NULL
    if is_private(area) and (write_fault(a, c, m, area, addr, &at, &new) if kind == ACCESS_WRITE else read_fault(a, area, &at, &new)):
        pte_store(a, at.table, at.index, new)
        done = QUICK_DONE
    elif kind == ACCESS_READ and area.vm_file and is_first(area, &at) and do_fault_around_single(a, m.vma_cache, addr, at.table, at.index):
        new = at.entries[at.index]
        done = QUICK_FAULTED
    else:
        return raise_fault(a, c, addr, kind, &at)
    new = end_fault(a, c, task_mut(a, task), addr, &at, missed, new)
    phys[0] = leaf_phys(&a.m.arch, new, SHIFT_4K, addr)
    return done
