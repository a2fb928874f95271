# cython: language_level=3
"""/proc/PID/mem: bytes of a process that another one reads and writes, whatever its own permissions are.

    area r--p, page shared with the file     write: a copy of its own, still read-only for the process (FOLL_FORCE)
    area r--s                                write: EIO, as for a hole; [vvar] and other areas of devices: not even read
Counterpart: Linux v6.18 fs/proc/base.c:mem_rw(), mm/memory.c:__access_remote_vm(), mm/gup.c:check_vma_flags(), faultin_page().
Simplified: the faults count as the process's own, in Linux as the reader's, who is none of this machine's; [vsyscall] is not read.
"""

from libc.string cimport memcpy

from vmtool.mm.arch cimport level_size, offset_in_page, page_size
from vmtool.mm.arena cimport frame_at, mm_at, vma_at
from vmtool.mm.fault cimport handle_mm_fault
from vmtool.mm.frame cimport page_bytes, page_bytes_mut, page_folio
from vmtool.mm.pagecache cimport folio_mark_dirty
from vmtool.mm.pgtable cimport entry_at_t, entry_find
from vmtool.mm.pte cimport *
from vmtool.mm.vma cimport find_vma
from vmtool.mm.writeback cimport balance_dirty_pages

cdef enum:
    MAX_TRIES = 8


cdef bint may_access(const vma_t *v, bint write) noexcept nogil:
    """check_vma_flags() with FOLL_FORCE."""
    if v.vm_flags & (VM_IO | VM_PFNMAP):
        return False
    if not write:
        return (v.vm_flags & (VM_READ | VM_MAYREAD)) != 0
    return v.vm_flags & VM_WRITE or (v.vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE


cdef bint can_follow(arena_t *a, const vma_t *v, const entry_at_t *at, bint write) noexcept nogil:
    """Whether the entry leads to a page that may be used: can_follow_write_common()."""
    if at.what != ENTRY_PAGE and at.what != ENTRY_HUGE and at.what != ENTRY_SPECIAL:
        return False
    if not write or pte_write(a, at.entry):
        return True
    return (at.what != ENTRY_SPECIAL and not v.vm_flags & VM_WRITE and not pte_needs_soft_dirty_wp(a, at.entry, v.vm_flags)
            and frame_at(a, pte_frame(a, at.entry)).flags & PG_anon_exclusive)


cdef bint fault_in(arena_t *a, idx_t v, vaddr_t addr, bint write, paddr_t *phys) noexcept nogil:
    """Not the processor's walk: an entry of a PROT_NONE area is not present for that."""
    cdef entry_at_t at
    cdef uint32_t result
    cdef int tries
    for tries in range(MAX_TRIES):
        entry_find(a, mm_at(a, vma_at(a, v).vm_mm), addr, &at)
        if can_follow(a, vma_at(a, v), &at, write):
            phys[0] = (<paddr_t>pte_frame(a, at.entry) << a.m.arch.page_shift) + (addr & (level_size(&a.m.arch, at.level) - 1))
            return True
        result = handle_mm_fault(a, v, addr, (FAULT_WRITE if write else 0) | FAULT_POPULATE)
        if result & (VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV):
            return False
    return False


cdef uint64_t access_remote_vm(arena_t *a, idx_t mm, vaddr_t addr, char *data, uint64_t length, bint write) noexcept nogil:
    cdef uint64_t done = 0, n, at
    cdef pfn_t pfn
    cdef idx_t v
    cdef paddr_t phys = 0
    while done < length:
        v = find_vma(a, mm, addr + done)
        if v == 0 or vma_at(a, v).vm_start > addr + done or not may_access(vma_at(a, v), write) or not fault_in(a, v, addr + done, write, &phys):
            break
        at = offset_in_page(&a.m.arch, phys)
        n = min(page_size(&a.m.arch) - at, length - done)
        pfn = <pfn_t>(phys >> a.m.arch.page_shift)
        if write:
            memcpy(page_bytes_mut(a, pfn) + at, data + done, n)
            if not frame_at(a, page_folio(a, pfn)).flags & PG_anon:
                folio_mark_dirty(a, page_folio(a, pfn))
            balance_dirty_pages(a)
        else:
            memcpy(data + done, page_bytes(a, pfn) + at, n)
        done += n
    return done
