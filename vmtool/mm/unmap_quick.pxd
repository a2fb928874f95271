# cython: language_level=3
"""The common unmapping in one pass: anonymous pages that one entry maps and nobody else holds, one after another."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.pte cimport ptes_t
from vmtool.mm.types cimport *

# The entries from i on, before `end`, as long as each maps such a page: they become zero, the pages free, as zap_present_pte() leaves them.
# Returns: how many they were; their rss and the TLB's flush are the caller's. Preconditions: the table is open to change, the area not locked.
cdef uint32_t zap_sole_run(arena_t *a, ptes_t *ptes, uint32_t i, uint32_t end) noexcept nogil
