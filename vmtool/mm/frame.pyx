"""Page frames: their bytes.

A frame's bytes are found in this order:

    content != 0            its own
    swap cache              its slot's
    clean page-cache page   its file's block on the disk (inode.blocks)
    a table of arm64's direct map that nothing changed    computed (linear_map)
    else                    zeros

Invariants: contents belong to one frame.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arch cimport ARCH_SPLIT_ROOT, page_size
from vmtool.mm.arena cimport content_alloc, content_at, content_free, content_mut, folio_x_at, inode_at, slot_at
from vmtool.mm.linear_map cimport linear_fill, linear_table
from vmtool.mm.xnode cimport xnode_get

cdef char ZEROS[65536]  # as large as any page: what a frame without contents reads as; never written
cdef char COMPUTED[65536]  # what such a table reads as, until the next one is read


# --- bytes ------------------------------------------------------------------------------------------------------


cdef idx_t file_block(arena_t *a, pfn_t pfn) noexcept nogil:
    """The disk's block behind a page of the page cache, or the slot's bytes behind one of the swap cache; 0: a hole, or no such page."""
    cdef pfn_t head = page_folio(a, pfn)
    cdef frame_t *f = frame_at(a, head)
    cdef inode_t *inode
    if f.flags & PG_swapcache:
        return slot_at(a, folio_x_at(a, head).swap + (pfn - head)).content
    if f.mapping == 0 or f.flags & (PG_anon | PG_slab | PG_table | PG_buddy | PG_pcp):
        return 0
    inode = inode_at(a, f.mapping)
    if inode.kind != INODE_EXT4:
        return 0
    return xnode_get(a, inode.blocks, frame_index(f) + (pfn - head))


cdef const char *computed_bytes(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef int level = 0
    cdef uint64_t nr = 0
    if not a.m.arch.flags & ARCH_SPLIT_ROOT or not linear_table(a, pfn, &level, &nr):
        return ZEROS
    linear_fill(a, pfn, COMPUTED)
    return COMPUTED


cdef const char *page_bytes(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef idx_t c = frame_at(a, pfn).content
    if c == 0:
        c = file_block(a, pfn)
    return content_at(a, c) if c else computed_bytes(a, pfn)


cdef char *page_bytes_mut(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_at(a, pfn)
    cdef idx_t block
    if f.content == 0:
        block = file_block(a, pfn)
        f = frame_mut(a, pfn)
        f.content = content_alloc(a)
        if f.content and block:
            memcpy(content_mut(a, f.content), content_at(a, block), page_size(&a.m.arch))
    return content_mut(a, f.content)


cdef void page_zero(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef frame_t *f = frame_at(a, pfn)
    if file_block(a, pfn):
        memset(page_bytes_mut(a, pfn), 0, page_size(&a.m.arch))
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
        memcpy(page_bytes_mut(a, dst), content_at(a, c), page_size(&a.m.arch))
