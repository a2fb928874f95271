# cython: language_level=3
"""Text in memory of the host's that grows: what a long trace prints, line by line."""

from libc.stdint cimport uint64_t

cdef struct text_t:
    char *at
    uint64_t len
    uint64_t cap
    bint lost  # the host had no memory for it

cdef void text_free(text_t *t) noexcept nogil
cdef bint text_room(text_t *t, uint64_t more) noexcept nogil  # for so many bytes more; false: the host has no memory, and t.lost is set
cdef void put_text(text_t *t, const char *text) noexcept nogil
cdef void put_dec(text_t *t, uint64_t n) noexcept nogil
cdef void put_hex(text_t *t, uint64_t n) noexcept nogil

cdef inline void put_char(text_t *t, char c) noexcept nogil:
    if t.len < t.cap or text_room(t, 1):
        t.at[t.len] = c
        t.len += 1
