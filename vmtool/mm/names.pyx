"""Strings, and the path table.

Modelled: of the dentry cache only its hash: whole paths, one bucket array of one chunk, chained through inode_t.hash_next.
Counterpart: Linux v6.18 fs/dcache.c:d_lookup(), __d_add().
# Deviation: no directories, links or permissions; a path is compared byte by byte as it was given.
Invariants (fsck): an inode with a name and a link is in the bucket of its path, once; no two share a path.
"""

from libc.string cimport memcmp, memcpy

from vmtool.mm.arena cimport ARENA_LOOP, arena_fail, arena_resize, inode_at, inode_mut, rec_alloc, rec_at, rec_free, rec_mut

cdef enum:
    NAME_BYTES = 248
    NR_BUCKETS = 4096  # 16 KiB: one chunk
    FNV_PRIME = 16777619
    FNV_BASIS = 2166136261


cdef inline name_t *piece_at(arena_t *a, idx_t i) noexcept nogil:
    return <name_t *>rec_at(a, POOL_NAME, i)


cdef idx_t name_store(arena_t *a, const char *text, uint32_t length) noexcept nogil:
    """The pieces are linked front to back; built from the last so that each knows its next."""
    cdef uint32_t at = length
    cdef uint32_t part
    cdef idx_t next = 0
    cdef idx_t i
    cdef name_t *n
    while at:
        part = (at - 1) % NAME_BYTES + 1
        at -= part
        i = rec_alloc(a, POOL_NAME)
        if i == 0:
            name_free(a, next)
            return 0
        n = <name_t *>rec_mut(a, POOL_NAME, i)
        n.next = next
        n.len = part
        memcpy(n.text, text + at, part)
        next = i
    return next


cdef uint32_t name_read(arena_t *a, idx_t name, char *out, uint32_t cap) noexcept nogil:
    cdef uint32_t done = 0
    cdef uint32_t part
    cdef name_t *n
    while name and done < cap:
        n = piece_at(a, name)
        if n.len == 0 or n.len > NAME_BYTES:
            arena_fail(a, ARENA_LOOP, POOL_NAME, name)
            break
        part = n.len if n.len < cap - done else cap - done
        memcpy(out + done, n.text, part)
        done += part
        name = n.next
    return done


cdef bint name_equal(arena_t *a, idx_t name, const char *text, uint32_t length) noexcept nogil:
    cdef uint32_t done = 0
    cdef name_t *n
    while name:
        n = piece_at(a, name)
        if n.len == 0 or n.len > length - done or memcmp(n.text, text + done, n.len):
            return False
        done += n.len
        name = n.next
    return done == length


cdef void name_free(arena_t *a, idx_t name) noexcept nogil:
    cdef idx_t next
    cdef uint32_t left = a.pool[POOL_NAME].count
    while name and left:
        next = piece_at(a, name).next
        rec_free(a, POOL_NAME, name)
        name = next
        left -= 1


cdef inline uint32_t hash_piece(uint32_t h, const char *text, uint32_t length) noexcept nogil:
    """FNV-1a: byte order and word size of the host do not enter."""
    cdef uint32_t i
    for i in range(length):
        h = (h ^ <uint8_t>text[i]) * <uint32_t>FNV_PRIME
    return h


cdef uint32_t path_bucket(arena_t *a, idx_t name) noexcept nogil:
    cdef uint32_t h = <uint32_t>FNV_BASIS
    cdef uint32_t left = a.pool[POOL_NAME].count
    cdef name_t *n
    while name and left:
        n = piece_at(a, name)
        h = hash_piece(h, n.text, n.len if n.len <= NAME_BYTES else NAME_BYTES)
        name = n.next
        left -= 1
    return h % NR_BUCKETS


cdef uint32_t nr_path_buckets() noexcept nogil:
    return NR_BUCKETS


cdef idx_t path_bucket_head(arena_t *a, uint32_t bucket) noexcept nogil:
    """The table comes with the first file; before it every bucket is empty."""
    if bucket >= a.pool[POOL_HASH].count:
        return 0
    return (<uint32_t *>rec_at(a, POOL_HASH, bucket))[0]


cdef idx_t path_lookup(arena_t *a, const char *path, uint32_t length) noexcept nogil:
    cdef idx_t i = path_bucket_head(a, hash_piece(<uint32_t>FNV_BASIS, path, length) % NR_BUCKETS)
    cdef uint32_t left = a.pool[POOL_INODE].count
    while i:
        if name_equal(a, inode_at(a, i).name, path, length):
            return i
        i = inode_at(a, i).hash_next
        left -= 1
        if left == 0:
            arena_fail(a, ARENA_LOOP, POOL_INODE, i)
            return 0
    return 0


cdef void path_hash_add(arena_t *a, idx_t inode) noexcept nogil:
    cdef uint32_t bucket = path_bucket(a, inode_at(a, inode).name)
    cdef uint32_t *head
    if a.pool[POOL_HASH].count < NR_BUCKETS and arena_resize(a, POOL_HASH, NR_BUCKETS) < 0:
        return
    head = <uint32_t *>rec_mut(a, POOL_HASH, bucket)
    inode_mut(a, inode).hash_next = head[0]
    head[0] = inode


cdef void path_hash_del(arena_t *a, idx_t inode) noexcept nogil:
    cdef uint32_t bucket = path_bucket(a, inode_at(a, inode).name)
    cdef idx_t i = path_bucket_head(a, bucket)
    cdef uint32_t left = a.pool[POOL_INODE].count
    if i == inode:
        (<uint32_t *>rec_mut(a, POOL_HASH, bucket))[0] = inode_at(a, inode).hash_next
    else:
        while i and inode_at(a, i).hash_next != inode and left:
            i = inode_at(a, i).hash_next
            left -= 1
        if i and left:
            inode_mut(a, i).hash_next = inode_at(a, inode).hash_next
    inode_mut(a, inode).hash_next = 0
