# cython: language_level=3
"""Which address space a CPU runs, by what name the TLB knows it, and how what it holds of one is flushed.

Counterpart: Linux v6.18 arch/x86/mm/tlb.c, arch/arm64/mm/context.c, arch/arm64/include/asm/tlbflush.h, arch/arm/mm/context.c.
"""

from vmtool.mm.arch cimport ARCH_KPTI, vpn_4k
from vmtool.mm.arena cimport arena_t
from vmtool.mm.tlb cimport tlb_sets_t, tlb_void_open
from vmtool.mm.types cimport *
from vmtool.mm.vmstat cimport NR_TLB_LOCAL_FLUSH_ONE, count_vm_event

cdef enum:
    CR3_PTI_PCID_USER = 0x800  # KPTI: the bit that user mode's PCID has and the kernel's has not
    PTI_USER_PGTABLE = 0x1000  # the bit of CR3 that tells the two tables apart

cdef inline pfn_t user_pgd(const arch_t *g, pfn_t pgd) noexcept nogil:
    """The table that the processor walks for the program: with KPTI the page behind the kernel's."""
    return pgd + (g.flags & ARCH_KPTI != 0)

cdef struct mmu_gather_t:  # what a change of entries has to flush when it is done
    vaddr_t start
    vaddr_t end  # 0: nothing
    uint32_t cleared  # a bit for each level at which entries went (cleared_ptes, cleared_pmds, ...)
    bint freed_tables

cdef inline void tlb_gather_mmu(mmu_gather_t *tlb) noexcept nogil:
    tlb.start = ~<vaddr_t>0
    tlb.end = 0
    tlb.cleared = 0
    tlb.freed_tables = False

cdef inline void tlb_flush_entries(mmu_gather_t *tlb, int level, vaddr_t addr, uint64_t size) noexcept nogil:
    """Entries of `level` that were present are no more what they were (tlb_flush_pte_range() and its kin)."""
    tlb.start = min(tlb.start, addr)
    tlb.end = max(tlb.end, addr + size)
    tlb.cleared |= <uint32_t>1 << level

cdef void tlb_free_table(const arch_t *g, mmu_gather_t *tlb, int level, vaddr_t addr) noexcept nogil  # that an entry of `level` led to
# What was gathered is flushed: after the last change of an entry, before anybody runs.
cdef void tlb_finish_mmu(arena_t *a, mm_t *mm, mmu_gather_t *tlb) noexcept nogil

cdef void asids_init(machine_t *m) noexcept nogil  # boot, after arch_features()
cdef uint32_t asid_bits(const machine_t *m) noexcept nogil
cdef bint asid_is_given(arena_t *a, uint32_t asid) noexcept nogil  # in this generation

cdef inline uint32_t asid_of(const machine_t *m, uint64_t context_id) noexcept nogil:
    return <uint32_t>(context_id & ((<uint64_t>1 << asid_bits(m)) - 1))

cdef inline bint asid_gen_match(const machine_t *m, uint64_t context_id) noexcept nogil:
    return (context_id ^ m.asid_generation) >> asid_bits(m) == 0

cdef void switch_mm_context(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil  # the CPU's tables are this space's from now on
cdef void forget_mm_context(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil  # mmput(): the space ends
# Flush what the TLBs of all CPUs hold of a range of this mm, with what walks of it remember; of one page; all of it.
cdef void flush_tlb_range(arena_t *a, mm_t *mm, vaddr_t start, vaddr_t end) noexcept nogil
cdef void flush_tlb_page(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil
cdef void flush_tlb_mm(arena_t *a, mm_t *mm) noexcept nogil
cdef void flush_tlb_fullmm(arena_t *a, mm_t *mm) noexcept nogil  # it ends: where no switch to the kernel's own tables does it
# The same of entries that span so much each, and nothing smaller (flush_pmd_tlb_range(), flush_hugetlb_tlb_range()).
cdef void flush_pmd_tlb_range(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil  # one huge entry, at addr
cdef void flush_tlb_stride(arena_t *a, mm_t *mm, vaddr_t start, vaddr_t end, uint32_t shift) noexcept nogil

# --- one page after another of one space: what the flushes share is looked up once

cdef struct page_flush_t:
    mm_t *mm  # NULL: nothing is open
    bint plain  # one CPU runs it, or none: else flush_tlb_page() does it
    cpu_t *cpu  # that CPU, or NULL
    bint remote
    char **chunk  # of POOL_TLB
    tlb_sets_t sets[3]

cdef void page_flush_open(arena_t *a, mm_t *mm, page_flush_t *k) noexcept nogil

cdef inline void page_flush(arena_t *a, page_flush_t *k, vaddr_t addr) noexcept nogil:
    """flush_tlb_page(). Nothing else that flushes or fills a TLB ran since page_flush_open()."""
    if not k.plain:
        flush_tlb_page(a, k.mm, addr)
    elif k.cpu != NULL:
        tlb_void_open(k.chunk, &k.sets[0], vpn_4k(addr))
        tlb_void_open(k.chunk, &k.sets[1], vpn_4k(addr))
        tlb_void_open(k.chunk, &k.sets[2], vpn_4k(addr))
        k.cpu.shootdowns += k.remote
        k.cpu.flushes_page += 1
        count_vm_event(a, NR_TLB_LOCAL_FLUSH_ONE)
