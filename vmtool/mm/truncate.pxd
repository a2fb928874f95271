# cython: language_level=3
"""Taking pages out of the cache: truncation, holes, invalidation.

Counterpart: Linux v6.18 mm/truncate.c, fs/ext4/inode.c:ext4_setattr(), ext4_punch_hole(), fs/drop_caches.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef inline uint64_t max_file_bytes() noexcept nogil:
    """s_maxbytes of ext4 with 4 KiB blocks, less one block."""
    return <uint64_t>1 << 44

# The file's size; what is past it is unmapped, private copies too. Nobody asks whether the rest of the last block could be made zeros. 0, -EFBIG.
cdef int do_truncate(arena_t *a, idx_t inode, uint64_t size) noexcept nogil
# Bytes become zeros, whole blocks a hole; private copies stay, the size too. 0, -EINVAL: length is 0, or an offset is negative; -EFBIG:
# past the largest file; -EIO, -ENOMEM: a border's page could not be had.
cdef int punch_hole(arena_t *a, idx_t inode, uint64_t offset, uint64_t length) noexcept nogil
# what start..end-1 covers in part; what a write far past the end does too. 0, -EIO, -ENOMEM
cdef int zero_partial_blocks(arena_t *a, idx_t inode, uint64_t start, uint64_t end) noexcept nogil
cdef uint64_t invalidate_range(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil  # clean, unmapped folios wholly in first..last go; pages dropped
cdef void drop_caches(arena_t *a, uint32_t what) noexcept nogil  # bit 0: pages, bit 1: slabs
