# cython: language_level=3
"""Processes: spawn, fork, exec, exit, kill, switch."""

from vmtool._files cimport Files
from vmtool.mm.sys_exec cimport image_t
from vmtool.mm.types cimport idx_t

cdef class Processes(Files):
    cdef int fill_image(self, image, image_t *out) except -1
    cdef object execve(self, idx_t task, image, argv, env, layout)
