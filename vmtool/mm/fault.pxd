# cython: language_level=3
"""handle_mm_fault(): what the kernel does when an entry is missing or forbids a write."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    FAULT_UNLOCKABLE = 0x20  # FOLL_UNLOCKABLE of populate_vma_page_range(): it returns where a fault waits for the disk, and is called again

# One fault at addr, FAULT_ bits. Preconditions: addr is inside the area, which allows the access; the caller fetches records and entries
# again after. Returns VM_FAULT_MAJOR or 0 (minor), which the current task counts, or VM_FAULT_OOM (no memory: the OOM killer has run),
# VM_FAULT_SIGBUS (past the end of a file, the disk failed, no huge page), VM_FAULT_SIGSEGV (a guard). Counts: PGFAULT, PGMAJFAULT; rss.
cdef uint32_t handle_mm_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil
cdef pfn_t special_page(arena_t *a, const vma_t *v, uint64_t pgoff) noexcept nogil  # behind [vdso], [vvar], [vvar_vclock]; 0: SIGBUS
# A write fault on e, a present, read-only entry of a PTE table (also of swap-in). 0: it can be written now, or it is another one meanwhile;
# VM_FAULT_OOM: no page for the copy.
cdef uint32_t do_wp_page(arena_t *a, idx_t v, vaddr_t addr, pfn_t table, uint32_t index, pte_t e) noexcept nogil
