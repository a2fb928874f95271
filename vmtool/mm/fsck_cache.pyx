"""What must hold between inodes, open files, the path table, cached pages, their frames, marks and counters.

Reads everything and changes nothing. Each check has a name and a sentence in CHECKS, {0} and {1} being its two numbers.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arena cimport file_at, frame_at, inode_at, rec_at, rec_is_live
from vmtool.mm.checks cimport nth_check
from vmtool.mm.filemap cimport filemap_get
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.names cimport nr_path_buckets, path_bucket, path_bucket_head
from vmtool.mm.vmstat cimport NR_FILE_DIRTY, NR_FILE_PAGES, NR_SHMEM, NR_SWAPCACHE, NR_WRITEBACK, NR_ZONE_WRITE_PENDING
from vmtool.mm.xnode cimport XMARK_DIRTY, xnode_has_mark, xnode_next

cdef enum:
    INODE_LIFE
    INODE_COUNT
    INODE_NRPAGES
    INODE_NR_DIRTY
    INODE_NR_BLOCKS
    INODE_NR_OPEN
    PATH_LOST
    PATH_STRAY
    FILE_INODE
    FILE_REFCOUNT
    PAGE_MAPPING
    PAGE_INDEX
    PAGE_REFERENCE
    PAGE_LRU
    PAGE_MARK
    PAGE_KIND
    PAGE_PAST_END
    LRU_STRAY
    SUM_FILE_PAGES
    SUM_SHMEM
    SUM_FILE_DIRTY
    SUM_WRITE_PENDING
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[INODE_LIFE] = fsck_check_t(b"inode-life", b"inode {0} has neither a link nor an open file (nlink {1}), yet is there")
CHECKS[INODE_COUNT] = fsck_check_t(b"inode-count", b"{0} inodes are there, {1} are counted")
CHECKS[INODE_NRPAGES] = fsck_check_t(b"inode-nrpages", b"nrpages of inode {0} is wrong: its cache holds {1} pages")
CHECKS[INODE_NR_DIRTY] = fsck_check_t(b"inode-nr-dirty", b"inode {0} has {1} dirty pages, which is not its count")
CHECKS[INODE_NR_BLOCKS] = fsck_check_t(b"inode-nr-blocks", b"inode {0} has {1} blocks with contents, which is not its count")
CHECKS[INODE_NR_OPEN] = fsck_check_t(b"inode-nr-open", b"inode {0} is opened {1} times, which is not its count")
CHECKS[PATH_LOST] = fsck_check_t(b"path-lost", b"the path table has inode {0} {1} times instead of once")
CHECKS[PATH_STRAY] = fsck_check_t(b"path-stray", b"bucket {0} of the path table has inode {1}, which does not belong there")
CHECKS[FILE_INODE] = fsck_check_t(b"file-inode", b"open file {0} is of inode {1}, which is not there")
CHECKS[FILE_REFCOUNT] = fsck_check_t(b"file-refcount", b"the refcount of open file {0} is wrong: {1} refer to it")
CHECKS[PAGE_MAPPING] = fsck_check_t(b"cache-page-mapping", b"the frame that inode {0} has as page {1} says it is another's")
CHECKS[PAGE_INDEX] = fsck_check_t(b"cache-page-index", b"the frame that inode {0} has as page {1} says it is another page, or its folio is not whole")
CHECKS[PAGE_REFERENCE] = fsck_check_t(b"cache-page-reference", b"the page cache holds no reference to page {1} of inode {0}")
CHECKS[PAGE_LRU] = fsck_check_t(b"cache-page-lru", b"page {1} of inode {0} is on no LRU list")
CHECKS[PAGE_MARK] = fsck_check_t(b"cache-dirty-mark", b"page {1} of inode {0} is dirty by its frame or by its mark in the index, not by both")
CHECKS[PAGE_KIND] = fsck_check_t(b"cache-page-kind", b"page {1} of inode {0} is swap-backed in a file on disk, or the reverse")
CHECKS[PAGE_PAST_END] = fsck_check_t(b"cache-past-end", b"page {1} of inode {0} lies behind the end of the file")
CHECKS[LRU_STRAY] = fsck_check_t(b"lru-stray", b"frame {0} is on an LRU list as a page of inode {1}, which does not have it")
CHECKS[SUM_FILE_PAGES] = fsck_check_t(b"sum-file-pages", b"nr_file_pages is {0}, the caches hold {1}")
CHECKS[SUM_SHMEM] = fsck_check_t(b"sum-shmem", b"nr_shmem is {0}, shared memory has {1} pages")
CHECKS[SUM_FILE_DIRTY] = fsck_check_t(b"sum-file-dirty", b"nr_dirty is {0}, inodes count {1} dirty pages")
CHECKS[SUM_WRITE_PENDING] = fsck_check_t(b"sum-write-pending", b"nr_zone_write_pending is {0}, nr_dirty is {1}")

cdef struct fsck_t:
    arena_t *a
    fsck_report_fn report
    void *ctx
    uint64_t nr_inodes
    uint64_t nr_pages
    uint64_t nr_shmem
    uint64_t nr_dirty
    uint32_t *refs  # references found, by file
    uint32_t *opens  # open files found, by inode


cdef const fsck_check_t *fsck_cache_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef inline void expect(fsck_t *k, bint holds, int check, uint64_t x, uint64_t y) noexcept nogil:
    if not holds:
        k.report(k.ctx, CHECKS[check].name, x, y)


cdef bint folio_is_whole(arena_t *a, idx_t inode, uint64_t first, pfn_t head) noexcept nogil:
    """Every page of the folio stands in its slot."""
    cdef uint64_t i
    for i in range(<uint64_t>1 << folio_order(a, head)):
        if filemap_get(a, inode, first + i) != head + i:
            return False
    return True


cdef void check_page(fsck_t *k, idx_t inode, uint64_t index, pfn_t pfn) noexcept nogil:
    cdef arena_t *a = k.a
    cdef pfn_t head = page_folio(a, pfn) if pfn < a.m.max_pfn else 0
    cdef frame_t *f
    cdef inode_t *i = inode_at(a, inode)
    cdef uint64_t first
    if head == 0 or head >= a.m.max_pfn:
        expect(k, False, PAGE_MAPPING, inode, index)
        return
    f = frame_at(a, head)
    first = frame_index(f)
    expect(k, f.mapping == inode and not f.flags & (PG_anon | PG_slab | PG_table | PG_buddy | PG_pcp), PAGE_MAPPING, inode, index)
    if f.mapping != inode:
        return
    expect(k, first + (pfn - head) == index, PAGE_INDEX, inode, index)
    if pfn != head:
        return
    expect(k, folio_is_whole(a, inode, first, head), PAGE_INDEX, inode, index)
    expect(k, f.extra_refs >= 1, PAGE_REFERENCE, inode, index)
    expect(k, f.flags & PG_lru or f.extra_refs > 1, PAGE_LRU, inode, index)  # a second reference: it waits in a batch
    expect(k, (f.flags & PG_swapbacked != 0) == (i.kind == INODE_SHMEM), PAGE_KIND, inode, index)
    expect(k, first << a.m.arch.page_shift < i.size, PAGE_PAST_END, inode, index)


cdef void check_pages(fsck_t *k, idx_t inode) noexcept nogil:
    cdef arena_t *a = k.a
    cdef inode_t *i = inode_at(a, inode)
    cdef uint64_t index = 0
    cdef uint64_t pages = 0
    cdef uint64_t dirty = 0
    cdef bint is_dirty
    cdef pfn_t pfn
    while pages <= a.m.max_pfn:
        pfn = xnode_next(a, i.i_pages, &index, <uint64_t>-1)
        if pfn == 0:
            break
        pages += 1
        check_page(k, inode, index, pfn)
        if i.kind != INODE_SHMEM and pfn < a.m.max_pfn:
            is_dirty = frame_at(a, page_folio(a, pfn)).flags & PG_dirty != 0
            dirty += is_dirty
            expect(k, is_dirty == xnode_has_mark(a, i.i_pages, index, XMARK_DIRTY), PAGE_MARK, inode, index)
        index += 1
    expect(k, pages == i.nrpages, INODE_NRPAGES, inode, pages)
    expect(k, dirty == i.nr_dirty, INODE_NR_DIRTY, inode, dirty)
    k.nr_pages += i.nrpages
    k.nr_dirty += i.nr_dirty
    if i.kind == INODE_SHMEM:
        k.nr_shmem += i.nrpages


cdef void check_inode(fsck_t *k, idx_t inode) noexcept nogil:
    cdef arena_t *a = k.a
    cdef inode_t *i = inode_at(a, inode)
    cdef uint64_t index = 0
    cdef uint64_t blocks = 0
    cdef uint32_t found = 0
    cdef uint32_t left = a.pool[POOL_INODE].count
    cdef idx_t at
    k.nr_inodes += 1
    expect(k, i.nlink or i.nr_open, INODE_LIFE, inode, i.nlink)
    expect(k, i.nr_open == k.opens[inode], INODE_NR_OPEN, inode, k.opens[inode])
    if i.nlink:
        at = path_bucket_head(a, path_bucket(a, i.name))
        while at and left:
            found += at == inode
            at = inode_at(a, at).hash_next
            left -= 1
        expect(k, found == 1, PATH_LOST, inode, found)
    while blocks <= a.pool[POOL_CONTENT].count and xnode_next(a, i.blocks, &index, <uint64_t>-1):
        blocks += 1
        index += 1
    expect(k, blocks == i.nr_blocks, INODE_NR_BLOCKS, inode, blocks)
    check_pages(k, inode)


cdef void check_paths(fsck_t *k) noexcept nogil:
    cdef arena_t *a = k.a
    cdef uint32_t bucket
    cdef uint32_t left = a.pool[POOL_INODE].count
    cdef idx_t at
    for bucket in range(nr_path_buckets()):
        at = path_bucket_head(a, bucket)
        while at and left:
            expect(k, rec_is_live(a, POOL_INODE, at) and inode_at(a, at).nlink and path_bucket(a, inode_at(a, at).name) == bucket, PATH_STRAY, bucket, at)
            at = inode_at(a, at).hash_next
            left -= 1


cdef inline void count_file(fsck_t *k, idx_t file) noexcept nogil:
    if file < k.a.pool[POOL_FILE].count:
        k.refs[file] += 1


cdef void count_references(fsck_t *k) noexcept nogil:
    """Who holds an open file: areas, programs (exe_file), and what read and write of a task opened. Free records are zeros there."""
    cdef arena_t *a = k.a
    cdef uint32_t left = a.pool[POOL_FILE].count
    cdef idx_t i
    cdef idx_t file
    for i in range(1, a.pool[POOL_VMA].count):
        count_file(k, (<vma_t *>rec_at(a, POOL_VMA, i)).vm_file)
    for i in range(1, a.pool[POOL_MM].count):
        count_file(k, (<mm_t *>rec_at(a, POOL_MM, i)).exe_file)
    for i in range(1, a.pool[POOL_TASK].count):
        file = (<task_t *>rec_at(a, POOL_TASK, i)).files
        while file and file < a.pool[POOL_FILE].count and left:
            count_file(k, file)
            file = file_at(a, file).next
            left -= 1


cdef void check_files(fsck_t *k) noexcept nogil:
    cdef arena_t *a = k.a
    cdef file_t *f
    cdef idx_t i
    count_references(k)
    for i in range(1, a.pool[POOL_FILE].count):
        f = file_at(a, i)
        if not rec_is_live(a, POOL_FILE, i):
            continue
        if not rec_is_live(a, POOL_INODE, f.inode):
            expect(k, False, FILE_INODE, i, f.inode)
            continue
        k.opens[f.inode] += 1
        expect(k, f.refcount == k.refs[i], FILE_REFCOUNT, i, k.refs[i])


cdef void check_lru(fsck_t *k) noexcept nogil:
    """What the lists hold of files is in their caches (the other way round is check_page's)."""
    cdef arena_t *a = k.a
    cdef int lru
    cdef uint64_t left = a.m.max_pfn
    cdef pfn_t pfn
    cdef frame_t *f
    for lru in range(NR_LRU_LISTS):
        pfn = a.m.lruvec.lists[lru].head
        while pfn and pfn < a.m.max_pfn and left:
            f = frame_at(a, pfn)
            if f.mapping and not f.flags & PG_anon:
                expect(k, f.mapping < a.pool[POOL_INODE].count and filemap_get(a, f.mapping, frame_index(f)) == pfn, LRU_STRAY, pfn, f.mapping)
            pfn = f.lru_next
            left -= 1


cdef void check_sums(fsck_t *k) noexcept nogil:
    cdef arena_t *a = k.a
    cdef int64_t pending = 0
    cdef int z
    for z in range(NR_ZONES):
        pending += a.m.zone_stat[z][NR_ZONE_WRITE_PENDING]
    expect(k, k.nr_inodes == a.m.nr_inodes, INODE_COUNT, k.nr_inodes, a.m.nr_inodes)
    expect(k, <int64_t>k.nr_pages == a.m.node_stat[NR_FILE_PAGES] - a.m.node_stat[NR_SWAPCACHE], SUM_FILE_PAGES, a.m.node_stat[NR_FILE_PAGES], k.nr_pages)
    expect(k, <int64_t>k.nr_shmem == a.m.node_stat[NR_SHMEM], SUM_SHMEM, a.m.node_stat[NR_SHMEM], k.nr_shmem)
    expect(k, <int64_t>k.nr_dirty == a.m.node_stat[NR_FILE_DIRTY], SUM_FILE_DIRTY, a.m.node_stat[NR_FILE_DIRTY], k.nr_dirty)
    expect(k, pending == a.m.node_stat[NR_FILE_DIRTY] + a.m.node_stat[NR_WRITEBACK], SUM_WRITE_PENDING, pending, a.m.node_stat[NR_FILE_DIRTY] + a.m.node_stat[NR_WRITEBACK])


cdef void fsck_cache(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t k
    cdef idx_t i
    k.a = a
    k.report = report
    k.ctx = ctx
    k.nr_inodes = 0
    k.nr_pages = 0
    k.nr_shmem = 0
    k.nr_dirty = 0
    k.refs = <uint32_t *>calloc(a.pool[POOL_FILE].count, sizeof(uint32_t))
    k.opens = <uint32_t *>calloc(a.pool[POOL_INODE].count, sizeof(uint32_t))
    if k.refs != NULL and k.opens != NULL:
        check_files(&k)
        check_paths(&k)
        for i in range(1, a.pool[POOL_INODE].count):
            if rec_is_live(a, POOL_INODE, i):
                check_inode(&k, i)
        check_lru(&k)
        check_sums(&k)
    free(k.refs)
    free(k.opens)
