# cython: language_level=3
"""Where a mapping goes: get_unmapped_area() and what is around it."""

from vmtool.mm.arch cimport page_align, page_size
from vmtool.mm.arena cimport arena_t
from vmtool.mm.layout cimport layout_of, layout_t, unmapped_base
from vmtool.mm.types cimport *

cdef enum:
    MAX_ERRNO = 4095

# The address; `pgoff` matters for files alone (what kind: by inode). length > 0 and page-aligned, as addr is with MAP_FIXED. Instead of it,
# is_err(): -ENOMEM (no gap, or it ends past task_size), -EINVAL (MAP_FIXED off a page, or below the first address), -EPERM (below
# vm.mmap_min_addr).
cdef uint64_t get_unmapped_area(arena_t *a, idx_t mm, idx_t file, vaddr_t addr, uint64_t length, uint64_t pgoff, uint64_t map_flags) noexcept nogil
cdef inline bint is_err(uint64_t v) noexcept nogil:
    return v >= <uint64_t>-MAX_ERRNO
cdef inline vaddr_t mmap_min_addr(arena_t *a) noexcept nogil:
    """update_mmap_min_addr(): what the kernel chooses, or a stack grows to, is not below the security module's limit either."""
    return max(a.m.mmap_min_addr, layout_of(&a.m.arch, 0).lsm_min)
cdef inline vaddr_t round_hint_to_min(arena_t *a, vaddr_t hint) noexcept nogil:
    """A hint in a page that may not be mapped moves up to the first that may; none stays none."""
    hint &= ~(page_size(&a.m.arch) - 1)
    if hint != 0 and hint < mmap_min_addr(a):
        return page_align(&a.m.arch, mmap_min_addr(a))
    return hint
# mmap_base for a new image: below the stack that ends at `stack_top`, whose limit (and what randomization takes of it) is given; rnd: 0 without ASLR.
cdef uint64_t mmap_base_for(arena_t *a, uint64_t stack_top, uint64_t stack_limit, uint64_t rnd) noexcept nogil
