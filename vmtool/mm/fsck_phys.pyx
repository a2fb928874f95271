"""The invariants of physical memory, checked over a whole machine.

Counterpart: Linux's CONFIG_DEBUG_VM assertions, mm/page_alloc.c:check_new_pages(), mm/slub.c:validate_slab(), mm/debug_vm_pgtable.c.
Every frame is looked at in its zone's order: a free block, a block on a per-CPU list, a folio, or reserved at boot; lists and
counters must tell the same. Lists are followed no further than their pool is long. A frame record that was never used is not read.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arch cimport ARCH_KPTI, ARCH_PAIRED, nr_entries, nr_user_entries, page_size, pte_pfn, table_bytes
from vmtool.mm.arena cimport CONTENT_SHIFT, frame_at, mm_at, rec_at, rec_is_live
from vmtool.mm.checks cimport nth_check
from vmtool.mm.hstate cimport PG_hugetlb
from vmtool.mm.frame cimport (MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE, folio_order, free_area, max_order_nr_pages, pageblock_nr_pages, pageblock_type, pfn_to_zone,
                              RESERVED_PGTABLE, reserved_end, reserved_what)
from vmtool.mm.free_area cimport WOKEN_ORDER, WOKEN_ORDER_SHIFT, ZONE_BELOW_HIGH, ZONE_BOOSTED_WATERMARK
from vmtool.mm.large_folio cimport large_mapcount
from vmtool.mm.pcp cimport NR_LOWORDER_PCP_LISTS
from vmtool.mm.pte cimport ENTRY_TABLE, entry_load, entry_raw, pmd_class
from vmtool.mm.pgtable cimport user_pgd
from vmtool.mm.vmstat cimport NR_PAGETABLE

cdef enum:
    CHECK_BUDDY_BLOCK
    CHECK_BUDDY_LIST
    CHECK_BUDDY_MERGE
    CHECK_BUDDY_UNLISTED
    CHECK_UNSEEN
    CHECK_ZONE_FREE
    CHECK_PAGEBLOCKS
    CHECK_HIGHATOMIC
    CHECK_ZONE_WOKEN
    CHECK_COMPACTION
    CHECK_PCP_COUNT
    CHECK_PCP_BLOCK
    CHECK_FREE_FRAME
    CHECK_FRAME_LOST
    CHECK_FOLIO_TAIL
    CHECK_FRAME_CONTENT
    CHECK_CONTENTS
    CHECK_TABLE_ENTRIES
    CHECK_TABLES
    CHECK_MM_TABLES
    CHECK_TABLE_FLAG
    CHECK_USER_PGD
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_BUDDY_BLOCK] = fsck_check_t(b"buddy-block", b"frame {0} heads no proper free block of order {1}: flag, order, alignment or type")
CHECKS[CHECK_BUDDY_LIST] = fsck_check_t(b"buddy-list", b"the free list of order {1} is not linked both ways, or not as long as it says, at frame {0}")
CHECKS[CHECK_BUDDY_MERGE] = fsck_check_t(b"buddy-merge", b"frames {0} and {1} are free buddies that were not merged")
CHECKS[CHECK_BUDDY_UNLISTED] = fsck_check_t(b"buddy-unlisted", b"{1} frames stand in free blocks, the free lists hold {0}")
CHECKS[CHECK_UNSEEN] = fsck_check_t(b"zone-unseen", b"the never used frames {0} to {1} are not whole blocks within their zone")
CHECKS[CHECK_ZONE_FREE] = fsck_check_t(b"zone-free", b"nr_free_pages is {0}, the free lists hold {1}")
CHECKS[CHECK_PAGEBLOCKS] = fsck_check_t(b"zone-pageblocks", b"pageblocks of type {0} are counted wrongly: {1} are there")
CHECKS[CHECK_HIGHATOMIC] = fsck_check_t(b"zone-highatomic", b"pages of the reserve for atomic allocations are counted wrongly: {0} are free, {1} reserved")
CHECKS[CHECK_ZONE_WOKEN] = fsck_check_t(b"zone-woken", b"zone {0} has flags {1:#x}: kswapd was woken and has not run, or did not end")
CHECKS[CHECK_COMPACTION] = fsck_check_t(b"zone-compaction", b"what compaction remembers of zone {0} cannot be: {1}")
CHECKS[CHECK_PCP_COUNT] = fsck_check_t(b"pcp-count", b"per-CPU lists of CPU {0} hold {1} frames, which is not their count")
CHECKS[CHECK_PCP_BLOCK] = fsck_check_t(b"pcp-block", b"frame {0} is on a per-CPU list of order {1} and is not marked so")
CHECKS[CHECK_FREE_FRAME] = fsck_check_t(b"free-frame", b"frame {0} is free and has references, mappings or contents (flags {1})")
CHECKS[CHECK_FRAME_LOST] = fsck_check_t(b"frame-lost", b"frame {0} is neither free nor referenced nor mapped (flags {1})")
CHECKS[CHECK_FOLIO_TAIL] = fsck_check_t(b"folio-tail", b"frame {0} is a tail without its head, or a head without its tails: {1}")
CHECKS[CHECK_FRAME_CONTENT] = fsck_check_t(b"frame-content", b"frame {0} has contents {1}, which are not in use or another's")
CHECKS[CHECK_CONTENTS] = fsck_check_t(b"contents-count", b"{0} contents are counted, {1} are in use")
CHECKS[CHECK_TABLE_ENTRIES] = fsck_check_t(b"table-entries", b"the page table in frame {0} has {1} entries, which is not its count")
CHECKS[CHECK_TABLES] = fsck_check_t(b"table-count", b"nr_page_table_pages is {0}, {1} frames are page tables")
CHECKS[CHECK_MM_TABLES] = fsck_check_t(b"mm-tables", b"the tables of address space {0} take {1} bytes, which is not its count")
CHECKS[CHECK_TABLE_FLAG] = fsck_check_t(b"table-flag", b"frame {0} is used as a page table of level {1} and is none")
CHECKS[CHECK_USER_PGD] = fsck_check_t(b"user-pgd", b"entry {1} of the top table in frame {0} is not that of its pair")

cdef struct fsck_t:  # one run
    arena_t *a
    fsck_report_fn report
    void *ctx
    uint8_t *owned  # a byte for each content: a frame has it
    uint64_t on_free_lists  # frames of the zone at hand
    uint64_t nr_tables


cdef const fsck_check_t *fsck_phys_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef void fsck_phys(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef uint32_t z
    f.a = a
    f.report = report
    f.ctx = ctx
    f.nr_tables = 0
    f.owned = <uint8_t *>calloc(a.pool[POOL_CONTENT].count + 1, 1)
    if f.owned == NULL:
        return
    for z in range(NR_ZONES):
        if a.m.zone[z].spanned_pages:
            check_free_lists(&f, z)
            check_frames(&f, &a.m.zone[z])
            check_pageblocks(&f, &a.m.zone[z])
    if a.m.arch.flags & ARCH_KPTI:
        f.nr_tables -= nr_uncounted(a, user_pgd(&a.m.arch, a.m.kernel_pgd), a.m.kernel_pgd, <int>a.m.arch.levels - 1)
    if f.nr_tables + a.m.nr_boot_tables != <uint64_t>a.m.node_stat[NR_PAGETABLE]:
        bad(&f, CHECK_TABLES, <uint64_t>a.m.node_stat[NR_PAGETABLE], f.nr_tables + a.m.nr_boot_tables)
    check_pcp(&f)
    check_contents(&f)
    check_mms(&f)
    free(f.owned)


# --- free memory -----------------------------------------------------------------------------------------------


cdef bint is_reserve_border(arena_t *a, uint64_t one, uint64_t other) noexcept nogil:
    """The reserve for atomic allocations merges with nothing else."""
    cdef uint32_t mt = pageblock_type(a, one), other_mt = pageblock_type(a, other)
    return mt != other_mt and (mt == MIGRATE_HIGHATOMIC or other_mt == MIGRATE_HIGHATOMIC)


cdef void check_free_list(fsck_t *f, zone_t *zone, uint32_t order, uint32_t mt) noexcept nogil:
    cdef arena_t *a = f.a
    cdef free_list_t *list = free_area(a, zone, order, mt)
    cdef uint32_t n = 0
    cdef uint32_t at = list.head
    cdef uint32_t prev = 0
    cdef uint64_t buddy
    cdef frame_t *r
    while at and n <= list.nr_free and n < a.m.max_pfn:
        r = frame_at(a, at)
        if not r.flags & PG_buddy or r.index_lo != order or at & ((<uint32_t>1 << order) - 1) or pageblock_type(a, at) != mt:
            bad(f, CHECK_BUDDY_BLOCK, at, order)
        if r.lru_prev != prev:
            bad(f, CHECK_BUDDY_LIST, at, order)
        buddy = at ^ (<uint64_t>1 << order)
        if order < f.a.m.arch.max_order and at < buddy and buddy < zone.start_pfn + zone.spanned_pages:
            r = frame_at(a, <pfn_t>buddy)
            if r.flags & PG_buddy and r.index_lo == order and not is_reserve_border(a, at, buddy):
                bad(f, CHECK_BUDDY_MERGE, at, buddy)
        n += 1
        prev = at
        at = frame_at(a, at).lru_next
    if n != list.nr_free or list.tail != prev:
        bad(f, CHECK_BUDDY_LIST, prev, order)
    f.on_free_lists += <uint64_t>n << order


cdef void check_free_lists(fsck_t *f, uint32_t z) noexcept nogil:
    cdef zone_t *zone = &f.a.m.zone[z]
    cdef uint64_t mask = max_order_nr_pages(f.a) - 1
    cdef uint64_t unseen = zone.unseen_end - zone.unseen_pfn
    cdef uint32_t order
    cdef uint32_t mt
    cdef uint64_t reserved = 0
    if zone.flags & WOKEN_ORDER - 1 & ~<uint32_t>(ZONE_BOOSTED_WATERMARK | ZONE_BELOW_HIGH) or zone.flags >> WOKEN_ORDER_SHIFT >= NR_ORDERS:
        bad(f, CHECK_ZONE_WOKEN, z, zone.flags)
    check_compaction(f, z)
    f.on_free_lists = 0
    for order in range(f.a.m.arch.max_order + 1):
        reserved += <uint64_t>free_area(f.a, zone, order, NR_MIGRATETYPES - 1).nr_free << order
    if reserved != zone.nr_free_highatomic or zone.nr_reserved_highatomic != <uint64_t>zone.pageblocks[NR_MIGRATETYPES - 1] << f.a.m.arch.pageblock_order:
        bad(f, CHECK_HIGHATOMIC, reserved, <uint64_t>zone.pageblocks[NR_MIGRATETYPES - 1] << f.a.m.arch.pageblock_order)
    for order in range(f.a.m.arch.max_order + 1):
        for mt in range(NR_MIGRATETYPES):
            check_free_list(f, zone, order, mt)
    if zone.unseen_pfn > zone.unseen_end or (unseen and (zone.unseen_pfn & mask or zone.unseen_end & mask or zone.unseen_pfn < zone.start_pfn
                                                          or zone.unseen_end > zone.start_pfn + zone.spanned_pages)):
        bad(f, CHECK_UNSEEN, zone.unseen_pfn, zone.unseen_end)
    if zone.free_pages != f.on_free_lists + unseen:
        bad(f, CHECK_ZONE_FREE, zone.free_pages, f.on_free_lists + unseen)


cdef void check_compaction(fsck_t *f, uint32_t z) noexcept nogil:
    """Deferring within its bounds; kcompactd has run, and wants what there is; nobody captures any more."""
    cdef const compact_zone_t *c = &f.a.m.compaction.zone[z]
    if c.defer_shift > 6 or c.considered > <uint32_t>1 << c.defer_shift:
        bad(f, CHECK_COMPACTION, z, c.defer_shift)
    if c.order_failed > NR_ORDERS or c.blockskip_flush > 1:
        bad(f, CHECK_COMPACTION, z, c.order_failed)
    if f.a.m.compaction.kcompactd_woken or f.a.m.compaction.kcompactd_max_order > f.a.m.arch.max_order or f.a.m.compaction.kcompactd_highest > NR_ZONES:
        bad(f, CHECK_COMPACTION, z, f.a.m.compaction.kcompactd_max_order)


cdef void check_pageblocks(fsck_t *f, zone_t *zone) noexcept nogil:
    """All that are not Movable were written once; a chunk that nothing wrote is Movable throughout."""
    cdef uint64_t pfn = zone.start_pfn & ~(pageblock_nr_pages(f.a) - 1)
    cdef uint32_t count[NR_MIGRATETYPES]
    cdef uint32_t mt
    for mt in range(NR_MIGRATETYPES):
        count[mt] = 0
    while pfn < zone.start_pfn + zone.spanned_pages:
        count[pageblock_type(f.a, pfn) & 3] += 1
        pfn += pageblock_nr_pages(f.a)
    for mt in range(NR_MIGRATETYPES):  # holes count as Movable: pageblocks counts those with memory
        if mt != MIGRATE_MOVABLE and count[mt] != zone.pageblocks[mt]:
            bad(f, CHECK_PAGEBLOCKS, mt, count[mt])


cdef void check_pcp(fsck_t *f) noexcept nogil:
    cdef uint32_t cpu
    cdef uint32_t z
    cdef uint32_t i
    cdef uint32_t at
    cdef uint32_t order
    cdef uint64_t n
    cdef pcp_t *pcp
    for cpu in range(f.a.m.nr_cpus):
        for z in range(NR_ZONES):
            pcp = &(<cpu_t *>rec_at(f.a, POOL_CPU, cpu + 1)).pcp[z]
            n = 0
            for i in range(NR_PCP_LISTS):
                order = i // 3 if i < NR_LOWORDER_PCP_LISTS else f.a.m.arch.pageblock_order
                at = pcp.head[i]
                while at and n <= pcp.count and n < f.a.m.max_pfn:
                    if not frame_at(f.a, at).flags & PG_pcp or frame_at(f.a, at).index_lo != order or pfn_to_zone(f.a, at) != z:
                        bad(f, CHECK_PCP_BLOCK, at, order)
                    n += <uint64_t>1 << order
                    at = frame_at(f.a, at).lru_next
            if n != pcp.count:
                bad(f, CHECK_PCP_COUNT, cpu, n)


# --- frames ----------------------------------------------------------------------------------------------------------


cdef void check_content(fsck_t *f, uint64_t pfn, idx_t c) noexcept nogil:
    cdef slot_t *slot
    if c == 0:
        return
    if c >= f.a.pool[POOL_CONTENT].count:
        bad(f, CHECK_FRAME_CONTENT, pfn, c)
        return
    slot = <slot_t *>rec_at(f.a, POOL_SLOT, (c >> 2) + 1)
    if not slot.used >> (c & 3) & 1 or f.owned[c] or (c & ((<uint32_t>1 << (f.a.m.arch.page_shift - CONTENT_SHIFT)) - 1)):
        bad(f, CHECK_FRAME_CONTENT, pfn, c)
    f.owned[c] = 1


cdef void check_table(fsck_t *f, pfn_t pfn) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef const arch_t *g = &f.a.m.arch
    cdef int level = <int>g.levels - 1 if frame_at(f.a, pfn).flags & PG_head else 0  # a top table of several pages
    for i in range(nr_entries(g, level) if level or g.top_order else <uint32_t>page_size(g) // g.entry_bytes):
        n += entry_raw(f.a, pfn, i, level) != 0
    f.nr_tables += <uint64_t>1 << folio_order(f.a, pfn)
    if n != frame_at(f.a, pfn).index_lo:
        bad(f, CHECK_TABLE_ENTRIES, pfn, n)


cdef uint64_t check_folio(fsck_t *f, pfn_t pfn) noexcept nogil:
    """An allocated frame with its tails. Returns how many frames."""
    cdef frame_t *r = frame_at(f.a, pfn)
    cdef uint32_t order = folio_order(f.a, pfn)
    cdef uint32_t mapped = <uint32_t>r.mapcount
    cdef uint32_t i
    check_content(f, pfn, r.content)
    if r.flags & PG_tail or (order > f.a.m.arch.max_order and not r.flags & PG_hugetlb) or (r.flags & PG_head and order == 0):
        bad(f, CHECK_FOLIO_TAIL, pfn, order)
        return 1
    for i in range(1, <uint32_t>1 << order):
        if not frame_at(f.a, pfn + i).flags & PG_tail or frame_at(f.a, pfn + i).lru_next != pfn:
            bad(f, CHECK_FOLIO_TAIL, pfn, pfn + i)
            return i
        check_content(f, pfn + i, frame_at(f.a, pfn + i).content)
    if order:
        mapped = large_mapcount(f.a, pfn)
    if mapped == 0 and r.extra_refs == 0:
        bad(f, CHECK_FRAME_LOST, pfn, r.flags)
    if r.flags & PG_table:
        check_table(f, pfn)
    return <uint64_t>1 << order


cdef void check_frames(fsck_t *f, zone_t *zone) noexcept nogil:
    cdef uint64_t pfn = zone.start_pfn
    cdef uint64_t end = zone.start_pfn + zone.spanned_pages
    cdef uint64_t skip
    cdef uint64_t in_blocks = 0
    cdef frame_t *r
    while pfn < end:
        if zone.unseen_pfn <= pfn < zone.unseen_end:
            pfn = zone.unseen_end
            continue
        skip = reserved_end(f.a, pfn)
        if skip and reserved_what(f.a, pfn) == RESERVED_PGTABLE:  # some have contents
            check_content(f, pfn, frame_at(f.a, <pfn_t>pfn).content)
            skip = pfn + 1
        if skip:
            pfn = skip
            continue
        r = frame_at(f.a, <pfn_t>pfn)
        if r.flags & (PG_buddy | PG_pcp):
            if r.extra_refs or r.mapcount or r.content or r.mapping or r.index_lo >= NR_ORDERS:
                bad(f, CHECK_FREE_FRAME, pfn, r.flags)
            skip = <uint64_t>1 << (r.index_lo if r.index_lo < NR_ORDERS else 0)
            if r.flags & PG_buddy:
                in_blocks += skip
            pfn += skip
        else:
            pfn += check_folio(f, <pfn_t>pfn)
    if in_blocks != f.on_free_lists:
        bad(f, CHECK_BUDDY_UNLISTED, f.on_free_lists, in_blocks)


cdef void check_contents(fsck_t *f) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t i
    cdef uint32_t used
    for i in range(1, f.a.pool[POOL_SLOT].count):
        used = (<slot_t *>rec_at(f.a, POOL_SLOT, i)).used
        n += (used & 1) + (used >> 1 & 1) + (used >> 2 & 1) + (used >> 3 & 1) if used != 15 or f.a.m.arch.page_shift == CONTENT_SHIFT else 1
    if f.a.pool[POOL_SLOT].count > 1:
        n -= 1  # the null content
    if n != f.a.m.nr_contents:
        bad(f, CHECK_CONTENTS, f.a.m.nr_contents, n)


# --- page tables -----------------------------------------------------------------------------------------------------------


cdef uint64_t count_tables(fsck_t *f, pfn_t table, int level, uint32_t nr) noexcept nogil:
    """Bytes of the tables below one, those deposited for huge pages included."""
    cdef const arch_t *g = &f.a.m.arch
    cdef uint64_t bytes = 0
    cdef uint32_t i
    cdef uint32_t n = 0
    cdef pte_t e
    cdef pfn_t below
    if level == 1 and not g.flags & ARCH_PAIRED:
        below = frame_at(f.a, table).mapping
        while below and n <= nr_entries(g, 1):
            bytes += page_size(g)
            n += 1
            below = frame_at(f.a, below).lru_next
    if level == 0:
        return bytes
    for i in range(nr):
        e = entry_load(f.a, table, i, level)
        if pmd_class(f.a, e) != ENTRY_TABLE:
            continue
        below = pte_pfn(g, e)
        if below >= f.a.m.max_pfn or not frame_at(f.a, below).flags & PG_table:
            bad(f, CHECK_TABLE_FLAG, below, <uint64_t>level - 1)
            continue
        bytes += table_bytes(g, level - 1) + count_tables(f, below, level - 1, <uint32_t>1 << g.level_bits[level - 1])
    return bytes


cdef uint64_t nr_uncounted(arena_t *a, pfn_t user, pfn_t kernel, int level) noexcept nogil:
    """KPTI: tables to which the kernel's own entries do not lead, but user mode's. kernel: the same address's table of the kernel's, or 0."""
    cdef uint64_t n = 0
    cdef uint32_t i
    cdef pte_t e, other
    for i in range(nr_user_entries(&a.m.arch) if level == <int>a.m.arch.levels - 1 else 0, nr_entries(&a.m.arch, level) if level else 0):
        e = entry_load(a, user, i, level)
        other = entry_load(a, kernel, i, level) if kernel else 0
        if e == other or pmd_class(a, e) != ENTRY_TABLE or pte_pfn(&a.m.arch, e) >= a.m.max_pfn:
            continue
        n += 1 + nr_uncounted(a, pte_pfn(&a.m.arch, e), pte_pfn(&a.m.arch, other) if pmd_class(a, other) == ENTRY_TABLE else 0, level - 1)
    return n


cdef void check_user_pgd(fsck_t *f, pfn_t pgd) noexcept nogil:
    """Of the program's the kernel's entries with NX; of the kernel's what every user mode has."""
    cdef const arch_t *g = &f.a.m.arch
    cdef int top = <int>g.levels - 1
    cdef uint32_t i
    cdef pte_t user, kernel
    for i in range(nr_entries(g, top)):
        user = entry_load(f.a, user_pgd(g, pgd), i, top)
        if i < nr_user_entries(g):
            kernel = entry_load(f.a, pgd, i, top)
            user |= g.nx if user else 0
        else:
            kernel = entry_load(f.a, user_pgd(g, f.a.m.kernel_pgd), i, top)
        if user != kernel:
            bad(f, CHECK_USER_PGD, pgd, i)


cdef void check_mms(fsck_t *f) noexcept nogil:
    """The user half of each space; a shared table would be counted twice and show as a difference."""
    cdef int top = <int>f.a.m.arch.levels - 1
    cdef uint32_t i
    cdef uint64_t bytes
    cdef mm_t *mm
    for i in range(1, f.a.pool[POOL_MM].count):
        mm = mm_at(f.a, i)
        if not rec_is_live(f.a, POOL_MM, i):
            continue
        if mm.pgd >= f.a.m.max_pfn or not frame_at(f.a, mm.pgd).flags & PG_table:
            bad(f, CHECK_TABLE_FLAG, mm.pgd, <uint64_t>top)
            continue
        if f.a.m.arch.flags & ARCH_KPTI:
            check_user_pgd(f, mm.pgd)
        bytes = count_tables(f, mm.pgd, top, nr_user_entries(&f.a.m.arch))
        if bytes != mm.pgtables_bytes:
            bad(f, CHECK_MM_TABLES, i, bytes)
