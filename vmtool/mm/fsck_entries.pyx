"""The invariants between page tables, areas and frames, checked over a whole machine.

Counterpart: Linux v6.18 mm/rmap.c:__folio_rmap_sanity_checks(), mm/memory.c:print_bad_pte(), kernel/fork.c:check_mm() (rss counters).
Every entry of the user half of every address space is read; each must lie in an area and allow no more than it, and map a page that is the
area's there. The entries that map each frame are counted and compared with what the frame, its folio and the node say.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arch cimport level_size, nr_user_entries, pte_pfn
from vmtool.mm.arena cimport ARENA_NOMEM, arena_fail, file_at, frame_at, memcg_at, mm_at, rec_at, rec_is_live, vma_at
from vmtool.mm.boot cimport vdso_outside_maps
from vmtool.mm.checks cimport nth_check
from vmtool.mm.contpte cimport contpte_is_true
from vmtool.mm.frame cimport folio_order, frame_index, page_folio, pfn_to_zone, reserved_end
from vmtool.mm.hstate cimport PG_hugetlb, hsize_nth, hsize_of, hsize_t, hstate_vma, huge_page_order, vma_kernel_pagesize
from vmtool.mm.large_folio cimport (LARGE_MM_IDS_SHARED, LARGE_PARTIALLY_MAPPED, LARGE_QUEUED, MTHP_STAT_NR_ANON,
                                    MTHP_STAT_NR_ANON_PARTIALLY_MAPPED, folio_large_bits, folio_mm_id, folio_mm_id_mapcount,
                                    folio_nr_mapped, hpage_pmd_nr, large_mapcount, next_in_queue)
from vmtool.mm.mm_acct cimport mm_counter_sum
from vmtool.mm.pkeys cimport vma_pkey
from vmtool.mm.pte cimport *
from vmtool.mm.rmap cimport entire_mapcount, in_anon_vma_chain
from vmtool.mm.vma cimport linear_page_index
from vmtool.mm.vmstat cimport NR_ANON_MAPPED, NR_ANON_THPS, NR_FILE_MAPPED, NR_FILE_PMDMAPPED, NR_SHMEM_PMDMAPPED

cdef enum:
    HUGE_SHIFT = 9  # no huge page has fewer frames

cdef enum:
    CHECK_OUTSIDE
    CHECK_WRITE
    CHECK_PKEY
    CHECK_SOFT_DIRTY
    CHECK_FRAME
    CHECK_SHARED_WRITE
    CHECK_FILE_PAGE
    CHECK_ANON_PAGE
    CHECK_ANON_INDEX
    CHECK_RSS_FILE
    CHECK_RSS_ANON
    CHECK_RSS_SHMEM
    CHECK_RSS_SWAP
    CHECK_KIND
    CHECK_THP_MAPPED
    CHECK_MAPCOUNT
    CHECK_ENTIRE_MAPCOUNT
    CHECK_LARGE_MAPCOUNT
    CHECK_EXCLUSIVE
    CHECK_ANON_VMA
    CHECK_SUM_ANON
    CHECK_SUM_THPS
    CHECK_SUM_FILE
    CHECK_SUM_FILE_PMDS
    CHECK_SUM_SHMEM_PMDS
    CHECK_CONT
    CHECK_NR_MAPPED
    CHECK_MM_ID
    CHECK_MM_IDS_SHARED
    CHECK_QUEUE
    CHECK_SUM_MTHP
    CHECK_SUM_PARTIAL
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_OUTSIDE] = fsck_check_t(b"pte-outside", b"address {1:#x} of address space {0} has an entry, but no area")
CHECKS[CHECK_WRITE] = fsck_check_t(b"pte-write", b"address {1:#x} of address space {0} is writable, its area is not")
CHECKS[CHECK_PKEY] = fsck_check_t(b"pte-pkey", b"address {1:#x} of address space {0} has another protection key than its area")
CHECKS[CHECK_SOFT_DIRTY] = fsck_check_t(b"pte-soft-dirty", b"address {1:#x} of address space {0} is soft-dirty, which this machine keeps no track of")
CHECKS[CHECK_FRAME] = fsck_check_t(b"pte-frame", b"address {1:#x} of address space {0} maps a frame that is free or no user page")
CHECKS[CHECK_SHARED_WRITE] = fsck_check_t(b"pte-shared-write", b"address {1:#x} of address space {0} is writable and private, its page is shared")
CHECKS[CHECK_FILE_PAGE] = fsck_check_t(b"pte-file-page", b"address {1:#x} of address space {0} maps another page than its file has there")
CHECKS[CHECK_ANON_PAGE] = fsck_check_t(b"pte-anon-vma", b"address {1:#x} of address space {0} maps a page whose anon_vma is not in its area's chain")
CHECKS[CHECK_ANON_INDEX] = fsck_check_t(b"pte-anon-index", b"address {1:#x} of address space {0} maps a page that stands elsewhere by its index")
CHECKS[CHECK_RSS_FILE] = fsck_check_t(b"mm-rss-file", b"rss counter of file pages of address space {0} is wrong: its tables map {1}")
CHECKS[CHECK_RSS_ANON] = fsck_check_t(b"mm-rss-anon", b"rss counter of anonymous pages of address space {0} is wrong: its tables map {1}")
CHECKS[CHECK_RSS_SHMEM] = fsck_check_t(b"mm-rss-shmem", b"rss counter of shared memory of address space {0} is wrong: its tables map {1}")
CHECKS[CHECK_RSS_SWAP] = fsck_check_t(b"mm-rss-swap", b"the counter of swapped out pages of address space {0} is wrong: its tables name {1} slots")
CHECKS[CHECK_KIND] = fsck_check_t(b"pte-kind", b"address {1:#x} of address space {0} has an entry of no kind that is left behind")
CHECKS[CHECK_THP_MAPPED] = fsck_check_t(b"mm-thp-mapped", b"address space {0} counts its huge entries wrongly: its tables have {1}")
CHECKS[CHECK_MAPCOUNT] = fsck_check_t(b"mapcount", b"the map count of frame {0} is wrong: {1} entries map it")
CHECKS[CHECK_ENTIRE_MAPCOUNT] = fsck_check_t(b"mapcount-entire", b"the entire map count of folio {0} is wrong: {1} huge entries map it")
CHECKS[CHECK_LARGE_MAPCOUNT] = fsck_check_t(b"mapcount-large", b"the map count of all of folio {0} is wrong: {1} entries map its pages")
CHECKS[CHECK_EXCLUSIVE] = fsck_check_t(b"anon-exclusive", b"frame {0} is marked exclusive, {1} entries map it")
CHECKS[CHECK_ANON_VMA] = fsck_check_t(b"anon-page", b"the anonymous page in frame {0} belongs to anon_vma {1}, which is not there")
CHECKS[CHECK_SUM_ANON] = fsck_check_t(b"sum-anon-mapped", b"nr_anon_pages is {0}, {1} anonymous pages are mapped")
CHECKS[CHECK_SUM_THPS] = fsck_check_t(b"sum-anon-thps", b"{0} pages are counted as mapped by anonymous huge entries, {1} are")
CHECKS[CHECK_SUM_FILE] = fsck_check_t(b"sum-file-mapped", b"nr_mapped is {0}, {1} file pages are mapped")
CHECKS[CHECK_SUM_SHMEM_PMDS] = fsck_check_t(b"sum-shmem-pmds", b"{0} pages of shared memory are counted as mapped by huge entries, {1} are")
CHECKS[CHECK_SUM_FILE_PMDS] = fsck_check_t(b"sum-file-pmds", b"{0} file pages are counted as mapped by huge entries, {1} are")
CHECKS[CHECK_CONT] = fsck_check_t(b"pte-contiguous", b"entry {1} of table {0} has the contiguous hint, which does not hold for its block")
CHECKS[CHECK_NR_MAPPED] = fsck_check_t(b"mapcount-pages", b"folio {0} counts the pages that small entries map wrongly: they are {1}")
CHECKS[CHECK_MM_ID] = fsck_check_t(b"mapcount-mm-id", b"folio {0} counts the entries of an address space wrongly: they are {1}")
CHECKS[CHECK_MM_IDS_SHARED] = fsck_check_t(b"mapcount-shared", b"folio {0} counts as one address space's alone, {1} entries map it")
CHECKS[CHECK_QUEUE] = fsck_check_t(b"split-queue", b"folio {0} stands on a queue of deferred splits, or not, against its mark; the queues have {1}")
CHECKS[CHECK_SUM_MTHP] = fsck_check_t(b"sum-mthp-anon", b"nr_anon of order {0} is wrong: there are {1} such folios")
CHECKS[CHECK_SUM_PARTIAL] = fsck_check_t(b"sum-mthp-partial", b"nr_anon_partially_mapped of order {0} is wrong: there are {1} such folios")

cdef enum:
    COUNTS_SHIFT = 15

cdef struct counts_t:  # one for each frame; blocks are made when they are counted in, so that a large machine costs what it has mapped
    uint32_t **block
    uint64_t nr_blocks

cdef struct fsck_t:  # one run
    arena_t *a
    fsck_report_fn report
    void *ctx
    counts_t count  # by pfn: small entries that map it
    counts_t entire  # by huge page: huge entries
    counts_t by_id  # by pfn: of a large folio's head those of mm_id[0], of the next page those of mm_id[1]
    int64_t anon[NR_MTHP_ORDERS]  # folios by order
    int64_t partial[NR_MTHP_ORDERS]
    uint64_t queued
    idx_t mm  # whose tables are being read
    idx_t v  # the area found last
    uint32_t left  # areas that may still come after it
    int64_t rss[4]
    uint32_t nr_huge


cdef const fsck_check_t *fsck_entries_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef inline void expect(fsck_t *f, bint holds, int check, uint64_t first, uint64_t second) noexcept nogil:
    if not holds:
        f.report(f.ctx, CHECKS[check].name, first, second)


cdef bint counts_init(counts_t *c, uint64_t last) noexcept nogil:
    c.nr_blocks = (last >> COUNTS_SHIFT) + 1
    c.block = <uint32_t **>calloc(c.nr_blocks, sizeof(uint32_t *))
    return c.block != NULL


cdef void counts_free(counts_t *c) noexcept nogil:
    cdef uint64_t i
    if c.block != NULL:
        for i in range(c.nr_blocks):
            free(c.block[i])
    free(c.block)


cdef inline uint32_t counted(const counts_t *c, uint64_t i) noexcept nogil:
    cdef const uint32_t *block = c.block[i >> COUNTS_SHIFT]
    return 0 if block == NULL else block[i & (1 << COUNTS_SHIFT) - 1]


cdef void count(fsck_t *f, counts_t *c, uint64_t i, uint32_t nr) noexcept nogil:
    cdef uint32_t **block = &c.block[i >> COUNTS_SHIFT]
    if block[0] == NULL:
        block[0] = <uint32_t *>calloc(1 << COUNTS_SHIFT, sizeof(uint32_t))
    if block[0] == NULL:
        arena_fail(f.a, ARENA_NOMEM, POOL_FRAME, i)
    else:
        block[0][i & (1 << COUNTS_SHIFT) - 1] += nr


cdef void fsck_entries(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef int i
    f.a = a
    f.report = report
    f.ctx = ctx
    cdef bint room = counts_init(&f.count, a.m.max_pfn)
    room &= counts_init(&f.entire, a.m.max_pfn >> HUGE_SHIFT)
    room &= counts_init(&f.by_id, a.m.max_pfn)
    f.queued = 0
    for i in range(NR_MTHP_ORDERS):
        f.anon[i] = f.partial[i] = 0
    if room:
        for i in range(2):
            if a.m.vdso_pfn[i] and a.m.vdso_pfn[i] < a.m.max_pfn:
                count(&f, &f.count, a.m.vdso_pfn[i], <uint32_t>vdso_outside_maps(&a.m.arch, <int>i))
        for f.mm in range(1, a.pool[POOL_MM].count):
            check_mm(&f)
        check_frames(&f)
        check_mthp(&f)
    else:
        arena_fail(a, ARENA_NOMEM, POOL_FRAME, 0)
    counts_free(&f.count)
    counts_free(&f.entire)
    counts_free(&f.by_id)


# --- entries ---------------------------------------------------------------------------------------------------------


cdef void check_page(fsck_t *f, vaddr_t addr, pte_t e, pfn_t pfn) noexcept nogil:
    """The page that an entry maps is what its area has there."""
    cdef arena_t *a = f.a
    cdef vma_t *area = vma_at(a, f.v)
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *r = frame_at(a, head)
    cdef uint64_t index = frame_index(r) + (pfn - head)
    if r.flags & PG_anon:
        f.rss[MM_ANONPAGES] += 1
        expect(f, in_anon_vma_chain(a, f.v, r.mapping), CHECK_ANON_PAGE, f.mm, addr)
        expect(f, index == linear_page_index(a, area, addr), CHECK_ANON_INDEX, f.mm, addr)
        return
    f.rss[MM_SHMEMPAGES if r.flags & PG_swapbacked else MM_FILEPAGES] += 1
    if area.vm_file:
        expect(f, r.mapping == file_at(a, area.vm_file).inode and index == linear_page_index(a, area, addr), CHECK_FILE_PAGE, f.mm, addr)
    if pte_write(a, e) and not area.vm_flags & VM_SHARED:
        expect(f, False, CHECK_SHARED_WRITE, f.mm, addr)


cdef bint is_user_page(const frame_t *r) noexcept nogil:
    """Not free, not the kernel's: inside a free block a record is zeros."""
    return not r.flags & (PG_buddy | PG_pcp | PG_table | PG_slab) and (r.flags or r.mapcount or r.extra_refs)


cdef void check_hugetlb_leaf(fsck_t *f, vaddr_t addr, pfn_t pfn, int level) noexcept nogil:
    """One entry of those that map a huge page: of the right size, and the page's own part."""
    cdef arena_t *a = f.a
    cdef uint64_t offset = addr & (vma_kernel_pagesize(a, f.v) - 1)
    cdef hsize_t s
    cdef pfn_t head = page_folio(a, pfn) if pfn < a.m.max_pfn else 0
    hsize_of(a, hstate_vma(a, f.v), &s)
    if head == 0 or not frame_at(a, head).flags & PG_hugetlb or head + (offset >> a.m.arch.page_shift) != pfn or level != s.level:
        expect(f, False, CHECK_FRAME, f.mm, addr)
        return
    count(f, &f.by_id, head, offset == 0)
    count(f, &f.by_id, head + 1, 1)


cdef void check_hugetlb_folio(fsck_t *f, pfn_t head) noexcept nogil:
    """Each place that maps it has all entries; tail 1 counts them."""
    cdef arena_t *a = f.a
    cdef uint32_t order = folio_order(a, head), places = counted(&f.by_id, head), h
    cdef hsize_t s
    for h in range(NR_HSTATES):
        if order and hsize_nth(&a.m.arch, h, &s) and huge_page_order(a, h) == order:
            expect(f, large_mapcount(a, head) == places, CHECK_LARGE_MAPCOUNT, head, places)
            expect(f, entire_mapcount(a, head) == places, CHECK_ENTIRE_MAPCOUNT, head, places)
            expect(f, counted(&f.by_id, head + 1) == places << s.cont_shift, CHECK_MAPCOUNT, head, counted(&f.by_id, head + 1))


cdef void check_leaf(fsck_t *f, vaddr_t addr, pte_t e, int level) noexcept nogil:
    """One entry that maps, or marks, a page or a huge page."""
    cdef arena_t *a = f.a
    cdef vma_t *area
    cdef pfn_t pfn
    cdef uint32_t i, what
    while f.v and vma_at(a, f.v).vm_end <= addr:
        f.v = vma_at(a, f.v).vm_next if f.left else 0
        f.left -= 1
    area = vma_at(a, f.v)
    if f.v == 0 or addr < area.vm_start or addr + level_size(&a.m.arch, level) > area.vm_end:
        expect(f, False, CHECK_OUTSIDE, f.mm, addr)
        return
    expect(f, a.m.arch.soft_dirty != 0 or not e & soft_dirty_bit(&a.m.arch, e), CHECK_SOFT_DIRTY, f.mm, addr)
    if area.vm_flags & VM_HUGETLB:
        check_hugetlb_leaf(f, addr, pte_frame(a, e), level)
        return
    f.nr_huge += level != 0
    what = pte_class(a, e) if level == 0 else pmd_class(a, e)
    if what == ENTRY_SWAP:
        f.rss[MM_SWAPENTS] += 1
    expect(f, what != ENTRY_MIGRATION and what != ENTRY_BAD, CHECK_KIND, f.mm, addr)
    if what != ENTRY_PAGE and what != ENTRY_SPECIAL and what != ENTRY_HUGE:
        return
    expect(f, not pte_write(a, e) or area.vm_flags & VM_WRITE, CHECK_WRITE, f.mm, addr)
    expect(f, (e >> X86_PKEY_SHIFT & (NR_PKEYS - 1)) == <uint64_t>vma_pkey(area), CHECK_PKEY, f.mm, addr)
    if pte_special(a, e):
        return
    pfn = pte_frame(a, e)
    if pfn + (level_size(&a.m.arch, level) >> a.m.arch.page_shift) > a.m.max_pfn or not is_user_page(frame_at(a, pfn)):
        expect(f, False, CHECK_FRAME, f.mm, addr)
        return
    if level:
        count(f, &f.entire, pfn >> HUGE_SHIFT, 1)
    else:
        count(f, &f.count, pfn, 1)
    if frame_at(a, pfn).flags & (PG_head | PG_tail):
        count_id(f, pfn)
    if frame_at(a, page_folio(a, pfn)).flags & PG_anon and pte_write(a, e):
        expect(f, frame_at(a, pfn).flags & PG_anon_exclusive, CHECK_SHARED_WRITE, f.mm, addr)
    for i in range(<uint32_t>(level_size(&a.m.arch, level) >> a.m.arch.page_shift)):
        check_page(f, addr + (<uint64_t>i << a.m.arch.page_shift), e, pfn + i)


cdef void check_table(fsck_t *f, pfn_t table, int level, vaddr_t start, uint32_t nr_entries) noexcept nogil:
    """The entries of a table that covers the addresses from `start` on. A table that is none is fsck_phys's to report."""
    cdef const arch_t *g = &f.a.m.arch
    cdef uint32_t i
    cdef pte_t e
    for i in range(nr_entries):
        e = entry_load(f.a, table, i, level)
        if e == 0:
            continue
        expect(f, contpte_is_true(f.a, level, table, i), CHECK_CONT, table, i)
        if level == 0 or pmd_class(f.a, e) != ENTRY_TABLE:
            check_leaf(f, start + i * level_size(g, level), e, level)
        elif pte_pfn(g, e) < f.a.m.max_pfn and frame_at(f.a, pte_pfn(g, e)).flags & PG_table:
            check_table(f, pte_pfn(g, e), level - 1, start + i * level_size(g, level), <uint32_t>1 << g.level_bits[level - 1])


cdef void check_mm(fsck_t *f) noexcept nogil:
    cdef mm_t *m = mm_at(f.a, f.mm)
    cdef int top = <int>f.a.m.arch.levels - 1
    cdef int kind
    if m.pgd == 0 or m.pgd >= f.a.m.max_pfn:
        return
    f.v = m.vma_first
    f.left = f.a.pool[POOL_VMA].count
    f.nr_huge = 0
    for kind in range(4):
        f.rss[kind] = 0
    check_table(f, m.pgd, top, 0, nr_user_entries(&f.a.m.arch))
    expect(f, f.rss[MM_FILEPAGES] == mm_counter_sum(m, MM_FILEPAGES), CHECK_RSS_FILE, f.mm, <uint64_t>f.rss[MM_FILEPAGES])
    expect(f, f.rss[MM_ANONPAGES] == mm_counter_sum(m, MM_ANONPAGES), CHECK_RSS_ANON, f.mm, <uint64_t>f.rss[MM_ANONPAGES])
    expect(f, f.rss[MM_SHMEMPAGES] == mm_counter_sum(m, MM_SHMEMPAGES), CHECK_RSS_SHMEM, f.mm, <uint64_t>f.rss[MM_SHMEMPAGES])
    expect(f, f.rss[MM_SWAPENTS] == mm_counter_sum(m, MM_SWAPENTS), CHECK_RSS_SWAP, f.mm, <uint64_t>f.rss[MM_SWAPENTS])
    expect(f, f.nr_huge == m.thp_mapped, CHECK_THP_MAPPED, f.mm, f.nr_huge)


# --- frames --------------------------------------------------------------------------------------------------------------


cdef uint64_t check_small(fsck_t *f, pfn_t pfn, uint32_t entire) noexcept nogil:
    """One page of a folio. Returns how many small entries map it."""
    cdef frame_t *r = frame_at(f.a, pfn)
    expect(f, <uint32_t>r.mapcount == counted(&f.count, pfn), CHECK_MAPCOUNT, pfn, counted(&f.count, pfn))
    if r.flags & PG_anon_exclusive and counted(&f.count, pfn) + entire > 1:
        expect(f, False, CHECK_EXCLUSIVE, pfn, counted(&f.count, pfn) + entire)
    return counted(&f.count, pfn)


cdef void count_id(fsck_t *f, pfn_t pfn) noexcept nogil:
    """One entry of f.mm maps a page of a large folio."""
    cdef pfn_t head = page_folio(f.a, pfn)
    if folio_order(f.a, head) > 1 and head + 3 < f.a.m.max_pfn:
        count(f, &f.by_id, head, folio_mm_id(f.a, head, 0) == f.mm)
        count(f, &f.by_id, head + 1, folio_mm_id(f.a, head, 1) == f.mm)


cdef inline bint id_agrees(uint32_t counted, uint32_t entries, bint shared) noexcept nogil:
    """A slot that was taken late, which is so of shared folios alone, does not know of earlier mappings."""
    return counted == entries or (shared and counted < entries)


cdef void check_large(fsck_t *f, pfn_t head, uint32_t entries) noexcept nogil:
    """What the tails have of a folio that may be mapped."""
    cdef arena_t *a = f.a
    cdef uint32_t order = folio_order(a, head), i, nr = 0
    cdef uint32_t in_slot, by_id
    cdef bint shared, one = False
    if head + (<uint64_t>1 << order) > a.m.max_pfn or order >= NR_MTHP_ORDERS or frame_at(a, head).flags & (PG_slab | PG_table | PG_kernel | PG_zero):
        return
    for i in range(<uint32_t>1 << order):
        nr += counted(&f.count, head + i) != 0
    expect(f, folio_nr_mapped(a, head) == nr, CHECK_NR_MAPPED, head, nr)
    f.anon[order] += frame_at(a, head).flags & PG_anon != 0
    if order < 2:
        return
    shared = folio_large_bits(a, head) & LARGE_MM_IDS_SHARED != 0
    for i in range(2):
        in_slot = folio_mm_id_mapcount(a, head, <int>i)
        by_id = counted(&f.by_id, head + i)
        expect(f, id_agrees(in_slot, by_id, shared) and (folio_mm_id(a, head, <int>i) != 0) == (in_slot != 0), CHECK_MM_ID, head, by_id)
        one = one or in_slot == entries
    expect(f, shared or one, CHECK_MM_IDS_SHARED, head, entries)
    f.queued += folio_large_bits(a, head) & LARGE_QUEUED != 0
    f.partial[order] += folio_large_bits(a, head) & LARGE_PARTIALLY_MAPPED != 0


cdef uint64_t walk_queue(fsck_t *f, const free_list_t *queue) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint64_t n = 0
    cdef pfn_t at = queue.head
    while at and at + 2 < a.m.max_pfn and n < queue.nr_free:
        if folio_order(a, at) < 2 or not folio_large_bits(a, at) & LARGE_QUEUED:
            expect(f, False, CHECK_QUEUE, at, queue.nr_free)
            return n
        n += 1
        at = next_in_queue(a, at)
    if at or n != queue.nr_free:
        expect(f, False, CHECK_QUEUE, at, queue.nr_free)
    return n


cdef void check_mthp(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint64_t queued = walk_queue(f, &a.m.split_queue)
    cdef uint32_t i
    for i in range(1, a.pool[POOL_MEMCG].count):
        if rec_is_live(a, POOL_MEMCG, i):
            queued += walk_queue(f, &memcg_at(a, i).split_queue)
    expect(f, queued == f.queued, CHECK_QUEUE, 0, queued)
    for i in range(1, min(<uint32_t>NR_MTHP_ORDERS, a.m.arch.pmd_order + 1)):
        expect(f, a.m.mthp_stat[i][MTHP_STAT_NR_ANON] == f.anon[i], CHECK_SUM_MTHP, i, <uint64_t>f.anon[i])
        expect(f, a.m.mthp_stat[i][MTHP_STAT_NR_ANON_PARTIALLY_MAPPED] == f.partial[i], CHECK_SUM_PARTIAL, i, <uint64_t>f.partial[i])


cdef uint64_t check_folio(fsck_t *f, pfn_t head, int64_t *mapped) noexcept nogil:
    """A folio's map counts. `mapped`: pages mapped, anonymous, by huge entries, of files, those by huge entries. Returns how many pages it has."""
    cdef arena_t *a = f.a
    cdef frame_t *r = frame_at(a, head)
    cdef uint64_t n = min(<uint64_t>1 << (folio_order(a, head) & 31), a.m.max_pfn - head)
    cdef uint32_t entire = counted(&f.entire, head >> HUGE_SHIFT) if n >= hpage_pmd_nr(a) else 0
    cdef uint64_t entries = entire
    cdef uint64_t i
    cdef int64_t pages = 0
    if r.flags & PG_hugetlb:
        check_hugetlb_folio(f, head)
        return n
    if n == 1 and r.mapcount == 0 and counted(&f.count, head) == 0:
        return 1
    for i in range(n):
        entries += check_small(f, <pfn_t>(head + i), entire if i == 0 else 0)
        pages += counted(&f.count, head + i) != 0 or entire != 0
    if r.flags & PG_anon:
        mapped[0] += pages
        mapped[1] += <int64_t>n if entire else 0
        # one that waits in a batch, and nothing maps any more, may have outlived its anon_vma, as a single page may
        if pages and (r.mapping == 0 or r.mapping >= a.pool[POOL_ANON_VMA].count or (<anon_vma_t *>rec_at(a, POOL_ANON_VMA, r.mapping)).parent == 0):
            expect(f, False, CHECK_ANON_VMA, head, r.mapping)
    else:
        mapped[2] += pages
        mapped[4 if r.flags & PG_swapbacked else 3] += hpage_pmd_nr(a) if entire else 0
    if n > 1 and r.flags & PG_head:
        check_large(f, head, <uint32_t>entries)
        expect(f, large_mapcount(a, head) == entries, CHECK_LARGE_MAPCOUNT, head, entries)
        if n >= hpage_pmd_nr(a):
            expect(f, entire_mapcount(a, head) == entire, CHECK_ENTIRE_MAPCOUNT, head, entire)
    return n


cdef void check_frames(fsck_t *f) noexcept nogil:
    """Every allocated frame, folio by folio; what was never given out is skipped."""
    cdef arena_t *a = f.a
    cdef int64_t mapped[5]
    cdef uint64_t pfn = 1
    cdef uint64_t end
    cdef frame_t *r
    cdef zone_t *z
    mapped[0] = mapped[1] = mapped[2] = mapped[3] = mapped[4] = 0
    while pfn < a.m.max_pfn:
        z = &a.m.zone[pfn_to_zone(a, pfn)]
        end = z.unseen_end if z.unseen_pfn <= pfn < z.unseen_end else reserved_end(a, pfn)
        if end:
            pfn = end
            continue
        r = frame_at(a, <pfn_t>pfn)
        if r.flags & (PG_buddy | PG_pcp):
            pfn += <uint64_t>1 << (r.index_lo if r.index_lo < NR_ORDERS else 0)
        else:
            pfn += check_folio(f, <pfn_t>pfn, mapped)
    expect(f, mapped[0] == a.m.node_stat[NR_ANON_MAPPED], CHECK_SUM_ANON, <uint64_t>a.m.node_stat[NR_ANON_MAPPED], <uint64_t>mapped[0])
    expect(f, mapped[1] == a.m.node_stat[NR_ANON_THPS], CHECK_SUM_THPS, <uint64_t>a.m.node_stat[NR_ANON_THPS], <uint64_t>mapped[1])
    expect(f, mapped[2] == a.m.node_stat[NR_FILE_MAPPED], CHECK_SUM_FILE, <uint64_t>a.m.node_stat[NR_FILE_MAPPED], <uint64_t>mapped[2])
    expect(f, mapped[3] == a.m.node_stat[NR_FILE_PMDMAPPED], CHECK_SUM_FILE_PMDS, <uint64_t>a.m.node_stat[NR_FILE_PMDMAPPED], <uint64_t>mapped[3])
    expect(f, mapped[4] == a.m.node_stat[NR_SHMEM_PMDMAPPED], CHECK_SUM_SHMEM_PMDS, <uint64_t>a.m.node_stat[NR_SHMEM_PMDMAPPED], <uint64_t>mapped[4])
