# cython: language_level=3
"""handle_mm_fault(): what the kernel does when an entry is missing or forbids a write."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    FAULT_UNLOCKABLE = 0x20  # FOLL_UNLOCKABLE of populate_vma_page_range(): it returns where a fault waits for the disk, and is called again

# One fault at addr inside the area; FAULT_ bits. Returns VM_FAULT_ bits (0: done, minor) and counts it for the current task.
cdef uint32_t handle_mm_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil
cdef pfn_t special_page(arena_t *a, const vma_t *v, uint64_t pgoff) noexcept nogil  # behind [vdso], [vvar], [vvar_vclock]; 0: SIGBUS
# A write fault on a present, read-only entry of a private area (also used by mprotect's populate).
cdef uint32_t do_wp_page(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil
