# cython: language_level=3
"""Entries: building and reading one; the entries of one table, for loops over many of them.

Here so that they are inline: every fault builds one, and fork and unmap read each. A table's frame counts its non-zero entries in
index_lo; a table without contents holds only zeros. What an entry is, is told by pte_class() and pmd_class() alone; readers switch on it.
The bits are those of arch_x86.pxd, whatever the machine's: loads and stores translate where its entries look otherwise in memory.
"""

from libc.string cimport memset

from vmtool.mm.arch cimport ARCH_MODIFY_YOUNG, ARCH_TRANSLATES, ARCH_XONLY, entry_decode, entry_encode, pte_pfn
from vmtool.mm.arch_x86 cimport *
from vmtool.mm.arena cimport arena_t, content_at, content_mut, frame_at, frame_mut
from vmtool.mm.frame cimport page_bytes_mut
from vmtool.mm.swapops cimport *
from vmtool.mm.types cimport *
from vmtool.mm.vma cimport vma_soft_dirty_enabled

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

cdef enum:
    PTES_BLOCK = 8

cdef enum:  # the offset of a marker
    PTE_MARKER_POISONED = 2
    PTE_MARKER_GUARD = 4

# --- one entry -----------------------------------------------------------------------------------------------------

cdef inline pte_t pte_protection(const arch_t *g, uint64_t vm_flags) noexcept nogil:
    """vm_get_page_prot() less the write bit, which the fault handler adds."""
    cdef pte_t bits = (0 if vm_flags & VM_EXEC else g.user_nx) | (vm_flags >> VM_PKEY_SHIFT & (NR_PKEYS - 1)) << X86_PKEY_SHIFT
    if g.flags & ARCH_XONLY and vm_flags & (VM_READ | VM_WRITE | VM_EXEC) == VM_EXEC:
        bits |= <pte_t>1 << X86_XONLY_BIT
    if vm_flags & (VM_READ | VM_WRITE | VM_EXEC):
        return bits | g.present | g.user | g.accessed
    if g.flags & ARCH_MODIFY_YOUNG:
        return bits | g.is_global
    return bits | g.is_global | g.accessed  # PAGE_NONE: present for the kernel (_PAGE_PROTNONE), not for the processor

cdef inline pte_t mk_pte(arena_t *a, pfn_t pfn, uint64_t vm_flags) noexcept nogil:
    """Accessed, not writable, not dirty."""
    return (<pte_t>pfn << a.m.arch.page_shift) | pte_protection(&a.m.arch, vm_flags)

cdef inline pte_t mk_table(arena_t *a, pfn_t table) noexcept nogil:
    """The entry above that points to a table of user space (_PAGE_TABLE)."""
    return (<pte_t>table << a.m.arch.page_shift) | X86_P | X86_RW | X86_US | X86_A | X86_D

cdef inline pte_t pte_mkwrite(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.write

cdef inline pte_t pte_wrprotect(arena_t *a, pte_t e) noexcept nogil:
    return e & ~a.m.arch.write

cdef inline pte_t pte_mkdirty(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.dirty | a.m.arch.soft_dirty

cdef inline pte_t pte_mkclean(arena_t *a, pte_t e) noexcept nogil:
    return e & ~a.m.arch.dirty

cdef inline bint pte_soft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return (e & a.m.arch.soft_dirty) != 0

cdef inline pte_t pte_mksoft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return e | a.m.arch.soft_dirty

cdef inline pte_t pte_clear_soft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return e & ~<pte_t>a.m.arch.soft_dirty

cdef inline bint pte_needs_soft_dirty_wp(arena_t *a, pte_t e, uint64_t vm_flags) noexcept nogil:
    """The first write must fault, for the page says for itself if it was written."""
    return vma_soft_dirty_enabled(a, vm_flags) and not pte_soft_dirty(a, e)

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

cdef inline bint pte_mapped(arena_t *a, pte_t e) noexcept nogil:
    """pte_present(): the hardware's bit or PROT_NONE's."""
    return (e & (a.m.arch.present | a.m.arch.is_global)) != 0

cdef inline pte_t pte_chg_mask(const arch_t *g) noexcept nogil:
    """What another protection leaves as it is (_PAGE_CHG_MASK)."""
    return g.pfn_mask | g.accessed | g.dirty | g.soft_dirty | g.huge | X86_SPECIAL

cdef inline pte_t pte_modify(arena_t *a, pte_t e, uint64_t vm_flags) noexcept nogil:
    """Another protection; keeps frame, A, D, soft-dirty, special, huge. Not writable."""
    cdef pte_t unsaid = 0 if a.m.arch.flags & ARCH_MODIFY_YOUNG else a.m.arch.accessed
    return (e & pte_chg_mask(&a.m.arch)) | (pte_protection(&a.m.arch, vm_flags) & ~unsaid)

cdef inline pfn_t pte_frame(arena_t *a, pte_t e) noexcept nogil:
    return pte_pfn(&a.m.arch, e)

# --- one entry that is not present ---------------------------------------------------------------------------------

cdef inline pte_t swp_entry_to_pte(arena_t *a, swp_entry_t entry) noexcept nogil:
    """The offset is inverted, so that the entry never names a frame that could be read past it (L1TF)."""
    return <pte_t>swp_type(entry) << X86_SWP_TYPE_SHIFT | ~<pte_t>swp_offset(entry) << X86_SWP_OFFSET_SHIFT >> X86_SWP_TYPE_BITS

cdef inline swp_entry_t pte_to_swp_entry(arena_t *a, pte_t e) noexcept nogil:
    return swp_entry(<uint32_t>(e >> X86_SWP_TYPE_SHIFT), ~e << X86_SWP_TYPE_BITS >> X86_SWP_OFFSET_SHIFT)

cdef inline pte_t pte_move_swp_offset(arena_t *a, pte_t e, int64_t by) noexcept nogil:
    """The entry of another slot, with the same bits."""
    cdef swp_entry_t entry = pte_to_swp_entry(a, e)
    return (e ^ swp_entry_to_pte(a, entry)) | swp_entry_to_pte(a, swp_entry(swp_type(entry), <uint64_t>(<int64_t>swp_offset(entry) + by)))

cdef inline bint pte_swp_exclusive(arena_t *a, pte_t e) noexcept nogil:
    return (e & X86_SWP_EXCLUSIVE) != 0

cdef inline pte_t pte_swp_mkexclusive(arena_t *a, pte_t e) noexcept nogil:
    return e | X86_SWP_EXCLUSIVE

cdef inline pte_t pte_swp_clear_exclusive(arena_t *a, pte_t e) noexcept nogil:
    return e & ~<pte_t>X86_SWP_EXCLUSIVE

cdef inline pte_t pte_swp_clear_uffd_wp(arena_t *a, pte_t e) noexcept nogil:
    return e & ~<pte_t>X86_SWP_UFFD_WP

cdef inline bint pte_swp_soft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return a.m.arch.soft_dirty != 0 and e & X86_SWP_SOFT_DIRTY != 0

cdef inline pte_t pte_swp_mksoft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return e | X86_SWP_SOFT_DIRTY if a.m.arch.soft_dirty else e

cdef inline pte_t pte_swp_copy_soft_dirty(arena_t *a, pte_t e, pte_t old) noexcept nogil:
    """e, which takes old's place."""
    return pte_swp_mksoft_dirty(a, e) if pte_swp_soft_dirty(a, old) else e

# --- soft-dirty, of an entry that is not zero, whatever it is ----------------------------------------------------------

cdef inline pte_t soft_dirty_bit(const arch_t *g, pte_t e) noexcept nogil:
    """Where an entry like this one says that it was written, on a kernel that keeps that."""
    return <pte_t>X86_SOFT_DIRTY if e & (g.present | g.is_global) else <pte_t>X86_SWP_SOFT_DIRTY

cdef inline bint entry_soft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return a.m.arch.soft_dirty != 0 and e & soft_dirty_bit(&a.m.arch, e) != 0

cdef inline pte_t entry_mksoft_dirty(arena_t *a, pte_t e) noexcept nogil:
    return e | soft_dirty_bit(&a.m.arch, e) if a.m.arch.soft_dirty else e

cdef inline pte_t entry_clear_soft_dirty(arena_t *a, pte_t e) noexcept nogil:
    """clear_soft_dirty(): what is present faults before it is written again."""
    if pte_mapped(a, e):
        e = pte_wrprotect(a, e)
    return e & ~soft_dirty_bit(&a.m.arch, e) if a.m.arch.soft_dirty else e

# --- markers, and what an entry is -----------------------------------------------------------------------------------

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

cdef inline bint pte_maps(arena_t *a, pte_t e, pfn_t pfn) noexcept nogil:
    """An entry of a PTE table that maps this very page, which has its struct page."""
    if e & (a.m.arch.pfn_mask | a.m.arch.present | X86_SPECIAL) == <pte_t>pfn << a.m.arch.page_shift | a.m.arch.present:  # nearly all
        return True
    return pte_class(a, e) == ENTRY_PAGE and pte_frame(a, e) == pfn

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

# An entry as it stands in memory; the same where it is decoded and encoded (ARCH_TRANSLATES).
cdef pte_t entry_raw(arena_t *a, pfn_t table, uint32_t index, int level) noexcept nogil
cdef void entry_store_raw(arena_t *a, pfn_t table, uint32_t index, int level, pte_t raw) noexcept nogil  # the table's count follows
cdef pte_t entry_load_there(arena_t *a, pfn_t table, uint32_t index, int level) noexcept nogil
cdef pte_t entry_exchange_there(arena_t *a, char *bytes, uint32_t index, int level, pte_t value) noexcept nogil
cdef pte_t ptes_load_there(const arch_t *g, const char *bytes, uint32_t index) noexcept nogil
# The page of a table of several, and the index within it. Precondition: arch_t.top_order is not 0.
cdef pfn_t table_page(const arch_t *g, pfn_t table, uint32_t *index, int level) noexcept nogil

cdef inline pte_t entry_load(arena_t *a, pfn_t table, uint32_t index, int level) noexcept nogil:
    """An entry of a table of `level`."""
    cdef idx_t c
    if a.m.arch.flags & ARCH_TRANSLATES:
        return entry_load_there(a, table, index, level)
    c = frame_at(a, table).content
    return (<uint64_t *>content_at(a, c))[index] if c else 0

cdef inline pte_t entry_exchange(arena_t *a, char *bytes, uint32_t index, int level, pte_t value) noexcept nogil:
    """Write one into a table's bytes. Returns what stood there, as it stood."""
    cdef pte_t old
    if a.m.arch.flags & ARCH_TRANSLATES:
        return entry_exchange_there(a, bytes, index, level, value)
    old = (<uint64_t *>bytes)[index]
    (<uint64_t *>bytes)[index] = value
    return old

cdef inline void user_pgd_store(arena_t *a, pfn_t user_pgd, uint32_t index, int level, pte_t value) noexcept nogil:
    """KPTI: the table that user mode has beside a top table, the page behind it, counts for nothing."""
    entry_exchange(a, page_bytes_mut(a, user_pgd), index, level, value)

cdef inline void entry_store(arena_t *a, pfn_t table, uint32_t index, int level, pte_t value) noexcept nogil:
    """The kernel's store: the table's count follows."""
    cdef frame_t *f = frame_mut(a, table)
    cdef char *bytes
    cdef pte_t old
    if a.m.arch.top_order:
        table = table_page(&a.m.arch, table, &index, level)
        bytes = page_bytes_mut(a, table)
    else:
        bytes = content_mut(a, f.content) if f.content else page_bytes_mut(a, table)
    old = entry_exchange(a, bytes, index, level, value)
    f.index_lo += <uint32_t>(value != 0) - <uint32_t>(old != 0)

cdef inline pte_t pte_load(arena_t *a, pfn_t table, uint32_t index) noexcept nogil:
    return entry_load(a, table, index, 0)

cdef inline void pte_store(arena_t *a, pfn_t table, uint32_t index, pte_t value) noexcept nogil:
    entry_store(a, table, index, 0, value)

# A table laid open for a loop over its entries. Reading first; ptes_open_mut() before the first store.

cdef struct ptes_t:
    frame_t *frame
    uint64_t *wide  # entries that mm reads as they stand, or NULL
    char *bytes
    const arch_t *g
    arena_t *a

cdef inline bint ptes_open(arena_t *a, pfn_t table, ptes_t *p) noexcept nogil:
    """False: every entry is zero."""
    p.frame = frame_at(a, table)
    p.g = &a.m.arch
    p.a = a
    if p.frame.content == 0:
        return False
    p.bytes = content_at(a, p.frame.content)
    p.wide = <uint64_t *>p.bytes if not p.g.flags & ARCH_TRANSLATES else NULL
    return True

cdef inline void ptes_open_mut(arena_t *a, pfn_t table, ptes_t *p) noexcept nogil:
    cdef frame_t *f = frame_mut(a, table)
    if f.content:
        content_mut(a, f.content)  # marks it
    else:
        page_bytes_mut(a, table)
    if not ptes_open(a, table, p):  # no memory for the bytes: what is written goes nowhere, and the image is lost
        p.bytes = a.poison
        p.wide = <uint64_t *>p.bytes if not p.g.flags & ARCH_TRANSLATES else NULL

cdef inline pte_t ptes_load(const ptes_t *p, uint32_t index) noexcept nogil:
    return p.wide[index] if p.wide != NULL else ptes_load_there(p.g, p.bytes, index)

cdef inline void ptes_change(ptes_t *p, uint32_t index, pte_t value) noexcept nogil:
    """ptes_store() where an entry that is not zero stays so; and of a loop that fills empty ones, which then counts them at once."""
    if p.wide != NULL:
        p.wide[index] = value
    else:
        entry_exchange(p.a, p.bytes, index, 0, value)

cdef inline void ptes_filled(ptes_t *p, uint32_t nr) noexcept nogil:
    """So many entries that were zero are not any more, by ptes_change()."""
    p.frame.index_lo += nr

cdef inline pte_t all_of(const uint64_t *e) noexcept nogil:
    """The bits that PTES_BLOCK entries have."""
    return e[0] & e[1] & e[2] & e[3] & e[4] & e[5] & e[6] & e[7]

cdef inline void modify_block(uint64_t *e, pte_t kept, pte_t set) noexcept nogil:
    """A loop of known length: the compiler takes several at once."""
    cdef int i
    for i in range(PTES_BLOCK):
        e[i] = (e[i] & kept) | set

cdef inline uint32_t ptes_modify(ptes_t *p, uint32_t index, uint32_t end, pte_t kept, pte_t set) noexcept nogil:
    """pte_modify() of those in a row that are present to the processor: these bits stay, those are set. Returns: where they end. Precondition:
    p.wide is not NULL."""
    cdef uint64_t *e = p.wide
    cdef pte_t present = p.g.present
    while index + PTES_BLOCK <= end and all_of(e + index) & present:
        modify_block(e + index, kept, set)
        index += PTES_BLOCK
    while index < end and e[index] & present:
        e[index] = (e[index] & kept) | set
        index += 1
    return index

cdef inline void ptes_clear(ptes_t *p, uint32_t index, uint32_t nr) noexcept nogil:
    """So many, none of which is zero, become so. Precondition: p.wide is not NULL."""
    memset(p.wide + index, 0, nr * sizeof(uint64_t))
    p.frame.index_lo -= nr

cdef inline void ptes_store(ptes_t *p, uint32_t index, pte_t value) noexcept nogil:
    cdef pte_t old
    if p.wide != NULL:
        old = p.wide[index]
        p.wide[index] = value
    else:
        old = entry_exchange(p.a, p.bytes, index, 0, value)
    p.frame.index_lo += <uint32_t>(value != 0) - <uint32_t>(old != 0)
