# cython: language_level=3
"""What the kernel's half of the tables maps, in runs of like entries."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct kernel_run_t:
    vaddr_t start
    vaddr_t last  # the last address
    uint64_t prot  # the bits of its entries, frames apart; 0: nothing is mapped
    int level  # of the entries

cdef struct kernel_runs_t:
    kernel_run_t *at
    uint64_t nr
    uint64_t room
    bint failed  # no memory of the host's
    const vaddr_t *borders  # where a run ends, whatever follows
    uint32_t nr_borders
    uint32_t next_border

# The whole half as a top table has it, from its first address to the last; the caller frees out.at. Preconditions: borders ascend.
cdef void kernel_runs(arena_t *a, pfn_t root, kernel_runs_t *out) noexcept nogil
