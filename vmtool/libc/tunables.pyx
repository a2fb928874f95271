"""The allocator's parameters: what sets each, and within which range.

Setting a threshold, the padding or the number of mappings by hand ends the dynamic threshold (malloc.pyx:free_block()).
Counterpart: glibc 2.36 malloc/malloc.c (__libc_mallopt(), do_set_*()), malloc/arena.c (TUNABLE_GET), elf/dl-tunables.c and .list.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcmp, strlen

from vmtool.libc.chunk cimport *
from vmtool.libc.int_free cimport malloc_consolidate
from vmtool.mm.access cimport peek_bytes
from vmtool.mm.arena cimport mm_at
from vmtool.mm.types cimport MAP_HUGETLB

cdef enum:
    MAP_HUGE_2MB = 21 << 26
    MAP_HUGE_1GB = 30 << 26
    THP_MADVISE = 1  # machine_t.thp_enabled
    NR_TUNABLES = 13

cdef uint64_t U64 = <uint64_t>-1
cdef uint64_t GB = 1 << 30

ctypedef int (*set_fn)(libc_t *l, uint64_t value) noexcept nogil


cdef int set_top_pad(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.top_pad = value
    l.d.mp.no_dyn_threshold = 1
    return 1


cdef int set_perturb(libc_t *l, uint64_t value) noexcept nogil:
    l.d.perturb_byte = <uint32_t>value
    return 1


cdef int set_mmap_threshold(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.mmap_threshold = value
    l.d.mp.no_dyn_threshold = 1
    return 1


cdef int set_trim_threshold(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.trim_threshold = value
    l.d.mp.no_dyn_threshold = 1
    return 1


cdef int set_mmaps_max(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.n_mmaps_max = <int32_t>value
    l.d.mp.no_dyn_threshold = 1
    return 1


cdef int set_arena_max(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.arena_max = value
    return 1


cdef int set_arena_test(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.arena_test = value
    return 1


cdef int set_mxfast(libc_t *l, uint64_t value) noexcept nogil:
    if value > MAX_FAST_SIZE:
        return 0
    l.d.global_max_fast = (value + SIZE_SZ) & ~<uint64_t>MALLOC_ALIGN_MASK if value else MALLOC_ALIGNMENT
    return 1


cdef int set_tcache_max(libc_t *l, uint64_t value) noexcept nogil:
    cdef uint64_t nb = 0
    if value > MAX_TCACHE_SIZE or not request2size(value, &nb):
        return 0
    l.d.mp.tcache_max_bytes = value
    l.d.mp.tcache_bins = tcache_index(nb) + 1
    return 1


cdef int set_tcache_count(libc_t *l, uint64_t value) noexcept nogil:
    if value > MAX_TCACHE_COUNT:
        return 0
    l.d.mp.tcache_count = value
    return 1


cdef int set_tcache_unsorted_limit(libc_t *l, uint64_t value) noexcept nogil:
    l.d.mp.tcache_unsorted_limit = value
    return 1


cdef int set_hugetlb(libc_t *l, uint64_t value) noexcept nogil:
    """1: madvise() for huge pages, where the kernel heeds it; 2: MAP_HUGETLB of the usual size; else of that many bytes."""
    if value == 1:
        if l.a.m.thp_enabled == THP_MADVISE:
            l.d.mp.thp_pagesize = THP_SIZE
    elif value == 2 or value == THP_SIZE:
        l.d.mp.hp_pagesize = THP_SIZE
        l.d.mp.hp_flags = MAP_HUGETLB | MAP_HUGE_2MB
    elif value == GB:
        l.d.mp.hp_pagesize = GB
        l.d.mp.hp_flags = MAP_HUGETLB | MAP_HUGE_1GB
    l.d.no_morecore = l.d.mp.hp_pagesize > 0  # so that the main arena is made of huge pages, too
    return 1


cdef int set_check(libc_t *l, uint64_t value) noexcept nogil:
    return 1  # of libc_malloc_debug.so since 2.34: without that, nothing


cdef struct tunable_t:
    const char *name  # behind glibc.malloc.
    const char *env  # the variable that sets it, too; NULL: none
    set_fn set
    bint is_signed  # INT_32
    uint64_t least
    uint64_t most

cdef tunable_t TUNABLES[NR_TUNABLES]
TUNABLES[:] = [
    tunable_t(b"check", b"MALLOC_CHECK_", set_check, True, 0, 3),
    tunable_t(b"top_pad", b"MALLOC_TOP_PAD_", set_top_pad, False, 0, U64),
    tunable_t(b"perturb", b"MALLOC_PERTURB_", set_perturb, True, 0, 255),
    tunable_t(b"mmap_max", b"MALLOC_MMAP_MAX_", set_mmaps_max, True, 0, 0x7fffffff),
    tunable_t(b"mmap_threshold", b"MALLOC_MMAP_THRESHOLD_", set_mmap_threshold, False, 0, U64),
    tunable_t(b"trim_threshold", b"MALLOC_TRIM_THRESHOLD_", set_trim_threshold, False, 0, U64),
    tunable_t(b"arena_max", b"MALLOC_ARENA_MAX", set_arena_max, False, 1, U64),
    tunable_t(b"arena_test", b"MALLOC_ARENA_TEST", set_arena_test, False, 1, U64),
    tunable_t(b"tcache_max", NULL, set_tcache_max, False, 0, U64),
    tunable_t(b"tcache_count", NULL, set_tcache_count, False, 0, U64),
    tunable_t(b"tcache_unsorted_limit", NULL, set_tcache_unsorted_limit, False, 0, U64),
    tunable_t(b"mxfast", NULL, set_mxfast, False, 0, U64),
    tunable_t(b"hugetlb", NULL, set_hugetlb, False, 0, U64),
]

# --- mallopt -----------------------------------------------------------------------------------------------

cdef struct option_t:
    int param
    set_fn set

cdef option_t OPTIONS[8]
OPTIONS[:] = [option_t(M_MXFAST, set_mxfast), option_t(M_TRIM_THRESHOLD, set_trim_threshold), option_t(M_TOP_PAD, set_top_pad),
              option_t(M_MMAP_THRESHOLD, set_mmap_threshold), option_t(M_MMAP_MAX, set_mmaps_max), option_t(M_PERTURB, set_perturb),
              option_t(M_ARENA_TEST, set_arena_test), option_t(M_ARENA_MAX, set_arena_max)]


cdef int libc_mallopt(libc_t *l, int param, int value) noexcept nogil:
    """The fastbins are consolidated whatever comes."""
    cdef int i
    malloc_consolidate(l, l.main_arena)
    for i in range(8):
        if OPTIONS[i].param == param:
            if param <= M_ARENA_TEST and value <= 0:
                return 1
            return OPTIONS[i].set(l, <uint64_t><int64_t>value)
    return 1

# --- tunables ----------------------------------------------------------------------------------------------


cdef inline bint is_text(const char *text, const char *at, uint64_t len) noexcept nogil:
    return text != NULL and strlen(text) == len and memcmp(text, at, len) == 0


cdef uint64_t dl_strtoul(const char *at, uint64_t len) noexcept nogil:
    """_dl_strtoul(): decimal, 0x or octal, a sign; what follows the number is ignored; too much is all ones."""
    cdef const char *end = at + len
    cdef uint64_t base = 10, value = 0, digit
    cdef bint negative = False
    while at < end and (at[0] == c' ' or at[0] == c'\t'):
        at += 1
    if at < end and (at[0] == c'-' or at[0] == c'+'):
        negative = at[0] == c'-'
        at += 1
    if at + 1 < end and at[0] == c'0':
        base = 16 if at[1] == c'x' or at[1] == c'X' else 8
        at += 2 if base == 16 else 1
    while at < end:
        digit = <uint64_t>(at[0] - c'0')
        if digit > 9 and base == 16:
            digit = <uint64_t>((at[0] | 32) - c'a') + 10 if (at[0] | 32) >= c'a' and (at[0] | 32) <= c'f' else 99
        if digit >= base:
            break
        if value >= (U64 - digit) // base:
            return U64
        value = value * base + digit
        at += 1
    return <uint64_t>-<int64_t>value if negative else value


cdef int apply(libc_t *l, const tunable_t *t, const char *value, uint64_t len) noexcept nogil:
    cdef uint64_t n = dl_strtoul(value, len)
    if t.is_signed:
        if <int64_t>n < <int64_t>t.least or <int64_t>n > <int64_t>t.most:
            return TUNABLE_OUT_OF_RANGE
    elif n < t.least or n > t.most:
        return TUNABLE_OUT_OF_RANGE
    return TUNABLE_SET if t.set(l, n) else TUNABLE_OUT_OF_RANGE


cdef int set_tunable(libc_t *l, const char *name, uint64_t len, const char *value, uint64_t value_len) noexcept nogil:
    """As GLIBC_TUNABLES=NAME=VALUE would."""
    cdef int i
    if len <= 13 or memcmp(name, b"glibc.malloc.", 13) != 0:
        return TUNABLE_UNKNOWN
    for i in range(NR_TUNABLES):
        if is_text(TUNABLES[i].name, name + 13, len - 13):
            return apply(l, &TUNABLES[i], value, value_len)
    return TUNABLE_UNKNOWN


cdef void parse_tunables(libc_t *l, const char *text, uint64_t len) noexcept nogil:
    """NAME=VALUE:NAME=VALUE; one without a value is skipped."""
    cdef uint64_t start = 0, at = 0, equals = 0
    cdef bint has_value = False
    while at <= len:
        if at == len or text[at] == c':':
            if has_value:
                set_tunable(l, text + start, equals - start, text + equals + 1, at - equals - 1)
            start = at + 1
            has_value = False
        elif text[at] == c'=' and not has_value:
            equals = at
            has_value = True
        at += 1


cdef void one_variable(libc_t *l, const char *text, uint64_t len) noexcept nogil:
    cdef uint64_t equals = 0
    cdef int i
    while equals < len and text[equals] != c'=':
        equals += 1
    if equals == len:
        return
    if is_text("GLIBC_TUNABLES", text, equals):
        parse_tunables(l, text + equals + 1, len - equals - 1)
        return
    for i in range(NR_TUNABLES):
        if is_text(TUNABLES[i].env, text, equals):
            apply(l, &TUNABLES[i], text + equals + 1, len - equals - 1)


cdef void tunables_init(libc_t *l) noexcept nogil:
    """The environment as it lies above the stack. A variable of more than a page says nothing."""
    cdef char text[PAGE]
    cdef vaddr_t at = mm_at(l.a, l.mm).env_start, end = mm_at(l.a, l.mm).env_end
    cdef uint64_t n, len
    while at < end:
        n = peek_bytes(l.a, l.mm, at, text, min(<uint64_t>PAGE, end - at))
        len = 0
        while len < n and text[len]:
            len += 1
        if n == 0:
            return
        if len < n:
            one_variable(l, text, len)
        at += len + 1
