# cython: language_level=3
"""pkey_alloc(), pkey_free(), and the instruction that opens and closes a key."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# PKEY_DISABLE_ rights. The key; -EINVAL: any flag, no such rights; -ENOSPC: none is free, or there are no keys here
cdef int sys_pkey_alloc(arena_t *a, idx_t task, uint64_t flags, uint64_t access_rights) noexcept nogil
cdef int sys_pkey_free(arena_t *a, idx_t mm, int64_t pkey) noexcept nogil  # 0, -EINVAL: it is not allocated
cdef int wrpkru(arena_t *a, idx_t task, uint32_t value) noexcept nogil  # 0, or -1: there is no such instruction here
