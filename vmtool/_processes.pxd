# cython: language_level=3
"""Processes: spawn, fork, exec, exit, kill, switch."""

from vmtool.mm.access cimport siginfo_t

cdef object signal_of(const siginfo_t *info, Py_ssize_t minor, Py_ssize_t major, bint killed)
