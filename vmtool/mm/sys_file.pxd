# cython: language_level=3
"""msync() and mincore()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# start..start+length, any length; MS_ flags. 0, -EINVAL: no such flags, or start is off a page; -ENOMEM: a hole (what is mapped is written
# all the same), or the end wraps; -EBUSY: MS_INVALIDATE of a locked area; -EIO: as fsync().
cdef int sys_msync(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil
# Into vec, which has room for so many bytes, one for each page that length begins: bit 0, it is in memory. 0, -EINVAL: start is off a page;
# -ENOMEM: the end is beyond a program's addresses, or a hole (what is before it is told); -EFAULT: vec is too short for what is mapped.
cdef int sys_mincore(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, char *vec, uint64_t room) noexcept nogil
cdef uint64_t mincore_pages(const arch_t *g, uint64_t length) noexcept nogil  # bytes that its answer has
