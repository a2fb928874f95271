# cython: language_level=3
"""What a line of /proc/PID/maps says of an area, its name above all; the gate area, which is in no address space's tree."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    MAP_NAME_BYTES = 4400  # a path, or a name within its brackets

cdef struct map_vma_t:
    vaddr_t start
    vaddr_t end
    uint64_t vm_flags
    uint64_t offset  # bytes
    uint64_t ino
    uint32_t dev_major
    uint32_t dev_minor
    uint32_t name_len
    char name[MAP_NAME_BYTES]  # not terminated

cdef void show_map_vma(arena_t *a, idx_t v, map_vma_t *out) noexcept nogil
cdef bint get_gate_vma(arena_t *a, idx_t mm, map_vma_t *out) noexcept nogil  # False: this kind of space has none
cdef bint vma_is_initial_heap(arena_t *a, idx_t v) noexcept nogil
# Its line is its addresses and rights alone: no file's, no name, offset 0.
cdef bint vma_is_unnamed(arena_t *a, idx_t v) noexcept nogil
# Of a pointer of the kernel whose maps this space has (mm 0: of the machine's): where names stand depends on it.
cdef uint32_t map_word_bytes(arena_t *a, idx_t mm) noexcept nogil
