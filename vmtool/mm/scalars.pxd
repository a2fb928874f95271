# cython: language_level=3
"""Scalar types, sizes of tables, the pools' numbers: what records are made of (types.pxd passes it on)."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

ctypedef uint32_t pfn_t  # page frame number; 0 is never handed out
ctypedef uint64_t vaddr_t  # virtual address
ctypedef uint64_t paddr_t  # physical address
ctypedef uint64_t pte_t  # an entry of any level, as the hardware reads it
ctypedef uint32_t idx_t  # index of a record in its pool
ctypedef uint64_t swp_entry_t  # type and offset (swapops.pxd)

cdef enum:
    CHUNK_BYTES = 16384
    CONTENT_BYTES = 4096
    NR_ZONES = 4  # DMA DMA32 Normal HighMem
    NR_ORDERS = 14  # 0 .. arch_t.max_order, which is 13 at most
    NR_LOW_ORDERS = 11  # those that zone_t has the lists of
    MAX_PMD_PAGES = 8192  # of a huge page: arm64's 512M
    NR_MIGRATETYPES = 4  # Unmovable Movable Reclaimable HighAtomic
    NR_PCP_LISTS = 14  # orders 0..3 x three types, and two lists of THP size
    MAX_CPUS = 64
    NR_RLIMITS = 16
    NR_RESERVED = 24
    NR_LRU_LISTS = 5  # inactive_anon active_anon inactive_file active_file unevictable
    PAGEVEC_SIZE = 31  # folios in a batch
    MAX_SWAP_AREAS = 24
    NR_SWAP_ORDERS = 10  # SWAP_NR_ORDERS with CONFIG_THP_SWAP: 0 .. HPAGE_PMD_ORDER
    MACHINE_LAYOUT = 4
    XNODE_SLOTS = 64
    NR_MTHP_ORDERS = 14  # up to arm64's 512M with pages of 64K
    NR_MTHP_STATS = 24  # mthp_stat_item, and room

# --- pools: number, record, record bytes (arena.pyx holds the same table) ------------------------
cdef enum:  # pool_id
    POOL_MACHINE  # machine_t, one record that fills a chunk
    POOL_CPU  # cpu_t
    POOL_FRAME  # frame_t, by pfn (sparse)
    POOL_CONTENT  # 4 KiB of bytes
    POOL_SLOT  # slot_t: which contents of a chunk are in use (freeing must not load the contents)
    POOL_PAGEBLOCK  # uint8_t migratetype, by pfn / 512 (sparse; 0 reads as Movable)
    POOL_VMA  # vma_t
    POOL_MM  # mm_t
    POOL_TASK  # task_t
    POOL_PID  # uint32_t task index, by PID
    POOL_ANON_VMA  # anon_vma_t
    POOL_AVC  # avc_t
    POOL_INODE  # inode_t
    POOL_XNODE  # xnode_t
    POOL_FILE  # file_t
    POOL_NAME  # name_t: strings
    POOL_HASH  # uint32_t heads of the path table
    POOL_CACHE  # kmem_cache_t
    POOL_SLAB  # slab_t
    POOL_TLB  # tlb_entry_t
    POOL_TRACE  # trace_t
    POOL_SWAP  # swap_slot_t, by area and offset (sparse)
    POOL_MEMCG  # memcg_t
    POOL_FOLIO_X  # folio_x_t, by pfn: what few frames have (sparse)
    POOL_LIBC  # libc_data_t
    POOL_FBATCH  # cpu_fbatches_t, by CPU
    POOL_CLUSTER  # swap_cluster_t, by swap slot / 512 (sparse)
    POOL_KMSG  # kmsg_t: the kernel's log, a line each
    POOL_CACHE_CPU  # kmem_cache_cpu_t, by cache and CPU (sparse)
    POOL_SHEAF  # slab_sheaf_t
    POOL_MAPLE  # maple_node_t
    POOL_VMAP  # vmap_area_t, vmap_pages_t
    POOL_CRED  # cred_t
    POOL_KMEM  # kmem_obj_t
    POOL_OBJ_EXTS  # slab_obj_exts_t
    POOL_SWAP_ORDERS  # swap_orders_t, by area
    NR_POOLS

cdef struct free_list_t:  # folios or blocks, linked by lru_next and lru_prev
    uint32_t head  # pfn
    uint32_t tail
    uint32_t nr_free
