"""What a task costs: the kernel's objects for it, each from its cache, and a kernel stack.

    process   task_struct  LSM's part  signal  sighand  files  fs  cred + LSM's part  pid  stack
    thread    task_struct  LSM's part                                                 pid  stack

Counterpart: Linux v6.18 kernel/fork.c (dup_task_struct, copy_files, copy_fs, copy_sighand, copy_signal), kernel/cred.c:copy_creds(), kernel/pid.c
(the numbers in use are an IDR: a radix_tree_node for each 64), kernel/futex/core.c:futex_hash_allocate_default().
# Deviation: one hash of futexes however many threads there are; LSMs are those of Debian.
Invariants (fsck_space): tasks = objects of task_struct; fsck_kmem: each number in use is in the IDR.
"""

from vmtool.mm.arena cimport mm_mut, task_at, task_mut
from vmtool.mm.cred cimport cred_alloc, cred_get, cred_put
from vmtool.mm.filemap cimport radix_ops
from vmtool.mm.lruvec cimport lruvec_of, mod_lruvec_state
from vmtool.mm.memcontrol cimport current_memcg, kmem_charge, kmem_uncharge
from vmtool.mm.slab cimport (CACHE_CRED, CACHE_FILES, CACHE_FS, CACHE_KMALLOC_64, CACHE_KMALLOC_CG_2K, CACHE_KMALLOC_CG_32, CACHE_PID, CACHE_SIGHAND,
                             CACHE_SIGNAL, CACHE_TASK_STRUCT, kmem_cache_alloc, kmem_cache_free, kmem_cache_free_rcu, rcu_quiescent)
from vmtool.mm.vmalloc cimport alloc_thread_stack, free_thread_stack, stack_pages, vmap_at, vmap_mut
from vmtool.mm.vmstat cimport NR_KERNEL_STACK_KB
from vmtool.mm.xnode cimport xnode_get, xnode_set

cdef enum:
    NR_OBJECTS = 8
    OLD_CRED = 5  # where the first files had a process's credentials

cdef int TASK_CACHES[NR_OBJECTS]
TASK_CACHES[:] = [CACHE_TASK_STRUCT, CACHE_SIGNAL, CACHE_SIGHAND, CACHE_FILES, CACHE_FS, CACHE_CRED, CACHE_PID, CACHE_KMALLOC_64]


cdef inline bint has_its_own(int object, bint is_thread) noexcept nogil:
    if object == OLD_CRED:
        return False
    return not is_thread or TASK_CACHES[object] in (CACHE_TASK_STRUCT, CACHE_PID, CACHE_KMALLOC_64)


cdef int task_objects_alloc(arena_t *a, idx_t task, idx_t cred) noexcept nogil:
    cdef task_t *t = task_mut(a, task)
    cdef int i
    t.stack = alloc_thread_stack(a)
    if t.stack == 0:
        return -ENOMEM
    vmap_mut(a, t.stack).memcg = current_memcg(a) if a.m.nr_memcgs else 0
    kmem_charge(a, vmap_at(a, t.stack).memcg, stack_pages(&a.m.arch))
    mod_lruvec_state(a, lruvec_of(a, vmap_at(a, t.stack).memcg), NR_KERNEL_STACK_KB, stack_pages(&a.m.arch) << (a.m.arch.page_shift - 10))
    for i in range(NR_OBJECTS):
        if has_its_own(i, cred != 0):
            t.obj[i] = kmem_cache_alloc(a, TASK_CACHES[i])
            if t.obj[i] == 0:
                task_objects_free(a, task)
                return -ENOMEM
    t.cred = cred_get(a, cred) if cred else cred_alloc(a)
    if t.cred == 0:
        task_objects_free(a, task)
        return -ENOMEM
    return 0


cdef void task_objects_free(arena_t *a, idx_t task) noexcept nogil:
    cdef task_t *t = task_mut(a, task)
    cdef int i
    rcu_quiescent(a)
    cred_put(a, t.cred)
    t.cred = 0
    for i in range(NR_OBJECTS):
        if TASK_CACHES[i] == CACHE_PID:
            kmem_cache_free_rcu(a, CACHE_PID, t.obj[i])
        else:
            kmem_cache_free(a, TASK_CACHES[i], t.obj[i])
        t.obj[i] = 0
    if t.stack:
        mod_lruvec_state(a, lruvec_of(a, vmap_at(a, t.stack).memcg), NR_KERNEL_STACK_KB, -<int64_t>(stack_pages(&a.m.arch) << (a.m.arch.page_shift - 10)))
        kmem_uncharge(a, vmap_at(a, t.stack).memcg, stack_pages(&a.m.arch))
        vmap_mut(a, t.stack).memcg = 0
        free_thread_stack(a, t.stack)
    t.stack = 0


cdef int pid_attach(arena_t *a, uint32_t pid) noexcept nogil:
    return xnode_set(a, &a.m.pid_idr, pid, 1, radix_ops())


cdef void pid_detach(arena_t *a, uint32_t pid) noexcept nogil:
    if xnode_get(a, a.m.pid_idr, pid):
        xnode_set(a, &a.m.pid_idr, pid, 0, radix_ops())


cdef void commit_creds(arena_t *a, idx_t task, idx_t fresh) noexcept nogil:
    cdef idx_t old = task_at(a, task).cred
    task_mut(a, task).cred = fresh
    cred_put(a, old)


cdef int futex_hash_alloc(arena_t *a, idx_t mm) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    if m.futex_obj[0]:
        return 0
    m.futex_obj[0] = kmem_cache_alloc(a, CACHE_KMALLOC_CG_2K)
    m.futex_obj[1] = kmem_cache_alloc(a, CACHE_KMALLOC_CG_32)
    if m.futex_obj[0] and m.futex_obj[1]:
        return 0
    futex_hash_free(a, mm)
    return -ENOMEM


cdef void futex_hash_free(arena_t *a, idx_t mm) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    kmem_cache_free(a, CACHE_KMALLOC_CG_2K, m.futex_obj[0])
    kmem_cache_free(a, CACHE_KMALLOC_CG_32, m.futex_obj[1])
    m.futex_obj[0] = m.futex_obj[1] = 0
