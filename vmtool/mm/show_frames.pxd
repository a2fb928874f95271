# cython: language_level=3
"""What struct page says of a frame, and how many frames there are of each kind."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # frame_kind
    FRAME_FREE
    FRAME_PCP
    FRAME_ANON
    FRAME_FILE
    FRAME_SHMEM
    FRAME_PGTABLE
    FRAME_SLAB
    FRAME_KERNEL
    FRAME_ZERO
    FRAME_RESERVED
    NR_FRAME_KINDS

cdef enum:  # the files of eight bytes a frame
    KPAGEFLAGS
    KPAGECOUNT
    KPAGECGROUP

cdef struct frame_facts_t:
    uint32_t kind
    uint32_t flags  # PG_
    uint64_t kpageflags  # KPF_
    uint32_t order
    uint32_t refcount
    uint32_t mapcount
    idx_t mapping  # inode_t or anon_vma_t
    bint is_anon
    bint has_content
    uint64_t index

cdef const char *frame_kind_name(uint32_t kind) noexcept nogil
cdef void look_at_frame(arena_t *a, pfn_t pfn, frame_facts_t *out) noexcept nogil
cdef void kpage_entries(arena_t *a, int file, uint64_t first, uint64_t nr, uint64_t *entry) noexcept nogil  # preconditions: the frames are there
cdef uint64_t next_held(arena_t *a, uint64_t pfn, bint tables_only) noexcept nogil  # the first frame from pfn on that is not all zeros; max_pfn: none
cdef void frames_by_kind(arena_t *a, uint64_t *count) noexcept nogil  # NR_FRAME_KINDS numbers, together max_pfn
