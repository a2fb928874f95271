# cython: language_level=3
"""Entries of x86: what each bit is, what else must be 0, PAE's top table.

Entry:  63 NX | 62-59 protection key | 58-52 avail | 51-12 frame | 11-9 avail | 8 G | 7 PS/PAT | 6 D | 5 A | 4 PCD | 3 PWT | 2 U/S | 1 R/W | 0 P
Linux's own:  11 soft-dirty | 9 special | 8 of one that is not present: PROT_NONE
Not present:  63-59 swap type | 58-9 swap offset, inverted | 8 0 | 7 0 | 6-4 0 | 3 exclusive | 2 uffd-wp | 1 soft-dirty | 0 0
        PAE:  the same, but  7 exclusive
       i386:  31-9 swap offset | 8 0 | 7 exclusive | 6 0 | 5-1 swap type | 0 0
The form that all of mm computes with (arch.pxd) is the first.
"""

from vmtool.mm.types cimport *

cdef enum:
    X86_P = 0x1
    X86_RW = 0x2
    X86_US = 0x4
    X86_PWT = 0x8
    X86_PCD = 0x10
    X86_A = 0x20
    X86_D = 0x40
    X86_PS = 0x80
    X86_G = 0x100
    X86_SPECIAL = 0x200  # _PAGE_SPECIAL: no struct page behind it (zero page, vvar)
    X86_SOFT_DIRTY = 0x800  # _PAGE_SOFT_DIRTY: written since somebody last asked; where arch_t.soft_dirty says so
    X86_NX_BIT = 63
    X86_XONLY_BIT = 57  # no bit of x86: in the form that mm computes with, a page that is executed and not read (ARCH_XONLY)
    X86_PKEY_SHIFT = 59  # four bits, of user pages, where CR4.PKE is set
    X86_SWP_TYPE_SHIFT = 59
    X86_SWP_TYPE_BITS = 5
    X86_SWP_OFFSET_SHIFT = 14
    X86_SWP_SOFT_DIRTY = 0x2
    X86_SWP_UFFD_WP = 0x4
    X86_SWP_EXCLUSIVE = 0x8
    I386_SWP_EXCLUSIVE = 0x80  # with PAE, too
    I386_SWP_TYPE_SHIFT = 1
    I386_SWP_TYPE_MASK = 31
    I386_SWP_OFFSET_SHIFT = 9

cdef bint x86_reserved_fn(const arch_t *g, int level, pte_t e) noexcept nogil  # x86_reserved(), to point to
cdef const char *x86_flag(int level, pte_t e, uint32_t bit) noexcept nogil  # the name of a bit that is set; NULL: it has none
# i386 with PAE, and with two levels.
cdef pte_t pae_decode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t pae_encode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t i386_decode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t i386_encode(const arch_t *g, int level, pte_t e) noexcept nogil

cdef inline pte_t x86_address_reserved(const arch_t *g) noexcept nogil:
    """Address bits beyond the processor's: all that a page's own entry must not have."""
    return g.pfn_mask & ~((<uint64_t>1 << g.pa_bits) - 1)

cdef inline bint x86_reserved(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Address bits beyond the processor's, PS where no page can be, low address bits of a large page."""
    if e & x86_address_reserved(g):
        return True
    if level == 0 or not e & X86_PS:
        return False
    if not g.leaf_levels >> level & 1:
        return True
    # of the address bits below the page, the lowest is PAT
    return (e & g.pfn_mask & ((<uint64_t>1 << g.level_shift[level]) - 1) & ~(<uint64_t>1 << g.page_shift)) != 0
