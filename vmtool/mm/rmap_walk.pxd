# cython: language_level=3
"""What reclaim asks of those who map a folio: was it used, and: let it go; what compaction does: look for it elsewhere.

Counterpart: Linux v6.18 mm/rmap.c:folio_referenced(), try_to_unmap(), rmap_walk().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Entries with the accessed bit, which goes; *vm_flags: of the areas that used it (VM_LOCKED: of one that locks it, and nothing else counts).
# Areas of other groups are left out when reclaim is for one (memcg != 0).
cdef uint32_t folio_referenced(arena_t *a, pfn_t head, idx_t memcg, uint64_t *vm_flags) noexcept nogil
# Every entry of the folio goes: a file's are empty then, an anonymous page's name its slot (PG_swapcache), a lazily freed one's are empty unless
# it was written to. A locked area keeps it. Nothing mapped any more: true.
cdef bint try_to_unmap(arena_t *a, pfn_t head) noexcept nogil
# Every entry of the folio, which small entries map, names the frames from `to` on instead.
cdef void remap_folio(arena_t *a, pfn_t head, pfn_t to) noexcept nogil
