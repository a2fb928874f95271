"""Page frames: their bytes, and the LRU lists they stand on.

Counterpart: Linux v6.18 mm/swap.c, include/linux/mm_inline.h. A frame's bytes are found in this order:

    content != 0            its own
    clean page-cache page   its file's block on the disk (inode.blocks)
    else                    zeros

# Deviation: folios go to the LRU at once, not by per-CPU batches of 31.
Invariants: contents belong to one frame; LRU lists are linked both ways; node and zone counters are the sums over them.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arena cimport content_alloc, content_at, content_free, content_mut, inode_at
from vmtool.mm.vmstat cimport NR_INACTIVE_ANON, NR_ZONE_INACTIVE_ANON
from vmtool.mm.xnode cimport xnode_get

cdef char ZEROS[CONTENT_BYTES]  # what a frame without contents reads as; never written


# --- bytes ------------------------------------------------------------------------------------------------------

cdef idx_t file_block(arena_t *a, pfn_t pfn) noexcept nogil:
    """The disk's block behind a page of the page cache; 0: a hole, or no such page."""
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f = frame_at(a, head)
    cdef inode_t *inode
    if f.mapping == 0 or f.flags & (PG_anon | PG_slab | PG_table | PG_buddy | PG_pcp):
        return 0
    inode = inode_at(a, f.mapping)
    if inode.kind != INODE_EXT4:
        return 0
    return xnode_get(a, inode.blocks, frame_index(f) + (pfn - head))


cdef const char *page_bytes(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef idx_t c = frame_at(a, pfn).content
    if c == 0:
        c = file_block(a, pfn)
    return content_at(a, c) if c else ZEROS


cdef char *page_bytes_mut(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_at(a, pfn)
    cdef idx_t block
    if f.content == 0:
        block = file_block(a, pfn)
        f = frame_mut(a, pfn)
        f.content = content_alloc(a)
        if f.content and block:
            memcpy(content_mut(a, f.content), content_at(a, block), CONTENT_BYTES)
    return content_mut(a, f.content)


cdef void page_zero(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_at(a, pfn)
    if file_block(a, pfn):
        memset(page_bytes_mut(a, pfn), 0, CONTENT_BYTES)
    elif f.content:
        content_free(a, f.content)
        frame_mut(a, pfn).content = 0


cdef void page_copy(arena_t *a, pfn_t dst, pfn_t src) noexcept nogil:
    cdef idx_t c = frame_at(a, src).content
    if c == 0:
        c = file_block(a, src)
    if c == 0:
        page_zero(a, dst)
    else:
        memcpy(page_bytes_mut(a, dst), content_at(a, c), CONTENT_BYTES)


# --- LRU --------------------------------------------------------------------------------------------------------

cdef uint32_t folio_lru_list(arena_t *a, pfn_t head) noexcept nogil:
    return lru_of(frame_at(a, head).flags)


cdef inline void count_lru(arena_t *a, pfn_t head, const frame_t *f, uint32_t lru, int64_t sign) noexcept nogil:
    cdef int64_t n = sign << folio_order(a, head) if f.flags & PG_head else sign
    a.m.node_stat[NR_INACTIVE_ANON + lru] += n
    a.m.zone_stat[pfn_to_zone(a, head)][NR_ZONE_INACTIVE_ANON + lru] += n


cdef void folio_add_lru(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef uint32_t lru = lru_of(f.flags)
    lru_link(a, f, head, lru)
    count_lru(a, head, f, lru, 1)


cdef void folio_del_lru(arena_t *a, pfn_t head) noexcept nogil:
    cdef frame_t *f = frame_mut(a, head)
    cdef uint32_t lru = lru_of(f.flags)
    cdef free_list_t *list = &a.m.lru[lru]
    if f.lru_prev:
        frame_mut(a, f.lru_prev).lru_next = f.lru_next
    else:
        list.head = f.lru_next
    if f.lru_next:
        frame_mut(a, f.lru_next).lru_prev = f.lru_prev
    else:
        list.tail = f.lru_prev
    f.lru_next = 0
    f.lru_prev = 0
    f.flags &= ~<uint32_t>PG_lru
    list.nr_free -= 1
    count_lru(a, head, f, lru, -1)
