# cython: language_level=3
"""The kernel's side of page tables: allocate, set, clear, free; the kernel half that every space shares.

Entries live in the bytes of frames flagged PG_table; such a frame's index_lo counts its non-zero entries. `mm.pgtables_bytes` counts PTE, PMD and
PUD (and P4D) tables, not the top one, as VmPTE does.
"""

from vmtool.mm.arch cimport level_index
from vmtool.mm.arena cimport arena_t
from vmtool.mm.mmu_context cimport mmu_gather_t, flush_pmd_tlb_range, flush_tlb_mm, flush_tlb_page, flush_tlb_range, flush_tlb_stride, user_pgd  # and flushes
from vmtool.mm.pte cimport *  # whoever works on tables builds entries
from vmtool.mm.types cimport *
from vmtool.mm.zone cimport ram_start

cdef inline int table_descend(arena_t *a, pfn_t root, vaddr_t addr, int to, pfn_t *table, pte_t *e) noexcept nogil:
    """The kernel's way down: to the table of level `to`, or to where an entry leads no further, a leaf or none. Returns the level; *table is
    that level's, and *e, where it is above `to`, the entry that ended it."""
    cdef const arch_t *g = &a.m.arch
    cdef int level = <int>g.levels - 1
    table[0] = root
    while level > to:
        e[0] = entry_load(a, table[0], level_index(g, level, addr), level)
        if pmd_class(a, e[0]) != ENTRY_TABLE:
            break
        table[0] = pte_frame(a, e[0])
        level -= 1
    return level

cdef inline vaddr_t kernel_middle(const arch_t *g) noexcept nogil:
    """PAGE_END: below it lies arm64's direct map, above it the rest."""
    return g.kernel_start + (0 - g.kernel_start >> 1)

cdef inline vaddr_t kernel_image() noexcept nogil:
    """x86-64: where the kernel's text begins."""
    return 0xFFFFFFFF81000000ULL

cdef inline vaddr_t direct_map_address(arena_t *a, paddr_t phys) noexcept nogil:
    """phys_to_virt()."""
    return a.m.arch.page_offset + (phys - (ram_start(&a.m.arch) << a.m.arch.page_shift))

cdef inline vaddr_t pfn_to_virt(arena_t *a, uint64_t pfn) noexcept nogil:
    return direct_map_address(a, pfn << a.m.arch.page_shift)

cdef struct entry_at_t:  # where the way to one address ends
    pfn_t table
    uint32_t index
    int level
    pte_t entry
    uint32_t what  # its class: at level 0 any but ENTRY_TABLE and ENTRY_HUGE

cdef int pgtable_boot(arena_t *a) noexcept nogil  # the kernel's own tables: direct map, image, vmemmap (kernel_pgd). 0, -ENOMEM
# The kernel's table of `level` for an address, made if it is missing; user: programs may read what it maps. 0: no memory, or a leaf is in the way.
cdef pfn_t kernel_table(arena_t *a, vaddr_t addr, int level, bint user) noexcept nogil
cdef pfn_t kernel_table_frame(arena_t *a, pfn_t pfn, int level) noexcept nogil  # that boot kept, or, 0, a new one; empty. 0: no memory
# a frame that boot kept becomes one. Preconditions: the one above is there, and has no entry for it
cdef void kernel_table_at(arena_t *a, vaddr_t addr, int level, pfn_t pfn) noexcept nogil
cdef bint kernel_map(arena_t *a, vaddr_t addr, paddr_t phys, int level, pte_t bits) noexcept nogil  # one leaf of `level`; False: no memory
cdef void kernel_unmap(arena_t *a, vaddr_t addr) noexcept nogil  # a page's entry taken out; the TLB is the caller's
cdef pfn_t pgd_alloc(arena_t *a) noexcept nogil  # a top table with the kernel half; 0: no memory
cdef void pgd_free(arena_t *a, pfn_t pgd) noexcept nogil

# The PTE table found last is remembered in the mm_t. Whatever frees a table or sets an entry above the PTEs forgets it.
cdef inline pfn_t pte_cache(arena_t *a, const mm_t *mm, vaddr_t addr, int level) noexcept nogil:
    if level == 0 and mm.pte_cache_addr == (addr >> a.m.arch.level_shift[1]) + 1 and mm.pte_cache_pgd == mm.pgd:
        return mm.pte_cache_table
    return 0

# The table of `level` that covers addr (0: PTE table), or 0. A huge leaf above ends the search (0).
cdef pfn_t table_lookup(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# The same, and nothing is remembered: for those who only look.
cdef pfn_t table_peek(arena_t *a, const mm_t *mm, vaddr_t addr, int level) noexcept nogil
# The same as table_lookup(), allocating what is missing (counts pgtables_bytes, NR_PAGETABLE). 0: no memory, or a huge leaf is in the way.
cdef pfn_t table_alloc(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# The entry that maps addr, at whatever level, or that shows that none does; nothing is remembered.
cdef void entry_find(arena_t *a, const mm_t *mm, vaddr_t addr, entry_at_t *at) noexcept nogil
# The entry of a level for addr; 0 when no table is there.
cdef pte_t entry_get(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# Set or clear (0) one; keeps the table's count of entries. Preconditions: the table is there.
cdef void entry_set(arena_t *a, mm_t *mm, vaddr_t addr, int level, pte_t value) noexcept nogil
# Take an empty or full table of `level` (0 or 1) out of its parent and free it (its entries must be zero).
cdef void table_free(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# free_pgd_range(): frees the tables of addr..end whose whole span lies within floor..ceiling (0: no ceiling).
cdef void free_pgd_range(arena_t *a, mm_t *mm, mmu_gather_t *tlb, vaddr_t addr, vaddr_t end, vaddr_t floor, vaddr_t ceiling) noexcept nogil
