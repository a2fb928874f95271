"""Inodes, open files and the disk.

Modelled: struct inode with its dentry, struct file with file_ra_state, and a block device of 4 KiB blocks that can be told to fail.
Counterpart: Linux v6.18 fs/inode.c:evict(), fs/file_table.c:alloc_empty_file(), __fput(), fs/drop_caches.c.
# Deviation: all of a new file is allocated, zeros too; the journal and the metadata are not read or written.

Life of an inode: path_create -> linked -> path_unlink -> (deleted), while a file_t refers to it -> evicted at the last fput().
Invariants (fsck_cache): nr_open = file_t records of the inode; nlink 0 and nr_open 0 does not exist; nr_blocks = blocks with contents.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport content_alloc, content_free, content_mut, file_at, file_mut, inode_at, inode_mut, rec_alloc, rec_free, runs_in_circle, task_at
from vmtool.mm.cred cimport cred_get, cred_put
from vmtool.mm.filemap cimport filemap_remove_all
from vmtool.mm.names cimport name_free, name_read, name_store, path_hash_add, path_hash_del, path_lookup
from vmtool.mm.slab cimport CACHE_DENTRY, CACHE_EXT4_INODE, CACHE_FILP, CACHE_LSM_FILE, CACHE_LSM_INODE, CACHE_SHMEM_INODE, kmem_cache_alloc, kmem_cache_free, kmem_cache_free_rcu
from vmtool.mm.trace cimport TR_DISK_READ, TR_DISK_WRITE, trace3
from vmtool.mm.vmstat cimport DROP_SLAB, PGPGIN, PGPGOUT, count_vm_event, count_vm_events
from vmtool.mm.xnode cimport xnode_free_all, xnode_get, xnode_next, xnode_set

cdef enum:
    EXT4_FIRST_INO = 12  # the first that is not the file system's own, after lost+found
    FOREVER = 0xFFFFFFFF  # fail_read, fail_write


# A file that lies on the disk alone has no objects: the first who opens it brings its inode and dentry into memory.


cdef inline uint16_t errseq_sample(uint32_t eseq) noexcept nogil:
    """What who opens the file has been told of."""
    return <uint16_t>(eseq if eseq & ERRSEQ_SEEN else 0)


cdef bint inode_take_objects(arena_t *a, idx_t inode) noexcept nogil:
    """The inode, LSM's part of it and its dentry in their slabs; the shrinkers may have taken them."""
    cdef inode_t *i = inode_mut(a, inode)
    cdef int cache = CACHE_SHMEM_INODE if i.kind == INODE_SHMEM else CACHE_EXT4_INODE
    if i.obj[0] == 0:
        i.obj[0] = kmem_cache_alloc(a, cache)
    if i.obj[1] == 0:
        i.obj[1] = kmem_cache_alloc(a, CACHE_DENTRY)
    if i.lsm_obj == 0:
        i.lsm_obj = kmem_cache_alloc(a, CACHE_LSM_INODE)
    return i.obj[0] != 0 and i.obj[1] != 0 and i.lsm_obj != 0


cdef void inode_give_objects(arena_t *a, idx_t inode) noexcept nogil:
    cdef inode_t *i = inode_mut(a, inode)
    kmem_cache_free_rcu(a, CACHE_DENTRY, i.obj[1])
    kmem_cache_free(a, CACHE_LSM_INODE, i.lsm_obj)
    kmem_cache_free_rcu(a, CACHE_SHMEM_INODE if i.kind == INODE_SHMEM else CACHE_EXT4_INODE, i.obj[0])
    i.obj[0] = 0
    i.obj[1] = 0
    i.lsm_obj = 0


cdef uint64_t next_ino(arena_t *a, uint32_t kind) noexcept nogil:
    cdef uint64_t ino
    if kind == INODE_SHMEM:
        ino = a.m.next_shmem_ino if a.m.next_shmem_ino else 1
        a.m.next_shmem_ino = ino + 1
    else:
        ino = a.m.next_ino if a.m.next_ino else EXT4_FIRST_INO
        a.m.next_ino = ino + 1
    return ino


cdef uint32_t shmem_mount_of(const char *path, uint32_t length) noexcept nogil:
    if length == 9 and memcmp(path, <const char *>b"/dev/zero", 9) == 0:
        return SHMEM_ANON
    return SHMEM_TMPFS if length > 9 and memcmp(path, <const char *>b"/dev/shm/", 9) == 0 else SHMEM_FILE


cdef void shmem_init_inode(arena_t *a, inode_t *i, uint32_t mount) noexcept nogil:
    """__shmem_get_inode(): whether it can have large folios is settled here."""
    cdef uint32_t huge = a.m.tmpfs_huge if mount == SHMEM_TMPFS else a.m.shmem_huge
    i.s_mount = mount
    i.i_state &= ~<uint32_t>MAPPING_LARGE_FOLIOS
    if huge != SHMEM_HUGE_NEVER and huge != SHMEM_HUGE_DENY and huge != SHMEM_HUGE_FORCE:
        i.i_state |= MAPPING_LARGE_FOLIOS


cdef idx_t inode_create(arena_t *a, const char *path, uint32_t length, uint32_t kind, uint32_t dev_major, uint32_t dev_minor, uint64_t ino, uint64_t size, int *err) noexcept nogil:
    cdef idx_t inode
    cdef inode_t *i
    err[0] = 0
    if kind != INODE_SHMEM and path_lookup(a, path, length):
        err[0] = EEXIST
        return 0
    inode = rec_alloc(a, POOL_INODE)
    if inode == 0:
        err[0] = ENOMEM
        return 0
    i = inode_mut(a, inode)
    i.kind = kind
    i.ino = ino if ino else next_ino(a, kind)
    i.dev_major = dev_major
    i.dev_minor = dev_minor
    i.size = size
    i.alloc_end = (size + page_size(&a.m.arch) - 1) // page_size(&a.m.arch)
    i.name = name_store(a, path, length)
    a.m.nr_inodes += 1
    if kind != INODE_SHMEM:
        i.nlink = 1
        path_hash_add(a, inode)
    else:
        shmem_init_inode(a, i, shmem_mount_of(path, length))
    return inode


cdef idx_t tmpfs_create(arena_t *a, const char *path, uint32_t length, uint32_t dev_major, uint32_t dev_minor, uint64_t ino, uint64_t size, int *err) noexcept nogil:
    """shmem_mknod(): charged page by page. # Deviation: the mount has no size; what it holds is limited by memory and swap alone."""
    cdef idx_t inode = 0
    cdef inode_t *i
    err[0] = EEXIST
    if path_lookup(a, path, length) == 0:
        inode = inode_create(a, path, length, INODE_SHMEM, dev_major, dev_minor, ino, size, err)
    if inode == 0:
        return 0
    i = inode_mut(a, inode)
    shmem_init_inode(a, i, SHMEM_TMPFS)
    i.shmem_flags |= VM_NORESERVE
    i.nlink = 1
    path_hash_add(a, inode)
    if not inode_take_objects(a, inode):
        path_unlink(a, inode)
        err[0] = ENOMEM
        return 0
    return inode


cdef void shmem_recalc_inode(arena_t *a, idx_t inode) noexcept nogil:
    cdef inode_t *i = inode_at(a, inode)
    cdef uint64_t there = i.nrpages + i.nr_swapped
    if i.shmem_flags & VM_NORESERVE and i.accounted > there:
        i = inode_mut(a, inode)
        a.m.vm_committed_as -= <int64_t>(i.accounted - there)
        i.accounted = there


cdef void inode_evict(arena_t *a, idx_t inode) noexcept nogil:
    """Nothing refers to it: pages, blocks, name and objects go. Source: evict(), ext4_evict_inode()."""
    cdef inode_t *i
    if a.shmem_free_swap != NULL and inode_at(a, inode).nr_swapped:
        a.shmem_free_swap(a, inode, 0, <uint64_t>-1)
    filemap_remove_all(a, inode)
    xnode_free_all(a, &inode_mut(a, inode).huge_pages, NULL)
    disk_free_blocks(a, inode, 0, <uint64_t>-1)
    i = inode_mut(a, inode)
    a.m.vm_committed_as -= <int64_t>i.accounted
    xnode_free_all(a, &i.blocks, NULL)
    name_free(a, i.name)
    inode_give_objects(a, inode)
    rec_free(a, POOL_INODE, inode)
    a.m.nr_inodes -= 1


cdef void path_unlink(arena_t *a, idx_t inode) noexcept nogil:
    cdef inode_t *i = inode_mut(a, inode)
    if i.nlink:
        path_hash_del(a, inode)
        i.nlink = 0
    if i.nr_open == 0:
        inode_evict(a, inode)


cdef int path_rename(arena_t *a, idx_t inode, const char *path, uint32_t length) noexcept nogil:
    cdef idx_t there = path_lookup(a, path, length)
    cdef idx_t name
    cdef inode_t *i
    if there == inode:
        return 0
    name = name_store(a, path, length)
    if name == 0:
        return -ENOMEM
    if there:
        if a.alloc_da_blocks != NULL:
            a.alloc_da_blocks(a, inode)  # who replaces a file by a new one finds that on the disk: ext4_rename()
        path_unlink(a, there)
    i = inode_mut(a, inode)
    if i.nlink:
        path_hash_del(a, inode)
    name_free(a, i.name)
    i.name = name
    if i.nlink:
        path_hash_add(a, inode)
    return 0


cdef uint32_t inode_path(arena_t *a, idx_t inode, char *out, uint32_t cap) noexcept nogil:
    cdef inode_t *i = inode_at(a, inode)
    cdef uint32_t done = name_read(a, i.name, out, cap)
    cdef const char *suffix = b" (deleted)"
    if i.nlink == 0 and cap - done >= 10:
        memcpy(out + done, suffix, 10)
        done += 10
    return done


cdef idx_t file_open(arena_t *a, idx_t inode) noexcept nogil:
    cdef idx_t file
    cdef file_t *f
    if not inode_take_objects(a, inode):
        return 0
    file = rec_alloc(a, POOL_FILE)
    if file == 0:
        return 0
    f = file_mut(a, file)
    f.obj = kmem_cache_alloc(a, CACHE_FILP)
    f.lsm_obj = kmem_cache_alloc(a, CACHE_LSM_FILE)
    if f.obj == 0 or f.lsm_obj == 0:
        kmem_cache_free(a, CACHE_LSM_FILE, f.lsm_obj)
        kmem_cache_free(a, CACHE_FILP, f.obj)
        rec_free(a, POOL_FILE, file)
        return 0
    f.f_cred = cred_get(a, task_at(a, a.task).cred) if a.task else 0
    f.refcount = 1
    f.inode = inode
    f.prev_pos = -1
    f.f_wb_err = errseq_sample(inode_at(a, inode).wb_err)
    inode_mut(a, inode).nr_open += 1
    return file


cdef void fget(arena_t *a, idx_t file) noexcept nogil:
    file_mut(a, file).refcount += 1


cdef void release_file(arena_t *a, idx_t inode) noexcept nogil:
    """Who truncates a file to nothing, writes it anew and closes it finds it on the disk (auto_da_alloc). Source: ext4_release_file()."""
    if inode_at(a, inode).i_state & EXT4_STATE_DA_ALLOC_CLOSE:
        inode_mut(a, inode).i_state &= ~<uint32_t>EXT4_STATE_DA_ALLOC_CLOSE
        if a.alloc_da_blocks != NULL:
            a.alloc_da_blocks(a, inode)


cdef void fput(arena_t *a, idx_t file) noexcept nogil:
    cdef file_t *f = file_mut(a, file)
    cdef idx_t inode = f.inode
    cdef inode_t *i
    f.refcount -= 1
    if f.refcount:
        return
    release_file(a, inode)
    cred_put(a, f.f_cred)
    kmem_cache_free(a, CACHE_LSM_FILE, f.lsm_obj)
    kmem_cache_free(a, CACHE_FILP, f.obj)
    rec_free(a, POOL_FILE, file)
    i = inode_mut(a, inode)
    i.nr_open -= 1
    if i.nr_open == 0 and i.nlink == 0:
        inode_evict(a, inode)


cdef void disk_put_content(arena_t *a, idx_t inode, uint64_t index, idx_t content) noexcept nogil:
    cdef inode_t *i = inode_mut(a, inode)
    cdef idx_t old = xnode_get(a, i.blocks, index)
    if old == content:
        return
    if xnode_set(a, &i.blocks, index, content, NULL) < 0:
        return  # the host has no memory: arena.err is set, the image will not be committed
    if old:
        content_free(a, old)
        i.nr_blocks -= 1
    if content:
        i.nr_blocks += 1
        if i.holes:
            xnode_set(a, &i.holes, index, 0, NULL)
        if index == i.alloc_end:
            i.alloc_end += 1


cdef void disk_write_block(arena_t *a, idx_t inode, uint64_t index, const char *data, uint32_t length) noexcept nogil:
    """A block of zeros stays a hole in the store: it reads the same and costs nothing."""
    cdef idx_t content
    cdef uint32_t n = 0
    while n < length and data[n] == 0:
        n += 1
    if n == length:
        disk_put_content(a, inode, index, 0)
        return
    content = content_alloc(a)
    if content == 0:
        return
    memcpy(content_mut(a, content), data, length if length < page_size(&a.m.arch) else page_size(&a.m.arch))
    disk_put_content(a, inode, index, content)


cdef void disk_free_blocks(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil:
    """They become holes; behind the last one alloc_end says so for all of them."""
    cdef inode_t *i = inode_mut(a, inode)
    cdef uint64_t index = first
    while xnode_next(a, i.blocks, &index, last):
        disk_put_content(a, inode, index, 0)
    if last < i.alloc_end - 1 and i.alloc_end:
        for index in range(first, last + 1):
            xnode_set(a, &i.holes, index, 1, NULL)
        return
    if first < i.alloc_end:
        i.alloc_end = first
    index = first
    while xnode_next(a, i.holes, &index, <uint64_t>-1):
        xnode_set(a, &i.holes, index, 0, NULL)


cdef bint is_hole(arena_t *a, idx_t inode, uint64_t index) noexcept nogil:
    cdef inode_t *i = inode_at(a, inode)
    if index >= i.alloc_end:
        return xnode_get(a, i.blocks, index) == 0
    return i.holes != 0 and xnode_get(a, i.holes, index) != 0


cdef int disk_read(arena_t *a, idx_t inode, uint64_t index, uint64_t nr_pages) noexcept nogil:
    cdef inode_t *i
    cdef uint64_t end = index + nr_pages
    cdef uint64_t at = index
    i = inode_at(a, inode)
    if i.holes == 0 and at < i.alloc_end:
        at = i.alloc_end
    while at < end:
        nr_pages -= is_hole(a, inode, at)
        at += 1
    if nr_pages == 0:
        return 0
    count_vm_events(a, PGPGIN, nr_pages << (a.m.arch.page_shift - 10))
    trace3(a, TR_DISK_READ, inode, index, nr_pages)
    if inode_at(a, inode).fail_read == 0:
        return 0
    i = inode_mut(a, inode)
    if i.fail_read != <uint32_t>FOREVER:
        i.fail_read -= 1
    return -EIO


cdef int disk_write(arena_t *a, idx_t inode, uint64_t index, uint64_t nr_pages) noexcept nogil:
    cdef inode_t *i
    count_vm_events(a, PGPGOUT, nr_pages << (a.m.arch.page_shift - 10))
    trace3(a, TR_DISK_WRITE, inode, index, nr_pages)
    if inode_at(a, inode).fail_write == 0:
        return 0
    i = inode_mut(a, inode)
    if i.fail_write != <uint32_t>FOREVER:
        i.fail_write -= 1
    return -EIO


cdef inline bint is_prunable(const inode_t *i) noexcept nogil:
    """An inode that is open, or has cached pages, is not on the shrinker's list."""
    return i.kind != INODE_SHMEM and i.nr_open == 0 and i.nrpages == 0 and i.obj[0] != 0


cdef uint64_t nr_prunable(arena_t *a) noexcept nogil:
    cdef uint64_t n = 0
    cdef idx_t inode
    for inode in range(1, a.pool[POOL_INODE].count):
        n += is_prunable(inode_at(a, inode))
    return n


cdef void prune_icache(arena_t *a, uint64_t nr) noexcept nogil:
    """Source: inode_lru_isolate(). Shadows of its pages go with an inode."""
    cdef idx_t inode
    for inode in range(1, a.pool[POOL_INODE].count):
        if nr == 0:
            return
        if is_prunable(inode_at(a, inode)):
            filemap_remove_all(a, inode)
            inode_give_objects(a, inode)
            nr -= 1


cdef void count_kept_files(arena_t *a, uint32_t *kept) noexcept nogil:
    """By inode: files that are open here only because the next read or write of their task goes on where the last one was."""
    cdef idx_t t, f
    cdef uint32_t steps = 0
    for t in range(1, a.pool[POOL_TASK].count):
        f = task_at(a, t).files
        while f and not runs_in_circle(a, POOL_FILE, f, &steps):
            if file_at(a, f).refcount == 1 and file_at(a, f).inode < a.pool[POOL_INODE].count:
                kept[file_at(a, f).inode] += 1
            f = file_at(a, f).next


cdef void drop_slab(arena_t *a) noexcept nogil:
    """Source: drop_slab(), prune_dcache_sb(), inode_lru_isolate()."""
    cdef uint32_t *kept = <uint32_t *>calloc(a.pool[POOL_INODE].count, sizeof(uint32_t))
    cdef idx_t inode
    cdef inode_t *i
    if kept == NULL:
        return
    count_kept_files(a, kept)
    for inode in range(1, a.pool[POOL_INODE].count):
        i = inode_at(a, inode)
        if i.kind == INODE_SHMEM or i.nr_open > kept[inode]:  # a tmpfs is its dentries
            continue
        if i.obj[1]:
            kmem_cache_free_rcu(a, CACHE_DENTRY, i.obj[1])
            inode_mut(a, inode).obj[1] = 0
        if i.nrpages == 0 and i.obj[0]:
            filemap_remove_all(a, inode)
            inode_give_objects(a, inode)
    free(kept)
    count_vm_event(a, DROP_SLAB)
