# cython: language_level=3
"""The kernel's half of the address space, as its tables have it: runs of entries of one level with the same bits.

    ffff888000000000 | 2M of 4K, RW NX | 1008M of 2M, RW NX | nothing ... | ffffc90000000000 | a stack | guard | ...
Counterpart: Linux v6.18 mm/ptdump.c:ptdump_walk_pgd(), arch/x86/mm/dump_pagetables.c:note_page().
"""

from libc.stdlib cimport realloc

from vmtool.mm.arch cimport ARCH_PAIRED, is_arm64, level_index, level_size
from vmtool.mm.arch_arm cimport ARM_SECTION_SHIFT
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init_kernel, walk_page_range
from vmtool.mm.arch_arm64 cimport PTE_CONT_BIT
from vmtool.mm.contpte cimport pte_valid_cont
from vmtool.mm.linear_map cimport linear_untouched
from vmtool.mm.pte cimport entry_load, entry_raw

cdef enum:
    FIRST_ROOM = 256


cdef uint64_t prot_of(const arch_t *g, pte_t e) noexcept nogil:
    return e & ~g.pfn_mask if e & g.present else 0


cdef void note(arena_t *a, kernel_runs_t *k, vaddr_t start, vaddr_t last, int level, uint64_t prot) noexcept nogil:
    """One entry: it goes on with the run before it, or begins one."""
    cdef kernel_run_t *run = &k.at[k.nr - 1] if k.nr else NULL
    cdef kernel_run_t *grown
    cdef bint border = False
    while k.next_border < k.nr_borders and start >= k.borders[k.next_border]:
        k.next_border += 1
        border = True
    if run != NULL and not border and run.level == level and run.prot == prot and run.last + 1 == start:
        run.last = last
        return
    if k.nr == k.room:
        grown = <kernel_run_t *>realloc(k.at, (2 * k.room if k.room else <uint64_t>FIRST_ROOM) * sizeof(kernel_run_t))
        if grown == NULL:
            k.failed = True
            return
        k.at = grown
        k.room = 2 * k.room if k.room else <uint64_t>FIRST_ROOM
    run = &k.at[k.nr]
    k.nr += 1
    run.start = start
    run.last = last
    run.level = level
    run.prot = prot


cdef inline vaddr_t last_of(vaddr_t next) noexcept nogil:
    return next if next == ~<vaddr_t>0 else next - 1  # the walk's end is the space's last address


cdef void note_entry(mm_walk_t *w, vaddr_t addr, vaddr_t last, int level, pte_t e) noexcept nogil:
    """Of a pair the words apart, as they stand in memory (arm's walk_pmd())."""
    cdef kernel_runs_t *k = <kernel_runs_t *>w.private
    cdef const arch_t *g = &w.a.m.arch
    cdef uint64_t section = <uint64_t>1 << ARM_SECTION_SHIFT
    cdef pte_t raw
    if not g.flags & ARCH_PAIRED:
        note(w.a, k, addr, last, level, prot_of(g, e))
        return
    while addr <= last:
        raw = entry_raw(w.a, w.a.m.kernel_pgd, level_index(g, level, addr), level)
        note(w.a, k, addr, addr + section - 1, level, (raw >> 32 if addr & section else raw & <pte_t>0xFFFFFFFF) & (section - 1))
        addr += section


cdef int note_ptes(mm_walk_t *w, vaddr_t addr, vaddr_t next, pfn_t table) noexcept nogil:
    cdef kernel_runs_t *k = <kernel_runs_t *>w.private
    cdef const arch_t *g = &w.a.m.arch
    cdef uint64_t size = level_size(g, 0)
    cdef uint32_t i, first = level_index(g, 0, addr)
    cdef uint64_t prot
    if linear_untouched(w.a, table) and entry_load(w.a, table, level_index(g, 0, last_of(next)), 0):
        note(w.a, k, addr, last_of(next), 0, prot_of(g, entry_load(w.a, table, first, 0)))
        return -1 if k.failed else 0
    for i in range(<uint32_t>((last_of(next) - addr) // size) + 1):
        prot = prot_of(g, entry_load(w.a, table, first + i, 0))
        if is_arm64(g) and pte_valid_cont(entry_raw(w.a, table, first + i, 0)):
            prot |= <uint64_t>1 << PTE_CONT_BIT  # which mm reads past
        if g.flags & ARCH_PAIRED:
            prot = entry_raw(w.a, table, first + i, 0) & ~(g.pfn_mask | g.pfn_mask << 32)
        note(w.a, k, addr + i * size, addr + i * size + size - 1, 0, prot)
    return -1 if k.failed else 0


cdef int note_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    cdef kernel_runs_t *k = <kernel_runs_t *>w.private
    note_entry(w, addr, last_of(next), level, e)
    return -1 if k.failed else 0


cdef int note_hole(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level) noexcept nogil:
    cdef kernel_runs_t *k = <kernel_runs_t *>w.private
    note_entry(w, addr, last_of(next), level, 0)
    return -1 if k.failed else 0


cdef void kernel_runs(arena_t *a, pfn_t root, kernel_runs_t *out) noexcept nogil:
    cdef mm_walk_t w
    cdef vaddr_t end = ~<vaddr_t>0 if a.m.arch.entry_bytes == 8 and a.m.arch.va_bits > 32 else <vaddr_t>1 << 32
    out.at = NULL
    out.nr = 0
    out.room = 0
    out.failed = False
    out.next_border = 0
    walk_init_kernel(&w, a, root, out)
    w.table = note_ptes
    w.leaf = note_leaf
    w.hole = note_hole
    walk_page_range(&w, a.m.arch.kernel_start, end)
