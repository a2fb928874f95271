# cython: language_level=3
"""The areas of one address space, ordered by address: find, link, unlink, change a range, search a gap.

It knows nothing of what an area maps. Counterpart: the maple tree of mm_struct and its users in Linux v6.18 mm/vma.c.
"""

from vmtool.mm.arena cimport arena_t, mm_at, mm_mut, vma_at, vma_mut
from vmtool.mm.types cimport *

cdef enum:
    VM_SPECIAL = 0x10044400  # IO, DONTEXPAND, PFNMAP, MIXEDMAP
    VM_LOCKED_MASK = 0x82000
    STACK_GUARD_GAP_PAGES = 256

# First area with vm_end > addr, which may begin behind it; 0: none.
cdef idx_t find_vma(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil
# *prev: the one before it, of none the last; 0: none
cdef idx_t find_vma_prev(arena_t *a, idx_t mm, vaddr_t addr, idx_t *prev) noexcept nogil
# the first that has a byte of start..end-1; 0: none
cdef idx_t find_vma_intersection(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end) noexcept nogil
cdef idx_t vma_lookup(arena_t *a, idx_t mm, vaddr_t addr) noexcept nogil  # the one that contains addr
# Put a new area (range set, which no other has a byte of) into tree and list; take one out. map_count follows; the maple tree is
# vma_iter's.
cdef void vma_link(arena_t *a, idx_t mm, idx_t v) noexcept nogil
cdef void vma_unlink(arena_t *a, idx_t mm, idx_t v) noexcept nogil
# Move the ends of a linked area; it must keep its place among its neighbours.
cdef void vma_set_range(arena_t *a, idx_t mm, idx_t v, vaddr_t start, vaddr_t end, uint64_t pgoff) noexcept nogil
# The highest (lowest) free gap of at least `length` bytes within low..high: its clipped ends. False when there is none.
cdef bint gap_highest(arena_t *a, idx_t mm, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *gap_start, vaddr_t *gap_end) noexcept nogil
cdef bint gap_lowest(arena_t *a, idx_t mm, vaddr_t low, vaddr_t high, uint64_t length, vaddr_t *gap_start, vaddr_t *gap_end) noexcept nogil
cdef int vma_tree_validate(arena_t *a, idx_t mm) noexcept nogil  # 0 or what is wrong (1 order, 2 list, 3 gap, 4 count)

cdef inline uint64_t vma_pages(arena_t *a, const vma_t *v) noexcept nogil:
    return (v.vm_end - v.vm_start) >> a.m.arch.page_shift

cdef inline uint64_t stack_guard_gap(arena_t *a) noexcept nogil:
    return <uint64_t>STACK_GUARD_GAP_PAGES << a.m.arch.page_shift

cdef inline vaddr_t vm_start_gap(arena_t *a, const vma_t *v) noexcept nogil:
    """Where the room in front of the area ends: below a stack its guard gap counts as taken."""
    if v.vm_flags & VM_GROWSDOWN:
        return v.vm_start - stack_guard_gap(a) if v.vm_start > stack_guard_gap(a) else 0
    return v.vm_start

cdef inline bint vma_soft_dirty_enabled(arena_t *a, uint64_t vm_flags) noexcept nogil:
    """Whether each page says for itself if it was written: where the area does not say it of all."""
    return a.m.arch.soft_dirty != 0 and not vm_flags & VM_SOFTDIRTY

cdef inline uint64_t vm_softdirty(arena_t *a) noexcept nogil:
    """What a new or grown area has: a place unmapped and mapped anew is new data."""
    return VM_SOFTDIRTY if a.m.arch.soft_dirty else 0

cdef inline bint vma_is_anonymous(const vma_t *v) noexcept nogil:
    return v.vm_file == 0 and v.kind == VMA_PLAIN

cdef inline uint64_t linear_page_index(arena_t *a, const vma_t *v, vaddr_t addr) noexcept nogil:
    return ((addr - v.vm_start) >> a.m.arch.page_shift) + v.vm_pgoff

cdef inline bint vma_has_index(arena_t *a, const vma_t *v, uint64_t index) noexcept nogil:
    return index >= v.vm_pgoff and index - v.vm_pgoff < vma_pages(a, v)

cdef inline vaddr_t vma_address(arena_t *a, const vma_t *v, uint64_t index) noexcept nogil:
    """Where the area has page `index` of its file or of its anon_vma. Precondition: vma_has_index()."""
    return v.vm_start + ((index - v.vm_pgoff) << a.m.arch.page_shift)
