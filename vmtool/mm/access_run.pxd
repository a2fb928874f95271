# cython: language_level=3
"""Accesses to one page after another, where what they share is looked up once."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.tlb_run cimport tlb_run_t
from vmtool.mm.types cimport *

# The pages from addr on, nr at most, as long as each is a miss within one table, by an entry that is there or a fault of the common kind.
# The first may have hit: then nothing is done. Returns: how many were accessed; after_fault() of each is done, too.
# *tlb is for all runs of one command; its clock is 0 before the first.
cdef uint64_t access_quick_run(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t nr, int kind, tlb_run_t *tlb) noexcept nogil
