# cython: language_level=3
"""The life of an address space.

    fork   parent: PTE 0x7000 -> pfn 9, writable     both: PTE 0x7000 -> pfn 9, read-only; pfn 9 mapped twice, not exclusive
           areas are copied; entries only where an area has an anon_vma (what a file can give back is left to be faulted)
    exit   areas, entries, tables, frames, chains, the task's kernel objects
Counterpart: Linux v6.18 mm/mmap.c:dup_mmap(), mm/memory.c:copy_page_range(), kernel/fork.c:copy_process(),
kernel/exit.c:do_exit(), arch/x86/mm/tlb.c:switch_mm_irqs_off().
Simplified: a parent reaps its child at once. Threads: task.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arena cimport cpu_mut, frame_at, frame_mut, memcg_mut, mm_at, mm_mut, rec_alloc, rec_at, rec_free, rec_mut, task_at, task_mut, vma_at, vma_mut
from vmtool.mm.arch cimport ARCH_FIXED_TOP, level_index, level_size, nr_user_entries, pages_in
from vmtool.mm.frame cimport mm_counter, page_folio
from vmtool.mm.hugetlb cimport copy_hugetlb
from vmtool.mm.libc_data cimport libc_data_t
from vmtool.mm.memcontrol cimport current_memcg, obj_cgroup_charge, obj_cgroup_uncharge
from vmtool.mm.mm_acct cimport add_mm_counter, get_mm_rss, vm_enough_memory, vm_unacct_memory
from vmtool.mm.names cimport name_free
from vmtool.mm.vma_iter cimport mt_adopt, mt_destroy, mt_dup, vma_iter_clear, vma_iter_prealloc, vma_iter_store
from vmtool.mm.mm_slot cimport khugepaged_exit, khugepaged_fork
from vmtool.mm.pagecache cimport fget, fput, name_free, name_read, name_store
from vmtool.mm.pagewalk cimport mm_walk_t, walk_init, walk_page_range
from vmtool.mm.pid cimport find_task
from vmtool.mm.pkeys cimport pkeys_init
from vmtool.mm.mmu_context cimport forget_mm_context, switch_mm_context
from vmtool.mm.pgtable cimport flush_tlb_mm, pgd_alloc, pgd_free, table_alloc
from vmtool.mm.pte cimport *
from vmtool.mm.rmap cimport add_file_rmap, anon_vma_fork, dup_anon_rmap, vm_area_alloc, vm_area_dup, vm_area_free, vma_file_link
from vmtool.mm.slab cimport CACHE_MM_STRUCT, kmem_cache_alloc, kmem_cache_free
from vmtool.mm.task cimport end_threads, exit_files, group_leader, sig_maj_flt, sig_min_flt, task_alloc, task_free, thread_sp
from vmtool.mm.task_objects cimport futex_hash_alloc, futex_hash_free
from vmtool.mm.thp_fault cimport copy_huge_pmd
from vmtool.mm.trace cimport TR_EXIT, TR_FORK, TR_VMA_NEW, trace2, trace3
from vmtool.mm.unmap cimport exit_mmap
from vmtool.mm.vma cimport VM_LOCKED_MASK, vma_link


cdef bint prepopulate(arena_t *a, idx_t mm) noexcept nogil:
    """preallocate_pmds(): the processor reads the top table only when CR3 is loaded, so what user space needs there is made at the start."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef int top = <int>a.m.arch.levels - 1
    cdef uint32_t i
    if a.m.arch.flags & ARCH_FIXED_TOP:
        for i in range(nr_user_entries(&a.m.arch)):
            if table_alloc(a, m, i * level_size(&a.m.arch, top), top - 1) == 0:
                mmput(a, mm)
                return False
    return True


cdef void charge_rss_stat(arena_t *a, mm_t *m) noexcept nogil:
    """The memory itself is there since boot."""
    m.rss_memcg = current_memcg(a) if a.m.nr_memcgs else 0
    if m.rss_memcg:
        obj_cgroup_charge(a, m.rss_memcg, rss_stat_bytes(a))
        memcg_mut(a, m.rss_memcg).stat[MEMCG_PERCPU_B] += rss_stat_bytes(a)


cdef void uncharge_rss_stat(arena_t *a, mm_t *m) noexcept nogil:
    if m.rss_memcg:
        memcg_mut(a, m.rss_memcg).stat[MEMCG_PERCPU_B] -= rss_stat_bytes(a)
        obj_cgroup_uncharge(a, m.rss_memcg, rss_stat_bytes(a))
        m.rss_memcg = 0


cdef idx_t mm_alloc(arena_t *a) noexcept nogil:
    cdef uint64_t obj = kmem_cache_alloc(a, CACHE_MM_STRUCT)
    cdef idx_t mm
    cdef mm_t *m
    if obj == 0:
        return 0
    mm = rec_alloc(a, POOL_MM)
    m = mm_mut(a, mm)
    m.obj = obj
    m.users = 1
    m.task_size = a.m.arch.task_size
    pkeys_init(a, mm)
    m.pgd = pgd_alloc(a)
    if m.pgd == 0:
        kmem_cache_free(a, CACHE_MM_STRUCT, obj)
        rec_free(a, POOL_MM, mm)
        return 0
    charge_rss_stat(a, m)
    return mm if prepopulate(a, mm) else 0


cdef void mmput(arena_t *a, idx_t mm) noexcept nogil:
    cdef mm_t *m = mm_mut(a, mm)
    cdef uint32_t i
    m.users -= 1
    if m.users:
        return
    khugepaged_exit(a, mm)
    exit_mmap(a, mm)
    for i in range(a.m.nr_cpus):
        forget_mm_context(a, mm, i)
    if m.exe_file:
        fput(a, m.exe_file)
    if m.libc:
        rec_free(a, POOL_LIBC, m.libc)
    mt_destroy(a, mm)
    futex_hash_free(a, mm)
    pgd_free(a, m.pgd)
    uncharge_rss_stat(a, m)
    kmem_cache_free(a, CACHE_MM_STRUCT, m.obj)
    rec_free(a, POOL_MM, mm)


cdef idx_t insert_area(arena_t *a, idx_t mm, vaddr_t start, vaddr_t end, uint64_t vm_flags, uint64_t pgoff, idx_t file, uint32_t kind) noexcept nogil:
    cdef idx_t v = vm_area_alloc(a) if vma_iter_prealloc(a, mm) == 0 else 0
    cdef vma_t *area
    if v == 0:
        return 0
    area = vma_mut(a, v)
    area.vm_start = start
    area.vm_end = end
    area.vm_flags = vm_flags
    area.vm_pgoff = pgoff
    area.vm_file = file
    area.kind = kind
    if file:
        fget(a, file)
        vma_file_link(a, v)
    vma_link(a, mm, v)
    vma_iter_store(a, mm, v)
    trace3(a, TR_VMA_NEW, start, end, vm_flags)
    return v

# --- fork ---------------------------------------------------------------------------------------------------------


cdef inline int dup_rmap(arena_t *a, pfn_t pfn, idx_t mm) noexcept nogil:
    """One mapping more. Returns the rss_kind. Nearly all pages that fork copies are single anonymous ones."""
    cdef frame_t *f = frame_mut(a, pfn)
    cdef uint32_t flags = f.flags
    if (flags & (PG_anon | PG_head | PG_tail)) == PG_anon:
        f.flags = flags & ~<uint32_t>PG_anon_exclusive
        f.mapcount += 1
        return MM_ANONPAGES
    flags = frame_at(a, page_folio(a, pfn)).flags
    if flags & PG_anon:
        dup_anon_rmap(a, pfn, mm)
        return MM_ANONPAGES
    add_file_rmap(a, pfn, mm)
    return MM_SHMEMPAGES if flags & PG_swapbacked else MM_FILEPAGES


cdef int copy_nonpresent_pte(arena_t *a, uint32_t what, bint cow, pte_t *e) noexcept nogil:
    """The parent keeps *e. A slot is named once more, and no longer by one entry alone; a page on its way arrives read-only. The rss kind, or -errno."""
    cdef swp_entry_t entry = pte_to_swp_entry(a, e[0])
    if what == ENTRY_SWAP:
        if a.swap_duplicate != NULL and a.swap_duplicate(a, entry) < 0:
            return -ENOMEM
        e[0] = pte_swp_clear_exclusive(a, e[0])
        return MM_SWAPENTS
    if cow and swp_type(entry) != SWP_MIGRATION_READ:
        e[0] = pte_swp_copy_soft_dirty(a, swp_entry_to_pte(a, swp_entry(SWP_MIGRATION_READ, swp_offset(entry))), e[0])
    return mm_counter(a, swp_offset_pfn(entry))


cdef inline pte_t child_pte(arena_t *a, uint32_t what, pte_t e, uint64_t vm_flags) noexcept nogil:
    """What the child gets of the entry that the parent keeps."""
    if what == ENTRY_PAGE or what == ENTRY_SPECIAL:
        return pte_mkold(a, pte_mkclean(a, e) if vm_flags & VM_SHARED else e)
    return pte_swp_clear_uffd_wp(a, e) if what == ENTRY_SWAP else e  # no userfaultfd in the child


cdef int copy_pte_range(mm_walk_t *w, vaddr_t addr, vaddr_t end, pfn_t from_table) noexcept nogil:
    """Anonymous pages lose exclusiveness and, in private areas, writability, on both sides."""
    cdef arena_t *a = w.a
    cdef const arch_t *g = &a.m.arch
    cdef idx_t to = vma_at(a, (<idx_t *>w.private)[0]).vm_mm
    cdef mm_t *to_mm = mm_mut(a, to)
    cdef uint64_t vm_flags = vma_at(a, w.v).vm_flags
    cdef bint cow = (vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE
    cdef pfn_t to_table = table_alloc(a, to_mm, addr, 0)  # as Linux: a table in the parent gives one in the child
    cdef uint32_t first = level_index(g, 0, addr), i, what
    cdef ptes_t old, new
    cdef pte_t e, n
    cdef int kind, err = 0
    cdef int64_t nr[4]
    cdef bint writing = False, changed = False
    if to_table == 0:
        return -ENOMEM
    nr[0] = nr[1] = nr[2] = nr[3] = 0
    if not ptes_open(a, from_table, &old):
        return 0
    for i in range(first, first + pages_in(g, addr, end)):
        e = ptes_load(&old, i)
        what = pte_class(a, e)
        if what == ENTRY_NONE or what == ENTRY_BAD:
            continue
        n = e
        if what == ENTRY_PAGE or what == ENTRY_SPECIAL:
            if what == ENTRY_PAGE:
                nr[dup_rmap(a, pte_frame(a, e), to)] += 1
            if cow:
                n = pte_wrprotect(a, e)
        elif what != ENTRY_MARKER:
            kind = copy_nonpresent_pte(a, what, cow, &n)
            if kind < 0:
                err = kind
                break
            nr[kind] += 1
        if n != e:
            if not changed:
                ptes_open_mut(a, from_table, &old)
                changed = True
            ptes_store(&old, i, n)
        if not writing:
            ptes_open_mut(a, to_table, &new)
            writing = True
        ptes_store(&new, i, child_pte(a, what, n, vm_flags))
    for i in range(4):
        if nr[i]:
            add_mm_counter(to_mm, <int>i, nr[i])
    return err


cdef int copy_leaf(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level, pte_t e) noexcept nogil:
    if vma_at(w.a, w.v).vm_flags & VM_HUGETLB:
        return copy_hugetlb(w.a, (<idx_t *>w.private)[0], w.v, addr)
    return 0 if copy_huge_pmd(w.a, (<idx_t *>w.private)[0], w.v, addr) else -ENOMEM


cdef int copy_hole(mm_walk_t *w, vaddr_t addr, vaddr_t next, int level) noexcept nogil:
    """As Linux: a table that the parent has is made for the child, with or without entries."""
    if level == <int>w.a.m.arch.levels - 1:
        return 0
    return 0 if table_alloc(w.a, mm_mut(w.a, vma_at(w.a, (<idx_t *>w.private)[0]).vm_mm), addr, level) else -ENOMEM


cdef int copy_page_range(arena_t *a, idx_t dst, idx_t src) noexcept nogil:
    cdef vma_t *area = vma_at(a, src)
    cdef mm_walk_t w
    walk_init(&w, a, mm_mut(a, area.vm_mm), src, &dst)
    w.table = copy_pte_range
    w.leaf = copy_leaf
    w.hole = copy_hole
    return walk_page_range(&w, area.vm_start, area.vm_end)


cdef bint vma_needs_copy(const vma_t *src) noexcept nogil:
    """Pages that no fault could bring back: anonymous ones, guard markers, pages without a struct page."""
    return src.anon_vma != 0 or (src.vm_flags & (VM_PFNMAP | VM_MIXEDMAP | VM_MAYBE_GUARD)) != 0


cdef int dup_area(arena_t *a, idx_t mm, idx_t src) noexcept nogil:
    cdef vma_t *area = vma_at(a, src)
    cdef vma_t *n
    cdef idx_t v
    cdef char text[256]
    v = vm_area_dup(a, src)
    if v == 0:
        return -ENOMEM
    n = vma_mut(a, v)
    n.vm_mm = mm
    n.anon_vma = 0
    if n.vm_flags & VM_HUGETLB:
        n.swap_readahead_info = 0
    if area.anon_name:
        n.anon_name = name_store(a, text, name_read(a, area.anon_name, text, 256))
    if not area.vm_flags & VM_WIPEONFORK and anon_vma_fork(a, v, src) < 0:
        name_free(a, n.anon_name)
        vm_area_free(a, v)
        return -ENOMEM
    n.vm_flags &= ~<uint64_t>VM_LOCKED_MASK
    if n.vm_file:
        fget(a, n.vm_file)
        vma_file_link(a, v)
    vma_link(a, mm, v)
    if not area.vm_flags & VM_WIPEONFORK and vma_needs_copy(area):
        return copy_page_range(a, v, src)
    return 0


cdef int dup_mmap(arena_t *a, idx_t mm, idx_t oldmm) noexcept nogil:
    """0 or -ENOMEM."""
    cdef mm_t *old = mm_at(a, oldmm)
    cdef mm_t *m = mm_mut(a, mm)
    cdef idx_t v = old.vma_first
    cdef vma_t *area
    cdef int64_t charge
    cdef uint32_t nr
    m.total_vm = old.total_vm
    m.data_vm = old.data_vm
    m.exec_vm = old.exec_vm
    m.stack_vm = old.stack_vm
    if mt_dup(a, mm, oldmm) < 0:
        return -ENOMEM
    while v:
        area = vma_at(a, v)
        charge = <int64_t>((area.vm_end - area.vm_start) >> a.m.arch.page_shift)
        if area.vm_flags & VM_DONTCOPY:
            if vma_iter_prealloc(a, mm) < 0:
                return -ENOMEM
            vma_iter_clear(a, mm, area.vm_start, area.vm_end)
            m.total_vm -= charge
            if (area.vm_flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC:
                m.exec_vm -= charge
            elif area.vm_flags & VM_GROWSDOWN:
                m.stack_vm -= charge
            elif (area.vm_flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE:
                m.data_vm -= charge
        else:
            if area.vm_flags & VM_ACCOUNT and vm_enough_memory(a, oldmm, charge) < 0:
                return -ENOMEM
            nr = m.map_count
            if dup_area(a, mm, v) < 0:
                if area.vm_flags & VM_ACCOUNT and m.map_count == nr:
                    vm_unacct_memory(a, charge)  # an area that is there already takes its charge along
                return -ENOMEM
        v = vma_at(a, v).vm_next
    mt_adopt(a, mm)
    khugepaged_fork(a, mm, oldmm)
    return 0


cdef void copy_task(task_t *c, const task_t *p) noexcept nogil:
    """dup_task_struct(): what a child, or a thread, has from the one that made it."""
    memcpy(c.comm, p.comm, 16)
    memcpy(c.rlim_cur, p.rlim_cur, sizeof(p.rlim_cur))
    memcpy(c.rlim_max, p.rlim_max, sizeof(p.rlim_max))
    c.oom_score_adj = p.oom_score_adj
    c.oom_score_adj_min = p.oom_score_adj_min
    c.uid = p.uid
    c.personality = p.personality
    c.pkru = p.pkru


cdef int64_t clone_thread(arena_t *a, idx_t task, uint32_t pid, vaddr_t sp) noexcept nogil:
    """clone() with CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, as the C library asks."""
    cdef idx_t leader = group_leader(a, task)
    cdef int err
    cdef idx_t t = task_alloc(a, pid, task_at(a, leader).ppid, leader, &err)
    if t == 0:
        return -err
    copy_task(task_mut(a, t), task_at(a, task))
    task_mut(a, t).mm = task_at(a, task).mm
    thread_sp(task_mut(a, t))[0] = sp
    if futex_hash_alloc(a, task_at(a, task).mm) < 0:
        task_mut(a, leader).nr_threads -= 1
        task_free(a, t)
        return -ENOMEM
    mm_mut(a, task_at(a, t).mm).users += 1
    return t


cdef int64_t do_fork(arena_t *a, idx_t parent, uint32_t pid, bint share_mm) noexcept nogil:
    cdef task_t *p = task_at(a, parent)
    cdef int err
    cdef idx_t child = task_alloc(a, pid, p.tgid, 0, &err)
    cdef task_t *c
    cdef mm_t *m
    cdef idx_t mm
    if child == 0:
        return -err
    c = task_mut(a, child)
    copy_task(c, p)
    if not share_mm:
        c.tcache = p.tcache
        c.thread_arena = p.thread_arena
    if share_mm:
        mm_mut(a, p.mm).users += 1
        c.mm = p.mm
        return child
    mm = mm_alloc(a)
    if mm == 0:
        task_free(a, child)
        return -ENOMEM
    copy_mm_fields(a, mm, p.mm)
    c.mm = mm
    err = dup_mmap(a, mm, p.mm)
    flush_tlb_mm(a, mm_mut(a, p.mm))  # after a failure too: entries were made read-only
    if err < 0:
        c.mm = 0
        mmput(a, mm)
        task_free(a, child)
        return -ENOMEM
    m = mm_mut(a, mm)
    m.hiwater_rss = get_mm_rss(m)
    m.hiwater_vm = m.total_vm
    trace2(a, TR_FORK, p.pid, c.pid)
    return child


cdef void copy_mm_fields(arena_t *a, idx_t mm, idx_t oldmm) noexcept nogil:
    """dup_mm()'s memcpy less what mm_init() begins anew."""
    cdef mm_t *m = mm_mut(a, mm)
    cdef mm_t *o = mm_at(a, oldmm)
    cdef uint64_t obj = m.obj, pgd_obj = m.pgd_obj, tables = m.pgtables_bytes
    cdef pfn_t pgd = m.pgd
    cdef idx_t rss_memcg = m.rss_memcg
    memcpy(m, o, sizeof(mm_t))
    m.rss_memcg = rss_memcg
    m.obj = obj
    m.pgd_obj = pgd_obj
    m.pgd = pgd
    m.pgtables_bytes = tables
    m.users = 1
    m.vma_root = m.vma_first = m.vma_cache = m.map_count = 0
    m.maple = 0
    m.futex_obj[0] = m.futex_obj[1] = 0
    m.total_vm = m.locked_vm = m.pinned_vm = m.data_vm = m.exec_vm = m.stack_vm = 0
    m.def_flags &= ~<uint64_t>VM_LOCKED_MASK
    m.thp_mapped = 0
    m.flags &= ~<uint32_t>MMF_VM_HUGEPAGE
    m.mm_slot_next = m.mm_slot_prev = 0
    m.mm_slot_obj = 0
    m.pcid = 0
    m.context_id = m.cpu_bitmap = 0
    memset(m.rss, 0, sizeof(m.rss))
    memset(m.rss_cpu, 0, sizeof(m.rss_cpu))
    if m.exe_file:
        fget(a, m.exe_file)
    if o.libc:  # of the C library's .data the child has its own copy
        m.libc = rec_alloc(a, POOL_LIBC)
        memcpy(rec_mut(a, POOL_LIBC, m.libc), rec_at(a, POOL_LIBC, o.libc), sizeof(libc_data_t))


cdef void reparent(arena_t *a, uint32_t pid) noexcept nogil:
    """Orphans have no parent here: there is no init."""
    cdef uint32_t i
    for i in range(1, a.pool[POOL_TASK].count):
        if task_at(a, i).ppid == pid:
            task_mut(a, i).ppid = 0


cdef void do_exit(arena_t *a, idx_t any_thread, int code) noexcept nogil:
    """do_group_exit(): all threads of a process end with it."""
    cdef idx_t t = group_leader(a, any_thread)
    cdef task_t *task = task_mut(a, t)
    cdef idx_t parent = find_task(a, task.ppid)
    cdef idx_t mm = task.mm
    cdef uint32_t i
    cdef cpu_t *c
    trace2(a, TR_EXIT, code, 0)
    end_threads(a, t)
    exit_files(a, t)
    task.mm = 0
    for i in range(a.m.nr_cpus):
        c = cpu_mut(a, i)
        if c.task == t:
            c.task = 0
    if mm:
        mmput(a, mm)
    if parent:
        task_mut(a, parent).cmin_flt += task.min_flt + sig_min_flt(task)[0] + task.cmin_flt
        task_mut(a, parent).cmaj_flt += task.maj_flt + sig_maj_flt(task)[0] + task.cmaj_flt
    reparent(a, task.pid)
    task_free(a, t)


cdef void switch_mm(arena_t *a, idx_t t, uint32_t cpu) noexcept nogil:
    """The process runs on this CPU: its top table goes into CR3, unless it is there already."""
    cdef cpu_t *c = cpu_mut(a, cpu)
    cdef task_t *task = task_mut(a, t)
    if c.task:
        task_mut(a, c.task).state = c'S'
    c.task = t
    c.pkru = task.pkru
    task.state = c'R'
    task.cpu = cpu
    if task.mm == 0 or c.active_mm == task.mm:
        return
    c.active_mm = task.mm
    switch_mm_context(a, task.mm, cpu)
