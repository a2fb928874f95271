"""khugepaged: round and round the spaces on its list, 2M by 2M.

    wakes    every scan_sleep_millisecs of logical time, which passes with `sleep` alone; woken by a first space on its list, or by a setting, it
             runs when the next sleep begins
    scans    pages_to_scan: 512 for each 2M that it looks at, 1 for an area that cannot have any and for a space
    leaves   its cursor where it was; it goes on there
    rests    alloc_sleep_millisecs in the middle of a scan, when there was no huge page; the second time, until the next scan
With scan_sleep_millisecs 0 a scan takes a jiffy of 4 ms. When nothing changes any more, rounds repeat themselves, and a long sleep counts them without
making them.
Counterpart: Linux v6.18 mm/khugepaged.c.
"""

from libc.string cimport memcpy

from vmtool.mm.arena cimport mm_at, vma_at
from vmtool.mm.collapse cimport *
from vmtool.mm.collapse_file cimport collapse_pte_mapped_thp, hpage_collapse_scan_file
from vmtool.mm.large_folio cimport hpage_pmd_end, hpage_pmd_nr, hpage_pmd_size, hpage_pmd_start
from vmtool.mm.mm_slot cimport TVA_FORCED_COLLAPSE, TVA_KHUGEPAGED, hugepage_pmd_enabled, khugepaged_next_slot, thp_vma_allowable_pmd
from vmtool.mm.swap_lru cimport lru_add_drain_all
from vmtool.mm.vma cimport find_vma, linear_page_index
from vmtool.mm.vmstat cimport NR_EVENTS, PGPGIN, PGPGOUT, SWPIN_ZERO
from vmtool.mm.writeback cimport flusher_until

cdef enum:
    MILLISEC = 1000  # in microseconds
    JIFFY = 4000
    MOST_PASSES = 1 << 30


# --- one scan ------------------------------------------------------------------------------------------------------------


cdef int scan_pmd(arena_t *a, idx_t v, vaddr_t addr, collapse_t *cc) noexcept nogil:
    """2M of an area."""
    cdef int result
    if vma_at(a, v).vm_file == 0:
        return hpage_collapse_scan_pmd(a, v, addr, cc)
    result = hpage_collapse_scan_file(a, v, linear_page_index(a, vma_at(a, v), addr), cc)
    if result == SCAN_PTE_MAPPED_HUGEPAGE:
        result = collapse_pte_mapped_thp(a, vma_at(a, v).vm_mm, addr, False)
        if result == SCAN_PMD_MAPPED:
            result = SCAN_SUCCEED
    return result


cdef bint scan_area(arena_t *a, idx_t v, uint32_t pages, uint32_t *progress, int *result) noexcept nogil:
    """From the cursor on. True: the scan of the space stops here for now."""
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef const vma_t *area = vma_at(a, v)
    cdef vaddr_t hstart = hpage_pmd_end(a, area.vm_start)
    cdef vaddr_t hend = hpage_pmd_start(a, area.vm_end)
    cdef collapse_t cc
    if not thp_vma_allowable_pmd(a, area, area.vm_flags, TVA_KHUGEPAGED) or k.address > hend:
        progress[0] += 1
        return False
    k.address = max(k.address, hstart)
    while k.address < hend:
        cc.is_khugepaged = cc.mmap_locked = True
        result[0] = scan_pmd(a, v, k.address, &cc)
        k.pages_collapsed += result[0] == SCAN_SUCCEED
        k.address += hpage_pmd_size(a)
        progress[0] += hpage_pmd_nr(a)
        if not cc.mmap_locked or progress[0] >= pages:
            return True
    return False


cdef uint32_t scan_mm_slot(arena_t *a, uint32_t pages, int *result) noexcept nogil:
    """khugepaged_scan_mm_slot(): its progress, in pages."""
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef uint32_t progress = 1
    cdef idx_t v = 0
    result[0] = SCAN_FAIL
    if k.mm_slot == 0 and not k.is_dead:
        k.mm_slot = k.mm_head
        k.address = 0
    if not k.is_dead and not mm_at(a, k.mm_slot).flags & MMF_DISABLE_THP:
        v = find_vma(a, k.mm_slot, k.address)
        while v and not a.err:
            if scan_area(a, v, pages, &progress, result):
                break
            v = vma_at(a, v).vm_next
    if v == 0 and not khugepaged_next_slot(a):
        k.full_scans += 1
    return progress


cdef inline bint has_work(arena_t *a) noexcept nogil:
    return (a.m.khugepaged.mm_head != 0 or a.m.khugepaged.is_dead != 0) and hugepage_pmd_enabled(a)


cdef void do_scan(arena_t *a) noexcept nogil:
    """khugepaged_do_scan(), from its beginning or from where it waited for a huge page; then khugepaged_wait_work()."""
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef bint may_wait = k.state != KHUGEPAGED_ALLOC_SLEEPS
    cdef int result = SCAN_SUCCEED
    if may_wait:
        lru_add_drain_all(a)
        k.progress = k.pass_through_head = 0
        k.pages = k.pages_to_scan
    while not a.err:
        if k.mm_slot == 0 and not k.is_dead:
            k.pass_through_head += 1
        if not has_work(a) or k.pass_through_head >= 2:
            break
        k.progress += scan_mm_slot(a, k.pages - k.progress, &result)
        if k.progress >= k.pages:
            break
        if result == SCAN_ALLOC_HUGE_PAGE_FAIL:
            if not may_wait:
                break
            k.state = KHUGEPAGED_ALLOC_SLEEPS
            k.due_us += <uint64_t>k.alloc_sleep_millisecs * MILLISEC
            return
    k.state = KHUGEPAGED_SLEEPS if has_work(a) else KHUGEPAGED_IDLE
    k.due_us += <uint64_t>k.scan_sleep_millisecs * MILLISEC if k.scan_sleep_millisecs else JIFFY


# --- time -------------------------------------------------------------------------------------------------------------------

cdef struct round_t:  # a scan that others are compared with
    bint known
    uint32_t passes  # since then, and when the next one takes its place
    uint32_t limit
    khugepaged_t k
    int64_t event[NR_EVENTS]


cdef void round_begin(arena_t *a, round_t *r, uint32_t limit) noexcept nogil:
    r.known = True
    r.passes = 0
    r.limit = limit
    r.k = a.m.khugepaged
    memcpy(r.event, a.m.event, sizeof(r.event))


cdef bint has_changed(arena_t *a, const round_t *r) noexcept nogil:
    """Something of what a scan looks at."""
    cdef const int64_t *e = a.m.event
    return (r.k.pages_collapsed != a.m.khugepaged.pages_collapsed or e[PGPGIN] != r.event[PGPGIN] or e[PGPGOUT] != r.event[PGPGOUT]
            or e[SWPIN_ZERO] != r.event[SWPIN_ZERO])


cdef bint is_same_place(arena_t *a, const round_t *r) noexcept nogil:
    cdef const khugepaged_t *k = &a.m.khugepaged
    return (k.mm_slot == r.k.mm_slot and k.address == r.k.address and k.is_dead == r.k.is_dead and k.state == r.k.state
            and k.progress == r.k.progress and k.pass_through_head == r.k.pass_through_head)


cdef void skip_rounds(arena_t *a, round_t *r, uint64_t end_us) noexcept nogil:
    """Nothing has changed since the same place: as many rounds as fit count what the last one did."""
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef uint64_t period = k.due_us - r.k.due_us, n
    cdef uint32_t i
    if not r.known or has_changed(a, r):
        round_begin(a, r, 1)
        return
    r.passes += 1
    if is_same_place(a, r) and k.due_us <= end_us:
        n = (end_us - k.due_us) // period
        for i in range(NR_EVENTS):
            a.m.event[i] += <int64_t>n * (a.m.event[i] - r.event[i])
        k.full_scans += <uint32_t>(n * (k.full_scans - r.k.full_scans))
        k.due_us += n * period
        round_begin(a, r, MOST_PASSES)
    elif r.passes >= r.limit:
        round_begin(a, r, min(2 * r.limit, <uint32_t>MOST_PASSES))


cdef void khugepaged_until(arena_t *a, uint64_t end_us) noexcept nogil:
    cdef khugepaged_t *k = &a.m.khugepaged
    cdef round_t r
    r.known = False
    while k.state != KHUGEPAGED_IDLE and k.due_us <= end_us and not a.err:
        k.due_us = max(k.due_us, a.m.now_us)
        flusher_until(a, k.due_us)
        do_scan(a)
        skip_rounds(a, &r, end_us)
    flusher_until(a, end_us)


# --- MADV_COLLAPSE --------------------------------------------------------------------------------------------------------------


cdef int collapse_errno(int result) noexcept nogil:
    """madvise_collapse_errno()."""
    if result == SCAN_ALLOC_HUGE_PAGE_FAIL:
        return -ENOMEM
    if result in (SCAN_CGROUP_CHARGE_FAIL, SCAN_EXCEED_NONE_PTE):
        return -EBUSY
    if result in (SCAN_PAGE_COUNT, SCAN_PAGE_LRU, SCAN_DEL_PAGE_LRU):
        return -EAGAIN
    return -EINVAL


cdef bint may_go_on(int result) noexcept nogil:
    return result in (SCAN_PMD_NULL, SCAN_PTE_NON_PRESENT, SCAN_LACK_REFERENCED_PAGE, SCAN_PAGE_NULL, SCAN_PAGE_COUNT, SCAN_PAGE_COMPOUND,
                      SCAN_PAGE_LRU, SCAN_DEL_PAGE_LRU)


cdef int madvise_collapse(arena_t *a, idx_t v, vaddr_t start, vaddr_t end) noexcept nogil:
    cdef const vma_t *area = vma_at(a, v)
    cdef vaddr_t hstart = hpage_pmd_end(a, start)
    cdef vaddr_t hend = hpage_pmd_start(a, end), addr = hstart
    cdef collapse_t cc
    cdef uint64_t thps = 0
    cdef int result, last_fail = SCAN_FAIL
    if not thp_vma_allowable_pmd(a, area, area.vm_flags, TVA_FORCED_COLLAPSE):
        return -EINVAL
    lru_add_drain_all(a)
    while addr < hend:
        cc.is_khugepaged = False
        cc.mmap_locked = True
        if area.vm_file:
            result = hpage_collapse_scan_file(a, v, linear_page_index(a, area, addr), &cc)
        else:
            result = hpage_collapse_scan_pmd(a, v, addr, &cc)
        if result == SCAN_PTE_MAPPED_HUGEPAGE:
            result = collapse_pte_mapped_thp(a, area.vm_mm, addr, True)
        if result == SCAN_SUCCEED or result == SCAN_PMD_MAPPED:
            thps += 1
        else:
            last_fail = result
            if not may_go_on(result):
                break
        addr += hpage_pmd_size(a)
    return 0 if thps == (hend - hstart) // hpage_pmd_size(a) else collapse_errno(last_fail)
