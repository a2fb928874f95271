# cython: language_level=3
"""The kernel's log. Counterpart: Linux v6.18 kernel/printk/printk.c."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:
    KMSG_TEXT = 240  # bytes a record; a longer line goes on in the next
    KMSG_CONT = 0x100  # in kmsg_t.level: goes on
    KMSG_MOST = 8192  # records kept

cdef void printk(arena_t *a, const char *line) noexcept nogil
