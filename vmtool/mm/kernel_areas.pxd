# cython: language_level=3
"""The kernel's half when boot is over: what is read-only, modules, fixmap."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.module_areas cimport module_t
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.types cimport *

cdef int kernel_areas_setup(arena_t *a, spare_tables_t *spare) noexcept nogil  # boot, after the rest of memory is given out. 0 or -ENOMEM
cdef uint32_t nr_modules(arena_t *a) noexcept nogil  # 0 on a machine without room for them, or of an older file
cdef const module_t *module_loaded(arena_t *a, uint32_t i) noexcept nogil  # in the order in which they came
cdef vaddr_t module_text(arena_t *a, uint32_t i) noexcept nogil  # where its first section begins
