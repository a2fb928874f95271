# cython: language_level=3
"""Taking a folio of the page cache out of every area that maps it, and cutting it into single pages."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# One address space at most maps the folio (folio_maybe_mapped_shared() is false). Preconditions: a folio of a file.
cdef bint file_folio_is_one_mms(arena_t *a, pfn_t head) noexcept nogil
cdef void try_to_unmap(arena_t *a, pfn_t head) noexcept nogil  # of a file; accessed bits are lost
cdef void drop_past_end(arena_t *a, idx_t inode, pfn_t head, uint64_t nr_pages) noexcept nogil  # single pages that a split left behind the file's end
# False: dirty, and its buffers cannot be released. Else nothing maps it any more and each page is a folio of its own.
cdef bint split_file_folio(arena_t *a, pfn_t head) noexcept nogil
