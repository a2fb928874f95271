"""Mapping pages of the cache.

    folios   |H t t t|H t t t|H t t t t t t t|H t t t t t ...        window of 16 entries: ####
    entries         ################                                 what fault-around maps: every folio it meets, whole
                 ===================================

Modelled: the window of 16 entries, large folios mapped whole where they lie within the file, the area and one table, misses counted back.
Counterpart: Linux v6.18 mm/filemap.c:filemap_map_pages(), filemap_map_folio_range(), next_uptodate_folio(); mm/memory.c:do_fault_around(),
set_pte_range(), finish_fault(). One that is a huge page is mapped by one entry (thp: set_file_pmd).
"""

from vmtool.mm.arch cimport ARCH_OLD_AROUND, page_align
from vmtool.mm.arena cimport FRAMES_A_CHUNK, file_at, frame_at, frame_mut, inode_at, mm_mut, vma_at
from vmtool.mm.frame cimport folio_order, frame_index, page_folio
from vmtool.mm.mlock cimport mlock_folio
from vmtool.mm.mm_acct cimport add_mm_counter
from vmtool.mm.lruvec cimport lruvec_stat_mod_frame
from vmtool.mm.pagecache cimport NOT_IN_FLIGHT, filemap_get_range, filemap_map_hits, in_its_place
from vmtool.mm.pgtable cimport mk_pte, pte_mkdirty, pte_mkold, pte_mkspecial, pte_mkwrite, table_alloc
from vmtool.mm.pte cimport pte_load, pte_store, ptes_change, ptes_load, ptes_open, ptes_open_mut, ptes_t
from vmtool.mm.rmap cimport add_file_rmap
from vmtool.mm.thp cimport set_file_pmd
from vmtool.mm.trace cimport TR_FAULT_AROUND, TR_FILE_MAP, trace2, trace4
from vmtool.mm.vma cimport linear_page_index, vma_pages, vma_soft_dirty_enabled
from vmtool.mm.vmstat cimport NR_FILE_MAPPED, mod_node_stat

cdef enum:
    FAULT_AROUND_BYTES = 65536
    MOST_AROUND = 16  # pages: of 4K, the smallest


cdef struct around_t:  # one fault: entry i of the table maps page first + i of the file
    idx_t v
    idx_t inode
    pfn_t table
    uint32_t nr_entries  # of the table
    int64_t first  # page of entry 0: below 0 when the area begins late in its table
    vaddr_t base  # address of entry 0
    uint64_t fault  # the page that faulted
    uint64_t from_page  # of the window
    uint64_t to_page
    pfn_t found[MOST_AROUND]  # what the cache has of it
    pte_t bits  # of the entry that faulted, without its page; of one beside it
    pte_t bits_around
    bint is_plain  # what is mapped is counted, and not locked
    uint32_t nr_mapped
    uint32_t nr_seen  # of folios that are not PG_workingset
    bint hit  # the page that faulted was mapped


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


cdef void count_file_rss(arena_t *a, const vma_t *area, int64_t nr_pages) noexcept nogil:
    """Once for all that a fault maps: the counter goes in batches."""
    if nr_pages and not area.vm_flags & VM_PFNMAP:
        add_mm_counter(mm_mut(a, area.vm_mm), MM_SHMEMPAGES if area.vm_file and not file_wants_notify(a, area) else MM_FILEPAGES, nr_pages)


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
    return f.flags & (PG_uptodate | PG_readahead | PG_locked) == PG_uptodate


cdef inline bint is_single(const frame_t *f, idx_t inode, uint64_t page) noexcept nogil:
    """A folio of one page, where the cache says that it is."""
    return not f.flags & (PG_head | PG_tail) and f.mapping == inode and frame_index(f) == page


cdef inline frame_t *chunk_mut(arena_t *a, pfn_t pfn) noexcept nogil:
    """The records of the chunk that the frame's is in, marked; NULL: there is no such frame."""
    cdef frame_t *f = frame_mut(a, pfn)
    return f - pfn % FRAMES_A_CHUNK if not a.err else NULL


cdef uint64_t map_singles(arena_t *a, around_t *k, const pfn_t *found, uint64_t page, uint64_t to_page) noexcept nogil:
    """map_range() of folios of one page each: what the window's pages share is looked up once. Returns: the page that it could not do, or the
    one after the last. Preconditions: k.table is there, k.is_plain."""
    cdef uint32_t entry = <uint32_t>(<int64_t>page - k.first), nr_mapped = 0, nr_seen = 0, shift = a.m.arch.page_shift
    cdef int64_t nr_first = 0  # mappings of pages that had none, and that no group pays for
    cdef uint64_t fault = k.fault
    cdef idx_t inode = k.inode
    cdef bint traced = a.m.trace_on != 0, is_open = False
    cdef pte_t bits = k.bits_around
    cdef ptes_t ptes
    cdef frame_t *f
    cdef frame_t *records = NULL  # of the chunk that the last page's is in
    cdef pfn_t pfn, chunk = 0
    ptes.wide = NULL
    ptes.bytes = NULL
    if ptes_open(a, k.table, &ptes):
        ptes_open_mut(a, k.table, &ptes)
        is_open = True
    while page <= to_page:
        pfn = found[0]
        if pfn:
            if records == NULL or pfn // FRAMES_A_CHUNK != chunk:
                chunk = pfn // FRAMES_A_CHUNK
                records = chunk_mut(a, pfn)
                if records == NULL:
                    break
            f = records + pfn % FRAMES_A_CHUNK
            if not is_single(f, inode, page):
                break
            if may_map_around(f):
                nr_seen += not f.flags & PG_workingset
                if not is_open or ptes_load(&ptes, entry) == 0:
                    if not is_open:
                        ptes_open_mut(a, k.table, &ptes)
                        is_open = True
                    f.mapcount += 1
                    if f.mapcount == 1 and not f.flags & PG_charged:
                        nr_first += 1
                    elif f.mapcount == 1:
                        lruvec_stat_mod_frame(a, pfn, f, NR_FILE_MAPPED, 1)
                    nr_mapped += 1
                    if page == fault:
                        k.hit = True
                        ptes_change(&ptes, entry, k.bits | <pte_t>pfn << shift)
                    else:
                        ptes_change(&ptes, entry, bits | <pte_t>pfn << shift)
                    if traced:
                        trace4(a, TR_FILE_MAP, k.base + (<uint64_t>entry << shift), pfn, inode, page)
        found += 1
        page += 1
        entry += 1
    if nr_mapped:
        ptes.frame.index_lo += nr_mapped
        mod_node_stat(a, NR_FILE_MAPPED, nr_first)
    k.nr_mapped += nr_mapped
    k.nr_seen += nr_seen
    return page


cdef void map_range(arena_t *a, around_t *k, pfn_t head, uint64_t start, uint64_t from_page, uint64_t to_page) noexcept nogil:
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


cdef void map_window(arena_t *a, around_t *k, const pfn_t *found, uint64_t from_page, uint64_t to_page) noexcept nogil:
    """A folio that ends before the file's last page is mapped whole, one that holds it only within the window, and not as the first of a table."""
    cdef bint large
    cdef uint64_t last_page = nr_file_pages(a, k.inode) - 1
    cdef bint shmem = inode_at(a, k.inode).kind == INODE_SHMEM
    cdef uint64_t i = from_page
    cdef uint64_t start
    cdef uint64_t nr_pages
    cdef uint64_t end
    cdef pfn_t head
    while i <= to_page:
        if k.table and k.is_plain:
            i = map_singles(a, k, &found[i - from_page], i, to_page)
            if i > to_page:
                return
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
                map_range(a, k, head, start, start, end)
            else:
                map_range(a, k, head, start, i, end if end < to_page else to_page)
        i = end + 1


cdef void around_init(arena_t *a, around_t *k, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    k.v = v
    k.inode = file_at(a, area.vm_file).inode
    k.table = table
    k.nr_entries = <uint32_t>1 << a.m.arch.level_bits[0]
    k.fault = linear_page_index(a, area, addr)
    k.first = <int64_t>k.fault - index
    k.base = addr - (<uint64_t>index << a.m.arch.page_shift)
    k.nr_mapped = 0
    k.nr_seen = 0
    k.hit = False
    k.is_plain = not area.vm_flags & (VM_LOCKED | VM_PFNMAP)
    k.bits = mk_file_pte(a, area, 0)
    k.bits_around = pte_mkold(a, k.bits) if a.m.arch.flags & ARCH_OLD_AROUND else k.bits


cdef bint open_window(arena_t *a, around_t *k, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, uint64_t in_flight) noexcept nogil:
    """The 64K around addr, aligned, or from the area's start when that lies within them, and what the cache has of it. False: nothing."""
    cdef vma_t *area = vma_at(a, v)
    cdef uint32_t nr_around = FAULT_AROUND_BYTES >> a.m.arch.page_shift
    cdef uint32_t from_entry = index & ~(nr_around - 1)
    cdef uint32_t to_entry
    cdef uint64_t before = linear_page_index(a, area, addr) - area.vm_pgoff  # the area's pages before addr, and from it on
    cdef uint64_t left = vma_pages(a, area) - before
    cdef uint64_t end
    around_init(a, k, v, addr, table, index)
    if before < index - from_entry:
        from_entry = index - <uint32_t>before
    to_entry = from_entry + nr_around
    if to_entry > k.nr_entries:
        to_entry = k.nr_entries
    if to_entry > index + left:
        to_entry = <uint32_t>(index + left)
    k.from_page = <uint64_t>(k.first + from_entry)
    k.to_page = <uint64_t>(k.first + to_entry) - 1
    end = min(nr_file_pages(a, k.inode), in_flight)
    if end == 0 or k.from_page >= end:  # it begins behind the file's end
        return False
    k.to_page = min(k.to_page, end - 1)
    filemap_get_range(a, k.inode, k.from_page, <uint32_t>(k.to_page - k.from_page) + 1, k.found)
    return True


cdef bint map_around(arena_t *a, around_t *k) noexcept nogil:
    """Whether the page that faulted was mapped."""
    cdef vma_t *area = vma_at(a, k.v)
    map_window(a, k, k.found, k.from_page, k.to_page)
    count_file_rss(a, area, k.nr_mapped)
    if k.nr_mapped:
        trace2(a, TR_FAULT_AROUND, k.base + (<uint64_t>(<int64_t>k.from_page - k.first) << a.m.arch.page_shift), k.nr_mapped)
    filemap_map_hits(a, area.vm_file, k.nr_seen)
    return k.hit


cdef bint do_fault_around(arena_t *a, idx_t v, vaddr_t addr, pfn_t *table, uint32_t index, uint64_t in_flight) noexcept nogil:
    cdef around_t k
    cdef bint hit
    if not open_window(a, &k, v, addr, table[0], index, in_flight):
        return False
    hit = map_around(a, &k)
    table[0] = k.table
    return hit


cdef bint do_fault_around_single(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index) noexcept nogil:
    cdef around_t k
    cdef pfn_t pfn
    if not open_window(a, &k, v, addr, table, index, <uint64_t>NOT_IN_FLIGHT) or k.fault > k.to_page:
        return False
    pfn = k.found[k.fault - k.from_page]
    if pfn == 0 or not is_single(frame_at(a, pfn), k.inode, k.fault) or not may_map_around(frame_at(a, pfn)):
        return False
    return map_around(a, &k)


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
        around_init(a, &k, v, addr, table[0], index)
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
