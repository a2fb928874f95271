# cython: language_level=3
"""What the kernel has allocated for itself when the first program starts."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef int kmem_boot(arena_t *a) noexcept nogil  # after kmem_cache_init(); 0 or -ENOMEM
