# cython: language_level=3
"""Which address spaces khugepaged looks at, and which areas of them may have huge pages.

Counterpart: Linux v6.18 mm/khugepaged.c:khugepaged_enter_vma(), __khugepaged_exit(), mm/huge_memory.c:__thp_vma_allowable_orders().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # tva_type: who asks
    TVA_KHUGEPAGED  # by the settings
    TVA_FORCED_COLLAPSE  # MADV_COLLAPSE: whatever they say

cdef bint thp_vma_allowable_pmd(arena_t *a, const vma_t *v, uint64_t vm_flags, int type) noexcept nogil  # 2M, now or after a collapse
cdef bint hugepage_pmd_enabled(arena_t *a) noexcept nogil  # anywhere: khugepaged runs
cdef void khugepaged_enter_vma(arena_t *a, idx_t v, uint64_t vm_flags) noexcept nogil  # the area may be good for it: its space comes on the list
cdef void khugepaged_fork(arena_t *a, idx_t mm, idx_t oldmm) noexcept nogil
cdef void khugepaged_exit(arena_t *a, idx_t mm) noexcept nogil
cdef void khugepaged_init(machine_t *m) noexcept nogil  # the settings of boot
cdef void start_stop_khugepaged(arena_t *a) noexcept nogil  # a setting of huge pages was changed
cdef void khugepaged_wake_early(arena_t *a) noexcept nogil  # from what it sleeps for, if it does
# The cursor leaves its space for the next one; false: that was the last.
cdef bint khugepaged_next_slot(arena_t *a) noexcept nogil
