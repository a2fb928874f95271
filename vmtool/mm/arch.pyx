"""Paging formats: one row of a table each, read by every walk.

Modelled: x86-64 with four and with five levels (4K pages; 2M and 1G leaves; NX), i386 with two levels (4K and 4M) and, with PAE, three (4K and 2M; NX).
Counterpart: Linux v6.18 arch/x86/include/asm/pgtable_64_types.h, page_64_types.h, pgtable-3level_types.h; Intel SDM volume 3, chapter 5.
# Deviation: arm and arm64 are named but not built; arch_lookup answers -EINVAL.
"""

from libc.string cimport memset, strcmp

cdef struct format_t:  # one format, as its manual tells it
    const char *name
    uint32_t levels
    uint32_t entry_bytes
    uint32_t table_bits  # of the address that index a table
    uint32_t top_bits  # and the top one
    uint32_t va_bits
    uint32_t pa_bits
    uint32_t leaf_levels
    uint64_t task_size  # 0: the lower half less a page
    uint64_t page_offset
    const char *level_names[5]

cdef format_t FORMATS[NR_ARCH]
FORMATS[ARCH_X86_64] = format_t(b"x86-64", 4, 8, 9, 9, 48, 46, 7, 0, 0xFFFF888000000000ULL, [b"pte", b"pmd", b"pud", b"pgd", b""])
FORMATS[ARCH_X86_64_LA57] = format_t(b"x86-64-la57", 5, 8, 9, 9, 57, 46, 7, 0, 0xFF11000000000000ULL, [b"pte", b"pmd", b"pud", b"p4d", b"pgd"])
FORMATS[ARCH_I386] = format_t(b"i386", 2, 4, 10, 10, 32, 32, 3, 0xC0000000, 0xC0000000, [b"pte", b"pgd", b"", b"", b""])
FORMATS[ARCH_I386_PAE] = format_t(b"i386-pae", 3, 8, 9, 2, 32, 46, 3, 0xC0000000, 0xC0000000, [b"pte", b"pmd", b"pgd", b"", b""])
FORMATS[ARCH_ARM] = format_t(b"arm", 0, 0, 0, 0, 0, 0, 0, 0, 0, [b"pte", b"pgd", b"", b"", b""])
FORMATS[ARCH_ARM64] = format_t(b"arm64", 0, 0, 0, 0, 0, 0, 0, 0, 0, [b"pte", b"pmd", b"pud", b"pgd", b""])
FORMATS[ARCH_ARM64_16K] = format_t(b"arm64-16k", 0, 0, 0, 0, 0, 0, 0, 0, 0, [b"pte", b"pmd", b"pud", b"pgd", b""])
FORMATS[ARCH_ARM64_64K] = format_t(b"arm64-64k", 0, 0, 0, 0, 0, 0, 0, 0, 0, [b"pte", b"pmd", b"pgd", b"", b""])


cdef int arch_lookup(const char *name, arch_t *out) noexcept nogil:
    cdef uint32_t id
    cdef uint32_t level
    cdef format_t *f
    for id in range(NR_ARCH):
        f = &FORMATS[id]
        if strcmp(f.name, name) != 0:
            continue
        if f.levels == 0:
            return -EINVAL
        memset(out, 0, sizeof(arch_t))
        out.id = id
        out.page_shift = 12
        out.levels = f.levels
        out.entry_bytes = f.entry_bytes
        for level in range(f.levels):
            out.level_shift[level] = out.page_shift + f.table_bits * level
            out.level_bits[level] = f.table_bits if level < f.levels - 1 else f.top_bits
        out.leaf_levels = f.leaf_levels
        out.va_bits = f.va_bits
        out.pa_bits = f.pa_bits
        out.pfn_mask = 0x000FFFFFFFFFF000ULL if f.entry_bytes == 8 else 0xFFFFF000ULL
        out.present = X86_P
        out.write = X86_RW
        out.user = X86_US
        out.accessed = X86_A
        out.dirty = X86_D
        out.huge = X86_PS
        out.is_global = X86_G
        out.nx = <uint64_t>1 << 63 if f.entry_bytes == 8 else 0
        if f.va_bits > 32:
            out.canonical_low_end = <uint64_t>1 << (f.va_bits - 1)
            out.canonical_high_start = ~(out.canonical_low_end - 1)
        else:  # every address of 32 bits is good, and there are no others
            out.canonical_low_end = <uint64_t>1 << f.va_bits
            out.canonical_high_start = <uint64_t>-1
        out.task_size = f.task_size if f.task_size else out.canonical_low_end - page_size(out)  # TASK_SIZE_MAX
        out.page_offset = f.page_offset
        return 0
    return -EINVAL


cdef const char *arch_name(uint32_t id) noexcept nogil:
    if id >= NR_ARCH:
        return b"?"
    return FORMATS[id].name


cdef const char *level_name(const arch_t *g, int level) noexcept nogil:
    if g.id >= NR_ARCH or level < 0 or level >= 5:
        return b"?"
    return FORMATS[g.id].level_names[level]
