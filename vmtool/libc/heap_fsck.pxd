# cython: language_level=3
"""What must hold of the C library's variables in every address space. A program can spoil its chunks; these records it cannot reach."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

ctypedef void (*heap_report_fn)(void *ctx, const char *name, uint64_t first, uint64_t second) noexcept nogil

cdef void heap_fsck(arena_t *a, heap_report_fn report, void *ctx) noexcept nogil
cdef const char *heap_fsck_name(uint32_t i) noexcept nogil  # of the i-th check; NULL behind the last
cdef const char *heap_fsck_text(uint32_t i) noexcept nogil
