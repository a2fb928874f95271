# cython: language_level=3
"""The kernel's half of arm when boot is over: modules, vmalloc's range, the fixmap."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.module_areas cimport module_set_t
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.types cimport *

cdef enum:  # of vmalloc's range, from the end
    VMALLOC_END = 0xFF800000  # where the devicetree is
    PCI_IO = 0xFEE00000
    PCI_IO_BYTES = 0x200000
    UNIT_PAGES = 20  # of a CPU's part of a chunk of per-CPU data
    UNIT_POPULATED = 3  # of which there are

cdef int kernel_areas_setup_arm(arena_t *a, spare_tables_t *spare) noexcept nogil  # boot; 0 or -ENOMEM
cdef module_set_t module_set_arm(arena_t *a) noexcept nogil
