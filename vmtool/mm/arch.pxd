# cython: language_level=3
"""Level 1. Paging formats as tables (arch_t), and the index and entry arithmetic that reads them.

x86-64, four levels:  47      39 38     30 29     21 20     12 11        0
                     |  pgd    |   pud   |   pmd   |   pte   |  offset   |
Entry:  63 NX | 62-52 avail | 51-12 frame | 11-9 avail | 8 G | 7 PS/PAT | 6 D | 5 A | 4 PCD | 3 PWT | 2 U/S | 1 R/W | 0 P
Level 0 is the table whose entries always map a page (PTE); `levels - 1` is the top. A new format fills a table; no walk changes.
"""

from vmtool.mm.types cimport *

cdef enum:  # arch_id
    ARCH_X86_64
    ARCH_X86_64_LA57
    ARCH_I386
    ARCH_I386_PAE
    ARCH_ARM
    ARCH_ARM64
    ARCH_ARM64_16K
    ARCH_ARM64_64K
    NR_ARCH

# software bits of a present x86 entry, and of a not-present one
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

cdef int arch_lookup(const char *name, arch_t *out) noexcept nogil  # 0 or -EINVAL (unknown or not built yet)
cdef const char *arch_name(uint32_t id) noexcept nogil
cdef const char *level_name(const arch_t *g, int level) noexcept nogil  # pte pmd pud p4d pgd as Linux names them for the format

cdef inline uint32_t level_index(const arch_t *g, int level, vaddr_t addr) noexcept nogil:
    return <uint32_t>(addr >> g.level_shift[level]) & ((<uint32_t>1 << g.level_bits[level]) - 1)

cdef inline uint64_t level_size(const arch_t *g, int level) noexcept nogil:
    """Bytes that one entry of the level spans."""
    return <uint64_t>1 << g.level_shift[level]

cdef inline vaddr_t level_end(const arch_t *g, int level, vaddr_t addr, vaddr_t end) noexcept nogil:
    """Where the level's entry for addr ends, or `end` when that comes first."""
    cdef vaddr_t next = (addr | (level_size(g, level) - 1)) + 1
    return end if next == 0 or next > end else next

cdef inline uint32_t nr_entries(const arch_t *g, int level) noexcept nogil:
    """Of a table of the level."""
    return <uint32_t>1 << g.level_bits[level]

cdef inline uint64_t page_size(const arch_t *g) noexcept nogil:
    return <uint64_t>1 << g.page_shift

cdef inline uint64_t table_bytes(const arch_t *g, int level) noexcept nogil:
    """What a table of the level adds to mm_struct's pgtables_bytes: those of PTEs, PMDs and PUDs are counted, the P4D's are not."""
    return page_size(g) if level < 3 else 0

cdef inline vaddr_t kernel_start(const arch_t *g) noexcept nogil:
    """Where the half begins that every space shares."""
    return g.canonical_high_start if g.va_bits > 32 else g.page_offset

cdef inline pte_t user_nx(const arch_t *g) noexcept nogil:
    """NX in the entries of programs. PAE has the bit and Linux 6.0 and later lose it there: vm_get_page_prot() keeps 32 bits."""
    return g.nx if g.id != ARCH_I386_PAE else 0

cdef inline pte_t top_entry(const arch_t *g, int level, pte_t e) noexcept nogil:
    """An entry as the walk combines it with those below: PAE's four pointers have no permissions and no A bit."""
    if level == 2 and g.id == ARCH_I386_PAE and e & g.present:
        return e | g.write | g.user | g.accessed
    return e

cdef inline pte_t table_entry(const arch_t *g, int level, pfn_t table, pte_t bits) noexcept nogil:
    """The entry of `level` that points to a table; of PAE's pointers nothing but Present may be set."""
    return <pte_t>table << g.page_shift | (bits & g.present if level == 2 and g.id == ARCH_I386_PAE else bits)

cdef inline uint32_t pages_in(const arch_t *g, vaddr_t addr, vaddr_t next) noexcept nogil:
    """Of a range within one table."""
    return <uint32_t>((next - addr) >> g.page_shift)

cdef inline pfn_t pte_pfn(const arch_t *g, pte_t e) noexcept nogil:
    return <pfn_t>((e & g.pfn_mask) >> g.page_shift)

cdef inline bint pte_present(const arch_t *g, pte_t e) noexcept nogil:
    return (e & g.present) != 0

cdef inline bint is_canonical(const arch_t *g, vaddr_t addr) noexcept nogil:
    return addr < g.canonical_low_end or addr >= g.canonical_high_start
