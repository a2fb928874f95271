# cython: language_level=3
"""fsck at the door: every room's checks in turn, and what each says in words.

Apart from _core, and imported when a machine is checked.
"""

from libc.stdint cimport uint32_t, uint64_t

from vmtool._state cimport State
from vmtool.mm.arena cimport ARENA_LOOP, ARENA_OK, ARENA_RANGE, arena_t, pool_name
from vmtool.mm.checks cimport fsck_check_t, fsck_report_fn
from vmtool.mm.fsck_cache cimport fsck_cache, fsck_cache_check
from vmtool.mm.fsck_entries cimport fsck_entries, fsck_entries_check
from vmtool.mm.fsck_kernel cimport fsck_kernel, fsck_kernel_check
from vmtool.mm.fsck_kmem cimport fsck_kmem, fsck_kmem_check
from vmtool.mm.fsck_lru cimport fsck_lru, fsck_lru_check
from vmtool.mm.fsck_memcg cimport fsck_memcg, fsck_memcg_check
from vmtool.mm.fsck_phys cimport fsck_phys, fsck_phys_check
from vmtool.mm.fsck_records cimport fsck_records, fsck_records_check
from vmtool.mm.fsck_slab cimport fsck_slab, fsck_slab_check
from vmtool.mm.fsck_space cimport fsck_space, fsck_space_check
from vmtool.mm.fsck_swap cimport fsck_swap, fsck_swap_check
from vmtool.mm.fsck_tlb cimport fsck_tlb, fsck_tlb_check
from vmtool.mm.types cimport POOL_LIBC

ctypedef void (*check_fn)(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil
ctypedef const fsck_check_t *(*nth_fn)(uint32_t i) noexcept nogil

cdef struct room_t:
    check_fn check
    nth_fn nth

cdef enum:
    NR_ROOMS = 12

cdef room_t ROOMS[NR_ROOMS]
ROOMS[:] = [room_t(fsck_records, fsck_records_check),
            room_t(fsck_phys, fsck_phys_check),
            room_t(fsck_tlb, fsck_tlb_check),
            room_t(fsck_kernel, fsck_kernel_check),
            room_t(fsck_lru, fsck_lru_check),
            room_t(fsck_swap, fsck_swap_check),
            room_t(fsck_slab, fsck_slab_check),
            room_t(fsck_kmem, fsck_kmem_check),
            room_t(fsck_cache, fsck_cache_check),
            room_t(fsck_space, fsck_space_check),
            room_t(fsck_entries, fsck_entries_check),
            room_t(fsck_memcg, fsck_memcg_check)]

MOST_LINES = 1000  # of one check


cdef void collect(void *ctx, const char *name, uint64_t a, uint64_t b) noexcept nogil:
    with gil:
        note(<dict>ctx, name.decode(), pool_name(<int>a).decode() if name[:7] == b"record-" else a, b)


cdef void note(dict found, name, a, b):
    """One line of fsck under its check; of a great many only how many there are."""
    lines = found.setdefault(name, [0])
    lines[0] += 1
    if lines[0] <= MOST_LINES:
        lines.append((a, b))


def sentences():
    """What each check says; {0} and {1} stand for its numbers."""
    cdef uint32_t room, i
    found = {}
    for room in range(NR_ROOMS):
        i = 0
        while ROOMS[room].nth(i) != NULL:
            found[ROOMS[room].nth(i).name.decode()] = ROOMS[room].nth(i).text.decode()
            i += 1
    found["record-range"] = "{0} record {1} is referred to, but not there"
    found["record-loop"] = "{0} record {1} does not lead where it stands in its list or tree"
    return found


def fsck_names(State m):
    from vmtool import _heap
    return [*sentences(), *_heap.fsck_sentences()]


def fsck(State m):
    cdef uint32_t room
    found = {}
    for room in range(NR_ROOMS):
        ROOMS[room].check(&m.a, collect, <void *>found)
    if m.a.err in (ARENA_RANGE, ARENA_LOOP):  # a wrong reference was followed: that is a finding here, not the end
        note(found, "record-range" if m.a.err == ARENA_RANGE else "record-loop", pool_name(m.a.err_pool).decode(), m.a.err_index)
        m.a.err = ARENA_OK
    m.check()
    text = sentences()
    told = []
    for name, lines in found.items():
        told += [f"{name}: {text[name].format(a, b)}" for a, b in lines[1:]]
        if lines[0] > MOST_LINES:
            told.append(f"{name}: and {lines[0] - MOST_LINES} more")
    if m.a.pool[POOL_LIBC].count > 1:
        from vmtool import _heap
        told += _heap.fsck(m)
    return told
