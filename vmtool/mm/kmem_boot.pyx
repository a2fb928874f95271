"""What the kernel has allocated for itself when the first program starts: slabs, large blocks, stacks, modules, page tables.

Counterpart: a machine at rest of 1 GiB and one CPU under Debian's 6.18.15 (fixtures/proc/6.18.15-debian: slabinfo, meminfo, vmallocinfo); it
hardly depends on the size of RAM. What is never freed has no records: such slabs are full, and lie with the rest in ranges of m.reserved which, unlike
the others there, belong to the zone's managed pages. Slabs with room have records: new objects come to lie in them.
What vmalloc gave, with 32 bits, is of the areas that the recorded kernels had (boot_areas), and HighMem's.
# Deviation: all in one piece at the end of the largest zone, or two, where a kernel's boot scatters it; none of it on machines below 112 MiB, whose kernel
is a small one; the kernel's threads and the first process are not there, only what they take.
"""

from vmtool.mm.arch cimport ARCH_ARM, ARCH_X86_64_LA57, SHIFT_4K, SIZE_4K, is_arm64, is_riscv, level_size, page_size
from vmtool.mm.arena cimport frame_mut, rec_alloc
from vmtool.mm.frame cimport (MIGRATE_MOVABLE, MIGRATE_UNMOVABLE, RESERVED_BLOCKS, RESERVED_KMALLOC, RESERVED_MODULES, RESERVED_PERCPU,
                              RESERVED_SLAB, RESERVED_STACKS, RESERVED_TABLES, frame_set_order, pageblock_nr_pages, pageblock_type,
                              pfn_to_zone, reserve)
from vmtool.mm.boot_areas cimport boot_area_pages, boot_area_stacks
from vmtool.mm.free_area cimport boot_carve, boot_carve_high, boot_return, set_pageblock_type
from vmtool.mm.memblock cimport SMALL_RAM, frames_of
from vmtool.mm.slab cimport *
from vmtool.mm.vmalloc cimport stack_pages, vmalloc_boot, vmalloc_boot_bytes, vmalloc_is_mapped, vmalloc_start, vmap_stack
from vmtool.mm.pgtable cimport kernel_table_at
from vmtool.mm.pti cimport CPU_ENTRY_AREA_TABLES, cpu_entry_area_base
from vmtool.mm.kernel_areas cimport kernel_areas_setup
from vmtool.mm.kernel_areas_arm cimport UNIT_POPULATED
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.vmstat cimport NR_KERNEL_STACK_KB, NR_PAGETABLE, NR_SLAB_UNRECLAIMABLE_B, mod_node_stat
from vmtool.mm.zone cimport hash_pages, lowmem_end, ram_start

cdef enum:
    MAX_SLAB_ORDER = 3
    MAX_LEVELS = 3  # of tables between the top one and the PTEs
    # of the machine at rest
    NR_STACKS_I386 = 45  # of the recorded 6.1.176
    NR_KEPT_STACKS = 1  # of arm's: of a thread that has ended
    KMALLOC_PAGES = 456  # blocks beyond 8K: meminfo's Slab less the slabs of slabinfo
    PERCPU_CHUNK_PAGES = 12  # a CPU: meminfo's Percpu less the first chunk; of i386 none
    BLOCK_PAGES = 571  # MemTotal less all that meminfo's lines have, less the hash tables below
    VMALLOC_TABLES = 8  # PTE tables of vmalloc's range: what boot's areas reach into
    VMAP_AREAS = 294  # objects of vmap_area in use


cdef struct rest_t:  # of a machine at rest, in pages of 4K but for the stacks, as each architecture's recorded meminfo has it (fixtures/kernel_map)
    uint32_t nr_stacks
    uint32_t modules  # vmallocinfo less the stacks: modules, BPF, chunks for per-CPU data
    uint32_t tables  # PageTables less the first process', and less those that have records but for the CPU entry areas' and kernel_areas'

cdef rest_t AT_REST = rest_t(51, 2303, 69)
cdef rest_t AT_REST_ARM64 = rest_t(50, 897, 19)
cdef rest_t AT_REST_ARM64_16K = rest_t(51, 952, 68)  # and with pages of 64K
cdef rest_t AT_REST_RISCV = rest_t(47, 2297, 0)


cdef struct hash_table_t:  # what alloc_large_system_hash() takes once the buddy system is there
    uint32_t scale
    uint32_t bucket_bytes
    uint32_t least  # buckets
    uint32_t most

cdef enum:
    NR_HASH_TABLES = 7

cdef hash_table_t HASH_TABLES[NR_HASH_TABLES]
HASH_TABLES[:] = [
    hash_table_t(16, 8, 2048, 1 << 18),  # IP idents
    hash_table_t(17, 8, 0, 1 << 19),  # TCP established
    hash_table_t(17, 32, 0, 1 << 16),  # TCP bind
    hash_table_t(21, 16, 0, 1 << 16),  # tcp_listen_portaddr_hash
    hash_table_t(20, 24, 0, 1 << 16),  # MPTCP token
    hash_table_t(21, 64, 256, 1 << 16),  # UDP
    hash_table_t(21, 64, 256, 1 << 16)]  # UDP-Lite


cdef const rest_t *at_rest(const arch_t *g) noexcept nogil:
    if is_arm64(g):
        return &AT_REST_ARM64 if g.page_shift == SHIFT_4K else &AT_REST_ARM64_16K
    return &AT_REST_RISCV if is_riscv(g) else &AT_REST


cdef uint32_t nr_stacks(const arch_t *g) noexcept nogil:
    """Of boot, those kept for the next threads among them."""
    return boot_area_stacks(g) if g.id == ARCH_ARM else NR_STACKS_I386 if lowmem_end(g) else at_rest(g).nr_stacks


cdef uint32_t block_pages(arena_t *a) noexcept nogil:
    cdef uint64_t page = page_size(&a.m.arch)
    cdef uint64_t n = <uint32_t>frames_of(&a.m.arch, BLOCK_PAGES)
    cdef uint64_t pages = a.m.ram_bytes >> a.m.arch.page_shift
    cdef uint64_t limit = lowmem_end(&a.m.arch)
    cdef uint64_t least, most
    cdef const hash_table_t *h
    cdef uint32_t i
    if limit:
        pages = min(pages, limit - ram_start(&a.m.arch))
    for i in range(NR_HASH_TABLES):
        h = &HASH_TABLES[i]
        least = <uint64_t>h.least * h.bucket_bytes + page - 1 >> a.m.arch.page_shift
        most = <uint64_t>h.most * h.bucket_bytes >> a.m.arch.page_shift
        n += min(max(hash_pages(&a.m.arch, pages, h.scale, h.bucket_bytes), least), most)
    return <uint32_t>n


cdef uint32_t full_slabs(arena_t *a, uint32_t cache) noexcept nogil:
    """As many as hold the same objects, where a slab has another size than with one CPU and pages of 4K."""
    cdef const cache_desc *d = cache_description(cache)
    return d.full_slabs * ((<uint32_t>SIZE_4K << slab_order(d.size, 1, SIZE_4K)) // d.size) // cache_at(a, <int>cache).objs_per_slab


cdef uint32_t pages_of(arena_t *a, uint32_t cache, uint32_t order, bint with_room) noexcept nogil:
    """Pages of a cache's slabs of this order: those that stay full, or those with room."""
    cdef const cache_desc *d = cache_description(cache)
    if cache_at(a, <int>cache).order != order:
        return 0
    return (d.cpu_slabs + d.node_slabs if with_room else full_slabs(a, cache)) << order


cdef uint32_t pages_of_all(arena_t *a, bint with_room) noexcept nogil:
    cdef uint32_t n = 0, i, order
    for i in range(NR_KMEM_CACHES):
        for order in range(MAX_SLAB_ORDER + 1):
            n += pages_of(a, i, order, with_room)
    return n


cdef pfn_t keep(arena_t *a, pfn_t pfn, uint32_t nr_pages, uint32_t what) noexcept nogil:
    """A range without records. Returns where the next begins."""
    reserve(a, pfn, nr_pages, what)
    return pfn + nr_pages


cdef pfn_t keep_slabs(arena_t *a, pfn_t pfn) noexcept nogil:
    """The slabs that stay full, those of the highest order first: so each lies as its order wants."""
    cdef uint32_t order = MAX_SLAB_ORDER + 1
    cdef uint32_t i, nr
    cdef pfn_t at = pfn
    cdef kmem_cache_t *c
    while order:
        order -= 1
        for i in range(NR_KMEM_CACHES):
            nr = pages_of(a, i, order, False)
            if nr:
                c = cache_mut(a, <int>i)
                c.boot_slabs = nr >> order
                c.boot_pfn = at
                count_slab(a, c, nr)
                at += nr
    return keep(a, pfn, at - pfn, RESERVED_SLAB)


cdef idx_t partial_slab(arena_t *a, int cache, pfn_t pfn, uint32_t inuse) noexcept nogil:
    """A slab with `inuse` of boot's objects."""
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef idx_t i = rec_alloc(a, POOL_SLAB)
    cdef slab_t *s
    cdef uint32_t n
    if i == 0:
        return 0
    for n in range(<uint32_t>1 << c.order):
        frame_mut(a, pfn + n).flags = PG_tail if n else PG_head if c.order else 0
        frame_mut(a, pfn + n).lru_next = pfn if n else 0
    if c.order:
        frame_set_order(a, pfn, c.order)
    frame_mut(a, pfn).extra_refs = 1
    slab_attach(a, cache, i, pfn, c.order)
    s = slab_mut(a, i)
    for n in range(inuse):
        s.used[n >> 6] |= <uint64_t>1 << (n & 63)
    s.inuse = inuse
    s.state = SLAB_FULL
    c.boot_objs += inuse
    return i


cdef void put_on_cpu(arena_t *a, int cache, idx_t slab, bint first) noexcept nogil:
    cdef kmem_cache_cpu_t *pc = cache_cpu_mut(a, cache, 0)
    cdef slab_t *s = slab_mut(a, slab)
    if s.inuse == s.objects:
        return
    if first:
        s.state = SLAB_CPU
        pc.slab = slab
        return
    s.state = SLAB_CPU_PARTIAL
    s.next = pc.partial
    pc.partial = slab
    pc.nr_partial += 1


cdef pfn_t slabs_with_room(arena_t *a, int cache, pfn_t pfn) noexcept nogil:
    """What a cache has on the CPU, its free objects spread evenly, and on the node."""
    cdef const cache_desc *d = cache_description(cache)
    cdef kmem_cache_t *c = cache_mut(a, cache)
    cdef uint32_t room = min(d.cpu_free, d.cpu_slabs * c.objs_per_slab)
    cdef uint32_t objs = d.node_objs
    cdef uint32_t i, n
    cdef idx_t slab
    for i in range(d.cpu_slabs):
        n = (room + d.cpu_slabs - i - 1) // (d.cpu_slabs - i)
        room -= n
        slab = partial_slab(a, cache, pfn, c.objs_per_slab - n)
        put_on_cpu(a, cache, slab, i == 0)
        pfn += <pfn_t>1 << c.order
    for i in range(d.node_slabs):
        n = min((objs + d.node_slabs - i - 1) // (d.node_slabs - i), c.objs_per_slab - 1)
        objs -= n
        add_partial(a, c, partial_slab(a, cache, pfn, n))
        pfn += <pfn_t>1 << c.order
    return pfn


cdef pfn_t all_slabs_with_room(arena_t *a, pfn_t pfn) noexcept nogil:
    cdef uint32_t order = MAX_SLAB_ORDER + 1
    cdef uint32_t i
    while order:
        order -= 1
        for i in range(NR_KMEM_CACHES):
            if pages_of(a, i, order, True):
                pfn = slabs_with_room(a, <int>i, pfn)
    return pfn


cdef void fill_sheaves(arena_t *a, int cache) noexcept nogil:
    """Of a cache's free objects as many lie in the two sheaves of the CPU as they hold."""
    cdef uint64_t obj[2 * SHEAF_CAPACITY]
    cdef uint32_t nr = min(cache_description(cache).cpu_free, <uint32_t>(2 * SHEAF_CAPACITY))
    cdef uint32_t i
    for i in range(nr):
        obj[i] = kmem_cache_alloc(a, cache)
    for i in range(nr):
        kmem_cache_free(a, cache, obj[i])


cdef void mark_unmovable(arena_t *a, pfn_t start, pfn_t end) noexcept nogil:
    """The pageblocks that are the kernel's, and the one of which it has a part: the rest is for what it allocates next."""
    cdef pfn_t pfn = start
    cdef zone_t *zone = &a.m.zone[pfn_to_zone(a, start)]
    while pfn < end:
        set_pageblock_type(a, zone, pfn, a.m.arch.pageblock_order, MIGRATE_UNMOVABLE)
        pfn += 1 << a.m.arch.pageblock_order


cdef pfn_t vmalloc_tables(arena_t *a, pfn_t pfn) noexcept nogil:
    """The tables under vmalloc's range that are there when the first program starts; all spaces share them. With 32 bits boot's areas make theirs."""
    cdef vaddr_t start = vmalloc_start(a)
    cdef int level = <int>a.m.arch.levels - 2
    cdef uint32_t i, nr = VMALLOC_TABLES
    if is_arm64(&a.m.arch):
        nr = <uint32_t>((start + vmalloc_boot_bytes(&a.m.arch) - 1 >> a.m.arch.level_shift[1]) - (start >> a.m.arch.level_shift[1])) + 1
    if not vmalloc_is_mapped(a) or lowmem_end(&a.m.arch):
        return pfn
    while level > 0:
        kernel_table_at(a, start, level, pfn)
        pfn += 1
        level -= 1
    for i in range(nr):
        kernel_table_at(a, start + i * level_size(&a.m.arch, 1), 0, pfn)
        pfn += 1
    return pfn


cdef pfn_t entry_area_tables(arena_t *a, pfn_t pfn) noexcept nogil:
    """Those of the CPU entry areas, in frames that boot took for tables."""
    cdef int level = CPU_ENTRY_AREA_TABLES
    if a.m.arch.id > ARCH_X86_64_LA57:
        return pfn
    while level:
        level -= 1
        kernel_table_at(a, cpu_entry_area_base(), level, pfn)
        pfn += 1
    return pfn


cdef void take_pageblocks(arena_t *a, pfn_t start, pfn_t pfn, pfn_t end) noexcept nogil:
    """Those up to pfn of what was carved are the kernel's; the rest is free."""
    if pageblock_type(a, start) == MIGRATE_MOVABLE and (end - start) % pageblock_nr_pages(a) == 0:
        mark_unmovable(a, start, pfn)
    boot_return(a, pfn, end)


cdef bint keep_in_highmem(arena_t *a, uint32_t modules, uint32_t stacks) noexcept nogil:
    """What vmalloc gave. False: there is no HighMem, or not as much."""
    cdef pfn_t pfn, end
    cdef pfn_t start = boot_carve_high(a, modules + stacks, &end)
    if start == 0:
        return False
    pfn = keep(a, start, modules, RESERVED_MODULES)
    if stacks:
        pfn = keep(a, pfn, stacks, RESERVED_STACKS)
    take_pageblocks(a, start, pfn, end)
    return True


cdef int kmem_boot(arena_t *a) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef uint32_t percpu = <uint32_t>frames_of(&a.m.arch, UNIT_POPULATED if g.id == ARCH_ARM else 0 if lowmem_end(g) else PERCPU_CHUNK_PAGES) * a.m.nr_cpus
    cdef uint32_t stacks = nr_stacks(g) * stack_pages(g)
    cdef uint32_t large = <uint32_t>frames_of(&a.m.arch, KMALLOC_PAGES)
    cdef uint32_t modules = boot_area_pages(g) if lowmem_end(g) else <uint32_t>frames_of(&a.m.arch, at_rest(g).modules)
    cdef uint32_t areas = modules + (stacks if vmap_stack(g) else 0)
    cdef uint32_t tables = <uint32_t>frames_of(&a.m.arch, at_rest(g).tables)
    cdef spare_tables_t spare
    cdef uint32_t blocks = block_pages(a)
    cdef uint32_t nr = pages_of_all(a, False) + pages_of_all(a, True) + large + stacks + modules + percpu + tables + blocks + VMALLOC_TABLES + MAX_LEVELS
    cdef pfn_t start, pfn, end
    cdef uint32_t gap
    cdef uint32_t i
    spare.next = spare.end = 0
    start = boot_carve(a, nr, &end) if a.m.ram_bytes >> SHIFT_4K >= SMALL_RAM else 0
    if start == 0:
        return -ENOMEM if vmalloc_boot(a) or kernel_areas_setup(a, &spare) else 0
    a.m.nr_boot_stacks = nr_stacks(g) - (NR_KEPT_STACKS if g.id == ARCH_ARM else 0)
    a.m.nr_vmalloc_pages = areas
    mod_node_stat(a, NR_KERNEL_STACK_KB, a.m.nr_boot_stacks * stack_pages(g) << (g.page_shift - 10))
    if keep_in_highmem(a, modules, areas - modules):
        stacks -= areas - modules
        modules = 0
    pfn = all_slabs_with_room(a, start)
    gap = -pfn & 7  # slabs of order 3 are the first again; single pages have no such wishes
    pfn = keep(a, pfn, gap, RESERVED_BLOCKS)
    pfn = keep_slabs(a, pfn)
    pfn = keep(a, pfn, large, RESERVED_KMALLOC)
    pfn = keep(a, pfn, stacks, RESERVED_STACKS)
    pfn = keep(a, pfn, modules, RESERVED_MODULES)
    pfn = keep(a, pfn, percpu, RESERVED_PERCPU)
    pfn = keep(a, pfn, blocks - gap, RESERVED_BLOCKS)
    pfn = vmalloc_tables(a, pfn)
    spare.end = pfn + tables
    spare.next = entry_area_tables(a, pfn)
    if kernel_areas_setup(a, &spare):
        return -ENOMEM
    tables = 0 if lowmem_end(g) else spare.end - spare.next  # what is left of them has no records; kernels of 32 bits have no more
    pfn = keep(a, spare.next, tables, RESERVED_TABLES)
    take_pageblocks(a, start, pfn, end)
    a.m.nr_large_pages = large
    a.m.nr_boot_tables = tables
    a.m.nr_boot_vmap = VMAP_AREAS
    mod_node_stat(a, NR_SLAB_UNRECLAIMABLE_B, <int64_t>large << a.m.arch.page_shift)
    mod_node_stat(a, NR_PAGETABLE, tables)
    for i in range(NR_KMEM_CACHES):
        if cache_description(i).flags & SLAB_SHEAVES:
            fill_sheaves(a, <int>i)
    return 0
