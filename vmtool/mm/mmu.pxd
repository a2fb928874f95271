# cython: language_level=3
"""What the processor does by itself: TLB, walk of the tables in memory, A and D bits, fault codes.

It reads entries from the bytes of frames, starting at the physical address in CR3; it knows no VMA.
"""

from vmtool.mm.arch cimport ARCH_PKEYS, ARCH_SOFT_YOUNG, X86_PKEY_SHIFT, X86_US
from vmtool.mm.arena cimport arena_t
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

cdef enum:
    MMU_FAULT = 0x10000
    MMU_NONCANONICAL = 0x20000
# One access by the program (user) on CPU c, ACCESS_. A TLB hit costs no walk; a walk sets A (and D for a write) and fills the TLB; a write
# through an entry that is not dirty walks. 0 and *phys, or the PF_ error code + 0x10000 (never 0), or MMU_NONCANONICAL: a
# general-protection fault. Counts: the CPU's TLB and walk counters.
cdef uint32_t mmu_access(arena_t *a, cpu_t *c, vaddr_t addr, int access, paddr_t *phys) noexcept nogil

cdef inline paddr_t leaf_phys(const arch_t *g, pte_t leaf, uint32_t page_shift, vaddr_t addr) noexcept nogil:
    cdef uint64_t mask = (<uint64_t>1 << page_shift) - 1
    return (leaf & g.pfn_mask & ~mask) | (addr & mask)

# What the i-th entry of a walk is: valid to the processor; the last one of it, which maps a page; a page of the program's under protection keys.
cdef inline bint walk_is_present(const arch_t *g, const walk_t *w, int i) noexcept nogil:
    return (w.entry[i] & g.present) != 0

cdef inline bint walk_is_leaf(const arch_t *g, const walk_t *w, int i) noexcept nogil:
    return walk_is_present(g, w, i) and (w.entry_level[i] == 0 or w.entry[i] & g.huge != 0)

cdef inline int walk_pkey(const arch_t *g, const walk_t *w, int i) noexcept nogil:
    """Its key; -1: it is under none."""
    if not (g.flags & ARCH_PKEYS and walk_is_leaf(g, w, i) and w.raw[i] & X86_US):
        return -1
    return <int>(w.raw[i] >> X86_PKEY_SHIFT) & (NR_PKEYS - 1)

cdef inline bint walk_needs_young(const arch_t *g, const walk_t *w) noexcept nogil:
    """It got there, and the access is a fault all the same: the kernel is to set the accessed flag."""
    return w.ok and g.flags & ARCH_SOFT_YOUNG != 0 and w.leaf & g.accessed == 0

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
# A write of TTBR0 with its ASID: nothing is flushed
cdef void load_ttbr0(arena_t *a, uint32_t cpu, pfn_t pgd, uint32_t asid) noexcept nogil
