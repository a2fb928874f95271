# cython: language_level=3
"""Slots of single pages on the one area that most machines with swap have, no disk that turns: taken and given back without a look around.

    taken    the next free one of the cluster that the CPU has come to, as long as another stands behind it
    given    to a cluster of which others are in use

What is not of that kind swapfile does. The state is the one that it would leave: tests/mm/test_vmscan_anon.py.
Counterpart: Linux v6.18 mm/swapfile.c:swap_alloc_fast(), swap_entries_free().
"""

from vmtool.mm.arena cimport arena_t, cpu_mut, slot_mut
from vmtool.mm.swap_cluster cimport (CLUSTER_FRAG, CLUSTER_NONFULL, SWAPFILE_CLUSTER, SWP_SMALL_CLUSTERS, SWP_SOLIDSTATE, SWP_USED, SWP_WRITEOK, cluster_is_usable, cluster_move,
                                     cluster_mut)
from vmtool.mm.swapfile cimport put_swap_slot
from vmtool.mm.types cimport *

cdef enum:
    SPARE_SLOTS = 256  # more than a batch takes: for as long swap will not be half full

cdef struct slots_t:  # the cluster that a batch takes slots of
    swap_cluster_t *cluster  # NULL: not looked up, or another road has taken some since
    cpu_t *cpu
    swap_slot_t *slots
    uint32_t first  # their records: first .. end - 1
    uint32_t end

cdef inline bint swap_is_plain(arena_t *a) noexcept nogil:
    """One area, solid-state, with clusters of 512 slots; nothing is traced."""
    return a.quick and not a.m.trace_on and a.m.nr_swapfiles == 1 and a.m.swap[0].flags & (
        SWP_USED | SWP_WRITEOK | SWP_SOLIDSTATE | SWP_SMALL_CLUSTERS) == SWP_USED | SWP_WRITEOK | SWP_SOLIDSTATE

cdef inline bint swap_stays_empty(arena_t *a) noexcept nogil:
    """Whatever a batch takes, vm_swap_full() will say no."""
    return a.m.nr_swap_pages * 2 >= a.m.total_swap_pages + SPARE_SLOTS

cdef inline bint slots_open(arena_t *a, slots_t *k) noexcept nogil:
    """The cluster where the CPU goes on. Preconditions: swap_is_plain()."""
    cdef swap_info_t *si = &a.m.swap[0]
    k.cluster = NULL
    k.cpu = cpu_mut(a, a.cpu)
    if k.cpu.swap_type != 1 or k.cpu.swap_offset == 0 or k.cpu.swap_offset >= si.max:
        return False
    k.first = (si.base + k.cpu.swap_offset) & ~<uint32_t>(SWAPFILE_CLUSTER - 1)
    k.end = min(k.first + SWAPFILE_CLUSTER, si.base + si.max)
    k.slots = slot_mut(a, k.first)  # of one chunk
    k.cluster = cluster_mut(a, k.first // SWAPFILE_CLUSTER)
    if cluster_is_usable(k.cluster, 0) and k.cluster.count:
        return True
    k.cluster = NULL
    return False

cdef inline swap_slot_t *slot_take(arena_t *a, slots_t *k, uint32_t *record) noexcept nogil:
    """get_swap_slots() of a single page, where swap_stays_empty(). NULL: the general road has it, and nothing is changed."""
    cdef swap_info_t *si = &a.m.swap[0]
    cdef swap_slot_t *s
    cdef uint32_t i
    if k.cluster == NULL and not slots_open(a, k):
        return NULL
    i = si.base + k.cpu.swap_offset
    s = k.slots + (i - k.first)
    while i + 1 < k.end and (s.count or s.flags & (SLOT_CACHE | SLOT_BAD)):
        i += 1
        s += 1
    if i + 1 >= k.end or k.cluster.count + 1 >= SWAPFILE_CLUSTER:
        k.cluster = NULL
        return NULL
    k.cluster.count += 1
    if k.cluster.state != CLUSTER_FRAG:
        cluster_move(a, 0, k.first // SWAPFILE_CLUSTER, CLUSTER_FRAG)
    si.inuse_pages += 1
    a.m.nr_swap_pages -= 1
    k.cpu.swap_offset = i + 1 - si.base
    record[0] = i
    return s

cdef inline void slot_give(arena_t *a, uint32_t record, swap_slot_t *s) noexcept nogil:
    """put_swap_slot(). Preconditions: swap_is_plain()."""
    cdef uint32_t cluster = record // SWAPFILE_CLUSTER
    cdef swap_cluster_t *c = cluster_mut(a, cluster)
    if s.content or c.count == 1:
        put_swap_slot(a, record)
        return
    s.folio = 0
    s.count = 0
    s.flags = 0
    c.count -= 1
    a.m.swap[0].inuse_pages -= 1
    a.m.nr_swap_pages += 1
    if c.state != CLUSTER_NONFULL:
        cluster_move(a, 0, cluster, CLUSTER_NONFULL)
