# cython: language_level=3
"""Who maps a page: anon_vma and its chains, the areas of a file, map counts and their statistics.

Counterpart: Linux v6.18 mm/rmap.c.
"""

from vmtool.mm.arena cimport arena_t, frame_at, rec_at
from vmtool.mm.frame cimport folio_order, frame_set_index
from vmtool.mm.hstate cimport PG_hugetlb
from vmtool.mm.large_folio cimport folio_entire_mapcount
from vmtool.mm.lruvec cimport lruvec_stat_mod_folio
from vmtool.mm.types cimport *
from vmtool.mm.vmstat cimport NR_ANON_MAPPED

# --- areas: their records, files and chains
cdef idx_t vm_area_alloc(arena_t *a) noexcept nogil  # zeroed, with its slab object; 0: no memory
# fields but no links, no chains; takes no file reference, and the name is still orig's. 0: no memory
cdef idx_t vm_area_dup(arena_t *a, idx_t orig) noexcept nogil
cdef void vm_area_free(arena_t *a, idx_t v) noexcept nogil  # record and object alone
cdef void vma_file_link(arena_t *a, idx_t v) noexcept nogil  # into its file's list of areas
cdef void vma_file_unlink(arena_t *a, idx_t v) noexcept nogil

# --- anon_vma
cdef inline avc_t *avc_at(arena_t *a, idx_t i) noexcept nogil:
    return <avc_t *>rec_at(a, POOL_AVC, i)

cdef bint in_anon_vma_chain(arena_t *a, idx_t v, idx_t anon_vma) noexcept nogil  # the area is linked to it
cdef int anon_vma_prepare(arena_t *a, idx_t v) noexcept nogil  # before the first page of its own: find or make one. 0, -ENOMEM
# dst is linked to all that src is, in the same order. 0, -ENOMEM: dst has none
cdef int anon_vma_clone(arena_t *a, idx_t dst, idx_t src) noexcept nogil
# the parent's, and one of its own for pages that it will copy. 0, -ENOMEM: v has none
cdef int anon_vma_fork(arena_t *a, idx_t v, idx_t parent) noexcept nogil
cdef void unlink_anon_vmas(arena_t *a, idx_t v) noexcept nogil  # the area goes: out of all of them, and those that nobody has are free
cdef bint anon_vma_chain_is_singular(arena_t *a, const vma_t *v) noexcept nogil  # it has one anon_vma at most: no parent's

# --- pages. `pfn` may be any page of a folio; _pmd: the whole folio by one entry.
# mm: whose entry it is.
cdef void add_new_anon_rmap_pmd(arena_t *a, idx_t v, vaddr_t addr, pfn_t head) noexcept nogil
cdef void add_new_anon_rmap_ptes(arena_t *a, idx_t v, vaddr_t addr, pfn_t head) noexcept nogil  # a large folio, each page by an entry
cdef void add_anon_rmap_ptes(arena_t *a, pfn_t pfn, uint32_t n, idx_t mm) noexcept nogil  # of a large folio that was anonymous before
cdef void dup_anon_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil  # fork: no longer exclusive
cdef void dup_anon_rmap_pmd(arena_t *a, pfn_t head, idx_t mm) noexcept nogil
cdef void add_file_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil  # one entry more. Counts: NR_FILE_MAPPED, with the first
# one entry less; the page is not freed. Counts: NR_ANON_MAPPED or NR_FILE_MAPPED, with the last
cdef void remove_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil
cdef void remove_rmap_ptes(arena_t *a, pfn_t pfn, uint32_t n, idx_t mm) noexcept nogil  # n pages of a large folio at once
cdef void add_file_rmap_pmd(arena_t *a, pfn_t head, idx_t mm) noexcept nogil
cdef void remove_rmap_pmd(arena_t *a, pfn_t head, idx_t mm) noexcept nogil
cdef void split_pmd_rmap(arena_t *a, pfn_t head, bint exclusive, idx_t mm) noexcept nogil  # one mapping by PMD becomes one by PTE of each page

cdef uint32_t page_mkclean(arena_t *a, pfn_t pfn) noexcept nogil  # file page: every entry clean and read-only; entries changed

cdef inline uint32_t entire_mapcount(arena_t *a, pfn_t head) noexcept nogil:
    """Mappings of the whole folio by one entry; of hugetlb's by what it takes."""
    if frame_at(a, head).flags & PG_head and (folio_order(a, head) >= a.m.arch.pmd_order or frame_at(a, head).flags & PG_hugetlb):
        return folio_entire_mapcount(a, head)
    return 0

cdef inline uint32_t page_mapcount(arena_t *a, pfn_t pfn) noexcept nogil:
    """folio_precise_page_mapcount(): entries of any size that map this page."""
    cdef frame_t *f = frame_at(a, pfn)
    if f.flags & (PG_head | PG_tail):
        return <uint32_t>f.mapcount + entire_mapcount(a, f.lru_next if f.flags & PG_tail else pfn)
    return <uint32_t>f.mapcount

# A new anonymous page, exclusive; inline, because every demand-zero fault and every copy comes by.
cdef inline void add_new_anon_rmap(arena_t *a, pfn_t pfn, frame_t *f, const vma_t *area, vaddr_t addr) noexcept nogil:
    f.flags |= PG_anon | PG_swapbacked | PG_anon_exclusive | PG_uptodate
    f.mapping = area.anon_vma
    frame_set_index(f, ((addr - area.vm_start) >> a.m.arch.page_shift) + area.vm_pgoff)
    f.mapcount = 1
    f.extra_refs = 0  # the allocation's reference is the mapping's now
    lruvec_stat_mod_folio(a, pfn, NR_ANON_MAPPED, 1)
