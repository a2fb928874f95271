"""The OOM killer.

    points = pages in memory + slots + tables' pages + oom_score_adj thousandths of all memory and swap
    the most points go; of equals the one that came last; -1000 never

Modelled: the choice, panic_on_oom, oom_kill_allocating_task, all processes of one address space, a group's oom.group; the report (oom_report).
Counterpart: Linux v6.18 mm/oom_kill.c:out_of_memory(), oom_badness(), select_bad_process(), __oom_kill_process(); fs/proc/base.c:__set_oom_adj().
Simplified: a victim other than the process that asks is gone at once, so the reaper has nothing to do; a task's place in the list is its PID.
"""

from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport OOM_CURRENT, OOM_KILLED, OOM_NOTHING, memcg_at, mm_at, runs_in_circle, task_at, task_mut
from vmtool.mm.mm cimport do_exit
from vmtool.mm.pid cimport find_task as task_of_pid
from vmtool.mm.mm_acct cimport mm_counter_sum
from vmtool.mm.memcontrol cimport PAGE_COUNTER_MAX, mem_cgroup_event
from vmtool.mm.oom_report cimport dump_header, report_group, report_kill, report_nobody, report_panic
from vmtool.mm.task cimport group_leader, next_thread
from vmtool.mm.trace cimport TR_OOM_KILL, trace2
from vmtool.mm.vmstat cimport OOM_KILL, count_vm_event


cdef int64_t oom_badness(arena_t *a, const task_t *t, uint64_t totalpages, bint *eligible) noexcept nogil:
    cdef const mm_t *m
    eligible[0] = False
    if t.mm == 0 or t.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return 0
    m = mm_at(a, t.mm)
    eligible[0] = True
    return (mm_counter_sum(m, MM_FILEPAGES) + mm_counter_sum(m, MM_ANONPAGES) + mm_counter_sum(m, MM_SHMEMPAGES) + mm_counter_sum(m, MM_SWAPENTS)
            + <int64_t>(m.pgtables_bytes // page_size(&a.m.arch)) + t.oom_score_adj * (<int64_t>totalpages // 1000))


cdef int set_oom_score_adj(arena_t *a, idx_t task, int64_t value, bint is_capable) noexcept nogil:
    """Others that share the space are left alone: it is lent to a vfork()ed child, and Linux looks for those of clone(CLONE_VM) alone."""
    cdef idx_t leader = group_leader(a, task), thread = next_thread(a, leader, 0)
    if not OOM_SCORE_ADJ_MIN <= value <= OOM_SCORE_ADJ_MAX:
        return -EINVAL
    if not is_capable and value < task_at(a, leader).oom_score_adj_min:
        return -EACCES
    while thread:  # the process's, each of its threads has a copy here
        task_mut(a, thread).oom_score_adj = <int16_t>value
        if is_capable:
            task_mut(a, thread).oom_score_adj_min = <int16_t>value
        thread = next_thread(a, leader, thread)
    return 0


cdef bint is_of(arena_t *a, const task_t *t, idx_t memcg) noexcept nogil:
    """The task is in the group or below it."""
    cdef idx_t at = mm_at(a, t.mm).memcg
    cdef uint32_t steps = 0
    if memcg == 0:
        return True
    while at and at != memcg and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        at = memcg_at(a, at).parent
    return at == memcg


cdef uint64_t memcg_total(arena_t *a, idx_t memcg) noexcept nogil:
    """mem_cgroup_get_max(): its limit, and what of swap it may have."""
    cdef uint64_t limit = PAGE_COUNTER_MAX
    cdef uint64_t swap = <uint64_t>a.m.total_swap_pages
    cdef idx_t at = memcg
    cdef uint32_t steps = 0
    if memcg == 0:
        return a.m.totalram_pages + swap
    while at and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        limit = min(limit, memcg_at(a, at).memory.max)
        swap = min(swap, memcg_at(a, at).swap.max)
        at = memcg_at(a, at).parent
    return max(limit + swap, <uint64_t>1)


cdef idx_t select_bad_process(arena_t *a, idx_t memcg, uint64_t totalpages, int64_t *points) noexcept nogil:
    """Processes by PID; 0: nobody may be killed."""
    cdef uint32_t pid
    cdef idx_t t
    cdef idx_t chosen = 0
    cdef int64_t badness
    cdef bint eligible = False
    for pid in range(1, a.pool[POOL_PID].count):
        t = task_of_pid(a, pid)
        if t == 0 or task_at(a, t).tgid != pid or task_at(a, t).mm == 0 or not is_of(a, task_at(a, t), memcg):
            continue
        badness = oom_badness(a, task_at(a, t), totalpages, &eligible)
        if eligible and (chosen == 0 or badness >= points[0]):
            chosen = t
            points[0] = badness
    return chosen


cdef inline bint runs(arena_t *a, idx_t t) noexcept nogil:
    """Whether the current task is of this process."""
    return a.task != 0 and task_at(a, a.task).tgid == task_at(a, t).pid


cdef bint deliver_kill(arena_t *a, idx_t victim) noexcept nogil:
    """The victim and all that share its memory. Their memory is there at once, unless one of them runs: that one exits when it has left the
    kernel. True: the current task is among them."""
    cdef idx_t mm = task_at(a, victim).mm
    cdef uint32_t pid
    cdef idx_t t
    cdef bint current = runs(a, victim)
    for pid in range(1, a.pool[POOL_PID].count):
        t = task_of_pid(a, pid)
        if t == 0 or t == victim or task_at(a, t).tgid != pid or task_at(a, t).mm != mm:
            continue
        if runs(a, t):
            current = True
            a.oom_victim = pid
        else:
            do_exit(a, t, SIGKILL)
    if runs(a, victim):
        a.oom_victim = task_at(a, victim).pid
    else:
        do_exit(a, victim, SIGKILL)
    return current


cdef void announce_kill(arena_t *a, idx_t victim, idx_t memcg, int64_t points) noexcept nogil:
    """__oom_kill_process(), what it counts and says."""
    trace2(a, TR_OOM_KILL, task_at(a, victim).pid, <uint64_t>points)
    report_kill(a, victim, memcg)
    count_vm_event(a, OOM_KILL)
    if mm_at(a, task_at(a, victim).mm).memcg:
        mem_cgroup_event(a, mm_at(a, task_at(a, victim).mm).memcg, MEMCG_OOM_KILL, 1)


cdef idx_t next_member(arena_t *a, idx_t group, uint32_t *pid) noexcept nogil:
    """A process of the group that may be killed, from *pid on, which goes behind it; 0: no more."""
    cdef idx_t t
    while pid[0] < a.pool[POOL_PID].count:
        t = task_of_pid(a, pid[0])
        pid[0] += 1
        if t and task_at(a, t).tgid == task_at(a, t).pid and task_at(a, t).mm and task_at(a, t).oom_score_adj != OOM_SCORE_ADJ_MIN \
                and is_of(a, task_at(a, t), group):
            return t
    return 0


cdef bint kill_group(arena_t *a, idx_t group, idx_t memcg) noexcept nogil:
    """memory.oom.group: everybody in it. The victim, which Linux has not seen off yet either, is told and counted again. True: the current task, too."""
    cdef uint32_t pid = 1
    cdef idx_t t = next_member(a, group, &pid)
    cdef bint current = False
    mem_cgroup_event(a, group, MEMCG_OOM_GROUP_KILL, 1)
    report_group(a, group)
    while t:
        announce_kill(a, t, memcg, 0)
        t = next_member(a, group, &pid)
    pid = 1
    t = next_member(a, group, &pid)
    while t:
        current |= deliver_kill(a, t)
        t = next_member(a, group, &pid)
    return current


cdef idx_t oom_group_of(arena_t *a, idx_t victim, idx_t memcg) noexcept nogil:
    """mem_cgroup_get_oom_group(): the highest group with oom.group from the victim's up to the one that is short; 0: none."""
    cdef idx_t at = mm_at(a, task_at(a, victim).mm).memcg
    cdef idx_t found = 0
    cdef uint32_t steps = 0
    while at and not runs_in_circle(a, POOL_MEMCG, at, &steps):
        if memcg_at(a, at).oom_group:
            found = at
        if at == memcg:
            break
        at = memcg_at(a, at).parent
    return found


cdef uint32_t out_of_memory(arena_t *a, idx_t memcg, uint32_t order, uint32_t gfp) noexcept nogil:
    cdef uint64_t totalpages = memcg_total(a, memcg)
    cdef int64_t points = 0
    cdef idx_t victim = 0
    cdef idx_t group
    cdef bint eligible = False
    if a.oom_disabled:
        return OOM_NOTHING
    if a.oom_victim:
        return OOM_CURRENT
    if a.m.panic_on_oom and (memcg == 0 or a.m.panic_on_oom == 2):
        dump_header(a, memcg, order, gfp, 0)
        report_panic(a, a.m.panic_on_oom == 2)
        return OOM_NOTHING
    if memcg == 0 and a.m.oom_kill_allocating_task and a.task:
        points = oom_badness(a, task_at(a, a.task), totalpages, &eligible)
        victim = group_leader(a, a.task) if eligible else 0
    if victim == 0:
        victim = select_bad_process(a, memcg, totalpages, &points)
    if victim == 0:
        dump_header(a, memcg, order, gfp, 0)
        report_nobody(a, memcg)
        return OOM_NOTHING
    dump_header(a, memcg, order, gfp, victim)
    group = oom_group_of(a, victim, memcg)
    announce_kill(a, victim, memcg, points)
    if kill_group(a, group, memcg) if group else deliver_kill(a, victim):
        return OOM_CURRENT
    return OOM_KILLED
