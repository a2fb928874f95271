# cython: language_level=3
"""The invariants of pools: a record is in use or on its pool's free list, and what no room counts belongs to one thing.

Counterpart: Linux's kmemleak and SLUB's consistency checks ask the same of the kernel's objects. Other rooms of fsck count what refers to a
record where Linux counts it (open files, credentials, groups); strings, nodes of trees and lists of who pays have no count, so who has each is
looked up here.
"""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from vmtool.mm.arena cimport ARENA_NOMEM, arena_fail, inode_at, memcg_at, rec_at, rec_is_live, vma_at
from vmtool.mm.checks cimport nth_check

cdef enum:
    CHECK_FREE
    CHECK_LOST
    CHECK_OWNER
    NR_CHECKS

cdef fsck_check_t CHECKS[NR_CHECKS]
CHECKS[CHECK_FREE] = fsck_check_t(b"record-free", b"the free list of {0} records is not as long as it says, or holds one that is in use: record {1}")
CHECKS[CHECK_LOST] = fsck_check_t(b"record-lost", b"{0} record {1} is neither in use nor on the free list")
CHECKS[CHECK_OWNER] = fsck_check_t(b"record-owner", b"{0} record {1} belongs to nothing, or to two, or is not in use and belongs to something")

cdef enum:
    NR_FREED = 18
    XNODE_LEVELS = 11  # of 64 slots each: an index has 64 bits

# Pools whose records rec_free() takes back. Those of slab_obj_exts may be all zeros (rec_is_live()): their slabs tell.
cdef uint32_t FREED[NR_FREED]
FREED[:] = [POOL_VMA, POOL_MM, POOL_TASK, POOL_ANON_VMA, POOL_AVC, POOL_INODE, POOL_XNODE, POOL_FILE, POOL_NAME, POOL_SLAB, POOL_MEMCG, POOL_LIBC,
            POOL_SHEAF, POOL_MAPLE, POOL_VMAP, POOL_CRED, POOL_KMEM, POOL_OBJ_EXTS]

cdef struct fsck_t:  # one run, and a pool of it
    arena_t *a
    fsck_report_fn report
    void *ctx
    int pool
    uint8_t *seen  # by record


cdef const fsck_check_t *fsck_records_check(uint32_t i) noexcept nogil:
    return nth_check(&CHECKS[0], NR_CHECKS, i)


cdef void bad(fsck_t *f, int check, idx_t record) noexcept nogil:
    f.report(f.ctx, CHECKS[check].name, <uint64_t>f.pool, record)


cdef void fsck_records(arena_t *a, fsck_report_fn report, void *ctx) noexcept nogil:
    cdef fsck_t f
    cdef uint32_t i
    f.a, f.report, f.ctx = a, report, ctx
    for i in range(NR_FREED):
        f.pool = <int>FREED[i]
        f.seen = <uint8_t *>calloc(a.pool[f.pool].count + 1, 1)
        if f.seen == NULL:
            arena_fail(a, ARENA_NOMEM, f.pool, 0)
            return
        check_free_list(&f)
        if f.pool == POOL_NAME or f.pool == POOL_XNODE or f.pool == POOL_OBJ_EXTS:
            check_owners(&f)
        free(f.seen)


cdef void check_free_list(fsck_t *f) noexcept nogil:
    cdef uint32_t n = 0, count = f.a.pool[f.pool].count
    cdef idx_t at = f.a.pool[f.pool].free_head
    while at and at < count and not f.seen[at] and not rec_is_live(f.a, f.pool, at):
        f.seen[at] = 1
        n += 1
        at = (<uint32_t *>rec_at(f.a, f.pool, at))[0]
    if at or n != f.a.pool[f.pool].nr_free:
        bad(f, CHECK_FREE, at)
    elif f.pool != POOL_OBJ_EXTS:
        for at in range(1, count):
            if not f.seen[at] and not rec_is_live(f.a, f.pool, at):
                bad(f, CHECK_LOST, at)


# --- what has no count -----------------------------------------------------------------------------------------------


cdef void check_owners(fsck_t *f) noexcept nogil:
    """Each record that is on no free list is found once from what owns it."""
    cdef arena_t *a = f.a
    cdef uint32_t count = a.pool[f.pool].count
    cdef idx_t i
    if f.pool == POOL_OBJ_EXTS:  # the free list is the only witness
        for i in range(1, a.pool[POOL_SLAB].count):
            claim(f, (<slab_t *>rec_at(a, POOL_SLAB, i)).obj_exts)
        for i in range(1, count):
            if not f.seen[i]:
                bad(f, CHECK_OWNER, i)
        return
    memset(f.seen, 0, count)
    if f.pool == POOL_NAME:
        claim_names(f)
    else:
        claim_trees(f)
    for i in range(1, count):
        if not f.seen[i] and rec_is_live(a, f.pool, i):
            bad(f, CHECK_OWNER, i)


cdef bint claim(fsck_t *f, idx_t i) noexcept nogil:
    """Somebody has record i (0: nothing). True: it is there, and nobody else's so far."""
    if i == 0:
        return False
    if i >= f.a.pool[f.pool].count or f.seen[i] or not (rec_is_live(f.a, f.pool, i) or f.pool == POOL_OBJ_EXTS):
        bad(f, CHECK_OWNER, i)
        return False
    f.seen[i] = 1
    return True


cdef void claim_name(fsck_t *f, idx_t i) noexcept nogil:
    while claim(f, i):
        i = (<name_t *>rec_at(f.a, POOL_NAME, i)).next


cdef void claim_names(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef idx_t i
    for i in range(1, a.pool[POOL_INODE].count):
        claim_name(f, inode_at(a, i).name)
    for i in range(1, a.pool[POOL_VMA].count):
        claim_name(f, vma_at(a, i).anon_name)
    for i in range(1, a.pool[POOL_MEMCG].count):
        claim_name(f, memcg_at(a, i).name)
    claim_name(f, a.m.sysroot)


cdef void claim_tree(fsck_t *f, idx_t i, int levels) noexcept nogil:
    cdef const xnode_t *n
    cdef uint32_t slot
    if levels and claim(f, i):
        n = <const xnode_t *>rec_at(f.a, POOL_XNODE, i)
        for slot in range(XNODE_SLOTS if n.shift else 0):
            claim_tree(f, n.slot[slot], levels - 1)


cdef void claim_trees(fsck_t *f) noexcept nogil:
    cdef arena_t *a = f.a
    cdef idx_t i
    for i in range(1, a.pool[POOL_INODE].count):
        claim_tree(f, inode_at(a, i).i_pages, XNODE_LEVELS)
        claim_tree(f, inode_at(a, i).blocks, XNODE_LEVELS)
        claim_tree(f, inode_at(a, i).holes, XNODE_LEVELS)
        claim_tree(f, inode_at(a, i).huge_pages, XNODE_LEVELS)
    claim_tree(f, a.m.pid_idr, XNODE_LEVELS)
    claim_tree(f, a.m.asid_map, XNODE_LEVELS)
