# cython: language_level=3
"""Memory control groups (v2): what each has charged, its limits, its events; reclaim within one is vmscan's.

Counterpart: Linux v6.18 mm/memcontrol.c, mm/page_counter.c.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    MEMCG_MAX_GROUPS = 1023  # what a shadow can name
    MAX_RECLAIM_RETRIES = 16  # before the OOM killer runs, and after which kswapd gives a node up

cdef extern from *:
    """
    #define VMTOOL_PAGE_COUNTER_MAX ((1ULL << 51) - 1)
    """
    const uint64_t PAGE_COUNTER_MAX "VMTOOL_PAGE_COUNTER_MAX"  # LONG_MAX / PAGE_SIZE

# Pages of a group, from the CPU's stock when it has some: 64 are charged at once. At a limit the group is reclaimed from, then its OOM
# killer runs: the caller fetches again what it holds. 0, -ENOMEM: nothing is charged. Counts: memory.events' max, high, oom.
cdef int try_charge(arena_t *a, idx_t memcg, uint32_t nr_pages, uint32_t gfp) noexcept nogil
cdef void charge_folio(arena_t *a, idx_t memcg, pfn_t head) noexcept nogil  # after try_charge(): the folio names who pays
cdef void uncharge_folio(arena_t *a, pfn_t head, uint32_t nr_pages) noexcept nogil  # it is freed
cdef void split_charge(arena_t *a, pfn_t head, pfn_t part) noexcept nogil  # a part of a split folio names the group, too
# slots; False: above memory.swap.max, nothing is charged
cdef bint swap_try_charge(arena_t *a, idx_t memcg, uint64_t nr_pages) noexcept nogil
cdef void swap_uncharge(arena_t *a, idx_t memcg, uint64_t nr_pages) noexcept nogil
cdef void mem_cgroup_event(arena_t *a, idx_t memcg, int event, int64_t n) noexcept nogil  # of the group and those above
# before these two are asked of it: how much of min and low is its own below root
cdef void mem_cgroup_calculate_protection(arena_t *a, idx_t root, idx_t memcg) noexcept nogil
# what is protected of it, seen from target (0: the machine): reclaim passes it by
cdef bint mem_cgroup_below_min(arena_t *a, idx_t target, idx_t memcg) noexcept nogil
cdef bint mem_cgroup_below_low(arena_t *a, idx_t target, idx_t memcg) noexcept nogil  # the same, unless nothing else is left
# apply_proportional_protection(): how much of a list of that size reclaim looks at.
cdef uint64_t mem_cgroup_protection(arena_t *a, idx_t target, idx_t memcg, uint64_t size, bint low_reclaim, bint *low_skipped) noexcept nogil
cdef bint mem_cgroup_swap_full(arena_t *a, idx_t memcg) noexcept nogil  # slots are short: those of cached folios are given back

# --- the kernel's memory for a group's processes
cdef idx_t current_memcg(arena_t *a) noexcept nogil  # whose memory the running task takes; 0: the root's
cdef void obj_cgroup_charge(arena_t *a, idx_t memcg, uint32_t nr_bytes) noexcept nogil  # an object; above the limits, too
cdef void obj_cgroup_uncharge(arena_t *a, idx_t memcg, uint32_t nr_bytes) noexcept nogil
cdef void kmem_charge(arena_t *a, idx_t memcg, uint32_t nr_pages) noexcept nogil  # pages that no folio names
cdef void kmem_uncharge(arena_t *a, idx_t memcg, uint32_t nr_pages) noexcept nogil

# --- groups
cdef idx_t mem_cgroup_alloc(arena_t *a, idx_t parent, idx_t name) noexcept nogil  # 0: no memory
cdef int mem_cgroup_remove(arena_t *a, idx_t memcg) noexcept nogil  # 0, -EBUSY; what is still charged keeps it in being
cdef int mem_cgroup_set_limit(arena_t *a, idx_t memcg, int which, uint64_t nr_pages) noexcept nogil  # page_counter limits: enum below
cdef enum memcg_limit:
    LIMIT_MIN
    LIMIT_LOW
    LIMIT_HIGH
    LIMIT_MAX
    LIMIT_SWAP_MAX
    LIMIT_SWAP_HIGH
