# cython: language_level=3
"""The machine's arena as a Python object: loading, dirty chunks, commit."""

from libc.stdint cimport uint8_t, uint32_t

from vmtool.mm.arena cimport arena_t

cdef enum:
    PATH_MAX = 4096  # bytes of a path with its NUL

cdef class State:
    cdef arena_t a
    cdef object load_chunk  # callable(pool, chunk) -> bytes or None
    cdef object load_error  # what it raised
    # cdef, as a subclass in Python may have names of its own
    cdef int take_over(self, header) except -1
    cdef int check_count(self, int pool, uint32_t count) except -1
    cdef int fail(self) except -1
    cdef int checked(self) except -1  # check() and mark_machine() for the rooms: no attribute is looked up
    cdef void mark(self) noexcept
    cdef list marked(self, uint8_t mask, uint8_t wanted)
