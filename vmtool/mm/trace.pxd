# cython: language_level=3
"""What the kernel did in the last command, step by step: records for `trace` and `explain`."""

from vmtool.mm.arena cimport arena_t
from vmtool.mm.types cimport *

cdef enum:  # trace_event
    TR_NONE
    TR_PAGE_FAULT  # addr error_code
    TR_VMA_FOUND  # start end flags
    TR_STACK_EXPAND  # addr old_start new_start
    TR_PGTABLE_ALLOC  # level pfn addr
    TR_PGTABLE_FREE  # level pfn addr
    TR_FRAME_ALLOC  # pfn order
    TR_FRAME_FREE  # pfn order
    TR_ZERO_PAGE_MAP  # addr pfn
    TR_ANON_MAP  # addr pfn
    TR_COW_COPY  # addr old_pfn new_pfn
    TR_COW_REUSE  # addr pfn
    TR_CACHE_LOOKUP  # inode index hit
    TR_CACHE_ADD  # inode index pfn
    TR_CACHE_REMOVE  # inode index pfn
    TR_DISK_READ  # inode index nr_pages
    TR_DISK_WRITE  # inode index nr_pages
    TR_COPY_TO_USER  # inode offset bytes
    TR_COPY_FROM_USER  # inode offset bytes
    TR_FAULT_AROUND  # start nr_pages
    TR_PTE_SET  # addr pfn writable
    TR_PTE_CLEAR  # addr pfn
    TR_TLB_FILL  # vpn pfn
    TR_TLB_HIT  # vpn level
    TR_TLB_FLUSH  # pcid nr_entries
    TR_CR3_LOAD  # cpu old_root root
    TR_VMA_NEW  # start end flags
    TR_VMA_EXPAND  # start end
    TR_VMA_MERGE  # start end
    TR_VMA_SPLIT  # start addr end
    TR_VMA_REMOVE  # start end
    TR_BRK  # old new
    TR_SEGV  # addr code
    TR_BUS  # addr code
    TR_FAULT_DONE  # addr major
    TR_FORK  # parent child
    TR_EXEC  # entry
    TR_EXIT  # status
    TR_FILE_MAP  # addr pfn inode index
    TR_THP_MAP  # addr pfn
    TR_THP_SPLIT  # addr
    TR_WRITE_NOTIFY  # addr pfn: a clean shared page becomes dirty
    TR_SWAP_OUT  # pfn entry
    TR_SWAP_IN  # pfn entry
    TR_KSWAPD_WAKE  # order highest_zone
    TR_KSWAPD_SLEEP  # nr_reclaimed
    TR_DIRECT_RECLAIM  # order nr_reclaimed
    TR_SHRINK_INACTIVE  # file nr_scanned nr_reclaimed priority
    TR_SHRINK_ACTIVE  # file nr_taken nr_deactivated priority
    TR_RECLAIM_KEEP  # pfn nr_pages why
    TR_OOM_KILL  # pid nr_pages
    TR_KMALLOC  # size cache address
    TR_SLAB_OBJECT  # slab_pfn order objects inuse
    TR_ZONE_ALLOC  # zone order free_pages watermark
    TR_FALLBACK  # pfn wanted_type block_type
    TR_VMALLOC  # start end nr_pages
    TR_RECLAIM_TAKE  # pfn nr_pages file: nobody used it since it was last looked at
    TR_COMPACT_TRY  # order priority: an allocation compacts
    TR_COMPACT_DEFER  # zone order considered limit: it does not, for it was in vain lately
    TR_COMPACT_BEGIN  # zone migrate_pfn free_pfn mode
    TR_COMPACT_END  # zone nr_moved nr_scanned result
    TR_MIGRATE  # pfn new_pfn nr_pages
    TR_KCOMPACTD_WAKE  # order highest_zone
    TR_HIGHATOMIC  # pfn nr_pages reserved
    NR_TRACE_EVENTS

cdef enum:  # TR_RECLAIM_KEEP's why
    KEEP_LOCKED = 1  # by an I/O, or another who works on it
    KEEP_MLOCKED
    KEEP_MAPPED  # what entries map is not wanted (sc->may_unmap)
    KEEP_WRITEBACK
    KEEP_USED_ONCE  # back to the head of its list
    KEEP_USED  # to the active list
    KEEP_NO_SLOT  # of swap
    KEEP_NOT_UNMAPPED
    KEEP_DIRTY  # a file's: the flusher's work
    KEEP_WRITING  # to swap: free at the next meeting
    KEEP_HELD  # by references that are not mappings

cdef enum:  # trace_on
    TRACE_RECORDS = 1
    TRACE_TALLY = 2

cdef const char *trace_event_name(int event) noexcept nogil  # in lower case, without TR_
cdef const char *trace_arg_names(int event) noexcept nogil  # blank-separated
cdef void trace_slow(arena_t *a, int event, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3) noexcept nogil
cdef void trace_reset(arena_t *a) noexcept nogil
cdef void tally_start(arena_t *a) noexcept nogil

cdef inline void trace4(arena_t *a, int event, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3) noexcept nogil:
    if a.m.trace_on:
        trace_slow(a, event, a0, a1, a2, a3)

cdef inline void trace3(arena_t *a, int event, uint64_t a0, uint64_t a1, uint64_t a2) noexcept nogil:
    if a.m.trace_on:
        trace_slow(a, event, a0, a1, a2, 0)

cdef inline void trace2(arena_t *a, int event, uint64_t a0, uint64_t a1) noexcept nogil:
    if a.m.trace_on:
        trace_slow(a, event, a0, a1, 0, 0)
