# cython: language_level=3
"""Level 4. The kernel's side of page tables: allocate, set, clear, free; the kernel half that every space shares.

Entries live in the bytes of frames flagged PG_table; such a frame's index_lo counts its non-zero entries. `mm.pgtables_bytes` counts PTE, PMD and
PUD (and P4D) tables, not the top one, as VmPTE does.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # software entries that are not present, x86-64 (arch-neutral helpers below build and read them)
    PTE_MARKER_POISONED = 2
    PTE_MARKER_GUARD = 4

cdef int pgtable_boot(arena_t *a) noexcept nogil  # the kernel's own tables: direct map, text, vmemmap, fixmap (kernel_pgd)
cdef pfn_t pgd_alloc(arena_t *a) noexcept nogil  # a top table with the kernel half; 0: no memory
cdef void pgd_free(arena_t *a, pfn_t pgd) noexcept nogil

# The table of `level` that covers addr (0: PTE table), or 0. A huge leaf above ends the search (0).
cdef pfn_t table_lookup(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# The same, allocating what is missing (counts pgtables_bytes, NR_PAGETABLE). 0: no memory, or a huge leaf is in the way.
cdef pfn_t table_alloc(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# The entry of a level for addr; 0 when no table is there.
cdef pte_t entry_get(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# Set or clear (0) one; keeps the table's count of entries. Preconditions: the table is there.
cdef void entry_set(arena_t *a, mm_t *mm, vaddr_t addr, int level, pte_t value) noexcept nogil
# Take an empty or full table of `level` (0 or 1) out of its parent and free it (its entries must be zero).
cdef void table_free(arena_t *a, mm_t *mm, vaddr_t addr, int level) noexcept nogil
# free_pgd_range(): frees the tables of addr..end whose whole span lies within floor..ceiling (0: no ceiling).
cdef void free_pgd_range(arena_t *a, mm_t *mm, vaddr_t addr, vaddr_t end, vaddr_t floor, vaddr_t ceiling) noexcept nogil
# Flush what the TLBs of all CPUs hold of a range of this mm (mmu_gather's end).
cdef void flush_tlb_range(arena_t *a, mm_t *mm, vaddr_t start, vaddr_t end) noexcept nogil
cdef void flush_tlb_page(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil

# Building entries (arch-neutral): the protection bits of vm_flags for a private/shared mapping as vm_get_page_prot gives them
# (write only for shared), then the marks.
cdef pte_t mk_pte(arena_t *a, pfn_t pfn, uint64_t vm_flags) noexcept nogil  # present, user, accessed; NX unless VM_EXEC; not writable, not dirty. PROT_NONE: present bit clear, X86_G set (_PAGE_PROTNONE)
cdef pte_t pte_mkwrite(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_wrprotect(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_mkdirty(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_mkclean(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_mkold(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_mkyoung(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_mkspecial(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_mkhuge(arena_t *a, pte_t e) noexcept nogil
cdef bint pte_write(arena_t *a, pte_t e) noexcept nogil
cdef bint pte_dirty(arena_t *a, pte_t e) noexcept nogil
cdef bint pte_young(arena_t *a, pte_t e) noexcept nogil
cdef bint pte_special(arena_t *a, pte_t e) noexcept nogil
cdef bint pte_huge(arena_t *a, pte_t e) noexcept nogil
cdef bint pte_none(pte_t e) noexcept nogil
cdef bint pte_mapped(arena_t *a, pte_t e) noexcept nogil  # pte_present(): the hardware's bit or PROT_NONE's
cdef pte_t pte_modify(arena_t *a, pte_t e, uint64_t vm_flags) noexcept nogil  # new protection, keeps frame, A, D, special, huge; not writable
cdef pfn_t pte_frame(arena_t *a, pte_t e) noexcept nogil
cdef pte_t pte_marker(uint32_t kind) noexcept nogil
cdef uint32_t pte_marker_kind(arena_t *a, pte_t e) noexcept nogil  # 0: no marker
