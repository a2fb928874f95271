# cython: language_level=3
"""Processes and threads (types.pxd passes them on). Counterpart: include/linux/sched.h."""

from libc.stdint cimport int16_t, int32_t, uint32_t, uint64_t
from vmtool.mm.scalars cimport *

# task: task_struct and what hangs from it; mm.pyx
cdef struct task_t:  # at most 512 bytes
    uint32_t pid
    uint32_t ppid
    idx_t mm
    uint32_t state  # letter
    char comm[16]
    uint64_t min_flt
    uint64_t maj_flt
    uint64_t cmin_flt
    uint64_t cmaj_flt
    uint64_t start_time
    uint64_t rlim_cur[NR_RLIMITS]
    uint64_t rlim_max[NR_RLIMITS]
    int32_t exit_code
    int16_t oom_score_adj
    int16_t oom_score_adj_min  # below it nobody without CAP_SYS_RESOURCE may set the other
    uint32_t cpu
    idx_t files  # file_t list: one open file for each path that read and write used
    uint32_t dumpable
    uint32_t tgid  # threads share an mm
    uint32_t nr_threads
    uint32_t uid
    uint64_t obj[8]  # task_struct, signal, sighand, files, fs, cred, pid, LSM's part of the task
    idx_t stack  # vmap_area_t (of files before layout 2: with cred the address of its four frames)
    idx_t cred  # cred_t
    uint32_t personality
    uint32_t pad0
    uint64_t tcache  # the thread's own: address of its tcache_perthread_struct, and of the arena it uses; libc/, copied by fork
    uint64_t thread_arena
    uint64_t shared_pending  # signals that wait for a stopped process, bit n - 1 for signal n
    uint32_t pkru, pad1  # the thread's protection-key rights; on its CPU they are in the register
    uint64_t pad[2]
    uint32_t nr_dirtied, nr_dirtied_pause  # pages since it looked at the dirty limits last, and at how many it looks (0: not set yet)
