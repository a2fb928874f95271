"""A page is copied when the first word of it is asked for, and kept for the next."""

from libc.string cimport memset

from vmtool.libc.layout cimport SIZEOF_ARENA
from vmtool.mm.access cimport peek_bytes


cdef void peek_open(peek_t *k, libc_t *l) noexcept nogil:
    k.l = l
    k.page = 1


cdef uint64_t peek_slow(peek_t *k, vaddr_t at) noexcept nogil:
    cdef uint64_t off = at - k.l.main_arena, word = 0
    if off <= SIZEOF_ARENA - 8:
        return (<uint64_t *>(<char *>&k.l.d.main_arena + off))[0]
    if (at & 4095) > 4088:
        peek_bytes(k.l.a, k.l.mm, at, <char *>&word, 8)
        return word
    k.page = at & ~<uint64_t>4095
    memset(k.bytes, 0, 4096)
    peek_bytes(k.l.a, k.l.mm, k.page, k.bytes, 4096)
    return (<uint64_t *>(k.bytes + (at & 4095)))[0]
