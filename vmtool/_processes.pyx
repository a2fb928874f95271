# cython: language_level=3
"""Processes: spawn, fork, exec, exit, kill, switch; limits and names.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

from vmtool._files cimport check_panic, enter, result, runnable
from vmtool._state cimport State
from vmtool._views cimport path_of
from vmtool._walks cimport find, find_mm
from vmtool.mm.arch cimport page_size
from vmtool.mm.access cimport siginfo_t
from vmtool.mm.arena cimport cpu_mut, file_at, inode_at, inode_mut, mm_at, mm_mut, task_at, task_mut
from vmtool.mm.layout cimport layout_of
from vmtool.mm.mm cimport clone_thread, do_exit, do_fork, switch_mm
from vmtool.mm.mm_acct cimport get_mm_rss
from vmtool.mm.pagecache cimport disk_write_block, filemap_populate, inode_create, path_lookup, path_unlink
from vmtool.mm.sys_clear_refs cimport clear_refs as mm_clear_refs
from vmtool.mm.oom_kill cimport set_oom_score_adj as set_oom_score_adj_
from vmtool.mm.pid cimport find_task
from vmtool.mm.sys_exec cimport MAX_SEGMENTS, do_execve, exec_req_t, image_t
from vmtool.mm.sys_kill cimport NSIG, sys_kill
from vmtool.mm.sys_mem cimport access_remote_vm
from vmtool.mm.sys_rlimit cimport do_prlimit, rlimit_t, set_soft_limit
from vmtool.mm.task cimport exit_thread, group_leader, task_alloc, task_free
from vmtool.mm.types cimport *

from vmtool.errors import KernelError, Signal

SIGNAL_CODES = {(SIGSEGV, SEGV_MAPERR): "SEGV_MAPERR", (SIGSEGV, SEGV_ACCERR): "SEGV_ACCERR", (SIGSEGV, SEGV_PKUERR): "SEGV_PKUERR",
                (SIGBUS, BUS_ADRERR): "BUS_ADRERR"}
U64 = 0xFFFFFFFFFFFFFFFF
RLIM_INFINITY = U64
MEM_MAX = 1 << 24  # bytes of another's memory in one call


cdef object signal_of(const siginfo_t *info, Py_ssize_t minor, Py_ssize_t major, bint killed):
    """What an access that took a signal raises."""
    code = SIGNAL_CODES.get((info.signo, info.code), "SI_KERNEL")
    return Signal(info.signo, code, info.addr, minor, major, killed)


cdef int fill_image(State self, image, image_t *out) except -1:
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
        inode_mut(&self.a, out.inode).i_mode = PROGRAM_MODE
        if image.data is not None:
            data = image.data
            bytes_ = data
            size = len(data)
            for at in range(0, size, page_size(&self.a.m.arch)):
                disk_write_block(&self.a, out.inode, at >> self.a.m.arch.page_shift, bytes_ + at, min(page_size(&self.a.m.arch), size - at))
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


cdef object execve(State self, idx_t task, image, argv, env, layout):
    cdef image_t main
    cdef image_t interp
    cdef exec_req_t req
    cdef int err
    memset(&req, 0, sizeof(req))
    self.a.task = task
    self.a.cpu = task_at(&self.a, task).cpu
    fill_image(self, image, &main)
    req.image = &main
    if image.interp is not None:
        fill_image(self, image.interp, &interp)
        req.interp = &interp
    # the name that execve was given: as a rule argv[0] too, while image.path is without links
    path = argv[0] if argv and argv[0].startswith(b"/") else image.path.encode("utf-8", "surrogateescape")
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
    if err > 0:
        raise Signal(err, "SI_KERNEL", 0)
    if err:
        raise KernelError(-err, image.path)


cdef object demo(State self, name):
    """The built-in program, made for this machine's pages and words."""
    from vmtool.demo import demo_image
    return demo_image(name, 1 << self.a.m.arch.page_shift, layout_of(&self.a.m.arch, 0).word_bytes == 4)


def spawn(State self, name, image, argv, env, layout=None, pid=0):
    cdef idx_t t
    cdef int err
    check_panic(self)
    if pid and find_task(&self.a, pid):
        raise KernelError(EEXIST, f"process {pid} is there already")
    if image is None:
        image = demo(self, name)
    t = task_alloc(&self.a, pid, 0, 0, &err)
    if t == 0:
        raise KernelError(err)
    pid = task_at(&self.a, t).pid
    try:
        execve(self, t, image, argv, env, layout)
    except BaseException:
        if not self.a.err:
            task_free(&self.a, t)
        raise
    self.set_comm(pid, name)
    return pid


def exec(State self, pid, name, image, argv, env, layout=None):
    cdef idx_t t = group_leader(&self.a, runnable(self, pid))  # a thread that execs gets its leader's PID
    if image is None:
        image = demo(self, name)
    execve(self, t, image, argv, env, layout)
    self.set_comm(task_at(&self.a, t).pid, name)


def fork(State self, pid, share_mm=False, child=0):
    cdef idx_t t = enter(self, pid)
    cdef int64_t c
    if child and find_task(&self.a, child):
        raise KernelError(EEXIST, f"process {child} is there already")
    c = result(self, do_fork(&self.a, t, child, share_mm))
    return task_at(&self.a, <idx_t>c).pid


def clone(State self, pid, sp=0, tid=0):
    cdef idx_t t = enter(self, pid)
    cdef int64_t thread
    if tid and find_task(&self.a, tid):
        raise KernelError(EEXIST, f"process {tid} is there already")
    thread = result(self, clone_thread(&self.a, t, tid, sp & U64))
    return task_at(&self.a, <idx_t>thread).pid


def exit(State self, pid, status=0):
    cdef idx_t t = runnable(self, pid)
    if group_leader(&self.a, t) != t:
        exit_thread(&self.a, t)
    else:
        do_exit(&self.a, t, (status & 0xFF) << 8)
    self.check()


def kill(State self, pid, signo):
    cdef idx_t t = find(self, pid)
    if not 0 <= signo <= NSIG:
        raise KernelError(EINVAL, f"signal {signo}")
    sys_kill(&self.a, t, signo)
    self.check()


def reset_peaks(State self, pid):
    cdef idx_t mm = task_at(&self.a, find(self, pid)).mm
    if mm:
        mm_mut(&self.a, mm).hiwater_rss = get_mm_rss(mm_at(&self.a, mm))
    self.check()


def switch(State self, pid, cpu=0):
    cdef idx_t t = runnable(self, pid)
    if not 0 <= cpu < self.a.m.nr_cpus:
        raise KernelError(EINVAL, f"no CPU {cpu}")
    if cpu_mut(&self.a, task_at(&self.a, t).cpu).task == t and task_at(&self.a, t).cpu != cpu:
        cpu_mut(&self.a, task_at(&self.a, t).cpu).task = 0
    self.a.cpu = cpu
    self.a.task = t
    switch_mm(&self.a, t, cpu)
    self.check()


def setrlimit(State self, pid, resource, value, hard=True, is_capable=True):
    cdef rlimit_t limit
    cdef idx_t t = find(self, pid)
    if not 0 <= resource < 1 << 32 or (value is not None and value < 0):
        raise KernelError(EINVAL)
    limit.cur = RLIM_INFINITY if value is None else min(value, U64)
    if hard is True:
        result(self, set_soft_limit(&self.a, t, resource, limit.cur))
    else:
        limit.max = RLIM_INFINITY if hard is None else hard & U64
        result(self, do_prlimit(&self.a, t, resource, &limit, NULL, is_capable))


def set_personality(State self, pid, value):
    task_mut(&self.a, find(self, pid)).personality = value & 0xFFFFFFFF


def set_oom_score_adj(State self, pid, value, is_capable=True):
    result(self, set_oom_score_adj_(&self.a, find(self, pid), min(max(value, -1 << 31), 1 << 31), is_capable))


def clear_refs(State self, pid, what):
    result(self, mm_clear_refs(&self.a, task_at(&self.a, enter(self, pid)).mm, what))


cdef object remote(State self, pid, addr, data, bint write):
    """Bytes of another one's memory into `data`, or out of it. The process does not run for it."""
    cdef idx_t t = find(self, pid), mm = find_mm(self, pid)
    cdef char *bytes_ = data
    cdef uint64_t n
    self.a.task = t
    self.a.cpu = task_at(&self.a, t).cpu
    n = access_remote_vm(&self.a, mm, addr & U64, bytes_, len(data), write)
    self.check()
    if n == 0 and len(data):
        raise KernelError(EIO)
    return n


def read_mem(State self, pid, addr, length):
    if not 0 <= length <= MEM_MAX:
        raise KernelError(EINVAL, f"{length} bytes at once")
    data = bytearray(length)
    return bytes(data[:remote(self, pid, addr, data, False)])


def write_mem(State self, pid, addr, data):
    return remote(self, pid, addr, bytearray(data[:MEM_MAX]), True)


def open_files(State self, pid):
    cdef idx_t f = task_at(&self.a, group_leader(&self.a, find(self, pid))).files
    cdef uint32_t left = self.a.pool[POOL_FILE].count
    found = []
    while f and left:
        found.append((path_of(self, file_at(&self.a, f).inode), inode_at(&self.a, file_at(&self.a, f).inode).ino))
        f = file_at(&self.a, f).next
        left -= 1
    self.check()
    return found[::-1]


def set_comm(State self, pid, comm):
    cdef task_t *t = task_mut(&self.a, find(self, pid))
    text = comm.encode("utf-8", "surrogateescape")[:15]
    memset(t.comm, 0, 16)
    memcpy(t.comm, <const char *>text, len(text))


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
