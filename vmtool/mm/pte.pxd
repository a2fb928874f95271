# cython: language_level=3
"""Level 3. The entries of one table, for loops over many of them: load, and store that keeps the table's count.

A table's frame counts its non-zero entries in index_lo; a table without contents holds only zeros.
"""

from vmtool.mm.arena cimport arena_t, content_at, content_mut, frame_at, frame_mut
from vmtool.mm.frame cimport page_bytes_mut
from vmtool.mm.types cimport *

cdef inline pte_t pte_load(arena_t *a, pfn_t table, uint32_t index) noexcept nogil:
    cdef idx_t c = frame_at(a, table).content
    if c == 0:
        return 0
    if a.m.arch.entry_bytes == 8:
        return (<uint64_t *>content_at(a, c))[index]
    return (<uint32_t *>content_at(a, c))[index]

cdef inline void pte_store(arena_t *a, pfn_t table, uint32_t index, pte_t value) noexcept nogil:
    cdef frame_t *f = frame_mut(a, table)
    cdef char *bytes = content_mut(a, f.content) if f.content else page_bytes_mut(a, table)
    cdef pte_t old
    if a.m.arch.entry_bytes == 8:
        old = (<uint64_t *>bytes)[index]
        (<uint64_t *>bytes)[index] = value
    else:
        old = (<uint32_t *>bytes)[index]
        (<uint32_t *>bytes)[index] = <uint32_t>value
    f.index_lo += <uint32_t>(value != 0) - <uint32_t>(old != 0)
