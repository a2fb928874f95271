# cython: language_level=3
"""Areas of huge pages from the pools: MAP_HUGETLB.

Counterpart: Linux v6.18 mm/hugetlb.c, fs/hugetlbfs/inode.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # vma_t.swap_readahead_info of an area of huge pages
    HPAGE_RESV_OWNER = 1  # its private pages are reserved for it
    HPAGE_RESV_UNMAPPED = 2  # a page was taken from it for the owner: what it touches next without a page is SIGBUS

# for a new area; none with VM_NORESERVE. 0, -ENOMEM: the pool cannot promise them, nothing is promised
cdef int hugetlb_reserve_pages(arena_t *a, idx_t v) noexcept nogil
cdef void hugetlb_vm_close(arena_t *a, idx_t v) noexcept nogil  # its entries are gone; what was reserved and not used is given back, a last file's pages go
cdef void hugetlb_moved(arena_t *a, idx_t v) noexcept nogil  # mremap: another area has its entries and its reservations now (clear_vma_resv_huge_pages)
cdef void hugetlb_remove_pages(arena_t *a, idx_t inode, uint64_t offset, uint64_t length) noexcept nogil  # a hole in the file: bytes; whole huge pages go
# Precondition: the area allows the access. 0; VM_FAULT_OOM: no table or no anon_vma; VM_FAULT_SIGBUS: the pool has no page for it, or one
# was taken from it for its parent.
cdef uint32_t hugetlb_fault(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags) noexcept nogil
# Preconditions of these: addr begins a huge page of the area, whose entry is there.
cdef void zap_hugetlb(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil
cdef int copy_hugetlb(arena_t *a, idx_t dst, idx_t src, vaddr_t addr) noexcept nogil  # fork; 0, -ENOMEM: no table
cdef void protect_hugetlb(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil  # by the area's flags
# to another place of its address space; 0, -ENOMEM: no table, nothing has moved
cdef int move_hugetlb(arena_t *a, idx_t v, vaddr_t addr, vaddr_t new_addr) noexcept nogil
cdef int64_t hugetlb_promised(arena_t *a, uint32_t h) noexcept nogil  # by areas and files: what they are owed and have not got
cdef uint64_t hugetlb_usage(arena_t *a, idx_t mm) noexcept nogil  # small pages that its entries map
