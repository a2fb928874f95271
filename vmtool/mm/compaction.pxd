# cython: language_level=3
"""Compaction: movable folios go to the end of their zone, so that free frames lie together. Counterpart: Linux v6.18 mm/compaction.c."""

from vmtool.mm.arena cimport alloc_context_t, arena_t
from vmtool.mm.types cimport *

cdef void compact_nodes(arena_t *a) noexcept nogil  # vm.compact_memory: every zone, whole
# Direct compaction, zone by zone from the highest that the allocation may use. Returns a compact_result; *captured: a block that is the caller's.
cdef uint32_t try_to_compact_pages(arena_t *a, const alloc_context_t *ac, uint32_t prio, pfn_t *captured) noexcept nogil
cdef void wakeup_kcompactd(arena_t *a, uint32_t order, uint32_t highest) noexcept nogil  # it runs when the processor is given away
cdef void kcompactd_proactive(arena_t *a) noexcept nogil  # vm.compaction_proactiveness was written
cdef void kcompactd_if_woken(arena_t *a) noexcept nogil
cdef void kcompactd_until(arena_t *a) noexcept nogil  # time has passed: what it does every half second
