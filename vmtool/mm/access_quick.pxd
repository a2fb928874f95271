# cython: language_level=3
"""The common access in one pass: a TLB hit, a walk of one entry, or a common fault, its retry and the TLB's fill."""

from vmtool.mm.arch cimport ARCH_CAREFUL, ARCH_TRANSLATES, pte_index_4k, pte_pfn, region_4k
from vmtool.mm.arena cimport arena_t, content_at, cpu_mut, frame_at
from vmtool.mm.sched cimport schedule
from vmtool.mm.thp cimport may_be_huge
from vmtool.mm.tlb cimport tlb_look_t
from vmtool.mm.types cimport *
from vmtool.mm.writeback cimport balance_dirty_pages, dirtied_nothing

cdef enum:
    QUICK_DONE = 1
    QUICK_FAULTED = 2  # by a fault after which others may run: after_fault()
    QUICK_RETRY = 3  # after a fault it is yet to be done

# The whole of one access by the program, as access_page() makes it. 0: nothing is changed, take the general road. MMU_FAULT and an error code:
# what mmu_access() would have come to, which is done. Negative: what handle_mm_fault() failed with, the sign turned.
cdef int access_quick(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, paddr_t *phys) noexcept nogil
# mmu_access() after a fault. 0: nothing is changed, it is yet to be called.
cdef int access_quick_again(arena_t *a, cpu_t *c, vaddr_t addr, int kind, paddr_t *phys) noexcept nogil

cdef inline void after_fault(arena_t *a, int faulted) noexcept nogil:
    """What the fault woke finds the access done and its bytes moved: else kswapd could take the page again, or the flusher write it, before."""
    if faulted:
        if not dirtied_nothing(a):
            balance_dirty_pages(a)  # fault_dirty_shared_page()
        schedule(a)

# --- for runs of pages, too (access_run) ---------------------------------------------------------------------------------

cdef struct look_t:
    tlb_look_t l1
    tlb_look_t l2
    uint64_t *entries  # of the PTE table; NULL: it has none
    pfn_t table
    idx_t content  # of the table, 0 while all of it is zeros
    uint32_t index
    pte_t entry

cdef inline bint is_quick(arena_t *a, const cpu_t *c, vaddr_t addr, const tlb_geom_t *first, const tlb_geom_t *second) noexcept nogil:
    """A 4K page whose PTE table the walker came by last, on a machine without PCIDs whose entries are read as they stand; nothing is traced."""
    cdef const arch_t *g = &a.m.arch
    if c.walk_region != region_4k(addr) or a.m.trace_on or a.m.pcid or c.tlb_has_large or first.ways == 0 or second.ways == 0 or not a.quick:
        return False
    return g.entry_bytes == 8 and not g.flags & (ARCH_TRANSLATES | ARCH_CAREFUL) and c.walk_root == pte_pfn(g, c.cr3)

# The processor.

cdef inline idx_t table_at(arena_t *a, const cpu_t *c, uint64_t vpn, look_t *at) noexcept nogil:
    """The PTE table that the walker came by last, and the page's entry in it. Returns: its content, 0 while all of it is zeros."""
    at.table = c.walk_table
    at.index = pte_index_4k(vpn)
    at.content = frame_at(a, at.table).content
    at.entries = <uint64_t *>content_at(a, at.content) if at.content else NULL
    at.entry = at.entries[at.index] if at.content else 0
    return at.content

cdef inline pte_t leaf_of(const arch_t *g, pte_t above, pte_t e) noexcept nogil:
    """The entry with the permissions of all levels: write and user AND-ed, NX OR-ed."""
    return (e & ~(g.write | g.user)) | (e & above & (g.write | g.user)) | (above & g.nx)

# The kernel.

cdef inline bint runs_elsewhere(arena_t *a, const cpu_t *c) noexcept nogil:
    """Another CPU has these tables too: its TLB would have to be flushed."""
    cdef uint32_t cpu
    cdef cpu_t *other
    for cpu in range(a.m.nr_cpus):
        other = cpu_mut(a, cpu)
        if other != c and (other.cr3 ^ c.cr3) & a.m.arch.pfn_mask == 0:
            return True
    return False

cdef inline bint fault_is_plain(arena_t *a, const cpu_t *c, idx_t task, vaddr_t addr, const look_t *at, const mm_t *m,
                                const vma_t *area) noexcept nogil:
    """Of the process that runs, in plain memory of small pages, in a PTE table that it and the walker remember; no group is charged."""
    if a.task != task or m.pgd != c.walk_root or m.pte_cache_pgd != m.pgd or m.pte_cache_addr != c.walk_region or at.entries == NULL:
        return False
    if addr < area.vm_start or addr >= area.vm_end or not c.walk_bits & a.m.arch.user or area.kind != VMA_PLAIN or m.memcg:
        return False
    return not may_be_huge(a, area, m)

cdef inline bint is_private(const vma_t *area) noexcept nogil:
    return not area.vm_flags & (VM_SHARED | VM_MAYSHARE)
