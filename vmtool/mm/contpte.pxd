# cython: language_level=3
"""arm64's contiguous hint: one TLB entry for a block of 64K (pages of 16K and of 64K: 2M); in the tables above, of 32M (1G; 16G).

What stands in memory has it; what mm reads and writes has not (arch_arm64.pxd). Counterpart: Linux v6.18 arch/arm64/mm/contpte.c.
"""

from vmtool.mm.arch_arm64 cimport PTE_CONT_BIT
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    NR_CONT_LEVELS = 2  # tables whose entries may have it

cdef inline bint pte_valid_cont(pte_t raw) noexcept nogil:
    return raw & (<pte_t>1 << PTE_CONT_BIT | 1) == (<pte_t>1 << PTE_CONT_BIT | 1)

cdef uint32_t cont_shift(const arch_t *g, int level) noexcept nogil  # entries of a block of that level, log2 (CONT_PTE_SHIFT, CONT_PMD_SHIFT less the entry's)

# Of the entries of a whole table of `level`, below NR_CONT_LEVELS, as they stand in memory. An entry, accessed and dirty when one of its block is.
cdef pte_t contpte_get(const arch_t *g, int level, const uint64_t *entries, uint32_t index) noexcept nogil
# Writes one: takes its block apart, unless only marks of use change, which then are the block's; puts one together behind its last entry.
cdef void contpte_set(arena_t *a, int level, uint64_t *entries, uint32_t index, pte_t raw) noexcept nogil
cdef void contpte_unfold(arena_t *a, pfn_t table, uint32_t index) noexcept nogil  # the block of one entry; any format's
cdef bint contpte_is_true(arena_t *a, int level, pfn_t table, uint32_t index) noexcept nogil  # there is no hint, or it holds for its whole block
