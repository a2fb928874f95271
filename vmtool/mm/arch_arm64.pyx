"""Entries of arm64 in memory, and the form that mm computes with.

Counterpart: Arm ARM, D8 (VMSAv8-64 translation table descriptors); Linux v6.18 arch/arm64/include/asm/pgtable-hwdef.h, pgtable-prot.h,
pgtable.h. What a kernel of Debian (6.18, cortex-a72 without hardware AF and DBM) had in its tables is in tests/mm/test_arm64.py.
"""

from vmtool.mm.arch_x86 cimport (X86_A, X86_D, X86_G, X86_NX_BIT, X86_P, X86_PCD, X86_PS, X86_PWT, X86_RW, X86_SPECIAL, X86_SWP_EXCLUSIVE,
                                 X86_SWP_OFFSET_SHIFT,
                                 X86_SWP_TYPE_BITS, X86_SWP_TYPE_SHIFT, X86_SWP_UFFD_WP, X86_US)

cdef pte_t NX = <pte_t>1 << X86_NX_BIT
cdef pte_t PTE_PXN = <pte_t>1 << 53
cdef pte_t PTE_UXN = <pte_t>1 << 54
cdef pte_t ATTR_TAGGED = 1 << 2  # AttrIndx: MT_NORMAL_TAGGED, as the direct map is
cdef pte_t ATTR_DEVICE = 4 << 2  # MT_DEVICE_nGnRE
cdef pte_t TABLE_PXN = <pte_t>1 << 59
cdef pte_t TABLE_UXN = <pte_t>1 << 60

cdef struct name_t_:
    uint32_t bit
    const char *name

cdef enum:
    NR_NAMES = 15
    FIRST_LEAF_NAME = 2  # of these, what a page's or block's descriptor has, to the last
    NR_TABLE_NAMES = 4  # and a table's, from the first on

cdef name_t_ NAMES[NR_NAMES]
NAMES[:] = [name_t_(59, b"PXNTable"), name_t_(60, b"UXNTable"), name_t_(0, b"VALID"), name_t_(10, b"AF"), name_t_(6, b"USER"), name_t_(7, b"RDONLY"),
            name_t_(11, b"nG"), name_t_(51, b"DBM"), name_t_(52, b"CONT"), name_t_(53, b"PXN"), name_t_(54, b"UXN"), name_t_(55, b"DIRTY"),
            name_t_(56, b"SPECIAL"), name_t_(8, b"SH0"), name_t_(9, b"SH1")]


cdef pte_t encode_swap(pte_t e) noexcept nogil:
    cdef pte_t type = e >> X86_SWP_TYPE_SHIFT, offset = ~e << X86_SWP_TYPE_BITS >> X86_SWP_OFFSET_SHIFT
    return (type << ARM64_SWP_TYPE_SHIFT | offset << ARM64_SWP_OFFSET_SHIFT | (ARM64_SWP_EXCLUSIVE if e & X86_SWP_EXCLUSIVE else 0)
            | (ARM64_SWP_UFFD_WP if e & X86_SWP_UFFD_WP else 0))


cdef pte_t decode_swap(pte_t e) noexcept nogil:
    cdef pte_t type = e >> ARM64_SWP_TYPE_SHIFT & 31, offset = e >> ARM64_SWP_OFFSET_SHIFT
    return (type << X86_SWP_TYPE_SHIFT | ~offset << X86_SWP_OFFSET_SHIFT >> X86_SWP_TYPE_BITS
            | (X86_SWP_EXCLUSIVE if e & ARM64_SWP_EXCLUSIVE else 0) | (X86_SWP_UFFD_WP if e & ARM64_SWP_UFFD_WP else 0))


cdef pte_t arm64_encode(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Write permission and dirty become DBM, read-only and dirty; a program's page is never the kernel's to execute."""
    cdef pte_t out = e & g.pfn_mask
    if not e & (X86_P | X86_G):
        return encode_swap(e)
    if level and not e & X86_PS:
        return (out | PTE_TYPE_PAGE | (PTE_AF if e & X86_A else 0) | (TABLE_PXN if e & (X86_US | NX) else 0)
                | (0 if e & X86_US else TABLE_UXN))
    out |= PTE_SHARED
    out |= (PTE_TYPE_PAGE if level == 0 else PTE_VALID) if e & X86_P else (PTE_TYPE_PAGE & ~PTE_VALID if level == 0 else 0)
    if e & X86_US or not e & X86_P:
        out |= PTE_NG | PTE_PXN
    if e & X86_US:
        out |= PTE_USER
    if e & X86_A:
        out |= PTE_AF
    if e & X86_RW:
        out |= PTE_WRITE
    if not e & X86_RW or not e & X86_D:
        out |= PTE_RDONLY
    if e & X86_D and (e & X86_US or not e & X86_P):  # PAGE_KERNEL has it not: what may be written there is not read-only
        out |= PTE_DIRTY
    if e & X86_P and not e & X86_US:
        out |= e & PTE_CONT  # of a program's entries the hint is contpte's; nobody reads it from either
    if e & X86_PWT:
        out |= ATTR_TAGGED
    if e & X86_PCD:
        out |= ATTR_DEVICE
    if e & NX or not e & X86_US:
        out |= PTE_UXN
    if e & NX and not e & X86_US:
        out |= PTE_PXN
    return out | (PTE_SPECIAL if e & X86_SPECIAL else 0)


cdef pte_t arm64_decode(const arch_t *g, int level, pte_t e) noexcept nogil:
    cdef pte_t out = e & g.pfn_mask
    cdef bint is_user = (e & PTE_USER) != 0
    if not e & (PTE_VALID | PTE_NG):
        return decode_swap(e)
    if level and e & PTE_TYPE_PAGE == PTE_TYPE_PAGE:
        return (out | X86_P | X86_RW | X86_D | (X86_A if e & PTE_AF else 0)
                | ((NX if e & TABLE_PXN else 0) if e & TABLE_UXN else X86_US))
    out |= X86_P if e & PTE_VALID else X86_G
    if level:
        out |= X86_PS
    if is_user:
        out |= X86_US
    elif e & PTE_VALID and not e & PTE_NG:
        out |= X86_G
    if e & PTE_AF:
        out |= X86_A
    if e & PTE_WRITE:
        out |= X86_RW
    if e & PTE_DIRTY or (e & PTE_WRITE and not e & PTE_RDONLY):
        out |= X86_D
    if e & ATTR_TAGGED:
        out |= X86_PWT
    if e & ATTR_DEVICE:
        out |= X86_PCD
    if e & (PTE_UXN if is_user or not e & PTE_VALID else PTE_PXN):
        out |= NX
    return out | (X86_SPECIAL if e & PTE_SPECIAL else 0)


cdef pte_t arm64_mark(pte_t raw, pte_t value) noexcept nogil:
    if value & X86_A:
        raw |= PTE_AF
    return raw & ~<pte_t>PTE_RDONLY if value & X86_D and raw & PTE_WRITE else raw


cdef bint arm64_reserved(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Address bits beyond the processor's 48, a block where there can be none: an address size fault, a translation fault."""
    return (e & g.pfn_mask & ~((<uint64_t>1 << g.pa_bits) - 1)) != 0 or (level and e & X86_PS and not g.leaf_levels >> level & 1)


cdef const char *arm64_flag(int level, pte_t e, uint32_t bit) noexcept nogil:
    cdef bint is_table = level and e & PTE_TYPE_PAGE == PTE_TYPE_PAGE
    cdef int i, first = 0 if is_table else FIRST_LEAF_NAME
    if not e >> bit & 1 or (not e & (PTE_VALID | PTE_NG)):
        return NULL
    for i in range(first, NR_TABLE_NAMES if is_table else NR_NAMES):
        if NAMES[i].bit == bit:
            return NAMES[i].name
    return NULL
