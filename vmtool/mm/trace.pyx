"""Trace records: one for each step that `trace` and `explain` tell.

Counterpart: Linux's trace events (include/trace/events/kmem.h, exceptions.h, tlb.h, filemap.h), which are off until asked for too.
Simplified: the buffer holds one command, and keeps its first MAX_RECORDS steps; trace_seq goes on counting.
Invariants: records 1 .. trace_head of the pool are those of the last command, seq ascending.
"""

from libc.string cimport memset

from vmtool.mm.arena cimport arena_resize, rec_mut, tally_t, task_at

cdef enum:
    MAX_RECORDS = 65536

cdef struct event_desc:
    const char *name
    const char *args

cdef event_desc EVENTS[NR_TRACE_EVENTS]
EVENTS[TR_NONE] = event_desc(b"none", b"")
EVENTS[TR_PAGE_FAULT] = event_desc(b"page_fault", b"addr error_code")
EVENTS[TR_VMA_FOUND] = event_desc(b"vma_found", b"start end flags")
EVENTS[TR_STACK_EXPAND] = event_desc(b"stack_expand", b"addr old_start new_start")
EVENTS[TR_PGTABLE_ALLOC] = event_desc(b"pgtable_alloc", b"level pfn addr")
EVENTS[TR_PGTABLE_FREE] = event_desc(b"pgtable_free", b"level pfn addr")
EVENTS[TR_FRAME_ALLOC] = event_desc(b"frame_alloc", b"pfn order")
EVENTS[TR_FRAME_FREE] = event_desc(b"frame_free", b"pfn order")
EVENTS[TR_ZERO_PAGE_MAP] = event_desc(b"zero_page_map", b"addr pfn")
EVENTS[TR_ANON_MAP] = event_desc(b"anon_map", b"addr pfn")
EVENTS[TR_COW_COPY] = event_desc(b"cow_copy", b"addr old_pfn new_pfn")
EVENTS[TR_COW_REUSE] = event_desc(b"cow_reuse", b"addr pfn")
EVENTS[TR_CACHE_LOOKUP] = event_desc(b"cache_lookup", b"inode index hit")
EVENTS[TR_CACHE_ADD] = event_desc(b"cache_add", b"inode index pfn")
EVENTS[TR_CACHE_REMOVE] = event_desc(b"cache_remove", b"inode index pfn")
EVENTS[TR_DISK_READ] = event_desc(b"disk_read", b"inode index nr_pages")
EVENTS[TR_DISK_WRITE] = event_desc(b"disk_write", b"inode index nr_pages")
EVENTS[TR_COPY_TO_USER] = event_desc(b"copy_to_user", b"inode offset bytes")
EVENTS[TR_COPY_FROM_USER] = event_desc(b"copy_from_user", b"inode offset bytes")
EVENTS[TR_FAULT_AROUND] = event_desc(b"fault_around", b"start nr_pages")
EVENTS[TR_PTE_SET] = event_desc(b"pte_set", b"addr pfn writable")
EVENTS[TR_PTE_CLEAR] = event_desc(b"pte_clear", b"addr pfn")
EVENTS[TR_TLB_FILL] = event_desc(b"tlb_fill", b"vpn pfn")
EVENTS[TR_TLB_HIT] = event_desc(b"tlb_hit", b"vpn level")
EVENTS[TR_TLB_FLUSH] = event_desc(b"tlb_flush", b"pcid nr_entries")
EVENTS[TR_CR3_LOAD] = event_desc(b"cr3_load", b"cpu old_root root")
EVENTS[TR_VMA_NEW] = event_desc(b"vma_new", b"start end flags")
EVENTS[TR_VMA_EXPAND] = event_desc(b"vma_expand", b"start end")
EVENTS[TR_VMA_MERGE] = event_desc(b"vma_merge", b"start end")
EVENTS[TR_VMA_SPLIT] = event_desc(b"vma_split", b"start addr end")
EVENTS[TR_VMA_REMOVE] = event_desc(b"vma_remove", b"start end")
EVENTS[TR_BRK] = event_desc(b"brk", b"old new")
EVENTS[TR_SEGV] = event_desc(b"segv", b"addr code")
EVENTS[TR_BUS] = event_desc(b"bus", b"addr code")
EVENTS[TR_FAULT_DONE] = event_desc(b"fault_done", b"addr major")
EVENTS[TR_FORK] = event_desc(b"fork", b"parent child")
EVENTS[TR_EXEC] = event_desc(b"exec", b"entry")
EVENTS[TR_EXIT] = event_desc(b"exit", b"status")
EVENTS[TR_FILE_MAP] = event_desc(b"file_map", b"addr pfn inode index")
EVENTS[TR_THP_MAP] = event_desc(b"thp_map", b"addr pfn")
EVENTS[TR_THP_SPLIT] = event_desc(b"thp_split", b"addr")
EVENTS[TR_WRITE_NOTIFY] = event_desc(b"write_notify", b"addr pfn")
EVENTS[TR_SWAP_OUT] = event_desc(b"swap_out", b"pfn entry")
EVENTS[TR_SWAP_IN] = event_desc(b"swap_in", b"pfn entry")
EVENTS[TR_KSWAPD_WAKE] = event_desc(b"kswapd_wake", b"order highest_zone")
EVENTS[TR_KSWAPD_SLEEP] = event_desc(b"kswapd_sleep", b"nr_reclaimed")
EVENTS[TR_DIRECT_RECLAIM] = event_desc(b"direct_reclaim", b"order nr_reclaimed")
EVENTS[TR_SHRINK_INACTIVE] = event_desc(b"shrink_inactive", b"file nr_scanned nr_reclaimed priority")
EVENTS[TR_SHRINK_ACTIVE] = event_desc(b"shrink_active", b"file nr_taken nr_deactivated priority")
EVENTS[TR_RECLAIM_KEEP] = event_desc(b"reclaim_keep", b"pfn nr_pages why")
EVENTS[TR_OOM_KILL] = event_desc(b"oom_kill", b"pid nr_pages")
EVENTS[TR_KMALLOC] = event_desc(b"kmalloc", b"nr_bytes cache address")
EVENTS[TR_SLAB_OBJECT] = event_desc(b"slab_object", b"slab_pfn order nr_objects nr_inuse")
EVENTS[TR_ZONE_ALLOC] = event_desc(b"zone_alloc", b"zone order nr_free_pages nr_watermark")
EVENTS[TR_FALLBACK] = event_desc(b"fallback", b"pfn wanted_type block_type")
EVENTS[TR_VMALLOC] = event_desc(b"vmalloc", b"start end nr_pages")
EVENTS[TR_RECLAIM_TAKE] = event_desc(b"reclaim_take", b"pfn nr_pages file")
EVENTS[TR_COMPACT_TRY] = event_desc(b"compact_try", b"order priority")
EVENTS[TR_COMPACT_DEFER] = event_desc(b"compact_defer", b"zone order nr_considered limit")
EVENTS[TR_COMPACT_BEGIN] = event_desc(b"compact_begin", b"zone migrate_pfn free_pfn mode")
EVENTS[TR_COMPACT_END] = event_desc(b"compact_end", b"zone nr_pages nr_scanned result")
EVENTS[TR_MIGRATE] = event_desc(b"migrate", b"old_pfn pfn nr_pages")
EVENTS[TR_KCOMPACTD_WAKE] = event_desc(b"kcompactd_wake", b"order highest_zone")
EVENTS[TR_HIGHATOMIC] = event_desc(b"highatomic", b"pfn nr_pages reserved")


cdef const char *trace_event_name(int event) noexcept nogil:
    return EVENTS[event if 0 <= event < NR_TRACE_EVENTS else TR_NONE].name


cdef const char *trace_arg_names(int event) noexcept nogil:
    return EVENTS[event if 0 <= event < NR_TRACE_EVENTS else TR_NONE].args


cdef uint32_t nr_words(const char *text) noexcept nogil:
    cdef uint32_t n = 1 if text[0] else 0
    while text[0]:
        n += text[0] == c" "
        text += 1
    return n


cdef void tally_event(arena_t *a, int event, uint64_t a0, uint64_t a1) noexcept nogil:
    cdef tally_t *t = &a.tally
    t.nr[event] += 1
    if event == TR_FRAME_ALLOC:
        t.frames += <int64_t>1 << a1
        if t.frames > t.frames_peak:
            t.frames_peak = t.frames
    elif event == TR_FRAME_FREE:
        t.frames -= <int64_t>1 << a1
    elif event == TR_COW_COPY and a1 != a.m.zero_pfn:
        t.nr_copied += 1


cdef void tally_start(arena_t *a) noexcept nogil:
    """Count from here on."""
    memset(&a.tally, 0, sizeof(tally_t))
    a.m.trace_on |= TRACE_TALLY


cdef void trace_slow(arena_t *a, int event, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3) noexcept nogil:
    cdef uint32_t i = a.m.trace_head + 1
    cdef trace_t *t
    if a.m.trace_on & TRACE_TALLY:
        tally_event(a, event, a0, a1)
    if not a.m.trace_on & TRACE_RECORDS:
        return
    a.m.trace_seq += 1
    if i > MAX_RECORDS or arena_resize(a, POOL_TRACE, i + 1) < 0:
        return
    a.m.trace_head = i
    t = <trace_t *>rec_mut(a, POOL_TRACE, i)
    t.seq = a.m.trace_seq
    t.event = event
    t.pid = task_at(a, a.task).pid if a.task else 0
    t.nr_args = nr_words(trace_arg_names(event))
    t.arg[0] = a0
    t.arg[1] = a1
    t.arg[2] = a2
    t.arg[3] = a3


cdef void trace_reset(arena_t *a) noexcept nogil:
    """A new command begins: its records take the places of the old ones."""
    a.m.trace_head = 0
    a.m.trace_seq = 0
