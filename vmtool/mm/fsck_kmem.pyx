"""Invariants of what the kernel keeps beside slabs: maple trees against the areas, vmalloc's areas, credentials, numbers in use.

Counterpart: Linux v6.18 lib/maple_tree.c:mt_validate(); the rest nothing.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arena cimport file_at, frame_at, mm_at, rec_at, rec_is_live, task_at, vma_at
from vmtool.mm.boot_areas cimport has_boot_areas
from vmtool.mm.checks cimport nth_check
from vmtool.mm.frame cimport RESERVED_MODULES, RESERVED_STACKS
from vmtool.mm.maple cimport MAPLE_DEPTH, MAPLE_MAX, maple_at
from vmtool.mm.slab cimport CACHE_MAPLE_NODE, CACHE_VMAP_AREA, cache_at
from vmtool.mm.vmalloc cimport vmap_at, vmap_pfn, vmap_stack
from vmtool.mm.xnode cimport xnode_get, xnode_next

cdef enum:
    CHECK_MAPLE_NODE
    CHECK_MAPLE_AREAS
    CHECK_MAPLE_COUNT
    CHECK_VMAP_ORDER
    CHECK_VMAP_FRAME
    CHECK_VMAP_COUNT
    CHECK_CRED
    CHECK_PID_IDR
    CHECK_STACK
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_MAPLE_NODE] = fsck_check_t(b"maple-node", b"maple node {0} of address space {1} has too few or too many ranges, or they are out of order")
CHECKS[CHECK_MAPLE_AREAS] = fsck_check_t(b"maple-areas", b"the maple tree of address space {0} does not have its areas, first at address {1:#x}")
CHECKS[CHECK_MAPLE_COUNT] = fsck_check_t(b"maple-count", b"{0} maple nodes are allocated, {1} are in trees")
CHECKS[CHECK_VMAP_ORDER] = fsck_check_t(b"vmap-order", b"vmalloc area {0} is not where the list has it, or overlaps the one before (address {1:#x})")
CHECKS[CHECK_VMAP_FRAME] = fsck_check_t(b"vmap-frame", b"frame {1} of vmalloc area {0} is not the kernel's, or free")
CHECKS[CHECK_VMAP_COUNT] = fsck_check_t(b"vmap-count", b"areas or pages of vmalloc are counted wrongly: {0} areas with {1} pages are there")
CHECKS[CHECK_CRED] = fsck_check_t(b"cred-usage", b"credentials {0} have {1} users, which is not their count")
CHECKS[CHECK_PID_IDR] = fsck_check_t(b"pid-idr", b"the PIDs in use are not those of the tasks: {0} tasks, {1} numbers")
CHECKS[CHECK_STACK] = fsck_check_t(b"task-stack", b"the kernel stack of task {0}, area {1}, is not one in use")

cdef struct fsck_t:
    arena_t *a
    fsck_report_fn report
    void *ctx
    uint64_t nr_nodes


cdef const fsck_check_t *fsck_kmem_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef void bad(fsck_t *f, int check, uint64_t first, uint64_t second) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, first, second)


cdef void fsck_kmem(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef idx_t mm
    f.a = a
    f.report = report
    f.ctx = ctx
    f.nr_nodes = 0
    for mm in range(1, a.pool[POOL_MM].count):
        if mm_at(a, mm).maple:
            check_tree(&f, mm)
    if f.nr_nodes != cache_at(a, CACHE_MAPLE_NODE).nr_objs:
        bad(&f, CHECK_MAPLE_COUNT, cache_at(a, CACHE_MAPLE_NODE).nr_objs, f.nr_nodes)
    check_vmap(&f)
    check_creds(&f)
    check_tasks(&f)


# --- maple trees ----------------------------------------------------------------------------------------------------------

cdef struct walk_of_t:  # a tree against the list of areas
    idx_t mm
    idx_t area  # the next one
    uint64_t at  # where the next range begins
    uint32_t failed


cdef void check_leaf_range(fsck_t *f, walk_of_t *w, uint64_t last, uint32_t slot) noexcept nogil:
    cdef const vma_t *v = vma_at(f.a, w.area)
    if w.failed:
        return
    if slot == 0:
        w.failed = w.area != 0 and v.vm_start <= last
    elif slot != w.area or v.vm_start != w.at or v.vm_end - 1 != last:
        w.failed = 1
    else:
        w.area = v.vm_next
    if w.failed:
        bad(f, CHECK_MAPLE_AREAS, w.mm, w.at)


cdef void check_node(fsck_t *f, walk_of_t *w, idx_t i, uint64_t max_, int depth) noexcept nogil:
    cdef const maple_node_t *n = maple_at(f.a, i)
    cdef uint32_t k
    cdef uint32_t most = MAPLE_RANGE64_SLOTS if n.is_leaf else MAPLE_ARANGE64_SLOTS
    if w.failed:
        return
    f.nr_nodes += n.obj != 0
    if n.nr == 0 or n.nr > most or depth >= MAPLE_DEPTH or n.pivot[n.nr - 1] != max_ or (depth and n.nr <= (5 if n.is_leaf else 3)):
        bad(f, CHECK_MAPLE_NODE, i, w.mm)
        w.failed = 1
        return
    for k in range(n.nr):
        if n.pivot[k] < w.at or w.failed:
            if not w.failed:
                bad(f, CHECK_MAPLE_NODE, i, w.mm)
            w.failed = 1
            return
        if n.is_leaf:
            check_leaf_range(f, w, n.pivot[k], n.slot[k])
            w.at = n.pivot[k] + 1
        else:
            check_node(f, w, n.slot[k], n.pivot[k], depth + 1)


cdef void check_tree(fsck_t *f, idx_t mm) noexcept nogil:
    cdef walk_of_t w
    w.mm = mm
    w.area = mm_at(f.a, mm).vma_first
    w.at = 0
    w.failed = 0
    check_node(f, &w, mm_at(f.a, mm).maple, MAPLE_MAX, 0)
    if w.area and not w.failed:
        bad(f, CHECK_MAPLE_AREAS, mm, vma_at(f.a, w.area).vm_start)


# --- vmalloc ------------------------------------------------------------------------------------------------------------------


cdef void check_vmap(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef idx_t at = a.m.vmap_first, prev = 0
    cdef uint32_t n = 0, busy = 0, i
    cdef uint64_t pages = 0, objects = 0
    cdef const vmap_area_t *v
    cdef pfn_t pfn
    while at and n < a.pool[POOL_VMAP].count:
        v = vmap_at(a, at)
        n += 1
        if v.prev != prev or v.va_end <= v.va_start or (prev and vmap_at(a, prev).va_end > v.va_start) or (v.state != VMAP_BUSY and v.state != VMAP_LAZY):
            bad(f, CHECK_VMAP_ORDER, at, v.va_start)
            return
        busy += v.state == VMAP_BUSY
        pages += v.nr_pages
        objects += (v.va_obj != 0) + (v.hole_obj != 0)
        for i in range(v.nr_pages):
            pfn = vmap_pfn(a, at, i)
            if pfn == 0 or pfn >= a.m.max_pfn or not frame_at(a, pfn).flags & PG_kernel:
                bad(f, CHECK_VMAP_FRAME, at, pfn)
                break
        prev = at
        at = v.next
    if busy != a.m.nr_vmap_areas or n - busy != a.m.nr_vmap_lazy or pages + boot_pages(a) != a.m.nr_vmalloc_pages or objects != cache_at(a, CACHE_VMAP_AREA).nr_objs:
        bad(f, CHECK_VMAP_COUNT, busy, pages)


cdef uint64_t boot_pages(arena_t *a) noexcept nogil:
    """What boot left in vmalloc's areas: its stacks, where they are some, and the rest."""
    cdef uint64_t n = 0
    cdef uint32_t i
    cdef bint blocks = not vmap_stack(&a.m.arch) and has_boot_areas(a)  # older files had areas for all
    for i in range(a.m.nr_reserved):
        if (a.m.reserved[i].what == RESERVED_STACKS and not blocks) or a.m.reserved[i].what == RESERVED_MODULES:
            n += a.m.reserved[i].nr_pages
    return n


# --- credentials, tasks -------------------------------------------------------------------------------------------------------


cdef void check_creds(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint32_t nr = a.pool[POOL_CRED].count
    cdef uint32_t *users = <uint32_t *>calloc(nr, sizeof(uint32_t))
    cdef idx_t i
    if users == NULL:
        return
    for i in range(1, a.pool[POOL_TASK].count):
        if task_at(a, i).cred < nr:
            users[task_at(a, i).cred] += 1
    for i in range(1, a.pool[POOL_FILE].count):
        if file_at(a, i).f_cred < nr:
            users[file_at(a, i).f_cred] += 1
    for i in range(1, nr):
        if rec_is_live(a, POOL_CRED, i) and users[i] != (<cred_t *>rec_at(a, POOL_CRED, i)).usage:
            bad(f, CHECK_CRED, i, users[i])
    free(users)


cdef void check_tasks(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef idx_t i
    cdef uint64_t pid = 0, n = 0
    cdef const vmap_area_t *v
    while n <= a.pool[POOL_PID].count and xnode_next(a, a.m.pid_idr, &pid, <uint64_t>-1):
        n += 1
        pid += 1
    if n != a.m.nr_tasks:
        bad(f, CHECK_PID_IDR, a.m.nr_tasks, n)
    for i in range(1, a.pool[POOL_TASK].count):
        if not rec_is_live(a, POOL_TASK, i):
            continue
        v = vmap_at(a, task_at(a, i).stack)
        if task_at(a, i).stack == 0 or v.state != VMAP_BUSY or v.caller != VMAP_STACK:
            bad(f, CHECK_STACK, i, task_at(a, i).stack)
        if not xnode_get(a, a.m.pid_idr, task_at(a, i).pid):
            bad(f, CHECK_PID_IDR, a.m.nr_tasks, task_at(a, i).pid)
