# cython: language_level=3
"""Level 2. The TLB: two levels of sets and ways by page size, LRU, tagged by PCID when the machine has it.

--tlb SPEC: `l1d=64x4,l1d2m=32x4,l1i=128x8,l2=1536x12` (entries x ways); presets `skylake`, `none`. Part of the hardware: it knows
no kernel.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int tlb_init(arena_t *a) noexcept nogil  # from m.tlb_spec, for each CPU; 0 or -EINVAL
# A present leaf for the access, or NULL. Moves an L2 hit up to L1, counts hits and misses.
cdef tlb_entry_t *tlb_lookup(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil
cdef void tlb_fill(arena_t *a, cpu_t *c, vaddr_t addr, int access, pte_t leaf, uint32_t page_shift) noexcept nogil
# Invalidate: everything but globals (CR3 load without PCID), one PCID, one page, all.
cdef void tlb_flush_all(arena_t *a, cpu_t *c, bint globals_too) noexcept nogil
cdef void tlb_flush_pcid(arena_t *a, cpu_t *c, uint32_t pcid) noexcept nogil
cdef void tlb_flush_page(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t pcid) noexcept nogil
