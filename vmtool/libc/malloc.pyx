"""What the program calls. Which arena serves it, the tcache before any lock, and the blocks that are mappings of their own.

Counterpart: glibc 2.36 malloc/malloc.c (__libc_malloc() and the others, _int_realloc(), _int_memalign(), mtrim()), malloc/arena.c:ptmalloc_init().
"""

from vmtool.libc.arenas cimport arena_get, arena_get_retry, arena_thread_freeres, malloc_init_state
from vmtool.libc.bins cimport unlink_chunk
from vmtool.libc.chunk cimport *
from vmtool.libc.heaps cimport arena_for_chunk, heap_for_ptr
from vmtool.libc.int_free cimport int_free, malloc_consolidate
from vmtool.libc.int_malloc cimport int_malloc
from vmtool.libc.munmap_chunk cimport mremap_chunk, munmap_chunk
from vmtool.libc.tcache cimport tcache_count, tcache_get
from vmtool.libc.trim cimport drop_free_pages, systrim
from vmtool.libc.tunables cimport tunables_init
from vmtool.libc.words cimport abort_with, memory_copy, memory_fill
from vmtool.mm.arena cimport cpu_mut, mm_at, mm_mut, rec_alloc, rec_mut, task_mut
from vmtool.mm.libc_data cimport libc_data_t
from vmtool.mm.types cimport POOL_LIBC

cdef enum:
    ARENA_TEST = 8

# --- life ------------------------------------------------------------------------------------------------


cdef void libc_enter(libc_t *l, arena_t *a, idx_t task) noexcept nogil:
    l.a = a
    l.task = task
    l.t = task_mut(a, task)
    l.c = cpu_mut(a, l.t.cpu)
    l.mm = l.t.mm
    l.many_threads = mm_at(a, l.mm).users > 1
    l.main_arena = mm_at(a, l.mm).task_size + MAIN_ARENA_OFFSET
    l.looks = False
    l.signo = 0
    l.info.signo = 0
    l.message = NULL
    l.nr_steps = 0
    if mm_at(a, l.mm).libc == 0:
        mm_mut(a, l.mm).libc = rec_alloc(a, POOL_LIBC)
        (<libc_data_t *>rec_mut(a, POOL_LIBC, mm_at(a, l.mm).libc)).live = 1
    l.d = <libc_data_t *>rec_mut(a, POOL_LIBC, mm_at(a, l.mm).libc)


cdef void ptmalloc_init(libc_t *l) noexcept nogil:
    cdef uint64_t key
    if l.d.initialized:
        return
    l.d.initialized = 1
    l.d.mp.top_pad = DEFAULT_TOP_PAD
    l.d.mp.n_mmaps_max = DEFAULT_MMAP_MAX
    l.d.mp.mmap_threshold = DEFAULT_MMAP_THRESHOLD
    l.d.mp.trim_threshold = DEFAULT_TRIM_THRESHOLD
    l.d.mp.arena_test = ARENA_TEST
    l.d.mp.tcache_count = TCACHE_FILL_COUNT
    l.d.mp.tcache_bins = TCACHE_MAX_BINS
    l.d.mp.tcache_max_bytes = MAX_TCACHE_SIZE
    l.d.narenas = 1
    # random in the library; here of the machine's seed
    key = (l.a.m.seed ^ l.t.pid) * <uint64_t>0x9e3779b97f4a7c15 + <uint64_t>0xbf58476d1ce4e5b9
    l.d.tcache_key = (key ^ key >> 31) | 1
    l.t.thread_arena = l.main_arena
    malloc_init_state(l, l.main_arena)
    st64(l, l.main_arena + AV_NEXT, l.main_arena)
    st64(l, l.main_arena + AV_ATTACHED, 1)
    tunables_init(l)


cdef void tcache_init(libc_t *l) noexcept nogil:
    cdef vaddr_t av, mem
    if l.t.tcache:
        return
    av = arena_get(l, SIZEOF_TCACHE)
    mem = int_malloc(l, av, SIZEOF_TCACHE)
    if mem == 0 and av:
        av = arena_get_retry(l, av, SIZEOF_TCACHE)
        mem = int_malloc(l, av, SIZEOF_TCACHE)
    if mem:
        memory_fill(l, mem, 0, SIZEOF_TCACHE)
        l.t.tcache = mem


cdef void libc_thread_exit(libc_t *l) noexcept nogil:
    """__malloc_arena_thread_freeres(): the cached blocks go back to their arenas, then the table, then the arena."""
    cdef vaddr_t table = l.t.tcache, e
    cdef uint64_t i
    if not l.d.initialized:
        return
    if table:
        l.t.tcache = 0
        for i in range(TCACHE_MAX_BINS):
            e = ld64(l, table + TCACHE_ENTRIES + i * 8)
            while e:
                if misaligned(e):
                    abort_with(l, "tcache_thread_shutdown(): unaligned tcache chunk detected")
                st64(l, table + TCACHE_ENTRIES + i * 8, reveal_at(l, e))
                free_block(l, e)
                e = ld64(l, table + TCACHE_ENTRIES + i * 8)
        free_block(l, table)
    arena_thread_freeres(l)

# --- the five calls ---------------------------------------------------------------------------------------


cdef vaddr_t malloc_slowpath(libc_t *l, uint64_t bytes) noexcept nogil:
    """Not out of the tcache: the main arena for a program of one thread, else the thread's own, and if that fails another."""
    cdef vaddr_t av, mem
    if not l.many_threads:
        return int_malloc(l, l.main_arena, bytes)
    av = arena_get(l, bytes)
    mem = int_malloc(l, av, bytes)
    if mem == 0 and av:
        mem = int_malloc(l, arena_get_retry(l, av, bytes), bytes)
    return mem


cdef vaddr_t libc_malloc(libc_t *l, uint64_t bytes) noexcept nogil:
    cdef uint64_t nb, index
    ptmalloc_init(l)
    if not request2size(bytes, &nb):
        return 0
    index = tcache_index(nb)
    tcache_init(l)
    if index < l.d.mp.tcache_bins and l.t.tcache and tcache_count(l, index):
        return tcache_get(l, index)
    return malloc_slowpath(l, bytes)


cdef void free_block(libc_t *l, vaddr_t mem) noexcept nogil:
    """__libc_free() without making a tcache."""
    cdef vaddr_t p = mem2chunk(mem)
    cdef uint64_t word = size_word(l, p)
    if word & IS_MMAPPED:
        # the comparison is with the bits in; so a mapping of exactly 32 MB does not move the threshold
        if not l.d.mp.no_dyn_threshold and word > l.d.mp.mmap_threshold and word <= DEFAULT_MMAP_THRESHOLD_MAX:
            l.d.mp.mmap_threshold = word & ~<uint64_t>SIZE_BITS
            l.d.mp.trim_threshold = 2 * l.d.mp.mmap_threshold
        munmap_chunk(l, p)
    else:
        int_free(l, arena_for_chunk(l, p, word), p, False)


cdef void libc_free(libc_t *l, vaddr_t mem) noexcept nogil:
    if mem == 0:
        return
    if not size_word(l, mem2chunk(mem)) & IS_MMAPPED:
        tcache_init(l)
    free_block(l, mem)


cdef uint64_t uncleared(libc_t *l, vaddr_t av, vaddr_t top) noexcept nogil:
    """How much of what begins at the top may have been used before. What brk() adds is the kernel's zeros, however often it was there (MORECORE_CLEARS is 2)."""
    cdef uint64_t size = chunksize(l, top), reached
    if av == l.main_arena:
        return size
    reached = heap_for_ptr(top) + ld64(l, heap_for_ptr(top) + HEAP_MPROTECT_SIZE) - top
    return size if size >= reached else reached


cdef vaddr_t libc_calloc(libc_t *l, uint64_t n, uint64_t size) noexcept nogil:
    cdef uint64_t bytes = n * size, csz, top_size = 0, word
    cdef vaddr_t av, top = 0, mem, p
    if size and bytes // size != n:
        return 0
    ptmalloc_init(l)
    tcache_init(l)
    av = arena_get(l, bytes) if l.many_threads else l.main_arena
    if av:
        top = top_of(l, av)
        top_size = uncleared(l, av, top)
    mem = int_malloc(l, av, bytes)
    if mem == 0 and l.many_threads and av:
        mem = int_malloc(l, arena_get_retry(l, av, bytes), bytes)
    if mem == 0:
        return 0
    p = mem2chunk(mem)
    word = size_word(l, p)
    if word & IS_MMAPPED:
        if l.d.perturb_byte:
            memory_fill(l, mem, 0, bytes)
        return mem
    csz = word & ~<uint64_t>SIZE_BITS
    if l.d.perturb_byte == 0 and p == top and csz > top_size:
        csz = top_size
    memory_fill(l, mem, 0, csz - SIZE_SZ)
    return mem


cdef vaddr_t grow_in_place(libc_t *l, vaddr_t av, vaddr_t p, uint64_t old, uint64_t nb, uint64_t *size) noexcept nogil:
    """By the top (then all is done, and *size is 0) or by a free chunk behind, *size bytes together. The chunk, or 0 when the block must move."""
    cdef vaddr_t next = p + old
    cdef uint64_t next_size = chunksize(l, next)
    if next == top_of(l, av):
        if old + next_size < nb + MINSIZE:
            return 0
        set_head_size(l, p, nb | arena_bit(l, av))
        set_top(l, av, p + nb)
        set_head(l, p + nb, (old + next_size - nb) | PREV_INUSE)
        size[0] = 0
        return p
    if size_word(l, next + next_size) & PREV_INUSE or old + next_size < nb:
        return 0
    unlink_chunk(l, next)
    size[0] = old + next_size
    return p


cdef vaddr_t move_block(libc_t *l, vaddr_t av, vaddr_t p, uint64_t old, uint64_t nb, uint64_t *size) noexcept nogil:
    """A new chunk; the old bytes are copied and its chunk freed. But the new one may lie right behind the old: then they are one. 0: no memory."""
    cdef vaddr_t mem = int_malloc(l, av, nb - MALLOC_ALIGN_MASK)
    if mem == 0:
        return 0
    if mem2chunk(mem) == p + old:
        size[0] = chunksize(l, mem2chunk(mem)) + old
        return p
    memory_copy(l, mem, chunk2mem(p), old - SIZE_SZ)
    int_free(l, av, p, True)
    return mem2chunk(mem)


cdef vaddr_t int_realloc(libc_t *l, vaddr_t av, vaddr_t p, uint64_t old, uint64_t nb) noexcept nogil:
    cdef vaddr_t next = p + old, at = p
    cdef uint64_t size = old, next_size
    if size_word(l, p) <= CHUNK_HDR_SZ or old >= system_mem(l, av):
        abort_with(l, "realloc(): invalid old size")
    next_size = chunksize(l, next)
    if size_word(l, next) <= CHUNK_HDR_SZ or next_size >= system_mem(l, av):
        abort_with(l, "realloc(): invalid next size")
    if old < nb:
        at = grow_in_place(l, av, p, old, nb, &size)
        if at == 0:
            at = move_block(l, av, p, old, nb, &size)
            if at != p:
                return chunk2mem(at) if at else 0
        elif size == 0:
            return chunk2mem(p)
    if size - nb < MINSIZE:
        set_head_size(l, p, size | arena_bit(l, av))
        set_inuse_at(l, p + size)
    else:
        set_head_size(l, p, nb | arena_bit(l, av))
        set_head(l, p + nb, (size - nb) | PREV_INUSE | arena_bit(l, av))
        set_inuse_at(l, p + size)
        int_free(l, av, p + nb, True)
    return chunk2mem(p)


cdef vaddr_t libc_realloc(libc_t *l, vaddr_t mem, uint64_t bytes) noexcept nogil:
    cdef vaddr_t p, av, new
    cdef uint64_t word, old, nb
    ptmalloc_init(l)
    if bytes == 0 and mem:
        libc_free(l, mem)
        return 0
    if mem == 0:
        return libc_malloc(l, bytes)
    p = mem2chunk(mem)
    word = size_word(l, p)
    old = word & ~<uint64_t>SIZE_BITS
    if not word & IS_MMAPPED:
        tcache_init(l)
    if p > <vaddr_t>-<int64_t>old or misaligned(p):
        abort_with(l, "realloc(): invalid pointer")
    if not request2size(bytes, &nb):
        return 0
    if not word & IS_MMAPPED:
        av = arena_for_chunk(l, p, word)
        new = int_realloc(l, av, p, old, nb)
        if new == 0 and l.many_threads:  # another arena may have room
            new = libc_malloc(l, bytes)
            if new:
                memory_copy(l, new, mem, old - SIZE_SZ)
                int_free(l, av, p, False)
        return new
    new = mremap_chunk(l, p, nb)
    if new:
        return chunk2mem(new)
    if old - SIZE_SZ >= nb:
        return mem
    new = libc_malloc(l, bytes)
    if new:
        memory_copy(l, new, mem, old - CHUNK_HDR_SZ)
        munmap_chunk(l, p)
    return new


cdef vaddr_t int_memalign(libc_t *l, vaddr_t av, uint64_t alignment, uint64_t bytes) noexcept nogil:
    """A chunk large enough to hold an aligned one: what is before that, and behind it, is freed."""
    cdef uint64_t nb, lead, size
    cdef vaddr_t mem, p, at
    if not request2size(bytes, &nb):
        return 0
    mem = int_malloc(l, av, nb + alignment + MINSIZE)
    if mem == 0:
        return 0
    p = mem2chunk(mem)
    if mem & (alignment - 1):
        at = mem2chunk(align_up(mem, alignment))
        if at - p < MINSIZE:
            at += alignment
        lead = at - p
        size = chunksize(l, p) - lead
        if size_word(l, p) & IS_MMAPPED:
            st64(l, at, prev_size(l, p) + lead)
            set_head(l, at, size | IS_MMAPPED)
            return chunk2mem(at)
        set_head(l, at, size | PREV_INUSE | arena_bit(l, av))
        set_inuse_at(l, at + size)
        set_head_size(l, p, lead | arena_bit(l, av))
        int_free(l, av, p, True)
        p = at
    if not size_word(l, p) & IS_MMAPPED:
        size = chunksize(l, p)
        if size > nb + MINSIZE:
            set_head(l, p + nb, (size - nb) | PREV_INUSE | arena_bit(l, av))
            set_head_size(l, p, nb)
            int_free(l, av, p + nb, True)
    return chunk2mem(p)


cdef vaddr_t libc_memalign(libc_t *l, uint64_t alignment, uint64_t bytes) noexcept nogil:
    cdef vaddr_t av, mem
    cdef uint64_t power = MINSIZE
    ptmalloc_init(l)
    if alignment <= MALLOC_ALIGNMENT:
        return libc_malloc(l, bytes)
    if alignment > (<uint64_t>-1 >> 1) + 1:
        return 0
    while power < alignment:
        power <<= 1
    if not l.many_threads:
        return int_memalign(l, l.main_arena, power, bytes)
    av = arena_get(l, bytes + power + MINSIZE)
    mem = int_memalign(l, av, power, bytes)
    if mem == 0 and av:
        mem = int_memalign(l, arena_get_retry(l, av, bytes), power, bytes)
    return mem

# --- others -------------------------------------------------------------------------------------------------


cdef uint64_t libc_usable_size(libc_t *l, vaddr_t mem) noexcept nogil:
    cdef vaddr_t p = mem2chunk(mem)
    cdef uint64_t word, size
    if mem == 0:
        return 0
    word = size_word(l, p)
    size = word & ~<uint64_t>SIZE_BITS
    if word & IS_MMAPPED:
        return size - CHUNK_HDR_SZ
    return size - SIZE_SZ if size_word(l, p + size) & PREV_INUSE else 0


cdef int libc_trim(libc_t *l, uint64_t pad) noexcept nogil:
    cdef vaddr_t av = l.main_arena
    cdef int result = 0
    ptmalloc_init(l)
    while True:
        malloc_consolidate(l, av)
        if drop_free_pages(l, av):
            result = 1
        if av == l.main_arena and systrim(l, pad, av):
            result = 1
        av = ld64(l, av + AV_NEXT)
        if av == l.main_arena:
            return result
