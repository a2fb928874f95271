# cython: language_level=3
"""get_user_pages() for those who only want the pages there.

Each page is looked up; if it is missing, or read-only where a write is meant, a fault is taken for the task (it counts
as the task's) and the page is marked accessed. Counterpart: Linux v6.18 mm/gup.c:populate_vma_page_range(), __mm_populate(),
faultin_page_range(), follow_page_pte().
"""

from vmtool.mm.access cimport vma_is_accessible
from vmtool.mm.arena cimport frame_at, frame_mut, mm_mut, vma_at
from vmtool.mm.arch cimport level_index
from vmtool.mm.fault cimport handle_mm_fault
from vmtool.mm.frame cimport page_folio
from vmtool.mm.pagecache cimport folio_mark_accessed, folio_mark_dirty
from vmtool.mm.pgtable cimport entry_get, entry_set, table_lookup
from vmtool.mm.pte cimport *
from vmtool.mm.thp cimport HPAGE_PMD_SIZE, pmd_is_huge
from vmtool.mm.vma cimport find_vma

cdef enum:
    MAX_TRIES = 8

cdef pte_t lookup(arena_t *a, idx_t v, vaddr_t addr, bint *huge) noexcept nogil:
    """The entry that maps addr, 0 when none does."""
    cdef mm_t *m = mm_mut(a, vma_at(a, v).vm_mm)
    cdef pfn_t table = table_lookup(a, m, addr, 1)
    cdef pte_t e
    huge[0] = False
    if table == 0:
        return 0
    e = pte_load(a, table, level_index(&a.m.arch, 1, addr))
    if pmd_is_huge(a, e):
        huge[0] = True
        return e
    table = table_lookup(a, m, addr, 0)
    if table == 0:
        return 0
    return pte_load(a, table, level_index(&a.m.arch, 0, addr))

cdef inline bint is_there(arena_t *a, pte_t e, bint huge) noexcept nogil:
    cdef uint32_t what = pte_class(a, e)
    return huge or what == ENTRY_PAGE or what == ENTRY_SPECIAL

cdef int gup_page(arena_t *a, idx_t v, vaddr_t addr, bint write, bint *huge) noexcept nogil:
    """Until the page is there (and writable, when the area lets it be): 0 or -errno."""
    cdef uint64_t vm_flags = vma_at(a, v).vm_flags
    cdef pte_t e
    cdef pfn_t head
    cdef uint32_t result
    cdef int tries
    for tries in range(MAX_TRIES):
        e = lookup(a, v, addr, huge)
        if is_there(a, e, huge[0]) and not (write and not pte_write(a, e)):
            if huge[0]:
                if write:  # touch_pmd(); for a read nothing is set, and the folio is not marked either
                    entry_set(a, mm_mut(a, vma_at(a, v).vm_mm), addr, 1, pte_mkyoung(a, pte_mkdirty(a, e)))
            elif not pte_special(a, e):
                head = page_folio(a, pte_frame(a, e))
                if write and not pte_dirty(a, e) and not frame_at(a, head).flags & PG_dirty:
                    folio_mark_dirty(a, head)
                folio_mark_accessed(a, head)
            return 0
        result = handle_mm_fault(a, v, addr, (FAULT_WRITE if write else 0) | FAULT_POPULATE)
        if result & VM_FAULT_OOM:
            return -ENOMEM
        if result & (VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV):
            return -EFAULT
    return -EFAULT

cdef int64_t gup_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, bint write) noexcept nogil:
    cdef vaddr_t addr = start
    cdef bint huge = False
    cdef int err
    while addr < end:
        err = gup_page(a, v, addr, write, &huge)
        if err:
            return err
        addr = (addr | (HPAGE_PMD_SIZE - 1 if huge else 4095)) + 1
    return 0

cdef int64_t populate_vma_page_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    """Written to where the area is private and writable (no second fault later), else read."""
    cdef vma_t *area = vma_at(a, v)
    cdef bint write = (area.vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE
    if area.vm_flags & VM_LOCKONFAULT:
        return 0
    if area.vm_flags & (VM_IO | VM_PFNMAP) or not vma_is_accessible(area):
        return -EFAULT
    return gup_range(a, v, start, end, write)

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
            err = populate_vma_page_range(a, v, nstart, nend)
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
        nend = area.vm_end if area.vm_end < end else end
        err = gup_range(a, v, start, nend, write)
        if err:
            return err
        start = nend
    return 0
