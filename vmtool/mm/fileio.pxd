# cython: language_level=3
"""read() and write() through the page cache; bytes move through `buf`, memory of the host.

Counterpart: Linux v6.18 mm/filemap.c:filemap_read(), generic_perform_write(), fs/ext4/file.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int64_t filemap_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil  # bytes read (0: at the end), -EIO, -ENOMEM
cdef int64_t filemap_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil  # bytes written, -EFBIG, -EIO, -ENOMEM
