# cython: language_level=3
"""Processes: spawn, fork, exec, exit, kill, switch."""

from vmtool._files cimport Files
from vmtool.mm.access cimport siginfo_t
from vmtool.mm.sys_exec cimport image_t
from vmtool.mm.types cimport idx_t

cdef object signal_of(const siginfo_t *info, Py_ssize_t minor, Py_ssize_t major, bint killed)

cdef class Processes(Files):
    cdef int fill_image(self, image, image_t *out) except -1
    cdef object execve(self, idx_t task, image, argv, env, layout)
    cdef object remote(self, pid, addr, data, bint write)
