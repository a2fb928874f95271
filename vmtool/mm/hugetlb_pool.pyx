# cython: language_level=3
"""Pools of huge pages.

    vm.nr_hugepages = 8                         8 blocks leave the buddy system: Total 8, Free 8
    .../hugepages-1048576kB/nr_hugepages = 1    a run of 1G is emptied for it (alloc_contig)
    .../hugepages-1048576kB/demote = 1          it becomes 512 pages of 2M
    an area is mapped                           Rsvd: so many of the free ones are promised; none free, but nr_overcommit_hugepages: surplus pages

Counterpart: Linux v6.18 mm/hugetlb.c.
Counts: HTLB_BUDDY_PGALLOC, HTLB_BUDDY_PGALLOC_FAIL.
Invariants (fsck_lru): the free list is as long as it says; each page of a pool is on it or in use; no less is promised than areas and files are owed;
hstate_t.order is that of the pool's pages once it has had one.
"""

from libc.string cimport memset

from vmtool.mm.alloc_contig cimport folio_alloc_gigantic
from vmtool.mm.arena cimport content_free, frame_at, frame_mut
from vmtool.mm.buddy cimport alloc_pages, free_pages, prep_compound
from vmtool.mm.hstate cimport HPG_RESTORE_RESERVE, PG_hugetlb, hsize_nth, hsize_t, hstate_at, hstate_is_gigantic, huge_page_order, nr_resv
from vmtool.mm.large_folio cimport folio_hpg, folio_set_hpg
from vmtool.mm.vmstat cimport HTLB_BUDDY_PGALLOC, HTLB_BUDDY_PGALLOC_FAIL, count_vm_event


# --- pages come and go -------------------------------------------------------------------------------------------------------


cdef void account_new_hugetlb_folio(arena_t *a, uint32_t h, pfn_t head) noexcept nogil:
    frame_mut(a, head).flags |= PG_hugetlb | PG_uptodate
    hstate_at(a, h).order = huge_page_order(a, h)
    hstate_at(a, h).nr_huge_pages += 1


cdef pfn_t alloc_fresh_hugetlb_folio(arena_t *a, uint32_t h) noexcept nogil:
    """On no list, counted in the pool. No control group pays for it."""
    cdef idx_t task = a.task
    cdef pfn_t head
    a.task = 0
    if hstate_is_gigantic(a, h):
        head = folio_alloc_gigantic(a, huge_page_order(a, h))
    else:
        head = alloc_pages(a, huge_page_order(a, h), GFP_USER_MOVABLE | GFP_RETRY_MAYFAIL)
        count_vm_event(a, HTLB_BUDDY_PGALLOC if head else HTLB_BUDDY_PGALLOC_FAIL)
    a.task = task
    if head:
        account_new_hugetlb_folio(a, h, head)
    return head


cdef void enqueue_hugetlb_folio(arena_t *a, uint32_t h, pfn_t head) noexcept nogil:
    frame_mut(a, head).lru_next = hstate_at(a, h).free_head
    hstate_at(a, h).free_head = head
    hstate_at(a, h).free_huge_pages += 1


cdef pfn_t dequeue_hugetlb_folio(arena_t *a, uint32_t h) noexcept nogil:
    cdef pfn_t head = hstate_at(a, h).free_head
    if head == 0 or head >= a.m.max_pfn:
        return 0
    hstate_at(a, h).free_head = frame_at(a, head).lru_next
    hstate_at(a, h).free_huge_pages -= 1
    frame_mut(a, head).lru_next = 0
    return head


cdef void remove_hugetlb_folio(arena_t *a, uint32_t h, pfn_t head) noexcept nogil:
    hstate_at(a, h).nr_huge_pages -= 1
    frame_mut(a, head).flags &= ~<uint32_t>PG_hugetlb
    free_pages(a, head, huge_page_order(a, h))


cdef pfn_t alloc_surplus_hugetlb_folio(arena_t *a, uint32_t h) noexcept nogil:
    cdef hstate_t *pool = hstate_at(a, h)
    cdef pfn_t head
    if hstate_is_gigantic(a, h) or pool.surplus_huge_pages >= pool.nr_overcommit_huge_pages:
        return 0
    head = alloc_fresh_hugetlb_folio(a, h)
    pool.surplus_huge_pages += head != 0
    return head


cdef void free_huge_folio(arena_t *a, uint32_t h, pfn_t head) noexcept nogil:
    """A surplus page goes for good."""
    cdef hstate_t *pool = hstate_at(a, h)
    cdef frame_t *f = frame_mut(a, head)
    cdef uint64_t i
    for i in range(<uint64_t>1 << huge_page_order(a, h)):
        if frame_at(a, <pfn_t>(head + i)).content:
            content_free(a, frame_at(a, <pfn_t>(head + i)).content)
            frame_mut(a, <pfn_t>(head + i)).content = 0
    pool.resv_huge_pages += folio_hpg(a, head) & HPG_RESTORE_RESERVE != 0
    folio_set_hpg(a, head, 0)
    f.flags &= ~<uint32_t>(PG_anon | PG_anon_exclusive)
    f.mapping = 0
    if pool.surplus_huge_pages:
        pool.surplus_huge_pages -= 1
        remove_hugetlb_folio(a, h, head)
    else:
        enqueue_hugetlb_folio(a, h, head)


# --- how many there are ------------------------------------------------------------------------------------------------------


cdef inline uint64_t persistent_huge_pages(const hstate_t *pool) noexcept nogil:
    return pool.nr_huge_pages - pool.surplus_huge_pages


cdef inline void push(arena_t *a, pfn_t *stack, pfn_t head) noexcept nogil:
    frame_mut(a, head).lru_next = stack[0]
    stack[0] = head


cdef inline pfn_t pop(arena_t *a, pfn_t *stack) noexcept nogil:
    cdef pfn_t head = stack[0]
    stack[0] = frame_at(a, head).lru_next
    frame_mut(a, head).lru_next = 0
    return head


cdef void free_pool_folios(arena_t *a, uint32_t h, uint64_t nr, bint surplus) noexcept nogil:
    """Off the list one by one, then to the buddy system, the last one first (update_and_free_pages_bulk())."""
    cdef pfn_t taken = 0
    cdef pfn_t head
    while nr and not a.err:
        head = dequeue_hugetlb_folio(a, h)
        if head == 0:
            break
        push(a, &taken, head)
        hstate_at(a, h).surplus_huge_pages -= surplus
        nr -= 1
    while taken:
        remove_hugetlb_folio(a, h, pop(a, &taken))


cdef void grow_pool(arena_t *a, uint32_t h, uint64_t count) noexcept nogil:
    """Surplus pages become the pool's own before new ones are taken. These get to its list together, the first one to its head."""
    cdef hstate_t *pool = hstate_at(a, h)
    cdef pfn_t new = 0
    cdef pfn_t head
    while pool.surplus_huge_pages and count > persistent_huge_pages(pool):
        pool.surplus_huge_pages -= 1
    while count > persistent_huge_pages(pool) and not a.err:
        head = alloc_fresh_hugetlb_folio(a, h)
        if head == 0:
            break
        push(a, &new, head)
    while new:
        enqueue_hugetlb_folio(a, h, pop(a, &new))


cdef void set_max_huge_pages(arena_t *a, uint32_t h, uint64_t count) noexcept nogil:
    """Pages in use, or promised, become surplus when the pool shrinks below them."""
    cdef hstate_t *pool = hstate_at(a, h)
    cdef uint64_t kept
    grow_pool(a, h, count)
    kept = max(count, <uint64_t>(nr_resv(pool) + <int64_t>pool.nr_huge_pages - pool.free_huge_pages))
    if kept < persistent_huge_pages(pool):
        free_pool_folios(a, h, persistent_huge_pages(pool) - kept, False)
    while count < persistent_huge_pages(pool):
        pool.surplus_huge_pages += 1
    pool.max_huge_pages = <uint32_t>persistent_huge_pages(pool)


cdef int demote_target(arena_t *a, uint32_t h) noexcept nogil:
    """hugetlb_init_hstates(): the largest of those that are smaller."""
    cdef hsize_t s
    cdef uint32_t other
    cdef int found = -1
    for other in range(NR_HSTATES):
        if hsize_nth(&a.m.arch, other, &s) and huge_page_order(a, other) < huge_page_order(a, h):
            if found < 0 or huge_page_order(a, other) > huge_page_order(a, <uint32_t>found):
                found = <int>other
    return found


cdef void demote_free_folio(arena_t *a, uint32_t h, uint32_t to, pfn_t head) noexcept nogil:
    """The first of its parts gets to the head of the list."""
    cdef uint64_t step = <uint64_t>1 << huge_page_order(a, to)
    cdef uint64_t nr = (<uint64_t>1 << huge_page_order(a, h)) // step
    cdef uint64_t i
    cdef pfn_t at
    hstate_at(a, h).nr_huge_pages -= 1
    for i in range(nr):
        at = <pfn_t>(head + (nr - 1 - i) * step)
        memset(frame_mut(a, at), 0, sizeof(frame_t))
        frame_mut(a, at).extra_refs = 1
        prep_compound(a, at, huge_page_order(a, to))
        account_new_hugetlb_folio(a, to, at)
        enqueue_hugetlb_folio(a, to, at)
    hstate_at(a, h).max_huge_pages -= hstate_at(a, h).max_huge_pages != 0
    hstate_at(a, to).max_huge_pages += <uint32_t>nr


cdef int demote_huge_pages(arena_t *a, uint32_t h, uint64_t count) noexcept nogil:
    cdef hstate_t *pool = hstate_at(a, h)
    cdef int to = demote_target(a, h)
    cdef pfn_t head
    if to < 0:
        return -EINVAL
    while count and pool.free_huge_pages != pool.resv_huge_pages and not a.err:
        head = dequeue_hugetlb_folio(a, h)
        if head == 0:
            break
        demote_free_folio(a, h, <uint32_t>to, head)
        count -= 1
    return 0


# --- promises ------------------------------------------------------------------------------------------------------------------


cdef int hugetlb_acct_memory(arena_t *a, uint32_t h, uint64_t nr) noexcept nogil:
    """gather_surplus_pages(): what is not free comes from above the pool, all of it or nothing."""
    cdef hstate_t *pool = hstate_at(a, h)
    cdef pfn_t head
    cdef pfn_t got = 0
    cdef int64_t wanted = nr_resv(pool) + <int64_t>nr
    cdef int64_t there = pool.free_huge_pages
    cdef bint failed = False
    while there < wanted and not failed:
        head = alloc_surplus_hugetlb_folio(a, h)
        failed = head == 0
        if head:
            push(a, &got, head)
            there += 1
    while got:
        if failed:
            free_huge_folio(a, h, pop(a, &got))
        else:
            enqueue_hugetlb_folio(a, h, pop(a, &got))
    if failed or nr > pool.free_huge_pages:  # the latter: allowed_mems_nr()
        return -ENOMEM
    pool.resv_huge_pages += <uint32_t>nr
    return 0


cdef bint hugetlb_may_reserve(arena_t *a, uint32_t h, uint64_t nr) noexcept nogil:
    cdef const hstate_t *pool = hstate_at(a, h)
    cdef uint64_t above = pool.nr_overcommit_huge_pages - min(pool.nr_overcommit_huge_pages, pool.surplus_huge_pages)
    if hstate_is_gigantic(a, h):
        above = 0
    return nr_resv(pool) + <int64_t>nr <= <int64_t>(pool.free_huge_pages + above) and nr <= pool.free_huge_pages + above


cdef void hugetlb_unacct_memory(arena_t *a, uint32_t h, uint64_t nr) noexcept nogil:
    """And with it surplus pages that nobody uses (return_unused_surplus_pages())."""
    cdef hstate_t *pool = hstate_at(a, h)
    pool.resv_huge_pages -= <uint32_t>nr
    free_pool_folios(a, h, min(nr, <uint64_t>pool.surplus_huge_pages), True)
