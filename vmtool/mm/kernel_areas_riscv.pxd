# cython: language_level=3
"""The kernel's half of riscv64 when boot is over."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.module_areas cimport module_t
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.types cimport *

cdef int kernel_areas_setup_riscv(arena_t *a, spare_tables_t *spare) noexcept nogil  # 0 or -ENOMEM
cdef uint32_t nr_modules_riscv(arena_t *a) noexcept nogil
cdef const module_t *module_loaded_riscv(uint32_t i) noexcept nogil
cdef vaddr_t module_text_riscv(arena_t *a, uint32_t i) noexcept nogil
