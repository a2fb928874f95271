# cython: language_level=3
"""The sizes of huge pages that an architecture's kernel has pools of, and the records of those pools.

Counterpart: Linux v6.18 include/linux/hugetlb.h: struct hstate; arch/x86/mm/hugetlbpage.c, arch/arm64/mm/hugetlbpage.c: which sizes there are.
"""

from vmtool.mm.arch cimport level_size
from vmtool.mm.arena cimport arena_t, file_at, inode_at, vma_at
from vmtool.mm.types cimport *

cdef enum:
    PG_hugetlb = 1 << 29  # page type: of a pool, free or in use
    HPG_RESTORE_RESERVE = 1  # index_hi of tail 1 (hugetlb_restore_reserve): when the page is free, one more is promised

cdef struct hsize_t:  # how entries map a huge page
    int level
    uint32_t cont_shift  # log2 of how many entries of that level: more than one has the contiguous hint

# The h-th: 0 is the default, that of the entry above the PTEs; then the others, the smallest first. False: there are not so many.
cdef bint hsize_nth(const arch_t *g, uint32_t h, hsize_t *out) noexcept nogil
cdef int size_to_hstate(const arch_t *g, uint64_t size) noexcept nogil  # which has pages of so many bytes; -1: none

cdef uint32_t hugetlbfs_minor(const arch_t *g, uint32_t h) noexcept nogil  # of the device that its nameless files lie on
cdef uint64_t hugetlb_in_use(arena_t *a) noexcept nogil  # small pages of huge ones that were taken from their pools

cdef inline int64_t nr_resv(const hstate_t *pool) noexcept nogil:
    """Promised pages. Below 0 for a while, as in Linux: what an owner unmapped and its child did not is promised to nobody yet, and was taken off."""
    return <int32_t>pool.resv_huge_pages

cdef inline hstate_t *hstate_at(arena_t *a, uint32_t h) noexcept nogil:
    """Precondition: h < NR_HSTATES."""
    return &a.m.hstate[h] if h < 2 else &a.m.hstate_more[h - 2]

cdef inline uint64_t hsize_bytes(const arch_t *g, const hsize_t *s) noexcept nogil:
    return level_size(g, s.level) << s.cont_shift

cdef inline void hsize_of(arena_t *a, uint32_t h, hsize_t *out) noexcept nogil:
    """A damaged file may name a pool that there is not: then the default's."""
    if not hsize_nth(&a.m.arch, h, out):
        out.level = 1
        out.cont_shift = 0

cdef inline uint64_t huge_page_size(arena_t *a, uint32_t h) noexcept nogil:
    """Bytes."""
    cdef hsize_t s
    hsize_of(a, h, &s)
    return hsize_bytes(&a.m.arch, &s)

cdef inline uint32_t huge_page_order(arena_t *a, uint32_t h) noexcept nogil:
    cdef hsize_t s
    hsize_of(a, h, &s)
    return a.m.arch.level_shift[s.level] + s.cont_shift - a.m.arch.page_shift

cdef inline bint hstate_is_gigantic(arena_t *a, uint32_t h) noexcept nogil:
    """More than the buddy system has in one block."""
    return huge_page_order(a, h) > a.m.arch.max_order

cdef inline uint32_t hstate_of_inode(arena_t *a, idx_t inode) noexcept nogil:
    return min(inode_at(a, inode).h_index, <uint32_t>(NR_HSTATES - 1))

cdef inline uint32_t hstate_vma(arena_t *a, idx_t v) noexcept nogil:
    """Precondition: VM_HUGETLB."""
    return hstate_of_inode(a, file_at(a, vma_at(a, v).vm_file).inode)

cdef inline uint64_t vma_kernel_pagesize(arena_t *a, idx_t v) noexcept nogil:
    """Of any area."""
    return huge_page_size(a, hstate_vma(a, v)) if vma_at(a, v).vm_flags & VM_HUGETLB else <uint64_t>1 << a.m.arch.page_shift
