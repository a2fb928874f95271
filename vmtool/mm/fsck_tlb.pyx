"""The invariants of TLBs, and of the names that address spaces have in them.

Counterpart: Linux's CONFIG_DEBUG_VM assertions of arch/x86/mm/tlb.c; nothing in the kernel looks into a TLB.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arch cimport ARCH_ASID, ARCH_SOFT_YOUNG, level_index, pte_pfn
from vmtool.mm.arena cimport mm_at, rec_at, rec_is_live
from vmtool.mm.checks cimport nth_check
from vmtool.mm.mmu cimport leaf_phys, mmu_walk, walk_t
from vmtool.mm.mmu_context cimport asid_bits, asid_gen_match, asid_is_given, asid_of
from vmtool.mm.pgtable cimport table_descend
from vmtool.mm.pte cimport ENTRY_PAGE, entry_load, pte_class, pte_young
from vmtool.mm.tlb cimport TLB_GLOBAL, TLB_PSC, tlb_is_valid, tlb_locate, tlb_space

cdef enum:
    CHECK_TLB_STALE
    CHECK_ASID
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_TLB_STALE] = fsck_check_t(b"tlb-stale", b"the TLB of CPU {0} holds address {1:#x}, which the page tables translate otherwise")
CHECKS[CHECK_ASID] = fsck_check_t(b"asid", b"address space {0} has ASID {1}, which another has, too, or nobody was given")

cdef struct fsck_t:  # one run
    arena_t *a
    fsck_report_fn report
    void *ctx


cdef const fsck_check_t *fsck_tlb_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef bint leads_there(const arch_t *g, const walk_t *w, const tlb_entry_t *e, int level) noexcept nogil:
    """An entry of a paging-structure cache: the walk comes by the same table, with no right less."""
    cdef pte_t rights = g.write | g.user
    cdef pte_t nx = 0
    cdef int i
    for i in range(w.nr_steps):
        rights &= w.entry[i]
        nx |= w.entry[i] & g.nx
        if w.entry_level[i] == level:
            if not w.entry[i] & g.present or w.entry[i] & g.huge or pte_pfn(g, w.entry[i]) != pte_pfn(g, e.pte):
                return False
            return not e.pte & ~rights & (g.write | g.user) and not nx & ~e.pte
    return False


cdef idx_t space_of(arena_t *a, const cpu_t *c, const tlb_entry_t *e) noexcept nogil:
    """The address space that an entry is of; 0: of none that lives."""
    cdef idx_t mm
    if c.active_mm and e.pcid == tlb_space(a.m, c):
        return c.active_mm
    for mm in range(1, a.pool[POOL_MM].count):
        if rec_is_live(a, POOL_MM, mm) and asid_gen_match(a.m, mm_at(a, mm).context_id) and asid_of(a.m, mm_at(a, mm).context_id) == e.pcid:
            return mm
    return 0


cdef bint is_old_there(arena_t *a, pfn_t root, vaddr_t addr, const tlb_entry_t *e) noexcept nogil:
    """Where a page that is not young has no entry of the processor's (arm): clear_refs makes it so, and leaves it to the TLB to forget the other."""
    cdef pfn_t table = 0
    cdef pte_t found = 0
    if not a.m.arch.flags & ARCH_SOFT_YOUNG or table_descend(a, root, addr, 0, &table, &found) != 0:
        return False
    found = entry_load(a, table, level_index(&a.m.arch, 0, addr), 0)
    return pte_class(a, found) == ENTRY_PAGE and not pte_young(a, found) and pte_pfn(&a.m.arch, found) == pte_pfn(&a.m.arch, e.pte)


cdef void check_entry(fsck_t *f, uint32_t cpu, uint32_t n, pfn_t root, const tlb_entry_t *e) noexcept nogil:
    cdef const arch_t *g = &f.a.m.arch
    cdef vaddr_t addr = e.tag >> 1 << e.page_shift
    cdef uint32_t which = 0, at = 0, way = 0
    cdef walk_t w
    mmu_walk(f.a, root, addr, &w)
    if not w.ok and is_old_there(f.a, root, addr, e):
        return
    if tlb_locate(f.a, n, &which, &at, &way) and which >= TLB_PSC:
        if not leads_there(g, &w, e, <int>(which - TLB_PSC) + 1):
            bad(f, CHECK_TLB_STALE, cpu, addr)
    elif not w.ok or leaf_phys(g, e.pte, e.page_shift, addr) != w.phys or (e.pte & ~w.leaf & (g.write | g.user | g.dirty)) or (w.leaf & ~e.pte & g.nx):
        bad(f, CHECK_TLB_STALE, cpu, addr)


cdef void check_tlbs(fsck_t *f) noexcept nogil:
    """What a CPU holds of the space in its CR3, by ASIDs of any, must be what a walk finds; a right taken away must be gone from the TLB."""
    cdef arena_t *a = f.a
    cdef uint32_t cpu
    cdef uint32_t i
    cdef idx_t mm
    cdef cpu_t *c
    cdef tlb_entry_t *e
    for cpu in range(a.m.nr_cpus):
        c = <cpu_t *>rec_at(a, POOL_CPU, cpu + 1)
        for i in range(c.nr_tlb):
            e = <tlb_entry_t *>rec_at(a, POOL_TLB, c.tlb_base + i)
            if not tlb_is_valid(c, e) or e.flags & TLB_GLOBAL or c.cr3 == 0:
                continue
            if e.pcid == tlb_space(a.m, c):
                check_entry(f, cpu, i, pte_pfn(&a.m.arch, c.cr3), e)
            elif a.m.arch.flags & ARCH_ASID and not c.tlb_flush_pending:
                mm = space_of(a, c, e)
                if mm:
                    check_entry(f, cpu, i, mm_at(a, mm).pgd, e)
                else:
                    bad(f, CHECK_TLB_STALE, cpu, e.tag >> 1 << e.page_shift)


cdef void check_asids(fsck_t *f) noexcept nogil:
    """Each of this generation's is marked as given out, and one space's."""
    cdef arena_t *a = f.a
    cdef uint32_t asid
    cdef uint64_t context_id
    cdef idx_t mm
    cdef idx_t *owner = <idx_t *>calloc(1 << asid_bits(a.m), sizeof(idx_t))
    if owner == NULL:
        return
    for mm in range(1, a.pool[POOL_MM].count):
        context_id = mm_at(a, mm).context_id
        if context_id == 0 or not asid_gen_match(a.m, context_id):
            continue
        asid = asid_of(a.m, context_id)
        if owner[asid] or not asid_is_given(a, asid):
            bad(f, CHECK_ASID, mm, asid)
        owner[asid] = mm
    free(owner)


cdef void fsck_tlb(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f = fsck_t(a, report, ctx)
    check_tlbs(&f)
    if a.m.arch.flags & ARCH_ASID:
        check_asids(&f)
