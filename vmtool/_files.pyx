# cython: language_level=3
"""Files: files and the page cache from outside, and file I/O of a process. The lower half of the door that changes things.

A call for a process runs it: `enter()` finds it, puts it on its CPU (CR3, TLB) and makes it the current task.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc

from vmtool._state cimport PATH_MAX, State
from vmtool._views cimport path_of
from vmtool._walks cimport find
from vmtool.mm.arch cimport page_size
from vmtool.mm.arena cimport cpu_mut, file_at, file_mut, inode_at, inode_mut, rec_is_live, task_at, task_mut, vma_at
from vmtool.mm.filemap cimport filemap_next
from vmtool.mm.mm cimport do_exit, switch_mm
from vmtool.mm.pti cimport kernel_round_trip
from vmtool.mm.inode cimport inode_take_objects
from vmtool.mm.pagecache cimport (disk_write_block, do_truncate, drop_caches as mm_drop_caches, file_open, filemap_read, filemap_write, fput,
                                  inode_create, path_lookup, tmpfs_create,
                                  path_rename, path_unlink, punch_hole as mm_punch_hole, sync_all)
from vmtool.mm.pid cimport find_task
from vmtool.mm.swap_state cimport swap_write_wait
from vmtool.mm.task cimport group_leader
from vmtool.mm.types cimport *

from vmtool import records as r
from vmtool.errors import KernelError, Signal

cdef enum:
    ENOTRECOVERABLE = 131

DISK_DEV, TMPFS_DEV = (8, 1), (0, 27)
PANICKED = "the kernel has panicked; dmesg says why"


cdef idx_t runnable(State self, pid) except 0:
    """A process that can do something now: a stopped one does not, until SIGCONT."""
    cdef idx_t t = find(self, pid)
    if task_at(&self.a, t).state == c"T":
        raise KernelError(EAGAIN, f"process {pid} is stopped")
    return t


cdef idx_t on_cpu(State self, pid) except 0:
    """The process runs on its CPU; its address space must exist."""
    cdef idx_t t = runnable(self, pid)
    if task_at(&self.a, t).mm == 0:
        raise KernelError(ESRCH, f"process {pid} has no address space")
    self.a.task = t
    self.a.cpu = task_at(&self.a, t).cpu
    settle(self)
    if cpu_mut(&self.a, self.a.cpu).task != t:
        switch_mm(&self.a, t, self.a.cpu)
    return t


cdef idx_t enter(State self, pid) except 0:
    """And makes a system call."""
    cdef idx_t t = on_cpu(self, pid)
    kernel_round_trip(&self.a, self.a.cpu)
    return t


cdef int check_panic(State self) except -1:
    """vm.panic_on_oom: nothing runs any more; what there is can still be looked at."""
    if self.a.m.panicked:
        raise KernelError(ENOTRECOVERABLE, PANICKED)
    return 0


cdef int settle(State self) except -1:
    """Before each call: what the call before wrote to swap has arrived, and nobody is being killed."""
    self.a.oom_victim = 0
    check_panic(self)
    if self.a.m.swap_io_nr:
        self.mark()
        swap_write_wait(&self.a)
    return 0


cdef object result(State self, long long value):
    """0 or a positive result; -errno raises. Checked first: what a damaged image computed is nothing. A process that its own call made the OOM
    killer choose dies of it."""
    self.checked()
    check_panic(self)
    if self.a.oom_victim and find_task(&self.a, self.a.oom_victim):
        do_exit(&self.a, find_task(&self.a, self.a.oom_victim), SIGKILL)
        self.a.oom_victim = 0
        self.check()
        raise Signal(SIGKILL, "SI_KERNEL", 0, 0, 0, True)
    if value < 0:
        raise KernelError(<int>-value)
    return value


cdef idx_t inode_of(State self, path) except 0:
    cdef idx_t inode
    name = path.encode("utf-8", "surrogateescape")
    inode = path_lookup(&self.a, name, len(name))
    if inode == 0:
        raise KernelError(ENOENT, path)
    return inode


cdef idx_t task_file(State self, idx_t task, idx_t inode) except 0:
    """The one open file that read() and write() of this process use for a path."""
    cdef idx_t leader = group_leader(&self.a, task), f = task_at(&self.a, leader).files
    cdef uint32_t left = self.a.pool[POOL_FILE].count
    while f and left:
        if file_at(&self.a, f).inode == inode:
            if not inode_take_objects(&self.a, inode):
                raise KernelError(ENOMEM)
            return f
        f = file_at(&self.a, f).next
        left -= 1
    f = file_open(&self.a, inode)
    if f == 0:
        raise KernelError(ENOMEM)
    file_mut(&self.a, f).next = task_at(&self.a, leader).files
    task_mut(&self.a, leader).files = f
    return f


# --- file I/O ------------------------------------------------------------------------------------


def read(State self, pid, path, offset, length):
    cdef idx_t t = enter(self, pid), inode = inode_of(self, path)
    cdef idx_t f
    cdef int64_t n
    cdef char *buf
    cdef uint64_t want
    if not 0 <= offset < 1 << 63:
        raise KernelError(EINVAL)
    want = max(0, min(length, inode_at(&self.a, inode).size - offset if offset < inode_at(&self.a, inode).size else 0))
    f = task_file(self, t, inode)
    buf = <char *>malloc(want + 1)
    if buf == NULL:
        raise MemoryError()
    try:
        n = filemap_read(&self.a, f, offset, buf, want)
        result(self, n)
        return buf[:n]
    finally:
        free(buf)


def write(State self, pid, path, offset, data):
    cdef idx_t t = enter(self, pid)
    cdef idx_t f = task_file(self, t, inode_of(self, path))
    cdef const char *bytes_ = data
    if not 0 <= offset < 1 << 63:
        raise KernelError(EINVAL)
    return result(self, filemap_write(&self.a, f, offset, bytes_, len(data)))


# --- files ------------------------------------------------------------------------------------------------


cdef idx_t new_inode(State self, bytes name, size, dev, inode, bint tmpfs) except 0:
    cdef int err = 0
    cdef idx_t i
    if tmpfs:
        i = tmpfs_create(&self.a, name, len(name), dev[0], dev[1], inode, size, &err)
    else:
        i = inode_create(&self.a, name, len(name), INODE_EXT4, dev[0], dev[1], inode, size, &err)
    if i == 0:
        raise KernelError(err if err else ENOMEM)
    return i


cdef int fill_tmpfs(State self, idx_t inode, bytes data) except -1:
    """What is written to it are pages, from the start."""
    cdef idx_t f
    cdef int64_t done
    self.a.task = 0
    f = file_open(&self.a, inode)
    done = filemap_write(&self.a, f, 0, data, len(data)) if f else -ENOMEM
    if f:
        fput(&self.a, f)
    if done < <int64_t>len(data):
        path_unlink(&self.a, inode)
        raise KernelError(-done if done < 0 else ENOSPC)
    return 0


def mkfile(State self, path, size, data=None, dev=None, inode=0, tmpfs=False):
    cdef idx_t i
    cdef const char *bytes_
    cdef Py_ssize_t at, total
    name = path.encode("utf-8", "surrogateescape")
    if not name or b"\0" in name or len(name) >= PATH_MAX:
        raise KernelError(EINVAL, f"a path of 1 to {PATH_MAX - 1} bytes is expected")
    if path_lookup(&self.a, name, len(name)):
        raise KernelError(EEXIST, path)
    if size < 0 or size > 1 << 44:
        raise KernelError(EFBIG)
    tmpfs = tmpfs or path.startswith("/dev/shm/")
    i = new_inode(self, name, size, (TMPFS_DEV if tmpfs else DISK_DEV) if dev is None else dev, inode, tmpfs)
    if tmpfs and data:
        fill_tmpfs(self, i, bytes(data[:size]))
    elif data is not None:
        bytes_ = data
        total = min(len(data), size)
        for at in range(0, total, page_size(&self.a.m.arch)):
            disk_write_block(&self.a, i, at >> self.a.m.arch.page_shift, bytes_ + at, min(page_size(&self.a.m.arch), total - at))
    self.check()


def truncate(State self, path, size):
    if size < 0:
        raise KernelError(EINVAL)
    result(self, do_truncate(&self.a, inode_of(self, path), min(size, 1 << 62)))


def punch_hole(State self, path, offset, length):
    cdef idx_t inode = inode_of(self, path), file
    cdef int err
    if offset < 0 or length <= 0:
        raise KernelError(EINVAL)
    file = file_open(&self.a, inode)  # fallocate() wants one, and closing it can start write-back
    if file == 0:
        raise KernelError(ENOMEM)
    err = mm_punch_hole(&self.a, inode, offset, length)
    fput(&self.a, file)
    result(self, err)


def rmfile(State self, path):
    path_unlink(&self.a, inode_of(self, path))
    self.check()


def rename(State self, path, to):
    name = to.encode("utf-8", "surrogateescape")
    result(self, path_rename(&self.a, inode_of(self, path), name, len(name)))


def fail_io(State self, path, write=False, times=1):
    cdef inode_t *i = inode_mut(&self.a, inode_of(self, path))
    if write:
        i.fail_write = times
    else:
        i.fail_read = times


def fincore(State self, path):
    cdef idx_t inode = inode_of(self, path)
    cdef uint64_t index = 0
    found = []
    while len(found) < <Py_ssize_t>self.a.m.max_pfn and filemap_next(&self.a, inode, &index, <uint64_t>-1):
        found.append(index)
        index += 1
    self.check()
    return found


def files(State self):
    cdef idx_t i
    found = []
    for i in range(1, self.a.pool[POOL_INODE].count):
        if rec_is_live(&self.a, POOL_INODE, i):
            found.append(file_record(self, i))
    self.check()
    found.sort()
    return found


def file(State self, path):
    return file_record(self, inode_of(self, path))


cdef object file_record(State self, idx_t i):
    cdef inode_t *n = inode_at(&self.a, i)
    cdef idx_t v = n.i_mmap
    cdef uint32_t left = self.a.pool[POOL_VMA].count
    mapped = 0
    while v and mapped < left:
        mapped += 1
        v = vma_at(&self.a, v).i_mmap_next
    return r.FileInfo(path_of(self, i), n.dev_major, n.dev_minor, n.ino, n.size, n.nrpages, n.nr_dirty, mapped, n.nr_blocks, n.nlink == 0)


def drop_caches(State self, what):
    if not 1 <= what <= 3:
        raise KernelError(EINVAL, f"{what} is not 1, 2 or 3")
    mm_drop_caches(&self.a, what)
    self.check()


def sync(State self):
    sync_all(&self.a)
    self.check()
