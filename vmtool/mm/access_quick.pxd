# cython: language_level=3
"""The common access in one pass: a TLB hit, a walk of one entry, or a common fault, its retry and the TLB's fill."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    QUICK_DONE = 1
    QUICK_FAULTED = 2  # by a fault after which others may run: after_fault()
    QUICK_RETRY = 3  # after a fault it is yet to be done

# The whole of one access by the program, as access_page() makes it. 0: nothing is changed, take the general road. MMU_FAULT and an error code:
# what mmu_access() would have come to, which is done. Negative: what handle_mm_fault() failed with, the sign turned.
cdef int access_quick(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, paddr_t *phys) noexcept nogil
# mmu_access() after a fault. 0: nothing is changed, it is yet to be called.
cdef int access_quick_again(arena_t *a, cpu_t *c, vaddr_t addr, int kind, paddr_t *phys) noexcept nogil
# The same of the pages from addr on, nr at most, as long as each is a miss within one table, by an entry that is there or a fault of the
# common kind: what these share is looked up once. Returns: how many were accessed.
cdef uint64_t access_quick_run(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t nr, int kind) noexcept nogil
