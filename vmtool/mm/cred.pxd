# cython: language_level=3
"""Credentials: who a task acts as, and who opened a file."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef idx_t cred_alloc(arena_t *a) noexcept nogil  # usage 1; 0: no memory
cdef idx_t cred_get(arena_t *a, idx_t cred) noexcept nogil  # one user more of it (0: none); returns it
cdef void cred_put(arena_t *a, idx_t cred) noexcept nogil  # the last user's goodbye frees it
