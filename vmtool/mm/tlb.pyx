"""The TLB of each CPU: first-level structures by page size and kind of access, one shared second level.

Counterpart, by preset:
    skylake      Intel Optimization Reference Manual (248966), Skylake: 64 x 4 ways (4K data), 32 x 4 (2M), 4 x 4 (1G), 128 x 8 (4K
                 instructions), 8 x 8 (2M instructions), second level 1536 x 12 for 4K and 2M
    icelake      the same, Ice Lake: 1G data 8 x 8, 2M instructions 16 x 8, second level 2048 x 16
    cortex-a72   Arm 100095 (TRM of the Cortex-A72), 5.2: 32 data, 48 instructions, all in one set; second level 1024 x 4
    neoverse-n1  Arm 100616 (TRM of the Neoverse N1), A5.2: 48 and 48, all in one set; second level 1280 x 5

A CPU's entries stand in POOL_TLB one structure after the other; a set takes 2**n records, the least that hold its ways, so that it
lies within one chunk and its address is computed once. Replacement: the entry used longest ago (by tlb_clock). A flush of
everything is a note of the clock: older entries no longer count.
# Deviation: no 1G entries in the second level, no paging-structure caches. Arm's first levels hold every size in one structure; here each
# size has one of that length, which differs only where a program uses several sizes.
Invariants: a tag occurs once in a set for one PCID; age <= tlb_clock.
"""

from libc.string cimport memset, strcmp, strlen

from vmtool.mm.arena cimport arena_resize, cpu_mut
from vmtool.mm.trace cimport TR_TLB_FILL, TR_TLB_FLUSH, TR_TLB_HIT, trace2

cdef enum:
    TLB_RECORDS_A_CHUNK = 512
    MAX_WAYS = 64
    PCID_MASK = 0xFFF

cdef const char *NAMES[NR_TLBS]
NAMES[:] = [b"l1d", b"l1d2m", b"l1d1g", b"l1i", b"l1i2m", b"l2"]

cdef struct preset_t:
    const char *name
    const char *spec

cdef enum:
    NR_PRESETS = 6

cdef preset_t PRESETS[NR_PRESETS]
PRESETS[0] = preset_t(b"", b"l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12")
PRESETS[1] = preset_t(b"skylake", PRESETS[0].spec)
PRESETS[2] = preset_t(b"icelake", b"l1d=64x4,l1d2m=32x4,l1d1g=8x8,l1i=128x8,l1i2m=16x8,l2=2048x16")
PRESETS[3] = preset_t(b"cortex-a72", b"l1d=32x32,l1d2m=32x32,l1d1g=32x32,l1i=48x48,l1i2m=48x48,l2=1024x4")
PRESETS[4] = preset_t(b"neoverse-n1", b"l1d=48x48,l1d2m=48x48,l1d1g=48x48,l1i=48x48,l1i2m=48x48,l2=1280x5")
PRESETS[5] = preset_t(b"none", b"")


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


cdef int parse_spec(const char *spec, tlb_geom_t *geom) noexcept nogil:
    """name=ENTRIESxWAYS, comma-separated; a structure that is not named does not exist. Returns 0 or -EINVAL."""
    cdef const char *at = spec
    cdef uint32_t which
    cdef uint32_t entries
    cdef uint32_t ways
    cdef uint32_t sets
    cdef size_t length = 0
    memset(geom, 0, NR_TLBS * sizeof(tlb_geom_t))
    while at[0]:
        length = 0
        while at[length] and at[length] != c"=":
            length += 1
        which = 0
        while which < NR_TLBS and not name_is(at, length, NAMES[which]):
            which += 1
        if which == NR_TLBS or at[length] != c"=":
            return -EINVAL
        at = parse_number(at + length + 1, &entries)
        if at == NULL or at[0] != c"x":
            return -EINVAL
        at = parse_number(at + 1, &ways)
        if at == NULL or ways == 0 or ways > MAX_WAYS or entries % ways:
            return -EINVAL
        sets = entries // ways
        if sets == 0 or sets & (sets - 1) or sets > 4096:
            return -EINVAL  # the low bits of the page number choose the set
        geom[which].sets = <uint16_t>sets
        geom[which].ways = <uint8_t>ways
        if at[0] == c",":
            at += 1
        elif at[0]:
            return -EINVAL
    return 0


cdef bint name_is(const char *text, size_t length, const char *name) noexcept nogil:
    cdef size_t i
    if strlen(name) != length:
        return False
    for i in range(length):
        if text[i] != name[i]:
            return False
    return True


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
    cdef cpu_t *c
    for i in range(NR_PRESETS):
        if strcmp(a.m.tlb_spec, PRESETS[i].name) == 0:
            spec = PRESETS[i].spec
    if parse_spec(spec, a.m.tlb_geom) < 0:
        return -EINVAL
    for i in range(NR_TLBS):
        a.m.tlb_geom[i].stride = <uint16_t>stride_of(&a.m.tlb_geom[i]) if a.m.tlb_geom[i].ways else 0
        # a smaller structure before a larger one could leave a set across a chunk's end: align to the set
        if a.m.tlb_geom[i].ways:
            total = (total + a.m.tlb_geom[i].stride - 1) & ~<uint32_t>(a.m.tlb_geom[i].stride - 1)
        a.m.tlb_geom[i].base = <uint16_t>total
        total += <uint32_t>a.m.tlb_geom[i].sets * a.m.tlb_geom[i].stride
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
        geom = &a.m.tlb_geom[i]
        if geom.ways and geom.base <= n < geom.base + <uint32_t>geom.sets * geom.stride:
            which[0] = i
            set_index[0] = (n - geom.base) // geom.stride
            way[0] = (n - geom.base) % geom.stride
            return way[0] < geom.ways
    return False


# --- lookup and fill --------------------------------------------------------------------------------------------

cdef inline tlb_entry_t *set_at(arena_t *a, const cpu_t *c, const tlb_geom_t *geom, uint64_t vpn) noexcept nogil:
    return tlb_at(a, c.tlb_base + geom.base + (<uint32_t>vpn & (geom.sets - 1)) * geom.stride)


cdef inline tlb_entry_t *find(arena_t *a, const cpu_t *c, uint32_t which, uint64_t vpn, uint32_t page_shift) noexcept nogil:
    """The valid entry for the page of this size in one structure, whatever it permits."""
    cdef tlb_geom_t *geom = &a.m.tlb_geom[which]
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


cdef inline void put(arena_t *a, cpu_t *c, uint32_t which, const tlb_entry_t *new, bint last_level) noexcept nogil:
    """Into its set: over the same page's entry, else the one used longest ago. Void ones are older than any that a flush left."""
    cdef tlb_geom_t *geom = &a.m.tlb_geom[which]
    cdef tlb_entry_t *e
    cdef tlb_entry_t *end
    cdef tlb_entry_t *victim
    cdef uint64_t tag = new.tag
    cdef uint64_t oldest = ~<uint64_t>0
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
    if last_level and victim.tag != tag and tlb_is_valid(c, victim):
        c.evictions += 1
    victim[0] = new[0]


cdef inline uint32_t first_level(int access, int level) noexcept nogil:
    """The structure for pages of a level: those called 4K have the machine's pages, whatever their size."""
    if access == ACCESS_EXEC:
        return TLB_L1I_4K if level == 0 else TLB_L1I_2M
    return TLB_L1D_4K if level == 0 else TLB_L1D_2M if level == 1 else TLB_L1D_1G


cdef inline int level_of(const arch_t *g, uint32_t page_shift) noexcept nogil:
    return 0 if page_shift == g.page_shift else 1 if page_shift == g.level_shift[1] else 2


cdef tlb_entry_t *found(cpu_t *c, tlb_entry_t *e, const arch_t *g, int access) noexcept nogil:
    """An entry that forbids the access is of no use: the walk tells what is wrong."""
    if not tlb_permits(g, e.pte, access) or (g.flags & ARCH_PKEYS and pkru_forbids(c.pkru, e.pte, access)):
        return NULL
    e.age = c.tlb_clock
    return e


cdef tlb_entry_t *lookup_first(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil:
    """The first level, by page size."""
    cdef uint32_t shift
    cdef int level = 0
    cdef tlb_entry_t *e
    while level == 0 or (c.tlb_has_large and level < 3):
        shift = a.m.arch.level_shift[level]
        e = find(a, c, first_level(access, level), addr >> shift, shift)
        if e != NULL:
            return e
        level += 1
    return NULL


cdef tlb_entry_t *tlb_lookup(arena_t *a, cpu_t *c, vaddr_t addr, int access) noexcept nogil:
    """Both levels. A hit in the second is copied to the first."""
    cdef uint64_t missed = ((addr >> a.m.arch.page_shift) + 1) << 1 | (access == ACCESS_EXEC)
    cdef uint32_t shift
    cdef int level = 0
    cdef tlb_entry_t *e
    c.tlb_clock += 1
    if c.tlb_missed == missed:
        c.misses += 1
        return NULL
    e = lookup_first(a, c, addr, access)
    if e != NULL:
        e = found(c, e, &a.m.arch, access)
        if e != NULL:
            c.l1_hits += 1
            trace2(a, TR_TLB_HIT, addr >> e.page_shift << (e.page_shift - a.m.arch.page_shift), 1)
        return e
    while level == 0 or (c.tlb_has_large and level == 1):
        shift = a.m.arch.level_shift[level]
        e = find(a, c, TLB_L2, addr >> shift, shift)
        if e != NULL:
            e = found(c, e, &a.m.arch, access)
            if e != NULL:
                c.l2_hits += 1
                put(a, c, first_level(access, level), e, False)
                trace2(a, TR_TLB_HIT, addr >> shift << (shift - a.m.arch.page_shift), 2)
            return e
        level += 1
    c.misses += 1
    c.tlb_missed = missed
    return NULL


cdef void tlb_fill(arena_t *a, cpu_t *c, vaddr_t addr, int access, pte_t leaf, uint32_t page_shift) noexcept nogil:
    cdef tlb_entry_t e
    cdef int level = level_of(&a.m.arch, page_shift)
    memset(&e, 0, sizeof(e))
    e.tag = addr >> page_shift << 1 | 1
    e.pte = leaf
    e.age = c.tlb_clock
    e.page_shift = <uint8_t>page_shift
    if leaf & a.m.arch.is_global:
        e.flags = TLB_GLOBAL
    elif a.m.pcid:
        e.pcid = <uint16_t>(c.cr3 & PCID_MASK)
    c.tlb_missed = 0
    if level:
        c.tlb_has_large = 1
    put(a, c, first_level(access, level), &e, a.m.tlb_geom[TLB_L2].ways == 0 or level > 1)
    if level <= 1:
        put(a, c, TLB_L2, &e, True)
    trace2(a, TR_TLB_FILL, addr >> page_shift << (page_shift - a.m.arch.page_shift), (leaf & a.m.arch.pfn_mask) >> a.m.arch.page_shift)


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


cdef uint64_t drop_page(arena_t *a, const cpu_t *c, uint32_t which, vaddr_t addr, uint32_t shift, uint32_t pcid) noexcept nogil:
    """Void the page's entry in one structure. Returns how many counted."""
    cdef tlb_geom_t *geom = &a.m.tlb_geom[which]
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
    cdef const uint32_t *shift = &a.m.arch.level_shift[0]
    cdef uint64_t n = drop_page(a, c, TLB_L1D_4K, addr, shift[0], pcid)
    n += drop_page(a, c, TLB_L1I_4K, addr, shift[0], pcid)
    n += drop_page(a, c, TLB_L2, addr, shift[0], pcid)
    if c.tlb_has_large:
        n += drop_page(a, c, TLB_L1D_2M, addr, shift[1], pcid)
        n += drop_page(a, c, TLB_L1I_2M, addr, shift[1], pcid)
        n += drop_page(a, c, TLB_L2, addr, shift[1], pcid)
        n += drop_page(a, c, TLB_L1D_1G, addr, shift[2], pcid)
        n += drop_page(a, c, TLB_L1I_2M, addr, shift[2], pcid)
    c.flushes_page += 1
    trace_flush(a, pcid, n)
