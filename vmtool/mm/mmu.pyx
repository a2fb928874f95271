"""The processor's memory management unit: TLB, walk, Accessed and Dirty bits, fault codes.

Counterpart: Intel SDM volume 3, 5.5 (four-level and five-level paging), 5.7 (page-fault exceptions), 5.8 (A and D).

    CR3 -> entry of the top table -> ... -> leaf: a PTE, or an entry with PS at a level that may map pages itself

The permission to write or to use from user mode needs the bit at every level; NX at any level forbids execution. An entry that is
not present ends the walk whatever else it holds. Not-present beats reserved bits at a lower level, these beat permissions.
The processor sets A in each entry that it follows and D in the leaf of a write, before the access is done.
The kernel's own accesses are not simulated; mmu_judge() says what SMEP and SMAP would make of one.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport (ARCH_CAREFUL, ARCH_DBM, ARCH_PAIRED, ARCH_PKEYS, ARCH_SOFT_DIRTY, ARCH_SOFT_YOUNG, ARCH_SPLIT_ROOT, ARCH_TRANSLATES,
                             ARCH_X86_64_LA57, entry_decode, entry_reserved, is_arm64, is_canonical, level_index, pte_pfn, xonly_forbids)
from vmtool.mm.arch_arm64 cimport arm64_mark
from vmtool.mm.arch_arm cimport ARM_SECTION_SHIFT, arm_entry_offset, arm_walk
from vmtool.mm.arena cimport content_mut, cpu_mut, frame_at
from vmtool.mm.contpte cimport cont_shift, pte_valid_cont
from vmtool.mm.frame cimport page_bytes_mut
from vmtool.mm.pte cimport entry_exchange, entry_load, entry_raw, entry_store_raw
from vmtool.mm.tlb cimport PCID_MASK, TTBR_ASID_SHIFT, pkru_forbids, psc_fill, psc_lookup, tlb_fill, tlb_flush_all, tlb_flush_pcid, tlb_lookup
from vmtool.mm.trace cimport TR_CR3_LOAD, trace3


# --- entries in memory ---------------------------------------------------------------------------------------


cdef void entry_update(arena_t *a, pfn_t table, uint32_t index, int level, pte_t value) noexcept nogil:
    """What the processor writes: A and D. No entry comes or goes by it."""
    cdef idx_t c = frame_at(a, table).content
    cdef pte_t raw
    if a.m.arch.flags & ARCH_DBM:  # it knows nothing of Linux's own dirty bit
        raw = entry_raw(a, table, index, level)
        entry_store_raw(a, table, index, level, arm64_mark(raw, value))
        return
    entry_exchange(a, content_mut(a, c) if c else page_bytes_mut(a, table), index, level, value)


# --- the walk ----------------------------------------------------------------------------------------------------

cdef struct hit_t:  # what the hot walk finds
    pte_t leaf  # permission bits AND-ed, NX OR-ed
    uint32_t page_shift  # of the page, or of the block that arm64's contiguous hint makes of it
    uint32_t nr_reads
    bint caches  # paging-structure caches are looked at and filled, arm64's hint is heeded


cdef void walk_cache_forget(arena_t *a) noexcept nogil:
    cdef uint32_t cpu
    for cpu in range(a.m.nr_cpus):
        cpu_mut(a, cpu).walk_region = 0


cdef inline int walk_start(arena_t *a, cpu_t *c, vaddr_t addr, pfn_t *table, pte_t *permit, hit_t *hit) noexcept nogil:
    """Where to begin: where a paging-structure cache leads, at the PTE table that the last walk came by (whose reads count as if it did not),
    or at the root. Returns the level; hit.nr_reads: those that a cache saves."""
    cdef const arch_t *g = &a.m.arch
    cdef int level
    cdef pte_t e
    hit.nr_reads = 0
    hit.caches = g.flags & ARCH_CAREFUL != 0
    if hit.caches:
        level = psc_lookup(a, c, addr, &e)
        if level:
            table[0] = pte_pfn(g, e)
            permit[0] = e & (g.write | g.user | g.nx)
            hit.nr_reads = g.levels - level
            return level - 1
    table[0] = <pfn_t>((c.cr3 & g.pfn_mask) >> g.page_shift)
    if not hit.caches and c.walk_region == (addr >> g.level_shift[1]) + 1 and c.walk_root == table[0]:
        table[0] = c.walk_table
        permit[0] = c.walk_bits
        return 0
    permit[0] = g.write | g.user
    return <int>g.levels - 1


cdef uint32_t walk(arena_t *a, cpu_t *c, vaddr_t addr, int access, hit_t *hit) noexcept nogil:
    """Walk for an access of the program, setting A and D. Returns 0 or MMU_FAULT with the error code."""
    cdef const arch_t *g = &a.m.arch
    cdef uint32_t code = MMU_FAULT | PF_USER | (PF_WRITE if access == ACCESS_WRITE else PF_INSTR if access == ACCESS_EXEC else 0)
    cdef pfn_t table
    cdef pte_t permit  # write and user AND-ed, NX OR-ed
    cdef int level = walk_start(a, c, addr, &table, &permit, hit)
    cdef uint32_t saved = hit.nr_reads
    cdef pte_t e
    cdef pte_t want
    cdef uint32_t index
    while True:
        index = level_index(g, level, addr)
        e = entry_load(a, table, index, level)
        hit.nr_reads = g.levels - level - saved
        if not e & g.present:
            return code
        if entry_reserved(g, level, e):
            return code | PF_PROT | PF_RSVD
        permit = (permit & (e | g.nx)) | (e & g.nx)
        if level == 0 or e & g.huge:
            break
        if not e & g.accessed:
            entry_update(a, table, index, level, e | g.accessed)
        table = <pfn_t>((e & g.pfn_mask) >> g.page_shift)
        if hit.caches:
            psc_fill(a, c, addr, level, (e & g.pfn_mask) | permit)
        if level == 1:
            c.walk_region = (addr >> g.level_shift[1]) + 1
            c.walk_root = <pfn_t>((c.cr3 & g.pfn_mask) >> g.page_shift)
            c.walk_table = table
            c.walk_bits = permit
        level -= 1
    if g.flags & ARCH_PKEYS and permit & g.user and pkru_forbids(c.pkru, e, access):
        return code | PF_PROT | PF_PK  # whatever else forbids it
    if not permit & g.user or (access == ACCESS_WRITE and not permit & g.write) or (access == ACCESS_EXEC and permit & g.nx) or xonly_forbids(g, e, access):
        return code | PF_PROT
    want = g.accessed | (g.dirty if access == ACCESS_WRITE else 0)
    if g.flags & ARCH_DBM:
        e = entry_decode(g, level, entry_raw(a, table, index, level))  # its own marks: mm reads those of a contiguous block as one
    if (e & want) != want:
        if not e & g.accessed and g.flags & ARCH_SOFT_YOUNG:
            return code  # an access flag fault: the kernel is to set it
        if e & g.accessed and g.flags & ARCH_SOFT_DIRTY:
            return code | PF_PROT  # what may be written and is not dirty is read-only
        e |= want
        entry_update(a, table, index, level, e)
    hit.leaf = (e & ~(g.write | g.user | g.nx)) | permit
    hit.page_shift = g.level_shift[level]
    if hit.caches and is_arm64(g) and pte_valid_cont(entry_raw(a, table, index, level)):
        hit.page_shift += cont_shift(g, level)
    return 0


cdef uint32_t mmu_access(arena_t *a, cpu_t *c, vaddr_t addr, int access, paddr_t *phys) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef hit_t hit
    cdef uint32_t err
    cdef tlb_entry_t *e = tlb_lookup(a, c, addr, access)
    if e != NULL:
        phys[0] = leaf_phys(g, e.pte, e.page_shift, addr)
        return 0
    if not is_canonical(g, addr):
        return MMU_NONCANONICAL
    if g.flags & ARCH_SPLIT_ROOT and addr >= g.canonical_low_end:
        return MMU_FAULT | PF_USER | PF_PROT  # the kernel's root gives a program nothing
    c.walks += 1
    err = walk(a, c, addr, access, &hit)
    c.walk_reads += hit.nr_reads
    if err:
        return err
    tlb_fill(a, c, addr, access, hit.leaf, hit.page_shift)
    phys[0] = leaf_phys(g, hit.leaf, hit.page_shift, addr)
    return 0


cdef pte_t look(arena_t *a, pfn_t table, vaddr_t addr, int level, walk_t *out) noexcept nogil:
    """One step of a walk that only looks: the entry as the processor takes it."""
    cdef const arch_t *g = &a.m.arch
    cdef int n = out.nr_steps
    cdef paddr_t base = <paddr_t>table << g.page_shift
    cdef uint32_t index = level_index(g, level, addr)
    cdef pte_t raw = entry_raw(a, table, index, level)
    cdef pte_t e = raw
    out.table_addr[n] = base
    out.index[n] = index
    out.entry_addr[n] = base + index * g.entry_bytes
    if g.flags & ARCH_PAIRED:
        e = arm_walk(g, level, addr, &raw)
        out.entry_addr[n] = base + arm_entry_offset(level, addr)
        out.table_addr[n] = out.entry_addr[n] & ~<paddr_t>(16383 if level else 1023)
        out.index[n] = <uint32_t>(out.entry_addr[n] - out.table_addr[n]) // 4
    elif g.flags & ARCH_TRANSLATES and raw:
        e = entry_decode(g, level, raw)
    out.entry[n] = e
    out.raw[n] = raw
    out.entry_level[n] = level
    out.level = level
    out.nr_steps += 1
    return e


cdef void mmu_walk(arena_t *a, pfn_t root, vaddr_t addr, walk_t *out) noexcept nogil:
    """Every step, for looking; `error` is what a read by the program would get (PF_USER)."""
    cdef const arch_t *g = &a.m.arch
    cdef int level = <int>g.levels - 1
    cdef pfn_t table = a.m.kernel_pgd if g.flags & ARCH_SPLIT_ROOT and addr >= g.kernel_start else root
    cdef pte_t permit = g.write | g.user
    cdef pte_t nx = 0
    cdef pte_t e
    memset(out, 0, sizeof(walk_t))
    if not is_canonical(g, addr):
        out.noncanonical = True
        out.error = 0 if g.id <= ARCH_X86_64_LA57 else PF_USER  # x86's is no page fault
        return
    while True:
        e = look(a, table, addr, level, out)
        if not e & g.present:
            out.error = PF_USER
            return
        if entry_reserved(g, level, e):
            out.error = PF_USER | PF_PROT | PF_RSVD
            return
        permit &= e
        nx |= e & g.nx
        if level == 0 or e & g.huge:
            break
        table = <pfn_t>((e & g.pfn_mask) >> g.page_shift)
        if table >= a.m.max_pfn:  # no memory there: reads as ones on a PC, which is no entry
            out.error = PF_USER | PF_PROT | PF_RSVD
            return
        level -= 1
    out.leaf = (e & ~(g.write | g.user | g.nx)) | permit | nx
    out.page_shift = ARM_SECTION_SHIFT if level and g.flags & ARCH_PAIRED else g.level_shift[level]
    out.phys = leaf_phys(g, out.leaf, out.page_shift, addr)
    out.ok = True
    if not permit & g.user or xonly_forbids(g, e, ACCESS_READ):
        out.error = PF_USER | PF_PROT


cdef uint32_t mmu_judge(const arch_t *g, const walk_t *w, const access_t *how) noexcept nogil:
    """CR0.WP, CR4.SMEP and CR4.SMAP are set, as Linux has them: what is a program's, the kernel does not execute, and reads and writes with AC alone."""
    cdef uint32_t code = (0 if how.supervisor else PF_USER) | (PF_WRITE if how.kind == ACCESS_WRITE else PF_INSTR if how.kind == ACCESS_EXEC else 0)
    cdef bint user_page = (w.leaf & g.user) != 0
    if not w.ok:
        return code | (w.error & (PF_PROT | PF_RSVD))
    if g.flags & ARCH_PKEYS and user_page and pkru_forbids(how.pkru, w.leaf, how.kind):
        return code | PF_PROT | PF_PK
    if (how.kind == ACCESS_WRITE and not w.leaf & g.write) or (how.kind == ACCESS_EXEC and w.leaf & g.nx) or xonly_forbids(g, w.leaf, how.kind):
        return code | PF_PROT
    if not how.supervisor:
        return 0 if user_page else code | PF_PROT
    if user_page and (how.kind == ACCESS_EXEC or not how.ac):
        return code | PF_PROT
    return 0


# --- CR3, TTBR0 -----------------------------------------------------------------------------------------------------


cdef void load_cr3(arena_t *a, uint32_t cpu, uint64_t value, bint noflush) noexcept nogil:
    """mov to CR3: without PCIDs everything but globals goes, with them what has the new PCID, unless bit 63 (noflush) is set."""
    cdef cpu_t *c = cpu_mut(a, cpu)
    trace3(a, TR_CR3_LOAD, cpu, c.cr3 & a.m.arch.pfn_mask, value & a.m.arch.pfn_mask)
    c.cr3 = value
    c.tlb_missed = 0
    c.cr3_loads += 1
    if not a.m.pcid:
        tlb_flush_all(a, c, False)
    elif not noflush:
        tlb_flush_pcid(a, c, <uint32_t>(value & PCID_MASK))


cdef void load_ttbr0(arena_t *a, uint32_t cpu, pfn_t pgd, uint32_t asid) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, cpu)
    cdef uint64_t value = <uint64_t>pgd << a.m.arch.page_shift
    trace3(a, TR_CR3_LOAD, cpu, c.cr3 & a.m.arch.pfn_mask, value)
    c.cr3 = value | <uint64_t>asid << TTBR_ASID_SHIFT
    c.tlb_missed = 0
    c.cr3_loads += 1
