"""Switching swap areas on and off.

    swapon 64M    16384 slots, the first is the header: 65532 kB; priority -2, the next -3 ...
    swapoff       everything comes back first: entries, shared memory, cached folios; without memory for it, or for what is promised: -ENOMEM,
                  and the area stays on

Counterpart: Linux v6.18 mm/swapfile.c:sys_swapon(), sys_swapoff(), try_to_unuse().
"""

from vmtool.mm.arena cimport arena_resize, frame_mut, slot_at
from vmtool.mm.buddy cimport folio_put
from vmtool.mm.kmalloc cimport kmalloc, kmem_free_kept, kmem_keep, kvmalloc, vmalloc
from vmtool.mm.mm_acct cimport vm_enough_memory, vm_unacct_memory
from vmtool.mm.shmem_swap cimport shmem_unuse
from vmtool.mm.swap_fault cimport unuse_mms
from vmtool.mm.swap_state cimport folio_free_swap, swap_write_wait
from vmtool.mm.swapfile cimport (SWAPFILE_CLUSTER, SWP_FILE, SWP_SMALL_CLUSTERS, SWP_SOLIDSTATE, SWP_USED, SWP_WRITEOK, cluster_slots, has_thp_swap, scan_used, swap_area_release,
                                 swap_area_setup)

from libc.string cimport memset

cdef enum:  # bytes, of 64-bit kernels
    SWAP_INFO_BYTES = 688  # swap_info_struct, one node
    SWAP_EXTENT_BYTES = 48
    SWAP_CLUSTER_BYTES = 32
    SWAP_SEQUENTIAL_BYTES = 40

cdef uint64_t MOST_SLOTS = <uint64_t>1 << 30


cdef uint32_t place_of(arena_t *a, uint32_t nr) noexcept nogil:
    """The first run of records that no area has, in whole clusters. The first cluster holds the null record."""
    cdef uint32_t base = SWAPFILE_CLUSTER
    cdef uint32_t type
    cdef bint moved = True
    cdef const swap_info_t *si
    while moved:
        moved = False
        for type in range(a.m.nr_swapfiles):
            si = &a.m.swap[type]
            if si.flags & SWP_USED and si.base < base + nr and base < si.base + si.max:
                base = (si.base + si.max + SWAPFILE_CLUSTER - 1) // SWAPFILE_CLUSTER * SWAPFILE_CLUSTER
                moved = True
    return base


cdef int lowest_priority(arena_t *a) noexcept nogil:
    """Areas without a priority of their own follow each other downwards from -2."""
    cdef int prio = -2
    cdef uint32_t type
    for type in range(a.m.nr_swapfiles):
        if a.m.swap[type].flags & SWP_USED and a.m.swap[type].prio < 0:
            prio -= 1
    return prio


cdef uint32_t cluster_flag(arena_t *a) noexcept nogil:
    """Clusters of 512 slots with CONFIG_THP_SWAP, else of 256 (mm/swap.h). Beside areas that an older version switched on, theirs: a cluster's
    number is a slot's record by the size."""
    cdef uint32_t type
    for type in range(a.m.nr_swapfiles):
        if a.m.swap[type].flags & SWP_USED:
            return a.m.swap[type].flags & SWP_SMALL_CLUSTERS
    return 0 if has_thp_swap(&a.m.arch) else SWP_SMALL_CLUSTERS


cdef bint take_kmem(arena_t *a, uint32_t type) noexcept nogil:
    """What the kernel keeps for an area: swap_info_struct, an extent, the counts, the groups, the pages of zeros, clusters. False: no memory."""
    cdef uint64_t nr = a.m.swap[type].max
    cdef uint64_t nr_clusters = (nr + cluster_slots(&a.m.swap[type]) - 1) // cluster_slots(&a.m.swap[type])
    cdef uint32_t gfp = GFP_KERNEL | GFP_DIRECT_RECLAIM | GFP_NORETRY
    cdef idx_t part[7]
    cdef bint whole = True
    cdef uint32_t i
    part[0] = kmalloc(a, SWAP_INFO_BYTES, gfp)
    part[1] = kmalloc(a, SWAP_EXTENT_BYTES, gfp)
    part[2] = vmalloc(a, nr, gfp)
    part[3] = vmalloc(a, (nr + 1) // 2 * 4, gfp)
    part[4] = kvmalloc(a, (nr + 63) // 64 * 8, gfp)
    part[5] = kvmalloc(a, nr_clusters * SWAP_CLUSTER_BYTES, gfp)
    part[6] = 0 if a.m.swap[type].flags & SWP_SOLIDSTATE else kmalloc(a, SWAP_SEQUENTIAL_BYTES, gfp)
    for i in range(7):
        if part[i]:
            kmem_keep(a, part[i], &a.m.swap_kmem[type])
        elif i < 6 or not a.m.swap[type].flags & SWP_SOLIDSTATE:
            whole = False
    return whole


cdef int area_setup(arena_t *a, uint32_t type, uint32_t nr) noexcept nogil:
    """Its records and the kernel's memory for it. Without it nothing stays."""
    cdef swap_info_t *si = &a.m.swap[type]
    if (arena_resize(a, POOL_SWAP, si.base + nr + SWAPFILE_CLUSTER) < 0
            or arena_resize(a, POOL_CLUSTER, (si.base + nr) // cluster_slots(si) + 2) < 0
            or arena_resize(a, POOL_SWAP_ORDERS, MAX_SWAP_AREAS) < 0 or not take_kmem(a, type) or swap_area_setup(a, type) < 0):
        kmem_free_kept(a, &a.m.swap_kmem[type])
        memset(si, 0, sizeof(swap_info_t))
        return -ENOMEM
    return 0


cdef int sys_swapon(arena_t *a, uint64_t nr_bytes, int prio, bint rotational, bint file) noexcept nogil:
    cdef uint64_t nr = nr_bytes >> a.m.arch.page_shift
    cdef uint32_t type = 0
    cdef swap_info_t *si
    if nr < 2 or nr > MOST_SLOTS or prio > 32767:
        return -EINVAL
    while type < MAX_SWAP_AREAS and a.m.swap[type].flags & SWP_USED:
        type += 1
    if type == MAX_SWAP_AREAS:
        return -EPERM
    si = &a.m.swap[type]
    memset(si, 0, sizeof(swap_info_t))
    si.base = place_of(a, <uint32_t>nr)
    si.max = <uint32_t>nr
    si.pages = si.max - 1
    si.prio = prio if prio >= 0 else lowest_priority(a)
    si.flags = cluster_flag(a) | (0 if rotational else SWP_SOLIDSTATE) | (SWP_FILE if file else 0)
    if area_setup(a, type, <uint32_t>nr) < 0:
        return -ENOMEM
    si.flags |= SWP_USED | SWP_WRITEOK
    a.m.swap_order += 1
    si.order = a.m.swap_order
    if type >= a.m.nr_swapfiles:
        a.m.nr_swapfiles = type + 1
    a.m.nr_swap_pages += si.pages
    a.m.total_swap_pages += si.pages
    a.m.nr_rotate_swap += rotational
    return <int>type


cdef bint free_cached(arena_t *a, uint32_t type) noexcept nogil:
    """Slots that only the swap cache has. False: something else does."""
    cdef const swap_info_t *si = &a.m.swap[type]
    cdef uint32_t offset = 1
    cdef pfn_t head
    while True:
        offset = scan_used(a, type, offset)
        if offset == 0:
            return True
        if not slot_at(a, si.base + offset).flags & SLOT_CACHE:
            return False
        head = slot_at(a, si.base + offset).folio
        frame_mut(a, head).extra_refs += 1
        if not folio_free_swap(a, head):
            folio_put(a, head)
            return False
        folio_put(a, head)  # where nobody else had it, as after the end of its program while it was written
        offset += 1


cdef int sys_swapoff(arena_t *a, uint32_t type) noexcept nogil:
    cdef swap_info_t *si
    cdef bint empty
    cdef uint32_t i
    if type >= MAX_SWAP_AREAS or not a.m.swap[type].flags & SWP_USED:
        return -EINVAL
    si = &a.m.swap[type]
    if vm_enough_memory(a, 0, si.pages) < 0:  # would memory alone, without it, keep what is promised
        return -ENOMEM
    vm_unacct_memory(a, si.pages)
    si.flags &= ~<uint32_t>SWP_WRITEOK
    a.m.nr_swap_pages -= si.pages
    a.m.total_swap_pages -= si.pages
    swap_write_wait(a)
    a.oom_disabled += 1
    empty = shmem_unuse(a, type) and unuse_mms(a, type)
    swap_write_wait(a)
    empty = empty and free_cached(a, type)
    a.oom_disabled -= 1
    if not empty:
        si.flags |= SWP_WRITEOK
        a.m.nr_swap_pages += si.pages
        a.m.total_swap_pages += si.pages
        return -ENOMEM
    if not si.flags & SWP_SOLIDSTATE:
        a.m.nr_rotate_swap -= 1
    for i in range(a.m.nr_swapfiles):
        if a.m.swap[i].flags & SWP_USED and si.prio < 0 and a.m.swap[i].prio < si.prio:
            a.m.swap[i].prio += 1
    swap_area_release(a, type)
    kmem_free_kept(a, &a.m.swap_kmem[type])
    memset(si, 0, sizeof(swap_info_t))
    while a.m.nr_swapfiles and not a.m.swap[a.m.nr_swapfiles - 1].flags & SWP_USED:
        a.m.nr_swapfiles -= 1
    return 0
