# cython: language_level=3
"""Entries of formats that look otherwise in memory than mm reads them: fetched and put as they stand there, decoded and encoded on the way."""

from vmtool.mm.arch cimport ARCH_PAIRED, ARCH_SPLIT_ROOT, is_arm64
from vmtool.mm.arch_arm cimport ARM_TABLE_WORDS, arm_fetch, arm_put
from vmtool.mm.contpte cimport NR_CONT_LEVELS, contpte_get, contpte_set
from vmtool.mm.linear_map cimport linear_entry


cdef inline pte_t fetch(const arch_t *g, const char *bytes, uint32_t index, int level) noexcept nogil:
    if g.entry_bytes == 8:
        return (<const uint64_t *>bytes)[index]
    return arm_fetch(bytes, index, level) if g.flags & ARCH_PAIRED else (<const uint32_t *>bytes)[index]


cdef inline void put(const arch_t *g, char *bytes, uint32_t index, int level, pte_t raw) noexcept nogil:
    if g.entry_bytes == 8:
        (<uint64_t *>bytes)[index] = raw
    elif g.flags & ARCH_PAIRED:
        arm_put(bytes, index, level, raw)
    else:
        (<uint32_t *>bytes)[index] = <uint32_t>raw


cdef pfn_t table_page(const arch_t *g, pfn_t table, uint32_t *index, int level) noexcept nogil:
    if level == <int>g.levels - 1:  # pairs of words: as many to a page as there are 8-byte entries
        table += index[0] // ARM_TABLE_WORDS
        index[0] %= ARM_TABLE_WORDS
    return table


cdef pte_t entry_raw(arena_t *a, pfn_t table, uint32_t index, int level) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef idx_t c
    if g.top_order:
        table = table_page(g, table, &index, level)
    c = frame_at(a, table).content
    if c == 0:
        return linear_entry(a, table, index) if g.flags & ARCH_SPLIT_ROOT else 0
    return fetch(g, content_at(a, c), index, level)


cdef void entry_store_raw(arena_t *a, pfn_t table, uint32_t index, int level, pte_t raw) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef frame_t *f = frame_mut(a, table)
    cdef char *bytes
    if g.top_order:
        table = table_page(g, table, &index, level)
    bytes = page_bytes_mut(a, table)
    f.index_lo += <uint32_t>(raw != 0) - <uint32_t>(fetch(g, bytes, index, level) != 0)
    put(g, bytes, index, level, raw)


cdef pte_t entry_load_there(arena_t *a, pfn_t table, uint32_t index, int level) noexcept nogil:
    cdef pte_t raw = entry_raw(a, table, index, level)
    cdef idx_t c
    if raw and level < NR_CONT_LEVELS and is_arm64(&a.m.arch):
        c = frame_at(a, table).content
        if c:
            raw = contpte_get(&a.m.arch, level, <const uint64_t *>content_at(a, c), index)
    return entry_decode(&a.m.arch, level, raw) if raw else 0


cdef pte_t entry_exchange_there(arena_t *a, char *bytes, uint32_t index, int level, pte_t value) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef pte_t old = fetch(g, bytes, index, level)
    cdef pte_t raw = entry_encode(g, level, value) if value else 0
    if level < NR_CONT_LEVELS and is_arm64(g):
        contpte_set(a, level, <uint64_t *>bytes, index, raw)
    else:
        put(g, bytes, index, level, raw)
    return old


cdef pte_t ptes_load_there(const arch_t *g, const char *bytes, uint32_t index) noexcept nogil:
    cdef pte_t raw = fetch(g, bytes, index, 0)
    if raw and is_arm64(g):
        raw = contpte_get(g, 0, <const uint64_t *>bytes, index)
    return entry_decode(g, 0, raw) if raw else 0
