# cython: language_level=3
"""Records of the kernel's own memory: slabs (slub.pyx, slab.pyx), areas of vmalloc (vmalloc.pyx), nodes of maple trees
(maple.pyx), credentials (task.pyx), what was allocated by hand (kmalloc.pyx). Links are record numbers, 0 ends a list."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

cdef enum:
    SHEAF_CAPACITY = 32
    SLAB_MAX_OBJECTS = 512  # of a slab: kmalloc-8

cdef enum:  # slab_t.state: where the slab is
    SLAB_FULL  # on no list
    SLAB_CPU  # the one that its CPU allocates from
    SLAB_CPU_PARTIAL  # on the partial list of its CPU
    SLAB_NODE_PARTIAL  # on the partial list of the node

cdef struct kmem_cache_t:  # 128 bytes
    char name[40]
    uint32_t object_size
    uint32_t size
    uint32_t objs_per_slab
    uint32_t order
    uint32_t flags  # SLAB_
    uint32_t partial  # slab_t: the node's partial slabs, first ...
    uint32_t partial_tail  # ... and last
    uint32_t nr_slabs  # that have a record
    uint32_t nr_objs  # handed out, and not by boot
    uint32_t nr_partial  # on the node's list
    uint32_t min_partial  # a node keeps so many partial slabs though empty
    uint32_t cpu_partial_slabs  # a CPU keeps so many
    uint32_t min_order  # what holds one object: when there is no block of `order`
    uint32_t boot_slabs  # full of what boot allocated and nothing frees; they have no records
    uint32_t boot_pfn  # where they lie, one behind the other
    uint32_t boot_objs  # of boot, in slabs that have records
    uint32_t nr_sheaf_objs  # free, in sheaves
    uint32_t full_sheaves  # slab_sheaf_t: the node's barn
    uint32_t nr_full_sheaves
    uint32_t empty_sheaves
    uint32_t nr_empty_sheaves
    uint32_t nr_slab_objs  # that the slabs with a record have room for

cdef struct kmem_cache_cpu_t:  # 32 bytes, by cache * nr_cpus + cpu
    uint32_t slab
    uint32_t partial  # newest first
    uint32_t nr_partial
    uint32_t main  # sheaves: what is taken from and given to
    uint32_t spare
    uint32_t rcu_free  # collects what is freed for after a grace period
    uint32_t rcu_head  # full ones that wait for theirs, the oldest first ...
    uint32_t rcu_tail

cdef struct slab_t:  # 128 bytes
    uint32_t cache  # kmem_cache_t + 1
    uint32_t pfn
    uint32_t inuse  # objects that are not free, those in sheaves among them
    uint32_t objects
    uint32_t next
    uint32_t prev  # on the node's list
    uint16_t state
    uint16_t cpu  # whose, in states CPU and CPU_PARTIAL
    uint32_t order
    uint64_t used[8]  # bit per object
    uint32_t obj_exts  # slab_obj_exts_t, 0: no object of it is charged to a memory control group
    uint32_t pad[7]

cdef struct slab_obj_exts_t:  # 1024 bytes
    uint16_t memcg[SLAB_MAX_OBJECTS]  # by object: memcg_t that pays for it, 0: none

cdef struct slab_sheaf_t:  # 512 bytes
    uint32_t size  # objects in it
    uint32_t next  # in the barn, or behind it in the queue of a CPU
    uint32_t cache  # kmem_cache_t + 1
    uint32_t rcu_len  # of the first in such a queue: how many wait
    uint64_t obj  # its own: the kernel takes it from kmalloc-512
    uint64_t objects[SHEAF_CAPACITY]
    uint64_t pad[29]

cdef enum:  # vmap_area_t.state
    VMAP_BUSY = 1
    VMAP_LAZY = 2  # freed; its addresses are given out again after a purge

cdef enum:  # vmap_area_t.caller
    VMAP_STACK  # of a thread
    VMAP_BY_HAND  # the command vmalloc

cdef enum:
    VMAP_PAGES = 8  # frames that the record itself names
    VMAP_MORE_PAGES = 28  # that each further record names

cdef struct vmap_area_t:  # 128 bytes; by address
    uint64_t va_start
    uint64_t va_end  # behind the guard page
    uint32_t next
    uint32_t prev
    uint32_t nr_pages  # without the guard page
    uint16_t state
    uint16_t caller
    uint64_t va_obj  # vmap_area
    uint64_t vm_obj  # vm_struct, in kmalloc-96
    uint64_t pages_obj  # its array of pages
    uint64_t hole_obj  # vmap_area of the free range in front of it
    uint32_t pages_cache  # where pages_obj comes from, + 1; 0: whole pages
    uint32_t more  # vmap_pages_t: the frames behind the first eight
    uint32_t pfn[VMAP_PAGES]
    uint32_t memcg  # memcg_t that pays for it, a stack, as long as a task has it
    uint32_t pad[5]

cdef struct vmap_pages_t:  # 128 bytes, in the same pool
    uint64_t pad
    uint32_t next
    uint32_t nr
    uint32_t pfn[VMAP_MORE_PAGES]

cdef enum:
    MAPLE_RANGE64_SLOTS = 16  # of a leaf
    MAPLE_ARANGE64_SLOTS = 10  # of a node above

cdef struct maple_node_t:  # 256 bytes
    uint32_t pad1  # 1 in older files
    uint32_t is_leaf
    uint32_t nr  # ranges
    uint32_t pad0
    uint64_t obj
    uint64_t pivot[MAPLE_RANGE64_SLOTS]  # the last address of each range
    uint32_t slot[MAPLE_RANGE64_SLOTS]  # of a leaf: vma_t, 0: nothing is mapped there; else maple_node_t
    uint64_t pad[5]

cdef struct cred_t:  # 32 bytes
    uint32_t usage  # tasks and open files
    uint32_t pad0
    uint64_t obj  # cred
    uint64_t security  # LSM's part
    uint64_t pad1

cdef enum:  # kmem_obj_t.kind
    KMEM_OBJECT = 1  # kmalloc: an object of a slab
    KMEM_LARGE  # kmalloc beyond 8K: whole pages
    KMEM_VMALLOC
    KMEM_PAGES

cdef struct kmem_obj_t:  # 64 bytes
    uint32_t kind
    uint32_t next
    uint32_t prev
    uint32_t cache  # kmem_cache_t + 1
    uint64_t address  # as the kernel sees it
    uint64_t size  # asked for
    uint32_t order
    uint32_t area  # vmap_area_t
    uint32_t gfp
    uint32_t pad0
    uint64_t obj  # physical
    uint64_t pad1
