# cython: language_level=3
"""Machine: one method per user-visible operation. See _core.pyi for what each takes and gives.

A call for a process runs it: `enter()` finds it, puts it on its CPU (CR3, TLB) and makes it the current task. Errors of mm/ (-errno) become
KernelError, signals Signal; a fatal signal ends the process here, in one place.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strncpy

from vmtool.mm.access cimport load_bytes, siginfo_t, store_bytes, touch_range, would_fault
from vmtool.mm.arena cimport arena_resize, cpu_mut, file_at, file_mut, inode_at, inode_mut, mm_at, mm_mut, task_at, task_mut, vma_at
from vmtool.mm.arch cimport arch_name
from vmtool.mm.boot cimport machine_boot
from vmtool.mm.filemap cimport filemap_next
from vmtool.mm.inode cimport inode_live
from vmtool.mm.mm cimport do_exit, do_fork, find_task, switch_mm, task_alloc, task_free
from vmtool.mm.mmu cimport mmu_walk, walk_t
from vmtool.mm.pagecache cimport (disk_write_block, do_truncate, drop_caches, fget, file_open, filemap_populate, filemap_read, filemap_write, fput, inode_create,
                                  path_lookup, path_rename, path_unlink, punch_hole, sync_all)
from vmtool.mm.sys_exec cimport MAX_SEGMENTS, do_execve, exec_req_t, image_t
from vmtool.mm.sys_file cimport sys_mincore, sys_msync
from vmtool.mm.sys_madvise cimport sys_madvise, sys_set_vma_name
from vmtool.mm.sys_mlock cimport sys_mlock, sys_mlockall, sys_munlock, sys_munlockall
from vmtool.mm.sys_mmap cimport mmap_req_t, sys_brk, sys_mmap, sys_munmap
from vmtool.mm.sys_mprotect cimport sys_mprotect
from vmtool.mm.sys_mremap cimport sys_mremap
from vmtool.mm.rmap cimport page_mkclean
from vmtool.mm.types cimport *
from vmtool.mm.unmap cimport unmap_mapping_range

from vmtool import records as r
from vmtool._views import arch_text, constants  # noqa: F401 - constants for those above
from vmtool.errors import InternalError, KernelError, Signal

SIGNAL_CODES = {(SIGSEGV, SEGV_MAPERR): "SEGV_MAPERR", (SIGSEGV, SEGV_ACCERR): "SEGV_ACCERR", (SIGBUS, BUS_ADRERR): "BUS_ADRERR"}
ACCESS_KINDS = {"r": ACCESS_READ, "w": ACCESS_WRITE, "x": ACCESS_EXEC}
CORE_SIGNALS = frozenset((3, 4, 5, 6, 7, 8, 11, 24, 25, 31))
IGNORED_SIGNALS = frozenset((17, 18, 23, 28))  # CHLD CONT URG WINCH
STOP_SIGNALS = frozenset((19, 20, 21, 22))
U64 = 0xFFFFFFFFFFFFFFFF
RLIM_INFINITY = U64


cdef object signal_of(const siginfo_t *info, Py_ssize_t minor, Py_ssize_t major, bint killed):
    code = SIGNAL_CODES.get((info.signo, info.code), "SI_KERNEL")
    return Signal(info.signo, code, info.addr, minor, major, killed)


cdef class Machine(Outside):
    def __init__(self, load=None, header=None):
        # what lower rooms call upwards
        self.a.unmap_mapping_range = unmap_mapping_range
        self.a.page_mkclean = page_mkclean

    def boot(self, *, ram_bytes, arch="x86-64", kernel="6.18", nr_cpus=1, swap_bytes=0, tlb="", pcid=False, kpti=False, aslr_seed=None):
        cdef int err
        if not 1 <= nr_cpus <= MAX_CPUS:
            raise KernelError(EINVAL, f"--cpus: {nr_cpus} is not within 1 to {MAX_CPUS}")
        if kernel != "6.18":
            raise KernelError(EINVAL, f"--kernel: {kernel} is not modelled, only 6.18 is")
        for text, size, option in ((tlb, 63, "--tlb"), (arch, 31, "--arch")):
            if len(text.encode()) > size:
                raise KernelError(EINVAL, f"{option}: too long")
        name, spec, release = arch.encode(), tlb.encode(), kernel.encode()
        strncpy(self.a.m.tlb_spec, spec, 63)
        strncpy(self.a.m.kernel, release, 15)
        self.a.m.ram_bytes = ram_bytes
        self.a.m.nr_cpus = nr_cpus
        self.a.m.swap_bytes = swap_bytes
        self.a.m.pcid = pcid
        self.a.m.kpti = kpti
        self.a.m.aslr = aslr_seed is not None
        self.a.m.seed = (aslr_seed or 0) & U64
        err = machine_boot(&self.a, name)
        if err:
            raise KernelError(-err, BOOT_ERRORS.get(err, "the machine cannot be made"))
        self.check()

    def info(self):
        cdef machine_t *m = self.a.m
        return r.MachineInfo(arch_name(m.arch.id).decode(), m.kernel.decode(), m.ram_bytes, m.nr_cpus, m.swap_bytes, m.arch.page_shift, m.arch.levels,
                             bool(m.pcid), bool(m.kpti), bool(m.aslr), m.seed, m.tlb_spec.decode(), m.clock)

    def tick(self):
        self.mark_machine()
        self.a.m.clock += 1
        return self.a.m.clock

    # --- helpers -----------------------------------------------------------------------------------

    cdef idx_t enter(self, pid) except 0:
        """The process runs on its CPU; its address space must exist."""
        cdef idx_t t = self.find(pid)
        if task_at(&self.a, t).mm == 0:
            raise KernelError(ESRCH, f"process {pid} has no address space")
        self.a.task = t
        self.a.cpu = task_at(&self.a, t).cpu
        if cpu_mut(&self.a, self.a.cpu).task != t:
            switch_mm(&self.a, t, self.a.cpu)
        return t

    cdef object result(self, long long value):
        """0 or a positive result; -errno raises. Checked first: what a damaged image computed is nothing."""
        self.check()
        if value < 0:
            raise KernelError(<int>-value)
        return value

    cdef idx_t inode_of(self, path) except 0:
        cdef idx_t inode
        name = path.encode("utf-8", "surrogateescape")
        inode = path_lookup(&self.a, name, len(name))
        if inode == 0:
            raise KernelError(ENOENT, path)
        return inode

    cdef idx_t task_file(self, idx_t task, idx_t inode) except 0:
        """The one open file that read() and write() of this process use for a path."""
        cdef idx_t f = task_at(&self.a, task).files
        while f:
            if file_at(&self.a, f).inode == inode:
                return f
            f = file_at(&self.a, f).next
        f = file_open(&self.a, inode)
        if f == 0:
            raise KernelError(ENOMEM)
        file_mut(&self.a, f).next = task_at(&self.a, task).files
        task_mut(&self.a, task).files = f
        return f

    cdef object after_access(self, idx_t task, int failed, const siginfo_t *info, before, bint probe):
        """Counts of an access, or its signal, of which the process dies unless it only probes."""
        cdef task_t *t = task_at(&self.a, task)
        self.check()
        minor, major = t.min_flt - before[0], t.maj_flt - before[1]
        if not failed:
            return r.Touched(minor, major)
        if not probe:
            do_exit(&self.a, task, info.signo | (0x80 if info.signo in CORE_SIGNALS else 0))
        raise signal_of(info, minor, major, not probe)

    # --- processes -----------------------------------------------------------------------------------

    cdef int fill_image(self, image, image_t *out) except -1:
        """The record as a struct; its file is made (and cached) when the machine does not have it."""
        cdef int i, err = 0
        cdef const char *bytes_
        cdef Py_ssize_t at, size
        name = image.path.encode("utf-8", "surrogateescape")
        memset(out, 0, sizeof(image_t))
        if len(image.segments) > MAX_SEGMENTS:
            raise KernelError(ENOEXEC, f"{image.path}: more than {MAX_SEGMENTS} segments")
        out.inode = path_lookup(&self.a, name, len(name))
        if out.inode and image.inode and (inode_at(&self.a, out.inode).ino != image.inode or inode_at(&self.a, out.inode).size != image.size):
            path_unlink(&self.a, out.inode)  # another file has the path now
            out.inode = 0
        if out.inode == 0:
            out.inode = inode_create(&self.a, name, len(name), INODE_EXT4, image.dev_major, image.dev_minor, image.inode, image.size, &err)
            if out.inode == 0:
                raise KernelError(err)
            if image.data is not None:
                data = image.data
                bytes_ = data
                size = len(data)
                for at in range(0, size, 4096):
                    disk_write_block(&self.a, out.inode, at >> 12, bytes_ + at, min(4096, size - at))
            filemap_populate(&self.a, out.inode)
        out.nr_segments = len(image.segments)
        out.is_dyn = image.is_dyn
        out.is_32 = image.is_32
        out.no_gnu_stack = image.gnu_stack is None
        out.entry = image.entry
        out.phoff, out.phnum, out.phentsize = image.phoff, image.phnum, image.phentsize
        out.stack_prot = PROT_EXEC if image.gnu_stack is not None and image.gnu_stack & 1 else 0
        for i, s in enumerate(image.segments):
            out.segment[i].vaddr, out.segment[i].offset = s.vaddr, s.offset
            out.segment[i].filesz, out.segment[i].memsz, out.segment[i].align = s.filesz, s.memsz, s.align
            out.segment[i].prot = (PROT_READ if s.prot & 4 else 0) | (PROT_WRITE if s.prot & 2 else 0) | (PROT_EXEC if s.prot & 1 else 0)
        return 0

    cdef object execve(self, idx_t task, image, argv, env, layout):
        cdef image_t main
        cdef image_t interp
        cdef exec_req_t req
        cdef int err
        memset(&req, 0, sizeof(req))
        self.a.task = task
        self.a.cpu = task_at(&self.a, task).cpu
        self.fill_image(image, &main)
        req.image = &main
        if image.interp is not None:
            self.fill_image(image.interp, &interp)
            req.interp = &interp
        path = image.path.encode("utf-8", "surrogateescape")
        args = b"".join(s + b"\0" for s in argv)
        envs = b"".join(s + b"\0" for s in env)
        req.path, req.path_len = path, len(path)
        req.argv, req.argv_len, req.argc = args, len(args), len(argv)
        req.envp, req.envp_len, req.envc = envs, len(envs), len(env)
        req.rlimit_stack = task_at(&self.a, task).rlim_cur[RLIMIT_STACK]
        req.personality = task_at(&self.a, task).personality
        for name, value in (layout or {}).items():
            set_layout(&req, name, value)
        err = do_execve(&self.a, task, &req)
        self.check()
        if err:
            raise KernelError(-err, image.path)

    def spawn(self, name, image, argv, env, layout=None, pid=0):
        cdef idx_t t
        cdef task_t *task
        cdef int i
        if pid and find_task(&self.a, pid):
            raise KernelError(EEXIST, f"process {pid} is there already")
        if image is None:
            from vmtool.demo import demo_image
            image = demo_image(name)
        t = task_alloc(&self.a, pid, 0)
        if t == 0:
            raise KernelError(EAGAIN)
        task = task_mut(&self.a, t)
        for i in range(NR_RLIMITS):
            task.rlim_cur[i] = task.rlim_max[i] = RLIM_INFINITY
        task.rlim_cur[RLIMIT_STACK] = 8 << 20
        task.rlim_cur[RLIMIT_MEMLOCK] = task.rlim_max[RLIMIT_MEMLOCK] = 8 << 20
        task.uid = 65534
        pid = task.pid
        try:
            self.execve(t, image, argv, env, layout)
        except BaseException:
            if not self.a.err:
                task_free(&self.a, t)
            raise
        self.set_comm(pid, name)
        return pid

    def exec(self, pid, name, image, argv, env, layout=None):
        cdef idx_t t = self.find(pid)
        if image is None:
            from vmtool.demo import demo_image
            image = demo_image(name)
        self.execve(t, image, argv, env, layout)
        self.set_comm(pid, name)

    def fork(self, pid, share_mm=False, child=0):
        cdef idx_t t = self.enter(pid)
        cdef int64_t c
        if child and find_task(&self.a, child):
            raise KernelError(EEXIST, f"process {child} is there already")
        c = self.result(do_fork(&self.a, t, child, share_mm))
        return task_at(&self.a, <idx_t>c).pid

    def exit(self, pid, status=0):
        do_exit(&self.a, self.find(pid), (status & 0xFF) << 8)
        self.check()

    def kill(self, pid, signo):
        cdef idx_t t = self.find(pid)
        if not 0 <= signo <= 64:
            raise KernelError(EINVAL, f"signal {signo}")
        if signo and signo not in IGNORED_SIGNALS and signo not in STOP_SIGNALS:
            do_exit(&self.a, t, signo | (0x80 if signo in CORE_SIGNALS else 0))
        elif signo in STOP_SIGNALS:
            task_mut(&self.a, t).state = c"T"
        elif signo == 18:
            task_mut(&self.a, t).state = c"S"
        self.check()

    def switch(self, pid, cpu=0):
        cdef idx_t t = self.find(pid)
        if not 0 <= cpu < self.a.m.nr_cpus:
            raise KernelError(EINVAL, f"no CPU {cpu}")
        if cpu_mut(&self.a, task_at(&self.a, t).cpu).task == t and task_at(&self.a, t).cpu != cpu:
            cpu_mut(&self.a, task_at(&self.a, t).cpu).task = 0
        self.a.cpu = cpu
        self.a.task = t
        switch_mm(&self.a, t, cpu)
        self.check()

    def setrlimit(self, pid, resource, value):
        cdef task_t *t = task_mut(&self.a, self.find(pid))
        cdef uint64_t limit = RLIM_INFINITY if value is None else min(value, U64)
        if not 0 <= resource < NR_RLIMITS or (value is not None and value < 0):
            raise KernelError(EINVAL)
        if limit > t.rlim_max[resource]:
            raise KernelError(EINVAL, "the soft limit would exceed the hard one")
        t.rlim_cur[resource] = limit

    def set_personality(self, pid, value):
        task_mut(&self.a, self.find(pid)).personality = value & 0xFFFFFFFF

    def set_oom_score_adj(self, pid, value):
        if not -1000 <= value <= 1000:
            raise KernelError(EINVAL)
        task_mut(&self.a, self.find(pid)).oom_score_adj = value

    def set_comm(self, pid, comm):
        cdef task_t *t = task_mut(&self.a, self.find(pid))
        text = comm.encode("utf-8", "surrogateescape")[:15]
        memset(t.comm, 0, 16)
        memcpy(t.comm, <const char *>text, len(text))

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
            if offset & 4095 == 0 and offset < 0:
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
        self.result(sys_mprotect(&self.a, mm, addr & U64, length & U64, prot))

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
        cdef uint64_t nr = ((length & U64) >> 12) + (1 if length & 4095 else 0)
        cdef char *vec
        cdef int err
        if addr & 4095:
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
        if len(text) > 79 or any(c < 0x20 or c > 0x7E or c in b"\\`$[]" for c in text):
            raise KernelError(EINVAL)
        self.result(sys_set_vma_name(&self.a, mm, addr & U64, length & U64, NULL if name is None else <const char *>text, len(text)))

    def read(self, pid, path, offset, length):
        cdef idx_t t = self.enter(pid), inode = self.inode_of(path)
        cdef idx_t f
        cdef int64_t n
        cdef char *buf
        cdef uint64_t want
        if offset < 0:
            raise KernelError(EINVAL)
        want = max(0, min(length, inode_at(&self.a, inode).size - offset if offset < inode_at(&self.a, inode).size else 0))
        f = self.task_file(t, inode)
        buf = <char *>malloc(want + 1)
        if buf == NULL:
            raise MemoryError()
        try:
            n = filemap_read(&self.a, f, offset, buf, want)
            self.result(n)
            return buf[:n]
        finally:
            free(buf)

    def write(self, pid, path, offset, data):
        cdef idx_t t = self.enter(pid)
        cdef idx_t f = self.task_file(t, self.inode_of(path))
        cdef const char *bytes_ = data
        if offset < 0:
            raise KernelError(EINVAL)
        return self.result(filemap_write(&self.a, f, offset, bytes_, len(data)))

    # --- accesses ------------------------------------------------------------------------------------------

    def touch(self, pid, addr, length, access, probe=False):
        cdef idx_t t = self.enter(pid)
        cdef siginfo_t info
        cdef uint64_t start = addr & U64, n = length & U64
        cdef int kind = ACCESS_KINDS[access], failed
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        with nogil:
            failed = touch_range(&self.a, t, start, n, kind, &info)
        return self.after_access(t, failed, &info, before, probe)

    def store(self, pid, addr, data, probe=False):
        cdef idx_t t = self.enter(pid)
        cdef siginfo_t info
        cdef const char *bytes_ = data
        cdef int failed
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        failed = store_bytes(&self.a, t, addr & U64, bytes_, len(data), &info)
        return self.after_access(t, failed, &info, before, probe)

    def load(self, pid, addr, length, probe=False):
        cdef idx_t t = self.enter(pid)
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

    def translate(self, pid, addr):
        cdef idx_t t = self.find(pid)
        cdef walk_t w
        cdef siginfo_t info
        cdef uint64_t at = addr & U64
        mmu_walk(&self.a, mm_at(&self.a, self.find_mm(pid)).pgd, at, &w)
        self.check()
        if at < mm_at(&self.a, task_at(&self.a, t).mm).task_size and w.ok:
            return w.phys
        if would_fault(&self.a, t, at, ACCESS_READ, &info) < 0:
            raise signal_of(&info, 0, 0, False)
        raise KernelError(EFAULT, f"{at:#x} is not present: an access takes a page fault that the kernel resolves")

    def push(self, pid, nr_bytes):
        cdef idx_t t = self.enter(pid)
        cdef mm_t *m = mm_mut(&self.a, task_at(&self.a, t).mm)
        cdef siginfo_t info
        cdef uint64_t new_sp, page
        cdef int failed = 0
        if not 0 <= nr_bytes <= m.sp:
            raise KernelError(EINVAL, f"{nr_bytes} bytes are more than the stack pointer can go down")
        new_sp = m.sp - <uint64_t>nr_bytes
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        page = (m.sp - 1) & ~<uint64_t>4095
        while nr_bytes and page + 4095 >= new_sp and failed == 0:
            failed = touch_range(&self.a, t, page if page > new_sp else new_sp, 1, ACCESS_WRITE, &info)
            page -= 4096
        if not failed:
            m.sp = new_sp
        self.after_access(t, failed, &info, before, False)
        return new_sp

    def access_stream(self, pid, accesses):
        cdef idx_t t = self.enter(pid)
        cdef const unsigned char[:] data = accesses
        cdef const unsigned char *p
        cdef Py_ssize_t i, n = data.shape[0] // 16
        cdef uint64_t addr
        cdef uint32_t size, kind
        cdef siginfo_t info
        cdef int failed = 0
        before = (task_at(&self.a, t).min_flt, task_at(&self.a, t).maj_flt)
        if n:
            p = &data[0]
            with nogil:
                for i in range(n):
                    memcpy(&addr, p, 8)
                    memcpy(&size, p + 8, 4)
                    memcpy(&kind, p + 12, 4)
                    failed = touch_range(&self.a, t, addr, size, <int>kind, &info)
                    if failed:
                        break
                    p += 16
        return self.after_access(t, failed, &info, before, False)

    # --- files ------------------------------------------------------------------------------------------------

    def mkfile(self, path, size, data=None, dev=(8, 1), inode=0):
        cdef idx_t i
        cdef int err = 0
        cdef const char *bytes_
        cdef Py_ssize_t at, total
        name = path.encode("utf-8", "surrogateescape")
        if not name or b"\0" in name or len(name) > 4095:
            raise KernelError(EINVAL, "a path of 1 to 4095 bytes is expected")
        if path_lookup(&self.a, name, len(name)):
            raise KernelError(EEXIST, path)
        if size < 0 or size > 1 << 44:
            raise KernelError(EFBIG)
        i = inode_create(&self.a, name, len(name), INODE_EXT4, dev[0], dev[1], inode, size, &err)
        if i == 0:
            raise KernelError(err if err else ENOMEM)
        if data is not None:
            bytes_ = data
            total = min(len(data), size)
            for at in range(0, total, 4096):
                disk_write_block(&self.a, i, at >> 12, bytes_ + at, min(4096, total - at))
        self.check()

    def truncate(self, path, size):
        if size < 0:
            raise KernelError(EINVAL)
        self.result(do_truncate(&self.a, self.inode_of(path), min(size, 1 << 62)))

    def punch_hole(self, path, offset, length):
        if offset < 0 or length <= 0:
            raise KernelError(EINVAL)
        self.result(punch_hole(&self.a, self.inode_of(path), offset, length))

    def rmfile(self, path):
        path_unlink(&self.a, self.inode_of(path))
        self.check()

    def rename(self, path, to):
        name = to.encode("utf-8", "surrogateescape")
        self.result(path_rename(&self.a, self.inode_of(path), name, len(name)))

    def fail_io(self, path, write=False, times=1):
        cdef inode_t *i = inode_mut(&self.a, self.inode_of(path))
        if write:
            i.fail_write = times
        else:
            i.fail_read = times

    def fincore(self, path):
        cdef idx_t inode = self.inode_of(path)
        cdef uint64_t index = 0
        found = []
        while filemap_next(&self.a, inode, &index, <uint64_t>-1):
            found.append(index)
            index += 1
        self.check()
        return found

    def files(self):
        cdef idx_t i
        found = []
        for i in range(1, self.a.pool[POOL_INODE].count):
            if inode_live(inode_at(&self.a, i)):
                found.append(self.file_record(i))
        self.check()
        found.sort()
        return found

    def file(self, path):
        return self.file_record(self.inode_of(path))

    def file_record(self, idx_t i):
        cdef inode_t *n = inode_at(&self.a, i)
        cdef idx_t v = n.i_mmap
        mapped = 0
        while v:
            mapped += 1
            v = vma_at(&self.a, v).i_mmap_next
        return r.FileInfo(self.path_of(i), n.dev_major, n.dev_minor, n.ino, n.size, n.nrpages, n.nr_dirty, mapped, n.nr_blocks, n.nlink == 0)

    def drop_caches(self, what):
        if not 1 <= what <= 3:
            raise KernelError(EINVAL, f"{what} is not 1, 2 or 3")
        drop_caches(&self.a, what)
        self.check()

    def sync(self):
        sync_all(&self.a)
        self.check()


BOOT_ERRORS = {-EINVAL: "RAM, --arch or --tlb cannot be", -ENOMEM: "the kernel does not fit into this RAM"}


cdef void set_layout(exec_req_t *req, name, value) except *:
    if value is None:
        return
    if name == "mmap_base":
        req.mmap_base = value
    elif name == "exe_base":
        req.exe_base = value
    elif name == "interp_base":
        req.interp_base = value
    elif name == "vdso":
        req.vdso = value
    elif name == "start_brk":
        req.start_brk = value
    elif name == "stack_top":
        req.stack_top = value
    elif name == "string_bytes":
        req.string_bytes = value
    elif name == "personality":
        req.personality = value
    elif name == "rlimit_stack":
        req.rlimit_stack = value & U64
    else:
        raise KernelError(EINVAL, f"layout: {name}")
