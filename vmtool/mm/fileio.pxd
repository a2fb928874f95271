# cython: language_level=3
"""read() and write() through the page cache; bytes move through `buf`, memory of the host.

Counterpart: Linux v6.18 mm/filemap.c:filemap_read(), generic_perform_write(), fs/ext4/file.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# The position after the read is remembered in the file. Bytes read (0: at the end), or, if none were, -EIO, -ENOMEM. Preconditions: the
# file is open; `buf` is the host's and has room. Counts: PGPGIN.
cdef int64_t filemap_read(arena_t *a, idx_t file, uint64_t pos, char *buf, uint64_t length) noexcept nogil
# Bytes written; if none were: -EFBIG (pos is past the largest file), -EIO (a part of a block could not be read), -ENOMEM, -ENOSPC (shared
# memory). The file may have grown. Counts: PGPGIN, NR_FILE_DIRTY; what balance_dirty_pages() writes back.
cdef int64_t filemap_write(arena_t *a, idx_t file, uint64_t pos, const char *buf, uint64_t length) noexcept nogil
