# cython: language_level=3
"""The kernel's caches as a table: what kmem_cache_create() is told of each, and what boot leaves in it."""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:  # cache_desc.flags, kmem_cache_t.flags
    SLAB_RECLAIM_ACCOUNT = 1  # its pages count as reclaimable
    SLAB_ACCOUNT = 2  # charged to the memory control group
    SLAB_SHEAVES = 4  # sheaf_capacity 32
    SLAB_CACHE_DMA = 8

cdef enum:  # cache_id; those without a name here are in the table alone
    CACHE_TASK_STRUCT
    CACHE_MM_STRUCT
    CACHE_VM_AREA_STRUCT
    CACHE_ANON_VMA
    CACHE_ANON_VMA_CHAIN
    CACHE_MAPLE_NODE
    CACHE_SIGNAL
    CACHE_SIGHAND
    CACHE_FILES
    CACHE_PID
    CACHE_FILP
    CACHE_DENTRY
    CACHE_EXT4_INODE
    CACHE_SHMEM_INODE
    CACHE_RADIX_NODE
    CACHE_NAMES
    CACHE_LSM_INODE
    CACHE_LSM_FILE
    CACHE_VMAP_AREA
    CACHE_INODE
    CACHE_PROC_INODE
    CACHE_KMALLOC_8
    CACHE_KMALLOC_16
    CACHE_KMALLOC_32
    CACHE_KMALLOC_64
    CACHE_KMALLOC_96
    CACHE_KMALLOC_128
    CACHE_KMALLOC_192
    CACHE_KMALLOC_256
    CACHE_KMALLOC_512
    CACHE_KMALLOC_1K
    CACHE_KMALLOC_2K
    CACHE_KMALLOC_4K
    CACHE_KMALLOC_8K
    CACHE_KMALLOC_CG_8
    CACHE_KMALLOC_CG_16
    CACHE_KMALLOC_CG_32
    CACHE_KMALLOC_CG_64
    CACHE_KMALLOC_CG_96
    CACHE_KMALLOC_CG_128
    CACHE_KMALLOC_CG_192
    CACHE_KMALLOC_CG_256
    CACHE_KMALLOC_CG_512
    CACHE_KMALLOC_CG_1K
    CACHE_KMALLOC_CG_2K
    CACHE_KMALLOC_CG_4K
    CACHE_KMALLOC_CG_8K
    CACHE_KMALLOC_RCL_8
    CACHE_KMALLOC_RCL_16
    CACHE_KMALLOC_RCL_32
    CACHE_KMALLOC_RCL_64
    CACHE_KMALLOC_RCL_96
    CACHE_KMALLOC_RCL_128
    CACHE_KMALLOC_RCL_192
    CACHE_KMALLOC_RCL_256
    CACHE_KMALLOC_RCL_512
    CACHE_KMALLOC_RCL_1K
    CACHE_KMALLOC_RCL_2K
    CACHE_KMALLOC_RCL_4K
    CACHE_KMALLOC_RCL_8K
    CACHE_KMALLOC_DMA_8
    CACHE_KMALLOC_DMA_16
    CACHE_KMALLOC_DMA_32
    CACHE_KMALLOC_DMA_64
    CACHE_KMALLOC_DMA_96
    CACHE_KMALLOC_DMA_128
    CACHE_KMALLOC_DMA_192
    CACHE_KMALLOC_DMA_256
    CACHE_KMALLOC_DMA_512
    CACHE_KMALLOC_DMA_1K
    CACHE_KMALLOC_DMA_2K
    CACHE_KMALLOC_DMA_4K
    CACHE_KMALLOC_DMA_8K
    NR_KMEM_CACHES = 200
    NR_KMALLOC_SIZES = 13
    CACHE_FS = CACHE_ANON_VMA_CHAIN  # merged: of the same size and kind
    CACHE_CRED = CACHE_PID
    CACHE_MM_SLOT = CACHE_LSM_FILE

cdef struct cache_desc:
    const char *name
    uint32_t object_size
    uint32_t size  # with alignment and free pointer
    uint32_t flags
    uint32_t full_slabs
    uint32_t cpu_slabs
    uint32_t cpu_free
    uint32_t node_slabs
    uint32_t node_objs

cdef const cache_desc *cache_description(uint32_t cache) noexcept nogil
cdef uint32_t cache_shown(uint32_t place) noexcept nogil  # which cache stands in this line of slabinfo
