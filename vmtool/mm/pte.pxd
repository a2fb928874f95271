# cython: language_level=3
"""Level 3. Entries: building and reading one; the entries of one table, for loops over many of them.

Here so that they are inline: every fault builds one, and fork and unmap read each. A table's frame counts its non-zero entries in
index_lo; a table without contents holds only zeros. What an entry is, is told by pte_class() and pmd_class() alone; readers switch on it.

Not present, x86-64:  63-59 swap type | 58-9 swap offset, inverted | 8 0 | 7 0 | 6-4 0 | 3 exclusive | 2 uffd-wp | 1 soft-dirty | 0 0
"""

from vmtool.mm.arch cimport X86_SPECIAL, pte_pfn, user_nx
from vmtool.mm.arena cimport arena_t, content_at, content_mut, frame_at, frame_mut
from vmtool.mm.frame cimport page_bytes_mut
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *

cdef enum:  # entry_class
    ENTRY_NONE  # zero
    ENTRY_PAGE  # present, a page that has its struct page (vm_normal_page)
    ENTRY_SPECIAL  # present, without one: the zero page, vvar
    ENTRY_TABLE  # above the PTEs: points to a table
    ENTRY_HUGE  # above the PTEs: maps a page itself (the huge zero page is special, too)
    ENTRY_SWAP  # the slot of a swap area
    ENTRY_MIGRATION  # a page on its way
    ENTRY_MARKER  # a guard, a poisoned place
    ENTRY_BAD  # nothing that this kernel makes

cdef enum:  # the offset of a marker
    PTE_MARKER_POISONED = 2
    PTE_MARKER_GUARD = 4

cdef enum:  # not-present entries, x86-64
    X86_SWP_TYPE_SHIFT = 59
    X86_SWP_TYPE_BITS = 5
    X86_SWP_OFFSET_SHIFT = 14
    X86_SWP_SOFT_DIRTY = 0x2
    X86_SWP_UFFD_WP = 0x4
    X86_SWP_EXCLUSIVE = 0x8

# --- one entry -----------------------------------------------------------------------------------------------------

cdef inline pte_t pte_protection(const arch_t *g, uint64_t vm_flags) noexcept nogil:
    """vm_get_page_prot() less the write bit, which the fault handler adds."""
    cdef pte_t bits = 0 if vm_flags & VM_EXEC else user_nx(g)
    if vm_flags & (VM_READ | VM_WRITE | VM_EXEC):
        return bits | g.present | g.user | g.accessed
    return bits | g.is_global | g.accessed  # PAGE_NONE: present for the kernel (_PAGE_PROTNONE), not for the processor

cdef inline pte_t mk_pte(arena_t *a, pfn_t pfn, uint64_t vm_flags) noexcept nogil:
    """Accessed, not writable, not dirty."""
    return (<pte_t>pfn << a.m.arch.page_shift) | pte_protection(&a.m.arch, vm_flags)

cdef inline pte_t pte_mkwrite(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.write

cdef inline pte_t pte_wrprotect(arena_t *a, pte_t e) noexcept nogil:
    return e & ~a.m.arch.write

cdef inline pte_t pte_mkdirty(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.dirty

cdef inline pte_t pte_mkclean(arena_t *a, pte_t e) noexcept nogil:
    return e & ~a.m.arch.dirty

cdef inline pte_t pte_mkold(arena_t *a, pte_t e) noexcept nogil:
    return e & ~a.m.arch.accessed

cdef inline pte_t pte_mkyoung(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.accessed

cdef inline pte_t pte_mkspecial(arena_t *a, pte_t e) noexcept nogil:
    return e | X86_SPECIAL

cdef inline pte_t pte_mkhuge(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.huge

cdef inline bint pte_write(arena_t *a, pte_t e) noexcept nogil:
    return (e & a.m.arch.write) != 0

cdef inline bint pte_dirty(arena_t *a, pte_t e) noexcept nogil:
    return (e & a.m.arch.dirty) != 0

cdef inline bint pte_young(arena_t *a, pte_t e) noexcept nogil:
    return (e & a.m.arch.accessed) != 0

cdef inline bint pte_special(arena_t *a, pte_t e) noexcept nogil:
    return (e & X86_SPECIAL) != 0

cdef inline bint pte_huge(arena_t *a, pte_t e) noexcept nogil:
    return (e & a.m.arch.huge) != 0

cdef inline bint pte_none(pte_t e) noexcept nogil:
    return e == 0

cdef inline bint pte_mapped(arena_t *a, pte_t e) noexcept nogil:
    """pte_present(): the hardware's bit or PROT_NONE's."""
    return (e & (a.m.arch.present | a.m.arch.is_global)) != 0

cdef inline pte_t pte_modify(arena_t *a, pte_t e, uint64_t vm_flags) noexcept nogil:
    """Another protection; keeps frame, A, D, special, huge. Not writable."""
    cdef const arch_t *g = &a.m.arch
    cdef pte_t kept = e & (g.pfn_mask | g.accessed | g.dirty | g.huge | X86_SPECIAL)
    return kept | (pte_protection(g, vm_flags) & ~g.accessed)

cdef inline pfn_t pte_frame(arena_t *a, pte_t e) noexcept nogil:
    return pte_pfn(&a.m.arch, e)

# --- one entry that is not present ---------------------------------------------------------------------------------

cdef inline pte_t swp_entry_to_pte(arena_t *a, swp_entry_t entry) noexcept nogil:
    """The offset is inverted, so that the entry never names a frame that could be read past it (L1TF)."""
    return <pte_t>swp_type(entry) << X86_SWP_TYPE_SHIFT | ~<pte_t>swp_offset(entry) << X86_SWP_OFFSET_SHIFT >> X86_SWP_TYPE_BITS

cdef inline swp_entry_t pte_to_swp_entry(arena_t *a, pte_t e) noexcept nogil:
    return swp_entry(<uint32_t>(e >> X86_SWP_TYPE_SHIFT), ~e << X86_SWP_TYPE_BITS >> X86_SWP_OFFSET_SHIFT)

cdef inline bint pte_swp_exclusive(arena_t *a, pte_t e) noexcept nogil:
    return (e & X86_SWP_EXCLUSIVE) != 0

cdef inline pte_t pte_swp_mkexclusive(arena_t *a, pte_t e) noexcept nogil:
    return e | X86_SWP_EXCLUSIVE

cdef inline pte_t pte_swp_clear_exclusive(arena_t *a, pte_t e) noexcept nogil:
    return e & ~<pte_t>X86_SWP_EXCLUSIVE

cdef inline pte_t pte_swp_clear_uffd_wp(arena_t *a, pte_t e) noexcept nogil:
    return e & ~<pte_t>X86_SWP_UFFD_WP

cdef inline pte_t pte_marker(arena_t *a, uint32_t kind) noexcept nogil:
    return swp_entry_to_pte(a, swp_entry(SWP_PTE_MARKER, kind))

cdef inline uint32_t softleaf_class(arena_t *a, pte_t e) noexcept nogil:
    """Of an entry that is neither zero nor present."""
    cdef uint32_t type = swp_type(pte_to_swp_entry(a, e))
    if type < MAX_SWAPFILES:
        return ENTRY_SWAP
    if type == SWP_PTE_MARKER:
        return ENTRY_MARKER
    return ENTRY_MIGRATION if SWP_MIGRATION_READ <= type <= SWP_MIGRATION_WRITE else ENTRY_BAD

cdef inline uint32_t pte_class(arena_t *a, pte_t e) noexcept nogil:
    """What an entry of a PTE table is."""
    if e == 0:
        return ENTRY_NONE
    if pte_mapped(a, e):
        return ENTRY_SPECIAL if pte_special(a, e) else ENTRY_PAGE
    return softleaf_class(a, e)

cdef inline uint32_t pmd_class(arena_t *a, pte_t e) noexcept nogil:
    """What an entry above the PTEs is. A huge one of PROT_NONE has the bit that tells it, though not the processor's present bit."""
    if e == 0:
        return ENTRY_NONE
    if e & a.m.arch.huge:
        return ENTRY_HUGE
    return ENTRY_TABLE if e & a.m.arch.present else softleaf_class(a, e)

cdef inline uint32_t pte_marker_kind(arena_t *a, pte_t e) noexcept nogil:
    """0: no marker."""
    return <uint32_t>swp_offset(pte_to_swp_entry(a, e)) if pte_class(a, e) == ENTRY_MARKER else 0

# --- one table -----------------------------------------------------------------------------------------------------

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

# A table laid open for a loop over its entries. Reading first; ptes_open_mut() before the first store.

cdef struct ptes_t:
    frame_t *frame
    uint64_t *wide  # entries of 8 bytes, or NULL
    uint32_t *narrow

cdef inline bint ptes_open(arena_t *a, pfn_t table, ptes_t *p) noexcept nogil:
    """False: every entry is zero."""
    cdef char *bytes
    p.frame = frame_at(a, table)
    if p.frame.content == 0:
        return False
    bytes = content_at(a, p.frame.content)
    p.wide = <uint64_t *>bytes if a.m.arch.entry_bytes == 8 else NULL
    p.narrow = <uint32_t *>bytes
    return True

cdef inline void ptes_open_mut(arena_t *a, pfn_t table, ptes_t *p) noexcept nogil:
    cdef frame_t *f = frame_mut(a, table)
    if f.content:
        content_mut(a, f.content)  # marks it
    else:
        page_bytes_mut(a, table)
    ptes_open(a, table, p)

cdef inline pte_t ptes_load(const ptes_t *p, uint32_t index) noexcept nogil:
    return p.wide[index] if p.wide != NULL else p.narrow[index]

cdef inline void ptes_store(ptes_t *p, uint32_t index, pte_t value) noexcept nogil:
    p.frame.index_lo += <uint32_t>(value != 0) - <uint32_t>(ptes_load(p, index) != 0)
    if p.wide != NULL:
        p.wide[index] = value
    else:
        p.narrow[index] = <uint32_t>value
