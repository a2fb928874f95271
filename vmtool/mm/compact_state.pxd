# cython: language_level=3
"""What compaction remembers of a zone: which pageblocks to skip, where it stopped, for which orders it is not worth while.

Counterpart: Linux v6.18 mm/compaction.c: defer_compaction(), compaction_deferred(), get_pageblock_skip(), __reset_isolation_suitable(); include/linux/compaction.h.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # compact_priority
    COMPACT_PRIO_SYNC_FULL
    COMPACT_PRIO_SYNC_LIGHT
    COMPACT_PRIO_ASYNC

cdef enum:  # compact_result
    COMPACT_NOT_SUITABLE_ZONE
    COMPACT_SKIPPED
    COMPACT_DEFERRED
    COMPACT_NO_SUITABLE_PAGE
    COMPACT_CONTINUE
    COMPACT_COMPLETE
    COMPACT_PARTIAL_SKIPPED
    COMPACT_CONTENDED
    COMPACT_SUCCESS

cdef inline uint64_t compact_gap(uint32_t order) noexcept nogil:
    """Free pages above the watermark without which compaction would soon have nowhere to move to."""
    return <uint64_t>2 << order

cdef void defer_compaction(arena_t *a, uint32_t zone, int order) noexcept nogil
cdef bint compaction_deferred(arena_t *a, uint32_t zone, int order) noexcept nogil  # counts the attempt, too
cdef bint compaction_restarting(arena_t *a, uint32_t zone, int order) noexcept nogil
cdef void compaction_defer_reset(arena_t *a, uint32_t zone, int order, bint alloc_success) noexcept nogil
cdef bint get_pageblock_skip(arena_t *a, uint64_t pfn) noexcept nogil
cdef void set_pageblock_skip(arena_t *a, uint64_t pfn) noexcept nogil
cdef void reset_cached_positions(arena_t *a, uint32_t zone) noexcept nogil
cdef void reset_isolation_suitable_zone(arena_t *a, uint32_t zone) noexcept nogil  # when the scanners have met since
cdef void reset_isolation_suitable(arena_t *a) noexcept nogil  # of every zone: kswapd goes to sleep
cdef bint pageblock_skip_persistent(arena_t *a, uint64_t pfn) noexcept nogil  # one folio of a pageblock or more
