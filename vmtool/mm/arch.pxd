# cython: language_level=3
"""Paging formats as tables (arch_t), and the index and entry arithmetic that reads them.

x86-64, four levels:  47      39 38     30 29     21 20     12 11        0
                     |  pgd    |   pud   |   pmd   |   pte   |  offset   |
Level 0 is the table whose entries always map a page (PTE); `levels - 1` is the top. A new format is a row of FORMATS and, where its entries
look otherwise, a room that decodes and encodes them; no walk and no fault changes. What else an architecture is, README.md lists.
"""

from vmtool.mm.arch_x86 cimport *
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
    ARCH_RISCV64
    ARCH_RISCV64_SV39
    ARCH_RISCV64_SV57
    NR_ARCH

cdef enum:  # arch_t.flags
    ARCH_TRANSLATES = 1  # entries stand in memory otherwise than mm reads them
    ARCH_SOFT_YOUNG = 2  # the processor sets no A bit: an access without it is a fault
    ARCH_SOFT_DIRTY = 4  # nor D: a write without it is a fault
    ARCH_SPLIT_ROOT = 16  # kernel addresses have a root of their own (TTBR1): a program's tables are its alone, and none of its addresses leads there
    ARCH_JUDGES_EXEC = 32  # a fault of an instruction fetch needs VM_EXEC; x86 first brings the page in, and the entry forbids
    ARCH_PAIRED = 64  # an entry is two words: the processor's and Linux's, or the two tables that share a page (arm); the top takes several pages
    ARCH_PT_RECLAIM = 128  # madvise() frees a table that it has emptied (CONFIG_PT_RECLAIM)
    ARCH_NO_THP = 256  # no transparent huge pages
    ARCH_DBM = 1024  # the processor marks a page that may be written dirty by making it writable
    ARCH_OLD_AROUND = 512  # arch_wants_old_prefaulted_pte(): what a fault maps around is old, for the processor marks what is used
    ARCH_PKEYS = 2048  # CR4.PKE is set: entries of user pages have a protection key, which PKRU opens or not (of the machine, not of the format)
    ARCH_CAREFUL = 4096  # the quick roads know nothing of what this machine has: they decline
    ARCH_KPTI = 8192  # two top tables a space, in one block: the kernel's, then the one of user mode (of the machine; ARCH_CAREFUL with it)
    ARCH_ASID = 16384  # the TLB's entries name their address space by a number that all CPUs have the same
    ARCH_XONLY = 32768  # a page may be executed and not read; a fault of a read needs VM_READ or VM_WRITE
    ARCH_MODIFY_YOUNG = 65536  # another protection makes a page young, for it has the A bit; that of PROT_NONE has not
    ARCH_FIXED_TOP = 8  # what the top table's entries of user space point to is there from the start (PAE's processor reads them at the load of CR3)

cdef enum:  # log2 of a page; which a machine has says arch_t.page_shift
    SHIFT_4K = 12
    SHIFT_16K = 14
    SHIFT_64K = 16

# One format's own. In registers, so to speak, an entry has x86-64's form (arch_x86.pxd; arch_t names the bits), and all of mm computes with that;
# a format says what the same entry looks like in memory. Zero is zero in both. `level`: of the table that holds it.
ctypedef pte_t (*entry_fn)(const arch_t *g, int level, pte_t e) noexcept nogil
ctypedef bint (*reserved_fn)(const arch_t *g, int level, pte_t e) noexcept nogil
ctypedef const char *(*flag_fn)(int level, pte_t e, uint32_t bit) noexcept nogil

cdef struct arch_ops_t:
    entry_fn decode  # NULL: they are alike
    entry_fn encode
    reserved_fn reserved  # of an entry as mm reads it: a bit is set that must be 0
    flag_fn flag  # of an entry in memory: the manual's name of a bit that is set, NULL: it has none

cdef pte_t entry_decode(const arch_t *g, int level, pte_t e) noexcept nogil  # precondition: ARCH_TRANSLATES
cdef pte_t entry_encode(const arch_t *g, int level, pte_t e) noexcept nogil
cdef bint entry_reserved_there(const arch_t *g, int level, pte_t e) noexcept nogil
cdef const char *entry_flag(const arch_t *g, int level, pte_t e, uint32_t bit) noexcept nogil
cdef enum:  # machine_t.cpu_features
    CPU_PKU = 1
    CPU_ASID8 = 2  # arm64: ID_AA64MMFR0_EL1.ASIDBits is 0
    CPU_TLBIRANGE = 4  # arm64: FEAT_TLBIRANGE
cdef void arch_features(const machine_t *m, arch_t *g, bint plain_tlb) noexcept nogil  # what the machine adds to its format's flags
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

cdef inline uint32_t nr_user_entries(const arch_t *g) noexcept nogil:
    """Of the top table: those before the half that every space shares."""
    cdef int top = <int>g.levels - 1
    return nr_entries(g, top) if g.flags & ARCH_SPLIT_ROOT else level_index(g, top, g.kernel_start)

cdef inline uint64_t page_size(const arch_t *g) noexcept nogil:
    return <uint64_t>1 << g.page_shift

cdef inline uint64_t offset_in_page(const arch_t *g, uint64_t n) noexcept nogil:
    return n & (page_size(g) - 1)

cdef inline uint64_t page_start(const arch_t *g, uint64_t n) noexcept nogil:
    return n & ~(page_size(g) - 1)

cdef inline uint64_t page_align(const arch_t *g, uint64_t n) noexcept nogil:
    """Up to the next page; wraps to 0 past the last."""
    return page_start(g, n + page_size(g) - 1)

cdef inline uint64_t pages_to_kb(const arch_t *g, int64_t nr_pages) noexcept nogil:
    """A counter that is negative for the moment is told as 0, as node_page_state() does."""
    return <uint64_t>nr_pages << (g.page_shift - 10) if nr_pages > 0 else 0

cdef inline uint64_t table_bytes(const arch_t *g, int level) noexcept nogil:
    """What a table of the level adds to mm_struct's pgtables_bytes: those of PTEs, PMDs and PUDs are counted, the P4D's are not. Linux's table
    of arm is half of its page."""
    return page_size(g) >> (g.flags & ARCH_PAIRED != 0) if level < 3 else 0

cdef inline uint32_t pages_in(const arch_t *g, vaddr_t addr, vaddr_t next) noexcept nogil:
    """Of a range within one table."""
    return <uint32_t>((next - addr) >> g.page_shift)

cdef inline pte_t kernel_global(const arch_t *g) noexcept nogil:
    """What an entry of the kernel's half has that both modes do not share: the global bit, but with KPTI (__default_kernel_pte_mask)."""
    return 0 if g.flags & ARCH_KPTI else g.is_global

cdef inline pfn_t pte_pfn(const arch_t *g, pte_t e) noexcept nogil:
    return <pfn_t>((e & g.pfn_mask) >> g.page_shift)

cdef inline bint is_riscv(const arch_t *g) noexcept nogil:
    return g.id >= ARCH_RISCV64

cdef inline bint is_i386(const arch_t *g) noexcept nogil:
    """With PAE or without."""
    return g.id == ARCH_I386 or g.id == ARCH_I386_PAE

cdef inline bint is_arm(const arch_t *g) noexcept nogil:
    """Of 32 or of 64 bits."""
    return ARCH_ARM <= g.id <= ARCH_ARM64_64K

cdef inline bint is_arm64(const arch_t *g) noexcept nogil:
    return ARCH_ARM64 <= g.id <= ARCH_ARM64_64K

cdef inline bint xonly_forbids(const arch_t *g, pte_t e, int access) noexcept nogil:
    """A read of what may only be executed."""
    return access == ACCESS_READ and g.flags & ARCH_XONLY and e >> X86_XONLY_BIT & 1

# --- pages of 4K, tables of 512 entries as they stand in memory: what the quick roads are for -------------------------

cdef enum:
    SIZE_4K = 1 << SHIFT_4K
    PTRS_4K = 512  # entries of a table
    REGION_SHIFT_4K = 21  # log2 of what a PTE table maps

cdef inline uint64_t vpn_4k(vaddr_t addr) noexcept nogil:
    return addr >> SHIFT_4K

cdef inline uint32_t pte_index_4k(uint64_t vpn) noexcept nogil:
    return <uint32_t>vpn & (PTRS_4K - 1)

cdef inline uint32_t pmd_index_4k(vaddr_t addr) noexcept nogil:
    return <uint32_t>(addr >> REGION_SHIFT_4K) & (PTRS_4K - 1)

cdef inline uint64_t region_4k(vaddr_t addr) noexcept nogil:
    """cpu_t.walk_region of an address."""
    return (addr >> REGION_SHIFT_4K) + 1

cdef inline bint is_canonical(const arch_t *g, vaddr_t addr) noexcept nogil:
    return addr < g.canonical_low_end or addr >= g.canonical_high_start

cdef inline pte_t leaf_reserved_bits(const arch_t *g) noexcept nogil:
    """entry_reserved() of pages' own entries as a mask. Precondition: mm reads them as they stand in memory."""
    return x86_address_reserved(g)

cdef inline bint entry_reserved(const arch_t *g, int level, pte_t e) noexcept nogil:
    """Of an entry as mm reads it: a bit is set that must be 0. Those that look so in memory are x86's."""
    return entry_reserved_there(g, level, e) if g.flags & ARCH_TRANSLATES else x86_reserved(g, level, e)
