# cython: language_level=3
"""Other rights for ranges of the kernel's half: entries changed, large ones split where a part of them is meant."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct spare_tables_t:  # frames that boot kept for tables; when they are used up, the buddy system's
    pfn_t next
    pfn_t end

cdef bint split_large_page(arena_t *a, vaddr_t addr, spare_tables_t *spare) noexcept nogil  # to entries of the PTEs' level; False: no memory
# Bits set and cleared in the entries of nr_pages from addr on; what nothing maps is passed by. False: no memory.
cdef bint change_page_attr(arena_t *a, vaddr_t addr, uint64_t nr_pages, pte_t set, pte_t clear, spare_tables_t *spare) noexcept nogil
# nothing maps them any more; False: no memory to split an entry
cdef bint set_memory_np(arena_t *a, vaddr_t addr, uint64_t nr_pages, spare_tables_t *spare) noexcept nogil
cdef bint make_kernel_table(arena_t *a, vaddr_t addr, int level, spare_tables_t *spare) noexcept nogil  # where none is; False: no memory
