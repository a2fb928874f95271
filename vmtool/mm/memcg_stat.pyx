"""memory.stat: what a group's memory is used for, and what happened to it.

    a group   its own counters, and those of every group below; what a group that is gone had counted is its parent's
    the root  charges for the kernel's memory are none of its own: there the sum over all groups; user pages and cache: the node's counters

Modelled: every line of 6.18 in its order. Always exact: Linux may lag by 64 updates a CPU for two seconds, and keeps what an object cache
changed of slab_* on the CPU until it is a page.
Counterpart: Linux v6.18 mm/memcontrol.c:memory_stats[], memcg_page_state_output(), memcg_vm_event_stat[].
# Deviation: `pagetables` counts a group's tables; the recorded 6.18.15 counts them for the node alone and shows 0.
Invariants (fsck_memcg): the counters of a group are the sums over the folios, stacks, objects and slots that it pays for.
"""

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport frame_at, memcg_at, runs_in_circle
from vmtool.mm.lruvec cimport memcg_next
from vmtool.mm.vmstat cimport *

cdef enum line_kind:
    PAGES  # a count of pages, shown in bytes
    BYTES
    KB
    LRU  # pages on a list
    COUNT
    EVENT
    SLAB  # sums of lines
    PGSCAN
    PGSTEAL
    NEVER  # what does not happen here

cdef struct stat_line_t:
    const char *name
    int kind
    int item

cdef enum:
    NR_LINES = 70

cdef stat_line_t LINES[NR_LINES]
LINES[:] = [
    stat_line_t(b"anon", PAGES, NR_ANON_MAPPED),
    stat_line_t(b"file", PAGES, NR_FILE_PAGES),
    stat_line_t(b"kernel", PAGES, MEMCG_KMEM),
    stat_line_t(b"kernel_stack", KB, NR_KERNEL_STACK_KB),
    stat_line_t(b"pagetables", PAGES, NR_PAGETABLE),
    stat_line_t(b"sec_pagetables", NEVER, 0),
    stat_line_t(b"percpu", BYTES, MEMCG_PERCPU_B),
    stat_line_t(b"sock", NEVER, 0),
    stat_line_t(b"vmalloc", NEVER, 0),  # stacks are charged apart from it
    stat_line_t(b"shmem", PAGES, NR_SHMEM),
    stat_line_t(b"zswap", NEVER, 0),
    stat_line_t(b"zswapped", NEVER, 0),
    stat_line_t(b"file_mapped", PAGES, NR_FILE_MAPPED),
    stat_line_t(b"file_dirty", PAGES, NR_FILE_DIRTY),
    stat_line_t(b"file_writeback", PAGES, NR_WRITEBACK),
    stat_line_t(b"swapcached", PAGES, NR_SWAPCACHE),
    stat_line_t(b"anon_thp", PAGES, NR_ANON_THPS),
    stat_line_t(b"file_thp", PAGES, NR_FILE_THPS),
    stat_line_t(b"shmem_thp", PAGES, NR_SHMEM_THPS),
    stat_line_t(b"inactive_anon", LRU, 0),
    stat_line_t(b"active_anon", LRU, 1),
    stat_line_t(b"inactive_file", LRU, 2),
    stat_line_t(b"active_file", LRU, 3),
    stat_line_t(b"unevictable", LRU, 4),
    stat_line_t(b"slab_reclaimable", BYTES, NR_SLAB_RECLAIMABLE_B),
    stat_line_t(b"slab_unreclaimable", BYTES, NR_SLAB_UNRECLAIMABLE_B),
    stat_line_t(b"slab", SLAB, 0),
    stat_line_t(b"workingset_refault_anon", COUNT, WORKINGSET_REFAULT_ANON),
    stat_line_t(b"workingset_refault_file", COUNT, WORKINGSET_REFAULT_FILE),
    stat_line_t(b"workingset_activate_anon", COUNT, WORKINGSET_ACTIVATE_ANON),
    stat_line_t(b"workingset_activate_file", COUNT, WORKINGSET_ACTIVATE_FILE),
    stat_line_t(b"workingset_restore_anon", COUNT, WORKINGSET_RESTORE_ANON),
    stat_line_t(b"workingset_restore_file", COUNT, WORKINGSET_RESTORE_FILE),
    stat_line_t(b"workingset_nodereclaim", COUNT, WORKINGSET_NODERECLAIM),
    stat_line_t(b"pgdemote_kswapd", NEVER, 0),
    stat_line_t(b"pgdemote_direct", NEVER, 0),
    stat_line_t(b"pgdemote_khugepaged", NEVER, 0),
    stat_line_t(b"pgdemote_proactive", NEVER, 0),
    stat_line_t(b"pgpromote_success", NEVER, 0),
    stat_line_t(b"pgscan", PGSCAN, 0),
    stat_line_t(b"pgsteal", PGSTEAL, 0),
    stat_line_t(b"pswpin", EVENT, PSWPIN),
    stat_line_t(b"pswpout", EVENT, PSWPOUT),
    stat_line_t(b"pgscan_kswapd", EVENT, PGSCAN_KSWAPD),
    stat_line_t(b"pgscan_direct", EVENT, PGSCAN_DIRECT),
    stat_line_t(b"pgscan_khugepaged", NEVER, 0),
    stat_line_t(b"pgscan_proactive", EVENT, PGSCAN_PROACTIVE),
    stat_line_t(b"pgsteal_kswapd", EVENT, PGSTEAL_KSWAPD),
    stat_line_t(b"pgsteal_direct", EVENT, PGSTEAL_DIRECT),
    stat_line_t(b"pgsteal_khugepaged", NEVER, 0),
    stat_line_t(b"pgsteal_proactive", EVENT, PGSTEAL_PROACTIVE),
    stat_line_t(b"pgfault", EVENT, PGFAULT),
    stat_line_t(b"pgmajfault", EVENT, PGMAJFAULT),
    stat_line_t(b"pgrefill", EVENT, PGREFILL),
    stat_line_t(b"pgactivate", EVENT, PGACTIVATE),
    stat_line_t(b"pgdeactivate", EVENT, PGDEACTIVATE),
    stat_line_t(b"pglazyfree", EVENT, PGLAZYFREE),
    stat_line_t(b"pglazyfreed", EVENT, PGLAZYFREED),
    stat_line_t(b"swpin_zero", EVENT, SWPIN_ZERO),
    stat_line_t(b"swpout_zero", EVENT, SWPOUT_ZERO),
    stat_line_t(b"zswpin", NEVER, 0),
    stat_line_t(b"zswpout", NEVER, 0),
    stat_line_t(b"zswpwb", NEVER, 0),
    stat_line_t(b"thp_fault_alloc", EVENT, THP_FAULT_ALLOC),
    stat_line_t(b"thp_collapse_alloc", EVENT, THP_COLLAPSE_ALLOC),
    stat_line_t(b"thp_swpout", NEVER, 0),  # large folios are split first
    stat_line_t(b"thp_swpout_fallback", EVENT, THP_SWPOUT_FALLBACK),
    stat_line_t(b"numa_pages_migrated", NEVER, 0),
    stat_line_t(b"numa_pte_updates", NEVER, 0),
    stat_line_t(b"numa_hint_faults", NEVER, 0),
]


cdef uint32_t memory_stat_count() noexcept nogil:
    return NR_LINES


cdef const char *memory_stat_name(uint32_t line) noexcept nogil:
    return LINES[line].name


# --- counters --------------------------------------------------------------------------------------------------------


cdef int64_t sum_below(arena_t *a, idx_t memcg, bint event, int item) noexcept nogil:
    """Over all groups below; parents keep what their children counted when these go."""
    cdef int64_t n = 0
    cdef idx_t at = 0
    cdef uint32_t steps = 0
    while not runs_in_circle(a, POOL_MEMCG, at, &steps):
        at = memcg_next(a, memcg, at)
        if at == 0:
            break
        n += memcg_at(a, at).vm_event[item] if event else memcg_at(a, at).stat[item]
    return n


cdef inline bint is_kernels(int item) noexcept nogil:
    """Memory that is charged by the page or byte (objcg): to no group is to nobody."""
    return item in (MEMCG_KMEM, MEMCG_PERCPU_B, NR_KERNEL_STACK_KB, NR_PAGETABLE, NR_SLAB_RECLAIMABLE_B, NR_SLAB_UNRECLAIMABLE_B)


cdef int64_t mapped_image_pages(arena_t *a) noexcept nogil:
    """Of NR_FILE_MAPPED what no group pays for: pages of the kernel's image, as [vdso]'s."""
    cdef int64_t n = 0
    cdef int i
    for i in range(2):
        n += a.m.vdso_pfn[i] != 0 and frame_at(a, a.m.vdso_pfn[i]).mapcount != 0
    return n


cdef int64_t memcg_page_state(arena_t *a, idx_t memcg, int item) noexcept nogil:
    """Node_stat_item, memcg_stat_item; in the item's own unit."""
    if memcg:
        return memcg_at(a, memcg).stat[item] + sum_below(a, memcg, False, item)
    if is_kernels(item):
        return sum_below(a, 0, False, item)
    if item == NR_FILE_PAGES:  # the swap cache is counted for the node alone
        return a.m.node_stat[item] - a.m.node_stat[NR_SWAPCACHE]
    return a.m.node_stat[item] - (mapped_image_pages(a) if item == NR_FILE_MAPPED else 0)


cdef int64_t memcg_events(arena_t *a, idx_t memcg, int item) noexcept nogil:
    """Vm_event_item."""
    if memcg:
        return memcg_at(a, memcg).vm_event[item] + sum_below(a, memcg, True, item)
    if item == SWPIN_ZERO or item == SWPOUT_ZERO:
        return a.m.memcg_event[item]
    return a.m.event[item] + a.m.memcg_event[item]


cdef int64_t sum_events(arena_t *a, idx_t memcg, int kswapd, int direct, int proactive) noexcept nogil:
    return memcg_events(a, memcg, kswapd) + memcg_events(a, memcg, direct) + memcg_events(a, memcg, proactive)


cdef int64_t memory_stat_value(arena_t *a, idx_t memcg, uint32_t line) noexcept nogil:
    cdef int item = LINES[line].item
    cdef int kind = LINES[line].kind
    cdef int64_t page = <int64_t>page_size(&a.m.arch)
    if kind == PAGES:
        return memcg_page_state(a, memcg, item) * page
    if kind == KB:
        return memcg_page_state(a, memcg, item) << 10
    if kind == BYTES or kind == COUNT:
        return memcg_page_state(a, memcg, item)
    if kind == LRU:
        return page * (memcg_at(a, memcg).lruvec.total[item] if memcg else a.m.node_stat[NR_INACTIVE_ANON + item])
    if kind == EVENT:
        return memcg_events(a, memcg, item)
    if kind == SLAB:
        return memcg_page_state(a, memcg, NR_SLAB_RECLAIMABLE_B) + memcg_page_state(a, memcg, NR_SLAB_UNRECLAIMABLE_B)
    if kind == PGSCAN:
        return sum_events(a, memcg, PGSCAN_KSWAPD, PGSCAN_DIRECT, PGSCAN_PROACTIVE)
    if kind == PGSTEAL:
        return sum_events(a, memcg, PGSTEAL_KSWAPD, PGSTEAL_DIRECT, PGSTEAL_PROACTIVE)
    return 0
