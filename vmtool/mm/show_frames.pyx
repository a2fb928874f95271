"""Page frames as kpageflags and page-types see them.

Counterpart: Linux v6.18 fs/proc/page.c:stable_page_flags(), kpagecount_read(), kpagecgroup_read(); mm/memcontrol.c:page_cgroup_ino().
A tail answers as its head does, as in Linux; a frame inside a free block is free whatever its own record says. Counting all frames walks
from block to block and skips the ranges that the kernel reserved or never gave out: its cost follows what is in use.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport frame_at, inode_at, memcg_at, runs_in_circle
from vmtool.mm.frame cimport (RESERVED_BLOCKS, RESERVED_HOLE, RESERVED_KMALLOC, RESERVED_MODULES, RESERVED_PGTABLE, RESERVED_SLAB, RESERVED_STACKS, RESERVED_TABLES,
                              folio_order, frame_index, max_order_nr_pages, page_bytes, page_folio, pfn_to_zone, reserved_end, reserved_range,
                              reserved_what)
from vmtool.mm.hstate cimport PG_hugetlb
from vmtool.mm.large_folio cimport large_mapcount
from vmtool.mm.lruvec cimport folio_memcg
from vmtool.mm.memblock cimport SECTION_PAGES
from vmtool.mm.rmap cimport page_mapcount

cdef const char *KINDS[NR_FRAME_KINDS]
KINDS[:] = [b"free", b"pcp", b"anon", b"file", b"shmem", b"pgtable", b"slab", b"kernel", b"zero", b"reserved"]

cdef enum:  # include/uapi/linux/kernel-page-flags.h, include/linux/kernel-page-flags.h: bit numbers
    KPF_LOCKED = 0
    KPF_REFERENCED = 2
    KPF_UPTODATE = 3
    KPF_DIRTY = 4
    KPF_LRU = 5
    KPF_ACTIVE = 6
    KPF_SLAB = 7
    KPF_WRITEBACK = 8
    KPF_RECLAIM = 9
    KPF_BUDDY = 10
    KPF_MMAP = 11
    KPF_ANON = 12
    KPF_SWAPCACHE = 13
    KPF_SWAPBACKED = 14
    KPF_COMPOUND_HEAD = 15
    KPF_COMPOUND_TAIL = 16
    KPF_HUGE = 17
    KPF_UNEVICTABLE = 18
    KPF_THP = 22
    KPF_ZERO_PAGE = 24
    KPF_IDLE = 25
    KPF_PGTABLE = 26
    KPF_RESERVED = 32
    KPF_MLOCKED = 33
    KPF_OWNER_2 = 34
    KPF_PRIVATE = 35
    KPF_OWNER_PRIVATE = 37
    NR_COPIED = 16

cdef enum:
    ROOT_INO = 1  # of the root of a file system of control groups
    MEMCG_THERE = 1  # memcg_t.state

cdef struct copied_t:  # a flag of the folio and the bit that shows it
    uint32_t flag
    int bit

cdef copied_t COPIED[NR_COPIED]
COPIED[0] = copied_t(PG_locked, KPF_LOCKED)
COPIED[1] = copied_t(PG_dirty, KPF_DIRTY)
COPIED[2] = copied_t(PG_uptodate, KPF_UPTODATE)
COPIED[3] = copied_t(PG_writeback, KPF_WRITEBACK)
COPIED[4] = copied_t(PG_lru, KPF_LRU)
COPIED[5] = copied_t(PG_referenced, KPF_REFERENCED)
COPIED[6] = copied_t(PG_active, KPF_ACTIVE)
COPIED[7] = copied_t(PG_reclaim, KPF_RECLAIM)
COPIED[8] = copied_t(PG_swapbacked, KPF_SWAPBACKED)
COPIED[9] = copied_t(PG_unevictable, KPF_UNEVICTABLE)
COPIED[10] = copied_t(PG_mlocked, KPF_MLOCKED)
COPIED[11] = copied_t(PG_reserved, KPF_RESERVED)
COPIED[12] = copied_t(PG_anon_exclusive, KPF_OWNER_2)
COPIED[13] = copied_t(PG_private, KPF_PRIVATE)
COPIED[14] = copied_t(PG_swapcache, KPF_OWNER_PRIVATE)
COPIED[15] = copied_t(PG_idle, KPF_IDLE)


cdef const char *frame_kind_name(uint32_t kind) noexcept nogil:
    return KINDS[kind if kind < NR_FRAME_KINDS else FRAME_RESERVED]


cdef pfn_t free_block(arena_t *a, pfn_t pfn) noexcept nogil:
    """Head of the free block that the frame is in (a buddy's or a per-CPU list's); 0: it is in none."""
    cdef uint32_t order
    cdef pfn_t head
    cdef frame_t *f
    for order in range(a.m.arch.max_order + 1):
        head = pfn & ~((<pfn_t>1 << order) - 1)
        f = frame_at(a, head)
        if f.flags & (PG_buddy | PG_pcp) and f.index_lo >= order:
            return head
    return 0


cdef bint is_unseen(arena_t *a, uint64_t pfn) noexcept nogil:
    cdef zone_t *z = &a.m.zone[pfn_to_zone(a, pfn)]
    return z.unseen_pfn <= pfn < z.unseen_end


cdef uint32_t allocated_kind(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_at(a, head)
    if f.flags & PG_table:
        return FRAME_PGTABLE
    if f.flags & PG_slab:
        return FRAME_SLAB
    if f.flags & PG_zero:
        return FRAME_ZERO
    if f.flags & PG_reserved:
        return FRAME_RESERVED
    if f.flags & PG_kernel:
        return FRAME_KERNEL
    if f.flags & PG_anon:
        return FRAME_ANON
    if f.mapping:
        return FRAME_SHMEM if inode_at(a, f.mapping).kind == INODE_SHMEM else FRAME_FILE
    return FRAME_KERNEL


cdef uint64_t bit(int n) noexcept nogil:
    return <uint64_t>1 << n


cdef uint64_t stable_page_flags(arena_t *a, pfn_t pfn, pfn_t head, uint32_t mapcount) noexcept nogil:
    """Bits of an allocated page: of its folio, but mapped and tail of its own."""
    cdef frame_t *f = frame_at(a, head)
    cdef uint32_t k = f.flags
    cdef uint64_t u = 0
    cdef int i
    for i in range(NR_COPIED):
        if k & COPIED[i].flag:
            u |= bit(COPIED[i].bit)
    if mapcount:
        u |= bit(KPF_MMAP)
    if k & PG_anon:
        u |= bit(KPF_ANON)
    if pfn != head:
        u |= bit(KPF_COMPOUND_TAIL)
    elif k & PG_head:
        u |= bit(KPF_COMPOUND_HEAD)
    if k & PG_hugetlb:
        u |= bit(KPF_HUGE)
    elif k & PG_head and not k & (PG_slab | PG_kernel | PG_table):
        u |= bit(KPF_THP)
    if k & PG_zero:
        u |= bit(KPF_ZERO_PAGE)
    if k & PG_slab:
        u |= bit(KPF_SLAB)
    if k & PG_table and pfn == head:
        u |= bit(KPF_PGTABLE)
    if k & PG_swapcache and k & PG_swapbacked:
        u |= bit(KPF_SWAPCACHE)
    return u


cdef bint has_section(const reserved_t *r, uint64_t pfn) noexcept nogil:
    """Whether the section of the memory map that the frame is in has any memory; if not there is no struct page either."""
    cdef uint64_t section = pfn & ~<uint64_t>(SECTION_PAGES - 1)
    return r.what != RESERVED_HOLE or section < r.start_pfn or section + SECTION_PAGES > r.start_pfn + r.nr_pages


cdef inline int reserved_kind(const reserved_t *r) noexcept nogil:
    """Of a range without records: what the kernel allocated at boot is like what it allocates later."""
    if r.what == RESERVED_SLAB:
        return FRAME_SLAB
    if r.what == RESERVED_TABLES:
        return FRAME_PGTABLE
    return FRAME_KERNEL if r.what in (RESERVED_KMALLOC, RESERVED_STACKS, RESERVED_MODULES, RESERVED_BLOCKS) else FRAME_RESERVED


cdef void look_at_folio(arena_t *a, pfn_t pfn, frame_facts_t *out) noexcept nogil:
    """A page in use."""
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f = frame_at(a, pfn)
    cdef bint is_large = (frame_at(a, head).flags & PG_head) != 0
    out.kind = allocated_kind(a, head)
    out.flags = f.flags
    out.mapcount = page_mapcount(a, pfn)
    out.order = folio_order(a, pfn)
    out.refcount = frame_at(a, head).extra_refs + (large_mapcount(a, head) if is_large else out.mapcount)
    out.kpageflags = stable_page_flags(a, pfn, head, out.mapcount)
    out.has_content = f.content != 0
    if out.kind in (FRAME_ANON, FRAME_FILE, FRAME_SHMEM):
        out.is_anon = out.kind == FRAME_ANON
        out.mapping = frame_at(a, head).mapping
        out.index = frame_index(frame_at(a, head)) + (pfn - head)


cdef void look_at_frame(arena_t *a, pfn_t pfn, frame_facts_t *out) noexcept nogil:
    cdef const reserved_t *reserved = reserved_range(a, pfn)
    cdef pfn_t head
    memset(out, 0, sizeof(frame_facts_t))
    if reserved != NULL and not frame_at(a, pfn).flags & PG_zero:
        out.kind = reserved_kind(reserved)
        if out.kind != FRAME_RESERVED:
            out.refcount = 1
            out.flags = PG_kernel | (PG_slab if out.kind == FRAME_SLAB else PG_table if out.kind == FRAME_PGTABLE else 0)
            out.kpageflags = bit(KPF_SLAB) if out.kind == FRAME_SLAB else bit(KPF_PGTABLE) if out.kind == FRAME_PGTABLE else 0
        elif has_section(reserved, pfn):
            out.flags = PG_reserved
            out.refcount = 1
            out.kpageflags = bit(KPF_RESERVED)
        return
    if reserved == NULL and is_unseen(a, pfn):  # whose records need not be read
        out.kind = FRAME_FREE
        out.kpageflags = bit(KPF_BUDDY)
        if pfn % max_order_nr_pages(a) == 0:
            out.order = a.m.arch.max_order
        return
    head = 0 if reserved != NULL else free_block(a, pfn)
    if head == 0:
        look_at_folio(a, pfn, out)
        return
    out.kind = FRAME_PCP if frame_at(a, head).flags & PG_pcp else FRAME_FREE
    out.kpageflags = bit(KPF_BUDDY) if out.kind == FRAME_FREE else 0
    if head == pfn:
        out.order = frame_at(a, pfn).index_lo


cdef uint64_t page_cgroup_ino(arena_t *a, pfn_t pfn, const frame_facts_t *facts) noexcept nogil:
    """Of the group that pays for a page or, when that was removed, of the one above it. Its number is the record's, as kernfs
    makes one up; 1 is the root's, which is named by pages of programs and files and by none of the kernel's own."""
    cdef pfn_t head
    cdef idx_t memcg
    cdef uint32_t steps = 0
    if facts.kind not in (FRAME_ANON, FRAME_FILE, FRAME_SHMEM, FRAME_PGTABLE) or reserved_range(a, pfn) != NULL:
        return 0
    head = page_folio(a, pfn)
    memcg = folio_memcg(a, head)
    if memcg == 0:
        return 0 if facts.kind == FRAME_PGTABLE else ROOT_INO
    while memcg and memcg_at(a, memcg).state != MEMCG_THERE and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        memcg = memcg_at(a, memcg).parent
    return ROOT_INO + memcg


cdef void kpage_entries(arena_t *a, int file, uint64_t first, uint64_t nr, uint64_t *entry) noexcept nogil:
    """A run of frames that were never used is one step: a machine of 1 TiB has little else."""
    cdef uint64_t pfn = first
    cdef uint64_t end
    cdef uint64_t i
    cdef frame_facts_t f
    while pfn < first + nr:
        look_at_frame(a, <pfn_t>pfn, &f)
        end = pfn + 1
        if reserved_range(a, <pfn_t>pfn) == NULL and is_unseen(a, pfn):
            end = min(a.m.zone[pfn_to_zone(a, pfn)].unseen_end, first + nr)
        if file == KPAGEFLAGS:
            entry[pfn - first] = f.kpageflags
        else:
            entry[pfn - first] = f.mapcount if file == KPAGECOUNT else page_cgroup_ino(a, <pfn_t>pfn, &f)
        for i in range(pfn + 1 - first, end - first):
            entry[i] = entry[pfn - first]
        pfn = end


# --- how many of each kind ----------------------------------------------------------------------------------------------


cdef uint64_t count_one(arena_t *a, uint64_t pfn, uint64_t *count) noexcept nogil:
    """Add the block, folio or range that starts at the frame. Returns how many frames it has."""
    cdef const reserved_t *reserved = reserved_range(a, pfn)
    cdef frame_t *f
    cdef uint64_t n
    if reserved != NULL:
        n = reserved.start_pfn + reserved.nr_pages - pfn
        count[reserved_kind(reserved)] += n
        if pfn <= a.m.zero_pfn < pfn + n:  # the page of zeros is part of the kernel's .bss
            count[FRAME_RESERVED] -= 1
            count[FRAME_ZERO] += 1
        return n
    f = frame_at(a, <pfn_t>pfn)
    if f.flags & (PG_buddy | PG_pcp):
        n = <uint64_t>1 << (f.index_lo if f.index_lo < NR_ORDERS else 0)
        count[FRAME_FREE if f.flags & PG_buddy else FRAME_PCP] += n
        return n
    n = <uint64_t>1 << (folio_order(a, <pfn_t>pfn) & 31)
    count[allocated_kind(a, <pfn_t>pfn)] += n
    return n


cdef void frames_by_kind(arena_t *a, uint64_t *count) noexcept nogil:
    cdef uint64_t pfn = 0
    cdef uint64_t n
    cdef zone_t *z
    memset(count, 0, NR_FRAME_KINDS * sizeof(uint64_t))
    while pfn < a.m.max_pfn:
        z = &a.m.zone[pfn_to_zone(a, pfn)]
        if z.unseen_pfn <= pfn < z.unseen_end:
            count[FRAME_FREE] += z.unseen_end - pfn
            pfn = z.unseen_end
            continue
        n = count_one(a, pfn, count)
        pfn += n


cdef bint is_zeros(const char *bytes, uint64_t n) noexcept nogil:
    cdef const uint64_t *words = <const uint64_t *>bytes
    cdef uint64_t i
    for i in range(n >> 3):
        if words[i]:
            return False
    return True


cdef uint64_t next_held(arena_t *a, uint64_t pfn, bint tables_only) noexcept nogil:
    """What was never handed out has no record to read and holds nothing."""
    cdef uint64_t end
    cdef pfn_t head
    while pfn < a.m.max_pfn:
        if is_unseen(a, pfn):
            pfn = a.m.zone[pfn_to_zone(a, pfn)].unseen_end
            continue
        end = reserved_end(a, pfn)
        if end and reserved_what(a, pfn) == RESERVED_PGTABLE:  # each has something
            return pfn
        if end and pfn != a.m.zero_pfn:
            pfn = end
            continue
        head = page_folio(a, <pfn_t>pfn)
        if not tables_only or frame_at(a, head).flags & PG_table:
            if not is_zeros(page_bytes(a, <pfn_t>pfn), page_size(&a.m.arch)):
                return pfn
        pfn += 1
    return a.m.max_pfn
