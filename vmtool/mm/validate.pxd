# cython: language_level=3
"""What every operation takes for granted of a machine's own records: checked once, when a saved machine is opened."""

from vmtool.mm.arena cimport arena_t

cdef const char *machine_validate(arena_t *a) noexcept nogil  # what cannot be, NULL when all is well (and a.err, when a CPU cannot be read)
