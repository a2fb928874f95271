"""The invariants of processes and their address spaces, checked over a whole machine.

Counterpart: Linux's CONFIG_DEBUG_VM assertions: mm/vma.c:validate_mm(), mm/rmap.c (VM_WARN_ON of num_children and num_active_vmas),
kernel/fork.c:check_mm().
Every count is made anew from the records and compared: areas by address space, anon_vma_chains by area and by anon_vma, tasks by PID. A
record is in use when the field tells that nothing else can set: a task's state, an mm's pgd, an area's vm_mm, an anon_vma's parent,
a chain's anon_vma (rec_free() leaves a link in the first word). Lists are followed no further than their pool is long.
"""

from libc.stdlib cimport calloc, free

from vmtool.mm.arch cimport pte_pfn
from vmtool.mm.arena cimport ARENA_NOMEM, arena_fail, file_at, inode_at, mm_at, rec_at, rec_is_live, task_at, vma_at
from vmtool.mm.checks cimport nth_check
from vmtool.mm.mm_acct cimport is_data_mapping, is_exec_mapping
from vmtool.mm.pkeys cimport has_pkeys, vma_pkey
from vmtool.mm.pid cimport find_task
from vmtool.mm.pgtable cimport user_pgd
from vmtool.mm.rmap cimport avc_at
from vmtool.mm.slab cimport CACHE_ANON_VMA, CACHE_ANON_VMA_CHAIN, CACHE_MM_STRUCT, CACHE_TASK_STRUCT, CACHE_VM_AREA_STRUCT
from vmtool.mm.vma cimport vma_pages, vma_tree_validate
from vmtool.mm.vmalloc cimport stack_pages
from vmtool.mm.vmstat cimport NR_KERNEL_STACK_KB

cdef enum:
    CHECK_VMA_ORDER
    CHECK_VMA_LIST
    CHECK_VMA_GAP
    CHECK_VMA_COUNT
    CHECK_VMA_LOST
    CHECK_TOTAL_VM
    CHECK_DATA_VM
    CHECK_EXEC_VM
    CHECK_STACK_VM
    CHECK_LOCKED_VM
    CHECK_MM_PKEYS
    CHECK_MM_USERS
    CHECK_MM_SLOTS
    CHECK_FILE_AREAS
    CHECK_VMA_FILE
    CHECK_VMA_SOFT_DIRTY
    CHECK_VMA_ANON
    CHECK_AVC_AREA
    CHECK_AVC_ANON
    CHECK_AVC_LOST
    CHECK_ANON_REFCOUNT
    CHECK_ANON_CHILDREN
    CHECK_ANON_ACTIVE
    CHECK_COMMITTED
    CHECK_TASK_PID
    CHECK_TASK_COUNT
    CHECK_TASK_MM
    CHECK_TASK_STATE
    CHECK_TASK_LEADER
    CHECK_TASK_THREADS
    CHECK_CPU_TASK
    CHECK_CPU_MM
    CHECK_CPU_CR3
    CHECK_STACKS
    CHECK_OBJECTS
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_VMA_ORDER] = fsck_check_t(b"vma-order", b"areas of address space {0} overlap or stand in the wrong order")
CHECKS[CHECK_VMA_LIST] = fsck_check_t(b"vma-list", b"areas of address space {0} are not linked both ways")
CHECKS[CHECK_VMA_GAP] = fsck_check_t(b"vma-gap", b"the tree of areas of address space {0} knows a wrong gap")
CHECKS[CHECK_VMA_COUNT] = fsck_check_t(b"vma-count", b"address space {0} counts {1} areas, which are not those in its list and tree")
CHECKS[CHECK_VMA_LOST] = fsck_check_t(b"vma-lost", b"address space {0} lists {1} areas, which is not how many say they are its")
CHECKS[CHECK_TOTAL_VM] = fsck_check_t(b"mm-total-vm", b"total_vm of address space {0} is wrong: its areas have {1} pages")
CHECKS[CHECK_DATA_VM] = fsck_check_t(b"mm-data-vm", b"data_vm of address space {0} is wrong: its private writable areas have {1} pages")
CHECKS[CHECK_EXEC_VM] = fsck_check_t(b"mm-exec-vm", b"exec_vm of address space {0} is wrong: its executable areas have {1} pages")
CHECKS[CHECK_STACK_VM] = fsck_check_t(b"mm-stack-vm", b"stack_vm of address space {0} is wrong: its areas that grow down have {1} pages")
CHECKS[CHECK_LOCKED_VM] = fsck_check_t(b"mm-locked-vm", b"locked_vm of address space {0} is too small: its locked areas have {1} pages")
CHECKS[CHECK_MM_PKEYS] = fsck_check_t(b"mm-pkeys", b"address space {0} has protection keys {1:#x} in use (a mask), its execute-only key or an area's is none that can be")
CHECKS[CHECK_MM_USERS] = fsck_check_t(b"mm-users", b"address space {0} has {1} tasks, which is not its count of users")
CHECKS[CHECK_MM_SLOTS] = fsck_check_t(b"mm-slots", b"khugepaged's list of address spaces is not linked both ways, or its cursor is off it, at address space {0}; "
                                  b"{1} say that they are on it and were not met")
CHECKS[CHECK_FILE_AREAS] = fsck_check_t(b"file-areas", b"the list of areas of file {0} is not linked both ways, or not those {1} that map it")
CHECKS[CHECK_VMA_FILE] = fsck_check_t(b"vma-file", b"area {0} maps open file {1}, which is not there")
CHECKS[CHECK_VMA_SOFT_DIRTY] = fsck_check_t(b"vma-soft-dirty", b"area {0} of address space {1} is soft-dirty, which this machine keeps no track of")
CHECKS[CHECK_VMA_ANON] = fsck_check_t(b"vma-anon-vma", b"area {0} has anon_vma {1}, which is not there or not in its chain")
CHECKS[CHECK_AVC_AREA] = fsck_check_t(b"avc-area", b"the chain of area {0} is broken at anon_vma_chain {1}")
CHECKS[CHECK_AVC_ANON] = fsck_check_t(b"avc-anon-vma", b"the areas of anon_vma {0} are broken at anon_vma_chain {1}")
CHECKS[CHECK_AVC_LOST] = fsck_check_t(b"avc-lost", b"of {0} anon_vma_chains in use, {1} hang in an area's chain and in an anon_vma's list")
CHECKS[CHECK_ANON_REFCOUNT] = fsck_check_t(b"anon-vma-refcount", b"the refcount of anon_vma {0} is wrong: {1} refer to it")
CHECKS[CHECK_ANON_CHILDREN] = fsck_check_t(b"anon-vma-children", b"num_children of anon_vma {0} is wrong: it has {1}")
CHECKS[CHECK_ANON_ACTIVE] = fsck_check_t(b"anon-vma-active", b"num_active_vmas of anon_vma {0} is wrong: {1} areas have it")
CHECKS[CHECK_COMMITTED] = fsck_check_t(b"committed-as", b"{0} pages are committed; areas, shared memory and what nobody gives back account for {1}")
CHECKS[CHECK_TASK_PID] = fsck_check_t(b"task-pid", b"task {0} is not what the PID table has under {1}")
CHECKS[CHECK_TASK_COUNT] = fsck_check_t(b"task-count", b"{0} tasks are counted, {1} are there, or the PID table has others")
CHECKS[CHECK_TASK_STATE] = fsck_check_t(b"task-state", b"task {0} has signals that wait ({1}, a mask), though it is not stopped, or runs though it is")
CHECKS[CHECK_TASK_LEADER] = fsck_check_t(b"task-leader", b"thread {0} has {1} for a leader, which is none, or is in another space")
CHECKS[CHECK_TASK_THREADS] = fsck_check_t(b"task-threads", b"process {0} counts its threads wrongly: there are {1}")
CHECKS[CHECK_TASK_MM] = fsck_check_t(b"task-mm", b"task {0} has address space {1}, which is not there")
CHECKS[CHECK_CPU_TASK] = fsck_check_t(b"cpu-task", b"CPU {0} runs task {1}, which is not there or not marked running")
CHECKS[CHECK_CPU_MM] = fsck_check_t(b"cpu-mm", b"CPU {0} has address space {1}, which is not there or not its task's")
CHECKS[CHECK_CPU_CR3] = fsck_check_t(b"cpu-cr3", b"CR3 of CPU {0} names frame {1:#x}, which is not its address space's top table")
CHECKS[CHECK_STACKS] = fsck_check_t(b"kernel-stacks", b"kernel stacks are counted as {0} kB, {1} tasks have 16 each")
CHECKS[CHECK_OBJECTS] = fsck_check_t(b"slab-owners", b"cache {0} has not as many objects in use as its {1} records")

cdef struct fsck_t:  # one run
    arena_t *a
    fsck_report_fn report
    void *ctx
    uint32_t *areas  # by mm: areas that say they are its
    uint32_t *users  # by mm: tasks
    uint32_t *active  # by anon_vma: areas that have it
    uint32_t *children  # by anon_vma
    uint32_t *members  # by anon_vma: others of which it is the root
    uint32_t *mapping  # by inode: areas that map it
    uint8_t *chained  # by anon_vma_chain: 1 in an area's chain, 2 in an anon_vma's list
    uint64_t nr_areas
    uint64_t nr_anon
    uint64_t committed


cdef const fsck_check_t *fsck_space_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef inline void expect(fsck_t *f, bint holds, int check, uint64_t first, uint64_t second) noexcept nogil:
    if not holds:
        f.report(f.ctx, CHECKS[check].name, first, second)


cdef inline anon_vma_t *av_at(arena_t *a, idx_t i) noexcept nogil:
    return <anon_vma_t *>rec_at(a, POOL_ANON_VMA, i)


cdef inline bint has_inode(arena_t *a, idx_t file) noexcept nogil:
    return rec_is_live(a, POOL_FILE, file) and rec_is_live(a, POOL_INODE, file_at(a, file).inode)


cdef uint32_t *counters(fsck_t *f, int pool) noexcept nogil:
    return <uint32_t *>calloc(f.a.pool[pool].count + 1, sizeof(uint32_t))


cdef void fsck_space(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    f.a = a
    f.report = report
    f.ctx = ctx
    f.nr_areas = f.nr_anon = f.committed = 0
    f.areas = counters(&f, POOL_MM)
    f.users = counters(&f, POOL_MM)
    f.active = counters(&f, POOL_ANON_VMA)
    f.children = counters(&f, POOL_ANON_VMA)
    f.members = counters(&f, POOL_ANON_VMA)
    f.mapping = counters(&f, POOL_INODE)
    f.chained = <uint8_t *>counters(&f, POOL_AVC)
    if f.areas and f.users and f.active and f.children and f.members and f.mapping and f.chained:
        check_areas(&f)
        check_tasks(&f)
        check_mms(&f)
        check_files(&f)
        check_anon_vmas(&f)
        check_chains(&f)
        check_cpus(&f)
        check_objects(&f)
        f.committed += a.m.committed_for_good
        expect(&f, <int64_t>f.committed == a.m.vm_committed_as or (not a.m.knows_committed and <int64_t>f.committed < a.m.vm_committed_as),
               CHECK_COMMITTED, <uint64_t>a.m.vm_committed_as, f.committed)
    else:
        arena_fail(a, ARENA_NOMEM, POOL_MM, 0)
    free(f.areas)
    free(f.users)
    free(f.active)
    free(f.children)
    free(f.members)
    free(f.mapping)
    free(f.chained)


# --- areas and their chains ----------------------------------------------------------------------------------------


cdef void check_area_chain(fsck_t *f, idx_t v) noexcept nogil:
    """The chain of one area: its own, linked both ways, with the area's anon_vma among them."""
    cdef idx_t anon = vma_at(f.a, v).anon_vma
    cdef idx_t at = vma_at(f.a, v).avc_head
    cdef idx_t prev = 0
    cdef uint32_t left = f.a.pool[POOL_AVC].count
    cdef bint has_own = anon == 0
    while at and left:
        if at >= f.a.pool[POOL_AVC].count or avc_at(f.a, at).vma != v or avc_at(f.a, at).same_vma_prev != prev or f.chained[at] & 1:
            expect(f, False, CHECK_AVC_AREA, v, at)
            return
        f.chained[at] |= 1
        has_own = has_own or avc_at(f.a, at).anon_vma == anon
        prev = at
        at = avc_at(f.a, at).same_vma_next
        left -= 1
    expect(f, has_own and (anon == 0 or rec_is_live(f.a, POOL_ANON_VMA, anon)), CHECK_VMA_ANON, v, anon)


cdef void check_areas(fsck_t *f) noexcept nogil:
    cdef idx_t v
    cdef vma_t *area
    for v in range(1, f.a.pool[POOL_VMA].count):
        area = vma_at(f.a, v)
        if not rec_is_live(f.a, POOL_VMA, v):
            continue
        f.nr_areas += 1
        if area.vm_mm < f.a.pool[POOL_MM].count:
            f.areas[area.vm_mm] += 1
        expect(f, f.a.m.arch.soft_dirty != 0 or not area.vm_flags & VM_SOFTDIRTY, CHECK_VMA_SOFT_DIRTY, v, area.vm_mm)
        if area.vm_flags & VM_ACCOUNT:
            f.committed += vma_pages(f.a, area)
        if area.anon_vma and area.anon_vma < f.a.pool[POOL_ANON_VMA].count:
            f.active[area.anon_vma] += 1
        check_area_chain(f, v)
        if area.vm_file:
            if has_inode(f.a, area.vm_file):
                f.mapping[file_at(f.a, area.vm_file).inode] += 1
            else:
                expect(f, False, CHECK_VMA_FILE, v, area.vm_file)


cdef void check_files(fsck_t *f) noexcept nogil:
    """The areas of each file, and what shared memory has committed."""
    cdef idx_t inode
    cdef idx_t at
    cdef idx_t prev
    cdef uint32_t n
    cdef bint sound
    for inode in range(1, f.a.pool[POOL_INODE].count):
        if not rec_is_live(f.a, POOL_INODE, inode):
            continue
        f.committed += inode_at(f.a, inode).accounted
        at = inode_at(f.a, inode).i_mmap
        prev = 0
        n = 0
        sound = True
        while at and sound and n <= f.mapping[inode]:
            sound = at < f.a.pool[POOL_VMA].count and vma_at(f.a, at).i_mmap_prev == prev and has_inode(f.a, vma_at(f.a, at).vm_file)
            sound = sound and file_at(f.a, vma_at(f.a, at).vm_file).inode == inode
            prev = at
            at = vma_at(f.a, at).i_mmap_next
            n += 1
        expect(f, sound and n == f.mapping[inode], CHECK_FILE_AREAS, inode, f.mapping[inode])


cdef void check_anon_vmas(fsck_t *f) noexcept nogil:
    """Each anon_vma's list of areas, and who belongs to whom."""
    cdef arena_t *a = f.a
    cdef idx_t i
    cdef idx_t at
    cdef idx_t prev
    cdef uint32_t left = a.pool[POOL_AVC].count
    for i in range(1, a.pool[POOL_ANON_VMA].count):
        if not rec_is_live(a, POOL_ANON_VMA, i):
            continue
        f.nr_anon += 1
        if av_at(a, i).avc_head and av_at(a, i).parent < a.pool[POOL_ANON_VMA].count:
            f.children[av_at(a, i).parent] += 1
        if av_at(a, i).root != i and av_at(a, i).root < a.pool[POOL_ANON_VMA].count:
            f.members[av_at(a, i).root] += 1
        at = av_at(a, i).avc_head
        prev = 0
        while at and left:
            if at >= a.pool[POOL_AVC].count or avc_at(a, at).anon_vma != i or avc_at(a, at).same_av_prev != prev or f.chained[at] & 2:
                expect(f, False, CHECK_AVC_ANON, i, at)
                break
            f.chained[at] |= 2
            prev = at
            at = avc_at(a, at).same_av_next
            left -= 1


cdef void check_chains(fsck_t *f) noexcept nogil:
    """All anon_vma_chains found from both sides, then what that says of the anon_vmas."""
    cdef arena_t *a = f.a
    cdef idx_t i
    cdef uint64_t used = 0
    cdef uint64_t hang = 0
    cdef uint32_t refs
    for i in range(1, a.pool[POOL_AVC].count):
        used += rec_is_live(a, POOL_AVC, i)
        hang += f.chained[i] == 3
    expect(f, used == hang, CHECK_AVC_LOST, used, hang)
    for i in range(1, a.pool[POOL_ANON_VMA].count):
        if rec_is_live(a, POOL_ANON_VMA, i):
            refs = f.members[i] + (av_at(a, i).avc_head != 0)  # its own, which it drops with its last area
            expect(f, av_at(a, i).refcount == refs, CHECK_ANON_REFCOUNT, i, refs)
            expect(f, av_at(a, i).num_children == f.children[i], CHECK_ANON_CHILDREN, i, f.children[i])
            expect(f, av_at(a, i).num_active_vmas == f.active[i], CHECK_ANON_ACTIVE, i, f.active[i])


# --- address spaces ---------------------------------------------------------------------------------------------------


cdef bint pkeys_hold(arena_t *a, const mm_t *m, uint32_t keys) noexcept nogil:
    """`keys`: of the areas, a mask; they may have been freed since. The execute-only key is never free."""
    if not has_pkeys(a):
        return keys <= 1 and m.pkey_allocation_map <= 1 and m.execute_only_pkey == 0
    return m.execute_only_pkey == -1 or (0 <= m.execute_only_pkey < NR_PKEYS and m.pkey_allocation_map >> m.execute_only_pkey & 1)


cdef void check_mm_areas(fsck_t *f, idx_t mm) noexcept nogil:
    """The sums that /proc/PID/status prints, against the areas."""
    cdef mm_t *m = mm_at(f.a, mm)
    cdef uint64_t total = 0, data = 0, text = 0, stack = 0, locked = 0
    cdef uint32_t n = 0, keys = 0
    cdef idx_t v = m.vma_first
    cdef vma_t *area
    while v and n <= f.a.pool[POOL_VMA].count:
        area = vma_at(f.a, v)
        total += vma_pages(f.a, area)
        if is_exec_mapping(area.vm_flags):
            text += vma_pages(f.a, area)
        elif area.vm_flags & VM_GROWSDOWN:
            stack += vma_pages(f.a, area)
        elif is_data_mapping(area.vm_flags):
            data += vma_pages(f.a, area)
        if area.vm_flags & VM_LOCKED:
            locked += vma_pages(f.a, area)
        keys |= <uint32_t>1 << vma_pkey(area)
        n += 1
        v = area.vm_next
    expect(f, n == f.areas[mm], CHECK_VMA_LOST, mm, n)
    expect(f, m.total_vm == total, CHECK_TOTAL_VM, mm, total)
    expect(f, m.data_vm == data, CHECK_DATA_VM, mm, data)
    expect(f, m.exec_vm == text, CHECK_EXEC_VM, mm, text)
    expect(f, m.stack_vm == stack, CHECK_STACK_VM, mm, stack)
    expect(f, pkeys_hold(f.a, m, keys), CHECK_MM_PKEYS, mm, m.pkey_allocation_map)
    expect(f, m.locked_vm >= locked, CHECK_LOCKED_VM, mm, locked)  # mremap's DONTUNMAP leaves what it moved counted twice, in Linux too


cdef inline bint has_mm_slot(arena_t *a, idx_t mm) noexcept nogil:
    return rec_is_live(a, POOL_MM, mm) and mm_at(a, mm).flags & MMF_VM_HUGEPAGE != 0


cdef void check_mm_slots(fsck_t *f) noexcept nogil:
    cdef const khugepaged_t *k = &f.a.m.khugepaged
    cdef idx_t mm, prev = 0
    cdef uint32_t left = 0
    for mm in range(1, f.a.pool[POOL_MM].count):
        left += has_mm_slot(f.a, mm)
    expect(f, k.mm_slot == 0 or (has_mm_slot(f.a, k.mm_slot) and not k.is_dead), CHECK_MM_SLOTS, k.mm_slot, left)
    expect(f, k.dead_next == 0 or (has_mm_slot(f.a, k.dead_next) and k.is_dead), CHECK_MM_SLOTS, k.dead_next, left)
    mm = k.mm_head
    while mm and left and has_mm_slot(f.a, mm) and mm_at(f.a, mm).mm_slot_prev == prev:
        prev = mm
        mm = mm_at(f.a, mm).mm_slot_next
        left -= 1
    expect(f, mm == 0 and left == 0 and k.mm_tail == prev, CHECK_MM_SLOTS, mm, left)


cdef void check_mms(fsck_t *f) noexcept nogil:
    cdef idx_t mm
    cdef int wrong
    check_mm_slots(f)
    for mm in range(1, f.a.pool[POOL_MM].count):
        if not rec_is_live(f.a, POOL_MM, mm):
            continue
        expect(f, mm_at(f.a, mm).users == f.users[mm], CHECK_MM_USERS, mm, f.users[mm])
        wrong = vma_tree_validate(f.a, mm)
        if wrong:
            expect(f, False, CHECK_VMA_ORDER + wrong - 1, mm, mm_at(f.a, mm).map_count)
        if wrong != 2:  # a list that is broken tells nothing
            check_mm_areas(f, mm)


# --- tasks and CPUs ---------------------------------------------------------------------------------------------------------


cdef void check_group(fsck_t *f, idx_t i) noexcept nogil:
    """A thread's leader is there, with the same space; a leader counts its threads."""
    cdef arena_t *a = f.a
    cdef task_t *t = task_at(a, i)
    cdef idx_t leader = find_task(a, t.tgid), thread = 0
    cdef uint32_t n = 0
    if t.tgid != t.pid:
        expect(f, leader != 0 and task_at(a, leader).tgid == t.tgid and task_at(a, leader).mm == t.mm, CHECK_TASK_LEADER, t.pid, t.tgid)
        return
    for thread in range(1, a.pool[POOL_TASK].count if t.nr_threads != 1 else 1):
        n += task_at(a, thread).tgid == t.pid
    expect(f, t.nr_threads == 1 or t.nr_threads == n, CHECK_TASK_THREADS, t.pid, n)


cdef void check_tasks(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef uint32_t i
    cdef uint32_t n = 0
    cdef uint32_t listed = 0
    cdef uint64_t in_groups = 0
    cdef task_t *t
    for i in range(1, a.pool[POOL_TASK].count):
        t = task_at(a, i)
        if not rec_is_live(a, POOL_TASK, i):
            continue
        n += 1
        expect(f, t.pid < a.pool[POOL_PID].count and (<uint32_t *>rec_at(a, POOL_PID, t.pid))[0] == i, CHECK_TASK_PID, i, t.pid)
        expect(f, t.state == c'T' or t.shared_pending == 0 and (t.state == c'R' or t.state == c'S'), CHECK_TASK_STATE, i, t.shared_pending)
        check_group(f, i)
        in_groups += t.nr_threads if t.tgid == t.pid else 0
        if t.mm:
            expect(f, rec_is_live(a, POOL_MM, t.mm), CHECK_TASK_MM, i, t.mm)
            if t.mm < a.pool[POOL_MM].count:
                f.users[t.mm] += 1
    for i in range(1, a.pool[POOL_PID].count):
        listed += (<uint32_t *>rec_at(a, POOL_PID, i))[0] != 0
    expect(f, in_groups == n, CHECK_TASK_THREADS, 0, n)
    expect(f, n == a.m.nr_tasks and n == listed, CHECK_TASK_COUNT, a.m.nr_tasks, n)
    n += a.m.nr_boot_stacks
    expect(f, a.m.node_stat[NR_KERNEL_STACK_KB] == <int64_t>(n * stack_pages(&a.m.arch)) << (a.m.arch.page_shift - 10), CHECK_STACKS,
           <uint64_t>a.m.node_stat[NR_KERNEL_STACK_KB], n)


cdef void check_cpus(fsck_t *f) noexcept nogil:
    """A CPU without a task keeps the space of the one before (lazy TLB)."""
    cdef arena_t *a = f.a
    cdef uint32_t i
    cdef cpu_t *c
    cdef task_t *t
    cdef pfn_t root
    for i in range(a.m.nr_cpus):
        c = <cpu_t *>rec_at(a, POOL_CPU, i + 1)
        if c.task:
            if c.task >= a.pool[POOL_TASK].count or task_at(a, c.task).state != c'R' or task_at(a, c.task).cpu != i:
                expect(f, False, CHECK_CPU_TASK, i, c.task)
                continue
            t = task_at(a, c.task)
            expect(f, t.mm == 0 or t.mm == c.active_mm, CHECK_CPU_MM, i, c.active_mm)
        if c.active_mm and not rec_is_live(a, POOL_MM, c.active_mm):
            expect(f, False, CHECK_CPU_MM, i, c.active_mm)
            continue
        root = pte_pfn(&a.m.arch, c.cr3)
        expect(f, root == (user_pgd(&a.m.arch, mm_at(a, c.active_mm).pgd) if c.active_mm else a.m.kernel_pgd) or c.cr3 == 0 and c.active_mm == 0, CHECK_CPU_CR3, i, root)


cdef void check_objects(fsck_t *f) noexcept nogil:
    """Every record that stands for a kernel object has one in its slab cache."""
    cdef arena_t *a = f.a
    cdef uint64_t avcs = 0
    cdef uint64_t mms = 0
    cdef uint64_t fs = 0  # fs_cache is merged with anon_vma_chain
    cdef idx_t i
    for i in range(1, a.pool[POOL_AVC].count):
        avcs += rec_is_live(a, POOL_AVC, i)
    for i in range(1, a.pool[POOL_MM].count):
        mms += rec_is_live(a, POOL_MM, i)
    for i in range(1, a.pool[POOL_TASK].count):
        fs += task_at(a, i).obj[4] != 0
    check_cache(f, CACHE_VM_AREA_STRUCT, f.nr_areas)
    check_cache(f, CACHE_ANON_VMA, f.nr_anon)
    check_cache(f, CACHE_ANON_VMA_CHAIN, avcs + fs)
    check_cache(f, CACHE_MM_STRUCT, mms)
    check_cache(f, CACHE_TASK_STRUCT, a.m.nr_tasks)


cdef void check_cache(fsck_t *f, uint32_t cache, uint64_t records) noexcept nogil:
    expect(f, (<kmem_cache_t *>rec_at(f.a, POOL_CACHE, cache + 1)).nr_objs == records, CHECK_OBJECTS, cache + 1, records)
