# cython: language_level=3
"""What a swap area is, and its clusters: which list each is on, and its table.

Counterpart: Linux v6.18 mm/swapfile.c: move_cluster(), swap_table_alloc(); mm/swap.h.
"""

from vmtool.mm.arch cimport ARCH_ARM64, ARCH_X86_64_LA57, is_riscv
from vmtool.mm.arena cimport CLUSTER_BYTES, SWAP_ORDERS_BYTES, arena_t, fixed_mut
from vmtool.mm.types cimport *

cdef enum:  # swap_info_t.flags
    SWP_USED = 1
    SWP_WRITEOK = 2
    SWP_SOLIDSTATE = 16
    SWP_FILE = 1 << 29  # ours: a swap file, where Linux has no SWP_BLKDEV: large folios have no slots there
    SWP_SMALL_CLUSTERS = 1 << 30  # ours: of 256 slots, as without CONFIG_THP_SWAP; files of before had none

cdef enum:
    SWAPFILE_CLUSTER = 512  # of an area's slots: HPAGE_PMD_NR with CONFIG_THP_SWAP, which x86-64 and arm64 with pages of 4K have
    SMALL_CLUSTER = 256

cdef enum:  # cluster_state
    CLUSTER_NONE  # off the lists, while it is gone through
    CLUSTER_FREE
    CLUSTER_NONFULL
    CLUSTER_FULL
    CLUSTER_FRAG

cdef inline uint32_t cluster_slots(const swap_info_t *si) noexcept nogil:
    """SWAPFILE_CLUSTER, as the kernel was built that switched the area on."""
    return SMALL_CLUSTER if si.flags & SWP_SMALL_CLUSTERS else SWAPFILE_CLUSTER

cdef inline uint32_t cluster_of(const swap_info_t *si, uint32_t record) noexcept nogil:
    """record // cluster_slots(si)."""
    return record // SMALL_CLUSTER if si.flags & SWP_SMALL_CLUSTERS else record // SWAPFILE_CLUSTER

cdef inline bint has_thp_swap(const arch_t *g) noexcept nogil:
    """CONFIG_THP_SWAP: ARCH_WANTS_THP_SWAP, and a cluster holds a huge page."""
    return g.id <= ARCH_X86_64_LA57 or g.id == ARCH_ARM64 or is_riscv(g)

cdef inline swap_cluster_t *cluster_mut(arena_t *a, uint32_t cluster) noexcept nogil:
    return <swap_cluster_t *>fixed_mut(a, POOL_CLUSTER, cluster, CLUSTER_BYTES)

cdef inline bint area_has_orders(arena_t *a, uint32_t type) noexcept nogil:
    """Large folios can have slots in it."""
    return a.m.swap[type].flags & (SWP_FILE | SWP_SMALL_CLUSTERS) == 0 and type < a.pool[POOL_SWAP_ORDERS].count

cdef inline swap_orders_t *orders_mut(arena_t *a, uint32_t type) noexcept nogil:
    return <swap_orders_t *>fixed_mut(a, POOL_SWAP_ORDERS, type, SWAP_ORDERS_BYTES)

cdef inline bint cluster_is_usable(const swap_cluster_t *c, uint32_t order) noexcept nogil:
    """It has a table and may have free slots; single pages go where large folios are, too."""
    return c.state != CLUSTER_FREE and c.state != CLUSTER_FULL and (order == 0 or c.count == 0 or order == c.order)

# The list of a state; of clusters that are partly in use by the order of what is in them.
cdef cluster_list_t *list_of(arena_t *a, uint32_t type, uint32_t state, uint32_t order) noexcept nogil
cdef void cluster_unlink(arena_t *a, uint32_t type, uint32_t cluster) noexcept nogil
cdef void cluster_move(arena_t *a, uint32_t type, uint32_t cluster, uint32_t state) noexcept nogil  # to the tail of another list, of those of its order
cdef void cluster_free(arena_t *a, uint32_t type, uint32_t cluster) noexcept nogil  # nothing of it is in use any more
# of a cluster that has none: a page, or where it is smaller an object. False: no memory
cdef bint table_alloc(arena_t *a, const swap_info_t *si, uint32_t cluster, uint32_t gfp) noexcept nogil
cdef void table_free(arena_t *a, const swap_info_t *si, uint32_t cluster) noexcept nogil  # if it has one
cdef bint table_is_page(arena_t *a, const swap_info_t *si) noexcept nogil  # SWP_TABLE_USE_PAGE; else it is an object
cdef int table_cache(arena_t *a) noexcept nogil  # of which it is one
cdef uint64_t table_object(arena_t *a, uint32_t table) noexcept nogil  # which, by swap_cluster_t.table
cdef bint area_has_tables(arena_t *a, uint32_t type) noexcept nogil
