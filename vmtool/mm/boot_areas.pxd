# cython: language_level=3
"""What boot has left in vmalloc's range of a 32-bit kernel: areas with their addresses, frames and callers; the modules of i386 are among them."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.module_areas cimport loader_t, module_t
from vmtool.mm.types cimport *

cdef enum:
    VMALLOC_OFFSET = 0x800000  # addresses behind lowmem that nothing maps

cdef enum:  # boot_area_kind
    AREA_VMALLOC  # pages that are written
    AREA_RO  # pages that are only read: programs of BPF
    AREA_MODULE  # i386: text, rodata and data, one behind the other
    AREA_STACK  # of a thread
    AREA_DEVICE  # registers
    AREA_TABLES  # the firmware's, cached
    AREA_COHERENT  # for devices' DMA, and written past the caches

cdef struct boot_area_t:  # one of them where it is
    vaddr_t start
    vaddr_t end  # behind its guard page
    uint32_t nr_pages
    uint32_t module  # of AREA_MODULE
    uint64_t pfn  # of AREA_DEVICE and AREA_TABLES
    uint32_t kind
    const char *caller

cdef struct boot_areas_t:  # a walk over all, by address
    vaddr_t at
    uint32_t row
    uint32_t nr_done  # of the row

cdef bint has_boot_areas(arena_t *a) noexcept nogil  # not on a machine without room for them, nor of an older file
cdef void boot_areas_begin(arena_t *a, boot_areas_t *w) noexcept nogil
cdef bint boot_areas_next(arena_t *a, boot_areas_t *w, boot_area_t *out) noexcept nogil  # False: there are no more
cdef bint map_boot_areas(loader_t *l, uint64_t stack_pfn, uint64_t coherent_pfn) noexcept nogil  # False: no memory
cdef uint32_t boot_area_pages(const arch_t *g) noexcept nogil  # what vmalloc gave for them, without stacks
cdef uint32_t boot_area_stacks(const arch_t *g) noexcept nogil
cdef vaddr_t boot_areas_end(arena_t *a) noexcept nogil  # behind the last
cdef vaddr_t boot_module_address(arena_t *a, uint32_t i) noexcept nogil  # i386: of a module's area; 0: it has none
cdef vaddr_t vmalloc_start_32(arena_t *a) noexcept nogil
cdef const module_t *boot_modules(const arch_t *g, uint32_t *nr) noexcept nogil  # in the order in which they came
