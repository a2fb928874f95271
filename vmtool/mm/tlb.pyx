"""The TLB of each CPU: first-level structures by page size and kind of access, a second level, paging-structure caches.

A line of a spec: NAME=ENTRIESxWAYS, then `:plru`, `:random` or `:lru` for what makes room, `:all` for a structure that holds pages of
every size. The word `plru`, `random` or `lru` alone holds for what follows it.

Presets, and where their figures are told:
    skylake      Intel Optimization Reference Manual (248966-045), table 2-15: 64 x 4 ways (4K data), 32 x 4 (2M), 4 x 4 (1G), 128 x 8 (4K
                 instructions), 8 x 8 (2M instructions), second level 1536 x 12 for 4K and 2M, 16 x 4 for 1G
    icelake      the same, Ice Lake: 1G data 8 x 8, 2M instructions 16 x 8, second level 2048 x 16
    zen2         AMD 56305 (Optimization Guide): 64 data, 64 instructions, all sizes in one set; second level 2048 x 16 (data) and 512 x 8
                 (instructions), 4K and 2M. CPUID of model 71h: 2048, of which 8 ways for 4K and 4 for 2M, and 1024 x 8
    zen4         AMD 57647 (Optimization Guide): 72 data, 64 instructions; second level 3072 x 24 and 512 x 8
    cortex-a72   Arm 100095 (TRM of the Cortex-A72), 5.2: 32 data, 48 instructions, all sizes in one set; second level 1024 x 4
    neoverse-n1  Arm 100616 (TRM of the Neoverse N1), A5.2: 48 and 48, all sizes in one set; second level 1280 x 5, all sizes
The manuals do not say what makes room: the entry used longest ago, as long as nothing else is asked for. Of the paging-structure caches
they say that there are some (Intel SDM volume 3, 5.10.3), not how large: the presets have none.

    pml4e pdpte pde     a miss looks for the cached entry closest to the leaf, and reads the tables from there on only

A CPU's entries stand in POOL_TLB one structure after the other; a set takes 2**n records, the least that hold its ways, so that it
lies within one chunk and its address is computed once. A flush of everything is a note of the clock: older entries no longer count.
Tree-PLRU: node 1 is the root, 2n and 2n + 1 are below n, and record n of the set keeps node n; a use turns the nodes on its way to the
other half. An empty way is filled first, the lowest, whatever the policy (LRU: the one that was emptied first). Random: splitmix64 of
the machine's seed and the TLB's clock.
# Deviation: 1G pages are not cut into 2M entries in Zen's second level, as they are there (here they are in its first alone); a way takes 4K and 2M.
Invariants: a tag occurs once in a set for one PCID; age <= tlb_clock.
"""

from libc.string cimport memset, strcmp, strlen, strncmp

from vmtool.mm.arena cimport GOLDEN, arena_resize, cpu_mut, splitmix64
from vmtool.mm.trace cimport TR_TLB_FILL, TR_TLB_FLUSH, TR_TLB_HIT, trace2

cdef enum:
    NR_PRESETS = 8
    NR_WORDS = 3
    TLB_RECORDS_A_CHUNK = 512
    MAX_WAYS = 128
    MAX_SETS = 4096
    PCID_MASK = 0xFFF

cdef const char *NAMES[NR_TLBS]
NAMES[:] = [b"l1d", b"l1d2m", b"l1d1g", b"l1i", b"l1i2m", b"l2", b"l2i", b"l21g", b"pde", b"pdpte", b"pml4e", b"pml5e"]

cdef struct preset_t:
    const char *name
    const char *spec

cdef const char *WORDS[NR_WORDS]  # by TLB_LRU, TLB_PLRU, TLB_RANDOM
WORDS[:] = [b"lru", b"plru", b"random"]

cdef preset_t PRESETS[NR_PRESETS]
PRESETS[0] = preset_t(b"", b"l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12")
PRESETS[1] = preset_t(b"skylake", b"l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12,l21g=16x4")
PRESETS[2] = preset_t(b"icelake", b"l1d=64x4,l1d2m=32x4,l1d1g=8x8,l1i=128x8,l1i2m=16x8,l2=2048x16")
PRESETS[3] = preset_t(b"cortex-a72", b"l1d=32x32:all,l1i=48x48:all,l2=1024x4:all")
PRESETS[4] = preset_t(b"neoverse-n1", b"l1d=48x48:all,l1i=48x48:all,l2=1280x5:all")
PRESETS[5] = preset_t(b"zen2", b"l1d=64x64:all,l1i=64x64:all,l2=2048x16,l2i=512x8")
PRESETS[6] = preset_t(b"zen4", b"l1d=72x72:all,l1i=64x64:all,l2=3072x24,l2i=512x8")
PRESETS[7] = preset_t(b"none", b"")

cdef const char *tlb_name(uint32_t which) noexcept nogil:
    return NAMES[which if which < NR_TLBS else 0]


# --- configuration ------------------------------------------------------------------------------------------

cdef const char *parse_number(const char *at, uint32_t *out) noexcept nogil:
    """Decimal digits; returns what follows them, NULL when there are none or too many."""
    cdef uint32_t n = 0
    cdef int digits = 0
    while c"0" <= at[0] <= c"9":
        n = n * 10 + <uint32_t>(at[0] - c"0")
        digits += 1
        at += 1
    out[0] = n
    if digits == 0 or digits > 6:
        return NULL
    return at

cdef inline size_t word_length(const char *at) noexcept nogil:
    """Up to the `=`, `:` or `,` that ends a word, or the end of the text."""
    cdef size_t n = 0
    while at[n] and at[n] != c"=" and at[n] != c":" and at[n] != c",":
        n += 1
    return n

cdef int word_number(const char *at, size_t length, const char **words, int nr) noexcept nogil:
    """Which of the words it is; -1: none."""
    cdef int i
    for i in range(nr):
        if name_is(at, length, words[i]):
            return i
    return -1

cdef const char *parse_marks(const char *at, tlb_geom_t *geom) noexcept nogil:
    """`:plru:all`, as many as there are; NULL: what is none."""
    cdef size_t length
    cdef int policy
    while at[0] == c":":
        at += 1
        length = word_length(at)
        policy = word_number(at, length, WORDS, NR_WORDS)
        if policy >= 0:
            geom.policy = <uint8_t>((geom.policy & ~<uint8_t>TLB_POLICY) | policy)
        elif name_is(at, length, b"all"):
            geom.policy |= TLB_ALL_SIZES
        else:
            return NULL
        at += length
    return at

cdef const char *parse_structure(const char *at, uint8_t policy, machine_t *m) noexcept nogil:
    """NAME=ENTRIESxWAYS and its marks; NULL: it cannot be."""
    cdef size_t length = word_length(at)
    cdef int which = word_number(at, length, NAMES, NR_TLBS)
    cdef uint32_t entries
    cdef uint32_t ways
    cdef tlb_geom_t *geom
    if which < 0 or at[length] != c"=":
        return NULL
    at = parse_number(at + length + 1, &entries)
    if at == NULL or at[0] != c"x":
        return NULL
    at = parse_number(at + 1, &ways)
    if at == NULL or ways == 0 or ways > MAX_WAYS or entries == 0 or entries % ways or entries // ways > MAX_SETS:
        return NULL
    geom = tlb_geom_of(m, which)
    geom.sets = <uint16_t>(entries // ways)
    geom.ways = <uint8_t>ways
    geom.policy = policy | (TLB_ODD if geom.sets & (geom.sets - 1) else 0)
    return parse_marks(at, geom)

cdef int parse_spec(const char *at, machine_t *m) noexcept nogil:
    """Items between commas; a structure that is not named does not exist. Returns 0 or -EINVAL."""
    cdef uint8_t policy = TLB_LRU
    cdef int word
    cdef size_t length
    memset(m.tlb_geom, 0, sizeof(m.tlb_geom))
    memset(m.tlb_more, 0, sizeof(m.tlb_more))
    while at[0]:
        length = word_length(at)
        word = word_number(at, length, WORDS, NR_WORDS)
        if word >= 0 and at[length] != c"=":
            policy = <uint8_t>word
            at += length
        else:
            at = parse_structure(at, policy, m)
            if at == NULL:
                return -EINVAL
        if at[0] == c",":
            at += 1
        elif at[0]:
            return -EINVAL
    return 0

cdef bint tlb_is_plain(machine_t *m) noexcept nogil:
    cdef uint32_t i
    for i in range(NR_TLBS):
        if tlb_geom_of(m, i).ways and (i >= TLB_L2I and i != TLB_L2_1G or tlb_geom_of(m, i).policy):
            return False
    return True

cdef bint name_is(const char *text, size_t length, const char *name) noexcept nogil:
    return strlen(name) == length and strncmp(text, name, length) == 0

cdef inline uint32_t stride_of(const tlb_geom_t *geom) noexcept nogil:
    """Records that a set takes."""
    cdef uint32_t n = 1
    while n < geom.ways:
        n <<= 1
    return n

cdef int tlb_init(arena_t *a) noexcept nogil:
    cdef const char *spec = a.m.tlb_spec
    cdef uint32_t total = 0
    cdef uint32_t base = TLB_RECORDS_A_CHUNK  # record 0 is null; sets begin at a chunk
    cdef uint32_t i
    cdef tlb_geom_t *geom
    cdef cpu_t *c
    for i in range(NR_PRESETS):
        if strcmp(a.m.tlb_spec, PRESETS[i].name) == 0:
            spec = PRESETS[i].spec
    if parse_spec(spec, a.m) < 0:
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
        base += (total + TLB_RECORDS_A_CHUNK - 1) & ~<uint32_t>(TLB_RECORDS_A_CHUNK - 1)
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

cdef inline tlb_geom_t *first_level(machine_t *m, int access, int level) noexcept nogil:
    """The structure for pages of a level: those called 4K have the machine's pages, whatever their size."""
    cdef uint32_t which = TLB_L1I_4K if access == ACCESS_EXEC else TLB_L1D_4K
    if level == 0 or m.tlb_geom[which].policy & TLB_ALL_SIZES:
        return &m.tlb_geom[which]
    return &m.tlb_geom[TLB_L1I_2M if access == ACCESS_EXEC else TLB_L1D_2M if level == 1 else TLB_L1D_1G]

cdef inline tlb_geom_t *second_level(machine_t *m, int access, int level) noexcept nogil:
    cdef tlb_geom_t *geom = &m.tlb_geom[TLB_L2I if access == ACCESS_EXEC and m.tlb_geom[TLB_L2I].ways else TLB_L2]
    return geom if level <= 1 or geom.policy & TLB_ALL_SIZES else &m.tlb_geom[TLB_L2_1G]

cdef inline int level_of(const arch_t *g, uint32_t page_shift) noexcept nogil:
    return 0 if page_shift == g.page_shift else 1 if page_shift == g.level_shift[1] else 2

cdef inline bint permits(const cpu_t *c, const arch_t *g, const tlb_entry_t *e, int access) noexcept nogil:
    """An entry that forbids the access is of no use: the walk tells what is wrong."""
    return tlb_permits(g, e.pte, access) and not (g.flags & ARCH_PKEYS and pkru_forbids(c.pkru, e.pte, access))

cdef tlb_entry_t *lookup_level(arena_t *a, cpu_t *c, vaddr_t addr, int access, bint second, tlb_geom_t **geom) noexcept nogil:
    """The page in one level, by page size; large ones are looked for where there are any."""
    cdef uint32_t shift
    cdef int level = 0
    cdef tlb_entry_t *e
    while level == 0 or (c.tlb_has_large and level < 3):
        shift = a.m.arch.level_shift[level]
        geom[0] = second_level(a.m, access, level) if second else first_level(a.m, access, level)
        e = find(a, c, geom[0], addr >> shift, shift)
        if e != NULL:
            return e
        level += 1
    return NULL

cdef tlb_entry_t *tlb_lookup(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil:
    """Both levels. A hit in the second is copied to the first."""
    cdef uint64_t missed = ((addr >> a.m.arch.page_shift) + 1) << 1 | (access == ACCESS_EXEC)
    cdef tlb_geom_t *geom = NULL
    cdef tlb_entry_t *e
    c.tlb_clock += 1
    if c.tlb_missed == missed:
        c.misses += 1
        return NULL
    e = lookup_level(a, c, addr, access, False, &geom)
    if e != NULL:
        if not permits(c, &a.m.arch, e, access):
            return NULL
        used(a, c, geom, e)
        c.l1_hits += 1
        trace2(a, TR_TLB_HIT, addr >> e.page_shift << (e.page_shift - a.m.arch.page_shift), 1)
        return e
    e = lookup_level(a, c, addr, access, True, &geom)
    if e != NULL:
        if not permits(c, &a.m.arch, e, access):
            return NULL
        used(a, c, geom, e)
        c.l2_hits += 1
        put(a, c, first_level(a.m, access, level_of(&a.m.arch, e.page_shift)), e, False)
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
    if a.m.pcid:
        out.pcid = <uint16_t>(c.cr3 & PCID_MASK)

cdef void tlb_fill(arena_t *a, cpu_t *c, vaddr_t addr, int access, pte_t leaf, uint32_t page_shift) noexcept nogil:
    cdef tlb_entry_t e
    cdef int level = level_of(&a.m.arch, page_shift)
    cdef tlb_geom_t *second = second_level(a.m, access, level)
    new_entry(a, c, addr, leaf, page_shift, &e)
    if leaf & a.m.arch.is_global:
        e.flags = TLB_GLOBAL
        e.pcid = 0
    c.tlb_missed = 0
    if level:
        c.tlb_has_large = 1
    put(a, c, first_level(a.m, access, level), &e, second.ways == 0)
    put(a, c, second, &e, True)
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

cdef void tlb_flush_page(arena_t *a, cpu_t *c, vaddr_t addr, uint32_t pcid) noexcept nogil:
    """INVLPG: the page in every structure and size; globals too."""
    cdef const arch_t *g = &a.m.arch
    cdef uint64_t n = 0
    cdef int level, last = 3 if c.tlb_has_large else 1
    for level in range(last if last < <int>g.levels else <int>g.levels):
        n += drop_page(a, c, first_level(a.m, ACCESS_READ, level), addr, g.level_shift[level], pcid)
        n += drop_page(a, c, first_level(a.m, ACCESS_EXEC, level), addr, g.level_shift[level], pcid)
        n += drop_page(a, c, second_level(a.m, ACCESS_READ, level), addr, g.level_shift[level], pcid)
        if a.m.tlb_geom[TLB_L2I].ways:
            n += drop_page(a, c, second_level(a.m, ACCESS_EXEC, level), addr, g.level_shift[level], pcid)
    if g.flags & ARCH_CAREFUL:
        psc_void(a, c, pcid)
    c.flushes_page += 1
    trace_flush(a, pcid, n)
