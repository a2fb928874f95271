# cython: language_level=3
"""What malloc's memory looks like: constants, and where each field of a chunk, an arena, a heap and a tcache lies.

A chunk, at p; the program gets p + 16, and may use everything up to the next chunk's size word:

    p+0   prev_size     of the chunk before, when that is free; else the last word of its bytes
    p+8   size | A M P  A: not of the main arena; M: a mapping of its own; P: the chunk before is in use
    p+16  fd, bk        of a free chunk: the bin's list; of a cached one: next (protected) and key
    p+32  fd_nextsize, bk_nextsize    of a free large chunk that is the first of its size
Counterpart: glibc 2.36 malloc/malloc.c (struct malloc_chunk, malloc_state, tcache_perthread_struct), malloc/arena.c (heap_info); x86-64.
"""

cdef enum:
    SIZE_SZ = 8
    CHUNK_HDR_SZ = 16
    MALLOC_ALIGNMENT = 16
    MALLOC_ALIGN_MASK = 15
    MINSIZE = 32
    PAGE = 4096  # the room is entered on machines with such pages alone
    PROTECT_SHIFT = 12  # PROTECT_PTR(), on any machine

cdef enum:  # low bits of a size
    PREV_INUSE = 1
    IS_MMAPPED = 2
    NON_MAIN_ARENA = 4
    SIZE_BITS = 7

cdef enum:  # fields of a chunk
    OFF_PREV_SIZE = 0
    OFF_SIZE = 8
    OFF_FD = 16
    OFF_BK = 24
    OFF_FD_NEXTSIZE = 32
    OFF_BK_NEXTSIZE = 40
    SIZEOF_CHUNK = 48

cdef enum:  # bins
    NFASTBINS = 10
    NBINS = 128
    NSMALLBINS = 64
    MIN_LARGE_SIZE = 1024
    BINMAPSIZE = 4
    MAX_FAST_SIZE = 160
    MAX_ITERS = 10000
    FASTBIN_CONSOLIDATION_THRESHOLD = 65536

cdef enum:  # fields of an arena
    AV_FLAGS = 4
    AV_HAVE_FASTCHUNKS = 8
    AV_FASTBINS = 16
    AV_TOP = 96
    AV_LAST_REMAINDER = 104
    AV_BINS = 112
    AV_BINMAP = 2144
    AV_NEXT = 2160
    AV_NEXT_FREE = 2168
    AV_ATTACHED = 2176
    AV_SYSTEM_MEM = 2184
    AV_MAX_SYSTEM_MEM = 2192
    SIZEOF_ARENA = 2200
    NONCONTIGUOUS_BIT = 2  # of AV_FLAGS
    MAIN_ARENA_OFFSET = 0x60  # of main_arena, in the page behind the last that a program can have

cdef enum:  # tcache_perthread_struct
    TCACHE_MAX_BINS = 64
    TCACHE_COUNTS = 0
    TCACHE_ENTRIES = 128
    SIZEOF_TCACHE = 640
    TCACHE_FILL_COUNT = 7
    MAX_TCACHE_COUNT = 65535
    MAX_TCACHE_SIZE = 1032

cdef enum:  # heap_info, at the start of a thread's heap
    HEAP_AR_PTR = 0
    HEAP_PREV = 8
    HEAP_SIZE = 16
    HEAP_MPROTECT_SIZE = 24
    HEAP_PAGESIZE = 32
    SIZEOF_HEAP_INFO = 48
    HEAP_MIN_SIZE = 32768
    HEAP_MAX_SIZE = 67108864

cdef enum:  # malloc_par's beginnings
    DEFAULT_MMAP_MAX = 65536
    DEFAULT_MMAP_THRESHOLD = 131072
    DEFAULT_MMAP_THRESHOLD_MAX = 33554432
    DEFAULT_TRIM_THRESHOLD = 131072
    DEFAULT_TOP_PAD = 131072
    DEFAULT_MXFAST = 128
    MMAP_AS_MORECORE_SIZE = 1048576
    THP_SIZE = 2097152

cdef enum:  # mallopt's names
    M_MXFAST = 1
    M_TRIM_THRESHOLD = -1
    M_TOP_PAD = -2
    M_MMAP_THRESHOLD = -3
    M_MMAP_MAX = -4
    M_CHECK_ACTION = -5
    M_PERTURB = -6
    M_ARENA_TEST = -7
    M_ARENA_MAX = -8
