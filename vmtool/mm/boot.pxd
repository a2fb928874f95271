# cython: language_level=3
"""A new machine."""

from vmtool.mm.arch cimport ARCH_ARM, ARCH_PAIRED
from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # why a machine cannot be made
    BOOT_ARCH = 1  # there is no such architecture
    BOOT_TLB  # its text is no description of one, or of too large a one
    BOOT_RAM  # too little, or more than the architecture can address
    BOOT_NO_ROOM  # the kernel does not fit
    BOOT_PCID  # of x86-64 alone, and so are the next three
    BOOT_KPTI
    BOOT_PKU
    BOOT_SOFT_DIRTY
    BOOT_SOFT_DIRTY_KERNEL  # the release is older

# m's ram_bytes, nr_cpus, swap_bytes, tlb_spec, pcid, kpti, aslr, seed are set. 0 or BOOT_.
cdef int machine_boot(arena_t *a, const char *arch) noexcept nogil
# a machine of an older file gets what later ones have. 0, -ENOMEM; -EINVAL: its RAM fits no zones
# a machine of an older file gets what later ones have. 0, -ENOMEM; -EINVAL: its caches are none that there were
cdef int machine_upgrade(arena_t *a) noexcept nogil

cdef inline int32_t vdso_outside_maps(const arch_t *g, int page) noexcept nogil:
    """How often processes outside the machine map the page; arm's second is that of signals, which none has touched."""
    return VDSO_OUTSIDE_MAPS_0 if page == 0 else 0 if g.id == ARCH_ARM else VDSO_OUTSIDE_MAPS_1

cdef inline void note_special_frames(const machine_t *m, arch_t *g) noexcept nogil:
    """Where no bit of an entry says that it is special, its frame does."""
    if g.flags & ARCH_PAIRED:
        g.special_pfn[0] = m.zero_pfn
        g.special_pfn[1] = m.vvar_pfn[0]
