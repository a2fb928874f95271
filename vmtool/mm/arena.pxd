# cython: language_level=3
"""Pools of fixed-size records in chunks of 16 KiB, read on first use, marked dirty when handed out for writing.

`x_at` gives a record to read, `x_mut` one to change (and marks its chunk). No such pointer may be kept
across a call of the door. Index 0 is null; an index out of range, or a chunk that cannot be loaded, gives the poison record and
sets `err`, which the door tests before any commit.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vmtool.mm.types cimport *

ctypedef void *(*load_fn)(void *ctx, int pool, uint32_t chunk) noexcept nogil
cdef struct alloc_context_t:  # what is asked of the allocator
    uint32_t order
    uint32_t gfp
    uint32_t highest  # zone
    uint32_t migratetype

cdef struct capture_t:  # capture_control: the first free block of an order that comes up in a zone while the task compacts it is the task's
    uint32_t zone  # + 1; 0: nothing is captured
    uint32_t order
    uint32_t migratetype
    pfn_t page

ctypedef uint32_t (*direct_compact_fn)(arena_t *a, const alloc_context_t *ac, uint32_t prio, pfn_t *captured) noexcept nogil
ctypedef bint (*zonelist_suitable_fn)(arena_t *a, const alloc_context_t *ac) noexcept nogil
ctypedef uint32_t (*alloc_slowpath_fn)(arena_t *a, uint32_t order, uint32_t gfp) noexcept nogil
ctypedef void (*zap_fn)(arena_t *a, idx_t inode, uint64_t first, uint64_t last, uint32_t even_cows) noexcept nogil
ctypedef uint32_t (*mkclean_fn)(arena_t *a, pfn_t pfn) noexcept nogil
ctypedef void (*wakeup_kswapd_fn)(arena_t *a, uint32_t zone, uint32_t order, uint32_t gfp, uint32_t highest) noexcept nogil
ctypedef bint (*reclaim_retry_fn)(arena_t *a, uint32_t order, uint32_t gfp, uint32_t *no_progress) noexcept nogil
ctypedef uint64_t (*reclaim_memcg_fn)(arena_t *a, idx_t memcg, uint64_t nr_pages, bint may_swap, bint proactive) noexcept nogil
ctypedef uint32_t (*out_of_memory_fn)(arena_t *a, idx_t memcg, uint32_t order, uint32_t gfp) noexcept nogil
ctypedef pfn_t (*shmem_swapin_fn)(arena_t *a, idx_t inode, uint64_t index, uint32_t *result) noexcept nogil
ctypedef void (*unmap_inode_fn)(arena_t *a, idx_t inode, uint64_t first, uint64_t last) noexcept nogil
ctypedef int (*swap_fn)(arena_t *a, swp_entry_t entry) noexcept nogil
ctypedef int (*swap_nr_fn)(arena_t *a, swp_entry_t entry, uint32_t nr) noexcept nogil
ctypedef pfn_t (*swap_cache_fn)(arena_t *a, swp_entry_t entry) noexcept nogil
ctypedef uint32_t (*swap_fault_fn)(arena_t *a, idx_t v, vaddr_t addr, uint32_t flags, swp_entry_t entry) noexcept nogil
ctypedef int (*swap_record_fn)(arena_t *a, uint32_t record) noexcept nogil
ctypedef void (*inode_fn)(arena_t *a, idx_t inode) noexcept nogil

cdef enum:
    CHUNK_DIRTY = 1
    CHUNK_SAVED = 2  # the store has it
    CHUNK_DROPPED = 4  # became empty: delete it from the store
    CHUNK_SHIFT = 14  # log2 of CHUNK_BYTES
    CONTENT_SHIFT = 12  # log2 of CONTENT_BYTES
    FRAMES_A_CHUNK = 512  # CHUNK_BYTES // sizeof(frame_t), spelled out for the hot paths
    DIR_GROUP = 512  # directory entries that share a byte of pool_t.held

cdef enum:  # bytes of a record in its pool; arena.pyx has the compiler look whether its fields fit
    SWAP_BYTES = 16
    FOLIO_X_BYTES = 8
    MEMCG_BYTES = 4096
    FBATCH_BYTES = 1024
    VMA_BYTES = 128
    MM_BYTES = 1024
    TASK_BYTES = 512
    INODE_BYTES = 256
    FILE_BYTES = 64
    CPU_BYTES = 1024
    CLUSTER_BYTES = 16
    SWAP_ORDERS_BYTES = 256

cdef extern from *:
    uint32_t ctz "__builtin_ctz" (uint32_t n) noexcept nogil

# Constants of 64 bits: an enum of C holds an int.
cdef extern from *:
    """
    #define VMTOOL_GOLDEN 0x9e3779b97f4a7c15ULL
    """
    const uint64_t GOLDEN "VMTOOL_GOLDEN"  # 2**64 over the golden ratio: the step of splitmix64's state

cdef inline uint64_t splitmix64(uint64_t z) noexcept nogil:
    """A state's number: every bit of it depends on all bits of the state."""
    z = (z ^ (z >> 30)) * <uint64_t>0xbf58476d1ce4e5b9u
    z = (z ^ (z >> 27)) * <uint64_t>0x94d049bb133111ebu
    return z ^ (z >> 31)

cdef struct pool_t:
    char **chunk  # directory; NULL: not loaded
    uint8_t *state  # CHUNK_ bits
    uint8_t *held  # by DIR_GROUP entries: 1 when one was loaded; to free a large directory without walking it
    uint32_t nr_dir  # entries of the directory
    uint32_t count  # records that exist, the null record included (sparse pools: their limit)
    uint32_t free_head  # free records, linked through their first word
    uint32_t nr_free
    uint32_t shift  # records a chunk = 1 << shift
    uint32_t mask
    uint32_t size  # record bytes
    uint32_t sparse  # indexed by pfn, never allocated

cdef struct tally_t:  # what was traced since a door asked for it; not saved, kept only while TRACE_TALLY is set
    uint64_t nr[96]  # by trace_event
    uint64_t nr_copied  # pages whose bytes a copy-on-write copied
    int64_t frames  # allocated less freed
    int64_t frames_peak

cdef struct plug_t:  # blk_plug: swap I/O that the task holds back until it pulls the plug or sleeps
    uint32_t depth
    uint32_t nr_requests
    uint32_t first_pages  # of the first request
    uint32_t last_pages  # of the last one
    uint32_t last_slot  # its last page's
    uint32_t last_writes
    uint32_t nr_writes  # pages: as many of the newest writes that are under way

cdef struct arena_t:
    pool_t pool[NR_POOLS]
    machine_t *m  # POOL_MACHINE's only record; its chunk is saved by every commit
    uint64_t *dirty  # pool << 32 | chunk, in the order of marking
    uint32_t nr_dirty
    uint32_t cap_dirty
    int32_t err  # 0, or why the image is no longer to be trusted
    uint32_t err_pool
    uint32_t err_index
    uint32_t cpu  # the CPU that runs the present operation
    bint quick  # quick roads are taken ($VMTOOL_QUICK=0: none, to find what they do otherwise)
    uint32_t fail_nth  # task_struct.fail_nth: so many allocations from now the one is refused; 0: none. Not saved, and tests alone set it
    uint32_t memalloc  # PF_MEMALLOC: reclaim runs, and what it allocates comes without watermarks
    idx_t active_memcg  # whom user pages are charged to instead of the task's group (0: the task's)
    uint32_t oom_disabled  # swapoff: rather fail than kill
    bint charge_failed  # a group's limit stood in the way of a user page (who asks clears it)
    uint32_t oom_victim  # PID that the present operation's allocation killed, 0: none
    plug_t plug
    capture_t capture
    idx_t task  # the process on whose behalf it runs (0: none): trace records carry its PID
    char *poison  # CHUNK_BYTES of zeros, written by whoever got it
    void *ctx
    load_fn load
    tally_t tally
    # upward calls, set once by the door; NULL: nothing above
    alloc_slowpath_fn alloc_slowpath  # buddy -> reclaim, OOM
    wakeup_kswapd_fn wakeup_kswapd  # buddy -> vmscan
    direct_compact_fn direct_compact  # buddy -> compaction: compact_result
    zonelist_suitable_fn compaction_zonelist_suitable  # buddy -> vmscan: compaction would have room, were some more reclaimed
    reclaim_retry_fn should_reclaim_retry  # buddy -> vmscan: is it worth another try
    reclaim_memcg_fn reclaim_memcg  # memcontrol -> vmscan: reclaim within a group
    out_of_memory_fn out_of_memory  # buddy, memcontrol -> oom_kill: OOM_ below
    shmem_swapin_fn shmem_swapin  # shmem -> swap_state: a page that was swapped out; 0 with VM_FAULT_ bits
    unmap_inode_fn shmem_free_swap  # truncation of shared memory -> what swap has of it
    zap_fn unmap_mapping_range  # pagecache -> the tables of those that map the file
    mkclean_fn page_mkclean  # pagecache -> write-protect and clean the entries that map a frame
    # what those who read entries ask of the swap areas; NULL: there are none, and no entry names one
    swap_fn swap_duplicate  # one entry more names the slot: 0 or -errno
    swap_nr_fn swap_free  # free_swap_and_cache_nr(): one less for each of so many slots
    swap_fn swp_swapcount  # how many do
    swap_record_fn try_to_reclaim_swap  # swapfile -> swap_state: those of a folio that only the swap cache has become free
    swap_cache_fn swap_cache_get  # the folio that the swap cache has of it, 0: none
    swap_fault_fn do_swap_page  # a fault on it: VM_FAULT_ bits
    inode_fn alloc_da_blocks  # fput -> write-back

cdef enum:  # what out_of_memory() came to
    OOM_NOTHING  # there was nobody to kill
    OOM_KILLED  # there is memory again
    OOM_CURRENT  # the process that asked is the victim

cdef enum:  # arena_err
    ARENA_OK = 0
    ARENA_RANGE = 1
    ARENA_LOAD = 2
    ARENA_NOMEM = 3
    ARENA_LOOP = 4  # a list or tree longer than its pool

cdef inline bint should_fail(arena_t *a) noexcept nogil:
    """Asked once for each allocation: of pages, of an object from a slab, of a record that a pool does not have yet."""
    if a.fail_nth == 0:  # but for tests always
        return False
    a.fail_nth -= 1
    return a.fail_nth == 0

cdef int arena_init(arena_t *a) noexcept nogil  # empty: the null record in every pool, one machine record. 0, -ENOMEM
cdef void arena_destroy(arena_t *a) noexcept nogil  # frees all of it; no record may be used any more
# rec_at() of what is not in memory: loaded, or the poison record and a.err
cdef void *arena_miss(arena_t *a, int pool, uint32_t i) noexcept nogil
cdef void arena_mark(arena_t *a, int pool, uint32_t chunk) noexcept nogil  # the chunk will be saved
# at least `count` records exist; what was handed out stays where it is. 0, -ENOMEM of the host: a.err is set
cdef int arena_resize(arena_t *a, int pool, uint32_t count) noexcept nogil
# a zeroed record of a pool that is not sparse. 0: no memory of the host's, a.err is set
cdef idx_t rec_alloc(arena_t *a, int pool) noexcept nogil
# i is free from now on; its first word is the list's. Precondition: it is live, and nothing names it
cdef void rec_free(arena_t *a, int pool, idx_t i) noexcept nogil
# Whether record i of a pool that rec_alloc() gives from is in use: a free record is zeros but for the link in its first word, of a live one
# something stands behind it, whatever the first word holds. False of the null record and of a number that the pool does not have.
# slab_obj_exts_t alone may be all zeros: it lives as long as a slab names it.
cdef bint rec_is_live(arena_t *a, int pool, idx_t i) noexcept nogil
cdef void arena_fail(arena_t *a, int err, int pool, uint32_t i) noexcept nogil  # the first of them stays
cdef idx_t content_alloc(arena_t *a) noexcept nogil  # bytes of a page, zeros. 0: no memory of the host's, a.err is set
cdef void content_free(arena_t *a, idx_t c) noexcept nogil
cdef void content_sized(arena_t *a) noexcept nogil  # m.arch is known: how large a page is
cdef uint32_t pool_size(int pool) noexcept nogil
cdef bint pool_is_sparse(int pool) noexcept nogil  # indexed by something else's number, never allocated
cdef const char *pool_name(int pool) noexcept nogil

cdef inline char *rec_at(arena_t *a, int pool, uint32_t i) noexcept nogil:
    cdef pool_t *p = &a.pool[pool]
    cdef char *mem
    if i < p.count:
        mem = p.chunk[i >> p.shift]
        if mem != NULL:
            return mem + <uint64_t>(i & p.mask) * p.size
    return <char *>arena_miss(a, pool, i)

cdef char *rec_mut_first(arena_t *a, int pool, uint32_t i) noexcept nogil  # of a chunk that is not marked yet

cdef inline char *rec_mut(arena_t *a, int pool, uint32_t i) noexcept nogil:
    cdef pool_t *p = &a.pool[pool]
    if i < p.count and p.state[i >> p.shift] & CHUNK_DIRTY:  # then it is loaded
        return p.chunk[i >> p.shift] + <uint64_t>(i & p.mask) * p.size
    return rec_mut_first(a, pool, i)

# Most pools' records have a size that is known here, a power of two: then a record's place takes no load and no multiplication.
cdef inline char *fixed_at(arena_t *a, int pool, uint32_t i, uint32_t size) noexcept nogil:
    cdef pool_t *p = &a.pool[pool]
    cdef uint32_t shift = CHUNK_SHIFT - ctz(size)
    cdef char *mem
    if i < p.count:
        mem = p.chunk[i >> shift]
        if mem != NULL:
            return mem + <uint64_t>(i & ((<uint32_t>1 << shift) - 1)) * size
    return <char *>arena_miss(a, pool, i)

cdef inline char *fixed_mut(arena_t *a, int pool, uint32_t i, uint32_t size) noexcept nogil:
    cdef pool_t *p = &a.pool[pool]
    cdef uint32_t shift = CHUNK_SHIFT - ctz(size)
    if i < p.count and p.state[i >> shift] & CHUNK_DIRTY:
        return p.chunk[i >> shift] + <uint64_t>(i & ((<uint32_t>1 << shift) - 1)) * size
    return rec_mut_first(a, pool, i)

cdef inline bint runs_in_circle(arena_t *a, int pool, uint32_t i, uint32_t *steps) noexcept nogil:
    """True, with the error set, once a walk has come by more records than the pool has: the list of a damaged file."""
    steps[0] += 1
    if steps[0] <= a.pool[pool].count:
        return False
    arena_fail(a, ARENA_LOOP, pool, i)
    return True

# The frame pool is the hottest: its geometry is spelled out (512 records of 32 bytes).
cdef inline frame_t *frame_at(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef pool_t *p = &a.pool[POOL_FRAME]
    cdef char *mem
    if pfn < p.count:
        mem = p.chunk[pfn // FRAMES_A_CHUNK]
        if mem != NULL:
            return <frame_t *>mem + pfn % FRAMES_A_CHUNK
    return <frame_t *>arena_miss(a, POOL_FRAME, pfn)

cdef inline frame_t *frame_mut(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef pool_t *p = &a.pool[POOL_FRAME]
    if pfn < p.count and p.state[pfn // FRAMES_A_CHUNK] & CHUNK_DIRTY:
        return <frame_t *>p.chunk[pfn // FRAMES_A_CHUNK] + pfn % FRAMES_A_CHUNK
    return <frame_t *>rec_mut_first(a, POOL_FRAME, pfn)

# So is that of contents: four to a chunk, or one on a machine with pages of 16K (mask 0: its number is a multiple of four).
cdef inline char *content_at(arena_t *a, idx_t c) noexcept nogil:
    cdef pool_t *p = &a.pool[POOL_CONTENT]
    cdef char *mem
    if c < p.count:
        mem = p.chunk[c >> 2]
        if mem != NULL:
            return mem + (<uint64_t>(c & p.mask) << CONTENT_SHIFT)
    return <char *>arena_miss(a, POOL_CONTENT, c)

cdef inline char *content_mut(arena_t *a, idx_t c) noexcept nogil:
    cdef pool_t *p = &a.pool[POOL_CONTENT]
    cdef char *r = content_at(a, c)
    if c < p.count and not (p.state[c >> 2] & CHUNK_DIRTY):
        arena_mark(a, POOL_CONTENT, c >> 2)
    return r

cdef inline cpu_t *cpu_mut(arena_t *a, uint32_t cpu) noexcept nogil:
    return <cpu_t *>fixed_mut(a, POOL_CPU, cpu + 1, CPU_BYTES)

cdef inline swap_slot_t *slot_at(arena_t *a, uint32_t i) noexcept nogil:
    return <swap_slot_t *>fixed_at(a, POOL_SWAP, i, SWAP_BYTES)

cdef inline swap_slot_t *slot_mut(arena_t *a, uint32_t i) noexcept nogil:
    return <swap_slot_t *>fixed_mut(a, POOL_SWAP, i, SWAP_BYTES)

cdef inline folio_x_t *folio_x_at(arena_t *a, pfn_t head) noexcept nogil:
    return <folio_x_t *>fixed_at(a, POOL_FOLIO_X, head, FOLIO_X_BYTES)

cdef inline folio_x_t *folio_x_mut(arena_t *a, pfn_t head) noexcept nogil:
    return <folio_x_t *>fixed_mut(a, POOL_FOLIO_X, head, FOLIO_X_BYTES)

cdef inline memcg_t *memcg_at(arena_t *a, idx_t i) noexcept nogil:
    return <memcg_t *>fixed_at(a, POOL_MEMCG, i, MEMCG_BYTES)

cdef inline memcg_t *memcg_mut(arena_t *a, idx_t i) noexcept nogil:
    return <memcg_t *>fixed_mut(a, POOL_MEMCG, i, MEMCG_BYTES)

cdef inline cpu_fbatches_t *fbatches_mut(arena_t *a) noexcept nogil:
    return <cpu_fbatches_t *>fixed_mut(a, POOL_FBATCH, a.cpu + 1, FBATCH_BYTES)

cdef inline vma_t *vma_at(arena_t *a, idx_t i) noexcept nogil:
    return <vma_t *>fixed_at(a, POOL_VMA, i, VMA_BYTES)

cdef inline vma_t *vma_mut(arena_t *a, idx_t i) noexcept nogil:
    return <vma_t *>fixed_mut(a, POOL_VMA, i, VMA_BYTES)

cdef inline mm_t *mm_at(arena_t *a, idx_t i) noexcept nogil:
    return <mm_t *>fixed_at(a, POOL_MM, i, MM_BYTES)

cdef inline mm_t *mm_mut(arena_t *a, idx_t i) noexcept nogil:
    return <mm_t *>fixed_mut(a, POOL_MM, i, MM_BYTES)

cdef inline task_t *task_at(arena_t *a, idx_t i) noexcept nogil:
    return <task_t *>fixed_at(a, POOL_TASK, i, TASK_BYTES)

cdef inline task_t *task_mut(arena_t *a, idx_t i) noexcept nogil:
    return <task_t *>fixed_mut(a, POOL_TASK, i, TASK_BYTES)

cdef inline inode_t *inode_at(arena_t *a, idx_t i) noexcept nogil:
    return <inode_t *>fixed_at(a, POOL_INODE, i, INODE_BYTES)

cdef inline inode_t *inode_mut(arena_t *a, idx_t i) noexcept nogil:
    return <inode_t *>fixed_mut(a, POOL_INODE, i, INODE_BYTES)

cdef inline file_t *file_at(arena_t *a, idx_t i) noexcept nogil:
    return <file_t *>fixed_at(a, POOL_FILE, i, FILE_BYTES)

cdef inline file_t *file_mut(arena_t *a, idx_t i) noexcept nogil:
    return <file_t *>fixed_mut(a, POOL_FILE, i, FILE_BYTES)
