# cython: language_level=3
"""Which block a number of a trace means: a table that forgets what is freed."""

from libc.stdint cimport uint64_t

from vmtool.mm.types cimport vaddr_t

cdef struct block_t:
    uint64_t id
    vaddr_t mem  # 0: the place is free

cdef struct blocks_t:
    block_t *at
    uint64_t mask  # places - 1
    uint64_t nr

cdef vaddr_t blocks_find(const blocks_t *b, uint64_t id) noexcept nogil  # 0: not live
cdef bint blocks_put(blocks_t *b, uint64_t id, vaddr_t mem) noexcept nogil  # false: the host has no memory
cdef void blocks_drop(blocks_t *b, uint64_t id) noexcept nogil
cdef void blocks_free(blocks_t *b) noexcept nogil
