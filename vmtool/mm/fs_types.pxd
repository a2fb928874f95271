# cython: language_level=3
"""Inodes, open files, the index of a file's pages, strings (types.pxd passes them on).

Counterpart: include/linux/fs.h, include/linux/xarray.h.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.scalars cimport *

# inode + address_space; inode.pyx, what is cached: filemap.pyx, truncate.pyx, writeback.pyx
cdef struct inode_t:  # at most 256 bytes
    uint32_t nlink
    uint32_t nr_open  # file_t that refer to it
    uint64_t ino
    uint32_t dev_major, dev_minor
    uint64_t size
    uint64_t nrpages
    idx_t i_pages  # xnode_t root of the page cache: slot -> pfn of the folio's page
    idx_t blocks  # xnode_t root of the disk: slot -> content (0: a hole, zeros)
    idx_t i_mmap  # first vma_t
    idx_t name  # name_t of the path
    idx_t hash_next  # path table
    uint32_t kind  # inode_kind
    uint32_t nr_dirty
    uint32_t fail_read, fail_write  # how many reads, writes fail with EIO
    uint32_t nr_writable_maps
    uint64_t nr_blocks
    uint64_t obj[2]  # inode, dentry
    uint32_t seals
    uint32_t wb_err  # errseq_t: which write failed last, and whether anybody was told (inode.pxd)
    uint64_t alloc_end  # pages; from there on only blocks with contents are allocated, the rest is a hole
    idx_t holes  # xnode_t root: blocks before alloc_end that were punched out (slot: 1)
    uint32_t i_mode  # permission bits of the owner (root), its group, and all others; 0: everybody may write
    uint64_t accounted  # pages of commit charge, of shared memory; its end gives them back
    uint32_t shmem_flags  # VM_NORESERVE: charged page by page (accounted: Linux's shmem_inode_info.alloced)
    uint32_t i_state  # EXT4_STATE_
    uint64_t dirtied_us  # when its first dirty page became so
    idx_t huge_pages  # xnode_t root, of huge pages: the first frame of each (hugetlb.pyx)
    uint32_t nr_swapped  # pages of shared memory whose place in i_pages has a slot's record in POOL_SWAP
    uint64_t lsm_obj  # LSM's part of it
    uint32_t s_mount  # of shared memory: SHMEM_ANON, _FILE, _TMPFS
    uint32_t h_index  # of huge pages (hugetlb.pyx): which pool they come from
    uint64_t writeback_index  # where the flusher goes on with it
    uint64_t pad[5]
cdef enum:  # inode_kind
    INODE_EXT4 = 0  # a file on the simulated disk (large folios, THP-aligned mappings)
    INODE_SHMEM = 1  # MAP_SHARED|MAP_ANONYMOUS (/dev/zero), memfd, SysV shm: no disk
    INODE_PLAIN = 2  # as on a disk, but mapped without regard to huge pages (proc, tmpfs, overlays, devices)

cdef struct file_t:  # 64 bytes; inode.pyx, readahead.pyx
    uint32_t refcount
    idx_t inode
    uint64_t ra_start  # file_ra_state, pages
    uint32_t ra_size, ra_async_size
    uint8_t ra_order
    uint8_t nr_eio  # reads of a folio that failed: each left a quarter of ra_pages (shrink_readahead_size_eio)
    uint16_t f_wb_err  # the inode's wb_err when its user was told of an error, or opened it
    uint32_t mmap_miss
    int64_t prev_pos  # bytes, -1: none
    idx_t next  # of one task
    idx_t f_cred  # cred_t of who opened it
    uint64_t obj
    uint64_t lsm_obj  # LSM's part of it

cdef struct xnode_t:  # 512 bytes; xnode.pyx
    uint32_t slot[XNODE_SLOTS]
    uint64_t mark_dirty
    uint64_t mark_writeback
    uint64_t mark_towrite
    uint32_t count  # slots in use
    uint32_t shift  # of the index below this node: 0 at the leaves
    idx_t parent
    uint32_t offset  # in the parent
    uint64_t obj
    uint64_t mark_shadow  # leaves: slots that hold the shadow of an evicted page
    uint32_t nr_shadows
    uint32_t pad0
    uint64_t pad[24]

cdef struct name_t:  # 256 bytes: a piece of a string
    idx_t next
    uint32_t len  # bytes in this piece
    char text[248]
