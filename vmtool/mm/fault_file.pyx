"""Mapping pages of the cache.

    folios   |H t t t|H t t t|H t t t t t t t|H t t t t t ...        window of 16 entries: ####
    entries         ################                                 what fault-around maps: every folio it meets, whole
                 ===================================

Modelled: the window of 16 entries, large folios mapped whole where they lie within the file, the area and one table, misses counted back.
Counterpart: Linux v6.18 mm/filemap.c:filemap_map_pages(), filemap_map_folio_range(), next_uptodate_folio(); mm/memory.c:do_fault_around(),
set_pte_range(), finish_fault(). One that is a huge page is mapped by one entry (thp: set_file_pmd).
"""

from vmtool.mm.arch cimport ARCH_OLD_AROUND, ARCH_TRANSLATES, page_align
from vmtool.mm.arena cimport FRAMES_A_CHUNK, file_at, frame_at, frame_mut, inode_at, mm_mut, vma_at
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.mlock cimport mlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.lruvec cimport lruvec_stat_mod_frame
from vmtool.mm.pagecache cimport NOT_IN_FLIGHT, filemap_get_leaf, filemap_get_range, filemap_map_hits, in_its_place
from vmtool.mm.pgtable cimport mk_pte, pte_mkdirty, pte_mkold, pte_mkspecial, pte_mkwrite, table_alloc
from vmtool.mm.pte cimport pte_load, pte_store, ptes_filled, ptes_open_mut, ptes_t
from vmtool.mm.rmap cimport add_file_rmap
from vmtool.mm.thp cimport set_file_pmd
from vmtool.mm.trace cimport TR_FAULT_AROUND, TR_FILE_MAP, trace2, trace4
from vmtool.mm.vma cimport linear_page_index, vma_pages, vma_soft_dirty_enabled
from vmtool.mm.vmstat cimport NR_FILE_MAPPED, mod_node_stat

cdef enum:
    FAULT_AROUND_BYTES = 65536
    NO_CHUNK = 0xFFFFFFFF  # of frames
    MAP_MASK = PG_uptodate | PG_readahead | PG_locked  # of a folio's flags: PG_uptodate alone may be mapped around
    SINGLE_MASK = MAP_MASK | PG_head | PG_tail  # the same of a folio of one page


cdef bint file_wants_notify(arena_t *a, const vma_t *v) noexcept nogil:
    """Disk files want to know of the first write (vma_wants_writenotify)."""
    return inode_at(a, file_at(a, v.vm_file).inode).kind != INODE_SHMEM


cdef pte_t mk_file_pte(arena_t *a, const vma_t *v, pfn_t pfn) noexcept nogil:
    """vm_page_prot of a shared mapping that needs no notice lets reads map writable."""
    cdef pte_t e = mk_pte(a, pfn, v.vm_flags)
    if (v.vm_flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE) and not file_wants_notify(a, v) and not vma_soft_dirty_enabled(a, v.vm_flags):
        e = pte_mkwrite(a, e)
    return e


cdef void set_file_pte(arena_t *a, idx_t v, pfn_t pfn, pfn_t table, uint32_t index, uint32_t how) noexcept nogil:
    """set_pte_range(), one page; the caller counts it."""
    cdef vma_t *area = vma_at(a, v)
    cdef pte_t e = mk_file_pte(a, area, pfn)
    if how == SET_OLD:
        e = pte_mkold(a, e)
    if how == SET_WRITE:
        e = pte_mkdirty(a, e)
        if area.vm_flags & VM_WRITE:
            e = pte_mkwrite(a, e)
    if area.vm_flags & VM_PFNMAP:
        pte_store(a, table, index, pte_mkspecial(a, e))
        return
    add_file_rmap(a, pfn, area.vm_mm)
    if area.vm_flags & VM_LOCKED and folio_order(a, page_folio(a, pfn)) == 0:
        mlock_folio(a, pfn)
    pte_store(a, table, index, e)


cdef inline int rss_kind(arena_t *a, const vma_t *area) noexcept nogil:
    return MM_SHMEMPAGES if area.vm_file and not file_wants_notify(a, area) else MM_FILEPAGES


cdef void count_file_rss(arena_t *a, const vma_t *area, int64_t nr_pages) noexcept nogil:
    """Once for all that a fault maps: the counter goes in batches."""
    if nr_pages and not area.vm_flags & VM_PFNMAP:
        add_mm_counter(mm_mut(a, area.vm_mm), rss_kind(a, area), nr_pages)


cdef uint64_t nr_file_pages(arena_t *a, idx_t inode) noexcept nogil:
    return page_align(&a.m.arch, inode_at(a, inode).size) >> a.m.arch.page_shift


cdef bint folio_fits(arena_t *a, const around_t *k, uint64_t start, uint64_t nr_pages) noexcept nogil:
    """Whether pages start..start+nr-1 lie within the area and within the table."""
    cdef vma_t *area = vma_at(a, k.v)
    cdef int64_t entry = <int64_t>start - k.first
    return start >= area.vm_pgoff and start + nr_pages <= area.vm_pgoff + vma_pages(a, area) and entry >= 0 and entry + <int64_t>nr_pages <= k.nr_entries


cdef inline bint is_old_around(arena_t *a, const around_t *k, uint64_t from_page, uint64_t to_page) noexcept nogil:
    """set_pte_range(): entries that one call sets, and the fault is not among them, where the processor marks those that are used."""
    cdef uint64_t i = k.fault
    if not a.m.arch.flags & ARCH_OLD_AROUND:
        return False
    if not from_page <= i <= to_page:
        return True
    while i > from_page and pte_load(a, k.table, <uint32_t>(<int64_t>i - 1 - k.first)) == 0:
        i -= 1
    return i > from_page  # an entry that is there ends the run: pages below it are of another


cdef inline bint may_map_around(const frame_t *f) noexcept nogil:
    """next_uptodate_folio()'s flags."""
    return f.flags & MAP_MASK == PG_uptodate


cdef inline bint is_single(const frame_t *f, idx_t inode, uint64_t page) noexcept nogil:
    """A folio of one page, where the cache says that it is."""
    return not f.flags & (PG_head | PG_tail) and f.mapping == inode and frame_index(f) == page


cdef inline frame_t *chunk_mut(arena_t *a, pfn_t pfn) noexcept nogil:
    """The records of the chunk that the frame's is in, marked; NULL: there is no such frame."""
    cdef frame_t *f = frame_mut(a, pfn)
    return f - pfn % FRAMES_A_CHUNK if not a.err else NULL


cdef inline bint may_map_singles(arena_t *a, const around_t *k) noexcept nogil:
    """The entries are there, stand in memory as they are read, and get the same bits; nothing is traced."""
    return k.is_plain and k.table != 0 and frame_at(a, k.table).content != 0 and not a.m.arch.flags & (ARCH_TRANSLATES | ARCH_OLD_AROUND) and not a.m.trace_on


cdef uint64_t map_singles(arena_t *a, around_t *k, const pfn_t *found, uint64_t page, uint64_t to_page) noexcept nogil:
    """filemap_map_folio_range() of folios of one page each: what the window's pages share is looked up once. Returns: the page that it could not do, or the
    one after the last. Precondition: may_map_singles()."""
    cdef uint32_t nr_mapped = 0, nr_seen = 0, shift = a.m.arch.page_shift
    cdef int64_t nr_first = 0  # mappings of pages that had none, and that no group pays for
    cdef uint64_t first = page
    cdef uint32_t flags
    cdef idx_t inode = k.inode
    cdef pte_t bits = k.bits
    cdef pte_t *entry
    cdef ptes_t ptes
    cdef frame_t *f
    cdef frame_t *records = NULL  # of the chunk that the last page's is in
    cdef pfn_t pfn, chunk = NO_CHUNK
    ptes.wide = NULL
    ptes_open_mut(a, k.table, &ptes)
    entry = ptes.wide + (<int64_t>page - k.first)
    while page <= to_page:
        pfn = found[0]
        if pfn:
            if pfn // FRAMES_A_CHUNK != chunk:
                chunk = pfn // FRAMES_A_CHUNK
                records = chunk_mut(a, pfn)
                if records == NULL:
                    break
            f = records + pfn % FRAMES_A_CHUNK
            if f.mapping != inode or frame_index(f) != page:
                break
            flags = f.flags
            if flags & SINGLE_MASK == PG_uptodate:
                nr_seen += not flags & PG_workingset
                if entry[0] == 0:
                    entry[0] = bits | <pte_t>pfn << shift
                    nr_mapped += 1
                    f.mapcount += 1
                    if f.mapcount == 1:
                        if flags & PG_charged:
                            lruvec_stat_mod_frame(a, pfn, f, NR_FILE_MAPPED, 1)
                        else:
                            nr_first += 1
            elif flags & (PG_head | PG_tail):
                break
        found += 1
        page += 1
        entry += 1
    if nr_mapped:
        ptes_filled(&ptes, nr_mapped)
        mod_node_stat(a, NR_FILE_MAPPED, nr_first)
    if k.fault - first < page - first and ptes.wide[<int64_t>k.fault - k.first]:
        k.hit = True
    k.nr_mapped += nr_mapped
    k.nr_seen += nr_seen
    return page


cdef void filemap_map_folio_range(arena_t *a, around_t *k, pfn_t head, uint64_t start, uint64_t from_page, uint64_t to_page) noexcept nogil:
    """Pages from_page..to_page of the folio at `start`, where no entry is yet."""
    cdef uint64_t i
    cdef uint32_t entry
    cdef pfn_t pfn
    cdef bint old = is_old_around(a, k, from_page, to_page)
    for i in range(from_page, to_page + 1):
        entry = <uint32_t>(<int64_t>i - k.first)
        if pte_load(a, k.table, entry):
            old = is_old_around(a, k, i + 1, to_page)
            continue
        pfn = <pfn_t>(head + (i - start))
        set_file_pte(a, k.v, pfn, k.table, entry, SET_OLD if old else SET_READ)
        trace4(a, TR_FILE_MAP, k.base + (<uint64_t>entry << a.m.arch.page_shift), pfn, k.inode, i)
        k.nr_mapped += 1
        if i == k.fault:
            k.hit = True
    if not frame_at(a, head).flags & PG_workingset:
        k.nr_seen += <uint32_t>(to_page + 1 - from_page)


cdef bint make_table(arena_t *a, around_t *k, bint before_last_page) noexcept nogil:
    """filemap_map_pmd() installs the table, and is only tried for a folio that ends before the file's last page."""
    if k.table == 0 and before_last_page:
        k.table = table_alloc(a, mm_mut(a, vma_at(a, k.v).vm_mm), k.base, 0)
    return k.table != 0


cdef void map_folios(arena_t *a, around_t *k, const pfn_t *found, uint64_t i, uint64_t from_page, uint64_t to_page) noexcept nogil:
    """map_window() from page i on. A folio that ends before the file's last page is mapped whole, one that holds it only within the window, and not as the first of a table."""
    cdef bint large
    cdef uint64_t last_page = nr_file_pages(a, k.inode) - 1
    cdef bint shmem = inode_at(a, k.inode).kind == INODE_SHMEM
    cdef uint64_t start
    cdef uint64_t nr_pages
    cdef uint64_t end
    cdef pfn_t head
    while i <= to_page:
        head = found[i - from_page]
        if head == 0:
            i += 1
            continue
        if in_its_place(a, k.inode, i, head) == 0:
            return
        head = page_folio(a, head)
        start = frame_index(frame_at(a, head))
        nr_pages = <uint64_t>1 << folio_order(a, head)
        end = start + nr_pages - 1
        if may_map_around(frame_at(a, head)):
            large = shmem or last_page >= start + nr_pages
            if k.table == 0 and large and set_file_pmd(a, k.v, k.base + (k.fault - <uint64_t>k.first << a.m.arch.page_shift), head, False):
                k.hit = True
                return
            if not make_table(a, k, large):
                return
            if nr_pages > 1 and large and folio_fits(a, k, start, nr_pages):
                filemap_map_folio_range(a, k, head, start, start, end)
            else:
                filemap_map_folio_range(a, k, head, start, i, end if end < to_page else to_page)
        i = end + 1
        if i <= to_page and may_map_singles(a, k):
            i = map_singles(a, k, &found[i - from_page], i, to_page)


cdef void map_window(arena_t *a, around_t *k, const pfn_t *found) noexcept nogil:
    """What of it no entry has yet."""
    cdef uint64_t i = k.from_page
    if may_map_singles(a, k):
        i = map_singles(a, k, found, i, k.to_page)
    if i <= k.to_page:
        map_folios(a, k, found, i, k.from_page, k.to_page)


cdef void around_open(arena_t *a, around_t *k, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint64_t in_flight) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef uint64_t page = linear_page_index(a, area, addr)
    cdef uint64_t before = page - area.vm_pgoff  # the area's pages before addr, and from it on
    cdef uint64_t left = vma_pages(a, area) - before
    k.v = v
    k.file = area.vm_file
    k.inode = file_at(a, k.file).inode
    k.mm = area.vm_mm
    k.table = table
    k.nr_entries = <uint32_t>1 << a.m.arch.level_bits[0]
    k.first = <int64_t>page - index
    k.base = addr - (<uint64_t>index << a.m.arch.page_shift)
    k.from_entry = index - <uint32_t>before if before < index else 0
    k.to_entry = <uint32_t>min(<uint64_t>k.nr_entries, index + left)
    k.nr_around = FAULT_AROUND_BYTES >> a.m.arch.page_shift
    k.end = min(nr_file_pages(a, k.inode), in_flight)
    k.is_plain = not area.vm_flags & (VM_LOCKED | VM_PFNMAP)
    k.bits = mk_file_pte(a, area, 0)
    k.rss_kind = -1 if area.vm_flags & VM_PFNMAP else rss_kind(a, area)
    k.leaf = NULL


cdef inline bint open_window(around_t *k, uint32_t index) noexcept nogil:
    """The 64K around the fault, aligned, or from the area's start when that lies within them. False: it begins behind the file's end."""
    cdef uint32_t around = index & ~(k.nr_around - 1)
    cdef uint32_t from_entry = max(around, k.from_entry)
    cdef uint32_t to_entry = min(from_entry + k.nr_around, k.to_entry)
    k.fault = <uint64_t>(k.first + index)
    k.from_page = <uint64_t>(k.first + from_entry)
    k.to_page = min(<uint64_t>(k.first + to_entry), k.end) - 1
    k.nr_mapped = 0
    k.nr_seen = 0
    k.hit = False
    return k.from_page < k.end


cdef inline uint32_t nr_window(const around_t *k) noexcept nogil:
    return <uint32_t>(k.to_page - k.from_page) + 1


cdef bint map_around(arena_t *a, around_t *k, const pfn_t *found) noexcept nogil:
    """Whether the page that faulted was mapped."""
    map_window(a, k, found)
    if k.nr_mapped:
        if k.rss_kind >= 0:
            add_mm_counter(mm_mut(a, k.mm), k.rss_kind, k.nr_mapped)
        trace2(a, TR_FAULT_AROUND, k.base + (<uint64_t>(<int64_t>k.from_page - k.first) << a.m.arch.page_shift), k.nr_mapped)
    filemap_map_hits(a, k.file, k.nr_seen)
    return k.hit


cdef bint do_fault_around(arena_t *a, idx_t v, vaddr_t addr, pfn_t *table, uint32_t index, uint64_t in_flight) noexcept nogil:
    cdef around_t k
    cdef pfn_t found[MOST_AROUND]
    cdef bint hit
    around_open(a, &k, v, addr, table[0], index, in_flight)
    if not open_window(&k, index):
        return False
    filemap_get_range(a, k.inode, k.from_page, nr_window(&k), found)
    hit = map_around(a, &k, found)
    table[0] = k.table
    return hit


cdef inline const pfn_t *found_at(arena_t *a, around_t *k, pfn_t *room) noexcept nogil:
    """What the cache has of the window, in its own place if that is one leaf of the index."""
    if k.leaf == NULL or k.from_page - k.leaf_first >= XNODE_SLOTS:
        k.leaf_first = k.from_page // XNODE_SLOTS * XNODE_SLOTS
        k.leaf = filemap_get_leaf(a, k.inode, k.from_page)
    if k.leaf != NULL and k.to_page - k.leaf_first < XNODE_SLOTS:
        return k.leaf + (k.from_page - k.leaf_first)
    filemap_get_range(a, k.inode, k.from_page, nr_window(k), room)
    return room


cdef bint fault_around_next(arena_t *a, around_t *k, uint32_t index) noexcept nogil:
    cdef pfn_t room[MOST_AROUND]
    cdef const pfn_t *found
    cdef const frame_t *f
    if not open_window(k, index) or k.fault > k.to_page:
        return False
    found = found_at(a, k, room)
    if found[k.fault - k.from_page] == 0:
        return False
    f = frame_at(a, found[k.fault - k.from_page])
    return is_single(f, k.inode, k.fault) and may_map_around(f) and map_around(a, k, found)


cdef bint do_fault_around_single(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil:
    cdef around_t k
    around_open(a, &k, v, addr, table, index, <uint64_t>NOT_IN_FLIGHT)
    return fault_around_next(a, &k, index)


cdef bint range_is_empty(arena_t *a, const around_t *k, uint64_t start, uint64_t nr_pages) noexcept nogil:
    cdef uint64_t i
    for i in range(nr_pages):
        if pte_load(a, k.table, <uint32_t>(<int64_t>(start + i) - k.first)):
            return False
    return True


cdef uint32_t finish_fault(arena_t *a, idx_t v, vaddr_t addr, pfn_t page, pfn_t *table, uint32_t index, bint write) noexcept nogil:
    """The folio whole when it fits the area, the table and the file and nothing of it is mapped there yet; else one page."""
    cdef vma_t *area = vma_at(a, v)
    cdef around_t k
    cdef uint64_t i
    cdef uint64_t start
    cdef uint64_t nr_pages
    cdef pfn_t head
    cdef bint large = False  # within the file, so that beyond its end there is SIGBUS
    if area.vm_file:
        around_open(a, &k, v, addr, table[0], index, <uint64_t>NOT_IN_FLIGHT)
        head = page_folio(a, page)
        nr_pages = <uint64_t>1 << folio_order(a, head)
        start = frame_index(frame_at(a, head))
        large = nr_pages > 1 and (inode_at(a, k.inode).kind == INODE_SHMEM or nr_file_pages(a, k.inode) >= start + nr_pages)
    if table[0] == 0:
        if large and set_file_pmd(a, v, addr, head, write):
            return 0
        table[0] = table_alloc(a, mm_mut(a, area.vm_mm), addr, 0)
        if table[0] == 0:
            return VM_FAULT_OOM
    if large:
        k.table = table[0]
        if folio_fits(a, &k, start, nr_pages) and range_is_empty(a, &k, start, nr_pages):
            for i in range(nr_pages):
                set_file_pte(a, v, <pfn_t>(head + i), k.table, <uint32_t>(<int64_t>(start + i) - k.first), SET_WRITE if write else SET_READ)
            count_file_rss(a, area, <int64_t>nr_pages)
            return 0
    set_file_pte(a, v, page, table[0], index, SET_WRITE if write else SET_READ)
    count_file_rss(a, area, 1)
    return 0
