# cython: language_level=3
"""The C library's heap at the door: what the program of a process calls, and what a look at its heap shows.

Apart from _core, and imported when something of it is used: most commands never allocate. Each function takes the machine first.
"""

from libc.setjmp cimport setjmp
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from vmtool._processes cimport Processes, signal_of
from vmtool.libc.chunk cimport chunksize, mem2chunk
from vmtool.libc.heap_walk cimport *
from vmtool.libc.heaptrace cimport heaptrace_feed, heaptrace_free, heaptrace_t
from vmtool.libc.malloc cimport (libc_calloc, libc_enter, libc_free, libc_malloc, libc_memalign, libc_realloc, libc_thread_exit, libc_trim,
                                 libc_usable_size, ptmalloc_init)
from vmtool.libc.mallinfo cimport libc_mallinfo, mallinfo_t
from vmtool.libc.text cimport text_t
from vmtool.libc.tunables cimport TUNABLE_SET, TUNABLE_UNKNOWN, libc_mallopt, set_tunable
from vmtool.libc.words cimport libc_t
from vmtool.mm.arena cimport mm_at, task_at
from vmtool.mm.mm cimport do_exit
from vmtool.mm.types cimport *

from vmtool import records as r
from vmtool.errors import KernelError, Signal

U64 = 0xFFFFFFFFFFFFFFFF
CORE_SIGNALS = frozenset((3, 4, 5, 6, 7, 8, 11, 24, 25, 31))
CHUNK_STATES = {CHUNK_LIVE: "live", CHUNK_FREE: "free", CHUNK_TOP: "top", CHUNK_TCACHE: "tcache", CHUNK_FASTBIN: "fastbin", CHUNK_TABLE: "table",
                CHUNK_FENCE: "fence"}
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


cdef object died(Processes m, libc_t *l, before):
    """The process ends by the signal that one of its accesses took, or by the library's abort()."""
    cdef task_t *t = task_at(&m.a, l.task)
    m.check()
    minor, major = t.min_flt - before[0], t.maj_flt - before[1]
    do_exit(&m.a, l.task, l.signo | (0x80 if l.signo in CORE_SIGNALS else 0))
    m.check()
    if l.message != NULL:
        return Signal(l.signo, l.message.decode(), None, minor, major)
    return signal_of(&l.info, minor, major, True)


cdef uint64_t call(Processes m, pid, int what, first=0, second=0) except? 7:
    cdef idx_t t = m.enter(pid)
    cdef libc_t l
    cdef uint64_t got = 0, a = first & U64, b = second & U64
    cdef int failed
    if m.a.m.arch.entry_bytes != 8 or mm_at(&m.a, task_at(&m.a, t).mm).flags & MMF_COMPAT:
        raise KernelError(ENOSYS, "the C library is that of 64-bit programs")
    libc_enter(&l, &m.a, t)
    l.on_call = NULL
    before = (task_at(&m.a, t).min_flt, task_at(&m.a, t).maj_flt)
    with nogil:
        failed = perform(&l, what, a, b, &got)
    if failed:
        raise died(m, &l, before)
    m.check()
    return got


def malloc(Processes m, pid, size):
    return call(m, pid, DO_MALLOC, size)


def calloc_(Processes m, pid, n, size):
    return call(m, pid, DO_CALLOC, n, size)


def realloc(Processes m, pid, addr, size):
    return call(m, pid, DO_REALLOC, addr, size)


def free_(Processes m, pid, addr):
    call(m, pid, DO_FREE, addr)


def memalign(Processes m, pid, alignment, size):
    return call(m, pid, DO_MEMALIGN, alignment, size)


def mallopt(Processes m, pid, param, value):
    return call(m, pid, DO_MALLOPT, param, value)


def malloc_trim(Processes m, pid, pad):
    return call(m, pid, DO_TRIM, pad)


def usable_size(Processes m, pid, addr):
    return call(m, pid, DO_USABLE, addr)


def tunable(Processes m, pid, name, value):
    """Whether the tunable took the value; None: there is none of that name."""
    cdef libc_t l
    cdef int done
    call(m, pid, DO_USABLE)  # there is a heap now
    libc_enter(&l, &m.a, m.enter(pid))
    name = name if name.startswith("glibc.malloc.") else "glibc.malloc." + name
    key, text = name.encode("utf-8", "surrogateescape"), str(value).encode()
    ptmalloc_init(&l)
    done = set_tunable(&l, key, len(key), text, len(text))
    m.check()
    return None if done == TUNABLE_UNKNOWN else done == TUNABLE_SET


def thread_exit(Processes m, pid):
    call(m, pid, DO_THREAD_EXIT)


cdef object drain(text_t *t):
    text = t.at[: t.len] if t.len else b""
    t.len = 0
    return text


cdef class HeapTrace:
    """A trace of calls driving a process: `feed` whole lines, then take what they printed."""

    cdef Processes machine
    cdef heaptrace_t *t
    cdef object before

    def __cinit__(self, Processes machine, pid, heap_start=None, with_log=False, with_calls=False):
        cdef idx_t task = machine.enter(pid)
        self.t = <heaptrace_t *>calloc(1, sizeof(heaptrace_t))
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
            free(self.t)

    def feed(self, lines):
        """KernelError(EINVAL) with the line's number and what is wrong with it; Signal when the process died."""
        cdef const char *text = lines
        cdef uint64_t n = len(lines)
        cdef int failed
        libc_enter(&self.t.l, &self.machine.a, self.t.l.task)
        with nogil:
            failed = heaptrace_feed(self.t, text, n)
        if failed and self.t.l.signo:
            raise died(self.machine, &self.t.l, self.before)
        self.machine.check()
        if self.t.wrong != NULL:
            raise KernelError(EINVAL, f"line {self.t.line}: {self.t.wrong.decode()}")
        if failed:
            raise MemoryError()

    @property
    def line(self):
        return self.t.line

    def take_log(self):
        return drain(&self.t.log)

    def take_calls(self):
        return drain(&self.t.calls)

    def counts(self):
        cdef task_t *t = task_at(&self.machine.a, self.t.l.task)
        return r.HeapCounts(self.t.counts.ops, self.t.counts.brk, self.t.counts.mmap, self.t.counts.munmap, self.t.counts.mremap,
                            self.t.counts.madvise, self.t.counts.mprotect, t.min_flt - self.before[0], t.maj_flt - self.before[1])

    def final(self):
        """mallinfo2()'s fields, the chunks from the heap's start to the break, the totals of malloc_stats()."""
        cdef mallinfo_t i
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


cdef list walk(Processes m, libc_t *l):
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
    m.check()
    return found
