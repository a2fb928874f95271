"""The invariants of the kernel's half: where each page of memory is in the direct map, and what may be written or executed there.

Counterpart: Linux v6.18 mm/ptdump.c:ptdump_check_wx() with CONFIG_DEBUG_WX.
"""

from vmtool.mm.arch cimport level_index, level_size, nr_entries, nr_user_entries, pages_in, pte_pfn
from vmtool.mm.arena cimport frame_at, mm_at, runs_in_circle
from vmtool.mm.checks cimport nth_check
from vmtool.mm.frame cimport RESERVED_HOLE, RESERVED_KERNEL_CODE, RESERVED_KERNEL_RODATA, reserved_of, reserved_t, reserved_what
from vmtool.mm.linear_map cimport linear_untouched
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init_kernel, walk_page_range
from vmtool.mm.pgtable cimport direct_map_address, table_descend
from vmtool.mm.pte cimport ENTRY_HUGE, entry_load, entry_raw, pmd_class
from vmtool.mm.vmalloc cimport vmalloc_is_mapped, vmap_at, vmap_pfn
from vmtool.mm.zone cimport lowmem_end, ram_start

cdef enum:
    CHECK_WX
    CHECK_DIRECT_MAP
    CHECK_TEXT_RO
    CHECK_VMALLOC
    CHECK_SHARED
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_WX] = fsck_check_t(b"kernel-wx", b"address {0:#x} of the kernel may be written and executed")
CHECKS[CHECK_DIRECT_MAP] = fsck_check_t(b"direct-map", b"address {0:#x} of the direct map does not lead to frame {1}")
CHECKS[CHECK_TEXT_RO] = fsck_check_t(b"kernel-text", b"address {0:#x} of the direct map allows to write frame {1}, which is the kernel's text or rodata")
CHECKS[CHECK_VMALLOC] = fsck_check_t(b"vmalloc-map", b"address {0:#x} of vmalloc's range does not lead to frame {1}")
CHECKS[CHECK_SHARED] = fsck_check_t(b"kernel-half", b"the top table at frame {0} has not the kernel's entry {1}")

cdef struct fsck_t:  # one run
    arena_t *a
    fsck_report_fn report
    void *ctx
    uint64_t end  # of the direct map's frames
    bint alias_ro  # older files have the direct map's alias of the text as they made it


cdef const fsck_check_t *fsck_kernel_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef void check_direct(fsck_t *f, vaddr_t addr, pte_t e, int level) noexcept nogil:
    """A leaf of the direct map, or none."""
    cdef const arch_t *g = &f.a.m.arch
    cdef uint64_t pfn = ram_start(g) + (addr - g.page_offset >> g.page_shift)
    cdef int what
    if addr < g.page_offset or pfn >= f.end:
        return
    what = reserved_what(f.a, pfn)
    if not e & g.present:
        if what != RESERVED_HOLE:
            f.report(f.ctx, CHECKS[CHECK_DIRECT_MAP].name, addr, pfn)
        return
    if (e & g.pfn_mask & ~(level_size(g, level) - 1)) != pfn << g.page_shift:
        f.report(f.ctx, CHECKS[CHECK_DIRECT_MAP].name, addr, pfn)
    if f.alias_ro and e & g.write and (what == RESERVED_KERNEL_CODE or what == RESERVED_KERNEL_RODATA):
        f.report(f.ctx, CHECKS[CHECK_TEXT_RO].name, addr, pfn)


cdef void check_entry(fsck_t *f, vaddr_t addr, pte_t e, int level) noexcept nogil:
    cdef const arch_t *g = &f.a.m.arch
    if e & g.present and e & g.write and g.nx and not e & g.nx and not e & g.user:
        f.report(f.ctx, CHECKS[CHECK_WX].name, addr, 0)
    check_direct(f, addr, e, level)


cdef bint may_be_image(fsck_t *f, vaddr_t addr) noexcept nogil:
    """The direct map may have text or rodata there, or behind it."""
    cdef const reserved_t *rodata = reserved_of(f.a, RESERVED_KERNEL_RODATA)
    return addr < direct_map_address(f.a, rodata.start_pfn + rodata.nr_pages << f.a.m.arch.page_shift)


cdef int check_table(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef const arch_t *g = &w.a.m.arch
    cdef uint32_t i, first = level_index(g, 0, addr)
    cdef uint32_t nr = pages_in(g, addr, next) if next != ~<vaddr_t>0 else <uint32_t>((next - addr) >> g.page_shift) + 1
    if linear_untouched(w.a, table) and not may_be_image(<fsck_t *>w.private, addr) and entry_load(w.a, table, first + nr - 1, 0):
        check_entry(<fsck_t *>w.private, addr, entry_load(w.a, table, first, 0), 0)  # the others follow from it
        return 0
    for i in range(nr):
        check_entry(<fsck_t *>w.private, addr + i * level_size(g, 0), entry_load(w.a, table, first + i, 0), 0)
    return 0


cdef int check_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    check_entry(<fsck_t *>w.private, addr, e, level)
    return 0


cdef int check_hole(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level) noexcept nogil:
    check_direct(<fsck_t *>w.private, addr, 0, level)
    return 0


cdef pte_t entry_of(arena_t *a, uint64_t pfn) noexcept nogil:
    """Of a frame in the direct map."""
    cdef vaddr_t addr = direct_map_address(a, pfn << a.m.arch.page_shift)
    cdef pfn_t table
    cdef pte_t e = 0
    cdef int level = table_descend(a, a.m.kernel_pgd, addr, 0, &table, &e)
    return e if level and pmd_class(a, e) == ENTRY_HUGE else entry_load(a, table, level_index(&a.m.arch, 0, addr), 0) if level == 0 else 0


cdef void check_areas(fsck_t *f) noexcept nogil:
    """A page that an area has and a table maps; older files did not map all."""
    cdef arena_t *a = f.a
    cdef const arch_t *g = &a.m.arch
    cdef idx_t i = a.m.vmap_first
    cdef uint32_t steps = 0, n
    cdef vaddr_t addr
    cdef pfn_t table
    cdef pte_t e = 0
    while i and vmalloc_is_mapped(a) and not runs_in_circle(a, POOL_VMAP, i, &steps):
        for n in range(vmap_at(a, i).nr_pages):
            addr = vmap_at(a, i).va_start + (<uint64_t>n << g.page_shift)
            if table_descend(a, a.m.kernel_pgd, addr, 0, &table, &e) == 0:
                e = entry_load(a, table, level_index(g, 0, addr), 0)
                if e and pte_pfn(g, e) != vmap_pfn(a, i, n):
                    f.report(f.ctx, CHECKS[CHECK_VMALLOC].name, addr, vmap_pfn(a, i, n))
        i = vmap_at(a, i).next


cdef void check_spaces(fsck_t *f) noexcept nogil:
    """The upper entries of each top table."""
    cdef arena_t *a = f.a
    cdef const arch_t *g = &a.m.arch
    cdef int top = <int>g.levels - 1
    cdef uint32_t i, n
    cdef pfn_t pgd
    for i in range(1, a.pool[POOL_MM].count):
        pgd = mm_at(a, i).pgd
        if pgd == 0 or pgd >= a.m.max_pfn or not frame_at(a, pgd).flags & PG_table:
            continue
        for n in range(nr_user_entries(g), nr_entries(g, top)):
            if entry_raw(a, pgd, n, top) != entry_raw(a, a.m.kernel_pgd, n, top):
                f.report(f.ctx, CHECKS[CHECK_SHARED].name, pgd, n)


cdef void fsck_kernel(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef mm_walk_t w
    cdef fsck_t f
    cdef uint32_t i
    f.a = a
    f.report = report
    f.ctx = ctx
    f.end = min(a.m.max_pfn, lowmem_end(g)) if lowmem_end(g) else a.m.max_pfn
    f.alias_ro = False
    for i in range(a.m.nr_reserved):
        if a.m.reserved[i].what == RESERVED_KERNEL_CODE:  # its last page: on arm a part of the first MiB is not text
            f.alias_ro = not entry_of(a, a.m.reserved[i].start_pfn + a.m.reserved[i].nr_pages - 1) & g.write
    walk_init_kernel(&w, a, a.m.kernel_pgd, &f)
    w.table = check_table
    w.leaf = check_leaf
    w.hole = check_hole
    walk_page_range(&w, g.kernel_start, ~<vaddr_t>0 if g.va_bits > 32 else <vaddr_t>1 << 32)
    check_areas(&f)
    check_spaces(&f)
