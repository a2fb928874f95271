# cython: language_level=3
"""Entries of riscv64, Sv39, Sv48 and Sv57 alike, and Linux's bits in them.

Entry:  63 N | 62-61 PBMT | 60-54 reserved | 53-10 frame | 9-8 software (8: special) | 7 D | 6 A | 5 G | 4 U | 3 X | 2 W | 1 R | 0 V
        R, W and X clear: points to a table, and has nothing else but V; any of them set: a page, at whatever level
        W without R is reserved; X without R can be executed and not read
PROT_NONE:  a page without V, with G, R and what was accessed and dirty
Swap:   63-12 offset | 11-7 type | 6 exclusive | 5 0 | 3-0 0
"""

from vmtool.mm.types cimport *

cdef enum:
    RISCV_V = 0x1
    RISCV_R = 0x2
    RISCV_W = 0x4
    RISCV_X = 0x8
    RISCV_U = 0x10
    RISCV_G = 0x20
    RISCV_A = 0x40
    RISCV_D = 0x80
    RISCV_SPECIAL = 0x100
    RISCV_LEAF = 0xE
    RISCV_PFN_SHIFT = 10
    RISCV_PFN_BITS = 44
    RISCV_SWP_EXCLUSIVE = 0x40
    RISCV_SWP_TYPE_SHIFT = 7
    RISCV_SWP_OFFSET_SHIFT = 12

cdef pte_t riscv_decode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t riscv_encode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef bint riscv_reserved(const arch_t *g, int level, pte_t e) noexcept nogil
cdef const char *riscv_flag(int level, pte_t e, uint32_t bit) noexcept nogil
