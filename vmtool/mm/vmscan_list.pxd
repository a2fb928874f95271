# cython: language_level=3
"""Reclaim at work on one list: folios taken from its tail, each judged, freed or put back.

Counterpart: Linux v6.18 mm/vmscan.c:isolate_lru_folios(), shrink_folio_list(), shrink_inactive_list(), shrink_active_list(), reclaim_pages().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    DEACTIVATE_ANON = 1
    DEACTIVATE_FILE = 2

cdef enum reclaimer:
    RECLAIM_KSWAPD
    RECLAIM_DIRECT
    RECLAIM_PROACTIVE

cdef struct scan_control_t:  # scan_control
    uint64_t nr_to_reclaim
    uint64_t nr_scanned
    uint64_t nr_reclaimed
    idx_t memcg  # the group that hit its limit, 0: the machine
    uint32_t by  # reclaimer
    int32_t priority
    uint32_t order
    uint32_t reclaim_idx  # the highest zone that helps
    uint64_t anon_cost
    uint64_t file_cost
    uint32_t may_deactivate
    bint force_deactivate
    bint skipped_deactivate
    bint may_writepage
    bint may_unmap
    bint may_swap
    bint cache_trim_mode
    bint no_cache_trim_mode
    bint cache_trim_mode_failed
    bint file_is_tiny
    bint memcg_low_reclaim
    bint memcg_low_skipped
    bint compaction_ready  # a zone has enough for compaction: nothing more is reclaimed
    bint memcg_full_walk
    bint ignore_references  # MADV_PAGEOUT

# pages reclaimed. Counts: PGSCAN_*, PGSTEAL_*, by who reclaims, NR_ISOLATED_*
cdef uint64_t shrink_inactive_list(arena_t *a, lruvec_t *lruvec, scan_control_t *sc, uint32_t lru, uint64_t nr_to_scan) noexcept nogil
# to the inactive list but for code that was used. Counts: PGREFILL, PGDEACTIVATE
# to the inactive list. Counts: PGREFILL, PGDEACTIVATE
cdef void shrink_active_list(arena_t *a, lruvec_t *lruvec, scan_control_t *sc, uint32_t lru, uint64_t nr_to_scan) noexcept nogil
# Folios that the caller isolated, with a reference each, which goes: those that stay go back by a CPU's batch, or (clean ones of files) are
# on their lists again.
cdef void reclaim_pages(arena_t *a, pfn_t *folios, uint32_t nr) noexcept nogil
cdef void reclaim_clean_pages(arena_t *a, pfn_t *folios, uint32_t nr) noexcept nogil
