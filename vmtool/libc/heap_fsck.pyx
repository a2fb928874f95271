"""Each address space that used malloc has one record, and in it: bins whose two ends agree, a bitmap that misses none, parameters in range, a top
within what the kernel gave, mappings that are counted.

What lies in simulated memory (headers, links between chunks, a tcache's table) is the program's own to spoil, and no fault of the machine:
`heap PID` tells of that.
"""

from libc.stdlib cimport calloc, free

from vmtool.libc.layout cimport *
from vmtool.mm.libc_data cimport libc_data_t
from vmtool.mm.arena cimport ARENA_NOMEM, arena_fail, mm_at, rec_at, rec_is_live, task_at

cdef enum:
    CHECK_RECORD
    CHECK_LOST
    CHECK_BIN
    CHECK_BINMAP
    CHECK_FASTBIN
    CHECK_TOP
    CHECK_SYSTEM_MEM
    CHECK_MAPPED
    CHECK_TCACHE_LIMITS
    CHECK_ARENAS
    CHECK_TASK
    NR_CHECKS

cdef struct check_t:
    const char *name
    const char *text

cdef check_t CHECKS[NR_CHECKS + 1]
CHECKS[CHECK_RECORD] = check_t(b"libc-record", b"address space {0} has C library variables {1}, which are not there, or another's")
CHECKS[CHECK_LOST] = check_t(b"libc-lost", b"{0} records of C library variables are in use, {1} address spaces have one")
CHECKS[CHECK_BIN] = check_t(b"heap-bin", b"bin {1} of address space {0} has one end empty and the other not, or an end at no chunk")
CHECKS[CHECK_BINMAP] = check_t(b"heap-binmap", b"bin {1} of address space {0} has chunks, and the bitmap says it has none")
CHECKS[CHECK_FASTBIN] = check_t(b"heap-fastbin", b"fastbin {1} of address space {0} begins at no chunk")
CHECKS[CHECK_TOP] = check_t(b"heap-top", b"the top of the heap of address space {0} is at {1:#x}, which is no place for it")
CHECKS[CHECK_SYSTEM_MEM] = check_t(b"heap-system-mem", b"the main arena of address space {0} has {1} bytes, which is more than it ever had, or beyond its top")
CHECKS[CHECK_MAPPED] = check_t(b"heap-mapped", b"address space {0} counts {1} bytes of mapped chunks, which does not go with their number")
CHECKS[CHECK_TCACHE_LIMITS] = check_t(b"heap-parameters", b"address space {0} has a parameter of malloc out of its range: {1}")
CHECKS[CHECK_ARENAS] = check_t(b"heap-arenas", b"address space {0} counts {1} arenas, which cannot be")
CHECKS[CHECK_TASK] = check_t(b"heap-task", b"task {0} has a tcache or an arena, and its address space {1} no heap")
CHECKS[NR_CHECKS] = check_t(NULL, NULL)

cdef struct fsck_t:
    arena_t *a
    heap_report_fn report
    void *ctx
    idx_t mm


cdef const char *heap_fsck_name(uint32_t i) noexcept nogil:
    return CHECKS[i if i < NR_CHECKS else NR_CHECKS].name


cdef const char *heap_fsck_text(uint32_t i) noexcept nogil:
    return CHECKS[i if i < NR_CHECKS else NR_CHECKS].text


cdef inline void expect(fsck_t *f, bint holds, int check, uint64_t second) noexcept nogil:
    if not holds:
        f.report(f.ctx, CHECKS[check].name, f.mm, second)


cdef void check_bins(fsck_t *f, const libc_data_t *d, vaddr_t main_arena) noexcept nogil:
    cdef uint32_t i
    cdef vaddr_t self, first, last
    for i in range(1, NBINS):
        self = main_arena + AV_BINS + <uint64_t>(i - 1) * 16 - OFF_FD
        first = d.main_arena.bins[(i - 1) * 2]
        last = d.main_arena.bins[(i - 1) * 2 + 1]
        expect(f, (first == self) == (last == self) and (first == self or (first & 15 == 0 and last & 15 == 0 and first < main_arena)), CHECK_BIN, i)
        if i > 1 and first != self:
            expect(f, (d.main_arena.binmap[i >> 5] >> (i & 31)) & 1 != 0, CHECK_BINMAP, i)
    for i in range(NFASTBINS):
        expect(f, d.main_arena.fastbinsY[i] & 15 == 0, CHECK_FASTBIN, i)


cdef void check_parameters(fsck_t *f, const libc_data_t *d) noexcept nogil:
    expect(f, d.mp.tcache_bins <= TCACHE_MAX_BINS, CHECK_TCACHE_LIMITS, d.mp.tcache_bins)
    expect(f, d.mp.tcache_count <= MAX_TCACHE_COUNT, CHECK_TCACHE_LIMITS, d.mp.tcache_count)
    expect(f, d.global_max_fast <= MAX_FAST_SIZE, CHECK_TCACHE_LIMITS, d.global_max_fast)
    expect(f, d.mp.n_mmaps >= 0 and (d.mp.n_mmaps == 0) == (d.mp.mmapped_mem == 0) and d.mp.mmapped_mem & (PAGE - 1) == 0
           and d.mp.mmapped_mem <= d.mp.max_mmapped_mem and d.mp.n_mmaps <= d.mp.max_n_mmaps, CHECK_MAPPED, d.mp.mmapped_mem)
    expect(f, d.narenas >= 1, CHECK_ARENAS, d.narenas)


cdef void check_heap(fsck_t *f, const libc_data_t *d) noexcept nogil:
    cdef vaddr_t main_arena = mm_at(f.a, f.mm).task_size + MAIN_ARENA_OFFSET
    cdef vaddr_t top = d.main_arena.top
    cdef bint has_top = top != main_arena + AV_TOP
    check_bins(f, d, main_arena)
    check_parameters(f, d)
    expect(f, top & 15 == 0 and (not has_top or (top < main_arena and d.mp.sbrk_base and (d.main_arena.flags & NONCONTIGUOUS_BIT or top >= d.mp.sbrk_base))),
           CHECK_TOP, top)
    expect(f, d.main_arena.system_mem <= d.main_arena.max_system_mem
           and (not has_top or d.main_arena.flags & NONCONTIGUOUS_BIT or top - d.mp.sbrk_base < d.main_arena.system_mem),
           CHECK_SYSTEM_MEM, d.main_arena.system_mem)


cdef void heap_fsck(arena_t *a, heap_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef idx_t i, libc
    cdef uint32_t nr_records = a.pool[POOL_LIBC].count, nr_live = 0, nr_owned = 0
    cdef uint8_t *seen = <uint8_t *>calloc(nr_records + 1, 1)
    f.a, f.report, f.ctx = a, report, ctx
    if seen == NULL:
        arena_fail(a, ARENA_NOMEM, POOL_LIBC, 0)
        return
    for i in range(1, nr_records):
        nr_live += rec_is_live(a, POOL_LIBC, i)
    for i in range(1, a.pool[POOL_MM].count):
        libc = mm_at(a, i).libc
        f.mm = i
        if libc == 0:
            continue
        if not rec_is_live(a, POOL_LIBC, libc) or seen[libc]:
            expect(&f, False, CHECK_RECORD, libc)
            continue
        seen[libc] = 1
        nr_owned += 1
        if (<libc_data_t *>rec_at(a, POOL_LIBC, libc)).initialized:
            check_heap(&f, <libc_data_t *>rec_at(a, POOL_LIBC, libc))
    if nr_live != nr_owned:
        report(ctx, CHECKS[CHECK_LOST].name, nr_live, nr_owned)
    for i in range(1, a.pool[POOL_TASK].count):
        f.mm = i
        if task_at(a, i).tcache or task_at(a, i).thread_arena:
            expect(&f, task_at(a, i).mm != 0 and mm_at(a, task_at(a, i).mm).libc != 0, CHECK_TASK, task_at(a, i).mm)
    free(seen)
