# cython: language_level=3
"""The kernel's own memory at the door: what it allocates by hand, its vmalloc areas, and where its pages are.

Apart from _core, and imported when something of it is used. Each function takes the machine first.
"""

from libc.stdint cimport uint32_t, uint64_t

from vmtool._files cimport settle
from vmtool._state cimport State
from vmtool.mm.arena cimport arena_t, cpu_mut, rec_at, rec_is_live, task_at
from vmtool.mm.kmalloc cimport alloc_pages_by_hand, kmalloc as mm_kmalloc, kmem_find, kmem_free, vmalloc as mm_vmalloc
from vmtool.mm.slab cimport NR_KMEM_CACHES, SLAB_RECLAIM_ACCOUNT, cache_at, cache_shown, nr_free_partial, nr_rcu_over
from vmtool.mm.swap_cluster cimport cluster_of, table_is_page
from vmtool.mm.types cimport *
from vmtool.mm.vmalloc cimport vmap_at, vmap_stack

from vmtool import records as r
from vmtool.errors import KernelError

U64 = 0xFFFFFFFFFFFFFFFF
ZERO_SIZE_PTR = 16
GFP_NAMES = {
    "GFP_KERNEL": GFP_KERNEL | GFP_DIRECT_RECLAIM, "GFP_ATOMIC": GFP_KERNEL | GFP_ATOMIC, "GFP_NOWAIT": GFP_KERNEL | GFP_NO_DIRECT, "GFP_USER": GFP_KERNEL | GFP_DIRECT_RECLAIM,
    "GFP_KERNEL_ACCOUNT": GFP_KERNEL | GFP_DIRECT_RECLAIM | GFP_ACCOUNT, "GFP_DMA": GFP_DMA, "GFP_DMA32": GFP_DMA32, "GFP_HIGHUSER_MOVABLE": GFP_USER_MOVABLE,
    "__GFP_DMA": GFP_DMA, "__GFP_DMA32": GFP_DMA32, "__GFP_ACCOUNT": GFP_ACCOUNT, "__GFP_RECLAIMABLE": GFP_RECLAIMABLE, "__GFP_ZERO": GFP_ZERO,
    "__GFP_NORETRY": GFP_NORETRY, "__GFP_MOVABLE": GFP_USER_MOVABLE,
}  # fmt: skip
"""What the kernel calls them, and the bits that the simulated allocators know."""


cdef uint32_t gfp_bits(str words) except? 0:
    bits = 0
    for word in (words or "GFP_KERNEL").split("|"):
        if word not in GFP_NAMES:
            raise ValueError(f"{word!r} is none of {', '.join(GFP_NAMES)}")
        bits |= GFP_NAMES[word]
    return bits


def slabs(State m):
    cdef uint32_t i
    cdef int cache
    cdef const kmem_cache_t *c
    found = []
    for i in range(min(m.a.m.nr_caches, <uint32_t>NR_KMEM_CACHES)):
        cache = <int>cache_shown(i)
        c = cache_at(&m.a, cache)
        nr_slabs = c.nr_slabs + c.boot_slabs
        total = c.nr_slab_objs + c.boot_slabs * c.objs_per_slab
        name = (<bytes>c.name[:40]).partition(b"\0")[0].decode("ascii", "replace")
        active = total - nr_free_partial(&m.a, c) - nr_rcu_over(&m.a, cache)
        found.append(r.SlabCache(name, active, total, c.size, c.objs_per_slab, 1 << c.order, nr_slabs, nr_slabs,
                                 bool(c.flags & SLAB_RECLAIM_ACCOUNT)))
    m.check()
    return found


cdef int enter_kernel(State m) except -1:
    """On behalf of no process."""
    m.a.task = 0
    m.a.cpu = 0
    settle(m)
    return 0


cdef uint64_t address_of(State m, idx_t i, uint64_t size) except? 0:
    m.check()
    if i == 0:
        raise KernelError(ENOMEM, f"{size} bytes")
    return (<kmem_obj_t *>rec_at(&m.a, POOL_KMEM, i)).address


def kmalloc(State m, size, gfp=""):
    cdef uint32_t bits = gfp_bits(gfp)
    enter_kernel(m)
    if size == 0:
        return ZERO_SIZE_PTR
    if size >> 32:
        raise KernelError(ENOMEM, f"{size} bytes")
    return address_of(m, mm_kmalloc(&m.a, size, bits), size)


def vmalloc(State m, size, gfp=""):
    cdef uint32_t bits = gfp_bits(gfp)
    enter_kernel(m)
    if size == 0 or size >> 48:
        raise KernelError(ENOMEM, f"{size} bytes")
    return address_of(m, mm_vmalloc(&m.a, size, bits & ~<uint32_t>GFP_DIRECT_RECLAIM), size)  # it holds its area while it allocates


def alloc_pages(State m, order, gfp=""):
    """The first frame's number."""
    cdef uint32_t bits = gfp_bits(gfp)
    cdef idx_t i
    enter_kernel(m)
    i = alloc_pages_by_hand(&m.a, order if order <= NR_ORDERS else NR_ORDERS, bits)
    m.check()
    if i == 0:
        raise KernelError(ENOMEM, f"order {order}")
    return (<kmem_obj_t *>rec_at(&m.a, POOL_KMEM, i)).obj >> m.a.m.arch.page_shift


def give_back(State m, address, kinds, what):
    cdef idx_t i
    cdef uint32_t bits = 0
    for kind in kinds:
        bits |= 1 << kind
    enter_kernel(m)
    if address == 0 or (address == ZERO_SIZE_PTR and KMEM_OBJECT in kinds):
        return  # kfree(NULL), kfree(ZERO_SIZE_PTR), vfree(NULL)
    i = kmem_find(&m.a, address & U64, bits)
    if i == 0:
        raise KernelError(EINVAL, f"no {what} begins at {address:#x}")
    kmem_free(&m.a, i)
    m.check()


def kfree(State m, address):
    give_back(m, address, (KMEM_OBJECT, KMEM_LARGE), "kmalloc")


def vfree(State m, address):
    give_back(m, address, (KMEM_VMALLOC,), "vmalloc")


def free_pages(State m, pfn):
    give_back(m, pfn, (KMEM_PAGES,), "block of alloc-pages")


def vmalloc_areas(State m):
    """By address; those that were freed and wait for a purge are lazy."""
    cdef idx_t i = m.a.m.vmap_first
    cdef uint32_t left = m.a.pool[POOL_VMAP].count
    cdef const vmap_area_t *v
    found = []
    while i and left:
        v = vmap_at(&m.a, i)
        kind = "lazy" if v.state == VMAP_LAZY else "stack" if v.caller == VMAP_STACK else "vmalloc"
        found.append(r.VmallocArea(v.va_start, v.va_end, v.nr_pages, kind))
        i = v.next
        left -= 1
    m.check()
    return found


cdef void count_kept(State m, idx_t i, uint64_t *large, uint64_t *blocks):
    """Whole pages on a list of what was allocated."""
    cdef const kmem_obj_t *k
    cdef uint32_t n = m.a.pool[POOL_KMEM].count
    while i and n:
        k = <kmem_obj_t *>rec_at(&m.a, POOL_KMEM, i)
        if k.kind == KMEM_LARGE:
            large[0] += <uint64_t>1 << k.order
        elif k.kind == KMEM_PAGES:
            blocks[0] += <uint64_t>1 << k.order
        i = k.next
        n -= 1


cdef uint64_t swap_tables(State m, const swap_info_t *si):
    """Those that are pages; the others are among the slabs."""
    cdef uint64_t n = 0
    cdef uint32_t i
    if not table_is_page(&m.a, si):
        return 0
    for i in range(cluster_of(si, si.base), cluster_of(si, si.base + si.max - 1) + 1 if si.max else 0):
        n += (<swap_cluster_t *>rec_at(&m.a, POOL_CLUSTER, i)).table != 0
    return n


cdef uint32_t block_stack(arena_t *a, const task_t *t) noexcept nogil:
    """Pages of a stack that is no area: vmalloc_areas() has it not."""
    return vmap_at(a, t.stack).nr_pages if t.state and t.stack and vmap_at(a, t.stack).va_end == 0 else 0


def kernel_pages(State m):
    """What of the frames is the kernel's, by what it is for; pages."""
    cdef uint32_t cpu, n
    cdef uint64_t tables = 0, stacks = 0, cached = 0, areas = 0, large = 0, blocks = 0, reclaimable = 0, unreclaimable = 0, pages
    cdef const kmem_cache_t *c
    for area in vmalloc_areas(m):
        stacks += area.nr_pages if area.kind == "stack" else 0
        areas += area.nr_pages if area.kind == "vmalloc" else 0
    for i in range(1, m.a.pool[POOL_TASK].count if not vmap_stack(&m.a.m.arch) else 0):
        stacks += block_stack(&m.a, task_at(&m.a, i))
    for cpu in range(m.a.m.nr_cpus):
        for n in range(2):
            cached += vmap_at(&m.a, cpu_mut(&m.a, cpu).cached_stacks[n]).nr_pages if cpu_mut(&m.a, cpu).cached_stacks[n] else 0
    count_kept(m, m.a.m.kmem_first, &large, &blocks)
    for n in range(min(m.a.m.nr_swapfiles, <uint32_t>MAX_SWAP_AREAS)):
        count_kept(m, m.a.m.swap_kmem[n], &large, &blocks)
        tables += swap_tables(m, &m.a.m.swap[n])
    for n in range(m.a.m.nr_caches):
        c = cache_at(&m.a, <int>n)
        pages = <uint64_t>c.boot_slabs << c.order
        if c.flags & SLAB_RECLAIM_ACCOUNT:
            reclaimable += pages
        else:
            unreclaimable += pages
    for i in range(1, m.a.pool[POOL_SLAB].count):
        if rec_is_live(&m.a, POOL_SLAB, i):
            n = (<slab_t *>rec_at(&m.a, POOL_SLAB, i)).cache - 1
            pages = <uint64_t>1 << (<slab_t *>rec_at(&m.a, POOL_SLAB, i)).order
            if cache_at(&m.a, <int>n).flags & SLAB_RECLAIM_ACCOUNT:
                reclaimable += pages
            else:
                unreclaimable += pages
    m.check()
    return {"slab_reclaimable": reclaimable, "slab_unreclaimable": unreclaimable, "kmalloc_large": large, "stacks": stacks - cached,
            "cached_stacks": cached, "vmalloc": areas, "swap_tables": tables,
            "by_hand": blocks}
