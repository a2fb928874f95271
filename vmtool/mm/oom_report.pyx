"""The report of an OOM kill.

Modelled: dump_header() without the call trace and the registers, which a simulated kernel does not have: the request, Mem-Info of node and zones,
free blocks with their migrate types, swap, the table of tasks, the verdict.
Counterpart: Linux v6.18 mm/show_mem.c:show_free_areas(), mm/oom_kill.c:dump_tasks(), dump_oom_victim(), mm/memcontrol.c:mem_cgroup_print_oom_meminfo().
"""

from libc.stdio cimport snprintf
from libc.string cimport memcpy

from vmtool.mm.arch cimport page_size, pages_to_kb
from vmtool.mm.arena cimport cpu_mut, memcg_at, mm_at, runs_in_circle, task_at
from vmtool.mm.free_area cimport free_area_count
from vmtool.mm.frame cimport MAX_FOLIO_ORDER, WMARK_HIGH, WMARK_LOW, WMARK_MIN, ZONE_HIGHMEM, wmark_pages, zone_name
from vmtool.mm.memcg_stat cimport memory_stat_count, memory_stat_name, memory_stat_value
from vmtool.mm.memcontrol cimport MAX_RECLAIM_RETRIES, PAGE_COUNTER_MAX
from vmtool.mm.pid cimport find_task
from vmtool.mm.mm_acct cimport mm_counter_sum
from vmtool.mm.names cimport name_read
from vmtool.mm.printk cimport printk
from vmtool.mm.zone cimport lowmem_end
from vmtool.mm.hstate cimport hsize_nth, hsize_t, hstate_at, huge_page_order, huge_page_size
from vmtool.mm.vmstat cimport *

cdef enum:
    LINE = 1280

ctypedef unsigned long long ull

cdef const char *LETTERS = b"UMEH"  # by migrate type


cdef inline ull K(arena_t *a, int64_t pages) noexcept nogil:
    return <ull>pages_to_kb(&a.m.arch, pages)


# --- groups -----------------------------------------------------------------------------------------------------------


cdef uint32_t memcg_path(arena_t *a, idx_t memcg, char *out, uint32_t cap) noexcept nogil:
    """From the end to the front."""
    cdef char name[256]
    cdef uint32_t at = cap
    cdef uint32_t n
    cdef uint32_t i
    cdef uint32_t steps = 0
    while memcg and not runs_in_circle(a, POOL_MEMCG, memcg, &steps):
        n = name_read(a, memcg_at(a, memcg).name, name, 255)
        if n + 1 > at:
            break
        at -= n
        memcpy(out + at, name, n)
        at -= 1
        out[at] = c'/'
        memcg = memcg_at(a, memcg).parent
    for i in range(cap - at):
        out[i] = out[at + i]
    if at == cap:
        out[0] = c'/'
        return 1
    return cap - at


cdef void print_memcg(arena_t *a, idx_t memcg) noexcept nogil:
    """mem_cgroup_print_oom_meminfo()."""
    cdef uint32_t i
    cdef char line[LINE]
    cdef char path[512]
    cdef uint32_t n = memcg_path(a, memcg, path, sizeof(path) - 1)
    cdef const memcg_t *m = memcg_at(a, memcg)
    path[n] = 0
    snprintf(line, LINE, b"memory: usage %llukB, limit %llukB, failcnt %llu", K(a, <int64_t>m.memory.usage), limit_kb(a, m.memory.max), <ull>m.memory.failcnt)
    printk(a, line)
    snprintf(line, LINE, b"swap: usage %llukB, limit %llukB, failcnt %llu", K(a, <int64_t>m.swap.usage), limit_kb(a, m.swap.max), <ull>m.swap.failcnt)
    printk(a, line)
    snprintf(line, LINE, b"Memory cgroup stats for %s:", path)
    printk(a, line)
    for i in range(memory_stat_count()):
        snprintf(line, LINE, b"%s %llu", memory_stat_name(i), <ull>memory_stat_value(a, memcg, i))
        printk(a, line)


cdef ull limit_kb(arena_t *a, uint64_t pages) noexcept nogil:
    """No limit is LONG_MAX: as many pages of a 32-bit kernel, else as many bytes."""
    cdef uint64_t most = 0x7FFFFFFF if lowmem_end(&a.m.arch) else (<uint64_t>1 << (63 - a.m.arch.page_shift)) - 1
    return <ull>((most if pages >= PAGE_COUNTER_MAX else pages) << (a.m.arch.page_shift - 10))


# --- Mem-Info -----------------------------------------------------------------------------------------------------------


cdef uint64_t free_pcp(arena_t *a, uint32_t zone, bint local) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t cpu
    if local:
        return cpu_mut(a, a.cpu).pcp[zone].count
    for cpu in range(a.m.nr_cpus):
        n += cpu_mut(a, cpu).pcp[zone].count
    return n


cdef void print_global(arena_t *a) noexcept nogil:
    cdef char line[LINE]
    cdef int64_t *n = a.m.node_stat
    cdef uint64_t free_pages = 0, pcp = 0
    cdef uint32_t z
    cdef const char *hopeless = b"no"
    if a.m.kswapd_failures >= MAX_RECLAIM_RETRIES:
        hopeless = b"yes"
    for z in range(NR_ZONES):
        free_pages += a.m.zone[z].free_pages
        pcp += free_pcp(a, z, False)
    printk(a, b"Mem-Info:")
    snprintf(line, LINE, b"active_anon:%llu inactive_anon:%llu isolated_anon:0", <ull>n[NR_ACTIVE_ANON], <ull>n[NR_INACTIVE_ANON])
    printk(a, line)
    snprintf(line, LINE, b" active_file:%llu inactive_file:%llu isolated_file:0", <ull>n[NR_ACTIVE_FILE], <ull>n[NR_INACTIVE_FILE])
    printk(a, line)
    snprintf(line, LINE, b" unevictable:%llu dirty:%llu writeback:%llu", <ull>n[NR_UNEVICTABLE], <ull>n[NR_FILE_DIRTY], <ull>n[NR_WRITEBACK])
    printk(a, line)
    snprintf(line, LINE, b" slab_reclaimable:%llu slab_unreclaimable:%llu", <ull>(n[NR_SLAB_RECLAIMABLE_B] >> a.m.arch.page_shift),
             <ull>(n[NR_SLAB_UNRECLAIMABLE_B] >> a.m.arch.page_shift))
    printk(a, line)
    snprintf(line, LINE, b" mapped:%llu shmem:%llu pagetables:%llu", <ull>n[NR_FILE_MAPPED], <ull>n[NR_SHMEM], <ull>n[NR_PAGETABLE])
    printk(a, line)
    printk(a, b" sec_pagetables:0 bounce:0")
    printk(a, b" kernel_misc_reclaimable:0")
    snprintf(line, LINE, b" free:%llu free_pcp:%llu free_cma:0", <ull>free_pages, <ull>pcp)
    printk(a, line)
    snprintf(line, LINE, b"Node 0 active_anon:%llukB inactive_anon:%llukB active_file:%llukB inactive_file:%llukB unevictable:%llukB isolated(anon):0kB "
             b"isolated(file):0kB mapped:%llukB dirty:%llukB writeback:%llukB shmem:%llukB shmem_thp:%llukB shmem_pmdmapped:0kB anon_thp:%llukB "
             b"kernel_stack:%llukB pagetables:%llukB sec_pagetables:0kB all_unreclaimable? %s Balloon:0kB",
             K(a, n[NR_ACTIVE_ANON]), K(a, n[NR_INACTIVE_ANON]), K(a, n[NR_ACTIVE_FILE]), K(a, n[NR_INACTIVE_FILE]), K(a, n[NR_UNEVICTABLE]),
             K(a, n[NR_FILE_MAPPED]), K(a, n[NR_FILE_DIRTY]), K(a, n[NR_WRITEBACK]), K(a, n[NR_SHMEM]), K(a, n[NR_SHMEM_THPS]), K(a, n[NR_ANON_THPS]),
             <ull>n[NR_KERNEL_STACK_KB], K(a, n[NR_PAGETABLE]), hopeless)
    printk(a, line)


cdef void print_zone(arena_t *a, uint32_t z) noexcept nogil:
    cdef char line[LINE]
    cdef const zone_t *zone = &a.m.zone[z]
    cdef int64_t *n = a.m.zone_stat[z]
    snprintf(line, LINE, b"Node 0 %s free:%llukB boost:%llukB min:%llukB low:%llukB high:%llukB reserved_highatomic:%lluKB free_highatomic:%lluKB active_anon:%llukB "
             b"inactive_anon:%llukB active_file:%llukB inactive_file:%llukB unevictable:%llukB writepending:%llukB zspages:0kB present:%llukB managed:%llukB "
             b"mlocked:%llukB bounce:0kB free_pcp:%llukB local_pcp:%llukB free_cma:0kB", zone_name(z), K(a, <int64_t>zone.free_pages),
             K(a, <int64_t>zone.watermark_boost), K(a, <int64_t>wmark_pages(zone, WMARK_MIN)), K(a, <int64_t>wmark_pages(zone, WMARK_LOW)),
             K(a, <int64_t>wmark_pages(zone, WMARK_HIGH)), K(a, zone.nr_reserved_highatomic), K(a, zone.nr_free_highatomic),
             K(a, n[NR_ZONE_ACTIVE_ANON]), K(a, n[NR_ZONE_INACTIVE_ANON]), K(a, n[NR_ZONE_ACTIVE_FILE]),
             K(a, n[NR_ZONE_INACTIVE_FILE]), K(a, n[NR_ZONE_UNEVICTABLE]), K(a, n[NR_ZONE_WRITE_PENDING]), K(a, <int64_t>zone.present_pages),
             K(a, <int64_t>zone.managed_pages), K(a, n[NR_MLOCK]), K(a, <int64_t>free_pcp(a, z, False)), K(a, <int64_t>free_pcp(a, z, True)))
    printk(a, line)
    snprintf(line, LINE, b"lowmem_reserve[]: %llu %llu %llu %llu %llu", <ull>zone.lowmem_reserve[0], <ull>zone.lowmem_reserve[1],
             <ull>zone.lowmem_reserve[2], <ull>zone.lowmem_reserve[3], <ull>zone.lowmem_reserve[3])
    printk(a, line)


cdef void print_blocks(arena_t *a, uint32_t z) noexcept nogil:
    """Free blocks of each order, with a letter for each type that has some."""
    cdef char line[LINE]
    cdef char types[8]
    cdef int at = snprintf(line, LINE, b"Node 0 %s:", zone_name(z))
    cdef uint64_t total = 0, nr
    cdef uint32_t order, mt, n
    for order in range(a.m.arch.max_order + 1):
        nr = 0
        n = 0
        for mt in range(NR_MIGRATETYPES):
            if free_area_count(a, z, order, mt):
                nr += free_area_count(a, z, order, mt)
                types[n] = LETTERS[mt]
                n += 1
        types[n] = 0
        total += nr << order
        if n:
            at += snprintf(line + at, <size_t>(LINE - at), b" %llu*%llukB (%s)", <ull>nr, <ull>(page_size(&a.m.arch) >> 10) << order, types)
        else:
            at += snprintf(line + at, <size_t>(LINE - at), b" 0*%llukB", <ull>(page_size(&a.m.arch) >> 10) << order)
    snprintf(line + at, <size_t>(LINE - at), b" = %llukB", K(a, <int64_t>total))
    printk(a, line)


cdef void print_hugepages(arena_t *a) noexcept nogil:
    """hugetlb_show_meminfo_node(): the largest size first, as the architecture registers them."""
    cdef char line[LINE]
    cdef const hstate_t *pool
    cdef hsize_t s
    cdef uint32_t h, order
    for order in range(MAX_FOLIO_ORDER + 1):
        for h in range(NR_HSTATES):
            if hsize_nth(&a.m.arch, h, &s) and huge_page_order(a, h) == MAX_FOLIO_ORDER - order:
                pool = hstate_at(a, h)
                snprintf(line, LINE, b"Node 0 hugepages_total=%u hugepages_free=%u hugepages_surp=%u hugepages_size=%llukB", pool.nr_huge_pages,
                         pool.free_huge_pages, pool.surplus_huge_pages, <ull>(huge_page_size(a, h) >> 10))
                printk(a, line)


cdef void print_pools(arena_t *a) noexcept nogil:
    cdef char line[LINE]
    cdef uint64_t present = 0, high = 0
    cdef uint32_t z
    for z in range(NR_ZONES):
        present += a.m.zone[z].present_pages
        high += a.m.zone[z].managed_pages if z == ZONE_HIGHMEM else 0
    print_hugepages(a)
    snprintf(line, LINE, b"%llu total pagecache pages", <ull>a.m.node_stat[NR_FILE_PAGES])
    printk(a, line)
    snprintf(line, LINE, b"%llu pages in swap cache", <ull>a.m.node_stat[NR_SWAPCACHE])
    printk(a, line)
    snprintf(line, LINE, b"Free swap  = %llukB", K(a, a.m.nr_swap_pages))
    printk(a, line)
    snprintf(line, LINE, b"Total swap = %llukB", K(a, a.m.total_swap_pages))
    printk(a, line)
    snprintf(line, LINE, b"%llu pages RAM", <ull>present)
    printk(a, line)
    snprintf(line, LINE, b"%llu pages HighMem/MovableOnly", <ull>high)
    printk(a, line)
    snprintf(line, LINE, b"%llu pages reserved", <ull>(present - a.m.totalram_pages))
    printk(a, line)
    printk(a, b"0 pages hwpoisoned")


cdef void show_mem(arena_t *a) noexcept nogil:
    cdef uint32_t z
    print_global(a)
    for z in range(NR_ZONES):
        if a.m.zone[z].managed_pages:
            print_zone(a, z)
    for z in range(NR_ZONES):
        if a.m.zone[z].managed_pages:
            print_blocks(a, z)
    print_pools(a)


# --- tasks, verdict ----------------------------------------------------------------------------------------------------------


cdef bint in_group(arena_t *a, const task_t *t, idx_t memcg) noexcept nogil:
    cdef idx_t at = mm_at(a, t.mm).memcg
    cdef uint32_t steps = 0
    while memcg and at and at != memcg and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        at = memcg_at(a, at).parent
    return memcg == 0 or at == memcg


cdef void dump_tasks(arena_t *a, idx_t memcg) noexcept nogil:
    cdef char line[LINE]
    cdef uint32_t pid
    cdef idx_t t
    cdef const task_t *task
    cdef const mm_t *m
    printk(a, b"Tasks state (memory values in pages):")
    printk(a, b"[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name")
    for pid in range(1, a.pool[POOL_PID].count):
        t = find_task(a, pid)
        if t == 0 or task_at(a, t).mm == 0 or task_at(a, t).pid != task_at(a, t).tgid or not in_group(a, task_at(a, t), memcg):
            continue
        task = task_at(a, t)
        m = mm_at(a, task.mm)
        snprintf(line, LINE, b"[%7d] %5d %5d %8lu %8lu %8lu %8lu %9lu %8ld %8lu         %5hd %s", <int>task.pid, <int>task.uid, <int>task.tgid,
                 <unsigned long>m.total_vm,
                 <unsigned long>(mm_counter_sum(m, MM_ANONPAGES) + mm_counter_sum(m, MM_FILEPAGES) + mm_counter_sum(m, MM_SHMEMPAGES)),
                 <unsigned long>mm_counter_sum(m, MM_ANONPAGES), <unsigned long>mm_counter_sum(m, MM_FILEPAGES),
                 <unsigned long>mm_counter_sum(m, MM_SHMEMPAGES), <long>m.pgtables_bytes, <unsigned long>mm_counter_sum(m, MM_SWAPENTS),
                 <int>task.oom_score_adj, &task.comm[0])
        printk(a, line)


cdef void dump_victim(arena_t *a, idx_t memcg, idx_t victim) noexcept nogil:
    cdef char line[LINE]
    cdef char path[512]
    cdef char task_path[512]
    cdef const task_t *t = task_at(a, victim)
    cdef uint32_t n = memcg_path(a, memcg, path, sizeof(path) - 1)
    path[n] = 0
    n = memcg_path(a, mm_at(a, t.mm).memcg, task_path, sizeof(task_path) - 1)
    task_path[n] = 0
    if memcg:
        snprintf(line, LINE, b"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=%s,task_memcg=%s,task=%s,pid=%d,uid=%d",
                 path, task_path, &t.comm[0], <int>t.pid, <int>t.uid)
    else:
        snprintf(line, LINE, b"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=%s,task=%s,pid=%d,uid=%d",
                 task_path, &t.comm[0], <int>t.pid, <int>t.uid)
    printk(a, line)


cdef const char *gfp_text(uint32_t gfp, uint32_t order) noexcept nogil:
    """gfp_mask as the kernel has it for the allocations that are made here."""
    if gfp & GFP_USER_MOVABLE and gfp & GFP_ZERO:
        return b"0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP)"
    if gfp & GFP_USER_MOVABLE:
        return b"0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP)"
    if gfp & GFP_RECLAIMABLE:
        return b"0x40cd0(GFP_KERNEL|__GFP_COMP|__GFP_RECLAIMABLE)"
    if order:
        return b"0x40dc0(GFP_KERNEL|__GFP_ZERO|__GFP_COMP)"
    return b"0xcc0(GFP_KERNEL)"


cdef void report_group(arena_t *a, idx_t memcg) noexcept nogil:
    """mem_cgroup_print_oom_group()."""
    cdef char line[LINE]
    cdef char path[512]
    path[memcg_path(a, memcg, path, sizeof(path) - 1)] = 0
    snprintf(line, LINE, b"Tasks in %s are going to be killed due to memory.oom.group set", path)
    printk(a, line)


cdef void dump_header(arena_t *a, idx_t memcg, uint32_t order, uint32_t gfp, idx_t victim) noexcept nogil:
    cdef char line[LINE]
    cdef const task_t *t = task_at(a, a.task)
    cdef const char *comm = &t.comm[0]
    if a.task == 0:
        comm = b"kthreadd"
    snprintf(line, LINE, b"%s invoked oom-killer: gfp_mask=%s, order=%d, oom_score_adj=%hd", comm, gfp_text(GFP_KERNEL if memcg else gfp, 0 if memcg else order), <int>order,
             <int>(t.oom_score_adj if a.task else 0))
    printk(a, line)
    if memcg:
        print_memcg(a, memcg)
    else:
        show_mem(a)
    if a.m.oom_dump_tasks:
        dump_tasks(a, memcg)
    if victim:
        dump_victim(a, memcg, victim)


cdef void report_kill(arena_t *a, idx_t victim, idx_t memcg) noexcept nogil:
    cdef char line[LINE]
    cdef const task_t *t = task_at(a, victim)
    cdef const mm_t *m = mm_at(a, t.mm)
    cdef const char *message = b"Out of memory"
    if memcg:
        message = b"Memory cgroup out of memory"
    snprintf(line, LINE, b"%s: Killed process %d (%s) total-vm:%llukB, anon-rss:%llukB, file-rss:%llukB, shmem-rss:%llukB, UID:%u pgtables:%llukB oom_score_adj:%hd",
             message, <int>t.pid, &t.comm[0], K(a, <int64_t>m.total_vm),
             K(a, mm_counter_sum(m, MM_ANONPAGES)), K(a, mm_counter_sum(m, MM_FILEPAGES)), K(a, mm_counter_sum(m, MM_SHMEMPAGES)), t.uid,
             <ull>(m.pgtables_bytes >> 10), <int>t.oom_score_adj)
    printk(a, line)


cdef void panic(arena_t *a, const char *why) noexcept nogil:
    cdef char line[LINE]
    snprintf(line, LINE, b"Kernel panic - not syncing: %s", why)
    printk(a, line)
    snprintf(line, LINE, b"---[ end Kernel panic - not syncing: %s ]---", why)
    printk(a, line)
    a.m.panicked = 1


cdef void report_panic(arena_t *a, bint always) noexcept nogil:
    """check_panic_on_oom()."""
    if always:
        panic(a, b"Out of memory: compulsory panic_on_oom is enabled")
    else:
        panic(a, b"Out of memory: system-wide panic_on_oom is enabled")


cdef void report_nobody(arena_t *a, idx_t memcg) noexcept nogil:
    printk(a, b"Out of memory and no killable processes...")
    if memcg == 0:
        panic(a, b"System is deadlocked on memory")
