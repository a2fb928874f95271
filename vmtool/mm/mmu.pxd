# cython: language_level=3
"""Level 3. What the processor does by itself: TLB, walk of the tables in memory, A and D bits, fault codes.

It reads entries from the bytes of frames, starting at the physical address in CR3; it knows no VMA.
"""

from vmtool.mm.arch cimport ARCH_CAREFUL, ARCH_TRANSLATES, entry_reserved
from vmtool.mm.arena cimport arena_t, content_at, content_mut, frame_at
from vmtool.mm.tlb cimport TLB_L1D_4K, TLB_L1I_4K, TLB_L2, tlb_look, tlb_look_t, tlb_permits, tlb_put_looked
from vmtool.mm.types cimport *

cdef struct walk_t:  # the outcome of one walk, every level
    int nr_steps
    int level  # of the last entry read
    uint32_t error  # PF_ bits when it faulted
    bint ok
    bint noncanonical
    paddr_t phys
    uint32_t page_shift  # of the mapping
    pte_t leaf  # permission bits AND-ed down the levels, NX OR-ed
    paddr_t entry_addr[5]  # by step, top first
    paddr_t table_addr[5]
    uint32_t index[5]
    pte_t entry[5]  # as mm reads them
    pte_t raw[5]  # as they stand in memory
    int entry_level[5]

# One access by the program (user) on CPU c: 0 and *phys, or the PF_ error code + 0x10000 (never 0).
# A TLB hit costs no walk; a walk sets A (and D for a write) and fills the TLB; a write through an entry that is not dirty walks.
# MMU_NONCANONICAL instead of an error code: a general-protection fault.
cdef enum:
    MMU_FAULT = 0x10000
    MMU_NONCANONICAL = 0x20000
cdef uint32_t mmu_access(arena_t *a, cpu_t *c, vaddr_t addr, int access, paddr_t *phys) noexcept nogil

cdef inline paddr_t leaf_phys(const arch_t *g, pte_t leaf, uint32_t page_shift, vaddr_t addr) noexcept nogil:
    cdef uint64_t mask = (<uint64_t>1 << page_shift) - 1
    return (leaf & g.pfn_mask & ~mask) | (addr & mask)

# Only look: no A or D, no TLB, no counters.
cdef void mmu_walk(arena_t *a, pfn_t root, vaddr_t addr, walk_t *out) noexcept nogil

# Who makes an access, and what keeps him from it where the entries would let him (x86).
cdef struct access_t:
    int kind  # ACCESS_
    bint supervisor
    bint ac  # EFLAGS.AC: SMAP is suspended (STAC)
    uint32_t pkru
cdef uint32_t mmu_judge(const arch_t *g, const walk_t *w, const access_t *how) noexcept nogil  # the error code (0: none) of such an access where the walk ended
# The walker remembers the way to the last PTE table (it saves time; reads are counted as if it did not). Whoever changes an entry
# that points to a table, or frees one, says so.
cdef void walk_cache_forget(arena_t *a) noexcept nogil
# mov to CR3 on this CPU
cdef void load_cr3(arena_t *a, uint32_t cpu, uint64_t value, bint noflush) noexcept nogil

# --- the common access in one pass --------------------------------------------------------------------------------------------
# What most accesses are: a 4K page whose PTE table the walker came by last, on a machine without PCIDs, with nothing traced. It leaves
# the same state as mmu_access(), and keeps what it saw, so that a fault which it ends in needs no second look (fault_anon.pyx).

cdef enum:  # mmu_quick
    QUICK_DONE
    QUICK_FAULT  # the processor would fault; nothing is counted yet
    QUICK_NO  # not such an access; nothing is changed

cdef struct mmu_look_t:
    tlb_look_t l1
    tlb_look_t l2
    uint64_t *entries  # of the PTE table; NULL: it has none
    pfn_t table
    uint32_t index
    pte_t entry

cdef inline void mmu_count_walk(arena_t *a, cpu_t *c, bint missed) noexcept nogil:
    c.tlb_clock += 1
    c.misses += missed
    c.walks += 1
    c.walk_reads += a.m.arch.levels

cdef inline pte_t mmu_leaf(const arch_t *g, pte_t above, pte_t e) noexcept nogil:
    """The entry with the permissions of all levels: write and user AND-ed, NX OR-ed."""
    return (e & ~(g.write | g.user)) | (e & above & (g.write | g.user)) | (above & g.nx)

cdef inline int mmu_quick(arena_t *a, cpu_t *c, vaddr_t addr, int access, mmu_look_t *at, paddr_t *phys) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef tlb_geom_t *first = &a.m.tlb_geom[TLB_L1I_4K if access == ACCESS_EXEC else TLB_L1D_4K]
    cdef tlb_geom_t *second = &a.m.tlb_geom[TLB_L2]
    cdef uint64_t vpn = addr >> 12
    cdef pte_t leaf
    cdef pte_t want = g.accessed | (g.dirty if access == ACCESS_WRITE else 0)
    cdef idx_t content
    if c.walk_region != (addr >> 21) + 1 or a.m.trace_on or a.m.pcid or c.tlb_has_large or first.ways == 0 or second.ways == 0:
        return QUICK_NO
    if g.entry_bytes != 8 or g.flags & (ARCH_TRANSLATES | ARCH_CAREFUL) or c.walk_root != <pfn_t>((c.cr3 & g.pfn_mask) >> 12):
        return QUICK_NO
    tlb_look(a, c, first, vpn, &at.l1)
    if at.l1.hit != NULL and tlb_permits(g, at.l1.hit.pte, access):
        c.tlb_clock += 1
        at.l1.hit.age = c.tlb_clock
        c.l1_hits += 1
        phys[0] = leaf_phys(g, at.l1.hit.pte, 12, addr)
        return QUICK_DONE
    tlb_look(a, c, second, vpn, &at.l2)
    if at.l1.hit == NULL and at.l2.hit != NULL and tlb_permits(g, at.l2.hit.pte, access):
        c.tlb_clock += 1
        at.l2.hit.age = c.tlb_clock
        c.l2_hits += 1
        at.l1.place[0] = at.l2.hit[0]
        phys[0] = leaf_phys(g, at.l2.hit.pte, 12, addr)
        return QUICK_DONE
    at.table = c.walk_table
    at.index = <uint32_t>vpn & 511
    content = frame_at(a, at.table).content
    at.entries = <uint64_t *>content_at(a, content) if content else NULL
    at.entry = at.entries[at.index] if content else 0
    if not at.entry & g.present:
        return QUICK_FAULT
    if entry_reserved(g, 0, at.entry):
        return QUICK_NO
    leaf = mmu_leaf(g, c.walk_bits, at.entry)
    if not leaf & g.user or (access == ACCESS_WRITE and not leaf & g.write) or (access == ACCESS_EXEC and leaf & g.nx):
        return QUICK_FAULT
    if (at.entry & want) != want:
        content_mut(a, content)  # the chunk changes
        at.entries[at.index] = at.entry | want
        leaf |= want
    mmu_count_walk(a, c, at.l1.hit == NULL and at.l2.hit == NULL)
    tlb_put_looked(a, c, &at.l1, &at.l2, vpn, leaf)
    phys[0] = leaf_phys(g, leaf, 12, addr)
    return QUICK_DONE
