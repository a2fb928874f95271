# cython: language_level=3
"""Level 13. Huge pages from a pool of their own: MAP_HUGETLB.

Counterpart: Linux v6.18 mm/hugetlb.c, fs/hugetlbfs/inode.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    PG_hugetlb = 1 << 29  # page type: of the pool, free or in use

cdef enum:  # vma_t.swap_readahead_info of an area of huge pages
    HPAGE_RESV_OWNER = 1  # its private pages are reserved for it
    HPAGE_RESV_UNMAPPED = 2  # a page was taken from it for the owner: what it touches next without a page is SIGBUS

cdef uint32_t huge_page_order(arena_t *a) noexcept nogil  # of the pool's pages
cdef bint hugetlb_valid_size(const arch_t *g, uint64_t size) noexcept nogil  # whether the architecture's kernel has a pool of such pages (an hstate)
cdef inline bint is_hugetlb(const inode_t *i) noexcept nogil:
    """A file of huge pages: `swapped` has its pages, `holes` its reservations, both by huge page."""
    return i.kind == INODE_SHMEM and i.shmem_flags & VM_HUGETLB != 0

# --- the pool
cdef void set_max_huge_pages(arena_t *a, uint64_t count) noexcept nogil  # vm.nr_hugepages: as many as memory gives
cdef uint64_t hugetlb_total_pages(arena_t *a) noexcept nogil  # small pages

# --- areas
cdef bint hugetlb_may_reserve(arena_t *a, uint64_t nr) noexcept nogil  # whether the pool, and what may be above it, can promise so many more
cdef int hugetlb_reserve_pages(arena_t *a, idx_t v) noexcept nogil  # for a new area; 0 or -ENOMEM
cdef void hugetlb_vm_close(arena_t *a, idx_t v) noexcept nogil  # its entries are gone; what was reserved and not used is given back, a last file's pages go
cdef uint32_t hugetlb_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil  # VM_FAULT_
cdef void zap_hugetlb(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil  # the entry at addr, which is there
cdef int copy_hugetlb(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil  # fork: one entry
cdef uint64_t hugetlb_usage(arena_t *a, idx_t mm) noexcept nogil  # small pages that its entries map
