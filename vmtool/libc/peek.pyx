"""A page is copied when the first word of it is asked for, and kept for the next."""

from libc.string cimport memset

from vmtool.libc.layout cimport PAGE, SIZEOF_ARENA, SIZE_SZ
from vmtool.mm.access cimport peek_bytes


cdef void peek_open(peek_t *k, libc_t *l) noexcept nogil:
    k.l = l
    k.page = 1


cdef uint64_t peek_slow(peek_t *k, vaddr_t at) noexcept nogil:
    cdef uint64_t off = at - k.l.main_arena, word = 0
    if off <= SIZEOF_ARENA - 8:
        return (<uint64_t *>(<char *>&k.l.d.main_arena + off))[0]
    if (at & PAGE - 1) > PAGE - SIZE_SZ:
        peek_bytes(k.l.a, k.l.mm, at, <char *>&word, 8)
        return word
    k.page = at & ~<uint64_t>(PAGE - 1)
    memset(k.bytes, 0, PAGE)
    peek_bytes(k.l.a, k.l.mm, k.page, k.bytes, PAGE)
    return (<uint64_t *>(k.bytes + (at & PAGE - 1)))[0]
