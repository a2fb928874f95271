# cython: language_level=3
"""Pages of a process that is taken in as it is: entries as they stood on another machine, without the faults that made them."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # mm_t.flags beside those of mm_types.pxd: what the kernel of an imported space printed otherwise
    MMF_NO_VSYSCALL = 0x800  # it showed none
    MMF_VSYSCALL_WIDE = 0x1000  # it showed 8 MB of it without permissions (before 2.6.30)
    MMF_VSYSCALL_AS_VDSO = 0x2000  # it called it [vdso] (2.6.18)
    MMF_ANON_OFFSETS = 0x4000  # it showed vm_pgoff of anonymous areas, too (before 2.6.27)
    MMF_NARROW = 0x8000  # its pointers had 4 bytes: names begin in column 50

cdef enum:
    NAME_AS_IT_WAS = 0  # begins the anon_name of an imported area whose name this kernel would not print

cdef enum:  # what is mapped
    ADOPT_ANON  # pages of the area's own
    ADOPT_FILE  # of its file, brought into the cache where they are not; of [vdso]
    ADOPT_ZERO  # the zero page
    ADOPT_HUGE  # of its own, 2 MB by one entry where that can be, else small ones

cdef enum:  # how
    ADOPT_DIRTY = 1
    ADOPT_YOUNG = 2

# `nr` pages from addr on, within the area. What has an entry already, or cannot be there, is left out. Returns how many were mapped, or -ENOMEM.
cdef int64_t adopt_pages(arena_t *a, idx_t v, vaddr_t addr, uint64_t nr, uint32_t what, uint32_t how) noexcept nogil
# The anonymous pages that the area `src` of another space has from src_addr on, shared with it as after a fork. `parent`: the area there of the
# process that forked this one, 0: not known. Returns how many, from the first on, could be: areas that were never one have none in common. -ENOMEM.
cdef int64_t adopt_shared(arena_t *a, idx_t v, vaddr_t addr, uint64_t nr, idx_t src, vaddr_t src_addr, idx_t parent, uint32_t how) noexcept nogil
# adopt_pages() of pages that the area `src` once had and handed down, and has no more: others that inherited them will share them. How many
# were mapped, or -ENOMEM.
cdef int64_t adopt_inherited(arena_t *a, idx_t v, vaddr_t addr, uint64_t nr, uint32_t what, idx_t src, vaddr_t src_addr, idx_t parent, uint32_t how) noexcept nogil
# Bytes into the anonymous pages that are there; returns how many, from the first on.
cdef uint64_t adopt_bytes(arena_t *a, idx_t mm, vaddr_t addr, const char *data, uint64_t length) noexcept nogil
