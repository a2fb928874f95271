# cython: language_level=3
"""Faulting pages in on a process's behalf: mlock, MAP_POPULATE, MADV_POPULATE."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

# Preconditions of all: start and end are page-aligned. Counts: what the faults count. The caller fetches records again after.

# A range within one area; written to where that is private and writable (no second fault later), else read. flags: FAULT_UNLOCKABLE or 0.
# 0, -EFAULT: the access is forbidden, or would be SIGBUS or SIGSEGV; -ENOMEM: a fault had no memory.
cdef int64_t populate_vma_page_range(arena_t *a, idx_t v, vaddr_t start, vaddr_t end, uint32_t flags) noexcept nogil
# The areas of a range, holes left out. 0, or, unless errors are ignored, -EFAULT, -ENOMEM of the first area that has one.
cdef int64_t mm_populate(arena_t *a, idx_t mm, vaddr_t start, uint64_t length, bint ignore_errors) noexcept nogil
# MADV_POPULATE_READ or _WRITE. 0, -ENOMEM: a hole, or no memory; -EINVAL: the access is forbidden; -EFAULT: it would be SIGBUS or SIGSEGV.
cdef int64_t faultin_page_range(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end, bint write) noexcept nogil
