# cython: language_level=3
"""setrlimit() and prlimit(): the limits of a process."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef struct rlimit_t:
    uint64_t cur
    uint64_t max

# Of the process that a thread is of, or of itself. new, old: NULL where nothing is set, or asked. 0, -EINVAL: no such resource, or the soft
# limit is above the hard one; -EPERM: more open files than fs.nr_open, whoever asks, or a hard limit is raised without CAP_SYS_RESOURCE.
cdef int do_prlimit(arena_t *a, idx_t task, uint32_t resource, const rlimit_t *new, rlimit_t *old, bint is_capable) noexcept nogil
# A soft limit as root's prlimit(1) sets it: the hard one goes along when it is lower. 0, -EINVAL, -EPERM: as do_prlimit().
cdef int set_soft_limit(arena_t *a, idx_t task, uint32_t resource, uint64_t limit) noexcept nogil
