# cython: language_level=3
"""Hexadecimal numbers in text, at C speed: for the readers of traces and of maps."""

from libc.stdint cimport uint64_t

cdef inline int hex_digit(char c) noexcept nogil:
    """Its value, -1 when it is none."""
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    if 65 <= c <= 70:
        return c - 55
    return -1

cdef inline const char *read_hex(const char *p, const char *end, uint64_t *out) noexcept nogil:
    """Reads hex digits, at most 16; NULL when there are none or too many."""
    cdef const char *start = p
    cdef uint64_t value = 0
    cdef int digit
    while p < end:
        digit = hex_digit(p[0])
        if digit < 0:
            break
        value = (value << 4) | <uint64_t>digit
        p += 1
    if p == start or p - start > 16:
        return NULL
    out[0] = value
    return p
