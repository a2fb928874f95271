# cython: language_level=3
"""Machine: the one door to the simulated kernel."""

from vmtool._outside cimport Outside
from vmtool.mm.access cimport siginfo_t
from vmtool.mm.sys_exec cimport image_t
from vmtool.mm.types cimport idx_t

cdef class Machine(Outside):
    cdef idx_t enter(self, pid) except 0
    cdef object result(self, long long value)
    cdef idx_t inode_of(self, path) except 0
    cdef idx_t task_file(self, idx_t task, idx_t inode) except 0
    cdef object after_access(self, idx_t task, int failed, const siginfo_t *info, before, bint probe)
    cdef int fill_image(self, image, image_t *out) except -1
    cdef object execve(self, idx_t task, image, argv, env, layout)
