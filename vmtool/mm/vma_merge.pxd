# cython: language_level=3
"""Merging, splitting and changing areas. Counterpart: Linux v6.18 mm/vma.c, vma_merge_struct and its users."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct vmg_t:  # struct vma_merge_struct: what is to be merged, and where
    idx_t mm
    idx_t prev  # the area before start
    idx_t middle  # the area being changed; 0: a new range
    idx_t next  # the area after (a new range); set by the merge of an existing one
    idx_t target  # the area that took the range in
    vaddr_t start
    vaddr_t end
    uint64_t pgoff
    uint64_t vm_flags
    idx_t vm_file
    idx_t anon_vma
    idx_t anon_name
    uint32_t kind
    idx_t copied_from  # mremap: whose pages will come
    bint just_expand  # brk: the area before takes it, or nobody
    int err  # why a merge or vma_modify() gave no area, when one would have; 0: nothing merges

# of a new range of mm: no neighbours, no file, no anon_vma yet
cdef void vmg_init(arena_t *a, vmg_t *g, idx_t mm, vaddr_t start, vaddr_t end, uint64_t vm_flags, uint64_t pgoff) noexcept nogil
# of a part of v, with all that v has; flags or name are then set to what they shall be
cdef void vmg_from_vma(arena_t *a, vmg_t *g, idx_t mm, idx_t prev, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil
# The area that took the new range in; 0: none can, or no memory (g.err is -ENOMEM), and nothing is changed. Preconditions: the range is free; g.prev and
# g.next are its neighbours.
cdef idx_t vma_merge_new_range(arena_t *a, vmg_t *g) noexcept nogil
# Give start..end of g.middle the flags (name) of g: merges with its neighbours or splits; the flags of an area that is not merged the
# caller sets. The area that now is that range; 0: g.err is -ENOMEM, too many areas or no memory, or -EINVAL, what split_vma_nocheck()
# refuses. What was split before stays so. Precondition: the range is within g.middle.
cdef idx_t vma_modify(arena_t *a, vmg_t *g) noexcept nogil
# the same with other flags; 0: *err is -ENOMEM or -EINVAL, no memory among it; else *err is 0
cdef idx_t vma_modify_flags(arena_t *a, idx_t mm, idx_t prev, idx_t v, vaddr_t start, vaddr_t end, uint64_t vm_flags, int *err) noexcept nogil
# Split at addr, which is aligned and inside; the new area is the upper piece. 0, -EINVAL: [vdso] and its like, or within a huge page of a
# pool; -ENOMEM: no memory. The limit of areas is the caller's.
cdef int split_vma_nocheck(arena_t *a, idx_t mm, idx_t v, vaddr_t addr) noexcept nogil
# Shrink or grow a linked area in place.
cdef void remove_vma(arena_t *a, idx_t mm, idx_t v) noexcept nogil  # unlinks it and drops its file, name and chains
