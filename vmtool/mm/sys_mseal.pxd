# cython: language_level=3
"""mseal()."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# flags: 0. 0, -EINVAL: any flag, start off a page, the end wraps; -ENOMEM: a hole, then nothing is sealed, or too many areas; -ENOSYS: a
# kernel of 32 bits.
cdef int sys_mseal(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, uint64_t flags) noexcept nogil
