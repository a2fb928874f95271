# cython: language_level=3
"""Page frames: the folio that each belongs to, its bytes. Zones (zone.pxd) come with it."""

from libc.stdint cimport uint32_t, uint64_t

from vmtool.mm.arena cimport arena_t, frame_at, frame_mut
from vmtool.mm.types cimport *
from vmtool.mm.zone cimport *

cdef enum:
    MAX_FOLIO_ORDER = 18  # of 1G with pages of 4K, of 16G with pages of 64K: hugetlb's alone are larger than a block of the buddy system

# The folio a page belongs to, and its facts.
cdef inline pfn_t page_folio(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_at(a, pfn)
    if f.flags & PG_tail:
        return f.lru_next
    return pfn

cdef inline uint32_t folio_order(arena_t *a, pfn_t head) noexcept nogil:
    cdef uint32_t order
    if frame_at(a, head).flags & PG_head:
        order = frame_at(a, head + 1).index_lo
        return order if order <= MAX_FOLIO_ORDER else 0  # else damaged: fsck tells
    return 0

cdef inline void frame_set_order(arena_t *a, pfn_t head, uint32_t order) noexcept nogil:
    """Precondition: PG_head, with a tail."""
    frame_mut(a, head + 1).index_lo = order

cdef inline uint32_t folio_nr_pages(arena_t *a, pfn_t head) noexcept nogil:
    return <uint32_t>1 << folio_order(a, head)

cdef inline uint64_t frame_index(const frame_t *f) noexcept nogil:
    return <uint64_t>f.index_hi << 32 | f.index_lo

cdef inline void frame_set_index(frame_t *f, uint64_t index) noexcept nogil:
    f.index_lo = <uint32_t>index
    f.index_hi = <uint16_t>(index >> 32)

cdef inline int mm_counter(arena_t *a, pfn_t pfn) noexcept nogil:
    """The rss_kind that a mapped page counts for."""
    cdef uint32_t flags = frame_at(a, page_folio(a, pfn)).flags
    return MM_ANONPAGES if flags & PG_anon else MM_SHMEMPAGES if flags & PG_swapbacked else MM_FILEPAGES

# Bytes of a frame. page_bytes gives 4 KiB to read (never NULL: zeros when it has none; a clean page-cache page
# gives its file's block); page_bytes_mut gives bytes of the frame's own, making them (with what it read as) when needed.
cdef const char *page_bytes(arena_t *a, pfn_t pfn) noexcept nogil
# to be written: its own, a copy of the file's block or zeros where it had none
cdef char *page_bytes_mut(arena_t *a, pfn_t pfn) noexcept nogil
cdef void page_copy(arena_t *a, pfn_t dst, pfn_t src) noexcept nogil  # to becomes equal to from, byte for byte
cdef void page_zero(arena_t *a, pfn_t pfn) noexcept nogil  # forget its bytes: reads as zeros
