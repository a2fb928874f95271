# cython: language_level=3
"""Machines of older files: what a large folio keeps of its mappings. Counterpart: none in Linux."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void large_upgrade(arena_t *a) noexcept nogil
