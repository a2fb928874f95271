# cython: language_level=3
"""get_user_pages() for those who only want the pages there.

Each page is looked up; if it is missing, or read-only where a write is meant, a fault is taken for the task (it counts
as the task's) and the page is marked accessed. Counterpart: Linux v6.18 mm/gup.c:populate_vma_page_range(), __mm_populate(),
faultin_page_range(), follow_page_pte().
"""

from vmtool.mm.access cimport vma_is_accessible
from vmtool.mm.arena cimport frame_at, mm_at, mm_mut, vma_at
from vmtool.mm.arch cimport level_end
from vmtool.mm.fault cimport FAULT_UNLOCKABLE, handle_mm_fault
from vmtool.mm.frame cimport page_folio
from vmtool.mm.pagecache cimport folio_mark_accessed, folio_mark_dirty
from vmtool.mm.pkeys cimport vma_access_permitted
from vmtool.mm.pgtable cimport entry_at_t, entry_find, entry_set
from vmtool.mm.pte cimport *
from vmtool.mm.swap_lru cimport lru_add_drain
from vmtool.mm.vma cimport find_vma
from vmtool.mm.writeback cimport balance_dirty_pages

cdef enum:
    MAX_TRIES = 8


cdef inline bint is_there(const entry_at_t *at) noexcept nogil:
    return at.what == ENTRY_PAGE or at.what == ENTRY_SPECIAL or at.what == ENTRY_HUGE


cdef int gup_page(arena_t *a, idx_t v, vaddr_t addr, bint write, uint32_t flags, entry_at_t *at) noexcept nogil:
    """Until the page is there (and writable, when the area lets it be): 0 or -errno."""
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags
    cdef pte_t e
    cdef pfn_t head
    cdef uint32_t result
    cdef int tries
    for tries in range(MAX_TRIES):
        entry_find(a, mm_at(a, vma_at(a, v).vm_mm), addr, at)
        e = at.entry
        if is_there(at) and not (write and not pte_write(a, e)):
            if at.what == ENTRY_HUGE:
                if write:  # touch_pmd(); for a read nothing is set, and the folio is not marked either
                    entry_set(a, mm_mut(a, vma_at(a, v).vm_mm), addr, at.level, pte_mkyoung(a, pte_mkdirty(a, e)))
            elif at.what == ENTRY_PAGE:
                head = page_folio(a, pte_frame(a, e))
                if write and not pte_dirty(a, e) and not frame_at(a, head).flags & PG_dirty:
                    folio_mark_dirty(a, head)
                folio_mark_accessed(a, head)
            if write and tries:
                balance_dirty_pages(a)
            return 0
        result = handle_mm_fault(a, v, addr, (FAULT_WRITE if write else 0) | FAULT_POPULATE | flags)
        if result & VM_FAULT_OOM:
            return -ENOMEM
        if result & (VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV):
            return -EFAULT
    return -EFAULT


cdef int64_t gup_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, bint write, uint32_t flags) noexcept nogil:
    cdef vaddr_t addr = start
    cdef entry_at_t at
    cdef int err = 0
    while addr < end and not err:
        err = gup_page(a, v, addr, write, flags, &at)
        if not err:
            addr = level_end(&a.m.arch, at.level, addr, end)
    lru_add_drain(a)  # its callers do so, whatever came of it
    return err


cdef int64_t populate_vma_page_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil:
    """Written to where the area is private and writable (no second fault later), else read. `flags`: FAULT_UNLOCKABLE or 0."""
    cdef vma_t *area = vma_at(a, v)
    cdef bint write = (area.vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE
    if area.vm_flags & VM_LOCKONFAULT:
        return 0
    if area.vm_flags & (VM_IO | VM_PFNMAP) or not vma_is_accessible(area) or not vma_access_permitted(a, area, write):
        return -EFAULT
    return gup_range(a, v, start, end, write, flags)


cdef int64_t mm_populate(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, bint ignore_errors) noexcept nogil:
    cdef vaddr_t end = start + length, nstart = start, nend
    cdef idx_t v
    cdef vma_t *area
    cdef int64_t err
    while nstart < end:
        v = find_vma(a, mm, nstart)
        if v == 0 or vma_at(a, v).vm_start >= end:
            break
        area = vma_at(a, v)
        nend = area.vm_end if area.vm_end < end else end
        if nstart < area.vm_start:
            nstart = area.vm_start
        if not area.vm_flags & (VM_IO | VM_PFNMAP):
            err = populate_vma_page_range(a, v, nstart, nend, FAULT_UNLOCKABLE)
            if err < 0 and not ignore_errors:
                return err
        nstart = nend
    return 0


cdef int64_t faultin_page_range(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end, bint write) noexcept nogil:
    """Prefault readable or writable, no force: a hole is ENOMEM, a forbidden access EINVAL, a failing one EFAULT."""
    cdef idx_t v
    cdef vma_t *area
    cdef int64_t err
    cdef vaddr_t nend
    while start < end:
        v = find_vma(a, mm, start)
        if v == 0 or vma_at(a, v).vm_start > start:
            return -ENOMEM
        area = vma_at(a, v)
        if area.vm_flags & (VM_IO | VM_PFNMAP):
            return -EINVAL
        if (write and not area.vm_flags & VM_WRITE) or (not write and not area.vm_flags & VM_READ):
            return -EINVAL
        if not vma_access_permitted(a, area, write):
            return -EINVAL
        nend = area.vm_end if area.vm_end < end else end
        err = gup_range(a, v, start, nend, write, 0)  # __get_user_pages_locked() comes again by itself
        if err:
            return err
        start = nend
    return 0
