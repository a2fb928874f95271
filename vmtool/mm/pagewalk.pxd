# cython: language_level=3
"""The walk over the tables of a range of addresses: what all do who read or change many entries.

    addr         next
    |  table      |  hole        |  leaf       |  table ...          one call each, in the order of addresses
Counterpart: Linux v6.18 include/linux/pagewalk.h. A PTE table is handed over whole, for the caller's loop over its entries is where the time goes.
"""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.pte cimport *
from vmtool.mm.types cimport *

# Callbacks for addr..next: 0, -errno (ends the walk), or WALK_AGAIN: the entry was split or removed, look again.
ctypedef int (*walk_table_fn)(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil
ctypedef int (*walk_leaf_fn)(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil
ctypedef int (*walk_hole_fn)(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level) noexcept nogil

cdef enum:
    WALK_AGAIN = 1

cdef struct mm_walk_t:
    arena_t *a
    mm_t *mm  # NULL: the kernel's own
    pfn_t root
    vaddr_t limit  # an area of a damaged file may reach anywhere: here the walk ends
    idx_t v  # the area it is for, 0: none
    void *private  # the caller's
    walk_table_fn table  # a PTE table; NULL: passed by, as the others
    # An entry of `level` that maps addr..next, or more, itself. In an area of hugetlb any of its pages, whole: one, or a block of entries, also of PTEs.
    walk_leaf_fn leaf
    walk_hole_fn hole  # the entry of `level` leads nowhere; of hugetlb only where it is a page's own that is none

cdef inline void walk_init(mm_walk_t *w, arena_t *a, mm_t *mm, idx_t v, void *private) noexcept nogil:
    w.a = a
    w.mm = mm
    w.root = mm.pgd
    w.limit = a.m.arch.task_size
    w.v = v
    w.private = private
    w.table = NULL
    w.leaf = NULL
    w.hole = NULL

cdef inline void walk_init_kernel(mm_walk_t *w, arena_t *a, pfn_t root, void *private) noexcept nogil:
    w.a = a
    w.mm = NULL
    w.root = root
    w.limit = ~<vaddr_t>0
    w.v = 0
    w.private = private
    w.table = NULL
    w.leaf = NULL
    w.hole = NULL

# start..end, as far as w.limit. 0 or what a callback returned below 0.
cdef int walk_page_range(mm_walk_t *w, vaddr_t start, vaddr_t end) noexcept nogil
