# cython: language_level=3
"""What must hold of maple trees, areas of vmalloc, credentials and the IDR of PIDs. Looks at everything, changes nothing."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.checks cimport fsck_check_t, fsck_report_fn
from vmtool.mm.types cimport *

cdef void fsck_kmem(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
cdef const fsck_check_t *fsck_kmem_check(uint32_t i) noexcept nogil  # the i-th; NULL behind the last
