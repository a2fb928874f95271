# cython: language_level=3
"""Level 9. Splitting a folio itself (not only its mapping) into single pages."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# An anonymous folio of order > 0 that one address space maps; false when others share it. Pages that nothing maps are freed, and
# pages full of zeros give way to the zero page.
cdef bint split_anon_folio(arena_t *a, pfn_t head) noexcept nogil
cdef bint folio_mapped_shared(arena_t *a, pfn_t head) noexcept nogil  # folio_maybe_mapped_shared() of a large anonymous one: several address spaces map it
