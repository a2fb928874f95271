# cython: language_level=3
"""Folios move to other frames: bytes, flags, places in caches, entries.

Counterpart: Linux v6.18 mm/migrate.c: migrate_pages(), putback_movable_pages().
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # migrate_mode
    MIGRATE_ASYNC
    MIGRATE_SYNC_LIGHT
    MIGRATE_SYNC

cdef enum:
    MAX_MIGRATE_FOLIOS = 512  # of one turn: a pageblock's

cdef struct folio_list_t:  # off the LRU, each with a reference for it; the last one is the first of Linux's list
    uint32_t nr
    uint32_t head[MAX_MIGRATE_FOLIOS]
    uint32_t mlock_count[MAX_MIGRATE_FOLIOS]

ctypedef pfn_t (*new_folio_fn)(arena_t *a, void *ctx, uint32_t order) noexcept nogil  # 0: there is no room
ctypedef void (*free_folio_fn)(arena_t *a, void *ctx, pfn_t pfn, uint32_t order) noexcept nogil  # it was not needed

cdef void isolate_folio(arena_t *a, folio_list_t *list, pfn_t head) noexcept nogil  # off its LRU list. Preconditions: PG_lru; room in the list
cdef void putback_movable_pages(arena_t *a, folio_list_t *list) noexcept nogil  # the list is empty then
# Those that did not move stay on the list. Returns how many folios did not, or -ENOMEM: no room.
cdef int migrate_pages(arena_t *a, folio_list_t *list, new_folio_fn get_new, free_folio_fn put_new, void *ctx, uint32_t mode, uint32_t *nr_succeeded) noexcept nogil
