"""Address spaces and their names in the TLB: four policies, a row each of POLICIES.

    no names     every switch flushes all but the global entries
    PCID         x86: six names a CPU (TLB_NR_DYN_ASIDS), the next in turn is flushed and taken. A flush goes to each CPU that runs the space, by
                 an interrupt; page by page up to 33 (tlb_single_page_flush_ceiling). With KPTI a space has two, the kernel's and user mode's
    ASID         arm64, arm: one name for all CPUs, kept for good. A flush is one instruction that all CPUs carry out, without interrupts
    fences       riscv64: named by ASIDs of 16 bits, and a CPU flushes for itself: each that ever ran the space (mm_cpumask), by an interrupt if it is another

    context_id   0x1 0002   generation 1, ASID 2: given out at the first switch to the space; the bits of this generation's stand in asid_map
    switch       its generation is the present one: TTBR0 with the ASID, nothing is flushed
                 else: the same ASID again if nobody took it in this generation, or a free one; none is free: a rollover
    rollover     generation 2. What CPUs run at that moment stays given out (reserved_asid): their spaces keep the number when they are asked next.
                 Each CPU flushes all its TLB before it runs the next space

ASIDs have 16 bits on arm64 (8 where ID_AA64MMFR0_EL1 says so), 8 on arm; 0 is that of no program. The first generation gives out the even ones alone
on arm64: Debian's kernels have CONFIG_UNMAP_KERNEL_AT_EL0, and while they boot they do not know yet whether KPTI is needed, where pairs would
be; it is not on the processors here (CSV3, "65536 entries" in the recorded logs), so from the first rollover on all are given out.
arm64's flushes:
    flush_tlb_range()   TLBI VAE1IS a page, from MAX_DVM_OPS (entries of a table) on ASIDE1IS; with FEAT_TLBIRANGE (RVAE1IS) up to 2M pages. A walk of
                        these addresses begins at the top again
    tlb_finish_mmu()    the same where tables went (munmap); where only leaves did (madvise, mprotect), VALE1IS: walks still know the tables. From
                        the first entry that was present to the last, by the steps of the smallest: a huge page is one instruction
    flush_tlb_page()    VALE1IS
    flush_tlb_mm()      ASIDE1IS, at fork and at the end of a space
riscv64's: SFENCE.VMA a page, up to 64 of a range (tlb_flush_all_threshold), else all of the ASID. The one of a page forgets no way to a table, so
the end of a table is a fence of all (tlb_flush()).
arm goes page by page, however long and whatever the entries are, and TLBIMVAIS always forgets what walks remember (TLBIMVALIS is of ARMv8).
Counterpart: Linux v6.18 arch/arm64/mm/context.c (check_and_switch_context(), new_context(), flush_context()), arch/arm/mm/context.c, arch/x86/mm/tlb.c
(choose_new_asid(), flush_tlb_mm_range()), arch/riscv/mm/context.c (set_mm_asid()), arch/riscv/mm/tlbflush.c, arch/{arm64,arm,riscv}/include/asm/tlb.h,
include/asm-generic/tlb.h.
# Deviation: riscv's fence for each new entry (update_mmu_cache()) is left out, as the kernel does on a processor with Svvptc.
Invariants (fsck_tlb): no two spaces have one ASID in a generation; every one of the generation is marked in the map.
"""

from vmtool.mm.arch cimport ARCH_ARM, ARCH_ASID, ARCH_CAREFUL, CPU_ASID8, CPU_TLBIRANGE, SHIFT_4K, is_arm, is_riscv, level_size, nr_entries, page_size, pte_pfn
from vmtool.mm.arena cimport CHUNK_DIRTY, cpu_mut, mm_at, mm_mut, pool_t
from vmtool.mm.mmu cimport load_cr3, load_ttbr0
from vmtool.mm.tlb cimport TLB_A_CHUNK, TLB_L1D_4K, TLB_L1I_4K, TLB_L2, tlb_flush_all, tlb_flush_page, tlb_flush_pcid, tlb_flush_va, tlb_open_sets, tlb_void_page
from vmtool.mm.vmstat cimport NR_TLB_LOCAL_FLUSH_ALL, NR_TLB_LOCAL_FLUSH_ONE, count_vm_event, count_vm_events
from vmtool.mm.xnode cimport xnode_free_all, xnode_get, xnode_set

cdef enum:
    FENCE_CEILING = 64  # tlb_flush_all_threshold
    FLUSH_CEILING = 33  # tlb_single_page_flush_ceiling
    NR_DYN_PCIDS = 6  # TLB_NR_DYN_ASIDS
    MAX_TLBI_RANGE_PAGES = 1 << 21
    ASIDS_A_WORD = 32

cdef vaddr_t TLB_FLUSH_ALL = ~<vaddr_t>0  # as the end of a range
cdef uint32_t KPTI_PAIRS = 0xAAAAAAAA  # set_kpti_asid_bits(): the odd ones are not for the asking

cdef struct policy_t:
    void (*switch_to)(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil
    void (*flush)(arena_t *a, const mm_t *mm, vaddr_t start, vaddr_t end, uint32_t shift, bint last_level) noexcept nogil

cdef policy_t POLICIES[4]
POLICIES[0] = policy_t(switch_unnamed, flush_by_interrupt)
POLICIES[1] = policy_t(switch_pcid, flush_by_interrupt)
POLICIES[2] = policy_t(check_and_switch_context, flush_by_broadcast)
POLICIES[3] = policy_t(set_mm_asid, flush_by_fence)


cdef inline policy_t *policy_of(const machine_t *m) noexcept nogil:
    return &POLICIES[3 if is_riscv(&m.arch) else 2 if m.arch.flags & ARCH_ASID else 1 if m.pcid else 0]


cdef void switch_mm_context(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil:
    policy_of(a.m).switch_to(a, mm, cpu)


cdef void forget_mm_context(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil:
    """Lazy TLB ends: a CPU that still has its tables goes on with the kernel's own. The record's next address space is another."""
    cdef cpu_t *c = cpu_mut(a, cpu)
    cdef uint32_t slot
    if c.active_mm == mm:
        if a.m.arch.flags & ARCH_ASID:
            load_ttbr0(a, cpu, a.m.kernel_pgd, 0)  # cpu_set_reserved_ttbr0()
        else:
            load_cr3(a, cpu, <uint64_t>a.m.kernel_pgd << a.m.arch.page_shift, False)
        c.active_mm = 0
    for slot in range(NR_DYN_PCIDS):
        if c.pcid_mm[slot] == mm:
            c.pcid_mm[slot] = 0


cdef void flush_tlb_range(arena_t *a, mm_t *mm, vaddr_t start, vaddr_t end) noexcept nogil:
    policy_of(a.m).flush(a, mm, start, end, a.m.arch.page_shift, False)


cdef void flush_tlb_stride(arena_t *a, mm_t *mm, vaddr_t start, vaddr_t end, uint32_t shift) noexcept nogil:
    policy_of(a.m).flush(a, mm, start, end, shift, False)


cdef void flush_pmd_tlb_range(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil:
    """x86 and arm have none of their own: it is flush_tlb_range()."""
    cdef const arch_t *g = &a.m.arch
    cdef bint own = g.flags & ARCH_ASID and g.id != ARCH_ARM
    policy_of(a.m).flush(a, mm, addr, addr + level_size(g, 1), g.level_shift[1] if own else g.page_shift, False)


cdef void tlb_free_table(const arch_t *g, mmu_gather_t *tlb, int level, vaddr_t addr) noexcept nogil:
    """__pte_free_tlb() and its kin: one page of its span is enough, a walk of any finds the table. arm's table serves two entries of 1M: a page
    of each."""
    if g.id == ARCH_ARM:
        tlb_flush_entries(tlb, level, (addr & ~(level_size(g, 1) - 1)) + level_size(g, 1) // 2 - page_size(g), 2 * page_size(g))
    else:
        tlb_flush_entries(tlb, level, addr, page_size(g))
    tlb.freed_tables = True


cdef void tlb_finish_mmu(arena_t *a, mm_t *mm, mmu_gather_t *tlb) noexcept nogil:
    """tlb_flush(), by tlb_get_unmap_shift(): the smallest entries that went."""
    cdef int level = 0
    if tlb.end == 0:
        return
    while level < <int>a.m.arch.levels - 1 and not tlb.cleared >> level & 1:
        level += 1
    if is_riscv(&a.m.arch) and tlb.freed_tables:
        flush_tlb_mm(a, mm)
        return
    policy_of(a.m).flush(a, mm, tlb.start, tlb.end, a.m.arch.page_shift if a.m.arch.id == ARCH_ARM else a.m.arch.level_shift[level], not tlb.freed_tables)


cdef inline bint flush_is_plain(arena_t *a) noexcept nogil:
    return a.quick and not a.m.trace_on and not a.m.pcid and not a.m.arch.flags & (ARCH_ASID | ARCH_CAREFUL)


cdef inline void flush_plain_page(arena_t *a, const mm_t *mm, vaddr_t addr) noexcept nogil:
    """flush_by_interrupt() of a page on a machine without PCIDs."""
    cdef uint32_t cpu
    cdef uint64_t vpn = addr >> a.m.arch.page_shift
    cdef cpu_t *c
    for cpu in range(a.m.nr_cpus):
        c = cpu_mut(a, cpu)
        if not cpu_runs(a, c, mm):
            continue
        c.shootdowns += cpu != a.cpu
        if c.tlb_has_large:
            tlb_flush_page(a, c, addr, 0)
        else:
            tlb_void_page(a, c, &a.m.tlb_geom[TLB_L1D_4K], vpn)
            tlb_void_page(a, c, &a.m.tlb_geom[TLB_L1I_4K], vpn)
            tlb_void_page(a, c, &a.m.tlb_geom[TLB_L2], vpn)
            c.flushes_page += 1
        count_vm_event(a, NR_TLB_LOCAL_FLUSH_ONE)


cdef void flush_tlb_page(arena_t *a, mm_t *mm, vaddr_t addr) noexcept nogil:
    cdef vaddr_t start = addr & ~(page_size(&a.m.arch) - 1)
    if flush_is_plain(a):
        flush_plain_page(a, mm, start)
        return
    policy_of(a.m).flush(a, mm, start, start + page_size(&a.m.arch), a.m.arch.page_shift, True)


cdef bint tlb_is_marked(arena_t *a, const cpu_t *c) noexcept nogil:
    """Every chunk of this CPU's entries."""
    cdef const pool_t *p = &a.pool[POOL_TLB]
    cdef uint32_t i = c.tlb_base
    cdef uint32_t end = i + c.nr_tlb
    while i < end:
        if i >= p.count or not p.state[i // TLB_A_CHUNK] & CHUNK_DIRTY:
            return False
        i += TLB_A_CHUNK
    return end <= p.count and p.state[(end - 1) // TLB_A_CHUNK] & CHUNK_DIRTY


cdef void page_flush_open(arena_t *a, mm_t *mm, page_flush_t *k) noexcept nogil:
    cdef uint32_t cpu
    cdef cpu_t *c
    k.mm = mm
    k.cpu = NULL
    k.chunk = a.pool[POOL_TLB].chunk
    k.plain = flush_is_plain(a) and a.m.arch.page_shift == SHIFT_4K
    for cpu in range(a.m.nr_cpus):
        c = cpu_mut(a, cpu)
        if not k.plain or not cpu_runs(a, c, mm):
            continue
        k.plain = k.cpu == NULL and c.nr_tlb != 0 and not c.tlb_has_large and tlb_is_marked(a, c)
        k.cpu = c
        k.remote = cpu != a.cpu
        tlb_open_sets(c, &a.m.tlb_geom[TLB_L1D_4K], &k.sets[0])
        tlb_open_sets(c, &a.m.tlb_geom[TLB_L1I_4K], &k.sets[1])
        tlb_open_sets(c, &a.m.tlb_geom[TLB_L2], &k.sets[2])


cdef void flush_tlb_mm(arena_t *a, mm_t *mm) noexcept nogil:
    policy_of(a.m).flush(a, mm, 0, TLB_FLUSH_ALL, a.m.arch.page_shift, False)


cdef void flush_tlb_fullmm(arena_t *a, mm_t *mm) noexcept nogil:
    """Of x86 a CPU that is lazy leaves the space's tables instead of flushing (flush_tlb_func()), and a PCID is flushed before another has it."""
    if a.m.arch.flags & ARCH_ASID:
        flush_tlb_mm(a, mm)


# --- x86 ------------------------------------------------------------------------------------------------------------------


cdef void load_space(arena_t *a, uint32_t cpu, idx_t mm, uint32_t pcid) noexcept nogil:
    cdef uint64_t root = <uint64_t>mm_at(a, mm).pgd << a.m.arch.page_shift | pcid
    load_cr3(a, cpu, root, pcid != 0)
    if a.m.arch.flags & ARCH_KPTI:
        load_cr3(a, cpu, root | PTI_USER_PGTABLE | (CR3_PTI_PCID_USER if pcid else 0), pcid != 0)


cdef void switch_unnamed(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil:
    load_space(a, cpu, mm, 0)


cdef void switch_pcid(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil:
    """choose_new_asid(): that which the space had here last, or the next in turn, which was another's."""
    cdef cpu_t *c = cpu_mut(a, cpu)
    cdef uint32_t pcid = pcid_on(a, c, mm_at(a, mm))
    if pcid == 0:
        pcid = c.pcid_next % NR_DYN_PCIDS + 1
        c.pcid_next += 1
        c.pcid_mm[pcid - 1] = mm
        flush_pcid(a, c, pcid)
    load_space(a, cpu, mm, pcid)


cdef inline bint cpu_runs(arena_t *a, const cpu_t *c, const mm_t *mm) noexcept nogil:
    return mm.pgd != 0 and pte_pfn(&a.m.arch, c.cr3) == user_pgd(&a.m.arch, mm.pgd)


cdef uint32_t pcid_on(arena_t *a, const cpu_t *c, const mm_t *mm) noexcept nogil:
    """The PCID that the CPU's entries of this address space carry; 0: it has none of them."""
    cdef uint32_t i
    if a.m.pcid:
        for i in range(NR_DYN_PCIDS):
            if c.pcid_mm[i] and mm_at(a, c.pcid_mm[i]) == mm:
                return i + 1
    return 0


cdef void flush_pcid(arena_t *a, cpu_t *c, uint32_t pcid) noexcept nogil:
    """With KPTI both of the space's: user mode's own is flushed when CR3 is loaded with it next (invalidate_user_asid())."""
    tlb_flush_pcid(a, c, pcid)
    if a.m.arch.flags & ARCH_KPTI:
        tlb_flush_pcid(a, c, pcid | CR3_PTI_PCID_USER)


cdef inline void flush_page(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t pcid) noexcept nogil:
    """INVLPG; with KPTI, INVPCID for user mode's PCID (flush_tlb_one_user())."""
    tlb_flush_page(a, c, addr, pcid)
    if pcid and a.m.arch.flags & ARCH_KPTI:
        tlb_flush_page(a, c, addr, pcid | CR3_PTI_PCID_USER)


cdef void flush_running(arena_t *a, cpu_t *c, vaddr_t start, uint64_t nr, uint32_t shift, uint32_t pcid) noexcept nogil:
    """Page by page, of whatever size, up to the ceiling, then all of it."""
    cdef uint64_t i
    if nr > FLUSH_CEILING:
        if a.m.pcid:
            flush_pcid(a, c, pcid)
        else:
            tlb_flush_all(a, c, False)
        count_vm_event(a, NR_TLB_LOCAL_FLUSH_ALL)
        return
    for i in range(nr):
        flush_page(a, c, start + (i << shift), pcid)
    count_vm_events(a, NR_TLB_LOCAL_FLUSH_ONE, <int64_t>nr)


cdef void flush_by_interrupt(arena_t *a, const mm_t *mm, vaddr_t start, vaddr_t end, uint32_t shift, bint last_level) noexcept nogil:
    """flush_tlb_mm_range(). A CPU that runs something else flushes when it comes back: by the CR3 load, or here when PCIDs keep entries
    alive."""
    cdef uint64_t nr = ((end - start) >> shift) + ((end - start) & ((<uint64_t>1 << shift) - 1) != 0)
    cdef uint32_t cpu
    cdef uint32_t pcid
    cdef cpu_t *c
    for cpu in range(a.m.nr_cpus):
        c = cpu_mut(a, cpu)
        pcid = pcid_on(a, c, mm)
        if cpu_runs(a, c, mm):
            c.shootdowns += cpu != a.cpu
            flush_running(a, c, start, nr, shift, pcid)
        elif pcid:
            flush_pcid(a, c, pcid)


# --- arm64, arm: ASIDs --------------------------------------------------------------------------------------------------


cdef uint32_t asid_bits(const machine_t *m) noexcept nogil:
    return 8 if m.arch.id == ARCH_ARM or m.cpu_features & CPU_ASID8 else 16


cdef void asids_init(machine_t *m) noexcept nogil:
    if m.arch.flags & ARCH_ASID:
        m.asid_generation = <uint64_t>1 << asid_bits(m)
        m.asid_next = 1


cdef inline uint32_t never_given(const machine_t *m) noexcept nogil:
    """Of each word of the map, which the file keeps by what differs from this."""
    return KPTI_PAIRS if is_arm(&m.arch) and m.arch.id != ARCH_ARM and m.asid_generation >> asid_bits(m) == 1 else 0


cdef inline uint32_t map_word(arena_t *a, uint32_t asid) noexcept nogil:
    return xnode_get(a, a.m.asid_map, asid // ASIDS_A_WORD) ^ never_given(a.m)


cdef bint asid_is_given(arena_t *a, uint32_t asid) noexcept nogil:
    return map_word(a, asid) >> (asid % ASIDS_A_WORD) & 1


cdef void give_asid(arena_t *a, uint32_t asid) noexcept nogil:
    xnode_set(a, &a.m.asid_map, asid // ASIDS_A_WORD, (map_word(a, asid) | <uint32_t>1 << (asid % ASIDS_A_WORD)) ^ never_given(a.m), NULL)


cdef uint32_t find_free_asid(arena_t *a, uint32_t asid) noexcept nogil:
    """From there on; as many as there are ASIDs: none."""
    cdef uint32_t end = <uint32_t>1 << asid_bits(a.m)
    while asid < end:
        if map_word(a, asid) == <uint32_t>-1:
            asid = (asid // ASIDS_A_WORD + 1) * ASIDS_A_WORD
        elif asid_is_given(a, asid):
            asid += 1
        else:
            return asid
    return end


cdef void flush_context(arena_t *a) noexcept nogil:
    """A generation ends. A CPU that has not run anything new since the last time has its space's ASID in reserved_asid alone."""
    cdef uint32_t cpu
    cdef cpu_t *c
    xnode_free_all(a, &a.m.asid_map, NULL)
    for cpu in range(a.m.nr_cpus):
        c = cpu_mut(a, cpu)
        if c.active_asid:
            c.reserved_asid = c.active_asid
        c.active_asid = 0
        give_asid(a, asid_of(a.m, c.reserved_asid))
        c.tlb_flush_pending = 1


cdef bint check_update_reserved_asid(arena_t *a, uint64_t asid, uint64_t new) noexcept nogil:
    """All copies of it: several CPUs may run threads of the space."""
    cdef uint32_t cpu
    cdef bint hit = False
    for cpu in range(a.m.nr_cpus):
        if cpu_mut(a, cpu).reserved_asid == asid:
            cpu_mut(a, cpu).reserved_asid = new
            hit = True
    return hit


cdef uint64_t new_context(arena_t *a, uint64_t old) noexcept nogil:
    cdef uint32_t asid = asid_of(a.m, old)
    if old:
        if check_update_reserved_asid(a, old, a.m.asid_generation | asid):
            return a.m.asid_generation | asid
        if not asid_is_given(a, asid):
            give_asid(a, asid)
            return a.m.asid_generation | asid
    asid = find_free_asid(a, a.m.asid_next)
    if asid >> asid_bits(a.m):
        a.m.asid_generation += <uint64_t>1 << asid_bits(a.m)
        flush_context(a)
        asid = find_free_asid(a, 1)  # there are more than CPUs
    give_asid(a, asid)
    a.m.asid_next = asid
    return a.m.asid_generation | asid


cdef void check_and_switch_context(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, cpu)
    cdef mm_t *m = mm_mut(a, mm)
    if c.active_asid == 0 or not asid_gen_match(a.m, m.context_id):
        if not asid_gen_match(a.m, m.context_id):
            m.context_id = new_context(a, m.context_id)
        if c.tlb_flush_pending:
            c.tlb_flush_pending = 0
            tlb_flush_all(a, c, True)  # local_flush_tlb_all()
    c.active_asid = m.context_id
    load_ttbr0(a, cpu, m.pgd, asid_of(a.m, m.context_id))


cdef bint range_exceeds(const machine_t *m, uint64_t nr_bytes, uint32_t shift) noexcept nogil:
    """__flush_tlb_range_limit_excess(); arm has no limit."""
    if m.arch.id == ARCH_ARM:
        return False
    if m.cpu_features & CPU_TLBIRANGE:
        return nr_bytes >> m.arch.page_shift > MAX_TLBI_RANGE_PAGES
    return nr_bytes >= <uint64_t>nr_entries(&m.arch, 0) << shift


cdef void flush_by_broadcast(arena_t *a, const mm_t *mm, vaddr_t start, vaddr_t end, uint32_t shift, bint last_level) noexcept nogil:
    cdef uint32_t asid = asid_of(a.m, mm.context_id)
    cdef uint32_t cpu
    cdef vaddr_t addr
    cdef cpu_t *c
    start &= ~((<uint64_t>1 << shift) - 1)
    if end != TLB_FLUSH_ALL:
        end = (end - 1 | (<uint64_t>1 << shift) - 1) + 1
    for cpu in range(a.m.nr_cpus):
        c = cpu_mut(a, cpu)
        if end == TLB_FLUSH_ALL or range_exceeds(a.m, end - start, shift):
            tlb_flush_pcid(a, c, asid)
            continue
        addr = start
        while addr < end:
            tlb_flush_va(a, c, addr, asid, last_level and a.m.arch.id != ARCH_ARM)
            addr += <uint64_t>1 << shift


# --- riscv64: ASIDs, and fences ------------------------------------------------------------------------------------------


cdef void set_mm_asid(arena_t *a, idx_t mm, uint32_t cpu) noexcept nogil:
    """The CPU stays in the space's mask: what its TLB holds by the ASID outlives the next switch."""
    mm_mut(a, mm).cpu_bitmap |= <uint64_t>1 << cpu
    check_and_switch_context(a, mm, cpu)


cdef void flush_by_fence(arena_t *a, const mm_t *mm, vaddr_t start, vaddr_t end, uint32_t shift, bint last_level) noexcept nogil:
    """__flush_tlb_range()."""
    cdef uint32_t asid = asid_of(a.m, mm.context_id)
    cdef uint64_t nr = 0 if end == TLB_FLUSH_ALL else (end - start + (<uint64_t>1 << shift) - 1) >> shift
    cdef uint64_t i
    cdef uint32_t cpu
    cdef cpu_t *c
    for cpu in range(a.m.nr_cpus):
        if not mm.cpu_bitmap >> cpu & 1:
            continue
        c = cpu_mut(a, cpu)
        c.shootdowns += cpu != a.cpu
        if end == TLB_FLUSH_ALL or nr > FENCE_CEILING:
            tlb_flush_pcid(a, c, asid)
            continue
        for i in range(nr):
            tlb_flush_va(a, c, start + (i << shift), asid, True)
