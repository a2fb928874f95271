# cython: language_level=3
"""Files as objects: inodes, their names, open files, and the blocks on the simulated disk.

Counterpart: Linux v6.18 fs/inode.c, fs/file_table.c, fs/namei.c; the disk stands for the block device below ext4.
"""

from vmtool.mm.arena cimport arena_t, inode_at, task_at
from vmtool.mm.types cimport *

cdef enum:  # inode_t.i_state
    MAPPING_LARGE_FOLIOS = 2  # shared memory, made while its mount's huge= was not never

# A new file; ino 0: the next free one. A shmem inode has no link (its name is never looked up and ends in " (deleted)"): it lives while it is open.
# 0: *err is EEXIST (the path has a file; not of shmem) or ENOMEM, no memory; else *err is 0.
cdef idx_t inode_create(arena_t *a, const char *path, uint32_t length, uint32_t kind, uint32_t dev_major, uint32_t dev_minor, uint64_t ino, uint64_t size, int *err) noexcept nogil
# The same on a tmpfs: shared memory with a name, which keeps it alive; its objects are in memory from the start. No page is there yet.
# 0: *err is EEXIST or ENOMEM, no memory.
cdef idx_t tmpfs_create(arena_t *a, const char *path, uint32_t length, uint32_t dev_major, uint32_t dev_minor, uint64_t ino, uint64_t size, int *err) noexcept nogil
cdef void path_unlink(arena_t *a, idx_t inode) noexcept nogil  # its name leaves the table; it goes when nothing refers to it
# 0, -ENOMEM: nothing is changed; what had that path is unlinked
cdef int path_rename(arena_t *a, idx_t inode, const char *path, uint32_t length) noexcept nogil
cdef void shmem_recalc_inode(arena_t *a, idx_t inode) noexcept nogil  # VM_NORESERVE: what is charged becomes what is there
cdef uint32_t inode_path(arena_t *a, idx_t inode, char *out, uint32_t cap) noexcept nogil  # bytes written; " (deleted)" at the end when it has no link

cdef inline bint may_write_file(arena_t *a, idx_t inode) noexcept nogil:
    """inode_owner_or_capable() or file_permission(MAY_WRITE), for the present process: root, or others' bits allow it."""
    cdef uint32_t mode = inode_at(a, inode).i_mode
    return mode == 0 or mode & S_IWOTH or a.task == 0 or task_at(a, a.task).uid == 0

# --- errors of write-back (lib/errseq.c): each open file is told of one once; who opens the file later only of one that nobody knows
cdef enum:
    ERRSEQ_FAILED = 1  # some write did
    ERRSEQ_SEEN = 2
    ERRSEQ_COUNTER = 4
    ERRSEQ_MASK = 0xFFFF

cdef inline void errseq_set(uint32_t *eseq) noexcept nogil:
    cdef uint32_t old = eseq[0]
    eseq[0] = ((old & ~<uint32_t>ERRSEQ_SEEN | ERRSEQ_FAILED) + (ERRSEQ_COUNTER if old & ERRSEQ_SEEN else 0)) & ERRSEQ_MASK

cdef inline bint errseq_check_and_advance(uint32_t *eseq, uint16_t *since) noexcept nogil:
    """Whether there is an error that this one was not told of; now he is."""
    if eseq[0] == since[0]:
        return False
    eseq[0] |= ERRSEQ_SEEN
    since[0] = <uint16_t>eseq[0]
    return (eseq[0] & ERRSEQ_FAILED) != 0

# --- open files
cdef idx_t file_open(arena_t *a, idx_t inode) noexcept nogil  # refcount 1, fresh readahead state; takes a filp object. 0: no memory
cdef void fget(arena_t *a, idx_t file) noexcept nogil  # one reference more
cdef void fput(arena_t *a, idx_t file) noexcept nogil  # the last reference closes it: its objects go, and an inode without link and mapping

# --- the disk
cdef void disk_write_block(arena_t *a, idx_t inode, uint64_t index, const char *data, uint32_t length) noexcept nogil  # at mkfile: straight to the disk
cdef void disk_put_content(arena_t *a, idx_t inode, uint64_t index, idx_t content) noexcept nogil  # the block becomes these bytes (0: a hole)
# those of pages first..last become a hole
cdef void disk_free_blocks(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil
cdef bint is_hole(arena_t *a, idx_t inode, uint64_t index) noexcept nogil  # no block there: reads as zeros without I/O
# A device request for nr_pages pages, holes left out: 0, or -EIO while the inode's fail_read says so. The bytes are the caller's business.
# Counts: PGPGIN in kB, of a request that fails too.
cdef int disk_read(arena_t *a, idx_t inode, uint64_t index, uint64_t nr_pages) noexcept nogil
# 0, or -EIO while fail_write says so. Counts: PGPGOUT in kB
cdef int disk_write(arena_t *a, idx_t inode, uint64_t index, uint64_t nr_pages) noexcept nogil

cdef uint64_t nr_prunable(arena_t *a) noexcept nogil  # inodes that a shrinker may take
cdef void prune_icache(arena_t *a, uint64_t nr) noexcept nogil
# drop_caches 2: dentries of files that nobody has open, and inodes without a cached page. Counts: DROP_SLAB.
cdef void drop_slab(arena_t *a) noexcept nogil
cdef bint inode_take_objects(arena_t *a, idx_t inode) noexcept nogil  # whoever uses a file finds its inode and dentry there; False: no memory
