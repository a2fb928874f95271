"""Entries of arm in memory, and the form that mm computes with.

Counterpart: Arm ARM (ARMv7-A), B3.5 short-descriptor translation tables; Linux v6.18 arch/arm/include/asm/pgtable-2level.h,
pgtable-2level-hwdef.h, arch/arm/mm/{mmu.c,proc-v7-2level.S}. What a kernel of Debian (6.12, cortex-a15) had in its tables is in
tests/mm/test_arm.py.
"""

from vmtool.mm.arch_x86 cimport (X86_A, X86_D, X86_G, X86_NX_BIT, X86_P, X86_PCD, X86_PS, X86_PWT, X86_RW, X86_SPECIAL, X86_SWP_EXCLUSIVE, X86_SWP_OFFSET_SHIFT,
                                 X86_SWP_TYPE_BITS, X86_SWP_TYPE_SHIFT, X86_US)

cdef enum:  # Linux's word
    L_PTE_VALID = 1 << 0
    L_PTE_YOUNG = 1 << 1
    L_PTE_MT_SHIFT = 2
    MT_BUFFERABLE = 1
    MT_DEV_SHARED = 4
    MT_WRITEALLOC = 7
    L_PTE_DIRTY = 1 << 6
    L_PTE_RDONLY = 1 << 7
    L_PTE_USER = 1 << 8
    L_PTE_XN = 1 << 9
    L_PTE_SHARED = 1 << 10
    L_PTE_NONE = 1 << 11
    L_SWP_TYPE_SHIFT = 2
    L_SWP_EXCLUSIVE = 1 << 7
    L_SWP_OFFSET_SHIFT = 8

cdef enum:  # the processor's
    TYPE_MASK = 3
    TYPE_TABLE = 1
    TYPE_SECTION = 2
    PAGE_XN = 1 << 0
    PAGE_SMALL = 1 << 1
    PAGE_AP0 = 1 << 4
    PAGE_AP1 = 1 << 5
    PAGE_BUFFERABLE_SHIFT = 2  # B and C: the first two bits of the memory type; TEX[0]: the third
    PAGE_TEX0_SHIFT = 6
    PAGE_APX = 1 << 9
    PAGE_NG = 1 << 11
    CACHED = 0xC  # C and B; with TEX[0]: write-back, write-allocate
    SECT_XN = 1 << 4
    SECT_AP0 = 1 << 10
    SECT_AP1 = 1 << 11
    SECT_TEX0 = 1 << 12
    SECT_APX = 1 << 15
    SECT_S = 1 << 16
    TABLE_BIT4 = 1 << 4
    TABLE_PXN = 1 << 2
    DOMAIN_SHIFT = 5
    DOMAIN_USER = 1
    DOMAIN_VECTORS = 3
    HW_TABLE = 2048  # the processor's tables in the page
    HW_TABLE_BYTES = 1024

cdef pte_t NX = <pte_t>1 << X86_NX_BIT
cdef pte_t FRAME = 0xFFFFF000
cdef pte_t SECTION = 0xFFF00000

# Names of a table's, a section's and a page's bits; those above are Linux's.
cdef const char *TABLE_NAMES[32]
cdef const char *SECTION_NAMES[32]
cdef const char *PAGE_NAMES[32]
cdef const char *LINUX_NAMES[12]


TABLE_NAMES[0:1] = [b"TABLE"]
TABLE_NAMES[2:4] = [b"PXN", b"NS"]
TABLE_NAMES[5:9] = [b"D0", b"D1", b"D2", b"D3"]
SECTION_NAMES[1:9] = [b"SECTION", b"B", b"C", b"XN", b"D0", b"D1", b"D2", b"D3"]
SECTION_NAMES[10:20] = [b"AP0", b"AP1", b"TEX0", b"TEX1", b"TEX2", b"AP2", b"S", b"nG", b"SUPER", b"NS"]
PAGE_NAMES[0:12] = [b"XN", b"SMALL", b"B", b"C", b"AP0", b"AP1", b"TEX0", b"TEX1", b"TEX2", b"AP2", b"S", b"nG"]
LINUX_NAMES[0:12] = [b"L_VALID", b"L_YOUNG", b"L_MT0", b"L_MT1", b"L_MT2", b"L_MT3", b"L_DIRTY", b"L_RDONLY", b"L_USER", b"L_XN", b"L_SHARED", b"L_NONE"]


cdef pte_t encode_page(pte_t e) noexcept nogil:
    cdef pte_t memory_type = MT_DEV_SHARED if e & X86_PCD else MT_BUFFERABLE if e & X86_PWT else MT_WRITEALLOC
    cdef pte_t soft = (e & FRAME) | L_PTE_VALID | memory_type << L_PTE_MT_SHIFT | L_PTE_SHARED
    cdef pte_t hard = ((e & FRAME) | PAGE_SMALL | (memory_type & 3) << PAGE_BUFFERABLE_SHIFT | PAGE_AP0 | memory_type >> 2 << PAGE_TEX0_SHIFT
                       | L_PTE_SHARED)
    if e & X86_A:
        soft |= L_PTE_YOUNG
    if e & X86_D:
        soft |= L_PTE_DIRTY
    if not e & X86_RW:
        soft |= L_PTE_RDONLY
    if e & X86_US:
        soft |= L_PTE_USER
        hard |= PAGE_AP1
    if e & NX:
        soft |= L_PTE_XN
        hard |= PAGE_XN
    if not e & X86_P:
        soft |= L_PTE_NONE
    if not e & X86_RW or not e & X86_D:
        hard |= PAGE_APX
    if not e & X86_G:
        hard |= PAGE_NG
    return soft << 32 | (hard if e & X86_P and e & X86_A else 0)


cdef pte_t encode_section(pte_t e) noexcept nogil:
    cdef pte_t out = (e & SECTION) | TYPE_SECTION | CACHED | SECT_AP0 | SECT_TEX0 | SECT_S
    if e & X86_US:
        out |= SECT_AP1
    if e & NX:
        out |= SECT_XN
    if not e & X86_RW:
        out |= SECT_APX
    return out | (out + (<pte_t>1 << ARM_SECTION_SHIFT)) << 32


cdef pte_t encode_table(pte_t e) noexcept nogil:
    """Of a program: domain 1, nothing in it the kernel's to execute; the table of the vectors, which programs read, is the kernel's (global)."""
    cdef pte_t out = (e & FRAME) | HW_TABLE | TYPE_TABLE
    if e & X86_G:
        out |= DOMAIN_VECTORS << DOMAIN_SHIFT
    elif e & X86_US:
        out |= DOMAIN_USER << DOMAIN_SHIFT | TABLE_BIT4 | TABLE_PXN
    else:
        out |= TABLE_BIT4
    return out | (out + HW_TABLE_BYTES) << 32


cdef pte_t arm_encode(const arch_t *g, int level, pte_t e) noexcept nogil:
    cdef pte_t offset = ~e << X86_SWP_TYPE_BITS >> X86_SWP_OFFSET_SHIFT
    if level:
        return encode_section(e) if e & X86_PS else encode_table(e)
    if e & (X86_P | X86_G):
        return encode_page(e)
    return (e >> X86_SWP_TYPE_SHIFT << L_SWP_TYPE_SHIFT | (offset << L_SWP_OFFSET_SHIFT & <pte_t>0xFFFFFFFF)
            | (L_SWP_EXCLUSIVE if e & X86_SWP_EXCLUSIVE else 0)) << 32


cdef pte_t decode_top(pte_t word) noexcept nogil:
    """One word of a pair."""
    cdef pte_t domain = word >> DOMAIN_SHIFT & 15
    if word & TYPE_MASK == TYPE_TABLE:
        return (word & FRAME) | X86_P | X86_RW | X86_A | X86_D | (X86_US if domain else 0) | (X86_G if domain == DOMAIN_VECTORS else 0)
    if not word & TYPE_SECTION:
        return 0
    return ((word & SECTION) | X86_P | X86_PS | X86_A | X86_D | X86_G | (0 if word & SECT_APX else X86_RW) | (X86_US if word & SECT_AP1 else 0)
            | (NX if word & SECT_XN else 0))


cdef pte_t decode_page(const arch_t *g, pte_t soft, pte_t hard) noexcept nogil:
    cdef pte_t out = soft & FRAME
    cdef uint32_t pfn = <uint32_t>(soft >> 12 & 0xFFFFF)
    out |= X86_G if soft & L_PTE_NONE else X86_P
    if hard and not hard & PAGE_NG:
        out |= X86_G
    if soft >> L_PTE_MT_SHIFT & 15 == MT_DEV_SHARED:
        out |= X86_PCD
    elif soft >> L_PTE_MT_SHIFT & 15 == MT_BUFFERABLE:
        out |= X86_PWT
    if soft & L_PTE_YOUNG:
        out |= X86_A
    if soft & L_PTE_DIRTY:
        out |= X86_D
    if not soft & L_PTE_RDONLY:
        out |= X86_RW
    if soft & L_PTE_USER:
        out |= X86_US
    if soft & L_PTE_XN:
        out |= NX
    return out | (X86_SPECIAL if pfn == g.special_pfn[0] or pfn == g.special_pfn[1] else 0)


cdef pte_t arm_decode(const arch_t *g, int level, pte_t e) noexcept nogil:
    cdef pte_t soft = e >> 32
    if level:
        return decode_top(e & <pte_t>0xFFFFFFFF)
    if soft & L_PTE_VALID:
        return decode_page(g, soft, e & <pte_t>0xFFFFFFFF)
    return ((soft >> L_SWP_TYPE_SHIFT & 31) << X86_SWP_TYPE_SHIFT | ~(soft >> L_SWP_OFFSET_SHIFT) << X86_SWP_OFFSET_SHIFT >> X86_SWP_TYPE_BITS
            | (X86_SWP_EXCLUSIVE if soft & L_SWP_EXCLUSIVE else 0))


cdef pte_t arm_walk(const arch_t *g, int level, vaddr_t addr, pte_t *e) noexcept nogil:
    if level == 0:
        return decode_page(g, e[0] >> 32, e[0] & <pte_t>0xFFFFFFFF) if e[0] & PAGE_SMALL else 0
    e[0] = e[0] >> 32 if addr >> ARM_SECTION_SHIFT & 1 else e[0] & <pte_t>0xFFFFFFFF
    return decode_top(e[0])


cdef bint arm_reserved(const arch_t *g, int level, pte_t e) noexcept nogil:
    """No bit of 32 is beyond the format."""
    return False


cdef const char *arm_flag(int level, pte_t e, uint32_t bit) noexcept nogil:
    if not e >> bit & 1:
        return NULL
    if bit >= 32:
        return LINUX_NAMES[bit - 32] if level == 0 and bit < 44 and e >> 32 & L_PTE_VALID else NULL
    if level == 0:
        return PAGE_NAMES[bit] if e & PAGE_SMALL and bit < 12 else NULL
    return TABLE_NAMES[bit] if e & TYPE_MASK == TYPE_TABLE else SECTION_NAMES[bit] if e & TYPE_SECTION else NULL
