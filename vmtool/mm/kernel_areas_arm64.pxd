# cython: language_level=3
"""The kernel's half of arm64 when boot is over."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.module_areas cimport module_set_t
from vmtool.mm.set_memory cimport spare_tables_t
from vmtool.mm.types cimport *

cdef int kernel_areas_setup_arm64(arena_t *a, spare_tables_t *spare) noexcept nogil  # boot; 0 or -ENOMEM
cdef vaddr_t image_address(arena_t *a, uint64_t pfn) noexcept nogil  # of a frame of the image, in vmalloc's range
cdef uint64_t image_end(arena_t *a) noexcept nogil  # the first frame behind it
cdef module_set_t module_set_arm64(arena_t *a) noexcept nogil
