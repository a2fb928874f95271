# cython: language_level=3
"""get_dump_page(): what a program would read, though nothing is brought in for it.

    mapped, also PROT_NONE      the frame's bytes
    in swap, shared memory too  the swap cache's page, else the slot's bytes
    never touched, of a file    the cache's page, else the disk's block
    never touched, anonymous    zeros, and the core file need not hold them
Counterpart: Linux v6.18 mm/gup.c:get_dump_page(). Simplified: what Linux faults in for it, from a file or from swap, is read where it lies, and nothing changes by it.
"""

from vmtool.mm.arch cimport level_size
from vmtool.mm.arena cimport content_at, file_at, inode_at, mm_at, slot_at, vma_at
from vmtool.mm.frame cimport page_bytes
from vmtool.mm.pagecache cimport filemap_get, filemap_swapped
from vmtool.mm.pgtable cimport entry_at_t, entry_find
from vmtool.mm.pte cimport ENTRY_HUGE, ENTRY_NONE, ENTRY_PAGE, ENTRY_SWAP, pte_frame, pte_special, pte_to_swp_entry
from vmtool.mm.swap_state cimport folio_swap_page
from vmtool.mm.swapfile cimport entry_record
from vmtool.mm.vma cimport linear_page_index
from vmtool.mm.xnode cimport xnode_get


cdef const char *slot_page(arena_t *a, uint32_t record) noexcept nogil:
    cdef const swap_slot_t *s = slot_at(a, record)
    if s.flags & SLOT_CACHE:
        return page_bytes(a, folio_swap_page(a, s.folio, record))
    return content_at(a, s.content) if s.content else NULL


cdef const char *file_page(arena_t *a, const vma_t *area, vaddr_t addr) noexcept nogil:
    cdef idx_t inode = file_at(a, area.vm_file).inode
    cdef uint64_t index = linear_page_index(a, area, addr)
    cdef pfn_t pfn = filemap_get(a, inode, index)
    cdef idx_t block
    cdef uint32_t record
    if pfn:
        return page_bytes(a, pfn)
    record = filemap_swapped(a, inode, index)
    if record:
        return slot_page(a, record)
    block = xnode_get(a, inode_at(a, inode).blocks, index)
    return content_at(a, block) if block else NULL


cdef const char *dump_page(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    cdef entry_at_t at
    cdef pfn_t pfn
    entry_find(a, mm_at(a, area.vm_mm), addr, &at)
    if (at.what == ENTRY_PAGE or at.what == ENTRY_HUGE) and not pte_special(a, at.entry):
        pfn = pte_frame(a, at.entry) + <pfn_t>((addr & (level_size(&a.m.arch, at.level) - 1)) >> a.m.arch.page_shift)
        return page_bytes(a, pfn)
    if at.what == ENTRY_SWAP:
        return slot_page(a, entry_record(a, pte_to_swp_entry(a, at.entry)))
    return file_page(a, area, addr) if at.what == ENTRY_NONE and area.vm_file else NULL
