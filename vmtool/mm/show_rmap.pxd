# cython: language_level=3
"""The way back: who maps a frame."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Called for each entry that maps the frame: the space, the area, the address, the level of the entry (1: a huge page).
ctypedef void (*mapped_fn)(void *ctx, idx_t mm, idx_t v, vaddr_t addr, int level) noexcept nogil
cdef void frame_mappings(arena_t *a, pfn_t pfn, mapped_fn report, void *ctx) noexcept nogil
