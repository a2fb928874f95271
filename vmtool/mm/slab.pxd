# cython: language_level=3
"""Level 4. kmem_cache: every kernel object takes its place in a slab of true size (6.18's, x86-64)."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # cache_id
    CACHE_TASK_STRUCT
    CACHE_MM_STRUCT
    CACHE_VM_AREA_STRUCT
    CACHE_ANON_VMA
    CACHE_ANON_VMA_CHAIN
    CACHE_MAPLE_NODE
    CACHE_SIGNAL
    CACHE_SIGHAND
    CACHE_FILES
    CACHE_FS
    CACHE_CRED
    CACHE_PID
    CACHE_FILP
    CACHE_DENTRY
    CACHE_EXT4_INODE
    CACHE_SHMEM_INODE
    CACHE_RADIX_NODE
    CACHE_NAMES
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
    NR_BOOT_CACHES

cdef void kmem_cache_init(arena_t *a) noexcept nogil
# Physical address of a new object, 0 when there is no memory.
cdef uint64_t kmem_cache_alloc(arena_t *a, int cache) noexcept nogil
cdef void kmem_cache_free(arena_t *a, int cache, uint64_t obj) noexcept nogil
