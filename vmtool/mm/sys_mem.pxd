# cython: language_level=3
"""Reads and writes of /proc/PID/mem."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Bytes done before the first page that cannot be reached.
cdef uint64_t access_remote_vm(arena_t *a, idx_t mm, vaddr_t addr, char *data, uint64_t length, bint write) noexcept nogil
