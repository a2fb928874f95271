# cython: language_level=3
"""The kernel's half of i386, with PAE and without, when boot is over."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.module_areas cimport module_set_t
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.types cimport *

cdef int kernel_areas_setup_32(arena_t *a, spare_tables_t *spare) noexcept nogil  # boot; 0 or -ENOMEM
cdef module_set_t module_set_32(arena_t *a) noexcept nogil
