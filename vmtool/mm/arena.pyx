# cython: language_level=3
"""Pools and chunks: where all state of a machine lives.

Modelled: nothing of Linux; this is the ground the kernel's structures stand on. A pool is a growable array
of records of one size; chunks of 16 KiB are read from the state file on first use (`arena_t.load`) and
marked when a record is handed out for writing, so that a commit writes what changed.
Of a machine with pages of 64K four chunks of contents are one piece of memory, in the directory under the first; they are read and marked together.
Contents (4 KiB of bytes) keep their free list beside themselves, in slot_t records, because freeing a frame must not
read its bytes. Invariants (fsck_records): free lists are disjoint from what is in use (rec_is_live()), and as long as `nr_free` says.
"""

from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from vmtool.mm.libc_data cimport libc_data_t

cdef enum:
    MOST_PAGE_BYTES = 65536
    LIBC_BYTES = 4096

cdef struct pool_desc:  # in the order of pool_id
    const char *name
    uint32_t size  # bytes of a record, a power of two
    uint32_t fields  # those that have a meaning; the others are room, and zero
    uint32_t sparse

cdef enum:  # -1, which no array may have, where a record's fields outgrow its bytes
    RECORDS_FIT = 1 - 2 * ((sizeof(frame_t) > 32) | (sizeof(slot_t) > 16) | (sizeof(anon_vma_t) > 64) | (sizeof(avc_t) > 32)
                           | (sizeof(xnode_t) > 512) | (sizeof(name_t) > 256) | (sizeof(kmem_cache_t) > 128) | (sizeof(slab_t) > 128)
                           | (sizeof(tlb_entry_t) > 32) | (sizeof(trace_t) > 64) | (sizeof(kmsg_t) > 256) | (sizeof(kmem_cache_cpu_t) > 32)
                           | (sizeof(slab_sheaf_t) > 512) | (sizeof(maple_node_t) > 256) | (sizeof(vmap_area_t) > 128) | (sizeof(cred_t) > 32)
                           | (sizeof(kmem_obj_t) > 64) | (sizeof(slab_obj_exts_t) > 1024) | (sizeof(libc_data_t) > LIBC_BYTES) | (sizeof(swap_slot_t) > SWAP_BYTES)
                           | (sizeof(folio_x_t) > FOLIO_X_BYTES) | (sizeof(memcg_t) > MEMCG_BYTES) | (sizeof(cpu_fbatches_t) > FBATCH_BYTES) | (sizeof(vma_t) > VMA_BYTES)
                           | (sizeof(mm_t) > MM_BYTES) | (sizeof(task_t) > TASK_BYTES) | (sizeof(inode_t) > INODE_BYTES) | (sizeof(file_t) > FILE_BYTES)
                           | (sizeof(cpu_t) > CPU_BYTES) | (sizeof(swap_cluster_t) > CLUSTER_BYTES) | (sizeof(swap_orders_t) > SWAP_ORDERS_BYTES)
                           | (sizeof(machine_t) > CHUNK_BYTES))

cdef struct records_fit_t:
    char one[RECORDS_FIT]

cdef pool_desc POOLS[NR_POOLS]
POOLS[POOL_MACHINE] = pool_desc(b"machine", CHUNK_BYTES * sizeof(records_fit_t), sizeof(machine_t), 0)
POOLS[POOL_CPU] = pool_desc(b"cpu", CPU_BYTES, sizeof(cpu_t), 0)
POOLS[POOL_FRAME] = pool_desc(b"frame", 32, sizeof(frame_t), 1)
POOLS[POOL_CONTENT] = pool_desc(b"content", CONTENT_BYTES, CONTENT_BYTES, 0)
POOLS[POOL_SLOT] = pool_desc(b"slot", 16, sizeof(slot_t), 0)
POOLS[POOL_PAGEBLOCK] = pool_desc(b"pageblock", 1, 1, 1)
POOLS[POOL_VMA] = pool_desc(b"vma", VMA_BYTES, sizeof(vma_t), 0)
POOLS[POOL_MM] = pool_desc(b"mm", MM_BYTES, sizeof(mm_t), 0)
POOLS[POOL_TASK] = pool_desc(b"task", TASK_BYTES, sizeof(task_t), 0)
POOLS[POOL_PID] = pool_desc(b"pid", 4, 4, 1)
POOLS[POOL_ANON_VMA] = pool_desc(b"anon_vma", 64, sizeof(anon_vma_t), 0)
POOLS[POOL_AVC] = pool_desc(b"avc", 32, sizeof(avc_t), 0)
POOLS[POOL_INODE] = pool_desc(b"inode", INODE_BYTES, sizeof(inode_t), 0)
POOLS[POOL_XNODE] = pool_desc(b"xnode", 512, sizeof(xnode_t), 0)
POOLS[POOL_FILE] = pool_desc(b"file", FILE_BYTES, sizeof(file_t), 0)
POOLS[POOL_NAME] = pool_desc(b"name", 256, sizeof(name_t), 0)
POOLS[POOL_HASH] = pool_desc(b"hash", 4, 4, 1)
POOLS[POOL_CACHE] = pool_desc(b"kmem_cache", 128, sizeof(kmem_cache_t), 0)
POOLS[POOL_SLAB] = pool_desc(b"slab", 128, sizeof(slab_t), 0)
POOLS[POOL_TLB] = pool_desc(b"tlb", 32, sizeof(tlb_entry_t), 0)
POOLS[POOL_TRACE] = pool_desc(b"trace", 64, sizeof(trace_t), 0)
POOLS[POOL_SWAP] = pool_desc(b"swap", SWAP_BYTES, sizeof(swap_slot_t), 1)
POOLS[POOL_MEMCG] = pool_desc(b"memcg", MEMCG_BYTES, sizeof(memcg_t), 0)
POOLS[POOL_FOLIO_X] = pool_desc(b"folio_x", FOLIO_X_BYTES, sizeof(folio_x_t), 1)
POOLS[POOL_LIBC] = pool_desc(b"libc", LIBC_BYTES, sizeof(libc_data_t), 0)
POOLS[POOL_FBATCH] = pool_desc(b"fbatch", FBATCH_BYTES, sizeof(cpu_fbatches_t), 1)
POOLS[POOL_CLUSTER] = pool_desc(b"cluster", CLUSTER_BYTES, sizeof(swap_cluster_t), 1)
POOLS[POOL_KMSG] = pool_desc(b"kmsg", 256, sizeof(kmsg_t), 0)
POOLS[POOL_CACHE_CPU] = pool_desc(b"kmem_cache_cpu", 32, sizeof(kmem_cache_cpu_t), 1)
POOLS[POOL_SHEAF] = pool_desc(b"slab_sheaf", 512, sizeof(slab_sheaf_t), 0)
POOLS[POOL_MAPLE] = pool_desc(b"maple_node", 256, sizeof(maple_node_t), 0)
POOLS[POOL_VMAP] = pool_desc(b"vmap_area", 128, sizeof(vmap_area_t), 0)
POOLS[POOL_CRED] = pool_desc(b"cred", 32, sizeof(cred_t), 0)
POOLS[POOL_KMEM] = pool_desc(b"kmem", 64, sizeof(kmem_obj_t), 0)
POOLS[POOL_OBJ_EXTS] = pool_desc(b"slab_obj_exts", 1024, sizeof(slab_obj_exts_t), 0)
POOLS[POOL_SWAP_ORDERS] = pool_desc(b"swap_orders", SWAP_ORDERS_BYTES, sizeof(swap_orders_t), 1)


cdef uint32_t pool_size(int pool) noexcept nogil:
    return POOLS[pool].size


cdef bint pool_is_sparse(int pool) noexcept nogil:
    return POOLS[pool].sparse != 0


cdef const char *pool_name(int pool) noexcept nogil:
    return POOLS[pool].name


cdef void arena_fail(arena_t *a, int err, int pool, uint32_t i) noexcept nogil:
    """Remember the first thing that went wrong."""
    if a.err == ARENA_OK:
        a.err = err
        a.err_pool = pool
        a.err_index = i


cdef int arena_init(arena_t *a) noexcept nogil:
    cdef int i
    cdef uint32_t per
    memset(a, 0, sizeof(arena_t))
    a.poison = <char *>calloc(1, MOST_PAGE_BYTES)
    if a.poison == NULL:
        return -ENOMEM
    for i in range(NR_POOLS):
        per = CHUNK_BYTES // POOLS[i].size
        a.pool[i].size = POOLS[i].size
        a.pool[i].sparse = POOLS[i].sparse
        a.pool[i].mask = per - 1
        while (<uint32_t>1 << a.pool[i].shift) < per:
            a.pool[i].shift += 1
        if arena_resize(a, i, 1) < 0:
            return -ENOMEM
    a.m = <machine_t *>rec_mut(a, POOL_MACHINE, 0)
    return 0


cdef void arena_destroy(arena_t *a) noexcept nogil:
    cdef int i
    cdef uint32_t group, c
    cdef pool_t *p
    for i in range(NR_POOLS):
        p = &a.pool[i]
        for group in range((p.nr_dir + DIR_GROUP - 1) // DIR_GROUP):
            if p.held[group]:
                for c in range(group * DIR_GROUP, min((group + 1) * DIR_GROUP, p.nr_dir)):
                    free(p.chunk[c])
        free(p.chunk)
        free(p.state)
        free(p.held)
    free(a.poison)
    free(a.dirty)
    memset(a, 0, sizeof(arena_t))


cdef int arena_resize(arena_t *a, int pool, uint32_t count) noexcept nogil:
    """Only the directory grows."""
    cdef pool_t *p = &a.pool[pool]
    cdef uint64_t need = ((<uint64_t>count + p.mask) >> p.shift)
    cdef uint64_t cap
    cdef char **chunk
    cdef uint8_t *state
    cdef uint8_t *held
    if need > p.nr_dir:
        cap = need if need > <uint64_t>p.nr_dir * 2 else <uint64_t>p.nr_dir * 2
        # calloc, not realloc: what is never used of a large directory costs nothing, so a machine of 1 TiB opens as fast as any
        chunk = <char **>calloc(cap, sizeof(char *))
        state = <uint8_t *>calloc(cap, 1)
        held = <uint8_t *>calloc(cap // DIR_GROUP + 1, 1)
        if chunk == NULL or state == NULL or held == NULL:
            free(chunk)
            free(state)
            free(held)
            arena_fail(a, ARENA_NOMEM, pool, count)
            return -ENOMEM
        if p.nr_dir:
            memcpy(chunk, p.chunk, p.nr_dir * sizeof(char *))
            memcpy(state, p.state, p.nr_dir)
            memcpy(held, p.held, p.nr_dir // DIR_GROUP + 1)
        free(p.chunk)
        free(p.state)
        free(p.held)
        p.chunk = chunk
        p.state = state
        p.held = held
        p.nr_dir = <uint32_t>cap
    if count > p.count:
        p.count = count
    return 0


cdef inline uint32_t chunks_a_page(const arena_t *a, int pool) noexcept nogil:
    """Of contents: as many as hold a page, where it is larger than a chunk."""
    return <uint32_t>1 << (a.m.arch.page_shift - CHUNK_SHIFT) if pool == POOL_CONTENT and a.m != NULL and a.m.arch.page_shift > CHUNK_SHIFT else 1


cdef char *load_page(arena_t *a, uint32_t first, uint32_t nr) noexcept nogil:
    """A page's chunks, one behind the other; NULL: one could not be read."""
    cdef pool_t *p = &a.pool[POOL_CONTENT]
    cdef char *mem
    cdef char *part
    cdef uint32_t i
    if <uint64_t>first + nr > p.nr_dir:
        return NULL
    mem = <char *>calloc(nr, CHUNK_BYTES)
    for i in range(nr if mem != NULL else 0):
        if a.load == NULL or p.state[first + i] & CHUNK_DROPPED:
            continue
        part = <char *>a.load(a.ctx, POOL_CONTENT, first + i)
        if part == NULL:
            free(mem)
            return NULL
        memcpy(mem + <uint64_t>i * CHUNK_BYTES, part, CHUNK_BYTES)
        free(part)
    return mem


cdef void *arena_miss(arena_t *a, int pool, uint32_t i) noexcept nogil:
    """The rare branch of rec_at: load the chunk, or give the poison record."""
    cdef pool_t *p = &a.pool[pool]
    cdef uint32_t c = i >> p.shift
    cdef uint32_t nr = chunks_a_page(a, pool)
    cdef char *mem
    if a.err != ARENA_OK:  # the image is lost: a loop over a chunk that cannot be read must not ask for it each time
        return a.poison
    if i >= p.count:
        arena_fail(a, ARENA_RANGE, pool, i)
        return a.poison
    if nr > 1:
        c &= ~(nr - 1)  # a number within a page, as a damaged file has it, leads to its start
        mem = p.chunk[c] if p.chunk[c] != NULL else load_page(a, c, nr)
    elif a.load != NULL and p.state[c] & CHUNK_DROPPED == 0:
        mem = <char *>a.load(a.ctx, pool, c)
    else:
        mem = <char *>calloc(1, CHUNK_BYTES)
    if mem == NULL:
        arena_fail(a, ARENA_LOAD, pool, i)
        return a.poison
    p.chunk[c] = mem
    p.held[c // DIR_GROUP] = 1
    return mem + <uint64_t>(i & p.mask) * p.size


cdef void arena_mark(arena_t *a, int pool, uint32_t chunk) noexcept nogil:
    """The chunk is about to change: the next commit saves it. One that could not be loaded stays unmarked: CHUNK_DIRTY says that it is there."""
    cdef uint32_t i
    if a.pool[pool].chunk[chunk] != NULL:
        for i in range(chunks_a_page(a, pool)):
            mark_one(a, pool, chunk + i)


cdef char *rec_mut_first(arena_t *a, int pool, uint32_t i) noexcept nogil:
    cdef char *r = rec_at(a, pool, i)
    if i < a.pool[pool].count:
        arena_mark(a, pool, i >> a.pool[pool].shift)
    return r


cdef void mark_one(arena_t *a, int pool, uint32_t chunk) noexcept nogil:
    cdef uint64_t *grown
    a.pool[pool].state[chunk] = (a.pool[pool].state[chunk] | CHUNK_DIRTY) & ~CHUNK_DROPPED
    if a.nr_dirty == a.cap_dirty:
        grown = <uint64_t *>realloc(a.dirty, (a.cap_dirty * 2 + 64) * sizeof(uint64_t))
        if grown == NULL:
            arena_fail(a, ARENA_NOMEM, pool, chunk)
            return
        a.dirty = grown
        a.cap_dirty = a.cap_dirty * 2 + 64
    a.dirty[a.nr_dirty] = <uint64_t>pool << 32 | chunk
    a.nr_dirty += 1


cdef idx_t rec_alloc(arena_t *a, int pool) noexcept nogil:
    cdef pool_t *p = &a.pool[pool]
    cdef idx_t i = p.free_head
    cdef char *r
    if i:
        r = rec_mut(a, pool, i)
        p.free_head = (<uint32_t *>r)[0]
        p.nr_free -= 1
    else:
        i = p.count
        if should_fail(a):
            arena_fail(a, ARENA_NOMEM, pool, i)
            return 0
        if arena_resize(a, pool, i + 1) < 0:
            return 0
        r = rec_mut(a, pool, i)
    memset(r, 0, p.size)
    return i


cdef void rec_free(arena_t *a, int pool, idx_t i) noexcept nogil:
    """Give the record back; it reads as zeros but for the link in its first word."""
    cdef pool_t *p = &a.pool[pool]
    cdef char *r = rec_mut(a, pool, i)
    memset(r, 0, p.size)
    (<uint32_t *>r)[0] = p.free_head
    p.free_head = i
    p.nr_free += 1


cdef bint rec_is_live(arena_t *a, int pool, idx_t i) noexcept nogil:
    cdef const uint32_t *word
    cdef uint32_t k
    if i == 0 or i >= a.pool[pool].count:
        return False
    word = <const uint32_t *>rec_at(a, pool, i)
    for k in range(1, a.pool[pool].size // sizeof(uint32_t)):
        if word[k]:
            return True
    return False


cdef void slot_unlink(arena_t *a, idx_t s) noexcept nogil:
    cdef slot_t *slot = <slot_t *>rec_mut(a, POOL_SLOT, s)
    if slot.prev:
        (<slot_t *>rec_mut(a, POOL_SLOT, slot.prev)).next = slot.next
    else:
        a.m.content_partial = slot.next
    if slot.next:
        (<slot_t *>rec_mut(a, POOL_SLOT, slot.next)).prev = slot.prev
    slot.next = 0
    slot.prev = 0


cdef void content_sized(arena_t *a) noexcept nogil:
    if a.m.arch.page_shift > CONTENT_SHIFT:
        a.pool[POOL_CONTENT].mask = 0


cdef void slot_link(arena_t *a, idx_t s) noexcept nogil:
    cdef slot_t *slot = <slot_t *>rec_mut(a, POOL_SLOT, s)
    slot.next = a.m.content_partial
    slot.prev = 0
    if slot.next:
        (<slot_t *>rec_mut(a, POOL_SLOT, slot.next)).prev = s
    a.m.content_partial = s


cdef idx_t content_alloc(arena_t *a) noexcept nogil:
    """4 KiB of zeros, of a machine with larger pages the chunk or chunks that hold one. Chunk c of the contents, a page's first, is described by
    slot c + 1; content 0 is null."""
    cdef uint32_t nr = chunks_a_page(a, POOL_CONTENT)
    cdef pool_t *p = &a.pool[POOL_CONTENT]
    cdef idx_t s = a.m.content_partial
    cdef slot_t *slot
    cdef uint32_t bit = 0
    cdef idx_t c
    if s == 0:
        s = rec_alloc(a, POOL_SLOT)
        while s and (<uint32_t>a.pool[POOL_SLOT].count - s) % nr:
            if rec_alloc(a, POOL_SLOT) == 0:  # the page's other chunks: their slots say nothing
                return 0
        if s == 0 or arena_resize(a, POOL_CONTENT, (s + nr - 1) * 4) < 0:
            return 0
        if s == 1:
            (<slot_t *>rec_mut(a, POOL_SLOT, s)).used = 1  # the null content
            if a.m.arch.page_shift > CONTENT_SHIFT:
                return content_alloc(a)  # that chunk is nobody's: a page takes a whole one
        slot_link(a, s)
    slot = <slot_t *>rec_mut(a, POOL_SLOT, s)
    while bit < 3 and slot.used >> bit & 1:
        bit += 1
    slot.used |= <uint32_t>1 << bit if a.m.arch.page_shift <= CONTENT_SHIFT else 15
    if slot.used == 15:
        slot_unlink(a, s)
    c = (s - 1) * 4 + bit
    if c >= p.count:
        arena_fail(a, ARENA_RANGE, POOL_CONTENT, c)
        return 0
    for bit in range(nr):
        p.state[(c >> 2) + bit] &= <uint8_t>~CHUNK_DROPPED
    a.m.nr_contents += 1
    memset(content_mut(a, c), 0, <uint64_t>1 << a.m.arch.page_shift if a.m.arch.page_shift > CONTENT_SHIFT else CONTENT_BYTES)
    return c


cdef void content_free(arena_t *a, idx_t c) noexcept nogil:
    """Give one back without reading them; a chunk that became empty is dropped from the store."""
    cdef idx_t s = (c >> 2) + 1
    cdef slot_t *slot = <slot_t *>rec_mut(a, POOL_SLOT, s)
    cdef pool_t *p = &a.pool[POOL_CONTENT]
    cdef uint32_t chunk = c >> 2
    if c >= p.count:
        arena_fail(a, ARENA_RANGE, POOL_CONTENT, c)
        return
    if slot.used == 15:
        slot_link(a, s)
        slot = <slot_t *>rec_mut(a, POOL_SLOT, s)
    slot.used &= ~(<uint32_t>1 << (c & 3)) if a.m.arch.page_shift <= CONTENT_SHIFT else 0
    a.m.nr_contents -= 1
    if slot.used == 0:
        if not p.state[chunk] & CHUNK_DIRTY:
            arena_mark(a, POOL_CONTENT, chunk)
        for chunk in range(c >> 2, (c >> 2) + chunks_a_page(a, POOL_CONTENT)):
            p.state[chunk] |= CHUNK_DROPPED
