"""Where the fields of the records lie: what peek and poke go by.

Offsets and sizes are the compiler's, taken from records that are never used otherwise, so that the table cannot differ from types.pxd.
Links, counts and flags are here, because those are what fsck compares; a field that no check reads has no row.
"""

from libc.string cimport strcmp

from vmtool.mm.libc_data cimport libc_data_t

cdef frame_t F
cdef slot_t S
cdef vma_t V
cdef mm_t MM
cdef task_t T
cdef anon_vma_t AV
cdef avc_t AVC
cdef inode_t I
cdef file_t FILE
cdef xnode_t X
cdef kmem_cache_t C
cdef slab_t SLAB
cdef tlb_entry_t TLB
cdef cpu_t CPU
cdef machine_t M
cdef libc_data_t LIBC

cdef enum:
    NR_FIELDS = 156

cdef field_t FIELDS[NR_FIELDS]
FIELDS[:] = [
    field_t(POOL_FRAME, b"flags", <char *>&F.flags - <char *>&F, sizeof(F.flags), 1, 0, False),
    field_t(POOL_FRAME, b"mapcount", <char *>&F.mapcount - <char *>&F, sizeof(F.mapcount), 1, 0, True),
    field_t(POOL_FRAME, b"index_lo", <char *>&F.index_lo - <char *>&F, sizeof(F.index_lo), 1, 0, False),
    field_t(POOL_FRAME, b"index_hi", <char *>&F.index_hi - <char *>&F, sizeof(F.index_hi), 1, 0, False),
    field_t(POOL_FRAME, b"extra_refs", <char *>&F.extra_refs - <char *>&F, sizeof(F.extra_refs), 1, 0, False),
    field_t(POOL_FRAME, b"content", <char *>&F.content - <char *>&F, sizeof(F.content), 1, 0, False),
    field_t(POOL_FRAME, b"mapping", <char *>&F.mapping - <char *>&F, sizeof(F.mapping), 1, 0, False),
    field_t(POOL_FRAME, b"lru_next", <char *>&F.lru_next - <char *>&F, sizeof(F.lru_next), 1, 0, False),
    field_t(POOL_FRAME, b"lru_prev", <char *>&F.lru_prev - <char *>&F, sizeof(F.lru_prev), 1, 0, False),
    field_t(POOL_SLOT, b"used", <char *>&S.used - <char *>&S, sizeof(S.used), 1, 0, False),
    field_t(POOL_SLOT, b"next", <char *>&S.next - <char *>&S, sizeof(S.next), 1, 0, False),
    field_t(POOL_SLOT, b"prev", <char *>&S.prev - <char *>&S, sizeof(S.prev), 1, 0, False),
    field_t(POOL_VMA, b"vm_start", <char *>&V.vm_start - <char *>&V, sizeof(V.vm_start), 1, 0, False),
    field_t(POOL_VMA, b"vm_end", <char *>&V.vm_end - <char *>&V, sizeof(V.vm_end), 1, 0, False),
    field_t(POOL_VMA, b"vm_pgoff", <char *>&V.vm_pgoff - <char *>&V, sizeof(V.vm_pgoff), 1, 0, False),
    field_t(POOL_VMA, b"vm_flags", <char *>&V.vm_flags - <char *>&V, sizeof(V.vm_flags), 1, 0, False),
    field_t(POOL_VMA, b"vm_mm", <char *>&V.vm_mm - <char *>&V, sizeof(V.vm_mm), 1, 0, False),
    field_t(POOL_VMA, b"vm_file", <char *>&V.vm_file - <char *>&V, sizeof(V.vm_file), 1, 0, False),
    field_t(POOL_VMA, b"anon_vma", <char *>&V.anon_vma - <char *>&V, sizeof(V.anon_vma), 1, 0, False),
    field_t(POOL_VMA, b"avc_head", <char *>&V.avc_head - <char *>&V, sizeof(V.avc_head), 1, 0, False),
    field_t(POOL_VMA, b"left", <char *>&V.left - <char *>&V, sizeof(V.left), 1, 0, False),
    field_t(POOL_VMA, b"right", <char *>&V.right - <char *>&V, sizeof(V.right), 1, 0, False),
    field_t(POOL_VMA, b"kind", <char *>&V.kind - <char *>&V, sizeof(V.kind), 1, 0, False),
    field_t(POOL_VMA, b"subtree_gap", <char *>&V.subtree_gap - <char *>&V, sizeof(V.subtree_gap), 1, 0, False),
    field_t(POOL_VMA, b"vm_prev", <char *>&V.vm_prev - <char *>&V, sizeof(V.vm_prev), 1, 0, False),
    field_t(POOL_VMA, b"vm_next", <char *>&V.vm_next - <char *>&V, sizeof(V.vm_next), 1, 0, False),
    field_t(POOL_VMA, b"i_mmap_next", <char *>&V.i_mmap_next - <char *>&V, sizeof(V.i_mmap_next), 1, 0, False),
    field_t(POOL_VMA, b"i_mmap_prev", <char *>&V.i_mmap_prev - <char *>&V, sizeof(V.i_mmap_prev), 1, 0, False),
    field_t(POOL_VMA, b"anon_name", <char *>&V.anon_name - <char *>&V, sizeof(V.anon_name), 1, 0, False),
    field_t(POOL_VMA, b"obj", <char *>&V.obj - <char *>&V, sizeof(V.obj), 1, 0, False),
    field_t(POOL_MM, b"users", <char *>&MM.users - <char *>&MM, sizeof(MM.users), 1, 0, False),
    field_t(POOL_MM, b"pgd", <char *>&MM.pgd - <char *>&MM, sizeof(MM.pgd), 1, 0, False),
    field_t(POOL_MM, b"vma_root", <char *>&MM.vma_root - <char *>&MM, sizeof(MM.vma_root), 1, 0, False),
    field_t(POOL_MM, b"vma_first", <char *>&MM.vma_first - <char *>&MM, sizeof(MM.vma_first), 1, 0, False),
    field_t(POOL_MM, b"map_count", <char *>&MM.map_count - <char *>&MM, sizeof(MM.map_count), 1, 0, False),
    field_t(POOL_MM, b"start_brk", <char *>&MM.start_brk - <char *>&MM, sizeof(MM.start_brk), 1, 0, False),
    field_t(POOL_MM, b"brk", <char *>&MM.brk - <char *>&MM, sizeof(MM.brk), 1, 0, False),
    field_t(POOL_MM, b"start_stack", <char *>&MM.start_stack - <char *>&MM, sizeof(MM.start_stack), 1, 0, False),
    field_t(POOL_MM, b"total_vm", <char *>&MM.total_vm - <char *>&MM, sizeof(MM.total_vm), 1, 0, False),
    field_t(POOL_MM, b"locked_vm", <char *>&MM.locked_vm - <char *>&MM, sizeof(MM.locked_vm), 1, 0, False),
    field_t(POOL_MM, b"data_vm", <char *>&MM.data_vm - <char *>&MM, sizeof(MM.data_vm), 1, 0, False),
    field_t(POOL_MM, b"exec_vm", <char *>&MM.exec_vm - <char *>&MM, sizeof(MM.exec_vm), 1, 0, False),
    field_t(POOL_MM, b"stack_vm", <char *>&MM.stack_vm - <char *>&MM, sizeof(MM.stack_vm), 1, 0, False),
    field_t(POOL_MM, b"rss", <char *>MM.rss - <char *>&MM, sizeof(MM.rss[0]), sizeof(MM.rss) // sizeof(MM.rss[0]), sizeof(MM.rss[0]), True),
    field_t(POOL_MM, b"rss_cpu", <char *>MM.rss_cpu - <char *>&MM, sizeof(MM.rss_cpu[0]), sizeof(MM.rss_cpu) // sizeof(MM.rss_cpu[0]), sizeof(MM.rss_cpu[0]), True),
    field_t(POOL_MM, b"pgtables_bytes", <char *>&MM.pgtables_bytes - <char *>&MM, sizeof(MM.pgtables_bytes), 1, 0, False),
    field_t(POOL_MM, b"exe_file", <char *>&MM.exe_file - <char *>&MM, sizeof(MM.exe_file), 1, 0, False),
    field_t(POOL_MM, b"pcid", <char *>&MM.pcid - <char *>&MM, sizeof(MM.pcid), 1, 0, False),
    field_t(POOL_MM, b"thp_mapped", <char *>&MM.thp_mapped - <char *>&MM, sizeof(MM.thp_mapped), 1, 0, False),
    field_t(POOL_TASK, b"pid", <char *>&T.pid - <char *>&T, sizeof(T.pid), 1, 0, False),
    field_t(POOL_TASK, b"ppid", <char *>&T.ppid - <char *>&T, sizeof(T.ppid), 1, 0, False),
    field_t(POOL_TASK, b"mm", <char *>&T.mm - <char *>&T, sizeof(T.mm), 1, 0, False),
    field_t(POOL_TASK, b"state", <char *>&T.state - <char *>&T, sizeof(T.state), 1, 0, False),
    field_t(POOL_TASK, b"shared_pending", <char *>&T.shared_pending - <char *>&T, sizeof(T.shared_pending), 1, 0, False),
    field_t(POOL_TASK, b"cpu", <char *>&T.cpu - <char *>&T, sizeof(T.cpu), 1, 0, False),
    field_t(POOL_TASK, b"files", <char *>&T.files - <char *>&T, sizeof(T.files), 1, 0, False),
    field_t(POOL_TASK, b"min_flt", <char *>&T.min_flt - <char *>&T, sizeof(T.min_flt), 1, 0, False),
    field_t(POOL_TASK, b"maj_flt", <char *>&T.maj_flt - <char *>&T, sizeof(T.maj_flt), 1, 0, False),
    field_t(POOL_TASK, b"stack_phys", <char *>&T.stack_phys - <char *>&T, sizeof(T.stack_phys), 1, 0, False),
    field_t(POOL_ANON_VMA, b"root", <char *>&AV.root - <char *>&AV, sizeof(AV.root), 1, 0, False),
    field_t(POOL_ANON_VMA, b"parent", <char *>&AV.parent - <char *>&AV, sizeof(AV.parent), 1, 0, False),
    field_t(POOL_ANON_VMA, b"refcount", <char *>&AV.refcount - <char *>&AV, sizeof(AV.refcount), 1, 0, False),
    field_t(POOL_ANON_VMA, b"num_children", <char *>&AV.num_children - <char *>&AV, sizeof(AV.num_children), 1, 0, False),
    field_t(POOL_ANON_VMA, b"num_active_vmas", <char *>&AV.num_active_vmas - <char *>&AV, sizeof(AV.num_active_vmas), 1, 0, False),
    field_t(POOL_ANON_VMA, b"avc_head", <char *>&AV.avc_head - <char *>&AV, sizeof(AV.avc_head), 1, 0, False),
    field_t(POOL_AVC, b"vma", <char *>&AVC.vma - <char *>&AVC, sizeof(AVC.vma), 1, 0, False),
    field_t(POOL_AVC, b"anon_vma", <char *>&AVC.anon_vma - <char *>&AVC, sizeof(AVC.anon_vma), 1, 0, False),
    field_t(POOL_AVC, b"same_vma_next", <char *>&AVC.same_vma_next - <char *>&AVC, sizeof(AVC.same_vma_next), 1, 0, False),
    field_t(POOL_AVC, b"same_vma_prev", <char *>&AVC.same_vma_prev - <char *>&AVC, sizeof(AVC.same_vma_prev), 1, 0, False),
    field_t(POOL_AVC, b"same_av_next", <char *>&AVC.same_av_next - <char *>&AVC, sizeof(AVC.same_av_next), 1, 0, False),
    field_t(POOL_AVC, b"same_av_prev", <char *>&AVC.same_av_prev - <char *>&AVC, sizeof(AVC.same_av_prev), 1, 0, False),
    field_t(POOL_INODE, b"nlink", <char *>&I.nlink - <char *>&I, sizeof(I.nlink), 1, 0, False),
    field_t(POOL_INODE, b"nr_open", <char *>&I.nr_open - <char *>&I, sizeof(I.nr_open), 1, 0, False),
    field_t(POOL_INODE, b"ino", <char *>&I.ino - <char *>&I, sizeof(I.ino), 1, 0, False),
    field_t(POOL_INODE, b"size", <char *>&I.size - <char *>&I, sizeof(I.size), 1, 0, False),
    field_t(POOL_INODE, b"nrpages", <char *>&I.nrpages - <char *>&I, sizeof(I.nrpages), 1, 0, False),
    field_t(POOL_INODE, b"i_pages", <char *>&I.i_pages - <char *>&I, sizeof(I.i_pages), 1, 0, False),
    field_t(POOL_INODE, b"blocks", <char *>&I.blocks - <char *>&I, sizeof(I.blocks), 1, 0, False),
    field_t(POOL_INODE, b"i_mmap", <char *>&I.i_mmap - <char *>&I, sizeof(I.i_mmap), 1, 0, False),
    field_t(POOL_INODE, b"name", <char *>&I.name - <char *>&I, sizeof(I.name), 1, 0, False),
    field_t(POOL_INODE, b"hash_next", <char *>&I.hash_next - <char *>&I, sizeof(I.hash_next), 1, 0, False),
    field_t(POOL_INODE, b"kind", <char *>&I.kind - <char *>&I, sizeof(I.kind), 1, 0, False),
    field_t(POOL_INODE, b"nr_dirty", <char *>&I.nr_dirty - <char *>&I, sizeof(I.nr_dirty), 1, 0, False),
    field_t(POOL_INODE, b"nr_blocks", <char *>&I.nr_blocks - <char *>&I, sizeof(I.nr_blocks), 1, 0, False),
    field_t(POOL_INODE, b"accounted", <char *>&I.accounted - <char *>&I, sizeof(I.accounted), 1, 0, False),
    field_t(POOL_INODE, b"i_mode", <char *>&I.i_mode - <char *>&I, sizeof(I.i_mode), 1, 0, False),
    field_t(POOL_FILE, b"refcount", <char *>&FILE.refcount - <char *>&FILE, sizeof(FILE.refcount), 1, 0, False),
    field_t(POOL_FILE, b"inode", <char *>&FILE.inode - <char *>&FILE, sizeof(FILE.inode), 1, 0, False),
    field_t(POOL_FILE, b"next", <char *>&FILE.next - <char *>&FILE, sizeof(FILE.next), 1, 0, False),
    field_t(POOL_XNODE, b"slot", <char *>X.slot - <char *>&X, sizeof(X.slot[0]), sizeof(X.slot) // sizeof(X.slot[0]), sizeof(X.slot[0]), False),
    field_t(POOL_XNODE, b"mark_dirty", <char *>&X.mark_dirty - <char *>&X, sizeof(X.mark_dirty), 1, 0, False),
    field_t(POOL_XNODE, b"mark_writeback", <char *>&X.mark_writeback - <char *>&X, sizeof(X.mark_writeback), 1, 0, False),
    field_t(POOL_XNODE, b"count", <char *>&X.count - <char *>&X, sizeof(X.count), 1, 0, False),
    field_t(POOL_XNODE, b"shift", <char *>&X.shift - <char *>&X, sizeof(X.shift), 1, 0, False),
    field_t(POOL_XNODE, b"parent", <char *>&X.parent - <char *>&X, sizeof(X.parent), 1, 0, False),
    field_t(POOL_XNODE, b"offset", <char *>&X.offset - <char *>&X, sizeof(X.offset), 1, 0, False),
    field_t(POOL_CACHE, b"partial", <char *>&C.partial - <char *>&C, sizeof(C.partial), 1, 0, False),
    field_t(POOL_CACHE, b"full", <char *>&C.full - <char *>&C, sizeof(C.full), 1, 0, False),
    field_t(POOL_CACHE, b"nr_slabs", <char *>&C.nr_slabs - <char *>&C, sizeof(C.nr_slabs), 1, 0, False),
    field_t(POOL_CACHE, b"nr_objs", <char *>&C.nr_objs - <char *>&C, sizeof(C.nr_objs), 1, 0, False),
    field_t(POOL_CACHE, b"nr_partial", <char *>&C.nr_partial - <char *>&C, sizeof(C.nr_partial), 1, 0, False),
    field_t(POOL_SLAB, b"cache", <char *>&SLAB.cache - <char *>&SLAB, sizeof(SLAB.cache), 1, 0, False),
    field_t(POOL_SLAB, b"pfn", <char *>&SLAB.pfn - <char *>&SLAB, sizeof(SLAB.pfn), 1, 0, False),
    field_t(POOL_SLAB, b"inuse", <char *>&SLAB.inuse - <char *>&SLAB, sizeof(SLAB.inuse), 1, 0, False),
    field_t(POOL_SLAB, b"objects", <char *>&SLAB.objects - <char *>&SLAB, sizeof(SLAB.objects), 1, 0, False),
    field_t(POOL_SLAB, b"next", <char *>&SLAB.next - <char *>&SLAB, sizeof(SLAB.next), 1, 0, False),
    field_t(POOL_SLAB, b"prev", <char *>&SLAB.prev - <char *>&SLAB, sizeof(SLAB.prev), 1, 0, False),
    field_t(POOL_SLAB, b"used", <char *>SLAB.used - <char *>&SLAB, sizeof(SLAB.used[0]), sizeof(SLAB.used) // sizeof(SLAB.used[0]), sizeof(SLAB.used[0]), False),
    field_t(POOL_TLB, b"tag", <char *>&TLB.tag - <char *>&TLB, sizeof(TLB.tag), 1, 0, False),
    field_t(POOL_TLB, b"pte", <char *>&TLB.pte - <char *>&TLB, sizeof(TLB.pte), 1, 0, False),
    field_t(POOL_TLB, b"age", <char *>&TLB.age - <char *>&TLB, sizeof(TLB.age), 1, 0, False),
    field_t(POOL_TLB, b"pcid", <char *>&TLB.pcid - <char *>&TLB, sizeof(TLB.pcid), 1, 0, False),
    field_t(POOL_TLB, b"page_shift", <char *>&TLB.page_shift - <char *>&TLB, sizeof(TLB.page_shift), 1, 0, False),
    field_t(POOL_TLB, b"flags", <char *>&TLB.flags - <char *>&TLB, sizeof(TLB.flags), 1, 0, False),
    field_t(POOL_CPU, b"cr3", <char *>&CPU.cr3 - <char *>&CPU, sizeof(CPU.cr3), 1, 0, False),
    field_t(POOL_CPU, b"task", <char *>&CPU.task - <char *>&CPU, sizeof(CPU.task), 1, 0, False),
    field_t(POOL_CPU, b"active_mm", <char *>&CPU.active_mm - <char *>&CPU, sizeof(CPU.active_mm), 1, 0, False),
    field_t(POOL_CPU, b"tlb_base", <char *>&CPU.tlb_base - <char *>&CPU, sizeof(CPU.tlb_base), 1, 0, False),
    field_t(POOL_CPU, b"nr_tlb", <char *>&CPU.nr_tlb - <char *>&CPU, sizeof(CPU.nr_tlb), 1, 0, False),
    field_t(POOL_CPU, b"tlb_clock", <char *>&CPU.tlb_clock - <char *>&CPU, sizeof(CPU.tlb_clock), 1, 0, False),
    field_t(POOL_MACHINE, b"nr_tasks", <char *>&M.nr_tasks - <char *>&M, sizeof(M.nr_tasks), 1, 0, False),
    field_t(POOL_MACHINE, b"nr_inodes", <char *>&M.nr_inodes - <char *>&M, sizeof(M.nr_inodes), 1, 0, False),
    field_t(POOL_MACHINE, b"nr_contents", <char *>&M.nr_contents - <char *>&M, sizeof(M.nr_contents), 1, 0, False),
    field_t(POOL_MACHINE, b"vm_committed_as", <char *>&M.vm_committed_as - <char *>&M, sizeof(M.vm_committed_as), 1, 0, True),
    field_t(POOL_MACHINE, b"totalram_pages", <char *>&M.totalram_pages - <char *>&M, sizeof(M.totalram_pages), 1, 0, False),
    field_t(POOL_MACHINE, b"node_stat", <char *>M.node_stat - <char *>&M, sizeof(M.node_stat[0]), sizeof(M.node_stat) // sizeof(M.node_stat[0]), sizeof(M.node_stat[0]), True),
    field_t(POOL_MACHINE, b"event", <char *>M.event - <char *>&M, sizeof(M.event[0]), sizeof(M.event) // sizeof(M.event[0]), sizeof(M.event[0]), True),
    field_t(POOL_MACHINE, b"zone.free_pages", <char *>&M.zone[0].free_pages - <char *>&M, sizeof(M.zone[0].free_pages), NR_ZONES, sizeof(zone_t), False),
    field_t(POOL_MACHINE, b"zone.unseen_pfn", <char *>&M.zone[0].unseen_pfn - <char *>&M, sizeof(M.zone[0].unseen_pfn), NR_ZONES, sizeof(zone_t), False),
    field_t(POOL_MACHINE, b"zone.unseen_end", <char *>&M.zone[0].unseen_end - <char *>&M, sizeof(M.zone[0].unseen_end), NR_ZONES, sizeof(zone_t), False),
    field_t(POOL_MACHINE, b"zone.pageblocks", <char *>&M.zone[0].pageblocks[0] - <char *>&M, sizeof(M.zone[0].pageblocks[0]), NR_ZONES * sizeof(zone_t) // 4, 4, False),
    field_t(POOL_MACHINE, b"lru.head", <char *>&M.lru[0].head - <char *>&M, sizeof(M.lru[0].head), 5, sizeof(free_list_t), False),
    field_t(POOL_MACHINE, b"lru.tail", <char *>&M.lru[0].tail - <char *>&M, sizeof(M.lru[0].tail), 5, sizeof(free_list_t), False),
    field_t(POOL_MACHINE, b"lru.nr_free", <char *>&M.lru[0].nr_free - <char *>&M, sizeof(M.lru[0].nr_free), 5, sizeof(free_list_t), False),
    field_t(POOL_MACHINE, b"zone_stat", <char *>&M.zone_stat[0][0] - <char *>&M, sizeof(M.zone_stat[0][0]), sizeof(M.zone_stat) // 8, 8, True),
    field_t(POOL_CPU, b"pcp.count", <char *>&CPU.pcp[0].count - <char *>&CPU, sizeof(CPU.pcp[0].count), NR_ZONES, sizeof(pcp_t), False),
    field_t(POOL_CPU, b"pcp.head", <char *>&CPU.pcp[0].head[0] - <char *>&CPU, sizeof(CPU.pcp[0].head[0]), NR_ZONES * sizeof(pcp_t) // 4, 4, False),
    field_t(POOL_PID, b"task", 0, 4, 1, 0, False),
    field_t(POOL_HASH, b"inode", 0, 4, 1, 0, False),
    field_t(POOL_PAGEBLOCK, b"type", 0, 1, 1, 0, False),
    field_t(POOL_CONTENT, b"entry", 0, 8, CONTENT_BYTES // 8, 8, False),
    field_t(POOL_LIBC, b"live", <char *>&LIBC.live - <char *>&LIBC, sizeof(LIBC.live), 1, 0, False),
    field_t(POOL_LIBC, b"initialized", <char *>&LIBC.initialized - <char *>&LIBC, sizeof(LIBC.initialized), 1, 0, False),
    field_t(POOL_LIBC, b"top", <char *>&LIBC.main_arena.top - <char *>&LIBC, sizeof(LIBC.main_arena.top), 1, 0, False),
    field_t(POOL_LIBC, b"system_mem", <char *>&LIBC.main_arena.system_mem - <char *>&LIBC, sizeof(LIBC.main_arena.system_mem), 1, 0, False),
    field_t(POOL_LIBC, b"max_system_mem", <char *>&LIBC.main_arena.max_system_mem - <char *>&LIBC, sizeof(LIBC.main_arena.max_system_mem), 1, 0, False),
    field_t(POOL_LIBC, b"mmapped_mem", <char *>&LIBC.mp.mmapped_mem - <char *>&LIBC, sizeof(LIBC.mp.mmapped_mem), 1, 0, False),
    field_t(POOL_LIBC, b"n_mmaps", <char *>&LIBC.mp.n_mmaps - <char *>&LIBC, sizeof(LIBC.mp.n_mmaps), 1, 0, False),
    field_t(POOL_LIBC, b"tcache_bins", <char *>&LIBC.mp.tcache_bins - <char *>&LIBC, sizeof(LIBC.mp.tcache_bins), 1, 0, False),
    field_t(POOL_LIBC, b"tcache_count", <char *>&LIBC.mp.tcache_count - <char *>&LIBC, sizeof(LIBC.mp.tcache_count), 1, 0, False),
    field_t(POOL_LIBC, b"sbrk_base", <char *>&LIBC.mp.sbrk_base - <char *>&LIBC, sizeof(LIBC.mp.sbrk_base), 1, 0, False),
    field_t(POOL_LIBC, b"narenas", <char *>&LIBC.narenas - <char *>&LIBC, sizeof(LIBC.narenas), 1, 0, False),
    field_t(POOL_LIBC, b"bins", <char *>LIBC.main_arena.bins - <char *>&LIBC, sizeof(LIBC.main_arena.bins[0]), sizeof(LIBC.main_arena.bins) // sizeof(LIBC.main_arena.bins[0]), sizeof(LIBC.main_arena.bins[0]), False),
    field_t(POOL_LIBC, b"binmap", <char *>LIBC.main_arena.binmap - <char *>&LIBC, sizeof(LIBC.main_arena.binmap[0]), sizeof(LIBC.main_arena.binmap) // sizeof(LIBC.main_arena.binmap[0]), sizeof(LIBC.main_arena.binmap[0]), False),
    field_t(POOL_LIBC, b"fastbinsY", <char *>LIBC.main_arena.fastbinsY - <char *>&LIBC, sizeof(LIBC.main_arena.fastbinsY[0]), sizeof(LIBC.main_arena.fastbinsY) // sizeof(LIBC.main_arena.fastbinsY[0]), sizeof(LIBC.main_arena.fastbinsY[0]), False),
    field_t(POOL_MM, b"libc", <char *>&MM.libc - <char *>&MM, sizeof(MM.libc), 1, 0, False),
]


cdef const field_t *find_field(int pool, const char *name) noexcept nogil:
    cdef uint32_t i
    for i in range(NR_FIELDS):
        if FIELDS[i].pool == pool and strcmp(FIELDS[i].name, name) == 0:
            return &FIELDS[i]
    return NULL
