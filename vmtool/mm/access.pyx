# cython: language_level=3
"""The path of every access: MMU, page fault, retry; and the signals when the kernel cannot help.

    do_user_addr_fault:  kernel address -> SEGV_MAPERR
                         no area        -> SEGV_MAPERR
                         below a stack  -> expand it, within its limit and gap, else SEGV_MAPERR
                         area forbids   -> SEGV_ACCERR, its protection key: SEGV_PKUERR
                         handle_mm_fault: SIGBUS past the end of a file, else retry the access: also where memory was not to be had, and
                                          nobody was killed for it
Counterpart: Linux v6.18 arch/x86/mm/fault.c:do_user_addr_fault(), access_error(); mm/vma.c:expand_downwards(), acct_stack_growth();
mm/oom_kill.c:pagefault_out_of_memory(). Deviation: what never gets memory would retry for ever; it is killed.
"""

from libc.string cimport memcpy, memset

from vmtool.mm.arch cimport ARCH_JUDGES_EXEC, ARCH_KPTI, ARCH_X86_64_LA57, ARCH_XONLY, offset_in_page, page_size, page_start
from vmtool.mm.arena cimport ARENA_LOOP, arena_fail, cpu_mut, frame_at, mm_at, mm_mut, task_at, vma_at
from vmtool.mm.fault cimport handle_mm_fault
from vmtool.mm.sched cimport schedule
from vmtool.mm.frame cimport page_bytes, page_bytes_mut
from vmtool.mm.vma_iter cimport vma_iter_prealloc, vma_iter_store
from vmtool.mm.mm_acct cimport may_expand_vm, mlock_future_ok, rlimit, vm_enough_memory, vm_stat_account
from vmtool.mm.access_quick cimport QUICK_DONE, QUICK_FAULTED, QUICK_RETRY, access_quick, access_quick_again, after_fault
from vmtool.mm.access_run cimport access_quick_run
from vmtool.mm.mmu cimport MMU_NONCANONICAL, mmu_access, mmu_walk, walk_t
from vmtool.mm.pti cimport kernel_round_trip
from vmtool.mm.pkeys cimport has_pkeys, pkru_allows, vma_pkey
from vmtool.mm.placement cimport mmap_min_addr
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.tlb_run cimport tlb_run_t
from vmtool.mm.trace cimport TR_BUS, TR_PAGE_FAULT, TR_SEGV, TR_STACK_EXPAND, trace2, trace3
from vmtool.mm.vma cimport find_vma, stack_guard_gap, vma_set_range

cdef enum:
    MAX_RETRIES = 16
    NO_MEMORY = 1


cdef int acct_stack_growth(arena_t *a, idx_t v, uint64_t size, uint64_t grow) noexcept nogil:
    cdef vma_t *area = vma_at(a, v)
    if not may_expand_vm(a, area.vm_mm, area.vm_flags, grow):
        return -ENOMEM
    if size > rlimit(a, RLIMIT_STACK):
        return -ENOMEM
    if not mlock_future_ok(a, area.vm_mm, area.vm_flags, grow << a.m.arch.page_shift):
        return -ENOMEM
    if vm_enough_memory(a, area.vm_mm, <int64_t>grow) < 0:
        return -ENOMEM
    if not area.vm_flags & VM_ACCOUNT:
        a.m.committed_for_good += grow  # one that is not accounted for pays no less, in Linux too
    return 0


cdef int expand_stack(arena_t *a, idx_t v, vaddr_t addr) noexcept nogil:
    """expand_downwards(): the area grows to the page of addr. 0 or -errno."""
    cdef vma_t *area = vma_at(a, v)
    cdef mm_t *m = mm_mut(a, area.vm_mm)
    cdef vma_t *prev
    cdef uint64_t grow
    cdef int err
    if not area.vm_flags & VM_GROWSDOWN:
        return -EFAULT
    addr = page_start(&a.m.arch, addr)
    if addr < mmap_min_addr(a):
        return -EPERM
    if area.vm_prev:
        prev = vma_at(a, area.vm_prev)
        if not prev.vm_flags & VM_GROWSDOWN and vma_is_accessible(prev) and addr - prev.vm_end < stack_guard_gap(a):
            return -ENOMEM
    if vma_iter_prealloc(a, area.vm_mm) < 0 or anon_vma_prepare(a, v) < 0:
        return -ENOMEM
    grow = (area.vm_start - addr) >> a.m.arch.page_shift
    if grow > area.vm_pgoff:
        return -ENOMEM
    err = acct_stack_growth(a, v, area.vm_end - addr, grow)
    if err:
        return err
    if area.vm_flags & VM_LOCKED:
        m.locked_vm += grow
    vm_stat_account(m, area.vm_flags, <int64_t>grow)
    trace3(a, TR_STACK_EXPAND, addr, area.vm_start, addr)
    vma_set_range(a, area.vm_mm, v, addr, area.vm_end, area.vm_pgoff - grow)
    vma_iter_store(a, area.vm_mm, v)
    return 0


cdef inline int send_signal(arena_t *a, siginfo_t *info, int signo, int code, vaddr_t addr) noexcept nogil:
    info.signo = signo
    info.code = code
    info.addr = addr
    trace2(a, TR_BUS if signo == SIGBUS else TR_SEGV, addr, code)
    return -1


cdef inline bint access_error(const arch_t *g, const vma_t *v, uint32_t error) noexcept nogil:
    if error & PF_INSTR and g.flags & ARCH_JUDGES_EXEC:
        return not v.vm_flags & VM_EXEC
    if error & PF_WRITE:
        return not v.vm_flags & VM_WRITE
    if g.flags & ARCH_XONLY:
        return not v.vm_flags & (VM_READ | VM_WRITE)
    return (error & PF_PROT) != 0 or not vma_is_accessible(v)


cdef inline bint key_denies(arena_t *a, idx_t task, const vma_t *v, uint32_t error) noexcept nogil:
    """bad_area_access_from_pkeys(): looked at before the page is brought in, for the access would only fault again."""
    return has_pkeys(a) and (error & PF_PK or not (error & PF_INSTR or pkru_allows(task_at(a, task).pkru, vma_pkey(v), (error & PF_WRITE) != 0)))


cdef int bad_address(arena_t *a, siginfo_t *info, vaddr_t addr) noexcept nogil:
    """One that no table can hold: x86 raises a general-protection fault, which has no address; the others an ordinary one."""
    if a.m.arch.id > ARCH_X86_64_LA57:
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    return send_signal(a, info, SIGSEGV, SI_KERNEL, 0)


cdef int fault_failed(arena_t *a, uint32_t result, vaddr_t addr, siginfo_t *info) noexcept nogil:
    """-1: a signal. NO_MEMORY: retry the access."""
    schedule(a)
    if result & VM_FAULT_OOM and not a.oom_victim and not a.m.panicked:
        return NO_MEMORY
    if result & VM_FAULT_SIGBUS:
        return send_signal(a, info, SIGBUS, BUS_ADRERR, addr)
    if result & VM_FAULT_SIGSEGV:
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    return send_signal(a, info, SIGKILL, SI_KERNEL, addr)


cdef int do_user_addr_fault(arena_t *a, idx_t task, vaddr_t addr, uint32_t error, siginfo_t *info) noexcept nogil:
    """0, NO_MEMORY: retry the access. -1: a signal."""
    cdef idx_t mm = task_at(a, task).mm, v
    cdef uint32_t flags = FAULT_USER, result
    trace2(a, TR_PAGE_FAULT, addr, error)
    if addr >= mm_at(a, mm).task_size:
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    v = find_vma(a, mm, addr)
    if v == 0:
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    if vma_at(a, v).vm_start > addr and expand_stack(a, v, addr) != 0:
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    if key_denies(a, task, vma_at(a, v), error):
        return send_signal(a, info, SIGSEGV, SEGV_PKUERR, addr)
    if access_error(&a.m.arch, vma_at(a, v), error):
        return send_signal(a, info, SIGSEGV, SEGV_ACCERR, addr)
    if error & PF_WRITE:
        flags |= FAULT_WRITE
    if error & PF_INSTR:
        flags |= FAULT_EXEC
    result = handle_mm_fault(a, v, addr, flags)
    return fault_failed(a, result, addr, info) if result & VM_FAULT_ERROR else 0


cdef int access_page(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, paddr_t *phys, siginfo_t *info) noexcept nogil:
    """-1: a signal. Else whether it faulted, which after_fault() must be told when nobody needs *phys any more."""
    cdef uint32_t r
    cdef int failed, tries = 0, quick = access_quick(a, c, task, addr, kind, phys)
    if quick == QUICK_DONE or quick == QUICK_FAULTED:
        return quick == QUICK_FAULTED
    if quick < 0:
        if fault_failed(a, <uint32_t>-quick, addr, info) < 0:
            return -1
        quick = QUICK_RETRY
    if quick == QUICK_RETRY:
        tries = 1
        quick = 0
    while True:
        r = <uint32_t>quick if quick else mmu_access(a, c, addr, kind, phys)
        if r == 0:
            return tries != 0
        if r == MMU_NONCANONICAL:
            return bad_address(a, info, addr)
        failed = do_user_addr_fault(a, task, addr, r & 0xffff, info)
        if a.m.arch.flags & ARCH_KPTI:
            kernel_round_trip(a, task_at(a, task).cpu)
        if failed < 0:
            return -1
        tries += 1
        if tries > MAX_RETRIES or a.err:
            if failed != NO_MEMORY:  # only a damaged image can send the same access round for ever
                arena_fail(a, ARENA_LOOP, POOL_TASK, task)
            return send_signal(a, info, SIGKILL, SI_KERNEL, addr)
        quick = access_quick_again(a, c, addr, kind, phys)
        if quick:
            return True


cdef int touch_page(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, int kind, siginfo_t *info) noexcept nogil:
    cdef paddr_t phys
    cdef int faulted = access_page(a, c, task, addr, kind, &phys, info)
    if faulted < 0:
        return -1
    after_fault(a, faulted)
    return 0


cdef int touch_range(arena_t *a, idx_t task, vaddr_t addr, uint64_t length, int kind, siginfo_t *info) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, task_at(a, task).cpu)
    cdef paddr_t phys
    cdef vaddr_t last = addr + (length - 1 if length else 0)
    cdef uint32_t shift = a.m.arch.page_shift
    cdef uint64_t mask = (<uint64_t>1 << shift) - 1
    cdef uint64_t nr_walks
    cdef tlb_run_t tlb
    cdef int faulted
    tlb.clock = 0
    info.signo = 0
    if last < addr:
        last = <uint64_t>-1
    while True:
        nr_walks = c.walks
        faulted = access_page(a, c, task, addr, kind, &phys, info)
        if faulted < 0:
            return -1
        after_fault(a, faulted)
        if last - addr <= mask and (addr | mask) >= last:
            return 0
        addr = (addr | mask) + 1
        if c.walks != nr_walks:  # the TLB did not have it, and will not have the next ones
            addr += access_quick_run(a, c, task, addr, (last >> shift) - (addr >> shift) + 1, kind, &tlb) << shift
            if addr > last:
                return 0


cdef int store_bytes(arena_t *a, idx_t task, vaddr_t addr, const char *data, uint64_t length, siginfo_t *info) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, task_at(a, task).cpu)
    cdef paddr_t phys
    cdef uint64_t done = 0, n
    cdef int faulted
    info.signo = 0
    while done < length:
        faulted = access_page(a, c, task, addr + done, ACCESS_WRITE, &phys, info)
        if faulted < 0:
            return -1
        n = page_size(&a.m.arch) - offset_in_page(&a.m.arch, phys)
        if n > length - done:
            n = length - done
        memcpy(page_bytes_mut(a, <pfn_t>(phys >> a.m.arch.page_shift)) + offset_in_page(&a.m.arch, phys), data + done, n)
        after_fault(a, faulted)
        done += n
    return 0


cdef int load_bytes(arena_t *a, idx_t task, vaddr_t addr, char *out, uint64_t length, siginfo_t *info) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, task_at(a, task).cpu)
    cdef paddr_t phys
    cdef uint64_t done = 0, n
    cdef int faulted
    info.signo = 0
    while done < length:
        faulted = access_page(a, c, task, addr + done, ACCESS_READ, &phys, info)
        if faulted < 0:
            return -1
        n = page_size(&a.m.arch) - offset_in_page(&a.m.arch, phys)
        if n > length - done:
            n = length - done
        memcpy(out + done, page_bytes(a, <pfn_t>(phys >> a.m.arch.page_shift)) + offset_in_page(&a.m.arch, phys), n)
        after_fault(a, faulted)
        done += n
    return 0


cdef int load_u64(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t *out, siginfo_t *info) noexcept nogil:
    cdef paddr_t phys
    cdef int faulted
    if addr & 7:
        return load_bytes(a, task, addr, <char *>out, 8, info)
    faulted = access_page(a, c, task, addr, ACCESS_READ, &phys, info)
    if faulted < 0:
        return -1
    out[0] = (<const uint64_t *>(page_bytes(a, <pfn_t>(phys >> a.m.arch.page_shift)) + offset_in_page(&a.m.arch, phys)))[0]
    after_fault(a, faulted)
    return 0


cdef int store_u64(arena_t *a, cpu_t *c, idx_t task, vaddr_t addr, uint64_t value, siginfo_t *info) noexcept nogil:
    cdef paddr_t phys
    cdef int faulted
    if addr & 7:
        return store_bytes(a, task, addr, <const char *>&value, 8, info)
    faulted = access_page(a, c, task, addr, ACCESS_WRITE, &phys, info)
    if faulted < 0:
        return -1
    (<uint64_t *>(page_bytes_mut(a, <pfn_t>(phys >> a.m.arch.page_shift)) + offset_in_page(&a.m.arch, phys)))[0] = value
    after_fault(a, faulted)
    return 0


cdef int fill_bytes(arena_t *a, idx_t task, vaddr_t addr, int byte, uint64_t length, siginfo_t *info) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, task_at(a, task).cpu)
    cdef paddr_t phys
    cdef pfn_t pfn
    cdef uint64_t done = 0, n
    cdef int faulted
    info.signo = 0
    while done < length:
        faulted = access_page(a, c, task, addr + done, ACCESS_WRITE, &phys, info)
        if faulted < 0:
            return -1
        n = page_size(&a.m.arch) - offset_in_page(&a.m.arch, phys)
        if n > length - done:
            n = length - done
        pfn = <pfn_t>(phys >> a.m.arch.page_shift)
        if byte or frame_at(a, pfn).content or frame_at(a, pfn).mapping == 0 or not frame_at(a, pfn).flags & PG_anon:
            memset(page_bytes_mut(a, pfn) + offset_in_page(&a.m.arch, phys), byte, n)  # else: zeros on a page of zeros, which has no bytes of its own
        after_fault(a, faulted)
        done += n
    return 0


cdef int copy_bytes(arena_t *a, idx_t task, vaddr_t to, vaddr_t addr, uint64_t length, siginfo_t *info) noexcept nogil:
    cdef cpu_t *c = cpu_mut(a, task_at(a, task).cpu)
    cdef paddr_t phys
    cdef char page[CONTENT_BYTES]
    cdef uint64_t done = 0, n
    cdef int faulted
    info.signo = 0
    while done < length:
        faulted = access_page(a, c, task, addr + done, ACCESS_READ, &phys, info)
        if faulted < 0:
            return -1
        n = CONTENT_BYTES - phys % CONTENT_BYTES  # a piece: of a larger page, a part
        if n > length - done:
            n = length - done
        memcpy(page, page_bytes(a, <pfn_t>(phys >> a.m.arch.page_shift)) + offset_in_page(&a.m.arch, phys), n)
        after_fault(a, faulted)
        if store_bytes(a, task, to + done, page, n, info) < 0:
            return -1
        done += n
    return 0


cdef uint64_t peek_bytes(arena_t *a, idx_t mm, vaddr_t addr, char *out, uint64_t length) noexcept nogil:
    cdef walk_t w
    cdef uint64_t done = 0, n
    while done < length:
        mmu_walk(a, mm_at(a, mm).pgd, addr + done, &w)
        if not w.ok:
            break
        n = page_size(&a.m.arch) - offset_in_page(&a.m.arch, w.phys)
        if n > length - done:
            n = length - done
        memcpy(out + done, page_bytes(a, <pfn_t>(w.phys >> a.m.arch.page_shift)) + offset_in_page(&a.m.arch, w.phys), n)
        done += n
    return done


cdef int would_fault(arena_t *a, idx_t task, vaddr_t addr, int kind, siginfo_t *info) noexcept nogil:
    cdef idx_t mm = task_at(a, task).mm
    cdef idx_t v
    info.signo = 0
    if addr >= mm_at(a, mm).task_size:
        if addr >= a.m.arch.canonical_low_end and addr < a.m.arch.canonical_high_start:
            return bad_address(a, info, addr)
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    v = find_vma(a, mm, addr)
    if v == 0 or (vma_at(a, v).vm_start > addr and not vma_at(a, v).vm_flags & VM_GROWSDOWN):
        return send_signal(a, info, SIGSEGV, SEGV_MAPERR, addr)
    if key_denies(a, task, vma_at(a, v), PF_WRITE if kind == ACCESS_WRITE else PF_INSTR if kind == ACCESS_EXEC else 0):
        return send_signal(a, info, SIGSEGV, SEGV_PKUERR, addr)
    if access_error(&a.m.arch, vma_at(a, v), PF_WRITE if kind == ACCESS_WRITE else 0):
        return send_signal(a, info, SIGSEGV, SEGV_ACCERR, addr)
    return 0
