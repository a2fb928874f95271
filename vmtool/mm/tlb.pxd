# cython: language_level=3
"""The TLB: two levels of sets and ways by page size, tagged by PCID or ASID when the machine has it; paging-structure caches.

--tlb SPEC: a preset's name, or `l1d=64x4,l1d2m=32x4,l1i=128x8,l2=1536x12:plru,pde=32x4` (entries x ways). Part of the hardware: it knows
no kernel.
"""

from vmtool.mm.arch cimport ARCH_ASID, ARCH_CAREFUL, ARCH_PKEYS, ARCH_XONLY, SHIFT_4K, X86_PKEY_SHIFT, X86_XONLY_BIT, vpn_4k, xonly_forbids
from vmtool.mm.arena cimport CHUNK_DIRTY, arena_t, pool_t
from vmtool.mm.tlb_spec cimport *  # whoever looks at a TLB wants to know its structures
from vmtool.mm.types cimport *

cdef enum:
    TLB_GLOBAL = 1  # tlb_entry_t.flags
    PCID_MASK = 0xFFF  # of CR3
    TLB_A_CHUNK = 512  # records that lie beside each other in memory
    TTBR_ASID_SHIFT = 48  # of TTBR0, or where the register of arm's would be

# Whether an entry of POOL_TLB counts: filled, and not flushed since. A void entry has age 0.
cdef inline bint tlb_is_valid(const cpu_t *c, const tlb_entry_t *e) noexcept nogil:
    return e.age > (c.tlb_flushed_global_at if e.flags & TLB_GLOBAL else c.tlb_flushed_at)

# Which structure (TLB_), set and way the n-th record of a CPU is (records c.tlb_base .. + c.nr_tlb - 1); false: padding.
cdef bint tlb_locate(arena_t *a, uint32_t n, uint32_t *which, uint32_t *set_index, uint32_t *way) noexcept nogil

# from m.tlb_spec, for each CPU. 0, -EINVAL: it is no description, or of too many entries; -ENOMEM
cdef int tlb_init(arena_t *a) noexcept nogil
# The paging-structure caches: the entry that leads closest to the leaf, and its level; 0: none. An entry that a walk followed, with the
# permissions of the levels above.
cdef int psc_lookup(arena_t *a, cpu_t *c, vaddr_t addr, pte_t *out) noexcept nogil
cdef void psc_fill(arena_t *a, cpu_t *c, vaddr_t addr, int level, pte_t value) noexcept nogil
# A present leaf for the access, or NULL. Moves an L2 hit up to L1, counts hits and misses.
cdef tlb_entry_t *tlb_lookup(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil
cdef void tlb_fill(arena_t *a, cpu_t *c, vaddr_t addr, int access, pte_t leaf, uint32_t page_shift) noexcept nogil
# Invalidate: everything but globals (CR3 load without PCID), or all; what one PCID or ASID has; a page of it.
cdef void tlb_flush_all(arena_t *a, cpu_t *c, bint globals_too) noexcept nogil
cdef void tlb_flush_pcid(arena_t *a, cpu_t *c, uint32_t pcid) noexcept nogil
cdef void tlb_flush_page(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t pcid) noexcept nogil  # INVLPG: and all of its paging-structure caches
# TLBI VAE1, VALE1 (last_level): the page of one ASID, and where walks of its address go on; or only the page.
cdef void tlb_flush_va(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t asid, bint last_level) noexcept nogil

cdef inline uint32_t tlb_space(const machine_t *m, const cpu_t *c) noexcept nogil:
    """The address space that runs, as entries name it: its ASID (which stands above the table's address), its PCID; 0: they do not."""
    if m.arch.flags & ARCH_ASID:
        return <uint32_t>(c.cr3 >> TTBR_ASID_SHIFT)
    return <uint32_t>(c.cr3 & PCID_MASK) if m.pcid else 0

cdef tlb_entry_t *tlb_at_first(arena_t *a, uint32_t i) noexcept nogil  # of a chunk that is not marked yet

cdef inline tlb_entry_t *tlb_at(arena_t *a, uint32_t i) noexcept nogil:
    """rec_mut() with the pool's geometry spelled out: 512 records of 32 bytes a chunk."""
    cdef pool_t *p = &a.pool[POOL_TLB]
    if i < p.count and p.state[i // TLB_A_CHUNK] & CHUNK_DIRTY:  # then it is loaded
        return <tlb_entry_t *>p.chunk[i // TLB_A_CHUNK] + i % TLB_A_CHUNK
    return tlb_at_first(a, i)

# What an entry says, for those who show it. The first frame: of the page, or of the table that a paging-structure cache's entry leads to.
cdef inline pfn_t tlb_frame(const arch_t *g, const tlb_entry_t *e, bint is_page) noexcept nogil:
    return <pfn_t>((e.pte & g.pfn_mask & ~(((<uint64_t>1 << (e.page_shift & 63)) - 1) if is_page else 0)) >> g.page_shift)

cdef inline bint tlb_is_write(const arch_t *g, const tlb_entry_t *e) noexcept nogil:
    return (e.pte & g.write) != 0

cdef inline bint tlb_is_user(const arch_t *g, const tlb_entry_t *e) noexcept nogil:
    return (e.pte & g.user) != 0

cdef inline bint tlb_is_nx(const arch_t *g, const tlb_entry_t *e) noexcept nogil:
    return (e.pte & g.nx) != 0

cdef inline bint tlb_is_dirty(const arch_t *g, const tlb_entry_t *e) noexcept nogil:
    return (e.pte & g.dirty) != 0

cdef inline bint tlb_permits(const arch_t *g, pte_t e, int access) noexcept nogil:
    """For the program: user page; a write needs D too, because the processor sets it by a walk."""
    if access == ACCESS_READ:
        return (e & g.user) != 0
    if access == ACCESS_WRITE:
        return (e & (g.user | g.write | g.dirty)) == (g.user | g.write | g.dirty)
    return (e & (g.user | g.nx)) == g.user

cdef inline bint pkru_forbids(uint32_t pkru, pte_t leaf, int access) noexcept nogil:
    """Of data alone; access-disable forbids a write, too. Precondition: a user page, CR4.PKE."""
    return access != ACCESS_EXEC and (pkru >> (2 * (leaf >> X86_PKEY_SHIFT & (NR_PKEYS - 1))) & (3 if access == ACCESS_WRITE else 1)) != 0

# --- loops over many accesses ------------------------------------------------------------------------------------------------
# The first level for 4K pages and one kind of access, laid open: what a program's accesses nearly all hit. Any flush or fill may
# be done meanwhile; a command that changes the machine's settings may not.

cdef struct tlb_first_t:
    tlb_entry_t *sets
    uint64_t mask  # number of sets - 1
    uint64_t stride
    uint64_t ways  # 0: it cannot be had so simply (a trace to be written, chunk not yet marked)
    uint32_t space  # tlb_space()
    pte_t bits  # tlb_permits(): these bits of the entry ...
    pte_t want  # ... must be these

cdef inline void tlb_open_first(arena_t *a, const cpu_t *c, int access, tlb_first_t *t) noexcept nogil:
    cdef const tlb_geom_t *geom = &a.m.tlb_geom[TLB_L1I_4K if access == ACCESS_EXEC else TLB_L1D_4K]
    cdef const arch_t *g = &a.m.arch
    cdef pool_t *p = &a.pool[POOL_TLB]
    cdef uint32_t i = c.tlb_base + geom.base
    cdef uint32_t last = i + <uint32_t>geom.sets * geom.stride - 1
    t.ways = 0
    t.space = tlb_space(a.m, c)
    t.mask = <uint64_t>geom.sets - 1
    t.stride = geom.stride
    t.want = g.user | (g.write | g.dirty if access == ACCESS_WRITE else 0)
    t.bits = t.want | (g.nx if access == ACCESS_EXEC else <pte_t>1 << X86_XONLY_BIT if access == ACCESS_READ and g.flags & ARCH_XONLY else 0)
    if geom.ways and g.page_shift == SHIFT_4K and not g.flags & ARCH_CAREFUL and not a.m.trace_on and last < p.count and i // TLB_A_CHUNK == last // TLB_A_CHUNK \
            and p.state[i // TLB_A_CHUNK] & CHUNK_DIRTY:
        t.sets = <tlb_entry_t *>p.chunk[i // TLB_A_CHUNK] + i % TLB_A_CHUNK
        t.ways = geom.ways

cdef inline tlb_entry_t *tlb_find_first(const cpu_t *c, const tlb_first_t *t, vaddr_t addr) noexcept nogil:
    """The entry by which the access ends here, if the caller counts it; NULL: tlb_lookup() tells."""
    cdef tlb_entry_t *e = t.sets + (vpn_4k(addr) & t.mask) * t.stride
    cdef tlb_entry_t *end = e + t.ways
    cdef uint64_t tag = vpn_4k(addr) << 1 | 1
    while e < end:
        if e.tag == tag:
            return e if (e.pte & t.bits) == t.want and e.pcid == t.space and tlb_is_valid(c, e) else NULL
        e += 1
    return NULL

# --- one pass over a set -----------------------------------------------------------------------------------------------
# For 4K pages on a machine without PCIDs: finds the page's entry and, in the same pass, where a fill would put it. A demand fault looks
# once this way, where lookup and fill would go over the sets four times.

cdef struct tlb_look_t:
    tlb_entry_t *hit  # the page's valid entry, or NULL
    tlb_entry_t *place  # of the fill: the page's own entry, valid or not, else the first of those used longest ago

cdef inline void take_older(tlb_entry_t *e, tlb_entry_t **place, uint64_t *oldest) noexcept nogil:
    """No branch: which way is the oldest cannot be foretold."""
    cdef uint64_t age = e.age
    place[0] = e if age < oldest[0] else place[0]
    oldest[0] = age if age < oldest[0] else oldest[0]

cdef inline tlb_entry_t *tlb_oldest(tlb_entry_t *e, uint64_t ways) noexcept nogil:
    """The first of those used longest ago."""
    cdef tlb_entry_t *end = e + ways
    cdef tlb_entry_t *place = e
    cdef uint64_t oldest = ~<uint64_t>0
    if ways & 3 == 0:
        while e < end:
            take_older(&e[0], &place, &oldest)
            take_older(&e[1], &place, &oldest)
            take_older(&e[2], &place, &oldest)
            take_older(&e[3], &place, &oldest)
            e += 4
    while e < end:
        take_older(e, &place, &oldest)
        e += 1
    return place

cdef inline void tlb_look(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn, tlb_look_t *at) noexcept nogil:
    cdef uint64_t ways = geom.ways, tag = vpn << 1 | 1
    cdef tlb_entry_t *first = tlb_at(a, c.tlb_base + geom.base + (<uint32_t>vpn & (geom.sets - 1)) * geom.stride)
    cdef tlb_entry_t *e = first
    cdef tlb_entry_t *end = e + ways
    at.hit = NULL
    if ways & 3 == 0:  # four by four, most have nothing of it
        while e < end and e[0].tag != tag and e[1].tag != tag and e[2].tag != tag and e[3].tag != tag:
            e += 4
    while e < end:
        if e.tag == tag and e.page_shift == SHIFT_4K:
            at.place = e
            if tlb_is_valid(c, e):
                at.hit = e
            return
        e += 1
    at.place = tlb_oldest(first, ways)

cdef inline void tlb_void_way(tlb_entry_t *e, uint64_t ways, bint by_four, uint64_t tag, uint32_t page_shift) noexcept nogil:
    """Of one set: the page's entry, valid or not, of every space. by_four: its records are a multiple of four; those behind its ways have no tag."""
    cdef tlb_entry_t *end = e + ways
    if by_four:
        while e[0].tag != tag and e[1].tag != tag and e[2].tag != tag and e[3].tag != tag:
            e += 4
            if e >= end:
                return
    while e < end:
        if e.tag == tag and e.page_shift == page_shift:
            e.tag = 0
            e.age = 0
        e += 1

cdef inline void tlb_void_page(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn) noexcept nogil:
    """INVLPG in one structure."""
    if geom.ways:
        tlb_void_way(tlb_at(a, c.tlb_base + geom.base + (<uint32_t>vpn & (geom.sets - 1)) * geom.stride), geom.ways, geom.stride >= 4, vpn << 1 | 1, a.m.arch.page_shift)

# The structures for small pages of a CPU laid open, for those who void one page after another.

cdef struct tlb_sets_t:
    uint32_t base  # record of the first set
    uint32_t mask  # number of sets - 1
    uint32_t stride
    uint32_t ways

cdef inline void tlb_open_sets(const cpu_t *c, const tlb_geom_t *geom, tlb_sets_t *t) noexcept nogil:
    t.base = c.tlb_base + geom.base
    t.mask = <uint32_t>geom.sets - 1
    t.stride = geom.stride
    t.ways = geom.ways

cdef inline void tlb_void_open(char **chunk, const tlb_sets_t *t, uint64_t vpn) noexcept nogil:
    """tlb_void_page() of 4K, of a pool whose chunks are all marked."""
    cdef uint32_t i = t.base + (<uint32_t>vpn & t.mask) * t.stride
    if t.ways:
        tlb_void_way(<tlb_entry_t *>chunk[i // TLB_A_CHUNK] + i % TLB_A_CHUNK, t.ways, t.stride >= 4, vpn << 1 | 1, SHIFT_4K)

cdef inline void tlb_set_small(tlb_entry_t *e, uint64_t tag, pte_t leaf, uint64_t age, uint8_t flags) noexcept nogil:
    e.tag = tag
    e.pte = leaf
    e.age = age
    e.pcid = 0
    e.page_shift = SHIFT_4K
    e.flags = flags
    e.plru = 0

cdef inline void tlb_put_looked(arena_t *a, cpu_t *c, const tlb_look_t *l1, const tlb_look_t *l2, uint64_t vpn, pte_t leaf) noexcept nogil:
    """tlb_fill() of a page where tlb_look() found room for it."""
    cdef tlb_entry_t *e = l2.place
    cdef uint64_t tag = vpn << 1 | 1
    cdef uint8_t flags = TLB_GLOBAL if leaf & a.m.arch.is_global else 0
    if e.tag != tag and tlb_is_valid(c, e):
        c.evictions += 1
    tlb_set_small(e, tag, leaf, c.tlb_clock, flags)
    tlb_set_small(l1.place, tag, leaf, c.tlb_clock, flags)  # not a copy of the other, which was only just stored in parts
    c.tlb_missed = 0
