# cython: language_level=3
"""Entries of x86 in memory. Counterpart: Intel SDM volume 3, chapter 5; Linux v6.18 arch/x86/include/asm/pgtable_types.h."""

cdef enum:
    NR_NAMES = 9

cdef const char *NAMES[NR_NAMES]
NAMES[:] = [b"P", b"RW", b"US", b"PWT", b"PCD", b"A", b"D", b"PS", b"G"]


cdef const char *x86_flag(int level, pte_t e, uint32_t bit) noexcept nogil:
    """Bit 7 of a PTE selects the PAT. A PTE that is not present has G for _PAGE_PROTNONE, and its other bits are no flags."""
    if not e >> bit & 1:
        return NULL
    if not e & X86_P:
        if level == 0 and <uint64_t>1 << bit == X86_G:
            return b"PROTNONE"
    elif level == 0 and <uint64_t>1 << bit == X86_PS:
        return b"PAT"
    elif bit < NR_NAMES:
        return NAMES[bit]
    elif bit == X86_NX_BIT:
        return b"NX"
    return NULL


cdef bint x86_reserved_fn(const arch_t *g, int level, pte_t e) noexcept nogil:
    return x86_reserved(g, level, e)


cdef inline bint is_softleaf(int level, pte_t e) noexcept nogil:
    """A PTE that is not present, nor one of PROT_NONE."""
    return level == 0 and not e & (X86_P | X86_G)


cdef pte_t pae_decode(const arch_t *g, int level, pte_t e) noexcept nogil:
    """The four pointers of the top have no permissions and no A bit, nothing but Present may be set; the walk goes on as if all was permitted."""
    if level == 2:
        return e | X86_RW | X86_US | X86_A if e & X86_P else e
    if is_softleaf(level, e) and e & I386_SWP_EXCLUSIVE:
        return e ^ (I386_SWP_EXCLUSIVE | X86_SWP_EXCLUSIVE)
    return e


cdef pte_t pae_encode(const arch_t *g, int level, pte_t e) noexcept nogil:
    if level == 2:
        return e & (g.pfn_mask | X86_P)
    if is_softleaf(level, e) and e & X86_SWP_EXCLUSIVE:
        return e ^ (I386_SWP_EXCLUSIVE | X86_SWP_EXCLUSIVE)
    return e


cdef pte_t i386_decode(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Offsets are not inverted, for frames reach as far as they do."""
    cdef pte_t type = e >> I386_SWP_TYPE_SHIFT & I386_SWP_TYPE_MASK
    if not is_softleaf(level, e):
        return e
    return (type << X86_SWP_TYPE_SHIFT | ~(e >> I386_SWP_OFFSET_SHIFT) << X86_SWP_OFFSET_SHIFT >> X86_SWP_TYPE_BITS
            | (X86_SWP_EXCLUSIVE if e & I386_SWP_EXCLUSIVE else 0))


cdef pte_t i386_encode(const arch_t *g, int level, pte_t e) noexcept nogil:
    cdef pte_t offset = ~e << X86_SWP_TYPE_BITS >> X86_SWP_OFFSET_SHIFT
    if not is_softleaf(level, e):
        return e
    return (e >> X86_SWP_TYPE_SHIFT << I386_SWP_TYPE_SHIFT | offset << I386_SWP_OFFSET_SHIFT & <pte_t>0xFFFFFFFF
            | (I386_SWP_EXCLUSIVE if e & X86_SWP_EXCLUSIVE else 0))
