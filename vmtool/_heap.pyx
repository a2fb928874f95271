# cython: language_level=3
"""The C library's heap at the door: what the program of a process calls, and what a look at its heap shows.

Apart from _core, and imported when something of it is used: most commands never allocate. Each function takes the machine first.
"""

from libc.setjmp cimport setjmp
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc as c_calloc, free as c_free
from libc.string cimport memset

from vmtool._files cimport on_cpu
from vmtool._processes cimport signal_of
from vmtool._state cimport State
from vmtool._walks cimport find
from vmtool.libc.chunk cimport MAIN_ARENA_OFFSET, NSMALLBINS, OFF_BK, unsorted_chunks
from vmtool.libc.heap_fsck cimport heap_fsck, heap_fsck_name, heap_fsck_text
from vmtool.libc.heap_stats cimport bin_count_t, heap_cells, heap_stats, heap_stats_t
from vmtool.libc.heap_walk cimport *
from vmtool.libc.heaptrace cimport heaptrace_feed, heaptrace_free, heaptrace_t
from vmtool.libc.malloc cimport (libc_calloc, libc_enter, libc_free, libc_malloc, libc_memalign, libc_realloc, libc_thread_exit, libc_trim,
                                 libc_usable_size, ptmalloc_init)
from vmtool.libc.mallinfo cimport libc_mallinfo, mallinfo_t
from vmtool.libc.peek cimport peek64
from vmtool.libc.text cimport put_char, put_dec, put_hex, put_text, text_free, text_t
from vmtool.libc.tunables cimport TUNABLE_SET, TUNABLE_UNKNOWN, libc_mallopt, set_tunable as libc_set_tunable
from vmtool.libc.words cimport libc_t, step
from vmtool.mm.arch cimport SHIFT_4K
from vmtool.mm.arena cimport mm_at, rec_at, task_at
from vmtool.mm.libc_data cimport libc_data_t
from vmtool.mm.sys_kill cimport exit_by_signal
from vmtool.mm.mm_acct cimport mm_counter_sum
from vmtool.mm.types cimport *

from vmtool import records as r
from vmtool.errors import KernelError, Signal

U64 = 0xFFFFFFFFFFFFFFFF
CHUNK_STATES = {CHUNK_LIVE: "live", CHUNK_FREE: "free", CHUNK_TOP: "top", CHUNK_TCACHE: "tcache", CHUNK_FASTBIN: "fastbin", CHUNK_TABLE: "table",
                CHUNK_FENCE: "fence"}
BIN_KINDS = {CHUNK_TCACHE: 0, CHUNK_FASTBIN: 1, CHUNK_FREE: 2}
TRACE_LETTERS = {CHUNK_LIVE: "L", CHUNK_FREE: "F", CHUNK_TOP: "T"}

cdef enum:
    DO_MALLOC
    DO_CALLOC
    DO_REALLOC
    DO_FREE
    DO_MEMALIGN
    DO_MALLOPT
    DO_TRIM
    DO_USABLE
    DO_THREAD_EXIT
    ENOSYS = 38
    ELOOP = 40


cdef const char *STATE_NAMES[7]
STATE_NAMES[CHUNK_LIVE] = b"live"
STATE_NAMES[CHUNK_FREE] = b"free"
STATE_NAMES[CHUNK_TOP] = b"top"
STATE_NAMES[CHUNK_TCACHE] = b"tcache"
STATE_NAMES[CHUNK_FASTBIN] = b"fastbin"
STATE_NAMES[CHUNK_TABLE] = b"table"
STATE_NAMES[CHUNK_FENCE] = b"fence"


cdef int perform(libc_t *l, int what, uint64_t first, uint64_t second, uint64_t *out) noexcept nogil:
    """One call of the program; -1 when the process died in it."""
    if setjmp(l.env):
        return -1
    if what == DO_MALLOC:
        out[0] = libc_malloc(l, first)
    elif what == DO_CALLOC:
        out[0] = libc_calloc(l, first, second)
    elif what == DO_REALLOC:
        out[0] = libc_realloc(l, first, second)
    elif what == DO_FREE:
        libc_free(l, first)
    elif what == DO_MEMALIGN:
        out[0] = libc_memalign(l, first, second)
    elif what == DO_MALLOPT:
        ptmalloc_init(l)
        out[0] = <uint64_t>libc_mallopt(l, <int>first, <int>second)
    elif what == DO_TRIM:
        out[0] = <uint64_t>libc_trim(l, first)
    elif what == DO_USABLE:
        out[0] = libc_usable_size(l, first)
    else:
        libc_thread_exit(l)
    return 0


cdef object died(State m, libc_t *l, before):
    """The process ends by the signal that one of its accesses took, or by the library's abort()."""
    cdef task_t *t = task_at(&m.a, l.task)
    m.check()
    minor, major = t.min_flt - before[0], t.maj_flt - before[1]
    exit_by_signal(&m.a, l.task, l.signo)
    m.check()
    if l.message != NULL:
        return Signal(l.signo, l.message.decode(), None, minor, major)
    return signal_of(&l.info, minor, major, True)


cdef uint64_t call(State m, pid, int what, first=0, second=0) except? 7:
    cdef idx_t t = on_cpu(m, pid)
    cdef libc_t l
    cdef uint64_t got = 0, a = first & U64, b = second & U64
    cdef int failed
    if m.a.m.arch.entry_bytes != 8 or m.a.m.arch.page_shift != SHIFT_4K or mm_at(&m.a, task_at(&m.a, t).mm).flags & MMF_COMPAT:
        raise KernelError(ENOSYS, "the C library is that of 64-bit programs with pages of 4K")
    libc_enter(&l, &m.a, t)
    l.on_call = NULL
    before = (task_at(&m.a, t).min_flt, task_at(&m.a, t).maj_flt)
    with nogil:
        failed = perform(&l, what, a, b, &got)
    if failed:
        raise died(m, &l, before)
    m.check()
    return got


def malloc(State m, pid, size):
    return call(m, pid, DO_MALLOC, size)


def calloc(State m, pid, n, size):
    return call(m, pid, DO_CALLOC, n, size)


def realloc(State m, pid, addr, size):
    return call(m, pid, DO_REALLOC, addr, size)


def free(State m, pid, addr):
    call(m, pid, DO_FREE, addr)


def memalign(State m, pid, alignment, size):
    return call(m, pid, DO_MEMALIGN, alignment, size)


def mallopt(State m, pid, param, value):
    return call(m, pid, DO_MALLOPT, param, value)


def malloc_trim(State m, pid, pad=0):
    return call(m, pid, DO_TRIM, pad)


def malloc_usable_size(State m, pid, addr):
    return call(m, pid, DO_USABLE, addr)


def set_tunable(State m, pid, name, value):
    """Whether the tunable took the value; None: there is none of that name."""
    cdef libc_t l
    cdef int done
    call(m, pid, DO_USABLE)  # there is a heap now
    libc_enter(&l, &m.a, on_cpu(m, pid))
    name = name if name.startswith("glibc.malloc.") else "glibc.malloc." + name
    key, text = name.encode("utf-8", "surrogateescape"), str(value).encode()
    ptmalloc_init(&l)
    done = libc_set_tunable(&l, key, len(key), text, len(text))
    m.check()
    return None if done == TUNABLE_UNKNOWN else done == TUNABLE_SET


def thread_exit(State m, pid):
    call(m, pid, DO_THREAD_EXIT)


cdef object drain(text_t *t):
    text = t.at[: t.len] if t.len else b""
    t.len = 0
    return text


cdef class HeapTrace:
    """A trace of calls driving a process: `feed` whole lines, then take what they printed."""

    cdef State machine
    cdef heaptrace_t *t
    cdef object before

    def __cinit__(self, State machine, pid, heap_start=None, with_log=False, with_calls=False):
        cdef idx_t task = on_cpu(machine, pid)
        self.t = <heaptrace_t *>c_calloc(1, sizeof(heaptrace_t))
        if self.t == NULL:
            raise MemoryError()
        self.machine = machine
        libc_enter(&self.t.l, &machine.a, task)
        self.t.with_log, self.t.with_calls = with_log, with_calls
        self.t.heap_start = mm_at(&machine.a, self.t.l.mm).start_brk if heap_start is None else heap_start
        self.before = (task_at(&machine.a, task).min_flt, task_at(&machine.a, task).maj_flt)

    def __dealloc__(self):
        if self.t != NULL:
            heaptrace_free(self.t)
            c_free(self.t)

    def feed(self, lines, stop_at=0):
        """How many bytes of them were done: all, or up to the operation `stop_at`. KernelError(EINVAL) with the line's number and what is
        wrong with it; Signal when the process died."""
        cdef const char *text = lines
        cdef uint64_t n = len(lines)
        cdef int failed
        # another process may have run since
        libc_enter(&self.t.l, &self.machine.a, on_cpu(self.machine, task_at(&self.machine.a, self.t.l.task).pid))
        self.t.stop_at = stop_at
        with nogil:
            failed = heaptrace_feed(self.t, text, n)
        if failed and self.t.l.signo:
            raise died(self.machine, &self.t.l, self.before)
        self.machine.check()
        if self.t.wrong != NULL:
            raise KernelError(EINVAL, f"line {self.t.line}: {self.t.wrong.decode()}")
        if failed:
            raise MemoryError()
        return min(self.t.at - text, n)

    @property
    def line(self):
        return self.t.line

    def take_log(self):
        return drain(&self.t.log)

    def take_calls(self):
        return drain(&self.t.calls)

    def figures(self):
        self.t.l.looks = True
        return figures(self.machine, &self.t.l)

    def rss_bytes(self):
        cdef mm_t *m = mm_at(&self.machine.a, self.t.l.mm)
        cdef int64_t pages = mm_counter_sum(m, MM_ANONPAGES) + mm_counter_sum(m, MM_FILEPAGES) + mm_counter_sum(m, MM_SHMEMPAGES)
        return pages << self.machine.a.m.arch.page_shift

    def counts(self):
        cdef task_t *t = task_at(&self.machine.a, self.t.l.task)
        return r.HeapCounts(self.t.counts.ops, self.t.counts.brk, self.t.counts.mmap, self.t.counts.munmap, self.t.counts.mremap,
                            self.t.counts.madvise, self.t.counts.mprotect, t.min_flt - self.before[0], t.maj_flt - self.before[1])

    def final(self):
        """mallinfo2()'s fields, the chunks from the heap's start to the break, the totals of malloc_stats()."""
        cdef mallinfo_t i
        self.t.l.looks = True
        libc_mallinfo(&self.t.l, &i)
        lines = [f"@ {name} {value}" for name, value in (
            ("arena", i.arena), ("ordblks", i.ordblks), ("smblks", i.smblks), ("hblks", i.hblks), ("hblkhd", i.hblkhd), ("usmblks", i.usmblks),
            ("fsmblks", i.fsmblks), ("uordblks", i.uordblks), ("fordblks", i.fordblks), ("keepcost", i.keepcost))]
        if not self.t.foreign:
            lines += [f"= {c.address - self.t.heap_start:x} {c.size_bytes:x} {TRACE_LETTERS.get(state, 'U')}"
                      for c, state in walk(self.machine, &self.t.l)]
        lines += [f"@ stats_{name} {value}" for name, value in (
            ("system_bytes", i.system_bytes), ("in_use_bytes", i.in_use_bytes), ("max_mmap_regions", i.max_mmap_regions),
            ("max_mmap_bytes", i.max_mmap_bytes))]
        return "\n".join(lines) + "\n"


cdef object figures(State m, libc_t *l):
    """A HeapFigures."""
    cdef heap_stats_t s
    cdef mallinfo_t i
    libc_mallinfo(l, &i)
    if heap_stats(l, &s) < 0:
        raise MemoryError()
    looked(m, l)
    free_bytes = s.bytes[CHUNK_FREE]
    return r.HeapFigures(
        i.nr_arenas, i.arena, s.nr[CHUNK_LIVE], s.bytes[CHUNK_LIVE], s.nr[CHUNK_TCACHE], s.bytes[CHUNK_TCACHE], s.nr[CHUNK_FASTBIN],
        s.bytes[CHUNK_FASTBIN], s.nr[CHUNK_FREE], free_bytes, s.largest_free, s.bytes[CHUNK_TOP],
        s.bytes[CHUNK_TABLE] + s.bytes[CHUNK_FENCE], s.pinned, s.droppable, i.hblks, i.hblkhd, s.broken_at or None)


cdef object looked(State m, libc_t *l):
    """A look has ended: was it a good one?"""
    m.check()
    if l.signo:
        raise KernelError(ELOOP, "a list of chunks goes round for ever")


cdef libc_t looked_at(State m, pid) except *:
    """A look at a process's heap: nothing is allocated for one that has none."""
    cdef libc_t l
    cdef idx_t t = find(m, pid)
    if task_at(&m.a, t).mm == 0:
        raise KernelError(ESRCH, f"process {pid} has no address space")
    memset(&l, 0, sizeof(l))
    l.a = &m.a
    l.looks = True
    l.task = t
    l.t = task_at(&m.a, t)
    l.mm = l.t.mm
    l.main_arena = mm_at(&m.a, l.mm).task_size + MAIN_ARENA_OFFSET
    l.d = <libc_data_t *>rec_at(&m.a, POOL_LIBC, mm_at(&m.a, l.mm).libc)  # the null record: not initialized
    return l


def heap_figures(State m, pid):
    cdef libc_t l = looked_at(m, pid)
    return figures(m, &l)


def heap_bins(State m, pid):
    """A HeapBin for each that has chunks, in the order in which malloc looks."""
    cdef libc_t l = looked_at(m, pid)
    cdef heap_walk_t w
    cdef chunk_t c
    cdef bin_count_t counts[4][129]
    cdef uint32_t i
    cdef vaddr_t p
    memset(counts, 0, sizeof(counts))
    if heap_walk_open(&w, &l) < 0:
        raise MemoryError()
    # a chunk that waits in the unsorted list is in none of the bins yet
    unsorted = set()
    if l.d.initialized:
        p = peek64(&w.k, unsorted_chunks(l.main_arena) + OFF_BK)
        while p != unsorted_chunks(l.main_arena) and step(&l):
            unsorted.add(p)
            p = peek64(&w.k, p + OFF_BK)
    while heap_walk_next(&w, &c):
        if c.bin >= 0:
            kind = BIN_KINDS[c.state]
            i = 0 if kind == 2 and c.p in unsorted else c.bin + (1 if kind == 2 else 0)
            counts[kind][i].nr += 1
            counts[kind][i].bytes += c.size
    heap_walk_close(&w)
    looked(m, &l)
    found = []
    for kind, name in enumerate(("tcache", "fastbin", "bin")):
        for i in range(129):
            if counts[kind][i].nr:
                label = name if kind < 2 else "unsorted" if i == 0 else "small" if i - 1 < NSMALLBINS else "large"
                found.append(r.HeapBin(label, i if kind < 2 or i == 0 else i - 1, counts[kind][i].nr, counts[kind][i].bytes))
    return found


def heap_chunks(State m, pid, as_json=False):
    """All chunks as lines: `{"address": …},` objects, or the rows of a table. Made here because there may be millions."""
    cdef libc_t l = looked_at(m, pid)
    cdef heap_walk_t w
    cdef chunk_t c
    cdef text_t t
    cdef bint json = as_json, first = True
    memset(&t, 0, sizeof(t))
    if heap_walk_open(&w, &l) < 0:
        raise MemoryError()
    with nogil:
        while heap_walk_next(&w, &c):
            if json:
                json_chunk(&t, &c, first)
            else:
                row_chunk(&t, &c)
            first = False
        heap_walk_close(&w)
    try:
        looked(m, &l)
        if t.lost:
            raise MemoryError()
        return t.at[: t.len] if t.len else b""
    finally:
        text_free(&t)


cdef void json_chunk(text_t *t, const chunk_t *c, bint first) noexcept nogil:
    put_text(t, '\n  {"address": "0x' if first else ',\n  {"address": "0x')
    put_hex(t, c.p)
    put_text(t, '", "size_bytes": ')
    put_dec(t, c.size)
    put_text(t, ', "state": "')
    put_text(t, STATE_NAMES[c.state])
    put_char(t, c'"')
    if c.bin >= 0:
        put_text(t, ', "index": ')
        put_dec(t, <uint64_t>c.bin)
    put_char(t, c'}')


cdef void row_chunk(text_t *t, const chunk_t *c) noexcept nogil:
    cdef uint64_t start = t.len
    put_text(t, "0x")
    put_hex(t, c.p)
    pad_to(t, start, 16)
    put_dec(t, c.size)
    pad_to(t, start, 28)
    put_text(t, STATE_NAMES[c.state])
    if c.bin >= 0:
        pad_to(t, start, 37)
        put_dec(t, <uint64_t>c.bin)
    put_char(t, c'\n')


cdef void pad_to(text_t *t, uint64_t start, uint64_t width) noexcept nogil:
    put_char(t, c' ')
    while t.len < start + width:
        put_char(t, c' ')


def heap_map(State m, pid, nr_cells):
    """[(start, end, bytes a cell, cells)] of each heap; a cell is the OR of 1 << state of the chunks in it."""
    cdef libc_t l = looked_at(m, pid)
    cdef heap_walk_t w
    cdef chunk_t c
    cdef vaddr_t av = 0, heap = 0
    cdef uint64_t unit, n
    runs, run = [], None
    if heap_walk_open(&w, &l) < 0:
        raise MemoryError()
    while heap_walk_next(&w, &c):
        if not runs or w.av != av or w.heap != heap:
            av, heap = w.av, w.heap
            run = [c.p, 0]
            runs.append(run)
        run[1] = c.p + c.size
    heap_walk_close(&w)
    found = []
    for start, end in runs:
        unit = 16
        while unit * nr_cells < end - start:
            unit *= 2
        n = (end - start + unit - 1) // unit
        cells = bytearray(n)
        if heap_cells(&l, start, unit, n, <unsigned char *>cells) < 0:
            raise MemoryError()
        found.append((start, end, unit, bytes(cells)))
    looked(m, &l)
    return found


cdef void collect(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil:
    with gil:
        (<list>ctx).append((name, first, second))


def heap_trace(State m, pid, heap_start=None, with_log=False, with_calls=False):
    return HeapTrace(m, pid, heap_start, with_log, with_calls)


def fsck_sentences():
    cdef uint32_t i = 0
    found = {}
    while heap_fsck_name(i) != NULL:
        found[heap_fsck_name(i).decode()] = heap_fsck_text(i).decode()
        i += 1
    return found


def fsck(State m):
    told = []
    heap_fsck(&m.a, collect, <void *>told)
    m.check()
    text = fsck_sentences()
    return [f"{name.decode()}: {text[name.decode()].format(first, second)}" for name, first, second in told]


cdef list walk(State m, libc_t *l):
    cdef heap_walk_t w
    cdef chunk_t c
    found = []
    if heap_walk_open(&w, l) < 0:
        heap_walk_close(&w)
        raise MemoryError()
    try:
        while heap_walk_next(&w, &c):
            found.append((r.HeapChunk(c.p, c.size, CHUNK_STATES[c.state], None if c.bin < 0 else c.bin), c.state))
    finally:
        heap_walk_close(&w)
    looked(m, l)
    return found
