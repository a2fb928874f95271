# cython: language_level=3
"""The fields of the records by name: where each lies in its record. For tests, which look at them and damage them."""

from vmtool.mm.types cimport *

cdef struct field_t:
    int pool
    const char *name
    Py_ssize_t offset
    uint32_t bytes
    uint32_t count  # elements, when it is an array
    uint32_t stride  # from one element to the next
    bint is_signed

# The pool's field of that name; NULL: it has none.
cdef const field_t *find_field(int pool, const char *name) noexcept nogil
