# cython: language_level=3
"""Entries of arm: the short descriptors of ARMv7 (TEX remap off Linux's memory types, AFE = 0), and Linux's own table beside them.

The processor has 4096 entries of 1M at the top and 256 of 4K below; Linux has 2048 of 2M and 512, so that a table of either fills a page:

    top, 16K:  a pair of words an entry, for the lower and the upper MiB
    a page:    0     Linux's table, lower MiB      Linux's table, upper MiB
               2048  the processor's, lower MiB    the processor's, upper MiB

    table    31-10 base | 8-5 domain | 4 1 | 2 PXN | 1-0 01
    section  31-20 base | 17 nG | 16 S | 15 AP[2] | 14-12 TEX | 11-10 AP[1:0] | 8-5 domain | 4 XN | 3 C | 2 B | 1-0 10
    page     31-12 base | 11 nG | 10 S | 9 AP[2] | 8-6 TEX | 5-4 AP[1:0] | 3 C | 2 B | 1 1 | 0 XN
    Linux's  31-12 base | 11 NONE | 10 SHARED | 9 XN | 8 USER | 7 RDONLY | 6 DIRTY | 5-2 memory type | 1 YOUNG | 0 VALID
    swap     31-8 offset | 7 exclusive | 6-2 type | 1-0 00

The processor sees no page that is not young, and none for writing that is not dirty: its faults tell Linux. No bit says that an entry is special.
An entry here is both words: the processor's (of a pair, the lower MiB's) in bits 31-0, the other in 63-32.
"""

from vmtool.mm.types cimport *

cdef enum:
    ARM_SECTION_SHIFT = 20
    ARM_TABLE_WORDS = 512  # of the processor's half of a page, and of Linux's

cdef pte_t arm_decode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t arm_encode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef bint arm_reserved(const arch_t *g, int level, pte_t e) noexcept nogil
cdef const char *arm_flag(int level, pte_t e, uint32_t bit) noexcept nogil
# What the processor makes of an entry on its way to addr; *e becomes the word that it reads (at level 0, Linux's stays above it).
cdef pte_t arm_walk(const arch_t *g, int level, vaddr_t addr, pte_t *e) noexcept nogil

cdef inline pte_t arm_fetch(const char *bytes, uint32_t index, int level) noexcept nogil:
    """Of one page of a table."""
    cdef const uint32_t *words = <const uint32_t *>bytes
    if level:
        return words[2 * index] | <pte_t>words[2 * index + 1] << 32
    return words[index + ARM_TABLE_WORDS] | <pte_t>words[index] << 32

cdef inline void arm_put(char *bytes, uint32_t index, int level, pte_t e) noexcept nogil:
    cdef uint32_t *words = <uint32_t *>bytes
    if level:
        words[2 * index] = <uint32_t>e
        words[2 * index + 1] = <uint32_t>(e >> 32)
    else:
        words[index + ARM_TABLE_WORDS] = <uint32_t>e
        words[index] = <uint32_t>(e >> 32)

cdef inline uint32_t arm_entry_offset(int level, vaddr_t addr) noexcept nogil:
    """Bytes from the start of the table's page to the word that the processor reads."""
    if level:
        return <uint32_t>(addr >> ARM_SECTION_SHIFT & 4095) * 4
    return 2048 + <uint32_t>(addr >> 12 & 511) * 4
