"""The processor's memory management unit: TLB, walk, Accessed and Dirty bits, fault codes.

Counterpart: Intel SDM volume 3, 5.5 (four-level and five-level paging), 5.7 (page-fault exceptions), 5.8 (A and D).

    CR3 -> entry of the top table -> ... -> leaf: a PTE, or an entry with PS at a level that may map pages itself

The permission to write or to use from user mode needs the bit at every level; NX at any level forbids execution. An entry that is
not present ends the walk whatever else it holds. Not-present beats reserved bits at a lower level, these beat permissions.
The processor sets A in each entry that it follows and D in the leaf of a write, before the access is done.
# Deviation: no SMEP, SMAP, protection keys or paging-structure caches: accesses are the program's own.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport is_canonical, level_index
from vmtool.mm.arena cimport cpu_mut, content_at, content_mut, frame_at
from vmtool.mm.frame cimport page_bytes_mut
from vmtool.mm.tlb cimport tlb_fill, tlb_flush_all, tlb_flush_pcid
from vmtool.mm.trace cimport TR_CR3_LOAD, trace3

cdef enum:
    PCID_MASK = 0xFFF


# --- entries in memory ---------------------------------------------------------------------------------------

cdef pte_t entry_read(arena_t *a, pfn_t table, uint32_t index) noexcept nogil:
    cdef idx_t c = frame_at(a, table).content
    if c == 0:
        return 0  # a table without bytes: all zeros
    if a.m.arch.entry_bytes == 8:
        return (<uint64_t *>content_at(a, c))[index & 511]
    return (<uint32_t *>content_at(a, c))[index & 1023]


cdef void entry_write(arena_t *a, pfn_t table, uint32_t index, pte_t value) noexcept nogil:
    cdef idx_t c = frame_at(a, table).content
    cdef char *bytes = content_mut(a, c) if c else page_bytes_mut(a, table)
    if a.m.arch.entry_bytes == 8:
        (<uint64_t *>bytes)[index & 511] = value
    else:
        (<uint32_t *>bytes)[index & 1023] = <uint32_t>value


cdef inline uint64_t reserved_bits(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Bits that must be 0: address bits beyond the processor's, PS where no page can be, low address bits of a large page."""
    cdef uint64_t bits = g.pfn_mask & ~((<uint64_t>1 << g.pa_bits) - 1)
    if level and e & g.huge:
        if not g.leaf_levels >> level & 1:
            bits |= g.huge
        else:
            bits |= ((<uint64_t>1 << g.level_shift[level]) - 1) & g.pfn_mask & ~(<uint64_t>1 << g.page_shift)  # that one bit is PAT
    return bits


# --- the walk ----------------------------------------------------------------------------------------------------

cdef struct hit_t:  # what the hot walk finds
    pte_t leaf  # permission bits AND-ed, NX OR-ed
    uint32_t page_shift
    uint32_t nr_reads


cdef uint32_t walk(arena_t *a, pfn_t root, vaddr_t addr, int access, hit_t *hit) noexcept nogil:
    """Walk for an access of the program, setting A and D. Returns 0 or MMU_FAULT with the error code."""
    cdef const arch_t *g = &a.m.arch
    cdef uint32_t code = MMU_FAULT | PF_USER
    cdef int level = <int>g.levels - 1
    cdef pfn_t table = root
    cdef pte_t permit = g.write | g.user
    cdef pte_t nx = 0
    cdef pte_t e
    cdef uint32_t index
    if access == ACCESS_WRITE:
        code |= PF_WRITE
    elif access == ACCESS_EXEC:
        code |= PF_INSTR
    hit.nr_reads = 0
    while True:
        index = level_index(g, level, addr)
        e = entry_read(a, table, index)
        hit.nr_reads += 1
        if not e & g.present:
            return code
        if e & reserved_bits(g, level, e):
            return code | PF_PROT | PF_RSVD
        permit &= e
        nx |= e & g.nx
        if level == 0 or e & g.huge:
            break
        if not e & g.accessed:
            entry_write(a, table, index, e | g.accessed)
        table = <pfn_t>((e & g.pfn_mask) >> g.page_shift)
        level -= 1
    if not permit & g.user or (access == ACCESS_WRITE and not permit & g.write) or (access == ACCESS_EXEC and nx):
        return code | PF_PROT
    permit |= nx
    if not e & g.accessed or (access == ACCESS_WRITE and not e & g.dirty):
        e |= g.accessed | (g.dirty if access == ACCESS_WRITE else 0)
        entry_write(a, table, index, e)
    hit.leaf = (e & ~(g.write | g.user | g.nx)) | permit
    hit.page_shift = g.level_shift[level]
    return 0


cdef uint32_t mmu_access_slow(arena_t *a, cpu_t *c, vaddr_t addr, int access, paddr_t *phys) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef hit_t hit
    cdef uint32_t err
    if not is_canonical(g, addr):
        return MMU_NONCANONICAL
    c.walks += 1
    err = walk(a, <pfn_t>((c.cr3 & g.pfn_mask) >> g.page_shift), addr, access, &hit)
    c.walk_reads += hit.nr_reads
    if err:
        return err
    tlb_fill(a, c, addr, access, hit.leaf, hit.page_shift)
    phys[0] = leaf_phys(g, hit.leaf, hit.page_shift, addr)
    return 0


cdef void mmu_walk(arena_t *a, pfn_t root, vaddr_t addr, walk_t *out) noexcept nogil:
    """Every step, for looking; `error` is what a read by the program would get (PF_USER)."""
    cdef const arch_t *g = &a.m.arch
    cdef int level = <int>g.levels - 1
    cdef pfn_t table = root
    cdef pte_t permit = g.write | g.user
    cdef pte_t nx = 0
    cdef pte_t e
    cdef uint32_t index
    memset(out, 0, sizeof(walk_t))
    if not is_canonical(g, addr):
        out.noncanonical = True
        return
    while True:
        index = level_index(g, level, addr)
        e = entry_read(a, table, index)
        out.entry_addr[out.nr_steps] = (<paddr_t>table << g.page_shift) + index * g.entry_bytes
        out.entry[out.nr_steps] = e
        out.entry_level[out.nr_steps] = level
        out.nr_steps += 1
        out.level = level
        if not e & g.present:
            out.error = PF_USER
            return
        if e & reserved_bits(g, level, e):
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
    out.page_shift = g.level_shift[level]
    out.phys = leaf_phys(g, out.leaf, out.page_shift, addr)
    out.ok = True
    if not permit & g.user:
        out.error = PF_USER | PF_PROT


# --- CR3 -------------------------------------------------------------------------------------------------------------

cdef void load_cr3(arena_t *a, uint32_t cpu, uint64_t value, bint noflush) noexcept nogil:
    """mov to CR3: without PCIDs everything but globals goes, with them what has the new PCID, unless bit 63 (noflush) is set."""
    cdef cpu_t *c = cpu_mut(a, cpu)
    trace3(a, TR_CR3_LOAD, cpu, c.cr3 & a.m.arch.pfn_mask, value & a.m.arch.pfn_mask)
    c.cr3 = value
    c.cr3_loads += 1
    if not a.m.pcid:
        tlb_flush_all(a, c, False)
    elif not noflush:
        tlb_flush_pcid(a, c, <uint32_t>(value & PCID_MASK))
