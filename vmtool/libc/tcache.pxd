# cython: language_level=3
"""A thread's cache of freed chunks: for each size up to 0x410 a stack, by default of at most 7."""

from libc.stdint cimport uint32_t, uint64_t

from vmtool.libc.chunk cimport *
from vmtool.libc.words cimport ld16, libc_t, st16
from vmtool.mm.types cimport vaddr_t

cdef vaddr_t tcache_get(libc_t *l, uint64_t index) noexcept nogil  # the block put there last. Precondition: tcache_count() is not 0
cdef void tcache_put(libc_t *l, vaddr_t p, uint64_t index) noexcept nogil  # Precondition: tcache_has_room()
cdef void tcache_look_for_double_free(libc_t *l, vaddr_t mem, uint64_t index) noexcept nogil

cdef inline uint32_t tcache_count(libc_t *l, uint64_t index) noexcept nogil:
    return ld16(l, l.t.tcache + TCACHE_COUNTS + index * 2)

cdef inline bint tcache_has_room(libc_t *l, uint64_t index) noexcept nogil:
    """Whether a chunk of that size goes into the cache; false too where there is none, or it does not keep such sizes."""
    return l.t.tcache != 0 and index < l.d.mp.tcache_bins and tcache_count(l, index) < l.d.mp.tcache_count
