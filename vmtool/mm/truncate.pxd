# cython: language_level=3
"""Taking pages out of the cache: truncation, holes, invalidation.

Counterpart: Linux v6.18 mm/truncate.c, fs/ext4/inode.c:ext4_setattr(), ext4_punch_hole(), fs/drop_caches.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int do_truncate(arena_t *a, idx_t inode, uint64_t size) noexcept nogil  # 0, -EFBIG, -EIO (the last page could not be read); unmaps what is past the end, private copies too
cdef int punch_hole(arena_t *a, idx_t inode, uint64_t offset, uint64_t length) noexcept nogil  # 0, -EINVAL, -EIO; private copies stay
cdef int zero_partial_blocks(arena_t *a, idx_t inode, uint64_t start, uint64_t end) noexcept nogil  # 0, -EIO, -ENOMEM; what a write far past the end does too
cdef uint64_t invalidate_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # clean, unmapped folios wholly in first..last go; pages dropped
cdef void drop_caches(arena_t *a, uint32_t what) noexcept nogil  # bit 0: pages, bit 1: slabs
