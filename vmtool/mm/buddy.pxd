# cython: language_level=3
"""Allocating and freeing frames: the buddy system (free_area) with per-CPU lists in front of it.

Counterpart: Linux v6.18 mm/page_alloc.c: get_page_from_freelist, rmqueue, rmqueue_bulk, free_unref_page.
"""

from vmtool.mm.arena cimport arena_t, cpu_mut, frame_at, frame_mut
from vmtool.mm.frame cimport MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE, WMARK_HIGH, WMARK_LOW, ZONE_DMA32, ZONE_HIGHMEM, ZONE_NORMAL, wmark_pages
from vmtool.mm.free_area cimport ZONE_BELOW_HIGH, ZONE_BOOSTED_WATERMARK, frame_is_buddy, free_area_count
from vmtool.mm.large_folio cimport large_mapcount
from vmtool.mm.types cimport *
from vmtool.mm.vmstat cimport PGALLOC_DMA, count_vm_events

# A folio of 2**order frames: refcount 1 (extra_refs), flags clean but for PG_head/PG_tail, no contents (which read as zeros). gfp chooses
# the migrate type and the zones, and how hard is tried: for user pages kswapd is woken, reclaim, compaction and the OOM killer run within,
# so the caller fetches again what it holds. 0: no memory, or a group's limit (a.charge_failed). Counts: PGALLOC_*, ALLOCSTALL_*.
cdef pfn_t alloc_pages(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil
# Gives it back; its contents are freed. Preconditions: no mappings, not on an LRU. Any order a folio may have: what is more than a block goes in pageblocks.
cdef void free_pages(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil
# Break a folio of order > 0 into order-0 folios; each page keeps its own map count, flags and reference (split_page / __split_folio).
# The head keeps its references; a tail gets the page cache's one (a file's), none (anonymous), or the head's (no mapping). Tails join
# the LRU beside the head. An anonymous tail that nothing maps is the caller's to free.
cdef void split_folio_frames(arena_t *a, pfn_t head) noexcept nogil
# Frees the folio (off the LRU first) when it has neither mappings nor references; true when it did. After the last unmapping.
cdef bint folio_try_free(arena_t *a, pfn_t head) noexcept nogil

cdef inline uint32_t folio_mapcount(arena_t *a, pfn_t head) noexcept nogil:
    """All mappings of all its pages."""
    cdef const frame_t *f = frame_at(a, head)
    return large_mapcount(a, head) if f.flags & PG_head else <uint32_t>f.mapcount

cdef inline uint64_t nr_free_pages(arena_t *a) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        n += a.m.zone[z].free_pages
    return n

cdef inline void folio_get(arena_t *a, pfn_t head) noexcept nogil:
    frame_mut(a, head).extra_refs += 1

cdef inline void folio_put(arena_t *a, pfn_t head) noexcept nogil:
    """Drop one reference that is not a mapping; frees the folio at zero references and zero mappings."""
    cdef frame_t *f = frame_mut(a, head)
    f.extra_refs -= 1
    if f.extra_refs == 0 and (f.mapcount == 0 or f.flags & PG_head):  # most are mapped still
        folio_try_free(a, head)

# --- the common allocation, inline

cdef inline uint32_t gfp_migratetype(uint32_t gfp) noexcept nogil:
    return MIGRATE_MOVABLE if gfp & GFP_USER_MOVABLE else MIGRATE_RECLAIMABLE if gfp & GFP_RECLAIMABLE else MIGRATE_UNMOVABLE

cdef inline bint zone_is_ample(arena_t *a, uint32_t z) noexcept nogil:
    """The first zone, and above the watermark that most allocations look at."""
    cdef const zone_t *zone = &a.m.zone[z]
    if zone.flags & ZONE_BOOSTED_WATERMARK or a.m.zone[ZONE_HIGHMEM].managed_pages:
        return False
    return zone.free_pages > wmark_pages(zone, WMARK_LOW if zone.flags & ZONE_BELOW_HIGH else WMARK_HIGH)

cdef inline pfn_t pcp_take(arena_t *a, uint32_t gfp, uint32_t *zone_out) noexcept nogil:
    """What most allocations come to: a single frame that lies ready, in the first zone, above its watermark. 0: not so."""
    cdef uint32_t z = ZONE_NORMAL if a.m.zone[ZONE_NORMAL].managed_pages else ZONE_DMA32
    cdef pcp_t *pcp = &cpu_mut(a, a.cpu).pcp[z]
    cdef uint32_t mt = gfp_migratetype(gfp)
    cdef pfn_t pfn = pcp.head[mt]
    if pfn == 0 or not zone_is_ample(a, z):
        return 0
    pcp.free_count >>= 1
    pcp.count -= 1
    pcp.head[mt] = frame_at(a, pfn).lru_next
    if pcp.head[mt] == 0:
        pcp.tail[mt] = 0
    zone_out[0] = z
    return pfn

# Many of them, one after another: what is counted of them is added up. Between begin and end nothing else may allocate or free.

cdef struct ready_t:
    pcp_t *pcp
    pfn_t head  # the next one; 0: none lies ready
    uint32_t zone
    uint32_t nr_taken

cdef inline void ready_begin(arena_t *a, ready_t *r) noexcept nogil:
    """For GFP_USER_MOVABLE, where pcp_take() would find some."""
    r.nr_taken = 0
    r.zone = ZONE_NORMAL if a.m.zone[ZONE_NORMAL].managed_pages else ZONE_DMA32
    r.pcp = &cpu_mut(a, a.cpu).pcp[r.zone]
    r.head = r.pcp.head[MIGRATE_MOVABLE] if zone_is_ample(a, r.zone) else 0

cdef inline void ready_end(arena_t *a, ready_t *r) noexcept nogil:
    if r.nr_taken:
        r.pcp.head[MIGRATE_MOVABLE] = r.head
        if r.head == 0:
            r.pcp.tail[MIGRATE_MOVABLE] = 0
        r.pcp.count -= r.nr_taken
        r.pcp.free_count = r.pcp.free_count >> r.nr_taken if r.nr_taken < 32 else 0
        count_vm_events(a, PGALLOC_DMA + <int>r.zone, r.nr_taken)
        r.nr_taken = 0

cdef void prep_compound(arena_t *a, pfn_t pfn, uint32_t order) noexcept nogil  # its frames become one folio: head and tails

cdef inline void prep_new_page(frame_t *f) noexcept nogil:
    """A single frame off the lists: one reference, nothing else."""
    f.flags = 0
    f.index_lo = 0
    f.lru_next = 0
    f.lru_prev = 0
    f.extra_refs = 1

# --- frames that are freed one after another: what those of one pageblock share is looked up once

cdef struct frees_t:
    uint64_t block  # the pageblock, + 1; 0: nothing is looked up (an allocation may change its type)
    zone_t *zone
    pcp_t *pcp
    uint32_t pindex

cdef void free_frame(arena_t *a, frees_t *k, pfn_t pfn, frame_t *f) noexcept nogil  # free_pages() of a single frame that no group pays for
