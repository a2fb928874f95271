"""The invariants of swap: who names a slot, what is cached, what is free.

Counterpart: Linux v6.18 mm/swapfile.c's VM_BUG_ONs. The entries of all spaces and all shared memory are counted by slot.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arch cimport level_index, level_size
from vmtool.mm.arena cimport ARENA_NOMEM, arena_fail, folio_x_at, frame_at, inode_at, mm_at, rec_at, slot_at, vma_at
from vmtool.mm.checks cimport nth_check
from vmtool.mm.frame cimport folio_order, page_folio
from vmtool.mm.pgtable cimport table_peek
from vmtool.mm.pte cimport ENTRY_SWAP, pte_class, pte_load, pte_to_swp_entry
from vmtool.mm.slub cimport slab_at
from vmtool.mm.swapfile cimport (CLUSTER_FRAG, CLUSTER_FREE, CLUSTER_FULL, CLUSTER_NONE, CLUSTER_NONFULL, SWP_WRITEOK, area_has_orders, area_has_tables, cluster_slots,
                                 entry_record, list_of, table_cache, table_is_page, table_object)
from vmtool.mm.vmstat cimport NR_SWAPCACHE
from vmtool.mm.xnode cimport xnode_next_shadow

cdef enum:
    CHECK_SLOT_COUNT
    CHECK_SLOT_OUTSIDE
    CHECK_SLOT_CACHE
    CHECK_CACHE_COUNT
    CHECK_CLUSTER_COUNT
    CHECK_AREA_USED
    CHECK_FREE_SLOTS
    CHECK_SHMEM_SWAPPED
    CHECK_CLUSTER_LIST
    CHECK_CLUSTER_TABLE
    CHECK_CLUSTER_ORDER
    CHECK_SLOT_LARGE
    CHECK_SLOT_CONT
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_SLOT_COUNT] = fsck_check_t(b"swap-count", b"swap slot {0} counts its entries wrongly: {1} name it")
CHECKS[CHECK_SLOT_OUTSIDE] = fsck_check_t(b"swap-outside", b"address {1:#x} of address space {0} names a slot that no swap area has")
CHECKS[CHECK_SLOT_CACHE] = fsck_check_t(b"swap-cache", b"swap slot {0} has frame {1} in the swap cache, which does not say so")
CHECKS[CHECK_CACHE_COUNT] = fsck_check_t(b"swap-cached", b"nr_swapcached is {0}, {1} slots have a cached folio")
CHECKS[CHECK_CLUSTER_COUNT] = fsck_check_t(b"swap-cluster", b"cluster {0} counts its slots wrongly: {1} are in use")
CHECKS[CHECK_AREA_USED] = fsck_check_t(b"swap-used", b"swap area {0} counts its slots wrongly: {1} are in use")
CHECKS[CHECK_FREE_SLOTS] = fsck_check_t(b"swap-free", b"{0} slots are counted as free, the areas have {1}")
CHECKS[CHECK_SHMEM_SWAPPED] = fsck_check_t(b"shmem-swapped", b"inode {0} counts its swapped pages wrongly: {1} are out")
CHECKS[CHECK_CLUSTER_LIST] = fsck_check_t(b"swap-cluster-list", b"cluster {0} is not where the lists of swap area {1} have it")
CHECKS[CHECK_CLUSTER_TABLE] = fsck_check_t(b"swap-table", b"cluster {0} has frame {1} for its table, which is not the kernel's, or that it should not have")
CHECKS[CHECK_CLUSTER_ORDER] = fsck_check_t(b"swap-order", b"cluster {0} is for folios of order {1}, and not on a list of theirs")
CHECKS[CHECK_SLOT_LARGE] = fsck_check_t(b"swap-large", b"the slots of folio {0} in the swap cache begin at {1}, which is no multiple of their number")
CHECKS[CHECK_SLOT_CONT] = fsck_check_t(b"swap-cont", b"swap slot {0} goes on with an entry of shared memory, which names {1} of it and the slot before")

cdef struct fsck_t:
    arena_t *a
    fsck_report_fn report
    void *ctx
    uint32_t *named  # by record: entries that name it


cdef const fsck_check_t *fsck_swap_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef inline void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef void fsck_swap(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    f.a = a
    f.report = report
    f.ctx = ctx
    f.named = <uint32_t *>calloc(a.pool[POOL_SWAP].count + 1, sizeof(uint32_t))
    if f.named == NULL:
        arena_fail(a, ARENA_NOMEM, POOL_SWAP, 0)
        return
    count_spaces(&f)
    count_shmem(&f)
    check_areas(&f)
    free(f.named)


cdef void count_area(fsck_t *f, idx_t mm, idx_t v) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint64_t span = level_size(&a.m.arch, 1)
    cdef uint64_t page = <uint64_t>1 << a.m.arch.page_shift
    cdef vaddr_t addr = vma_at(a, v).vm_start
    cdef vaddr_t end = min(vma_at(a, v).vm_end, a.m.arch.task_size)
    cdef pfn_t table = 0
    cdef pte_t e
    cdef uint32_t record
    while addr < end:
        if table == 0 or addr & (span - 1) == 0:
            table = table_peek(a, mm_at(a, mm), addr, 0)
            if table == 0:
                addr = (addr | (span - 1)) + 1
                continue
        e = pte_load(a, table, level_index(&a.m.arch, 0, addr))
        if pte_class(a, e) == ENTRY_SWAP:
            record = entry_record(a, pte_to_swp_entry(a, e))
            if record == 0 or record >= a.pool[POOL_SWAP].count:
                bad(f, CHECK_SLOT_OUTSIDE, mm, addr)
            else:
                f.named[record] += 1
        addr += page


cdef void count_spaces(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef idx_t mm
    cdef idx_t v
    cdef uint32_t left
    for mm in range(1, a.pool[POOL_MM].count):
        v = mm_at(a, mm).vma_first
        left = a.pool[POOL_VMA].count
        while v and left:
            if vma_at(a, v).anon_vma:
                count_area(f, mm, v)
            v = vma_at(a, v).vm_next
            left -= 1


cdef void count_shmem(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef idx_t inode
    cdef uint64_t index
    cdef uint32_t record
    cdef uint32_t nr
    for inode in range(1, a.pool[POOL_INODE].count):
        if inode_at(a, inode).kind != INODE_SHMEM:
            continue
        index = 0
        nr = 0
        while True:
            record = xnode_next_shadow(a, inode_at(a, inode).i_pages, &index, <uint64_t>-1)
            if record == 0:
                break
            if record < a.pool[POOL_SWAP].count:
                f.named[record] += 1
            nr += 1
            index += 1
        if nr != inode_at(a, inode).nr_swapped:
            bad(f, CHECK_SHMEM_SWAPPED, inode, nr)


cdef bint is_cached(arena_t *a, uint32_t record, pfn_t head) noexcept nogil:
    """By any slot of the folio's."""
    cdef uint32_t first
    if head == 0 or head >= a.m.max_pfn or not frame_at(a, head).flags & PG_swapcache or frame_at(a, head).flags & PG_tail:
        return False
    first = folio_x_at(a, head).swap
    return first <= record and record - first < <uint32_t>1 << folio_order(a, head)


cdef uint32_t check_cluster(fsck_t *f, const swap_info_t *si, uint32_t first, uint64_t *cached) noexcept nogil:
    """The slots of one cluster. Returns how many are in use."""
    cdef arena_t *a = f.a
    cdef uint32_t offset
    cdef uint32_t used = 0
    cdef const swap_slot_t *s
    for offset in range(first, min(first + cluster_slots(si), si.max)):
        s = slot_at(a, si.base + offset)
        if s.count != f.named[si.base + offset]:
            bad(f, CHECK_SLOT_COUNT, si.base + offset, f.named[si.base + offset])
        if s.flags & SLOT_CACHE:
            cached[0] += 1
            if not is_cached(a, si.base + offset, s.folio):
                bad(f, CHECK_SLOT_CACHE, si.base + offset, s.folio)
            elif folio_x_at(a, s.folio).swap == si.base + offset and offset & ((<uint32_t>1 << folio_order(a, s.folio)) - 1):
                bad(f, CHECK_SLOT_LARGE, s.folio, si.base + offset)
        if s.flags & SLOT_CONT and (offset == first or s.count == 0 or slot_at(a, si.base + offset - 1).count == 0):
            bad(f, CHECK_SLOT_CONT, si.base + offset, (s.count != 0) + (offset != first and slot_at(a, si.base + offset - 1).count != 0))
        used += s.count != 0 or s.flags & SLOT_CACHE != 0
    return used


cdef uint32_t check_list(fsck_t *f, uint32_t type, uint32_t state, int order) noexcept nogil:
    """How many clusters are on it; of those that are full the order may be any (-1)."""
    cdef const cluster_list_t *list = list_of(f.a, type, state, <uint32_t>order)
    cdef const swap_cluster_t *c
    cdef uint32_t at = list.head, prev = 0, n = 0
    while at and n <= f.a.pool[POOL_CLUSTER].count:
        c = <const swap_cluster_t *>rec_at(f.a, POOL_CLUSTER, at - 1)
        if c.state != state or c.prev != prev:
            bad(f, CHECK_CLUSTER_LIST, at - 1, type)
            return n
        if c.order >= NR_SWAP_ORDERS or (order >= 0 and c.order != order):
            bad(f, CHECK_CLUSTER_ORDER, at - 1, c.order)
        n += 1
        prev = at
        at = c.next
    if prev != list.tail:
        bad(f, CHECK_CLUSTER_LIST, list.tail - 1, type)
    return n


cdef bint is_table(arena_t *a, const swap_info_t *si, uint32_t table) noexcept nogil:
    cdef uint64_t pfn = table if table_is_page(a, si) else table_object(a, table) >> a.m.arch.page_shift
    if pfn >= a.m.max_pfn:
        return False
    if table_is_page(a, si):
        return frame_at(a, <pfn_t>pfn).flags & PG_kernel != 0
    pfn = page_folio(a, <pfn_t>pfn)
    return frame_at(a, <pfn_t>pfn).flags & PG_slab != 0 and slab_at(a, frame_at(a, <pfn_t>pfn).mapping).cache == <uint32_t>table_cache(a) + 1


cdef void check_clusters(fsck_t *f, uint32_t type) noexcept nogil:
    """Lists and tables of an area's clusters."""
    cdef arena_t *a = f.a
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef uint32_t first = si.base // cluster_slots(si)
    cdef uint32_t nr = (si.max + cluster_slots(si) - 1) // cluster_slots(si)
    cdef uint32_t listed = check_list(f, type, CLUSTER_FREE, 0) + check_list(f, type, CLUSTER_FULL, -1)
    cdef uint32_t i
    cdef int order
    cdef const swap_cluster_t *c
    for order in range(NR_SWAP_ORDERS if area_has_orders(a, type) else 1):
        listed += check_list(f, type, CLUSTER_NONFULL, order) + check_list(f, type, CLUSTER_FRAG, order)
    for i in range(first, first + nr):
        c = <const swap_cluster_t *>rec_at(a, POOL_CLUSTER, i)
        listed += c.state == CLUSTER_NONE and not area_has_tables(a, type)  # the present one of an older version
        if (c.table != 0) != (area_has_tables(a, type) and c.state != CLUSTER_FREE) or (c.table and not is_table(a, si, c.table)):
            bad(f, CHECK_CLUSTER_TABLE, i, c.table)
    if listed != nr:
        bad(f, CHECK_CLUSTER_LIST, first, type)


cdef void check_areas(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint32_t type
    cdef uint32_t first
    cdef uint32_t used
    cdef uint32_t in_area
    cdef uint32_t expected
    cdef uint64_t cached = 0
    cdef int64_t left = 0
    cdef const swap_info_t *si
    for type in range(min(a.m.nr_swapfiles, <uint32_t>MAX_SWAP_AREAS)):
        si = &a.m.swap[type]
        if si.flags:
            check_clusters(f, type)
        in_area = 0
        first = 0
        while si.flags and first < si.max:
            used = check_cluster(f, si, first, &cached)
            expected = used + (first == 0) + (first + cluster_slots(si) - si.max if first + cluster_slots(si) > si.max else 0)
            if (<const swap_cluster_t *>rec_at(a, POOL_CLUSTER, (si.base + first) // cluster_slots(si))).count != expected:
                bad(f, CHECK_CLUSTER_COUNT, (si.base + first) // cluster_slots(si), used)
            in_area += used
            first += cluster_slots(si)
        if in_area != si.inuse_pages:
            bad(f, CHECK_AREA_USED, type, in_area)
        left += <int64_t>si.pages - si.inuse_pages if si.flags & SWP_WRITEOK else 0
    if left != a.m.nr_swap_pages:
        bad(f, CHECK_FREE_SLOTS, <uint64_t>a.m.nr_swap_pages, <uint64_t>left)
    if cached != <uint64_t>a.m.node_stat[NR_SWAPCACHE]:
        bad(f, CHECK_CACHE_COUNT, <uint64_t>a.m.node_stat[NR_SWAPCACHE], cached)
