"""Open addressing; what is removed leaves no gap, so a long trace of short lives stays as small as its live blocks are."""

from libc.stdlib cimport calloc, free

cdef enum:
    FIRST_SLOTS = 1024


cdef inline uint64_t place_of(const blocks_t *b, uint64_t id) noexcept nogil:
    cdef uint64_t h = id * <uint64_t>0x9e3779b97f4a7c15
    return (h ^ h >> 32) & b.mask


cdef vaddr_t blocks_find(const blocks_t *b, uint64_t id) noexcept nogil:
    cdef uint64_t i
    if b.at == NULL:
        return 0
    i = place_of(b, id)
    while b.at[i].mem:
        if b.at[i].id == id:
            return b.at[i].mem
        i = (i + 1) & b.mask
    return 0


cdef void insert(blocks_t *b, uint64_t id, vaddr_t mem) noexcept nogil:
    cdef uint64_t i = place_of(b, id)
    while b.at[i].mem and b.at[i].id != id:
        i = (i + 1) & b.mask
    b.nr += b.at[i].mem == 0
    b.at[i].id = id
    b.at[i].mem = mem


cdef bint blocks_put(blocks_t *b, uint64_t id, vaddr_t mem) noexcept nogil:
    cdef blocks_t larger
    cdef uint64_t i
    if b.at == NULL or b.nr * 2 > b.mask:
        larger.mask = FIRST_SLOTS - 1 if b.at == NULL else b.mask * 2 + 1
        larger.nr = 0
        larger.at = <block_t *>calloc(larger.mask + 1, sizeof(block_t))
        if larger.at == NULL:
            return False
        if b.at != NULL:
            for i in range(b.mask + 1):
                if b.at[i].mem:
                    insert(&larger, b.at[i].id, b.at[i].mem)
        free(b.at)
        b[0] = larger
    insert(b, id, mem)
    return True


cdef void blocks_drop(blocks_t *b, uint64_t id) noexcept nogil:
    cdef uint64_t i, j, home
    if b.at == NULL:
        return
    i = place_of(b, id)
    while b.at[i].mem and b.at[i].id != id:
        i = (i + 1) & b.mask
    if b.at[i].mem == 0:
        return
    b.nr -= 1
    j = i
    while True:  # those behind move up, each as far as its own place allows
        j = (j + 1) & b.mask
        if b.at[j].mem == 0:
            break
        home = place_of(b, b.at[j].id)
        if ((j - home) & b.mask) >= ((j - i) & b.mask):
            b.at[i] = b.at[j]
            i = j
    b.at[i].mem = 0


cdef void blocks_free(blocks_t *b) noexcept nogil:
    free(b.at)
    b.at = NULL
    b.mask = b.nr = 0
