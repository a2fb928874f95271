# cython: language_level=3
"""Level 12. A new machine."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# m's ram_bytes, nr_cpus, swap_bytes, tlb_spec, pcid, kpti, aslr, seed are set. 0 or -errno.
cdef int machine_boot(arena_t *a, const char *arch) noexcept nogil
cdef int machine_upgrade(arena_t *a) noexcept nogil  # a machine of an older file gets what later ones have; 0 or -errno

cdef inline int32_t vdso_outside_maps(int page) noexcept nogil:
    return VDSO_OUTSIDE_MAPS_0 if page == 0 else VDSO_OUTSIDE_MAPS_1
