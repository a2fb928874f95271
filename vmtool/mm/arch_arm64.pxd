# cython: language_level=3
"""Entries of arm64, VMSAv8-64 stage 1, and Linux's bits in them.

Page:   63-59 ignored | 56 special | 55 dirty | 54 UXN | 53 PXN | 52 contiguous | 51 DBM (Linux: may be written) | 47-12 frame
        11 nG | 10 AF | 9-8 SH | 7 AP[2] read-only | 6 AP[1] user | 5 NS | 4-2 AttrIndx | 1-0 11
Block (2M, 1G): the same with 01; table: 11, permissions at the leaf alone. Bit 0 clear is not valid, whatever else.
PROT_NONE:      a page without bits 0 and 6; nG says that it is one
Swap:           61-12 offset | 11 0 | 10-6 type | 3 uffd-wp | 2 exclusive | 1-0 00

The processor has no write bit to set and clear: a page that may be written and is not dirty is read-only (its first write faults, and the
kernel sets dirty and clears the bit).
"""

from vmtool.mm.types cimport *

cdef enum:
    PTE_VALID = 0x1
    PTE_TYPE_PAGE = 0x3
    PTE_USER = 0x40
    PTE_RDONLY = 0x80
    PTE_SHARED = 0x300
    PTE_AF = 0x400
    PTE_NG = 0x800
    ARM64_SWP_EXCLUSIVE = 0x4
    ARM64_SWP_UFFD_WP = 0x8
    ARM64_SWP_TYPE_SHIFT = 6
    ARM64_SWP_OFFSET_SHIFT = 12
    PTE_CONT_BIT = 52

cdef extern from *:
    """
    #define VMTOOL_PTE_WRITE (1ULL << 51)
    #define VMTOOL_PTE_CONT (1ULL << 52)
    #define VMTOOL_PTE_DIRTY (1ULL << 55)
    #define VMTOOL_PTE_SPECIAL (1ULL << 56)
    """
    const pte_t PTE_WRITE "VMTOOL_PTE_WRITE"  # DBM: where the processor has it, hardware clears read-only by itself
    const pte_t PTE_CONT "VMTOOL_PTE_CONT"
    const pte_t PTE_DIRTY "VMTOOL_PTE_DIRTY"
    const pte_t PTE_SPECIAL "VMTOOL_PTE_SPECIAL"

cdef pte_t arm64_decode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t arm64_encode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef pte_t arm64_mark(pte_t raw, pte_t value) noexcept nogil  # what a processor with hardware AF and DBM makes of an entry that mm is to read as value
cdef bint arm64_reserved(const arch_t *g, int level, pte_t e) noexcept nogil
cdef const char *arm64_flag(int level, pte_t e, uint32_t bit) noexcept nogil
