# cython: language_level=3
"""Outside: what logs and live processes need of a machine beyond a user's own calls.

Open files have numbers here, as struct file has: the mappings of one open() merge, those of two do not, and a file without a name
goes on while it is open. Whoever opens closes. Processes as they are on another machine: _adopt.pyx.
"""

from libc.stdint cimport uint64_t

from vmtool._state cimport PATH_MAX, State
from vmtool._walks cimport find, find_mm
from vmtool.mm.arena cimport file_at, inode_at, inode_mut, rec_is_live, vma_at
from vmtool.mm.pagecache cimport do_truncate, file_open, fput, inode_create, path_lookup, path_rename, path_unlink, punch_hole, shmem_acct_size, shmem_is_charged_whole
from vmtool.mm.rmap cimport anon_vma_prepare
from vmtool.mm.show_vma cimport vma_is_initial_heap
from vmtool.mm.sys_rlimit cimport do_prlimit, rlimit_t
from vmtool.mm.types cimport *
from vmtool.mm.vma cimport find_vma

from vmtool.errors import KernelError

KINDS = {"disk": INODE_EXT4, "plain": INODE_PLAIN, "shmem": INODE_SHMEM}
U64 = 0xFFFFFFFFFFFFFFFF


# --- open files ------------------------------------------------------------------------------


cdef idx_t open_number(State self, file) except 0:
    if not rec_is_live(&self.a, POOL_FILE, file):
        raise KernelError(EBADF, f"open file {file}")
    return file


cdef idx_t make_inode(State self, path, size, dev, inode, kind) except 0:
    cdef int err = 0
    cdef idx_t i
    name = path.encode("utf-8", "surrogateescape")
    if not name or b"\0" in name or len(name) >= PATH_MAX:
        raise KernelError(EINVAL, f"a path of 1 to {PATH_MAX - 1} bytes is expected")
    i = inode_create(&self.a, name, len(name), KINDS[kind], dev[0], dev[1], inode, min(size, 1 << 62), &err)
    if i == 0:
        raise KernelError(err if err else ENOMEM)
    return i


def open_file(State self, path):
    cdef idx_t inode, f
    name = path.encode("utf-8", "surrogateescape")
    inode = path_lookup(&self.a, name, len(name))
    if inode == 0:
        raise KernelError(ENOENT, path)
    f = file_open(&self.a, inode)
    self.check()
    if f == 0:
        raise KernelError(ENOMEM)
    return f


def open_new(State self, path, size, dev=(8, 1), inode=0, kind="disk", unlinked=False):
    cdef idx_t i = make_inode(self, path, size, dev, inode, kind)
    cdef idx_t f = file_open(&self.a, i)
    # memfd_create() reserves nothing; what a real kernel granted is taken in, if need be page by page
    if f and kind == "shmem" and (not shmem_is_charged_whole(&self.a, i) or shmem_acct_size(&self.a, i, 0) < 0):
        shmem_acct_size(&self.a, i, VM_NORESERVE)
    if f == 0:
        if inode_at(&self.a, i).nlink:  # path_openat() has the struct file before it makes the file
            path_unlink(&self.a, i)
        raise KernelError(ENOMEM)
    if unlinked and inode_at(&self.a, i).nlink:
        path_unlink(&self.a, i)
    self.check()
    return f


def open_again(State self, file):
    cdef idx_t f = file_open(&self.a, file_at(&self.a, open_number(self, file)).inode)
    self.check()
    if f == 0:
        raise KernelError(ENOMEM)
    return f


def close_file(State self, file):
    fput(&self.a, open_number(self, file))
    self.check()


def unlink_file(State self, file):
    cdef idx_t i = file_at(&self.a, open_number(self, file)).inode
    if inode_at(&self.a, i).nlink:
        path_unlink(&self.a, i)
    self.check()


def rename_file(State self, file, path):
    cdef int err
    name = path.encode("utf-8", "surrogateescape")
    err = path_rename(&self.a, file_at(&self.a, open_number(self, file)).inode, name, len(name))
    self.check()
    if err:
        raise KernelError(-err)


def truncate_file(State self, file, size):
    cdef int err = do_truncate(&self.a, file_at(&self.a, open_number(self, file)).inode, min(size, 1 << 62))
    self.check()
    if err:
        raise KernelError(-err)


def punch_file(State self, file, offset, length):
    cdef int err = punch_hole(&self.a, file_at(&self.a, open_number(self, file)).inode, offset, length)
    self.check()
    if err:
        raise KernelError(-err)


def identify_file(State self, file, dev, inode):
    cdef idx_t i = file_at(&self.a, open_number(self, file)).inode
    inode_mut(&self.a, i).dev_major, inode_mut(&self.a, i).dev_minor, inode_mut(&self.a, i).ino = dev[0], dev[1], inode
    self.check()


# --- what a privileged process could do ----------------------------------------------------------


def lift_limit(State self, pid, resource):
    cdef rlimit_t infinity = rlimit_t(U64, U64)
    cdef int err = do_prlimit(&self.a, find(self, pid), resource if 0 <= resource < 1 << 32 else NR_RLIMITS, &infinity, NULL, True)
    self.check()
    if err:
        raise KernelError(-err)


# --- writes that no log shows -------------------------------------------------------------------


def prepare_anon(State self, pid, addr, length):
    cdef idx_t mm = find_mm(self, pid), v
    cdef uint64_t start = addr & U64, end = start + (length & U64)
    cdef vma_t *area
    v = find_vma(&self.a, mm, start)
    while v and vma_at(&self.a, v).vm_start < end:
        area = vma_at(&self.a, v)
        if (area.vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE)) == VM_WRITE and not area.anon_vma and area.kind == VMA_PLAIN:
            if anon_vma_prepare(&self.a, v) < 0:
                raise KernelError(ENOMEM)
        v = vma_at(&self.a, v).vm_next
    self.check()


def like_borders(State self, pid):
    cdef idx_t mm = find_mm(self, pid), v = find_vma(&self.a, mm, 0), last = 0
    cdef const vma_t *area
    cdef const vma_t *before
    cdef list found = []
    while v:
        area = vma_at(&self.a, v)
        if last and area.vm_flags & VM_WRITE and not area.vm_file and area.kind == VMA_PLAIN:
            before = vma_at(&self.a, last)
            if (before.vm_end == area.vm_start and not before.vm_file and before.kind == VMA_PLAIN
                    and (before.vm_flags ^ area.vm_flags) & 0xff == 0 and vma_is_initial_heap(&self.a, last) == vma_is_initial_heap(&self.a, v)):
                found.append((before.vm_start, area.vm_end, "[heap]" if vma_is_initial_heap(&self.a, v) else "anonymous"))
        last = v
        v = area.vm_next
    self.check()
    return found
