# cython: language_level=3
"""msync() and mincore()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# start..start+length, any length; MS_ flags. 0, -EINVAL: no such flags, or start is off a page; -ENOMEM: a hole (what is mapped is written
# all the same), or the end wraps; -EBUSY: MS_INVALIDATE of a locked area; -EIO: as fsync().
cdef int sys_msync(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil
# Into vec, which has room for nr_pages bytes: bit 0, it is in memory. 0, -ENOMEM: a hole; what is before it is told. Precondition: start is
# page-aligned.
cdef int sys_mincore(arena_t *a, idx_t mm, vaddr_t start, uint64_t nr_pages, char *vec) noexcept nogil
