# cython: language_level=3
"""Level 9. Folios kept off the lists that reclaim looks at, because a locked area maps them."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef void mlock_folio(arena_t *a, pfn_t pfn) noexcept nogil
# The area v, which maps the page, is locked no longer or about to lose it; the folio is evictable unless another locked area maps it.
cdef void munlock_folio(arena_t *a, pfn_t pfn, idx_t v) noexcept nogil
