# cython: language_level=3
"""Folios that locked areas map: off the lists that reclaim looks at. Counterpart: Linux v6.18 mm/mlock.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# What is asked for waits in a batch of 31; each caller has seen that an area with VM_LOCKED maps the whole folio.
cdef void mlock_folio(arena_t *a, pfn_t head) noexcept nogil
cdef void mlock_new_folio(arena_t *a, pfn_t head) noexcept nogil  # one that is on no list yet: instead of folio_add_lru()
cdef void munlock_folio(arena_t *a, pfn_t head) noexcept nogil
cdef void mlock_drain(arena_t *a, cpu_fbatches_t *b) noexcept nogil  # do what the batch of a CPU asks
cdef void put_batched(arena_t *a, pfn_t head) noexcept nogil  # the reference that a place of a batch has
