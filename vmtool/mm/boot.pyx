# cython: language_level=3
"""Boot: defaults of the sysctls, memory, caches, the kernel's tables, CPUs and their TLBs, the pages of vdso and vvar.

Counterpart: Linux v6.18 init/main.c:start_kernel(), as far as memory is concerned. Defaults are those of the recordings' machine.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport ARCH_X86_64_LA57, CPU_PKU, arch_features, arch_lookup
from vmtool.mm.arena cimport content_sized, frame_mut, rec_alloc, rec_is_live, task_mut
from vmtool.mm.buddy cimport alloc_pages
from vmtool.mm.frame cimport boot_memory, size_pools
from vmtool.mm.lruvec cimport LRU_UNEVICTABLE
from vmtool.mm.mm_slot cimport khugepaged_init
from vmtool.mm.large_upgrade cimport large_upgrade
from vmtool.mm.mmu cimport load_cr3
from vmtool.mm.mmu_context cimport asids_init
from vmtool.mm.pid cimport default_max_threads, default_pid_max
from vmtool.mm.layout cimport kernel_release
from vmtool.mm.pgtable cimport pgtable_boot
from vmtool.mm.pti cimport cpu_entry_areas_setup, pti_init
from vmtool.mm.kmem_boot cimport kmem_boot
from vmtool.mm.kmem_upgrade cimport kmem_upgrade
from vmtool.mm.shmem_swap cimport shmem_upgrade
from vmtool.mm.slab cimport kmem_cache_init
from vmtool.mm.tlb cimport tlb_init, tlb_is_plain
from vmtool.mm.writeback cimport page_writeback_init
from vmtool.mm.vmstat cimport NR_FILE_MAPPED, NR_MLOCK, NR_ZONE_INACTIVE_ANON, NR_ZONE_UNEVICTABLE, mod_node_stat

cdef enum:
    DEFRAG_MADVISE = 1
    READAHEAD_BYTES = 131072
    DEFAULT_MMAP_MIN_ADDR = 4096  # CONFIG_DEFAULT_MMAP_MIN_ADDR
    SOFT_DIRTY_SINCE = 3011  # distributions' kernels have it since it is there; the recorded 6.18 is built without
    SOFT_DIRTY_UNTIL = 6018


cdef void compaction_sysctls(machine_t *m) noexcept nogil:
    """Those that came with layout 3."""
    m.compaction_proactiveness = 20
    m.compaction.unevictable_allowed = 1


cdef void later_sysctls(machine_t *m) noexcept nogil:
    """Those that the first files did not have."""
    m.watermark_boost_factor = 15000
    m.dirty_writeback_centisecs = 500
    m.dirty_expire_centisecs = 3000
    m.oom_dump_tasks = 1
    m.extfrag_threshold = 500
    compaction_sysctls(m)
    m.swapin_readahead_hits = 4
    khugepaged_init(m)
    m.layout = MACHINE_LAYOUT


cdef void default_sysctls(machine_t *m) noexcept nogil:
    m.knows_committed = 1
    m.knows_memcg_stat = 1
    m.overcommit_memory = 0
    m.overcommit_ratio = 50
    m.swappiness = 60
    m.page_cluster = 3
    m.max_map_count = 65530
    m.dirty_ratio = 20
    m.dirty_background_ratio = 10
    m.vfs_cache_pressure = 100
    m.thp_enabled = THP_MADVISE
    m.thp_defrag = DEFRAG_MADVISE
    m.mmap_min_addr = DEFAULT_MMAP_MIN_ADDR
    m.ra_pages = <uint32_t>(READAHEAD_BYTES >> m.arch.page_shift)
    m.next_pid = 1
    m.pid_max = default_pid_max(m.nr_cpus)
    m.next_ino = 1000
    m.next_shmem_ino = 1025
    later_sysctls(m)


cdef int special_pages(arena_t *a) noexcept nogil:
    """Frames behind [vdso] (on arm: [vdso] and [sigpage]) and the parts of [vvar] and [vvar_vclock] that have one."""
    cdef int i
    cdef pfn_t pfn
    for i in range(5):
        pfn = alloc_pages(a, 0, GFP_KERNEL)
        if pfn == 0:
            return -ENOMEM
        frame_mut(a, pfn).flags |= PG_reserved | PG_uptodate
        if i < 2:
            a.m.vdso_pfn[i] = pfn
            frame_mut(a, pfn).mapcount = vdso_outside_maps(&a.m.arch, i)
            mod_node_stat(a, NR_FILE_MAPPED, vdso_outside_maps(&a.m.arch, i) != 0)
        elif i < 4:
            a.m.vvar_pfn[0 if i == 2 else 2] = pfn  # pages 1 and 3: time namespaces, architecture data: not there
        else:
            a.m.vvar_pfn[4] = pfn  # the hypervisor's clock
    note_special_frames(a.m, &a.m.arch)
    return 0


cdef void count_threads(arena_t *a) noexcept nogil:
    """Before layout 2 threads had no records: an imported process knew their number alone."""
    cdef idx_t t
    for t in range(1, a.pool[POOL_TASK].count):
        if rec_is_live(a, POOL_TASK, t):
            task_mut(a, t).nr_threads = 1


cdef void lru_upgrade(arena_t *a) noexcept nogil:
    cdef uint32_t lru, z
    cdef pfn_t at
    cdef frame_t *f
    if a.m.lru_v1[0].nr_free + a.m.lru_v1[1].nr_free + a.m.lru_v1[2].nr_free + a.m.lru_v1[3].nr_free + a.m.lru_v1[4].nr_free == 0:
        return
    for lru in range(NR_LRU_LISTS):
        a.m.lruvec.lists[lru] = a.m.lru_v1[lru]
        memset(&a.m.lru_v1[lru], 0, sizeof(free_list_t))
        for z in range(NR_ZONES):
            a.m.lruvec.zone_size[z][lru] = a.m.zone_stat[z][NR_ZONE_INACTIVE_ANON + lru]
    at = a.m.lruvec.lists[LRU_UNEVICTABLE].head
    for lru in range(a.m.lruvec.lists[LRU_UNEVICTABLE].nr_free):  # they were linked, and not counted
        f = frame_mut(a, at)
        at = f.lru_next
        f.lru_next = 0
        f.lru_prev = 1
    a.m.lruvec.lists[LRU_UNEVICTABLE].head = a.m.lruvec.lists[LRU_UNEVICTABLE].tail = 0
    for z in range(NR_ZONES):
        a.m.zone_stat[z][NR_MLOCK] = a.m.zone_stat[z][NR_ZONE_UNEVICTABLE]


cdef int machine_upgrade(arena_t *a) noexcept nogil:
    cdef uint32_t layout = a.m.layout
    cdef int err = size_pools(a)
    if not a.m.khugepaged.known:
        khugepaged_init(a.m)
    if err == 0:
        large_upgrade(a)
    if err or layout == MACHINE_LAYOUT:
        return err
    if layout == 0:
        later_sysctls(a.m)
        lru_upgrade(a)
    if layout < 3:
        compaction_sysctls(a.m)
    a.m.layout = MACHINE_LAYOUT
    if layout < 2:
        count_threads(a)
        err = kmem_upgrade(a)
    return err if err else shmem_upgrade(a)


cdef int wrong_feature(const machine_t *m) noexcept nogil:
    """What was asked for and this architecture, or this release, has not; 0: nothing."""
    if m.soft_dirty and kernel_release(m) < SOFT_DIRTY_SINCE:
        return BOOT_SOFT_DIRTY_KERNEL
    if m.arch.id <= ARCH_X86_64_LA57:
        return 0
    return BOOT_PCID if m.pcid else BOOT_KPTI if m.kpti else BOOT_PKU if m.cpu_features & CPU_PKU else BOOT_SOFT_DIRTY if m.soft_dirty else 0


cdef int machine_boot(arena_t *a, const char *arch) noexcept nogil:
    cdef uint32_t i
    cdef int err
    if arch_lookup(arch, &a.m.arch):
        return BOOT_ARCH
    err = wrong_feature(a.m)
    if err:
        return err
    content_sized(a)
    default_sysctls(a.m)
    a.m.rng = a.m.seed
    a.m.thp_orders_inherit = <uint32_t>1 << a.m.arch.pmd_order
    a.m.knows_large_folios = 1
    for i in range(a.m.nr_cpus):
        if rec_alloc(a, POOL_CPU) != i + 1:
            return BOOT_NO_ROOM
    err = boot_memory(a)
    if err:
        return BOOT_NO_ROOM if err == -ENOMEM else BOOT_RAM
    page_writeback_init(a)
    if kmem_cache_init(a):
        return BOOT_NO_ROOM
    if tlb_init(a):
        return BOOT_TLB
    a.m.soft_dirty |= SOFT_DIRTY_SINCE <= kernel_release(a.m) < SOFT_DIRTY_UNTIL
    arch_features(a.m, &a.m.arch, tlb_is_plain(a.m))
    asids_init(a.m)
    if pgtable_boot(a) or kmem_boot(a) or cpu_entry_areas_setup(a) or pti_init(a):
        return BOOT_NO_ROOM
    for i in range(a.m.nr_cpus):
        load_cr3(a, i, <uint64_t>a.m.kernel_pgd << a.m.arch.page_shift, False)
    a.m.max_threads = default_max_threads(a.m.totalram_pages << a.m.arch.page_shift)
    a.m.admin_reserve_kbytes = 8192
    if (a.m.totalram_pages << (a.m.arch.page_shift - 10)) // 32 < 8192:
        a.m.admin_reserve_kbytes = (a.m.totalram_pages << (a.m.arch.page_shift - 10)) // 32
    a.m.user_reserve_kbytes = 131072
    if (a.m.totalram_pages << (a.m.arch.page_shift - 10)) // 32 < 131072:
        a.m.user_reserve_kbytes = (a.m.totalram_pages << (a.m.arch.page_shift - 10)) // 32
    return BOOT_NO_ROOM if special_pages(a) else 0
