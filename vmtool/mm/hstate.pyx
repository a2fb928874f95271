# cython: language_level=3
"""Which sizes of huge pages there are.

    x86-64, i386 with PAE, i386     2M (default), 1G;  2M;  4M
    arm64, pages of 4K, 16K, 64K    2M, 64K, 32M, 1G;  32M, 2M, 1G;  512M, 2M, 16G
An entry above the PTEs, an entry above that one, or a contiguous block of entries (arm64: 16 entries of 64K, 16 of 32M ...).
"""

from vmtool.mm.arch cimport ARCH_PAIRED, is_arm64
from vmtool.mm.contpte cimport cont_shift


cdef enum:
    FIRST_MINOR = 15


cdef bint is_size(const arch_t *g, int level, bint contiguous, hsize_t *out) noexcept nogil:
    """Whether pages of such a kind can be had, the default's apart. arm's short descriptors have none (CONFIG_HUGETLBFS needs LPAE)."""
    out.level = level
    out.cont_shift = cont_shift(g, level) if contiguous else 0
    if contiguous:
        return is_arm64(g)
    return level == 2 and g.levels > 2 and g.leaf_levels >> 2 & 1


cdef bint hsize_nth(const arch_t *g, uint32_t h, hsize_t *out) noexcept nogil:
    cdef uint32_t kind
    if g.flags & ARCH_PAIRED or not g.leaf_levels & 2:
        return False
    out.level = 1
    out.cont_shift = 0
    if h == 0:
        return True
    for kind in range(3):  # a block of PTEs, one of the entries above, an entry above these
        if is_size(g, <int>kind, kind != 2, out):
            h -= 1
            if h == 0:
                return True
    return False


cdef int size_to_hstate(const arch_t *g, uint64_t size) noexcept nogil:
    cdef hsize_t s
    cdef uint32_t h
    for h in range(NR_HSTATES):
        if hsize_nth(g, h, &s) and hsize_bytes(g, &s) == size:
            return <int>h
    return -1


cdef uint64_t hugetlb_in_use(arena_t *a) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t h
    for h in range(NR_HSTATES):
        if hstate_at(a, h).nr_huge_pages > hstate_at(a, h).free_huge_pages:
            n += <uint64_t>(hstate_at(a, h).nr_huge_pages - hstate_at(a, h).free_huge_pages) << huge_page_order(a, h)
    return n


cdef uint32_t hugetlbfs_minor(const arch_t *g, uint32_t h) noexcept nogil:
    """init_hugetlbfs_fs() mounts the default's first, then the others as they were registered: the largest first."""
    cdef hsize_t s
    cdef uint32_t nr = 0
    while nr < NR_HSTATES and hsize_nth(g, nr, &s):
        nr += 1
    return FIRST_MINOR + (nr - h if h else 0)
