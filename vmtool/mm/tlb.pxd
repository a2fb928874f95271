# cython: language_level=3
"""Level 2. The TLB: two levels of sets and ways by page size, LRU, tagged by PCID when the machine has it.

--tlb SPEC: `l1d=64x4,l1d2m=32x4,l1i=128x8,l2=1536x12` (entries x ways); presets `skylake`, `none`. Part of the hardware: it knows
no kernel.
"""

from vmtool.mm.arena cimport arena_t
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

# Whether an entry of POOL_TLB counts: filled, and not flushed since.
cdef inline bint tlb_is_valid(const cpu_t *c, const tlb_entry_t *e) noexcept nogil:
    if not e.tag & 1 or e.age <= c.tlb_flushed_global_at:
        return False
    return e.flags & TLB_GLOBAL or e.age > c.tlb_flushed_at

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
