"""--tlb: what a machine's TLBs are, from a preset's name or the text of one.

A line of a spec: NAME=ENTRIESxWAYS, then `:plru`, `:random` or `:lru` for what makes room, `:all` for a structure that holds pages of
every size, `:4K+64K+1M` for one that holds just these: of a larger page, or a block of contiguous ones (arm64's hint), it holds the largest
such part that the access is in. The word `plru`, `random` or `lru` alone holds for what follows it. On arm64 `asid=8` has ASIDs of 8 bits
instead of 16, `tlbirange` flushes a range by one instruction (FEAT_TLBIRANGE).

Presets, and where their figures are told:
    skylake      Intel Optimization Reference Manual (248966-045), table 2-15: 64 x 4 ways (4K data), 32 x 4 (2M), 4 x 4 (1G), 128 x 8 (4K
                 instructions), 8 x 8 (2M instructions), second level 1536 x 12 for 4K and 2M, 16 x 4 for 1G
    icelake      the same manual, TLB parameters of the Ice Lake client microarchitecture: 1G data 8 x 8, 2M instructions 16 x 8, second level
                 2048 x 16 for 4K, of which 8 ways also take 2M and the other 8 also 1G: here 2M may be in any way, 1G have 1024 x 8 for themselves.
                 CPUID leaf 18h of a model 7Eh says the second level as two, 1024 x 8 for 4K and 2M, 1024 x 8 for 4K and 1G
    zen2         AMD 56305 (Optimization Guide): 64 data, 64 instructions, all sizes in one set; second level 2048 x 16 (data) and 512 x 8
                 (instructions), 4K and 2M; pages of 1G by parts of 2M. CPUID of model 71h: 2048, of which 8 ways for 4K and 4 for 2M, and 1024 x 8
    zen4         AMD 57647 (Optimization Guide): 72 data, 64 instructions; second level 3072 x 24 and 512 x 8
    cortex-a72   Arm 100095 (TRM of the Cortex-A72), 5.2: 32 data, 48 instructions, of 4K, 64K and 1M, one part of 1M of what is larger; second
                 level 1024 x 4, of 4K, 64K, 1M, 2M, 16M, 512M, 1G; chapter 4 (ID_AA64MMFR0_EL1): ASIDs of 16 bits
    neoverse-n1  Arm 100616 (TRM of the Neoverse N1), A5.2, as 100798 (Cortex-A76), A5.2: 48 and 48, data of 4K, 16K, 64K, 2M, 512M, instructions of 4K, 16K, 64K, 2M, 32M;
                 second level 1280 x 5, of 4K, 16K, 64K, 2M, 32M, 512M, 1G; B2
                 (ID_AA64MMFR0_EL1, ID_AA64ISAR0_EL1): ASIDs of 16 bits, no FEAT_TLBIRANGE
The manuals do not say what makes room: the entry used longest ago, as long as nothing else is asked for. Of the paging-structure caches
they say that there are some (Intel SDM volume 3, 5.10.3), not how large: the presets have none.
# Deviation: a way takes 4K and 2M alike; Neoverse's coalescing of four pages that no hint joins is not modelled.
"""

from libc.string cimport memset, strcmp, strlen, strncmp

from vmtool.mm.arch cimport ARCH_ARM64, ARCH_ARM64_64K, CPU_ASID8, CPU_TLBIRANGE

cdef enum:
    NR_PRESETS = 8
    NR_WORDS = 3
    MAX_SETS = 4096
    SIZED = 1 << TLB_L1D_4K | 1 << TLB_L1I_4K | 1 << TLB_L2 | 1 << TLB_L2I  # structures that may name the sizes they hold

cdef const char *NAMES[NR_TLBS]
NAMES[:] = [b"l1d", b"l1d2m", b"l1d1g", b"l1i", b"l1i2m", b"l2", b"l2i", b"l21g", b"pde", b"pdpte", b"pml4e", b"pml5e"]

cdef struct size_t_:
    const char *name
    uint32_t shift

cdef struct preset_t:
    const char *name
    const char *spec

cdef const char *WORDS[NR_WORDS]  # by TLB_LRU, TLB_PLRU, TLB_RANDOM
WORDS[:] = [b"lru", b"plru", b"random"]

cdef preset_t PRESETS[NR_PRESETS]
PRESETS[0] = preset_t(b"", b"l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12")
PRESETS[1] = preset_t(b"skylake", b"l1d=64x4,l1d2m=32x4,l1d1g=4x4,l1i=128x8,l1i2m=8x8,l2=1536x12,l21g=16x4")
PRESETS[2] = preset_t(b"icelake", b"l1d=64x4,l1d2m=32x4,l1d1g=8x8,l1i=128x8,l1i2m=16x8,l2=2048x16,l21g=1024x8")
PRESETS[3] = preset_t(b"cortex-a72", b"l1d=32x32:4K+64K+1M,l1i=48x48:4K+64K+1M,l2=1024x4:4K+64K+1M+2M+16M+512M+1G")
PRESETS[4] = preset_t(b"neoverse-n1", b"l1d=48x48:4K+16K+64K+2M+512M,l1i=48x48:4K+16K+64K+2M+32M,l2=1280x5:4K+16K+64K+2M+32M+512M+1G")
PRESETS[5] = preset_t(b"zen2", b"l1d=64x64:all,l1i=64x64:all,l2=2048x16:4K+2M,l2i=512x8:4K+2M")
PRESETS[6] = preset_t(b"zen4", b"l1d=72x72:all,l1i=64x64:all,l2=3072x24:4K+2M,l2i=512x8:4K+2M")
PRESETS[7] = preset_t(b"none", b"")

cdef size_t_ SIZES[NR_TLB_SIZES]
SIZES[:] = [size_t_(b"4K", 12), size_t_(b"16K", 14), size_t_(b"64K", 16), size_t_(b"1M", 20), size_t_(b"2M", 21), size_t_(b"16M", 24),
            size_t_(b"32M", 25), size_t_(b"512M", 29), size_t_(b"1G", 30)]


cdef const char *tlb_name(uint32_t which) noexcept nogil:
    return NAMES[which if which < NR_TLBS else 0]


cdef uint32_t tlb_size_shift(uint32_t i) noexcept nogil:
    return SIZES[i].shift


# --- the text --------------------------------------------------------------------------------------------------


cdef inline bint name_is(const char *text, size_t length, const char *name) noexcept nogil:
    return strlen(name) == length and strncmp(text, name, length) == 0


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


cdef const char *parse_sizes(const char *at, uint16_t *sizes) noexcept nogil:
    """`4K+64K`; NULL: one is none."""
    cdef size_t length
    cdef int i
    while True:
        length = 0
        while c"0" <= at[length] <= c"9" or at[length] == c"K" or at[length] == c"M" or at[length] == c"G":
            length += 1
        for i in range(NR_TLB_SIZES):
            if name_is(at, length, SIZES[i].name):
                break
        else:
            return NULL
        sizes[0] |= <uint16_t>(1 << i)
        at += length
        if at[0] != c"+":
            return at
        at += 1


cdef const char *parse_marks(const char *at, machine_t *m, int which) noexcept nogil:
    """`:plru:all`, as many as there are; NULL: what is none."""
    cdef tlb_geom_t *geom = tlb_geom_of(m, which)
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
        elif c"0" <= at[0] <= c"9" and SIZED >> which & 1:
            at = parse_sizes(at, &m.tlb_sizes[which])
            if at == NULL:
                return NULL
            geom.policy |= TLB_ALL_SIZES
            continue
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
    m.tlb_sizes[which] = 0
    return parse_marks(at, m, which)


cdef const char *parse_feature(const char *at, machine_t *m) noexcept nogil:
    """What an arm64 processor has otherwise; NULL: none of these, or it is no arm64."""
    if not ARCH_ARM64 <= m.arch.id <= ARCH_ARM64_64K:
        return NULL
    if name_is(at, word_length(at), b"tlbirange"):
        m.cpu_features |= CPU_TLBIRANGE
        return at + 9
    if strncmp(at, b"asid=8", 6) == 0:
        m.cpu_features |= CPU_ASID8
        return at + 6
    return NULL


cdef int parse_spec(const char *at, machine_t *m) noexcept nogil:
    """Items between commas; a structure that is not named does not exist. Returns 0 or -EINVAL."""
    cdef uint8_t policy = TLB_LRU
    cdef int word
    cdef size_t length
    cdef const char *behind
    memset(m.tlb_geom, 0, sizeof(m.tlb_geom))
    memset(m.tlb_more, 0, sizeof(m.tlb_more))
    memset(m.tlb_sizes, 0, sizeof(m.tlb_sizes))
    while at[0]:
        length = word_length(at)
        word = word_number(at, length, WORDS, NR_WORDS)
        if word >= 0 and at[length] != c"=":
            policy = <uint8_t>word
            at += length
        else:
            behind = parse_feature(at, m)
            at = behind if behind != NULL else parse_structure(at, policy, m)
            if at == NULL:
                return -EINVAL
        if at[0] == c",":
            at += 1
        elif at[0]:
            return -EINVAL
    return 0


cdef int tlb_spec_parse(machine_t *m) noexcept nogil:
    cdef const char *spec = m.tlb_spec
    cdef uint32_t i
    for i in range(NR_PRESETS):
        if strcmp(m.tlb_spec, PRESETS[i].name) == 0:
            spec = PRESETS[i].spec
    return parse_spec(spec, m)


cdef bint tlb_is_plain(machine_t *m) noexcept nogil:
    cdef uint32_t i
    for i in range(NR_TLBS):
        if tlb_geom_of(m, i).ways and (i >= TLB_L2I and i != TLB_L2_1G or tlb_geom_of(m, i).policy):
            return False
    return True
