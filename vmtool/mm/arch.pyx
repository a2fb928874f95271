"""Paging formats: one row of a table each, read by every walk.

Modelled: x86-64 with four and with five levels (4K pages; 2M and 1G leaves; NX), i386 with two levels (4K and
4M) and, with PAE, three (4K and 2M; NX), arm with short descriptors, arm64 with
pages of 4K, 16K and 64K (2M and 1G, 32M, 512M; the kernel half behind a root of its own), riscv64 with three, four and five levels (4K pages; leaves at
every level).
Counterpart: Linux v6.18 arch/x86/include/asm/pgtable_64_types.h, page_64_types.h, pgtable-3level_types.h; Intel SDM volume 3, chapter 5.
# Deviation: with pages of 64K a top table, 512 bytes of the cache pgd_cache in Linux, takes a page.
"""

from libc.string cimport memset, strcmp

from vmtool.mm.arch_arm cimport arm_decode, arm_encode, arm_flag, arm_reserved
from vmtool.mm.arch_arm64 cimport arm64_decode, arm64_encode, arm64_flag, arm64_reserved
from vmtool.mm.arch_riscv cimport riscv_decode, riscv_encode, riscv_flag, riscv_reserved

cdef struct format_t:  # one format, as its manual tells it
    const char *name
    uint32_t levels  # 0: not built
    uint32_t page_shift
    uint32_t index_bits  # of the address that index a table
    uint32_t top_bits  # and the top table
    uint32_t entry_bytes
    uint32_t va_bits
    uint32_t pa_bits
    uint32_t leaf_levels
    uint32_t flags
    uint64_t pfn_mask
    uint64_t nx
    uint64_t user_nx
    uint32_t top_order
    uint32_t max_order
    uint64_t task_size  # 0: the lower half less a page
    uint64_t page_offset
    const char *level_names[5]

cdef uint64_t NX = <uint64_t>1 << X86_NX_BIT
cdef uint64_t PFN_MASK = 0x000FFFFFFFFFF000ULL

cdef format_t FORMATS[NR_ARCH]
cdef arch_ops_t OPS[NR_ARCH]


cdef void format_row(uint32_t id, const char *name, list level_names, uint32_t levels, uint32_t va_bits, uint32_t leaf_levels) except *:
    """What most have: pages of 4K, entries of 8 bytes, 9 bits a level."""
    cdef format_t *f = &FORMATS[id]
    cdef int i
    f.name = name
    f.levels = levels
    f.page_shift = 12
    f.max_order = 10
    f.index_bits = f.top_bits = 9
    f.entry_bytes = 8
    f.va_bits = va_bits
    f.pa_bits = 46
    f.leaf_levels = leaf_levels
    f.pfn_mask = PFN_MASK
    f.nx = f.user_nx = NX
    for i in range(len(level_names)):
        f.level_names[i] = level_names[i]
    OPS[id] = arch_ops_t(NULL, NULL, x86_reserved_fn, x86_flag)

format_row(ARCH_X86_64, b"x86-64", [b"pte", b"pmd", b"pud", b"pgd"], 4, 48, 7)
FORMATS[ARCH_X86_64].flags = FORMATS[ARCH_X86_64_LA57].flags = ARCH_PT_RECLAIM
FORMATS[ARCH_X86_64].page_offset = 0xFFFF888000000000ULL
format_row(ARCH_X86_64_LA57, b"x86-64-la57", [b"pte", b"pmd", b"pud", b"p4d", b"pgd"], 5, 57, 7)
FORMATS[ARCH_X86_64_LA57].page_offset = 0xFF11000000000000ULL
format_row(ARCH_I386_PAE, b"i386-pae", [b"pte", b"pmd", b"pgd"], 3, 32, 3)
FORMATS[ARCH_I386_PAE].top_bits = 2
FORMATS[ARCH_I386_PAE].flags = ARCH_TRANSLATES | ARCH_FIXED_TOP
FORMATS[ARCH_I386_PAE].user_nx = 0  # the bit is there, and Linux since 6.0 loses it: vm_get_page_prot() keeps 32 bits
FORMATS[ARCH_I386_PAE].task_size = FORMATS[ARCH_I386_PAE].page_offset = 0xC0000000
OPS[ARCH_I386_PAE].decode = pae_decode
OPS[ARCH_I386_PAE].encode = pae_encode
format_row(ARCH_I386, b"i386", [b"pte", b"pgd"], 2, 32, 3)
FORMATS[ARCH_I386].entry_bytes = 4
FORMATS[ARCH_I386].flags = ARCH_TRANSLATES
FORMATS[ARCH_I386].index_bits = FORMATS[ARCH_I386].top_bits = 10
FORMATS[ARCH_I386].pa_bits = 32
FORMATS[ARCH_I386].pfn_mask = 0xFFFFF000ULL
FORMATS[ARCH_I386].nx = FORMATS[ARCH_I386].user_nx = 0
OPS[ARCH_I386].decode = i386_decode
OPS[ARCH_I386].encode = i386_encode
FORMATS[ARCH_I386].task_size = FORMATS[ARCH_I386].page_offset = 0xC0000000
format_row(ARCH_ARM, b"arm", [b"pte", b"pgd"], 2, 32, 3)  # as Linux folds it: 2048 pairs of tables of 1M, two of which share a page
FORMATS[ARCH_ARM].top_bits = 11
FORMATS[ARCH_ARM].top_order = 2
FORMATS[ARCH_ARM].max_order = 11  # CONFIG_ARCH_FORCE_MAX_ORDER
FORMATS[ARCH_ARM].entry_bytes = 4
FORMATS[ARCH_ARM].pa_bits = 32
FORMATS[ARCH_ARM].pfn_mask = 0xFFFFF000ULL
FORMATS[ARCH_ARM].flags = ARCH_TRANSLATES | ARCH_PAIRED | ARCH_SOFT_YOUNG | ARCH_SOFT_DIRTY | ARCH_JUDGES_EXEC | ARCH_NO_THP | ARCH_ASID
FORMATS[ARCH_ARM].task_size = 0xBF000000  # below the kernel lie its modules
FORMATS[ARCH_ARM].page_offset = 0xC0000000
OPS[ARCH_ARM] = arch_ops_t(arm_decode, arm_encode, arm_reserved, arm_flag)
format_row(ARCH_ARM64, b"arm64", [b"pte", b"pmd", b"pud", b"pgd"], 4, 49, 7)  # 48 bits each for TTBR0 and TTBR1
FORMATS[ARCH_ARM64].pa_bits = 48
FORMATS[ARCH_ARM64].pfn_mask = 0x0000FFFFFFFFF000
FORMATS[ARCH_ARM64].flags = ARCH_TRANSLATES | ARCH_SPLIT_ROOT | ARCH_SOFT_YOUNG | ARCH_SOFT_DIRTY | ARCH_JUDGES_EXEC | ARCH_ASID
FORMATS[ARCH_ARM64].task_size = <uint64_t>1 << 48
FORMATS[ARCH_ARM64].page_offset = <uint64_t>0xFFFF000000000000
OPS[ARCH_ARM64] = arch_ops_t(arm64_decode, arm64_encode, arm64_reserved, arm64_flag)
format_row(ARCH_ARM64_16K, b"arm64-16k", [b"pte", b"pmd", b"pgd"], 3, 48, 3)  # 47 bits each; a block is 32M
FORMATS[ARCH_ARM64_16K].page_shift = 14
FORMATS[ARCH_ARM64_16K].max_order = 11
FORMATS[ARCH_ARM64_16K].index_bits = FORMATS[ARCH_ARM64_16K].top_bits = 11
FORMATS[ARCH_ARM64_16K].pa_bits = 48
FORMATS[ARCH_ARM64_16K].pfn_mask = 0x0000FFFFFFFFC000
FORMATS[ARCH_ARM64_16K].flags = ARCH_TRANSLATES | ARCH_SPLIT_ROOT | ARCH_DBM | ARCH_OLD_AROUND | ARCH_JUDGES_EXEC | ARCH_ASID
FORMATS[ARCH_ARM64_16K].task_size = <uint64_t>1 << 47
FORMATS[ARCH_ARM64_16K].page_offset = <uint64_t>0xFFFF800000000000
OPS[ARCH_ARM64_16K] = arch_ops_t(arm64_decode, arm64_encode, arm64_reserved, arm64_flag)
format_row(ARCH_ARM64_64K, b"arm64-64k", [b"pte", b"pmd", b"pgd"], 3, 49, 3)  # 48 bits each, of which the top table indexes six; a block is 512M
FORMATS[ARCH_ARM64_64K].page_shift = 16
FORMATS[ARCH_ARM64_64K].max_order = 13
FORMATS[ARCH_ARM64_64K].index_bits = 13
FORMATS[ARCH_ARM64_64K].top_bits = 6
FORMATS[ARCH_ARM64_64K].pa_bits = 48
FORMATS[ARCH_ARM64_64K].pfn_mask = 0x0000FFFFFFFF0000
FORMATS[ARCH_ARM64_64K].flags = FORMATS[ARCH_ARM64_16K].flags
FORMATS[ARCH_ARM64_64K].task_size = <uint64_t>1 << 48
FORMATS[ARCH_ARM64_64K].page_offset = <uint64_t>0xFFFF000000000000
OPS[ARCH_ARM64_64K] = OPS[ARCH_ARM64_16K]


cdef void riscv_row(uint32_t id, const char *name, list level_names, uint32_t levels, uint64_t page_offset) except *:
    """A program has the lower half, all of it; its last page, too."""
    cdef uint32_t va_bits = 12 + 9 * levels
    format_row(id, name, level_names, levels, va_bits, (1 << levels) - 1)
    FORMATS[id].pa_bits = 48  # of the 56 that an entry has room for: more RAM than this has no frame numbers here
    FORMATS[id].pfn_mask = 0x0000FFFFFFFFF000
    FORMATS[id].flags = ARCH_TRANSLATES | ARCH_JUDGES_EXEC | ARCH_ASID | ARCH_XONLY | ARCH_MODIFY_YOUNG
    FORMATS[id].task_size = <uint64_t>1 << (va_bits - 1)
    FORMATS[id].page_offset = page_offset
    OPS[id] = arch_ops_t(riscv_decode, riscv_encode, riscv_reserved, riscv_flag)

riscv_row(ARCH_RISCV64, b"riscv64", [b"pte", b"pmd", b"pud", b"pgd"], 4, 0xFFFFAF8000000000ULL)
riscv_row(ARCH_RISCV64_SV39, b"riscv64-sv39", [b"pte", b"pmd", b"pgd"], 3, 0xFFFFFFD600000000ULL)
riscv_row(ARCH_RISCV64_SV57, b"riscv64-sv57", [b"pte", b"pmd", b"pud", b"p4d", b"pgd"], 5, 0xFF60000000000000ULL)


cdef void arch_fill(uint32_t id, const format_t *f, arch_t *out) noexcept nogil:
    cdef uint32_t level
    memset(out, 0, sizeof(arch_t))
    out.id = id
    out.page_shift = f.page_shift
    out.levels = f.levels
    out.entry_bytes = f.entry_bytes
    for level in range(f.levels):
        out.level_shift[level] = f.page_shift + f.index_bits * level
        out.level_bits[level] = f.index_bits if level < f.levels - 1 else f.top_bits
    out.leaf_levels = f.leaf_levels
    out.va_bits = f.va_bits
    out.pa_bits = f.pa_bits
    out.flags = f.flags
    out.pfn_mask = f.pfn_mask
    out.present = X86_P
    out.write = X86_RW
    out.user = X86_US
    out.accessed = X86_A
    out.dirty = X86_D
    out.huge = X86_PS
    out.is_global = X86_G
    out.nx = f.nx
    out.user_nx = f.user_nx
    out.top_order = <uint8_t>f.top_order
    out.max_order = <uint8_t>f.max_order
    out.pmd_order = <uint8_t>(out.level_shift[1] - f.page_shift)
    out.pageblock_order = out.max_order if f.flags & ARCH_NO_THP else min(out.pmd_order, out.max_order)  # without CONFIG_HUGETLB_PAGE the largest block
    out.page_offset = f.page_offset
    if f.va_bits > 32:
        out.canonical_low_end = <uint64_t>1 << (f.va_bits - 1)
        out.canonical_high_start = ~(out.canonical_low_end - 1)
        out.kernel_start = out.canonical_high_start
    else:  # every address of 32 bits is good, and there are no others
        out.canonical_low_end = <uint64_t>1 << f.va_bits
        out.canonical_high_start = <uint64_t>-1
        out.kernel_start = f.task_size
    out.task_size = f.task_size if f.task_size else out.canonical_low_end - page_size(out)  # TASK_SIZE_MAX


cdef void arch_features(const machine_t *m, arch_t *g, bint plain_tlb) noexcept nogil:
    if not plain_tlb:
        g.flags |= ARCH_CAREFUL
    if m.cpu_features & CPU_PKU and g.id <= ARCH_X86_64_LA57:
        g.flags |= ARCH_PKEYS | ARCH_CAREFUL
    if m.kpti and g.id <= ARCH_X86_64_LA57:
        g.flags |= ARCH_KPTI | ARCH_CAREFUL
        g.top_order = 1
    if m.soft_dirty and g.id <= ARCH_X86_64_LA57:  # HAVE_ARCH_SOFT_DIRTY
        g.soft_dirty = X86_SOFT_DIRTY


cdef int arch_lookup(const char *name, arch_t *out) noexcept nogil:
    cdef uint32_t id
    for id in range(NR_ARCH):
        if strcmp(FORMATS[id].name, name) == 0:
            if FORMATS[id].levels == 0:
                return -EINVAL
            arch_fill(id, &FORMATS[id], out)
            return 0
    return -EINVAL


cdef pte_t entry_decode(const arch_t *g, int level, pte_t e) noexcept nogil:
    return OPS[g.id].decode(g, level, e)


cdef pte_t entry_encode(const arch_t *g, int level, pte_t e) noexcept nogil:
    return OPS[g.id].encode(g, level, e)


cdef bint entry_reserved_there(const arch_t *g, int level, pte_t e) noexcept nogil:
    return OPS[g.id].reserved(g, level, e)


cdef const char *entry_flag(const arch_t *g, int level, pte_t e, uint32_t bit) noexcept nogil:
    return OPS[g.id].flag(level, e, bit)


cdef const char *arch_name(uint32_t id) noexcept nogil:
    if id >= NR_ARCH:
        return b"?"
    return FORMATS[id].name


cdef const char *level_name(const arch_t *g, int level) noexcept nogil:
    if g.id >= NR_ARCH or level < 0 or level >= 5:
        return b"?"
    return FORMATS[g.id].level_names[level]
