# cython: language_level=3
"""Strings in pieces of 248 bytes, and the table from a path to its inode.

Counterpart: struct filename and the dentry hash (Linux v6.18 fs/dcache.c), flat: a path is one name.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef idx_t name_store(arena_t *a, const char *text, uint32_t length) noexcept nogil  # 0: empty, or no memory of the host's
cdef uint32_t name_read(arena_t *a, idx_t name, char *out, uint32_t cap) noexcept nogil  # bytes written
cdef void name_free(arena_t *a, idx_t name) noexcept nogil  # Precondition: it is one

cdef idx_t path_lookup(arena_t *a, const char *path, uint32_t length) noexcept nogil  # inode, 0: none
cdef void path_hash_add(arena_t *a, idx_t inode) noexcept nogil  # by its name. Preconditions: not in the table, no other has that path
cdef void path_hash_del(arena_t *a, idx_t inode) noexcept nogil
cdef uint32_t path_bucket(arena_t *a, idx_t name) noexcept nogil  # where a path of that name belongs
cdef uint32_t nr_path_buckets() noexcept nogil
cdef idx_t path_bucket_head(arena_t *a, uint32_t bucket) noexcept nogil
