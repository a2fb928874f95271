# cython: language_level=3
"""The C library's variables that are in its .data, a record for each address space that used malloc. Changed by libc/; mm.pyx copies it
when a process forks and drops it with the address space.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t

cdef struct malloc_state_t:  # struct malloc_state of glibc 2.36, field for field
    int32_t mutex
    int32_t flags
    int32_t have_fastchunks
    uint64_t fastbinsY[10]
    uint64_t top
    uint64_t last_remainder
    uint64_t bins[254]
    uint32_t binmap[4]
    uint64_t next
    uint64_t next_free
    uint64_t attached_threads
    uint64_t system_mem
    uint64_t max_system_mem

cdef struct malloc_par_t:  # struct malloc_par
    uint64_t trim_threshold
    uint64_t top_pad
    uint64_t mmap_threshold
    uint64_t arena_test
    uint64_t arena_max
    uint64_t thp_pagesize
    uint64_t hp_pagesize
    int32_t hp_flags
    int32_t n_mmaps
    int32_t n_mmaps_max
    int32_t max_n_mmaps
    int32_t no_dyn_threshold
    uint32_t pad
    uint64_t mmapped_mem
    uint64_t max_mmapped_mem
    uint64_t sbrk_base
    uint64_t tcache_bins
    uint64_t tcache_max_bytes
    uint64_t tcache_count
    uint64_t tcache_unsorted_limit

cdef struct libc_data_t:  # 4096 bytes
    uint64_t free_link
    uint32_t live  # 1, before anything else stands in the record, which makes it one in use
    uint32_t initialized  # ptmalloc_init() was here
    malloc_state_t main_arena
    malloc_par_t mp
    uint64_t global_max_fast
    uint64_t tcache_key
    uint32_t perturb_byte
    uint32_t no_morecore  # __always_fail_morecore
    uint64_t narenas
    uint64_t narenas_limit
    uint64_t free_list  # arenas without a thread
    uint64_t next_to_use  # reused_arena()'s
    uint64_t aligned_heap_area
    uint64_t pad[210]
