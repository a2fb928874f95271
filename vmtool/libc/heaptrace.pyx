"""Operations of a trace: `m ID SIZE`, `c ID N SIZE`, `f ID`, `r ID SIZE`, `a ID ALIGN SIZE`, `opt NAME VALUE`, `trim PAD`, `sbrk N`, `tun NAME VALUE`.

The log has a line for each: INDEX ADDR USABLE BREAK; the list of calls a line for each system call: INDEX CALL … = RESULT.
"""

from libc.setjmp cimport setjmp
from libc.string cimport memchr, memcmp, strlen

from vmtool.libc.blocks cimport blocks_drop, blocks_find, blocks_free, blocks_put
from vmtool.libc.chunk cimport *
from vmtool.libc.malloc cimport libc_calloc, libc_free, libc_malloc, libc_memalign, libc_realloc, libc_trim, libc_usable_size, ptmalloc_init
from vmtool.libc.syscalls cimport current_brk, failed, sbrk
from vmtool.libc.text cimport put_char, put_dec, put_hex, put_text, text_free
from vmtool.libc.tunables cimport TUNABLE_UNKNOWN, libc_mallopt, set_tunable
from vmtool.libc.words cimport CALL_BRK, CALL_MADVISE, CALL_MMAP, CALL_MPROTECT, CALL_MREMAP, CALL_MUNMAP, libc_call_t
from vmtool.mm.types cimport EINVAL, ENOMEM

cdef struct name_value_t:
    const char *name
    int value

cdef name_value_t OPTION_NAMES[9]
OPTION_NAMES[:] = [name_value_t(b"M_MXFAST", M_MXFAST), name_value_t(b"M_TRIM_THRESHOLD", M_TRIM_THRESHOLD), name_value_t(b"M_TOP_PAD", M_TOP_PAD),
                   name_value_t(b"M_MMAP_THRESHOLD", M_MMAP_THRESHOLD), name_value_t(b"M_MMAP_MAX", M_MMAP_MAX),
                   name_value_t(b"M_CHECK_ACTION", M_CHECK_ACTION), name_value_t(b"M_PERTURB", M_PERTURB),
                   name_value_t(b"M_ARENA_TEST", M_ARENA_TEST), name_value_t(b"M_ARENA_MAX", M_ARENA_MAX)]

# --- system calls --------------------------------------------------------------------------------------------


cdef void put_place(heaptrace_t *t, vaddr_t at) noexcept nogil:
    """Up to the break a distance from the heap's start, else a mapping."""
    if t.heap_start <= at <= current_brk(&t.l):
        put_text(&t.calls, "h+")
        put_hex(&t.calls, at - t.heap_start)
    else:
        put_text(&t.calls, "mmap+")
        put_hex(&t.calls, at)


cdef void put_result(heaptrace_t *t, uint64_t result, bint is_place) noexcept nogil:
    put_text(&t.calls, " = ")
    if failed(result):
        put_text(&t.calls, "ENOMEM" if <int64_t>result == -ENOMEM else "EINVAL" if <int64_t>result == -EINVAL else "error")
    elif is_place:
        put_place(t, result)
    else:
        put_dec(&t.calls, result)


cdef void call_made(libc_t *l, const libc_call_t *call) noexcept nogil:
    cdef heaptrace_t *t = <heaptrace_t *>l.ctx
    (&t.counts.brk)[call.kind] += 1
    if not t.with_calls:
        return
    put_dec(&t.calls, t.counts.ops)
    put_text(&t.calls, CALL_NAMES[call.kind])
    if call.kind == CALL_BRK:
        put_text(&t.calls, "h+")
        put_hex(&t.calls, call.addr - t.heap_start)
        put_text(&t.calls, " = h+")
        put_hex(&t.calls, call.result - t.heap_start)
    elif call.kind == CALL_MMAP:
        put_dec(&t.calls, call.length)
        put_result(t, call.result, True)
    else:
        put_place(t, call.addr)
        put_char(&t.calls, c' ')
        put_dec(&t.calls, call.length)
        if call.kind == CALL_MREMAP:
            put_char(&t.calls, c' ')
            put_dec(&t.calls, call.arg)
        put_result(t, call.result, call.kind == CALL_MREMAP)
    put_char(&t.calls, c'\n')


cdef const char *CALL_NAMES[6]
CALL_NAMES[CALL_BRK] = b" brk "
CALL_NAMES[CALL_MMAP] = b" mmap "
CALL_NAMES[CALL_MUNMAP] = b" munmap "
CALL_NAMES[CALL_MREMAP] = b" mremap "
CALL_NAMES[CALL_MADVISE] = b" madvise "
CALL_NAMES[CALL_MPROTECT] = b" mprotect "

# --- the log -------------------------------------------------------------------------------------------------


cdef void begin_line(heaptrace_t *t) noexcept nogil:
    put_dec(&t.log, t.counts.ops)
    put_char(&t.log, c' ')


cdef void end_line(heaptrace_t *t) noexcept nogil:
    put_char(&t.log, c' ')
    put_hex(&t.log, current_brk(&t.l) - t.heap_start)
    put_char(&t.log, c'\n')


cdef void log_block(heaptrace_t *t, vaddr_t mem) noexcept nogil:
    cdef uint64_t usable
    if mem == 0:
        put_text(&t.log, "NULL -")
        return
    if size_word(&t.l, mem2chunk(mem)) & IS_MMAPPED:
        put_text(&t.log, "mmap+")
        put_hex(&t.log, mem)
    else:
        put_text(&t.log, "h+")
        put_hex(&t.log, mem - t.heap_start)
    put_char(&t.log, c' ')
    put_dec(&t.log, libc_usable_size(&t.l, mem))


cdef void done_block(heaptrace_t *t, uint64_t id, vaddr_t mem) noexcept nogil:
    """An operation gave a block (0: NULL)."""
    if mem and not blocks_put(&t.blocks, id, mem):
        t.wrong = "this computer has not the memory for so many blocks"
    if t.with_log:
        begin_line(t)
        log_block(t, mem)
        end_line(t)


cdef void done_value(heaptrace_t *t, int value) noexcept nogil:
    if t.with_log:
        begin_line(t)
        put_char(&t.log, c'=')
        put_dec(&t.log, <uint64_t>value)
        put_text(&t.log, " -")
        end_line(t)

# --- words of a line -----------------------------------------------------------------------------------------


cdef uint64_t next_word(heaptrace_t *t, const char **word) noexcept nogil:
    """Its length; 0 at the end of the line."""
    while t.at < t.end and (t.at[0] == c' ' or t.at[0] == c'\t' or t.at[0] == c'\r'):
        t.at += 1
    word[0] = t.at
    while t.at < t.end and t.at[0] != c' ' and t.at[0] != c'\t' and t.at[0] != c'\r':
        t.at += 1
    return <uint64_t>(t.at - word[0])


cdef uint64_t number(heaptrace_t *t) noexcept nogil:
    """Decimal or 0x…, below 2**64."""
    cdef const char *word
    cdef uint64_t n = next_word(t, &word), i = 0, value = 0, base = 10, digit
    if n > 2 and word[0] == c'0' and (word[1] | 32) == c'x':
        base = 16
        i = 2
    if n == 0:
        t.wrong = "a number is missing"
    while i < n:
        digit = <uint64_t>(word[i] - c'0')
        if digit > 9 and base == 16 and (word[i] | 32) >= c'a':
            digit = <uint64_t>((word[i] | 32) - c'a') + 10
        if digit >= base or value > (<uint64_t>-1 - digit) // base:
            t.wrong = "a number is not one below 2**64"
            return 0
        value = value * base + digit
        i += 1
    return value


cdef int64_t signed_number(heaptrace_t *t) noexcept nogil:
    cdef const char *word
    cdef bint negative = next_word(t, &word) > 1 and word[0] == c'-'
    cdef uint64_t value
    t.at = word + (1 if negative else 0)
    value = number(t)
    if value > <uint64_t>1 << 63 or (value == <uint64_t>1 << 63 and not negative):
        t.wrong = "a number is beyond 64 bits with a sign"
    return -<int64_t>value if negative else <int64_t>value


cdef bint at_end(heaptrace_t *t) noexcept nogil:
    """Nothing more on the line, and all before it was right."""
    cdef const char *word
    if t.wrong == NULL and next_word(t, &word):
        t.wrong = "more words than the operation takes"
    return t.wrong == NULL

# --- operations ----------------------------------------------------------------------------------------------

ctypedef void (*op_fn)(heaptrace_t *t) noexcept nogil


cdef void op_malloc(heaptrace_t *t) noexcept nogil:
    cdef uint64_t id = number(t), size = number(t)
    if at_end(t):
        done_block(t, id, libc_malloc(&t.l, size))


cdef void op_calloc(heaptrace_t *t) noexcept nogil:
    cdef uint64_t id = number(t), n = number(t), size = number(t)
    if at_end(t):
        done_block(t, id, libc_calloc(&t.l, n, size))


cdef void op_free(heaptrace_t *t) noexcept nogil:
    cdef uint64_t id = number(t)
    if not at_end(t):
        return
    libc_free(&t.l, blocks_find(&t.blocks, id))
    blocks_drop(&t.blocks, id)
    if t.with_log:
        begin_line(t)
        put_text(&t.log, "- -")
        end_line(t)


cdef void op_realloc(heaptrace_t *t) noexcept nogil:
    cdef uint64_t id = number(t), size = number(t)
    cdef vaddr_t mem
    if not at_end(t):
        return
    mem = libc_realloc(&t.l, blocks_find(&t.blocks, id), size)
    if mem == 0 and size == 0:
        blocks_drop(&t.blocks, id)
    done_block(t, id, mem)


cdef void op_memalign(heaptrace_t *t) noexcept nogil:
    cdef uint64_t id = number(t), alignment = number(t), size = number(t)
    if at_end(t):
        done_block(t, id, libc_memalign(&t.l, alignment, size))


cdef void op_mallopt(heaptrace_t *t) noexcept nogil:
    cdef const char *name
    cdef uint64_t n = next_word(t, &name)
    cdef int64_t value = signed_number(t)
    cdef int i
    if not at_end(t):
        return
    ptmalloc_init(&t.l)
    for i in range(9):
        if strlen(OPTION_NAMES[i].name) == n and memcmp(OPTION_NAMES[i].name, name, n) == 0:
            done_value(t, libc_mallopt(&t.l, OPTION_NAMES[i].value, <int>value))
            return
    t.wrong = "mallopt has no such parameter"


cdef void op_trim(heaptrace_t *t) noexcept nogil:
    cdef uint64_t pad = number(t)
    if at_end(t):
        done_value(t, libc_trim(&t.l, pad))


cdef void op_sbrk(heaptrace_t *t) noexcept nogil:
    cdef int64_t increment = signed_number(t)
    if at_end(t):
        t.foreign = True
        done_value(t, sbrk(&t.l, increment) != <vaddr_t>-1)


cdef struct op_t:
    const char *name
    op_fn run

cdef op_t OPS[8]
OPS[:] = [op_t(b"m", op_malloc), op_t(b"f", op_free), op_t(b"c", op_calloc), op_t(b"r", op_realloc), op_t(b"a", op_memalign),
          op_t(b"opt", op_mallopt), op_t(b"trim", op_trim), op_t(b"sbrk", op_sbrk)]


cdef void set_tunable_line(heaptrace_t *t) noexcept nogil:
    """As the environment would have set it, so it cannot come when the program runs already."""
    cdef const char *name
    cdef const char *value
    cdef uint64_t n = next_word(t, &name), nv = next_word(t, &value)
    if t.counts.ops:
        t.wrong = "a tunable is set before the first operation"
    if nv == 0:
        t.wrong = "a value is missing"
    if not at_end(t):
        return
    ptmalloc_init(&t.l)
    if set_tunable(&t.l, name, n, value, nv) == TUNABLE_UNKNOWN:
        t.wrong = "there is no such tunable of malloc"


cdef void one_line(heaptrace_t *t) noexcept nogil:
    cdef const char *word
    cdef const char *hash = <const char *>memchr(t.at, c'#', t.end - t.at)
    cdef uint64_t n
    cdef int i
    if hash != NULL:
        t.end = hash
    n = next_word(t, &word)
    if n == 0:
        return
    for i in range(8):
        if strlen(OPS[i].name) == n and memcmp(OPS[i].name, word, n) == 0:
            t.l.nr_steps = 0
            OPS[i].run(t)
            t.counts.ops += 1
            return
    if n == 3 and memcmp(word, b"tun", 3) == 0:
        set_tunable_line(t)
    else:
        t.wrong = "not an operation of a heap's trace"


cdef int heaptrace_feed(heaptrace_t *t, const char *text, uint64_t len) noexcept nogil:
    cdef const char *end = text + len
    t.l.ctx = t
    t.l.on_call = call_made
    if setjmp(t.l.env):
        return -1
    t.at = text
    while t.at < end:
        t.end = <const char *>memchr(t.at, c'\n', end - t.at)
        if t.end == NULL:
            t.end = end
        text = t.end + 1
        t.line += 1
        one_line(t)
        if t.wrong != NULL or t.l.a.err or t.log.lost or t.calls.lost:
            return -1
        t.at = text
        if t.counts.ops == t.stop_at and t.stop_at:
            break
    return 0


cdef void heaptrace_free(heaptrace_t *t) noexcept nogil:
    blocks_free(&t.blocks)
    text_free(&t.log)
    text_free(&t.calls)
