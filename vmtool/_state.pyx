# cython: language_level=3
"""State: an arena, the chunks it loads on first use, and what a commit has to save.

A chunk that cannot be loaded, or an index out of range in a damaged file, gives records of zeros and sets `arena.err`; every method of
the door ends in `check()`, so nothing computed from them is shown or saved.
"""

from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, getenv, malloc, qsort
from libc.string cimport memcpy, strcmp

from vmtool.mm.arena cimport CHUNK_DIRTY, CHUNK_DROPPED, CHUNK_SAVED, arena_destroy, arena_init, arena_mark, arena_resize, pool_is_sparse, pool_name, pool_size, rec_mut
from vmtool.mm.sched cimport schedule
from vmtool.mm.types cimport CHUNK_BYTES, NR_POOLS, POOL_CONTENT, POOL_MACHINE, machine_t

from vmtool.errors import InternalError

cdef extern from *:
    enum:
        VMTOOL_DEBUG  # by setup.py

cdef struct pool_header_t:  # how a pool stands in the header
    uint32_t count
    uint32_t free_head
    uint32_t nr_free
    uint32_t unused

cdef enum:
    MOST_CHUNKS = 1 << 26  # a TiB
    FIRST_POOLS = 24  # as many has a file of the first version
    MANY_CHUNKS = 64  # from here on it is worth a look whether the last one was saved

MAGIC = b"vmtool\0\1"


cdef void *load_chunk(void *ctx, int pool, uint32_t chunk) noexcept nogil:
    """arena_t.load: the chunk's bytes in memory of their own, or NULL."""
    with gil:
        return fetch(<State>ctx, pool, chunk)


cdef void *fetch(State state, int pool, uint32_t chunk) noexcept:
    cdef char *mem
    cdef const char *source
    try:
        data = state.load_chunk(pool, chunk)
        mem = <char *>(calloc(1, CHUNK_BYTES) if data is None else malloc(CHUNK_BYTES))
        if mem == NULL:
            raise MemoryError()
        if data is not None:
            if len(data) != CHUNK_BYTES:
                free(mem)
                raise InternalError(f"chunk {chunk} of pool {pool} has {len(data)} bytes")
            source = data
            memcpy(mem, source, CHUNK_BYTES)
            state.a.pool[pool].state[chunk] |= CHUNK_SAVED
        return mem
    except BaseException as error:  # nothing may be raised across nogil code: check() raises it
        if state.load_error is None:
            state.load_error = error
        return NULL


cdef int by_place(const void *one, const void *other) noexcept nogil:
    cdef uint64_t a = (<const uint64_t *>one)[0], b = (<const uint64_t *>other)[0]
    return (a > b) - (a < b)


cdef char *chunk_memory(arena_t *a, int pool, uint32_t chunk) noexcept nogil:
    """Where a chunk's bytes are, NULL: it is not loaded. Of contents with pages of 64K four lie one behind the other."""
    cdef uint32_t within = chunk & 3 if pool == POOL_CONTENT and a.m.arch.page_shift > 14 else 0
    cdef char *mem = a.pool[pool].chunk[chunk - within]
    return mem + <uint64_t>within * CHUNK_BYTES if mem != NULL else NULL


cdef bint takes_quick_roads() noexcept:
    return getenv("VMTOOL_QUICK") == NULL or strcmp(getenv("VMTOOL_QUICK"), "0") != 0


cdef class State:
    def __cinit__(self, load=None, header=None):
        if arena_init(&self.a) < 0:
            raise MemoryError()
        self.a.quick = takes_quick_roads()
        self.load_chunk = load
        if load is not None:
            self.a.ctx = <void *>self
            self.a.load = load_chunk
            self.take_over(header)

    def __dealloc__(self):
        arena_destroy(&self.a)

    cdef int take_over(self, header) except -1:
        """Take over the pools' sizes and free lists, and the machine's own record, from a saved header."""
        cdef int i
        cdef int nr_saved = (len(header) - len(MAGIC)) // <Py_ssize_t>sizeof(pool_header_t)
        cdef const char *saved
        cdef pool_header_t h
        # a pool that is younger than the file is empty
        if not FIRST_POOLS <= nr_saved <= NR_POOLS or len(header) != len(MAGIC) + sizeof(pool_header_t) * nr_saved or header[: len(MAGIC)] != MAGIC:
            raise InternalError("the saved header is not one of this version")
        saved = header
        saved += <Py_ssize_t>len(MAGIC)
        for i in range(nr_saved):
            memcpy(&h, saved + i * sizeof(pool_header_t), sizeof(pool_header_t))
            self.check_count(i, h.count)
            if arena_resize(&self.a, i, h.count) < 0:
                raise MemoryError()
            self.a.pool[i].free_head = h.free_head
            self.a.pool[i].nr_free = h.nr_free
        free(self.a.pool[POOL_MACHINE].chunk[0])
        self.a.pool[POOL_MACHINE].chunk[0] = NULL
        self.a.pool[POOL_MACHINE].state[0] = 0
        self.a.nr_dirty = 0
        self.a.m = <machine_t *>rec_mut(&self.a, POOL_MACHINE, 0)
        for i in range(NR_POOLS):
            self.a.pool[i].state[0] &= <uint8_t>~CHUNK_DIRTY
        self.a.nr_dirty = 0
        self.check()
        return 0

    cdef int check_count(self, int pool, uint32_t count) except -1:
        """A pool has the records that its count says: what is done for each of them must come to an end."""
        cdef uint32_t last = count // (CHUNK_BYTES // pool_size(pool))
        if last > MOST_CHUNKS or (last > MANY_CHUNKS and not pool_is_sparse(pool) and pool != POOL_CONTENT
                                  and self.load_chunk(pool, (count - 1) // (CHUNK_BYTES // pool_size(pool))) is None):
            raise InternalError(f"{count} records in the pool {pool_name(pool).decode()} cannot be")
        return 0

    cdef int fail(self) except -1:
        """The image is not to be trusted: say why."""
        error, self.load_error = self.load_error, None
        if error is not None:
            raise error
        what = {1: "an index out of range", 2: "a chunk that could not be read", 3: "no memory", 4: "a list or fault without end"}
        raise InternalError(f"{what.get(self.a.err, 'error')} in {pool_name(self.a.err_pool).decode()} record {self.a.err_index}")

    cdef int checked(self) except -1:
        schedule(&self.a)
        if self.a.err:
            self.fail()
        return 0

    def check(self):
        self.checked()

    def header(self):
        cdef int i
        cdef pool_header_t h[NR_POOLS]
        for i in range(NR_POOLS):
            h[i].count, h[i].free_head, h[i].nr_free, h[i].unused = self.a.pool[i].count, self.a.pool[i].free_head, self.a.pool[i].nr_free, 0
        return MAGIC + (<const char *>h)[: sizeof(h)]

    def dirty(self):
        if self.a.nr_dirty:
            self.mark_machine()
        return self.marked(CHUNK_DROPPED, 0)

    cdef void mark(self) noexcept:
        if not self.a.pool[POOL_MACHINE].state[0] & CHUNK_DIRTY:
            arena_mark(&self.a, POOL_MACHINE, 0)

    def mark_machine(self):
        """The machine's own record is written through a pointer that never marks: any change saves it."""
        self.mark()

    def dropped(self):
        return self.marked(CHUNK_DROPPED | CHUNK_SAVED, CHUNK_DROPPED | CHUNK_SAVED)

    cdef list marked(self, uint8_t mask, uint8_t wanted):
        """(pool, chunk) of the marked chunks with these CHUNK_ bits, in order."""
        cdef uint32_t i, nr = 0
        cdef uint64_t d
        cdef uint64_t *places = <uint64_t *>malloc((self.a.nr_dirty + 1) * sizeof(uint64_t))
        if places == NULL:
            raise MemoryError()
        for i in range(self.a.nr_dirty):
            d = self.a.dirty[i]
            if self.a.pool[d >> 32].state[d & 0xFFFFFFFF] & mask == wanted:
                places[nr] = d
                nr += 1
        qsort(places, nr, sizeof(uint64_t), by_place)
        try:
            return [(<uint32_t>(places[i] >> 32), <uint32_t>places[i]) for i in range(nr)]
        finally:
            free(places)

    def chunk(self, int pool, uint32_t chunk):
        cdef char *mem = chunk_memory(&self.a, pool, chunk)
        if mem == NULL:
            raise InternalError(f"chunk {chunk} of pool {pool} is not loaded")
        # not Cython's own memoryview, whose first use imports collections: 2 ms of a command's 20
        return PyMemoryView_FromMemory(mem, CHUNK_BYTES, PyBUF_READ)

    def clean(self):
        cdef uint32_t i
        cdef uint64_t d
        for i in range(self.a.nr_dirty):
            d = self.a.dirty[i]
            if self.a.pool[d >> 32].state[d & 0xFFFFFFFF] & CHUNK_DROPPED:
                # gone from the store; in memory it goes on as zeros
                self.a.pool[d >> 32].state[d & 0xFFFFFFFF] = CHUNK_DROPPED
            else:
                self.a.pool[d >> 32].state[d & 0xFFFFFFFF] = CHUNK_SAVED
        self.a.nr_dirty = 0

    def verify_clean(self):
        """Debug builds compare unmarked chunks with the store's."""
        cdef int pool
        cdef uint32_t c
        if self.load_chunk is None or not VMTOOL_DEBUG:
            return
        if self.a.nr_dirty:  # as dirty() will
            self.mark_machine()
        for pool in range(NR_POOLS):
            for c in range(self.a.pool[pool].nr_dir):
                if self.a.pool[pool].chunk[c] != NULL and not self.a.pool[pool].state[c] & (CHUNK_DIRTY | CHUNK_DROPPED):
                    saved = self.load_chunk(pool, c)
                    mine = self.a.pool[pool].chunk[c][:CHUNK_BYTES]
                    if mine != (saved if saved is not None else bytes(CHUNK_BYTES)):
                        raise InternalError(f"chunk {c} of {pool_name(pool).decode()} changed without a mark")

    def savepoint(self):
        """The state as it stands, to be given to rollback(): what is dirty by its bytes; the rest is in the store, or zeros."""
        cdef uint32_t i
        self.check()
        self.mark_machine()
        chunks = {}
        for i in range(self.a.nr_dirty):
            pool, chunk = self.a.dirty[i] >> 32, self.a.dirty[i] & 0xFFFFFFFF
            chunks[pool, chunk] = (self.a.pool[pool].state[chunk], bytes(self.chunk(pool, chunk)))
        return self.header(), chunks, self.a.task, self.a.cpu

    def rollback(self, point):
        """Everything as it was at the savepoint, to the byte. Directories that grew stay so: their chunks read as zeros."""
        cdef uint32_t i, nr = 0
        cdef const char *source
        cdef pool_header_t h
        header, chunks, task, cpu = point
        for i in range(self.a.nr_dirty):
            key = (self.a.dirty[i] >> 32, self.a.dirty[i] & 0xFFFFFFFF)
            pool, chunk = key
            state, data = chunks[key] if key in chunks else self.saved_chunk(pool, chunk)
            source = data
            memcpy(chunk_memory(&self.a, pool, chunk), source, CHUNK_BYTES)
            self.a.pool[pool].state[chunk] = state
            if key in chunks:
                self.a.dirty[nr] = self.a.dirty[i]
                nr += 1
        self.a.nr_dirty = nr
        source = header
        for i in range(NR_POOLS):
            memcpy(&h, source + len(MAGIC) + i * sizeof(pool_header_t), sizeof(pool_header_t))
            self.a.pool[i].count, self.a.pool[i].free_head, self.a.pool[i].nr_free = h.count, h.free_head, h.nr_free
        self.a.task, self.a.cpu = task, cpu
        self.a.err = 0
        self.load_error = None

    def fail_nth(self, uint32_t nth):
        left, self.a.fail_nth = self.a.fail_nth, nth
        self.a.quick = nth == 0 and takes_quick_roads()  # a quick road takes what lies ready, without asking
        return left

    def saved_chunk(self, int pool, uint32_t chunk):
        """(state, bytes) of a chunk as it was before anything changed it."""
        data = None
        if self.load_chunk is not None and self.a.pool[pool].state[chunk] & CHUNK_SAVED:
            data = self.load_chunk(pool, chunk)
        return (0, bytes(CHUNK_BYTES)) if data is None else (CHUNK_SAVED, data)

    @staticmethod
    def pools():
        return [(pool_name(i).decode(), pool_size(i), CHUNK_BYTES // pool_size(i)) for i in range(NR_POOLS)]
