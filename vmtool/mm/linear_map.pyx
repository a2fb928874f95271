"""The direct map of arm64: all of RAM page by page, as rodata=full has it, but for text and rodata, which have blocks where they fit.

    RAM of 1 GiB, pages of 4K, the last frames:
    ... | memmap | (a gap) | PTEs of 3fe00000 ... | ... | PTEs of 02200000 ... | PTEs of 00000000 ... | PMDs | PUDs |
                                                                                               the first that was made

A table takes 4K of each 2M. They are as early_pgtable_alloc() takes them, from RAM's end downwards, each before what it leads to; so a table's place
says what it maps, and its entries are computed when they are read. One that is changed (a module's text, which may not be written there either)
gets contents of its own (linear_own(), set_memory).

Counterpart: Linux v6.18 arch/arm64/mm/mmu.c (map_mem(): regions in the order of memory, the image's alias last; NO_BLOCK_MAPPINGS and
NO_CONT_MAPPINGS where can_set_directmap()). Entries as read in the memory of Debian's 6.18.15 (fixtures/kernel_map).
Simplified: no processor here has BBML2_NOABORT, with which blocks stay and are split later.
"""

from vmtool.mm.arch cimport ARCH_SPLIT_ROOT, X86_A, X86_D, X86_P, X86_PS, X86_PWT, X86_RW, entry_encode, kernel_global, level_size, nr_entries
from vmtool.mm.arena cimport frame_at
from vmtool.mm.memblock cimport RESERVED_PGTABLE, linear_blocks, ram_start, reserved_of


cdef uint64_t subtree(const arch_t *g, int level) noexcept nogil:
    """Tables of a whole one: itself and what it leads to."""
    cdef uint64_t n = 1
    cdef int below
    for below in range(1, level + 1):
        n = 1 + n * nr_entries(g, below)
    return n


cdef uint64_t place_of(const arch_t *g, int level, uint64_t nr) noexcept nogil:
    """How many tables were made before it, if all that could be there were."""
    cdef uint64_t n = 0
    cdef int at = level
    while True:
        if at == <int>g.levels - 2:
            return n + nr * subtree(g, at)
        n += 1 + (nr & (nr_entries(g, at + 1) - 1)) * subtree(g, at)
        nr >>= g.level_bits[at + 1]
        at += 1


cdef bint linear_table(arena_t *a, pfn_t pfn, int *level, uint64_t *nr) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef const reserved_t *kept = reserved_of(a, RESERVED_PGTABLE)
    cdef uint64_t first, nr_blocks, n, d
    if kept == NULL or not kept.start_pfn <= pfn < kept.start_pfn + kept.nr_pages:
        return False
    n = kept.start_pfn + kept.nr_pages - 1 - pfn
    nr_blocks = linear_blocks(a, &first)
    if nr_blocks and n >= place_of(g, 0, first):
        n += nr_blocks
    level[0] = <int>g.levels - 2
    nr[0] = n // subtree(g, level[0])
    n %= subtree(g, level[0])
    while n:
        n -= 1
        level[0] -= 1
        d = subtree(g, level[0])
        nr[0] = (nr[0] << g.level_bits[level[0] + 1]) + n // d
        n %= d
    return True


cdef bint linear_untouched(arena_t *a, pfn_t table) noexcept nogil:
    cdef int level = 0
    cdef uint64_t nr = 0
    return a.m.arch.flags & ARCH_SPLIT_ROOT != 0 and frame_at(a, table).content == 0 and linear_table(a, table, &level, &nr)


cdef pfn_t linear_pfn(arena_t *a, int level, uint64_t nr) noexcept nogil:
    cdef const reserved_t *kept = reserved_of(a, RESERVED_PGTABLE)
    cdef uint64_t first, n = place_of(&a.m.arch, level, nr)
    cdef uint64_t nr_blocks = linear_blocks(a, &first)
    if nr_blocks and n > place_of(&a.m.arch, 0, first):
        n -= nr_blocks
    return <pfn_t>(kept.start_pfn + kept.nr_pages - 1 - n)


cdef pte_t entry_of(arena_t *a, int level, uint64_t nr) noexcept nogil:
    """Entry nr of all those of the level."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t pages = level_size(g, level) >> g.page_shift
    cdef uint64_t pfn = ram_start(g) + nr * pages
    cdef uint64_t first
    cdef pte_t bits = X86_P | X86_A | kernel_global(g) | g.nx
    if pfn >= a.m.max_pfn:
        return 0
    if level == 0:
        return entry_encode(g, 0, pfn << g.page_shift | bits | X86_RW | X86_D | X86_PWT)  # memory that may have tags
    if level == 1 and linear_blocks(a, &first) and nr - first < linear_blocks(a, &first):
        return entry_encode(g, 1, pfn << g.page_shift | bits | X86_PS)
    return entry_encode(g, level, <pte_t>linear_pfn(a, level - 1, nr) << g.page_shift | X86_P | X86_RW | X86_A | X86_D | g.nx)


cdef pte_t linear_entry(arena_t *a, pfn_t table, uint32_t index) noexcept nogil:
    cdef int level = 0
    cdef uint64_t nr = 0
    if not linear_table(a, table, &level, &nr):
        return 0
    return entry_of(a, level, (nr << a.m.arch.level_bits[level]) + index)


cdef void linear_fill(arena_t *a, pfn_t table, char *bytes) noexcept nogil:
    cdef int level = 0
    cdef uint64_t nr = 0
    cdef uint32_t i
    linear_table(a, table, &level, &nr)
    for i in range(nr_entries(&a.m.arch, level)):
        (<uint64_t *>bytes)[i] = entry_of(a, level, (nr << a.m.arch.level_bits[level]) + i)
