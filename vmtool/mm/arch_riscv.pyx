"""Entries of riscv64 in memory, and the form that mm computes with.

Counterpart: The RISC-V Instruction Set Manual, volume II, Sv39, Sv48, Sv57 (Virtual Address Translation Process); Linux v6.18
arch/riscv/include/asm/pgtable-bits.h, pgtable-64.h, pgtable.h. The processor sets A and D by itself (Svadu), as QEMU's does; it has neither Svnapot
nor Svpbmt, so bits 63 to 61 are reserved, too. What a kernel of Debian had in its tables is in tests/mm/test_riscv.py.
"""

from vmtool.mm.arch_x86 cimport (X86_A, X86_D, X86_G, X86_NX_BIT, X86_P, X86_PS, X86_RW, X86_SPECIAL, X86_SWP_EXCLUSIVE, X86_SWP_OFFSET_SHIFT,
                                 X86_SWP_TYPE_BITS, X86_SWP_TYPE_SHIFT, X86_US, X86_XONLY_BIT)

cdef pte_t NX = <pte_t>1 << X86_NX_BIT
cdef pte_t XONLY = <pte_t>1 << X86_XONLY_BIT
cdef pte_t IS_BAD = <pte_t>1 << 58  # of the form that mm computes with: in memory stands what must not be
cdef pte_t PFN_MASK = ((<pte_t>1 << RISCV_PFN_BITS) - 1) << RISCV_PFN_SHIFT
cdef pte_t MUST_BE_ZERO = ~((<pte_t>1 << 54) - 1)

cdef enum:
    NR_NAMES = 10
    PFN_UP = 2  # a frame stands so much higher in the form that mm computes with

cdef const char *NAMES[NR_NAMES]
NAMES[:] = [b"V", b"R", b"W", b"X", b"U", b"G", b"A", b"D", b"SPECIAL", b"RSW1"]


cdef pte_t encode_swap(pte_t e) noexcept nogil:
    cdef pte_t type = e >> X86_SWP_TYPE_SHIFT, offset = ~e << X86_SWP_TYPE_BITS >> X86_SWP_OFFSET_SHIFT
    return type << RISCV_SWP_TYPE_SHIFT | offset << RISCV_SWP_OFFSET_SHIFT | (RISCV_SWP_EXCLUSIVE if e & X86_SWP_EXCLUSIVE else 0)


cdef pte_t decode_swap(pte_t e) noexcept nogil:
    cdef pte_t type = e >> RISCV_SWP_TYPE_SHIFT & 31, offset = e >> RISCV_SWP_OFFSET_SHIFT
    return (type << X86_SWP_TYPE_SHIFT | ~offset << X86_SWP_OFFSET_SHIFT >> X86_SWP_TYPE_BITS
            | (X86_SWP_EXCLUSIVE if e & RISCV_SWP_EXCLUSIVE else 0))


cdef pte_t riscv_encode(const arch_t *g, int level, pte_t e) noexcept nogil:
    """A table has no bits but V. PROT_NONE keeps R, for that tells a page from a table (PAGE_NONE)."""
    cdef pte_t out = (e & g.pfn_mask) >> PFN_UP
    if not e & (X86_P | X86_G):
        return encode_swap(e) if e else 0
    if level and not e & X86_PS:
        return out | RISCV_V
    out |= RISCV_A if e & X86_A else 0
    out |= RISCV_D if e & X86_D else 0
    out |= RISCV_SPECIAL if e & X86_SPECIAL else 0
    if not e & X86_P:
        return out | RISCV_G | RISCV_R
    return (out | RISCV_V | (0 if e & XONLY else RISCV_R) | (RISCV_W if e & X86_RW else 0) | (0 if e & NX else RISCV_X)
            | (RISCV_U if e & X86_US else 0) | (RISCV_G if e & X86_G else 0))


cdef inline bint is_bad(int level, pte_t e) noexcept nogil:
    """A combination that is reserved: W without R, bits of the future, a table with A, D or U, a table below the last."""
    if e & MUST_BE_ZERO or e & (RISCV_R | RISCV_W) == RISCV_W:
        return True
    return not e & RISCV_LEAF and (level == 0 or e & (RISCV_A | RISCV_D | RISCV_U) != 0)


cdef pte_t riscv_decode(const arch_t *g, int level, pte_t e) noexcept nogil:
    cdef pte_t out = e << PFN_UP & g.pfn_mask
    if e & RISCV_V and (is_bad(level, e) or (e & PFN_MASK) << PFN_UP & ~g.pfn_mask):
        out |= IS_BAD
    if not e & (RISCV_V | RISCV_G):
        return decode_swap(e) if e else 0
    if e & RISCV_V and level and not e & RISCV_LEAF:
        return out | X86_P | X86_RW | X86_US | X86_A | X86_D
    out |= X86_A if e & RISCV_A else 0
    out |= X86_D if e & RISCV_D else 0
    out |= X86_SPECIAL if e & RISCV_SPECIAL else 0
    out |= X86_PS if level else 0
    if not e & RISCV_V:
        return out | X86_G | NX
    return (out | X86_P | (0 if e & RISCV_R else XONLY) | (X86_RW if e & RISCV_W else 0) | (0 if e & RISCV_X else NX)
            | (X86_US if e & RISCV_U else 0) | (X86_G if e & RISCV_G else 0))


cdef bint riscv_reserved(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Or a large page that is not aligned to its size."""
    return e & IS_BAD != 0 or (level and e & X86_PS and e & g.pfn_mask & ((<uint64_t>1 << g.level_shift[level]) - 1) != 0)


cdef const char *riscv_flag(int level, pte_t e, uint32_t bit) noexcept nogil:
    """Of one that is neither a page nor a table the bits are no flags; G tells PROT_NONE."""
    if bit >= NR_NAMES or not e >> bit & 1 or not e & (RISCV_V | RISCV_G):
        return NULL
    if not e & RISCV_V and <pte_t>1 << bit == RISCV_G:
        return b"PROT_NONE"
    return NAMES[bit]
