# cython: language_level=3
"""Accounting of an address space: rss, total_vm and its kin, limits, commit charge. Counterpart: Linux v6.18 mm/mmap.c, mm/util.c."""

from vmtool.mm.arena cimport arena_t, mm_at
from vmtool.mm.types cimport *

cdef enum:
    RSS_BATCH = 32  # percpu_counter_batch

cdef inline void add_mm_counter(mm_t *m, int kind, int64_t n) noexcept nogil:
    """percpu_counter_add_batch(): the global part follows in steps of 32."""
    cdef int64_t local = m.rss_cpu[kind] + n
    if local >= RSS_BATCH or local <= -RSS_BATCH:
        m.rss[kind] += local
        local = 0
    m.rss_cpu[kind] = <int32_t>local

cdef inline void add_mm_counter_by_ones(mm_t *m, int kind, int64_t n) noexcept nogil:
    """add_mm_counter() of 1, n times."""
    cdef int64_t local = m.rss_cpu[kind] + n
    if local >= RSS_BATCH:
        m.rss[kind] += local - local % RSS_BATCH
        local %= RSS_BATCH
    m.rss_cpu[kind] = <int32_t>local

cdef inline int64_t mm_counter_sum(const mm_t *m, int kind) noexcept nogil:
    return m.rss[kind] + m.rss_cpu[kind]

cdef inline uint64_t get_mm_rss(const mm_t *m) noexcept nogil:
    """As the kernel reads it in passing: global parts alone, negative ones as 0."""
    cdef int64_t n = 0
    n += m.rss[MM_FILEPAGES] if m.rss[MM_FILEPAGES] > 0 else 0
    n += m.rss[MM_ANONPAGES] if m.rss[MM_ANONPAGES] > 0 else 0
    n += m.rss[MM_SHMEMPAGES] if m.rss[MM_SHMEMPAGES] > 0 else 0
    return <uint64_t>n

cdef inline void update_hiwater_rss(mm_t *m) noexcept nogil:
    if m.hiwater_rss < get_mm_rss(m):
        m.hiwater_rss = get_mm_rss(m)

cdef inline void update_hiwater_vm(mm_t *m) noexcept nogil:
    if m.hiwater_vm < m.total_vm:
        m.hiwater_vm = m.total_vm

cdef inline bint is_data_mapping(uint64_t f) noexcept nogil:
    return (f & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE

cdef inline bint is_exec_mapping(uint64_t f) noexcept nogil:
    return (f & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC

# total_vm and which of exec_vm, stack_vm, data_vm has these flags
cdef void vm_stat_account(mm_t *m, uint64_t vm_flags, int64_t nr_pages) noexcept nogil
# nr_pages more within RLIMIT_AS and RLIMIT_DATA; of the latter a warning, or not, is not told
cdef bint may_expand_vm(arena_t *a, idx_t mm, uint64_t vm_flags, uint64_t nr_pages) noexcept nogil
# nr_bytes more within RLIMIT_MEMLOCK; True where the flags are not of a locked area
cdef bint mlock_future_ok(arena_t *a, idx_t mm, uint64_t vm_flags, uint64_t nr_bytes) noexcept nogil
cdef uint64_t rlimit(arena_t *a, uint32_t resource) noexcept nogil  # of the current task; -1, RLIM_INFINITY, when there is none
# charges that many. 0, -ENOMEM: overcommit forbids it, nothing is charged. Counts: vm_committed_as
cdef int vm_enough_memory(arena_t *a, idx_t mm, int64_t nr_pages) noexcept nogil
cdef uint64_t hugetlb_total_pages(arena_t *a) noexcept nogil  # of all pools, in small pages
cdef uint64_t commit_limit(arena_t *a) noexcept nogil

cdef inline void vm_unacct_memory(arena_t *a, int64_t nr_pages) noexcept nogil:
    a.m.vm_committed_as -= nr_pages
