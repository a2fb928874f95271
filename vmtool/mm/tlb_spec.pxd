# cython: language_level=3
"""What a machine's TLBs are: structures, by the text of --tlb (a preset's name, or `l1d=64x4,l2=1536x12:plru,pde=32x4`, entries x ways)."""

from vmtool.mm.types cimport *

cdef enum:  # m.tlb_geom, from the eighth on m.tlb_more
    TLB_L1D_4K
    TLB_L1D_2M
    TLB_L1D_1G
    TLB_L1I_4K
    TLB_L1I_2M
    TLB_L2  # 4K and 2M; data, and instructions unless they have TLB_L2I
    TLB_L2I
    TLB_L2_1G
    TLB_PSC  # entries above the PTEs, by level: this one has those that point to a table of PTEs
    NR_PSCS = 4
    NR_TLBS = TLB_PSC + NR_PSCS

cdef enum:  # tlb_geom_t.policy: what makes room in a full set
    TLB_LRU  # the entry used longest ago
    TLB_PLRU  # the tree's choice
    TLB_RANDOM
    TLB_POLICY = 3
    TLB_ALL_SIZES = 4  # pages of every size are held, those of a level's other structures too
    TLB_ODD = 8  # the number of sets is no power of two: the set is a remainder

cdef enum:
    NR_TLB_SIZES = 9
    MAX_WAYS = 128  # of a structure that can be described

cdef inline tlb_geom_t *tlb_geom_of(machine_t *m, uint32_t which) noexcept nogil:
    return &m.tlb_geom[which] if which < 8 else &m.tlb_more[which - 8]

cdef const char *tlb_name(uint32_t which) noexcept nogil
cdef uint32_t tlb_size_shift(uint32_t i) noexcept nogil  # of bit i of m.tlb_sizes
cdef int tlb_spec_parse(machine_t *m) noexcept nogil  # m.tlb_spec: fills m.tlb_geom, m.tlb_more, m.tlb_sizes, but for where the records are. 0 or -EINVAL
cdef bint tlb_is_plain(machine_t *m) noexcept nogil  # the quick roads know all that it has
