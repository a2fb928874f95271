"""Page tables as the kernel keeps them: allocate, set, free; building entries; flushing what the TLBs hold.

Counterpart: Linux v6.18 mm/memory.c (free_pgd_range, __pte_alloc), arch/x86/mm/pgtable.c (pgd_alloc), arch/x86/mm/init_64.c
(the direct map), arch/x86/include/asm/pgtable.h.

A table is a frame flagged PG_table whose bytes are the entries; index_lo counts those that are not zero. Every space shares the
kernel half: pgd_alloc copies the top table's upper entries, the tables below are the same frames.

    kernel half, four levels:  ffff888000000000 direct map | ffffea0000000000 memmap | ffffffff81000000 kernel image (kernel_areas: the rest)

With KPTI a top table takes two pages: the kernel's, and behind it the one of user mode, which knows little of the kernel (pti.pyx).

# Deviation: no vmemmap padding.
Invariants: index_lo = entries that are not zero; mm.pgtables_bytes = its tables of PTEs, PMDs and PUDs but the top one; NR_PAGETABLE = frames with PG_table.
"""

from libc.string cimport memcpy

from vmtool.mm.arch cimport (ARCH_KPTI, ARCH_PAIRED, ARCH_SPLIT_ROOT, kernel_global, ARCH_X86_64_LA57, is_arm64, is_riscv, nr_user_entries, X86_A,
                             X86_D, X86_G, X86_P, X86_PS, X86_RW, X86_US, level_index, level_size, page_size, table_bytes)
from vmtool.mm.arch_arm cimport ARM_SECTION_SHIFT, arm_encode
from vmtool.mm.arena cimport frame_at, frame_mut, mm_at
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.frame cimport (RESERVED_BRK, RESERVED_KERNEL_BSS, RESERVED_KERNEL_CODE, RESERVED_KERNEL_DATA, RESERVED_KERNEL_RODATA, RESERVED_KFENCE, RESERVED_MEMMAP,
                              page_bytes, page_bytes_mut)
from vmtool.mm.linear_map cimport linear_pfn
from vmtool.mm.lruvec cimport lruvec_stat_mod_folio
from vmtool.mm.mmu cimport walk_cache_forget
from vmtool.mm.mmu_context cimport tlb_free_table
from vmtool.mm.pte cimport user_pgd_store
from vmtool.mm.trace cimport TR_PGTABLE_ALLOC, TR_PGTABLE_FREE, trace3
from vmtool.mm.zone cimport lowmem_end, ram_start, reserved_of
from vmtool.mm.vmstat cimport NR_PAGETABLE, mod_node_stat


# --- tables --------------------------------------------------------------------------------------------------


cdef inline uint32_t table_order(const arch_t *g, int level) noexcept nogil:
    return g.top_order if level == <int>g.levels - 1 else 0


cdef pfn_t new_table(arena_t *a, int level, vaddr_t addr) noexcept nogil:
    cdef uint32_t order = table_order(&a.m.arch, level)
    cdef pfn_t pfn = alloc_pages(a, order, GFP_KERNEL | GFP_ZERO | GFP_ACCOUNT)
    if pfn:
        frame_mut(a, pfn).flags |= PG_table | PG_kernel
        lruvec_stat_mod_folio(a, pfn, NR_PAGETABLE, 1 << order)
        trace3(a, TR_PGTABLE_ALLOC, level, pfn, addr)
    return pfn


cdef void drop_table(arena_t *a, pfn_t pfn, int level, vaddr_t addr) noexcept nogil:
    cdef uint32_t order = table_order(&a.m.arch, level)
    trace3(a, TR_PGTABLE_FREE, level, pfn, addr)
    lruvec_stat_mod_folio(a, pfn, NR_PAGETABLE, -(1 << order))
    walk_cache_forget(a)
    free_pages(a, pfn, order)


cdef inline pfn_t table_below(arena_t *a, pfn_t table, int level, vaddr_t addr) noexcept nogil:
    """The table that the entry of `level` for addr points to; 0: none, or a leaf."""
    cdef pte_t e = entry_load(a, table, level_index(&a.m.arch, level, addr), level)
    return pte_frame(a, e) if pmd_class(a, e) == ENTRY_TABLE else 0


cdef inline void pte_cache_fill(arena_t *a, mm_t *mm, vaddr_t addr, int level, pfn_t table) noexcept nogil:
    if level == 0 and table:
        mm.pte_cache_addr = (addr >> a.m.arch.level_shift[1]) + 1
        mm.pte_cache_table = table
        mm.pte_cache_pgd = mm.pgd


cdef void table_store(arena_t *a, pfn_t table, uint32_t index, int level, pte_t value) noexcept nogil:
    """An entry of a space's own that points to a table. With KPTI one of the top table goes to user mode's as it is, and the kernel's copy
    forbids to execute what is there (pti_set_user_pgtbl())."""
    cdef const arch_t *g = &a.m.arch
    if g.flags & ARCH_KPTI and level == <int>g.levels - 1:
        user_pgd_store(a, table + 1, index, level, value)
        value |= g.nx if value else 0
    entry_store(a, table, index, level, value)


cdef pfn_t table_peek(arena_t *a, const mm_t *mm, vaddr_t addr, int level) noexcept nogil:
    cdef pfn_t table
    cdef pte_t e
    return table if table_descend(a, mm.pgd, addr, level, &table, &e) == level else 0


cdef pfn_t table_lookup(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil:
    cdef pfn_t table = pte_cache(a, mm, addr, level)
    if table == 0:
        table = table_peek(a, mm, addr, level)
        pte_cache_fill(a, mm, addr, level, table)
    return table


cdef pfn_t table_alloc(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t table = pte_cache(a, mm, addr, level)
    cdef pfn_t below
    cdef pte_t e = 0
    cdef int at
    if table:
        return table
    while True:
        at = table_descend(a, mm.pgd, addr, level, &table, &e)
        if at <= level:
            break
        if e:
            return 0  # a huge page, or something that is not a table (a swapped-out huge page), is in the way
        below = new_table(a, at - 1, addr)
        if below == 0:
            return 0
        table_store(a, table, level_index(g, at, addr), at, mk_table(a, below))
        mm.pgtables_bytes += table_bytes(g, at - 1)
    pte_cache_fill(a, mm, addr, level, table)
    return table


cdef void entry_find(arena_t *a, const mm_t *mm, vaddr_t addr, entry_at_t *at) noexcept nogil:
    at.level = 0
    at.table = pte_cache(a, mm, addr, 0)
    if at.table == 0:
        at.level = table_descend(a, mm.pgd, addr, 0, &at.table, &at.entry)
    at.index = level_index(&a.m.arch, at.level, addr)
    at.entry = entry_load(a, at.table, at.index, at.level)
    at.what = pmd_class(a, at.entry) if at.level else pte_class(a, at.entry)


cdef pte_t entry_get(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil:
    cdef pfn_t table = table_lookup(a, mm, addr, level)
    return entry_load(a, table, level_index(&a.m.arch, level, addr), level) if table else 0


cdef void entry_set(arena_t *a, mm_t *mm, vaddr_t addr, int level, pte_t value) noexcept nogil:
    cdef pfn_t table = table_lookup(a, mm, addr, level)
    if level:
        mm.pte_cache_addr = 0
        walk_cache_forget(a)
    if table:
        entry_store(a, table, level_index(&a.m.arch, level, addr), level, value)


cdef void table_free(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil:
    cdef pfn_t parent = table_lookup(a, mm, addr, level + 1)
    cdef pfn_t table
    if parent == 0:
        return
    table = table_below(a, parent, level + 1, addr)
    if table == 0:
        return
    mm.pte_cache_addr = 0
    table_store(a, parent, level_index(&a.m.arch, level + 1, addr), level + 1, 0)
    drop_table(a, table, level, addr)
    mm.pgtables_bytes -= table_bytes(&a.m.arch, level)


# --- free_pgd_range --------------------------------------------------------------------------------------------

cdef struct span_t:
    vaddr_t floor
    vaddr_t ceiling  # first address that must keep its tables; 0: none
    mmu_gather_t *tlb


cdef void free_range_below(arena_t *a, mm_t *mm, pfn_t table, int level, vaddr_t addr, vaddr_t last, const span_t *span) noexcept nogil:
    """Free the tables under the entries of `table` (of `level`) for addr..last whose spans lie within floor..ceiling."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t size = level_size(g, level)
    cdef vaddr_t base = addr & ~(size - 1)
    cdef vaddr_t next
    cdef pfn_t below
    while True:
        next = base + size
        below = table_below(a, table, level, base)
        if below:
            if level > 1:
                free_range_below(a, mm, below, level - 1, max(addr, base), min(last, next - 1), span)
            if base >= span.floor and (span.ceiling == 0 or next - 1 <= span.ceiling - 1):
                table_store(a, table, level_index(g, level, base), level, 0)
                drop_table(a, below, level - 1, base)
                tlb_free_table(g, span.tlb, level, max(base, addr & ~(level_size(g, level - 1) - 1)) if level > 1 else base)
                mm.pgtables_bytes -= table_bytes(g, level - 1)
        if next - 1 >= last or frame_at(a, table).index_lo == 0:
            break
        base = next


cdef void free_pgd_range(arena_t *a, mm_t *mm, mmu_gather_t *tlb, vaddr_t addr, vaddr_t end, vaddr_t floor, vaddr_t ceiling) noexcept nogil:
    cdef span_t span
    span.floor = floor
    span.ceiling = ceiling
    span.tlb = tlb
    mm.pte_cache_addr = 0
    if end > addr:
        free_range_below(a, mm, mm.pgd, <int>a.m.arch.levels - 1, addr, end - 1, &span)


# --- the top table and the kernel half ----------------------------------------------------------------------------


cdef pfn_t pgd_alloc(arena_t *a) noexcept nogil:
    cdef int top = <int>a.m.arch.levels - 1
    cdef uint32_t nr = <uint32_t>1 << a.m.arch.level_bits[top]
    cdef uint32_t i
    cdef pte_t raw
    cdef pfn_t pgd = new_table(a, top, 0)
    if pgd == 0:
        return 0
    for i in range(nr_user_entries(&a.m.arch), nr):
        raw = entry_raw(a, a.m.kernel_pgd, i, top)
        if raw:
            entry_store_raw(a, pgd, i, top, raw)
    if a.m.arch.flags & ARCH_KPTI:  # clone_pgd_range()
        memcpy(page_bytes_mut(a, pgd + 1) + page_size(&a.m.arch) // 2, page_bytes(a, a.m.kernel_pgd + 1) + page_size(&a.m.arch) // 2,
               page_size(&a.m.arch) // 2)
    return pgd


cdef void pgd_free(arena_t *a, pfn_t pgd) noexcept nogil:
    drop_table(a, pgd, <int>a.m.arch.levels - 1, 0)


cdef inline pte_t mk_kernel_table(arena_t *a, pfn_t table, vaddr_t addr) noexcept nogil:
    """pgd_populate_kernel() and its kin: of 64 bits _PAGE_TABLE as for programs, what it leads to denies them; of 32 bits _KERNPG_TABLE.
    arm64's lead to nothing that programs execute, those of the direct map to nothing that is executed (NO_EXEC_MAPPINGS)."""
    cdef const arch_t *g = &a.m.arch
    if g.id <= ARCH_X86_64_LA57:
        return mk_table(a, table)
    return mk_table(a, table) & ~<pte_t>X86_US | (g.nx if g.flags & ARCH_SPLIT_ROOT and addr < kernel_middle(g) else 0)


cdef void share_kernel_entry(arena_t *a, uint32_t index) noexcept nogil:
    """arch_sync_kernel_mappings(): each space has its own copy of the top table's upper entries. arm copies one when a space runs next: here at once."""
    cdef int top = <int>a.m.arch.levels - 1
    cdef pte_t raw = entry_raw(a, a.m.kernel_pgd, index, top)
    cdef uint32_t i
    for i in range(1, a.pool[POOL_MM].count if not a.m.arch.flags & ARCH_SPLIT_ROOT else 0):
        if mm_at(a, i).pgd:
            entry_store_raw(a, mm_at(a, i).pgd, index, top, raw)


cdef pfn_t kernel_table(arena_t *a, vaddr_t addr, int level, bint user) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pfn_t table, below
    cdef pte_t e
    cdef int at
    while True:
        at = table_descend(a, a.m.kernel_pgd, addr, level, &table, &e)
        if at <= level:
            return table
        if e & X86_PS:
            return 0
        below = new_table(a, at - 1, addr)
        if below == 0:
            return 0
        # for what programs may read, a table that they reach, and the kernel's all the same
        entry_store(a, table, level_index(g, at, addr), at, mk_table(a, below) | X86_G if user else mk_kernel_table(a, below, addr))
        if at == <int>g.levels - 1:
            share_kernel_entry(a, level_index(g, at, addr))


cdef pfn_t kernel_table_frame(arena_t *a, pfn_t pfn, int level) noexcept nogil:
    if pfn == 0:
        return new_table(a, level, 0)
    frame_mut(a, pfn).flags = PG_table | PG_kernel
    frame_mut(a, pfn).extra_refs = 1
    mod_node_stat(a, NR_PAGETABLE, 1)
    return pfn


cdef void kernel_table_at(arena_t *a, vaddr_t addr, int level, pfn_t pfn) noexcept nogil:
    cdef pfn_t table
    cdef pte_t e
    kernel_table_frame(a, pfn, level)
    table_descend(a, a.m.kernel_pgd, addr, level + 1, &table, &e)
    entry_store(a, table, level_index(&a.m.arch, level + 1, addr), level + 1, mk_kernel_table(a, pfn, addr))


cdef bint kernel_map(arena_t *a, vaddr_t addr, paddr_t phys, int level, pte_t bits) noexcept nogil:
    cdef pfn_t table = kernel_table(a, addr, level, bits & X86_US != 0)
    if table == 0:
        return False
    entry_store(a, table, level_index(&a.m.arch, level, addr), level, phys | bits | (X86_PS if level else 0))
    return True


cdef void kernel_unmap(arena_t *a, vaddr_t addr) noexcept nogil:
    """A page's entry; its table stays, as vunmap_range() leaves it."""
    cdef pfn_t table
    cdef pte_t e
    if table_descend(a, a.m.kernel_pgd, addr, 0, &table, &e) == 0:
        entry_store(a, table, level_index(&a.m.arch, 0, addr), 0, 0)


cdef void map_half(arena_t *a, vaddr_t addr, paddr_t phys, pte_t bits) noexcept nogil:
    """__map_init_section(): of a pair the lower MiB alone, where memory ends behind it."""
    cdef const arch_t *g = &a.m.arch
    entry_store_raw(a, a.m.kernel_pgd, level_index(g, 1, addr), 1, arm_encode(g, 1, phys | bits | X86_PS) & <pte_t>0xFFFFFFFF)


cdef bint map_direct(arena_t *a, paddr_t start, paddr_t end) noexcept nogil:
    """init_memory_mapping(), best_map_size(): the largest pages that alignment allows, up to 1G, on riscv64 up to what an entry below the top maps."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t bits = X86_P | X86_RW | X86_A | X86_D | kernel_global(g) | g.nx
    cdef vaddr_t addr
    cdef int level
    while start < end:
        addr = direct_map_address(a, start)
        if g.flags & ARCH_PAIRED and end - start == <uint64_t>1 << ARM_SECTION_SHIFT and not addr & level_size(g, 1) - 1:
            map_half(a, addr, start, bits)
            break
        level = <int>g.levels - 2 if is_riscv(g) else 2
        while level and (not g.leaf_levels >> level & 1 or (start | addr) & (level_size(g, level) - 1) or end - start < level_size(g, level)):
            level -= 1
        if not kernel_map(a, addr, start, level, bits):
            return False
        start += level_size(g, level)
    return True


cdef bint map_direct_riscv(arena_t *a) noexcept nogil:
    """create_linear_mapping_page_table(): text and rodata apart, so that no page has them and something else; kfence's pool page by page."""
    cdef uint32_t shift = a.m.arch.page_shift
    cdef const reserved_t *text = reserved_of(a, RESERVED_KERNEL_CODE)
    cdef const reserved_t *pool = reserved_of(a, RESERVED_KFENCE)
    cdef uint64_t border[8]
    cdef uint64_t pfn
    cdef int i
    if pool == NULL:  # a small machine's image is no Debian's
        return map_direct(a, ram_start(&a.m.arch) << shift, a.m.max_pfn << shift)
    border[0] = ram_start(&a.m.arch)
    border[1] = text.start_pfn
    border[2] = text.start_pfn + text.nr_pages + (level_size(&a.m.arch, 1) >> shift)  # __init_data_begin
    border[3] = reserved_of(a, RESERVED_KERNEL_RODATA).start_pfn
    border[4] = reserved_of(a, RESERVED_KERNEL_DATA).start_pfn
    border[5] = pool.start_pfn
    border[6] = pool.start_pfn + pool.nr_pages
    border[7] = a.m.max_pfn
    for i in range(7):
        if i != 5 and not map_direct(a, border[i] << shift, border[i + 1] << shift):
            return False
    for pfn in range(border[5], border[6]):
        if not map_direct(a, pfn << shift, pfn + 1 << shift):
            return False
    return True


cdef bint map_direct_arm64(arena_t *a) noexcept nogil:
    """map_mem(): the tables lie where boot took them, and say themselves what they map (linear_map)."""
    cdef const arch_t *g = &a.m.arch
    cdef int top = <int>g.levels - 1
    cdef uint64_t tables = (a.m.max_pfn - ram_start(g) << g.page_shift) + level_size(g, top) - 1 >> g.level_shift[top]
    cdef uint32_t i
    for i in range(<uint32_t>tables):
        entry_store(a, a.m.kernel_pgd, i, top, mk_kernel_table(a, linear_pfn(a, top - 1, i), g.page_offset))
    return True


cdef bint map_image(arena_t *a) noexcept nogil:
    """head_64.S, cleanup_highmap(): from the text to what is in use behind .bss in large pages, all of which may be written. What boot makes
    read-only and executable: kernel_areas. _KERNPG_TABLE leads there, _PAGE_TABLE to what lies above (level3_kernel_pgt)."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t size = level_size(g, 1)
    cdef uint64_t first = a.m.max_pfn << g.page_shift
    cdef uint64_t phys
    cdef uint64_t end = 0
    cdef uint32_t i
    cdef reserved_t *r
    cdef pfn_t table
    cdef pte_t e
    for i in range(a.m.nr_reserved):
        r = &a.m.reserved[i]
        if RESERVED_KERNEL_CODE <= r.what <= RESERVED_KERNEL_BSS or r.what == RESERVED_BRK:
            first = min(first, r.start_pfn << g.page_shift & ~(size - 1))
            end = max(end, (r.start_pfn + r.nr_pages << g.page_shift) + size - 1 & ~(size - 1))
    phys = first
    while phys < end:
        if not kernel_map(a, kernel_image() + (phys - first), phys, 1, X86_P | X86_RW | X86_A | X86_D | kernel_global(g) | g.nx):
            return False
        phys += size
    table_descend(a, a.m.kernel_pgd, kernel_image(), 2, &table, &e)
    e = entry_load(a, table, level_index(g, 2, kernel_image()), 2)
    entry_store(a, table, level_index(g, 2, kernel_image()), 2, e & ~<pte_t>X86_US)
    return True


cdef inline vaddr_t vectors_base() noexcept nogil:
    """CONFIG_VECTORS_BASE of arm, which programs see the first page of."""
    return <vaddr_t>0xFFFF0000


cdef bint map_vectors(arena_t *a) noexcept nogil:
    """arm: the page of exception vectors, which programs may read and execute, and that of the stubs, which they may not (devicemaps_init())."""
    cdef pfn_t pfn = alloc_pages(a, 1, GFP_KERNEL | GFP_ZERO)
    cdef paddr_t phys = <paddr_t>pfn << a.m.arch.page_shift
    if pfn == 0:
        return False
    frame_mut(a, pfn).flags |= PG_reserved
    frame_mut(a, pfn + 1).flags |= PG_reserved
    return (kernel_map(a, vectors_base(), phys, 0, X86_P | X86_US | X86_A | X86_D | X86_G)
            and kernel_map(a, vectors_base() + page_size(&a.m.arch), phys + page_size(&a.m.arch), 0, X86_P | X86_A | X86_D | X86_G))


cdef void protect_sections(arena_t *a) noexcept nogil:
    """arm: fix_kernmem_perms(): the image's text may be executed and not written, rodata neither, MiB by MiB."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t bits = X86_P | X86_A | X86_D | X86_G | X86_PS
    cdef pte_t raw, both
    cdef uint64_t mib, phys
    cdef uint32_t i, index
    cdef reserved_t *r
    for i in range(a.m.nr_reserved):
        r = &a.m.reserved[i]
        if r.what != RESERVED_KERNEL_CODE and r.what != RESERVED_KERNEL_RODATA:
            continue
        for mib in range((r.start_pfn + 255) >> 8, (r.start_pfn + r.nr_pages + 255) >> 8):
            phys = mib << ARM_SECTION_SHIFT
            index = level_index(g, 1, g.page_offset + phys - (ram_start(g) << g.page_shift))
            raw = entry_raw(a, a.m.kernel_pgd, index, 1)
            both = arm_encode(g, 1, (phys & ~(level_size(g, 1) - 1)) | bits | (0 if r.what == RESERVED_KERNEL_CODE else g.nx))
            raw = (raw & <pte_t>0xFFFFFFFF) | both >> 32 << 32 if mib & 1 else raw >> 32 << 32 | (both & <pte_t>0xFFFFFFFF)
            entry_store_raw(a, a.m.kernel_pgd, index, 1, raw)


cdef bint map_memmap(arena_t *a) noexcept nogil:
    """vmemmap: the page structures, 64 bytes each, of every 128 MiB of RAM in one 2M page; in the order of their sections."""
    cdef const arch_t *g = &a.m.arch
    cdef vaddr_t base = 0xFFD4000000000000ULL if g.id == ARCH_X86_64_LA57 else 0xFFFFEA0000000000ULL
    cdef uint64_t size = level_size(g, 1)
    cdef uint64_t phys = 0
    cdef uint64_t section = 0
    cdef uint64_t nr_sections = (a.m.max_pfn + 32767) >> 15
    cdef uint32_t i
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == RESERVED_MEMMAP:
            phys = a.m.reserved[i].start_pfn << a.m.arch.page_shift
    while section < nr_sections:
        if section == 24 and a.m.max_pfn > 0x100000:
            section = 32  # the hole below 4 GiB has no page structures
        if not kernel_map(a, base + section * size, phys & ~(size - 1), 1, X86_P | X86_RW | X86_A | X86_D | kernel_global(g) | g.nx):
            return False
        phys += size
        section += 1
    return True


cdef int pgtable_boot(arena_t *a) noexcept nogil:
    cdef int top = <int>a.m.arch.levels - 1
    cdef uint64_t low_end = a.m.max_pfn if a.m.max_pfn <= 0x100000 else 0xC0000
    cdef uint64_t limit = lowmem_end(&a.m.arch)
    cdef bint ok
    if limit:
        low_end = min(low_end, limit)
    if ram_start(&a.m.arch) and not limit:  # no hole below 4 GiB
        low_end = a.m.max_pfn
    a.m.kernel_pgd = new_table(a, top, 0)
    if a.m.kernel_pgd == 0:
        return -ENOMEM
    if is_riscv(&a.m.arch):
        ok = map_direct_riscv(a)
    elif is_arm64(&a.m.arch):
        ok = map_direct_arm64(a)
    elif ram_start(&a.m.arch):
        ok = map_direct(a, ram_start(&a.m.arch) << a.m.arch.page_shift, low_end << a.m.arch.page_shift)
    else:
        ok = map_direct(a, 0, 0x100000) and map_direct(a, 0x100000, low_end << a.m.arch.page_shift)
    if ok and a.m.arch.flags & ARCH_PAIRED:
        protect_sections(a)
        ok = map_vectors(a)
    if ram_start(&a.m.arch) or limit:  # image and memmap lie in the direct map, or come later
        return 0 if ok else -ENOMEM
    if ok and a.m.max_pfn > 0x100000:
        ok = map_direct(a, <paddr_t>0x100000 << a.m.arch.page_shift, a.m.max_pfn << a.m.arch.page_shift)
    ok = ok and map_image(a) and map_memmap(a)
    return 0 if ok else -ENOMEM
