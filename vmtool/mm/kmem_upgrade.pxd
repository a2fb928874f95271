# cython: language_level=3
"""Machines of files before layout 2: their kernel memory in the form it has now."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int kmem_upgrade(arena_t *a) noexcept nogil  # 0, -ENOMEM; -EINVAL: a cache of the file is none that there is
