# cython: language_level=3
"""Chunks and bins: sizes, headers, indices. p is the address of a chunk, mem of what the program has, av of an arena."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from vmtool.libc.layout cimport *
from vmtool.libc.words cimport ld32, ld64, libc_t, st64
from vmtool.mm.types cimport vaddr_t

cdef inline bint request2size(uint64_t bytes, uint64_t *nb) noexcept nogil:
    """checked_request2size(): false above PTRDIFF_MAX."""
    if bytes > <uint64_t>-1 >> 1:
        return False
    nb[0] = MINSIZE if bytes + SIZE_SZ + MALLOC_ALIGN_MASK < MINSIZE else (bytes + SIZE_SZ + MALLOC_ALIGN_MASK) & ~<uint64_t>MALLOC_ALIGN_MASK
    return True

cdef inline uint64_t align_up(uint64_t n, uint64_t to) noexcept nogil:
    return (n + to - 1) & ~(to - 1)

cdef inline vaddr_t mem2chunk(vaddr_t mem) noexcept nogil:
    return mem - CHUNK_HDR_SZ

cdef inline vaddr_t chunk2mem(vaddr_t p) noexcept nogil:
    return p + CHUNK_HDR_SZ

cdef inline uint64_t size_word(libc_t *l, vaddr_t p) noexcept nogil:  # chunksize_nomask()
    return ld64(l, p + OFF_SIZE)

cdef inline uint64_t chunksize(libc_t *l, vaddr_t p) noexcept nogil:
    return size_word(l, p) & ~<uint64_t>SIZE_BITS

cdef inline uint64_t prev_size(libc_t *l, vaddr_t p) noexcept nogil:
    return ld64(l, p)

cdef inline void set_head(libc_t *l, vaddr_t p, uint64_t word) noexcept nogil:
    st64(l, p + OFF_SIZE, word)

cdef inline void set_head_size(libc_t *l, vaddr_t p, uint64_t word) noexcept nogil:
    st64(l, p + OFF_SIZE, (size_word(l, p) & SIZE_BITS) | word)

cdef inline void set_foot(libc_t *l, vaddr_t p, uint64_t size) noexcept nogil:
    st64(l, p + size, size)

cdef inline void set_inuse_at(libc_t *l, vaddr_t next) noexcept nogil:  # of the chunk before `next`
    st64(l, next + OFF_SIZE, size_word(l, next) | PREV_INUSE)

cdef inline vaddr_t fd(libc_t *l, vaddr_t p) noexcept nogil:
    return ld64(l, p + OFF_FD)

cdef inline vaddr_t bk(libc_t *l, vaddr_t p) noexcept nogil:
    return ld64(l, p + OFF_BK)

cdef inline void set_fd(libc_t *l, vaddr_t p, vaddr_t to) noexcept nogil:
    st64(l, p + OFF_FD, to)

cdef inline void set_bk(libc_t *l, vaddr_t p, vaddr_t to) noexcept nogil:
    st64(l, p + OFF_BK, to)

# The next pointer of a cached or fastbin chunk is kept XORed with its own place (safe-linking, 2.32).
cdef inline vaddr_t protect_ptr(vaddr_t place, vaddr_t to) noexcept nogil:
    return place >> PROTECT_SHIFT ^ to

cdef inline vaddr_t reveal_at(libc_t *l, vaddr_t place) noexcept nogil:
    return place >> PROTECT_SHIFT ^ ld64(l, place)

cdef inline bint misaligned(vaddr_t at) noexcept nogil:
    return at & MALLOC_ALIGN_MASK != 0

# --- arenas -----------------------------------------------------------------------------------------------------

cdef inline uint64_t arena_bit(libc_t *l, vaddr_t av) noexcept nogil:
    return 0 if av == l.main_arena else NON_MAIN_ARENA

cdef inline vaddr_t top_of(libc_t *l, vaddr_t av) noexcept nogil:
    return ld64(l, av + AV_TOP)

cdef inline void set_top(libc_t *l, vaddr_t av, vaddr_t p) noexcept nogil:
    st64(l, av + AV_TOP, p)

cdef inline uint64_t system_mem(libc_t *l, vaddr_t av) noexcept nogil:
    return ld64(l, av + AV_SYSTEM_MEM)

cdef inline bint contiguous(libc_t *l, vaddr_t av) noexcept nogil:
    return ld32(l, av + AV_FLAGS) & NONCONTIGUOUS_BIT == 0

# --- bins: the two words of bin i are read as fd and bk of a chunk that would begin 16 bytes before them ------------------------

cdef inline vaddr_t bin_at(vaddr_t av, uint32_t i) noexcept nogil:
    return av + AV_BINS + <uint64_t>(i - 1) * 16 - OFF_FD

cdef inline vaddr_t unsorted_chunks(vaddr_t av) noexcept nogil:
    return bin_at(av, 1)

cdef inline vaddr_t initial_top(vaddr_t av) noexcept nogil:  # read as a chunk it has the size 0: the word is last_remainder
    return unsorted_chunks(av)

cdef inline bint in_smallbin_range(uint64_t size) noexcept nogil:
    return size < MIN_LARGE_SIZE

cdef inline uint32_t largebin_index(uint64_t size) noexcept nogil:
    if size >> 6 <= 48:
        return 48 + <uint32_t>(size >> 6)
    if size >> 9 <= 20:
        return 91 + <uint32_t>(size >> 9)
    if size >> 12 <= 10:
        return 110 + <uint32_t>(size >> 12)
    if size >> 15 <= 4:
        return 119 + <uint32_t>(size >> 15)
    if size >> 18 <= 2:
        return 124 + <uint32_t>(size >> 18)
    return 126

cdef inline uint32_t bin_index(uint64_t size) noexcept nogil:
    return <uint32_t>(size >> 4) if in_smallbin_range(size) else largebin_index(size)

cdef inline uint32_t fastbin_index(uint64_t size) noexcept nogil:
    return <uint32_t>((<uint32_t>size) >> 4) - 2

cdef inline vaddr_t fastbin_at(vaddr_t av, uint32_t i) noexcept nogil:
    return av + AV_FASTBINS + <uint64_t>i * 8

cdef inline uint64_t tcache_index(uint64_t size) noexcept nogil:  # csize2tidx()
    return (size - MINSIZE + MALLOC_ALIGN_MASK) // MALLOC_ALIGNMENT
