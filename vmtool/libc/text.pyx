"""Characters, decimal and hexadecimal numbers at the end of a text."""

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, strlen

cdef enum:
    FIRST_BYTES = 65536


cdef void text_free(text_t *t) noexcept nogil:
    free(t.at)
    t.at = NULL
    t.len = t.cap = 0


cdef bint text_room(text_t *t, uint64_t more) noexcept nogil:
    cdef uint64_t cap = t.cap * 2 if t.cap else FIRST_BYTES
    cdef char *grown
    if t.len + more <= t.cap:
        return True
    while cap < t.len + more:
        cap *= 2
    grown = <char *>realloc(t.at, cap)
    if grown == NULL:
        t.lost = True
        return False
    t.at = grown
    t.cap = cap
    return True


cdef void put_text(text_t *t, const char *text) noexcept nogil:
    cdef uint64_t n = strlen(text)
    if text_room(t, n):
        memcpy(t.at + t.len, text, n)
        t.len += n


cdef void put_number(text_t *t, uint64_t n, uint64_t base) noexcept nogil:
    cdef char digits[24]
    cdef int i = 24
    cdef uint64_t d
    while True:
        d = n % base
        i -= 1
        digits[i] = <char>(c'0' + d if d < 10 else c'a' + d - 10)
        n //= base
        if n == 0:
            break
    if text_room(t, 24 - i):
        memcpy(t.at + t.len, &digits[i], 24 - i)
        t.len += 24 - i


cdef void put_dec(text_t *t, uint64_t n) noexcept nogil:
    put_number(t, n, 10)


cdef void put_hex(text_t *t, uint64_t n) noexcept nogil:
    put_number(t, n, 16)
