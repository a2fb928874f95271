"""The TLB of each CPU: first-level structures by page size and kind of access, a second level, paging-structure caches.

    pml4e pdpte pde     a miss looks for the cached entry closest to the leaf, and reads the tables from there on only

A CPU's entries stand in POOL_TLB one structure after the other; a set takes 2**n records, the least that hold its ways, so that it
lies within one chunk and its address is computed once. A flush of everything is a note of the clock: older entries no longer count.
Tree-PLRU: node 1 is the root, 2n and 2n + 1 are below n, and record n of the set keeps node n; a use turns the nodes on its way to the
other half. An empty way is filled first, the lowest, whatever the policy (LRU: the one that was emptied first). Random: splitmix64 of
the machine's seed and the TLB's clock.
Invariants: a tag occurs once in a set for one PCID; age <= tlb_clock.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport GOLDEN, arena_resize, cpu_mut, rec_mut, splitmix64
from vmtool.mm.trace cimport TR_TLB_FILL, TR_TLB_FLUSH, TR_TLB_HIT, trace2


cdef inline bint tlb_is_mine(arena_t *a, const cpu_t *c, const tlb_entry_t *e) noexcept nogil:
    """Valid, and of the space that runs: by its PCID, or global."""
    return tlb_is_valid(c, e) and (e.pcid == tlb_space(a.m, c) or e.flags & TLB_GLOBAL)


cdef inline uint32_t tlb_set_of(const tlb_geom_t *geom, uint64_t vpn) noexcept nogil:
    return <uint32_t>(vpn % geom.sets) if geom.policy & TLB_ODD else <uint32_t>vpn & (geom.sets - 1)


cdef inline uint32_t stride_of(const tlb_geom_t *geom) noexcept nogil:
    """Records that a set takes."""
    cdef uint32_t n = 1
    while n < geom.ways:
        n <<= 1
    return n


cdef int tlb_init(arena_t *a) noexcept nogil:
    cdef uint32_t total = 0
    cdef uint32_t base = TLB_A_CHUNK  # record 0 is null; sets begin at a chunk
    cdef uint32_t i
    cdef tlb_geom_t *geom
    cdef cpu_t *c
    if tlb_spec_parse(a.m) < 0:
        return -EINVAL
    for i in range(NR_TLBS):
        geom = tlb_geom_of(a.m, i)
        geom.stride = <uint16_t>stride_of(geom) if geom.ways else 0
        # a smaller structure before a larger one could leave a set across a chunk's end: align to the set
        if geom.ways:
            total = (total + geom.stride - 1) & ~<uint32_t>(geom.stride - 1)
        geom.base = <uint16_t>total
        total += <uint32_t>geom.sets * geom.stride
        if total > <uint32_t>0xFFFF:
            return -EINVAL
    for i in range(a.m.nr_cpus):
        c = cpu_mut(a, i)
        c.tlb_base = base
        c.nr_tlb = total
        base += (total + TLB_A_CHUNK - 1) & ~<uint32_t>(TLB_A_CHUNK - 1)
    return arena_resize(a, POOL_TLB, base)


cdef bint tlb_locate(arena_t *a, uint32_t n, uint32_t *which, uint32_t *set_index, uint32_t *way) noexcept nogil:
    cdef uint32_t i
    cdef tlb_geom_t *geom
    for i in range(NR_TLBS):
        geom = tlb_geom_of(a.m, i)
        if geom.ways and geom.base <= n < geom.base + <uint32_t>geom.sets * geom.stride:
            which[0] = i
            set_index[0] = (n - geom.base) // geom.stride
            way[0] = (n - geom.base) % geom.stride
            return way[0] < geom.ways
    return False


cdef tlb_entry_t *tlb_at_first(arena_t *a, uint32_t i) noexcept nogil:
    return <tlb_entry_t *>rec_mut(a, POOL_TLB, i)


# --- lookup and fill --------------------------------------------------------------------------------------------


cdef inline tlb_entry_t *set_at(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn) noexcept nogil:
    return tlb_at(a, c.tlb_base + geom.base + tlb_set_of(geom, vpn) * geom.stride)


cdef void plru_use(tlb_entry_t *set_, const tlb_geom_t *geom, uint32_t way) noexcept nogil:
    """The nodes on the way to it point to the other half."""
    cdef uint32_t node = 1
    cdef uint32_t half = geom.stride >> 1
    while half:
        set_[node].plru = way & half == 0
        node = 2 * node + (way & half != 0)
        half >>= 1


cdef uint32_t plru_victim(const tlb_entry_t *set_, const tlb_geom_t *geom) noexcept nogil:
    """Where the nodes point. A half without ways, of a set that is no power of two, is passed by."""
    cdef uint32_t node = 1
    cdef uint32_t way = 0
    cdef uint32_t half = geom.stride >> 1
    cdef bint upper
    while half:
        upper = set_[node].plru != 0 and way + half < geom.ways
        way += half if upper else 0
        node = 2 * node + upper
        half >>= 1
    return way


cdef uint32_t victim_of(arena_t *a, const cpu_t *c, const tlb_entry_t *set_, const tlb_geom_t *geom) noexcept nogil:
    """The way that is filled next, where nothing of the page is there. Not for LRU."""
    cdef uint32_t way
    for way in range(geom.ways):
        if not tlb_is_valid(c, &set_[way]):
            return way
    if geom.policy & TLB_POLICY == TLB_RANDOM:
        return <uint32_t>(splitmix64(a.m.seed + c.tlb_clock * GOLDEN) % geom.ways)
    return plru_victim(set_, geom)


cdef inline void used(arena_t *a, cpu_t *c, const tlb_geom_t *geom, tlb_entry_t *e) noexcept nogil:
    e.age = c.tlb_clock
    if geom.policy & TLB_POLICY == TLB_PLRU:
        plru_use(set_at(a, c, geom, e.tag >> 1), geom, <uint32_t>(e - set_at(a, c, geom, e.tag >> 1)))


cdef inline tlb_entry_t *find(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn, uint32_t page_shift) noexcept nogil:
    """The valid entry for the page of this size in one structure, whatever it permits."""
    cdef uint64_t tag = vpn << 1 | 1
    cdef tlb_entry_t *e
    cdef tlb_entry_t *end
    if geom.ways == 0:
        return NULL
    e = set_at(a, c, geom, vpn)
    end = e + geom.ways
    while e < end:
        if e.tag == tag and e.page_shift == page_shift and tlb_is_mine(a, c, e):
            return e
        e += 1
    return NULL


cdef inline void put(arena_t *a, cpu_t *c, const tlb_geom_t *geom, const tlb_entry_t *new, bint last_level) noexcept nogil:
    """Into its set: over the same page's entry, else what the policy says. LRU: void ones are older than any that a flush left."""
    cdef tlb_entry_t *e
    cdef tlb_entry_t *end
    cdef tlb_entry_t *victim
    cdef uint64_t tag = new.tag
    cdef uint64_t oldest = ~<uint64_t>0
    cdef uint32_t node
    if geom.ways == 0:
        return
    e = set_at(a, c, geom, tag >> 1)
    victim = e
    end = e + geom.ways
    while e < end:
        if e.tag == tag and e.page_shift == new.page_shift and e.pcid == new.pcid:
            victim = e
            break
        if e.age < oldest:
            oldest = e.age
            victim = e
        e += 1
    if e == end:
        if geom.policy & TLB_POLICY:
            victim = end - geom.ways + victim_of(a, c, end - geom.ways, geom)
        if last_level and tlb_is_valid(c, victim):
            c.evictions += 1
    node = victim.plru
    victim[0] = new[0]
    victim.plru = node
    used(a, c, geom, victim)


cdef inline uint32_t first_level(machine_t *m, int access, int level) noexcept nogil:
    """The structure for pages of a level: those called 4K have the machine's pages, whatever their size."""
    cdef uint32_t which = TLB_L1I_4K if access == ACCESS_EXEC else TLB_L1D_4K
    if level == 0 or m.tlb_geom[which].policy & TLB_ALL_SIZES:
        return which
    return TLB_L1I_2M if access == ACCESS_EXEC else TLB_L1D_2M if level == 1 else TLB_L1D_1G


cdef inline uint32_t second_level(machine_t *m, int access, int level) noexcept nogil:
    cdef uint32_t which = TLB_L2I if access == ACCESS_EXEC and m.tlb_geom[TLB_L2I].ways else TLB_L2
    return which if level <= 1 or m.tlb_geom[which].policy & TLB_ALL_SIZES else TLB_L2_1G


cdef inline int level_of(const arch_t *g, uint32_t shift) noexcept nogil:
    """Whose pages fit into so much: a contiguous block counts by what it is made of."""
    return 0 if shift < g.level_shift[1] else 1 if g.levels == 2 or shift < g.level_shift[2] else 2


cdef uint32_t held_shift(const machine_t *m, uint32_t which, uint32_t shift) noexcept nogil:
    """What a structure holds of a page, or block, of this size: all of it, or the largest part that it knows; no less than the machine's page."""
    cdef const arch_t *g = &m.arch
    cdef uint32_t held = g.page_shift, i
    if m.tlb_sizes[which] == 0:
        return g.level_shift[level_of(g, shift)]
    for i in range(NR_TLB_SIZES):
        if m.tlb_sizes[which] >> i & 1 and held < tlb_size_shift(i) <= shift:
            held = tlb_size_shift(i)
    return held


cdef inline void put_part(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t which, const tlb_entry_t *whole, bint last_level) noexcept nogil:
    """What the structure holds of it."""
    cdef uint32_t shift = held_shift(a.m, which, whole.page_shift)
    cdef uint64_t within = (<uint64_t>1 << whole.page_shift) - 1, mask = (<uint64_t>1 << shift) - 1
    cdef tlb_entry_t e
    if shift == whole.page_shift and not a.m.tlb_sizes[which]:
        put(a, c, tlb_geom_of(a.m, which), whole, last_level)
        return
    e = whole[0]
    e.page_shift = <uint8_t>shift
    e.tag = addr >> shift << 1 | 1
    e.pte = (whole.pte & ~a.m.arch.pfn_mask) | (((whole.pte & ~within) | (addr & within)) & a.m.arch.pfn_mask & ~mask)
    put(a, c, tlb_geom_of(a.m, which), &e, last_level)


cdef inline bint permits(const cpu_t *c, const arch_t *g, const tlb_entry_t *e, int access) noexcept nogil:
    """An entry that forbids the access is of no use: the walk tells what is wrong."""
    return tlb_permits(g, e.pte, access) and not xonly_forbids(g, e.pte, access) and not (g.flags & ARCH_PKEYS and pkru_forbids(c.pkru, e.pte, access))


cdef tlb_entry_t *lookup_sized(arena_t *a, const cpu_t *c, vaddr_t addr, uint32_t which) noexcept nogil:
    """Of a structure that names what it holds: pages larger than the machine's."""
    cdef tlb_entry_t *e
    cdef uint32_t i
    for i in range(NR_TLB_SIZES):
        if a.m.tlb_sizes[which] >> i & 1 and tlb_size_shift(i) > a.m.arch.page_shift:
            e = find(a, c, tlb_geom_of(a.m, which), addr >> tlb_size_shift(i), tlb_size_shift(i))
            if e != NULL:
                return e
    return NULL


cdef tlb_entry_t *lookup_level(arena_t *a, cpu_t *c, vaddr_t addr, int access, bint second, uint32_t *which) noexcept nogil:
    """The page in one level, by page size; large ones are looked for where there are any."""
    cdef uint32_t shift
    cdef int level = 0
    cdef tlb_entry_t *e
    while level == 0 or (c.tlb_has_large and level < <int>a.m.arch.levels and level < 3):
        shift = a.m.arch.level_shift[level]
        which[0] = second_level(a.m, access, level) if second else first_level(a.m, access, level)
        e = find(a, c, tlb_geom_of(a.m, which[0]), addr >> shift, shift)
        if e == NULL and level == 0 and c.tlb_has_large and a.m.tlb_sizes[which[0]]:
            return lookup_sized(a, c, addr, which[0])
        if e != NULL or a.m.tlb_sizes[which[0]]:
            return e
        level += 1
    return NULL


cdef tlb_entry_t *tlb_lookup(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil:
    """Both levels. A hit in the second is copied to the first."""
    cdef uint64_t missed = ((addr >> a.m.arch.page_shift) + 1) << 1 | (access == ACCESS_EXEC)
    cdef uint32_t which = 0
    cdef tlb_entry_t *e
    c.tlb_clock += 1
    if c.tlb_missed == missed:
        c.misses += 1
        return NULL
    e = lookup_level(a, c, addr, access, False, &which)
    if e != NULL:
        if not permits(c, &a.m.arch, e, access):
            return NULL
        used(a, c, tlb_geom_of(a.m, which), e)
        c.l1_hits += 1
        trace2(a, TR_TLB_HIT, addr >> e.page_shift << (e.page_shift - a.m.arch.page_shift), 1)
        return e
    e = lookup_level(a, c, addr, access, True, &which)
    if e != NULL:
        if not permits(c, &a.m.arch, e, access):
            return NULL
        used(a, c, tlb_geom_of(a.m, which), e)
        c.l2_hits += 1
        put_part(a, c, addr, first_level(a.m, access, level_of(&a.m.arch, e.page_shift)), e, False)
        trace2(a, TR_TLB_HIT, addr >> e.page_shift << (e.page_shift - a.m.arch.page_shift), 2)
        return e
    c.misses += 1
    c.tlb_missed = missed
    return NULL


cdef inline void new_entry(arena_t *a, const cpu_t *c, vaddr_t addr, pte_t value, uint32_t shift, tlb_entry_t *out) noexcept nogil:
    memset(out, 0, sizeof(tlb_entry_t))
    out.tag = addr >> shift << 1 | 1
    out.pte = value
    out.age = c.tlb_clock
    out.page_shift = <uint8_t>shift
    out.pcid = <uint16_t>tlb_space(a.m, c)


cdef void tlb_fill(arena_t *a, cpu_t *c, vaddr_t addr, int access, pte_t leaf, uint32_t page_shift) noexcept nogil:
    cdef tlb_entry_t e
    cdef int level = level_of(&a.m.arch, page_shift)
    cdef uint32_t second = second_level(a.m, access, level)
    new_entry(a, c, addr, leaf, page_shift, &e)
    if leaf & a.m.arch.is_global:
        e.flags = TLB_GLOBAL
        e.pcid = 0
    c.tlb_missed = 0
    if page_shift > a.m.arch.page_shift:
        c.tlb_has_large = 1
    put_part(a, c, addr, first_level(a.m, access, level), &e, tlb_geom_of(a.m, second).ways == 0)
    put_part(a, c, addr, second, &e, True)
    trace2(a, TR_TLB_FILL, addr >> page_shift << (page_shift - a.m.arch.page_shift), (leaf & a.m.arch.pfn_mask) >> a.m.arch.page_shift)


# --- paging-structure caches ------------------------------------------------------------------------------------------


cdef int psc_lookup(arena_t *a, cpu_t *c, vaddr_t addr, pte_t *out) noexcept nogil:
    cdef const arch_t *g = &a.m.arch
    cdef tlb_geom_t *geom
    cdef tlb_entry_t *e
    cdef int level
    for level in range(1, <int>g.levels):
        geom = tlb_geom_of(a.m, TLB_PSC + level - 1)
        e = find(a, c, geom, addr >> g.level_shift[level], g.level_shift[level])
        if e != NULL:
            used(a, c, geom, e)
            c.psc_hits += 1
            out[0] = e.pte
            return level
    return 0


cdef void psc_fill(arena_t *a, cpu_t *c, vaddr_t addr, int level, pte_t value) noexcept nogil:
    cdef tlb_entry_t e
    new_entry(a, c, addr, value, a.m.arch.level_shift[level], &e)
    put(a, c, tlb_geom_of(a.m, TLB_PSC + level - 1), &e, False)


cdef void psc_void(arena_t *a, const cpu_t *c, uint32_t pcid) noexcept nogil:
    """INVLPG: all of the PCID's, whatever address they are for."""
    cdef uint32_t i
    cdef uint32_t n
    cdef tlb_geom_t *geom
    cdef tlb_entry_t *e
    for i in range(NR_PSCS):
        geom = tlb_geom_of(a.m, TLB_PSC + i)
        for n in range(<uint32_t>geom.sets * geom.stride):
            e = tlb_at(a, c.tlb_base + geom.base + n)
            if e.pcid == pcid:
                e.tag = 0
                e.age = 0


# --- invalidation ---------------------------------------------------------------------------------------------------


cdef uint64_t nr_valid(arena_t *a, const cpu_t *c, bint globals_too) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t i
    cdef tlb_entry_t *e
    for i in range(c.nr_tlb):
        e = tlb_at(a, c.tlb_base + i)
        n += tlb_is_valid(c, e) and (globals_too or not e.flags & TLB_GLOBAL)
    return n


cdef void trace_flush(arena_t *a, uint32_t pcid, uint64_t nr_entries) noexcept nogil:
    """What was forgotten; a flush that found nothing is no step worth telling."""
    if nr_entries:
        trace2(a, TR_TLB_FLUSH, pcid, nr_entries)


cdef void tlb_flush_all(arena_t *a, cpu_t *c, bint globals_too) noexcept nogil:
    if a.m.trace_on:
        trace_flush(a, 0, nr_valid(a, c, globals_too))
    c.tlb_flushed_at = c.tlb_clock
    if globals_too:
        c.tlb_flushed_global_at = c.tlb_clock
        c.tlb_has_large = 0
    c.tlb_clock += 1
    c.flushes_all += 1


cdef void tlb_flush_pcid(arena_t *a, cpu_t *c, uint32_t pcid) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t n = 0
    cdef tlb_entry_t *e
    for i in range(c.nr_tlb):
        e = tlb_at(a, c.tlb_base + i)
        if e.tag & 1 and e.pcid == pcid and not e.flags & TLB_GLOBAL:
            n += tlb_is_valid(c, e)
            e.tag = 0
            e.age = 0
    c.flushes_all += 1
    trace_flush(a, pcid, n)


cdef uint64_t drop_page(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, vaddr_t addr, uint32_t shift, uint32_t pcid) noexcept nogil:
    """Void the page's entry in one structure. Returns how many counted."""
    cdef uint64_t tag = addr >> shift << 1 | 1
    cdef uint64_t n = 0
    cdef tlb_entry_t *e
    cdef tlb_entry_t *end
    if geom.ways == 0:
        return 0
    e = set_at(a, c, geom, addr >> shift)
    end = e + geom.ways
    while e < end:
        if e.tag == tag and e.page_shift == shift and (e.flags & TLB_GLOBAL or e.pcid == pcid):
            n += tlb_is_valid(c, e)
            e.tag = 0
            e.age = 0
        e += 1
    return n


cdef uint64_t drop_sized(arena_t *a, const cpu_t *c, uint32_t which, vaddr_t addr, uint32_t space) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint32_t i
    for i in range(NR_TLB_SIZES):
        if a.m.tlb_sizes[which] >> i & 1 and tlb_size_shift(i) > a.m.arch.page_shift:
            n += drop_page(a, c, tlb_geom_of(a.m, which), addr, tlb_size_shift(i), space)
    return n


cdef uint64_t drop_leaves(arena_t *a, const cpu_t *c, vaddr_t addr, uint32_t space) noexcept nogil:
    """The page in every structure and size; globals too. Returns how many entries counted."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t n = 0
    cdef uint32_t which[4]
    cdef int i, level, last = 3 if c.tlb_has_large else 1
    for level in range(last if last < <int>g.levels else <int>g.levels):
        which[0] = first_level(a.m, ACCESS_READ, level)
        which[1] = first_level(a.m, ACCESS_EXEC, level)
        which[2] = second_level(a.m, ACCESS_READ, level)
        which[3] = second_level(a.m, ACCESS_EXEC, level)
        for i in range(4 if a.m.tlb_geom[TLB_L2I].ways else 3):
            n += drop_page(a, c, tlb_geom_of(a.m, which[i]), addr, g.level_shift[level], space)
            if level == 0 and c.tlb_has_large and a.m.tlb_sizes[which[i]]:
                n += drop_sized(a, c, which[i], addr, space)
    return n


cdef void tlb_flush_page(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t pcid) noexcept nogil:
    cdef uint64_t n = drop_leaves(a, c, addr, pcid)
    if a.m.arch.flags & ARCH_CAREFUL:
        psc_void(a, c, pcid)
    c.flushes_page += 1
    trace_flush(a, pcid, n)


cdef void tlb_flush_va(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t asid, bint last_level) noexcept nogil:
    cdef uint64_t n = drop_leaves(a, c, addr, asid)
    cdef int level
    if a.m.arch.flags & ARCH_CAREFUL and not last_level:
        for level in range(1, <int>a.m.arch.levels):
            drop_page(a, c, tlb_geom_of(a.m, TLB_PSC + level - 1), addr, a.m.arch.level_shift[level], asid)
    c.flushes_page += 1
    trace_flush(a, asid, n)
