# cython: language_level=3
"""Level 2. The TLB: two levels of sets and ways by page size, LRU, tagged by PCID when the machine has it.

--tlb SPEC: `l1d=64x4,l1d2m=32x4,l1i=128x8,l2=1536x12` (entries x ways); presets `skylake`, `none`. Part of the hardware: it knows
no kernel.
"""

from vmtool.mm.arena cimport CHUNK_DIRTY, arena_t, pool_t, rec_mut
from vmtool.mm.types cimport *

cdef enum:  # m.tlb_geom
    TLB_L1D_4K
    TLB_L1D_2M
    TLB_L1D_1G
    TLB_L1I_4K
    TLB_L1I_2M
    TLB_L2  # 4K and 2M, data and instructions
    NR_TLBS

cdef enum:
    TLB_GLOBAL = 1  # tlb_entry_t.flags

# Whether an entry of POOL_TLB counts: filled, and not flushed since. A void entry has age 0.
cdef inline bint tlb_is_valid(const cpu_t *c, const tlb_entry_t *e) noexcept nogil:
    return e.age > (c.tlb_flushed_global_at if e.flags & TLB_GLOBAL else c.tlb_flushed_at)

# Which structure (TLB_), set and way the n-th record of a CPU is (records c.tlb_base .. + c.nr_tlb - 1); false: padding.
cdef bint tlb_locate(arena_t *a, uint32_t n, uint32_t *which, uint32_t *set_index, uint32_t *way) noexcept nogil
cdef const char *tlb_name(uint32_t which) noexcept nogil

cdef int tlb_init(arena_t *a) noexcept nogil  # from m.tlb_spec, for each CPU; 0 or -EINVAL
# A present leaf for the access, or NULL. Moves an L2 hit up to L1, counts hits and misses.
cdef tlb_entry_t *tlb_lookup(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil
cdef void tlb_fill(arena_t *a, cpu_t *c, vaddr_t addr, int access, pte_t leaf, uint32_t page_shift) noexcept nogil
# Invalidate: everything but globals (CR3 load without PCID), one PCID, one page, all.
cdef void tlb_flush_all(arena_t *a, cpu_t *c, bint globals_too) noexcept nogil
cdef void tlb_flush_pcid(arena_t *a, cpu_t *c, uint32_t pcid) noexcept nogil
cdef void tlb_flush_page(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t pcid) noexcept nogil

cdef inline tlb_entry_t *tlb_at(arena_t *a, uint32_t i) noexcept nogil:
    """rec_mut() with the pool's geometry spelled out: 512 records of 32 bytes a chunk."""
    cdef pool_t *p = &a.pool[POOL_TLB]
    if i < p.count and p.state[i >> 9] & CHUNK_DIRTY:  # then it is loaded
        return <tlb_entry_t *>p.chunk[i >> 9] + (i & 511)
    return <tlb_entry_t *>rec_mut(a, POOL_TLB, i)

cdef inline bint tlb_permits(const arch_t *g, pte_t e, int access) noexcept nogil:
    """For the program: user page; a write needs D too, because the processor sets it by a walk."""
    if access == ACCESS_READ:
        return (e & g.user) != 0
    if access == ACCESS_WRITE:
        return (e & (g.user | g.write | g.dirty)) == (g.user | g.write | g.dirty)
    return (e & (g.user | g.nx)) == g.user

cdef inline bint tlb_is_mine(arena_t *a, const cpu_t *c, const tlb_entry_t *e) noexcept nogil:
    """Valid, and of the space that runs: by its PCID, or global."""
    return tlb_is_valid(c, e) and (not a.m.pcid or e.pcid == (c.cr3 & 0xFFF) or e.flags & TLB_GLOBAL)

# The hot path of every access: the first-level set for 4K pages, without a call, so that it needs no stack frame. NULL: not found so
# simply (another page size, second level, chunk not yet marked, a trace to be written): tlb_lookup() does it all.
cdef inline tlb_entry_t *tlb_hit(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil:
    cdef tlb_geom_t *geom = &a.m.tlb_geom[TLB_L1I_4K if access == ACCESS_EXEC else TLB_L1D_4K]
    cdef pool_t *p = &a.pool[POOL_TLB]
    cdef uint32_t i = c.tlb_base + geom.base + (<uint32_t>(addr >> 12) & (geom.sets - 1)) * geom.stride
    cdef uint64_t tag = addr >> 12 << 1 | 1
    cdef tlb_entry_t *e
    cdef tlb_entry_t *end
    if geom.ways == 0 or a.m.trace_on or i >= p.count or not p.state[i >> 9] & CHUNK_DIRTY:
        return NULL
    e = <tlb_entry_t *>p.chunk[i >> 9] + (i & 511)
    end = e + geom.ways
    while e < end:
        if e.tag == tag and tlb_is_mine(a, c, e):
            if not tlb_permits(&a.m.arch, e.pte, access):
                return NULL
            c.tlb_clock += 1
            e.age = c.tlb_clock
            c.l1_hits += 1
            return e
        e += 1
    return NULL
