"""vmalloc(): kernel memory that is contiguous in virtual addresses only, and the kernel stacks of threads, which are such areas.

Counterpart: Linux v6.18 mm/vmalloc.c (alloc_vmap_area, __vmalloc_area_node, free_vmap_area_noflush, __purge_vmap_area_lazy), kernel/fork.c
(alloc_thread_stack_node, try_release_thread_stack_to_cache).

    ffffc90000000000 | stack  |guard|  hole   | stack  |guard|  hole ...
                       16K      4K     12K       a stack is aligned to its size, so each takes 32K

An area costs a vm_struct (kmalloc-96), its array of pages (kmalloc-32 for a stack) and a vmap_area; the free range that alignment leaves in front of
it another one. A freed area gives its pages back at once; its addresses wait until 32M of them (times the bits of the number of CPUs) do, and
are then purged together. Each CPU keeps the stacks of the last two threads that ended, for the next ones.
i386 has no VMAP_STACK: a thread's stack is a block of the buddy system that lowmem maps, and has a record that is on no list.
# Deviation: no pools of small areas by node (a machine of one CPU has none either); the stack of a thread has no contents.
Invariants (fsck_vmalloc): areas are in order and apart; counters are the sums over them; frames are nobody else's.
"""

from vmtool.mm.arch cimport ARCH_X86_64_LA57, SHIFT_16K, SHIFT_4K, is_arm, is_arm64, is_i386, is_riscv, kernel_global
from vmtool.mm.arena cimport cpu_mut, frame_mut, rec_alloc, rec_free, runs_in_circle
from vmtool.mm.boot_areas cimport boot_areas_end, has_boot_areas, vmalloc_start_32
from vmtool.mm.buddy cimport alloc_pages, free_pages
from vmtool.mm.kernel_areas_arm64 cimport image_address, image_end
from vmtool.mm.pgtable cimport kernel_map, kernel_table, kernel_unmap
from vmtool.mm.pte cimport X86_A, X86_D, X86_P, X86_RW
from vmtool.mm.slab cimport *
from vmtool.mm.zone cimport RESERVED_PGTABLE, lowmem_end, reserved_of

cdef enum:
    THREAD_SIZE = 0x4000
    THREAD_SIZE_32 = 0x2000
    STACK_ORDER = 1  # of one that no area has
    NR_CACHED_STACKS = 2
    LAZY_PAGES = 8192  # 32M
    # what the areas of boot take of the range, holes among them: four of 2M to 4M, and the stacks
    BOOT_BYTES = 0xC80000
    BOOT_BYTES_ARM64 = 0x4AC000  # behind the image, as recorded (fixtures/kernel_map)
    BOOT_BYTES_ARM64_16K = 0x554000
    BOOT_BYTES_ARM64_64K = 0x800000  # 51 stacks of a page and its guard, and the rest


cdef uint32_t stack_pages(const arch_t *g) noexcept nogil:
    """THREAD_SIZE; at least a page."""
    return max((<uint32_t>THREAD_SIZE_32 if lowmem_end(g) else <uint32_t>THREAD_SIZE) >> g.page_shift, <uint32_t>1)


cdef bint vmap_stack(const arch_t *g) noexcept nogil:
    return not is_i386(g)


cdef uint64_t thread_align(const arch_t *g) noexcept nogil:
    """THREAD_ALIGN: of Arm and RISC-V twice the size, so that one bit of the stack pointer tells an overflow."""
    return <uint64_t>stack_pages(g) << g.page_shift + (is_arm(g) or is_riscv(g))


cdef bint is_older(arena_t *a) noexcept nogil:
    """A file of 32 bits or of arm64 whose areas have addresses of x86-64, and no entries."""
    if is_arm64(&a.m.arch):
        return reserved_of(a, RESERVED_PGTABLE) == NULL
    if lowmem_end(&a.m.arch) == 0:
        return False
    if a.m.vmap_first and vmap_at(a, a.m.vmap_first).va_start >> 32:
        return True
    return a.m.nr_boot_vmap != 0 and not has_boot_areas(a)


cdef vaddr_t vmalloc_start(arena_t *a) noexcept nogil:
    """VMALLOC_START, on riscv64 a quarter of the upper half below the direct map, on arm64 with the image at its start (declare_vma())."""
    cdef const arch_t *g = &a.m.arch
    if lowmem_end(g) and not is_older(a):
        return vmalloc_start_32(a)
    if is_riscv(g):
        return g.page_offset - (0 - g.kernel_start >> 2)
    if is_arm64(g) and not is_older(a):
        return image_address(a, image_end(a))
    return 0xFFA0000000000000ULL if g.id == ARCH_X86_64_LA57 else 0xFFFFC90000000000ULL


cdef bint vmalloc_is_mapped(arena_t *a) noexcept nogil:
    return not is_older(a)


cdef uint64_t vmalloc_boot_bytes(const arch_t *g) noexcept nogil:
    if not is_arm64(g):
        return BOOT_BYTES
    return BOOT_BYTES_ARM64 if g.page_shift == SHIFT_4K else BOOT_BYTES_ARM64_16K if g.page_shift == SHIFT_16K else BOOT_BYTES_ARM64_64K


cdef int vmalloc_boot(arena_t *a) noexcept nogil:
    """preallocate_vmalloc_pages(): of the tables that all spaces share the first is made, before there is a space. With 32 bits none is."""
    if vmalloc_is_mapped(a) and lowmem_end(&a.m.arch) == 0 and kernel_table(a, vmalloc_start(a), <int>a.m.arch.levels - 2, False) == 0:
        return -ENOMEM
    return 0


cdef uint32_t vmap_page_array(uint64_t nr_pages) noexcept nogil:
    """The cache of an area's array of pages; NR_KMEM_CACHES: whole pages."""
    cdef uint64_t size = nr_pages * 8
    cdef uint32_t cache = CACHE_KMALLOC_8
    while cache <= CACHE_KMALLOC_8K and cache_description(cache).size < size:
        cache += 1
    return cache if cache <= CACHE_KMALLOC_8K else <uint32_t>NR_KMEM_CACHES


# --- addresses ----------------------------------------------------------------------------------------------------------


cdef inline vaddr_t end_of(arena_t *a, idx_t prev) noexcept nogil:
    """Where the free range behind an area begins (0: behind those of boot)."""
    if prev:
        return vmap_at(a, prev).va_end
    if a.m.nr_boot_vmap == 0:
        return vmalloc_start(a)
    return boot_areas_end(a) if lowmem_end(&a.m.arch) and not is_older(a) else vmalloc_start(a) + vmalloc_boot_bytes(&a.m.arch)


cdef uint64_t gap_in_front(arena_t *a, idx_t prev, idx_t next) noexcept nogil:
    """Free bytes between two neighbours; in front of the first."""
    return vmap_at(a, next).va_start - end_of(a, prev)


cdef idx_t find_place(arena_t *a, uint64_t nr_bytes, uint64_t align, vaddr_t *start) noexcept nogil:
    """The lowest free range where it fits: *start, and after which area (0: the first of all)."""
    cdef uint32_t pages = <uint32_t>(nr_bytes >> a.m.arch.page_shift)
    cdef bint hinted = a.m.vmap_hint != 0 and pages >= a.m.vmap_hint_pages
    cdef idx_t prev = a.m.vmap_hint if hinted else 0
    cdef idx_t next
    cdef uint32_t steps = 0
    while True:
        start[0] = (end_of(a, prev) + align - 1) & ~(align - 1)
        next = vmap_at(a, prev).next if prev else a.m.vmap_first
        if next == 0 or start[0] + nr_bytes <= vmap_at(a, next).va_start:
            break
        if runs_in_circle(a, POOL_VMAP, next, &steps):
            return 0
        prev = next
    if hinted or a.m.vmap_hint == 0:
        a.m.vmap_hint = prev
        a.m.vmap_hint_pages = pages
    return prev


cdef void link_area(arena_t *a, idx_t i, idx_t prev) noexcept nogil:
    cdef vmap_area_t *v = vmap_mut(a, i)
    v.prev = prev
    v.next = vmap_at(a, prev).next if prev else a.m.vmap_first
    if v.next:
        vmap_mut(a, v.next).prev = i
    if prev:
        vmap_mut(a, prev).next = i
    else:
        a.m.vmap_first = i


cdef void unlink_area(arena_t *a, idx_t i) noexcept nogil:
    cdef vmap_area_t *v = vmap_at(a, i)
    if v.next:
        vmap_mut(a, v.next).prev = v.prev
    if v.prev:
        vmap_mut(a, v.prev).next = v.next
    else:
        a.m.vmap_first = v.next


cdef void free_hole(arena_t *a, idx_t i) noexcept nogil:
    """Nothing is free in front of an area any more."""
    kmem_cache_free(a, CACHE_VMAP_AREA, vmap_at(a, i).hole_obj)
    vmap_mut(a, i).hole_obj = 0


cdef void merge_hole(arena_t *a, idx_t i) noexcept nogil:
    """merge_or_add_vmap_area(): what an area that is no longer linked took, and the free ranges on both sides, are one."""
    cdef vmap_area_t *v = vmap_mut(a, i)
    if v.next and vmap_at(a, v.next).hole_obj == 0:
        vmap_mut(a, v.next).hole_obj = v.va_obj
    else:
        kmem_cache_free(a, CACHE_VMAP_AREA, v.va_obj)
    kmem_cache_free(a, CACHE_VMAP_AREA, v.hole_obj)


# --- pages ---------------------------------------------------------------------------------------------------------------


cdef pfn_t vmap_pfn(arena_t *a, idx_t area, uint32_t index) noexcept nogil:
    cdef idx_t more = vmap_at(a, area).more
    cdef uint32_t steps = 0
    if index < VMAP_PAGES:
        return vmap_at(a, area).pfn[index]
    index -= VMAP_PAGES
    while more and index >= VMAP_MORE_PAGES and not runs_in_circle(a, POOL_VMAP, more, &steps):
        more = (<vmap_pages_t *>rec_at(a, POOL_VMAP, more)).next
        index -= VMAP_MORE_PAGES
    return (<vmap_pages_t *>rec_at(a, POOL_VMAP, more)).pfn[index] if more and index < VMAP_MORE_PAGES else 0


cdef bint add_page(arena_t *a, idx_t area, idx_t *last, uint32_t index, pfn_t pfn) noexcept nogil:
    cdef vmap_area_t *v = vmap_mut(a, area)
    cdef idx_t more
    if index < VMAP_PAGES:
        v.pfn[index] = pfn
        return True
    index = (index - VMAP_PAGES) % VMAP_MORE_PAGES
    if index == 0:
        more = rec_alloc(a, POOL_VMAP)
        if more == 0:
            return False
        if last[0]:
            (<vmap_pages_t *>rec_mut(a, POOL_VMAP, last[0])).next = more
        else:
            vmap_mut(a, area).more = more
        last[0] = more
    (<vmap_pages_t *>rec_mut(a, POOL_VMAP, last[0])).pfn[index] = pfn
    (<vmap_pages_t *>rec_mut(a, POOL_VMAP, last[0])).nr = index + 1
    return True


cdef bint map_pages(arena_t *a, idx_t area, uint64_t nr_pages, uint32_t gfp) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef vaddr_t addr = vmap_at(a, area).va_start
    cdef idx_t last = 0
    cdef uint64_t i
    cdef pfn_t pfn
    cdef bint mapped = vmalloc_is_mapped(a)
    for i in range(nr_pages):
        pfn = alloc_pages(a, 0, gfp | GFP_HIGHMEM)
        if pfn == 0 or not add_page(a, area, &last, <uint32_t>i, pfn):
            if pfn:
                free_pages(a, pfn, 0)
            return False
        frame_mut(a, pfn).flags |= PG_kernel
        vmap_mut(a, area).nr_pages += 1
        a.m.nr_vmalloc_pages += 1
        if mapped and not kernel_map(a, addr + (i << g.page_shift), <paddr_t>pfn << g.page_shift, 0, X86_P | X86_RW | X86_A | X86_D | kernel_global(g) | g.nx):
            return False
    return True


cdef void give_pages_back(arena_t *a, idx_t area) noexcept nogil:
    cdef vmap_area_t *v = vmap_mut(a, area)
    cdef idx_t more = v.more, next
    cdef uint32_t i
    cdef pfn_t pfn
    cdef bint mapped = vmalloc_is_mapped(a)
    for i in range(min(v.nr_pages, <uint32_t>VMAP_PAGES)):
        pfn = v.pfn[i]
        if pfn:
            free_vmalloc_page(a, v.va_start + (<uint64_t>i << a.m.arch.page_shift), pfn, mapped)
    i = VMAP_PAGES
    while more:
        next = (<vmap_pages_t *>rec_at(a, POOL_VMAP, more)).next
        i = free_more_pages(a, v.va_start, more, i, mapped)
        rec_free(a, POOL_VMAP, more)
        more = next
    a.m.nr_vmalloc_pages -= v.nr_pages
    v.more = 0
    v.nr_pages = 0


cdef void free_vmalloc_page(arena_t *a, vaddr_t addr, pfn_t pfn, bint mapped) noexcept nogil:
    if mapped:
        kernel_unmap(a, addr)
    frame_mut(a, pfn).flags &= ~<uint32_t>PG_kernel
    free_pages(a, pfn, 0)


cdef uint32_t free_more_pages(arena_t *a, vaddr_t start, idx_t more, uint32_t first, bint mapped) noexcept nogil:
    cdef vmap_pages_t *p = <vmap_pages_t *>rec_at(a, POOL_VMAP, more)
    cdef uint32_t i
    for i in range(min(p.nr, <uint32_t>VMAP_MORE_PAGES)):
        free_vmalloc_page(a, start + (<uint64_t>(first + i) << a.m.arch.page_shift), p.pfn[i], mapped)
    return first + p.nr


# --- areas -----------------------------------------------------------------------------------------------------------------


cdef idx_t new_area(arena_t *a, uint64_t nr_pages, uint64_t align, uint32_t caller) noexcept nogil:
    """Without pages; its array of them is 0 if there is no memory for that. 0: none for the rest."""
    cdef vaddr_t start
    cdef idx_t prev, i
    cdef vmap_area_t *v
    cdef uint32_t array = vmap_page_array(nr_pages)
    i = rec_alloc(a, POOL_VMAP)
    if i == 0:
        return 0
    prev = find_place(a, (nr_pages + 1) << a.m.arch.page_shift, align, &start)
    v = vmap_mut(a, i)
    v.va_start = start
    v.va_end = start + ((nr_pages + 1) << a.m.arch.page_shift)
    v.state = VMAP_BUSY
    v.caller = <uint16_t>caller
    v.vm_obj = kmem_cache_alloc(a, CACHE_KMALLOC_96)
    v.va_obj = kmem_cache_alloc(a, CACHE_VMAP_AREA)
    if start != end_of(a, prev):
        v.hole_obj = kmem_cache_alloc(a, CACHE_VMAP_AREA)
    if v.vm_obj == 0 or v.va_obj == 0 or (start != end_of(a, prev) and v.hole_obj == 0):
        kmem_cache_free(a, CACHE_VMAP_AREA, v.hole_obj)
        kmem_cache_free(a, CACHE_VMAP_AREA, v.va_obj)
        kmem_cache_free(a, CACHE_KMALLOC_96, v.vm_obj)
        rec_free(a, POOL_VMAP, i)
        return 0
    link_area(a, i, prev)
    a.m.nr_vmap_areas += 1
    if array < NR_KMEM_CACHES:
        v.pages_cache = array + 1
        v.pages_obj = kmem_cache_alloc(a, <int>array)
    if v.next and gap_in_front(a, i, v.next) == 0:
        free_hole(a, v.next)
    return i


cdef idx_t vmalloc_area(arena_t *a, uint64_t nr_pages, uint64_t align, uint32_t caller, uint32_t gfp) noexcept nogil:
    cdef idx_t i = new_area(a, nr_pages, align, caller)
    cdef vmap_area_t *v
    if i == 0:
        return 0
    v = vmap_at(a, i)
    if (v.pages_cache and v.pages_obj == 0) or not map_pages(a, i, nr_pages, gfp):
        vfree_area(a, i)
        return 0
    return i


cdef idx_t vmap_adopt(arena_t *a, const pfn_t *pages, uint32_t nr_pages) noexcept nogil:
    cdef idx_t i = new_area(a, nr_pages, <uint64_t>nr_pages << a.m.arch.page_shift, VMAP_STACK)
    cdef uint32_t n
    if i:
        for n in range(min(nr_pages, <uint32_t>VMAP_PAGES)):
            vmap_mut(a, i).pfn[n] = pages[n]
        vmap_mut(a, i).nr_pages = nr_pages
        a.m.nr_vmalloc_pages += nr_pages
    return i


cdef void vfree_area(arena_t *a, idx_t area) noexcept nogil:
    """free_vmap_area_noflush(): the addresses are purged with others."""
    cdef vmap_area_t *v = vmap_mut(a, area)
    cdef uint32_t limit = LAZY_PAGES, cpus = a.m.nr_cpus >> 1
    give_pages_back(a, area)
    if v.pages_cache:
        kmem_cache_free_rcu(a, <int>v.pages_cache - 1, v.pages_obj)
    kmem_cache_free_rcu(a, CACHE_KMALLOC_96, v.vm_obj)
    v.pages_obj = v.vm_obj = 0
    v.pages_cache = 0
    v.state = VMAP_LAZY
    a.m.nr_vmap_areas -= 1
    a.m.nr_vmap_lazy += 1
    a.m.vmap_lazy_pages += <uint32_t>((v.va_end - v.va_start) >> a.m.arch.page_shift)
    while cpus:
        limit += LAZY_PAGES
        cpus >>= 1
    if a.m.vmap_lazy_pages > limit:
        purge_lazy(a)


cdef void purge_lazy(arena_t *a) noexcept nogil:
    """__purge_vmap_area_lazy(): freed ranges join the free ones beside them."""
    cdef idx_t i = a.m.vmap_first, next
    cdef uint32_t steps = 0
    cdef vmap_area_t *v
    while i and not runs_in_circle(a, POOL_VMAP, i, &steps):
        v = vmap_mut(a, i)
        next = v.next
        if v.state == VMAP_LAZY:
            unlink_area(a, i)
            merge_hole(a, i)
            rec_free(a, POOL_VMAP, i)
        i = next
    a.m.nr_vmap_lazy = 0
    a.m.vmap_lazy_pages = 0
    a.m.vmap_hint = 0


# --- stacks ----------------------------------------------------------------------------------------------------------------


cdef idx_t alloc_block_stack(arena_t *a) noexcept nogil:
    """alloc_thread_stack_node() without VMAP_STACK."""
    cdef idx_t i = rec_alloc(a, POOL_VMAP)
    cdef pfn_t pfn = alloc_pages(a, STACK_ORDER, GFP_KERNEL) if i else 0
    cdef uint32_t n
    if pfn == 0:
        if i:
            rec_free(a, POOL_VMAP, i)
        return 0
    vmap_mut(a, i).state = VMAP_BUSY
    vmap_mut(a, i).caller = VMAP_STACK
    vmap_mut(a, i).nr_pages = stack_pages(&a.m.arch)
    for n in range(stack_pages(&a.m.arch)):
        vmap_mut(a, i).pfn[n] = pfn + n
        frame_mut(a, pfn + n).flags |= PG_kernel
    return i


cdef void free_block_stack(arena_t *a, idx_t i) noexcept nogil:
    cdef pfn_t pfn = vmap_at(a, i).pfn[0]
    cdef uint32_t n
    for n in range(vmap_at(a, i).nr_pages):
        frame_mut(a, pfn + n).flags &= ~<uint32_t>PG_kernel
    free_pages(a, pfn, STACK_ORDER)
    rec_free(a, POOL_VMAP, i)


cdef idx_t alloc_thread_stack(arena_t *a) noexcept nogil:
    cdef uint64_t nr_pages = stack_pages(&a.m.arch)
    cdef cpu_t *c = cpu_mut(a, a.cpu)
    cdef idx_t i
    cdef uint32_t n
    for n in range(NR_CACHED_STACKS):
        i = c.cached_stacks[n]
        if i:
            c.cached_stacks[n] = 0
            return i
    if not vmap_stack(&a.m.arch):
        return alloc_block_stack(a)
    return vmalloc_area(a, nr_pages, thread_align(&a.m.arch), VMAP_STACK, GFP_KERNEL)


cdef void free_thread_stack(arena_t *a, idx_t area) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, a.cpu)
    cdef uint32_t n
    if vmap_at(a, area).va_end == 0:
        free_block_stack(a, area)
        return
    for n in range(NR_CACHED_STACKS):
        if c.cached_stacks[n] == 0:
            c.cached_stacks[n] = area
            return
    vfree_area(a, area)
