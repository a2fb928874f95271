# cython: language_level=3
"""Machine: one method per user-visible operation. See _core.pyi for what each takes and gives.

The door in layers, each a class over the one before: _state (arena, chunks), _views (the machine), _space (a process), _outside (logs, live
processes), _files, _processes, _reclaim, and here boot, system calls and accesses. Errors of mm/ (-errno) become KernelError, signals Signal; a
fatal signal ends the process here, in one place.
"""

from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strncpy

from vmtool._processes cimport signal_of
from vmtool.mm.access cimport load_bytes, siginfo_t, store_bytes, touch_range, would_fault
from vmtool.mm.access_stream cimport access_stream
from vmtool.mm.arena cimport arena_t, mm_at, mm_mut, task_at, task_mut
from vmtool.mm.arch cimport ARCH_I386_PAE, ARCH_PKEYS, CPU_PKU, arch_name, offset_in_page, page_size, page_start
from vmtool.mm.compaction cimport try_to_compact_pages
from vmtool.mm.boot cimport BOOT_ARCH, BOOT_NO_ROOM, BOOT_RAM, BOOT_TLB, machine_boot, machine_upgrade
from vmtool.mm.fsck_memcg cimport memcg_upgrade
from vmtool.mm.sys_kill cimport exit_by_signal
from vmtool.mm.mmu cimport access_t, mmu_judge, mmu_walk, walk_t
from vmtool.mm.pagecache cimport alloc_da_blocks, fget, file_open, fput, name_read, name_store
from vmtool.mm.sys_file cimport sys_mincore, sys_msync
from vmtool.mm.sys_madvise cimport sys_madvise, sys_set_vma_name
from vmtool.mm.sys_mlock cimport sys_mlock, sys_mlockall, sys_munlock, sys_munlockall
from vmtool.mm.sys_mmap cimport mmap_req_t, sys_brk, sys_mmap, sys_munmap
from vmtool.mm.sys_mprotect cimport sys_mprotect
from vmtool.mm.sys_mseal cimport sys_mseal
from vmtool.mm.sys_pkey cimport sys_pkey_alloc, sys_pkey_free, wrpkru
from vmtool.mm.sys_mremap cimport sys_mremap
from vmtool.mm.rmap cimport page_mkclean
from vmtool.mm.oom_kill cimport out_of_memory
from vmtool.mm.shmem_swap cimport shmem_free_swap, shmem_swapin
from vmtool.mm.swap_fault cimport do_swap_page
from vmtool.mm.swap_state cimport free_swap_and_cache_nr, swap_cache_get, try_to_reclaim_swap
from vmtool.mm.swapfile cimport swap_duplicate, swp_swapcount
from vmtool.mm.task cimport thread_sp
from vmtool.mm.types cimport *
from vmtool.mm.unmap cimport unmap_mapping_range
from vmtool.mm.validate cimport machine_validate
from vmtool.mm.kswapd cimport wakeup_kswapd
from vmtool.mm.vmscan cimport compaction_zonelist_suitable, should_reclaim_retry, try_to_free_mem_cgroup_pages, try_to_free_pages

from vmtool import records as r
from vmtool._views import constants  # noqa: F401 - for those above
from vmtool._walks import arch_text
from vmtool.errors import InternalError, KernelError, Signal

ACCESS_KINDS = {"r": ACCESS_READ, "w": ACCESS_WRITE, "x": ACCESS_EXEC}
U64 = 0xFFFFFFFFFFFFFFFF
BOOT_ERRORS = {
    BOOT_ARCH: (EINVAL, "--arch: there is no {arch}"),
    BOOT_TLB: (EINVAL, "--tlb: {tlb!r} describes no TLB, or one that is too large"),
    BOOT_RAM: (EINVAL, "--ram: {ram_bytes} bytes are too few for {arch}, or too many"),
    BOOT_NO_ROOM: (ENOMEM, "--ram: the kernel does not fit into {ram_bytes} bytes"),
}


cdef object sysroot_of(arena_t *a):
    cdef char text[4096]
    return text[:name_read(a, a.m.sysroot, text, 4096)].decode("utf-8", "surrogateescape")


cdef class Machine(Reclaim):
    def __init__(self, load=None, header=None):
        # what lower rooms call upwards
        self.a.unmap_mapping_range = unmap_mapping_range
        self.a.page_mkclean = page_mkclean
        self.a.alloc_da_blocks = alloc_da_blocks
        self.a.wakeup_kswapd = wakeup_kswapd
        self.a.direct_compact, self.a.compaction_zonelist_suitable = try_to_compact_pages, compaction_zonelist_suitable
        self.a.alloc_slowpath = try_to_free_pages
        self.a.should_reclaim_retry = should_reclaim_retry
        self.a.reclaim_memcg = try_to_free_mem_cgroup_pages
        self.a.out_of_memory = out_of_memory
        self.a.shmem_swapin = shmem_swapin
        self.a.shmem_free_swap = shmem_free_swap
        self.a.swap_duplicate, self.a.swap_free = swap_duplicate, free_swap_and_cache_nr
        self.a.swp_swapcount, self.a.swap_cache_get = swp_swapcount, swap_cache_get
        self.a.try_to_reclaim_swap, self.a.do_swap_page = try_to_reclaim_swap, do_swap_page
        cdef const char *wrong
        if header is not None:
            wrong = machine_validate(&self.a)
            self.check()
            if wrong != NULL:
                raise InternalError(f"{wrong.decode()} cannot be")
            if machine_upgrade(&self.a) < 0:
                raise InternalError("what it lacks beside later machines cannot be made: its records are damaged, or memory is short")
            memcg_upgrade(&self.a)
            self.check()

    def boot(self, *, ram_bytes, arch="x86-64", kernel="6.18", nr_cpus=1, swap_bytes=0, tlb="", pcid=False, kpti=False, pku=False, soft_dirty=False, sysroot="", aslr_seed=None):
        cdef int err
        if not 1 <= nr_cpus <= MAX_CPUS:
            raise KernelError(EINVAL, f"--cpus: {nr_cpus} is not within 1 to {MAX_CPUS}")
        if kernel not in r.KERNELS:
            raise KernelError(EINVAL, f"--kernel: {kernel} is not modelled, only {', '.join(r.KERNELS)} are")
        for text, size, option in ((tlb, 63, "--tlb"), (arch, 31, "--arch"), (sysroot, 4095, "--sysroot")):
            if len(text.encode("utf-8", "surrogateescape")) > size:
                raise KernelError(EINVAL, f"{option}: too long")
        name, spec, release = arch.encode(), tlb.encode(), kernel.encode()
        strncpy(self.a.m.tlb_spec, spec, 63)
        strncpy(self.a.m.kernel, release, 15)
        self.a.m.ram_bytes, self.a.m.nr_cpus, self.a.m.swap_bytes = ram_bytes, nr_cpus, swap_bytes
        self.a.m.pcid, self.a.m.kpti, self.a.m.soft_dirty = pcid, kpti, soft_dirty
        self.a.m.cpu_features = CPU_PKU if pku else 0
        self.a.m.aslr = aslr_seed is not None
        self.a.m.seed = (aslr_seed or 0) & U64
        err = machine_boot(&self.a, name)
        if err:
            number, words = BOOT_ERRORS[err]
            raise KernelError(number, words.format(arch=arch, tlb=tlb, ram_bytes=ram_bytes))
        root = sysroot.encode("utf-8", "surrogateescape")
        self.a.m.sysroot = name_store(&self.a, root, <uint32_t>len(root))
        self.check()
        for option, is_wanted in (("--pcid", pcid), ("--kpti", kpti), ("--pku", pku), ("--soft-dirty", soft_dirty)):
            if is_wanted and arch not in ("x86-64", "x86-64-la57"):
                raise KernelError(EINVAL, f"{option}: not with {arch}, with x86-64 and x86-64-la57")
        if soft_dirty and kernel == "3.10":
            raise KernelError(EINVAL, "--soft-dirty: not with 3.10, Linux has it since 3.11")
        if swap_bytes:
            self.swapon(swap_bytes)

    def info(self):
        cdef machine_t *m = self.a.m
        return r.MachineInfo(arch_name(m.arch.id).decode(), m.kernel.decode(), m.ram_bytes, m.nr_cpus, m.swap_bytes, m.arch.page_shift, m.arch.levels,
                             m.arch.pageblock_order, bool(m.pcid), bool(m.kpti), bool(m.arch.flags & ARCH_PKEYS), bool(m.arch.soft_dirty), bool(m.aslr), m.seed, m.tlb_spec.decode(), sysroot_of(&self.a), m.clock)

    def _repr_svg_(self):
        from vmtool.face.notebook import of_machine
        return of_machine(self)._repr_svg_()

    def _repr_html_(self):
        from vmtool.face.notebook import of_machine
        return of_machine(self)._repr_html_()

    def tick(self):
        self.mark_machine()
        # Who runs is not saved: the next operation must not find the last one's process, or in a script it would do what it does not alone.
        self.a.task = self.a.cpu = 0
        self.a.m.clock += 1
        return self.a.m.clock

    cdef object after_access(self, idx_t task, int failed, const siginfo_t *info, before, bint probe):
        """Counts of an access, or its signal, of which the process dies unless it only probes."""
        cdef task_t *t = task_at(&self.a, task)
        self.check()
        minor, major = t.min_flt - before[0], t.maj_flt - before[1]
        if not failed:
            return r.Touched(minor, major)
        self.check_panic()
        if not probe:
            exit_by_signal(&self.a, task, info.signo)
        raise signal_of(info, minor, major, not probe)

    # --- system calls -----------------------------------------------------------------------------------

    def brk(self, pid, addr=None):
        cdef idx_t t = self.enter(pid)
        cdef int err = 0
        cdef uint64_t got
        if addr is None:
            return mm_at(&self.a, task_at(&self.a, t).mm).brk
        got = sys_brk(&self.a, task_at(&self.a, t).mm, addr & U64, &err)
        self.check()
        if err and (addr & U64) >= mm_at(&self.a, task_at(&self.a, t).mm).start_brk:
            raise KernelError(ENOMEM)
        return got

    def mmap(self, pid, addr, length, prot, flags, path=None, offset=0, read_only=False):
        cdef idx_t t = self.enter(pid), mm = task_at(&self.a, t).mm
        cdef mmap_req_t req
        cdef uint64_t got
        memset(&req, 0, sizeof(req))
        req.addr, req.length, req.prot, req.flags, req.offset = addr & U64, length & U64, prot, flags, offset & U64
        req.file_read_only = read_only
        if path is not None:
            if type(path) is int:
                req.file = self.open_number(path)
                fget(&self.a, req.file)
            else:
                req.file = file_open(&self.a, self.inode_of(path))
            if req.file == 0:
                raise KernelError(ENOMEM)
            if offset_in_page(&self.a.m.arch, offset & U64) == 0 and offset < 0:
                req.offset = offset & U64
        got = sys_mmap(&self.a, mm, &req)
        if req.file:
            fput(&self.a, req.file)
        self.check()
        if got >= <uint64_t>-4095:
            raise KernelError(<int>-<int64_t>got)
        return got

    def munmap(self, pid, addr, length):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_munmap(&self.a, mm, addr & U64, length & U64))

    def mprotect(self, pid, addr, length, prot):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_mprotect(&self.a, mm, addr & U64, length & U64, prot, -1))

    def pkey_mprotect(self, pid, addr, length, prot, pkey):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_mprotect(&self.a, mm, addr & U64, length & U64, prot, pkey))

    def pkey_alloc(self, pid, flags=0, access_rights=0):
        return self.result(sys_pkey_alloc(&self.a, self.enter(pid), flags & U64, access_rights & U64))

    def pkey_free(self, pid, pkey):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_pkey_free(&self.a, mm, pkey))

    def pkru(self, pid, value=None):
        cdef idx_t t
        if not self.a.m.arch.flags & ARCH_PKEYS:
            raise KernelError(EOPNOTSUPP, "the processor has no protection keys: init --pku")
        if value is None:
            return task_at(&self.a, self.find(pid)).pkru
        t = self.enter(pid)
        wrpkru(&self.a, t, value)
        self.check()
        return value

    def mseal(self, pid, addr, length, flags=0):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_mseal(&self.a, mm, addr & U64, length & U64, flags & U64))

    def mremap(self, pid, addr, old_len, new_len, flags=0, new_addr=0):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        cdef uint64_t got = sys_mremap(&self.a, mm, addr & U64, old_len & U64, new_len & U64, flags, new_addr & U64)
        self.check()
        if got >= <uint64_t>-4095:
            raise KernelError(<int>-<int64_t>got)
        return got

    def madvise(self, pid, addr, length, advice):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_madvise(&self.a, mm, addr & U64, length & U64, advice))

    def mlock(self, pid, addr, length, onfault=False):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_mlock(&self.a, mm, addr & U64, length & U64, onfault))

    def munlock(self, pid, addr, length):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_munlock(&self.a, mm, addr & U64, length & U64))

    def mlockall(self, pid, flags):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_mlockall(&self.a, mm, flags))

    def munlockall(self, pid):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_munlockall(&self.a, mm))

    def msync(self, pid, addr, length, flags):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        self.result(sys_msync(&self.a, mm, addr & U64, length & U64, flags))

    def mincore(self, pid, addr, length):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        cdef uint64_t nr = ((length & U64) >> self.a.m.arch.page_shift) + (offset_in_page(&self.a.m.arch, length & U64) != 0)
        cdef char *vec
        cdef int err
        if offset_in_page(&self.a.m.arch, addr & U64):
            raise KernelError(EINVAL)
        if (addr & U64) + (length & U64) > mm_at(&self.a, mm).task_size:
            raise KernelError(ENOMEM)
        if nr > 1 << 28:
            raise KernelError(ENOMEM, "more pages than an answer can hold")
        vec = <char *>malloc(nr + 1)
        if vec == NULL:
            raise MemoryError()
        try:
            err = sys_mincore(&self.a, mm, addr, nr, vec)
            self.result(err)
            return vec[:nr]
        finally:
            free(vec)

    def set_vma_name(self, pid, addr, length, name):
        cdef idx_t mm = task_at(&self.a, self.enter(pid)).mm
        text = b"" if name is None else name.encode()
        cdef const char *start = text
        if len(text) > 79 or any(c < 0x20 or c > 0x7E or c in b"\\`$[]" for c in text):
            raise KernelError(EINVAL)
        if name is None:
            start = NULL
        self.result(sys_set_vma_name(&self.a, mm, addr & U64, length & U64, start, len(text)))

    # --- accesses ------------------------------------------------------------------------------------------

    def touch(self, pid, addr, length, access, probe=False):
        cdef idx_t t = self.on_cpu(pid)
        cdef siginfo_t info
        cdef uint64_t start = addr & U64, n = length & U64
        cdef int kind = ACCESS_KINDS[access], failed
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        with nogil:
            failed = touch_range(&self.a, t, start, n, kind, &info)
        return self.after_access(t, failed, &info, before, probe)

    def store(self, pid, addr, data, probe=False):
        cdef idx_t t = self.on_cpu(pid)
        cdef siginfo_t info
        cdef const char *bytes_ = data
        cdef int failed
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        failed = store_bytes(&self.a, t, addr & U64, bytes_, len(data), &info)
        return self.after_access(t, failed, &info, before, probe)

    def load(self, pid, addr, length, probe=False):
        cdef idx_t t = self.on_cpu(pid)
        cdef siginfo_t info
        cdef uint64_t n = length & U64
        cdef char *buf
        cdef int failed
        if n > 1 << 32:
            raise KernelError(ENOMEM, "more than 4G in one load")
        buf = <char *>malloc(n + 1)
        if buf == NULL:
            raise MemoryError()
        try:
            before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
            failed = load_bytes(&self.a, t, addr & U64, buf, n, &info)
            self.after_access(t, failed, &info, before, probe)
            return buf[:n]
        finally:
            free(buf)

    def translate(self, pid, addr, access="r"):
        cdef idx_t t = self.find(pid)
        cdef walk_t w
        cdef access_t how = access_t(ACCESS_KINDS[access], False, False, task_at(&self.a, t).pkru)
        cdef siginfo_t info
        cdef uint64_t at = addr & U64
        mmu_walk(&self.a, self.top_table(self.find_mm(pid), None), at, &w)
        self.check()
        if at < mm_at(&self.a, task_at(&self.a, t).mm).task_size and w.ok and not mmu_judge(&self.a.m.arch, &w, &how):
            return w.phys
        if would_fault(&self.a, t, at, how.kind, &info) < 0:
            raise signal_of(&info, 0, 0, False)
        if w.ok:
            raise KernelError(EFAULT, f"{at:#x} takes a page fault that the kernel resolves")
        raise KernelError(EFAULT, f"{at:#x} is not present: an access takes a page fault that the kernel resolves")

    def translate_supervisor(self, pid, addr, access="r", ac=False):
        cdef idx_t t = self.find(pid)
        cdef walk_t w
        cdef access_t how = access_t(ACCESS_KINDS[access], True, ac, task_at(&self.a, t).pkru)
        if self.a.m.arch.id > ARCH_I386_PAE:
            raise KernelError(EOPNOTSUPP, f"SMEP and SMAP are x86's, {arch_name(self.a.m.arch.id).decode()} has neither")
        mmu_walk(&self.a, mm_at(&self.a, self.find_mm(pid)).pgd, addr & U64, &w)
        self.check()
        if w.noncanonical:
            return None, None
        code = mmu_judge(&self.a.m.arch, &w, &how)
        return w.phys if w.ok and not code else None, code

    def push(self, pid, nr_bytes):
        cdef idx_t t = self.on_cpu(pid)
        cdef mm_t *m = mm_mut(&self.a, task_at(&self.a, t).mm)
        cdef vaddr_t *sp = thread_sp(task_mut(&self.a, t)) if thread_sp(task_at(&self.a, t))[0] else &m.sp
        cdef siginfo_t info
        cdef uint64_t new_sp, page
        cdef int failed = 0
        if not 0 <= nr_bytes <= sp[0]:
            raise KernelError(EINVAL, f"{nr_bytes} bytes are more than the stack pointer can go down")
        new_sp = sp[0] - <uint64_t>nr_bytes
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        page = page_start(&self.a.m.arch, sp[0] - 1)
        while nr_bytes and page + page_size(&self.a.m.arch) > new_sp and failed == 0:
            failed = touch_range(&self.a, t, page if page > new_sp else new_sp, 1, ACCESS_WRITE, &info)
            page -= page_size(&self.a.m.arch)
        if not failed:
            sp[0] = new_sp
        self.after_access(t, failed, &info, before, False)
        return new_sp

    def access_stream(self, pid, accesses, probe=False):
        cdef idx_t t = self.on_cpu(pid)
        cdef Py_buffer data
        cdef siginfo_t info
        cdef int failed
        cdef uint64_t nr_done = 0
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        PyObject_GetBuffer(accesses, &data, PyBUF_SIMPLE)  # not a typed memoryview: State.chunk() says why
        with nogil:
            failed = access_stream(&self.a, t, <const unsigned char *>data.buf, data.len // 16, &info, &nr_done)
        PyBuffer_Release(&data)
        try:
            return self.after_access(t, failed, &info, before, probe)
        except Signal as stopped:
            stopped.nr_done = nr_done
            raise

    # --- the kernel's own memory: _kernel.pyx, imported by the first call of one of these ----------------------------------

    def kmalloc(self, size, gfp=""):
        from vmtool import _kernel
        return _kernel.kmalloc(self, size, gfp)

    def kfree(self, address):
        from vmtool import _kernel
        _kernel.kfree(self, address)

    def vmalloc(self, size, gfp=""):
        from vmtool import _kernel
        return _kernel.vmalloc(self, size, gfp)

    def vfree(self, address):
        from vmtool import _kernel
        _kernel.vfree(self, address)

    def alloc_pages(self, order, gfp=""):
        from vmtool import _kernel
        return _kernel.alloc_pages(self, order, gfp)

    def free_pages(self, pfn):
        from vmtool import _kernel
        _kernel.free_pages(self, pfn)

    def vmalloc_areas(self):
        from vmtool import _kernel
        return _kernel.vmalloc_areas(self)

    def kernel_pages(self):
        from vmtool import _kernel
        return _kernel.kernel_pages(self)

    # --- the C library's heap: _heap.pyx, imported by the first call of one of these ---------------------------------------

    def malloc(self, pid, size):
        from vmtool import _heap
        return _heap.malloc(self, pid, size)

    def calloc(self, pid, n, size):
        from vmtool import _heap
        return _heap.calloc_(self, pid, n, size)

    def realloc(self, pid, addr, size):
        from vmtool import _heap
        return _heap.realloc(self, pid, addr, size)

    def free(self, pid, addr):
        from vmtool import _heap
        _heap.free_(self, pid, addr)

    def memalign(self, pid, alignment, size):
        from vmtool import _heap
        return _heap.memalign(self, pid, alignment, size)

    def malloc_usable_size(self, pid, addr):
        from vmtool import _heap
        return _heap.usable_size(self, pid, addr)

    def malloc_trim(self, pid, pad=0):
        from vmtool import _heap
        return _heap.malloc_trim(self, pid, pad)

    def mallopt(self, pid, param, value):
        from vmtool import _heap
        return _heap.mallopt(self, pid, param, value)

    def set_tunable(self, pid, name, value):
        from vmtool import _heap
        return _heap.tunable(self, pid, name, value)

    def heap_figures(self, pid):
        from vmtool import _heap
        return _heap.heap_figures(self, pid)

    def heap_bins(self, pid):
        from vmtool import _heap
        return _heap.heap_bins(self, pid)

    def heap_chunks(self, pid, as_json=False):
        from vmtool import _heap
        return _heap.heap_chunks(self, pid, as_json)

    def heap_map(self, pid, nr_cells):
        from vmtool import _heap
        return _heap.heap_map(self, pid, nr_cells)

    def fsck_names(self):
        from vmtool import _heap
        return [*super().fsck_names(), *_heap.fsck_sentences()]

    def fsck(self):
        told = super().fsck()
        if self.a.pool[POOL_LIBC].count > 1:
            from vmtool import _heap
            told += _heap.fsck(self)
        return told

    def heap_trace(self, pid, heap_start=None, with_log=False, with_calls=False):
        from vmtool import _heap
        return _heap.HeapTrace(self, pid, heap_start, with_log, with_calls)
