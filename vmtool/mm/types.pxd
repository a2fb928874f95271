# cython: language_level=3
"""Scalar types and the records that every room shares (flag values: flags.pxd, passed on from here).

A record is a C struct with fixed-width fields, little-endian, of a size that divides a chunk; it names others by index (0 is null), so
a pool can be saved, compared and printed. Each struct is changed only by the room named above it. Flags' values are Linux 6.18's for x86-64.
Counterpart: include/linux/mm_types.h, include/linux/mm.h, include/uapi/asm-generic/mman-common.h.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from vmtool.mm.flags cimport *
from vmtool.mm.kmem_types cimport *
from vmtool.mm.reclaim_types cimport *
from vmtool.mm.scalars cimport *

# --- records -----------------------------------------------------------------------------------------------
# frame: struct page. Its owner is frame.pyx; buddy, slab, pgtable, pagecache and rmap change what they own.
cdef struct frame_t:  # 32 bytes
    uint32_t flags  # PG_
    int32_t mapcount  # page table entries that map this very page (Linux: _mapcount + 1)
    uint32_t index_lo  # page offset in its mapping (low part); order of a free block
    uint16_t index_hi
    uint16_t extra_refs  # references that are not mappings: page cache, swap cache, pins (_refcount - mappings)
    idx_t content  # bytes of its own, 0: zeros, or the file's block when clean in the page cache
    idx_t mapping  # inode_t, anon_vma_t (PG_anon) or slab_t
    uint32_t lru_next  # list of the buddy system, a per-CPU list or the LRU, by pfn; of a tail: the head
    uint32_t lru_prev  # of an unevictable folio: how many locks it was found to have (mlock_count)
# A folio of order > 0 keeps in its first tail page: index_lo = order, lru_prev = large mapcount (all mappings),
# mapping = entire mapcount (by PMD); and more in its first three: large_folio.pxd. index of a tail is the head's plus the distance.

cdef struct slot_t:  # 16 bytes, one for each chunk of POOL_CONTENT
    uint32_t used  # bit i: content 4 * chunk + i is in use
    uint32_t next  # chunks with room, a doubly linked list; 0 ends it
    uint32_t prev
    uint32_t pad

# zone: struct zone. Changed by frame.pyx (boot) and buddy.pyx; flags and boost by vmscan.pyx, too.
cdef struct zone_t:
    uint64_t start_pfn
    uint64_t spanned_pages
    uint64_t present_pages
    uint64_t managed_pages
    uint64_t free_pages  # NR_FREE_PAGES
    uint64_t unseen_pfn  # blocks of the highest order from here to unseen_end are free, movable, and on no list
    uint64_t unseen_end
    uint64_t watermark[4]  # min low high promo
    uint64_t watermark_boost
    uint64_t lowmem_reserve[NR_ZONES]
    uint64_t pcp_high_min
    uint64_t pcp_high_max
    uint64_t pcp_batch
    free_list_t low_area[NR_LOW_ORDERS][NR_MIGRATETYPES]  # zone.pxd:free_area()
    uint32_t pageblocks[NR_MIGRATETYPES]
    uint32_t flags  # ZONE_
    uint32_t nr_reserved_highatomic, nr_free_highatomic  # pages of pageblocks of that type, and free ones
    uint32_t nr  # of this zone
    uint32_t pad[2]

cdef struct reserved_t:  # what the kernel kept at boot: a range of frames that no record describes
    uint64_t start_pfn
    uint64_t nr_pages
    uint32_t what  # reserved_kind
    uint32_t pad

cdef struct pcp_t:  # per_cpu_pages of one zone on one CPU; changed by buddy.pyx
    uint32_t count
    uint32_t high
    uint32_t free_count
    uint16_t alloc_factor
    uint16_t flags  # PCPF_
    uint32_t head[NR_PCP_LISTS]
    uint32_t tail[NR_PCP_LISTS]

cdef struct cpu_t:  # 1024 bytes. TLB counters belong to tlb.pyx, cr3 to mmu.pyx, pcp to buddy.pyx
    uint64_t cr3  # the register's value: table address and PCID
    idx_t task  # running here, 0: idle
    idx_t active_mm
    uint64_t l1_hits, l2_hits, misses
    uint64_t walks, walk_reads
    uint64_t flushes_all, flushes_page
    uint64_t cr3_loads, evictions
    uint64_t tlb_clock  # ages entries: LRU
    uint32_t tlb_base  # first record of this CPU's entries in POOL_TLB
    uint32_t nr_tlb
    pcp_t pcp[NR_ZONES]  # 4 x 128
    uint32_t pcid_mm[6]  # which mm has each dynamic PCID
    uint32_t pcid_next, tlb_has_large  # the second: an entry of more than 4K was filled since everything was flushed
    uint64_t tlb_flushed_at  # entries that are not global and not younger are void (a flush of all touches no entry)
    uint64_t tlb_flushed_global_at  # the same for every entry
    uint64_t tlb_missed  # (page number + 1) << 1 | instruction: the last miss, until something is filled: the retry after a fault need not search again
    uint64_t walk_region  # what mmu.pyx remembers of the last walk: the address >> 21 that its PTE table covers, + 1 (0: nothing)
    uint64_t walk_bits  # permission bits so far
    pfn_t walk_root
    pfn_t walk_table
    idx_t cached_stacks[2]  # vmap_area_t: kernel stacks kept for the next tasks; vmalloc.pyx
    uint64_t psc_hits  # walks that a paging-structure cache shortened
    uint32_t pkru  # the register: access-disable and write-disable of each protection key
    uint32_t swap_type, swap_offset  # percpu_swap_cluster: type + 1 of the area that the last slot came from, and where that goes on; 0: anew
    uint32_t tlb_flush_pending  # ARCH_ASID, mmu_context.pyx: everything goes before the next address space runs, for a generation has ended
    uint64_t active_asid, reserved_asid  # of the space that runs; 0: a generation ended meanwhile, then the second has it
    uint64_t shootdowns  # flushes that another CPU asked for by an interrupt
    uint32_t swap_types[NR_SWAP_ORDERS - 1]  # as swap_type and swap_offset, of folios of 2, 4 .. pages
    uint32_t swap_offsets[NR_SWAP_ORDERS - 1]
    uint32_t bdp_ratelimits, dirty_throttle_leaks  # pages dirtied here since one looked at the limits; and what ended tasks had dirtied
    uint32_t pad[36]

cdef struct tlb_geom_t:  # one structure of the TLB (--tlb)
    uint16_t sets
    uint8_t ways  # 0: there is none
    uint8_t policy  # TLB_ bits: which entry makes room, what it holds
    uint16_t stride  # records a set takes in POOL_TLB
    uint16_t base  # first record, from cpu_t.tlb_base

cdef struct tlb_entry_t:  # 32 bytes
    uint64_t tag  # virtual page number << 1 | valid
    uint64_t pte  # the leaf as it was filled (frame and permission bits, AND-ed down the levels)
    uint64_t age
    uint16_t pcid  # or ASID
    uint8_t page_shift
    uint8_t flags  # 1 global
    uint32_t plru  # of the n-th record of a set: node n of its tree, 1: the upper half is older

# vma: struct vm_area_struct. Tree and list belong to vma.pyx, anon_vma and avc to rmap.pyx.
cdef struct vma_t:  # 128 bytes
    uint64_t vm_start  # first byte
    uint64_t vm_end  # first byte after
    uint64_t vm_pgoff  # pages: offset in the file, or address when first mapped
    uint64_t vm_flags
    idx_t vm_mm
    idx_t vm_file
    idx_t anon_vma
    idx_t avc_head  # anon_vma_chain: newest first
    idx_t left  # treap by vm_start
    idx_t right
    uint32_t prio
    uint32_t kind  # vma_kind
    uint64_t subtree_gap  # largest free gap in front of any area of the subtree, bytes
    idx_t vm_prev  # by address
    idx_t vm_next
    idx_t i_mmap_next  # areas of one file
    idx_t i_mmap_prev
    idx_t anon_name  # name_t, [anon:NAME]
    uint32_t pad0
    uint64_t obj  # its slab object
    uint64_t swap_readahead_info  # address | window | hits

cdef struct anon_vma_t:  # 64 bytes; rmap.pyx
    idx_t root
    idx_t parent
    uint32_t refcount
    uint32_t num_children  # counts itself when it is a root
    uint32_t num_active_vmas
    idx_t avc_head  # areas that may have pages of it
    uint32_t pad0[2]
    uint64_t obj
    uint64_t pad1[3]

cdef struct avc_t:  # 32 bytes; rmap.pyx
    idx_t vma
    idx_t anon_vma
    idx_t same_vma_next  # of one vma
    idx_t same_vma_prev
    idx_t same_av_next  # of one anon_vma
    idx_t same_av_prev
    uint64_t obj

# mm: struct mm_struct; mm.pyx
cdef struct mm_t:  # 1024 bytes
    uint32_t users  # tasks; 0: free record
    pfn_t pgd  # frame of the top table
    idx_t vma_root
    idx_t vma_first
    idx_t vma_cache  # the area found last
    uint32_t map_count
    uint64_t start_code, end_code
    uint64_t start_data, end_data
    uint64_t start_brk
    uint64_t brk
    uint64_t start_stack
    uint64_t arg_start
    uint64_t arg_end
    uint64_t env_start, env_end
    uint64_t mmap_base
    uint64_t task_size
    uint64_t entry
    uint64_t sp  # the program's stack pointer (push)
    uint64_t total_vm  # pages, also the next
    uint64_t hiwater_vm
    uint64_t hiwater_rss
    uint64_t locked_vm
    uint64_t pinned_vm
    uint64_t data_vm
    uint64_t exec_vm
    uint64_t stack_vm
    uint64_t def_flags  # mlockall(MCL_FUTURE), PR_SET_THP_DISABLE
    int64_t rss[4]  # rss_kind: percpu_counter's global part
    int32_t rss_cpu[4]  # this CPU's part, spilled at 32
    uint64_t pgtables_bytes
    uint64_t auxv[48]
    uint32_t nr_auxv
    uint32_t flags  # MMF_
    idx_t exe_file
    uint32_t pcid
    uint64_t vdso
    uint64_t obj
    uint64_t pgd_obj
    uint32_t memcg
    uint32_t thp_mapped  # huge entries in its tables
    uint64_t pte_cache_addr  # what the PTE table found last covers (address >> shift of its level, + 1; 0: nothing); pgtable.pyx
    pfn_t pte_cache_table
    pfn_t pte_cache_pgd  # whose tables: a copied record must not use them
    idx_t libc  # libc_data_t, 0: the program never called malloc
    idx_t maple  # maple_node_t: root of the tree of areas
    uint64_t futex_obj[2]  # the private hash of futexes, from the second thread on
    uint16_t pkey_allocation_map  # bit n: protection key n is in use
    int16_t execute_only_pkey  # of areas that may be executed alone, -1: none yet
    idx_t rss_memcg  # memcg_t that pays for its per-CPU counters
    idx_t mm_slot_next, mm_slot_prev  # khugepaged's list of spaces, with MMF_VM_HUGEPAGE; mm_slot.pyx
    uint64_t mm_slot_obj
    uint64_t context_id, cpu_bitmap  # ARCH_ASID: generation and ASID, 0: none yet; riscv: mm_cpumask(); mmu_context.pyx
    uint64_t auxv_more[12]  # auxv goes on here
    uint64_t pad[9]
cdef enum:  # mm_t.flags
    MMF_DISABLE_THP = 1  # prctl(PR_SET_THP_DISABLE)
    MMF_VM_HUGEPAGE = 0x20000  # khugepaged looks at it
    MMF_DISABLE_THP_EXCEPT_ADVISED = 2  # the same with PR_THP_DISABLE_EXCEPT_ADVISED
    MMF_VSYSCALL_READ = 0x100  # an imported space of a kernel whose [vsyscall] was r-xp
    MMF_COMPAT = 0x200  # a 32-bit program on a 64-bit kernel
    MMF_LEGACY = 0x400  # ADDR_COMPAT_LAYOUT: mappings go upwards from mmap_base

# task: task_struct and what hangs from it; mm.pyx
cdef struct task_t:  # 512 bytes
    uint32_t pid  # 0: free record
    uint32_t ppid
    idx_t mm
    uint32_t state  # letter
    char comm[16]
    uint64_t min_flt
    uint64_t maj_flt
    uint64_t cmin_flt
    uint64_t cmaj_flt
    uint64_t start_time
    uint64_t rlim_cur[NR_RLIMITS]
    uint64_t rlim_max[NR_RLIMITS]
    int32_t exit_code
    int16_t oom_score_adj
    int16_t oom_score_adj_min  # below it nobody without CAP_SYS_RESOURCE may set the other
    uint32_t cpu
    idx_t files  # file_t list: one open file for each path that read and write used
    uint32_t dumpable
    uint32_t tgid  # threads share an mm
    uint32_t nr_threads
    uint32_t uid
    uint64_t obj[8]  # task_struct, signal, sighand, files, fs, cred, pid, LSM's part of the task
    idx_t stack  # vmap_area_t (of files before layout 2: with cred the address of its four frames)
    idx_t cred  # cred_t
    uint32_t personality
    uint32_t pad0
    uint64_t tcache  # the thread's own: address of its tcache_perthread_struct, and of the arena it uses; libc/, copied by fork
    uint64_t thread_arena
    uint64_t shared_pending  # signals that wait for a stopped process, bit n - 1 for signal n
    uint32_t pkru, pad1  # the thread's protection-key rights; on its CPU they are in the register
    uint64_t pad[2]
    uint32_t nr_dirtied, nr_dirtied_pause  # pages since it looked at the dirty limits last, and at how many it looks (0: not set yet)

# inode + address_space; pagecache.pyx
cdef struct inode_t:  # 256 bytes
    uint32_t nlink  # 0 with nr_open 0: free record
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

cdef struct file_t:  # 64 bytes; pagecache.pyx
    uint32_t refcount  # 0: free record
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

cdef struct xnode_t:  # 512 bytes; pagecache.pyx
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

cdef struct trace_t:  # 64 bytes; trace.pyx
    uint32_t seq
    uint32_t event  # trace_event
    uint32_t pid
    uint32_t nr_args
    uint64_t arg[6]

# How a paging format reads an address; arch.pxd fills it, everything that walks uses it.
cdef struct arch_t:  # 256 bytes
    uint32_t id  # arch_id
    uint32_t page_shift
    uint32_t levels  # 2..5
    uint32_t entry_bytes  # 4 or 8
    uint32_t level_shift[5]  # by level, 0 = leaf (PTE)
    uint32_t level_bits[5]
    uint32_t leaf_levels  # bit n: an entry of level n may map a page itself
    uint32_t va_bits
    uint32_t pa_bits
    uint32_t flags  # ARCH_ bits (arch.pxd)
    # bits of an entry in the form that mm computes with, whatever it looks like in memory
    uint64_t pfn_mask  # the frame's base
    uint64_t present
    uint64_t write
    uint64_t user
    uint64_t accessed
    uint64_t dirty
    uint64_t huge
    uint64_t is_global
    uint64_t nx
    uint64_t task_size  # first address above user space
    uint64_t canonical_low_end
    uint64_t canonical_high_start
    uint64_t page_offset  # of the direct map
    uint64_t user_nx  # what keeps a program from executing a page of its own; 0: nothing does
    uint64_t kernel_start  # where the half begins that every space shares
    uint8_t top_order, max_order, pageblock_order, pmd_order  # of the top table; MAX_PAGE_ORDER; and HPAGE_PMD_ORDER: what one entry above PTEs maps
    uint32_t special_pfn[2]  # frames whose entries are special where no bit says so: the zero page, vvar
    uint32_t soft_dirty  # _PAGE_SOFT_DIRTY, where the kernel keeps it; 0: it does not

# The machine itself: POOL_MACHINE, record 0 of one.
cdef struct machine_t:
    uint64_t magic
    uint64_t clock  # operations done
    uint64_t ram_bytes
    uint64_t max_pfn  # first frame number above RAM
    uint64_t swap_bytes
    uint64_t rng  # splitmix64 state: ASLR, random replacement
    uint64_t seed
    uint32_t nr_cpus
    uint32_t aslr
    uint32_t pcid
    uint32_t kpti
    uint32_t trace_on  # TRACE_ bits: 1 records for `trace` and `explain`, 2 the arena's tally (set on a copy, never saved)
    uint32_t trace_seq
    uint32_t trace_head  # records in POOL_TRACE of the last command
    uint32_t next_pid, nr_tasks, nr_zones
    char kernel[16]
    char tlb_spec[64]
    tlb_geom_t tlb_geom[8]  # by structure (tlb.pxd); tlb_more has the rest
    arch_t arch
    zone_t zone[NR_ZONES]
    reserved_t reserved[NR_RESERVED]
    uint32_t nr_reserved, nr_caches
    int32_t overcommit_memory  # from here on sysctls
    uint32_t overcommit_ratio
    uint64_t overcommit_kbytes, admin_reserve_kbytes, user_reserve_kbytes
    uint32_t swappiness, page_cluster
    uint64_t min_free_kbytes
    uint32_t max_map_count
    uint32_t dirty_ratio, dirty_background_ratio, vfs_cache_pressure
    uint32_t thp_enabled  # 0 never, 1 madvise, 2 always
    uint32_t thp_defrag  # 0 never 1 madvise 2 defer 3 defer+madvise 4 always
    uint32_t watermark_scale_factor
    uint32_t lowmem_reserve_ratio[NR_ZONES]
    uint32_t mmap_min_addr
    uint32_t ra_pages  # of the disk: 32
    uint64_t totalram_pages
    int64_t vm_committed_as
    uint64_t totalreserve_pages
    free_list_t lru_v1[NR_LRU_LISTS]  # where the first files had the lists that are in lruvec now
    pfn_t zero_pfn  # frames of note
    pfn_t huge_zero_pfn  # 0 until used
    uint32_t huge_zero_users
    pfn_t vdso_pfn[2]
    pfn_t vvar_pfn[6]
    pfn_t kernel_pgd
    uint64_t next_ino
    uint64_t next_shmem_ino
    uint32_t nr_inodes
    idx_t content_partial  # slot_t list: chunks of contents with room
    uint64_t nr_contents
    int64_t node_stat[64]  # node_stat_item
    int64_t event[160]  # vm_event_item
    int64_t zone_stat[NR_ZONES][8]
    uint32_t pid_max, max_threads  # kernel.pid_max, threads-max
    uint64_t dirty_bytes, dirty_background_bytes  # instead of the ratios, which are 0 then
    uint64_t nr_vmalloc_pages  # those of boot among them
    uint64_t nr_large_pages  # of kmalloc() beyond 8K, those of boot among them
    uint32_t nr_boot_stacks, nr_boot_tables  # stacks of the kernel's own threads, page tables of its own mappings: without records
    idx_t vmap_first  # vmap_area_t by address; vmalloc.pyx
    idx_t vmap_hint  # no hole of vmap_hint_pages lies before it; 0: from the start
    uint32_t vmap_hint_pages
    uint32_t nr_vmap_areas, nr_vmap_lazy, vmap_lazy_pages  # in use; freed and not yet purged
    idx_t kmem_first  # kmem_obj_t: what was allocated by hand; kmalloc.pyx
    uint32_t nr_boot_vmap  # free and busy areas of boot, without records
    idx_t pid_idr  # xnode_t root: the PIDs in use
    uint32_t cpu_features  # CPU_
    tlb_geom_t tlb_more[8]
    uint64_t committed_for_good  # pages of vm_committed_as that no area accounts for: nobody gives them back
    uint32_t knows_committed  # 0 in older files: committed_for_good is not
    idx_t sysroot  # name_t: the host's directory with programs of this architecture; 0: /
    uint32_t knows_memcg_stat  # 0 in older files: the counters of groups are not
    uint32_t shmem_huge  # transparent_hugepage/shmem_enabled: SHMEM_HUGE_
    uint32_t soft_dirty, user_min_free_kbytes  # CONFIG_MEM_SOFT_DIRTY; vm.min_free_kbytes as somebody wrote it, and one; 0: nobody did
    compaction_t compaction
    uint64_t asid_generation  # ARCH_ASID: above the bits of an ASID; mmu_context.pyx
    idx_t asid_map  # xnode_t root: 32 ASIDs a slot, those that this generation has given out
    uint32_t asid_next  # where the search for a free one begins
    uint16_t tlb_sizes[16]  # by structure: bit n, it holds pages of TLB_SIZES[n]; 0: those of its class
    uint64_t pad[3]
    # from here on later than the first format: zeros in old files
    lruvec_t lruvec  # of the root control group
    uint32_t layout  # of this record: 0 in the first files, MACHINE_LAYOUT now
    uint32_t kswapd_failures
    swap_info_t swap[MAX_SWAP_AREAS]
    int64_t nr_swap_pages  # free slots of all areas
    int64_t total_swap_pages
    uint32_t nr_swapfiles, nr_rotate_swap
    uint32_t swapin_readahead_hits, last_readahead_pages
    uint64_t prev_swap_offset
    uint32_t swap_io_head, swap_io_tail, swap_io_nr  # slots under write-back, by record, oldest first
    uint32_t swap_order  # counts areas as they are switched on
    uint64_t now_us  # the time since boot
    uint64_t flusher_us  # when the flusher runs next
    uint32_t watermark_boost_factor
    uint32_t dirty_writeback_centisecs, dirty_expire_centisecs
    uint32_t panic_on_oom, oom_kill_allocating_task, oom_dump_tasks
    uint32_t extfrag_threshold, compaction_proactiveness
    uint64_t nr_deferred[2]  # what the shrinkers of dentries and inodes put off
    uint64_t kmsg_first, kmsg_next  # lines of the log, by record: the oldest that is kept, the next
    uint32_t stock_memcg[2]  # pages charged ahead, of one group
    uint32_t stock_nr[2]
    uint32_t nr_memcgs, memcg_iter
    idx_t memcg_first  # children of the root
    uint32_t panicked
    hstate_t hstate[2]  # the first is that of the entry above the PTEs; hstate_more has the rest (hugetlb.pxd)
    page_counter_t root_memory
    page_counter_t root_swap
    int64_t memcg_event[NR_MEMCG_VM_EVENTS]  # what groups count and /proc/vmstat does not, or counts apart
    idx_t swap_kmem[MAX_SWAP_AREAS]  # kmem_obj_t list: what an area takes of the kernel's memory; 0: none, or of an older file
    khugepaged_t khugepaged
    uint32_t tmpfs_huge, pad_tmpfs  # huge= of the tmpfs mounts, SHMEM_HUGE_
    uint32_t huge_shmem_orders[4]  # hugepages-*kB/shmem_enabled, bit n: order n; SHMEM_ORDERS_. Of older files 0: khugepaged.known
    uint32_t thp_orders_always, thp_orders_madvise, thp_orders_inherit  # large_folio.pyx; hugepages-*kB/enabled: bit n, order n
    uint32_t knows_large_folios  # 0 in older files: what tails have of mappings is not
    free_list_t split_queue  # deferred_split: folios that no group pays for
    uint32_t ratelimit_pages  # at how many of cpu_t.bdp_ratelimits one looks; 0: of an older file
    uint64_t nr_deferred_split
    int64_t mthp_stat[NR_MTHP_ORDERS][NR_MTHP_STATS]  # hugepages-*kB/stats
    hstate_t hstate_more[NR_HSTATES - 2]
    free_list_t high_area[NR_ZONES][NR_ORDERS - NR_LOW_ORDERS][NR_MIGRATETYPES]  # free blocks of the orders that larger pages and arm have beside
